#pragma once
/// What the suite must know of a tunnel kind. A kind specializes Traits in a file of its own, which
/// suite_test.cpp includes:
///
///    golden()     headers that scapy made, from the outer IP header to where the inner IP packet
///                 begins, with the generator beside them
///    plain()      a tunnel header as it is sent with the least VNI, key or label
///    reserved()   of its size; a bit is set where the RFC reserves one, to be ignored on receipt
///    invalid()    whole tunnel headers that lack what the kind requires
///
/// The generators of golden() are made of these:
///
///    udp = lambda dport, sport=49152: UDP(sport=sport, dport=dport, chksum=0)
///    eth = lambda type: Ether(dst="02:00:5e:00:01:01", src="02:00:5e:00:02:01", type=type)
///    def v4(rest, tos=0, ttl=64, n=84):
///      return raw(IP(src="192.0.2.1", dst="198.51.100.2", id=0, flags="DF", tos=tos, ttl=ttl)
///        /rest/(b"x"*n))[:-n].hex()
///    def v6(rest, tc=0, hlim=64, n=84):
///      return raw(IPv6(src="2001:db8::1", dst="2001:db8:0:1::2", tc=tc, hlim=hlim)
///        /rest/(b"x"*n))[:-n].hex()

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "support/hex.hpp"
#include "tunnel/registry.hpp"
#include "weft/tunnel.hpp"

namespace weft::conformance {

struct Golden {
  TunnelProfile profile;
  std::uint32_t inner_bytes = 0;  ///< length of the inner IP packet
  bool inner_v4 = true;
  MacAddress inner_source;  ///< of the inner Ethernet header, where the kind has one
  std::uint16_t source_port = 0;
  std::string_view header;  ///< hexadecimal
};

template <class Codec>
struct Traits;

/// From 192.0.2.1 to 198.51.100.2, or the same of IPv6 without UDP checksums, as the tests of all
/// kinds have it.
inline TunnelProfile profile_between(TunnelKind kind, bool v4, std::uint32_t vni) {
  TunnelProfile profile;
  profile.kind = kind;
  profile.local = *parse_ip(v4 ? "192.0.2.1" : "2001:db8::1");
  profile.remote = *parse_ip(v4 ? "198.51.100.2" : "2001:db8:0:1::2");
  profile.vni = vni;
  profile.destination_port = describe(kind).default_udp_port;
  profile.payload = describe(kind).payload;
  profile.inner_destination_mac = {{2, 0, 0x5e, 0, 1, 1}};
  profile.zero_udp_checksum6 = true;
  if (kind == TunnelKind::srv6) profile.segments = {profile.remote.v6()};
  if (kind == TunnelKind::nsh_over_vxlan_gpe) profile.carrier_network = 7;
  return profile;
}

/// A row of golden(): what differs from profile_between().
struct Row {
  bool v4 = true;
  std::uint32_t vni = 0;
  TunnelPayload payload = TunnelPayload::ethernet;
  std::uint32_t inner_bytes = 84;
  bool inner_v4 = true;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  std::uint16_t port = 0;  ///< 0: the kind's own
  std::uint16_t source_port = 49152;
  std::vector<std::uint32_t> labels{};
  std::vector<TunnelOption> options{};
  std::vector<std::string_view> segments{};  ///< behind the first
  bool reduced = false;
  std::string_view context{};  ///< of NSH
  std::optional<std::uint32_t> carrier_network{};
  std::uint64_t reserved = 0;
  std::string_view header;
};
inline Golden golden_of(TunnelKind kind, const Row& row) {
  Golden golden;
  golden.profile = profile_between(kind, row.v4, row.vni);
  golden.profile.payload = row.payload;
  golden.profile.ttl = row.ttl;
  golden.profile.dscp = row.dscp;
  if (row.port != 0) golden.profile.destination_port = row.port;
  golden.profile.labels = row.labels;
  golden.profile.options = row.options;
  for (const auto segment : row.segments) {
    golden.profile.segments.push_back(parse_ip(segment)->v6());
  }
  golden.profile.reduced = row.reduced;
  if (!row.context.empty()) {
    std::ranges::copy(test::hex(row.context), golden.profile.context.begin());
  }
  if (row.carrier_network) golden.profile.carrier_network = row.carrier_network;
  golden.profile.reserved = row.reserved;
  golden.inner_bytes = row.inner_bytes;
  golden.inner_v4 = row.inner_v4;
  golden.inner_source = {{2, 0, 0x5e, 0, 2, 1}};
  golden.source_port = row.source_port;
  golden.header = row.header;
  return golden;
}
inline std::vector<Golden> golden_of(TunnelKind kind, std::span<const Row> rows) {
  std::vector<Golden> made;
  for (const Row& row : rows) made.push_back(golden_of(kind, row));
  return made;
}

}  // namespace weft::conformance
