#pragma once
/// Frames as VMs and fabrics send them, byte by byte.

#include <cstdint>
#include <span>
#include <vector>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
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

/// Ethernet, IPv4, UDP and a payload; UDP checksum zero.
inline Bytes udp_frame(const Macs& macs, const Flow& flow, std::span<const std::uint8_t> payload) {
  Bytes out;
  const auto append = [&out](const auto& header) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(&header);
    out.insert(out.end(), at, at + sizeof header);
  };
  wire::Ethernet ethernet;
  ethernet.destination = macs.destination;
  ethernet.source = macs.source;
  ethernet.ether_type = 0x0800;
  append(ethernet);
  wire::Udp udp;
  udp.source_port = flow.source_port;
  udp.destination_port = flow.destination_port;
  udp.length = static_cast<std::uint16_t>(sizeof udp + payload.size());
  wire::Ipv4 ip;
  ip.total_length = static_cast<std::uint16_t>(sizeof ip + sizeof udp + payload.size());
  ip.ttl = 64;
  ip.protocol = 17;
  ip.source = flow.source;
  ip.destination = flow.destination;
  ip.complete_checksum();
  append(ip);
  append(udp);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

/// The same of 60 bytes, the 64-byte class without its checksum.
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
