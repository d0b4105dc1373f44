#pragma once
/// ARP for IPv4 over Ethernet (RFC 826; probes and announcements RFC 5227).
///
///    hardware type (2) | protocol type (2)
///    hardware size | protocol size | operation (2)
///    sender MAC (6) | sender IP (4) | target MAC (6) | target IP (4)

#include <cstdint>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"
#include "wire/ethernet.hpp"

namespace weft::wire {

struct Arp {
  be16 hardware_type;
  be16 protocol_type;
  std::uint8_t hardware_bytes = 0;
  std::uint8_t protocol_bytes = 0;
  be16 operation;
  MacAddress sender_mac;
  be32 sender_ip;
  MacAddress target_mac;
  be32 target_ip;

  static constexpr std::uint16_t request = 1;
  static constexpr std::uint16_t reply = 2;

  /// Whether the fixed fields say IPv4 over Ethernet and a request or a reply.
  [[nodiscard]] bool well_formed() const {
    return hardware_type.get() == 1 && hardware_bytes == 6 && protocol_bytes == 4 &&
           protocol_type.get() == static_cast<std::uint16_t>(EtherType::ipv4) &&
           (operation.get() == request || operation.get() == reply);
  }
};
static_assert(sizeof(Arp) == 28 && alignof(Arp) == 1);

}  // namespace weft::wire
