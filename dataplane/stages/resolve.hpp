#pragma once
/// resolve: longest match in the packet's VRF, then the next hop and its adjacency.

#include <array>

#include "stages/entropy.hpp"
#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "stages/ways.hpp"
#include "wire/bfd.hpp"

namespace weft::stage {

inline constexpr std::string_view resolve_name = "resolve";
inline constexpr unsigned max_lookups = 4;  ///< VRFs that a chain of lookup next hops may pass

inline fib::Key4 destination4(const ParsedPacket& p) {
  return fib::key_of(Ipv4Address{header_at<wire::Ipv4>(p.l3).destination.get()});
}
inline fib::Key6 destination6(const ParsedPacket& p) {
  return fib::key_of(header_at<wire::Ipv6>(p.l3).destination);
}
[[gnu::always_inline]] inline std::uint32_t fib_lookup(const ParsedPacket& p) {
  return p.v4 ? p.vrf->fib4->lookup(destination4(p)) : p.vrf->fib6->lookup(destination6(p));
}

/// Longest match: p.nexthop, which stays nullptr where there is none. Not for packets that
/// decapsulation or a flow gave a next hop.
[[gnu::always_inline]] inline void search(const Tables& tables, PacketContext& p) {
  if (p.nexthop != nullptr) return;
  const std::uint32_t found = fib_lookup(p);
  p.route.best = found;
  p.nexthop = tables.nexthops.get(found);
}

/// Begins the search, and asks for the memory that it needs next.
[[gnu::always_inline]] inline void begin_search(const ParsedPacket& p, fib::Cursor& route) {
  if (p.v4) {
    route = p.vrf->fib4->start();
    p.vrf->fib4->prefetch(destination4(p), route);
  } else {
    route = p.vrf->fib6->start();
    p.vrf->fib6->prefetch(destination6(p), route);
  }
}

/// One level down, where there is one.
[[gnu::always_inline]] inline void search_on(const ParsedPacket& p, fib::Cursor& route) {
  if (p.v4) {
    const fib::Key4 key = destination4(p);
    if (p.vrf->fib4->step(key, route)) p.vrf->fib4->prefetch(key, route);
  } else {
    const fib::Key6 key = destination6(p);
    if (p.vrf->fib6->step(key, route)) p.vrf->fib6->prefetch(key, route);
  }
}

[[gnu::always_inline]] inline void end_search(const Tables& tables, ParsedPacket& p,
                                              fib::Cursor& route) {
  const std::uint32_t found = p.v4 ? p.vrf->fib4->descend(destination4(p), route)
                                   : p.vrf->fib6->descend(destination6(p), route);
  p.nexthop = tables.nexthops.get(found);
  __builtin_prefetch(p.nexthop);
  __builtin_prefetch(p.nexthop + 1);  // a tunnel's header
}

/// Whether a packet in place `i` has neither a flow nor a next hop yet.
[[gnu::always_inline]] inline bool wants_route(const Burst& burst, unsigned i) {
  const ParsedPacket& p = burst.parsed[i];
  return burst.directions[i] == 0 && p.nexthop == nullptr && p.care != FlowCare::search;
}

/// Longest match for all that want a route of the first `count` packets of a burst; p.nexthop stays
/// nullptr where there is none. Where the tables are far away, level by level, so that reads
/// overlap.
inline void search(const Tables& tables, Burst& burst, unsigned count) {
  if (!tables.far.load(std::memory_order_relaxed)) [[likely]] {
    const auto nexthops = tables.nexthops.reader();
    for (unsigned i = 0; i < count; ++i) {
      ParsedPacket& p = burst.parsed[i];
      if (wants_route(burst, i)) p.nexthop = nexthops.get(fib_lookup(p));
    }
    return;
  }
  std::array<std::uint8_t, max_burst> wanting;
  unsigned wants = 0;
  bool v6 = false;
  for (unsigned i = 0; i < count; ++i) {
    if (!wants_route(burst, i)) continue;
    wanting[wants++] = static_cast<std::uint8_t>(i);
    v6 |= !burst.parsed[i].v4;
  }
  const auto each = [&](auto&& step) {
    for (unsigned i = 0; i < wants; ++i) step(burst.parsed[wanting[i]], burst.routes[wanting[i]]);
  };
  each([](ParsedPacket& p, fib::Cursor& route) { begin_search(p, route); });
  for (unsigned level = 0; level < fib::upper_levels4; ++level) {
    each([](ParsedPacket& p, fib::Cursor& route) { search_on(p, route); });
  }
  for (unsigned level = fib::upper_levels4; v6 && level < fib::upper_levels6; ++level) {
    each([](ParsedPacket& p, fib::Cursor& route) {
      if (!p.v4) search_on(p, route);
    });
  }
  each([&](ParsedPacket& p, fib::Cursor& route) { end_search(tables, p, route); });
}

/// Whether the search has found a next hop by which the packet leaves at once.
[[gnu::always_inline]] inline bool leads_out(const ParsedPacket& p) {
  return p.nexthop != nullptr && has_adjacency(p.nexthop->kind);
}

/// The neighbour that a glean next hop must find: the packet's own destination.
[[gnu::always_inline]] inline Next glean(PacketContext& p) {
  PacketMetadata& m = p.packet.metadata();
  m.neighbour = p.v4 ? IpAddress(Ipv4Address{header_at<wire::Ipv4>(p.l3).destination.get()})
                     : IpAddress(header_at<wire::Ipv6>(p.l3).destination);
  m.out_port = p.nexthop->port();
  p.adjacency = nullptr;
  return Next::hold;
}

/// Whether a packet to the router itself is BFD of a port where it speaks that (RFC 5881 §4).
inline bool is_bfd(const Tables& tables, const PacketContext& p) {
  if (p.protocol != static_cast<std::uint8_t>(wire::IpProtocol::udp) || p.tunnels != 0 ||
      p.home != nullptr || !p.in->port.valid() ||
      p.l4_ports >> 16 != __builtin_bswap16(wire::bfd_port)) {
    return false;
  }
  const PortEntry* port = tables.ports.get(p.in->port);
  return port != nullptr && port->port.bfd;
}

/// A packet for the router itself. A fragment of UDP from the fabric, or of what tunnels stand on
/// beside it, is a tunnel's as far as anyone can tell, and nobody here puts those together.
[[gnu::always_inline]] inline Next receive(const Tables& tables, PacketContext& p) {
  if (p.fragment && p.home == nullptr && p.vrf->id == underlay_vrf &&
      (p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::udp) ||
       tables.ip_kinds[p.protocol].load(std::memory_order_relaxed) != 0)) {
    return drop(p, DropReason::outer_fragment);
  }
  return punt(p, is_bfd(tables, p) ? PuntClass::liveness : PuntClass::local);
}

