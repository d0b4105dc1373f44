#pragma once
/// admit: what flow could not settle. A packet that no session knows opens one; of a session whose
/// decision no longer holds it is taken anew.

#include "stages/flow.hpp"

namespace weft::stage {

inline constexpr std::string_view admit_name = "admit";

/// The VIF that the packet leaves to; invalid: none.
inline VifId egress_vif(const Tables& tables, const PacketContext& p) {
  if (p.nexthop->kind != NexthopKind::interface) return {};
  const PortEntry* port = tables.ports.get(p.adjacency->port);
  return port != nullptr ? port->port.vif : VifId{};
}

/// Whether sessions are opened for packets on this way: a VIF at either end may do without.
inline bool wants_session(const Tables& tables, const PacketContext& p, VifId egress) {
  const auto keeps = [&](VifId id) {
    const VifEntry* vif = tables.vifs.get(id);
    return vif != nullptr && vif->flows;
  };
  if (!p.in->vif.valid() && !egress.valid()) return true;
  return (p.in->vif.valid() && keeps(p.in->vif)) || (egress.valid() && keeps(egress));
}

/// The VRF in which packets of the other direction arrive.
inline VrfId return_vrf(const Tables& tables, const PacketContext& p, VifId egress) {
  if (p.nexthop->kind == NexthopKind::tunnel) return p.vrf->id;
  const VifEntry* vif = egress.valid() ? tables.vifs.get(egress) : nullptr;
  return vif != nullptr ? vif->vrf : underlay_vrf;
}

/// Writes down what holds from now on. Only the owner may, whom the first packet makes.
template <class Key>
inline void restamp(FlowEntry<Key>& entry, std::uint8_t worker, FlowStamp stamp,
                    const PacketContext& p) {
  std::uint8_t owner = FlowEntry<Key>::nobody;
  if (!entry.owner.compare_exchange_strong(owner, worker, std::memory_order_relaxed) &&
      owner != worker) {
    return;
  }
  entry.nexthop.set(p.nexthop->id.raw());
  entry.vrf.set(p.vrf->id.raw());
  entry.ingress.set(p.in->vif.raw());
  entry.stamp.store(stamp, std::memory_order_release);
}

template <class Key, class Tracer>
[[gnu::noinline]] Next admit(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  FlowTable<Key>& table = tables.flows->of<Key>();
  if (ctx.flows == nullptr) {
    if constexpr (Tracer::enabled)
      ctx.tracer.note(admit_name, p, [&] {
        return std::string(p.flow == 0 ? "a new session would be opened"
                                       : "the session would be resolved again");
      });
    return Next::forward;
  }
  // As it was before the route was searched: what has changed since, the next packet finds out.
  const FlowStamp stamp = ctx.flows->stamp();
  const FlowTally tally(ctx.flows);
  std::uint32_t direction = p.flow;
  bool fresh = false;
  if (direction == 0) {
    const VifId egress = egress_vif(tables, p);
    if (!wants_session(tables, p, egress)) return Next::forward;
    const auto ports = flow_ports<Key>(*tables.flows, tally, p);
    FlowOpening<Key> opening;
    opening.forward = flow_key<Key>(p, arrival_vrf(p).id, *ports);
    opening.reverse = opening.forward.reverse(return_vrf(tables, p, egress));
    opening.forward_hash = table.hash(opening.forward);
    opening.stamp = stamp;
    opening.ingress = p.in->vif;
    opening.charged = p.in->vif.valid() ? p.in->vif : egress;
    opening.nexthop = p.nexthop->id;
    opening.vrf = p.vrf->id;
    opening.now = ctx.flows->now();
    FlowWriter& writer = ctx.flows->template of<Key>();
    const std::uint64_t opened = writer.opened.get();
    direction = table.open(writer, opening);
    fresh = writer.opened.get() != opened;
    p.flow = direction;
    if (direction == 0) return Next::forward;
  }
  FlowEntry<Key>& entry = table.entry(direction);
  if (!fresh) restamp(entry, ctx.flows->number(), stamp, p);
  tally.count(table, entry, direction, p);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(admit_name, p, [&] {
      return std::string(fresh ? "opens session " : "resolved again, session ") +
             std::to_string(table.session_of(direction).id.get());
    });
  return Next::forward;
}

template <class Tracer>
[[gnu::always_inline]] inline Next admit_one(StageContext<Tracer>& ctx, PacketContext& p) {
  return p.v4 ? admit<FlowKey4>(ctx, p) : admit<FlowKey6>(ctx, p);
}

}  // namespace weft::stage
