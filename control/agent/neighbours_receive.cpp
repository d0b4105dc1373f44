/// What arrives for the table of neighbours, and whom it believes.

#include <algorithm>

#include "agent/address_rules.hpp"
#include "agent/neighbours.hpp"

namespace weft::agent {

namespace {

bool broadcast_or_network(const IpPrefix& subnet, const IpAddress& address) {
  if (!address.is_v4() || subnet.length > 30) return false;
  const std::uint32_t hosts = 0xffffffffU >> subnet.length;
  const std::uint32_t host = address.v4().value & hosts;
  return host == 0 || host == hosts;
}

}  // namespace

bool owns(const PortObject& port, const IpAddress& address) {
  if (port.link_local && address == IpAddress{*port.link_local}) return true;
  return std::any_of(port.config.addresses.begin(), port.config.addresses.end(),
                     [&](const auto& a) { return a.address == address; });
}

bool may_be_neighbour(const PortObject& port, const IpAddress& address) {
  if (owns(port, address)) return false;
  if (is_link_local(address)) return port.link_local.has_value();
  return std::any_of(port.config.addresses.begin(), port.config.addresses.end(),
                     [&](const auto& subnet) {
                       return subnet.contains(address) && !broadcast_or_network(subnet, address);
                     });
}

bool Neighbours::believable(const PortObject& port, const IpAddress& address) const {
  return may_be_neighbour(port, address) ||
         (!owns(port, address) && entries_.contains({port.id, address}));
}

void Neighbours::receive(const PuntedPacket& packet) {
  const auto* port = model_.port(packet.port);
  if (port == nullptr) return host_.drop(DropReason::neighbour_not_ours);
  bool ours = false;
  if (is_arp(packet)) {
    const auto arp = parse_arp(l3_of(packet));
    if (!arp) return host_.drop(DropReason::neighbour_malformed);
    ours = receive_arp(*port, *arp);
  } else {
    const auto [nd, error] = parse_nd(l3_of(packet));
    if (!nd && error == NdError::malformed) return host_.drop(DropReason::neighbour_malformed);
    if (nd && nd->solicitation) {
      ours = receive_solicitation(*port, *nd, ethernet_source(packet));
    } else if (nd) {
      ours = receive_advertisement(*port, *nd);
    }
  }
  if (!ours) host_.drop(DropReason::neighbour_not_ours);
}

bool Neighbours::receive_arp(const PortObject& port, const ArpMessage& arp) {
  if (arp.sender_mac == port.mac) return false;
  if (owns(port, arp.sender)) {
    host_.address_conflict(port.id, arp.sender, arp.sender_mac);
    return false;
  }
  const bool to_us = owns(port, arp.target);
  bool learned = false;
  if (believable(port, arp.sender)) {
    const auto evidence = !to_us                                            ? Evidence::hearsay
                          : arp.request                                     ? Evidence::asked_us
                          : arp.target_mac == port.mac && !arp.gratuitous() ? Evidence::answer
                                                                            : Evidence::hearsay;
    learned = learn({port.id, arp.sender}, arp.sender_mac, evidence);
  }
  if (!to_us || !arp.request) return learned;
  // A probe is answered too: the address is taken (RFC 5227 §2.1.1).
  host_.send(port.id, arp_reply(arp, port.mac));
  return true;
}

bool Neighbours::receive_solicitation(const PortObject& port, const NdMessage& nd,
                                      std::optional<MacAddress> sender) {
  if (!owns(port, nd.target)) return false;
  const auto& source = nd.source;
  if (owns(port, source)) {
    if (sender && *sender != port.mac) host_.address_conflict(port.id, source, *sender);
    return false;
  }
  const bool unspecified = source.v6().unspecified();
  if (!unspecified && !believable(port, source)) return false;
  const auto asker = nd.link_layer ? nd.link_layer : sender;
  if (!asker || *asker == port.mac) return false;
  if (nd.link_layer) learn({port.id, source}, *nd.link_layer, Evidence::asked_us);
  host_.send(port.id, nd_advertisement(nd, port.mac, *asker));
  return true;
}

bool Neighbours::receive_advertisement(const PortObject& port, const NdMessage& nd) {
  const auto& mac = nd.link_layer;
  if (mac && *mac == port.mac) return false;
  if (owns(port, nd.target)) {
    host_.address_conflict(port.id, nd.target, mac.value_or(MacAddress{}));
    return false;
  }
  const NeighbourKey key{port.id, nd.target};
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.state == NeighbourState::fixed) return false;
  auto& entry = found->second;

  // RFC 4861 §7.2.5.
  if (!entry.has_mac()) {
    if (!mac) return false;
    nd.solicited ? confirm(key, entry, *mac) : suspect(key, entry, *mac);
    return true;
  }
  const bool differs = mac && *mac != entry.mac;
  if (differs && !nd.override_cache) {
    if (entry.state == NeighbourState::reachable) entry.deadline = clock_();
    return true;
  }
  if (nd.solicited) {
    confirm(key, entry, mac.value_or(entry.mac));
  } else if (differs) {
    suspect(key, entry, *mac);
  }
  return true;
}

void Neighbours::announce(PortId id) {
  const auto* port = model_.port(id);
  if (port == nullptr) return;
  for (const auto& address : port->config.addresses) {
    host_.send(id, address.address.is_v4() ? arp_announcement(port->mac, address.address)
                                           : nd_announcement(port->mac, address.address));
  }
  if (port->link_local) host_.send(id, nd_announcement(port->mac, *port->link_local));
}

}  // namespace weft::agent
