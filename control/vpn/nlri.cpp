#include "vpn/nlri.hpp"

#include <span>

#include "vpn/hash.hpp"

namespace weft::vpn {

Nlri Nlri::unicast(RouteDistinguisher rd, const IpPrefix& prefix) {
  Nlri nlri;
  nlri.rd_ = rd;
  nlri.address_ = prefix.masked().address;
  nlri.length_ = prefix.length;
  return nlri;
}

Nlri Nlri::mac_ip(RouteDistinguisher rd, std::uint32_t ethernet_tag, const MacAddress& mac,
                  const std::optional<IpAddress>& ip) {
  Nlri nlri;
  nlri.rd_ = rd;
  nlri.kind_ = ip ? Kind::mac_ip : Kind::mac;
  if (ip) nlri.address_ = *ip;
  nlri.mac_ = mac;
  nlri.ethernet_tag_ = ethernet_tag;
  return nlri;
}

Family Nlri::family() const {
  if (is_mac_ip()) return evpn;
  return address_.is_v4() ? ipv4_unicast : ipv6_unicast;
}

std::optional<IpAddress> Nlri::ip() const {
  if (kind_ != Kind::mac_ip) return std::nullopt;
  return address_;
}

Nlri Nlri::within(RouteDistinguisher rd) const {
  Nlri nlri = *this;
  nlri.rd_ = rd;
  return nlri;
}

std::string to_string(const Nlri& nlri) {
  if (!nlri.is_mac_ip()) return to_string(nlri.prefix());
  std::string text = std::to_string(nlri.ethernet_tag()) + "-" + to_string(nlri.mac());
  if (const auto ip = nlri.ip()) text += "," + to_string(*ip);
  return text;
}

}  // namespace weft::vpn

std::size_t std::hash<weft::vpn::Nlri>::operator()(const weft::vpn::Nlri& nlri) const noexcept {
  weft::vpn::Hasher hasher;
  hasher.add(nlri.rd().raw());
  const auto prefix = nlri.prefix();
  const std::span bytes(prefix.address.bytes());
  hasher.add(bytes.first<8>()).add(prefix.length);
  if (!prefix.address.is_v4()) hasher.add(bytes.last<8>());
  if (nlri.is_mac_ip()) {
    hasher.add(nlri.mac().bytes);
    hasher.add(std::uint64_t{nlri.ethernet_tag()} << 1 | (nlri.ip() ? 1U : 0U));
  }
  return hasher.value();
}
