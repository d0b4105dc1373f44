#include "bfd/datagram.hpp"

#include <algorithm>
#include <cstring>

#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/udp.hpp"

namespace weft::bfd {

namespace {

constexpr std::uint8_t cs6 = 48 << 2;
constexpr auto udp_protocol = static_cast<std::uint8_t>(wire::IpProtocol::udp);

}  // namespace

Heard read_datagram(std::span<const std::uint8_t> ip) {
  Heard heard;
  std::size_t l4 = 0;
  std::uint8_t ttl = 0;
  if (ip[0] >> 4 == 4) {
    const auto& header = *reinterpret_cast<const wire::Ipv4*>(ip.data());
    heard.source = Ipv4Address{header.source.get()};
    heard.destination = Ipv4Address{header.destination.get()};
    l4 = header.header_bytes();
    ttl = header.ttl;
    ip = ip.first(std::min<std::size_t>(ip.size(), header.total_length.get()));
  } else {
    const auto& header = *reinterpret_cast<const wire::Ipv6*>(ip.data());
    heard.source = header.source;
    heard.destination = header.destination;
    ip = ip.first(std::min<std::size_t>(ip.size(), sizeof header + header.payload_length.get()));
    l4 = wire::find_upper_layer(ip).offset;
    ttl = header.hop_limit;
  }
  if (ttl != wire::bfd_ttl) {
    heard.reason = DropReason::bfd_ttl;
    return heard;
  }
  heard.reason = DropReason::bfd_malformed;
  if (ip.size() < l4 + sizeof(wire::Udp)) return heard;
  const auto& udp = *reinterpret_cast<const wire::Udp*>(ip.data() + l4);
  const std::size_t length = udp.length.get();
  if (length < sizeof udp || ip.size() < l4 + length) return heard;
  const auto datagram = ip.subspan(l4, length);
  const bool v4 = heard.source.is_v4();
  const bool summed = udp.checksum.get() != 0;
  const auto source = heard.source.bytes();
  const auto destination = heard.destination.bytes();
  const auto sum =
      wire::l4_checksum(source.data(), destination.data(), v4 ? 4 : 16, udp_protocol, datagram);
  if (summed ? sum.get() != 0 : !v4) return heard;
  heard.packet = wire::read_bfd(datagram.subspan(sizeof udp));
  if (heard.packet != nullptr) heard.reason = DropReason::none;
  return heard;
}

Datagram write_datagram(const IpAddress& source, const IpAddress& destination,
                        std::uint16_t source_port, const wire::Bfd& packet) {
  Datagram out;
  const bool v4 = source.is_v4();
  const std::size_t l4 = v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  constexpr std::uint16_t udp_bytes = sizeof(wire::Udp) + sizeof packet;
  out.size = l4 + udp_bytes;
  if (v4) {
    wire::Ipv4 ip;
    ip.traffic_class = cs6;
    ip.total_length = static_cast<std::uint16_t>(out.size);
    ip.flags_fragment = wire::Ipv4::dont_fragment;
    ip.ttl = wire::bfd_ttl;
    ip.protocol = udp_protocol;
    ip.source = source.v4().value;
    ip.destination = destination.v4().value;
    ip.complete_checksum();
    std::memcpy(out.room.data(), &ip, sizeof ip);
  } else {
    wire::Ipv6 ip;
    ip.version_class_label = 6U << 28 | std::uint32_t{cs6} << 20;
    ip.payload_length = udp_bytes;
    ip.next_header = udp_protocol;
    ip.hop_limit = wire::bfd_ttl;
    ip.source = source.v6();
    ip.destination = destination.v6();
    std::memcpy(out.room.data(), &ip, sizeof ip);
  }
  wire::Udp udp;
  udp.source_port = source_port;
  udp.destination_port = wire::bfd_port;
  udp.length = udp_bytes;
  std::uint8_t* const at = out.room.data() + l4;
  std::memcpy(at, &udp, sizeof udp);
  std::memcpy(at + sizeof udp, &packet, sizeof packet);
  const auto from = source.bytes();
  const auto to = destination.bytes();
  udp.checksum =
      wire::l4_checksum(from.data(), to.data(), v4 ? 4 : 16, udp_protocol, {at, udp_bytes});
  if (udp.checksum.get() == 0) udp.checksum = 0xffff;
  std::memcpy(at, &udp, sizeof udp);
  return out;
}

}  // namespace weft::bfd
