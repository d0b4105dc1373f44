// Ports with fewer queues than there are workers, on a whole data plane.
#include <rte_pause.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <utility>

#include "support/router_rig.hpp"

namespace weft::io::handoff_test {
namespace {

struct HandedOver {
  std::uint64_t off = 0;
  std::uint64_t over = 0;
};
HandedOver handed_over() {
  HandedOver sum;
  for (const auto& worker : router().counters().workers) {
    sum.off += worker.handed_off;
    sum.over += worker.taken_over;
  }
  return sum;
}

/// The VM's packet with another source port, of another flow that is.
Bytes vm_flow(unsigned number) {
  Bytes frame = test::hex(packets::vm1_udp4);
  frame[34] = static_cast<std::uint8_t>(number >> 8);
  frame[35] = static_cast<std::uint8_t>(number);
  return frame;
}

TEST_CASE("a port with one queue is served by all workers, and each packet seen once") {
  if (router().counters().workers.size() < 2) {
    WARN("skipped: there is one CPU");
    return;
  }
  constexpr unsigned flows = 64;
  constexpr unsigned rounds = 16;
  Pair pair(true, true);
  const auto before = handed_over();
  CaptureRequest request;
  request.ports = {pair.vm};
  request.out = false;
  const auto in = router().start_capture(request);
  const auto trace = router().start_trace({{pair.vm}, {}, flows});
  REQUIRE((in && trace));
  for (unsigned i = 0; i < rounds * flows; ++i) {
    REQUIRE(router().inject({Injection::ToPort{pair.vm}, vm_flow(i % flows)}));
    if (i % flows == flows - 1) router().drain_events(pair.seen);
  }
  CHECK(within(15, [&] { return counters_of(pair.fabric).tx.packets == rounds * flows; }));
  CHECK(counters_of(pair.vm).rx.packets == rounds * flows);
  const auto after = handed_over();
  CHECK(after.off - before.off == after.over - before.over);
  // Of 64 flows about half belong to the worker that does not poll.
  CHECK(after.off - before.off > rounds * flows / 8);
  CHECK(after.off - before.off < rounds * flows * 7 / 8);
  CHECK((after.off - before.off) % rounds == 0);  // whole flows
  CHECK(pair.see([&] { return pair.seen.frames.size() == rounds * flows; }));
  CHECK(router().stop_observer(*in).taken == rounds * flows);
  CHECK(pair.see([&] { return pair.seen.traces.size() == flows; }));
  CHECK(router().stop_observer(*trace).taken == flows);
  std::map<Bytes, unsigned> seen;
  for (const auto& frame : pair.seen.frames) ++seen[frame.bytes];
  CHECK(seen.size() == flows);
}

/// The worker on a CPU stands still meanwhile, in the handler of a signal.
class Stalled {
 public:
  explicit Stalled(unsigned cpu) {
    struct sigaction action {};
    action.sa_handler = [](int) {
      standing_.store(true);
      while (!go_.load()) rte_pause();
      standing_.store(false);
    };
    sigaction(SIGUSR2, &action, nullptr);
    go_.store(false);
    REQUIRE(tgkill(getpid(), thread_on(cpu), SIGUSR2) == 0);
    REQUIRE(within(2, [] { return standing_.load(); }));
  }
  ~Stalled() { go(); }
  Stalled(const Stalled&) = delete;
  Stalled& operator=(const Stalled&) = delete;
  static void go() {
    go_.store(true);
    while (standing_.load()) rte_pause();
  }

 private:
  static pid_t thread_on(unsigned cpu) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::ifstream(task.path() / "comm") >> name;
      const pid_t thread = std::stoi(task.path().filename());
      cpu_set_t allowed;
      const bool known = sched_getaffinity(thread, sizeof allowed, &allowed) == 0;
      if (known && name.find("worker") != std::string::npos && CPU_COUNT(&allowed) == 1 &&
          CPU_ISSET(cpu, &allowed)) {
        return thread;
      }
    }
    throw std::runtime_error("no worker on this CPU");
  }
  inline static std::atomic<bool> standing_{false};
  inline static std::atomic<bool> go_{false};
};

