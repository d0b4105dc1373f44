#pragma once
/// What an IP header outside of a tunnel tells the one inside and the other way round: ECN, DSCP
/// and TTL. Seldom is there anything to tell: tunnel::Notable finds out, and the rest is out of
/// line.

#include <algorithm>
#include <string>

#include "stages/parse.hpp"
#include "tunnel/propagation.hpp"
#include "wire/nsh.hpp"

namespace weft::stage {

[[gnu::always_inline]] inline std::uint8_t traffic_class(const std::uint8_t* l3, bool v4) {
  return v4 ? reinterpret_cast<const wire::Ipv4*>(l3)->traffic_class
            : reinterpret_cast<const wire::Ipv6*>(l3)->traffic_class();
}
inline std::uint8_t ttl_of(const std::uint8_t* l3, bool v4) {
  return v4 ? reinterpret_cast<const wire::Ipv4*>(l3)->ttl
            : reinterpret_cast<const wire::Ipv6*>(l3)->hop_limit;
}

/// What `ttl: copy` makes of the TTL inside. That may be 0 behind an NSH header, and nobody sends
/// such a packet (RFC 1122 §3.2.1.7).
inline std::uint8_t copied_ttl(const std::uint8_t* inner, bool v4) {
  return std::max(ttl_of(inner, v4), std::uint8_t{1});
}

/// Writes into a complete outer header what it has from the IP header inside, which is `v4`.
[[gnu::noinline]] inline void propagate_to_outer(const NexthopEntry& tunnel, std::uint8_t* outer,
                                                 const std::uint8_t* inner, bool v4) {
  const std::uint8_t own = traffic_class(outer, tunnel.outer_v4) & ~tunnel.copied_class;
  const std::uint8_t copied = traffic_class(inner, v4) & tunnel.copied_class;
  const auto both = static_cast<std::uint8_t>(own | copied);
  if (tunnel.outer_v4) {
    auto& ip = header_at<wire::Ipv4>(outer);
    ip.traffic_class = both;
    if (tunnel.copies_ttl) ip.ttl = copied_ttl(inner, v4);
    ip.complete_checksum();
  } else {
    auto& ip = header_at<wire::Ipv6>(outer);
    ip.set_traffic_class(both);
    if (tunnel.copies_ttl) ip.hop_limit = copied_ttl(inner, v4);
  }
}

/// Gives the inner IP header at `l3` what it has from an outer one. False: it cannot be told, and
/// the packet must be dropped; it is as it was then.
[[gnu::noinline]] inline bool propagate_to_inner(std::uint8_t outer_class, bool copy_dscp,
                                                 std::uint8_t* l3, bool v4) {
  const std::uint8_t was = traffic_class(l3, v4);
  const auto now = tunnel::propagate_to_inner(outer_class, was, copy_dscp);
  if (!now) return false;
  if (*now == was) return true;
  if (v4) {
    header_at<wire::Ipv4>(l3).set_traffic_class(*now);
  } else {
    header_at<wire::Ipv6>(l3).set_traffic_class(*now);
  }
  return true;
}

/// The IP header in what a tunnel held, which is not parsed yet; nullptr: none, or not all of it.
struct InnerIp {
  std::uint8_t* l3 = nullptr;
  bool v4 = true;
};
/// `l2`: of a frame; nullptr: it is a bare packet at `l3`.
inline InnerIp find_inner_ip(const std::uint8_t* l2, std::uint8_t* l3, const std::uint8_t* end) {
  const std::ptrdiff_t readable = end - l3;
  if (readable < static_cast<std::ptrdiff_t>(sizeof(wire::Ipv4))) return {};
  const bool v4 = *l3 >> 4 == 4;
  if (!v4 && (*l3 >> 4 != 6 || readable < static_cast<std::ptrdiff_t>(sizeof(wire::Ipv6)))) {
    return {};
  }
  if (l2 != nullptr) {
    const auto& ethernet = *reinterpret_cast<const wire::Ethernet*>(l2);
    const wire::EtherType type{ethernet.ether_type.get()};
    if (type != (v4 ? wire::EtherType::ipv4 : wire::EtherType::ipv6)) return {};
  }
  return {l3, v4};
}
inline InnerIp find_inner_ip(const PacketContext& p) {
  return find_inner_ip(p.l2, p.l2 != nullptr ? p.l2 + sizeof(wire::Ethernet) : p.l3, p.end);
}
/// Behind the NSH header at `nsh`, which has been read.
inline InnerIp find_ip_behind(std::uint8_t* nsh, const std::uint8_t* end) {
  const auto& header = header_at<wire::Nsh>(nsh);
  std::uint8_t* const inside = nsh + header.bytes();
  if (header.next_protocol != wire::Nsh::ethernet) return find_inner_ip(nullptr, inside, end);
  return find_inner_ip(inside, inside + sizeof(wire::Ethernet), end);
}

/// For people.
inline std::string traffic_class_text(std::uint8_t traffic_class, bool dscp) {
  constexpr std::array names{"Not-ECT", "ECT(1)", "ECT(0)", "CE"};
  return (dscp ? "DSCP " + std::to_string(traffic_class >> 2) + ", " : "") + "ECN " +
         names[traffic_class & tunnel::ecn_mask];
}

}  // namespace weft::stage
