#pragma once
/// What this node tells controllers: a host route for each address of its VIFs, and which VRFs it
/// wants to hear of.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/channel_routes.hpp"
#include "agent/intent.hpp"

namespace weft::agent {

/// An address in a VRF.
struct HostKey {
  std::string vrf;
  IpAddress address;
  friend auto operator<=>(const HostKey&, const HostKey&) = default;
};

class ChannelPublications {
 public:
  /// Works out anew what is to be told; answers the addresses of which something else is to be told
  /// than before, or nothing any more.
  std::set<HostKey> refresh(const Intent& intent, ChannelRoutes& routes);

  [[nodiscard]] const std::map<HostKey, vpn::Attributes>& routes() const { return routes_; }
  /// VRFs that have a VIF here, by name: the instance ids.
  [[nodiscard]] const std::map<std::string, std::uint32_t>& vrfs() const { return vrfs_; }

 private:
  std::map<HostKey, vpn::Attributes> routes_;
  std::map<std::string, std::uint32_t> vrfs_;
  std::set<HostKey> left_;  ///< addresses of VIFs here that have moved to another node
};

/// How packets for a VRF can reach this node: by one tunnel address, with the encapsulations that
/// its decaps take. Nothing: by none that routes can name.
std::optional<vpn::NextHop> next_hop_to(const Intent& intent, const std::string& vrf);

}  // namespace weft::agent
