#include "agent/neighbours.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/exact_copy.hpp"
#include "support/hex.hpp"

namespace weft::agent::neighbours_test {
namespace {

using namespace std::chrono_literals;
using namespace test;
using weft::test::hex;
using weft::test::to_hex;

// Written by scapy. We are 02:00:00:00:0f:01 with 192.0.2.1/24 and 2001:db8::1/64, and the other is
// 02:00:00:00:00:02 with 192.0.2.2 and 2001:db8::2.
constexpr auto arp_request_for_b =
    "ffffffffffff020000000f0108060001080006040001020000000f01c0000201000000000000c0000202";
constexpr auto arp_request_to_b =
    "020000000002020000000f0108060001080006040001020000000f01c0000201000000000000c0000202";
constexpr auto arp_reply_of_b =
    "020000000f0102000000000208060001080006040002020000000002c0000202020000000f01c0000201";
constexpr auto arp_request_of_b =
    "ffffffffffff02000000000208060001080006040001020000000002c0000202000000000000c0000201";
constexpr auto arp_reply_to_b =
    "020000000002020000000f0108060001080006040002020000000f01c0000201020000000002c0000202";
constexpr auto arp_announcement_ours =
    "ffffffffffff020000000f0108060001080006040001020000000f01c0000201000000000000c0000201";
constexpr auto ns_for_b =
    "3333ff000002020000000f0186dd6000000000203afffe80000000000000000000fffe000f01ff020000000000"
    "0000000001ff00000287002e5f0000000020010db80000000000000000000000020101020000000f01";
constexpr auto ns_to_b =
    "020000000002020000000f0186dd6000000000203afffe80000000000000000000fffe000f0120010db8000000"
    "0000000000000000028700feaa0000000020010db80000000000000000000000020101020000000f01";
constexpr auto na_of_b =
    "020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002fe800000000000"
    "00000000fffe000f018800aba96000000020010db80000000000000000000000020201020000000002";
constexpr auto ns_of_b =
    "3333ff00000102000000000286dd6000000000203aff20010db8000000000000000000000002ff020000000000"
    "0000000001ff00000187001c270000000020010db80000000000000000000000010101020000000002";
constexpr auto na_to_b =
    "020000000002020000000f0186dd6000000000203aff20010db800000000000000000000000120010db8000000"
    "0000000000000000028800fb72e000000020010db80000000000000000000000010201020000000f01";
constexpr auto dad_for_ours =
    "3333ff00000102000000000286dd6000000000183aff00000000000000000000000000000000ff020000000000"
    "0000000001ff00000187004ced0000000020010db8000000000000000000000001";
constexpr auto na_to_all =
    "333300000001020000000f0186dd6000000000203aff20010db8000000000000000000000001ff020000000000"
    "00000000000000000188006a2aa000000020010db80000000000000000000000010201020000000f01";
constexpr auto na_link_local_to_all =
    "333300000001020000000f0186dd6000000000203afffe80000000000000000000fffe000f01ff020000000000"
    "0000000000000000018800ac9aa0000000fe80000000000000000000fffe000f010201020000000f01";

struct FakeHost final : NeighbourHost {
  std::vector<std::string> sent;
  std::map<NeighbourKey, std::optional<MacAddress>> known;
  std::map<NeighbourKey, std::uint64_t> packets;
  std::map<DropReason, unsigned> drops;
  unsigned conflicts = 0;

  void send(PortId, const Frame& frame) override { sent.push_back(to_hex(frame)); }
  void neighbour_changed(const NeighbourKey& key, std::optional<MacAddress> m) override {
    known[key] = m;
  }
  void neighbour_gone(const NeighbourKey& key) override { known.erase(key); }
  std::uint64_t packets_to(const NeighbourKey& key) override { return packets[key]; }
  void address_conflict(PortId, const IpAddress&, const MacAddress&) override { ++conflicts; }
  void drop(DropReason reason) override { ++drops[reason]; }
};

struct Link {
  Node node;
  FakeHost host;
  Neighbours neighbours;
  NeighbourKey b{node.port("fab0"), ip("192.0.2.2")};
  NeighbourKey b6{node.port("fab0"), ip("2001:db8::2")};
  const MacAddress b_mac = mac("02:00:00:00:00:02");

