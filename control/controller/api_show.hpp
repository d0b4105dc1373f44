#pragma once
/// What the API shows.

#include <map>
#include <string>

#include "controller/controller.hpp"
#include "controller/peers.hpp"
#include "controller/route_server.hpp"

namespace weft::controller::api {

using Query = std::map<std::string, std::string>;

/// Title, columns and rows; each row has its columns, and `object` where it is one. Nodes' sessions
/// are told where there is a server.
Json objects(const Controller& controller, Kind kind, const RouteServer* server);
/// Objects that have no place among the others, and why.
Json conflicts(const Controller& controller);
/// The other controllers of the site.
Json controllers(const Peers* peers);
/// All objects of all kinds, in the words of a file.
Json intents(const Controller& controller);
/// What nodes are told: of all, or of `node`.
Result<Json> profiles(const Controller& controller, const Query& query);
/// The host of a VM and the way to it through the underlay: `to`, and `from` where it is wanted.
Result<Json> path(const Controller& controller, const Query& query);

/// What changed in an object, as a person reads it: `network blue: tunnels: ["vxlan"] → ["gre"]`.
std::string change_text(const ObjectChange& change);

}  // namespace weft::controller::api
