// What every tunnel kind does on the way through the stages.
#include <catch2/catch.hpp>
#include <set>

#include "support/eal_session.hpp"
#include "support/naive.hpp"
#include "support/tunnel_loop.hpp"
#include "tunnel/registry.hpp"

namespace weft::tunnel_kinds_test {
namespace {

/// A packet of that kind, over IPv4, with IPv4 inside that is for VM 1 itself.
Bytes packet_of(TunnelKind kind, TunnelPayload payload) {
  const Loop loop = loop_of(describe(kind), payload, true);
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  return returned(rig.receive(world::vm1, vm1_4).frame);
}

std::string fate(TunnelKind kind, TunnelPayload payload, const Bytes& frame) {
  Rig rig(world::batch());
  rig.apply(batch_of(loop_of(describe(kind), payload, true)));
  return describe(rig.receive(world::fabric, frame));
}

/// Behind Ethernet and the outer IPv4 header, and behind UDP.
constexpr std::size_t behind_ip = 14 + 20;
constexpr std::size_t behind_udp = behind_ip + 8;

}  // namespace

TEST_CASE("what goes into a tunnel of any kind comes out of it as it was", "[kinds]") {
  for (const Loop& loop : loops()) {
    Rig rig(world::batch());
    rig.apply(batch_of(loop));
    for (const Bytes& sent : {vm1_4, vm1_6}) {
      const bool v4 = sent[12] == 0x08;
      INFO(describe(loop.profile.kind).name
           << (loop.profile.remote.is_v4() ? ", IPv4" : ", IPv6") << (v4 ? " of IPv4" : " of IPv6")
           << (loop.profile.payload == TunnelPayload::ip ? ", bare" : ""));
      const Outcome out = rig.receive(world::vm1, sent);
      REQUIRE(describe(out) == "transmitted");
      // The destination is led back into the tunnel: TTL has gone down twice then.
      const Outcome again = rig.receive(world::fabric, returned(out.frame));
      REQUIRE(describe(again) == "transmitted");
      CHECK(again.frame.size() == out.frame.size());
      const std::size_t inner = out.frame.size() - (sent.size() - at::ip);
      const std::size_t ttl = inner + (v4 ? 8 : 7);
      CHECK(out.frame[ttl] + 1 == sent[at::ip + (v4 ? 8 : 7)]);
      CHECK(again.frame[ttl] + 2 == sent[at::ip + (v4 ? 8 : 7)]);
      const std::size_t behind = inner + (v4 ? 12 : 8);  // addresses and all that follows
      CHECK(std::equal(out.frame.begin() + static_cast<std::ptrdiff_t>(behind), out.frame.end(),
                       sent.begin() + static_cast<std::ptrdiff_t>(at::ip + (v4 ? 12 : 8))));
    }
  }
}

TEST_CASE("a tunnel takes only what has its kind's network", "[kinds]") {
  for (const Loop& loop : loops()) {
    if (describe(loop.profile.kind).network.empty()) continue;
    Loop other = loop;
    --other.decap.vni;
    Rig rig(world::batch());
    rig.apply(batch_of(other));
    INFO(describe(loop.profile.kind).name);
    const Outcome out = rig.receive(world::vm1, vm1_4);
    CHECK(describe(rig.receive(world::fabric, returned(out.frame))) ==
          "dropped: decap_unknown_vni");
  }
}

TEST_CASE("a UDP port goes from one kind to another in one batch", "[kinds]") {
  Loop vxlan = loop_of(describe(TunnelKind::vxlan), TunnelPayload::ethernet, true);
  Loop geneve = loop_of(describe(TunnelKind::geneve), TunnelPayload::ethernet, true);
  for (Loop* loop : {&vxlan, &geneve}) {
    loop->profile.destination_port = loop->decap.destination_port = 5000;
  }
  Rig rig(world::batch());
  rig.apply(batch_of(vxlan));
  Batch batch = batch_of(geneve);
  batch.decaps = {{DecapId(51), geneve.decap}, {back, std::nullopt}};
  SECTION("the old one goes last") {}
  SECTION("the old one goes first") { std::swap(batch.decaps[0], batch.decaps[1]); }
  SECTION("the old one changes") { batch.decaps = {{back, geneve.decap}}; }
  rig.apply(batch);
  const Outcome out = rig.receive(world::vm1, vm1_4);
  CHECK(describe(rig.receive(world::fabric, returned(out.frame))) == "transmitted");
}

TEST_CASE("no frame of the router's own goes into a tunnel of bare packets", "[kinds]") {
  for (const TunnelKind kind : {TunnelKind::gre, TunnelKind::vxlan_gpe}) {
    for (const TunnelPayload payload : {TunnelPayload::ip, TunnelPayload::ethernet}) {
      Rig rig(world::batch());
      rig.apply(batch_of(loop_of(describe(kind), payload, true)));
      CHECK(describe(rig.inject(way, hex(packets::own_arp))) ==
            (payload == TunnelPayload::ip ? "dropped: nexthop_missing" : "transmitted"));
    }
  }
}

TEST_CASE("GRE with a key is another kind than GRE without one", "[kinds]") {
  const auto ip_payload = TunnelPayload::ip;
  const Bytes bare = packet_of(TunnelKind::gre, ip_payload);
  const Bytes keyed = packet_of(TunnelKind::keyed_gre, ip_payload);
  // Without a decap of its kind the packet is the host's.
  CHECK(fate(TunnelKind::gre, ip_payload, bare) == "transmitted");
  CHECK(fate(TunnelKind::keyed_gre, ip_payload, keyed) == "transmitted");
  CHECK(fate(TunnelKind::gre, ip_payload, keyed).starts_with("punted"));
  CHECK(fate(TunnelKind::keyed_gre, ip_payload, bare).starts_with("punted"));
  CHECK(fate(TunnelKind::mpls_over_gre, ip_payload, bare).starts_with("punted"));
}

TEST_CASE("a tunnel says what it holds, and holds it", "[kinds]") {
  const auto ip_payload = TunnelPayload::ip;
  const Bytes gre = packet_of(TunnelKind::gre, ip_payload);
  const Bytes geneve = packet_of(TunnelKind::geneve, ip_payload);
  const Bytes gpe = packet_of(TunnelKind::vxlan_gpe, ip_payload);
  CHECK(fate(TunnelKind::gre, ip_payload, with(gre, behind_ip + 2, "86dd")) ==
        "dropped: tunnel_header_invalid");
  CHECK(fate(TunnelKind::geneve, ip_payload, with(geneve, behind_udp + 2, "86dd")) ==
        "dropped: tunnel_header_invalid");
  CHECK(fate(TunnelKind::vxlan_gpe, ip_payload, with(gpe, behind_udp + 3, "02")) ==
        "dropped: tunnel_header_invalid");
  const auto unsupported = "dropped: tunnel_payload_unsupported";
  CHECK(fate(TunnelKind::gre, ip_payload, with(gre, behind_ip + 2, "0806")) == unsupported);
  CHECK(fate(TunnelKind::geneve, ip_payload, with(geneve, behind_udp + 2, "8847")) == unsupported);
  CHECK(fate(TunnelKind::vxlan_gpe, ip_payload, with(gpe, behind_udp + 3, "05")) == unsupported);
  // A label does not say what is behind it: the packet has to. 0 begins a control word (RFC 4385).
  const Bytes mpls = packet_of(TunnelKind::mpls_over_udp, ip_payload);
  for (const std::string_view version : {"05", "55", "95"}) {
    CHECK(fate(TunnelKind::mpls_over_udp, ip_payload, with(mpls, behind_udp + 4, version)) ==
          unsupported);
  }
}

TEST_CASE("what has no IP header outside is told so wherever it waits", "[kinds]") {
  const Loop loop = loop_of(describe(TunnelKind::mpls_over_mpls), TunnelPayload::ip, true);
  Rig rig(world::batch());
  Batch batch = batch_of(loop);
  std::get<nexthop::Tunnel>(*batch.nexthops[0].object).adjacency = world::to_silent;
  rig.apply(batch);
  const Outcome held = rig.receive(world::vm1, vm1_4);
  REQUIRE(describe(held) == "held");
  CHECK(describe(rig.resume(held)) == "held");
  Batch answered;
  answered.adjacencies = {
      {world::to_silent, test::adjacency_on(world::fabric, "192.0.2.77", fabric_mac)}};
  rig.apply(answered);
  const Outcome sent = rig.resume(held);
  REQUIRE(describe(sent) == "transmitted");
  CHECK(to_hex({sent.frame.begin() + 12, sent.frame.begin() + 18}) == "8847003e8140");
  // To another MAC, of another type, or without a decap it goes nowhere.
  CHECK(fate(loop.profile.kind, loop.profile.payload, sent.frame) == "transmitted");
  CHECK(fate(loop.profile.kind, loop.profile.payload, with(sent.frame, 0, "030000000001")) ==
        "dropped: ethertype_unsupported");
  CHECK(fate(loop.profile.kind, loop.profile.payload, with(sent.frame, 12, "8848")) ==
        "dropped: ethertype_unsupported");
  CHECK(fate(TunnelKind::mpls_over_gre, loop.profile.payload, sent.frame) ==
        "dropped: ethertype_unsupported");
  CHECK(fate(loop.profile.kind, loop.profile.payload,
             Bytes(sent.frame.begin(), sent.frame.begin() + 17)) ==
        "dropped: tunnel_header_truncated");
}

TEST_CASE("a fragment of a tunnel packet is told as such on whatever it stands", "[kinds]") {
  const auto ip_payload = TunnelPayload::ip;
  for (const TunnelKind kind : {TunnelKind::gre, TunnelKind::mpls_over_gre, TunnelKind::geneve}) {
    const Bytes whole = packet_of(kind, ip_payload);
    for (const std::string_view piece : {"2000", "0007"}) {
      CHECK(fate(kind, ip_payload, with_ipv4(whole, at::ip, 6, piece)) ==
            "dropped: outer_fragment");
    }
  }
  // Where no decap is for GRE it is the host's.
  const Bytes gre = packet_of(TunnelKind::gre, ip_payload);
  CHECK(fate(TunnelKind::geneve, ip_payload, with_ipv4(gre, at::ip, 6, "2000"))
            .starts_with("punted"));
}

namespace {

/// What becomes of VM 1's packet after it has gone into the tunnel and come back.
std::string fate(const Loop& loop, const Bytes& sent = vm1_4) {
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  const Outcome out = rig.receive(world::vm1, sent, {.tailroom = 256, .cuts = {}});
  REQUIRE(describe(out) == "transmitted");
  return describe(rig.receive(world::fabric, returned(out.frame)));
}

}  // namespace

TEST_CASE("labels in front of the network's are those of the decap", "[kinds]") {
  for (const TunnelKind kind : {TunnelKind::mpls_over_udp, TunnelKind::mpls_over_gre}) {
    Loop loop = loop_of(describe(kind), TunnelPayload::ip, true);
    const auto fate_of = [&](std::vector<std::uint32_t> sent, std::vector<std::uint32_t> wanted) {
      loop.profile.labels = std::move(sent);
      loop.decap.labels = std::move(wanted);
      return fate(loop);
    };
    CHECK(fate_of({}, {}) == "transmitted");
    CHECK(fate_of({100}, {100}) == "transmitted");
    CHECK(fate_of({1, 2, 3, 4, 5, 6, 7}, {1, 3, 4, 5, 6, 7}) == "transmitted");  // 2: explicit null
    CHECK(fate_of({0, 100}, {100}) == "transmitted");
    CHECK(fate_of({100, 2}, {100}) == "transmitted");
    const auto unexpected = "dropped: label_unexpected";
    CHECK(fate_of({100}, {}) == unexpected);
    CHECK(fate_of({}, {100}) == unexpected);
    CHECK(fate_of({0}, {100}) == unexpected);
    CHECK(fate_of({101}, {100}) == unexpected);
    CHECK(fate_of({100, 101}, {101, 100}) == unexpected);
    CHECK(fate_of({100, 101}, {100}) == unexpected);
    CHECK(fate_of({100}, {100, 101}) == unexpected);
  }
}

TEST_CASE("a decap of GENEVE may want options", "[kinds]") {
  Loop loop = loop_of(describe(TunnelKind::geneve), TunnelPayload::ip, true);
  const TunnelOption plain{0x0102, 0x03, {0, 0, 0, 42}};
  const TunnelOption other{0x0102, 0x03, {0, 0, 0, 43}};
  const TunnelOption critical{0x0102, 0x83, {}};
  const auto fate_of = [&](std::vector<TunnelOption> sent, std::vector<TunnelOption> wanted) {
    loop.profile.options = std::move(sent);
    loop.decap.options = std::move(wanted);
    return fate(loop);
  };
  CHECK(fate_of({plain}, {}) == "transmitted");
  CHECK(fate_of({plain}, {plain}) == "transmitted");
  CHECK(fate_of({other, critical, plain}, {plain, critical}) == "transmitted");
  CHECK(fate_of({critical}, {}) == "dropped: tunnel_option_unknown");
  CHECK(fate_of({critical, plain}, {plain}) == "dropped: tunnel_option_unknown");
  CHECK(fate_of({}, {plain}) == "dropped: tunnel_option_missing");
  CHECK(fate_of({other}, {plain}) == "dropped: tunnel_option_missing");
  CHECK(fate_of({plain, plain}, {plain, critical}) == "dropped: tunnel_option_missing");
  const TunnelOption long_one{1, 2, std::vector<std::uint8_t>(124, 7)};
  const TunnelOption rest{1, 3, std::vector<std::uint8_t>(120, 8)};
  CHECK(fate_of({long_one, rest}, {rest, long_one}) == "transmitted");
}

TEST_CASE("an SRv6 segment takes out what its behaviour says", "[kinds]") {
  Loop loop = loop_of(describe(TunnelKind::srv6), TunnelPayload::ip, false);
  using enum SegmentBehaviour;
  const auto fate_of = [&](SegmentBehaviour behaviour, const Bytes& sent) {
    loop.decap.behaviour = behaviour;
    return fate(loop, sent);
  };
  const auto unsupported = "dropped: tunnel_payload_unsupported";
  for (const bool reduced : {false, true}) {
    loop.profile.reduced = reduced;
    CHECK(fate_of(dt46, vm1_4) == "transmitted");
    CHECK(fate_of(dt46, vm1_6) == "transmitted");
    CHECK(fate_of(dt4, vm1_4) == "transmitted");
    CHECK(fate_of(dt4, vm1_6) == unsupported);
    CHECK(fate_of(dt6, vm1_4) == unsupported);
    CHECK(fate_of(dt6, vm1_6) == "transmitted");
    CHECK(fate_of(end, vm1_4) == "dropped: srv6_segments_left");
  }
  loop.profile.segments.push_back(ip("2001:db8:7::1").v6());
  for (const bool reduced : {false, true}) {
    loop.profile.reduced = reduced;
    CHECK(fate_of(dt46, vm1_4) == "dropped: srv6_segments_left");
  }
}

/// Its decap passes packets on to their next segment: by a route, or to the neighbour that is
/// chosen for them (End.X).
Batch passing_on(const Loop& loop, bool chosen) {
  Batch batch = batch_of(loop);
  const NexthopId neighbour{51};
  batch.nexthops.push_back({neighbour, nexthop::Interface{world::to_peer6}});
  batch.decaps[0].object->behaviour = chosen ? SegmentBehaviour::end_x : SegmentBehaviour::end;
  batch.decaps[0].object->nexthop = chosen ? neighbour : NexthopId{};
  if (!chosen) batch.routes.push_back({underlay_vrf, prefix("2001:db8:7::/48"), neighbour});
  return batch;
}

TEST_CASE("SRv6 End passes a packet on to its next segment", "[kinds]") {
  constexpr std::size_t routing = 14 + 40;
  Loop loop = loop_of(describe(TunnelKind::srv6), TunnelPayload::ip, false);
  const IpAddress next = ip("2001:db8:7::1");
  loop.profile.segments.push_back(next.v6());
  for (const bool chosen : {false, true}) {
    Rig rig(world::batch());
    rig.apply(passing_on(loop, chosen));
    const Bytes sent = returned(rig.receive(world::vm1, vm1_4).frame);
    REQUIRE(sent[routing + 3] == 1);
    const Outcome out = rig.receive(world::fabric, sent);
    REQUIRE(describe(out) == "transmitted");
    Bytes wanted = sent;
    wanted[routing + 3] = 0;  // segments left
    --wanted[14 + 7];         // hop limit
    const auto& bytes = next.v6().bytes;
    std::copy(bytes.begin(), bytes.end(), wanted.begin() + 14 + 24);
    wanted.erase(wanted.begin(), wanted.begin() + 14);
    CHECK(Bytes(out.frame.begin() + 14, out.frame.end()) == wanted);
    // Where there is no route to the next segment, the sender hears of it.
    Batch batch;
    batch.routes = {{underlay_vrf, prefix("2001:db8:7::/48"), NexthopId{}}};
    rig.apply(batch);
    CHECK(describe(rig.receive(world::fabric, sent)) ==
          (chosen ? "transmitted" : "punted: no_route"));
  }
}

TEST_CASE("SRv6 End has a packet whose hop limit runs out told of as it came", "[kinds]") {
  Loop loop = loop_of(describe(TunnelKind::srv6), TunnelPayload::ip, false);
  loop.profile.segments.push_back(ip("2001:db8:7::1").v6());
  for (const bool chosen : {false, true}) {
    Rig rig(world::batch());
    rig.apply(passing_on(loop, chosen));
    const Bytes sent = returned(rig.receive(world::vm1, vm1_4).frame);
    for (const std::string_view hops : {"00", "01"}) {
      const Bytes in = with(sent, 14 + 7, hops);
      const Outcome out = rig.receive(world::fabric, in);
      CHECK(describe(out) == "punted: ttl_expired");
      CHECK(out.metadata.kind == PuntClass::icmp_error);
      CHECK(out.frame == in);
      CHECK(rig.counters().decaps[back.index()].get().packets == 1);
    }
    CHECK(describe(rig.receive(world::fabric, with(sent, 14 + 7, "02"))) == "transmitted");
  }
}

TEST_CASE("a routing header on its way to somebody else hides nothing", "[kinds]") {
  constexpr std::size_t routing = 14 + 40;
  constexpr std::size_t udp = routing + 8 + 16;
  const IpAddress there = ip("2001:db8:7::1");
  const Loop loop = loop_of(describe(TunnelKind::srv6), TunnelPayload::ip, false);
  Rig rig(world::batch());
  Batch batch = passing_on(loop, false);
  Port port;
  port.mac = fabric_mac;
  port.may_leave_checksums = true;
  batch.ports = {{world::fabric, port}};
  rig.apply(batch);
  Bytes sent = returned(rig.receive(world::vm1, vm1_4).frame);
  const auto& bytes = there.v6().bytes;
  std::copy(bytes.begin(), bytes.end(), sent.begin() + 14 + 24);
  sent = with16(with(sent, routing, "11"), 14 + 4, udp - routing + 12);
  sent.resize(udp);
  const Bytes datagram = hex("03ee0035000c00000102ffff");
  sent.insert(sent.end(), datagram.begin(), datagram.end());
  CHECK(describe(rig.receive(world::fabric, sent)) == "transmitted");
  // What Linux leaves to hardware.
  const auto unfinished = test::naive_pseudo_sum(loop.profile.local, there, 17, 12);
  CHECK(describe(rig.receive(world::fabric, with16(sent, udp + 6, unfinished))) ==
        "dropped: checksum_unfinished");
}

TEST_CASE("options of GENEVE are skipped, unless they are critical", "[kinds]") {
  const Bytes plain = packet_of(TunnelKind::geneve, TunnelPayload::ip);
  // One option of eight bytes in all, class 0x0102: lengths grow by 8.
  const auto optioned = [&](std::string_view option) {
    Bytes frame = plain;
    const Bytes bytes = hex(option);
    frame[behind_udp] = static_cast<std::uint8_t>(bytes.size() / 4);
    frame.insert(frame.begin() + behind_udp + 8, bytes.begin(), bytes.end());
    const auto grow = [&](std::size_t place) {
      const unsigned length =
          (frame[place] << 8 | frame[place + 1]) + static_cast<unsigned>(bytes.size());
      frame = with16(frame, place, static_cast<std::uint16_t>(length));
    };
    grow(14 + 2);
    grow(behind_ip + 4);
    return with_ipv4_checksum(std::move(frame));
  };
  const auto fate_of = [&](const Bytes& frame) {
    return fate(TunnelKind::geneve, TunnelPayload::ip, frame);
  };
  CHECK(fate_of(plain) == "transmitted");
  CHECK(fate_of(optioned("0102030100000001")) == "transmitted");
  CHECK(fate_of(optioned("0102830100000001")) == "dropped: tunnel_option_unknown");
  CHECK(fate_of(optioned("0102030200000001")) == "dropped: tunnel_header_invalid");
}

TEST_CASE("over IPv6 without UDP each flow has a flow label", "[kinds]") {
  for (Loop& loop : loops()) {
    const TunnelKindInfo& info = describe(loop.profile.kind);
    if (loop.profile.remote.is_v4() || info.on_ethernet) continue;
    INFO(info.name << (loop.profile.payload == TunnelPayload::ip ? ", bare" : ""));
    loop.profile.dscp = 46;
    Rig rig(world::batch());
    rig.apply(batch_of(loop));
    const auto word_of = [&](const Bytes& frame) {
      const Outcome out = rig.receive(world::vm1, frame);
      REQUIRE(describe(out) == "transmitted");
      return std::uint32_t{test::get16(out.frame, at::ip)} << 16 |
             test::get16(out.frame, at::ip + 2);
    };
    // Of IPv4 and of IPv6, by their source ports.
    std::set<std::uint32_t> words;
    for (std::size_t port = 1000; port < 1008; ++port) {
      const auto flow4 = with16(vm1_4, at::ip + 20, port);
      const auto flow6 = with16(vm1_6, at::ip + 40, port);
      words.insert(word_of(flow4));
      CHECK(words.insert(word_of(flow4)).second == false);
      words.insert(word_of(flow6));
      CHECK(words.insert(word_of(flow6)).second == false);
    }
    // The version and the DSCP stay.
    for (const std::uint32_t word : words) CHECK(word >> 20 == 0x6b8);
    if (info.default_udp_port != 0) {
      CHECK(words == std::set<std::uint32_t>{0x6b800000});
    } else {
      CHECK(words.size() == 16);
      CHECK_FALSE(words.contains(0x6b800000));
    }
  }
}

TEST_CASE("a checksum of GRE must be right", "[kinds]") {
  // Four bytes more: checksum and reserved.
  Bytes frame = packet_of(TunnelKind::gre, TunnelPayload::ip);
  frame.insert(frame.begin() + behind_ip + 4, 4, 0);
  frame[behind_ip] = 0x80;
  frame = with16(frame, 14 + 2, static_cast<std::uint16_t>(frame.size() - 14));
  frame = with_ipv4_checksum(std::move(frame));
  const std::vector<std::uint8_t> summed(frame.begin() + behind_ip, frame.end());
  const std::uint16_t sum = test::naive_checksum(summed);
  const auto fate_of = [](const Bytes& f) { return fate(TunnelKind::gre, TunnelPayload::ip, f); };
  CHECK(fate_of(with16(frame, behind_ip + 4, sum)) == "transmitted");
  CHECK(fate_of(with16(frame, behind_ip + 4, static_cast<std::uint16_t>(sum + 1))) ==
        "dropped: tunnel_checksum");
}

}  // namespace weft::tunnel_kinds_test
