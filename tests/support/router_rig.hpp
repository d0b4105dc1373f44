#pragma once
/// A whole data plane on DPDK's ring devices, which receive what they send, and a world on two of
/// them.

#include <rte_mempool.h>
#include <sched.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "io/router.hpp"
#include "support/hex.hpp"
#include "support/packets_vm.hpp"
#include "support/small_world.hpp"

namespace weft::io {

using Bytes = std::vector<std::uint8_t>;

inline std::vector<unsigned> worker_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE && cpus.size() < 2; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

/// DPDK starts once in a process, so all tests share a router; each closes what it opened.
inline Router& router() {
  static const std::unique_ptr<Router> one = [] {
    RouterOptions options;
    options.eal.hugepages = Hugepages::off;
    options.eal.memory_mb = 64;
    options.eal.worker_cpus = worker_cpus();
    auto started = Router::start(options);
    if (!started) throw std::runtime_error(started.error().message);
    return std::move(*started);
  }();
  return *one;
}

inline unsigned free_buffers() { return rte_mempool_avail_count(rte_mempool_lookup("packets")); }

inline bool within(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct Seen final : EventSink {
  struct Frame {
    CapturedFrame frame;
    Bytes bytes;
  };
  std::vector<NeighbourNeeded> neighbours;
  std::vector<DeniedPacket> denied;
  std::vector<std::pair<NexthopId, std::uint16_t>> sent;
  std::vector<BfdStatus> bfd;
  std::vector<ExplainReport> traces;
  std::vector<PortId> traced_at;
  std::vector<Frame> frames;
  std::function<void()> on_frame;

  void on_punt(const PuntedPacket&) override {}
  void on_neighbour_needed(const NeighbourNeeded& event) override { neighbours.push_back(event); }
  void on_bfd(const BfdStatus& status) override { bfd.push_back(status); }
  void on_denied(const DeniedPacket& packet) override { denied.push_back(packet); }
  void on_sent(const SentPacket& packet) override {
    sent.emplace_back(packet.tunnel, packet.bytes);
  }
  void on_trace(const TracedPacket& packet) override {
    traces.push_back(packet.report);
    traced_at.push_back(packet.port);
  }
  void on_capture(const CapturedFrame& frame) override {
    frames.push_back({frame, {frame.bytes.begin(), frame.bytes.end()}});
    if (on_frame) on_frame();
  }
};

/// A VM's port and a fabric port, the world of test::small_world() on them.
struct Pair {
  std::string fabric_device;
  PortId fabric;
  PortId vm;
  Batch world;
  Seen seen;

  static std::string new_device() {
    static unsigned number = 0;
    return "dpdk:net_ring" + std::to_string(number++);
  }
  /// `shared`: with one queue, not one for each worker.
  static PortId open(const std::string& name, bool shared = false, std::uint16_t vlan = 0,
                     const std::string& device = new_device()) {
    auto status = router().open_port(
        {.name = name, .device = device, .mac = {}, .vlan = vlan, .shared_queues = shared});
    if (!status) throw std::runtime_error(status.error().message);
    return status->id;
  }
  explicit Pair(bool resolved = true, bool shared_vm = false, std::uint16_t fabric_vlan = 0,
                bool shared_fabric = false)
      : fabric_device(new_device()),
        fabric(open("fabric", shared_fabric, fabric_vlan, fabric_device)),
        vm(open("vm", shared_vm)),
        world(test::small_world()) {
    const auto moved = [this](PortId id) { return id == PortId(0) ? fabric : vm; };
    for (auto& change : world.ports) change.id = moved(change.id);
    for (auto& change : world.vifs) change.object->port = moved(change.object->port);
    for (auto& change : world.adjacencies) change.object->port = moved(change.object->port);
    world.nexthops[3].object = nexthop::Glean{fabric};
    auto tunnel = test::tunnel_to("192.0.2.2", 100, AdjacencyId(0));
    tunnel.profile.inner_destination_mac = test::mac("02:00:5e:00:01:02");
    world.nexthops[1].object = tunnel;
    if (!resolved) world.adjacencies[0].object->destination.reset();
    apply(world);
  }
  ~Pair() {
    if (!world.ports.empty()) apply(test::without(world));
    for (const PortId port : {fabric, vm}) {
      if (port.valid()) (void)router().close_port(port);
    }
    reclaim();
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  static void apply(const Batch& batch) {
    const auto applied = router().apply(batch);
    if (!applied) throw std::runtime_error(applied.error().message);
  }
  static void reclaim() {
    REQUIRE(within(2, [] {
      router().reclaim();
      return router().table_sizes().deferred == 0;
    }));
  }
  /// What the VM sends: its ring gives back what is put out of its port.
  void from_vm(std::string_view frame, unsigned times = 1) const { send(vm, frame, times); }
  static void send(PortId port, std::string_view frame, unsigned times = 1) {
    const Bytes bytes = test::hex(frame);
    for (unsigned i = 0; i < times; ++i) {
      REQUIRE(router().inject({Injection::ToPort{port}, bytes}));
    }
  }
  bool see(const std::function<bool()>& condition) {
    return within(3, [&] {
      router().drain_events(seen);
      return condition();
    });
  }
};

inline PortCounters counters_of(PortId port) {
  for (const auto& counters : router().counters().ports) {
    if (counters.port == port) return counters;
  }
  return {};
}

inline std::uint64_t drops(DropReason reason) {
  return router().counters().drops[static_cast<std::size_t>(reason)];
}

inline std::uint32_t held() {
  std::uint32_t sum = 0;
  for (const auto& worker : router().counters().workers) sum += worker.held_packets;
  return sum;
}

}  // namespace weft::io
