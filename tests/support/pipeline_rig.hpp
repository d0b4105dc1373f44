#pragma once
/// Packets sent through the real stages, and what became of them.
///
/// Each packet runs three times, with the tracer that forwards, the one that explains and the one
/// that measures, and three times more in a twin of the router whose VRFs all keep flows; it must
/// fare the same, whether a flow is opened for it, or found, or none is kept. Its bytes lie on the
/// heap in pieces of exactly their size, so that AddressSanitizer sees a read or write beyond them.
/// Broken promises of the pipeline (a packet in two exits, a drop counted twice) throw
/// std::logic_error, which fails the test.

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "packet/packet.hpp"
#include "stages/pipeline.hpp"
#include "tables/forwarding_state.hpp"

namespace weft::test {

using Bytes = std::vector<std::uint8_t>;

enum class Exit { transmitted, dropped, punted, held };

/// How a packet came to lie in memory.
struct Layout {
  std::size_t headroom = headroom_bytes;
  std::size_t tailroom = 0;       ///< behind the first piece
  std::vector<std::size_t> cuts;  ///< where a new piece begins, ascending
};

struct Outcome {
  Exit exit = Exit::dropped;
  DropReason reason = DropReason::none;  ///< whose counter moved
  PortId port;                           ///< for transmitted
  std::size_t place = 0;                 ///< among the packets of its exit
  PacketMetadata metadata{};             ///< for punted and held
  Bytes frame;                           ///< as it lies in the buffer now
  std::vector<ExplainStep> steps;
};

/// "transmitted", or with its reason "dropped: no_route": to compare and to read.
std::string describe(const Outcome& outcome);

class Rig {
 public:
  explicit Rig(const Batch& batch);

  /// Throws when the batch is refused. Policies are the twin's alone, which keeps flows.
  void apply(const Batch& batch);

  /// The same in the twin alone, as it stands.
  void apply_to_twin(const Batch& batch);

  /// A frame that a port received.
  Outcome receive(PortId port, const Bytes& frame, const Layout& layout = {});
  std::vector<Outcome> receive(PortId port, const std::vector<Bytes>& frames,
                               const Layout& layout = {});
  /// In the twin alone, once: where policies decide.
  Outcome receive_judged(PortId port, const Bytes& frame);
  /// Once, and all that leaves by any port for it, in order: for packets that are cut, of which the
  /// others show the first piece, and for those that are put together. `frames`: at once.
  std::vector<Bytes> pieces(PortId port, const std::vector<Bytes>& frames,
                            const Layout& layout = {});
  /// The same in the twin alone, once: for what a session remembers and a lone packet cannot meet.
  Outcome receive_with_flows(PortId port, const Bytes& frame);
  /// Looked at in the twin, which changes nothing.
  Outcome explain_judged(PortId port, const Bytes& frame);
  /// An IP packet of the router's own.
  Outcome originate(VrfId vrf, const Bytes& packet);
  /// A frame of the router's own into a tunnel.
  Outcome inject(NexthopId tunnel, const Bytes& frame, const Layout& layout = {});
  /// A packet that waited for its neighbour, to output.
  Outcome resume(const Outcome& held);
  /// One that waited for a glean, through the stages again; in the twin alone, once.
  Outcome resume_judged(const Outcome& held);

  [[nodiscard]] const Tables& tables() const { return node_.state.tables(); }
  [[nodiscard]] const Tables& twin_tables() const { return twin_.state.tables(); }
  /// Of the last packets that were sent.
  [[nodiscard]] const WorkerCounters& counters() const { return *counters_; }
  /// What pieces() has told of, of what tunnels that are watched send.
  [[nodiscard]] SentLog& sent() { return sent_; }
  /// Of the twin that keeps them: each packet counts three times.
  [[nodiscard]] FlowTables& flows() const { return *twin_.state.tables().flows; }
  [[nodiscard]] FlowHands& hands() { return twin_.hands; }
  /// A moment passes, so that closed sessions can be used again.
  void tidy();
  /// Of all stages, what entered each.
  [[nodiscard]] const StageClocks& clocks() const { return *clocks_; }

 private:
  /// Frames that a port received, or packets of another source.
  struct Source {
    PortId port{};
    Entry entry = Entry::parse;
    std::function<void(const Tables&, Burst&, Packet)> add{};
  };
  struct Node {
    Node() { rcu.register_reader(0); }
    Rcu rcu{1};
    ForwardingState state{
        rcu, {1, 2}, {.sessions4 = 1 << 14, .sessions6 = 1 << 12, .timeouts = {}}};
    FlowHands hands{*state.tables().flows, rcu, 0};
  };
  std::vector<Outcome> run(const std::vector<Bytes>& frames, const Layout& layout,
                           const Source& source);
  template <class Tracer>
  std::vector<Outcome> run_once(const std::vector<Bytes>& frames, const Layout& layout,
                                const Source& source, Node& node, Tracer tracer, FlowHands* hands);

  Node node_;
  Node twin_;
  SentLog sent_;
  std::unique_ptr<WorkerCounters> counters_;
  std::unique_ptr<StageClocks> clocks_;
};

}  // namespace weft::test
