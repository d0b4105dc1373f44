#pragma once
/// Profiles: the objects that nodes are told to have, written as weftd's local API takes them.

#include <string>
#include <vector>

#include "controller/plan.hpp"

namespace weft::controller {

/// Whom a receiver lets in by one kind and number.
struct Entrance {
  TunnelKind kind = TunnelKind::none;
  std::uint32_t number = 0;
  IpFamily family = IpFamily::v4;
  explicit Entrance(const Way& way)
      : kind(way.kind), number(way.number), family(way.source.family()) {}
  friend auto operator<=>(const Entrance&, const Entrance&) = default;
};

/// What a node is told of one network.
struct NodeProfiles {
  bool vrf = false;
  std::map<Entrance, std::set<IpAddress>> decaps;  ///< and whom they let in
  std::map<std::string, Way> tunnels;              ///< by receiver
  std::map<IpPrefix, PlannedRoute> routes;
  std::map<std::string, SecurityGroupConfig> groups;
  [[nodiscard]] bool empty() const {
    return !vrf && decaps.empty() && tunnels.empty() && routes.empty() && groups.empty();
  }
  friend bool operator==(const NodeProfiles&, const NodeProfiles&) = default;
};

/// What all profiles of a network share.
struct ProfileTerms {
  Network network;
  Numbers numbers;
  friend bool operator==(const ProfileTerms&, const ProfileTerms&) = default;
};

/// `KIND/NAME`, and the object as JSON.
using Profiles = std::map<std::string, std::string>;

/// `underlay`: decaps let all of these subnets in that hold one of their sources.
Profiles render(const ProfileTerms& terms, const NodeProfiles& node,
                const std::vector<IpPrefix>& underlay);

/// What is new or other in `now`; JSON that is empty: what is gone.
Profiles difference(const ProfileTerms& before_terms, const NodeProfiles& before,
                    const ProfileTerms& now_terms, const NodeProfiles& now,
                    const std::vector<IpPrefix>& underlay);

/// How the tunnel of a network to a node is called, on all nodes.
std::string tunnel_name(const std::string& network, const std::string& node);
std::string decap_name(const std::string& network, const Entrance& entrance);

}  // namespace weft::controller
