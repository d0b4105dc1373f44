#pragma once
/// VXLAN header (RFC 7348 §5).
///
///    R R R R I R R R | reserved (24)
///    VNI (24)        | reserved (8)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Vxlan {
  std::uint8_t flags = 0;
  std::uint8_t reserved[3]{};
  be32 vni_reserved;

  static constexpr std::uint8_t vni_valid = 0x08;

  [[nodiscard]] std::uint32_t vni() const { return vni_reserved.get() >> 8; }
};
static_assert(sizeof(Vxlan) == 8 && alignof(Vxlan) == 1);

}  // namespace weft::wire
