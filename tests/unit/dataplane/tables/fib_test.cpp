// What the FIB promises beside longest match: memory, and lookups that are under way while it
// changes. Longest match itself is tests/property/fib_test.cpp.
#include "tables/fib.hpp"

#include <malloc.h>
#include <catch2/catch.hpp>

#include "support/small_world.hpp"

namespace weft::fib_test {
namespace {

using fib::Fib4;
using test::ip;
using test::prefix;

fib::Key4 key(std::string_view address) { return fib::key_of(ip(address).v4()); }

/// 0: a sanitizer's heap, which does not tell.
std::size_t heap_bytes() { return mallinfo2().uordblks; }

}  // namespace

TEST_CASE("an empty VRF costs at most 300 bytes, one of ten routes a few kilobytes", "[fib]") {
  if (heap_bytes() == 0) {
    WARN("a sanitizer's heap is not measured");
    return;
  }
  constexpr std::uint32_t count = 1000;
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(test::small_world()));
  Batch vrfs;
  for (std::uint32_t i = 2; i < 2 + count; ++i) vrfs.vrfs.push_back({VrfId(i), Vrf{}});
  Batch routes;
  for (std::uint32_t i = 2; i < 2 + count; ++i) {
    for (std::uint32_t n = 0; n < 5; ++n) {
      const std::string text = std::to_string(n * 37 + i % 7);
      routes.routes.push_back({VrfId(i), prefix("10." + text + ".0.7/32"), NexthopId(1)});
      routes.routes.push_back({VrfId(i), prefix("fd00:" + text + "::7/128"), NexthopId(1)});
    }
  }
  const auto cost = [&](const Batch& batch) {
    const std::size_t before = heap_bytes() + state.sizes().fib_bytes;
    if (!state.apply(batch)) return std::size_t{0};
    return (heap_bytes() + state.sizes().fib_bytes - before) / count;
  };
  const std::size_t empty = cost(vrfs);
  const std::size_t ten = cost(routes);
  CAPTURE(empty, ten);
  REQUIRE(empty > 0);
  CHECK(empty <= 300);
  REQUIRE(ten > 0);
  CHECK(ten <= 4096);
}

// "Readers see, for each address, the table before or after a change, never a gap": a lookup that
// has begun meets the changes between its steps.
TEST_CASE("a lookup under way sees a route that is replaced", "[fib]") {
  Rcu rcu(1);
  rcu.register_reader(0);
  rcu.online(0);
  fib::Arena arena(rcu, std::size_t{1} << 20);
  {
    Fib4 table(arena);
    REQUIRE(table.insert(key("10.0.0.0"), 8, 1));
    REQUIRE(table.insert(key("10.1.0.0"), 16, 2));
    auto at = table.start();
    REQUIRE(table.step(key("10.1.2.3"), at));
    REQUIRE(table.insert(key("10.1.0.0"), 16, 3));
    const std::uint32_t found = table.descend(key("10.1.2.3"), at);
    REQUIRE((found == 2 || found == 3));
    REQUIRE(table.lookup(key("10.1.2.3")) == 3);
  }
  rcu.offline(0);
  rcu.reclaim();
}

TEST_CASE("a lookup under way sees a route that is withdrawn, or the one below it", "[fib]") {
  Rcu rcu(1);
  rcu.register_reader(0);
  rcu.online(0);
  fib::Arena arena(rcu, std::size_t{1} << 20);
  {
    Fib4 table(arena);
    REQUIRE(table.insert(key("10.0.0.0"), 8, 1));
    REQUIRE(table.insert(key("10.1.2.0"), 24, 2));
    const auto at = table.start();
    REQUIRE(table.erase(key("10.1.2.0"), 24));
    rcu.reclaim();
    const std::uint32_t found = table.descend(key("10.1.2.3"), at);
    REQUIRE((found == 1 || found == 2));
  }
  rcu.offline(0);
  rcu.reclaim();
}

// Make before break: publish() puts routes before it withdraws others, so at no moment is the
// address without a route.
TEST_CASE("a covering route put before the longer one goes leaves no gap", "[fib]") {
  Rcu rcu(1);
  rcu.register_reader(0);
  rcu.online(0);
  fib::Arena arena(rcu, std::size_t{1} << 20);
  {
    Fib4 table(arena);
    REQUIRE(table.insert(key("10.1.2.0"), 24, 2));
    REQUIRE(table.insert(key("10.1.3.0"), 24, 3));
    for (const unsigned steps : {0U, 1U}) {
      REQUIRE(table.insert(key("10.1.2.0"), 24, 2));
      auto at = table.start();
      for (unsigned i = 0; i < steps; ++i) REQUIRE(table.step(key("10.1.2.3"), at));
      REQUIRE(table.insert(key("10.0.0.0"), 8, 1));
      REQUIRE(table.erase(key("10.1.2.0"), 24));
      const std::uint32_t found = table.descend(key("10.1.2.3"), at);
      CAPTURE(steps, found);
      CHECK((found == 1 || found == 2));
      REQUIRE(table.erase(key("10.0.0.0"), 8));
    }
  }
  rcu.offline(0);
  rcu.reclaim();
}

}  // namespace weft::fib_test
