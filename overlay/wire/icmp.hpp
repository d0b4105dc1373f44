#pragma once
/// ICMP (RFC 792; the next-hop MTU of RFC 1191 §4) and ICMPv6 (RFC 4443) headers.
///
///    type | code | checksum (2)
///    rest of header (4): echo: identifier, sequence; too big: MTU

#include <cstdint>

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Icmp {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  be16 checksum;
  be32 rest;
};
static_assert(sizeof(Icmp) == 8 && alignof(Icmp) == 1);

namespace icmpv4 {
inline constexpr std::uint8_t echo_reply = 0;
inline constexpr std::uint8_t unreachable = 3;
inline constexpr std::uint8_t source_quench = 4;
inline constexpr std::uint8_t redirect = 5;
inline constexpr std::uint8_t echo_request = 8;
inline constexpr std::uint8_t time_exceeded = 11;
inline constexpr std::uint8_t parameter_problem = 12;
inline constexpr std::uint8_t timestamp_request = 13;
inline constexpr std::uint8_t timestamp_reply = 14;
inline constexpr std::uint8_t information_request = 15;
inline constexpr std::uint8_t information_reply = 16;
inline constexpr std::uint8_t address_mask_request = 17;
inline constexpr std::uint8_t address_mask_reply = 18;
inline constexpr std::uint8_t code_network_unreachable = 0;
inline constexpr std::uint8_t code_host_unreachable = 1;
inline constexpr std::uint8_t code_port_unreachable = 3;
inline constexpr std::uint8_t code_fragmentation_needed = 4;
}  // namespace icmpv4

namespace icmpv6 {
inline constexpr std::uint8_t unreachable = 1;
inline constexpr std::uint8_t packet_too_big = 2;
inline constexpr std::uint8_t time_exceeded = 3;
inline constexpr std::uint8_t first_informational = 128;
inline constexpr std::uint8_t echo_request = 128;
inline constexpr std::uint8_t echo_reply = 129;
inline constexpr std::uint8_t neighbour_solicitation = 135;
inline constexpr std::uint8_t neighbour_advertisement = 136;
inline constexpr std::uint8_t code_no_route = 0;
inline constexpr std::uint8_t code_address_unreachable = 3;
inline constexpr std::uint8_t code_port_unreachable = 4;
}  // namespace icmpv6

}  // namespace weft::wire
