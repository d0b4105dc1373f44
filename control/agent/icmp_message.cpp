#include "agent/icmp_message.hpp"

#include <algorithm>

#include "agent/address_rules.hpp"
#include "agent/bytes.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv6.hpp"

namespace weft::agent {

namespace {

using wire::Icmp;
using wire::IpProtocol;
using wire::Ipv4;
using wire::Ipv6;

constexpr std::uint8_t own_ttl = 64;
constexpr std::uint8_t internetwork_control = 0xc0;  // RFC 1812 §4.3.2.5
constexpr std::size_t ipv4_error_bytes = 576;
constexpr std::size_t ipv6_error_bytes = 1280;
constexpr std::uint8_t fragment_header = 44;

template <class Header>
void write(std::vector<std::uint8_t>& bytes, std::size_t offset, const Header& header) {
  std::memcpy(bytes.data() + offset, &header, sizeof header);
}

std::optional<IpPacket> parse_ipv4(Bytes bytes) {
  if (bytes.size() < sizeof(Ipv4)) return std::nullopt;
  const auto ip = read<Ipv4>(bytes);
  const std::size_t total = ip.total_length.get();
  if (ip.header_bytes() < sizeof ip || total < ip.header_bytes() || total > bytes.size()) {
    return std::nullopt;
  }
  IpPacket out;
  out.bytes = bytes.first(total);
  out.source = Ipv4Address{ip.source.get()};
  out.destination = Ipv4Address{ip.destination.get()};
  out.protocol = ip.protocol;
  out.upper_offset = ip.header_bytes();
  out.upper_known = true;
  out.fragment = ip.fragment();
  out.later_fragment = (ip.flags_fragment.get() & Ipv4::offset_mask) != 0;
  return out;
}

/// Whether the fragment header in the chain says that this is not the first piece.
bool later_ipv6_fragment(Bytes packet) {
  std::size_t offset = sizeof(Ipv6);
  std::uint8_t next = read<Ipv6>(packet).next_header;
  for (unsigned hops = 0; hops < 8 && packet.size() >= offset + 8; ++hops) {
    if (next == fragment_header) return (read<be16>(packet, offset + 2).get() & ~7U) != 0;
    if (next != 0 && next != 43 && next != 60) return false;
    next = packet[offset];
    offset += 8U * (packet[offset + 1] + 1U);
  }
  return false;
}

std::optional<IpPacket> parse_ipv6(Bytes bytes) {
  if (bytes.size() < sizeof(Ipv6)) return std::nullopt;
  const auto ip = read<Ipv6>(bytes);
  const std::size_t total = sizeof ip + ip.payload_length.get();
  if (total > bytes.size()) return std::nullopt;
  IpPacket out;
  out.bytes = bytes.first(total);
  out.source = ip.source;
  out.destination = ip.destination;
  const auto upper = wire::find_upper_layer(out.bytes);
  out.protocol = upper.protocol;
  out.upper_offset = upper.offset;
  out.upper_known = upper.complete;
  out.fragment = upper.fragment;
  out.later_fragment = upper.fragment && later_ipv6_fragment(out.bytes);
  return out;
}

bool is_icmp(const IpPacket& packet) {
  const auto wanted = packet.source.is_v4() ? IpProtocol::icmp : IpProtocol::icmpv6;
  return packet.protocol == static_cast<std::uint8_t>(wanted);
}

be16 icmp_checksum(const IpAddress& source, const IpAddress& destination, Bytes payload) {
  if (source.is_v4()) {
    return wire::checksum_finish(wire::checksum_add(payload.data(), payload.size()));
  }
  return wire::l4_checksum(source.bytes().data(), destination.bytes().data(), 16,
                           static_cast<std::uint8_t>(IpProtocol::icmpv6), payload);
}

/// IP and ICMP headers with the right lengths and checksums before `payload`.
std::vector<std::uint8_t> build(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t traffic_class, Icmp icmp, Bytes payload) {
  const std::size_t ip_bytes = source.is_v4() ? sizeof(Ipv4) : sizeof(Ipv6);
  std::vector<std::uint8_t> out(ip_bytes + sizeof icmp + payload.size());
  std::copy(payload.begin(), payload.end(),
            out.begin() + static_cast<long>(ip_bytes + sizeof icmp));
  icmp.checksum = 0;
  write(out, ip_bytes, icmp);
  icmp.checksum = icmp_checksum(source, destination, Bytes(out).subspan(ip_bytes));
  write(out, ip_bytes, icmp);
  if (source.is_v4()) {
    Ipv4 ip;
    ip.traffic_class = traffic_class;
    ip.total_length = static_cast<std::uint16_t>(out.size());
    ip.ttl = own_ttl;
    ip.protocol = static_cast<std::uint8_t>(IpProtocol::icmp);
    ip.source = source.v4().value;
    ip.destination = destination.v4().value;
    ip.complete_checksum();
    write(out, 0, ip);
  } else {
    Ipv6 ip;
    ip.version_class_label = 6U << 28 | static_cast<std::uint32_t>(traffic_class) << 20;
    ip.payload_length = static_cast<std::uint16_t>(out.size() - ip_bytes);
    ip.next_header = static_cast<std::uint8_t>(IpProtocol::icmpv6);
    ip.hop_limit = own_ttl;
    ip.source = source.v6();
    ip.destination = destination.v6();
    write(out, 0, ip);
  }
  return out;
}

Icmp header_v4(IcmpError error, std::uint16_t mtu_bytes) {
  using namespace wire::icmpv4;
  switch (error) {
    case IcmpError::ttl_expired:
      return {time_exceeded, 0, {}, {}};
    case IcmpError::no_route:
      return {unreachable, code_network_unreachable, {}, {}};
    case IcmpError::host_unreachable:
      return {unreachable, code_host_unreachable, {}, {}};
    case IcmpError::port_unreachable:
      return {unreachable, code_port_unreachable, {}, {}};
    case IcmpError::too_big:
      return {unreachable, code_fragmentation_needed, {}, be32(mtu_bytes)};
  }
  return {};
}

Icmp header_v6(IcmpError error, std::uint16_t mtu_bytes) {
  using namespace wire::icmpv6;
  switch (error) {
    case IcmpError::ttl_expired:
      return {time_exceeded, 0, {}, {}};
    case IcmpError::no_route:
      return {unreachable, code_no_route, {}, {}};
    case IcmpError::host_unreachable:
      return {unreachable, code_address_unreachable, {}, {}};
    case IcmpError::port_unreachable:
      return {unreachable, code_port_unreachable, {}, {}};
    case IcmpError::too_big:
      return {packet_too_big, 0, {}, be32(mtu_bytes)};
  }
  return {};
}

}  // namespace

std::optional<IpPacket> parse_ip_packet(Bytes packet) {
  if (packet.empty()) return std::nullopt;
  if (packet[0] >> 4 == 4) return parse_ipv4(packet);
  if (packet[0] >> 4 == 6) return parse_ipv6(packet);
  return std::nullopt;
}

std::optional<std::vector<std::uint8_t>> echo_reply(const IpPacket& packet) {
  const bool v4 = packet.source.is_v4();
  if (!packet.upper_known || packet.fragment || !is_icmp(packet) || !is_unicast(packet.source) ||
      !is_unicast(packet.destination)) {
    return std::nullopt;
  }
  const auto message = packet.upper();
  if (message.size() < sizeof(Icmp)) return std::nullopt;
  auto icmp = read<Icmp>(message);
  const auto request = v4 ? wire::icmpv4::echo_request : wire::icmpv6::echo_request;
  if (icmp.type != request || icmp.code != 0 ||
      icmp_checksum(packet.source, packet.destination, message) != be16{}) {
    return std::nullopt;
  }
  icmp.type = v4 ? wire::icmpv4::echo_reply : wire::icmpv6::echo_reply;
  // RFC 1812 §4.3.2.5: the reply has the request's type of service; the rules of ECN forbid its two
  // bits on what is not of an ECN-capable transport (RFC 3168 §5).
  const std::uint8_t traffic_class =
      v4 ? packet.bytes[1] & 0xfc
         : static_cast<std::uint8_t>(read<be32>(packet.bytes).get() >> 20) & 0xfc;
  return build(packet.destination, packet.source, traffic_class, icmp,
               message.subspan(sizeof(Icmp)));
}

std::optional<TooBigMessage> too_big_message(const IpPacket& packet) {
  if (!packet.upper_known || packet.fragment || !is_icmp(packet)) return std::nullopt;
  const auto message = packet.upper();
  if (message.size() < sizeof(Icmp)) return std::nullopt;
  const auto icmp = read<Icmp>(message);
  const bool v4 = packet.source.is_v4();
  const bool says_so = v4 ? icmp.type == wire::icmpv4::unreachable &&
                                icmp.code == wire::icmpv4::code_fragmentation_needed
                          : icmp.type == wire::icmpv6::packet_too_big;
  if (!says_so || icmp_checksum(packet.source, packet.destination, message) != be16{}) {
    return std::nullopt;
  }
  // IPv4: the lower half of the second word; the upper one is unused.
  const std::uint32_t word = icmp.rest.get();
  return TooBigMessage{v4 ? word & 0xffff : word, message.subspan(sizeof(Icmp))};
}

bool may_report(const IpPacket& packet) {
  if (!is_unicast(packet.source) || !is_unicast(packet.destination) || packet.later_fragment) {
    return false;
  }
  // What cannot be read to its upper layer may be an ICMP error.
  if (!packet.upper_known) return false;
  if (!is_icmp(packet)) return true;
  if (packet.upper().empty()) return false;
  const auto type = packet.upper()[0];
  if (!packet.source.is_v4()) {
    constexpr std::uint8_t redirect = 137;
    return type >= wire::icmpv6::first_informational && type != redirect;
  }
  using namespace wire::icmpv4;
  return type != unreachable && type != source_quench && type != redirect &&
         type != time_exceeded && type != parameter_problem;
}

std::vector<std::uint8_t> icmp_error(const IpPacket& packet, IcmpError error,
                                     std::uint16_t mtu_bytes, const IpAddress& source) {
  const bool v4 = source.is_v4();
  const std::size_t room = v4 ? ipv4_error_bytes - sizeof(Ipv4) - sizeof(Icmp)
                              : ipv6_error_bytes - sizeof(Ipv6) - sizeof(Icmp);
  const auto quote = packet.bytes.first(std::min(packet.bytes.size(), room));
  return build(source, packet.source, v4 ? internetwork_control : 0,
               v4 ? header_v4(error, mtu_bytes) : header_v6(error, mtu_bytes), quote);
}

}  // namespace weft::agent
