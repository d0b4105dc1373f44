#pragma once
/// TSC ticks of one thread that stand still while another process has its CPU.

#include <rte_cycles.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "tables/counters.hpp"

namespace weft::bench {

/// One thread asks for the time; others may read the counters.
class OwnClock {
 public:
  explicit OwnClock(double tsc_hz) : ticks_a_ns_(tsc_hz / 1e9) {}

  /// The thread's own ticks since its first question. The kernel is asked at most every 50 µs, so
  /// shorter absences may count as the thread's own until then.
  std::uint64_t now() {
    std::uint64_t tsc = rte_rdtsc();
    if (read_tsc_ == 0) begin(tsc);
    if (anew_.load(std::memory_order_relaxed)) count_anew();
    if (static_cast<double>(tsc - read_tsc_) > 50e3 * ticks_a_ns_) tsc = look();
    const std::uint64_t own = tsc - start_tsc_ - std::min(away_.get(), tsc - start_tsc_);
    const std::uint64_t gap = std::max(own, last_) - last_;
    if (gap > longest_gap_.load(std::memory_order_relaxed)) longest_gap_ = gap;
    last_ = own;
    return own;
  }

  /// From any thread: absences() and the longest ones are counted from the next question on.
  void restart() { anew_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t away_ticks() const { return away_.get(); }
  [[nodiscard]] std::uint64_t absences() const { return absences_.load(); }
  [[nodiscard]] double longest_absence_ms() const {
    return static_cast<double>(longest_.load()) / ticks_a_ns_ / 1e6;
  }
  /// The longest own time between two questions; interrupts are in it.
  [[nodiscard]] double longest_gap_us() const {
    return static_cast<double>(longest_gap_.load()) / ticks_a_ns_ / 1e3;
  }

 private:
  static double thread_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  }
  void begin(std::uint64_t tsc) {
    start_tsc_ = read_tsc_ = tsc;
    read_ns_ = thread_ns();
  }
  void count_anew() {
    anew_.store(false, std::memory_order_relaxed);
    absences_ = longest_ = longest_gap_ = 0;
  }
  std::uint64_t look() {
    const double ns = thread_ns();
    const std::uint64_t tsc = rte_rdtsc();
    const double away = static_cast<double>(tsc - read_tsc_) - (ns - read_ns_) * ticks_a_ns_;
    read_tsc_ = tsc;
    read_ns_ = ns;
    constexpr double noise_ns = 2000;
    if (away < noise_ns * ticks_a_ns_) return tsc;
    const auto ticks = static_cast<std::uint64_t>(away);
    away_.add(ticks);
    absences_.fetch_add(1, std::memory_order_relaxed);
    longest_.store(std::max(ticks, longest_.load()), std::memory_order_relaxed);
    return tsc;
  }

  double ticks_a_ns_;
  std::uint64_t start_tsc_ = 0;
  std::uint64_t read_tsc_ = 0;
  double read_ns_ = 0;
  Counter away_;
  std::atomic<std::uint64_t> absences_{0};
  std::atomic<std::uint64_t> longest_{0};
  std::uint64_t last_ = 0;  // what now() answered
  std::atomic<std::uint64_t> longest_gap_{0};
  std::atomic<bool> anew_{false};
};

}  // namespace weft::bench
