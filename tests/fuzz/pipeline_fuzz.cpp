// The whole pipeline on fake ports: a burst of mutated packets, in one piece or several, from the
// fabric, from VMs and from the router itself. Each must leave by one exit, with its one reason
// counted, as it would with the tracer that explains, and as in a router that keeps flows; what is
// transmitted must be sound. Where VMs have policies, packets fare the same or are dropped.
#include <array>
#include <memory>

#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"
#include "fuzz/sound.hpp"
#include "policy/compiled_policy.hpp"
#include "stages/pipeline.hpp"
#include "support/heap_packet.hpp"
#include "support/stage_world.hpp"
#include "tables/forwarding_state.hpp"

using namespace weft;
namespace world = test::world;

namespace {

enum class Exit : std::uint8_t { none, dropped, punted, held, transmitted };

/// A packet of the input: flags, where it arrives, how it lies in memory, and its bytes.
struct Item {
  explicit Item(fuzz::Bytes piece) {
    fuzz::Input input(piece);
    const std::uint8_t flags = input.byte();
    traced = (flags & 2) != 0;
    own = (flags & 4) != 0;
    port = PortId(input.byte() % 6U);
    constexpr std::size_t headrooms[] = {headroom_bytes, 0, 13, 14, 49, 50, 64, 255};
    headroom = headrooms[flags >> 5];
    piece_bytes = input.byte();
    bytes.assign(input.rest().begin(), input.rest().end());
    if ((flags & 1) == 0) return;
    own ? fuzz::repair_ip(bytes) : fuzz::repair_frame(bytes);
  }

  bool traced;
  bool own;     ///< an IP packet that the router originates
  PortId port;  ///< for `own`: its VRF
  std::size_t headroom;
  std::size_t piece_bytes;  ///< of all pieces but the last; 0: one piece
  std::vector<std::uint8_t> bytes;
};

struct Fate {
  Exit exit = Exit::none;
  PortId port;
  std::vector<std::uint8_t> bytes;
};

Batch with_flows(Batch batch) {
  for (auto& change : batch.vrfs) change.object->flows = true;
  for (auto& change : batch.vifs) change.object->flows = true;
  return batch;
}

/// VM 1 opens sessions to anybody, VM 4 gets them from anybody, VM 3 does both; red keeps no flows.
/// Rules need DPDK's memory, which is not there, so it is the defaults that decide.
Batch with_policies(Batch batch) {
  constexpr auto allow = PolicyAction::allow;
  constexpr auto deny = PolicyAction::deny;
  const auto policy = [&](PolicyId id, PolicyAction egress, PolicyAction ingress) {
    auto compiled = compile({{{}, egress}, {{}, ingress}}, "fuzz");
    if (!compiled) fuzz::broken(compiled.error().message);
    batch.policies.push_back({id, std::shared_ptr<const CompiledPolicy>(*compiled)});
    for (auto& change : batch.vifs) {
      if (change.id.index() == id.index()) change.object->policy = id;
    }
  };
  policy(PolicyId(1), allow, deny);
  policy(PolicyId(3), allow, allow);
  policy(PolicyId(4), deny, allow);
  for (auto& change : batch.vrfs) change.object->flows = change.id != world::red;
  return batch;
}

class Router {
 public:
  explicit Router(const Batch& batch) {
    rcu_.register_reader(0);
    const auto applied = state_.apply(batch);
    if (!applied) fuzz::broken(applied.error().message);
    for (std::uint32_t port = 0; port < ports_.size(); ++port) {
      ports_[port] = ingress_of(state_.tables(), port);
    }
  }

  template <class Tracer>
  std::vector<Fate> run(const std::vector<Item>& items, Tracer tracer) {
    *exits_ = Exits{};
    std::vector<rte_mbuf*> mbufs;
    for (const Item& item : items) mbufs.push_back(make(item));
    const std::uint64_t drops_before = drops();
    StageContext<Tracer> ctx{state_.tables(), *counters_, *exits_, tracer, &hands_};
    rcu_.online(0);
    hands_.begin(tsc_ += tsc_a_run);
    // What one port received one after the other is a burst.
    for (std::size_t from = 0, to = 0; from < items.size(); from = to) {
      while (to < items.size() && items[to].own == items[from].own &&
             items[to].port == items[from].port) {
        ++to;
      }
      const std::span<rte_mbuf* const> group(mbufs.data() + from, to - from);
      if (!items[from].own) {
        run_received(ctx, *burst_, ports_.at(items[from].port.index()), group);
        continue;
      }
      for (rte_mbuf* mbuf : group) fill(items[from].port, burst_->add(Packet(mbuf)));
      run_pipeline(ctx, *burst_, Entry::parse);
    }
    fuzz::require(burst_->count == 0, "no packet stays in the burst");
    rcu_.offline(0);
    hands_.tidy(1);
    std::vector<Fate> fates = collect(items, mbufs);
    fuzz::require(drops() - drops_before == exits_->dropped.count + errors_,
                  "a drop is counted once");
    fuzz::require(counters_->drops[0].get() == 0, "a drop has a reason");
    for (rte_mbuf* mbuf : mbufs) rte_pktmbuf_free(mbuf);
    fuzz::require(packets_.alive() == 0, "every buffer comes back");
    return fates;
  }

