#pragma once
/// parse: is this a frame for us, from whom it says, and a sound IP packet? Everything that a VM or
/// the fabric sends is checked here, before anyone rests on a length.

#include <fmt/format.h>

#include "stages/stage.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/frame_pattern.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/segment_routing.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace weft::stage {

inline constexpr std::string_view parse_name = "parse";

template <class Header>
Header& header_at(std::uint8_t* at) {
  return *reinterpret_cast<Header*>(at);
}

/// The bytes from the upper layer on that are readable and belong to the packet.
[[gnu::always_inline]] inline std::size_t readable_l4(const PacketContext& p) {
  const std::uint8_t* const end = std::min(p.end, p.l3 + p.l3_bytes);
  const std::uint8_t* const l4 = p.l3 + p.l4_offset;
  return end > l4 ? static_cast<std::size_t>(end - l4) : 0;
}

/// Both ports as they lie at `l4`, of which four bytes are readable; 0 where `protocol` has none.
[[gnu::always_inline]] inline std::uint32_t ports_at(const std::uint8_t* l4,
                                                     std::uint8_t protocol) {
  if (protocol != static_cast<std::uint8_t>(wire::IpProtocol::udp) &&
      protocol != static_cast<std::uint8_t>(wire::IpProtocol::tcp)) {
    return 0;
  }
  std::uint32_t ports;
  std::memcpy(&ports, l4, sizeof ports);
  return ports;
}

/// Whether a TCP or UDP checksum is the bare pseudo-header sum that a kernel leaves to hardware
/// (Linux CHECKSUM_PARTIAL). A right checksum may look so by chance; then the whole sum decides.
/// `end`: of the contiguous bytes.
[[gnu::noinline]] inline bool checksum_unfinished(const ParsedPacket& p, const std::uint8_t* end) {
  const bool tcp = p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::tcp);
  const bool udp = p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::udp);
  const std::size_t need = tcp ? sizeof(wire::Tcp) : sizeof(wire::Udp);
  std::uint8_t* l4 = p.l3 + p.l4_offset;
  if (!(tcp || udp) || p.fragment || p.l4_offset + need > p.l3_bytes ||
      static_cast<std::size_t>(end - l4) < need) {
    return false;
  }
  std::uint16_t field;
  std::memcpy(&field,
              tcp ? static_cast<void*>(&header_at<wire::Tcp>(l4).checksum)
                  : static_cast<void*>(&header_at<wire::Udp>(l4).checksum),
              sizeof field);
  const std::uint32_t l4_bytes = p.l3_bytes - p.l4_offset;
  const auto& ip4 = header_at<wire::Ipv4>(p.l3);
  const auto& ip6 = header_at<wire::Ipv6>(p.l3);
  const std::uint64_t pseudo =
      p.v4 ? wire::pseudo_header_sum(&ip4.source, &ip4.destination, 4, p.protocol, l4_bytes)
           : wire::pseudo_header_sum(&ip6.source, &ip6.destination, 16, p.protocol, l4_bytes);
  if (field == 0 || field != wire::checksum_fold(pseudo)) return false;
  return wire::checksum_fold(pseudo + p.packet.sum(l4, l4_bytes)) != 0xffff;
}

/// The VIF from whose own addresses alone the packet may come; nullptr: any source is good.
inline const VifEntry* guard_of(const PacketContext& p) {
  return p.tunnels == 0 ? p.in->guard : nullptr;
}

/// Drops a packet whose checksum a kernel left unfinished.
template <class Tracer>
inline Next unfinished(StageContext<Tracer>& ctx, PacketContext& p) {
  ctx.counters.unfinished_checksums[p.in->port.index()].add(1);
  return drop(p, DropReason::checksum_unfinished);
}

