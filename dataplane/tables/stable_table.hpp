#pragma once
/// Immutable objects behind stable indices: readers load a pointer, the writer swaps it. Address
/// space is reserved for every index that an id can hold, so that a reader need not ask whether one
/// is within bounds; memory comes with the objects.

#include <atomic>
#include <cstdint>

#include "tables/reserved_array.hpp"
#include "weft/ids.hpp"

namespace weft {

template <class T>
class StableTable {
 public:
  /// Holds objects of the indices below `capacity`.
  explicit StableTable(std::size_t capacity)
      : capacity_(capacity), at_(std::size_t{1} << index_bits) {}

  /// `index` has at most 24 bits; nullptr where there is no object.
  [[nodiscard, gnu::always_inline]] const T* get(std::uint32_t index) const {
    return at_[index].load(std::memory_order_acquire);
  }
  template <class Tag>
  [[nodiscard, gnu::always_inline]] const T* get(Id<Tag> id) const {
    static_assert(Id<Tag>::index_bits == index_bits);
    return get(id.index());
  }
  /// The same for who looks many up in turn: what it needs of the table it has at hand.
  class Reader {
   public:
    explicit Reader(const StableTable& table) : at_(&table.at_[0]) {}
    [[nodiscard, gnu::always_inline]] const T* get(std::uint32_t index) const {
      return at_[index].load(std::memory_order_acquire);
    }

   private:
    const std::atomic<const T*>* at_;
  };
  [[nodiscard]] Reader reader() const { return Reader(*this); }

  /// Publishes `object` and answers what was there, which readers may still hold.
  const T* exchange(std::uint32_t index, const T* object) {
    const T* old = at_[index].load(std::memory_order_relaxed);
    at_[index].store(object, std::memory_order_release);
    return old;
  }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  static constexpr unsigned index_bits = 24;
  std::size_t capacity_;
  ReservedArray<std::atomic<const T*>> at_;
};

}  // namespace weft
