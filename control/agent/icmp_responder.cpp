#include "agent/icmp_responder.hpp"

#include "agent/address_rules.hpp"
#include "agent/neighbour_message.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace weft::agent {

namespace {

std::optional<IcmpError> error_for(DropReason reason) {
  switch (reason) {
    case DropReason::ttl_expired:
      return IcmpError::ttl_expired;
    case DropReason::no_route:
    case DropReason::discard_route:
      return IcmpError::no_route;
    case DropReason::tunnel_unresolved:
    case DropReason::neighbour_unresolved:
      return IcmpError::host_unreachable;
    case DropReason::too_big:
      return IcmpError::too_big;
    default:
      return std::nullopt;
  }
}

bool link_layer_multicast(const PuntedPacket& punted) {
  return punted.l3_offset >= sizeof(wire::Ethernet) && (punted.frame[0] & 1) != 0;
}

}  // namespace

IcmpResponder::IcmpResponder(const Model& model, ForwardingPlane& plane, Clock clock,
                             IcmpLimits limits)
    : model_(model),
      plane_(plane),
      clock_(std::move(clock)),
      total_(limits.total_per_second, limits.total_per_second),
      by_destination_(limits.per_destination_per_second, limits.per_destination_burst,
                      limits.destinations) {}

void IcmpResponder::receive_local(const PuntedPacket& punted) {
  const auto packet = parse_ip_packet(l3_of(punted));
  if (!packet) return plane_.count_drop(DropReason::local_unsupported);
  if (const auto reply = echo_reply(*packet)) return send(punted, packet->source, *reply);
  plane_.count_drop(DropReason::local_unsupported);
  const auto udp = static_cast<std::uint8_t>(wire::IpProtocol::udp);
  if (packet->upper_known && packet->protocol == udp && !packet->later_fragment &&
      packet->upper().size() >= sizeof(wire::Udp)) {
    report(punted, *packet, IcmpError::port_unreachable, 0);
  }
}

void IcmpResponder::receive_dropped(const PuntedPacket& punted) {
  const auto error = error_for(punted.reason);
  const auto packet = parse_ip_packet(l3_of(punted));
  if (error && packet) report(punted, *packet, *error, punted.mtu_bytes);
}

void IcmpResponder::report(const PuntedPacket& punted, const IpPacket& packet, IcmpError error,
                           std::uint16_t mtu_bytes) {
  if (link_layer_multicast(punted) || !may_report(packet)) return;
  auto source = model_.router_address(punted.vrf, packet.source);
  // The host has our address itself and takes nothing from it. It hears of the trouble from where
  // its packet went, as with Linux' own tunnels (iptunnel_pmtud_build_icmp).
  const auto* vif = model_.vif(punted.vif);
  if (vif != nullptr && vif->host) source = packet.destination;
  if (!source) return;
  // One destination in a flood must not use up what the others have.
  const auto now = clock_();
  if (!by_destination_.take({punted.vrf, packet.source}, now) || !total_.take(now)) return;
  send(punted, packet.source, icmp_error(packet, error, mtu_bytes, *source));
}

void IcmpResponder::send(const PuntedPacket& punted, const IpAddress& destination,
                         const std::vector<std::uint8_t>& packet) {
  if (!is_link_local(destination)) {
    plane_.inject({Injection::Routed{punted.vrf}, packet});
    return;
  }
  const auto* port = model_.port(punted.port);
  const auto asker = ethernet_source(punted);
  if (port == nullptr || !asker) return;
  wire::Ethernet ethernet{*asker, port->mac,
                          be16(static_cast<std::uint16_t>(wire::EtherType::ipv6))};
  const auto* header = reinterpret_cast<const std::uint8_t*>(&ethernet);
  Frame frame(header, header + sizeof ethernet);
  frame.insert(frame.end(), packet.begin(), packet.end());
  plane_.inject({Injection::ToPort{punted.port}, frame});
}

}  // namespace weft::agent
