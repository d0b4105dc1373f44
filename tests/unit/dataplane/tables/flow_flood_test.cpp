// What floods of new flows can do to the flow table: take the room that nobody uses, no more.
#include <catch2/catch.hpp>

#include "support/flow_keys.hpp"
#include "support/seed.hpp"
#include "tables/flow_table.hpp"
#include "wire/tcp.hpp"

namespace weft::flow_flood_test {
namespace {

constexpr std::uint8_t tcp = 6;

FlowKey4 connection(std::uint32_t number) {
  const std::uint64_t source = 0x0a000000 + (number >> 16);
  return {0x0a800001ULL << 32 | source, number << 16 | 443, VrfId(1), tcp};
}

class Table {
 public:
  explicit Table(std::size_t sessions, tunnel::HashSeed seed = {})
      : flows(seed, sessions, rules), writer(rcu, 0, IpFamily::v4) {
    rcu.register_reader(0);
    rcu.online(0);
    rules.tcp_opening.set(20'000);
    rules.tcp_established.set(7'000'000);
    rules.tcp_closing.set(10'000);
  }
  std::uint32_t open(const FlowKey4& key) {
    const std::uint32_t direction = flows.open(writer, {.forward = key,
                                                        .reverse = key.reverse(VrfId(1)),
                                                        .forward_hash = flows.hash(key),
                                                        .now = now});
    if (direction != 0) flows.entry(direction).see_tcp_flags(wire::tcp_flag::syn);
    rcu.quiescent(0);
    flows.reclaim(writer);
    return direction;
  }
  void establish(std::uint32_t direction) {
    for (const std::uint32_t d : {direction, direction ^ 1}) {
      flows.entry(d).see_tcp_flags(wire::tcp_flag::syn | wire::tcp_flag::ack);
      flows.entry(d).packets.add(1);
    }
  }
  Rcu rcu{1};
  FlowRules rules;
  FlowTable<FlowKey4> flows;
  FlowWriter writer;
  FlowTick now = 1;
};

}  // namespace

TEST_CASE("a SYN flood of ten times the table drives no established connection out", "[flood]") {
  constexpr std::uint32_t sessions = 4096;
  constexpr std::uint32_t established = 1000;
  Table t(sessions);
  std::vector<std::uint32_t> kept;
  for (std::uint32_t i = 0; i < established; ++i) {
    kept.push_back(t.open(connection(i)));
    REQUIRE(kept.back() != 0);
    t.establish(kept.back());
  }
  std::uint32_t refused = 0;
  for (std::uint32_t i = 0; i < 10 * sessions; ++i) {
    refused += t.open(connection(established + i)) == 0;
    t.now += i % 4 == 0;  // ten seconds in all
    if (i % 1000 == 0) {
      for (const std::uint32_t d : kept) t.flows.entry(d).last_seen.set(t.now);
    }
  }
  CHECK(refused < 10);
  for (std::uint32_t i = 0; i < established; ++i) {
    const FlowKey4 key = connection(i);
    CHECK(t.flows.find(key, t.flows.hash(key)) == kept[i]);
    CHECK(t.flows.state(kept[i] / 2) == FlowState::established);
  }
}

TEST_CASE("a connection that opens during a flood can be established", "[flood]") {
  Table t(4096);
  for (std::uint32_t i = 0; i < 8000; ++i) t.open(connection(i));
  const std::uint32_t direction = t.open(connection(100'000));
  REQUIRE(direction != 0);
  // Its answer comes while a tenth of the table is opened.
  for (std::uint32_t i = 0; i < 50; ++i) t.open(connection(200'000 + i));
  const FlowKey4 key = connection(100'000);
  CHECK(t.flows.find(key, t.flows.hash(key)) == direction);
}

TEST_CASE("flows chosen to meet in one bucket are spread by another secret", "[flood]") {
  const tunnel::HashSeed known{1, 2};
  const tunnel::HashSeed secret{0x1234567890abcdef, 0xfedcba0987654321};
  constexpr std::uint64_t buckets = 2 * 4096 / 4;
  Table guessed(4096, known);
  Table safe(4096, secret);
  unsigned chosen = 0;
  unsigned kept_guessed = 0;
  unsigned kept_safe = 0;
  for (std::uint32_t i = 0; chosen < 1000; ++i) {
    const FlowKey4 key = connection(i);
    if (key.hash(known) % buckets != 7) continue;
    ++chosen;
    kept_guessed += guessed.open(key) != 0;
    kept_safe += safe.open(key) != 0;
  }
  CHECK(kept_guessed <= 16);
  CHECK(kept_safe == chosen);
}

TEST_CASE("a secret seed keeps chains short whatever it is", "[flood]") {
  const tunnel::HashSeed known;
  auto random = test::random_engine();
  std::vector<FlowKey4> chosen;
  {
    const Table guessed(4096, known);
    const std::uint64_t mask = guessed.flows.index().buckets() - 1;
    for (std::uint32_t i = 0; chosen.size() < 500; ++i) {
      const FlowKey4 key = connection(i);
      if ((guessed.flows.hash(key) & mask) == 7) chosen.push_back(key);
    }
  }
  /// Refused sessions, and the longest chain.
  const auto flood = [&](const tunnel::HashSeed& seed) {
    Table t(4096, seed);
    unsigned refused = 0;
    unsigned longest = 0;
    for (const FlowKey4& key : chosen) {
      refused += t.open(key) == 0;
      longest = std::max(longest, t.flows.index().crowd(t.flows.hash(key)));
    }
    return std::pair(refused, longest);
  };
  CHECK(flood(known) == std::pair(484U, 16U));
  for (unsigned i = 0; i < 50; ++i) {
    const auto [refused, longest] = flood({random(), random()});
    CHECK(refused == 0);
    CHECK(longest <= 9);  // one entry in two buckets on average
  }
}

TEST_CASE("sessions take no more memory than is said", "[flood]") {
  const Table t(1 << 16);
  CHECK(t.flows.bytes() <= std::size_t{128} * 2 * (1 << 16));
}

}  // namespace weft::flow_flood_test