/// `available`: bytes from p.l3 to the end of the frame.
template <class Tracer>
[[gnu::always_inline]] inline Next parse_ipv4(StageContext<Tracer>& ctx, PacketContext& p,
                                              std::size_t available) {
  std::uint8_t* const l3 = p.l3;
  const auto contiguous = static_cast<std::size_t>(p.end - l3);
  const auto& ip = header_at<wire::Ipv4>(l3);
  if (contiguous < sizeof(wire::Ipv4)) return drop(p, DropReason::frame_truncated);
  if (ip.version() != 4) return drop(p, DropReason::ipv4_version);
  const unsigned header = ip.header_bytes();
  if (header < sizeof(wire::Ipv4) || header > contiguous) {
    return drop(p, DropReason::ipv4_header_length);
  }
  const std::uint16_t total = ip.total_length.get();
  // `available` is not below `header`: one comparison for both ends.
  if (total - header > available - header) return drop(p, DropReason::ipv4_total_length);
  if (!ip.checksum_valid()) return drop(p, DropReason::ipv4_checksum);
  p.v4 = true;
  p.l3_bytes = total;
  p.l4_offset = static_cast<std::uint16_t>(header);
  p.protocol = ip.protocol;
  p.fragment = ip.fragment();

  if (const VifEntry* guard = guard_of(p); guard != nullptr) {
    std::uint32_t raw;
    std::memcpy(&raw, &ip.source, sizeof raw);
    if (!guard->owns(raw)) return drop(p, DropReason::spoofed_ip);
  }
  // The first octets in memory; most addresses start with one that is never special.
  if (wire::special_octets[l3[12]] || wire::special_octets[l3[16]]) [[unlikely]] {
    if (!Ipv4Address{ip.source.get()}.forwardable()) return drop(p, DropReason::ip_source_invalid);
    if (!Ipv4Address{ip.destination.get()}.forwardable()) {
      return drop(p, DropReason::ip_destination_unsupported);
    }
  }
  p.l4_ports = 0;
  if (!p.fragment && total >= header + 4U && contiguous >= header + 4U) {
    p.l4_ports = ports_at(l3 + header, p.protocol);
  }
  if (p.in->check_finished && checksum_unfinished(p, p.end)) [[unlikely]]
    return unfinished(ctx, p);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(parse_name, p, [&] {
      return "IPv4 " + to_string(IpAddress(Ipv4Address{ip.source.get()})) + " → " +
             to_string(IpAddress(Ipv4Address{ip.destination.get()})) + ", protocol " +
             std::to_string(p.protocol) + ", TTL " + std::to_string(ip.ttl) + ", " +
             std::to_string(total) + " bytes";
    });
  return Next::forward;
}

[[gnu::always_inline]] inline std::uint32_t raw_destination(const wire::Ipv4& ip) {
  std::uint32_t raw;
  std::memcpy(&raw, &ip.destination, sizeof raw);
  return raw;
}

[[gnu::always_inline]] inline bool to_local_address(const Tables& tables, const PacketContext& p) {
  const LocalAddressSet& local = *tables.local_addresses.load(std::memory_order_acquire);
  if (p.v4) return local.contains(raw_destination(header_at<wire::Ipv4>(p.l3)));
  return local.contains(header_at<wire::Ipv6>(p.l3).destination);
}

/// Whether behind the IPv6 header stands a routing header that may be of a tunnel that ends here,
/// which decap reads.
inline bool routes_segments(const Tables& tables, const PacketContext& p) {
  constexpr std::uint8_t protocol = wire::SegmentRouting::protocol;
  return p.protocol == protocol && p.vrf->id == underlay_vrf &&
         tables.ip_kinds[protocol].load(std::memory_order_relaxed) != 0 &&
         to_local_address(tables, p);
}

