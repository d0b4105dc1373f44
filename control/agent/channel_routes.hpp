#pragma once
/// Routes that controllers tell, and what they come to on this node: routes and tunnels. Knows
/// nothing of sessions.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/objects.hpp"
#include "vpn/table.hpp"

namespace weft::agent {

/// What a tunnel that a route asks for is known by.
struct TunnelKey {
  TunnelKind kind = TunnelKind::none;
  IpAddress remote;
  std::uint32_t network = 0;  ///< VNI, label or key
  MacAddress mac;             ///< of the router there; zero where no Ethernet header is inside
  friend auto operator<=>(const TunnelKey&, const TunnelKey&) = default;
};
TunnelKey key_of(const TunnelProfile& profile);
/// `vxlan-100-192.0.2.2`; with the MAC behind it where that is not the default one.
std::string tunnel_name(const TunnelKey& key);

class ChannelRoutes {
 public:
  explicit ChannelRoutes(NodeConfig node);

  vpn::SourceId add_source(std::string name) { return sources_.add(std::move(name)); }
  void announce(vpn::SourceId source, const std::string& vrf, const vpn::Nlri& nlri,
                vpn::Attributes attributes);
  void withdraw(vpn::SourceId source, const std::string& vrf, const vpn::Nlri& nlri);
  /// The session is lost: what it told stands until it is told again, or swept.
  void mark_stale(vpn::SourceId source) { sources_.mark_stale(source); }
  void sweep(vpn::SourceId source) { table_.sweep(source); }
  /// The VRF is not subscribed to any more: all of its routes go.
  void forget(const std::string& vrf);

  /// The distinguisher under which a VRF's routes stand here; it means nothing elsewhere.
  [[nodiscard]] vpn::RouteDistinguisher rd(const std::string& vrf);

  /// Whether changes wait to be collected.
  [[nodiscard]] bool pending() const;
  /// Adds what follows from at most `most` changed routes. `offered`: tunnels of profiles, which
  /// are used where they lead to the same place.
  using Offered = std::map<TunnelKey, std::string>;
  void collect(Update& update, std::size_t most, const Offered& offered);
  /// An address of a VIF here that another node has now, or not: its route goes before the VIF's.
  void set_moved(const std::string& vrf, const IpAddress& address, bool moved);
  /// All routes again: what is offered has changed.
  void reconsider();

  /// The path of another node to an address, where there is one that counts.
  [[nodiscard]] const vpn::Attributes* elsewhere(const std::string& vrf, const IpAddress& address);
  /// The highest sequence with which controllers know an address as this node's.
  [[nodiscard]] std::uint32_t own_sequence(const std::string& vrf, const IpAddress& address);

  [[nodiscard]] const vpn::Sources& sources() const { return sources_; }
  [[nodiscard]] std::size_t size() const { return table_.size(); }
  /// Keys of what stands now: of those restored at a start that are not among them nobody has told.
  [[nodiscard]] bool has_route(const RouteKey& key) const { return routes_.contains(key); }
  [[nodiscard]] bool has_tunnel(const std::string& name) const { return tunnels_.contains(name); }

 private:
  struct Tunnel {
    TunnelConfig config;
    std::size_t uses = 0;
  };
  struct Installed {
    RouteConfig config;
    std::vector<std::string> tunnels;  ///< of ours that it uses
  };

  void settle(Update& update, const vpn::Nlri& nlri, const vpn::AttributesRef& best,
              const Offered& offered);
  [[nodiscard]] std::vector<TunnelConfig> tunnels_to(const vpn::NextHop& hop) const;
  void release(Update& update, const std::vector<std::string>& names);

  NodeConfig node_;
  vpn::Sources sources_;
  vpn::AttributePool pool_;
  vpn::Table table_{sources_, pool_};
  vpn::Table::ReaderId reader_;
  std::map<std::string, vpn::RouteDistinguisher, std::less<>> rds_;
  std::map<vpn::RouteDistinguisher, std::string> vrfs_;
  std::uint32_t next_rd_ = 1;
  std::map<RouteKey, Installed> routes_;
  std::set<RouteKey> moved_;
  std::set<RouteKey> again_;  ///< to be looked at once more
  std::map<std::string, Tunnel, std::less<>> tunnels_;
};

}  // namespace weft::agent
