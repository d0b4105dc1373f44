#pragma once
/// weftd's control thread: keeps the model, programs the data plane, and answers ARP, ND and ICMP.
///
/// Everything here runs on the thread that runs the io_context; no handler blocks. Destroy the
/// agent when the io_context no longer runs.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <set>

#include "agent/clock.hpp"
#include "agent/icmp_responder.hpp"
#include "agent/model.hpp"
#include "agent/neighbours.hpp"
#include "agent/observations.hpp"
#include "agent/proxy_responder.hpp"
#include "agent/rate_limiter.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

class Agent final : public EventSink, private NeighbourHost {
 public:
  Agent(boost::asio::io_context& io, ForwardingPlane& plane, Clock clock = system_time);
  ~Agent() override;

  /// Opens the devices of the configuration, publishes it in one batch and starts to listen to the
  /// data plane. Once; an error names the device or object and leaves nothing published.
  Status start(const Config& config);
  /// Cancels timers and waits, so that the io_context runs out of work.
  void stop();

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Neighbours& neighbours() const { return neighbours_; }
  [[nodiscard]] Resolver& resolver() { return resolver_; }
  [[nodiscard]] Observations& observations() { return observations_; }
  /// Has the data plane free what it has let go of, soon.
  void reclaim_soon();
  [[nodiscard]] ForwardingPlane& plane() { return plane_; }
  [[nodiscard]] Time now() const { return clock_(); }

  void on_punt(const PuntedPacket& packet) override;
  void on_neighbour_needed(const NeighbourNeeded& event) override;
  void on_trace(const TracedPacket& packet) override;
  void on_capture(const CapturedFrame& frame) override;

 private:
  Result<Generation> apply(const Batch& batch);
  Result<PortStatus> open(const char* what, const PortRequest& request);
  void wait_for_events();
  void wait_for_tick();
  void wait_to_reclaim();
  /// Announces our addresses on fabric ports whose link came up.
  void watch_links();
  void watch_checksums();
  void report(const Result<Generation>& result, const NeighbourKey& key);

  void send(PortId port, const Frame& frame) override;
  void neighbour_changed(const NeighbourKey& key, std::optional<MacAddress> mac) override;
  void neighbour_gone(const NeighbourKey& key) override;
  std::uint64_t packets_to(const NeighbourKey& key) override;
  void address_conflict(PortId port, const IpAddress& own, const MacAddress& other) override;
  void drop(DropReason reason) override;

  ForwardingPlane& plane_;
  Clock clock_;
  Model model_;
  Neighbours neighbours_;
  Resolver resolver_;
  ProxyResponder proxy_;
  IcmpResponder icmp_;
  Observations observations_;
  boost::asio::posix::stream_descriptor events_;
  boost::asio::steady_timer tick_;
  boost::asio::steady_timer reclaim_;
  bool reclaiming_ = false;
  unsigned ticks_ = 0;
  std::set<PortId> links_up_;
  std::map<PortId, std::uint64_t> unfinished_;  ///< packets that were warned of
  TokenBucket log_;
};

}  // namespace weft::agent