/// `available`: bytes from p.l3 to the end of the frame.
template <class Tracer>
[[gnu::always_inline]] inline Next parse_ipv6(StageContext<Tracer>& ctx, PacketContext& p,
                                              std::size_t available) {
  const auto contiguous = static_cast<std::size_t>(p.end - p.l3);
  const auto& ip = header_at<wire::Ipv6>(p.l3);
  if (contiguous < sizeof(wire::Ipv6)) return drop(p, DropReason::frame_truncated);
  if (ip.version() != 6) return drop(p, DropReason::ipv6_version);
  const std::size_t total = sizeof(wire::Ipv6) + ip.payload_length.get();
  if (total > available || total > 0xffff) {
    return drop(p, DropReason::ipv6_payload_length);
  }
  p.v4 = false;
  p.l3_bytes = static_cast<std::uint16_t>(total);
  p.l4_offset = sizeof(wire::Ipv6);
  p.protocol = ip.next_header;
  p.fragment = false;
  bool complete = true;
  const bool extended = p.protocol == 0 || p.protocol == 43 || p.protocol == 44 || p.protocol == 60;
  if (extended && !routes_segments(ctx.tables, p)) [[unlikely]] {
    const auto upper = wire::find_upper_layer({p.l3, std::min(contiguous, total)});
    p.l4_offset = upper.offset;
    p.protocol = upper.fragment ? upper.fragmentable : upper.protocol;  // all pieces the same
    p.fragment = upper.fragment;
    complete = upper.complete;
  }
  const std::size_t l4_end = std::min(contiguous, total);
  if (p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::icmpv6) && complete &&
      !p.fragment && l4_end > p.l4_offset) {
    const std::uint8_t type = p.l3[p.l4_offset];
    if (type >= 133 && type <= 137) {  // neighbour discovery: control checks it (RFC 4861 §7.1)
      if constexpr (Tracer::enabled)
        ctx.tracer.note(parse_name, p, [&] { return "ND message type " + std::to_string(type); });
      return punt(p, PuntClass::neighbour);
    }
  }
  // A host's own link-local chatter (MLD, DHCPv6) goes no further than this link.
  const bool link_chatter = ip.source.link_local() || ip.source.unspecified();
  const VifEntry* guard = guard_of(p);
  if (guard != nullptr && !link_chatter && !guard->owns(ip.source)) {
    return drop(p, DropReason::spoofed_ip);
  }
  if (ip.destination.multicast() || ip.destination.link_local() || ip.destination.unspecified() ||
      ip.destination.loopback()) {
    return drop(p, DropReason::ip_destination_unsupported);
  }
  if (ip.source.multicast() || ip.source.loopback() || link_chatter)
    return drop(p, DropReason::ip_source_invalid);
  p.l4_ports = 0;
  if (!p.fragment && complete && l4_end >= p.l4_offset + 4U) {
    p.l4_ports = ports_at(p.l3 + p.l4_offset, p.protocol);
  }
  if (p.in->check_finished && checksum_unfinished(p, p.end)) [[unlikely]]
    return unfinished(ctx, p);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(parse_name, p, [&] {
      return "IPv6 " + to_string(IpAddress(ip.source)) + " → " +
             to_string(IpAddress(ip.destination)) + ", next header " + std::to_string(p.protocol) +
             ", hop limit " + std::to_string(ip.hop_limit) + ", " + std::to_string(total) +
             " bytes";
    });
  return Next::forward;
}

/// What a frame holds that is no IP packet may be of a tunnel that rides on Ethernet, which decap
/// reads.
template <class Tracer>
[[gnu::noinline]] Next parse_without_ip(StageContext<Tracer>& ctx, PacketContext& p,
                                        std::size_t available) {
  if (p.vrf->id != underlay_vrf || available > 0xffff) {
    return drop(p, DropReason::ethertype_unsupported);
  }
  p.l3_bytes = static_cast<std::uint16_t>(available);
  p.l4_offset = 0;
  p.l4_ports = 0;
  p.protocol = 0;
  p.fragment = false;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(parse_name, p, [&] {
      return fmt::format("EtherType {:#06x}", header_at<wire::Ethernet>(p.l2).ether_type.get());
    });
  return Next::forward;
}

