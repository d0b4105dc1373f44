#pragma once
/// Makes the lengths and checksums of mutated packets right again, the slow way. A fuzzer finds no
/// checksum by chance, so without this nothing behind the first one would ever be reached.

#include <algorithm>
#include <cstdint>
#include <span>

#include "support/naive.hpp"

namespace weft::fuzz {

using MutableBytes = std::span<std::uint8_t>;

inline void put16(MutableBytes bytes, std::size_t at, std::size_t value) {
  if (at + 2 > bytes.size()) return;
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
inline unsigned get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return at + 2 > bytes.size() ? 0U : static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}

/// The sum over the pseudo header of a packet whose upper layer has `length` bytes.
inline std::uint16_t pseudo_sum(std::span<const std::uint8_t> packet, std::uint8_t protocol,
                                std::size_t length) {
  const bool v4 = packet[0] >> 4 == 4;
  const std::uint8_t tail[] = {
      0, 0,       static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length), 0, 0,
      0, protocol};
  return test::naive_sum(tail, test::naive_sum(v4 ? packet.subspan(12, 8) : packet.subspan(8, 32)));
}

/// The ICMP checksum, and a UDP checksum that is not zero.
inline void repair_upper(MutableBytes packet, std::size_t offset, std::uint8_t protocol) {
  const auto upper = packet.subspan(offset);
  const bool v4 = packet[0] >> 4 == 4;
  const std::size_t field = protocol == 17 ? 6 : 2;
  if (upper.size() < 8) return;
  if (protocol == 17 && (put16(upper, 4, upper.size()), get16(upper, 6) == 0)) return;
  if (protocol != 17 && protocol != (v4 ? 1 : 58)) return;
  put16(upper, field, 0);
  const bool pseudo = !(v4 && protocol == 1);
  put16(upper, field,
        test::naive_checksum(upper, pseudo ? pseudo_sum(packet, protocol, upper.size()) : 0));
}

/// Of the IP packet that fills `packet`, as far as its headers stand in it.
inline void repair_ip(MutableBytes packet) {
  if (packet.size() >= 20 && packet[0] >> 4 == 4) {
    const std::size_t header = std::min<std::size_t>((packet[0] & 15U) * 4U, packet.size());
    if (header < 20) return;
    put16(packet, 2, packet.size());
    put16(packet, 10, 0);
    put16(packet, 10, test::naive_checksum(packet.first(header)));
    repair_upper(packet, header, packet[9]);
  } else if (packet.size() >= 40 && packet[0] >> 4 == 6) {
    put16(packet, 4, packet.size() - 40);
    repair_upper(packet, 40, packet[6]);
  }
}

/// Of an Ethernet frame and the frames that stand in it in VXLAN, `depth` of them at most.
inline void repair_frame(MutableBytes frame, unsigned depth = 5) {
  if (frame.size() < 14 + 20) return;
  const auto packet = frame.subspan(14);
  const std::size_t header =
      packet[0] >> 4 == 4 ? (packet[0] & 15U) * std::size_t{4} : std::size_t{40};
  const std::size_t inner = header + 16;  // UDP and VXLAN
  if (depth > 0 && packet.size() > inner && packet[packet[0] >> 4 == 4 ? 9 : 6] == 17) {
    repair_frame(packet.subspan(inner), depth - 1);
  }
  repair_ip(packet);
}

}  // namespace weft::fuzz
