#pragma once
/// The objects of a node as control knows them: what was configured, under which ids it stands in
/// the data plane, and who owns it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config.hpp"
#include "weft/forwarding.hpp"

namespace weft::agent {

/// Who may take an object away: what comes from the file follows the file, the others survive it.
enum class Owner : std::uint8_t { file, api, channel };

constexpr std::string_view owner_name(Owner owner) {
  constexpr std::string_view names[] = {"file", "api", "channel"};
  return names[static_cast<std::size_t>(owner)];
}

/// An address on the link of a fabric port.
struct NeighbourKey {
  PortId port;
  IpAddress address;
  friend constexpr auto operator<=>(const NeighbourKey&, const NeighbourKey&) = default;
};

/// Neighbours among which packets are shared flow by flow, in order, each once; one alone is the
/// usual case, none: there is no way.
using Ways = std::vector<NeighbourKey>;

struct PortObject {
  PortConfig config;
  PortId id;
  MacAddress mac;
  std::uint16_t mtu_bytes = 1500;
  std::optional<Ipv6Address> link_local;  ///< set where the port speaks IPv6
  NexthopId glean;
  Owner owner = Owner::file;
  bool link_up = true;
};

struct VrfObject {
  VrfConfig config;
  VrfId id;
  NexthopId lookup;
  Owner owner = Owner::file;
  bool flows = false;  ///< as the data plane was told
};

struct SecurityGroupObject {
  SecurityGroupConfig config;
  Owner owner = Owner::file;
};

/// Which rule of which group a rule of a policy was.
struct RuleOrigin {
  std::uint32_t group = 0;   ///< its place in VifRules::groups
  std::uint32_t number = 0;  ///< its place in the group's list, from 1 on
  friend bool operator==(const RuleOrigin&, const RuleOrigin&) = default;
};

/// What security groups come to. Rules of groups that have no members are left out.
struct VifRules {
  std::vector<std::string> groups;
  Policy policy;
  std::vector<RuleOrigin> egress;  ///< of each rule of the policy
  std::vector<RuleOrigin> ingress;
  friend bool operator==(const VifRules&, const VifRules&) = default;
};

/// A list of rules under its id in the data plane.
struct PolicyObject {
  std::shared_ptr<const VifRules> rules;
  std::shared_ptr<const CompiledPolicy> compiled;  ///< null: not yet
  std::string error;                               ///< why it never will be
};

/// Rules that a VIF is under; those of one policy may come from different groups.
struct VifPolicy {
  PolicyId id;
  std::shared_ptr<const VifRules> rules;  ///< null: none, or (with an id) closed
  friend bool operator==(const VifPolicy& a, const VifPolicy& b) {
    return a.id == b.id && (a.rules == b.rules ||
                            (a.rules != nullptr && b.rules != nullptr && *a.rules == *b.rules));
  }
};

struct VifObject {
  VifConfig config;
  VifId id;
  PortId port;
  VrfId vrf;
  NexthopId nexthop;
  AdjacencyId adjacency;
  bool may_leave_checksums = false;
  Owner owner = Owner::file;
  bool host = false;   ///< of this host's kernel; it goes with its port
  VifPolicy policy{};  ///< that is in force
  VifPolicy next{};    ///< that shall be; another one while that is compiled
};

/// What is known of the way to a tunnel's remote; see nexthop::Tunnel.
struct TunnelPath {
  std::uint16_t mtu_bytes = 0xffff;
  std::optional<std::uint16_t> watch_bytes;
};

struct TunnelObject {
  TunnelProfile profile;
  NexthopId nexthop;
  Ways via;  ///< empty: the underlay has no route to the remote
  Owner owner = Owner::file;
  TunnelPath path{};
};

struct DecapObject {
  DecapConfig config;
  Owner owner = Owner::file;
};

/// A neighbour whose MAC address is configured.
struct StaticNeighbour {
  NeighbourConfig config;
  Owner owner = Owner::file;
};

/// Decap profiles that agree in these share one entry of the data plane.
struct DecapKey {
  TunnelKind kind = TunnelKind::none;
  std::uint16_t destination_port = 0;
  std::uint32_t vni = 0;
  IpAddress local;
  friend constexpr auto operator<=>(const DecapKey&, const DecapKey&) = default;
};

inline DecapKey key_of(const DecapConfig& d) {
  return {d.kind, d.destination_port, d.vni, d.local};
}

struct DecapEntry {
  DecapId id;
  std::vector<std::string> profiles;  ///< names, in order of arrival
  std::optional<NeighbourKey> via{};  ///< of SRv6 End.X
  /// By its name: under which a mark's packets count, and not under `id`.
  std::map<std::string, DecapId> marks{};
  std::vector<DecapId> leaving{};  ///< of marks that are gone, until no worker can use them
  PacketCount left{};              ///< what those have counted that went before

  /// Whether packets that it lets in count under `other`.
  [[nodiscard]] bool counts_under(DecapId other) const;
};

/// A neighbour in the data plane: the adjacency and the interface next hop that leads to it.
struct AdjacencyObject {
  AdjacencyId id;
  NexthopId nexthop;
  std::optional<MacAddress> mac;
  unsigned pins = 0;      ///< tunnels, gateways and routes that rest on it
  unsigned gateways = 0;  ///< routes that name it, alone or among others
  bool link_up = true;
  bool alive = true;  ///< as BFD knows; true where that is not spoken

  /// Whether packets that may go by others as well go by it.
  [[nodiscard]] bool usable() const { return mac.has_value() && link_up && alive; }
};

/// Several neighbours in the data plane: an adjacency and the interface next hop that leads to it.
struct WaysObject {
  AdjacencyId id;
  NexthopId nexthop;
  unsigned pins = 0;  ///< tunnels and routes that rest on it; it goes with the last
};

/// The next hops of a route that has several ways, and which of them has which bucket.
struct EcmpGroup {
  std::vector<NexthopId> members;  ///< in the order of the configuration
  std::vector<NexthopId> buckets;
};

/// What a next hop stands for, in the names of the model.
struct NexthopUse {
  enum class Kind : std::uint8_t {
    discard,
    receive,
    vrf,
    vif,
    tunnel,
    connected,
    neighbour,
    ways,
    ecmp
  };
  Kind kind = Kind::discard;
  std::string name;        ///< of the VRF, VIF, tunnel or port; receive: of the host's VIF, or none
  NeighbourKey neighbour;  ///< for neighbour; its port also for connected
  Ways ways{};             ///< for ways
};

}  // namespace weft::agent

template <>
struct std::hash<weft::agent::NeighbourKey> {
  std::size_t operator()(const weft::agent::NeighbourKey& k) const noexcept {
    return std::hash<weft::IpAddress>{}(k.address) * 31 + std::hash<weft::PortId>{}(k.port);
  }
};
