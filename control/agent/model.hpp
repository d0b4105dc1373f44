#pragma once
/// Everything control knows of the node, by name. The resolver alone changes it; the responders and
/// the API read it. One thread.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "agent/object.hpp"
#include "agent/rib.hpp"

namespace weft::agent {

/// What a counter of the data plane had counted when its index came to a new object.
struct Baselines {
  std::unordered_map<std::uint32_t, PacketCount> nexthops;
  std::unordered_map<std::uint32_t, PacketCount> decaps;
  std::unordered_map<PortId, PortCounters> ports;

  /// Of a decap or mark, whose index has counted `now` in all.
  [[nodiscard]] PacketCount since_it_is(DecapId id, PacketCount now) const;
};

struct Model {
  template <class Object>
  using Named = std::map<std::string, Object, std::less<>>;

  NodeConfig node;
  Named<PortObject> ports;
  Named<SecurityGroupObject> security_groups;
  Named<VrfObject> vrfs;  ///< with the underlay
  Named<VifObject> vifs;
  Named<TunnelObject> tunnels;
  Named<DecapObject> decaps;

  std::unordered_map<VrfId, Rib> ribs;
  std::map<DecapKey, DecapEntry> decap_entries;
  std::map<NeighbourKey, StaticNeighbour> static_neighbours;
  std::unordered_map<NeighbourKey, AdjacencyObject> adjacencies;
  std::map<Ways, WaysObject> ways;  ///< of two neighbours or more
  std::map<NexthopId, NexthopUse> nexthops;
  std::map<NexthopId, EcmpGroup> ecmp_groups;
  std::map<PolicyId, PolicyObject> policies;
  std::unordered_map<PortId, std::string> port_names;  ///< fabric ports only
  std::unordered_map<VrfId, std::string> vrf_names;
  std::unordered_map<VifId, std::string> vif_names;
  Baselines baselines;
  /// Addresses of the node and of decaps, which have a host route of their own in the underlay.
  std::set<IpAddress> local_addresses;
  /// Tunnels in the order of their remotes, to find those that a change of the underlay touches.
  std::set<std::pair<IpAddress, NexthopId>> remotes;

  [[nodiscard]] const PortObject* port(PortId id) const;
  [[nodiscard]] const VrfObject* vrf(VrfId id) const;
  [[nodiscard]] const VifObject* vif(VifId id) const;

  /// Where `vrf` sends packets to `address`, lookups in other VRFs followed. Null: no route.
  struct Way {
    NexthopId nexthop;
    const NexthopUse* use = nullptr;
  };
  [[nodiscard]] std::optional<Way> way(VrfId vrf, const IpAddress& address) const;

  /// The router's own address in `vrf` to speak to `peer` from: the gateway of the subnet that
  /// holds it, else any of that family, else the node's tunnel address.
  [[nodiscard]] std::optional<IpAddress> router_address(VrfId vrf, const IpAddress& peer) const;

  /// The node's tunnel address of a family.
  [[nodiscard]] std::optional<IpAddress> tunnel_address(IpFamily family) const;
};

/// Largest outer packet that leaves by the tunnel; nothing: it has no way.
std::optional<std::uint16_t> path_mtu(const Model& model, const TunnelObject& tunnel);

/// The link-local address by EUI-64 (RFC 4291 appendix A).
Ipv6Address link_local_address(const MacAddress& mac);

}  // namespace weft::agent
