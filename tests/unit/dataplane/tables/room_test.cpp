// FIBs whose memory runs out: what is refused, what stays, and that room comes back.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/seed.hpp"
#include "support/small_world.hpp"

namespace weft::room_test {
namespace {

/// Of VRF 1, one prefix of 10.0.0.0/8 or of fd00::/16.
IpPrefix prefix4(std::uint32_t bits, unsigned length) {
  return IpPrefix{IpAddress(Ipv4Address{0x0a000000 | (bits & 0xffffff)}),
                  static_cast<std::uint8_t>(length)}
      .masked();
}
IpPrefix prefix6(std::uint64_t bits, unsigned length) {
  Ipv6Address a{};
  a.bytes[0] = 0xfd;
  for (unsigned i = 0; i < 8; ++i) a.bytes[2 + i] = static_cast<std::uint8_t>(bits >> (8 * i));
  return IpPrefix{IpAddress(a), static_cast<std::uint8_t>(length)}.masked();
}

std::uint32_t leads(const ForwardingState& state, const IpPrefix& p) {
  const VrfEntry* vrf = state.tables().vrfs.get(VrfId(1));
  return p.address.is_v4() ? vrf->fib4->find(fib::key_of(p.address.v4()), p.length)
                           : vrf->fib6->find(fib::key_of(p.address.v6()), p.length);
}

struct Full {
  Rcu rcu{1};
  ForwardingState state;
  std::vector<IpPrefix> held;
  std::string error;

  explicit Full(std::size_t bytes) : state(rcu, {}, {}, 2'000'000'000, Pages::transparent, bytes) {
    if (!state.apply(test::small_world())) throw std::runtime_error("the world is refused");
  }
  bool put(const std::vector<IpPrefix>& prefixes, NexthopId nexthop = NexthopId(1)) {
    Batch batch;
    for (const auto& p : prefixes) batch.routes.push_back({VrfId(1), p, nexthop});
    const auto applied = state.apply(batch);
    if (!applied) error = applied.error().message;
    rcu.reclaim(~std::size_t{0});
    return bool(applied);
  }
  /// Until one is refused.
  void fill(std::mt19937_64& random) {
    while (held.size() < 5000) {
      const IpPrefix next = prefix4(static_cast<std::uint32_t>(random()), 24);
      if (leads(state, next) != fib::no_route) continue;
      if (!put({next})) return;
      held.push_back(next);
    }
    throw std::runtime_error("never full");
  }
  bool withdraw(const std::vector<IpPrefix>& prefixes) { return put(prefixes, NexthopId{}); }
  bool all_lead(const std::vector<IpPrefix>& prefixes, std::uint32_t nexthop) const {
    return std::all_of(prefixes.begin(), prefixes.end(),
                       [&](const auto& p) { return leads(state, p) == nexthop; });
  }
};

}  // namespace

TEST_CASE("FIBs that are full say so, keep what they have, and take more when some goes",
          "[room]") {
  Full full(std::size_t{64} << 10);
  auto random = test::random_engine();
  full.fill(random);
  INFO(full.error);
  CHECK(full.error.find("the FIBs are full with " + std::to_string(full.state.sizes().routes) +
                        " routes") == 0);
  CHECK(full.error.find("no room for 1 more; withdraw some") != std::string::npos);
  REQUIRE(full.held.size() > 200);
  CHECK(full.all_lead(full.held, 1));
  CHECK(full.put(full.held, NexthopId(5)));  // what is there can still move
  CHECK(full.all_lead(full.held, 5));

  // Which pieces of memory come free depends on the routes; with half of them gone some fit anew.
  const auto middle = full.held.begin() + static_cast<std::ptrdiff_t>(full.held.size() / 2);
  REQUIRE(full.withdraw({full.held.begin(), middle}));
  for (auto p = full.held.begin(); p != middle; ++p) {
    if (!full.put({*p})) break;
  }
  CHECK(full.state.sizes().routes > full.held.size() * 3 / 4);
  CHECK(full.all_lead({middle, full.held.end()}, 5));
}

// What was used and is free again counts as room, whatever shapes it had.
TEST_CASE("tables that come and go in a small memory are never refused", "[room]") {
  Full full(std::size_t{64} << 10);
  auto random = test::random_engine();
  full.fill(random);  // nothing is left that was never used
  REQUIRE(full.withdraw(full.held));
  for (unsigned round = 0; round < 200; ++round) {
    CAPTURE(round, full.state.sizes().fib_bytes);
    std::vector<IpPrefix> table;
    for (unsigned i = 0; i < 60; ++i) {
      const auto bits = random();
      table.push_back(round % 3 == 0   ? prefix6(bits, 40 + bits % 40)
                      : round % 3 == 1 ? prefix4(static_cast<std::uint32_t>(bits), 24)
                                       : prefix4(static_cast<std::uint32_t>(bits) & 0x0fff, 30));
    }
    const bool taken = full.put(table);
    INFO(full.error);
    REQUIRE(taken);
    REQUIRE(full.all_lead(table, 1));
    REQUIRE(full.withdraw(table));
  }
}

}  // namespace weft::room_test
