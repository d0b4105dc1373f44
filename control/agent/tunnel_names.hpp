#pragma once
/// How tunnels' parts are written in `weft.yaml` and shown.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "weft/tunnel.hpp"

namespace weft::agent {

/// By the names of RFC 8986 §4. Left out are those that take either version of IP for a VIF: two
/// behaviours of one SID, which are meant where a decap names a VIF alone.
inline constexpr std::array<std::pair<std::string_view, SegmentBehaviour>, 7> segment_behaviours{{
    {"End", SegmentBehaviour::end},
    {"End.X", SegmentBehaviour::end_x},
    {"End.DT4", SegmentBehaviour::dt4},
    {"End.DT6", SegmentBehaviour::dt6},
    {"End.DT46", SegmentBehaviour::dt46},
    {"End.DX4", SegmentBehaviour::dx4},
    {"End.DX6", SegmentBehaviour::dx6},
}};
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