/// The next hop that the packet's session went by; invalid: there is no session.
inline NexthopId kept_nexthop(const Tables& tables, const PacketContext& p) {
  if (p.flow == 0) return {};
  return NexthopId::from_raw(p.v4 ? tables.flows->v4.entry(p.flow).nexthop.get()
                                  : tables.flows->v6.entry(p.flow).nexthop.get());
}

/// From an ecmp next hop on to a member of it: the one that the packet's session has, as long as it
/// is one, else the one that the flow's hash chooses.
template <class Tracer>
[[gnu::noinline]] Next choose_member(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  const NexthopEntry& group = *p.nexthop;
  p.hash = open_hash(tables, p);  // encap asks for it once more
  const std::uint32_t bucket = group.bucket_of(tunnel::entropy_of(p.hash));
  const NexthopId kept = kept_nexthop(tables, p);
  const bool keeps = kept.valid() && group.has_member(kept);
  const NexthopId member = keeps ? kept : group.member_in(bucket);
  p.nexthop = tables.nexthops.get(member);
  if (!leads_out(p)) return drop(p, DropReason::nexthop_missing);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(resolve_name, p, [&] {
      return "VRF " + std::to_string(p.vrf->id.index()) + ": next hop " +
             std::to_string(group.id.index()) + ", ecmp: " +
             (keeps ? "its session stays with"
                    : "bucket " + std::to_string(bucket) + " of " + std::to_string(group.buckets) +
                          " leads to") +
             " next hop " + std::to_string(member.index());
    });
  return Next::forward;
}

