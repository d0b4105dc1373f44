// One packet for each way to die, table-driven. The rig sees to it that exactly one drop is counted
// and that the packet is in exactly one exit.
#include <catch2/catch.hpp>
#include <set>

#include "support/stage_case.hpp"

namespace weft::drop_test {
namespace {

struct Row {
  std::string name;
  PortId from;
  Bytes frame;
  std::string fate;
};

/// Where fields stand in vm1_udp4 and vm1_udp6.
constexpr std::size_t ip_source = 12;
constexpr std::size_t ip_destination = 16;
constexpr std::size_t ip6_source = 14 + 8;
constexpr std::size_t ip6_destination = 14 + 24;

Bytes first(Bytes bytes, std::size_t size) {
  bytes.resize(size);
  return bytes;
}
Bytes first(std::string_view packet, std::size_t size) { return first(hex(packet), size); }

std::vector<Row> parse_rows() {
  using namespace packets;
  const auto from4 = [](std::string_view address) {
    return with_ipv4(vm1_udp4, at::ip, ip_source, address);
  };
  const auto to4 = [](std::string_view address) {
    return with_ipv4(vm1_udp4, at::ip, ip_destination, address);
  };
  const PortId vm = world::vm1;
  const PortId any = world::trusted;
  return {
      {"no bytes", vm, {}, "dropped: frame_truncated"},
      {"part of Ethernet", vm, first(vm1_udp4, 13), "dropped: frame_truncated"},
      {"Ethernet alone", vm, first(vm1_udp4, 14), "dropped: frame_truncated"},
      {"part of IPv4", vm, first(vm1_udp4, 33), "dropped: frame_truncated"},
      {"part of IPv6", vm, first(vm1_udp6, 53), "dropped: frame_truncated"},
      {"another's MAC", vm, with(vm1_udp4, 0, "02000000ff01"), "dropped: l2_destination_unknown"},
      {"another's MAC on the fabric", world::fabric, with(peer_udp4, 0, "02005e000101"),
       "dropped: l2_destination_unknown"},
      {"VLAN", vm, hex(vm1_vlan), "dropped: ethertype_unsupported"},
      {"VLAN on the fabric", world::fabric, tagged(peer_udp4, "8100a064"), "dropped: vlan_unknown"},
      {"VLAN on the fabric, to all", world::fabric, with(tagged(peer_udp4, "81000001"), 0, "ff"),
       "dropped: vlan_unknown"},
      {"a tag behind one of no VLAN", world::fabric,
       tagged(tagged(peer_udp4, "81000000"), "81000000"), "dropped: ethertype_unsupported"},
      {"no VLAN, and another's MAC", world::fabric,
       with(tagged(peer_udp4, "81000000"), 0, "02005e000101"), "dropped: l2_destination_unknown"},
      {"part of a tag", world::fabric, first(tagged(peer_udp4, "81000000"), 17),
       "dropped: frame_truncated"},
      {"no VLAN, from a VM", vm, tagged(vm1_udp4, "81000000"), "dropped: ethertype_unsupported"},
      {"MPLS", vm, with(vm1_udp4, 12, "8847"), "dropped: ethertype_unsupported"},
      {"length instead of EtherType", vm, with(vm1_udp4, 12, "0026"),
       "dropped: ethertype_unsupported"},
      {"source MAC", vm, with(vm1_udp4, 6, "020000000103"), "dropped: spoofed_mac"},
      {"source MAC in ARP", vm, with(vm1_arp, 6, "020000000103"), "dropped: spoofed_mac"},
      {"source MAC in ND", vm, with(vm1_nd, 6, "020000000103"), "dropped: spoofed_mac"},
      {"source of the neighbour", vm, from4("0a01000d"), "dropped: spoofed_ip"},
      {"source of nobody", vm, from4("01020304"), "dropped: spoofed_ip"},
      {"IPv6 source of the neighbour", vm,
       with(vm1_udp6, ip6_source, "fd000001000000000000000000000013"), "dropped: spoofed_ip"},
      {"IPv4 version 6", vm, with(vm1_udp4, at::ip, "65"), "dropped: ipv4_version"},
      {"IPv4 version 0", vm, with(vm1_udp4, at::ip, "05"), "dropped: ipv4_version"},
      {"IHL 4", vm, with_ipv4(vm1_udp4, at::ip, 0, "44"), "dropped: ipv4_header_length"},
      {"IHL 0", vm, with(vm1_udp4, at::ip, "40"), "dropped: ipv4_header_length"},
      {"IHL beyond the frame", vm, with(first(vm1_udp4, 14 + 24), at::ip, "47"),
       "dropped: ipv4_header_length"},
      {"total length beyond the frame", vm, with_ipv4(vm1_udp4, at::ip, 2, "0021"),
       "dropped: ipv4_total_length"},
      {"total length 65535", vm, with_ipv4(vm1_udp4, at::ip, 2, "ffff"),
       "dropped: ipv4_total_length"},
      {"total length below the header", vm, with_ipv4(vm1_udp4, at::ip, 2, "0013"),
       "dropped: ipv4_total_length"},
      {"total length 0", vm, with_ipv4(vm1_udp4, at::ip, 2, "0000"), "dropped: ipv4_total_length"},
      {"IPv4 checksum", vm, with(vm1_udp4, at::ip + 10, "0000"), "dropped: ipv4_checksum"},
      {"IPv6 version 4", vm, with(vm1_udp6, at::ip, "40"), "dropped: ipv6_version"},
      {"IPv6 version 7", vm, with(vm1_udp6, at::ip, "70"), "dropped: ipv6_version"},
      {"payload length beyond the frame", vm, with(vm1_udp6, at::ip + 4, "000d"),
       "dropped: ipv6_payload_length"},
      {"payload length 65535", vm, with(vm1_udp6, at::ip + 4, "ffff"),
       "dropped: ipv6_payload_length"},
      {"from multicast", any, from4("e0000001"), "dropped: ip_source_invalid"},
      {"from broadcast", any, from4("ffffffff"), "dropped: ip_source_invalid"},
      {"from loopback", any, from4("7f000001"), "dropped: ip_source_invalid"},
      {"from unspecified", any, from4("00000000"), "dropped: ip_source_invalid"},
      {"from IPv6 multicast", any, with(vm1_udp6, ip6_source, "ff02"),
       "dropped: ip_source_invalid"},
      {"from IPv6 unspecified", vm, with(vm1_udp6, ip6_source, "00000000000000000000000000000000"),
       "dropped: ip_source_invalid"},
      {"from IPv6 link-local", vm, with(vm1_udp6, ip6_source, "fe80"),
       "dropped: ip_source_invalid"},
      {"to multicast", vm, to4("e0000001"), "dropped: ip_destination_unsupported"},
      {"to broadcast", vm, to4("ffffffff"), "dropped: ip_destination_unsupported"},
      {"to loopback", vm, to4("7f000001"), "dropped: ip_destination_unsupported"},
      {"to unspecified", vm, to4("00000000"), "dropped: ip_destination_unsupported"},
      {"IPv4 in a broadcast frame", vm, hex(vm1_broadcast4), "dropped: ip_destination_unsupported"},
      {"IPv6 unicast in a multicast frame", vm, with(vm1_udp6, 0, "333300000001"),
       "dropped: ip_destination_unsupported"},
      {"to IPv6 multicast", vm, hex(vm1_mld), "dropped: ip_destination_unsupported"},
      {"to IPv6 link-local", vm, with(vm1_udp6, ip6_destination, "fe80"),
       "dropped: ip_destination_unsupported"},
      {"to IPv6 unspecified", vm,
       with(vm1_udp6, ip6_destination, "00000000000000000000000000000000"),
       "dropped: ip_destination_unsupported"},
      {"unfinished UDP checksum", world::vm4,
       // What Linux leaves there: the folded sum over the pseudo header.
       test::with16(hex(vm4_udp4), 40,
                    test::naive_pseudo_sum(test::ip("10.1.0.14"), test::ip("10.1.0.13"), 17, 12)),
       "dropped: checksum_unfinished"},
      {"unfinished TCP checksum", world::vm4,
       test::with16(hex(vm4_tcp6), 54 + 16,
                    test::naive_pseudo_sum(test::ip("fd00:1::14"), test::ip("fd00:1::13"), 6, 23)),
       "dropped: checksum_unfinished"},
  };
}

std::vector<Row> decap_rows() {
  using namespace packets;
  const PortId fabric = world::fabric;
  return {
      {"first fragment", fabric, hex(peer_fragment), "dropped: outer_fragment"},
      {"later fragment", fabric, hex(peer_later_fragment), "dropped: outer_fragment"},
      {"IPv6 fragment", fabric, hex(peer6_fragment), "dropped: outer_fragment"},
      {"UDP length too long", fabric, with(peer_udp4, at::udp + 4, "003f"),
       "dropped: outer_udp_length"},
      {"UDP length too short", fabric, with(peer_udp4, at::udp + 4, "003d"),
       "dropped: outer_udp_length"},
      {"UDP length 0", fabric, with(peer_udp4, at::udp + 4, "0000"), "dropped: outer_udp_length"},
      {"UDP length 7", fabric, with(peer_udp4, at::udp + 4, "0007"), "dropped: outer_udp_length"},
      {"half a UDP header", fabric, test::cut_inside(peer_udp4, at::udp + 7),
       "dropped: outer_udp_length"},
      {"UDP checksum", fabric, with(peer_checked_udp4, at::udp + 6, "0001"),
       "dropped: outer_udp_checksum"},
      {"UDP checksum over a changed payload", fabric, with(peer6_tcp4, at::inner_ip_v6 + 40, "ff"),
       "dropped: outer_udp_checksum"},
      {"no UDP checksum over IPv6", fabric, with(peer6_tcp4, at::udp_v6 + 6, "0000"),
       "dropped: outer_udp_checksum_missing"},
      {"VXLAN header missing", fabric, test::cut_inside(peer_udp4, at::vxlan),
       "dropped: tunnel_header_truncated"},
      {"VXLAN header truncated", fabric, test::cut_inside(peer_udp4, at::vxlan + 7),
       "dropped: tunnel_header_truncated"},
      {"VXLAN without I", fabric, with(peer_udp4, at::vxlan, "f7"),
       "dropped: tunnel_header_invalid"},
      {"VNI with its reserved byte set", fabric, with(peer_udp4, at::vni, "000065ff"),
       "transmitted"},
      {"unknown VNI", fabric, with(peer_udp4, at::vni, "000066"), "dropped: decap_unknown_vni"},
      {"VNI of another port", fabric, with(with(peer_udp4, at::udp + 2, "2118"), at::vni, "0000c8"),
       "dropped: decap_unknown_vni"},
      {"source of nobody", fabric, with_ipv4(peer_udp4, at::ip, ip_source, "c0000302"),
       "dropped: decap_source_unlisted"},
      {"IPv6 source of nobody", fabric,
       with(peer6_unchecked_udp4, at::ip + 8, "20010db8000000010000000000000002"),
       "dropped: decap_source_unlisted"},
      {"five tunnels", fabric, hex(nested_5), "dropped: tunnel_nesting"},
      {"inside: another's MAC", fabric, with(peer_udp4, at::inner, "02005e000201"),
       "dropped: inner_mac_unknown"},
      {"inside: nothing", fabric, test::cut_inside(peer_udp4, at::inner),
       "dropped: frame_truncated"},
      {"inside: part of Ethernet", fabric, test::cut_inside(peer_udp4, at::inner + 13),
       "dropped: frame_truncated"},
      {"inside: IPv4 broadcast frame", fabric, with(peer_udp4, at::inner, "ffffffffffff"),
       "dropped: ip_destination_unsupported"},
      {"inside: IPv4 checksum", fabric, with(peer_udp4, at::inner_ip + 10, "0000"),
       "dropped: ipv4_checksum"},
      {"inside: IPv4 total length", fabric, with_ipv4(peer_udp4, at::inner_ip, 2, "0021"),
       "dropped: ipv4_total_length"},
      {"inside: IPv6 payload length", fabric, with(peer_tcp6, at::inner_ip + 4, "0018"),
       "dropped: ipv6_payload_length"},
      {"inside: no route", fabric, with_ipv4(peer_udp4, at::inner_ip, ip_destination, "0a630001"),
       "punted: no_route"},
      {"inside: TTL", fabric, with_ipv4(peer_udp4, at::inner_ip, 8, "01"), "punted: ttl_expired"},
  };
}

std::vector<Row> forward_rows() {
  using namespace packets;
  const PortId vm = world::vm1;
  const auto to4 = [](std::string_view address) {
    return with_ipv4(vm1_udp4, at::ip, ip_destination, address);
  };
  const auto to6 = [](std::string_view address) {
    return with(vm1_udp6, ip6_destination, address);
  };
  return {
      {"no route", vm, to4("0b000001"), "punted: no_route"},
      {"no IPv6 route", vm, to6("fd00000a"), "punted: no_route"},
      {"discard", vm, to4("0a090001"), "punted: discard_route"},
      {"IPv6 discard", vm, to6("fd000009"), "punted: discard_route"},
      {"tunnel without a way", vm, to4("0a070001"), "punted: tunnel_unresolved"},
      {"TTL 1", vm, with_ipv4(vm1_udp4, at::ip, 8, "01"), "punted: ttl_expired"},
      {"TTL 0", vm, with_ipv4(vm1_udp4, at::ip, 8, "00"), "punted: ttl_expired"},
      {"TTL 2", vm, with_ipv4(vm1_udp4, at::ip, 8, "02"), "transmitted"},
      {"hop limit 1", vm, with(vm1_udp6, at::ip + 7, "01"), "punted: ttl_expired"},
      {"hop limit 0", vm, with(vm1_udp6, at::ip + 7, "00"), "punted: ttl_expired"},
      {"hop limit 2", vm, with(vm1_udp6, at::ip + 7, "02"), "transmitted"},
  };
}

void check(Rig& rig, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(describe(rig.receive(row.from, row.frame)) == row.fate);
  }
}

/// What becomes of `frame` after `change`, in a router of its own.
std::string after(const Batch& change, PortId from, std::string_view frame) {
  Rig rig(world::batch());
  rig.apply(change);
  return describe(rig.receive(from, hex(frame)));
}

}  // namespace

