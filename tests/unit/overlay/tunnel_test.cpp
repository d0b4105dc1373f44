// Source-port entropy, and the header buffer that templates are built in.
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "support/hex.hpp"
#include "support/seed.hpp"
#include "tunnel/entropy.hpp"
#include "tunnel/header_template.hpp"
#include "tunnel/registry.hpp"

namespace weft::tunnel::tunnel_test {
namespace {

constexpr HashSeed seed_a{0x0123456789abcdef, 0xfedcba9876543210};
constexpr HashSeed seed_b{0x0123456789abcdee, 0xfedcba9876543210};
constexpr PortRange usual{49152, 65535};

/// Ports as they lie in the packet.
std::uint32_t ports(std::uint16_t source, std::uint16_t destination) {
  return static_cast<std::uint32_t>(__builtin_bswap16(destination)) << 16 |
         __builtin_bswap16(source);
}
std::uint64_t addresses(std::uint32_t source, std::uint32_t destination) {
  return static_cast<std::uint64_t>(__builtin_bswap32(destination)) << 32 |
         __builtin_bswap32(source);
}

std::uint32_t entropy4(const HashSeed& seed, std::uint64_t both, std::uint32_t l4_ports,
                       std::uint8_t protocol, std::uint32_t network = 1) {
  return entropy_of(flow_hash4(seed, both, l4_ports, protocol, network));
}
std::uint32_t entropy6(const HashSeed& seed, const std::uint64_t (&both)[4], std::uint32_t l4_ports,
                       std::uint8_t protocol, std::uint32_t network = 1) {
  return entropy_of(flow_hash6(seed, both, l4_ports, protocol, network));
}

/// Counts flows into equal parts of the port range; a fair choice stays within six deviations of
/// chi-square's mean.
class Evenness {
 public:
  void add(std::uint32_t hash) {
    ++counts_[(SourcePorts(usual).choose(hash) - usual.first) * counts_.size() / 16384];
    ++total_;
  }
  [[nodiscard]] bool even() const {
    const double expected = static_cast<double>(total_) / static_cast<double>(counts_.size());
    double chi_square = 0;
    for (const unsigned count : counts_) {
      chi_square += (count - expected) * (count - expected) / expected;
    }
    const auto freedom = static_cast<double>(counts_.size() - 1);
    return chi_square < freedom + 6 * std::sqrt(2 * freedom);
  }

