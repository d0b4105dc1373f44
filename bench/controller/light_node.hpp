#pragma once
/// A node as the controller sees it: a session with a certificate of its own, subscriptions, routes
/// that it publishes as weftd does, profiles that it acknowledges. It forwards nothing.

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/layout.hpp"
#include "xmpp/client.hpp"
#include "xmpp/pubsub.hpp"

namespace weft::bench {

class LightNode {
 public:
  struct Handlers {
    /// A route was read that was not there before, or told something else.
    std::function<void(unsigned network, unsigned route, std::uint32_t version)> route;
    /// Something that must not be: a session lost, a request refused, a route that tells another
    /// next hop.
    std::function<void(const std::string& what)> wrong;
    std::function<void(LightNode& node)> converged;
    /// The controller has this acknowledgement.
    std::function<void(LightNode& node, std::uint64_t generation)> acknowledged;
  };

  LightNode(boost::asio::io_context& io, const Layout& layout, unsigned number,
            const Handlers& handlers);
  LightNode(const LightNode&) = delete;
  LightNode& operator=(const LightNode&) = delete;

  /// `publishes`: without, it subscribes only, and says that it has no routes.
  Status start(xmpp::ClientOptions options, bool publishes);
  void stop();
  /// A session that ends is no fault for now: whoever calls it is about to end the other side.
  void expect_loss(bool expected) { loss_expected_ = expected; }
  void publish(unsigned network, unsigned route, std::uint32_t version);

  [[nodiscard]] unsigned number() const { return number_; }
  [[nodiscard]] bool up() const { return client_ && client_->session() != nullptr; }
  [[nodiscard]] bool stopped() const {
    return !client_ || client_->state() == xmpp::ClientState::stopped;
  }
  /// It has every route of its networks, each right, and was told that this is all.
  [[nodiscard]] bool converged() const { return up() && complete_ && missing_ == 0; }
  /// It has acknowledged all profiles that it was told.
  [[nodiscard]] bool settled() const { return up() && acknowledged_ > 0 && acknowledged_ == told_; }
  [[nodiscard]] std::size_t received() const { return received_; }  ///< routes, over all sessions
  [[nodiscard]] std::size_t profiles() const { return profiles_; }
  [[nodiscard]] std::uint64_t told() const { return told_; }

 private:
  struct Heard {
    std::vector<std::uint32_t> versions;  ///< of each route, and 1; 0: not there
  };

  void session_up(const std::shared_ptr<xmpp::Session>& session);
  void request(const xmpp::pubsub::Request& request, std::function<void()> done = {});
  void tell_more();
  bool hear(const xmpp::Element& stanza);
  void hear_routes(unsigned network, const xmpp::Element& items);
  void hear_profiles(const xmpp::Element& items);
  void acknowledge();
  void look();

  const Layout& layout_;
  unsigned number_;
  const Handlers& handlers_;
  std::unique_ptr<xmpp::Client> client_;
  boost::asio::steady_timer acknowledgement_;
  bool acknowledging_ = false;
  bool loss_expected_ = false;
  bool publishes_ = true;
  bool was_up_ = false;
  std::map<unsigned, Heard> networks_;
  std::vector<std::pair<unsigned, unsigned>> own_;  ///< network and route
  std::size_t next_own_ = 0;                        ///< of these, the first that was not told yet
  std::size_t unanswered_ = 0;
  bool end_told_ = false;
  bool complete_ = false;
  bool reported_ = false;
  std::size_t missing_ = 0;
  std::size_t received_ = 0;
  std::size_t profiles_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace weft::bench
