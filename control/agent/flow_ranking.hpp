#pragma once
/// The largest of many sessions, of which no more than these are kept.

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "weft/flow.hpp"

namespace weft::agent {

/// `found`: as they come; else the largest first. Packets and bytes are those of both directions.
enum class FlowOrder : std::uint8_t { found, packets, bytes, age, idle };
constexpr std::string_view to_string(FlowOrder order) {
  constexpr std::string_view names[] = {"found", "packets", "bytes", "age", "idle"};
  return names[static_cast<std::size_t>(order)];
}

class FlowRanking {
 public:
  FlowRanking(FlowOrder order, std::size_t limit) : order_(order), limit_(limit) {
    records_.reserve(limit);  // to grow means to copy all of them at once
    places_.reserve(limit);
  }

  void add(const FlowRecord& record) {
    const Place place{rank(record), seen_++, records_.size()};
    if (places_.size() < limit_) {
      records_.push_back(record);
      places_.push_back(place);
    } else {
      if (!before(place, places_.front())) return;
      std::ranges::pop_heap(places_, before);
      const std::size_t slot = places_.back().slot;
      records_[slot] = record;
      places_.back() = {place.rank, place.turn, slot};
    }
    std::ranges::push_heap(places_, before);
  }
  /// Once, when all were added.
  void sort() {
    std::ranges::sort_heap(places_, before);
    sorted_ = true;
  }
  [[nodiscard]] bool sorted() const { return sorted_; }

  /// Of all that were added.
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  [[nodiscard]] const FlowRecord& operator[](std::size_t i) const {
    return records_[places_[i].slot];
  }

 private:
  struct Place {
    std::uint64_t rank;
    std::uint64_t turn;  ///< of those of the same rank the first comes first
    std::size_t slot;
  };
  static bool before(const Place& a, const Place& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.turn < b.turn;
  }
  [[nodiscard]] std::uint64_t rank(const FlowRecord& r) const {
    switch (order_) {
      case FlowOrder::found:
        return 0;
      case FlowOrder::packets:
        return r.forward.packets + r.reverse.packets;
      case FlowOrder::bytes:
        return r.forward.bytes + r.reverse.bytes;
      case FlowOrder::age:
        return r.age_ms;
      case FlowOrder::idle:
        return r.idle_ms;
    }
    return 0;
  }

  FlowOrder order_;
  std::size_t limit_;
  std::uint64_t seen_ = 0;
  bool sorted_ = false;
  std::vector<FlowRecord> records_;
  std::vector<Place> places_;  ///< a heap, the last of them on top, until it is sorted
};

}  // namespace weft::agent
