// A direction's owner follows its packets: who asks, when it is nobody's, and who gets it.
#include <catch2/catch.hpp>

#include "stages/admit.hpp"
#include "support/flow_keys.hpp"

namespace weft::flow_owner_test {
namespace {

using Entry = FlowEntry<FlowKey4>;
using test::conversation;

constexpr unsigned packets_a_move = 64;
constexpr std::uint16_t packet_bytes = 100;

/// Three workers and a session that the first has opened.
struct Workers {
  Workers() {
    for (unsigned w = 0; w < 3; ++w) {
      rcu.register_reader(w);
      rcu.online(w);
    }
    direction = open(0, 7);
  }
  std::uint32_t open(unsigned worker, unsigned number) {
    const auto c = conversation<FlowKey4>(number);
    return table.open(hands[worker].of<FlowKey4>(),
                      {.forward = c.there, .reverse = c.back, .forward_hash = table.hash(c.there)});
  }
  void count(unsigned worker, std::uint32_t where, unsigned packets) {
    PacketContext p;
    p.protocol = static_cast<std::uint8_t>(wire::IpProtocol::udp);
    p.l3_bytes = packet_bytes;
    const stage::FlowTally tally(&hands[worker]);
    for (unsigned i = 0; i < packets; ++i) {
      REQUIRE(tally.count(table, table.entry(where), where, p));
    }
  }
  void count(unsigned worker, unsigned packets) { count(worker, direction, packets); }
  void turn(unsigned worker) {
    rcu.quiescent(worker);
    hands[worker].begin(0);
    hands[worker].tidy(3);
  }
  void turn_all() {
    for (unsigned w = 0; w < 3; ++w) turn(w);
    for (unsigned w = 0; w < 3; ++w) turn(w);
  }
  [[nodiscard]] std::uint8_t owner() { return table.entry(direction).owner.load(); }
  [[nodiscard]] std::uint64_t own() { return table.entry(direction).packets.get(); }
  [[nodiscard]] std::uint64_t foreign() {
    const auto& f = table.session_of(direction).foreign[direction % 2];
    REQUIRE(f.bytes.get() == packet_bytes * f.packets.get());
    return f.packets.get();
  }

  Rcu rcu{3};
  FlowTables tables{tunnel::HashSeed{}, FlowSettings{}, 1'000'000'000};
  FlowTable<FlowKey4>& table = tables.v4;
  FlowHands hands[3] = {{tables, rcu, 0}, {tables, rcu, 1}, {tables, rcu, 2}};
  std::uint32_t direction = 0;
};

TEST_CASE("a direction becomes that worker's who sees it now") {
  Workers w;
  w.count(0, 5);
  w.count(1, packets_a_move - 1);
  CHECK(w.owner() == 0);
  w.count(1, 1);
  CHECK(w.owner() == Entry::moving_to(1));
  // Until all have passed a quiescent point it is nobody's: each counts by the side of it.
  w.count(0, 3);
  w.count(1, 3);
  CHECK(w.own() == 5);
  CHECK(w.foreign() == packets_a_move + 6);
  w.turn(1);
  w.turn(2);
  w.turn(1);
  CHECK(w.owner() == Entry::moving_to(1));  // worker 0 may still count as its owner
  w.turn(0);
  w.turn(1);
  CHECK(w.owner() == 1);
  w.count(1, 10);
  w.count(0, 1);
  CHECK(w.own() == 15);
  CHECK(w.foreign() == packets_a_move + 7);
}

TEST_CASE("of several that ask one gets the direction") {
  Workers w;
  w.count(1, packets_a_move);
  w.count(2, 3 * packets_a_move);
  w.turn_all();
  CHECK(w.owner() == 1);
  w.count(2, packets_a_move);
  w.turn_all();
  CHECK(w.owner() == 2);
}

TEST_CASE("nobody writes down what holds for a direction that moves") {
  Workers w;
  Entry& entry = w.table.entry(w.direction);
  w.count(1, packets_a_move);
  NexthopEntry nexthop;
  nexthop.id = NexthopId(9);
  PacketContext p;
  p.nexthop = &nexthop;
  const FlowStamp before = entry.stamp.load();
  for (const std::uint8_t worker : {0, 1, 2}) {
    stage::restamp(entry, worker, before + 1, p, VrfId(1));
    CHECK(entry.stamp.load() == before);
  }
  w.turn_all();
  stage::restamp(entry, 0, before + 1, p, VrfId(1));
  CHECK(entry.stamp.load() == before);
  stage::restamp(entry, 1, before + 1, p, VrfId(1));
  CHECK(entry.stamp.load() == before + 1);
  CHECK(entry.nexthop.get() == NexthopId(9).raw());
}

TEST_CASE("a direction that is asked for ends as any other, and the next one is whose it is") {
  Workers w;
  w.count(1, packets_a_move);
  const std::uint32_t old = w.direction;
  REQUIRE(w.table.close(w.hands[0].of<FlowKey4>(), old));
  w.turn(0);
  w.turn(2);
  w.rcu.quiescent(1);  // worker 1 has not looked yet
  w.turn(0);           // and the number is worker 0's again
  w.direction = w.open(0, 100);
  REQUIRE(w.direction == old);
  SECTION("and nobody asks for it") {
    w.turn_all();
    CHECK(w.owner() == 0);
    CHECK(w.own() == 0);
    CHECK(w.foreign() == 0);
  }
  SECTION("and is asked for by the same worker") {
    w.count(1, packets_a_move);
    w.turn(1);
    CHECK(w.owner() == Entry::moving_to(1));  // that the first time is over says nothing
    w.turn_all();
    CHECK(w.owner() == 1);
  }
}

TEST_CASE("a worker asks for so many directions at once, and for others later") {
  Workers w;
  std::vector<std::uint32_t> directions;
  for (unsigned number = 100; number < 200; ++number) directions.push_back(w.open(0, number));
  const auto owned_by = [&](std::uint8_t owner) {
    unsigned found = 0;
    for (const auto d : directions) found += w.table.entry(d).owner.load() == owner;
    return found;
  };
  for (const auto d : directions) w.count(1, d, packets_a_move);
  CHECK(owned_by(Entry::moving_to(1)) == 64);
  CHECK(owned_by(0) == 36);
  w.turn_all();
  CHECK(owned_by(1) == 64);
  for (const auto d : directions) w.count(1, d, packets_a_move);
  w.turn_all();
  CHECK(owned_by(1) == 100);
}

}  // namespace
}  // namespace weft::flow_owner_test
