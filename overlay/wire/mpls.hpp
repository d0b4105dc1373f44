#pragma once
/// MPLS label stack entry (RFC 3032 §2.1).
///
///    label (20) | traffic class (3) | bottom of stack (1) | TTL (8)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct MplsLabel {
  be32 word;

  static constexpr std::uint32_t ipv4_null = 0;  ///< explicit nulls
  static constexpr std::uint32_t ipv6_null = 2;

  static MplsLabel make(std::uint32_t label, bool bottom, std::uint8_t ttl) {
    MplsLabel made;
    made.word = label << 12 | std::uint32_t{bottom} << 8 | ttl;
    return made;
  }
  [[nodiscard]] std::uint32_t label() const { return word.get() >> 12; }
  [[nodiscard]] bool bottom() const { return (word.get() & 0x100) != 0; }
};
static_assert(sizeof(MplsLabel) == 4 && alignof(MplsLabel) == 1);

}  // namespace weft::wire
