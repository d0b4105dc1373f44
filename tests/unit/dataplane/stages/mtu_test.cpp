// What fits the way out, and what its sender hears when it does not.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft {
namespace {

/// `packet` grown to `ip_bytes` from its IPv4 header on.
Bytes grown4(std::string_view packet, std::size_t ip_bytes) {
  Bytes bytes = hex(packet);
  bytes.resize(at::ip + ip_bytes);
  return with_ipv4_checksum(with16(std::move(bytes), at::ip + 2, ip_bytes));
}

Bytes grown6(std::string_view packet, std::size_t ip_bytes) {
  Bytes bytes = hex(packet);
  bytes.resize(at::ip + ip_bytes);
  return with16(std::move(bytes), at::ip + 4, ip_bytes - 40);
}

}  // namespace

TEST_CASE("a packet that just fits travels, one byte more does not", "[mtu]") {
  Rig rig(world::batch());
  struct Way {
    std::string_view packet;
    bool v4;
    std::size_t fits;  ///< MTU 1500 without 50 or 70 bytes of outer header
  };
  const Way ways[] = {{packets::vm1_local4, true, 1500}, {packets::vm1_local6, false, 1500},
                      {packets::vm1_udp4, true, 1450},   {packets::vm1_tcp6, false, 1450},
                      {packets::vm1_tcp4, true, 1430},   {packets::vm1_udp6, false, 1430}};
  for (const auto& [packet, v4, fits] : ways) {
    CAPTURE(v4, fits);
    const auto grown = v4 ? grown4 : grown6;
    const Outcome just = rig.receive(world::vm1, grown(packet, fits));
    REQUIRE(describe(just) == "transmitted");
    REQUIRE(just.frame.size() == 14 + 1500);
    const Outcome more = rig.receive(world::vm1, grown(packet, fits + 1));
    REQUIRE(describe(more) == "punted: too_big");
    REQUIRE(more.metadata.kind == PuntClass::icmp_error);
    REQUIRE(more.metadata.reason == DropReason::too_big);
    REQUIRE(more.metadata.mtu_bytes == fits);
    REQUIRE(more.metadata.vrf == world::blue);
    REQUIRE(more.metadata.vif == VifId(world::vm1.index()));
    REQUIRE(more.metadata.port == world::vm1);
    REQUIRE(more.metadata.l3_offset == 14);
    REQUIRE(more.frame == grown(packet, fits + 1));
  }
}

TEST_CASE("padding does not make a packet too big", "[mtu]") {
  Rig rig(world::batch());
  Bytes padded = grown4(packets::vm1_udp4, 1450);
  padded.resize(padded.size() + 40);
  REQUIRE(describe(rig.receive(world::vm1, padded)) == "transmitted");
}

TEST_CASE("an adjacency's MTU is what counts, and its change takes effect", "[mtu]") {
  Rig rig(world::batch());
  Batch change;
  Adjacency narrow =
      test::adjacency_on(world::fabric, "192.0.2.2", MacAddress{{2, 0, 0, 0, 15, 2}});
  narrow.mtu_bytes = 1000;
  change.adjacencies = {{world::to_peer, narrow}};
  rig.apply(change);
  REQUIRE(describe(rig.receive(world::vm1, grown4(packets::vm1_udp4, 950))) == "transmitted");
  const Outcome more = rig.receive(world::vm1, grown4(packets::vm1_udp4, 951));
  REQUIRE(describe(more) == "punted: too_big");
  REQUIRE(more.metadata.mtu_bytes == 950);
  narrow.mtu_bytes = 40;  // less than the outer header
  change.adjacencies = {{world::to_peer, narrow}};
  rig.apply(change);
  const Outcome none = rig.receive(world::vm1, hex(packets::vm1_udp4));
  REQUIRE(describe(none) == "punted: too_big");
  REQUIRE(none.metadata.mtu_bytes == 0);
}

TEST_CASE("out of a tunnel, too, the VIF's MTU counts", "[mtu]") {
  Rig rig(world::batch());
  Batch change;
  Adjacency narrow = test::adjacency_on(world::vm1, "10.1.0.11", MacAddress{{2, 0, 0, 0, 1, 1}});
  narrow.mtu_bytes = 32;
  change.adjacencies = {{world::to_vm1, narrow}};
  rig.apply(change);
  REQUIRE(describe(rig.receive(world::fabric, hex(packets::peer_udp4))) == "transmitted");
  narrow.mtu_bytes = 31;
  change.adjacencies = {{world::to_vm1, narrow}};
  rig.apply(change);
  const Outcome more = rig.receive(world::fabric, hex(packets::peer_udp4));
  REQUIRE(describe(more) == "punted: too_big");
  REQUIRE(more.metadata.decap == world::decap_blue);
  REQUIRE(more.metadata.vrf == world::blue);
  REQUIRE_FALSE(more.metadata.vif.valid());
  // From the inner Ethernet header on, as the sender sent it.
  const Bytes whole = hex(packets::peer_udp4);
  REQUIRE(more.frame == Bytes(whole.begin() + at::inner, whole.end()));
  REQUIRE(more.metadata.l3_offset == 14);
}

TEST_CASE("a packet that expires is handed over as it came", "[mtu]") {
  Rig rig(world::batch());
  for (const auto ttl : {"00", "01"}) {
    const Bytes in = with_ipv4(packets::vm1_udp4, at::ip, 8, ttl);
    const Outcome outcome = rig.receive(world::vm1, in);
    REQUIRE(outcome.metadata.kind == PuntClass::icmp_error);
    REQUIRE(outcome.metadata.reason == DropReason::ttl_expired);
    REQUIRE(outcome.frame == in);
  }
}

}  // namespace weft
