#pragma once
/// A plain value that other threads may read at any moment.

#include <atomic>

namespace weft {

template <class T>
class Relaxed {
 public:
  constexpr Relaxed() = default;
  constexpr explicit Relaxed(T value) : value_(value) {}
  [[nodiscard, gnu::always_inline]] T get() const { return value_.load(std::memory_order_relaxed); }
  [[gnu::always_inline]] void set(T value) { value_.store(value, std::memory_order_relaxed); }
  /// For values that one thread alone writes.
  [[gnu::always_inline]] void add(T n) { set(static_cast<T>(get() + n)); }
  /// For values that several threads write; answers what it was before.
  T add_shared(T n) { return value_.fetch_add(n, std::memory_order_relaxed); }

 private:
  std::atomic<T> value_{};
};

}  // namespace weft
