#pragma once
/// ICMP (RFC 792, 1122, 1191, 1812) and ICMPv6 (RFC 4443) packets: bytes in, bytes out. Every
/// `packet` starts with its IP header, is untrusted, and may have bytes behind its end (padding).

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weft/address.hpp"

namespace weft::agent {

/// A packet's network layer, its lengths checked and what lies behind its end cut off.
struct IpPacket {
  std::span<const std::uint8_t> bytes;  ///< from the IP header to the end that the header tells
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;     ///< of the upper layer; of no meaning unless `upper_known`
  std::size_t upper_offset = 0;  ///< where it starts in `bytes`
  bool upper_known = false;      ///< it lies inside, behind whatever extension headers there are
  bool fragment = false;         ///< any fragment, the first too
  bool later_fragment = false;   ///< a fragment without the upper layer's header

  [[nodiscard]] std::span<const std::uint8_t> upper() const { return bytes.subspan(upper_offset); }
};
/// Empty for what is neither IPv4 nor IPv6, or lies about its lengths.
std::optional<IpPacket> parse_ip_packet(std::span<const std::uint8_t> packet);

/// The answer to an echo request, from the address it was sent to, TTL 64. Empty when `packet` is
/// no whole echo request with a right checksum.
std::optional<std::vector<std::uint8_t>> echo_reply(const IpPacket& packet);

/// An error that says what the next hop of a router on the way takes (RFC 1191 §4, RFC 4443 §3.2).
struct TooBigMessage {
  std::uint32_t mtu_bytes = 0;          ///< 0: an old router does not say (IPv4)
  std::span<const std::uint8_t> quote;  ///< the start of the packet that it is about, unchecked
};
/// Empty when `packet` is none, or its checksum is wrong.
std::optional<TooBigMessage> too_big_message(const IpPacket& packet);

enum class IcmpError {
  ttl_expired,
  no_route,
  host_unreachable,  ///< IPv6: address unreachable
  port_unreachable,
  too_big,
};

/// Whether RFC 1812 §4.3.2.7 and RFC 4443 §2.4(e) allow an error about `packet`. Whether it came by
/// a link-layer broadcast is for the caller to know.
bool may_report(const IpPacket& packet);

/// The error about `packet`, sent from `source` (same family): quotes what fits into 576 bytes in
/// all (RFC 1812 §4.3.2.3), for IPv6 into 1280 (RFC 4443 §2.4(c)). `mtu_bytes` only for too_big.
std::vector<std::uint8_t> icmp_error(const IpPacket& packet, IcmpError error,
                                     std::uint16_t mtu_bytes, const IpAddress& source);

}  // namespace weft::agent
