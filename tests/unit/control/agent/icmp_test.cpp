#include <catch2/catch.hpp>

#include "agent/icmp_message.hpp"
#include "agent/icmp_responder.hpp"
#include "node.hpp"
#include "support/exact_copy.hpp"
#include "support/hex.hpp"

namespace weft::agent::icmp_test {
namespace {

using namespace std::chrono_literals;
using namespace test;
using weft::test::hex;
using weft::test::to_hex;

// Written by scapy, each from the IP header on. vm1 (10.1.0.11, fd00:1::11) is in blue, whose
// gateways are 10.1.0.1 and fd00:1::1.
constexpr auto ping_v4 =
    "45b9003c00090000400165f20a01000b0a0100010800f4c312340007000102030405060708090a0b0c0d0e0f10"
    "1112131415161718191a1b1c1d1e1f";
constexpr auto pong_v4 =
    "45b8003c00000000400165fc0a0100010a01000b0000fcc312340007000102030405060708090a0b0c0d0e0f10"
    "1112131415161718191a1b1c1d1e1f";
constexpr auto ping_v6 =
    "6000000000283a40fd000001000000000000000000000011fd0000010000000000000000000000018000824b12"
    "340007000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto pong_v6 =
    "6000000000283a40fd000001000000000000000000000001fd0000010000000000000000000000118100814b12"
    "340007000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto udp_v4 =
    "4500003c000700000111a5970a01000b0a07000103e807d00028eed1000102030405060708090a0b0c0d0e0f10"
    "1112131415161718191a1b1c1d1e1f";
constexpr auto udp_v6 =
    "6000000000281101fd000001000000000000000000000011fd00000700000000000000000000000103e807d000"
    "2808ca000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto time_exceeded_v4 =
    "45c0005800000000400165d80a0100010a01000b0b00094d000000004500003c000700000111a5970a01000b0a"
    "07000103e807d00028eed1000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto time_exceeded_v6 =
    "6000000000583a40fd000001000000000000000000000001fd0000010000000000000000000000110300916700"
    "0000006000000000281101fd000001000000000000000000000011fd00000700000000000000000000000103e8"
    "07d0002808ca000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto network_unreachable_v4 =
    "45c0005800000000400165d80a0100010a01000b0300114d000000004500003c000700000111a5970a01000b0a"
    "07000103e807d00028eed1000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto host_unreachable_v4 =
    "45c0005800000000400165d80a0100010a01000b0301114c000000004500003c000700000111a5970a01000b0a"
    "07000103e807d00028eed1000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto no_route_v6 =
    "6000000000583a40fd000001000000000000000000000001fd0000010000000000000000000000110100936700"
    "0000006000000000281101fd000001000000000000000000000011fd00000700000000000000000000000103e8"
    "07d0002808ca000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto address_unreachable_v6 =
    "6000000000583a40fd000001000000000000000000000001fd0000010000000000000000000000110103936400"
    "0000006000000000281101fd000001000000000000000000000011fd00000700000000000000000000000103e8"
    "07d0002808ca000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto fragmentation_needed =
    "45c0005800000000400165d80a0100010a01000b03040b9f000005aa4500003c000700000111a5970a01000b0a"
    "07000103e807d00028eed1000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr auto packet_too_big =
    "6000000000583a40fd000001000000000000000000000001fd00000100000000000000000000001102008cd100"
    "0005966000000000281101fd000001000000000000000000000011fd00000700000000000000000000000103e8"
    "07d0002808ca000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

IpPacket packet(const std::vector<std::uint8_t>& bytes) { return *parse_ip_packet(bytes); }

TEST_CASE("echo") {
  const auto v4 = hex(ping_v4);
  const auto v6 = hex(ping_v6);
  CHECK(to_hex(*echo_reply(packet(v4))) == pong_v4);
  CHECK(to_hex(*echo_reply(packet(v6))) == pong_v6);

  SECTION("padding behind the packet is left out") {
    auto padded = v4;
    padded.resize(padded.size() + 6);
    CHECK(to_hex(*echo_reply(packet(padded))) == pong_v4);
  }
  SECTION("a wrong checksum is not answered") {
    for (std::size_t at = 20; at < v4.size(); ++at) {
      auto bad = v4;
      bad[at] ^= 1;
      CHECK_FALSE(echo_reply(packet(bad)));
    }
  }
  SECTION("fragments and answers are not answered") {
    auto fragment = v4;
    fragment[6] = 0x20;
    CHECK_FALSE(echo_reply(packet(fragment)));
    CHECK_FALSE(echo_reply(packet(hex(pong_v4))));
    CHECK_FALSE(echo_reply(packet(hex(pong_v6))));
  }
}

TEST_CASE("errors by kind") {
  const auto v4 = hex(udp_v4);
  const auto v6 = hex(udp_v6);
  const auto error4 = [&](IcmpError kind, std::uint16_t mtu) {
    return to_hex(icmp_error(packet(v4), kind, mtu, ip("10.1.0.1")));
  };
  const auto error6 = [&](IcmpError kind, std::uint16_t mtu) {
    return to_hex(icmp_error(packet(v6), kind, mtu, ip("fd00:1::1")));
  };
  CHECK(error4(IcmpError::ttl_expired, 0) == time_exceeded_v4);
  CHECK(error6(IcmpError::ttl_expired, 0) == time_exceeded_v6);
  CHECK(error4(IcmpError::no_route, 0) == network_unreachable_v4);
  CHECK(error6(IcmpError::no_route, 0) == no_route_v6);
  CHECK(error4(IcmpError::host_unreachable, 0) == host_unreachable_v4);
  CHECK(error6(IcmpError::host_unreachable, 0) == address_unreachable_v6);
  CHECK(error4(IcmpError::too_big, 1450) == fragmentation_needed);
  CHECK(error6(IcmpError::too_big, 1430) == packet_too_big);
}

TEST_CASE("errors quote what fits") {
  auto v4 = hex(udp_v4);
  v4.resize(1500);
  v4[2] = 1500 >> 8;
  v4[3] = 1500 & 0xff;
  const auto error4 = icmp_error(packet(v4), IcmpError::ttl_expired, 0, ip("10.1.0.1"));
  CHECK(error4.size() == 576);
  CHECK(std::equal(error4.begin() + 28, error4.end(), v4.begin()));
  auto v6 = hex(udp_v6);
  v6.resize(1500);
  v6[4] = 1460 >> 8;
  v6[5] = 1460 & 0xff;
  const auto error6 = icmp_error(packet(v6), IcmpError::ttl_expired, 0, ip("fd00:1::1"));
  CHECK(error6.size() == 1280);
  CHECK(std::equal(error6.begin() + 48, error6.end(), v6.begin()));
}

TEST_CASE("about what no error may be sent") {
  const auto allowed = [](const char* text) {
    const auto bytes = hex(text);
    return may_report(packet(bytes));
  };
  CHECK(allowed(udp_v4));
  CHECK(allowed(udp_v6));
  CHECK(allowed(ping_v4));
  CHECK(allowed(ping_v6));
  CHECK_FALSE(allowed(time_exceeded_v4));
  CHECK_FALSE(allowed(host_unreachable_v4));
  CHECK_FALSE(allowed(time_exceeded_v6));
  CHECK_FALSE(allowed(packet_too_big));
  // scapy: multicast destination; unspecified, multicast and loopback source; a later fragment; the
  // same for IPv6, with a redirect and an error behind a destination-options header.
  CHECK_FALSE(allowed("4500001c00010000401190bf0a01000be00000050035003500081563"));
  CHECK_FALSE(allowed("4500001c00010000401170c9000000000a070001003500350008f56c"));
  CHECK_FALSE(allowed("4500001c00010000401180c6ef0101010a070001003500350008056a"));
  CHECK_FALSE(allowed("4500001c000100004011f1c77f0000010a070001003500350008766b"));
  CHECK_FALSE(allowed(
      "45000034000100b9401165ec0a01000b0a070001000102030405060708090a0b0c0d0e0f101112131415161718"
      "191a1b1c1d1e1f"));
  CHECK(allowed(
      "4500003c000120004011469d0a01000b0a070001003500350028fa1f000102030405060708090a0b0c0d0e0f10"
      "1112131415161718191a1b1c1d1e1f"));
  CHECK_FALSE(allowed(
      "600000000008114000000000000000000000000000000000fd0000070000000000000000000000010035003500"
      "08026c"));
  CHECK_FALSE(allowed(
      "6000000000081140fd000001000000000000000000000011ff0200000000000000000000000000010035003500"
      "08035e"));
  CHECK_FALSE(allowed(
      "6000000000282c40fd000001000000000000000000000011fd0000070000000000000000000000011100032000"
      "000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  CHECK(allowed(
      "6000000000302c40fd000001000000000000000000000011fd0000070000000000000000000000011100000100"
      "0000000035003500281418000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  CHECK_FALSE(allowed(
      "6000000000283afffd000001000000000000000000000011fd00000700000000000000000000000189007c8100"
      "0000000000000000000000000000000000000000000000000000000000000000000000"));
  CHECK_FALSE(allowed(
      "6000000000103c40fd000001000000000000000000000011fd0000070000000000000000000000013a00010400"
      "000000030002a200000000"));
}

TEST_CASE("what cannot be read to its upper layer may be an error and is not reported") {
  // scapy: IPv6(nh=0) with four bytes where the hop-by-hop header should be.
  const auto bytes = hex(
      "6000000000040040fd000001000000000000000000000011fd00000700000000000000000000000100000000");
  CHECK_FALSE(may_report(packet(bytes)));
}

TEST_CASE("packets that lie about their lengths are not parsed") {
  for (const char* text : {udp_v4, ping_v4, udp_v6, ping_v6}) {
    const auto whole = hex(text);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const weft::test::ExactCopy cut{std::span(whole).first(size)};
      CHECK_FALSE(parse_ip_packet(cut.get()));
    }
  }
  auto bytes = hex(udp_v4);
  bytes[0] = 0x44;  // a header shorter than any
  CHECK_FALSE(parse_ip_packet(bytes));
  bytes[0] = 0x4f;  // and one that reaches into the payload
  CHECK(parse_ip_packet(bytes)->upper_offset == 60);
  bytes[3] = 59;
  CHECK_FALSE(parse_ip_packet(bytes));
}

struct Responder {
  Node node;
  IcmpResponder icmp{node.model, node.plane, node.clock};

