#pragma once
/// VXLAN-GPE header (draft-ietf-nvo3-vxlan-gpe §3.1).
///
///    R R Ver(2) I P B O | reserved (16) | next protocol (8)
///    VNI (24)                           | reserved (8)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct VxlanGpe {
  std::uint8_t flags = 0;
  std::uint8_t reserved[2]{};
  std::uint8_t next_protocol = 0;
  be32 vni_reserved;

  static constexpr std::uint8_t version_bits = 0x30;
  static constexpr std::uint8_t vni_valid = 0x08;
  static constexpr std::uint8_t next_protocol_valid = 0x04;
  static constexpr std::uint8_t oam = 0x01;

  enum NextProtocol : std::uint8_t { ipv4 = 1, ipv6 = 2, ethernet = 3, nsh = 4 };

  [[nodiscard]] std::uint32_t vni() const { return vni_reserved.get() >> 8; }
};
static_assert(sizeof(VxlanGpe) == 8 && alignof(VxlanGpe) == 1);

}  // namespace weft::wire
