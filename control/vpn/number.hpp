#pragma once
/// Decimal numbers in texts.

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace weft::vpn {

/// Digits alone, and at most `most`.
inline std::optional<std::uint64_t> parse_number(
    std::string_view text, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (text.empty() || failed != std::errc() || stopped != end || number > most) return std::nullopt;
  return number;
}

}  // namespace weft::vpn
