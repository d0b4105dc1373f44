#pragma once
/// MAC and IP addresses and prefixes: plain values, comparable and hashable.

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "weft/big_endian.hpp"

namespace weft {

/// An IEEE 802 address; bytes in the order they are sent.
struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  [[nodiscard]] constexpr bool multicast() const { return (bytes[0] & 1) != 0; }
  [[nodiscard]] constexpr bool zero() const { return *this == MacAddress{}; }
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

inline constexpr MacAddress broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// An IPv4 address; `value` in host byte order, so that comparison is numeric.
struct Ipv4Address {
  std::uint32_t value = 0;

  /// 0/8, loopback, link-local (RFC 3927), multicast and class E: no router forwards from or to
  /// them.
  [[nodiscard]] constexpr bool forwardable() const {
    return value < 0xe0000000 && value >> 24 != 127 && value >> 24 != 0 && value >> 16 != 0xa9fe;
  }
  friend constexpr auto operator<=>(Ipv4Address, Ipv4Address) = default;
};

/// An IPv6 address; bytes in the order they are sent.
struct Ipv6Address {
  std::array<std::uint8_t, 16> bytes{};

  [[nodiscard]] constexpr bool multicast() const { return bytes[0] == 0xff; }
  [[nodiscard]] constexpr bool link_local() const {
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  }
  [[nodiscard]] constexpr bool unspecified() const { return *this == Ipv6Address{}; }
  [[nodiscard]] constexpr bool loopback() const {
    return *this == Ipv6Address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  }
  friend constexpr auto operator<=>(const Ipv6Address&, const Ipv6Address&) = default;
};

enum class IpFamily : std::uint8_t { v4, v6 };

/// An address of either family. An IPv4 address fills the first four bytes, the others are zero.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  constexpr IpAddress(Ipv4Address a) : family_(IpFamily::v4) {
    for (unsigned i = 0; i < 4; ++i) bytes_[i] = static_cast<std::uint8_t>(a.value >> (24 - 8 * i));
  }
  constexpr IpAddress(const Ipv6Address& a) : family_(IpFamily::v6), bytes_(a.bytes) {}

  [[nodiscard]] constexpr IpFamily family() const { return family_; }
  [[nodiscard]] constexpr bool is_v4() const { return family_ == IpFamily::v4; }
  [[nodiscard]] constexpr unsigned width_bits() const { return is_v4() ? 32 : 128; }
  [[nodiscard]] constexpr Ipv4Address v4() const {
    return {static_cast<std::uint32_t>(bytes_[0]) << 24 |
            static_cast<std::uint32_t>(bytes_[1]) << 16 |
            static_cast<std::uint32_t>(bytes_[2]) << 8 | bytes_[3]};
  }
  [[nodiscard]] constexpr Ipv6Address v6() const { return {bytes_}; }
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpFamily family_ = IpFamily::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address and the number of leading bits that count. `masked()` clears the others.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  static constexpr IpPrefix host(const IpAddress& a) {
    return {a, static_cast<std::uint8_t>(a.width_bits())};
  }
  [[nodiscard]] constexpr IpPrefix masked() const {
    auto bytes = address.bytes();
    for (unsigned i = 0; i < 16; ++i) {
      const int keep = static_cast<int>(length) - static_cast<int>(8 * i);
      if (keep <= 0) {
        bytes[i] = 0;
      } else if (keep < 8) {
        bytes[i] &= static_cast<std::uint8_t>(0xff << (8 - keep));
      }
    }
    IpPrefix out{address, length};
    if (address.is_v4()) {
      out.address = Ipv4Address{static_cast<std::uint32_t>(bytes[0]) << 24 |
                                static_cast<std::uint32_t>(bytes[1]) << 16 |
                                static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3]};
    } else {
      out.address = Ipv6Address{bytes};
    }
    return out;
  }
  [[nodiscard]] constexpr bool contains(const IpAddress& a) const {
    return a.family() == address.family() &&
           IpPrefix{a, length}.masked().address == masked().address;
  }
  [[nodiscard]] constexpr bool contains(const IpPrefix& p) const {
    return p.length >= length && contains(p.address);
  }
  friend constexpr auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

/// Text forms: `02:00:00:00:00:01`, `192.0.2.1`, `2001:db8::1`, `192.0.2.0/24`. The parsers take
/// the whole string or answer nullopt; a prefix may have host bits set (see masked()).
inline std::string to_string(const MacAddress& a) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", a.bytes[0], a.bytes[1],
                a.bytes[2], a.bytes[3], a.bytes[4], a.bytes[5]);
  return text;
}

inline std::string to_string(const IpAddress& a) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(a.is_v4() ? AF_INET : AF_INET6, a.bytes().data(), text, sizeof text);
  return text;
}

inline std::string to_string(const IpPrefix& p) {
  return to_string(p.address) + "/" + std::to_string(p.length);
}

inline std::optional<MacAddress> parse_mac(std::string_view text) {
  const auto nibble = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (unsigned i = 0; i < 6; ++i) {
    const int high = nibble(text[3 * i]);
    const int low = nibble(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return mac;
}

inline std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes{};
  if (terminated.size() != text.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return IpAddress(Ipv4Address{static_cast<std::uint32_t>(bytes[0]) << 24 |
                                 static_cast<std::uint32_t>(bytes[1]) << 16 |
                                 static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3]});
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return IpAddress(Ipv6Address{bytes});
  }
  return std::nullopt;
}

inline std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ip(text.substr(0, slash));
  const auto digits = text.substr(slash + 1);
  if (!address || digits.empty() || digits.size() > 3) return std::nullopt;
  unsigned length = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<unsigned>(c - '0');
  }
  if (length > address->width_bits()) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(length)};
}

}  // namespace weft

template <>
struct std::hash<weft::IpAddress> {
  std::size_t operator()(const weft::IpAddress& a) const noexcept {
    const std::string_view bytes(reinterpret_cast<const char*>(a.bytes().data()), 16);
    return std::hash<std::string_view>{}(bytes) ^ (a.is_v4() ? 0 : 0x9e3779b9U);
  }
};

template <>
struct std::hash<weft::IpPrefix> {
  std::size_t operator()(const weft::IpPrefix& p) const noexcept {
    return std::hash<weft::IpAddress>{}(p.address) * 131 + p.length;
  }
};