 private:
  rte_mbuf* make(const Item& item) {
    fuzz::Bytes rest = item.bytes;
    rte_mbuf* first = nullptr;
    constexpr unsigned most_pieces = 8;
    for (unsigned i = 0; i == 0 || !rest.empty(); ++i) {
      const bool last = item.piece_bytes == 0 || i + 1 == most_pieces;
      const auto bytes = rest.first(last ? rest.size() : std::min(item.piece_bytes, rest.size()));
      rest = rest.subspan(bytes.size());
      rte_mbuf* piece = packets_.make(bytes, first == nullptr ? item.headroom : 0);
      if (first == nullptr) {
        first = piece;
      } else {
        fuzz::require(rte_pktmbuf_chain(first, piece) == 0, "a chain of pieces");
      }
    }
    return first;
  }

  /// A packet of the router's own.
  void fill(PortId port, PacketContext& p) const {
    p.l3 = p.packet.data();
    p.end = p.l3 + p.packet.contiguous_bytes();
    p.bytes = p.packet.total_bytes();
    p.originated = true;
    p.vrf = state_.tables().vrfs.get(VrfId(port.index() % 3));
  }

  [[nodiscard]] std::uint64_t drops() const {
    std::uint64_t sum = 0;
    for (const Counter& counter : counters_->drops) sum += counter.get();
    return sum;
  }

  std::vector<Fate> collect(const std::vector<Item>& items, const std::vector<rte_mbuf*>& mbufs) {
    std::vector<Fate> fates(items.size());
    const auto take = [&](const Exits::List& list, Exit exit, PortId port) {
      for (unsigned i = 0; i < list.count; ++i) {
        const auto found = std::ranges::find(mbufs, list.packets[i]);
        fuzz::require(found != mbufs.end(), "an exit holds packets of the burst");
        const auto at = static_cast<std::size_t>(found - mbufs.begin());
        fuzz::require(fates[at].exit == Exit::none, "a packet leaves by one exit");
        fates[at] = {exit, port, bytes_of(Packet(list.packets[i]))};
        check(items[at], fates[at], Packet(list.packets[i]).metadata());
      }
    };
    errors_ = 0;
    take(exits_->dropped, Exit::dropped, {});
    take(exits_->punted, Exit::punted, {});
    take(exits_->held, Exit::held, {});
    for (std::uint32_t port = 0; port < max_ports; ++port) {
      const Exits::Departures& list = exits_->tx[port];
      std::uint64_t bytes = 0;
      for (unsigned i = 0; i < list.count; ++i) bytes += Packet(list.packets[i]).total_bytes();
      fuzz::require(bytes == list.bytes, "a port's bytes are those of its packets");
      fuzz::require((list.count != 0) == ((exits_->tx_ports >> port & 1) != 0), "tx_ports");
      take(list, Exit::transmitted, PortId(port));
    }
    for (const Fate& fate : fates) fuzz::require(fate.exit != Exit::none, "every packet leaves");
    return fates;
  }

  static std::vector<std::uint8_t> bytes_of(Packet packet) {
    rte_mbuf* mbuf = packet.mbuf();
    const char* why = nullptr;
    if (rte_mbuf_check(mbuf, 1, &why) != 0) fuzz::broken(why);
    std::vector<std::uint8_t> bytes(mbuf->pkt_len);
    if (bytes.empty()) return bytes;
    const void* at = rte_pktmbuf_read(mbuf, 0, mbuf->pkt_len, bytes.data());
    fuzz::require(at != nullptr, "a chain is as long as it says");
    if (at != bytes.data()) std::memcpy(bytes.data(), at, bytes.size());
    return bytes;
  }

  void check(const Item& item, const Fate& fate, const PacketMetadata& m) {
    switch (fate.exit) {
      case Exit::none:
      case Exit::dropped:
        return;
      case Exit::punted:
        fuzz::require(static_cast<unsigned>(m.kind) < punt_class_count, "a punt has a class");
        fuzz::require(m.l3_offset <= fate.bytes.size(), "a punt's packet lies inside");
        if (m.kind != PuntClass::icmp_error) return;
        ++errors_;
        fuzz::require(m.reason != DropReason::none, "an error has a reason");
        fuzz::require_sound_header(packet_of(fate, m), "an error quotes a sound packet");
        return;
      case Exit::held:
        fuzz::require(m.out_port.valid(), "what waits, waits at a port");
        return;
      case Exit::transmitted:
        return check_transmitted(item, fate);
    }
  }

