#pragma once
/// Records by number, and the numbers that nobody uses: each thread keeps some at hand, the rest is
/// shared and changes hands in chunks, without locks.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "tables/reserved_array.hpp"

namespace weft {

/// A free record leads to the next of its chunk, the first of a chunk to the next chunk.
struct FlowPoolLink {
  std::atomic<std::uint32_t> next;
  std::atomic<std::uint32_t> next_chunk;
};

/// `Record` has a member FlowPoolLink `link`.
template <class Record>
class FlowPool {
 public:
  static constexpr std::uint32_t chunk = 64;
  /// What one thread has at hand.
  using Hand = std::vector<std::uint32_t>;

  /// Holds the numbers from 1 to `sessions`, in whole chunks.
  explicit FlowPool(std::size_t sessions, Pages pages = Pages::transparent)
      : capacity_(static_cast<std::uint32_t>((sessions + chunk - 1) / chunk * chunk)),
        records_(capacity_ + 1, pages),
        shared_(capacity_) {}

  [[nodiscard]] Record& operator[](std::uint32_t number) { return records_[number]; }
  [[nodiscard]] const Record& operator[](std::uint32_t number) const { return records_[number]; }

  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t hugepage_bytes() const { return records_.hugepage_bytes(); }
  /// No number above it was ever taken.
  [[nodiscard]] std::uint32_t frontier() const { return frontier_.load(std::memory_order_relaxed); }
  /// Those in nobody's hand.
  [[nodiscard]] std::uint32_t shared() const { return shared_.load(std::memory_order_relaxed); }

  /// 0: none is left.
  std::uint32_t take(Hand& hand) {
    if (hand.empty() && !fetch(hand)) return 0;
    const std::uint32_t session = hand.back();
    hand.pop_back();
    return session;
  }
  void give(Hand& hand, std::uint32_t session) {
    hand.push_back(session);
    if (hand.size() >= std::size_t{2} * chunk) share(hand);
  }

 private:
  bool fetch(Hand& hand) {
    std::uint64_t top = chunks_.load(std::memory_order_acquire);
    while (first_of(top) != 0) {
      const std::uint32_t below =
          records_[first_of(top)].link.next_chunk.load(std::memory_order_relaxed);
      if (!chunks_.compare_exchange_weak(top, above(top, below), std::memory_order_acq_rel)) {
        continue;
      }
      for (std::uint32_t s = first_of(top); s != 0;
           s = records_[s].link.next.load(std::memory_order_relaxed)) {
        hand.push_back(s);
      }
      shared_.fetch_sub(chunk, std::memory_order_relaxed);
      return true;
    }
    std::uint32_t used = frontier_.load(std::memory_order_relaxed);
    do {
      if (used == capacity_) return false;
    } while (!frontier_.compare_exchange_weak(used, used + chunk, std::memory_order_relaxed));
    for (std::uint32_t i = chunk; i > 0; --i) hand.push_back(used + i);
    shared_.fetch_sub(chunk, std::memory_order_relaxed);
    return true;
  }
  void share(Hand& hand) {
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < chunk; ++i) {
      records_[hand.back()].link.next.store(next, std::memory_order_relaxed);
      next = hand.back();
      hand.pop_back();
    }
    std::uint64_t top = chunks_.load(std::memory_order_relaxed);
    do {
      records_[next].link.next_chunk.store(first_of(top), std::memory_order_relaxed);
    } while (!chunks_.compare_exchange_weak(top, above(top, next), std::memory_order_acq_rel));
    shared_.fetch_add(chunk, std::memory_order_relaxed);
  }

  /// The top of the stack of chunks: a number, and above it a count of changes, so that a chunk
  /// which came back in the meantime is not taken for the one that was there.
  static std::uint32_t first_of(std::uint64_t top) { return static_cast<std::uint32_t>(top); }
  static std::uint64_t above(std::uint64_t top, std::uint32_t first) {
    return ((top >> 32) + 1) << 32 | first;
  }

  std::uint32_t capacity_;
  ReservedArray<Record> records_;
  std::atomic<std::uint64_t> chunks_{0};
  std::atomic<std::uint32_t> frontier_{0};
  std::atomic<std::uint32_t> shared_;
};

}  // namespace weft
