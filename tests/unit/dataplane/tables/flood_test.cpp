// Keys that somebody chose so that they meet in one place of a hash table. Each attack is made with
// the seed that the code is published with, and must not cost more under a secret one.
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "support/seed.hpp"
#include "support/words.hpp"
#include "tables/decap_table.hpp"
#include "tunnel/entropy.hpp"

namespace weft::flood_test {
namespace {

using tunnel::HashSeed;

tunnel::HashSeed secret() {
  auto random = test::random_engine(7);
  return {random(), random()};
}

/// Seconds, the least of several runs: what else runs on the machine only adds.
double fastest(unsigned runs, const std::function<void()>& work) {
  double least = 1e9;
  for (unsigned i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    least = std::min(least, spent.count());
  }
  return least;
}

struct DecapKey {
  std::uint16_t port;
  std::uint32_t vni;
  [[nodiscard]] std::uint64_t number() const { return decap_key(TunnelKind::vxlan, port, vni); }
};

/// 192.0.2.1, as it lies in a packet.
constexpr std::uint32_t here = 0x010200c0;

/// All start at one slot of a table of up to 16 384 slots whose seed is known.
std::vector<DecapKey> colliding(const HashSeed& known) {
  std::vector<DecapKey> keys;
  for (const std::uint16_t port : {4789, 8472, 4790}) {
    for (std::uint32_t vni = 0; vni < 1U << 24; ++vni) {
      const DecapKey key{port, vni};
      if ((tunnel::mix(key.number() ^ known.first, (known.second | 1) ^ std::uint64_t{here} << 1) &
           16383) == 0) {
        keys.push_back(key);
      }
    }
  }
  return keys;
}

double lookup_seconds(const HashSeed& seed, const std::vector<DecapKey>& keys) {
  Rcu rcu(1);
  DecapTable table(rcu, seed);
  std::vector<std::unique_ptr<const DecapEntry>> entries;
  Decap decap;
  decap.local = test::ip("192.0.2.1");
  for (const DecapKey& key : keys) {
    decap.destination_port = key.port;
    decap.vni = key.vni;
    entries.push_back(std::make_unique<const DecapEntry>(
        DecapId(static_cast<std::uint32_t>(entries.size())), decap));
    table.insert(entries.back().get());
  }
  rcu.reclaim();
  std::size_t found = 0;
  const double seconds = fastest(20, [&] {
    for (const DecapKey& key : keys) found += table.find(key.number(), here) != nullptr ? 1 : 0;
  });
  CHECK(found == 20 * keys.size());
  return seconds;
}

/// Prefixes that hash alike where the seed is 0: the product's first factor is 0 for all of them.
fib::Key6 chosen(std::uint64_t i) { return {0x9e3779b97f4a7c15, i << 16}; }
fib::Key6 usual(std::uint64_t i) { return {0x20010db800000000, i << 16}; }

double insert_seconds(std::uint64_t seed, fib::Key6 (*key)(std::uint64_t)) {
  return fastest(8, [&] {
    Rcu rcu(1);
    fib::Arena arena(rcu, std::size_t{64} << 20, seed);
    fib::Fib6 table(arena);
    for (std::uint64_t i = 0; i < 10000; ++i) {
      if (!table.insert(key(i), 112, 1)) FAIL("no room");
    }
  });
}

}  // namespace

TEST_CASE("decaps chosen to collide cost no more than any others", "[flood]") {
  const auto attack = colliding({});
  REQUIRE(attack.size() > 2000);
  std::vector<DecapKey> plain;
  for (std::uint32_t i = 0; i < attack.size(); ++i) plain.push_back({4789, i});
  const double honest = lookup_seconds(secret(), plain);
  CHECK(lookup_seconds({}, attack) > 10 * honest);  // the attack is one
  CHECK(lookup_seconds(secret(), attack) < 2 * honest);
}

TEST_CASE("decaps that only their addresses tell apart cost no more than any others", "[flood]") {
  constexpr std::uint32_t count = 4096;
  std::vector<DecapKey> plain;
  for (std::uint32_t i = 0; i < count; ++i) plain.push_back({4789, i});
  Rcu rcu(1);
  DecapTable table(rcu, secret());
  std::vector<std::unique_ptr<const DecapEntry>> entries;
  std::vector<Ipv6Address> segments;
  Decap decap;
  decap.kind = TunnelKind::srv6;
  decap.destination_port = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    Ipv6Address segment = test::ip("2001:db8:5e::").v6();
    segment.bytes[14] = static_cast<std::uint8_t>(i >> 8);
    segment.bytes[15] = static_cast<std::uint8_t>(i);
    segments.push_back(segment);
    decap.local = segment;
    entries.push_back(std::make_unique<const DecapEntry>(DecapId(i), decap));
    table.insert(entries.back().get());
  }
  rcu.reclaim();
  std::size_t found = 0;
  const double seconds = fastest(20, [&] {
    for (const Ipv6Address& segment : segments) {
      found += table.find(decap_key(TunnelKind::srv6, 0, 0), segment) != nullptr ? 1 : 0;
    }
  });
  CHECK(found == 20 * segments.size());
  CHECK(seconds < 3 * lookup_seconds(secret(), plain));
}

TEST_CASE("routes chosen to collide cost no more than any others", "[flood]") {
  const double honest = insert_seconds(secret().first, usual);
  CHECK(insert_seconds(0, chosen) > 5 * honest);
  CHECK(insert_seconds(secret().first, chosen) < 3 * honest);
}

TEST_CASE("flows chosen to leave by one source port spread under another secret", "[flood]") {
  const HashSeed known = secret();
  const HashSeed other{known.second, known.first};
  const auto port_of = [](const HashSeed& seed, std::uint64_t addresses) {
    return tunnel::entropy_of(tunnel::flow_hash4(seed, addresses, 0, 6, 1)) >> 18;
  };
  std::vector<unsigned> ports(16384);
  unsigned flows = 0;
  for (std::uint64_t i = 0; flows < 2000 && i < 100000000; ++i) {
    const std::uint64_t addresses = 0x0a000001ULL << 32 | (0x0a000000 + i);
    if (port_of(known, addresses) != 0) continue;
    ++flows;
    ++ports[port_of(other, addresses)];
  }
  REQUIRE(flows == 2000);
  CHECK(*std::max_element(ports.begin(), ports.end()) < 12);
}

}  // namespace weft::flood_test