  /// Without padding, which control cuts off for itself.
  static fuzz::Bytes packet_of(const Fate& fate, const PacketMetadata& m) {
    const auto packet = fuzz::Bytes(fate.bytes).subspan(m.l3_offset);
    fuzz::require(packet.size() >= 20, "an error quotes a header");
    const bool v4 = packet[0] >> 4 == 4;
    const std::size_t bytes = v4 ? fuzz::get16(packet, 2) : fuzz::get16(packet, 4) + 40U;
    return packet.first(std::min(bytes, packet.size()));
  }

  void check_transmitted(const Item& item, const Fate& fate) const {
    fuzz::require(state_.tables().ports.get(fate.port.index()) != nullptr, "a port that is there");
    fuzz::require(fate.bytes.size() >= 14 + 20, "a frame holds a packet");
    const auto packet = fuzz::Bytes(fate.bytes).subspan(14);
    const bool v4 = packet[0] >> 4 == 4;
    fuzz::require(fuzz::get16(fate.bytes, 12) == (v4 ? 0x0800U : 0x86ddU),
                  "the EtherType is right");
    fuzz::require((fate.bytes[0] & 1) == 0 && (fate.bytes[6] & 1) == 0, "from one host to another");
    fuzz::require(packet.size() <= 1500, "a packet fits the MTU");
    fuzz::require_sound_header(packet, "a transmitted packet");
    // Underlay IPv6 leaves in tunnels only, and so does all that VMs send into the fabric.
    const bool from_vm = !item.own && item.port != world::fabric;
    if (fate.port == world::fabric && (!v4 || from_vm) && !sent_unchecked(packet)) {
      fuzz::require_sound_upper(packet, v4 ? 20 : 40, 17, "an outer UDP header");
    }
  }

  /// By the one tunnel that leaves out UDP checksums over IPv6: it leads to 10.1.2.0/24.
  static bool sent_unchecked(fuzz::Bytes packet) {
    constexpr std::size_t inner = 40 + 8 + 8 + 14;
    constexpr std::array<std::uint8_t, 3> network{10, 1, 2};
    return packet[0] >> 4 == 6 && packet.size() >= inner + 20 && packet[inner] >> 4 == 4 &&
           std::ranges::equal(packet.subspan(inner + 16, 3), network) &&
           fuzz::get16(packet, 46) == 0;
  }

  static constexpr std::uint64_t tsc_a_run = 1 << 22;  ///< so that sessions age, too
  Rcu rcu_{1};
  ForwardingState state_{rcu_, {1, 2}, {.sessions4 = 1024, .sessions6 = 1024, .timeouts = {}}};
  FlowHands hands_{*state_.tables().flows, rcu_, 0};
  std::uint64_t tsc_ = 0;
  std::array<Ingress, 6> ports_;
  test::HeapPackets packets_;
  std::unique_ptr<WorkerCounters> counters_ = std::make_unique<WorkerCounters>();
  std::unique_ptr<Exits> exits_ = std::make_unique<Exits>();
  std::unique_ptr<Burst> burst_ = std::make_unique<Burst>();
  std::size_t errors_ = 0;  ///< drops of which the sender is told
};

void agree(const std::vector<Fate>& fates, const std::vector<Fate>& others, const char* promise) {
  for (std::size_t i = 0; i < fates.size(); ++i) {
    fuzz::require(fates[i].exit == others[i].exit && fates[i].port == others[i].port, promise);
    fuzz::require(fates[i].exit == Exit::dropped || fates[i].bytes == others[i].bytes, promise);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Router router(world::batch());
  static Router keeps_flows(with_flows(world::batch()));
  static Router judges(with_policies(with_flows(world::batch())));
  static fuzz::PacketTally tally;
  std::vector<Item> items;
  bool traced = false;
  for (const auto piece : fuzz::split({data, size}, fuzz::packet_separator)) {
    if (items.size() == max_burst) break;
    traced |= items.emplace_back(piece).traced;
  }
  tally.add(items.size());
  const auto fates = router.run(items, NullTracer{});
  agree(fates, keeps_flows.run(items, NullTracer{}), "the same with flows");
  auto judged = judges.run(items, NullTracer{});
  for (std::size_t i = 0; i < fates.size(); ++i) {
    if (judged[i].exit == Exit::dropped) judged[i] = fates[i];
  }
  agree(fates, judged, "the same with policies, or dropped");
  if (!traced) return 0;
  std::vector<ExplainStep> steps;
  agree(fates, router.run(items, RecordTracer{&steps}), "explained as it fares");
  agree(fates, keeps_flows.run(items, RecordTracer{&steps}), "explained with flows as it fares");
  return 0;
}
