#pragma once
/// Nodes on the channel: what the core wants of them goes out, what they say comes in. Networks of
/// the model are tables of the route server.

#include <boost/asio/io_context.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/config.hpp"
#include "controller/controller.hpp"
#include "controller/peer_routes.hpp"
#include "controller/peers.hpp"
#include "controller/route_server.hpp"

namespace weft::controller {

class Nodes {
 public:
  /// Takes the core's on_profiles, on_restart and on_objects. Sessions of controllers are the
  /// peers'; nodes are let in when these have heard all.
  Nodes(boost::asio::io_context& io, Controller& core, Peers& peers, RouteServerTimers timers);
  ~Nodes();
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  /// Once the core has started. An Error names the file or address and why.
  Status listen(const Config& config);
  /// Reads the certificates again, for connections from now on.
  Status renew_certificates(const Config& config);
  void stop() { server_.stop(); }

  [[nodiscard]] const RouteServer& server() const { return server_; }

 private:
  RouteServer::Handlers handlers();
  PeerRoutes::Handlers peer_handlers();
  [[nodiscard]] vpn::EncapsulationList preference(const std::string& network) const;
  RouteServer::AllProfiles profiles_of(const std::string& node) const;
  void tell(const RolloutStep& step);
  void learn(const std::string& node, const Json& told);
  void take_member(const std::string& node, const std::string& network, bool member);
  void add_members(const std::string& node, const std::set<std::string>& networks);
  void objects_changed(const Changes& changes);
  void put_network(const std::string& name);
  void change(std::vector<Edit> edits);

  Controller& core_;
  Peers& peers_;
  vpn::VpnTables tables_;
  RouteServer server_;
  PeerRoutes routes_;
  /// Networks by node that are not in the model yet, or the node is not.
  std::map<std::string, std::set<std::string>> wanted_;
};

}  // namespace weft::controller
