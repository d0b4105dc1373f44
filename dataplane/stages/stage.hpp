#pragma once
/// What all stages share: their context, the loop over a burst, and the exits.

#include <string_view>
#include <utility>

#include "packet/burst.hpp"
#include "packet/cutting.hpp"
#include "packet/reassembly.hpp"
#include "tables/sent_log.hpp"
#include "tables/tables.hpp"

namespace weft {

/// Notes nothing; every call disappears.
///
/// Of any tracer: `enabled`: it wants what the stages note of a packet; `tells`: it must hear of
/// each packet, so that none goes the short way.
struct NullTracer {
  static constexpr bool enabled = false;
  static constexpr bool tells = false;
  template <class Text>
  [[gnu::always_inline]] void note(std::string_view, const PacketContext&, Text&&) {}
};

/// What the stages of one worker work with.
template <class Tracer>
struct StageContext {
  const Tables& tables;
  WorkerCounters& counters;
  Exits& exits;
  Tracer tracer;
  /// To open flows with and count in them; nullptr: they are only looked at.
  FlowHands* flows = nullptr;
  /// To cut packets with; nullptr: where one is to be cut, its first piece goes on alone.
  Cutting* cutting = nullptr;
  /// To put packets together with; nullptr: pieces of tunnel packets are dropped.
  Reassembly* reassembly = nullptr;
  /// To tell of what tunnels that are watched send; nullptr: nobody hears of it.
  SentLog* sent = nullptr;
};

/// Ends a packet's way for a reason; for use as `return drop(p, …)`.
[[gnu::always_inline]] inline Next drop(PacketContext& p, DropReason reason) {
  p.reason = reason;
  return Next::drop;
}
/// The same, and the sender hears of it, unless that is this router.
[[gnu::always_inline]] inline Next drop_notify(PacketContext& p, DropReason reason) {
  p.reason = reason;
  return p.originated && !p.in->port.valid() ? Next::drop : Next::drop_notify;
}
[[gnu::always_inline]] inline Next punt(PacketContext& p, PuntClass kind) {
  p.punt = kind;
  return Next::punt;
}

/// Writes into the metadata what must outlive the burst, and makes the mbuf the packet as it is
/// now: from the Ethernet header where there is one, else from the IP header.
inline void settle(const PacketContext& p) {
  p.packet.reshape(p.l2 != nullptr ? p.l2 : p.l3, p.bytes);
  PacketMetadata& m = p.packet.metadata();
  // Answers belong where the packet came from, not where its route led.
  const VrfEntry* vrf = p.home != nullptr ? p.home : p.vrf;
  m.vrf = vrf != nullptr ? vrf->id : VrfId{};
  m.vif = p.tunnels == 0 ? p.in->vif : VifId{};
  m.port = p.in->port;
  m.decap = p.decap;
  m.mtu_bytes = p.mtu_bytes;
  m.l3_offset = static_cast<std::uint16_t>(p.l2 != nullptr && p.l3 != nullptr ? p.l3 - p.l2 : 0);
  m.kind = p.punt;
  m.reason = p.reason;
}

/// The EtherType of what has no IP header, behind an Ethernet header that is not there yet; 0: it
/// has one. Packets that were held have no next hop any more.
[[gnu::always_inline]] inline be16 ether_type_of(const PacketContext& p) {
  return p.nexthop != nullptr ? p.nexthop->ether_type : p.packet.metadata().ether_type;
}

/// The ways out other than forward: one place, so that every drop is counted once and traced.
template <class Tracer>
[[gnu::noinline]] void leave(StageContext<Tracer>& ctx, std::string_view stage, PacketContext&& p,
                             Next next) {
  switch (next) {
    case Next::forward:
    case Next::again:
    case Next::relay:
    case Next::deliver:
    case Next::cut:
    case Next::whole:
      return;
    case Next::kept:
      ctx.tracer.note(stage, p, [&] { return std::string("kept until the other pieces come"); });
      return;
    case Next::drop:
      ctx.counters.drop(p.reason);
      ctx.tracer.note(stage, p, [&] {
        return std::string("drop: ") + std::string(describe(p.reason).explanation);
      });
      ctx.exits.dropped.add(p.packet);
      return;
    case Next::drop_notify:
      ctx.counters.drop(p.reason);
      ctx.tracer.note(stage, p, [&] {
        return std::string("drop, and tell the sender by ICMP: ") +
               std::string(describe(p.reason).explanation);
      });
      p.punt = PuntClass::icmp_error;
      settle(p);
      ctx.exits.punted.add(p.packet);
      return;
    case Next::punt:
      ctx.tracer.note(stage, p, [&] {
        return std::string(p.punt == PuntClass::liveness ? "to its BFD session"
                                                         : "to the control thread");
      });
      settle(p);
      ctx.exits.punted.add(p.packet);
      return;
    case Next::hold:
      settle(p);
      PacketMetadata& m = p.packet.metadata();
      m.ether_type = ether_type_of(p);
      m.adjacency = p.adjacency != nullptr ? p.adjacency->id : AdjacencyId{};
      if (p.adjacency != nullptr) {
        m.neighbour = p.adjacency->neighbour;
        m.out_port = p.adjacency->port;
      }
      ctx.tracer.note(
          stage, p, [&] { return "held until " + to_string(m.neighbour) + " answers ARP or ND"; });
      ctx.exits.held.add(p.packet);
      return;
  }
}

/// For a tracer that measures: `stage` is done with a packet. Nothing is left of it for the others.
template <class Tracer>
[[gnu::always_inline]] inline void lap(StageContext<Tracer>& ctx, std::string_view stage,
                                       unsigned packets = 1) {
  if constexpr (requires { ctx.tracer.lap(stage, packets); }) ctx.tracer.lap(stage, packets);
}

/// Whether the packet goes on after `stage` answered `next`; else it has left. Where this is
/// inlined no reference to `p` gets out, so that its fields can stay in registers.
template <class Tracer>
[[gnu::always_inline]] inline bool goes_on(StageContext<Tracer>& ctx, std::string_view stage,
                                           const PacketContext& p, Next next) {
  lap(ctx, stage);
  if (next == Next::forward) [[likely]]
    return true;
  leave(ctx, stage, PacketContext(p), next);
  return false;
}

}  // namespace weft
