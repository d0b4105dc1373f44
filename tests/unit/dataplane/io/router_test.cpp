// A whole data plane on DPDK's ring devices, which receive what they send: ports that go and come,
// the stages' clocks.
#include <rte_mempool.h>
#include <sched.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "io/router.hpp"
#include "support/hex.hpp"
#include "support/packets_vm.hpp"
#include "support/small_world.hpp"

namespace weft::io {
namespace {

using test::hex;
using Bytes = std::vector<std::uint8_t>;

std::vector<unsigned> worker_cpus() {
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
Router& router() {
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

unsigned free_buffers() { return rte_mempool_avail_count(rte_mempool_lookup("packets")); }

bool within(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct Seen final : EventSink {
  std::vector<NeighbourNeeded> neighbours;

  void on_punt(const PuntedPacket&) override {}
  void on_neighbour_needed(const NeighbourNeeded& event) override { neighbours.push_back(event); }
};

/// A VM's port and a fabric port, the world of small_world() on them.
struct Pair {
  PortId fabric;
  PortId vm;
  Batch world;
  Seen seen;

  static PortId open(const std::string& name) {
    static unsigned number = 0;
    auto status = router().open_port(
        {.name = name, .device = "dpdk:net_ring" + std::to_string(number++), .mac = {}});
    if (!status) throw std::runtime_error(status.error().message);
    return status->id;
  }
  explicit Pair(bool resolved = true)
      : fabric(open("fabric")), vm(open("vm")), world(test::small_world()) {
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
    const Bytes bytes = hex(frame);
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

PortCounters counters_of(PortId port) {
  for (const auto& counters : router().counters().ports) {
    if (counters.port == port) return counters;
  }
  return {};
}

std::uint64_t drops(DropReason reason) {
  return router().counters().drops[static_cast<std::size_t>(reason)];
}

std::uint32_t held() {
  std::uint32_t sum = 0;
  for (const auto& worker : router().counters().workers) sum += worker.held_packets;
  return sum;
}

TEST_CASE("a port that is closed lets go of its packets, and its index starts anew") {
  Pair pair(false);  // nobody answers on the fabric
  const unsigned before = free_buffers();
  const PortId other = Pair::open("other");
  const PortId old = pair.fabric;
  const auto missing = drops(DropReason::port_missing);

  pair.from_vm(packets::vm1_udp4, 5);
  REQUIRE(pair.see([] { return held() == 5; }));
  Pair::send(old, packets::vm1_udp4, 3);
  REQUIRE(within(2, [&] { return counters_of(old).rx.packets == 3; }));

  Pair::apply(test::without(pair.world));
  pair.world.ports.clear();
  REQUIRE(router().close_port(old));
  pair.fabric = {};
  CHECK(within(2, [] { return held() == 0; }));
  CHECK(drops(DropReason::port_missing) == missing + 5);
  // What is on its way there dies; what goes elsewhere arrives.
  Pair::send(old, packets::vm1_udp4, 2);
  Pair::send(other, packets::vm1_udp4, 4);
  CHECK(within(2, [&] { return drops(DropReason::port_missing) == missing + 7; }));
  CHECK(within(2, [&] { return counters_of(other).tx.packets == 4; }));
  CHECK_FALSE(router().close_port(old));

  Pair::reclaim();
  const PortId anew = Pair::open("anew");
  REQUIRE(anew.index() == old.index());
  CHECK(counters_of(anew).rx.packets == 0);
  CHECK(counters_of(anew).tx.packets == 0);
  CHECK(counters_of(anew).tx.bytes == 0);
  Port port;
  port.mac = test::mac("02:00:00:00:0f:01");
  Batch again;
  again.vrfs = {{VrfId(0), Vrf{port.mac}}};
  again.ports = {{anew, port}};
  Pair::apply(again);
  Pair::send(anew, packets::vm1_udp4);
  CHECK(within(2, [&] { return counters_of(anew).rx.packets == 1; }));
  CHECK(counters_of(anew).tx.packets == 1);
  // What control meant for the old one does not leave by the new one.
  Pair::send(old, packets::vm1_udp4);
  CHECK(within(2, [&] { return drops(DropReason::port_missing) == missing + 8; }));
  CHECK(counters_of(anew).tx.packets == 1);

  Pair::apply(test::without(again));
  REQUIRE(router().close_port(anew));
  REQUIRE(router().close_port(other));
  Pair::reclaim();
  // `other` had no place in the tables, so what looped back to it waited in its ring.
  CHECK(within(2, [&] { return free_buffers() + 4 >= before; }));
}

TEST_CASE("one burst in 64 is measured, stage by stage") {
  Pair pair;
  pair.from_vm(packets::vm1_udp4, 600);
  const auto parsed = [] {
    StageCount sum;
    for (const auto& worker : router().counters().workers) {
      REQUIRE(worker.stages.size() == stage_names.size());
      sum.packets += worker.stages[0].packets;
      sum.cycles += worker.stages[0].cycles;
    }
    return sum;
  };
  CHECK(within(3, [&] { return parsed().packets > 0 && parsed().cycles > 0; }));
  CHECK(within(3, [&] { return counters_of(pair.vm).rx.packets == 600; }));
  const auto worker = router().counters().workers.front();
  CHECK(worker.stages.front().stage == "parse");
  CHECK(worker.stages.back().stage == "transmit");
}

}  // namespace
}  // namespace weft::io