TEST_CASE("what parse refuses", "[drop]") {
  Rig rig(world::batch());
  check(rig, parse_rows());
}

TEST_CASE("what decap refuses", "[drop]") {
  Rig rig(world::batch());
  check(rig, decap_rows());
}

TEST_CASE("what cannot be forwarded", "[drop]") {
  Rig rig(world::batch());
  check(rig, forward_rows());
}

TEST_CASE("checksums that are finished, left out or not ours to check travel", "[drop]") {
  Rig rig(world::batch());
  const auto fate = [&](PortId port, const Bytes& frame) {
    return describe(rig.receive(port, frame));
  };
  const std::size_t checksum = 14 + 20 + 6;
  const auto pseudo = test::naive_pseudo_sum(test::ip("10.1.0.14"), test::ip("10.1.0.13"), 17, 12);
  const Bytes whole = hex(packets::vm4_udp4);
  CHECK(fate(world::vm4, whole) == "transmitted");
  CHECK(fate(world::vm4, hex(packets::vm4_tcp6)) == "transmitted");
  CHECK(fate(world::vm4, test::with16(whole, checksum, 0)) == "transmitted");
  CHECK(fate(world::vm4, test::with16(whole, checksum, 0x1234)) == "transmitted");
  const Bytes unfinished = test::with16(whole, checksum, pseudo);
  CHECK(fate(world::vm4, unfinished) == "dropped: checksum_unfinished");
  // A port whose device finishes its checksums is not looked at.
  const Bytes elsewhere =
      test::with16(hex(packets::vm1_local4), checksum,
                   test::naive_pseudo_sum(test::ip("10.1.0.11"), test::ip("10.1.0.13"), 17, 12));
  CHECK(fate(world::vm1, elsewhere) == "transmitted");
  // A right checksum that looks unfinished by chance: the last word of the payload makes it so.
  Bytes chance = test::with16(unfinished, whole.size() - 2, 0);
  const std::uint16_t rest = test::naive_sum(std::span(chance).subspan(14 + 20), pseudo);
  chance = test::with16(std::move(chance), whole.size() - 2, 0xffffU - rest);
  CHECK(fate(world::vm4, chance) == "transmitted");
}

