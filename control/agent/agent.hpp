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
#include <thread>

#include "agent/bfd_keeper.hpp"
#include "agent/channel.hpp"
#include "agent/channel_journal.hpp"
#include "agent/clock.hpp"
#include "agent/config_manager.hpp"
#include "agent/handler_times.hpp"
#include "agent/icmp_responder.hpp"
#include "agent/model.hpp"
#include "agent/neighbours.hpp"
#include "agent/observations.hpp"
#include "agent/path_mtu.hpp"
#include "agent/policy_compiler.hpp"
#include "agent/proxy_responder.hpp"
#include "agent/rate_limiter.hpp"
#include "agent/resolver.hpp"
#include "agent/state_file.hpp"

namespace weft::agent {

/// What monitoring tells of the process.
struct ProcessInfo {
  std::string version;
  double started_s = 0;  ///< Unix time
};

class Agent final : public EventSink, private NeighbourHost {
 public:
  Agent(boost::asio::io_context& io, ForwardingPlane& plane, Clock clock = system_time);
  ~Agent() override;

  /// Opens the devices of the configuration, publishes it in one batch and starts to listen to the
  /// data plane. Once; an error names the device or object and leaves nothing published. Objects
  /// of the API that come from `state_file` (empty: there is none) stand beside those of the
  /// configuration, and their changes are kept there.
  Status start(const Config& config, const std::string& state_file = {});
  /// Where reload() finds the configuration.
  void set_config_path(std::string path) { config_path_ = std::move(path); }
  [[nodiscard]] const std::string& config_path() const { return config_path_; }
  using ReloadDone = std::function<void(const Result<ConfigManager::Reloaded>&)>;
  /// Reads the configuration again and applies the differences; an error has changed nothing. What
  /// takes long runs on another thread; `done` is called on this one.
  void reload(bool dry_run, ReloadDone done);
  /// Cancels timers and waits, so that the io_context runs out of work.
  void stop();

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Neighbours& neighbours() const { return neighbours_; }
  [[nodiscard]] const BfdKeeper& bfd() const { return bfd_; }
  [[nodiscard]] Resolver& resolver() { return resolver_; }
  /// Null where no controller is configured.
  [[nodiscard]] const Channel* channel() const { return channel_.get(); }
  [[nodiscard]] const PathMtu& path_mtu() const { return path_mtu_; }
  [[nodiscard]] Observations& observations() { return observations_; }
  /// Runs `work` on this thread, after what else waits for it.
  void post(std::function<void()> work);
  /// Calls `done` on this thread once no VIF waits for its policy; with what is wrong with those of
  /// the last change that cannot be had, or nothing.
  void when_policies_settle(std::function<void(const std::string& wrong)> done);
  /// Has the data plane free what it has let go of, soon.
  void reclaim_soon();
  [[nodiscard]] ForwardingPlane& plane() { return plane_; }
  [[nodiscard]] Time now() const { return clock_(); }
  [[nodiscard]] ConfigManager& manager() { return manager_; }
  [[nodiscard]] HandlerTimes& handler_times() { return times_; }
  void set_process(ProcessInfo process) { process_ = std::move(process); }
  [[nodiscard]] const ProcessInfo& process() const { return process_; }

  // Counters of the objects that there are now; an index that had another tenant starts at zero.
  [[nodiscard]] CountersSnapshot counters() const;
  [[nodiscard]] PacketCount nexthop_count(NexthopId id) const;
  /// Of those alone that count under this id: a mark's, or those without one.
  [[nodiscard]] PacketCount decap_count(DecapId id) const;
  /// Of all that the entry has let in.
  [[nodiscard]] PacketCount decap_count(const DecapEntry& entry) const;

  /// To be called about once a second, for ailments() to know of workers.
  void watch_workers();
  /// What is not as it should be: workers that stand still, links that are down.
  [[nodiscard]] std::vector<std::string> ailments() const;

  void on_punt(const PuntedPacket& packet) override;
  void on_neighbour_needed(const NeighbourNeeded& event) override;
  void on_bfd(const BfdStatus& status) override { bfd_.hear(status); }
  void on_denied(const DeniedPacket& packet) override;
  void on_sent(const SentPacket& packet) override;
  void on_trace(const TracedPacket& packet) override;
  void on_capture(const CapturedFrame& frame) override;

 private:
  Result<Generation> apply(const Batch& batch);
  ObjectSet objects_of_controllers(const Config& config, const std::string& state_file);
  void prepare_reload(bool dry_run, ReloadDone done);
  Result<ConfigManager::Reloaded> finish_reload(Result<ConfigManager::Reload> prepared,
                                                bool dry_run);
  void wait_for_events();
  void wait_for_tick();
  void wait_to_watch_links();
  void wait_to_reclaim();
  /// Has packets go by the ports whose link is up, and announces our addresses on one that came up.
  void watch_links();
  void watch_checksums();
  void report(const Result<Generation>& result, const NeighbourKey& key);
  void policy_compiled(PolicyId id, PolicyCompiler::Made made);
  /// A line for each of these VIFs whose policy could not be compiled.
  [[nodiscard]] std::vector<std::string> failed_policies(const std::set<std::string>& vifs) const;

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
  PolicyThread compiler_;
  Resolver resolver_;
  BfdKeeper bfd_;
  ConfigManager manager_;
  HandlerTimes times_;
  ProcessInfo process_;
  std::string config_path_;
  boost::asio::io_context& io_;
  std::unique_ptr<StateWriter> state_;
  std::unique_ptr<ChannelJournal> journal_;
  std::unique_ptr<Channel> channel_;
  std::thread helper_;  ///< prepares a reload
  bool reloading_ = false;
  std::vector<std::function<void()>> settling_;
  ProxyResponder proxy_;
  IcmpResponder icmp_;
  PathMtu path_mtu_;
  Observations observations_;
  boost::asio::posix::stream_descriptor events_;
  boost::asio::steady_timer tick_;
  boost::asio::steady_timer links_;
  boost::asio::steady_timer reclaim_;
  bool reclaiming_ = false;
  unsigned ticks_ = 0;
  bool started_ = false;
  std::optional<std::uint64_t> worker_grace_;  ///< that has begun and is to end
  Time worker_grace_since_{};
  std::vector<std::uint64_t> worker_loops_;  ///< when it began
  std::set<PortId> links_up_;
  std::map<PortId, std::uint64_t> unfinished_;  ///< packets that were warned of
  TokenBucket log_;
};

}  // namespace weft::agent
