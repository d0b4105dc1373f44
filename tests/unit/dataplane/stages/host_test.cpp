// What the host's kernel sends and is sent: routed, and otherwise as it was.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft::host_test {
namespace {

const PortId tap{6};
const MacAddress host_mac = test::mac("02:00:00:00:0f:01");  // the fabric port's
const MacAddress router_mac = test::mac("02:00:5e:00:00:01");

/// The world whose host has 192.0.2.1 and 2001:db8::1 on a tap that takes 1000 bytes.
Batch with_host() {
  Batch b = world::batch();
  const VifId vif(tap.index());
  const AdjacencyId adjacency(tap.index() + 1);
  const NexthopId host(40);
  b.ports.push_back({tap, Port{router_mac, 1000, vif, false}});
  b.vifs.push_back({vif, Vif{tap,
                             world::underlay,
                             host_mac,
                             {test::ip("192.0.2.1"), test::ip("2001:db8::1")},
                             true,
                             true}});
  b.adjacencies.push_back(
      {adjacency, Adjacency{tap, test::ip("192.0.2.1"), router_mac, host_mac, 1000}});
  b.nexthops.push_back({host, nexthop::Receive{adjacency}});
  b.routes.push_back({world::underlay, test::prefix("192.0.2.1/32"), host});
  b.routes.push_back({world::underlay, test::prefix("2001:db8::1/128"), host});
  return b;
}

// Ether(dst=fab, src=peer)/IP(src="192.0.2.2", dst="192.0.2.1", ttl=1, id=7)/UDP(sport=1000,
//    dport=2000)/b"weft"
constexpr std::string_view peer_to_host =
    "020000000f01020000000f0208004500002000070000011135c3c0000202c000020103e807d0000c92407765"
    "6674";
// Ether(dst=fab, src=peer)/IPv6(src="2001:db8::2", dst="2001:db8::1", hlim=1)/UDP(sport=1000,
//    dport=2000)/b"weft"
constexpr std::string_view peer6_to_host =
    "020000000f01020000000f0686dd60000000000c110120010db800000000000000000000000220010db80000"
    "0000000000000000000103e807d0000cbacf77656674";
// Ether(dst=router, src=fab)/IP(src="192.0.2.1", dst="192.0.2.2", ttl=1, id=7)/UDP(sport=1000,
//    dport=2000)/b"weft"
constexpr std::string_view host_to_peer =
    "02005e000001020000000f0108004500002000070000011135c3c0000201c000020203e807d0000c92407765"
    "6674";

Bytes from_ip(const Bytes& frame) { return {frame.begin() + at::ip, frame.end()}; }

/// The Ethernet header of a frame that leaves, and the packet as it came.
std::string sent(std::string_view macs, std::string_view frame) {
  return std::string(macs) + to_hex(hex(frame)).substr(24);
}

}  // namespace

TEST_CASE("packets to the host come to it whole, whatever their TTL", "[host]") {
  Rig rig(with_host());
  for (const std::string_view packet : {peer_to_host, peer6_to_host}) {
    const Outcome outcome = rig.receive(world::fabric, hex(packet));
    REQUIRE(describe(outcome) == "transmitted");
    REQUIRE(outcome.port == tap);
    REQUIRE(to_hex(outcome.frame) == sent("020000000f0102005e000001", packet));
  }
}

TEST_CASE("BFD of a port that speaks it is not the host's", "[host]") {
  Batch batch = with_host();
  const Bytes bfd = test::with16(hex(peer_to_host), at::ip + 22, 3784);
  {
    Rig rig(batch);
    CHECK(describe(rig.receive(world::fabric, bfd)) == "transmitted");
  }
  for (auto& [id, port] : batch.ports) port->bfd = id == world::fabric;
  Rig rig(batch);
  const Outcome outcome = rig.receive(world::fabric, bfd);
  CHECK(describe(outcome) == "punted");
  CHECK(outcome.metadata.kind == PuntClass::liveness);
  CHECK(describe(rig.receive(world::fabric, hex(peer_to_host))) == "transmitted");
}

