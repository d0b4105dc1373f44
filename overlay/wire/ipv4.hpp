#pragma once
/// IPv4 header (RFC 791 §3.1).
///
///    version:4 ihl:4 | dscp:6 ecn:2 | total length (2)
///    identification (2)             | flags:3 fragment offset:13
///    ttl | protocol                 | header checksum (2)
///    source (4)
///    destination (4)
///    options (0 to 40)

#include <array>
#include <cstdint>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"
#include "wire/checksum.hpp"

namespace weft::wire {

enum class IpProtocol : std::uint8_t { icmp = 1, tcp = 6, udp = 17, icmpv6 = 58, sctp = 132 };

constexpr bool is_icmp(std::uint8_t protocol) {
  return protocol == static_cast<std::uint8_t>(IpProtocol::icmp) ||
         protocol == static_cast<std::uint8_t>(IpProtocol::icmpv6);
}
/// Whether its header begins with a source and a destination port.
constexpr bool has_ports(std::uint8_t protocol) {
  return protocol == static_cast<std::uint8_t>(IpProtocol::tcp) ||
         protocol == static_cast<std::uint8_t>(IpProtocol::udp) ||
         protocol == static_cast<std::uint8_t>(IpProtocol::sctp);
}

struct Ipv4 {
  std::uint8_t version_ihl = 0x45;
  std::uint8_t traffic_class = 0;
  be16 total_length;
  be16 identification;
  be16 flags_fragment;
  std::uint8_t ttl = 0;
  std::uint8_t protocol = 0;
  be16 checksum;
  be32 source;
  be32 destination;

  static constexpr std::uint8_t plain = 0x45;  ///< version_ihl of a header without options
  static constexpr std::uint16_t dont_fragment = 0x4000;
  static constexpr std::uint16_t more_fragments = 0x2000;
  static constexpr std::uint16_t offset_mask = 0x1fff;

  [[nodiscard]] unsigned version() const { return version_ihl >> 4; }
  [[nodiscard]] unsigned header_bytes() const { return (version_ihl & 0xfU) * 4; }
  /// Any fragment, the first too.
  [[nodiscard]] bool fragment() const {
    return flags_fragment.any_of(more_fragments | offset_mask);
  }
  /// A fragment other than the first.
  [[nodiscard]] bool later_fragment() const { return flags_fragment.any_of(offset_mask); }
  [[nodiscard]] bool may_fragment() const { return !flags_fragment.any_of(dont_fragment); }
  /// Whether the checksum over the header and its options is right; header_bytes() must be
  /// readable.
  [[nodiscard, gnu::always_inline]] bool checksum_valid() const {
    return version_ihl == plain ? checksum20_valid(this)
                                : checksum_fold(checksum_add(this, header_bytes())) == 0xffff;
  }
  /// Computes the checksum over header_bytes().
  void complete_checksum() {
    checksum = 0;
    checksum = checksum_finish(checksum_add(this, header_bytes()));
  }
  /// With the checksum kept right, or as wrong as it was (RFC 1624 §3).
  void set_traffic_class(std::uint8_t value) {
    std::uint16_t before;
    std::uint16_t after;
    std::memcpy(&before, this, sizeof before);
    traffic_class = value;
    std::memcpy(&after, this, sizeof after);
    const auto sum = static_cast<std::uint16_t>(~std::bit_cast<std::uint16_t>(checksum));
    const auto without = static_cast<std::uint16_t>(~before);
    checksum = checksum_finish(std::uint64_t{sum} + without + after);
  }
  /// TTL down by one with the checksum kept right (RFC 1624 §3: HC' = ~(~HC + ~m + m')). The word m
  /// that holds TTL falls by 0x0100, so HC rises by as much: by one as it lies in memory. A sum of
  /// 0xffff is the other zero.
  [[gnu::always_inline]] void decrement_ttl() {
    static_assert(std::endian::native == std::endian::little);
    std::uint32_t word;  // TTL, protocol, and the checksum above them
    std::memcpy(&word, &ttl, sizeof word);
    const std::uint32_t old = word;
    word += 0x10000U - 1U;
    if (old >= 0xfffe0000) [[unlikely]]
      word += 0x10000U;
    std::memcpy(&ttl, &word, sizeof word);
  }
};
static_assert(sizeof(Ipv4) == 20 && alignof(Ipv4) == 1);

/// By first octet: whether some address that starts with it is not forwardable().
inline constexpr auto special_octets = [] {
  std::array<bool, 256> special{};
  for (unsigned octet = 0; octet < 256; ++octet) {
    special[octet] = !Ipv4Address{octet << 24}.forwardable() || octet == 169;
  }
  return special;
}();

}  // namespace weft::wire
