#pragma once
/// What became of packets that were looked at on the worker's thread; counters for all threads.

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft::bench {

class Verdicts {
 public:
  /// On the worker's thread. `fault`: what is wrong with the packet, or null.
  void note(std::span<const std::uint8_t> frame, const char* fault);

  [[nodiscard]] std::uint64_t judged() const { return judged_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t mixed() const { return mixed_.load(std::memory_order_acquire); }
  /// Of the first packet that was mixed: what is wrong, and its bytes.
  [[nodiscard]] std::string first_mixed() const;

 private:
  std::atomic<std::uint64_t> judged_{0};
  std::atomic<std::uint64_t> mixed_{0};
  const char* first_fault_ = nullptr;  ///< before the first count of mixed_
  std::vector<std::uint8_t> first_frame_;
};

}  // namespace weft::bench
