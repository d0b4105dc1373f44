#pragma once
/// Ethernet II header (IEEE 802.3).
///
///    destination (6) | source (6) | EtherType (2)

#include <cstdint>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"

namespace weft::wire {

enum class EtherType : std::uint16_t {
  ipv4 = 0x0800,
  arp = 0x0806,
  vlan = 0x8100,
  ipv6 = 0x86dd,
};

struct Ethernet {
  MacAddress destination;
  MacAddress source;
  be16 ether_type;
};
static_assert(sizeof(Ethernet) == 14 && alignof(Ethernet) == 1);

}  // namespace weft::wire
