#include "agent/tunnel_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

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

/// Two digits each.
std::optional<std::vector<std::uint8_t>> bytes(std::string_view digits) {
  std::vector<std::uint8_t> out;
  if (digits.size() % 2 != 0) return std::nullopt;
  for (; !digits.empty(); digits.remove_prefix(2)) {
    const auto byte = hexadecimal(digits.substr(0, 2), 0xff);
    if (!byte) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(*byte));
  }
  return out;
}

std::string digits(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::optional<TunnelOption> parse_option(std::string_view text, bool metadata) {
  const auto first = text.find(':');
  const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto option_class = hexadecimal(text.substr(0, first), 0xffff);
  const auto type = hexadecimal(text.substr(first + 1, second - first - 1), 0xff);
  const auto data = bytes(text.substr(second + 1));
  const std::size_t most = metadata ? max_metadata_data : max_option_data;
  if (!option_class || !type || !data || data->size() % (metadata ? 1 : 4) != 0 ||
      data->size() > most) {
    return std::nullopt;
  }
  return TunnelOption{static_cast<std::uint16_t>(*option_class), static_cast<std::uint8_t>(*type),
                      *data};
}

std::string option_text(const TunnelOption& option) {
  return fmt::format("{:04x}:{:02x}:", option.option_class, option.type) + digits(option.data);
}

std::optional<NshContext> parse_context(std::string_view text) {
  const auto read = bytes(text);
  NshContext context{};
  if (!read || read->size() != context.size()) return std::nullopt;
  std::ranges::copy(*read, context.begin());
  return context;
}
std::string context_text(const NshContext& context) { return digits(context); }

std::optional<std::uint64_t> parse_header_bits(std::string_view text) {
  const auto read = bytes(text);
  if (!read || read->size() != sizeof(std::uint64_t)) return std::nullopt;
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : *read) bits = bits << 8 | byte;
  return bits;
}
std::string header_bits_text(std::uint64_t bits) { return fmt::format("{:016x}", bits); }

std::string network_text(TunnelKind kind, std::uint32_t network,
                         const std::vector<std::uint32_t>& labels) {
  const std::string_view name = describe(kind).network;
  if (name.empty()) return "";
  if (has_nsh(kind)) return fmt::format("{} {}/{}", name, network >> 8, network & 0xff);
  std::string text = std::string(name) + " ";
  for (const std::uint32_t label : labels) text += std::to_string(label) + "/";
  return text + std::to_string(network);
}

}  // namespace weft::agent
