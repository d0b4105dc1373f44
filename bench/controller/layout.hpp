#pragma once
/// Which simulated node has which networks, and what each tells of its routes.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vpn/attributes.hpp"
#include "vpn/nlri.hpp"

namespace weft::bench {

/// Each network is at `subscribers` nodes, of which each publishes an equal part of its routes and
/// gets all of them, its own among them.
struct Layout {
  unsigned nodes = 100;
  unsigned networks = 4000;
  unsigned routes = 50;  ///< of a network
  unsigned subscribers = 5;

  [[nodiscard]] std::size_t all_routes() const { return std::size_t{networks} * routes; }
  [[nodiscard]] std::size_t deliveries() const { return all_routes() * subscribers; }
  /// Steps that share no factor with the usual numbers of nodes, so that nodes meet in many ways.
  [[nodiscard]] unsigned node_of(unsigned network, unsigned nth) const {
    return (network * 7 + nth * 13) % nodes;
  }
  [[nodiscard]] unsigned publisher(unsigned network, unsigned route) const {
    return node_of(network, route % subscribers);
  }
  [[nodiscard]] bool valid() const {
    if (nodes == 0 || subscribers == 0 || routes == 0 || routes > 250) return false;
    for (unsigned a = 0; a < subscribers; ++a) {
      for (unsigned b = 0; b < a; ++b) {
        if (node_of(0, a) == node_of(0, b)) return false;
      }
    }
    return true;
  }

  static std::string node_name(unsigned node) { return "compute-" + std::to_string(node); }
  static IpAddress tunnel_address(unsigned node) {
    return IpAddress(Ipv4Address{0xc6336401 + node});  // 198.51.100.1
  }
  static std::string network_name(unsigned network) { return "tenant-" + std::to_string(network); }
  static std::optional<unsigned> network_of(std::string_view name) {
    constexpr std::string_view prefix = "tenant-";
    unsigned network = 0;
    if (!name.starts_with(prefix)) return std::nullopt;
    const auto [end, error] =
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), network);
    const bool whole = error == std::errc() && end == name.data() + name.size();
    return whole ? std::optional(network) : std::nullopt;
  }
  static std::uint32_t vni(unsigned network) { return 10000 + network; }
  static vpn::Nlri nlri(unsigned route) {
    return vpn::Nlri::unicast({}, IpPrefix::host(IpAddress(Ipv4Address{0x0a000001 + route})));
  }
  [[nodiscard]] std::optional<unsigned> route_of(const vpn::Nlri& nlri) const {
    if (nlri.is_mac_ip() || !nlri.prefix().address.is_v4()) return std::nullopt;
    const std::uint32_t route = nlri.prefix().address.v4().value - 0x0a000001;
    return route < routes && nlri == Layout::nlri(route) ? std::optional(route) : std::nullopt;
  }

  /// What weftd would tell of a VIF's address.
  [[nodiscard]] vpn::Attributes attributes(unsigned network, unsigned route,
                                           std::uint32_t version) const {
    const unsigned node = publisher(network, route);
    vpn::Attributes out;
    out.next_hops = {{.address = tunnel_address(node),
                      .vni = vni(network),
                      .encapsulations = {vpn::Encapsulation::vxlan}}};
    out.virtual_network = network_name(network);
    out.origin = node_name(node);
    out.mobility = vpn::Mobility{.sequence = 0, .sticky = false};
    out.med = version;
    return out;
  }
};

}  // namespace weft::bench
