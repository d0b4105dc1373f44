#pragma once
/// The other controllers of the site: each tells the others what was said to it, and hears what was
/// said to them. A controller subscribes at every other one; who asks gets all that is known, and
/// from then on what is news. Behind that routes go the same way (`PeerRoutes`).
///
/// One thread, that of the io_context.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/config.hpp"
#include "controller/controller.hpp"
#include "controller/peer_routes.hpp"
#include "xmpp/client.hpp"
#include "xmpp/pubsub.hpp"

namespace weft::controller {

/// The name of all controllers, in their certificates and addresses.
inline constexpr auto controllers_name = "network-control";

class Peers {
 public:
  /// Takes the core's on_said.
  Peers(boost::asio::io_context& io, Controller& core);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  /// Before start(): whose routes are told and heard, or none any more.
  void carry(PeerRoutes* routes) { routes_ = routes; }
  /// Once the core has started. An Error names the file or address and why.
  Status start(const Config& config);
  void stop();
  /// From now on this certificate; an Error where it is another's.
  Status use(const std::shared_ptr<xmpp::TlsContext>& tls);
  /// A session that another controller began.
  void serve(const std::shared_ptr<xmpp::Session>& session);
  /// All is to be told and heard anew.
  void end_sessions(const std::string& cause);

  /// Whether the others have told all that they know, or have had the time to: before that, nodes
  /// would be told what may be old.
  [[nodiscard]] bool heard_all() const;

  /// Whether another controller is there.
  [[nodiscard]] bool anyone() const;

  struct PeerStatus {
    std::string address;  ///< `192.0.2.10:5269`
    xmpp::ClientState state = xmpp::ClientState::connecting;
    std::chrono::steady_clock::time_point since;
    std::string cause;           ///< why it is not up, or what of it was not understood
    bool complete = false;       ///< it has told all that it knows
    std::uint64_t told = 0;      ///< objects that it has told, in all sessions
    PeerRoutes::Count routes{};  ///< of its nodes
  };
  [[nodiscard]] std::vector<PeerStatus> peers() const;
  /// Names of controllers that hear what is said here.
  [[nodiscard]] std::vector<std::string> listeners() const;

 private:
  struct Peer {
    std::string address;
    std::unique_ptr<xmpp::Client> client{};
    std::shared_ptr<xmpp::Session> session{};
    bool complete = false;
    std::string refusal{};
    std::uint64_t told = 0;
  };
  /// Who hears what is said here, and what he has not heard yet.
  struct Listener {
    std::shared_ptr<xmpp::Session> session;
    bool subscribed = false;
    bool initial = false;
    std::set<Key> untold{};
    std::optional<PeerRoutes::ListenerId> routes{};  ///< where it hears them
  };

  void up(std::size_t number, const std::shared_ptr<xmpp::Session>& session);
  bool hear(std::size_t number, const xmpp::Element& stanza);
  void ask_for_routes(std::size_t number);
  bool hear_objects(Peer& peer, const xmpp::pubsub::Event& event);
  bool answer(Listener& listener, const xmpp::Element& stanza);
  void tell_objects(Listener& listener);
  void tell_routes(Listener& listener);
  void said(const std::vector<Key>& keys);
  void tell(Listener& listener);
  std::vector<Key> next_keys(Listener& listener) const;

  boost::asio::io_context& io_;
  Controller& core_;
  PeerRoutes* routes_ = nullptr;
  std::string name_;
  std::vector<Peer> peers_;
  std::list<Listener> listeners_;
  std::chrono::steady_clock::time_point patience_;
};

}  // namespace weft::controller
