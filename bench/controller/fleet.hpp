#pragma once
/// All simulated nodes in one loop, and what is measured with them.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/layout.hpp"
#include "controller/light_node.hpp"
#include "controller/process.hpp"

namespace weft::bench {

using Clock = std::chrono::steady_clock;

class Fleet {
 public:
  /// Makes an authority in `directory`/pki, and certificates for the nodes and the controller.
  Fleet(const Layout& layout, const std::filesystem::path& directory);
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void start_all(std::uint16_t port, bool publish);
  void start(unsigned node, std::uint16_t port);
  /// All or one take leave; returns when they have.
  void stop_all();
  void stop(unsigned node);
  /// Sessions may be lost now without a word.
  void expect_loss(bool expected);

  /// Lets the nodes work until it is so. Throws std::runtime_error when that takes longer or
  /// something went wrong meanwhile.
  void run_until(const std::function<bool()>& done, std::chrono::seconds most,
                 const std::string& what);
  /// Every node has all that it subscribed to, checked, and its end-of-RIB.
  [[nodiscard]] bool converged() const;
  [[nodiscard]] bool converged(unsigned node) const { return nodes_[node]->converged(); }
  [[nodiscard]] bool all_up() const;
  [[nodiscard]] bool any_up() const;
  /// Every node has acknowledged all profiles that it was told.
  [[nodiscard]] bool settled() const;
  [[nodiscard]] std::size_t received() const;
  [[nodiscard]] std::size_t profiles() const;

  /// Seconds since the given time, and routes received by then, ten times a second.
  using Samples = std::vector<std::pair<double, std::size_t>>;
  void begin_samples(Clock::time_point since);
  Samples end_samples();

  /// Milliseconds from one node's publishing until every subscriber has read it.
  double publish_latency(unsigned network, unsigned route, std::uint32_t version);
  /// Milliseconds from the API's call until the controller has the last acknowledgement of the
  /// network's nodes.
  double profile_latency(const ControllerProcess& controller, unsigned network, unsigned ttl);

 private:
  void sample();
  [[nodiscard]] xmpp::ClientOptions options(unsigned node, std::uint16_t port) const;

  const Layout& layout_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> open_{
      io_.get_executor()};
  LightNode::Handlers handlers_;
  std::vector<std::shared_ptr<xmpp::TlsContext>> certificates_;
  std::vector<std::unique_ptr<LightNode>> nodes_;
  std::string wrong_;
  std::size_t wrongs_ = 0;
  boost::asio::steady_timer sampling_;
  Clock::time_point sampled_since_;
  Samples samples_;
};

}  // namespace weft::bench
