#pragma once
/// `weft.yaml` as values. Names are resolved and addresses checked: whatever config_loader.hpp
/// returns is consistent.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/address.hpp"
#include "weft/bfd.hpp"
#include "weft/flow.hpp"
#include "weft/policy.hpp"
#include "weft/reassembly.hpp"
#include "weft/tunnel.hpp"

namespace weft::agent {

/// The name that routes and neighbours use for VRF 0.
inline constexpr const char* underlay_name = "underlay";
/// The name of the VIF by which this host's kernel reaches the underlay.
inline constexpr const char* host_name = "host";

/// What VMs address frames to, unless their VRF says otherwise, and the host's kernel.
inline constexpr MacAddress default_router_mac{{0x02, 0x00, 0x5e, 0x00, 0x01, 0x01}};
/// DPDK's tap takes no more.
inline constexpr std::uint16_t max_tap_mtu_bytes = 1500;

struct NodeConfig {
  std::string name;
  std::vector<IpAddress> tunnel_addresses;  ///< at most one of each family
  friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

struct DpdkConfig {
  enum class Hugepages { automatic, on, off };
  Hugepages hugepages = Hugepages::automatic;
  unsigned memory_mb = 512;
  friend bool operator==(const DpdkConfig&, const DpdkConfig&) = default;
};

struct WorkersConfig {
  enum class Idle { adaptive, poll };
  std::vector<unsigned> lcores{0, 1};  ///< CPU numbers
  unsigned burst = 32;
  Idle idle = Idle::adaptive;
  bool handoff = true;  ///< all workers serve ports that have fewer queues
  friend bool operator==(const WorkersConfig&, const WorkersConfig&) = default;
};

enum class QueueSharing { automatic, shared, exclusive };

struct PortConfig {
  std::string name;
  std::string device;
  std::vector<IpPrefix> addresses;  ///< host bits set: the port's own address in its subnet
  std::vector<IpAddress> gateways;  ///< all of a node share its default route
  std::uint16_t mtu_bytes = 1500;
  QueueSharing workers = QueueSharing::automatic;
  std::string host{};  ///< the tap that gives the kernel its traffic; empty: none does
  bool flows = false;  ///< flows of what it receives for the underlay are kept
  std::optional<BfdSettings> bfd{};  ///< spoken with the gateways on its link
  std::uint16_t vlan = 0;            ///< of its frames on the wire; 0: they have no tag
  friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

struct NeighbourConfig {
  std::string port;  ///< whose subnet holds the address
  IpAddress address;
  MacAddress mac;
  friend bool operator==(const NeighbourConfig&, const NeighbourConfig&) = default;
};

/// What stands before the name of a group, where a prefix could stand.
inline constexpr std::string_view group_scheme = "group:";

/// Whom a rule speaks of: a prefix, or whoever is in a group.
struct PeerConfig {
  IpPrefix prefix;
  std::string group{};  ///< not empty: this group, and no prefix
  friend bool operator==(const PeerConfig&, const PeerConfig&) = default;
};

/// A rule of a security group. It takes a packet of which all that it names is true; an empty list
/// names nothing.
struct RuleConfig {
  PolicyAction action = PolicyAction::allow;
  std::optional<std::uint8_t> protocol;
  std::vector<PeerConfig> from;
  std::vector<PeerConfig> to;
  std::vector<PortRange> source_ports;
  std::vector<PortRange> ports;  ///< destination ports
  std::optional<std::uint8_t> icmp_type;
  std::optional<std::uint8_t> icmp_code;
  friend bool operator==(const RuleConfig&, const RuleConfig&) = default;
};

/// Whoever is in a group is under its rules, and meant where rules speak of the group.
struct SecurityGroupConfig {
  std::string name;
  std::vector<IpPrefix> members;  ///< beyond the VIFs of this node
  /// Sessions that others open to a VIF of the group, and that it opens. No list: the group leaves
  /// them alone; an empty one: it allows none.
  std::optional<std::vector<RuleConfig>> ingress;
  std::optional<std::vector<RuleConfig>> egress;

