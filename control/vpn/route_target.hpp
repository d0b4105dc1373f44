#pragma once
/// What keeps VPNs apart and what joins them: route distinguishers (RFC 4364 §4.2) and route
/// targets (RFC 4360 §4).

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weft/address.hpp"

namespace weft::vpn {

/// Who gave a number out; the values are those of RFC 4364 §4.2 and of RFC 4360 and 5668.
enum class AdministratorType : std::uint8_t { as2 = 0, ipv4 = 1, as4 = 2 };

/// An administrator and a number of its own: 16 bits of AS and 32 of number, 32 of IPv4 address and
/// 16 of number, or 32 of AS and 16 of number.
struct Administered {
  AdministratorType type = AdministratorType::as2;
  std::uint32_t administrator = 0;
  std::uint32_t number = 0;

  /// The six bytes as one number in host order.
  [[nodiscard]] std::uint64_t packed() const;
  static Administered unpack(AdministratorType type, std::uint64_t packed);
  friend auto operator<=>(const Administered&, const Administered&) = default;
};

/// `64512:100`, `192.0.2.1:100`, `4200000000:100`; an AS of four bytes whose number would fit into
/// two is written `64512L:100`, and the `L` is understood after any.
std::string to_string(const Administered& value);
std::optional<Administered> parse_administered(std::string_view text);

/// Makes prefixes of different VPNs different. 0:0 stands for none.
class RouteDistinguisher {
 public:
  constexpr RouteDistinguisher() = default;
  explicit RouteDistinguisher(const Administered& value)
      : raw_(static_cast<std::uint64_t>(value.type) << 48 | value.packed()) {}
  /// The eight bytes as one number in host order; nothing where the type is none of the three.
  static std::optional<RouteDistinguisher> from_raw(std::uint64_t raw);

  [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
  [[nodiscard]] Administered value() const;
  friend constexpr auto operator<=>(RouteDistinguisher, RouteDistinguisher) = default;

 private:
  std::uint64_t raw_ = 0;
};

/// The extended community that says to which VPNs a route belongs.
class RouteTarget {
 public:
  constexpr RouteTarget() = default;
  explicit RouteTarget(const Administered& value)
      : raw_(static_cast<std::uint64_t>(value.type) << 56 | 0x02ULL << 48 | value.packed()) {}
  /// The community's eight bytes as one number in host order; nothing where they are not a route
  /// target.
  static std::optional<RouteTarget> from_raw(std::uint64_t raw);

  [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
  [[nodiscard]] Administered value() const;
  friend constexpr auto operator<=>(RouteTarget, RouteTarget) = default;

 private:
  std::uint64_t raw_ = 0x02ULL << 48;
};

/// `64512:100` and `target:64512:100`; the parsers take the whole text or answer nothing.
std::string to_string(RouteDistinguisher rd);
std::string to_string(RouteTarget target);
std::optional<RouteDistinguisher> parse_route_distinguisher(std::string_view text);
std::optional<RouteTarget> parse_route_target(std::string_view text);

}  // namespace weft::vpn
