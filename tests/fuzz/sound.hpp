#pragma once
/// Whether a packet that the router made or sends is sound, judged the slow way.

#include <string>

#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"

namespace weft::fuzz {

/// The IP header: its lengths fill `packet`, its checksum is right.
inline void require_sound_header(Bytes packet, std::string_view what) {
  require(packet.size() >= 20, what);
  if (packet[0] >> 4 == 4) {
    const std::size_t header = (packet[0] & 15U) * std::size_t{4};
    require(header >= 20 && header <= packet.size(), what);
    require(get16(packet, 2) == packet.size(), what);
    require(test::naive_sum(packet.first(header)) == 0xffff, what);
  } else {
    require(packet[0] >> 4 == 6 && packet.size() >= 40, what);
    require(get16(packet, 4) + 40U == packet.size(), what);
  }
}

/// The UDP or ICMP header at `offset` too; of UDP over IPv4 the checksum may be missing.
inline void require_sound_upper(Bytes packet, std::size_t offset, std::uint8_t protocol,
                                std::string_view what) {
  const bool v4 = packet[0] >> 4 == 4;
  const auto upper = packet.subspan(offset);
  if (protocol == 17) {
    require(upper.size() >= 8 && get16(upper, 4) == upper.size(), what);
    if (v4 && get16(upper, 6) == 0) return;
    require(get16(upper, 6) != 0, what);
  } else if (protocol != 6 && protocol != (v4 ? 1 : 58)) {
    return;
  }
  const bool pseudo = !(v4 && protocol == 1);
  require(test::naive_sum(upper, pseudo ? pseudo_sum(packet, protocol, upper.size()) : 0) == 0xffff,
          what);
}

/// A packet of the router's own, without options or extension headers.
inline void require_sound_ip(Bytes packet, std::string_view what) {
  require_sound_header(packet, what);
  const bool v4 = packet[0] >> 4 == 4;
  require_sound_upper(packet, v4 ? 20 : 40, packet[v4 ? 9 : 6], what);
}

}  // namespace weft::fuzz
