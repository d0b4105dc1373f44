#pragma once
/// An array of zeroed elements whose address never changes: address space is reserved at once,
/// memory comes with the first touch.

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class ReservedArray {
  static_assert(std::is_trivially_destructible_v<T>, "elements are never destroyed");

 public:
  /// Throws std::bad_alloc when the kernel refuses the address space.
  explicit ReservedArray(std::size_t count, bool large_pages = false) : count_(count) {
    void* at = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    if (large_pages) madvise(at, bytes(), MADV_HUGEPAGE);
    at_ = static_cast<T*>(at);
  }
  ReservedArray(ReservedArray&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), count_(other.count_) {}
  ReservedArray& operator=(ReservedArray&&) = delete;
  ~ReservedArray() {
    if (at_ != nullptr) munmap(at_, bytes());
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return at_[i]; }
  const T& operator[](std::size_t i) const { return at_[i]; }

 private:
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }
  T* at_;
  std::size_t count_;
};

}  // namespace weft
