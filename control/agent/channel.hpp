#pragma once
/// The channel to the controllers: a session to each, all of them at once. What they tell comes
/// into force as objects of the channel; what this node has is told to each of them.
///
/// While no controller is there, everything stays as the last one told it. On the control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/channel_profiles.hpp"
#include "agent/channel_publications.hpp"
#include "agent/channel_routes.hpp"
#include "agent/end_of_rib.hpp"
#include "agent/handler_times.hpp"
#include "tls/expiry.hpp"
#include "xmpp/client.hpp"
#include "xmpp/pubsub.hpp"

namespace weft::agent {

class Channel {
 public:
  /// `busy` says whether the intent must not change for the moment.
  Channel(boost::asio::io_context& io, ConfigManager& manager, HandlerTimes& times,
          std::function<bool()> busy);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Starts the sessions. Relative paths of certificates begin at `directory`. What controllers had
  /// told before stands in the manager's intent. An error names the controller and why. A
  /// certificate that is not valid at the time is none: it is read again until it is.
  Status start(const Config& config, const std::filesystem::path& directory);
  /// Takes leave of the controllers, who keep for a while what this node has told.
  void stop();
  /// Reads the certificates again; from now on they are used. What is wrong with them is logged.
  void renew_certificates();
  /// The node's own objects may have changed.
  void intent_changed();

  struct ControllerStatus {
    std::string address;  ///< `192.0.2.10:5269`
    xmpp::ClientState state = xmpp::ClientState::connecting;
    std::chrono::steady_clock::time_point since;
    std::string cause;          ///< why it is not up, or what it refused last
    bool complete = false;      ///< it has told all that it has
    std::size_t routes = 0;     ///< that it tells
    std::size_t stale = 0;      ///< of these, told by a session that ended
    std::uint64_t applied = 0;  ///< generation of its profiles that is applied
    std::size_t untold = 0;     ///< addresses of which it is yet to be told
    std::uint64_t sessions = 0;
    xmpp::SessionCounters counters;
    tls::WallTime expires;  ///< our certificate for it
  };
  [[nodiscard]] std::vector<ControllerStatus> controllers() const;
  [[nodiscard]] const ChannelPublications& publications() const { return publications_; }
  [[nodiscard]] const ChannelRoutes& routes() const { return routes_; }
  [[nodiscard]] const ChannelProfiles& profiles() const { return profiles_; }
  /// Objects of the time before the start that no controller has told again yet.
  [[nodiscard]] std::size_t restored() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Controller {
    ControllerConfig config;
    std::string address;
    vpn::SourceId source;
    std::unique_ptr<xmpp::Client> client{};  ///< null while its certificate is not valid
    std::string unable{};                    ///< why there is none
    std::shared_ptr<xmpp::Session> session{};
    tls::WallTime expires{};
    std::set<HostKey> untold{};
    std::set<std::string> subscribed{};
    std::size_t unanswered = 0;
    std::size_t unanswered_subscriptions = 0;
    bool end_told = false;
    EndOfRib told;
    bool complete = false;
    std::string refusal{};
    std::optional<Clock::time_point> lost{};  ///< when what it told went stale
  };

  Result<std::shared_ptr<xmpp::TlsContext>> certificate_of(const Controller& controller) const;
  Status connect(std::size_t number);
  void note_expiry(Controller& controller, const xmpp::TlsContext& tls);
  void up(std::size_t number, const std::shared_ptr<xmpp::Session>& session);
  void down(std::size_t number, const std::string& cause);
  bool hear(std::size_t number, const xmpp::Element& stanza);
  void hear_items(std::size_t number, const xmpp::Element& items);
  void bound_what_is_told(Controller& controller);
  void complete_if_told(std::size_t number);
  void request(Controller& controller, const xmpp::pubsub::Request& request);
  /// Tells what is untold, as far as the session has room.
  void tell(std::size_t number);
  void tell_route(Controller& controller, const HostKey& key);
  void introduce(Controller& controller);
  void subscribe(Controller& controller);

  void turn_soon(std::chrono::milliseconds when);
  void turn();
  void apply_routes();
  void publish_changes();
  void acknowledge();
  void sweep_what_is_due();
  void sweep_restored();
  void wait_for_tick();

  boost::asio::io_context& io_;
  ConfigManager& manager_;
  HandlerTimes& times_;
  std::function<bool()> busy_;
  ChannelConfig config_;
  NodeConfig node_;
  std::filesystem::path directory_;
  ChannelRoutes routes_;
  ChannelProfiles profiles_;
  ChannelPublications publications_;
  std::vector<Controller> controllers_;
  ObjectSet restored_;
  Clock::time_point started_ = Clock::now();
  boost::asio::steady_timer turn_;
  boost::asio::steady_timer tick_;
  tls::ExpiryWatch expiry_;
  bool turning_ = false;
  bool publications_due_ = false;
  Clock::time_point published_{};
  Clock::time_point tried_{};  ///< to connect without a valid certificate
};

}  // namespace weft::agent
