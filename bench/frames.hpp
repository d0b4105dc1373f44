#pragma once
/// Frames as VMs and fabrics send them, byte by byte.

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vxlan.hpp"

namespace weft::bench {

using Bytes = std::vector<std::uint8_t>;

struct Macs {
  MacAddress destination;
  MacAddress source;
};

/// IPv4 addresses in host byte order.
struct Flow {
  std::uint32_t source;
  std::uint32_t destination;
  std::uint16_t source_port;
  std::uint16_t destination_port;
};

template <class Header>
void append(Bytes& out, const Header& header) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(&header);
  out.insert(out.end(), at, at + sizeof header);
}

inline Bytes ethernet_header(const Macs& macs, std::uint16_t ether_type) {
  Bytes out;
  wire::Ethernet ethernet;
  ethernet.destination = macs.destination;
  ethernet.source = macs.source;
  ethernet.ether_type = ether_type;
  append(out, ethernet);
  return out;
}

/// Ethernet and IPv4 in front of what follows.
inline Bytes ipv4_headers(const Macs& macs, const Flow& flow, std::uint8_t protocol,
                          std::size_t payload_bytes) {
  Bytes out = ethernet_header(macs, 0x0800);
  wire::Ipv4 ip;
  ip.total_length = static_cast<std::uint16_t>(sizeof ip + payload_bytes);
  ip.ttl = 64;
  ip.protocol = protocol;
  ip.source = flow.source;
  ip.destination = flow.destination;
  ip.complete_checksum();
  append(out, ip);
  return out;
}

inline void append_udp(Bytes& out, const Flow& flow, std::span<const std::uint8_t> payload) {
  wire::Udp udp;
  udp.source_port = flow.source_port;
  udp.destination_port = flow.destination_port;
  udp.length = static_cast<std::uint16_t>(sizeof udp + payload.size());
  append(out, udp);
  out.insert(out.end(), payload.begin(), payload.end());
}

/// Ethernet, IPv4, UDP and a payload; UDP checksum zero.
inline Bytes udp_frame(const Macs& macs, const Flow& flow, std::span<const std::uint8_t> payload) {
  Bytes out = ipv4_headers(macs, flow, 17, sizeof(wire::Udp) + payload.size());
  append_udp(out, flow, payload);
  return out;
}

/// Ethernet, IPv4 and TCP without data, 60 bytes.
inline Bytes tcp_frame(const Macs& macs, const Flow& flow, std::uint8_t flags) {
  Bytes out = ipv4_headers(macs, flow, 6, sizeof(wire::Tcp));
  wire::Tcp tcp;
  tcp.source_port = flow.source_port;
  tcp.destination_port = flow.destination_port;
  tcp.data_offset = 5 << 4;
  tcp.flags = flags;
  append(out, tcp);
  out.resize(60);
  return out;
}

/// fd00:: with `low` as its last four bytes.
inline Ipv6Address address6(std::uint32_t low) {
  Ipv6Address address;
  address.bytes[0] = 0xfd;
  be32 last;
  last = low;
  std::memcpy(&address.bytes[12], &last, sizeof last);
  return address;
}

/// Ethernet, IPv6 between address6() of the flow's, and UDP without data; 62 bytes.
inline Bytes udp_frame6(const Macs& macs, const Flow& flow) {
  Bytes out = ethernet_header(macs, 0x86dd);
  wire::Ipv6 ip;
  ip.version_class_label = 6U << 28;
  ip.payload_length = sizeof(wire::Udp);
  ip.next_header = 17;
  ip.hop_limit = 64;
  ip.source = address6(flow.source);
  ip.destination = address6(flow.destination);
  append(out, ip);
  append_udp(out, flow, {});
  return out;
}

/// Ethernet, IPv4 and UDP of 60 bytes, the 64-byte class without its checksum.
inline Bytes small_frame(const Macs& macs, const Flow& flow) {
  constexpr std::uint8_t zeros[18] = {};
  return udp_frame(macs, flow, zeros);
}

/// `inner` inside VXLAN.
inline Bytes vxlan_frame(const Macs& macs, const Flow& outer, std::uint32_t vni,
                         const Bytes& inner) {
  wire::Vxlan vxlan;
  vxlan.flags = wire::Vxlan::vni_valid;
  vxlan.vni_reserved = vni << 8;
  const auto* at = reinterpret_cast<const std::uint8_t*>(&vxlan);
  Bytes payload(at, at + sizeof vxlan);
  payload.insert(payload.end(), inner.begin(), inner.end());
  return udp_frame(macs, outer, payload);
}

}  // namespace weft::bench