// drop_reason.hpp: "the source address is multicast, loopback or unspecified"; RFC 4291 §2.5.3: a
// loopback address never leaves a node.
TEST_CASE("IPv6 loopback addresses do not travel", "[drop]") {
  Rig rig(world::batch());
  const auto loopback = "00000000000000000000000000000001";
  CHECK(describe(rig.receive(world::trusted, with(packets::vm1_udp6, ip6_source, loopback))) ==
        "dropped: ip_source_invalid");
  CHECK(describe(rig.receive(world::vm1, with(packets::vm1_udp6, ip6_destination, loopback))) ==
        "dropped: ip_destination_unsupported");
}

// drop_reason.hpp: "the destination is multicast, broadcast or link-local"; RFC 3927 §7: a router
// forwards neither from nor to such an address.
TEST_CASE("IPv4 link-local addresses do not travel", "[drop]") {
  Rig rig(world::batch());
  CHECK(describe(rig.receive(world::vm1,
                             with_ipv4(packets::vm1_udp4, at::ip, ip_destination, "a9fe0101"))) ==
        "dropped: ip_destination_unsupported");
  CHECK(describe(rig.receive(world::trusted,
                             with_ipv4(packets::vm1_udp4, at::ip, ip_source, "a9fe0101"))) ==
        "dropped: ip_source_invalid");
}

