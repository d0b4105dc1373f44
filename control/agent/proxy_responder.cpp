#include "agent/proxy_responder.hpp"

#include <algorithm>

#include "agent/address_rules.hpp"

namespace weft::agent {

namespace {

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

bool gateway_of(const VrfObject& vrf, const IpAddress& address) {
  return std::any_of(vrf.config.subnets.begin(), vrf.config.subnets.end(),
                     [&](const auto& subnet) { return subnet.gateway == address; });
}

}  // namespace

template <class Build>
void ProxyResponder::answer(const Verdict& verdict, Build build) {
  if (const auto* reason = std::get_if<DropReason>(&verdict)) return plane_.count_drop(*reason);
  const Frame frame = build();
  plane_.inject({std::get<Way>(verdict), frame});
}

void ProxyResponder::receive(const PuntedPacket& packet) {
  const auto* vrf = model_.vrf(packet.vrf);
  if (vrf == nullptr) return plane_.count_drop(DropReason::neighbour_not_ours);
  const auto& router_mac = vrf->config.router_mac;
  if (is_arp(packet)) {
    const auto arp = parse_arp(l3_of(packet));
    if (!arp) return plane_.count_drop(DropReason::neighbour_malformed);
    const Question question{arp->sender, arp->target, arp->sender_mac, arp->probe(), arp->request};
    return answer(judge(packet, question), [&] { return arp_reply(*arp, router_mac); });
  }
  const auto [nd, error] = parse_nd(l3_of(packet));
  const auto asker = nd && nd->link_layer ? nd->link_layer : ethernet_source(packet);
  if (!nd || !asker) {
    return plane_.count_drop(!nd && error == NdError::other_type ? DropReason::neighbour_not_ours
                                                                 : DropReason::neighbour_malformed);
  }
  const Question question{nd->source, nd->target, nd->link_layer, nd->source.v6().unspecified(),
                          nd->solicitation};
  const auto& message = *nd;
  answer(judge(packet, question), [&] { return nd_advertisement(message, router_mac, *asker); });
}

ProxyResponder::Verdict ProxyResponder::judge(const PuntedPacket& packet, const Question& q) const {
  if (const auto* vif = model_.vif(packet.vif)) return judge_vm(*vif, q);
  if (packet.decap.valid()) return judge_remote(packet.vrf, q);
  return DropReason::neighbour_not_ours;
}

ProxyResponder::Verdict ProxyResponder::judge_vm(const VifObject& vif, const Question& q) const {
  const auto& config = vif.config;
  // Before anything else: a spoofed reply is a spoofed packet too.
  if (config.anti_spoofing) {
    if (q.claimed_mac && *q.claimed_mac != config.mac) return DropReason::spoofed_mac;
    // A VM's link-local addresses are its own business: they never leave its link.
    if (!q.claims_nothing && !is_link_local(q.sender) && !contains(config.addresses, q.sender)) {
      return DropReason::spoofed_ip;
    }
  }
  if (!q.asks || q.sender == q.target || contains(config.addresses, q.target) ||
      !has_route(vif.vrf, q.target)) {
    return DropReason::neighbour_not_ours;
  }
  return Injection::ToPort{vif.port};
}

ProxyResponder::Verdict ProxyResponder::judge_remote(VrfId vrf, const Question& q) const {
  if (!q.asks || q.claims_nothing || q.sender == q.target || !is_here(vrf, q.target)) {
    return DropReason::neighbour_not_ours;
  }
  const auto way = model_.way(vrf, q.sender);
  if (!way || way->use->kind != NexthopUse::Kind::tunnel) return DropReason::neighbour_not_ours;
  // Who asked by a frame cannot be told where only packets go.
  if (model_.tunnels.at(way->use->name).profile.payload != TunnelPayload::ethernet) {
    return DropReason::neighbour_not_ours;
  }
  return Injection::IntoTunnel{way->nexthop};
}

/// Whether the target is this router's or one of its VIFs', in `vrf` or where its routes lead.
bool ProxyResponder::is_here(VrfId vrf, const IpAddress& target) const {
  const auto way = model_.way(vrf, target);
  if (!way) return false;
  if (way->use->kind == NexthopUse::Kind::receive) return true;
  return way->use->kind == NexthopUse::Kind::vif &&
         contains(model_.vifs.at(way->use->name).config.addresses, target);
}

bool ProxyResponder::has_route(VrfId vrf, const IpAddress& target) const {
  if (!is_unicast(target) || is_link_local(target)) return gateway_of(*model_.vrf(vrf), target);
  const auto way = model_.way(vrf, target);
  return way && way->use->kind != NexthopUse::Kind::discard;
}

}  // namespace weft::agent
