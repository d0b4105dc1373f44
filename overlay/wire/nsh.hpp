#pragma once
/// Network Service Header (RFC 8300 §2.2, §2.3): base header and service path header.
///
///    Ver(2) O U TTL(6) length(6, in words of four bytes) | U(4) MD type(4) | next protocol (8)
///    service path identifier (24)                        | service index (8)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Nsh {
  be16 first;  ///< version, O, TTL, length
  std::uint8_t md_type = 0;
  std::uint8_t next_protocol = 0;
  be32 path;

  static constexpr std::uint16_t ether_type = 0x894f;
  static constexpr std::uint16_t version_bits = 0xc000;
  static constexpr std::uint16_t oam = 0x2000;
  static constexpr std::uint8_t md_type_bits = 0x0f;
  static constexpr std::uint8_t first_ttl = 63;

  enum MdType : std::uint8_t { fixed = 1, variable = 2 };
  enum NextProtocol : std::uint8_t { ipv4 = 1, ipv6 = 2, ethernet = 3 };

  /// `bytes`: of the header, context included, in whole words.
  static Nsh make(std::size_t bytes, MdType type, std::uint32_t path) {
    Nsh made;
    made.first = static_cast<std::uint16_t>(first_ttl << ttl_shift | bytes / 4);
    made.md_type = type;
    made.next_protocol = ethernet;
    made.path = path;
    return made;
  }
  [[nodiscard]] std::size_t bytes() const { return std::size_t{first.get() & 0x3fU} * 4; }
  [[nodiscard]] std::uint8_t ttl() const { return first.get() >> ttl_shift & ttl_mask; }
  /// RFC 8300 §2.2: down by one, 0 becomes 63.
  void decrement_ttl() {
    const unsigned less = (ttl() + ttl_mask) & ttl_mask;
    first =
        static_cast<std::uint16_t>((first.get() & ~(ttl_mask << ttl_shift)) | less << ttl_shift);
  }

 private:
  static constexpr unsigned ttl_shift = 6;
  static constexpr unsigned ttl_mask = 0x3f;
};
static_assert(sizeof(Nsh) == 8 && alignof(Nsh) == 1);

/// What stands in front of each piece of metadata of MD type 2 (RFC 8300 §2.5.1).
struct NshMetadata {
  be16 metadata_class;
  std::uint8_t type = 0;
  std::uint8_t bytes = 0;  ///< of the data, without padding to whole words; its first bit is unused
};
static_assert(sizeof(NshMetadata) == 4 && alignof(NshMetadata) == 1);

}  // namespace weft::wire
