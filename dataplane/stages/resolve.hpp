#pragma once
/// resolve: longest match in the packet's VRF, then the next hop and its adjacency. The burst
/// descends the tries level by level, so that its memory reads overlap.

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view resolve_name = "resolve";
inline constexpr unsigned max_lookups = 4;  ///< VRFs that a chain of lookup next hops may pass

inline fib::Key4 destination4(const PacketContext& p) {
  return fib::key_of(Ipv4Address{header_at<wire::Ipv4>(p.l3).destination.get()});
}
inline fib::Key6 destination6(const PacketContext& p) {
  return fib::key_of(header_at<wire::Ipv6>(p.l3).destination);
}
inline std::uint32_t fib_lookup(const PacketContext& p) {
  return p.v4 ? p.vrf->fib4->lookup(destination4(p)) : p.vrf->fib6->lookup(destination6(p));
}

/// The destination's result for every packet that has no next hop yet, in p.fib_result.
inline void fib_lookup(Burst& burst) {
  std::array<fib::Search<fib::Key4>, max_burst> searches4;
  std::array<fib::Search<fib::Key6>, max_burst> searches6;
  std::array<PacketContext*, max_burst> packets4;
  std::array<PacketContext*, max_burst> packets6;
  unsigned count4 = 0;
  unsigned count6 = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    PacketContext& p = burst.packets[burst.live[i]];
    if (p.nexthop != nullptr) continue;
    if (p.v4) {
      packets4[count4] = &p;
      searches4[count4].fib = p.vrf->fib4;
      searches4[count4++].key = destination4(p);
    } else {
      packets6[count6] = &p;
      searches6[count6].fib = p.vrf->fib6;
      searches6[count6++].key = destination6(p);
    }
  }
  fib::lookup_burst<fib::Key4>({searches4.data(), count4});
  fib::lookup_burst<fib::Key6>({searches6.data(), count6});
  for (unsigned i = 0; i < count4; ++i) packets4[i]->fib_result = searches4[i].result;
  for (unsigned i = 0; i < count6; ++i) packets6[i]->fib_result = searches6[i].result;
}

/// The neighbour that a glean next hop must find: the packet's own destination.
template <class Tracer>
Next glean(StageContext<Tracer>&, PacketContext& p) {
  PacketMetadata& m = p.packet.metadata();
  m.neighbour = p.v4 ? IpAddress(Ipv4Address{header_at<wire::Ipv4>(p.l3).destination.get()})
                     : IpAddress(header_at<wire::Ipv6>(p.l3).destination);
  m.out_port = p.nexthop->port;
  p.adjacency = nullptr;
  return Next::hold;
}

template <class Tracer>
Next resolve_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  for (unsigned lookups = 0; p.nexthop == nullptr; ++lookups) {
    if (p.fib_result == fib::no_route) return drop_notify(p, DropReason::no_route);
    const NexthopEntry* found = tables.nexthops.get(p.fib_result);
    if (found == nullptr) return drop(p, DropReason::nexthop_missing);
    if (found->kind != NexthopKind::lookup) {
      p.nexthop = found;
      break;
    }
    if (lookups == max_lookups) return drop(p, DropReason::lookup_loop);
    ctx.tracer.note(resolve_name, p, [&] {
      return "VRF " + std::to_string(p.vrf->id.index()) + ": look up in VRF " +
             std::to_string(found->vrf.index());
    });
    p.vrf = tables.vrfs.get(found->vrf);
    if (p.vrf == nullptr) return drop(p, DropReason::vrf_missing);
    p.fib_result = fib_lookup(p);
  }
  const NexthopEntry& nexthop = *p.nexthop;
  ctx.tracer.note(resolve_name, p, [&] {
    constexpr std::string_view kinds[] = {"discard", "receive", "interface",
                                          "tunnel",  "glean",   "lookup"};
    return "VRF " + std::to_string(p.vrf->id.index()) + ": next hop " +
           std::to_string(nexthop.id.index()) + ", " +
           std::string(kinds[static_cast<std::size_t>(nexthop.kind)]);
  });
  switch (nexthop.kind) {
    case NexthopKind::interface:
    case NexthopKind::tunnel:
      break;
    case NexthopKind::receive:
      return punt(p, PuntClass::local);
    case NexthopKind::glean:
      return glean(ctx, p);
    case NexthopKind::discard:
    case NexthopKind::lookup:
      return drop_notify(p, DropReason::discard_route);
  }
  p.adjacency = tables.adjacencies.get(nexthop.adjacency);
  if (p.adjacency == nullptr) {
    return nexthop.kind == NexthopKind::tunnel ? drop_notify(p, DropReason::tunnel_unresolved)
                                               : drop(p, DropReason::nexthop_missing);
  }
  return Next::forward;
}

template <class Tracer>
void resolve(StageContext<Tracer>& ctx, Burst& burst) {
  fib_lookup(burst);
  for (unsigned i = 0; i < burst.count; ++i) {
    const PacketContext& p = burst.packets[burst.live[i]];
    if (p.nexthop == nullptr) ctx.tables.nexthops.prefetch(p.fib_result);
  }
  for_each_live(ctx, resolve_name, burst, 0, [&](PacketContext& p) { return resolve_one(ctx, p); });
}

}  // namespace weft::stage
