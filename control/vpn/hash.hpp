#pragma once
/// Hashes of values that are made of several.

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

namespace weft::vpn {

class Hasher {
 public:
  Hasher& add(std::uint64_t value) {
    state_ = (state_ ^ value) * 0x9e3779b97f4a7c15;
    state_ ^= state_ >> 32;
    return *this;
  }
  /// At most eight bytes.
  Hasher& add(std::span<const std::uint8_t> bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return add(value);
  }
  Hasher& add(std::string_view text) {
    return add(static_cast<std::uint64_t>(std::hash<std::string_view>{}(text)));
  }
  [[nodiscard]] std::size_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3;
};

}  // namespace weft::vpn
