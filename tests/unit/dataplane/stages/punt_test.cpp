// Packets for the control thread, packets that wait, and packets of the router's own.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft::punt_test {
namespace {

/// The frame from the inner Ethernet header on.
Bytes inside(std::string_view packet) {
  const Bytes bytes = hex(packet);
  return {bytes.begin() + at::inner, bytes.end()};
}

// Ether(dst=fab, src=peer)/IP(src="192.0.2.2", dst="192.0.2.1", ttl=255)/UDP(sport=49152,
//    dport=3784)/BFD(sta="Up", my_discriminator=9, your_discriminator=7)
constexpr std::string_view peer_bfd =
    "020000000f01020000000f0208004500003400000000ff1137b5c0000202c0000201c0000ec80020782820c003"
    "1800000009000000073b9aca003b9aca003b9aca00";
// The same over IPv6, from 2001:db8::2 to 2001:db8::1.
constexpr std::string_view peer6_bfd =
    "020000000f01020000000f0286dd60000000002011ff20010db800000000000000000000000220010db8000000"
    "000000000000000001c0000ec80020a0b720c0031800000009000000073b9aca003b9aca003b9aca00";
// Ether/IP/UDP/VXLAN(vni=100)/Ether(dst=blue's router)/IP(src="10.1.0.12", dst="10.1.0.1", ttl=255)
//    /UDP(dport=3784)/BFD
constexpr std::string_view bfd_in_tunnel =
    "020000000f01020000000f02080045000066000000004011f683c0000202c0000201c35012b500520000080000"
    "000000640002005e00010102005e00010208004500003400000000ff11a7aa0a01000c0a010001c0000ec80020"
    "e81d20c0031800000009000000073b9aca003b9aca003b9aca00";

}  // namespace

TEST_CASE("BFD of a port that speaks it is the workers', and no other", "[punt]") {
  Batch batch = world::batch();
  const auto kind = [](Rig& rig, PortId port, const Bytes& frame) {
    const Outcome outcome = rig.receive(port, frame);
    REQUIRE(describe(outcome) == "punted");
    return outcome.metadata.kind;
  };
  {
    Rig rig(batch);
    CHECK(kind(rig, world::fabric, hex(peer_bfd)) == PuntClass::local);
  }
  for (auto& [id, port] : batch.ports) port->bfd = id == world::fabric;
  Rig rig(batch);
  for (const auto packet : {peer_bfd, peer6_bfd}) {
    const Outcome outcome = rig.receive(world::fabric, hex(packet));
    REQUIRE(describe(outcome) == "punted");
    CHECK(outcome.metadata.kind == PuntClass::liveness);
    CHECK(outcome.metadata.port == world::fabric);
    CHECK(outcome.metadata.l3_offset == 14);
    CHECK(outcome.frame == hex(packet));
  }
  // Another port, TCP, out of a tunnel, from a VM.
  CHECK(kind(rig, world::fabric, with(peer_bfd, at::ip + 22, "0ec9")) == PuntClass::local);
  CHECK(kind(rig, world::fabric, test::with_ipv4(hex(peer_bfd), at::ip, 9, "06")) ==
        PuntClass::local);
  CHECK(kind(rig, world::fabric, hex(bfd_in_tunnel)) == PuntClass::local);
  Bytes vm = test::with_ipv4(hex(packets::vm1_udp4), at::ip, 16, "0a010001");
  vm = test::with16(std::move(vm), at::ip + 22, 3784);
  CHECK(kind(rig, world::vm1, vm) == PuntClass::local);
}

TEST_CASE("ARP and ND of a VM go to control as they came", "[punt]") {
  Rig rig(world::batch());
  for (const std::string_view packet : {packets::vm1_arp, packets::vm1_nd, packets::vm1_dad}) {
    const Outcome outcome = rig.receive(world::vm1, hex(packet));
    REQUIRE(describe(outcome) == "punted");
    REQUIRE(outcome.metadata.kind == PuntClass::neighbour);
    REQUIRE(outcome.metadata.reason == DropReason::none);
    REQUIRE(outcome.metadata.vrf == world::blue);
    REQUIRE(outcome.metadata.vif == VifId(1));
    REQUIRE(outcome.metadata.port == world::vm1);
    REQUIRE_FALSE(outcome.metadata.decap.valid());
    REQUIRE(outcome.metadata.l3_offset == 14);
    REQUIRE(to_hex(outcome.frame) == to_hex(hex(packet)));
  }
  const Bytes unicast = with(packets::vm1_arp, 0, "02005e000101");
  REQUIRE(describe(rig.receive(world::vm1, unicast)) == "punted");
}

