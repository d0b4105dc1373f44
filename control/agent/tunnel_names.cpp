#include "agent/tunnel_names.hpp"

#include <fmt/format.h>

#include <charconv>

namespace weft::agent {
namespace {

/// `digits`: at most eight of them.
std::optional<std::uint32_t> hexadecimal(std::string_view digits, std::uint32_t most) {
  std::uint32_t number = 0;
  const auto* const last = digits.data() + digits.size();
  const auto [end, failed] = std::from_chars(digits.data(), last, number, 16);
  if (digits.empty() || failed != std::errc() || end != last || number > most) return std::nullopt;
  return number;
}

}  // namespace

std::optional<TunnelOption> parse_option(std::string_view text) {
  const auto first = text.find(':');
  const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto option_class = hexadecimal(text.substr(0, first), 0xffff);
  const auto type = hexadecimal(text.substr(first + 1, second - first - 1), 0xff);
  std::string_view data = text.substr(second + 1);
  if (!option_class || !type || data.size() % 8 != 0 || data.size() > 2 * max_option_data) {
    return std::nullopt;
  }
  TunnelOption option{
      static_cast<std::uint16_t>(*option_class), static_cast<std::uint8_t>(*type), {}};
  for (; !data.empty(); data.remove_prefix(2)) {
    const auto byte = hexadecimal(data.substr(0, 2), 0xff);
    if (!byte) return std::nullopt;
    option.data.push_back(static_cast<std::uint8_t>(*byte));
  }
  return option;
}

std::string option_text(const TunnelOption& option) {
  std::string text = fmt::format("{:04x}:{:02x}:", option.option_class, option.type);
  for (const std::uint8_t byte : option.data) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace weft::agent
