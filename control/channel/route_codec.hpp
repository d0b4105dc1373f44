#pragma once
/// Routes as XML elements: the short form of draft-ietf-l3vpn-end-system and the form that deployed
/// end systems write. Both are read, the second is written as `channel.rng` says.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vpn/attributes.hpp"
#include "vpn/nlri.hpp"
#include "weft/result.hpp"
#include "xmpp/element.hpp"

namespace weft::channel {

inline constexpr std::string_view route_namespace = "http://ietf.org/protocol/bgpvpn";
inline constexpr std::string_view end_of_rib_node = "0/0/EndOfRib";

inline constexpr std::size_t most_security_groups = 64;   ///< of a route
inline constexpr std::size_t most_node_routes = 131'072;  ///< that one node tells

struct RouteEntry {
  vpn::Nlri nlri;
  vpn::Attributes attributes;
  std::uint32_t version = 1;
  friend bool operator==(const RouteEntry&, const RouteEntry&) = default;
};

/// `entry`, of whatever namespace, with the RD of the VPN where it stands. Elements that are not
/// known are skipped; errors name the element, its value and what was wanted.
Result<RouteEntry> parse_entry(const xmpp::Element& entry, vpn::RouteDistinguisher rd);
xmpp::Element entry_element(const RouteEntry& entry);

/// The name of an item that holds a route: `1/1/blue/10.1.0.11/32`.
struct RouteName {
  std::string network;
  vpn::Nlri nlri;
  friend bool operator==(const RouteName&, const RouteName&) = default;
};
std::string route_name(std::string_view network, const vpn::Nlri& nlri);
Result<RouteName> parse_route_name(std::string_view text, vpn::RouteDistinguisher rd);

/// The last part alone: `10.1.0.11/32`, `0-02:00:00:00:01:01`, `0-02:00:00:00:01:01,10.1.0.11`.
std::optional<vpn::Nlri> parse_nlri(std::string_view text, vpn::RouteDistinguisher rd);

/// The pubsub node where a controller tells others the routes of its nodes. Empty items: all were
/// told.
inline constexpr std::string_view peer_routes_node = "urn:weft:route:1";

/// The name of an item there: the node that published the route, then the route's name, like
/// `compute-a/1/1/blue/10.1.0.11/32`.
struct PeerRouteName {
  std::string node;
  RouteName route;
  friend bool operator==(const PeerRouteName&, const PeerRouteName&) = default;
};
std::string peer_route_name(std::string_view node, std::string_view network, const vpn::Nlri& nlri);
Result<PeerRouteName> parse_peer_route_name(std::string_view text);

/// The pubsub node of events that say behind the same subscription which node is a member of which
/// network: items NODE/NETWORK.
inline constexpr std::string_view peer_members_node = "urn:weft:member:1";

struct PeerMember {
  std::string node;
  std::string network;
  friend bool operator==(const PeerMember&, const PeerMember&) = default;
};
xmpp::Element peer_member_element();
std::string peer_member_name(const PeerMember& member);
Result<PeerMember> parse_peer_member_name(std::string_view text);

/// What an `items` or `publish` element says of the routes of one network.
struct RouteItems {
  std::vector<RouteEntry> routes;
  std::vector<vpn::Nlri> withdrawn;
  std::vector<std::string> errors;  ///< of items that were left out, each with its id
};
/// Children `item` and `retract`. Left out, each with an error: what cannot be read, what is told
/// twice (the first stands), what belongs to another network or contradicts its id.
RouteItems parse_route_items(const xmpp::Element& items, std::string_view network,
                             vpn::RouteDistinguisher rd);
xmpp::Element route_item(std::string_view network, const RouteEntry& entry);
xmpp::Element route_retract(std::string_view network, const vpn::Nlri& nlri);

/// `items` of the node that says that a subscriber has got all there was.
xmpp::Element end_of_rib();
bool is_end_of_rib(const xmpp::Element& items);

}  // namespace weft::channel
