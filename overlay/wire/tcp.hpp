#pragma once
/// TCP header (RFC 9293 §3.1), without options.
///
///    source port (2) | destination port (2)
///    sequence (4)
///    acknowledgement (4)
///    offset:4 reserved:4 | flags | window (2)
///    checksum (2) | urgent (2)

#include <cstddef>
#include <cstdint>
#include <span>

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

  [[nodiscard]] std::size_t header_bytes() const { return (data_offset >> 4) * 4U; }
};
static_assert(sizeof(Tcp) == 20 && alignof(Tcp) == 1);

namespace tcp_flag {
inline constexpr std::uint8_t fin = 0x01;
inline constexpr std::uint8_t syn = 0x02;
inline constexpr std::uint8_t rst = 0x04;
inline constexpr std::uint8_t ack = 0x10;
}  // namespace tcp_flag

/// Options (RFC 9293 §3.1): `end` and `no_operation` are one byte, others kind, length, value.
namespace tcp_option {
inline constexpr std::uint8_t end = 0;
inline constexpr std::uint8_t no_operation = 1;
inline constexpr std::uint8_t mss = 2;
}  // namespace tcp_option

/// Where in `options` the two bytes of the MSS option's value begin; 0: there is none before the
/// first option that is broken. `options`: all that stands behind the header, up to the data.
constexpr std::size_t find_mss(std::span<const std::uint8_t> options) {
  for (std::size_t at = 0; at < options.size() && options[at] != tcp_option::end;) {
    if (options[at] == tcp_option::no_operation) {
      ++at;
      continue;
    }
    const std::size_t length = at + 1 < options.size() ? options[at + 1] : 0;
    if (length < 2 || length > options.size() - at) return 0;
    if (options[at] == tcp_option::mss) return length == 4 ? at + 2 : 0;
    at += length;
  }
  return 0;
}

}  // namespace weft::wire