 private:
  std::array<unsigned, 256> counts_{};
  unsigned total_ = 0;
};

}  // namespace

TEST_CASE("the source port lies in the profile's range", "[entropy]") {
  auto random = test::random_engine();
  const PortRange ranges[] = {usual, {0, 65535}, {1, 1}, {65535, 65535}, {1000, 1001}, {1, 3}};
  for (const PortRange range : ranges) {
    REQUIRE(SourcePorts(range).choose(0) == range.first);
    REQUIRE(SourcePorts(range).choose(0xffffffff) == range.last);
    std::set<std::uint16_t> seen;
    for (unsigned i = 0; i < 2000; ++i) {
      const std::uint16_t port = SourcePorts(range).choose(static_cast<std::uint32_t>(random()));
      if (port < range.first || port > range.last) FAIL("port " << port);
      seen.insert(port);
    }
    const auto size = static_cast<std::size_t>(range.last) - range.first + 1;
    if (size <= 3) REQUIRE(seen.size() == size);
  }
}

TEST_CASE("a flow label has 20 bits, of which one is set", "[entropy]") {
  CHECK(flow_label(0) == 1);
  CHECK(flow_label(0xffffffff) == 0xfffff);
  CHECK(flow_label(0x80000000) == 0x80000);
  CHECK(flow_label(0x80000000 + (1 << 13)) > 0x80000);
}

TEST_CASE("the source port is stable for a flow", "[entropy]") {
  const std::uint64_t v6[4] = {1, 2, 3, 4};
  const auto once4 = entropy4(seed_a, addresses(1, 2), ports(3, 4), 6);
  const auto once6 = entropy6(seed_a, v6, ports(3, 4), 6);
  for (unsigned i = 0; i < 10; ++i) {
    REQUIRE(entropy4(seed_a, addresses(1, 2), ports(3, 4), 6) == once4);
    REQUIRE(entropy6(seed_a, v6, ports(3, 4), 6) == once6);
  }
}

TEST_CASE("random flows spread evenly", "[entropy]") {
  auto random = test::random_engine();
  Evenness v4;
  Evenness v6;
  for (unsigned i = 0; i < 200000; ++i) {
    const std::uint64_t words[4] = {random(), random(), random(), random()};
    v4.add(entropy4(seed_a, words[0], static_cast<std::uint32_t>(words[1]), 6));
    v6.add(entropy6(seed_a, words, static_cast<std::uint32_t>(words[1]), 6));
  }
  REQUIRE(v4.even());
  REQUIRE(v6.even());
}

// What a rack really sends: one pair of hosts and its ports in turn; one service and hosts in turn;
// pairs of hosts that count together. The secret differs in every process, so any of them must do.
TEST_CASE("flows that differ by counting spread evenly, whatever the secret", "[entropy]") {
  std::mt19937_64 random(1);
  std::array<unsigned, 6> uneven{};
  constexpr std::uint64_t prefix = 0x00000000b80d0120;
  for (unsigned run = 0; run < 20; ++run) {
    const HashSeed secret{random(), random()};
    std::array<Evenness, 6> patterns;
    for (std::uint32_t i = 0; i < 60000; ++i) {
      const std::uint32_t by_port = ports(static_cast<std::uint16_t>(i), 443);
      const std::uint64_t host = __builtin_bswap64(i);
      const std::uint64_t fixed6[4] = {prefix, __builtin_bswap64(1), prefix, __builtin_bswap64(2)};
      const std::uint64_t host6[4] = {prefix, host, prefix, __builtin_bswap64(2)};
      const std::uint64_t pair6[4] = {prefix, host, prefix, host};
      const std::uint32_t a = 0x0a010000 + i;
      patterns[0].add(entropy4(secret, addresses(0x0a010001, 0x0a010002), by_port, 6));
      patterns[1].add(entropy4(secret, addresses(a, 0x0a020001), ports(1000, 443), 6));
      patterns[2].add(entropy4(secret, addresses(a, a), ports(1000, 443), 17));
      patterns[3].add(entropy6(secret, fixed6, by_port, 6));
      patterns[4].add(entropy6(secret, host6, ports(1000, 443), 6));
      patterns[5].add(entropy6(secret, pair6, ports(1000, 443), 17));
    }
    for (std::size_t i = 0; i < patterns.size(); ++i) uneven[i] += patterns[i].even() ? 0 : 1;
  }
  CHECK(uneven == std::array<unsigned, 6>{});
}

TEST_CASE("networks keep flows apart, but not by the source port", "[entropy]") {
  const std::uint64_t v6[4] = {1, 2, 3, 4};
  std::set<std::uint64_t> hashes;
  for (std::uint32_t network = 0; network < 1 << 20; network += 61) {
    const auto hash4 = flow_hash4(seed_a, addresses(1, 2), ports(3, 4), 6, network);
    const auto hash6 = flow_hash6(seed_a, v6, ports(3, 4), 6, network);
    REQUIRE(hashes.insert(hash4).second);
    REQUIRE(hashes.insert(hash6).second);
    REQUIRE(entropy_of(hash4) == entropy4(seed_a, addresses(1, 2), ports(3, 4), 6));
    REQUIRE(entropy_of(hash6) == entropy6(seed_a, v6, ports(3, 4), 6));
  }
}

TEST_CASE("every bit of the flow and the secret counts", "[entropy]") {
  auto random = test::random_engine();
  // A change of one bit must nearly always change the hash; equal ones come by chance of 2^-32.
  std::size_t same = 0;
  for (unsigned run = 0; run < 200; ++run) {
    const std::uint64_t a = random();
    const auto p = static_cast<std::uint32_t>(random());
    const auto protocol = static_cast<std::uint8_t>(random());
    const std::uint64_t words[4] = {random(), random(), random(), random()};
    const std::uint32_t hash4 = entropy4(seed_a, a, p, protocol);
    const std::uint32_t hash6 = entropy6(seed_a, words, p, protocol);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const std::uint64_t one = std::uint64_t{1} << bit;
      same += entropy4(seed_a, a ^ one, p, protocol) == hash4 ? 1 : 0;
      for (unsigned word = 0; word < 4; ++word) {
        std::uint64_t other[4] = {words[0], words[1], words[2], words[3]};
        other[word] ^= one;
        same += entropy6(seed_a, other, p, protocol) == hash6 ? 1 : 0;
      }
      if (bit < 32) {
        const auto low = static_cast<std::uint32_t>(one);
        same += entropy4(seed_a, a, p ^ low, protocol) == hash4 ? 1 : 0;
        same += entropy6(seed_a, words, p ^ low, protocol) == hash6 ? 1 : 0;
      }
      if (bit < 8) {
        const auto other = static_cast<std::uint8_t>(protocol ^ one);
        same += entropy4(seed_a, a, p, other) == hash4 ? 1 : 0;
        same += entropy6(seed_a, words, p, other) == hash6 ? 1 : 0;
      }
    }
    same += entropy4(seed_b, a, p, protocol) == hash4 ? 1 : 0;
    same += entropy6(seed_b, words, p, protocol) == hash6 ? 1 : 0;
  }
  REQUIRE(same <= 1);
}

