#pragma once
/// An array of zeroed elements whose address never changes: address space is reserved at once,
/// memory comes with the first touch, or at once where hugepages are asked for.

#include <cstddef>
#include <type_traits>

#include "tables/mapped_memory.hpp"

namespace weft {

template <class T>
class ReservedArray {
  static_assert(std::is_trivially_destructible_v<T>, "elements are never destroyed");

 public:
  /// Throws std::bad_alloc when the kernel refuses the address space.
  explicit ReservedArray(std::size_t count, Pages pages = Pages::ordinary)
      : memory_(count * sizeof(T), pages), at_(static_cast<T*>(memory_.at())), count_(count) {}

  [[nodiscard]] std::size_t size() const { return count_; }
  /// Of its elements' memory, what lies on hugepages that were set aside.
  [[nodiscard]] std::size_t hugepage_bytes() const {
    return memory_.on_hugepages() ? count_ * sizeof(T) : 0;
  }
  T& operator[](std::size_t i) { return at_[i]; }
  const T& operator[](std::size_t i) const { return at_[i]; }

 private:
  MappedMemory memory_;
  T* at_;
  std::size_t count_;
};

}  // namespace weft
