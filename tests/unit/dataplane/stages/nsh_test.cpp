// What a forwarder of service chains does with NSH (RFC 8300).
#include <catch2/catch.hpp>
#include <set>

#include "support/eal_session.hpp"
#include "support/tunnel_loop.hpp"

namespace weft::nsh_test {
namespace {

constexpr NexthopId onward{51};
constexpr std::array kinds{TunnelKind::nsh_over_vxlan_gpe, TunnelKind::nsh_over_gre,
                           TunnelKind::nsh_over_ethernet};

Loop loop_of(TunnelKind kind, TunnelPayload payload = TunnelPayload::ip, bool v4 = true) {
  return loop_of(describe(kind), payload, v4);
}

/// Bytes in front of NSH, behind Ethernet.
std::size_t front_bytes(const TunnelProfile& profile) {
  const std::size_t outer = profile.remote.is_v4() ? 20 : 40;
  switch (profile.kind) {
    case TunnelKind::nsh_over_vxlan_gpe:
      return outer + 8 + 8;
    case TunnelKind::nsh_over_gre:
      return outer + (profile.carrier_network ? 8 : 4);
    default:
      return 0;
  }
}

/// The NSH packet in a frame that left by that tunnel.
Bytes nsh_in(const Bytes& frame, const TunnelProfile& profile) {
  return {frame.begin() + static_cast<std::ptrdiff_t>(14 + front_bytes(profile)), frame.end()};
}

/// What VM 1 sends into the tunnel, and as it comes back.
Bytes sent_by(const Loop& loop, const Bytes& vm = vm1_4) {
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  const Outcome out = rig.receive(world::vm1, vm);
  REQUIRE(describe(out) == "transmitted");
  return returned(out.frame);
}

Bytes with_ttl(const Bytes& frame, const Loop& loop, unsigned ttl) {
  const std::size_t nsh = 14 + front_bytes(loop.profile);
  return with16(frame, nsh, (test::get16(frame, nsh) & 0xf03fU) | ttl << 6);
}

std::string fate(const Loop& loop, const Bytes& frame) {
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  return describe(rig.receive(world::fabric, frame));
}

/// `loop` whose packets go on by a tunnel of `to`, over GRE with key 9.
Batch relaying(const Loop& loop, TunnelKind to, bool v4 = true) {
  Batch batch = batch_of(loop);
  nexthop::Tunnel tunnel;
  tunnel.profile = loop_of(to, TunnelPayload::nsh, v4).profile;
  if (to == TunnelKind::nsh_over_gre) tunnel.profile.carrier_network = 9;
  tunnel.adjacency = v4 ? world::to_peer : world::to_peer6;
  batch.nexthops.push_back({onward, tunnel});
  batch.decaps[0].object->relays = true;
  batch.decaps[0].object->nexthop = onward;
  return batch;
}

}  // namespace

TEST_CASE("NSH goes on to the next forwarder as it was, with one less to pass", "[nsh]") {
  for (const TunnelKind from : kinds) {
    for (const TunnelKind to : kinds) {
      for (const bool v4 : {true, false}) {
        for (const TunnelPayload payload : {TunnelPayload::ip, TunnelPayload::ethernet}) {
          INFO(describe(from).name << " to " << describe(to).name);
          const Loop loop = loop_of(from, payload, !v4);
          Rig rig(world::batch());
          const Batch batch = relaying(loop, to, v4);
          rig.apply(batch);
          const auto& way_on = std::get<nexthop::Tunnel>(*batch.nexthops[1].object).profile;
          const Bytes in = sent_by(loop, v4 ? vm1_4 : vm1_6);
          const Outcome out = rig.receive(world::fabric, in);
          REQUIRE(describe(out) == "transmitted");
          Bytes wanted = nsh_in(in, loop.profile);
          REQUIRE(test::get16(wanted, 0) == 0x0fc6);
          wanted[0] = 0x0f;
          wanted[1] = 0x86;
          CHECK(to_hex(nsh_in(out.frame, way_on)) == to_hex(wanted));
          CHECK(test::get16(out.frame, 12) == (to == TunnelKind::nsh_over_ethernet ? 0x894f
                                               : v4                                ? 0x0800
                                                                                   : 0x86dd));
          if (to == TunnelKind::nsh_over_gre) {
            CHECK(to_hex({out.frame.begin() + 14 + (v4 ? 20 : 40),
                          out.frame.begin() + 14 + (v4 ? 28 : 48)}) == "2000894f00000009");
          }
          if (to == TunnelKind::nsh_over_vxlan_gpe) {
            CHECK(to_hex({out.frame.begin() + 14 + (v4 ? 28 : 48),
                          out.frame.begin() + 14 + (v4 ? 36 : 56)}) == "0c00000400000700");
          }
        }
      }
    }
  }
}

TEST_CASE("a flow has one UDP source port behind a forwarder too", "[nsh]") {
  const Loop loop = loop_of(TunnelKind::nsh_over_gre);
  Rig rig(world::batch());
  rig.apply(relaying(loop, TunnelKind::nsh_over_vxlan_gpe));
  std::set<unsigned> ports;
  for (unsigned port = 1; port <= 32; ++port) {
    const Bytes in = sent_by(loop, with16(vm1_4, at::ip + 20, port));
    const auto of = [&](const Bytes& frame) {
      const Outcome out = rig.receive(world::fabric, frame);
      REQUIRE(describe(out) == "transmitted");
      return test::get16(out.frame, 14 + 20);
    };
    const unsigned chosen = of(in);
    ports.insert(chosen);
    CHECK(of(with_ttl(in, loop, 9)) == chosen);
  }
  CHECK(ports.size() > 24);
}

TEST_CASE("flows spread over several neighbours behind a forwarder", "[nsh]") {
  const Loop loop = loop_of(TunnelKind::nsh_over_gre);
  constexpr AdjacencyId ways{60};
  constexpr AdjacencyId second{61};
  Batch batch = relaying(loop, TunnelKind::nsh_over_gre);
  std::get<nexthop::Tunnel>(*batch.nexthops[1].object).adjacency = ways;
  Adjacency both;
  both.buckets = {world::to_peer, second};
  batch.adjacencies.push_back(
      {second, test::adjacency_on(world::fabric, "192.0.2.3", test::mac("02:00:00:00:aa:02"))});
  batch.adjacencies.push_back({ways, both});
  Rig rig(world::batch());
  rig.apply(batch);
  std::set<std::string> neighbours;
  for (unsigned port = 1; port <= 32; ++port) {
    const Bytes in = sent_by(loop, with16(vm1_4, at::ip + 20, port));
    const Outcome out = rig.receive(world::fabric, in);
    REQUIRE(describe(out) == "transmitted");
    neighbours.insert(to_hex(out.frame).substr(0, 12));
  }
  CHECK(neighbours == std::set<std::string>{"020000000f02", "02000000aa02"});
}

TEST_CASE("the TTL of NSH ends at a forwarder, and wraps", "[nsh]") {
  for (const TunnelKind kind : kinds) {
    const Loop loop = loop_of(kind);
    const Bytes in = sent_by(loop);
    CHECK(fate(loop, with_ttl(in, loop, 2)) == "transmitted");
    CHECK(fate(loop, with_ttl(in, loop, 1)) == "dropped: nsh_ttl_expired");
    CHECK(fate(loop, with_ttl(in, loop, 0)) == "transmitted");
    Rig rig(world::batch());
    rig.apply(relaying(loop, TunnelKind::nsh_over_ethernet));
    CHECK(describe(rig.receive(world::fabric, with_ttl(in, loop, 1))) ==
          "dropped: nsh_ttl_expired");
    const Outcome out = rig.receive(world::fabric, with_ttl(in, loop, 0));
    REQUIRE(describe(out) == "transmitted");
    CHECK(test::get16(out.frame, 14) == 0x0fc6);
  }
}

TEST_CASE("path, index, VNI and key of NSH are those of the decap", "[nsh]") {
  for (const TunnelKind kind : kinds) {
    Loop loop = loop_of(kind);
    const Bytes in = sent_by(loop);
    CHECK(fate(loop, in) == "transmitted");
    const std::size_t nsh = 14 + front_bytes(loop.profile);
    CHECK(fate(loop, with(in, nsh + 7, "00")) == "dropped: decap_unknown_vni");
    CHECK(fate(loop, with(in, nsh + 4, "01")) == "dropped: decap_unknown_vni");
    if (kind == TunnelKind::nsh_over_ethernet) continue;
    loop.decap.carrier_network = 8;
    CHECK(fate(loop, in) == "dropped: decap_unknown_vni");
  }
  Loop keyed = loop_of(TunnelKind::nsh_over_gre);
  keyed.profile.carrier_network = 8;
  CHECK(fate(keyed, sent_by(keyed)) == "dropped: decap_unknown_vni");
  keyed.decap.carrier_network = 8;
  CHECK(fate(keyed, sent_by(keyed)) == "transmitted");
}

TEST_CASE("NSH shares its carrier with what stands on it without", "[nsh]") {
  const auto both = [](TunnelKind plain, TunnelKind nsh) {
    Rig rig(world::batch());
    const Loop other = loop_of(plain);
    const Loop path = loop_of(nsh);
    Batch batch = batch_of(other);
    batch.decaps.push_back({DecapId(51), path.decap});
    rig.apply(batch);
    CHECK(describe(rig.receive(world::fabric, sent_by(other))) == "transmitted");
    CHECK(describe(rig.receive(world::fabric, sent_by(path))) == "transmitted");
  };
  both(TunnelKind::vxlan_gpe, TunnelKind::nsh_over_vxlan_gpe);
  both(TunnelKind::gre, TunnelKind::nsh_over_gre);
  both(TunnelKind::mpls_over_mpls, TunnelKind::nsh_over_ethernet);
  // Each alone does not take the other's.
  CHECK(fate(loop_of(TunnelKind::vxlan_gpe), sent_by(loop_of(TunnelKind::nsh_over_vxlan_gpe))) ==
        "dropped: decap_unknown_vni");
  CHECK(fate(loop_of(TunnelKind::nsh_over_vxlan_gpe), sent_by(loop_of(TunnelKind::vxlan_gpe))) ==
        "dropped: decap_unknown_vni");
  CHECK(fate(loop_of(TunnelKind::mpls_over_mpls),
             sent_by(loop_of(TunnelKind::nsh_over_ethernet))) == "dropped: ethertype_unsupported");
}

TEST_CASE("a forwarder tells the packet inside of congestion", "[nsh]") {
  const Loop loop = loop_of(TunnelKind::nsh_over_gre);
  Rig rig(world::batch());
  rig.apply(relaying(loop, TunnelKind::nsh_over_ethernet));
  const Bytes capable = sent_by(loop, with_ipv4(vm1_4, at::ip, 1, "02"));
  const Outcome out = rig.receive(world::fabric, with_ipv4(capable, at::ip, 1, "03"));
  REQUIRE(describe(out) == "transmitted");
  CHECK(out.frame[14 + 24 + 1] == 0x03);
  CHECK(describe(rig.receive(world::fabric, with_ipv4(sent_by(loop), at::ip, 1, "03"))) ==
        "dropped: outer_ce_inner_not_ect");
}

TEST_CASE("a forwarder tells the next outer header what the packet inside says", "[nsh]") {
  for (const bool v4 : {true, false}) {          // inside
    for (const bool outer_v4 : {true, false}) {  // of what it sends
      for (const TunnelPayload payload : {TunnelPayload::ip, TunnelPayload::ethernet}) {
        for (const TunnelKind to : {TunnelKind::nsh_over_gre, TunnelKind::nsh_over_vxlan_gpe}) {
          const Loop loop = loop_of(TunnelKind::nsh_over_ethernet, payload, v4);
          const auto fields_of = [&](const Bytes& in, bool copies) {
            Batch batch = relaying(loop, to, outer_v4);
            auto& profile = std::get<nexthop::Tunnel>(*batch.nexthops[1].object).profile;
            if (!copies) profile.dscp = 5;
            profile.copy_dscp = profile.copy_ttl = copies;
            Rig rig(world::batch());
            rig.apply(batch);
            const Outcome out = rig.receive(world::fabric, in);
            REQUIRE(describe(out) == "transmitted");
            CHECK((!outer_v4 || with_ipv4_checksum(out.frame) == out.frame));
            const unsigned traffic_class =
                outer_v4 ? out.frame[at::ip + 1] : test::get16(out.frame, at::ip) >> 4 & 0xff;
            return std::pair(traffic_class, unsigned{out.frame[at::ip + (outer_v4 ? 8 : 7)]});
          };
          // The packet ends the frame, and had a TTL of 64 when the VM sent it.
          const Bytes plain = sent_by(loop, v4 ? vm1_4 : vm1_6);
          const std::size_t inner = plain.size() - ((v4 ? vm1_4 : vm1_6).size() - at::ip);
          const auto inside = [&](unsigned traffic_class, std::uint8_t ttl) {
            Bytes frame = plain;
            frame[inner + (v4 ? 8 : 7)] = ttl;
            if (!v4) return with16(frame, inner, 0x6000 | traffic_class << 4);
            frame[inner + 1] = static_cast<std::uint8_t>(traffic_class);
            return with_ipv4_checksum(frame, inner);
          };
          using Fields = std::pair<unsigned, unsigned>;
          CHECK(fields_of(plain, false) == Fields(5 << 2, 64));
          CHECK(fields_of(inside(0xb9, 9), false) == Fields(5 << 2 | 1, 64));
          CHECK(fields_of(inside(0xb9, 9), true) == Fields(0xb9, 9));
          CHECK(fields_of(inside(0x03, 0), true) == Fields(0x03, 1));  // nobody sends a TTL of 0
          // What is no IP has nothing to say.
          Bytes other = inside(0xb9, 9);
          if (payload == TunnelPayload::ethernet) {
            other[inner - 1] = 0x06;
            CHECK(fields_of(other, true) == Fields(0, 64));
          }
        }
      }
    }
  }
}

TEST_CASE("what cannot go on from a forwarder is counted", "[nsh]") {
  const Loop loop = loop_of(TunnelKind::nsh_over_ethernet);
  const Bytes in = sent_by(loop);
  Rig rig(world::batch());
  Batch batch = relaying(loop, TunnelKind::nsh_over_vxlan_gpe);
  auto& tunnel = std::get<nexthop::Tunnel>(*batch.nexthops[1].object);
  const auto takes_up_to = [&](std::size_t outer_bytes) {
    rig.apply(batch);
    Bytes large = in;
    large.resize(14 + outer_bytes - 20 - 8 - 8);
    CHECK(describe(rig.receive(world::fabric, large)) == "transmitted");
    large.push_back(0);
    CHECK(describe(rig.receive(world::fabric, large)) == "dropped: too_big");
  };
  SECTION("the tunnel has no way yet") {
    tunnel.adjacency = {};
    rig.apply(batch);
    CHECK(describe(rig.receive(world::fabric, in)) == "dropped: tunnel_unresolved");
  }
  SECTION("it makes a header of its own") {
    tunnel.profile.payload = TunnelPayload::ip;
    rig.apply(batch);
    CHECK(describe(rig.receive(world::fabric, in)) == "dropped: nexthop_missing");
  }
  SECTION("it is too large for the way out") { takes_up_to(1500); }
  SECTION("it is too large for what lies farther") {
    tunnel.path_mtu_bytes = 1400;
    takes_up_to(1400);
  }
}

TEST_CASE("what a forwarder sends on leaves in pieces where its tunnel says so", "[nsh]") {
  for (const bool v4 : {true, false}) {
    const Loop loop = loop_of(TunnelKind::nsh_over_ethernet);
    Bytes in = sent_by(loop);
    in.resize(14 + 1500);
    Rig rig(world::batch());
    Batch batch = relaying(loop, TunnelKind::nsh_over_gre, v4);
    auto& profile = std::get<nexthop::Tunnel>(*batch.nexthops[1].object).profile;
    profile.outer_fragmentation = true;
    rig.apply(batch);
    const auto frames = rig.pieces(world::fabric, {in});
    REQUIRE(frames.size() == 2);
    const std::size_t header = 14 + (v4 ? 20 : 48);
    Bytes whole;
    for (const Bytes& frame : frames) {
      CHECK(frame.size() <= 14 + 1500);
      whole.insert(whole.end(), frame.begin() + static_cast<std::ptrdiff_t>(header), frame.end());
    }
    in.erase(in.begin(), in.begin() + 14);
    in[1] = 0x86;  // one forwarder less
    REQUIRE(whole.size() == 8 + in.size());
    CHECK(Bytes(whole.begin() + 8, whole.end()) == in);
  }
}

TEST_CASE("a packet without NSH does not get into a tunnel of those that have it", "[nsh]") {
  const Loop loop = loop_of(TunnelKind::nsh_over_gre);
  Rig rig(world::batch());
  Batch batch = relaying(loop, TunnelKind::nsh_over_gre);
  batch.routes.push_back({world::blue, prefix("10.1.9.5/32"), onward});
  rig.apply(batch);
  CHECK(describe(rig.receive(world::vm1, vm1_4)) == "dropped: nexthop_missing");
}

}  // namespace weft::nsh_test
