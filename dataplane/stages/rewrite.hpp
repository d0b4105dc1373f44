#pragma once
/// rewrite: what every router does to an IP packet that it forwards: does it fit the way out, may
/// it live on, TTL down by one (RFC 1812 §5.3.1, RFC 8200 §3); the MSS of what opens a TCP
/// connection.

#include "stages/clamp.hpp"
#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view rewrite_name = "rewrite";

/// Whether this router is the last that an IP packet gets to.
[[gnu::always_inline]] inline bool expires_here(const std::uint8_t* l3, bool v4) {
  if (v4) {
    const auto& ip = *reinterpret_cast<const wire::Ipv4*>(l3);
    return ip.ttl <= 1;
  }
  const auto& ip = *reinterpret_cast<const wire::Ipv6*>(l3);
  return ip.hop_limit <= 1;
}
/// TTL or hop limit down by one.
[[gnu::always_inline]] inline void count_hop(std::uint8_t* l3, bool v4) {
  if (v4) {
    auto& ip = header_at<wire::Ipv4>(l3);
    ip.decrement_ttl();
  } else {
    auto& ip = header_at<wire::Ipv6>(l3);
    --ip.hop_limit;
  }
}

template <class Tracer>
[[gnu::always_inline]] inline Next rewrite_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const unsigned limit = p.nexthop->most_by(*p.adjacency);
  const unsigned overhead = p.nexthop->header_bytes;
  Next next = Next::forward;
  if (p.l3_bytes + overhead > limit) [[unlikely]] {
    p.mtu_bytes = static_cast<std::uint16_t>(limit > overhead ? limit - overhead : 0);
    if constexpr (Tracer::enabled)
      ctx.tracer.note(rewrite_name, p, [&] {
        return std::to_string(p.l3_bytes) + " bytes and " + std::to_string(overhead) +
               " of outer header do not fit " + std::to_string(limit) + ": MTU " +
               std::to_string(p.mtu_bytes);
      });
    if (!p.v4 || !header_at<wire::Ipv4>(p.l3).may_fragment()) {
      return drop_notify(p, DropReason::too_big);
    }
    next = Next::cut;
  }
  if (p.originated) return next;
  if (expires_here(p.l3, p.v4)) return drop_notify(p, DropReason::ttl_expired);
  if (opens_connection(p)) [[unlikely]]
    clamp_mss(ctx, p, rewrite_name);
  count_hop(p.l3, p.v4);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(rewrite_name, p, [&] { return std::string("TTL down by one"); });
  return next;
}

}  // namespace weft::stage
