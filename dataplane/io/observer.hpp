#pragma once
/// Traces and captures: what the workers need to know of them, and how what they see reaches the
/// control thread. While there is none, a worker pays a load and a branch a turn.

#include <pcap/pcap.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/record_ring.hpp"
#include "packet/burst.hpp"
#include "weft/forwarding.hpp"

namespace weft::io {

/// The time of day by the TSC; each observer has its own, so that it drifts no longer than that
/// runs.
class TscClock {
 public:
  TscClock();
  [[nodiscard]] std::uint64_t ns(std::uint64_t tsc) const {
    return base_ns_ +
           static_cast<std::uint64_t>(static_cast<double>(tsc - base_tsc_) * ns_per_tick_);
  }

 private:
  std::uint64_t base_tsc_;
  std::uint64_t base_ns_;
  double ns_per_tick_;
};

/// What a frame is matched and copied from: its first piece, and the whole.
struct FrameView {
  const rte_mbuf* mbuf = nullptr;  ///< the pieces; nullptr where `data` is all
  const std::uint8_t* data = nullptr;
  std::uint32_t contiguous_bytes = 0;
  std::uint32_t total_bytes = 0;

  static FrameView of(const rte_mbuf* mbuf) {
    return {mbuf, rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len, mbuf->pkt_len};
  }
  /// Copies the first `bytes` bytes.
  void copy(std::uint8_t* to, std::uint32_t bytes) const;
};

/// Of a record in a capture's ring; the frame's first bytes follow.
struct CaptureRecord {
  std::uint64_t time_ns;
  PortId port;
  std::uint32_t frame_bytes;
  CapturePoint point;
  DropReason reason;
};

/// One trace or capture. Control makes and retires it; workers count in it and fill their ring.
struct Observer {
  static constexpr std::uint32_t all_ports = ~std::uint32_t{0};
  ObserverId id;
  std::atomic<std::uint32_t> ports{all_ports};  ///< bit i: port i
  std::vector<bpf_insn> filter;
  TscClock clock;
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> lost{0};

  // A trace.
  std::atomic<std::int64_t> packets_left{0};

  // A capture.
  bool in = false;
  bool out = false;
  bool dropped = false;
  DropReason reason = DropReason::none;
  std::uint32_t snap_bytes = 0;
  std::vector<std::unique_ptr<RecordRing>> rings;  ///< by worker

  [[nodiscard]] bool at_port(PortId port) const {
    const std::uint32_t bits = ports.load(std::memory_order_relaxed);
    return !port.valid() ? bits == all_ports : (bits >> port.index() & 1) != 0;
  }
  [[nodiscard]] bool matches(const FrameView& frame) const {
    return filter.empty() ||
           bpf_filter(filter.data(), frame.data, frame.total_bytes, frame.contiguous_bytes) != 0;
  }
  [[nodiscard]] bool wants_more() const { return packets_left.load(std::memory_order_relaxed) > 0; }
  /// Takes one of a trace's packets; false: it has all it wanted.
  bool take_packet();
  /// Copies the frame into the worker's ring; counts it as lost where there is no room.
  void record(unsigned worker, std::uint64_t tsc, CapturePoint point, PortId port, DropReason why,
              const FrameView& frame);
};

/// All that run; replaced as a whole.
struct ObserverSet {
  std::vector<Observer*> traces;
  std::vector<Observer*> captures;
  std::uint32_t arrivals = 0;  ///< bit i: somebody looks at what arrives at port i
  std::uint32_t departures = 0;
  bool drops = false;
  std::uint32_t drop_snap_bytes = 0;
  /// By worker: a burst as it arrived, for captures of what is dropped from it.
  mutable std::vector<std::vector<std::uint8_t>> bursts;
};

/// A packet that was followed; the worker makes it, control frees it.
struct TraceRecord {
  std::vector<ObserverId> traces;
  std::uint64_t time_ns = 0;
  PortId port;
  ExplainReport report;
};

/// The traces and captures of the control thread.
class Observers {
 public:
  explicit Observers(unsigned workers) : workers_(workers) {}

  /// `attached`: bits of the ports that exist.
  Result<ObserverId> add(const TraceRequest& request, std::uint32_t attached);
  Result<ObserverId> add(const CaptureRequest& request, std::uint32_t attached);
  /// Takes it out; nullptr: there is none. The workers may still look at it.
  std::unique_ptr<Observer> remove(ObserverId id);
  [[nodiscard]] Observer* find(ObserverId id) const;
  [[nodiscard]] ObserverStatus status(ObserverId id) const;
  [[nodiscard]] std::vector<ObserverId> ids() const;
  /// A port is gone: whoever looked at it shall not look at the next one under its index.
  void forget_port(std::uint16_t index);
  /// What the workers shall look at; nullptr when nothing runs.
  [[nodiscard]] std::unique_ptr<ObserverSet> make_set() const;

 private:
  Result<std::unique_ptr<Observer>> make(const std::vector<PortId>& ports,
                                         const PacketFilter& filter, std::uint32_t attached);
  ObserverId keep(std::unique_ptr<Observer> observer);

  unsigned workers_;
  std::uint32_t next_ = 0;
  std::vector<std::unique_ptr<Observer>> observers_;
};

/// The tag that a frame lost where it arrived, or gets where it leaves, as a step of its own; no
/// step where there is none.
void note_tag_taken(const rte_mbuf* mbuf, ExplainReport& report);
void note_tag_put(std::uint16_t vlan, ExplainReport& report);

/// What became of a packet that went through the stages alone: `reason` where it was dropped,
/// `way_out` where it was sent.
void conclude(const Exits& exits, DropReason reason, PortId way_out, ExplainReport& report);

}  // namespace weft::io
