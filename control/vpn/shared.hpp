#pragma once
/// A value that copies share. It cannot be changed in place, only replaced.

#include <compare>
#include <concepts>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft::vpn {

/// Reads as a `const T&`; without a value it is `T{}`, and costs no memory.
template <class T>
class Shared {
 public:
  Shared() = default;
  template <class U>
  requires(std::convertible_to<U, T> && !std::same_as<std::remove_cvref_t<U>, Shared>)
      Shared(U&& value) {
    T made(std::forward<U>(value));
    if (made != T{}) value_ = std::make_shared<const T>(std::move(made));
  }
  Shared(std::initializer_list<typename T::value_type> values) : Shared(T(values)) {}

  const T& operator*() const {
    static const T none{};
    return value_ ? *value_ : none;
  }
  const T* operator->() const { return &**this; }
  operator const T&() const { return **this; }
  [[nodiscard]] bool empty() const { return value_ == nullptr; }
  /// How many share it.
  [[nodiscard]] long shares() const { return value_.use_count(); }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.value_ == b.value_ || *a == *b;
  }
  template <class U>
  requires(!std::same_as<U, Shared> && std::convertible_to<const U&, T>) friend bool operator==(
      const Shared& a, const U& b) {
    return *a == b;
  }
  friend std::strong_ordering operator<=>(const Shared& a, const Shared& b) {
    return a.value_ == b.value_ ? std::strong_ordering::equal : *a <=> *b;
  }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace weft::vpn
