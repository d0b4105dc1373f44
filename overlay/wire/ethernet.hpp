#pragma once
/// Ethernet II header (IEEE 802.3).
///
///    destination (6) | source (6) | EtherType (2)

#include <cstdint>
#include <cstring>

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

/// The last eight bytes of a header, so that one store writes them.
struct EthernetTail {
  MacAddress source;
  be16 ether_type;

  /// Whether a frame, of at least eight bytes, is addressed to `source`.
  [[nodiscard]] bool takes(const std::uint8_t* frame) const {
    std::uint64_t theirs;
    std::uint64_t ours;
    std::memcpy(&theirs, frame, sizeof theirs);
    std::memcpy(&ours, this, sizeof ours);
    return (theirs ^ ours) << 16 == 0;
  }
};
static_assert(sizeof(EthernetTail) == 8 && alignof(EthernetTail) == 1);

/// The same for what IP packets need.
struct IpEthernetTails {
  EthernetTail ipv4;
  EthernetTail ipv6;

  IpEthernetTails() : IpEthernetTails(MacAddress{}) {}
  explicit IpEthernetTails(const MacAddress& source)
      : ipv4{source, be16(static_cast<std::uint16_t>(EtherType::ipv4))},
        ipv6{source, be16(static_cast<std::uint16_t>(EtherType::ipv6))} {}
  /// `at`: where the source address begins.
  [[gnu::always_inline]] void write(std::uint8_t* at, bool v4) const {
    std::memcpy(at, v4 ? &ipv4 : &ipv6, sizeof ipv4);
  }
};

/// a == b without the call of memcmp that g++ 12 makes of it.
inline bool same(const MacAddress& a, const MacAddress& b) {
  std::uint32_t first[2];
  std::uint16_t last[2];
  std::memcpy(&first[0], &a.bytes[0], sizeof first[0]);
  std::memcpy(&first[1], &b.bytes[0], sizeof first[1]);
  std::memcpy(&last[0], &a.bytes[4], sizeof last[0]);
  std::memcpy(&last[1], &b.bytes[4], sizeof last[1]);
  return ((first[0] ^ first[1]) | static_cast<std::uint32_t>(last[0] ^ last[1])) == 0;
}

}  // namespace weft::wire