/// Follows next hops that say: look up in another VRF.
template <class Tracer>
[[gnu::noinline]] Next look_up_again(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  p.home = p.vrf;
  for (unsigned lookups = 0; p.nexthop->kind == NexthopKind::lookup; ++lookups) {
    if (lookups == max_lookups) return drop(p, DropReason::lookup_loop);
    if constexpr (Tracer::enabled)
      ctx.tracer.note(resolve_name, p, [&] {
        return "VRF " + std::to_string(p.vrf->id.index()) + ": look up in VRF " +
               std::to_string(p.nexthop->vrf().index());
      });
    p.vrf = tables.vrfs.get(p.nexthop->vrf());
    p.nexthop = nullptr;
    if (p.vrf == nullptr) return drop(p, DropReason::vrf_missing);
    const std::uint32_t found = fib_lookup(p);
    if (found == fib::no_route) return drop_notify(p, DropReason::no_route);
    p.nexthop = tables.nexthops.get(found);
    if (p.nexthop == nullptr) return drop(p, DropReason::nexthop_missing);
  }
  return p.nexthop->kind == NexthopKind::ecmp ? choose_member(ctx, p) : Next::forward;
}

template <class Tracer>
[[gnu::always_inline]] inline Next resolve_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  if (p.nexthop == nullptr) [[unlikely]] {
    return p.route.best == fib::no_route ? drop_notify(p, DropReason::no_route)
                                         : drop(p, DropReason::nexthop_missing);
  }
  if (leads_on(p.nexthop->kind)) [[unlikely]] {
    PacketContext again = p;
    const Next next = p.nexthop->kind == NexthopKind::lookup ? look_up_again(ctx, again)
                                                             : choose_member(ctx, again);
    p = again;
    if (next != Next::forward) return next;
  }
  const NexthopEntry& nexthop = *p.nexthop;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(resolve_name, p, [&] {
      constexpr std::string_view kinds[] = {"interface", "tunnel", "discard", "receive",
                                            "glean",     "lookup", "ecmp"};
      return "VRF " + std::to_string(p.vrf->id.index()) + ": next hop " +
             std::to_string(nexthop.id.index()) + ", " +
             std::string(kinds[static_cast<std::size_t>(nexthop.kind)]);
    });
  switch (nexthop.kind) {
    case NexthopKind::tunnel:
      if (nexthop.holds_nsh) return drop(p, DropReason::nexthop_missing);
      break;
    case NexthopKind::interface:
      break;
    case NexthopKind::receive:
      // A tenant's route into the underlay ends at the router, not in this host's kernel.
      if (!nexthop.adjacency.valid() || p.home != nullptr || p.tunnels != 0 || is_bfd(tables, p))
        return receive(tables, p);
      p.adjacency = tables.adjacencies.get(nexthop.adjacency);
      return p.adjacency != nullptr ? Next::deliver : drop(p, DropReason::nexthop_missing);
    case NexthopKind::glean:
      return glean(p);
    case NexthopKind::discard:
    case NexthopKind::lookup:
    case NexthopKind::ecmp:
      return drop_notify(p, DropReason::discard_route);
  }
  p.adjacency = tables.adjacencies.get(nexthop.adjacency);
  if (p.adjacency == nullptr) {
    return nexthop.kind == NexthopKind::tunnel ? drop_notify(p, DropReason::tunnel_unresolved)
                                               : drop(p, DropReason::nexthop_missing);
  }
  return to_neighbour(ctx, resolve_name, p);
}

}  // namespace weft::stage
