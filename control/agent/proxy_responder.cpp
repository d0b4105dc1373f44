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

void ProxyResponder::receive(const PuntedPacket& packet) {
  const auto* vrf = model_.vrf(packet.vrf);
  if (vrf == nullptr) return plane_.count_drop(DropReason::neighbour_not_ours);

  Question question;
  std::optional<ArpMessage> arp;
  NdParsed nd;
  std::optional<MacAddress> asker;
  if (is_arp(packet)) {
    arp = parse_arp(l3_of(packet));
    if (!arp) return plane_.count_drop(DropReason::neighbour_malformed);
    asker = arp->sender_mac;
    question = {arp->sender, arp->target, asker, arp->probe()};
  } else {
    nd = parse_nd(l3_of(packet));
    if (!nd.message && nd.error == NdError::malformed) {
      return plane_.count_drop(DropReason::neighbour_malformed);
    }
    if (nd.message) {
      asker = nd.message->link_layer ? nd.message->link_layer : ethernet_source(packet);
      const auto& source = nd.message->source;
      question = {source, nd.message->target, nd.message->link_layer, source.v6().unspecified()};
    }
  }
  // Before the kind of message: a spoofed reply is a spoofed packet too.
  const auto* vif = model_.vif(packet.vif);
  const bool is_question = arp ? arp->request : nd.message && nd.message->solicitation;
  DropReason reason = DropReason::neighbour_not_ours;
  std::optional<NexthopId> back;
  if (vif != nullptr && (arp || nd.message)) {
    reason = judge(*vif, question);
  } else if (packet.decap.valid() && is_question) {
    back = way_back(packet.vrf, question);
    if (back) reason = DropReason::none;
  }
  if (reason == DropReason::none && (!is_question || !asker)) {
    reason = DropReason::neighbour_not_ours;
  }
  if (reason != DropReason::none) return plane_.count_drop(reason);

  const auto& router_mac = vrf->config.router_mac;
  const auto answer =
      arp ? arp_reply(*arp, router_mac) : nd_advertisement(*nd.message, router_mac, *asker);
  if (back) {
    plane_.inject({Injection::IntoTunnel{*back}, answer});
  } else {
    plane_.inject({Injection::ToPort{vif->port}, answer});
  }
}

DropReason ProxyResponder::judge(const VifObject& vif, const Question& q) const {
  const auto& config = vif.config;
  if (config.anti_spoofing) {
    if (q.claimed_mac && *q.claimed_mac != config.mac) return DropReason::spoofed_mac;
    // A VM's link-local addresses are its own business: they never leave its link.
    if (!q.claims_nothing && !is_link_local(q.sender) && !contains(config.addresses, q.sender)) {
      return DropReason::spoofed_ip;
    }
  }
  if (q.sender == q.target || contains(config.addresses, q.target) ||
      !has_route(vif.vrf, q.target)) {
    return DropReason::neighbour_not_ours;
  }
  return DropReason::none;
}

bool ProxyResponder::has_route(VrfId vrf, const IpAddress& target) const {
  if (!is_unicast(target) || is_link_local(target)) return gateway_of(*model_.vrf(vrf), target);
  const auto way = model_.way(vrf, target);
  return way && way->use->kind != NexthopUse::Kind::discard;
}

std::optional<NexthopId> ProxyResponder::way_back(VrfId vrf, const Question& q) const {
  if (q.claims_nothing || q.sender == q.target) return std::nullopt;
  if (!gateway_of(*model_.vrf(vrf), q.target) && model_.vif_with(vrf, q.target) == nullptr) {
    return std::nullopt;
  }
  const auto way = model_.way(vrf, q.sender);
  if (!way || way->use->kind != NexthopUse::Kind::tunnel) return std::nullopt;
  return way->nexthop;
}

}  // namespace weft::agent
