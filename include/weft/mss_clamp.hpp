#pragma once
/// To what TCP's largest segment (MSS, RFC 9293 §3.7.1) is lowered for what goes a way.

#include <cstdint>

namespace weft {

struct MssClamp {
  enum class Mode : std::uint8_t {
    off,
    fixed,      ///< to `bytes`
    automatic,  ///< to what the way's MTU leaves beside IP and TCP headers without options
  };
  Mode mode = Mode::off;
  std::uint16_t bytes = 0;
  friend constexpr bool operator==(const MssClamp&, const MssClamp&) = default;
};
inline constexpr std::uint16_t least_mss = 64;
inline constexpr std::uint16_t most_mss = 65495;

}  // namespace weft
