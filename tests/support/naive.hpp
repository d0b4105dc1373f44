#pragma once
/// Checksums the slow way, straight from RFC 1071 §1: what the fast ones are judged by.

#include <cstdint>
#include <span>

#include "weft/address.hpp"

namespace weft::test {

/// One's complement sum of big-endian words; an odd last byte is the high half of a word.
inline std::uint16_t naive_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(sum);
}

inline std::uint16_t naive_checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  return static_cast<std::uint16_t>(~naive_sum(bytes, sum));
}

/// The pseudo header of RFC 768 and RFC 8200 §8.1, summed.
inline std::uint16_t naive_pseudo_sum(const IpAddress& source, const IpAddress& destination,
                                      std::uint8_t protocol, std::uint32_t length) {
  const std::size_t width = source.width_bits() / 8;
  std::uint32_t sum = naive_sum({source.bytes().data(), width});
  sum = naive_sum({destination.bytes().data(), width}, sum);
  const std::uint8_t tail[8] = {static_cast<std::uint8_t>(length >> 24),
                                static_cast<std::uint8_t>(length >> 16),
                                static_cast<std::uint8_t>(length >> 8),
                                static_cast<std::uint8_t>(length),
                                0,
                                0,
                                0,
                                protocol};
  return naive_sum(tail, sum);
}

}  // namespace weft::test
