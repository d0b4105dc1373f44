#pragma once
/// How tunnels' parts are written in `weft.yaml` and shown.

#include <optional>
#include <string>
#include <string_view>

#include "weft/tunnel.hpp"

namespace weft::agent {

constexpr std::string_view behaviour_text(SegmentBehaviour behaviour) {
  for (const auto& [name, value] : segment_behaviours) {
    if (value == behaviour) return name;
  }
  return "End.DX4, End.DX6";
}

/// CLASS:TYPE:DATA in hexadecimal, like 0102:80:0000002a.
std::optional<TunnelOption> parse_option(std::string_view text);
std::string option_text(const TunnelOption& option);

}  // namespace weft::agent
