#include "agent/neighbour_message.hpp"

#include "wire/checksum.hpp"
#include "wire/ipv6.hpp"
#include "wire/nd.hpp"

namespace weft::agent {

namespace {

using wire::NeighbourMessage;

constexpr std::uint8_t nd_hop_limit = 255;
constexpr Ipv6Address all_nodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

template <class Header>
void append(Frame& frame, const Header& header) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  frame.insert(frame.end(), bytes, bytes + sizeof header);
}

wire::Ethernet ethernet(const MacAddress& destination, const MacAddress& source,
                        wire::EtherType type) {
  return {destination, source, be16(static_cast<std::uint16_t>(type))};
}

bool unicast(const MacAddress& mac) { return !mac.multicast() && !mac.zero(); }

bool solicited_node_multicast(const Ipv6Address& a) {
  const auto prefix = wire::solicited_node({});
  return std::equal(a.bytes.begin(), a.bytes.begin() + 13, prefix.bytes.begin());
}

bool solicitation_valid(const NdMessage& nd) {
  if (!nd.source.v6().unspecified()) return true;
  return solicited_node_multicast(nd.destination.v6()) && !nd.link_layer;
}

bool advertisement_valid(const NdMessage& nd) {
  return !(nd.destination.v6().multicast() && nd.solicited);
}

}  // namespace

Bytes l3_of(const PuntedPacket& packet) {
  if (packet.l3_offset >= packet.frame.size()) return {};
  return packet.frame.subspan(packet.l3_offset);
}

bool is_arp(const PuntedPacket& packet) {
  if (packet.l3_offset < 2 || packet.l3_offset > packet.frame.size()) return false;
  const auto type = read<be16>(packet.frame, packet.l3_offset - 2U).get();
  return type == static_cast<std::uint16_t>(wire::EtherType::arp);
}

std::optional<MacAddress> ethernet_source(const PuntedPacket& packet) {
  if (packet.frame.size() < sizeof(wire::Ethernet) || packet.l3_offset < sizeof(wire::Ethernet)) {
    return std::nullopt;
  }
  const auto mac = read<wire::Ethernet>(packet.frame).source;
  if (!unicast(mac)) return std::nullopt;
  return mac;
}

std::optional<ArpMessage> parse_arp(Bytes l3) {
  if (l3.size() < sizeof(wire::Arp)) return std::nullopt;
  const auto arp = read<wire::Arp>(l3);
  if (!arp.well_formed() || !unicast(arp.sender_mac)) return std::nullopt;
  return ArpMessage{arp.operation.get() == wire::Arp::request, arp.sender_mac,
                    Ipv4Address{arp.sender_ip.get()}, arp.target_mac,
                    Ipv4Address{arp.target_ip.get()}};
}

Frame build_arp(const ArpMessage& message, const MacAddress& destination) {
  wire::Arp arp;
  arp.hardware_type = 1;
  arp.protocol_type = static_cast<std::uint16_t>(wire::EtherType::ipv4);
  arp.hardware_bytes = 6;
  arp.protocol_bytes = 4;
  arp.operation = message.request ? wire::Arp::request : wire::Arp::reply;
  arp.sender_mac = message.sender_mac;
  arp.sender_ip = message.sender.v4().value;
  arp.target_mac = message.target_mac;
  arp.target_ip = message.target.v4().value;
  Frame frame;
  append(frame, ethernet(destination, message.sender_mac, wire::EtherType::arp));
  append(frame, arp);
  return frame;
}

