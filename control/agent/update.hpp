#pragma once
/// What is to become of a node's objects, all of it in one batch.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/object.hpp"

namespace weft::agent {

/// A route by its VRF's name and its prefix.
struct RouteKey {
  std::string vrf;
  IpPrefix prefix;
  friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

/// Objects to be created or changed, whole, and objects to be erased. Nothing may lead to an erased
/// object in the end; whoever makes an update has checked that.
struct Update {
  template <class Config, class Key>
  struct Changes {
    struct Put {
      Config config;
      Owner owner = Owner::file;
    };
    std::vector<Put> put;
    std::vector<Key> erase;
    [[nodiscard]] bool empty() const { return put.empty() && erase.empty(); }
  };

  Changes<SecurityGroupConfig, std::string> security_groups;
  Changes<VrfConfig, std::string> vrfs;
  Changes<NeighbourConfig, IpAddress> neighbours;
  Changes<VifConfig, std::string> vifs;
  Changes<TunnelConfig, std::string> tunnels;
  Changes<DecapConfig, std::string> decaps;
  Changes<RouteConfig, RouteKey> routes;
  /// The devices of VIFs that are new, by the VIFs' names.
  std::map<std::string, PortStatus, std::less<>> opened;

  [[nodiscard]] bool empty() const {
    return security_groups.empty() && vrfs.empty() && neighbours.empty() && vifs.empty() &&
           tunnels.empty() && decaps.empty() && routes.empty();
  }
};

}  // namespace weft::agent
