#pragma once
/// GRE header (RFC 2784 §2, RFC 2890 §2).
///
///    C R K S s recur(3) | flags(5) version(3) | protocol type
///    [checksum, reserved] [key] [sequence number]

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Gre {
  be16 flags;
  be16 protocol;  ///< an EtherType

  static constexpr std::uint16_t checksum_present = 0x8000;
  static constexpr std::uint16_t key_present = 0x2000;
  static constexpr std::uint16_t sequence_present = 0x1000;
  /// Routing, strict source route and recursion of RFC 1701, and the version: all of them must be
  /// zero (RFC 2784 §2.3.1, where bits 1, 4 and 5 are such, and §2.3.2).
  static constexpr std::uint16_t must_be_zero = 0x4c07;
};
static_assert(sizeof(Gre) == 4 && alignof(Gre) == 1);

/// Of the key, which follows the checksum, where there is one.
struct GreKey {
  be32 value;
};

}  // namespace weft::wire
