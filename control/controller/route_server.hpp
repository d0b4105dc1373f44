#pragma once
/// The controller's end of the channel: sessions of nodes, what they publish into the tables of
/// virtual networks, what they have subscribed to out of them, and their profiles. What profiles
/// there are and who may have a session is for others to say.
///
/// One thread, that of the io_context.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "channel/profile_codec.hpp"
#include "controller/turns.hpp"
#include "vpn/vpn_tables.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/server.hpp"

namespace weft::controller {

struct RouteServerTimers {
  std::chrono::milliseconds stale{300'000};  ///< routes of a node are kept for, whose session ended
  /// After the start nobody is told that he has heard all, until the nodes that are known have told
  /// all that they have, or this time is over (RFC 4724 §4.1, for the same reason).
  std::chrono::milliseconds restart{30'000};
};

class RouteServer {
 public:
  struct AllProfiles {
    std::uint64_t generation = 0;
    std::vector<channel::Profile> profiles;
  };
  /// What a session says that concerns others.
  struct Handlers {
    /// A node wants its profiles: all that tell() is to say to it from now on begins with this.
    std::function<AllProfiles(const std::string& node)> profiles;
    /// An Error where it cannot be true.
    std::function<Status(const std::string& node, const channel::Applied& applied)> applied;
    std::function<void(const std::string& node, bool up)> session;
    /// A session that is no node's but another controller's.
    std::function<void(const std::shared_ptr<xmpp::Session>& session)> controller{};
    /// What a node says of itself: an object of the inventory, as JSON.
    std::function<void(const std::string& node, const std::string& json)> described;
    std::function<void(const std::string& node, const std::string& network, bool member)> member;
    /// In which order a network's encapsulations are preferred; of those that are not named,
    /// theirs.
    std::function<vpn::EncapsulationList(const std::string& network)> preference;
    /// Whether other controllers have told the routes of their nodes.
    std::function<bool()> others_told;
    /// Comes several times a second.
    std::function<void(std::chrono::steady_clock::time_point now)> tick;
  };

  RouteServer(boost::asio::io_context& io, vpn::VpnTables& tables, RouteServerTimers timers,
              Handlers handlers);
  ~RouteServer();
  RouteServer(const RouteServer&) = delete;
  RouteServer& operator=(const RouteServer&) = delete;

  /// `known`: nodes that had a session before and are expected back.
  Status listen(xmpp::ServerOptions options, xmpp::Server::Authorize authorize,
                std::set<std::string> known);
  void stop();
  /// For connections from now on. An Error where the certificate is another's.
  Status use(std::shared_ptr<xmpp::TlsContext> tls);
  /// All nodes come again, and are told everything anew.
  void end_sessions(const std::string& cause);

  /// Changes of a node's profiles, up to a generation of which it tells that it is applied. A node
  /// that is not there hears nothing: it gets all when it comes.
  struct ProfileChange {
    channel::ProfileName id;
    std::optional<std::string> json;  ///< none: it goes
  };
  void tell(const std::string& node, std::uint64_t generation,
            const std::vector<ProfileChange>& changes);
  /// Tables have changed by other hands, like a network that came or whose targets changed.
  void tables_changed();
  /// Before the network leaves the tables: its subscribers are told that its routes go.
  void network_goes(const std::string& name);
  /// Networks may be there now that were asked for before.
  void networks_changed();

  /// Whether those that are known have told all that they have, or had the time to.
  [[nodiscard]] bool nodes_back();
  /// Whether a node that is here has subscribed to a network.
  [[nodiscard]] bool subscribed(const std::string& node, const std::string& network) const {
    const auto found = nodes_.find(node);
    return found != nodes_.end() && found->second.networks.contains(network);
  }

  struct NodeStatus {
    std::string node;
    bool up = false;
    std::string address;  ///< `ip:port` of its session
    std::string cause;    ///< of the end of the last one
    std::chrono::steady_clock::time_point since;
    std::size_t routes = 0;
    std::size_t stale = 0;
    std::set<std::string> networks;  ///< that it subscribed to
    bool complete = false;           ///< it was told all that there is
    xmpp::SessionCounters counters;
  };
  [[nodiscard]] std::vector<NodeStatus> nodes() const;
  [[nodiscard]] const vpn::VpnTables& tables() const { return tables_; }
  [[nodiscard]] const xmpp::Server* server() const { return server_.get(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Node {
    std::string name;
    vpn::SourceId source;
    std::shared_ptr<xmpp::Session> session{};
    vpn::SubscriberId subscriber{};
    std::set<std::string> networks{};             ///< that it wants
    std::set<std::string> waiting{};              ///< of these, those that are not there yet
    std::set<std::string> gone{};                 ///< of these, those that were there
    std::map<std::string, xmpp::Element> told{};  ///< that it has yet to associate, by their names
    /// Of networks that are not there yet: these, and the entries by their names.
    std::map<std::string, std::pair<std::string, xmpp::Element>> unplaced{};
    bool wants_profiles = false;
    bool initial = false;   ///< it has not got all routes that it subscribed to
    bool told_all = false;  ///< it said that we have heard all that it has
    bool complete = false;
    std::string cause{};
    Clock::time_point since{};
    std::optional<Clock::time_point> lost{};
  };

  void up(const std::shared_ptr<xmpp::Session>& session);
  void down(const std::string& name, const std::string& cause);
  bool hear(Node& node, const xmpp::Element& stanza);
  /// Why a request is refused, or nothing.
  Status take(Node& node, const xmpp::pubsub::Request& request);
  Status subscribe(Node& node, const std::string& network);
  Status publish(Node& node, const xmpp::pubsub::Publish& publish);
  Status hear_profile(Node& node, const xmpp::Element& payload);
  Status announce(Node& node, const std::string& network, const xmpp::Element& entry);
  Status withdraw(Node& node, const std::string& name);
  void send_mark(xmpp::Session& session, std::uint64_t generation);
  void told_all(Node& node);
  void finish_initial(Node& node);

  void turn();
  void deliver(const vpn::Delivery& delivery);
  void wait_for_tick();
  void tick();

  boost::asio::io_context& io_;
  vpn::VpnTables& tables_;
  RouteServerTimers timers_;
  Handlers handlers_;
  std::unique_ptr<xmpp::Server> server_;
  std::map<std::string, Node> nodes_;
  std::map<vpn::SubscriberId, std::string> subscribers_;
  std::set<std::string> expected_;  ///< nodes that have yet to tell all that they have
  Clock::time_point started_ = Clock::now();
  boost::asio::steady_timer tick_;
  Turns turns_;
};

}  // namespace weft::controller
