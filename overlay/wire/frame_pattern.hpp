#pragma once
/// What the first 32 bytes of a frame must be, so that two comparisons tell an ordinary one: its
/// Ethernet header (IEEE 802.3) and most of the IP header behind it.

#include <cstdint>
#include <cstring>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

namespace weft::wire {

class FramePattern {
 public:
  static constexpr std::size_t bytes = 32;

  /// An IPv4 packet without options and no fragment, for `destination`, from `source` (nullptr:
  /// from anybody). `address`: the IP source as it lies in the packet, where one alone is looked
  /// for.
  static FramePattern ipv4(const MacAddress& destination, const MacAddress* source,
                           const std::uint32_t* address = nullptr) {
    FramePattern pattern(destination, source, EtherType::ipv4, Ipv4::plain, 0xff);
    constexpr std::size_t l3 = sizeof(Ethernet);
    const be16 fragment(Ipv4::more_fragments | Ipv4::offset_mask);
    std::memcpy(pattern.mask_ + l3 + offsetof(Ipv4, flags_fragment), &fragment, sizeof fragment);
    if (address != nullptr) pattern.want(l3 + offsetof(Ipv4, source), address, sizeof *address);
    return pattern;
  }
  /// The same of IPv6, whatever its addresses.
  static FramePattern ipv6(const MacAddress& destination, const MacAddress* source) {
    return FramePattern(destination, source, EtherType::ipv6, 0x60, 0xf0);
  }

  /// `frame`: at least 32 readable bytes.
  [[nodiscard, gnu::always_inline]] bool matches(const std::uint8_t* frame) const {
    return half_matches(frame, 0) && half_matches(frame, 16);
  }

 private:
  FramePattern(const MacAddress& destination, const MacAddress* source, EtherType type,
               std::uint8_t first, std::uint8_t first_mask) {
    want(offsetof(Ethernet, destination), &destination, sizeof destination);
    if (source != nullptr) want(offsetof(Ethernet, source), source, sizeof *source);
    const be16 ether_type(static_cast<std::uint16_t>(type));
    want(offsetof(Ethernet, ether_type), &ether_type, sizeof ether_type);
    wanted_[sizeof(Ethernet)] = first;
    mask_[sizeof(Ethernet)] = first_mask;
  }
  void want(std::size_t at, const void* value, std::size_t size) {
    std::memcpy(wanted_ + at, value, size);
    std::memset(mask_ + at, 0xff, size);
  }

  [[nodiscard, gnu::always_inline]] bool half_matches(const std::uint8_t* frame,
                                                      std::size_t at) const {
#ifdef __SSE4_1__
    const auto load = [](const std::uint8_t* from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    return _mm_testz_si128(_mm_xor_si128(load(frame + at), load(wanted_ + at)), load(mask_ + at));
#else
    std::uint64_t theirs[2];
    std::uint64_t wanted[2];
    std::uint64_t mask[2];
    std::memcpy(theirs, frame + at, sizeof theirs);
    std::memcpy(wanted, wanted_ + at, sizeof wanted);
    std::memcpy(mask, mask_ + at, sizeof mask);
    return (((theirs[0] ^ wanted[0]) & mask[0]) | ((theirs[1] ^ wanted[1]) & mask[1])) == 0;
#endif
  }

  alignas(16) std::uint8_t wanted_[bytes] = {};  // where mask_ has ones
  alignas(16) std::uint8_t mask_[bytes] = {};
};

}  // namespace weft::wire