TEST_CASE("a header longer than the buffer is noted and changes nothing", "[template]") {
  HeaderBuffer buffer;
  const std::array<std::uint8_t, 8> eight{1, 2, 3, 4, 5, 6, 7, 8};
  for (unsigned i = 0; i < HeaderBuffer::capacity / 8; ++i) buffer.append(eight);
  REQUIRE(buffer.size() == HeaderBuffer::capacity);
  REQUIRE_FALSE(buffer.overflown());
  buffer.append(std::uint8_t{9});
  REQUIRE(buffer.overflown());
  REQUIRE(buffer.size() == HeaderBuffer::capacity);
  REQUIRE(buffer.bytes().back() == 8);
}

TEST_CASE("a kind that does not exist has no codec", "[registry]") {
  const std::array<std::uint8_t, 64> bytes{8};
  REQUIRE(parse_any_header(TunnelKind::none, 17, bytes).reason ==
          DropReason::tunnel_header_invalid);
  REQUIRE(ip_protocols(TunnelKind::none).empty());
  REQUIRE(find_tunnel_kind("nonesuch") == nullptr);
}

// scapy: IPv6(src="2001:db8::1", dst="2001:db8:0:1::2", nh=4 or 41, tc=tc, hlim=hlim)
TEST_CASE("SRv6 with one segment, reduced, is IP in IPv6", "[srv6]") {
  TunnelProfile profile;
  profile.kind = TunnelKind::srv6;
  profile.payload = TunnelPayload::ip;
  profile.local = *parse_ip("2001:db8::1");
  profile.remote = *parse_ip("2001:db8:0:1::2");
  profile.segments = {profile.remote.v6()};
  profile.reduced = true;
  profile.ttl = 7;
  profile.dscp = 46;
  const HeaderTemplate made = build_template(profile);
  std::vector<std::uint8_t> bytes(made.bytes.bytes().begin(), made.bytes.bytes().end());
  REQUIRE(bytes.size() == 40);
  REQUIRE(made.version_slot.offset == 6);
  REQUIRE(made.version_slot.ipv4 == 0x0407);
  REQUIRE(made.version_slot.ipv6 == 0x2907);
  bytes[6] = 0x04;
  REQUIRE(test::to_hex(bytes) ==
          "6b8000000000040720010db8000000000000000000000001"
          "20010db8000000010000000000000002");
}

TEST_CASE("every kind that configuration may name has a codec, and the reverse", "[registry]") {
  REQUIRE(std::tuple_size_v<Kinds> == tunnel_kinds.size());
  for (const TunnelKindInfo& info : tunnel_kinds) {
    REQUIRE_FALSE(ip_protocols(info.kind).empty());
    REQUIRE(find_tunnel_kind(info.name, info.network) == &info);
    REQUIRE(&describe(info.kind) == &info);
  }
}

}  // namespace weft::tunnel::tunnel_test
