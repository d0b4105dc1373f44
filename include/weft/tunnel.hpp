#pragma once
/// Tunnel profiles: what control tells the data plane about an encapsulation or a decapsulation.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/address.hpp"
#include "weft/ids.hpp"
#include "weft/mss_clamp.hpp"

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
  srv6,
  mpls_over_mpls,
  nsh_over_vxlan_gpe,
  nsh_over_gre,
  nsh_over_ethernet,
};

/// What an encapsulation holds: IP packets in Ethernet frames, or bare ones; `nsh`: packets that
/// have an NSH header already.
enum class TunnelPayload : std::uint8_t { ethernet, ip, nsh };

struct TunnelKindInfo {
  TunnelKind kind;
  std::string_view name;
  std::uint16_t default_udp_port;  ///< 0 where the kind does not ride on UDP
  std::string_view network;        ///< what tells networks apart, as `weft.yaml` calls it; "": none
  std::uint32_t least_network;
  std::uint32_t most_network;
  TunnelPayload payload;  ///< where the profile does not say
  bool any_payload;       ///< whether it may say
  bool ipv6_only = false;
  /// Rides on Ethernet, without an IP header: it has neither a source nor a destination outside.
  bool on_ethernet = false;
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
    TunnelKindInfo{TunnelKind::srv6, "srv6", 0, "", 0, 0, TunnelPayload::ip, false, true},
    TunnelKindInfo{TunnelKind::mpls_over_mpls, "mpls_over_mpls", 0, "label", 16, 0xfffff,
                   TunnelPayload::ip, false, false, true},
    TunnelKindInfo{TunnelKind::nsh_over_vxlan_gpe, "nsh_over_vxlan_gpe", 4790, "path", 0,
                   0xffffffff, TunnelPayload::ethernet, true},
    TunnelKindInfo{TunnelKind::nsh_over_gre, "nsh_over_gre", 0, "path", 0, 0xffffffff,
                   TunnelPayload::ip, true},
    TunnelKindInfo{TunnelKind::nsh_over_ethernet, "nsh_over_ethernet", 0, "path", 0, 0xffffffff,
                   TunnelPayload::ip, true, false, true},
};
constexpr bool has_nsh(TunnelKind kind) { return kind >= TunnelKind::nsh_over_vxlan_gpe; }
/// What the header in front of NSH has of its own: "vni", "key", or nothing.
constexpr std::string_view carrier_network_name(TunnelKind kind) {
  if (kind == TunnelKind::nsh_over_vxlan_gpe) return "vni";
  return kind == TunnelKind::nsh_over_gre ? "key" : "";
}
/// Whether a profile's TTL stands anywhere in its header.
constexpr bool has_ttl(TunnelKind kind) { return kind != TunnelKind::nsh_over_ethernet; }

/// The number of a network of NSH: 24 bits of service path, and the service index.
constexpr std::uint32_t nsh_network(std::uint32_t path, std::uint8_t index) {
  return path << 8 | index;
}

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

/// The names that there are, each once.
inline std::vector<std::string_view> tunnel_kind_names() {
  std::vector<std::string_view> names;
  for (const auto& info : tunnel_kinds) {
    if (names.empty() || names.back() != info.name) names.push_back(info.name);
  }
  return names;
}

constexpr const TunnelKindInfo& describe(TunnelKind kind) {
  for (const auto& info : tunnel_kinds) {
    if (info.kind == kind) return info;
  }
  return tunnel_kinds[0];
}

/// The kind by which UDP ports are known that `kind` uses: kinds with one default port share ports,
/// since their headers tell them apart.
constexpr TunnelKind kind_of_port(TunnelKind kind) {
  const std::uint16_t port = describe(kind).default_udp_port;
  for (const auto& info : tunnel_kinds) {
    if (info.default_udp_port == port) return info.kind;
  }
  return kind;
}

/// The bits that the kind's header, which is eight bytes then, has for nobody, as one number (RFC
/// 7348 §5, draft-ietf-nvo3-vxlan-gpe §3.1); 0: none that a profile could use.
constexpr std::uint64_t reserved_bits(TunnelKind kind) {
  if (kind == TunnelKind::vxlan) return 0xf7ffffff000000ff;
  return kind == TunnelKind::vxlan_gpe ? 0xc0ffff00000000ff : 0;
}

/// An inclusive range of UDP ports, host byte order.
struct PortRange {
  std::uint16_t first = 49152;
  std::uint16_t last = 65535;
  friend constexpr auto operator<=>(const PortRange&, const PortRange&) = default;
};

/// An option of GENEVE (RFC 8926 §3.5), or metadata of NSH (RFC 8300 §2.5.1).
struct TunnelOption {
  std::uint16_t option_class = 0;
  std::uint8_t type = 0;           ///< GENEVE: its top bit: critical
  std::vector<std::uint8_t> data;  ///< GENEVE: whole words of four bytes, at most 31; NSH: any

  friend bool operator==(const TunnelOption&, const TunnelOption&) = default;
};
inline constexpr std::size_t max_option_data = 124;
inline constexpr std::size_t max_options_bytes = 252;
inline constexpr std::size_t nsh_context_bytes = 16;  ///< of MD type 1 (RFC 8300 §2.4)
inline constexpr std::size_t max_metadata_data = 127;
inline constexpr std::size_t max_metadata_bytes = 244;  ///< with their headers and padding

