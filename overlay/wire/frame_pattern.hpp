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
    const std::uint64_t from = address != nullptr ? *address : 0;
    const std::uint64_t from_mask = address != nullptr ? 0xffffffff : 0;
    constexpr std::uint64_t fragment = __builtin_bswap16(Ipv4::more_fragments | Ipv4::offset_mask);
    // From the length on: length, identification, fragment, TTL and protocol; checksum, source.
    return {destination,
            source,
            EtherType::ipv4,
            Ipv4::plain,
            0xff,
            {0, from << 16},
            {fragment << 32, from_mask << 16}};
  }
  /// The same of IPv6, whatever its addresses.
  static FramePattern ipv6(const MacAddress& destination, const MacAddress* source) {
    return {destination, source, EtherType::ipv6, 0x60, 0xf0, {0, 0}, {0, 0}};
  }

  /// `frame`: at least 32 readable bytes.
  [[nodiscard, gnu::always_inline]] bool matches(const std::uint8_t* frame) const {
    return half_[0].matches(frame) && half_[1].matches(frame + 16);
  }

 private:
  struct Words {
    std::uint64_t low;
    std::uint64_t high;
  };
  /// 16 bytes, as they lie in memory, where the mask has ones.
  class Half {
   public:
#ifdef __SSE4_1__
    Half(Words wanted, Words mask) : wanted_(vector(wanted)), mask_(vector(mask)) {}
    [[nodiscard, gnu::always_inline]] bool matches(const std::uint8_t* at) const {
      const __m128i theirs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      return _mm_testz_si128(_mm_xor_si128(theirs, wanted_), mask_);
    }

   private:
    static __m128i vector(Words w) {
      return _mm_set_epi64x(static_cast<long long>(w.high), static_cast<long long>(w.low));
    }
    __m128i wanted_;
    __m128i mask_;
#else
    Half(Words wanted, Words mask) : wanted_(wanted), mask_(mask) {}
    [[nodiscard]] bool matches(const std::uint8_t* at) const {
      Words theirs;
      std::memcpy(&theirs, at, sizeof theirs);
      return (((theirs.low ^ wanted_.low) & mask_.low) |
              ((theirs.high ^ wanted_.high) & mask_.high)) == 0;
    }

   private:
    Words wanted_;
    Words mask_;
#endif
  };

  /// `first`: what stands behind the Ethernet header.
  FramePattern(const MacAddress& destination, const MacAddress* source, EtherType type,
               std::uint8_t first, std::uint8_t first_mask, Words tail, Words tail_mask)
      : half_{Half(head(as_word(destination), source != nullptr ? as_word(*source) : 0,
                        __builtin_bswap16(static_cast<std::uint16_t>(type)), first),
                   head(mac_bits, source != nullptr ? mac_bits : 0, 0xffff, first_mask)),
              Half(tail, tail_mask)} {}

  static constexpr std::uint64_t mac_bits = 0xffffffffffff;
  static constexpr Words head(std::uint64_t destination, std::uint64_t source, std::uint64_t type,
                              std::uint64_t first) {
    return {destination | source << 48, source >> 16 | type << 32 | first << 48};
  }
  /// Six bytes as a little-endian machine would load them, were there two zeros behind.
  static std::uint64_t as_word(const MacAddress& mac) {
    std::uint32_t low;
    std::uint16_t high;
    std::memcpy(&low, mac.bytes.data(), sizeof low);
    std::memcpy(&high, mac.bytes.data() + sizeof low, sizeof high);
    return low | std::uint64_t{high} << 32;
  }

  Half half_[2];
};

}  // namespace weft::wire
