// Packets that travel: what leaves is, byte for byte, what scapy says.
#include <catch2/catch.hpp>
#include <set>

#include "support/stage_case.hpp"

namespace weft::forward_test {
namespace {

struct Travel {
  std::string name;
  PortId from;
  std::string_view in;
  PortId to;
  std::string_view out;
};

const std::vector<Travel>& travels() {
  using namespace packets;
  static const std::vector<Travel> rows{
      {"IPv4 over IPv4", world::vm1, vm1_udp4, world::fabric, vm1_udp4_in_v4},
      {"IPv6 over IPv4", world::vm1, vm1_tcp6, world::fabric, vm1_tcp6_in_v4},
      {"IPv4 over IPv6, odd length", world::vm1, vm1_tcp4, world::fabric, vm1_tcp4_in_v6},
      {"IPv6 over IPv6", world::vm1, vm1_udp6, world::fabric, vm1_udp6_in_v6},
      {"without UDP checksum", world::vm1, vm1_udp4_zero, world::fabric, vm1_udp4_zero_in_v6},
      {"IPv4 options", world::vm1, vm1_options4, world::fabric, vm1_options4_in_v4},
      {"the other tenant", world::vm2, vm2_udp4, world::fabric, vm2_udp4_in_v4},
      {"IPv4 to a VM here", world::vm1, vm1_local4, world::vm3, vm1_local4_out},
      {"IPv6 to a VM here", world::vm1, vm1_local6, world::vm3, vm1_local6_out},
      {"IPv4 out of IPv4", world::fabric, peer_udp4, world::vm1, peer_udp4_out},
      {"IPv6 out of IPv4", world::fabric, peer_tcp6, world::vm1, peer_tcp6_out},
      {"IPv4 out of IPv6", world::fabric, peer6_tcp4, world::vm1, peer6_tcp4_out},
      {"IPv6 out of IPv6", world::fabric, peer6_udp6, world::vm1, peer6_udp6_out},
      {"with UDP checksum", world::fabric, peer_checked_udp4, world::vm1, peer_udp4_out},
      {"IPv6 without UDP checksum", world::fabric, peer6_unchecked_udp4, world::vm1, peer_udp4_out},
      {"outer IPv4 options", world::fabric, peer_options, world::vm1, peer_udp4_out},
      {"outer IPv6 extension", world::fabric, peer6_extension, world::vm1, peer6_tcp4_out},
      {"out of the tunnel of a VIF", world::fabric, peer_deliver, world::vm1, peer_deliver_out},
      {"out of the other tenant's", world::fabric, peer_red, world::vm2, peer_red_out},
      {"four tunnels deep", world::fabric, nested_4, world::vm1, peer_udp4_out},
      {"through the underlay", world::fabric, underlay_transit, world::fabric,
       underlay_transit_out},
  };
  return rows;
}

void check(const Travel& row, const Outcome& outcome) {
  INFO(row.name);
  REQUIRE(describe(outcome) == "transmitted");
  REQUIRE(outcome.port == row.to);
  REQUIRE(to_hex(outcome.frame) == to_hex(hex(row.out)));
}

TEST_CASE("at the fabric a tag that carries but a priority counts for nothing") {
  Rig rig(world::batch());
  for (Travel row : travels()) {
    if (row.from != world::fabric) continue;
    for (const std::string_view tag : {"81000000", "8100f000"}) {
      check(row, rig.receive(row.from, tagged(row.in, tag)));
    }
  }
}

TEST_CASE("each stage is measured with the packets that enter it") {
  Rig rig(world::batch());
  using Packets = std::vector<std::uint64_t>;
  const auto entered = [&rig] {
    Packets packets;
    for (const StageClock& clock : rig.clocks()) packets.push_back(clock.packets.get());
    return packets;
  };
  const auto vm = [](std::string_view text) { return hex(text); };
  // Two that travel and one for nobody here, which parse drops.
  auto stray = vm(packets::vm1_udp4);
  stray[5] ^= 1;
  rig.receive(world::vm1, {vm(packets::vm1_udp4), stray, vm(packets::vm1_tcp6)});
  CHECK(entered() == Packets{3, 2, 0, 2, 0, 2, 2, 2, 0});
  CHECK(rig.clocks().front().cycles.get() > 0);
  // A tunnel more is another turn through parse and decap.
  rig.receive(world::fabric, hex(packets::peer_udp4));
  CHECK(entered() == Packets{2, 2, 0, 1, 0, 1, 0, 1, 0});
}

}  // namespace

TEST_CASE("packets leave as scapy makes them", "[forward]") {
  Rig rig(world::batch());
  for (const Travel& row : travels()) check(row, rig.receive(row.from, hex(row.in)));
}

TEST_CASE("Ethernet padding does not travel", "[forward]") {
  Rig rig(world::batch());
  for (const Travel& row : travels()) {
    for (const std::size_t padding : {1U, 18U, 300U}) {
      Bytes padded = hex(row.in);
      padded.resize(padded.size() + padding, 0xee);
      check(row, rig.receive(row.from, padded));
      // In pieces, with a boundary before, in and behind the last byte that counts.
      for (const std::size_t before : {0U, 1U, 2U}) {
        const std::size_t cut = hex(row.in).size() - before;
        check(row, rig.receive(row.from, padded, {.cuts = {cut}}));
        check(row, rig.receive(row.from, padded, {.cuts = {cut, padded.size() - 1}}));
      }
    }
  }
}

TEST_CASE("packets may lie in pieces behind their headers", "[forward]") {
  Rig rig(world::batch());
  for (const Travel& row : travels()) {
    const Bytes in = hex(row.in);
    // The last four bytes are payload in all of them.
    for (std::size_t cut = in.size() - 4; cut <= in.size(); ++cut) {
      check(row, rig.receive(row.from, in, {.cuts = {cut}}));
      check(row, rig.receive(row.from, in, {.cuts = {cut, std::min(cut + 1, in.size())}}));
    }
  }
}

TEST_CASE("a checksum over IPv6 reaches over all pieces", "[forward]") {
  Rig rig(world::batch());
  Bytes in = hex(packets::vm1_tcp4);
  const Bytes whole = rig.receive(world::vm1, in).frame;
  // From behind the inner IP header on, at odd and even places.
  for (std::size_t first = 34; first < in.size(); ++first) {
    const auto once = rig.receive(world::vm1, in, {.cuts = {first}});
    REQUIRE(to_hex(once.frame) == to_hex(whole));
    for (std::size_t second = first; second < in.size(); second += 3) {
      const auto twice = rig.receive(world::vm1, in, {.cuts = {first, second}});
      REQUIRE(to_hex(twice.frame) == to_hex(whole));
    }
  }
  const Bytes outer = hex(packets::peer6_tcp4);
  for (std::size_t cut = test::at::inner_ip_v6 + 20; cut < outer.size(); ++cut) {
    REQUIRE(to_hex(rig.receive(world::fabric, outer, {.cuts = {cut}}).frame) ==
            to_hex(hex(packets::peer6_tcp4_out)));
  }
}

// Whole lines are copied where there is room for them, the exact bytes elsewhere.
TEST_CASE("a header needs exactly its room in front of the packet", "[forward]") {
  Rig rig(world::batch());
  const auto send = [&](std::string_view in, std::size_t headroom) {
    return rig.receive(world::vm1, hex(in), {.headroom = headroom, .cuts = {}});
  };
  for (std::size_t headroom = 0; headroom < 200; ++headroom) {
    CAPTURE(headroom);
    const Outcome v4 = send(packets::vm1_udp4, headroom);
    const Outcome v6 = send(packets::vm1_tcp4, headroom);
    // The inner Ethernet header is written over; the outer one takes its place in front.
    if (headroom < 50) {
      REQUIRE(describe(v4) == "dropped: headroom_short");
    } else {
      REQUIRE(to_hex(v4.frame) == to_hex(hex(packets::vm1_udp4_in_v4)));
    }
    if (headroom < 70) {
      REQUIRE(describe(v6) == "dropped: headroom_short");
    } else {
      REQUIRE(to_hex(v6.frame) == to_hex(hex(packets::vm1_tcp4_in_v6)));
    }
  }
}

TEST_CASE("a packet without room in front of it is moved within its buffer", "[forward]") {
  Rig rig(world::batch());
  const auto cuts = GENERATE(std::vector<std::size_t>{}, std::vector<std::size_t>{44});
  const auto send = [&](std::string_view in, std::size_t headroom, std::size_t tailroom) {
    return rig.receive(world::vm1, hex(in),
                       {.headroom = headroom, .tailroom = tailroom, .cuts = cuts});
  };
  for (std::size_t headroom = 0; headroom < 72; ++headroom) {
    CAPTURE(headroom);
    const std::size_t short4 = headroom < 50 ? 50 - headroom : 0;
    const std::size_t short6 = headroom < 70 ? 70 - headroom : 0;
    REQUIRE(to_hex(send(packets::vm1_udp4, headroom, short4).frame) ==
            to_hex(hex(packets::vm1_udp4_in_v4)));
    REQUIRE(to_hex(send(packets::vm1_tcp4, headroom, short6).frame) ==
            to_hex(hex(packets::vm1_tcp4_in_v6)));
    if (short4 != 0) {
      REQUIRE(describe(send(packets::vm1_udp4, headroom, short4 - 1)) == "dropped: headroom_short");
    }
  }
}

TEST_CASE("tunnels count what leaves and what arrives", "[forward]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  const PacketCount out = rig.counters().nexthops[world::tunnel4.index()].get();
  REQUIRE(out.packets == 1);
  REQUIRE(out.bytes == hex(packets::vm1_udp4_in_v4).size() - 14);
  rig.receive(world::fabric, hex(packets::peer_udp4));
  const PacketCount in = rig.counters().decaps[world::decap_blue.index()].get();
  REQUIRE(in.packets == 1);
  REQUIRE(in.bytes == hex(packets::peer_udp4).size() - 14);
  rig.receive(world::fabric, test::with(packets::peer_udp4, test::at::vni, "0000ff"));
  REQUIRE(rig.counters().decaps[world::decap_blue.index()].get().packets == 0);
}

TEST_CASE("a UDP checksum over IPv6 that comes out as zero is sent as all ones", "[forward]") {
  Rig rig(world::batch());
  // The last two bytes of the payload take the value that makes the outer sum all ones.
  Bytes in = hex(packets::vm1_udp6);
  const Bytes plain = rig.receive(world::vm1, in).frame;
  const std::uint16_t checksum = test::get16(plain, test::at::udp_v6 + 6);
  const std::uint32_t word = test::get16(in, in.size() - 2) + std::uint32_t{checksum};
  in = test::with16(in, in.size() - 2, (word & 0xffff) + (word >> 16));
  const Bytes out = rig.receive(world::vm1, in).frame;
  REQUIRE(test::get16(out, test::at::udp_v6 + 6) == 0xffff);
}

TEST_CASE("the outer source port comes from the inner flow alone", "[forward]") {
  Rig rig(world::batch());
  Batch wide;
  auto tunnel = test::tunnel_to("192.0.2.2", 100, world::to_peer);
  tunnel.profile.source_ports = {49152, 65535};
  wide.nexthops = {{world::tunnel4, tunnel}};
  rig.apply(wide);
  const auto port_of = [&](const Bytes& in) {
    return test::get16(rig.receive(world::vm1, in).frame, test::at::udp);
  };
  const Bytes flow = hex(packets::vm1_udp4);
  const std::uint16_t port = port_of(flow);
  REQUIRE(port >= 49152);
  REQUIRE(port_of(flow) == port);
  REQUIRE(port_of(test::with_ipv4(flow, 14, 4, "1234")) == port);  // another identification
  REQUIRE(port_of(test::with_ipv4(flow, 14, 8, "20")) == port);    // another TTL
  REQUIRE(port_of(test::with(flow, 42, "00")) == port);            // another payload
  std::set<std::uint16_t> seen;
  for (std::size_t source = 1; source < 65; ++source) {
    seen.insert(port_of(test::with16(flow, 34, source)));
  }
  REQUIRE(seen.size() > 55);

  // Any fragment goes by addresses and protocol: the first one's ports do not count.
  const Bytes first = test::with_ipv4(flow, 14, 6, "2000");
  const Bytes later = test::with_ipv4(flow, 14, 6, "0003");
  REQUIRE(port_of(first) == port_of(later));
  REQUIRE(port_of(test::with16(first, 34, 77)) == port_of(first));
}

TEST_CASE("a packet that is forwarded is explained step by step", "[forward]") {
  Rig rig(world::batch());
  const Outcome outcome = rig.receive(world::fabric, hex(packets::peer_udp4));
  std::vector<std::string> stages;
  for (const ExplainStep& step : outcome.steps) {
    REQUIRE_FALSE(step.text.empty());
    stages.push_back(step.stage);
  }
  REQUIRE(stages ==
          std::vector<std::string>{"parse", "decap", "parse", "resolve", "rewrite", "output"});
  for (const Travel& row : travels()) REQUIRE(rig.receive(row.from, hex(row.in)).steps.size() >= 3);
}

}  // namespace weft::forward_test
