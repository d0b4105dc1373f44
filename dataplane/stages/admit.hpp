#pragma once
/// admit: what flow could not settle. A packet that no session knows is judged and opens one; of a
/// session whose decision no longer holds it is taken anew.

#include "stages/judge.hpp"

namespace weft::stage {

inline constexpr std::string_view admit_name = "admit";

/// The VIF that a next hop leads to by its adjacency; invalid: the fabric. Nothing: the way there
/// is being taken away.
inline std::optional<VifId> vif_behind(const Tables& tables, const NexthopEntry& nexthop,
                                       const AdjacencyEntry* adjacency) {
  if (nexthop.kind != NexthopKind::interface) return VifId{};
  const PortEntry* port = adjacency != nullptr ? tables.ports.get(adjacency->port) : nullptr;
  if (port == nullptr || port->id != adjacency->port) return std::nullopt;
  return port->port.vif;
}
/// The same of a next hop that packets of a session took.
inline std::optional<VifId> vif_behind(const Tables& tables, NexthopId id) {
  const NexthopEntry* nexthop = id.valid() ? tables.nexthops.get(id) : nullptr;
  if (nexthop == nullptr || nexthop->id != id) return std::nullopt;
  return vif_behind(tables, *nexthop, tables.adjacencies.get(nexthop->adjacency));
}

/// Whether sessions are opened for packets on this way: a VIF at either end may do without.
inline bool wants_session(const Tables& tables, const Parties& parties) {
  const auto keeps = [&](VifId id) {
    const VifEntry* vif = id.valid() ? tables.vifs.get(id) : nullptr;
    return vif != nullptr && (vif->flows || vif->policy.valid());
  };
  return (!parties.from.valid() && !parties.to.valid()) || keeps(parties.from) || keeps(parties.to);
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

/// A session that stands, met by a packet for which its decision does not hold: judged again where
/// the policies changed, or the VIFs at its ends. The rules are asked for its first packet.
/// `own`: whether the packet came and goes where the session's packets do.
template <class Key>
inline DropReason judge_again(const Tables& tables, FlowTable<Key>& table, std::uint32_t direction,
                              FlowStamp stamp, const PacketContext& p, VifId egress, bool& own) {
  const FlowEntry<Key>& entry = table.entry(direction);
  const FlowEntry<Key>& other = table.entry(FlowTable<Key>::other(direction));
  const bool policies_hold = entry.stamp.load(std::memory_order_relaxed) >> 32 == stamp >> 32;
  const auto nexthop = NexthopId::from_raw(entry.nexthop.get());
  bool same_ends = entry.ingress.get() == p.in->vif.raw() && nexthop == p.nexthop->id;
  if (!nexthop.valid()) {  // the first packet back: from where the others went, to where they came
    const auto led_to = NexthopId::from_raw(other.nexthop.get());
    same_ends = other.ingress.get() == egress.raw() && vif_behind(tables, led_to) == p.in->vif;
  }
  own = same_ends;
  if (policies_hold && same_ends) return DropReason::none;
  const bool forward = FlowTable<Key>::is_forward(direction);
  const Parties parties = forward ? Parties{p.in->vif, egress} : Parties{egress, p.in->vif};
  return judge_flow(tables, parties, forward ? entry.key : other.key);
}

template <class Key, class Tracer>
[[gnu::noinline]] Next admit(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  FlowTable<Key>& table = tables.flows->of<Key>();
  const FlowTally tally(ctx.flows);
  const auto note = [&](const char* text, std::uint32_t direction) {
    if constexpr (Tracer::enabled)
      ctx.tracer.note(admit_name, p, [&] {
        return direction == 0 ? std::string(text)
                              : std::string(text) + ", session " +
                                    std::to_string(table.session_of(direction).id.get());
      });
  };
  const auto led_to = vif_behind(tables, *p.nexthop, p.adjacency);
  if (!led_to) return drop(p, DropReason::port_missing);
  const VifId egress = *led_to;
  const Parties parties{p.in->vif, egress};
  if (p.care == FlowCare::unsearched && !under_policy(tables, parties)) return Next::forward;
  // As it was before the route was searched: what has changed since, the next packet finds out.
  const FlowStamp stamp = ctx.flows != nullptr
                              ? ctx.flows->stamp()
                              : tables.flows->stamp.load(std::memory_order_acquire);
  std::uint32_t direction = p.flow;
  FlowOpening<Key> opening;
  if (direction == 0) {
    const auto ports = flow_ports<Key>(*tables.flows, tally, p);
    if (!ports) {
      const DropReason reason = judge_alone<Key>(tables, p, parties);
      if (reason != DropReason::none) return drop(p, reason);
      note("belongs to no session that could be opened", 0);
      return Next::forward;
    }
    opening.forward = flow_key<Key>(p, arrival_vrf(p).id, *ports);
    opening.forward_hash = table.hash(opening.forward);
    if (p.care == FlowCare::unsearched)
      direction = table.find(opening.forward, opening.forward_hash);
  }
  const bool anew = direction != 0 && begins_anew(table, direction, p);
  if (anew) {
    opening.forward = table.entry(direction).key;
    opening.forward_hash = table.hash(opening.forward);
  }
  if (direction == 0 || anew) {
    const DropReason reason = judge_flow(tables, parties, opening.forward);
    if (reason != DropReason::none) {
      // Unless the other side has opened it at this moment.
      direction = anew ? 0 : table.find(opening.forward, opening.forward_hash);
      if (direction == 0) return drop(p, reason);
    } else if (!wants_session(tables, parties)) {
      return Next::forward;
    } else if (ctx.flows == nullptr) {
      note("a new session would be opened", 0);
      return Next::forward;
    } else {
      opening.reverse = opening.forward.reverse(return_vrf(tables, p, egress));
      opening.stamp = stamp;
      opening.ingress = p.in->vif;
      opening.charged = p.in->vif.valid() ? p.in->vif : egress;
      opening.nexthop = p.nexthop->id;
      opening.vrf = p.vrf->id;
      opening.now = tally.now;
      FlowWriter& writer = ctx.flows->template of<Key>();
      if (anew) table.close(writer, direction);
      direction = table.open(writer, opening);
      if (direction == 0) {
        return under_policy(tables, parties) ? drop(p, writer.refusal) : Next::forward;
      }
    }
  }
  bool own = false;
  const DropReason reason = judge_again(tables, table, direction, stamp, p, egress, own);
  if (reason != DropReason::none) {
    // What comes from elsewhere ends nobody's session.
    if (own && ctx.flows != nullptr && table.close(ctx.flows->template of<Key>(), direction)) {
      ctx.flows->template of<Key>().cleared.add(1);
    }
    return drop(p, reason);
  }
  p.flow = direction;
  note(table.entry(direction).packets.get() == 0 ? "admitted" : "admitted again", direction);
  if (!tally.counts) return Next::forward;
  FlowEntry<Key>& entry = table.entry(direction);
  restamp(entry, tally.worker, stamp, p);
  (void)tally.count(table, entry, direction, p);
  return Next::forward;
}

template <class Tracer>
[[gnu::always_inline]] inline Next admit_one(StageContext<Tracer>& ctx, PacketContext& p) {
  return p.v4 ? admit<FlowKey4>(ctx, p) : admit<FlowKey6>(ctx, p);
}

}  // namespace weft::stage