template <class Tracer>
Next parse_tagged(StageContext<Tracer>& ctx, PacketContext& p);

/// A frame from p.l2 on, of p.bytes bytes, of which nothing is known.
template <class Tracer>
[[gnu::always_inline]] inline Next parse_frame(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.end - p.l2 < static_cast<std::ptrdiff_t>(sizeof(wire::Ethernet))) {
    return drop(p, DropReason::frame_truncated);
  }
  const auto& ethernet = header_at<wire::Ethernet>(p.l2);
  const MacAddress& mac = p.tunnels == 0 ? *p.in->mac : p.vrf->router_mac();
  const bool ours = wire::same(ethernet.destination, mac);
  if (!ours && !ethernet.destination.multicast()) {
    return drop(
        p, p.tunnels != 0 ? DropReason::inner_mac_unknown : DropReason::l2_destination_unknown);
  }
  const VifEntry* guard = guard_of(p);
  if (guard != nullptr && !wire::same(ethernet.source, guard->mac)) {
    return drop(p, DropReason::spoofed_mac);
  }
  p.l3 = p.l2 + sizeof(wire::Ethernet);
  p.l2_bytes = sizeof(wire::Ethernet);
  const std::size_t available = p.bytes - sizeof(wire::Ethernet);
  switch (wire::EtherType{ethernet.ether_type.get()}) {
    case wire::EtherType::ipv4:
      if (!ours) return drop(p, DropReason::ip_destination_unsupported);
      return parse_ipv4(ctx, p, available);
    case wire::EtherType::ipv6: {
      const Next next = parse_ipv6(ctx, p, available);
      return !ours && next == Next::forward ? drop(p, DropReason::ip_destination_unsupported)
                                            : next;
    }
    case wire::EtherType::arp:
      if constexpr (Tracer::enabled)
        ctx.tracer.note(parse_name, p, [&] { return std::string("ARP"); });
      return punt(p, PuntClass::neighbour);
    case wire::EtherType::vlan:
      return parse_tagged(ctx, p);
    default:
      return ours ? parse_without_ip(ctx, p, available)
                  : drop(p, DropReason::ethertype_unsupported);
  }
}

/// A frame with a VLAN tag, which the port has not taken off. At ports of the underlay one of VLAN
/// 0 carries but a priority (IEEE 802.1Q-2018 §6.9), and the frame behind it counts.
template <class Tracer>
[[gnu::noinline]] Next parse_tagged(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.tunnels != 0 || !p.in->port.valid() || p.in->vif.valid()) {
    return drop(p, DropReason::ethertype_unsupported);
  }
  if (p.end - p.l2 < static_cast<std::ptrdiff_t>(wire::tagged_bytes)) {
    return drop(p, DropReason::frame_truncated);
  }
  if (wire::VlanTag::identifier_in(wire::vlan_tag_of(p.l2)->control.get()) != 0) {
    return drop(p, DropReason::vlan_unknown);
  }
  p.l2 = wire::take_vlan_tag(p.l2);
  p.bytes -= sizeof(wire::VlanTag);
  if (header_at<wire::Ethernet>(p.l2).ether_type == wire::VlanTag{}.protocol) {
    return drop(p, DropReason::ethertype_unsupported);
  }
  if constexpr (Tracer::enabled)
    ctx.tracer.note(parse_name, p,
                    [&] { return std::string("a tag that carries but a priority"); });
  return parse_frame(ctx, p);
}

/// A frame, or a bare IP packet at p.l3.
template <class Tracer>
[[gnu::always_inline]] inline Next parse_one(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.l2 != nullptr) return parse_frame(ctx, p);
  p.l2_bytes = 0;
  if (p.end == p.l3) return drop(p, DropReason::frame_truncated);
  return *p.l3 >> 4 == 6 ? parse_ipv6(ctx, p, p.bytes) : parse_ipv4(ctx, p, p.bytes);
}

}  // namespace weft::stage
