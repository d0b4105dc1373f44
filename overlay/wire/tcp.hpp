#pragma once
/// TCP header (RFC 9293 §3.1), without options.
///
///    source port (2) | destination port (2)
///    sequence (4)
///    acknowledgement (4)
///    offset:4 reserved:4 | flags | window (2)
///    checksum (2) | urgent (2)

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Tcp {
  be16 source_port;
  be16 destination_port;
  be32 sequence;
  be32 acknowledgement;
  std::uint8_t data_offset = 0;
  std::uint8_t flags = 0;
  be16 window;
  be16 checksum;
  be16 urgent;
};
static_assert(sizeof(Tcp) == 20 && alignof(Tcp) == 1);

namespace tcp_flag {
inline constexpr std::uint8_t fin = 0x01;
inline constexpr std::uint8_t syn = 0x02;
inline constexpr std::uint8_t rst = 0x04;
inline constexpr std::uint8_t ack = 0x10;
}  // namespace tcp_flag

}  // namespace weft::wire
