#pragma once
/// How tunnels' parts are written in `weft.yaml` and shown.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/tunnel.hpp"

namespace weft::agent {

constexpr std::string_view behaviour_text(SegmentBehaviour behaviour) {
  for (const auto& [name, value] : segment_behaviours) {
    if (value == behaviour) return name;
  }
  return "End.DX4, End.DX6";
}

/// CLASS:TYPE:DATA in hexadecimal, like 0102:80:0000002a: an option of GENEVE, or metadata of NSH.
std::optional<TunnelOption> parse_option(std::string_view text, bool metadata = false);
std::string option_text(const TunnelOption& option);

/// Of NSH with MD type 1: 32 hexadecimal digits.
using NshContext = std::array<std::uint8_t, nsh_context_bytes>;
std::optional<NshContext> parse_context(std::string_view text);
std::string context_text(const NshContext& context);

/// The first eight bytes of a header: 16 hexadecimal digits.
std::optional<std::uint64_t> parse_header_bits(std::string_view text);
std::string header_bits_text(std::uint64_t bits);

/// What tells a tunnel's network, like "vni 100", "label 100/200" or "path 5/255".
std::string network_text(TunnelKind kind, std::uint32_t network,
                         const std::vector<std::uint32_t>& labels);

}  // namespace weft::agent
