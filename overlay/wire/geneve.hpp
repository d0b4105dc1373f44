#pragma once
/// GENEVE header (RFC 8926 §3.4) and option (§3.5).
///
///    version(2) options(6) | O C reserved(6) | protocol type
///    VNI (24)                                | reserved (8)
///
///    class (16) | type (8) | R R R length(5)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Geneve {
  std::uint8_t version_options = 0;  ///< options in words of four bytes
  std::uint8_t flags = 0;
  be16 protocol;  ///< an EtherType
  be32 vni_reserved;

  static constexpr std::uint8_t control = 0x80;
  static constexpr std::uint8_t critical = 0x40;  ///< there are critical options

  [[nodiscard]] unsigned version() const { return version_options >> 6; }
  [[nodiscard]] std::size_t options_bytes() const { return (version_options & 0x3fU) * 4; }
  [[nodiscard]] std::uint32_t vni() const { return vni_reserved.get() >> 8; }
};
static_assert(sizeof(Geneve) == 8 && alignof(Geneve) == 1);

struct GeneveOption {
  be16 option_class;
  std::uint8_t type = 0;
  std::uint8_t length = 0;  ///< of what follows, in words of four bytes

  static constexpr bool is_critical(std::uint8_t option_type) { return option_type >> 7 != 0; }

  [[nodiscard]] std::size_t bytes() const {
    return sizeof(GeneveOption) + (length & 0x1fU) * std::size_t{4};
  }
};
static_assert(sizeof(GeneveOption) == 4 && alignof(GeneveOption) == 1);

}  // namespace weft::wire
