#pragma once
/// What a worker does when there is nothing to do: spin, pause, then sleep on its ports'
/// descriptors.

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace weft::io {

class Idle {
 public:
  /// `adaptive` false: never sleeps.
  Idle(bool adaptive, std::uint64_t tsc_hz);
  ~Idle();
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  void watch(std::vector<int> descriptors, bool all_have_one);
  void busy() {
    idle_since_ = 0;
    fruitless_ = 0;
  }
  /// After a turn without work: pauses, and answers whether it is time to sleep.
  bool tired(std::uint64_t now_tsc);
  /// Sleeps until a descriptor is readable, wake() is called or `limit_ms` (-1: no limit) have
  /// passed; a port without descriptor bounds it by 1 ms. `nothing_pending` is asked once more
  /// after wake() is armed.
  template <class NothingPending>
  void sleep(int limit_ms, NothingPending&& nothing_pending) {
    sleeping_.store(true, std::memory_order_seq_cst);
    if (nothing_pending()) wait(limit_ms);
    sleeping_.store(false, std::memory_order_relaxed);
  }
  /// From any thread: ends a sleep.
  void wake();

 private:
  void wait(int limit_ms);

  static constexpr double spin_seconds = 40e-6;
  static constexpr unsigned fruitless_max = 8;
  bool adaptive_;
  std::uint64_t spin_tsc_;
  std::uint64_t idle_since_ = 0;
  bool all_have_descriptors_ = false;
  unsigned fruitless_ = 0;           // wake-ups by a descriptor since a packet came
  std::vector<pollfd> descriptors_;  // the first one is the wake-up
  int wake_fd_;
  std::atomic<bool> sleeping_{false};
};

}  // namespace weft::io
