#pragma once
/// The hash of an IP packet's flow, from its bytes alone.

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "tunnel/entropy.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace weft {

/// The ports of TCP, UDP and SCTP that stand `offset` bytes into the packet, as they lie there; 0:
/// the protocol has none, or the packet ends before them.
inline std::uint32_t ports_in(std::span<const std::uint8_t> packet, std::size_t offset,
                              std::uint8_t protocol) {
  std::uint32_t ports = 0;
  if (!wire::has_ports(protocol) || packet.size() < offset + sizeof ports) return 0;
  std::memcpy(&ports, &packet[offset], sizeof ports);
  return ports;
}

/// Of addresses, protocol and ports; of pieces of a datagram without ports, which the first one
/// alone has. Nothing: the packet ends within its header.
inline std::optional<std::uint64_t> flow_hash_of(std::span<const std::uint8_t> packet, bool v4,
                                                 const tunnel::HashSeed& seed) {
  if (v4) {
    if (packet.size() < sizeof(wire::Ipv4)) return std::nullopt;
    const auto& ip = *reinterpret_cast<const wire::Ipv4*>(packet.data());
    std::uint64_t addresses;
    std::memcpy(&addresses, &ip.source, sizeof addresses);
    const std::uint32_t ports =
        ip.fragment() ? 0 : ports_in(packet, ip.header_bytes(), ip.protocol);
    return tunnel::flow_hash4(seed, addresses, ports, ip.protocol, 0);
  }
  if (packet.size() < sizeof(wire::Ipv6)) return std::nullopt;
  const auto upper = wire::find_upper_layer(packet);
  std::uint64_t addresses[4];
  std::memcpy(addresses, &reinterpret_cast<const wire::Ipv6*>(packet.data())->source,
              sizeof addresses);
  const std::uint8_t protocol = upper.fragment ? upper.fragmentable : upper.protocol;
  const bool known = upper.complete && !upper.fragment;
  const std::uint32_t ports = known ? ports_in(packet, upper.offset, protocol) : 0;
  return tunnel::flow_hash6(seed, addresses, ports, protocol, 0);
}

}  // namespace weft
