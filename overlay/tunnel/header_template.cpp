#include "tunnel/header_template.hpp"

#include "tunnel/registry.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/udp.hpp"

namespace weft::tunnel {
namespace {

void append_outer_ip(const TunnelProfile& profile, std::uint8_t protocol, HeaderTemplate& made) {
  const auto traffic_class = static_cast<std::uint8_t>(profile.dscp << 2);
  if (profile.remote.is_v4()) {
    wire::Ipv4 ip;
    ip.traffic_class = traffic_class;
    if (!profile.outer_fragmentation) ip.flags_fragment = wire::Ipv4::dont_fragment;
    ip.ttl = profile.ttl;
    ip.protocol = protocol;
    ip.source = profile.local.v4().value;
    ip.destination = profile.remote.v4().value;
    made.ip_checksum_sum = wire::checksum_fold(wire::checksum_add(&ip, sizeof ip));
    made.bytes.append(ip);
  } else {
    wire::Ipv6 ip;
    ip.version_class_label = 0x60000000U | static_cast<std::uint32_t>(traffic_class) << 20;
    ip.next_header = protocol;
    ip.hop_limit = profile.ttl;
    ip.source = profile.local.v6();
    ip.destination = profile.remote.v6();
    made.bytes.append(ip);
  }
}

}  // namespace

HeaderTemplate build_template(const TunnelProfile& profile) {
  HeaderTemplate made;
  made.outer_v4 = profile.remote.is_v4();
  with_codec(profile.kind, false, [&](auto codec) {
    if constexpr (codec.carrier == Carrier::ethernet) {
      made.ether_type = codec.ether_type;
    } else {
      append_outer_ip(profile, codec.ip_protocols.front(), made);
    }
    if (codec.carrier == Carrier::udp) {
      made.udp_offset = static_cast<std::uint16_t>(made.bytes.size());
      wire::Udp udp;
      udp.destination_port = profile.destination_port;
      made.bytes.append(udp);
      made.udp_checksum = !made.outer_v4 && !profile.zero_udp_checksum6;
    }
    const VersionSlot slot = codec.append(profile, made.bytes);
    if (profile.payload == TunnelPayload::ip) made.version_slot = slot;
    if (profile.payload == TunnelPayload::ethernet) {
      made.inner_ethernet_offset = static_cast<std::uint16_t>(made.bytes.size());
      wire::Ethernet ethernet;
      ethernet.destination = profile.inner_destination_mac;
      made.bytes.append(ethernet);
    }
    return true;
  });
  return made;
}

}  // namespace weft::tunnel