TEST_CASE("tunnels end in front of the host, with all their reasons to drop", "[host]") {
  Rig rig(with_host());
  const Outcome inner = rig.receive(world::fabric, hex(packets::peer_udp4));
  REQUIRE(describe(inner) == "transmitted");
  REQUIRE(inner.port == world::vm1);
  REQUIRE(describe(rig.receive(world::fabric, with(packets::peer_udp4, at::vni, "000999"))) ==
          "dropped: decap_unknown_vni");
}

TEST_CASE("fragments of UDP go to the host, which puts them together", "[host]") {
  Rig rig(with_host());
  for (const std::string_view packet :
       {packets::peer_fragment, packets::peer_later_fragment, packets::peer6_fragment}) {
    const Outcome outcome = rig.receive(world::fabric, hex(packet));
    REQUIRE(describe(outcome) == "transmitted");
    REQUIRE(outcome.port == tap);
    REQUIRE(to_hex(from_ip(outcome.frame)) == to_hex(from_ip(hex(packet))));
  }
}

TEST_CASE("a tenant's route into the underlay ends at the router, not in the host's kernel",
          "[host]") {
  Batch leak = with_host();
  leak.routes.push_back({world::blue, test::prefix("192.0.2.0/24"), world::lookup_underlay});
  Rig rig(leak);
  const Outcome outcome =
      rig.receive(world::vm1, with_ipv4(packets::vm1_udp4, at::ip, 16, "c0000201"));
  REQUIRE(describe(outcome) == "punted");
  REQUIRE(outcome.metadata.kind == PuntClass::local);
}

TEST_CASE("what is too large for the tap is told to who sent it", "[host]") {
  Rig rig(with_host());
  Bytes packet = hex(peer_to_host);
  packet.resize(at::ip + 1001);
  packet = test::with16(std::move(packet), at::ip + 2, 1001);
  const Outcome may_split = rig.receive(world::fabric, with_ipv4(packet, at::ip, 6, "0000"));
  REQUIRE(describe(may_split) == "transmitted");  // its first piece
  REQUIRE(may_split.frame.size() == at::ip + 20 + 976);
  const Outcome told = rig.receive(world::fabric, with_ipv4(packet, at::ip, 6, "4000"));
  REQUIRE(describe(told) == "punted: too_big");
  REQUIRE(told.metadata.mtu_bytes == 1000);
  REQUIRE_FALSE(told.metadata.vif.valid());
}

TEST_CASE("packets of the host leave as it sent them", "[host]") {
  Rig rig(with_host());
  const Outcome outcome = rig.receive(tap, hex(host_to_peer));
  REQUIRE(describe(outcome) == "transmitted");
  REQUIRE(outcome.port == world::fabric);
  REQUIRE(to_hex(outcome.frame) == sent("020000000f02020000000f01", host_to_peer));
}

TEST_CASE("many packets of the host in a burst", "[host]") {
  Rig rig(with_host());
  const std::vector<Bytes> frames(64, hex(host_to_peer));
  for (const Outcome& outcome : rig.receive(tap, frames)) {
    REQUIRE(describe(outcome) == "transmitted");
    REQUIRE(to_hex(outcome.frame) == sent("020000000f02020000000f01", host_to_peer));
  }
}

TEST_CASE("the host hears why its packets died, and may not lie", "[host]") {
  Rig rig(with_host());
  const auto to = [](std::string_view destination) {
    return with_ipv4(host_to_peer, at::ip, 16, destination);
  };
  const Outcome lost = rig.receive(tap, to("cb007109"));
  REQUIRE(describe(lost) == "punted: no_route");
  REQUIRE(lost.metadata.vif == VifId(tap.index()));
  const Outcome waits = rig.receive(tap, to("c0000263"));
  REQUIRE(describe(waits) == "held");
  REQUIRE(waits.metadata.vif == VifId(tap.index()));
  REQUIRE(describe(rig.receive(tap, with_ipv4(host_to_peer, at::ip, 12, "c0000202"))) ==
          "dropped: spoofed_ip");
  REQUIRE(describe(rig.receive(tap, with(host_to_peer, 6, "020000000f09"))) ==
          "dropped: spoofed_mac");
}

TEST_CASE("a batch whose host has no adjacency is refused", "[host]") {
  Rig rig(world::batch());
  Batch b;
  b.nexthops.push_back({NexthopId(40), nexthop::Receive{AdjacencyId(99)}});
  REQUIRE_THROWS(rig.apply(b));
}

}  // namespace weft::host_test
