#include <catch2/catch.hpp>

#include <map>

#include "support/routes.hpp"
#include "vpn/vpn_tables.hpp"

namespace weft::vpn::subscriptions_test {
namespace {

using test::route;
using test::via;
using Texts = std::vector<std::string>;

constexpr std::size_t most_withdrawn = 3;

struct World {
  VpnTables tables{{}, most_withdrawn};
  NetworkId blue = network("blue", "1:1");
  NetworkId red = network("red", "1:2");
  SourceId source = tables.add_source("a");
  SubscriberId one = tables.add_subscriber();
  SubscriberId two = tables.add_subscriber();
  std::map<std::uint32_t, Texts> got;  ///< by index of the subscriber
  unsigned deliveries = 0;

  NetworkId network(const char* name, const char* rd) {
    return tables.set_network({name, test::rd(rd), {test::target(rd)}, {test::target(rd)}}).value();
  }
  void announce(const char* prefix, const char* address, NetworkId to) {
    tables.announce(source, to, route(prefix), via(address), {});
  }
  void announce(const char* prefix, const char* address = "192.0.2.1") {
    announce(prefix, address, blue);
  }
  void withdraw(const char* prefix) { tables.withdraw(source, blue, route(prefix)); }
  bool step(std::size_t most = 10) {
    Delivery delivery;
    if (!tables.next(delivery, most)) return false;
    REQUIRE_FALSE(delivery.to.empty());
    REQUIRE(delivery.end_of_rib == delivery.changes.empty());
    ++deliveries;
    for (const SubscriberId to : delivery.to) {
      if (delivery.end_of_rib) got[to.index()].push_back("end");
      for (const Change& change : delivery.changes) {
        got[to.index()].push_back(
            to_string(change.nlri) + " " +
            (change.attributes ? test::addresses(*change.attributes).front() : "-"));
      }
    }
    return true;
  }
  void run() {
    while (step()) {
    }
  }
  Texts take(SubscriberId id) {
    Texts all;
    std::swap(all, got[id.index()]);
    return all;
  }
};

}  // namespace

TEST_CASE("subscriptions: all there is, the end-of-RIB, then changes", "[vpn]") {
  World w;
  w.announce("10.1.0.1/32");
  w.announce("10.1.0.2/32");
  CHECK(w.tables.subscribe(w.one, w.blue));
  CHECK_FALSE(w.tables.subscribe(w.one, NetworkId(77)));
  w.run();
  CHECK(w.take(w.one) == Texts{"10.1.0.1/32 192.0.2.1", "10.1.0.2/32 192.0.2.1", "end"});
  w.announce("10.1.0.2/32", "192.0.2.2");
  w.announce("10.1.0.3/32", "192.0.2.2", w.red);
  w.withdraw("10.1.0.1/32");
  w.run();
  CHECK(w.take(w.one) == Texts{"10.1.0.2/32 192.0.2.2", "10.1.0.1/32 -"});
}

TEST_CASE("subscriptions: one end-of-RIB, after all that was subscribed to, empty or not",
          "[vpn]") {
  World w;
  w.announce("10.1.0.1/32");
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.one, w.red);
  w.run();
  CHECK(w.take(w.one) == Texts{"10.1.0.1/32 192.0.2.1", "end"});
  w.tables.unsubscribe(w.one, w.red);
  w.tables.subscribe(w.one, w.red);
  w.run();
  CHECK(w.take(w.one) == Texts{"end"});
  // Once more: all again.
  w.tables.subscribe(w.one, w.blue);
  w.run();
  CHECK(w.take(w.one) == Texts{"10.1.0.1/32 192.0.2.1", "end"});
}

TEST_CASE("subscriptions: a change is delivered once to all who keep up", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.two, w.blue);
  w.run();
  w.got.clear();
  w.deliveries = 0;
  w.announce("10.1.0.1/32");
  w.announce("10.1.0.2/32");
  w.run();
  CHECK(w.deliveries == 1);
  CHECK(w.take(w.one) == Texts{"10.1.0.1/32 192.0.2.1", "10.1.0.2/32 192.0.2.1"});
  CHECK(w.take(w.two) == Texts{"10.1.0.1/32 192.0.2.1", "10.1.0.2/32 192.0.2.1"});
}

