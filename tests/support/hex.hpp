#pragma once
/// Bytes written as hexadecimal text, for expected packets.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::test {

/// Pairs of digits; white space is skipped.
inline std::vector<std::uint8_t> hex(std::string_view text) {
  std::vector<std::uint8_t> out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int nibble = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (high < 0) {
      high = nibble;
    } else {
      out.push_back(static_cast<std::uint8_t>(high << 4 | nibble));
      high = -1;
    }
  }
  return out;
}

/// The same backwards, so that a failing comparison can be read.
inline std::string to_hex(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) out += {digits[byte >> 4], digits[byte & 15]};
  return out;
}

}  // namespace weft::test
