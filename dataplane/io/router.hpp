#pragma once
/// The data plane as a whole: owns the environment, the tables, the ports and the workers, and is
/// what control sees of it.

#include <array>
#include <memory>
#include <vector>

#include "io/eal.hpp"
#include "io/worker.hpp"
#include "tables/flow_view.hpp"
#include "tables/forwarding_state.hpp"
#include "weft/forwarding.hpp"

namespace weft::io {

struct RouterOptions {
  EalOptions eal;
  unsigned burst = 32;
  FlowSettings flows;
  ReassemblySettings reassembly;
  bool adaptive_idle = true;
  bool handoff = true;  ///< ports with fewer queues than workers are served by all workers
};

class Router final : public ForwardingPlane {
 public:
  /// Starts DPDK and the workers, without ports.
  static Result<std::unique_ptr<Router>> start(const RouterOptions& options);
  /// Stops the workers, then removes the ports.
  ~Router() override;

  [[nodiscard]] bool with_hugepages() const { return eal_->with_hugepages(); }

  Result<Generation> apply(const Batch& batch) override { return state_.apply(batch); }
  [[nodiscard]] Result<std::shared_ptr<const CompiledPolicy>> compile(
      const Policy& policy) const override;
  Result<PortStatus> open_port(const PortRequest& request) override;
  Status close_port(PortId id) override;
  [[nodiscard]] std::vector<PortStatus> ports() const override;
  [[nodiscard]] bool link_up(PortId id) const override;
  Result<BfdId> start_bfd(const BfdRequest& request) override;
  void stop_bfd(BfdId id) override;
  [[nodiscard]] std::vector<BfdStatus> bfd() const override { return bfd_.statuses(); }
  bool inject(const Injection& injection) override;
  [[nodiscard]] ExplainReport explain(const ExplainRequest& request) override;
  Result<ObserverId> start_trace(const TraceRequest& request) override;
  Result<ObserverId> start_capture(const CaptureRequest& request) override;
  ObserverStatus stop_observer(ObserverId id) override;
  [[nodiscard]] ObserverStatus observer_status(ObserverId id) const override {
    return observers_.status(id);
  }
  [[nodiscard]] CountersSnapshot counters() const override;
  [[nodiscard]] PacketCount nexthop_counters(NexthopId id) const override;
  [[nodiscard]] PacketCount decap_counters(DecapId id) const override;
  [[nodiscard]] TableSizes table_sizes() const override;
  std::vector<FlowRecord> flows(const FlowFilter& filter, FlowCursor& cursor,
                                std::size_t count) override;
  std::size_t clear_flows(const FlowFilter& filter, FlowCursor& cursor, std::size_t count) override;
  [[nodiscard]] FlowCounters flow_counters(IpFamily family) const override;
  void count_drop(DropReason reason) override { control_counters_.drop(reason); }
  [[nodiscard]] int event_descriptor() const override { return event_fd_; }
  void drain_events(EventSink& sink) override;
  [[nodiscard]] std::uint64_t begin_grace() override { return rcu_.begin_grace(); }
  [[nodiscard]] bool grace_over(std::uint64_t moment) override { return rcu_.grace_over(moment); }
  void reclaim() override {
    constexpr std::size_t sessions_at_once = 16384;  // about a millisecond
    flow_hands_.reclaim(sessions_at_once);
    if (bfd_.forget_ended()) publish_bfd();
    rcu_.reclaim();
  }

 private:
  Router(std::unique_ptr<Eal> eal, const RouterOptions& options);
  Result<std::shared_ptr<AttachedDevice>> device_for(const PortRequest& request);
  [[nodiscard]] std::vector<std::vector<const AttachedPort*>> by_device() const;
  [[nodiscard]] unsigned least_busy() const;
  [[nodiscard]] unsigned poller_of(const AttachedDevice& device, unsigned queue) const;
  [[nodiscard]] Ingress ingress_of_frame(PortId id, rte_mbuf* frame) const;
  [[nodiscard]] std::uint16_t vlan_of(PortId id) const;
  void publish_ports();
  void publish_observers();
  void publish_bfd();
  Result<ObserverId> started(Result<ObserverId> id);
  [[nodiscard]] std::uint32_t port_bits() const;
  [[nodiscard]] PortCounters port_totals(std::uint16_t index) const;
  bool drain_traces(Worker& worker, EventSink& sink) const;
  bool drain_capture(ObserverId id, EventSink& sink) const;
  [[nodiscard]] Packet make_packet(std::span<const std::uint8_t> bytes) const;

  RouterOptions options_;
  std::unique_ptr<Eal> eal_;
  PortIndices indices_;
  Rcu rcu_;
  ForwardingState state_;
  FlowHands flow_hands_;  ///< of the control thread
  FlowView flow_view_;
  int event_fd_;
  std::vector<std::unique_ptr<AttachedPort>> ports_;
  /// By index: how many ports had it, and what its counters stood at when the last was opened.
  std::array<std::uint8_t, max_ports> generations_{};
  std::array<PortCounters, max_ports> counters_before_{};
  Observers observers_;
  std::unique_ptr<const ObserverSet> observer_set_;
  BfdRoster bfd_;
  std::uint64_t view_number_ = 0;
  mutable std::atomic<std::uint64_t> compiled_{0};  ///< policies, for their names
  std::vector<std::unique_ptr<Worker>> workers_;
  WorkerCounters control_counters_;
};

}  // namespace weft::io
