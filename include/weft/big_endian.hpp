#pragma once
/// Integers as they lie on the wire: network byte order, alignment one, explicit conversion only.

#include <bit>
#include <cstdint>
#include <cstring>

namespace weft {

template <class T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr explicit BigEndian(T host) { set(host); }

  /// The value in host byte order.
  [[nodiscard]] constexpr T get() const { return swap(std::bit_cast<T>(bytes_)); }
  /// Whether a bit of `mask`, in host byte order, is set.
  [[nodiscard]] constexpr bool any_of(T mask) const {
    return (std::bit_cast<T>(bytes_) & swap(mask)) != 0;
  }
  constexpr void set(T host) { bytes_ = std::bit_cast<Bytes>(swap(host)); }
  constexpr BigEndian& operator=(T host) {
    set(host);
    return *this;
  }
  friend constexpr bool operator==(const BigEndian&, const BigEndian&) = default;

 private:
  struct Bytes {
    std::uint8_t at[sizeof(T)]{};
    friend constexpr bool operator==(const Bytes&, const Bytes&) = default;
  };
  static constexpr T swap(T value) {
    static_assert(std::endian::native == std::endian::little);
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }
  Bytes bytes_{};
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

}  // namespace weft
