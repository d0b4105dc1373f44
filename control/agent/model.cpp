#include "agent/model.hpp"

#include <algorithm>

namespace weft::agent {

namespace {

template <class Names, class Objects, class Identifier>
auto* by_id(const Names& names, const Objects& objects, Identifier id) {
  const auto name = names.find(id);
  return name == names.end() ? nullptr : &objects.find(name->second)->second;
}

constexpr unsigned lookups_max = 4;

}  // namespace

PacketCount Baselines::since_it_is(DecapId id, PacketCount now) const {
  const auto before = decaps.find(id.index());
  return before == decaps.end() ? now : now -= before->second;
}

bool DecapEntry::counts_under(DecapId other) const {
  return other == id ||
         std::ranges::any_of(marks, [&](const auto& m) { return m.second == other; });
}

const PortObject* Model::port(PortId id) const { return by_id(port_names, ports, id); }
const VrfObject* Model::vrf(VrfId id) const { return by_id(vrf_names, vrfs, id); }
const VifObject* Model::vif(VifId id) const { return by_id(vif_names, vifs, id); }

std::optional<Model::Way> Model::way(VrfId vrf, const IpAddress& address) const {
  for (unsigned lookups = 0; lookups <= lookups_max; ++lookups) {
    const auto rib = ribs.find(vrf);
    if (rib == ribs.end()) return std::nullopt;
    const auto match = rib->second.match(address);
    if (!match) return std::nullopt;
    const auto& use = nexthops.at(match->entry.nexthop);
    if (use.kind != NexthopUse::Kind::vrf) return Way{match->entry.nexthop, &use};
    vrf = vrfs.find(use.name)->second.id;
  }
  return std::nullopt;
}

std::optional<IpAddress> Model::router_address(VrfId vrf_id, const IpAddress& peer) const {
  std::optional<IpAddress> other;
  const auto consider = [&](const IpAddress& own, const IpPrefix& subnet) {
    if (own.family() != peer.family()) return false;
    if (!other) other = own;
    return subnet.contains(peer);
  };
  if (vrf_id == underlay_vrf) {
    for (const auto& [name, port] : ports) {
      for (const auto& own : port.config.addresses) {
        if (consider(own.address, own)) return own.address;
      }
    }
  } else if (const auto* found = vrf(vrf_id)) {
    for (const auto& subnet : found->config.subnets) {
      if (consider(subnet.gateway, subnet.prefix)) return subnet.gateway;
    }
  }
  return other ? other : tunnel_address(peer.family());
}

std::optional<IpAddress> Model::tunnel_address(IpFamily family) const {
  const auto found = std::find_if(node.tunnel_addresses.begin(), node.tunnel_addresses.end(),
                                  [&](const auto& a) { return a.family() == family; });
  if (found == node.tunnel_addresses.end()) return std::nullopt;
  return *found;
}

std::optional<std::uint16_t> path_mtu(const Model& model, const TunnelObject& tunnel) {
  if (tunnel.via.empty()) return std::nullopt;
  std::uint16_t least = tunnel.path.mtu_bytes;
  for (const NeighbourKey& key : tunnel.via) {
    const auto* port = model.port(key.port);
    if (port == nullptr) return std::nullopt;
    least = std::min(least, port->mtu_bytes);
  }
  return least;
}

Ipv6Address link_local_address(const MacAddress& mac) {
  const auto& m = mac.bytes;
  return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 2), m[1], m[2], 0xff,
           0xfe, m[3], m[4], m[5]}};
}

}  // namespace weft::agent
