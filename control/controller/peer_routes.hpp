#pragma once
/// Routes between the controllers of a site: each tells the others what its own nodes published,
/// and takes what theirs did; never what it was told (as in iBGP, RFC 4271 §9.2), so nothing goes
/// round. Knows no sockets.
///
/// One thread, that of the io_context.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/turns.hpp"
#include "vpn/subscriptions.hpp"
#include "vpn/vpn_tables.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/writer.hpp"

namespace weft::controller {

class PeerRoutes {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using PeerId = std::size_t;
  using ListenerId = vpn::SubscriberId;

  struct Timers {
    std::chrono::milliseconds stale{};    ///< what a controller told stays for, whose session ended
    std::chrono::milliseconds restart{};  ///< nobody is waited for any longer after the start
  };
  struct Handlers {
    /// In which order a network's encapsulations are preferred.
    std::function<vpn::EncapsulationList(const std::string& network)> preference;
    /// Others' routes in the tables have changed.
    std::function<void()> changed;
    /// Whether others tell that a node is a member of a network has changed.
    std::function<void(const std::string& node, const std::string& network, bool member)> member;
    /// Whether the nodes of this controller have told it all that they have.
    std::function<bool()> nodes_back;
  };
  /// The way to one that hears the routes of this controller's nodes.
  struct Line {
    std::function<void(const xmpp::Text& text)> send;
    std::function<bool()> has_room;
    std::function<void(const std::string& cause)> abort;
  };
  /// Asks another for all of its nodes' routes, and says when that has answered that they come.
  using Ask = std::function<void(std::function<void()> answered)>;

  /// Takes the on_path of `tables`, which outlive this, where there are peers.
  PeerRoutes(boost::asio::io_context& io, vpn::VpnTables& tables, Timers timers, Handlers handlers);
  ~PeerRoutes();
  PeerRoutes(const PeerRoutes&) = delete;
  PeerRoutes& operator=(const PeerRoutes&) = delete;

  // What this controller's nodes publish; only where there are peers.
  [[nodiscard]] bool has_peers() const { return !peers_.empty(); }
  /// A node of this controller has subscribed to a network, or not any more: those who let its
  /// packets in may be others' nodes.
  void set_member(const std::string& node, const std::string& network, bool member);
  ListenerId add_listener(Line line);
  void remove_listener(ListenerId listener);
  /// It gets everything, once more where it had asked before, then changes.
  void tell_all(ListenerId listener);
  /// It has room again after it had none.
  void has_room(ListenerId listener);

  // What others' nodes publish.
  PeerId add_peer(std::string address);
  /// A session with it stands; what it told before goes unless it is told again.
  void begin(PeerId peer, Ask ask);
  /// An event of channel::peer_routes_node or peer_members_node. An Error says what of it was left
  /// out, and why.
  Status hear(PeerId peer, const xmpp::pubsub::Event& event);
  void lost(PeerId peer);
  /// Whether all have told everything, or nobody waits for them any more.
  [[nodiscard]] bool heard_all() const;
  /// Whether another says that a node of its own is a member of a network.
  [[nodiscard]] bool member(const std::string& node, const std::string& network) const;
  struct Count {
    std::size_t routes = 0;
    std::size_t stale = 0;
  };
  [[nodiscard]] Count count(PeerId peer) const;

  /// A network leaves the tables, and others' routes with it.
  void network_goes(const std::string& name);
  /// Its members are told of again.
  void network_comes(const std::string& name);
  /// Networks may be there now of which others told routes before.
  void networks_changed();
  /// To be called several times a second.
  void tick(Time now);

 private:
  using Membership = std::pair<std::string, std::string>;  ///< node and network

  /// Who hears.
  struct Listener {
    Line line;
    bool asked = false;
    std::set<Membership> untold{};
    bool end_due = false;  ///< it has got all there was, and is to be told so
  };
  /// What own nodes publish in one network: a route of each node has an RD of its node's, so that
  /// none hides another's.
  struct Told {
    std::string network;
    std::unique_ptr<vpn::Table> table;
  };
  /// Who tells.
  struct Peer {
    std::string address;
    std::map<std::string, vpn::SourceId> nodes{};
    std::set<std::string> missed{};  ///< networks of which it told routes while they were not here
    Ask ask{};                       ///< while its session stands
    std::size_t asked = 0;
    bool answered = false;                        ///< to the last question
    std::size_t epoch = 0;                        ///< answers so far
    std::map<Membership, std::size_t> members{};  ///< in which epoch it told of each
    bool complete = false;                        ///< it has told everything once
    std::optional<Time> waiting{};  ///< since when there is what it has yet to tell again
  };
  void path_changed(const vpn::PathChange& change);
  Told& told_of(const std::string& network);
  void ask_anew(PeerId id);
  void mark_stale(Peer& peer);
  void sweep(Peer& peer);
  Status hear_members(Peer& peer, const xmpp::pubsub::Event& event);
  Status announce(Peer& peer, const xmpp::pubsub::Item& item);
  Status withdraw(Peer& peer, const std::string& name);
  void turn();
  void deliver(const vpn::Delivery& delivery);
  bool tell_members(Listener& listener);
  void finish(Listener& listener);
  void forget_empty();

  vpn::VpnTables& tables_;
  Timers timers_;
  Handlers handlers_;
  Time started_ = std::chrono::steady_clock::now();

  // Of what is told.
  vpn::Sources own_;
  vpn::AttributePool pool_;
  vpn::SourceId self_ = own_.add({});
  vpn::Subscriptions subscriptions_;
  vpn::IdSlots<vpn::NetworkId, Told> told_;
  std::map<std::string, vpn::NetworkId> told_by_name_;
  std::map<ListenerId, Listener> listeners_;
  std::set<Membership> own_members_;

  // Of what is heard.
  std::vector<Peer> peers_;
  std::set<Membership> changed_members_;  ///< that are to be handed on

  Turns turns_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace weft::controller
