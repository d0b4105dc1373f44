// What it costs that another worker received a packet: choosing the worker, the way through its
// ring, and the packet's first bytes in another CPU's cache.
#include <benchmark/benchmark.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "bench_eal.hpp"
#include "frames.hpp"
#include "io/inbox.hpp"
#include "io/spread.hpp"

namespace {

using weft::bench::Cycles;
using weft::io::Handed;
using weft::io::Inbox;

constexpr unsigned burst = 32;
constexpr unsigned packets = 512;

/// IPv4 UDP packets of many flows, from the pool.
struct Packets {
  Packets() {
    for (std::uint32_t i = 0; i < packets; ++i) {
      rte_mbuf* mbuf = rte_pktmbuf_alloc(weft::bench::pool());
      const auto frame = weft::bench::small_frame(
          {}, {0x0a010000 + i, 0x0a020001, static_cast<std::uint16_t>(i), 53});
      std::memcpy(rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(frame.size())), frame.data(),
                  frame.size());
      all.push_back({mbuf, weft::PortId(0)});
    }
  }
  ~Packets() {
    for (const Handed& one : all) rte_pktmbuf_free(one.packet);
  }
  Packets(const Packets&) = delete;
  Packets& operator=(const Packets&) = delete;
  std::vector<Handed> all;
};

unsigned choose(std::span<const Handed> handed) {
  unsigned sum = 0;
  for (const Handed& one : handed) {
    sum += weft::io::worker_for(one.packet, 2, 0, weft::tunnel::HashSeed{});
  }
  return sum;
}

void choose_worker(benchmark::State& state) {
  const Packets made;
  std::size_t at = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(choose({&made.all[at], burst}));
    at = (at + burst) % packets;
  }
  cycles.done(burst);
}
BENCHMARK(choose_worker);

void ring_of_one_thread(benchmark::State& state) {
  const Packets made;
  Inbox inbox(0, 2);
  Cycles cycles(state);
  for (auto _ : state) {
    inbox.put(1, {made.all.data(), burst});
    inbox.take(burst, [](std::span<const Handed> handed) { benchmark::DoNotOptimize(handed); });
  }
  cycles.done(burst);
}
BENCHMARK(ring_of_one_thread);

void stay_on(unsigned cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof one, &one);
}

/// A worker that chooses for whom each packet is, and gives all of them to the other.
unsigned pass_on(Inbox& mine, unsigned from, Inbox& others) {
  unsigned passed = 0;
  mine.take(burst, [&](std::span<const Handed> handed) {
    for (const Handed& one : handed) rte_prefetch0(rte_pktmbuf_mtod(one.packet, void*));
    benchmark::DoNotOptimize(choose(handed));
    passed += others.put(from, handed).taken;
  });
  return passed;
}

/// Packets go round between two CPUs, each of which takes what the other has handed off, chooses a
/// worker for it and hands it off.
void hand_off_to_another_cpu(benchmark::State& state) {
  if (std::thread::hardware_concurrency() < 2) return state.SkipWithError("there is one CPU");
  const Packets made;
  Inbox here(0, 2);
  Inbox there(1, 2);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    stay_on(1);
    while (!stop.load(std::memory_order_relaxed)) pass_on(there, 1, here);
  });
  stay_on(0);
  there.put(0, made.all);
  std::uint64_t done = 0;
  const double start = weft::bench::thread_ns();
  for (auto _ : state) {
    for (unsigned passed = 0; passed < burst;) passed += pass_on(here, 0, there);
    done += burst;
  }
  state.counters["cycles"] =
      (weft::bench::thread_ns() - start) * weft::bench::tsc_ghz() / static_cast<double>(done);
  stop.store(true);
  other.join();
}
BENCHMARK(hand_off_to_another_cpu);

}  // namespace