TEST_CASE("objects that are gone", "[drop]") {
  Batch no_nexthop;
  no_nexthop.nexthops = {{world::deliver_vm3, std::nullopt}};
  CHECK(after(no_nexthop, world::vm1, packets::vm1_local4) == "dropped: nexthop_missing");

  Batch no_adjacency;
  no_adjacency.adjacencies = {{world::to_vm3, std::nullopt}};
  CHECK(after(no_adjacency, world::vm1, packets::vm1_local4) == "dropped: nexthop_missing");
  no_adjacency.adjacencies = {{world::to_peer, std::nullopt}};
  CHECK(after(no_adjacency, world::vm1, packets::vm1_udp4) == "punted: tunnel_unresolved");

  Batch no_port;
  no_port.ports = {{world::vm3, std::nullopt}};
  CHECK(after(no_port, world::vm1, packets::vm1_local4) == "dropped: port_missing");

  Batch decap_nowhere;
  decap_nowhere.nexthops = {{world::lookup_blue, std::nullopt}};
  CHECK(after(decap_nowhere, world::fabric, packets::peer_udp4) == "dropped: nexthop_missing");

  Batch no_vrf;
  no_vrf.vrfs = {{world::red, std::nullopt}};
  CHECK(after(no_vrf, world::fabric, packets::peer_red) == "dropped: vrf_missing");

  Batch no_vif;
  no_vif.ports = {{world::vm1, std::nullopt}};
  CHECK(after(no_vif, world::fabric, packets::peer_deliver) == "dropped: port_missing");
}

