#include "agent/channel_publications.hpp"

#include <algorithm>

namespace weft::agent {

std::optional<vpn::NextHop> next_hop_to(const Intent& intent, const std::string& vrf) {
  std::map<IpAddress, vpn::NextHop> by_address;
  intent.each<DecapConfig>([&](const DecapConfig& decap, Owner) {
    const auto encapsulation = vpn::encapsulation_of(decap.kind);
    const bool plain = decap.labels.empty() && decap.options.empty();
    if (decap.vrf != vrf || !encapsulation || !plain) return;
    if (decap.destination_port != describe(decap.kind).default_udp_port) return;
    auto& hop = by_address[decap.local];
    hop.address = decap.local;
    const auto field = vpn::describe(*encapsulation).network;
    if (field == vpn::NetworkField::none) return;
    auto& number = field == vpn::NetworkField::label ? hop.label : hop.vni;
    // A route has room for one label and one VNI.
    if (number && *number != decap.vni) return;
    number = decap.vni;
    hop.encapsulations.add(*encapsulation);
  });
  for (const auto& address : intent.config.node.tunnel_addresses) {
    const auto found = by_address.find(address);
    if (found == by_address.end() || found->second.encapsulations.empty()) continue;
    if (const auto config = intent.wanted<VrfConfig>(vrf)) {
      found->second.mac = config->object->router_mac;
    }
    return found->second;
  }
  return std::nullopt;
}

std::set<HostKey> ChannelPublications::refresh(const Intent& intent, ChannelRoutes& routes) {
  std::map<HostKey, vpn::Attributes> now;
  std::map<std::string, std::uint32_t> vrfs;
  std::map<std::string, std::optional<vpn::NextHop>> hops;
  std::set<HostKey> left;
  intent.each<VifConfig>([&](const VifConfig& vif, Owner) {
    const auto vrf = intent.wanted<VrfConfig>(vif.vrf);
    if (!vrf) return;
    vrfs.emplace(vif.vrf, vrf->object->id);
    auto [hop, is_new] = hops.try_emplace(vif.vrf);
    if (is_new) hop->second = next_hop_to(intent, vif.vrf);
    if (!hop->second) return;
    for (const auto& address : vif.addresses) {
      const HostKey key{vif.vrf, address};
      vpn::Attributes attributes;
      attributes.next_hops = {*hop->second};
      attributes.virtual_network = vif.vrf;
      attributes.origin = intent.config.node.name;
      if (vif.security_groups) attributes.security_groups = *vif.security_groups;
      const auto before = routes_.find(key);
      const auto* other = routes.elsewhere(vif.vrf, address);
      std::uint32_t sequence = routes.own_sequence(vif.vrf, address);
      if (before != routes_.end()) sequence = std::max(sequence, before->second.sequence());
      // It has moved from here, or here (RFC 7432 §15).
      const bool overtaken = before != routes_.end() && other && other->sequence() > sequence;
      if (other && (overtaken || left_.contains(key))) {
        left.insert(key);
        continue;
      }
      if (other && before == routes_.end()) sequence = std::max(sequence, other->sequence() + 1);
      attributes.mobility = vpn::Mobility{.sequence = sequence, .sticky = false};
      now.emplace(key, std::move(attributes));
    }
  });
  std::set<HostKey> changed;
  for (const auto& [key, attributes] : now) {
    const auto before = routes_.find(key);
    if (before == routes_.end() || before->second != attributes) changed.insert(key);
  }
  for (const auto& [key, attributes] : routes_) {
    if (!now.contains(key)) changed.insert(key);
  }
  for (const auto& [vrf, address] : left) routes.set_moved(vrf, address, true);
  for (const auto& key : left_) {
    if (!left.contains(key)) routes.set_moved(key.vrf, key.address, false);
  }
  left_ = std::move(left);
  routes_ = std::move(now);
  vrfs_ = std::move(vrfs);
  return changed;
}

}  // namespace weft::agent
