#pragma once
/// DPDK for benchmarks that need packets, started at first use, on hugepages where enough are free;
/// and cycles as Google Benchmark counters.

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "packet/packet.hpp"

namespace weft::bench {

inline bool& eal_started() {
  static bool started = false;
  return started;
}

inline void stop_eal() {
  if (!eal_started()) return;
  const std::filesystem::path runtime = rte_eal_get_runtime_dir();
  rte_eal_cleanup();
  std::error_code ignored;  // DPDK leaves the directory behind
  std::filesystem::remove_all(runtime, ignored);
}

/// Whether there are the hugepages that the largest rte_hash takes, as `tools/bench micro` sees to.
inline bool hugepages() {
  constexpr unsigned wanted = 700;  // of 2 MiB
  unsigned free = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> free;
  return free >= wanted;
}

/// A pool of 4096 packets.
inline rte_mempool* pool() {
  static rte_mempool* made = [] {
    std::vector<std::string> words{"bench",
                                   "--no-pci",
                                   "--no-telemetry",
                                   "--iova-mode=va",
                                   "--log-level=error",
                                   "--lcores=0",
                                   "--file-prefix=weft-bench-" + std::to_string(getpid())};
    if (hugepages()) {
      words.emplace_back("--in-memory");
    } else {
      words.insert(words.end(), {"--no-huge", "--no-shconf", "-m", "256"});
    }
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) std::abort();
    eal_started() = true;
    rte_mempool* fresh = rte_pktmbuf_pool_create("bench", 4095, 0, sizeof(PacketMetadata),
                                                 RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (fresh == nullptr) std::abort();
    return fresh;
  }();
  return made;
}

/// Packets of the pool, into which frames are laid as if they had just come.
template <std::size_t most>
class Slots {
 public:
  Slots() {
    for (rte_mbuf*& mbuf : packets_) mbuf = rte_pktmbuf_alloc(pool());
    offset_ = packets_[0]->data_off;
  }
  ~Slots() {
    for (rte_mbuf* mbuf : packets_) rte_pktmbuf_free(mbuf);
  }
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  void lay(std::size_t place, std::span<const std::uint8_t> frame) {
    rte_mbuf* m = packets_[place];
    m->data_off = offset_;
    m->data_len = static_cast<std::uint16_t>(frame.size());
    m->pkt_len = m->data_len;
    std::memcpy(rte_pktmbuf_mtod(m, void*), frame.data(), frame.size());
  }
  [[nodiscard]] std::span<rte_mbuf* const> first(std::size_t count = most) const {
    return {packets_.data(), count};
  }

 private:
  std::array<rte_mbuf*, most> packets_{};
  std::uint16_t offset_ = 0;
};

template <class Value>
Value median(std::vector<Value> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// TSC ticks a nanosecond.
inline double tsc_ghz() {
  static const double ghz = [] {
    timespec a{};
    timespec b{};
    clock_gettime(CLOCK_MONOTONIC, &a);
    const std::uint64_t start = __rdtsc();
    do {
      clock_gettime(CLOCK_MONOTONIC, &b);
    } while ((b.tv_sec - a.tv_sec) * 1e9 + static_cast<double>(b.tv_nsec - a.tv_nsec) < 20e6);
    return static_cast<double>(__rdtsc() - start) /
           ((b.tv_sec - a.tv_sec) * 1e9 + static_cast<double>(b.tv_nsec - a.tv_nsec));
  }();
  return ghz;
}

/// What the thread has used of a CPU.
inline double thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Reports cycles an item, by the thread's own time, so that other processes do not count.
/// Construct before the loop, call done() after it.
class Cycles {
 public:
  explicit Cycles(benchmark::State& state) : state_(state), start_ns_((tsc_ghz(), thread_ns())) {}
  void done(std::size_t items_an_iteration) {
    const double spent = thread_ns() - start_ns_;
    const double items =
        static_cast<double>(state_.iterations()) * static_cast<double>(items_an_iteration);
    state_.counters["cycles"] = spent * tsc_ghz() / items;
    state_.SetItemsProcessed(static_cast<std::int64_t>(items));
  }

 private:
  benchmark::State& state_;
  double start_ns_;
};

}  // namespace weft::bench
