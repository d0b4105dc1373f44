#pragma once
/// One poll-mode worker: takes bursts from its sources, sends them through the stages, empties the
/// exits.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/channel.hpp"
#include "io/hold_queue.hpp"
#include "io/idle.hpp"
#include "io/inbox.hpp"
#include "io/liveness.hpp"
#include "io/observer.hpp"
#include "io/port.hpp"
#include "io/vlan.hpp"
#include "stages/pipeline.hpp"
#include "tables/rcu.hpp"

namespace weft::io {

/// What a worker polls and may send to; replaced as a whole when a port comes or goes.
struct PortView {
  std::uint64_t number = 0;  ///< grows with each view
  struct Queue {
    std::uint16_t device;  ///< DPDK's number of it
    std::uint16_t queue;
    bool for_all;                 ///< its packets are handed out to all workers
    std::uint16_t port;           ///< index; of several ports the first
    std::vector<VlanPort> vlans;  ///< empty: the port gets all that arrives
  };
  std::vector<Queue> receive;
  std::array<const AttachedPort*, max_ports> ports{};
  std::vector<int> descriptors;
  bool all_have_descriptors = true;
};

struct WorkerOptions {
  unsigned number = 0;   ///< index among the workers: RCU reader, transmit queue
  unsigned workers = 1;  ///< how many there are
  unsigned cpu = 0;
  unsigned burst = 32;
  bool adaptive_idle = true;
  int event_fd = -1;            ///< written when something waits for control
  rte_mempool* pool = nullptr;  ///< of what it sends of its own, and of pieces of packets
  ReassemblySettings reassembly{};
};

class Worker {
 public:
  Worker(const WorkerOptions& options, const Tables& tables, Rcu& rcu);
  /// Packets that wait are freed; run() must have returned.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// All workers by number, this one too, before any of them runs; they outlive it.
  void set_peers(std::span<const std::unique_ptr<Worker>> peers) { peers_ = peers; }

  /// The worker's whole life, on its own lcore.
  void run();

  // From the control thread.
  void stop();
  /// Publishes what to poll; the old view is retired by RCU.
  void set_ports(const PortView* view);
  bool inject(const Injected& injected);
  /// Publishes what to trace and capture, nullptr: nothing. The caller retires the old set.
  void set_observers(const ObserverSet* set) { observers_.store(set, std::memory_order_release); }
  /// The clock of BFD sessions.
  [[nodiscard]] bfd::Time bfd_now() const;
  /// Publishes the BFD sessions of all workers; the old list is retired by RCU.
  void set_bfd(const BfdSessions* sessions);
  /// Whether something of the worker's BFD sessions is to be told since the last call.
  bool take_bfd_news() { return bfd_news_.exchange(false, std::memory_order_acquire); }
  PuntChannel& punts() { return punts_; }
  DeniedLog& denied() { return flows_.denied(); }
  SentLog& sent() { return sent_; }
  SpscQueue<TraceRecord*, 256>& traced() { return traced_; }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] WorkerStatus status() const;
  [[nodiscard]] unsigned cpu() const { return options_.cpu; }
  [[nodiscard]] const FlowHands& flows() const { return flows_; }

 private:
  void turn();
  /// What the stages work with.
  template <class Tracer>
  StageContext<Tracer> context(Tracer tracer) {
    return {tables_,
            counters_,
            exits_,
            tracer,
            &flows_,
            &cutting_,
            reassembly_.enabled() ? &reassembly_ : nullptr,
            &sent_};
  }
  unsigned receive(const PortView& view);
  void take_in(const Ingress& ingress, std::span<rte_mbuf*> mbufs, bool for_all);
  void arrive(const Ingress& ingress, std::span<rte_mbuf* const> mbufs);
  unsigned take_injected();
  unsigned take_held();
  void run_burst(Entry entry);
  /// `run(ctx)` sends `packets` packets through the stages; then the exits are emptied. One burst
  /// in so many is measured stage by stage.
  template <class Run>
  void run_burst(unsigned packets, Run&& run) {
    if (captures_drops()) [[unlikely]] {
      auto ctx = context(DropTracer{this, [](void* worker, const PacketContext& p) {
                                      static_cast<Worker*>(worker)->capture_dropped(p);
                                    }});
      run(ctx);
    } else if (until_measured_-- == 0) [[unlikely]] {
      until_measured_ = bursts_per_measurement - 1;
      auto ctx = context(ClockTracer{&clocks_});
      ctx.tracer.start();
      run(ctx);
      ctx.tracer.start();
      empty_exits();
      ctx.tracer.lap(stage_names.back(), packets);
      return;
    } else {
      auto ctx = context(NullTracer{});
      run(ctx);
    }
    empty_exits();
  }
  void empty_exits();
  void transmit(std::uint32_t index, Exits::Departures& list);
  [[nodiscard]] bool attached(PortId port) const;
  unsigned send(AttachedDevice& device, std::span<rte_mbuf*> mbufs);
  /// Counts and frees a packet that dies outside of the stages. `port`: where it arrived, else
  /// where it leaves; `l3`: its IP header where no Ethernet header stands in front of it.
  void lose(Packet packet, DropReason reason, PortId port, const std::uint8_t* l3 = nullptr);
  [[nodiscard]] bool captures_drops() const { return observed_ != nullptr && observed_->drops; }
  void punt(Packet packet);
  void hold(Packet packet);