  PuntedPacket punted(const std::vector<std::uint8_t>& frame, VrfId vrf) const {
    PuntedPacket p;
    p.vrf = vrf;
    p.l3_offset = 14;
    p.frame = frame;
    return p;
  }
  static std::vector<std::uint8_t> framed(const char* text) {
    auto frame = hex("02005e0001010200000001010000");
    const auto packet = hex(text);
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
  }
  void local(const char* text, VrfId vrf) {
    const auto frame = framed(text);
    icmp.receive_local(punted(frame, vrf));
  }
  void dropped(const char* text, VrfId vrf, DropReason reason, std::uint16_t mtu = 0) {
    const auto frame = framed(text);
    auto p = punted(frame, vrf);
    p.kind = PuntClass::icmp_error;
    p.reason = reason;
    p.mtu_bytes = mtu;
    icmp.receive_dropped(p);
  }
  std::string answer(VrfId vrf) {
    auto sent = std::exchange(node.plane.sent, {});
    if (sent.size() != 1) return std::to_string(sent.size()) + " packets";
    const auto* to = std::get_if<Injection::Routed>(&sent[0].target);
    if (to == nullptr || to->vrf != vrf) return "to somewhere else";
    return to_hex(sent[0].frame);
  }
};

TEST_CASE("what is sent to the router itself") {
  Responder r;
  const auto blue = r.node.vrf("blue");
  r.local(ping_v4, blue);
  CHECK(r.answer(blue) == pong_v4);
  r.local(ping_v6, blue);
  CHECK(r.answer(blue) == pong_v6);
  CHECK(r.node.plane.drops.empty());

  // scapy: UDP to the gateway, and port unreachable about it; TCP to it.
  r.local(
      "4500003c000700004011669d0a01000b0a01000103e807d00028eed7000102030405060708090a0b0c0d0e0f10"
      "1112131415161718191a1b1c1d1e1f",
      blue);
  CHECK(r.answer(blue) ==
        "45c0005800000000400165d80a0100010a01000b03031144000000004500003c000700004011669d0a01000b0a"
        "01000103e807d00028eed7000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  r.local(
      "6000000000281140fd000001000000000000000000000011fd00000100000000000000000000000103e807d000"
      "2808d0000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      blue);
  CHECK(r.answer(blue) ==
        "6000000000583a40fd000001000000000000000000000001fd0000010000000000000000000000110104932400"
        "0000006000000000281140fd000001000000000000000000000011fd00000100000000000000000000000103e8"
        "07d0002808d0000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  CHECK(r.node.plane.drops[DropReason::local_unsupported] == 2);
  r.local("4500002800070000400666bc0a01000b0a010001001400160000000000000000500220007bab0000", blue);
  CHECK(r.node.plane.sent.empty());
  CHECK(r.node.plane.drops[DropReason::local_unsupported] == 3);
}

TEST_CASE("why packets died, told to who sent them") {
  Responder r;
  const auto blue = r.node.vrf("blue");
  r.dropped(udp_v4, blue, DropReason::ttl_expired);
  CHECK(r.answer(blue) == time_exceeded_v4);
  r.dropped(udp_v6, blue, DropReason::ttl_expired);
  CHECK(r.answer(blue) == time_exceeded_v6);
  for (const auto reason : {DropReason::no_route, DropReason::discard_route}) {
    r.dropped(udp_v4, blue, reason);
    CHECK(r.answer(blue) == network_unreachable_v4);
    r.dropped(udp_v6, blue, reason);
    CHECK(r.answer(blue) == no_route_v6);
  }
  for (const auto reason : {DropReason::tunnel_unresolved, DropReason::neighbour_unresolved}) {
    r.dropped(udp_v4, blue, reason);
    CHECK(r.answer(blue) == host_unreachable_v4);
    r.dropped(udp_v6, blue, reason);
    CHECK(r.answer(blue) == address_unreachable_v6);
  }
  r.dropped(udp_v4, blue, DropReason::too_big, 1450);
  CHECK(r.answer(blue) == fragmentation_needed);
  r.dropped(udp_v6, blue, DropReason::too_big, 1430);
  CHECK(r.answer(blue) == packet_too_big);
  r.dropped(udp_v4, blue, DropReason::spoofed_ip);
  r.dropped(time_exceeded_v4, blue, DropReason::ttl_expired);
  CHECK(r.node.plane.sent.empty());
}

TEST_CASE("a packet that came by link-layer broadcast is reported to nobody") {
  Responder r;
  auto frame = Responder::framed(udp_v4);
  std::fill_n(frame.begin(), 6, 0xff);
  auto p = r.punted(frame, r.node.vrf("blue"));
  p.reason = DropReason::ttl_expired;
  r.icmp.receive_dropped(p);
  CHECK(r.node.plane.sent.empty());
}

TEST_CASE("the address that errors come from") {
  Responder r;
  const auto source = [&](const char* vrf, const char* peer) {
    const auto found = r.node.model.router_address(r.node.vrf(vrf), ip(peer));
    return found ? to_string(*found) : "none";
  };
  CHECK(source("blue", "10.1.0.11") == "10.1.0.1");
  CHECK(source("blue", "10.200.0.1") == "10.1.0.1");
  CHECK(source("underlay", "192.0.2.7") == "192.0.2.1");
  CHECK(source("underlay", "203.0.113.1") == "192.0.2.1");
  CHECK(source("red", "fd00::1") == "2001:db8::1");
}

TEST_CASE("errors are rare for each destination, and not many in all") {
  Responder r;
  const auto blue = r.node.vrf("blue");
  for (unsigned i = 0; i < 100; ++i) r.dropped(udp_v4, blue, DropReason::ttl_expired);
  CHECK(std::exchange(r.node.plane.sent, {}).size() == 10);
  r.dropped(udp_v6, blue, DropReason::ttl_expired);
  r.dropped(udp_v4, r.node.vrf("red"), DropReason::ttl_expired);
  CHECK(std::exchange(r.node.plane.sent, {}).size() == 2);
  r.node.now += 1s;
  for (unsigned i = 0; i < 100; ++i) r.dropped(udp_v4, blue, DropReason::ttl_expired);
  CHECK(std::exchange(r.node.plane.sent, {}).size() == 10);

  r.node.now += 10s;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    auto frame = Responder::framed(udp_v4);
    frame[14 + 14] = static_cast<std::uint8_t>(i >> 8);
    frame[14 + 15] = static_cast<std::uint8_t>(i);
    auto p = r.punted(frame, blue);
    p.reason = DropReason::ttl_expired;
    r.icmp.receive_dropped(p);
  }
  CHECK(r.node.plane.sent.size() == 1000);
}

}  // namespace
}  // namespace weft::agent::icmp_test
