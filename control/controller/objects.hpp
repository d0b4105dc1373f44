#pragma once
/// What an operator tells the controller: the inventory (nodes, devices, links, VMs) and intents
/// (networks, routes, security groups), in the words of YAML files and of the API. What the
/// controller itself must not forget (numbers it gave out, members it learned) are objects, too.

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/config.hpp"
#include "agent/object_json.hpp"
#include "weft/tunnel.hpp"

namespace weft::controller {

using agent::Json;
namespace yaml = agent::yaml;

/// A server or gateway that runs weftd.
struct Node {
  std::string name;
  std::vector<IpAddress> tunnel_addresses;  ///< at most one of each family
  std::vector<TunnelKind> kinds;            ///< what it can send and receive; empty: all
  friend bool operator==(const Node&, const Node&) = default;
};

/// Anything else in the underlay: a switch, a router.
struct Device {
  std::string name;
  std::vector<IpAddress> addresses;
  friend bool operator==(const Device&, const Device&) = default;
};

/// Between two nodes or devices, both ways.
struct Link {
  std::string name;
  std::vector<std::string> ends;  ///< two
  std::uint32_t cost = 1;
  friend bool operator==(const Link&, const Link&) = default;
};

/// One interface of a VM. A VM with several of them is several of these.
struct Vm {
  std::string name;
  std::string node;     ///< that hosts it
  std::string network;  ///< that it is in
  MacAddress mac;
  std::vector<IpAddress> addresses;
  friend bool operator==(const Vm&, const Vm&) = default;
};

/// What tunnels of a network have beside their kind and number; nothing: weftd's default.
struct TunnelFeatures {
  std::optional<std::uint8_t> ttl{};
  bool copy_ttl = false;
  std::optional<std::uint8_t> dscp{};
  bool copy_dscp = false;  ///< both ways: the uniform model of RFC 2983
  std::optional<bool> outer_fragmentation{};
  MssClamp mss_clamp{};
  friend bool operator==(const TunnelFeatures&, const TunnelFeatures&) = default;
};

struct Network {
  std::string name;
  std::vector<agent::SubnetConfig> subnets;
  std::vector<std::string> members;  ///< nodes that have it whether or not a VM of it is there
  std::vector<TunnelKind> tunnels;   ///< in order of preference
  /// Asked for; else the controller chooses, see Numbers.
  std::optional<std::uint32_t> id{};
  std::optional<std::uint32_t> vni{};
  std::optional<std::uint32_t> label{};
  MacAddress router_mac = agent::default_router_mac;
  /// Route targets, as `64512:100`. Nothing: the network's own, which is made from its id.
  std::optional<std::vector<std::string>> import_targets{};
  std::optional<std::vector<std::string>> export_targets{};
  std::vector<std::string> security_groups;
  TunnelFeatures features{};
  /// Routes to VMs are made from the inventory, beside those that nodes publish.
  bool inventory_routes = false;
  friend bool operator==(const Network&, const Network&) = default;
};

/// A prefix of a network that one of its nodes leads on, or nobody.
struct Route {
  std::string network;
  IpPrefix prefix;
  std::string node;  ///< empty: discard
  friend bool operator==(const Route&, const Route&) = default;
};

using agent::SecurityGroupConfig;

/// What tells a network's packets from those of others.
struct Numbers {
  std::string network;
  std::uint32_t id = 0;     ///< of the VRF, in route targets and distinguishers
  std::uint32_t vni = 0;    ///< also the key of GRE
  std::uint32_t label = 0;  ///< of MPLS
  friend bool operator==(const Numbers&, const Numbers&) = default;
};

/// A node that subscribed to a network.
struct Member {
  std::string network;
  std::string node;
  friend bool operator==(const Member&, const Member&) = default;
};

/// In the order in which objects refer to one another.
enum class Kind : std::uint8_t {
  node,
  device,
  link,
  security_group,
  network,
  vm,
  route,
  numbers,
  member,
};
using Object =
    std::variant<Node, Device, Link, SecurityGroupConfig, Network, Vm, Route, Numbers, Member>;

struct KindInfo {
  Kind kind;
  std::string_view word;  ///< in the API, and for messages
  std::string_view list;  ///< in a file
};
inline constexpr KindInfo kinds[] = {
    {Kind::node, "node", "nodes"},
    {Kind::device, "device", "devices"},
    {Kind::link, "link", "links"},
    {Kind::security_group, "security-group", "security_groups"},
    {Kind::network, "network", "networks"},
    {Kind::vm, "vm", "vms"},
    {Kind::route, "route", "routes"},
    {Kind::numbers, "numbers", ""},
    {Kind::member, "member", ""},
};
constexpr const KindInfo& describe(Kind kind) { return kinds[static_cast<std::size_t>(kind)]; }
/// The kinds that an operator speaks of.
constexpr std::span<const KindInfo> spoken_kinds() { return std::span(kinds).first(7); }
constexpr bool spoken(Kind kind) { return !describe(kind).list.empty(); }

struct Key {
  Kind kind = Kind::node;
  std::string name;  ///< of a route: `NETWORK PREFIX`
  friend auto operator<=>(const Key&, const Key&) = default;
};
/// As in messages: `network blue`.
std::string label(const Key& key);

Key key_of(const Object& object);
/// Objects that must be there as well.
std::vector<Key> references(const Object& object);
/// What no two objects may have, in words like `VNI 100`.
std::vector<std::string> claims(const Object& object);

/// Reads one object, or reports what is wrong with it.
std::optional<Object> read_object(Kind kind, const yaml::Value& value);
Json object_json(const Object& object);

/// The kinds that networks can use: those that have a number and an outer IP header.
std::vector<std::string_view> network_kinds();

}  // namespace weft::controller