TEST_CASE("subscriptions: who takes nothing gets the newest later, and then keeps up", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.two, w.blue);
  w.run();
  w.got.clear();
  w.tables.set_ready(w.two, false);
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    w.announce("10.1.0.1/32", address);
    w.run();
  }
  CHECK(w.take(w.one).size() == 3);
  CHECK(w.take(w.two).empty());
  w.tables.set_ready(w.two, true);
  w.run();
  CHECK(w.take(w.one).empty());
  CHECK(w.take(w.two) == Texts{"10.1.0.1/32 192.0.2.3"});
  w.deliveries = 0;
  w.announce("10.1.0.1/32", "192.0.2.4");
  w.run();
  CHECK(w.deliveries == 1);
  CHECK(w.take(w.two) == Texts{"10.1.0.1/32 192.0.2.4"});
}

TEST_CASE("subscriptions: the end-of-RIB waits until it is taken", "[vpn]") {
  World w;
  w.tables.set_ready(w.one, false);
  w.tables.subscribe(w.one, w.blue);
  w.run();
  CHECK(w.take(w.one).empty());
  w.tables.set_ready(w.one, true);
  w.run();
  CHECK(w.take(w.one) == Texts{"end"});
}

TEST_CASE("subscriptions: a newcomer does not delay who keeps up", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  for (unsigned i = 0; i < 100; ++i) w.announce(("10.1.0." + std::to_string(i) + "/32").c_str());
  w.run();
  w.got.clear();
  w.tables.subscribe(w.two, w.blue);
  w.step(2);
  w.announce("10.1.0.7/32", "192.0.2.9");
  for (unsigned i = 0; i < 2; ++i) w.step(2);
  CHECK(w.take(w.one) == Texts{"10.1.0.7/32 192.0.2.9"});
  CHECK(w.take(w.two).size() >= 2);
}

TEST_CASE("subscriptions: networks take turns", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.one, w.red);
  w.run();
  for (unsigned i = 0; i < 10; ++i) w.announce(("10.1.0." + std::to_string(i) + "/32").c_str());
  w.announce("10.2.0.0/24", "192.0.2.1", w.red);
  w.got.clear();
  w.step(2);
  w.step(2);
  const auto got = w.take(w.one);
  CHECK(std::count(got.begin(), got.end(), "10.2.0.0/24 192.0.2.1") == 1);
}

TEST_CASE("subscriptions: who stands still while too much goes is given up", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.two, w.blue);
  w.tables.subscribe(w.two, w.red);
  const auto come_and_go = [&](unsigned i) {
    const std::string prefix = "10.1.0." + std::to_string(i) + "/32";
    w.announce(prefix.c_str());
    w.withdraw(prefix.c_str());
  };
  w.run();
  w.tables.set_ready(w.two, false);
  for (unsigned i = 0; i < most_withdrawn; ++i) come_and_go(i);
  CHECK(w.tables.table(w.blue)->withdrawn() == most_withdrawn);
  CHECK(w.tables.take_overrun().empty());
  come_and_go(most_withdrawn);
  CHECK(w.tables.take_overrun() == std::vector{w.two});
  CHECK(w.tables.take_overrun().empty());
  CHECK(w.tables.subscribers(w.blue) == std::vector{w.one});
  CHECK(w.tables.subscribers(w.red).empty());
  w.run();
  CHECK(w.tables.table(w.blue)->withdrawn() == 0);
  w.tables.remove_subscriber(w.two);
  // It comes back and gets all.
  w.announce("10.1.0.1/32");
  const auto again = w.tables.add_subscriber();
  w.tables.subscribe(again, w.blue);
  w.got.clear();
  w.run();
  CHECK(w.take(again) == Texts{"10.1.0.1/32 192.0.2.1", "end"});
}

TEST_CASE("subscriptions: those that end get nothing more", "[vpn]") {
  World w;
  w.tables.subscribe(w.one, w.blue);
  w.tables.subscribe(w.two, w.blue);
  w.run();
  w.got.clear();
  w.announce("10.1.0.1/32");
  w.tables.unsubscribe(w.one, w.blue);
  w.tables.remove_subscriber(w.two);
  w.run();
  CHECK(w.got.empty());
  w.tables.subscribe(w.one, w.blue);
  w.tables.remove_network(w.blue);
  while (w.tables.work(100)) {
  }
  w.run();
  CHECK(w.take(w.one) == Texts{"end"});
  CHECK(w.tables.subscribers(w.blue).empty());
}

}  // namespace weft::vpn::subscriptions_test