  /// The groups that its rules speak of, some perhaps twice.
  [[nodiscard]] std::vector<std::string> named_groups() const {
    std::vector<std::string> names;
    for (const auto* rules : {&ingress, &egress}) {
      if (!*rules) continue;
      for (const auto& rule : **rules) {
        for (const auto* peers : {&rule.from, &rule.to}) {
          for (const auto& peer : *peers) {
            if (!peer.group.empty()) names.push_back(peer.group);
          }
        }
      }
    }
    return names;
  }
  /// Whether its rules speak of the group.
  [[nodiscard]] bool names_group(std::string_view other) const {
    return std::ranges::count(named_groups(), other) > 0;
  }
  friend bool operator==(const SecurityGroupConfig&, const SecurityGroupConfig&) = default;
};

struct SubnetConfig {
  IpPrefix prefix;
  IpAddress gateway;
  friend bool operator==(const SubnetConfig&, const SubnetConfig&) = default;
};

struct VrfConfig {
  std::string name;
  std::uint32_t id = 0;  ///< the operator's number, unique, not 0
  MacAddress router_mac;
  std::vector<SubnetConfig> subnets;
  std::vector<std::string> security_groups{};  ///< of its VIFs that say nothing of their own
  friend bool operator==(const VrfConfig&, const VrfConfig&) = default;
};

struct VifConfig {
  std::string name;
  std::string device;
  std::string vrf;
  MacAddress mac;
  std::vector<IpAddress> addresses;
  std::uint16_t mtu_bytes = 1500;
  bool anti_spoofing = true;
  bool flows = true;  ///< flows of what it sends and receives are kept
  MssClamp mss_clamp{};
  /// In this order their rules are asked; nothing: those of the VRF.
  std::optional<std::vector<std::string>> security_groups{};
  friend bool operator==(const VifConfig&, const VifConfig&) = default;
};

struct TunnelConfig {
  std::string name;
  TunnelProfile profile;  ///< `local` filled in from the node's tunnel address of that family
  friend bool operator==(const TunnelConfig&, const TunnelConfig&) = default;
};

struct DecapConfig : DecapTerms {
  std::string name;
  std::string vrf;  ///< of vrf, vif and gateway one is set; SRv6 End: none
  std::string vif;
  std::string tunnel{};  ///< of NSH: instead of vrf and vif, where its packets go on
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress local;
  std::uint16_t destination_port = 4789;
  std::uint32_t vni = 0;
  std::vector<IpPrefix> sources;
  std::optional<IpAddress> gateway{};  ///< of SRv6 End.X
  friend bool operator==(const DecapConfig&, const DecapConfig&) = default;
};

/// One of the equal ways of a route: exactly one is set.
struct EcmpMember {
  std::string tunnel;
  std::string vif;
  friend bool operator==(const EcmpMember&, const EcmpMember&) = default;
};

/// Where a route leads: exactly one is set.
struct RouteTarget {
  std::string tunnel;
  std::string vif;
  std::string vrf;  ///< look up again in another VRF
  /// Neighbours in ports' subnets, who share the packets flow by flow; in the underlay only.
  std::vector<IpAddress> gateways;
  bool discard = false;
  std::vector<EcmpMember> ecmp{};  ///< packets of one flow keep to one of these

  [[nodiscard]] bool names_tunnel(std::string_view name) const {
    return tunnel == name ||
           std::ranges::any_of(ecmp, [&](const EcmpMember& m) { return m.tunnel == name; });
  }
  [[nodiscard]] bool names_vif(std::string_view name) const {
    return vif == name ||
           std::ranges::any_of(ecmp, [&](const EcmpMember& m) { return m.vif == name; });
  }
  friend bool operator==(const RouteTarget&, const RouteTarget&) = default;
};

/// Whether a VIF here may have the route's address, too, and which of both is used then.
enum class BesideVif : std::uint8_t { no, behind, before };

struct RouteConfig {
  std::string vrf;
  IpPrefix prefix;
  RouteTarget via;
  BesideVif beside_vif = BesideVif::no;
  friend bool operator==(const RouteConfig&, const RouteConfig&) = default;
};

struct MetricsConfig {
  std::string address;     ///< empty: only the API's socket has them
  std::uint16_t port = 0;  ///< TCP
  friend bool operator==(const MetricsConfig&, const MetricsConfig&) = default;
};

/// Files in PEM. Relative paths start where the configuration's file lies.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

struct ControllerConfig {
  IpAddress address;
  std::uint16_t port = 5269;  ///< TCP
  TlsFiles tls;
  friend bool operator==(const ControllerConfig&, const ControllerConfig&) = default;
};

struct ChannelConfig {
  unsigned hold_s = 90;    ///< a controller that was not heard for so long is gone
  unsigned stale_s = 300;  ///< what no controller tells any more is kept for so long
  friend bool operator==(const ChannelConfig&, const ChannelConfig&) = default;
};

struct Config {
  NodeConfig node;
  DpdkConfig dpdk;
  WorkersConfig workers;
  std::string api_socket = "/run/weft/weftd.sock";
  /// Where objects of the API outlive a restart; empty: what `weftd` finds sensible.
  std::string state_file;
  MetricsConfig metrics;
  FlowSettings flows;
  ReassemblySettings reassembly;
  std::vector<PortConfig> ports;
  std::vector<SecurityGroupConfig> security_groups;
  std::vector<NeighbourConfig> neighbours;
  std::vector<VrfConfig> vrfs;
  std::vector<VifConfig> vifs;
  std::vector<TunnelConfig> tunnels;
  std::vector<DecapConfig> decaps;
  std::vector<RouteConfig> routes;
  std::vector<ControllerConfig> controllers{};
  ChannelConfig channel{};
};

}  // namespace weft::agent
