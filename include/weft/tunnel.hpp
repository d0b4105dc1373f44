#pragma once
/// Tunnel profiles: what control tells the data plane about an encapsulation or a decapsulation.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "weft/address.hpp"
#include "weft/ids.hpp"

namespace weft {

enum class TunnelKind : std::uint8_t { none, vxlan };

struct TunnelKindInfo {
  TunnelKind kind;
  std::string_view name;
  std::uint16_t default_udp_port;  ///< 0 where the kind does not ride on UDP
};

/// The kinds that exist, by the names that `weft.yaml` uses. UDP ports by RFC 7348 §8.
inline constexpr std::array tunnel_kinds{
    TunnelKindInfo{TunnelKind::vxlan, "vxlan", 4789},
};

constexpr const TunnelKindInfo* find_tunnel_kind(std::string_view name) {
  for (const auto& info : tunnel_kinds) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

constexpr const TunnelKindInfo& describe(TunnelKind kind) {
  for (const auto& info : tunnel_kinds) {
    if (info.kind == kind) return info;
  }
  return tunnel_kinds[0];
}

/// An inclusive range of UDP ports, host byte order.
struct PortRange {
  std::uint16_t first = 49152;
  std::uint16_t last = 65535;
  friend constexpr auto operator<=>(const PortRange&, const PortRange&) = default;
};

/// An encapsulation profile (features.md A2).
struct TunnelProfile {
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress local;   ///< outer source
  IpAddress remote;  ///< outer destination, same family as `local`
  std::uint32_t vni = 0;
  std::uint16_t destination_port = 4789;
  PortRange source_ports;
  /// Destination of the inner Ethernet header, for kinds that carry Ethernet.
  MacAddress inner_destination_mac;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  /// Send UDP checksum zero over IPv6 (RFC 6935); over IPv4 it is always zero.
  bool zero_udp_checksum6 = false;

  friend bool operator==(const TunnelProfile&, const TunnelProfile&) = default;
};

/// Accept packets of one kind, port, VNI and outer destination from the listed sources, and hand
/// what is inside to `nexthop`.
struct Decap {
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress local;  ///< outer destination
  std::uint16_t destination_port = 4789;
  std::uint32_t vni = 0;
  std::vector<IpPrefix> sources;
  bool zero_udp_checksum6 = false;
  NexthopId nexthop;

  friend bool operator==(const Decap&, const Decap&) = default;
};

}  // namespace weft
