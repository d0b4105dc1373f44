#pragma once
/// What the first 16 bytes of a frame must be, so that one comparison of two words tells an
/// ordinary frame: its Ethernet header (IEEE 802.3) and the first two bytes behind it.

#include <array>
#include <cstdint>
#include <cstring>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace weft::wire {

class FramePattern {
 public:
  static constexpr std::size_t bytes = 16;

  /// Matches no frame.
  FramePattern() = default;

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
    std::array<std::uint8_t, bytes> wanted{};
    std::array<std::uint8_t, bytes> mask{};
    Ethernet header{destination, source != nullptr ? *source : MacAddress{},
                    be16(static_cast<std::uint16_t>(type))};
    std::memcpy(wanted.data(), &header, sizeof header);
    std::memset(mask.data(), 0xff, sizeof header);
    if (source == nullptr) std::memset(mask.data() + sizeof destination, 0, sizeof destination);
    wanted[sizeof header] = first;
    mask[sizeof header] = first_mask;
    std::memcpy(wanted_, wanted.data(), bytes);
    std::memcpy(mask_, mask.data(), bytes);
  }

  std::uint64_t wanted_[2] = {1, 1};  // as they lie in memory, where mask_ has ones
  std::uint64_t mask_[2] = {0, 0};
};

}  // namespace weft::wire
