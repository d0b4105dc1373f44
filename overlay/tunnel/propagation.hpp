#pragma once
/// What the IP headers outside and inside of a tunnel tell each other: ECN by RFC 6040, DSCP by RFC
/// 2983.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

namespace weft::tunnel {

/// RFC 3168 §5: the last two bits of the traffic class.
enum class Ecn : std::uint8_t { not_ect, ect1, ect0, ce };
inline constexpr std::uint8_t ecn_mask = 0x03;
inline constexpr std::uint8_t dscp_mask = 0xfc;

/// The traffic class that comes out of a tunnel, or none where the packet must be dropped.
/// `copy_dscp`: it is the outer one's (the uniform model), else the inner one's (the pipe model).
constexpr std::optional<std::uint8_t> propagate_to_inner(std::uint8_t outer, std::uint8_t inner,
                                                         bool copy_dscp) {
  // RFC 6040 §4.2, figure 4: only these change anything.
  const Ecn outside{static_cast<std::uint8_t>(outer & ecn_mask)};
  Ecn ecn{static_cast<std::uint8_t>(inner & ecn_mask)};
  if (outside == Ecn::ce) {
    if (ecn == Ecn::not_ect) return std::nullopt;
    ecn = Ecn::ce;
  } else if (outside == Ecn::ect1 && ecn == Ecn::ect0) {
    ecn = Ecn::ect1;
  }
  return static_cast<std::uint8_t>(((copy_dscp ? outer : inner) & dscp_mask) |
                                   static_cast<std::uint8_t>(ecn));
}

/// Outer ECN fields that may change an inner one: both have this bit.
inline constexpr std::uint8_t outer_ecn_that_counts = 0x01;

/// The bits of an IP header by which one test finds out that the other header is to hear of it: in
/// its first two bytes, as they lie in memory.
class Notable {
 public:
  /// Bits of the traffic class. `all`: any packet is to be heard of.
  constexpr explicit Notable(std::uint8_t traffic_class = 0, bool all = false)
      : v4_(static_cast<std::uint16_t>(traffic_class << 8 | (all ? any_version : 0))),
        v6_(static_cast<std::uint16_t>((traffic_class & 0xf) << 12 | traffic_class >> 4 |
                                       (all ? any_version : 0))) {}

  /// Whether the IP header at `l3` has one of them.
  [[nodiscard, gnu::always_inline]] bool in(const std::uint8_t* l3, bool v4) const {
    static_assert(std::endian::native == std::endian::little);
    std::uint16_t first;
    std::memcpy(&first, l3, sizeof first);
    return (first & (v4 ? v4_ : v6_)) != 0;
  }

  [[nodiscard]] constexpr bool all() const { return (v4_ & any_version) != 0; }

 private:
  static constexpr std::uint16_t any_version = 0x40;  ///< versions 4 and 6 have that bit

  std::uint16_t v4_;
  std::uint16_t v6_;
};

}  // namespace weft::tunnel
