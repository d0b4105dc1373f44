#pragma once
/// A bounded ring of records of varied length, one producer and one consumer. Its memory is taken
/// and touched at once, so that neither of them ever allocates or faults.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::io {

class RecordRing {
 public:
  /// `bytes` is rounded up to a power of two. A record may take a quarter of it.
  explicit RecordRing(std::size_t bytes) : memory_(std::bit_ceil(bytes)) {}

  // Producer.
  /// Room for a record, aligned to eight bytes; nullptr: full. It becomes visible by publish().
  std::uint8_t* claim(std::size_t bytes) {
    const std::size_t need = whole(bytes);
    std::size_t at = head_.load(std::memory_order_relaxed);
    std::size_t free = memory_.size() - (at - tail_.load(std::memory_order_acquire));
    const std::size_t to_end = memory_.size() - offset(at);
    if (need > memory_.size() / 4) return nullptr;
    if (need > to_end) {  // a record lies in one piece: skip what is left of this turn
      if (free < to_end + need) return nullptr;
      write_size(at, skip);
      at += to_end;
      free -= to_end;
    }
    if (free < need) return nullptr;
    write_size(at, bytes);
    claimed_ = at + need;
    return &memory_[offset(at) + sizeof(std::uint64_t)];
  }
  void publish() { head_.store(claimed_, std::memory_order_release); }

  // Consumer.
  /// The oldest record, empty where there is none; it lives until pop().
  std::span<const std::uint8_t> front() {
    std::size_t at = tail_.load(std::memory_order_relaxed);
    if (at == head_.load(std::memory_order_acquire)) return {};
    if (read_size(at) == skip) {
      at += memory_.size() - offset(at);
      tail_.store(at, std::memory_order_release);
    }
    return {&memory_[offset(at) + sizeof(std::uint64_t)], read_size(at)};
  }
  void pop() {
    const std::size_t at = tail_.load(std::memory_order_relaxed);
    tail_.store(at + whole(read_size(at)), std::memory_order_release);
  }
  [[nodiscard]] bool empty() const {
    return tail_.load(std::memory_order_relaxed) == head_.load(std::memory_order_acquire);
  }

 private:
  static constexpr std::uint64_t skip = ~std::uint64_t{0};
  static std::size_t whole(std::size_t bytes) {
    return (sizeof(std::uint64_t) + bytes + 7) & ~std::size_t{7};
  }
  [[nodiscard]] std::size_t offset(std::size_t at) const { return at & (memory_.size() - 1); }
  void write_size(std::size_t at, std::uint64_t bytes) {
    std::memcpy(&memory_[offset(at)], &bytes, sizeof bytes);
  }
  [[nodiscard]] std::uint64_t read_size(std::size_t at) const {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, &memory_[offset(at)], sizeof bytes);
    return bytes;
  }

  std::vector<std::uint8_t> memory_;
  std::size_t claimed_ = 0;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace weft::io
