// The walk over IPv6 extension headers, judged by a slow model of RFC 8200 §4.
#include <catch2/catch.hpp>
#include <optional>

#include "support/exact_copy.hpp"
#include "support/hex.hpp"
#include "support/seed.hpp"
#include "wire/ipv6.hpp"

namespace weft::wire::ipv6_walk_test {
namespace {

using test::ExactCopy;
using test::hex;

struct Extension {
  std::uint8_t type;
  std::uint8_t length;  ///< units of eight bytes beyond the first
};

constexpr std::uint8_t hop_by_hop = 0;
constexpr std::uint8_t routing = 43;
constexpr std::uint8_t fragment = 44;
constexpr std::uint8_t destination = 60;
constexpr std::uint8_t udp = 17;

/// An IPv6 header, the extensions, and four bytes of `upper`.
std::vector<std::uint8_t> chain(const std::vector<Extension>& extensions, std::uint8_t upper) {
  std::vector<std::uint8_t> packet(40);
  packet[0] = 0x60;
  std::size_t next_field = 6;
  for (const auto& [type, length] : extensions) {
    packet[next_field] = type;
    next_field = packet.size();
    const std::size_t bytes = type == fragment ? 8 : 8 * (length + std::size_t{1});
    packet.resize(packet.size() + bytes);
    packet[next_field + 1] = length;  // reserved in a fragment header, to be ignored
    if (type == fragment) packet[next_field + 3] = 1;  // more pieces follow
  }
  packet[next_field] = upper;
  packet.insert(packet.end(), {1, 2, 3, 4});
  packet[5] = static_cast<std::uint8_t>(packet.size() - 40);
  return packet;
}

UpperLayer walk(std::span<const std::uint8_t> packet) {
  return find_upper_layer(ExactCopy(packet).get());
}

}  // namespace

TEST_CASE("the upper layer without extension headers", "[ipv6]") {
  const UpperLayer upper = walk(chain({}, udp));
  REQUIRE(upper.complete);
  REQUIRE(upper.offset == 40);
  REQUIRE(upper.protocol == udp);
  REQUIRE_FALSE(upper.fragment);
}

TEST_CASE("the upper layer behind a chain that scapy made", "[ipv6]") {
  // raw(IPv6(src="2001:db8::1",dst="2001:db8::2")/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/
  //     IPv6ExtHdrRouting(addresses=["2001:db8::9"])/IPv6ExtHdrFragment(id=5,m=1)/
  //     UDP(sport=1,dport=2)/b"x")
  const auto packet =
      hex("6000000000390040 20010db8000000000000000000000001 20010db8000000000000000000000002"
          "3c00010400000000 2b00010400000000 2c02000100000000 20010db8000000000000000000000009"
          "1100000100000005 0001000200092c5d 78");
  const UpperLayer upper = walk(packet);
  REQUIRE(upper.complete);
  REQUIRE(upper.offset == 88);
  REQUIRE(upper.protocol == udp);
  REQUIRE(upper.fragment);
}

TEST_CASE("every truncation of a chain is seen as such", "[ipv6]") {
  const auto packet = chain(
      {{hop_by_hop, 0}, {destination, 2}, {routing, 4}, {fragment, 9}, {destination, 1}}, udp);
  const std::size_t upper_offset = packet.size() - 4;
  REQUIRE(walk(packet).offset == upper_offset);
  REQUIRE(walk(packet).fragment);
  for (std::size_t size = 40; size < packet.size(); ++size) {
    CAPTURE(size);
    const UpperLayer upper = walk(std::span(packet).first(size));
    if (size < upper_offset) REQUIRE_FALSE(upper.complete);
    if (size > upper_offset) REQUIRE(upper.complete);
    REQUIRE(upper.offset <= size);
  }
}

TEST_CASE("eight extension headers are walked, nine are not", "[ipv6]") {
  for (std::size_t count = 0; count < 12; ++count) {
    const auto packet = chain(std::vector<Extension>(count, {destination, 0}), udp);
    CAPTURE(count);
    if (count < 8) REQUIRE(walk(packet).complete);
    if (count > 8) REQUIRE_FALSE(walk(packet).complete);
  }
}

// "at most eight extension headers … a chain that … is longer answers complete = false".
TEST_CASE("a chain of exactly eight extension headers is complete", "[ipv6]") {
  const UpperLayer upper = walk(chain(std::vector<Extension>(8, {destination, 0}), udp));
  REQUIRE(upper.complete);
  REQUIRE(upper.protocol == udp);
  REQUIRE(upper.offset == 40 + 8 * 8);
}

TEST_CASE("pieces of one packet are the same to the eye", "[ipv6]") {
  // RFC 8200 §4.5: the header behind the fragment header is in the first piece alone.
  const auto first = chain({{hop_by_hop, 0}, {fragment, 0}, {destination, 1}}, udp);
  auto later = first;
  later[40 + 8 + 2] = 0x01;  // offset 32 × 8 bytes
  std::fill(later.begin() + 40 + 16, later.end(), std::uint8_t{0x3c});
  REQUIRE(walk(first).complete);
  REQUIRE(walk(first).protocol == udp);
  REQUIRE_FALSE(walk(later).complete);
  REQUIRE(walk(later).fragment);
  REQUIRE(walk(first).fragmentable == destination);
  REQUIRE(walk(later).fragmentable == destination);
}

TEST_CASE("a fragment header that cuts up nothing", "[ipv6]") {
  // RFC 6946: offset 0 and no more pieces.
  auto packet = chain({{fragment, 0}, {destination, 0}}, udp);
  packet[43] = 0;
  REQUIRE_FALSE(walk(packet).fragment);
  REQUIRE(walk(packet).complete);
  REQUIRE(walk(packet).protocol == udp);
  REQUIRE(walk(packet).offset == 56);
}

TEST_CASE("the longest extension header", "[ipv6]") {
  const auto packet = chain({{destination, 255}, {hop_by_hop, 255}}, udp);
  REQUIRE(walk(packet).offset == 40 + 2 * 2048);
  REQUIRE(walk(packet).complete);
  REQUIRE_FALSE(walk(std::span(packet).first(40 + 2 * 2048 - 1)).complete);
}

TEST_CASE("what is no extension header ends the walk", "[ipv6]") {
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    if (protocol == hop_by_hop || protocol == routing || protocol == fragment ||
        protocol == destination) {
      continue;
    }
    const UpperLayer upper = walk(chain({{destination, 0}}, static_cast<std::uint8_t>(protocol)));
    REQUIRE(upper.complete);
    REQUIRE(upper.protocol == protocol);
    REQUIRE(upper.offset == 48);
  }
}

