#include "agent/frame_builder.hpp"

#include <algorithm>

#include "agent/bytes.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace weft::agent {

namespace {

using wire::IpProtocol;

bool is(const PacketFields& fields, IpProtocol protocol) {
  return fields.protocol == static_cast<std::uint8_t>(protocol);
}

bool is_icmp(const PacketFields& fields) {
  return is(fields, fields.source.is_v4() ? IpProtocol::icmp : IpProtocol::icmpv6);
}

template <class Header>
Frame bytes_of(const Header& header) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(&header);
  return {at, at + sizeof header};
}

/// The upper layer's header, lengths and checksums still to come.
Frame upper_header(const PacketFields& fields) {
  if (is_icmp(fields)) {
    wire::Icmp icmp;
    icmp.type = fields.source.is_v4() ? wire::icmpv4::echo_request : wire::icmpv6::echo_request;
    return bytes_of(icmp);
  }
  if (is(fields, IpProtocol::udp)) {
    return bytes_of(wire::Udp{be16(fields.source_port), be16(fields.destination_port), {}, {}});
  }
  if (is(fields, IpProtocol::tcp)) {
    constexpr std::uint8_t syn = 0x02;
    wire::Tcp tcp;
    tcp.source_port = fields.source_port;
    tcp.destination_port = fields.destination_port;
    tcp.data_offset = (sizeof tcp / 4) << 4;
    tcp.flags = syn;
    tcp.window = 65535;
    return bytes_of(tcp);
  }
  return {};
}

void complete_upper(const PacketFields& fields, Frame& upper) {
  std::size_t checksum_at = 0;
  if (is(fields, IpProtocol::udp)) {
    const be16 length(static_cast<std::uint16_t>(upper.size()));
    std::memcpy(upper.data() + offsetof(wire::Udp, length), &length, sizeof length);
    checksum_at = offsetof(wire::Udp, checksum);
  } else if (is(fields, IpProtocol::tcp)) {
    checksum_at = offsetof(wire::Tcp, checksum);
  } else if (is_icmp(fields)) {
    checksum_at = offsetof(wire::Icmp, checksum);
  } else {
    return;
  }
  const bool v4 = fields.source.is_v4();
  be16 checksum =
      v4 && is(fields, IpProtocol::icmp)
          ? wire::checksum_finish(wire::checksum_add(upper.data(), upper.size()))
          : wire::l4_checksum(fields.source.bytes().data(), fields.destination.bytes().data(),
                              v4 ? 4 : 16, fields.protocol, upper);
  // RFC 768: zero means that there is none.
  if (is(fields, IpProtocol::udp) && checksum == be16{}) checksum = 0xffff;
  std::memcpy(upper.data() + checksum_at, &checksum, sizeof checksum);
}

Frame ip_header(const PacketFields& fields, std::size_t upper_bytes) {
  if (!fields.source.is_v4()) {
    wire::Ipv6 ip;
    ip.version_class_label = 6U << 28;
    ip.payload_length = static_cast<std::uint16_t>(upper_bytes);
    ip.next_header = fields.protocol;
    ip.hop_limit = fields.ttl;
    ip.source = fields.source.v6();
    ip.destination = fields.destination.v6();
    return bytes_of(ip);
  }
  wire::Ipv4 ip;
  ip.total_length = static_cast<std::uint16_t>(sizeof ip + upper_bytes);
  ip.flags_fragment = fields.dont_fragment ? wire::Ipv4::dont_fragment : std::uint16_t{0};
  ip.ttl = fields.ttl;
  ip.protocol = fields.protocol;
  ip.source = fields.source.v4().value;
  ip.destination = fields.destination.v4().value;
  ip.complete_checksum();
  return bytes_of(ip);
}

}  // namespace

Result<Frame> build_frame(const PacketFields& fields) {
  if (fields.source.family() != fields.destination.family()) {
    return Error{"source " + to_string(fields.source) + " and destination " +
                 to_string(fields.destination) + " are of different families"};
  }
  const bool v4 = fields.source.is_v4();
  const std::size_t ip_bytes = v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  auto upper = upper_header(fields);
  upper.resize(std::max(upper.size() + ip_bytes, std::size_t{fields.bytes}) - ip_bytes);
  complete_upper(fields, upper);

  const auto type = v4 ? wire::EtherType::ipv4 : wire::EtherType::ipv6;
  auto frame = bytes_of(wire::Ethernet{fields.destination_mac, fields.source_mac,
                                       be16(static_cast<std::uint16_t>(type))});
  if (fields.vlan != 0) {
    frame.insert(frame.begin(), sizeof(wire::VlanTag), 0);
    wire::put_vlan_tag(frame.data() + sizeof(wire::VlanTag), fields.vlan);
  }
  const auto ip = ip_header(fields, upper.size());
  frame.insert(frame.end(), ip.begin(), ip.end());
  frame.insert(frame.end(), upper.begin(), upper.end());
  return frame;
}

}  // namespace weft::agent