TEST_CASE("a frame larger than the port can send", "[drop]") {
  Rig rig(world::batch());
  CHECK(describe(rig.inject(world::tunnel4, Bytes(1464))) == "transmitted");
  CHECK(describe(rig.inject(world::tunnel4, Bytes(1465))) == "dropped: frame_too_big_for_port");
}

TEST_CASE("every reason that the stages decide has its packet", "[drop]") {
  std::set<std::string> had{
      // in the test cases above, in mtu_test.cpp and fragment_test.cpp
      "nexthop_missing", "port_missing", "vrf_missing", "frame_too_big_for_port", "too_big",
      "too_big_fragmentable", "buffer_exhausted",
      // in reassembly_test.cpp
      "fragment_malformed", "fragment_overlap", "fragment_duplicate", "fragment_limit",
      "fragment_timeout", "fragment_evicted",
      // in forward_test.cpp and vrf_test.cpp
      "headroom_short", "lookup_loop",
      // in tunnel_kinds_test.cpp
      "tunnel_payload_unsupported", "tunnel_option_unknown", "tunnel_option_missing",
      "label_unexpected", "srv6_segments_left", "tunnel_checksum",
      // in nsh_test.cpp
      "nsh_ttl_expired",
      // in propagate_test.cpp
      "outer_ce_inner_not_ect",
      // in policy_test.cpp
      "policy_egress_denied", "policy_ingress_denied", "flow_table_full", "flow_vif_limit",
      // decided behind the pipeline, by the worker and its hold queue
      "tx_queue_full", "hold_queue_full", "neighbour_unresolved"};
  for (const auto& rows : {parse_rows(), decap_rows(), forward_rows()}) {
    for (const Row& row : rows) had.insert(row.fate.substr(row.fate.find(' ') + 1));
  }
  const std::set<std::string_view> stages{"parse",   "decap", "resolve", "admit",
                                          "rewrite", "encap", "output"};
  for (const DropReasonInfo& info : drop_reasons) {
    if (!stages.contains(info.stage)) continue;
    INFO(info.name);
    CHECK(had.contains(std::string(info.name)));
  }
}

}  // namespace weft::drop_test
