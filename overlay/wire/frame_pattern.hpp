#pragma once
/// What the first 16 bytes of a frame must be, so that one comparison of two words tells an
/// ordinary frame: its Ethernet header (IEEE 802.3) and the first two bytes behind it.

#include <cstdint>
#include <cstring>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace weft::wire {

class FramePattern {
 public:
  static constexpr std::size_t bytes = 16;

  /// An IPv4 packet without options, for `destination`, from `source` (nullptr: from anybody).
  static FramePattern ipv4(const MacAddress& destination, const MacAddress* source) {
    return FramePattern(destination, source, EtherType::ipv4, Ipv4::plain, 0xff);
  }
  /// The same of IPv6.
  static FramePattern ipv6(const MacAddress& destination, const MacAddress* source) {
    return FramePattern(destination, source, EtherType::ipv6, 0x60, 0xf0);
  }

  /// `frame`: at least 16 readable bytes.
  [[nodiscard, gnu::always_inline]] bool matches(const std::uint8_t* frame) const {
    std::uint64_t words[2];
    std::memcpy(words, frame, sizeof words);
    return (((words[0] & mask_[0]) ^ wanted_[0]) | ((words[1] & mask_[1]) ^ wanted_[1])) == 0;
  }

 private:
  FramePattern(const MacAddress& destination, const MacAddress* source, EtherType type,
               std::uint8_t first, std::uint8_t first_mask) {
    constexpr std::uint64_t mac_bits = 0xffffffffffff;
    const std::uint64_t from = source != nullptr ? as_word(*source) : 0;
    const std::uint64_t from_mask = source != nullptr ? mac_bits : 0;
    const std::uint64_t type_bits = __builtin_bswap16(static_cast<std::uint16_t>(type));
    wanted_[0] = as_word(destination) | from << 48;
    wanted_[1] = from >> 16 | type_bits << 32 | std::uint64_t{first} << 48;
    mask_[0] = mac_bits | from_mask << 48;
    mask_[1] = from_mask >> 16 | std::uint64_t{0xffff} << 32 | std::uint64_t{first_mask} << 48;
  }

  /// Six bytes as a little-endian machine would load them, were there two zeros behind.
  static std::uint64_t as_word(const MacAddress& mac) {
    std::uint32_t low;
    std::uint16_t high;
    std::memcpy(&low, mac.bytes.data(), sizeof low);
    std::memcpy(&high, mac.bytes.data() + sizeof low, sizeof high);
    return low | std::uint64_t{high} << 32;
  }

  std::uint64_t wanted_[2];  // as they lie in memory, where mask_ has ones
  std::uint64_t mask_[2];
};

}  // namespace weft::wire