TEST_CASE("random chains and garbage agree with the model", "[ipv6]") {
  auto random = test::random_engine();
  const std::uint8_t types[] = {hop_by_hop, routing, fragment, destination};
  for (unsigned run = 0; run < 20000; ++run) {
    std::vector<Extension> extensions;
    std::size_t offset = 40;
    bool fragmented = false;
    for (auto left = random() % 8; left > 0; --left) {
      const Extension e{types[random() % 4], static_cast<std::uint8_t>(random() % 6)};
      extensions.push_back(e);
      offset += e.type == fragment ? 8 : 8 * (e.length + std::size_t{1});
      fragmented |= e.type == fragment;
    }
    auto packet = chain(extensions, udp);
    const UpperLayer upper = walk(packet);
    if (!upper.complete || upper.offset != offset || upper.fragment != fragmented) {
      FAIL("run " << run);
    }
    for (unsigned flips = 0; flips < 3; ++flips) {
      packet[6 + random() % (packet.size() - 6)] = static_cast<std::uint8_t>(random() % 64);
    }
    packet.resize(40 + random() % (packet.size() - 39));
    if (const UpperLayer garbled = walk(packet); garbled.offset > packet.size()) {
      FAIL("an offset beyond the packet, run " << run);
    }
  }
}

}  // namespace weft::wire::ipv6_walk_test