NdParsed parse_nd(Bytes l3) {
  constexpr auto malformed = [] { return NdParsed{}; };
  if (l3.size() < sizeof(wire::Ipv6) + sizeof(wire::Icmp)) return malformed();
  const auto ip = read<wire::Ipv6>(l3);
  const std::size_t payload_bytes = ip.payload_length.get();
  if (ip.version() != 6 || payload_bytes < sizeof(wire::Icmp) ||
      payload_bytes > l3.size() - sizeof ip || ip.source.multicast()) {
    return malformed();
  }
  // No extension header may stand before it: RFC 6980 forbids fragments, and hosts send no others.
  if (ip.next_header != static_cast<std::uint8_t>(wire::IpProtocol::icmpv6)) return malformed();
  const auto payload = l3.subspan(sizeof ip, payload_bytes);
  if (wire::l4_checksum(&ip.source, &ip.destination, 16, ip.next_header, payload) != be16{}) {
    return malformed();
  }
  const auto icmp = read<wire::Icmp>(payload);
  const bool solicitation = icmp.type == wire::icmpv6::neighbour_solicitation;
  if (!solicitation && icmp.type != wire::icmpv6::neighbour_advertisement) {
    return {std::nullopt, NdError::other_type};
  }
  if (ip.hop_limit != nd_hop_limit || icmp.code != 0 || payload.size() < sizeof(NeighbourMessage)) {
    return malformed();
  }
  const auto message = read<NeighbourMessage>(payload);
  const auto flags = icmp.rest.get();
  NdMessage nd{solicitation,
               ip.source,
               ip.destination,
               message.target,
               std::nullopt,
               (flags & NeighbourMessage::router) != 0,
               (flags & NeighbourMessage::solicited) != 0,
               (flags & NeighbourMessage::override_cache) != 0};
  bool options_valid = false;
  nd.link_layer = wire::find_link_layer_option(
      payload.subspan(sizeof message),
      solicitation ? wire::LinkLayerOption::source : wire::LinkLayerOption::target, options_valid);
  if (!options_valid || message.target.multicast() || message.target.unspecified() ||
      (nd.link_layer && !unicast(*nd.link_layer)) ||
      !(solicitation ? solicitation_valid(nd) : advertisement_valid(nd))) {
    return malformed();
  }
  return {nd, {}};
}

Frame build_nd(const NdMessage& nd, const MacAddress& source_mac,
               const MacAddress& destination_mac) {
  NeighbourMessage message;
  message.icmp.type = nd.solicitation ? wire::icmpv6::neighbour_solicitation
                                      : wire::icmpv6::neighbour_advertisement;
  message.icmp.rest = (nd.router ? NeighbourMessage::router : 0) |
                      (nd.solicited ? NeighbourMessage::solicited : 0) |
                      (nd.override_cache ? NeighbourMessage::override_cache : 0);
  message.target = nd.target.v6();
  Frame payload;
  append(payload, message);
  if (nd.link_layer) {
    append(payload, wire::LinkLayerOption{nd.solicitation ? wire::LinkLayerOption::source
                                                          : wire::LinkLayerOption::target,
                                          1, *nd.link_layer});
  }
  wire::Ipv6 ip;
  ip.version_class_label = 6U << 28;
  ip.payload_length = static_cast<std::uint16_t>(payload.size());
  ip.next_header = static_cast<std::uint8_t>(wire::IpProtocol::icmpv6);
  ip.hop_limit = nd_hop_limit;
  ip.source = nd.source.v6();
  ip.destination = nd.destination.v6();
  const auto checksum = wire::l4_checksum(&ip.source, &ip.destination, 16, ip.next_header, payload);
  std::memcpy(payload.data() + offsetof(wire::Icmp, checksum), &checksum, sizeof checksum);

  Frame frame;
  append(frame, ethernet(destination_mac, source_mac, wire::EtherType::ipv6));
  append(frame, ip);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

Frame arp_request(const MacAddress& own_mac, const IpAddress& own, const IpAddress& target,
                  std::optional<MacAddress> unicast_to) {
  return build_arp({true, own_mac, own, {}, target}, unicast_to.value_or(broadcast_mac));
}

Frame arp_reply(const ArpMessage& request, const MacAddress& own_mac) {
  return build_arp({false, own_mac, request.target, request.sender_mac, request.sender},
                   request.sender_mac);
}

Frame arp_announcement(const MacAddress& own_mac, const IpAddress& own) {
  return build_arp({true, own_mac, own, {}, own}, broadcast_mac);
}

Frame nd_solicitation(const MacAddress& own_mac, const IpAddress& own, const IpAddress& target,
                      std::optional<MacAddress> unicast_to) {
  const auto group = wire::solicited_node(target.v6());
  NdMessage nd{true, own, target, target, own_mac, false, false, false};
  if (unicast_to) return build_nd(nd, own_mac, *unicast_to);
  nd.destination = group;
  return build_nd(nd, own_mac, wire::multicast_mac(group));
}

Frame nd_advertisement(const NdMessage& solicitation, const MacAddress& own_mac,
                       const MacAddress& asker_mac) {
  NdMessage nd{
      false, solicitation.target, solicitation.source, solicitation.target, own_mac, true, true,
      true};
  if (!solicitation.source.v6().unspecified()) return build_nd(nd, own_mac, asker_mac);
  nd.destination = all_nodes;
  nd.solicited = false;
  return build_nd(nd, own_mac, wire::multicast_mac(all_nodes));
}

Frame nd_announcement(const MacAddress& own_mac, const IpAddress& own) {
  return build_nd({false, own, all_nodes, own, own_mac, true, false, true}, own_mac,
                  wire::multicast_mac(all_nodes));
}

}  // namespace weft::agent
