#pragma once
/// A controller as a node sees it, on a thread of its own: takes the node's session, answers what
/// it asks, tells profiles, hears acknowledgements.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "channel/profile_codec.hpp"
#include "xmpp/server.hpp"

namespace weft::bench {

class LightController {
 public:
  struct Change {
    channel::ProfileName id;
    std::optional<std::string> json;  ///< none: it goes
  };
  /// The next changes, `count` of them; on the controller's thread.
  using Next = std::function<std::vector<Change>(unsigned count)>;

  /// `world`: what the node is told at first. Throws std::runtime_error.
  LightController(std::shared_ptr<xmpp::TlsContext> tls, const std::string& domain,
                  std::vector<Change> world, Next next);
  LightController(const LightController&) = delete;
  LightController& operator=(const LightController&) = delete;
  ~LightController();

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  /// From now on so many changes a second, a generation every 5 ms; 0 ends it.
  void tell(double changes_a_second) {
    idle_ = false;
    rate_ = changes_a_second;
  }
  /// Whether it has heard that it shall tell nothing.
  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] std::uint64_t told() const { return told_; }  ///< changes, without the world
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t acknowledgements() const { return acknowledgements_; }
  /// From a generation's last change to its acknowledgement, since this was asked last.
  [[nodiscard]] double take_longest_lag_ms() { return longest_lag_ms_.exchange(0); }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }  ///< profiles, by the last one

 private:
  void take(const std::shared_ptr<xmpp::Session>& session);
  bool hear(const xmpp::Element& stanza);
  void send(const std::vector<Change>& changes);
  void wait();
  void turn();

  boost::asio::io_context io_{1};
  std::unique_ptr<xmpp::Server> server_;
  std::shared_ptr<xmpp::Session> session_;
  std::vector<Change> world_;
  Next next_;
  boost::asio::steady_timer timer_;
  /// Generations, and when they were told.
  std::deque<std::pair<std::uint64_t, std::chrono::steady_clock::time_point>> unacknowledged_;
  double due_ = 0;
  double last_rate_ = 0;
  std::chrono::steady_clock::time_point turned_{};
  std::atomic<double> rate_{0};
  std::atomic<bool> idle_{true};
  std::atomic<std::uint64_t> told_{0};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::atomic<std::uint64_t> acknowledgements_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<double> longest_lag_ms_{0};
  std::thread thread_;
};

}  // namespace weft::bench