/// What packets say by reserved bits: who made them, as peers have agreed among themselves.
struct DecapMark {
  std::string name;
  std::uint64_t bits = 0;
  std::uint64_t mask = 0;  ///< which of reserved_bits() are looked at

  /// Whether a header has it; `header`: its first eight bytes as one number.
  [[nodiscard]] bool is_in(std::uint64_t header) const { return (header & mask) == bits; }
  friend bool operator==(const DecapMark&, const DecapMark&) = default;
};
inline constexpr std::size_t max_marks = 16;

inline constexpr std::size_t max_labels = 8;     ///< in a stack, the one of the network included
inline constexpr std::size_t max_segments = 16;  ///< that a packet may visit

/// What an SRv6 segment of this router does (RFC 8986 §4). DT: looks up in a VRF, DX: leads to a
/// VIF; the number says which IP may be inside, 46: either.
enum class SegmentBehaviour : std::uint8_t { dt46, dt4, dt6, dx46, dx4, dx6, end, end_x };
/// By the names of RFC 8986 §4. Left out is `dx46`: two behaviours of one SID, which are meant
/// where a decap names a VIF alone.
inline constexpr std::array<std::pair<std::string_view, SegmentBehaviour>, 7> segment_behaviours{{
    {"End", SegmentBehaviour::end},
    {"End.X", SegmentBehaviour::end_x},
    {"End.DT4", SegmentBehaviour::dt4},
    {"End.DT6", SegmentBehaviour::dt6},
    {"End.DT46", SegmentBehaviour::dt46},
    {"End.DX4", SegmentBehaviour::dx4},
    {"End.DX6", SegmentBehaviour::dx6},
}};
constexpr bool passes_on(SegmentBehaviour behaviour) { return behaviour >= SegmentBehaviour::end; }

/// An encapsulation profile (features.md A2).
struct TunnelProfile {
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress local;        ///< outer source
  IpAddress remote;       ///< outer destination, same family as `local`; on Ethernet: who gets it
  std::uint32_t vni = 0;  ///< or key, or label
  std::uint16_t destination_port = 4789;
  PortRange source_ports;
  TunnelPayload payload = TunnelPayload::ethernet;
  /// Destination of the inner Ethernet header, where the payload has one.
  MacAddress inner_destination_mac;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  bool copy_ttl = false;   ///< the packet inside has it, as it goes in; `ttl` where there is none
  bool copy_dscp = false;  ///< the packet inside has it; `dscp` where there is none
  /// Send UDP checksum zero over IPv6 (RFC 6935); over IPv4 it is always zero.
  bool zero_udp_checksum6 = false;
  std::vector<std::uint32_t> labels{};  ///< of MPLS, in front of the network's; the outermost first
  /// Of GENEVE; of NSH the metadata, whose MD type is 2 then.
  std::vector<TunnelOption> options{};
  std::array<std::uint8_t, nsh_context_bytes> context{};  ///< of NSH with MD type 1
  /// NSH: VNI or key of the header in front of it; GRE has a key only where it is given.
  std::optional<std::uint32_t> carrier_network{};
  std::uint64_t reserved = 0;  ///< those of reserved_bits() that are sent as ones
  /// Of SRv6, in the order in which they are visited; the first is `remote`.
  std::vector<Ipv6Address> segments{};
  bool reduced = false;  ///< H.Encaps.Red: the header does not list the first (RFC 8986 §5.2)
  /// Its packets may leave, and be cut on their way, in pieces; else the inner ones must fit.
  bool outer_fragmentation = false;
  MssClamp mss_clamp{};  ///< of connections whose packets go by the tunnel, either way

  friend bool operator==(const TunnelProfile&, const TunnelProfile&) = default;
};

/// What packets must have for a decapsulation to take them, beside what it is found by, and what it
/// does to them.
struct DecapTerms {
  bool zero_udp_checksum6 = false;
  bool copy_dscp = false;  ///< the inner DSCP becomes the outer one (uniform model, RFC 2983 §3.1)
  /// MPLS: in front of the network's own, the outermost first; explicit nulls may be among them.
  std::vector<std::uint32_t> labels{};
  /// GENEVE: a packet must have these. Others are skipped, where they are not critical.
  std::vector<TunnelOption> options{};
  SegmentBehaviour behaviour = SegmentBehaviour::dt46;  ///< SRv6
  /// NSH: what the header in front of it must have: a VNI, or a key, or no key.
  std::optional<std::uint32_t> carrier_network{};
  bool relays = false;  ///< NSH: the packet goes on with it by the tunnel that is the next hop
  std::vector<DecapMark> marks{};  ///< a packet has the first that is in it, or none

  friend bool operator==(const DecapTerms&, const DecapTerms&) = default;
};

/// Accept packets of one kind, port, VNI and outer destination from the listed sources, and hand
/// what is inside to `nexthop`.
struct Decap : DecapTerms {
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress local;                        ///< outer destination; on Ethernet: 0.0.0.0
  std::uint16_t destination_port = 4789;  ///< 0 where the kind does not ride on UDP
  std::uint32_t vni = 0;                  ///< or key, or label
  std::vector<IpPrefix> sources;          ///< on Ethernet: none, and none is asked for
  /// Of what is inside; SRv6 End.X: to the neighbour that gets the packet, End: none.
  NexthopId nexthop;
  /// Of each mark: instead of the decap's own, for packets that have the mark.
  std::vector<DecapId> mark_ids{};

  friend bool operator==(const Decap&, const Decap&) = default;
};

}  // namespace weft