TEST_CASE("a worker that stands still gets what its ring holds, if the port is there still") {
  if (router().counters().workers.size() < 2) {
    WARN("skipped: there is one CPU");
    return;
  }
  Pair pair(true, true);
  const auto workers = router().counters().workers;
  const auto other = std::find_if(workers.begin(), workers.end(), [](const auto& worker) {
    return std::find(worker.queues.begin(), worker.queues.end(), "vm/0") == worker.queues.end();
  });
  REQUIRE(other != workers.end());
  const auto before = handed_over();
  const auto gone = drops(DropReason::arrival_port_gone);
  const auto full = drops(DropReason::handoff_ring_full);
  const bool port_goes = GENERATE(false, true);
  constexpr unsigned sent = 4 * Inbox::capacity;
  std::uint64_t handed = 0;
  {
    const Stalled stalled(other->lcore);
    for (unsigned i = 0; i < sent; ++i) {
      while (!router().inject({Injection::ToPort{pair.vm}, vm_flow(i)})) rte_pause();
    }
    REQUIRE(within(15, [&] { return counters_of(pair.vm).rx.packets == sent; }));
    handed = handed_over().off - before.off;
    CHECK(handed == Inbox::capacity);  // of about twice as many
    const auto lost = drops(DropReason::handoff_ring_full) - full;
    CHECK(lost > Inbox::capacity / 2);
    CHECK(within(2, [&] { return counters_of(pair.fabric).tx.packets == sent - handed - lost; }));
    CHECK(handed_over().over == before.over);
    if (port_goes) {
      Pair::apply(test::without(pair.world));
      pair.world.ports.clear();
    }
  }
  REQUIRE(within(2, [&] { return handed_over().over - before.over == handed; }));
  const auto lost = drops(DropReason::handoff_ring_full) - full;
  CHECK(drops(DropReason::arrival_port_gone) - gone == (port_goes ? handed : 0));
  CHECK(within(2, [&] {
    return counters_of(pair.fabric).tx.packets == sent - lost - (port_goes ? handed : 0);
  }));
}

TEST_CASE("packets of a port that goes are sent or counted as lost, and no buffer stays behind") {
  if (router().counters().workers.size() < 2) {
    WARN("skipped: there is one CPU");
    return;
  }
  Pair::reclaim();
  const unsigned free_before = free_buffers();
  const auto lost = [] {
    const auto all = router().counters().drops;
    return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
  };
  std::uint64_t in_rings = 0;  // of devices that nobody polls any more; they go with them
  for (unsigned round = 0; round < 20; ++round) {
    Pair pair(true, true);
    const std::uint64_t lost_before = lost();
    for (unsigned i = 0; i < 512; ++i) {
      REQUIRE(router().inject({Injection::ToPort{pair.vm}, vm_flow(i)}));
    }
    REQUIRE(within(2, [&] { return counters_of(pair.vm).rx.packets > 0; }));
    Pair::apply(test::without(pair.world));  // while packets are on their way between workers
    pair.world.ports.clear();
    REQUIRE(within(2, [&] { return counters_of(pair.vm).tx.packets == 512; }));
    const auto arrived = [&] {
      return counters_of(pair.vm).rx.packets + counters_of(pair.fabric).rx.packets;
    };
    // What comes back from the fabric's ring is not for this router.
    CHECK(within(2, [&] {
      return arrived() == counters_of(pair.fabric).tx.packets + lost() - lost_before;
    }));
    in_rings += 512 + counters_of(pair.fabric).tx.packets - arrived();
    router().drain_events(pair.seen);  // what had no route any more, for ICMP
    REQUIRE(router().close_port(pair.vm));
    const PortId old = std::exchange(pair.vm, PortId{});
    Pair::reclaim();
    const PortId anew = Pair::open("anew", true);
    CHECK(anew.index() == old.index());
    CHECK(counters_of(anew).rx.packets == 0);
    REQUIRE(router().close_port(anew));
  }
  Pair::reclaim();
  CHECK(within(2, [&] { return free_buffers() + in_rings == free_before; }));
}

}  // namespace
}  // namespace weft::io::handoff_test
