#pragma once
/// What a route is about: a prefix, or a MAC address, within a VPN.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "vpn/route_target.hpp"
#include "weft/address.hpp"

namespace weft::vpn {

/// Address family and subsequent family (IANA); 242 is what deployed end systems use on XMPP for
/// EVPN, where BGP has 70.
struct Family {
  std::uint16_t afi = 1;
  std::uint8_t safi = 1;
  friend constexpr auto operator<=>(Family, Family) = default;
};
inline constexpr Family ipv4_unicast{1, 1};
inline constexpr Family ipv6_unicast{2, 1};
inline constexpr Family evpn{25, 242};

/// Unicast: a prefix, host bits clear. EVPN: MAC/IP advertisement (RFC 7432 §7.2), where the IP
/// address may be missing. Sorted by RD, kind and address.
class Nlri {
 public:
  Nlri() = default;
  static Nlri unicast(RouteDistinguisher rd, const IpPrefix& prefix);
  static Nlri mac_ip(RouteDistinguisher rd, std::uint32_t ethernet_tag, const MacAddress& mac,
                     const std::optional<IpAddress>& ip = {});

  [[nodiscard]] RouteDistinguisher rd() const { return rd_; }
  [[nodiscard]] bool is_mac_ip() const { return kind_ != Kind::unicast; }
  [[nodiscard]] Family family() const;
  /// Of unicast.
  [[nodiscard]] IpPrefix prefix() const { return {address_, length_}; }
  /// Of MAC/IP.
  [[nodiscard]] std::uint32_t ethernet_tag() const { return ethernet_tag_; }
  [[nodiscard]] const MacAddress& mac() const { return mac_; }
  [[nodiscard]] std::optional<IpAddress> ip() const;
  /// Whether it names one address: a /32, a /128 or a MAC.
  [[nodiscard]] bool host() const { return is_mac_ip() || length_ == address_.width_bits(); }
  /// The same in another VPN.
  [[nodiscard]] Nlri within(RouteDistinguisher rd) const;

  friend auto operator<=>(const Nlri&, const Nlri&) = default;

 private:
  enum class Kind : std::uint8_t { unicast, mac, mac_ip };

  RouteDistinguisher rd_;
  Kind kind_ = Kind::unicast;
  IpAddress address_;
  std::uint8_t length_ = 0;
  MacAddress mac_;
  std::uint32_t ethernet_tag_ = 0;
};

/// Without the RD: `10.1.0.11/32`, `0-02:00:00:00:01:01`, `0-02:00:00:00:01:01,10.1.0.11`.
std::string to_string(const Nlri& nlri);

}  // namespace weft::vpn

template <>
struct std::hash<weft::vpn::Nlri> {
  std::size_t operator()(const weft::vpn::Nlri& nlri) const noexcept;
};