  // worker_liveness.cpp
  void hear_bfd(Packet packet);
  void beat();
  void bid_farewell();
  void send_bfd(BfdSession& session, const wire::Bfd& packet);
  void signal_control();

  // worker_vlan.cpp
  void sort_out(const PortView::Queue& queue, const Ingress& first, std::span<rte_mbuf*> mbufs);
  unsigned put_tags(const AttachedPort& port, std::span<rte_mbuf*> mbufs, std::uint64_t& bytes);

  // worker_handoff.cpp
  unsigned hand_out(const Ingress& ingress, std::span<rte_mbuf*> mbufs);
  unsigned accept(unsigned from, std::span<const Handed> packets);
  unsigned take_handed();
  void lose_unseen(const Handed& handed, DropReason reason);

  // worker_observe.cpp; only while observed_ is set.
  void receive_observed(const Ingress& ingress, std::span<rte_mbuf* const> mbufs);
  void capture_arrived(PortId port, const FrameView& frame, std::uint64_t tsc);
  bool may_trace(Observer& trace);
  void follow(const Ingress& ingress, rte_mbuf* mbuf, std::vector<ObserverId> traces,
              std::uint64_t time_ns);
  void keep_arrival(const FrameView& frame);
  [[nodiscard]] std::uint8_t* arrival(unsigned place) const;
  void capture_dropped(const PacketContext& p);
  [[nodiscard]] std::uint16_t vlan_of(PortId port) const;
  void record(Observer& capture, std::uint64_t tsc, CapturePoint point, PortId port,
              DropReason reason, const FrameView& frame);
  void capture_drop(DropReason reason, PortId port, const FrameView& frame);
  void capture_lost(Packet packet, DropReason reason, PortId port, const std::uint8_t* l3);
  void capture_sent(PortId port, std::span<rte_mbuf* const> mbufs);

  WorkerOptions options_;
  const Tables& tables_;
  Rcu& rcu_;
  std::uint64_t tsc_hz_;
  std::uint64_t now_ = 0;
  bool was_busy_ = false;  // the last turn had work

  std::atomic<const PortView*> ports_{nullptr};
  std::uint64_t watched_ = 0;  // number of the view that idle_ watches
  std::atomic<bool> stopping_{false};

  std::atomic<const ObserverSet*> observers_{nullptr};
  const ObserverSet* observed_ = nullptr;  // in this turn
  bool recorded_ = false;                  // control has something to read
  struct Arrival {
    const rte_mbuf* mbuf;
    std::uint32_t frame_bytes;
    std::uint32_t kept_bytes;
  };
  std::array<Arrival, max_burst> arrivals_{};
  unsigned arrivals_kept_ = 0;
  SpscQueue<TraceRecord*, 256> traced_;
  TokenBucket trace_bucket_;

  WorkerCounters counters_;
  Exits exits_;
  Burst burst_;
  FlowHands flows_;
  Cutting cutting_;
  Reassembly reassembly_;
  SentLog sent_;
  HoldQueue held_;
  Generation held_generation_ = 0;
  std::uint64_t held_check_ = 0;
  Idle idle_;
  PuntChannel punts_;
  InjectChannel injected_;
  Inbox inbox_;
  std::span<const std::unique_ptr<Worker>> peers_;
  std::atomic<const BfdSessions*> bfd_{nullptr};
  std::atomic<std::uint32_t> bfd_version_{0};
  std::uint32_t bfd_planned_ = 0;  // version by which the next beat is planned
  std::uint64_t beat_tsc_ = ~std::uint64_t{0};
  std::atomic<bool> bfd_news_{false};
  std::array<TokenBucket, punt_class_count> buckets_;

  static constexpr unsigned bursts_per_measurement = 1024;
  unsigned until_measured_ = 0;  // bursts
  StageClocks clocks_;
  Counter loops_;
  Counter busy_loops_;
  Counter packets_;
  Counter busy_cycles_;
  Counter sleeps_;
  Counter handed_off_;
  Counter taken_over_;
  std::atomic<std::uint32_t> held_count_{0};
  std::atomic<std::uint64_t> started_tsc_{0};
};

}  // namespace weft::io
