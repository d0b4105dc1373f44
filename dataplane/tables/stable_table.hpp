#pragma once
/// Immutable objects behind stable indices: readers load a pointer, the writer swaps it.

#include <atomic>
#include <cstdint>

#include "tables/reserved_array.hpp"
#include "weft/ids.hpp"

namespace weft {

template <class T>
class StableTable {
 public:
  explicit StableTable(std::size_t capacity) : at_(capacity) {}

  [[nodiscard]] const T* get(std::uint32_t index) const {
    return index < at_.size() ? at_[index].load(std::memory_order_acquire) : nullptr;
  }
  template <class Tag>
  [[nodiscard]] const T* get(Id<Tag> id) const {
    return get(id.index());
  }
  void prefetch(std::uint32_t index) const {
    if (index < at_.size()) __builtin_prefetch(&at_[index]);
  }
  /// Publishes `object` and answers what was there, which readers may still hold.
  const T* exchange(std::uint32_t index, const T* object) {
    const T* old = at_[index].load(std::memory_order_relaxed);
    at_[index].store(object, std::memory_order_release);
    return old;
  }
  [[nodiscard]] std::size_t capacity() const { return at_.size(); }

 private:
  ReservedArray<std::atomic<const T*>> at_;
};

}  // namespace weft
