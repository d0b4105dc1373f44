#pragma once
/// Result<T>: a value or an Error. A small look-alike of std::expected, which g++ 12 lacks.

#include <string>
#include <utility>
#include <variant>

namespace weft {

/// What went wrong, in words for the person who can mend it: the thing, the place, the remedy.
struct Error {
  std::string message;
};

/// Holds either a T or an Error. `value()` on an error and `error()` on a value throw
/// std::bad_variant_access; test with `if (result)` first.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}
  Result(Error error) : content_(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(content_); }
  [[nodiscard]] T& value() & { return std::get<T>(content_); }
  [[nodiscard]] const T& value() const& { return std::get<T>(content_); }
  [[nodiscard]] T&& value() && { return std::get<T>(std::move(content_)); }
  [[nodiscard]] const Error& error() const { return std::get<Error>(content_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

/// A Result that carries no value.
using Status = Result<std::monostate>;
inline Status ok() { return std::monostate{}; }

}  // namespace weft