  explicit Link(NeighbourLimits limits = {}, const Config& config = sample_node())
      : node(config), neighbours(node.model, host, node.clock, limits) {}

  void receive(std::span<const std::uint8_t> frame) {
    PuntedPacket packet;
    packet.kind = PuntClass::neighbour;
    packet.port = node.port("fab0");
    packet.l3_offset = 14;
    packet.frame = frame;
    neighbours.receive(packet);
  }
  void receive(const char* text) { receive(hex(text)); }
  /// Lets time pass in ticks of 100 ms.
  void pass(Duration time) {
    for (const auto end = node.now + time; node.now < end;) {
      node.now += 100ms;
      neighbours.tick();
    }
  }
  [[nodiscard]] const Neighbours::Entry* find(const NeighbourKey& key) const {
    const auto found = neighbours.entries().find(key);
    return found == neighbours.entries().end() ? nullptr : &found->second;
  }
  [[nodiscard]] NeighbourState state(const NeighbourKey& key) const { return find(key)->state; }
};

TEST_CASE("ARP: asked at once, answered, published") {
  Link link;
  link.neighbours.pin(link.b);
  CHECK(link.host.sent == std::vector<std::string>{arp_request_for_b});
  CHECK(link.state(link.b) == NeighbourState::incomplete);
  CHECK(link.host.known.at(link.b) == std::nullopt);
  link.receive(arp_reply_of_b);
  CHECK(link.state(link.b) == NeighbourState::reachable);
  CHECK(link.host.known.at(link.b) == link.b_mac);
  CHECK(link.host.drops.empty());
}

TEST_CASE("a question comes from our address in the neighbour's subnet") {
  auto config = sample_node();
  config.ports[0].addresses.push_back(net("198.51.100.1/24"));
  Link link({}, config);
  link.neighbours.pin({link.b.port, ip("198.51.100.2")});
  CHECK(
      link.host.sent ==
      std::vector<std::string>{
          "ffffffffffff020000000f0108060001080006040001020000000f01c6336401000000000000c6336402"});
}

TEST_CASE("ND: asked at once, answered, published") {
  Link link;
  link.neighbours.pin(link.b6);
  CHECK(link.host.sent == std::vector<std::string>{ns_for_b});
  link.receive(na_of_b);
  CHECK(link.state(link.b6) == NeighbourState::reachable);
  CHECK(link.host.known.at(link.b6) == link.b_mac);
}

TEST_CASE("a silent neighbour is asked three times, then every five seconds while it is needed") {
  Link link;
  link.neighbours.pin(link.b);
  link.pass(2900ms);
  CHECK(link.host.sent.size() == 3);
  CHECK(link.state(link.b) == NeighbourState::incomplete);
  link.pass(200ms);
  CHECK(link.state(link.b) == NeighbourState::failed);
  link.pass(20s);
  CHECK(link.host.sent.size() == 7);
  link.receive(arp_reply_of_b);
  CHECK(link.state(link.b) == NeighbourState::reachable);

  link.neighbours.unpin(link.b);
  link.neighbours.need({link.b.port, ip("192.0.2.77")});
  const NeighbourKey silent{link.b.port, ip("192.0.2.77")};
  link.pass(4s);
  CHECK(link.state(silent) == NeighbourState::failed);
  const auto sent = link.host.sent.size();
  link.neighbours.need(silent);
  CHECK(link.host.sent.size() == sent);
  link.pass(5s);
  CHECK(link.find(silent) == nullptr);
  CHECK_FALSE(link.host.known.contains(silent));
}

TEST_CASE("a pinned neighbour is confirmed by unicast and never goes unresolved while it answers") {
  Link link;
  link.neighbours.pin(link.b);
  link.receive(arp_reply_of_b);
  for (unsigned i = 0; i < 20; ++i) {
    link.host.sent.clear();
    unsigned waited = 0;
    while (link.host.sent.empty() && waited++ < 500) link.pass(100ms);
    REQUIRE(link.host.sent == std::vector<std::string>{arp_request_to_b});
    REQUIRE(waited > 140);
    REQUIRE(waited < 460);
    REQUIRE(link.host.known.at(link.b) == link.b_mac);
    link.receive(arp_reply_of_b);
    REQUIRE(link.state(link.b) == NeighbourState::reachable);
  }
}

TEST_CASE("a neighbour that falls silent is lost after three probes") {
  Link link;
  link.neighbours.pin(link.b6);
  link.receive(na_of_b);
  while (link.state(link.b6) == NeighbourState::reachable) link.pass(100ms);
  link.host.sent.clear();
  link.pass(2900ms);
  CHECK(link.host.sent == std::vector<std::string>(2, ns_to_b));
  CHECK(link.host.known.at(link.b6) == link.b_mac);
  link.host.sent.clear();
  link.pass(200ms);
  CHECK(link.host.known.at(link.b6) == std::nullopt);
  CHECK(link.host.sent == std::vector<std::string>{ns_for_b});
}

TEST_CASE("an entry nobody uses ages away; one in use is probed") {
  Link link;
  link.receive(arp_request_of_b);
  CHECK(link.state(link.b) == NeighbourState::stale);
  CHECK(link.host.known.at(link.b) == link.b_mac);
  CHECK(link.host.sent == std::vector<std::string>{arp_reply_to_b});
  link.host.sent.clear();

  SECTION("unused") {
    link.pass(590s);
    CHECK(link.find(link.b) != nullptr);
    CHECK(link.host.sent.empty());
    link.pass(20s);
    CHECK(link.find(link.b) == nullptr);
    CHECK_FALSE(link.host.known.contains(link.b));
  }
  SECTION("used") {
    link.pass(30s);
    link.host.packets[link.b] = 1;
    link.pass(5100ms);
    CHECK(link.host.sent == std::vector<std::string>{arp_request_to_b});
    CHECK(link.state(link.b) == NeighbourState::probe);
  }
}

TEST_CASE("who is believed") {
  Link link;
  const auto other = [](std::string text, const char* what, const char* by) {
    text.replace(text.find(what), std::string(what).size(), by);
    return hex(text);
  };
  SECTION("an answer to nothing we asked teaches nothing") {
    link.receive(arp_reply_of_b);
    link.receive(na_of_b);
    CHECK(link.neighbours.entries().empty());
    CHECK(link.host.drops[DropReason::neighbour_not_ours] == 2);
  }
  SECTION("gratuitous ARP changes what is known and adds nothing") {
    const auto gratuitous =
        hex("ffffffffffff02000000000908060001080006040001020000000009c0000202000000000000c0000202");
    link.receive(gratuitous);
    CHECK(link.neighbours.entries().empty());
    link.neighbours.pin(link.b);
    link.receive(arp_reply_of_b);
    link.host.sent.clear();
    link.receive(gratuitous);
    CHECK(link.host.known.at(link.b) == mac("02:00:00:00:00:09"));
    CHECK(link.state(link.b) == NeighbourState::stale);
    link.pass(100ms);
    CHECK(link.state(link.b) == NeighbourState::probe);
    CHECK(link.host.sent.size() == 1);
  }
  SECTION("a sender outside the subnet, broadcast or multicast is not learned, but answered") {
    for (const char* sender : {"c6336401", "c00002ff", "c0000200", "e0000001"}) {
      link.receive(other(arp_request_of_b, "c0000202", sender));
    }
    CHECK(link.neighbours.entries().empty());
    CHECK(link.host.sent.size() == 4);
  }
  SECTION("a multicast sender MAC breaks the format") {
    link.receive(other(arp_request_of_b, "0001020000000002c0", "0001ffffffffffffc0"));
    CHECK(link.host.drops[DropReason::neighbour_malformed] == 1);
    CHECK(link.host.sent.empty());
  }
  SECTION("somebody with our address is a conflict") {
    link.receive(other(arp_reply_of_b, "c0000202", "c0000201"));
    CHECK(link.host.conflicts == 1);
    CHECK(link.neighbours.entries().empty());
  }
  SECTION("a static neighbour does not learn or expire") {
    link.neighbours.add_static(link.b, mac("02:00:00:00:00:99"));
    link.neighbours.pin(link.b);
    link.receive(arp_request_of_b);
    link.pass(700s);
    CHECK(link.state(link.b) == NeighbourState::fixed);
    CHECK(link.find(link.b)->mac == mac("02:00:00:00:00:99"));
    CHECK(link.host.sent == std::vector<std::string>{arp_reply_to_b});
  }
  SECTION("requests for others teach only what is known already") {
    link.receive(other(arp_request_of_b, "c0000201", "c0000263"));
    CHECK(link.neighbours.entries().empty());
    CHECK(link.host.sent.empty());
    CHECK(link.host.drops[DropReason::neighbour_not_ours] == 1);
  }
}

TEST_CASE("we answer for our addresses") {
  Link link;
  link.receive(ns_of_b);
  CHECK(link.host.sent == std::vector<std::string>{na_to_b});
  CHECK(link.state(link.b6) == NeighbourState::stale);
  link.host.sent.clear();
  link.receive(dad_for_ours);
  CHECK(link.host.sent == std::vector<std::string>{na_to_all});
  link.host.sent.clear();
  // An ARP probe (RFC 5227) for 192.0.2.1.
  link.receive(
      "ffffffffffff0200000000020806000108000604000102000000000200000000000000000000c0000201");
  REQUIRE(link.host.sent.size() == 1);
  CHECK(link.host.sent[0] ==
        "020000000002020000000f0108060001080006040002020000000f01c000020102000000000200000000");
}

TEST_CASE("a port that comes up tells its addresses") {
  Link link;
  link.neighbours.announce(link.node.port("fab0"));
  CHECK(link.host.sent ==
        std::vector<std::string>{arp_announcement_ours, na_to_all, na_link_local_to_all});
}

TEST_CASE("advertisements by RFC 4861 §7.2.5") {
  Link link;
  link.neighbours.pin(link.b6);
  // scapy: NA(2001:db8::2) to ff02::1, S=0, O=0 and O=1, MAC 02:00:00:00:00:09.
  const auto unsolicited =
      "33330000000102000000000986dd6000000000203aff20010db8000000000000000000000002ff020000000000"
      "000000000000000001880019210000000020010db80000000000000000000000020201020000000009";
  const auto overriding =
      "33330000000102000000000986dd6000000000203aff20010db8000000000000000000000002ff020000000000"
      "0000000000000000018800f9202000000020010db80000000000000000000000020201020000000009";
  SECTION("unsolicited for an incomplete one") {
    link.receive(unsolicited);
    CHECK(link.host.known.at(link.b6) == mac("02:00:00:00:00:09"));
    CHECK(link.state(link.b6) == NeighbourState::stale);
  }
  SECTION("without override a known one is doubted, not changed") {
    link.receive(na_of_b);
    link.receive(unsolicited);
    CHECK(link.host.known.at(link.b6) == link.b_mac);
    link.pass(100ms);
    CHECK(link.state(link.b6) == NeighbourState::probe);
  }
  SECTION("with override it changes") {
    link.receive(na_of_b);
    link.receive(overriding);
    CHECK(link.host.known.at(link.b6) == mac("02:00:00:00:00:09"));
  }
}

TEST_CASE("messages that break their format are counted and teach nothing") {
  Link link;
  link.neighbours.pin(link.b);
  link.neighbours.pin(link.b6);
  unsigned malformed = 0;
  SECTION("cut anywhere") {
    for (const char* text : {arp_reply_of_b, na_of_b, ns_of_b}) {
      const auto whole = hex(text);
      for (std::size_t size = 0; size < whole.size(); ++size) {
        const weft::test::ExactCopy cut{std::span(whole).first(size)};
        link.receive(cut.get());
        ++malformed;
      }
    }
  }
  SECTION("any byte of an advertisement flipped breaks its checksum") {
    for (std::size_t at = 14 + 4; at < 86; ++at) {
      if (at == 14 + 7) continue;  // the hop limit is in no checksum
      auto frame = hex(na_of_b);
      frame[at] ^= 0x40;
      link.receive(frame);
      ++malformed;
    }
  }
  SECTION("fields") {
    for (const auto& [at, value] : {std::pair(14 + 7, 254), std::pair(14, 0x50)}) {
      auto frame = hex(na_of_b);
      frame[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
      link.receive(frame);
      ++malformed;
    }
    // scapy: code 1; option of length 0 and beyond the end; multicast target; S to a multicast
    // address; DAD with an option, and to a unicast address.
    for (const char* text :
         {"020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002fe8000000000"
          "00"
          "00000000fffe000f018801aba86000000020010db80000000000000000000000020201020000000002",
          "020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002fe8000000000"
          "00"
          "00000000fffe000f018800abaa6000000020010db80000000000000000000000020200020000000002",
          "020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002fe8000000000"
          "00"
          "00000000fffe000f018800aba86000000020010db80000000000000000000000020202020000000002",
          "020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002fe8000000000"
          "00"
          "00000000fffe000f018800da5c60000000ff0200000000000000000000000000050201020000000002",
          "020000000f0102000000000286dd6000000000203aff20010db8000000000000000000000002ff0200000000"
          "00"
          "0000000000000000018800b9276000000020010db80000000000000000000000020201020000000002",
          "3333ff00000102000000000286dd6000000000203aff00000000000000000000000000000000ff0200000000"
          "00"
          "0000000001ff000001870049e20000000020010db80000000000000000000000010101020000000002",
          "020000000f0102000000000286dd6000000000183aff0000000000000000000000000000000020010db80000"
          "00"
          "00000000000000000187001d390000000020010db8000000000000000000000001"}) {
      link.receive(text);
      ++malformed;
    }
  }
  CHECK(link.host.drops[DropReason::neighbour_malformed] == malformed);
  CHECK(link.state(link.b) == NeighbourState::incomplete);
  CHECK(link.state(link.b6) == NeighbourState::incomplete);
}

TEST_CASE("the table and the questions are bounded") {
  NeighbourLimits limits;
  limits.dynamic_entries = 8;
  limits.solicitations_per_second = 10;
  limits.solicitations_burst = 5;
  Link link(limits);
  for (std::uint32_t i = 10; i < 40; ++i) {
    link.neighbours.need({link.b.port, Ipv4Address{0xc0000200U + i}});
  }
  CHECK(link.neighbours.entries().size() == 8);
  CHECK(link.host.sent.size() == 5);
  link.pass(1s);
  CHECK(link.host.sent.size() <= 15);
  // All fail in the end, and make room.
  link.pass(10s);
  link.neighbours.need(link.b);
  CHECK(link.find(link.b) != nullptr);
  // What configuration rests on is never kept out.
  for (std::uint32_t i = 50; i < 70; ++i) {
    link.neighbours.pin({link.b.port, Ipv4Address{0xc0000200U + i}});
  }
  CHECK(link.neighbours.entries().size() >= 21);
}

TEST_CASE("only neighbours of the port are resolved") {
  Link link;
  for (const char* a : {"198.51.100.1", "192.0.2.1", "192.0.2.255", "2001:db8:1::1"}) {
    link.neighbours.need({link.b.port, ip(a)});
  }
  link.neighbours.need({PortId(77), ip("192.0.2.2")});
  CHECK(link.neighbours.entries().empty());
  link.neighbours.need({link.b.port, ip("fe80::2")});
  CHECK(link.neighbours.entries().size() == 1);
}

}  // namespace
}  // namespace weft::agent::neighbours_test