TEST_CASE("all messages of neighbour discovery go to control, no others", "[punt]") {
  Rig rig(world::batch());
  for (unsigned type = 0; type < 256; ++type) {
    const char text[] = {"0123456789abcdef"[type >> 4], "0123456789abcdef"[type & 15], 0};
    const Outcome outcome = rig.receive(world::vm1, with(packets::vm1_nd, 54, text));
    CAPTURE(type);
    if (type >= 133 && type <= 137) {
      REQUIRE(describe(outcome) == "punted");
    } else {
      REQUIRE(describe(outcome) == "dropped: ip_destination_unsupported");
    }
  }
}

TEST_CASE("ARP that arrives through a tunnel goes to control with its decap", "[punt]") {
  Rig rig(world::batch());
  const Outcome outcome = rig.receive(world::fabric, hex(packets::peer_arp));
  REQUIRE(describe(outcome) == "punted");
  REQUIRE(outcome.metadata.kind == PuntClass::neighbour);
  REQUIRE(outcome.metadata.vrf == world::blue);
  REQUIRE(outcome.metadata.decap == world::decap_blue);
  REQUIRE_FALSE(outcome.metadata.vif.valid());
  REQUIRE(outcome.metadata.l3_offset == 14);
  REQUIRE(to_hex(outcome.frame) == to_hex(inside(packets::peer_arp)));
}

TEST_CASE("packets to the router itself go to control", "[punt]") {
  Rig rig(world::batch());
  for (const std::string_view packet : {packets::vm1_to_router4, packets::vm1_to_router6}) {
    const Outcome outcome = rig.receive(world::vm1, hex(packet));
    REQUIRE(describe(outcome) == "punted");
    REQUIRE(outcome.metadata.kind == PuntClass::local);
    REQUIRE(outcome.metadata.vrf == world::blue);
    REQUIRE(outcome.metadata.vif == VifId(1));
    REQUIRE(outcome.metadata.l3_offset == 14);
    REQUIRE(to_hex(outcome.frame) == to_hex(hex(packet)));
  }
  // Also with a TTL that would not survive forwarding.
  REQUIRE(describe(rig.receive(world::vm1, with_ipv4(packets::vm1_to_router4, at::ip, 8, "01"))) ==
          "punted");
}

TEST_CASE("a tunnel by a neighbour that is not known yet waits, encapsulated", "[hold]") {
  Rig rig(world::batch());
  const Outcome held =
      rig.receive(world::vm1, with_ipv4(packets::vm1_udp4, at::ip, 16, "0a080001"));
  REQUIRE(describe(held) == "held");
  REQUIRE(held.metadata.adjacency == world::to_silent);
  REQUIRE(held.metadata.neighbour == ip("192.0.2.77"));
  REQUIRE(held.metadata.out_port == world::fabric);
  REQUIRE(held.metadata.vif == VifId(1));
  REQUIRE(held.metadata.port == world::vm1);
  REQUIRE(held.metadata.l3_offset == 14);
  REQUIRE(held.frame.size() == hex(packets::vm1_udp4).size() + 50);
  // From the outer IP header on, all is ready.
  REQUIRE(held.frame.at(14) == 0x45);
  REQUIRE(test::naive_sum(std::span(held.frame).subspan(14, 20)) == 0xffff);

  Batch answered;
  answered.adjacencies = {{world::to_silent, test::adjacency_on(world::fabric, "192.0.2.77",
                                                                test::mac("02:00:00:00:0f:77"))}};
  rig.apply(answered);
  const Outcome sent = rig.resume(held);
  REQUIRE(describe(sent) == "transmitted");
  REQUIRE(sent.port == world::fabric);
  REQUIRE(to_hex({sent.frame.begin(), sent.frame.begin() + 14}) == "020000000f77020000000f010800");
  REQUIRE(Bytes(sent.frame.begin() + 14, sent.frame.end()) ==
          Bytes(held.frame.begin() + 14, held.frame.end()));
}

TEST_CASE("a packet to a neighbour that is not known yet waits", "[hold]") {
  Rig rig(world::batch());
  const Bytes in = with_ipv4(packets::vm1_udp4, at::ip, 16, "0a060001");
  const Outcome held = rig.receive(world::vm1, in);
  REQUIRE(describe(held) == "held");
  REQUIRE(held.metadata.adjacency == world::to_silent);
  REQUIRE(held.metadata.neighbour == ip("192.0.2.77"));
  REQUIRE(held.metadata.out_port == world::fabric);
  REQUIRE(held.metadata.vrf == world::blue);
  REQUIRE(held.frame.at(14 + 8) == 63);
}

