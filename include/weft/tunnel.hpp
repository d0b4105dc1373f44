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

/// GRE without a key and with one (RFC 2890) are two kinds, since a key of 0 is not the same as
/// none.
enum class TunnelKind : std::uint8_t {
  none,
  vxlan,
  vxlan_gpe,
  geneve,
  gre,
  keyed_gre,
  mpls_over_udp,
  mpls_over_gre,
};

/// What an encapsulation holds: IP packets in Ethernet frames, or bare ones.
enum class TunnelPayload : std::uint8_t { ethernet, ip };

struct TunnelKindInfo {
  TunnelKind kind;
  std::string_view name;
  std::uint16_t default_udp_port;  ///< 0 where the kind does not ride on UDP
  std::string_view network;        ///< what tells networks apart, as `weft.yaml` calls it; "": none
  std::uint32_t least_network;
  std::uint32_t most_network;
  TunnelPayload payload;  ///< where the profile does not say
  bool any_payload;       ///< whether it may say
};

/// The kinds that exist, by the names that `weft.yaml` uses. UDP ports by RFC 7348 §8,
/// draft-ietf-nvo3-vxlan-gpe §7, RFC 8926 §3.3 and RFC 7510 §6; labels 0 to 15 are reserved (RFC
/// 3032 §2.1).
inline constexpr std::array tunnel_kinds{
    TunnelKindInfo{TunnelKind::vxlan, "vxlan", 4789, "vni", 0, 0xffffff, TunnelPayload::ethernet,
                   false},
    TunnelKindInfo{TunnelKind::vxlan_gpe, "vxlan_gpe", 4790, "vni", 0, 0xffffff,
                   TunnelPayload::ethernet, true},
    TunnelKindInfo{TunnelKind::geneve, "geneve", 6081, "vni", 0, 0xffffff, TunnelPayload::ethernet,
                   true},
    TunnelKindInfo{TunnelKind::gre, "gre", 0, "", 0, 0, TunnelPayload::ip, true},
    TunnelKindInfo{TunnelKind::keyed_gre, "gre", 0, "key", 0, 0xffffffff, TunnelPayload::ip, true},
    TunnelKindInfo{TunnelKind::mpls_over_udp, "mpls_over_udp", 6635, "label", 16, 0xfffff,
                   TunnelPayload::ip, false},
    TunnelKindInfo{TunnelKind::mpls_over_gre, "mpls_over_gre", 0, "label", 16, 0xfffff,
                   TunnelPayload::ip, false},
};

/// Of several with that name the one that has what `network` names, where there is one.
constexpr const TunnelKindInfo* find_tunnel_kind(std::string_view name,
                                                 std::string_view network = {}) {
  for (const auto& info : tunnel_kinds) {
    if (info.name == name && info.network == network) return &info;
  }
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
  IpAddress local;        ///< outer source
  IpAddress remote;       ///< outer destination, same family as `local`
  std::uint32_t vni = 0;  ///< or key, or label
  std::uint16_t destination_port = 4789;
  PortRange source_ports;
  TunnelPayload payload = TunnelPayload::ethernet;
  /// Destination of the inner Ethernet header, where the payload has one.
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
  IpAddress local;                        ///< outer destination
  std::uint16_t destination_port = 4789;  ///< 0 where the kind does not ride on UDP
  std::uint32_t vni = 0;                  ///< or key, or label
  std::vector<IpPrefix> sources;
  bool zero_udp_checksum6 = false;
  NexthopId nexthop;

  friend bool operator==(const Decap&, const Decap&) = default;
};

}  // namespace weft
