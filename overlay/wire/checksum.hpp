#pragma once
/// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
///
/// Sums are of 16-bit words in host byte order as loaded from memory: since the one's complement
/// sum commutes with byte swapping, a folded sum stored back with the same loads is right on the
/// wire.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"

namespace weft::wire {

/// The sum of `size` bytes at `data`, added to `sum`; not folded. An odd last byte is padded.
inline std::uint64_t checksum_add(const void* data, std::size_t size, std::uint64_t sum = 0) {
  const auto* at = static_cast<const std::uint8_t*>(data);
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    sum += word & 0xffffffff;
    sum += word >> 32;
  }
  if (size >= 4) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
    size -= 4, at += 4;
  }
  if (size >= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
    size -= 2, at += 2;
  }
  if (size != 0) sum += *at;
  return sum;
}

constexpr std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

/// Whether the checksum within 20 bytes, not all zero, is right. 2^16 is 1 modulo 0xffff, so
/// words of any width may be added, a carry out of 64 bits counts 1, and a right sum is a multiple
/// of 0xffff.
inline bool checksum20_valid(const void* data) {
  std::uint64_t words[2];
  std::uint32_t last;
  std::memcpy(words, data, sizeof words);
  std::memcpy(&last, static_cast<const std::uint8_t*>(data) + sizeof words, sizeof last);
  std::uint64_t sum = words[0] + words[1];
  sum += sum < words[1];
  sum += last;
  sum += sum < last;
  // sum % 0xffff == 0 by the inverse of 0xffff modulo 2^64; a compiler divides where it thinks that
  // nobody comes.
  constexpr std::uint64_t most = ~std::uint64_t{0};
  return sum * 0xfffefffefffeffff <= most / 0xffff;
}

/// The checksum field that completes `sum`.
constexpr be16 checksum_finish(std::uint64_t sum) {
  return std::bit_cast<be16>(static_cast<std::uint16_t>(~checksum_fold(sum)));
}

/// The same for the sum of two 16-bit words.
constexpr be16 checksum_finish16(std::uint32_t sum) {
  return std::bit_cast<be16>(static_cast<std::uint16_t>(~(sum + (sum >> 16))));
}

/// `checksum` after 16 bits under it have changed from `before` to `after` (RFC 1624 §3: HC' =
/// ~(~HC + ~m + m')). `odd`: they begin at an odd offset, so that they lie across two words.
constexpr be16 checksum_update(be16 checksum, be16 before, be16 after, bool odd) {
  auto old_word = std::bit_cast<std::uint16_t>(before);
  auto new_word = std::bit_cast<std::uint16_t>(after);
  if (odd) {
    old_word = __builtin_bswap16(old_word);
    new_word = __builtin_bswap16(new_word);
  }
  const std::uint32_t sum = static_cast<std::uint16_t>(~std::bit_cast<std::uint16_t>(checksum)) +
                            static_cast<std::uint32_t>(static_cast<std::uint16_t>(~old_word)) +
                            new_word;
  return checksum_finish(sum);
}

/// Sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1). `length` in bytes, host order.
inline std::uint64_t pseudo_header_sum(const void* source, const void* destination,
                                       std::size_t address_size, std::uint8_t protocol,
                                       std::uint32_t length) {
  std::uint64_t sum = checksum_add(source, address_size);
  sum = checksum_add(destination, address_size, sum);
  const std::uint32_t tail[2] = {__builtin_bswap32(length), __builtin_bswap32(protocol)};
  return checksum_add(tail, sizeof tail, sum);
}

/// The whole checksum field over `payload` behind the pseudo header; a field inside `payload` must
/// be zero, or, when checking, stay in: a right packet then yields 0.
inline be16 l4_checksum(const void* source, const void* destination, std::size_t address_size,
                        std::uint8_t protocol, std::span<const std::uint8_t> payload) {
  const auto pseudo = pseudo_header_sum(source, destination, address_size, protocol,
                                        static_cast<std::uint32_t>(payload.size()));
  return checksum_finish(checksum_add(payload.data(), payload.size(), pseudo));
}

}  // namespace weft::wire