TEST_CASE("a packet that needs its destination as a neighbour waits unchanged", "[hold]") {
  Rig rig(world::batch());
  const auto check = [&](PortId port, const Bytes& in, const IpAddress& neighbour, VrfId vrf) {
    const Outcome held = rig.receive(port, in);
    REQUIRE(describe(held) == "held");
    REQUIRE_FALSE(held.metadata.adjacency.valid());
    REQUIRE(held.metadata.neighbour == neighbour);
    REQUIRE(held.metadata.out_port == world::fabric);
    REQUIRE(held.metadata.vrf == vrf);
    REQUIRE(held.metadata.l3_offset == 14);
    REQUIRE(to_hex(held.frame) == to_hex(in));  // resolved later, so its TTL is whole
  };
  check(world::vm1, with_ipv4(packets::vm1_udp4, at::ip, 16, "0a050607"), ip("10.5.6.7"),
        world::blue);
  check(world::vm1, with(packets::vm1_udp6, 38, "fd000005000000000000000000000009"),
        ip("fd00:5::9"), world::blue);
  check(world::fabric, with_ipv4(packets::underlay_transit, at::ip, 16, "c0000263"),
        ip("192.0.2.99"), world::underlay);
}

TEST_CASE("packets of the router's own are routed and keep their TTL", "[own]") {
  Rig rig(world::batch());
  const Outcome v4 = rig.originate(world::blue, hex(packets::own_echo_reply));
  REQUIRE(describe(v4) == "transmitted");
  REQUIRE(v4.port == world::fabric);
  REQUIRE(to_hex(v4.frame) == to_hex(hex(packets::own_echo_reply_out)));
  const Outcome v6 = rig.originate(world::blue, hex(packets::own_echo_reply6));
  REQUIRE(describe(v6) == "transmitted");
  REQUIRE(v6.port == world::vm1);
  REQUIRE(to_hex(v6.frame) == to_hex(hex(packets::own_echo_reply6_out)));
}

TEST_CASE("packets of the router's own that die bring no ICMP", "[own]") {
  Rig rig(world::batch());
  REQUIRE(describe(rig.originate(world::blue, with_ipv4(hex(packets::own_echo_reply), 0, 16,
                                                        "0b000001"))) == "dropped: no_route");
  REQUIRE(describe(rig.originate(world::blue, with_ipv4(hex(packets::own_echo_reply), 0, 16,
                                                        "0a090001"))) == "dropped: discard_route");
  Bytes large = hex(packets::own_echo_reply);
  large.resize(1451);
  large = test::with_ipv4_checksum(test::with16(std::move(large), 2, 1451), 0);
  REQUIRE(describe(rig.originate(world::blue, large)) == "dropped: too_big");
  REQUIRE(describe(rig.originate(world::blue, {})) == "dropped: frame_truncated");
}

TEST_CASE("packets of the router's own may wait for a neighbour", "[own]") {
  Rig rig(world::batch());
  const Bytes packet = with_ipv4(hex(packets::own_echo_reply), 0, 16, "0a050001");
  const Outcome held = rig.originate(world::blue, packet);
  REQUIRE(describe(held) == "held");
  REQUIRE(held.metadata.l3_offset == 0);
  REQUIRE(held.metadata.neighbour == ip("10.5.0.1"));
  REQUIRE(held.frame == packet);
}

TEST_CASE("frames of the router's own go into a tunnel as they are", "[own]") {
  Rig rig(world::batch());
  const Bytes frame = hex(packets::own_arp);
  const Outcome v4 = rig.inject(world::tunnel4, frame);
  REQUIRE(describe(v4) == "transmitted");
  REQUIRE(to_hex(v4.frame) == to_hex(hex(packets::own_arp_in_v4)));
  const Outcome v6 = rig.inject(world::tunnel6, frame);
  REQUIRE(to_hex(v6.frame) == to_hex(hex(packets::own_arp_in_v6)));
  const Outcome held = rig.inject(world::tunnel_silent, frame);
  REQUIRE(describe(held) == "held");
  REQUIRE(held.metadata.adjacency == world::to_silent);
  for (std::size_t headroom = 40; headroom < 90; ++headroom) {
    const Outcome outcome = rig.inject(world::tunnel4, frame, {.headroom = headroom, .cuts = {}});
    CAPTURE(headroom);
    // 36 bytes of outer header and 14 of Ethernet.
    if (headroom < 50) {
      REQUIRE(describe(outcome) == "dropped: headroom_short");
    } else {
      REQUIRE(to_hex(outcome.frame) == to_hex(hex(packets::own_arp_in_v4)));
    }
  }
}

}  // namespace weft::punt_test
