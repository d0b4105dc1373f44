#pragma once
/// A tunnel of any kind between the bench's node and its peer: its profiles, and frames as the peer
/// sends them.

#include <algorithm>

#include "frames.hpp"
#include "tunnel/header_template.hpp"
#include "weft/forwarding.hpp"

namespace weft::bench {

inline constexpr MacAddress router_mac{{2, 0, 0x5e, 0, 1, 1}};
inline constexpr MacAddress port_mac{{2, 0, 0, 0, 9, 1}};
inline constexpr MacAddress vm_mac{{2, 0, 0, 0, 1, 1}};
inline constexpr std::uint32_t local = 0xc0000201;   // 192.0.2.1
inline constexpr std::uint32_t remote = 0xc0000202;  // 192.0.2.2

/// Kind and underlay. UDP over IPv6 goes without checksums; SRv6 visits two segments on the way out
/// and ends here with a routing header on the way in.
struct TunnelWay {
  TunnelKind kind = TunnelKind::vxlan;
  bool underlay_v4 = true;
};

namespace ends {
inline IpAddress here(const TunnelWay& way) {
  return way.underlay_v4 ? IpAddress(Ipv4Address{local}) : IpAddress(address6(local));
}
inline IpAddress there(const TunnelWay& way) {
  return way.underlay_v4 ? IpAddress(Ipv4Address{remote}) : IpAddress(address6(remote));
}
/// An SRv6 segment of this node.
inline Ipv6Address segment(unsigned number) { return address6(0x5e000000 + number); }
}  // namespace ends

/// The tunnel of that number, counted from 0.
inline TunnelProfile profile_of(const TunnelWay& way, unsigned number) {
  const TunnelKindInfo& info = describe(way.kind);
  TunnelProfile profile;
  profile.kind = way.kind;
  profile.local = ends::here(way);
  profile.remote = ends::there(way);
  profile.vni = std::min(info.most_network, 100 + number);
  profile.destination_port = info.default_udp_port;
  profile.payload = info.payload;
  profile.inner_destination_mac = router_mac;
  profile.zero_udp_checksum6 = true;
  if (way.kind == TunnelKind::srv6) {
    profile.segments = {profile.remote.v6(), address6(0xa0000000 + number)};
  }
  if (way.kind == TunnelKind::nsh_over_vxlan_gpe) profile.carrier_network = 7;
  return profile;
}

/// The way back.
inline Decap decap_of(const TunnelWay& way, unsigned number, NexthopId nexthop) {
  const TunnelKindInfo& info = describe(way.kind);
  const TunnelProfile profile = profile_of(way, number);
  Decap decap;
  decap.kind = way.kind;
  decap.vni = profile.vni;
  decap.destination_port = profile.destination_port;
  decap.zero_udp_checksum6 = true;
  decap.carrier_network = profile.carrier_network;
  decap.nexthop = nexthop;
  if (info.on_ethernet) return decap;
  decap.local = way.kind == TunnelKind::srv6 ? ends::segment(number) : profile.local;
  decap.sources = {IpPrefix::host(profile.remote)};
  return decap;
}

/// The frame by which the peer sends an IP frame through the tunnel of that number.
inline Bytes tunnelled(const TunnelWay& way, unsigned number, const Bytes& inner,
                       std::uint16_t source_port) {
  TunnelProfile profile = profile_of(way, number);
  std::swap(profile.local, profile.remote);
  if (way.kind == TunnelKind::srv6) {
    profile.segments = {ends::segment(number)};
    profile.remote = profile.segments.front();
  }
  const auto made = tunnel::build_template(profile);
  const bool inner_v4 = inner[12] == 0x08;
  const std::uint16_t type = made.ether_type != 0 ? made.ether_type
                             : made.outer_v4      ? 0x0800
                                                  : 0x86dd;
  Bytes frame = ethernet_header({port_mac, vm_mac}, type);
  const std::size_t outer = frame.size();
  frame.insert(frame.end(), made.bytes.bytes().begin(), made.bytes.bytes().end());
  const auto put = [&](std::size_t offset, std::size_t value) {
    frame[outer + offset] = static_cast<std::uint8_t>(value >> 8);
    frame[outer + offset + 1] = static_cast<std::uint8_t>(value);
  };
  if (made.inner_ethernet_offset != 0) frame.resize(outer + made.inner_ethernet_offset);
  if (made.version_slot.offset != 0) {
    put(made.version_slot.offset, inner_v4 ? made.version_slot.ipv4 : made.version_slot.ipv6);
  }
  frame.insert(frame.end(), inner.begin() + (made.inner_ethernet_offset != 0 ? 0 : 14),
               inner.end());
  const std::size_t total = frame.size() - outer;
  if (made.udp_offset != 0) {
    put(made.udp_offset, source_port);
    put(made.udp_offset + 4U, total - made.udp_offset);
  }
  if (made.ether_type != 0) return frame;
  if (made.outer_v4) {
    auto& ip = *reinterpret_cast<wire::Ipv4*>(&frame[outer]);
    ip.total_length = static_cast<std::uint16_t>(total);
    ip.complete_checksum();
  } else {
    put(4, total - sizeof(wire::Ipv6));
  }
  return frame;
}

}  // namespace weft::bench
