#pragma once
/// relay: an NSH packet that lost the outer headers goes on to the next forwarder or function of
/// its service path, with the NSH header that it has (RFC 8300 §2.2).

#include "packet/flow_hash.hpp"
#include "stages/parse.hpp"
#include "stages/propagate.hpp"
#include "stages/stage.hpp"
#include "stages/ways.hpp"
#include "wire/nsh.hpp"

namespace weft::stage {

inline constexpr std::string_view relay_name = "rewrite";

/// Of the flow that is behind the NSH header; 1: it is no IP packet.
inline std::uint64_t hash_behind(const Tables& tables, const PacketContext& p) {
  const InnerIp inner = find_inner_ip(p);
  if (inner.l3 == nullptr) return 1;
  return flow_hash_of({inner.l3, p.end}, inner.v4, tables.hash_seed).value_or(1);
}

/// Of a packet that decap has opened: what begins at `nsh` is to go by the decap's tunnel.
template <class Tracer>
[[gnu::noinline]] Next next_on_path(StageContext<Tracer>& ctx, PacketContext& p,
                                    const DecapEntry& entry, std::uint8_t* nsh) {
  std::uint8_t* const inner = p.l2 != nullptr ? p.l2 : p.l3;
  p.hash = hash_behind(ctx.tables, p);
  p.nexthop = ctx.tables.nexthops.get(entry.decap.nexthop);
  p.l2 = nullptr;
  p.l3 = nsh;
  p.bytes += static_cast<std::uint32_t>(inner - nsh);
  p.l3_bytes = static_cast<std::uint16_t>(p.bytes);
  return Next::relay;
}

/// Whether it fits the way out; one forwarder less from here on.
template <class Tracer>
[[gnu::always_inline]] inline Next relay_one(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.nexthop == nullptr || !p.nexthop->holds_nsh) return drop(p, DropReason::nexthop_missing);
  p.adjacency = ctx.tables.adjacencies.get(p.nexthop->adjacency);
  if (p.adjacency == nullptr) return drop(p, DropReason::tunnel_unresolved);
  if (const Next next = to_neighbour(ctx, relay_name, p); next != Next::forward) return next;
  if (p.l3_bytes + p.nexthop->header_bytes > p.nexthop->most_by(*p.adjacency)) {
    return drop(p, DropReason::too_big);
  }
  header_at<wire::Nsh>(p.l3).decrement_ttl();
  if constexpr (Tracer::enabled)
    ctx.tracer.note(relay_name, p, [&] {
      const auto& nsh = header_at<wire::Nsh>(p.l3);
      return fmt::format("NSH path {}, index {}: on with TTL {}", nsh.path.get() >> 8,
                         nsh.path.get() & 0xff, nsh.ttl());
    });
  return Next::forward;
}

}  // namespace weft::stage
