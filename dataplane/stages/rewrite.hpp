#pragma once
/// rewrite: what every router does to an IP packet that it forwards: does it fit the way out, may
/// it live on, TTL down by one (RFC 1812 §5.3.1, RFC 8200 §3).

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view rewrite_name = "rewrite";

template <class Tracer>
[[gnu::always_inline]] inline Next rewrite_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const unsigned limit = p.adjacency->mtu_bytes;
  const unsigned overhead = p.nexthop->header_bytes;
  if (p.l3_bytes + overhead > limit) [[unlikely]] {
    p.mtu_bytes = static_cast<std::uint16_t>(limit > overhead ? limit - overhead : 0);
    if constexpr (Tracer::enabled)
      ctx.tracer.note(rewrite_name, p, [&] {
        return std::to_string(p.l3_bytes) + " bytes and " + std::to_string(overhead) +
               " of outer header do not fit " + std::to_string(limit) + ": MTU " +
               std::to_string(p.mtu_bytes);
      });
    return p.v4 && header_at<wire::Ipv4>(p.l3).may_fragment()
               ? drop(p, DropReason::too_big_fragmentable)
               : drop_notify(p, DropReason::too_big);
  }
  if (p.originated) return Next::forward;
  if (p.v4) {
    auto& ip = header_at<wire::Ipv4>(p.l3);
    if (ip.ttl <= 1) return drop_notify(p, DropReason::ttl_expired);
    ip.decrement_ttl();
  } else {
    auto& ip = header_at<wire::Ipv6>(p.l3);
    if (ip.hop_limit <= 1) return drop_notify(p, DropReason::ttl_expired);
    --ip.hop_limit;
  }
  if constexpr (Tracer::enabled)
    ctx.tracer.note(rewrite_name, p, [&] { return std::string("TTL down by one"); });
  return Next::forward;
}

}  // namespace weft::stage
