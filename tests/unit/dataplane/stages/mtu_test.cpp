// What fits the way out, and what its sender hears when it does not.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft::mtu_test {
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

/// What makes the world's tunnel4 know its path, or be watched.
Batch tunnel4_with(std::uint16_t path_mtu_bytes,
                   std::optional<std::uint16_t> watch_bytes = std::nullopt) {
  Batch change;
  const Batch all = world::batch();
  for (const NexthopChange& nexthop : all.nexthops) {
    if (nexthop.id != world::tunnel4) continue;
    auto tunnel = std::get<nexthop::Tunnel>(*nexthop.object);
    tunnel.path_mtu_bytes = path_mtu_bytes;
    tunnel.watch_bytes = watch_bytes;
    change.nexthops.push_back({nexthop.id, tunnel});
  }
  return change;
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

TEST_CASE("where the path takes less than the neighbour, that counts", "[mtu]") {
  Rig rig(world::batch());
  const auto know = [&](std::uint16_t path_mtu_bytes) { rig.apply(tunnel4_with(path_mtu_bytes)); };
  know(1400);
  REQUIRE(describe(rig.receive(world::vm1, grown4(packets::vm1_udp4, 1350))) == "transmitted");
  const Outcome more = rig.receive(world::vm1, grown4(packets::vm1_udp4, 1351));
  REQUIRE(describe(more) == "punted: too_big");
  REQUIRE(more.metadata.mtu_bytes == 1350);
  // Others are as they were, and so is this one once its path is.
  REQUIRE(describe(rig.receive(world::vm1, grown4(packets::vm1_tcp4, 1430))) == "transmitted");
  know(0xffff);
  REQUIRE(describe(rig.receive(world::vm1, grown4(packets::vm1_udp4, 1450))) == "transmitted");
}

TEST_CASE("of a tunnel that is watched the larger packets are told of, with numbers", "[mtu]") {
  Rig rig(world::batch());
  SentLog::Record record;
  rig.pieces(world::vm1, {grown4(packets::vm1_udp4, 1450)});
  REQUIRE_FALSE(rig.sent().pop(record));
  rig.apply(tunnel4_with(0xffff, 1400));
  const auto out =
      rig.pieces(world::vm1, {grown4(packets::vm1_udp4, 1350), grown4(packets::vm1_udp4, 1351)});
  REQUIRE(out.size() == 2);
  REQUIRE(rig.sent().take_news());
  REQUIRE(rig.sent().pop(record));
  REQUIRE(record.tunnel == world::tunnel4);
  REQUIRE(record.bytes == 1401);
  REQUIRE(record.kept == SentPacket::most);
  REQUIRE(Bytes(record.start.begin(), record.start.end()) ==
          Bytes(out[1].begin() + at::ip, out[1].begin() + at::ip + SentPacket::most));
  REQUIRE_FALSE(rig.sent().pop(record));
  REQUIRE(test::get16(out[0], at::ip + 4) == 0);
  REQUIRE(test::get16(out[1], at::ip + 4) != 0);
  REQUIRE(test::get16(out[1], at::ip + 6) == 0x4000);  // it still has DF
  REQUIRE(test::naive_checksum(std::span(out[1]).subspan(at::ip, 20)) == 0);
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

}  // namespace weft::mtu_test
