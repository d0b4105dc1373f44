#pragma once
/// Segment Routing Header of IPv6 (RFC 8754 §2).
///
///    next header | length in 8 bytes behind the first | routing type 4 | segments left
///    last entry  | flags                              | tag (16)
///    segment list, of which the last to be visited comes first (16 each)
///    TLVs

#include <cstdint>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"

namespace weft::wire {

struct SegmentRouting {
  std::uint8_t next_header = 0;
  std::uint8_t length = 0;
  std::uint8_t routing_type = type;
  std::uint8_t segments_left = 0;
  std::uint8_t last_entry = 0;
  std::uint8_t flags = 0;
  be16 tag;

  static constexpr std::uint8_t type = 4;
  static constexpr std::uint8_t protocol = 43;  ///< of any routing header

  [[nodiscard]] std::size_t bytes() const { return (length + 1U) * std::size_t{8}; }
  /// How many segments have room in it.
  [[nodiscard]] unsigned room() const { return length / 2U; }
};
static_assert(sizeof(SegmentRouting) == 8 && alignof(SegmentRouting) == 1);

}  // namespace weft::wire
