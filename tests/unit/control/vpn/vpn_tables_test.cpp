#include <catch2/catch.hpp>

#include "support/routes.hpp"
#include "vpn/vpn_tables.hpp"

namespace weft::vpn::vpn_tables_test {
namespace {

using namespace std::chrono_literals;
using test::addresses;
using test::mobile;
using test::route;
using test::via;
using Texts = std::vector<std::string>;

NetworkConfig config(const char* name, const char* rd, std::vector<const char*> imports,
                     std::vector<const char*> exports) {
  NetworkConfig made{name, test::rd(rd), {}, {}};
  for (const char* text : imports) made.import_targets.push_back(test::target(text));
  for (const char* text : exports) made.export_targets.push_back(test::target(text));
  return made;
}

struct World {
  explicit World(const DampingRule& rule = {}) : tables(rule) {}

  VpnTables tables;
  Time now{1h};
  NetworkId blue = tables.set_network(config("blue", "1:1", {"1:1"}, {"1:1"})).value();
  NetworkId red = tables.set_network(config("red", "1:2", {"1:2"}, {"1:2"})).value();
  SourceId a = tables.add_source("a");
  SourceId b = tables.add_source("b");
  SourceId c = tables.add_source("c");
  Nlri nlri = route("10.1.0.1/32");

  void announce(SourceId source, NetworkId network, const Attributes& attributes) {
    CHECK(tables.announce(source, network, nlri, attributes, now));
  }
  void withdraw(SourceId source, NetworkId network) {
    CHECK(tables.withdraw(source, network, nlri));
  }
  void settle() {
    while (tables.work(1)) {
    }
  }
  /// What a network sees there.
  const Attributes* seen(NetworkId network) {
    const auto* const found = tables.table(network)->find(nlri.within(tables.network(network)->rd));
    return found != nullptr && found->best ? &*found->best : nullptr;
  }
  std::string seen_at(NetworkId network) {
    const auto* const found = seen(network);
    return found == nullptr ? "-" : addresses(*found).front();
  }
};

}  // namespace

TEST_CASE("networks: a route stands in its network, with its name and its node's", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, via("192.0.2.1"));
  REQUIRE(w.seen(w.blue));
  CHECK(w.seen(w.blue)->virtual_network == "blue");
  CHECK(w.seen(w.blue)->origin == "a");
  CHECK(w.seen(w.red) == nullptr);
  w.withdraw(w.a, w.blue);
  CHECK(w.seen(w.blue) == nullptr);
  CHECK(w.tables.attribute_sets() == 0);

  CHECK_FALSE(w.tables.announce(w.a, NetworkId(77), w.nlri, via("192.0.2.1"), w.now));
  CHECK_FALSE(w.tables.announce(SourceId(77), w.blue, w.nlri, via("192.0.2.1"), w.now));
  CHECK_FALSE(w.tables.withdraw(w.a, NetworkId(77), w.nlri));
}

TEST_CASE("networks: routes leak as targets say, one way, and no further", "[vpn]") {
  World w;
  const auto shared =
      w.tables.set_network(config("shared", "1:3", {"1:3", "1:1"}, {"1:3"})).value();
  const auto third = w.tables.set_network(config("third", "1:4", {"1:3"}, {})).value();
  w.announce(w.a, w.blue, via("192.0.2.1"));
  CHECK(w.seen_at(shared) == "192.0.2.1");
  CHECK(w.seen(shared)->virtual_network == "blue");
  CHECK(w.seen(third) == nullptr);

  w.announce(w.b, shared, via("192.0.2.2"));
  CHECK(w.seen_at(third) == "192.0.2.2");
  CHECK(addresses(*w.seen(shared)) == Texts{"192.0.2.1", "192.0.2.2"});
  CHECK(w.seen_at(w.blue) == "192.0.2.1");
  // What is published in a network that exports nothing stands nowhere.
  w.announce(w.c, third, via("192.0.2.3"));
  CHECK(w.seen_at(third) == "192.0.2.2");
}

TEST_CASE("networks: targets change under routes", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, via("192.0.2.1"));
  w.announce(w.b, w.red, via("192.0.2.2"));
  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:2", "1:1"}, {"1:2"})));
  CHECK(w.tables.work(1000) == false);
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.1", "192.0.2.2"});
  CHECK(w.seen_at(w.blue) == "192.0.2.1");

  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:1"}, {"1:2"})));
  w.settle();
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.1"});
  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:2"}, {"1:2"})));
  w.settle();
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.2"});
  REQUIRE(w.tables.set_network(config("blue", "1:1", {"1:1"}, {"1:1", "1:2"})));
  w.settle();
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.1", "192.0.2.2"});

  // A path that is stale is so in all tables.
  w.tables.mark_stale(w.a);
  REQUIRE(w.tables.set_network(config("red", "1:2", {}, {})));
  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:2"}, {"1:2"})));
  w.settle();
  CHECK(w.tables.sources().find(w.a)->stale() == 2);
  w.tables.sweep(w.a);
  w.settle();
  CHECK(w.seen(w.blue) == nullptr);
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.2"});
}

TEST_CASE("networks: one distinguisher, one network", "[vpn]") {
  World w;
  const auto taken = w.tables.set_network(config("green", "1:1", {}, {}));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message ==
        "network green: route distinguisher 1:1 is that of network blue; give each network its "
        "own");
  const auto moved = w.tables.set_network(config("blue", "1:9", {}, {}));
  REQUIRE_FALSE(moved);
  CHECK(moved.error().message ==
        "network blue: its route distinguisher is 1:1 and cannot become 1:9; remove the network "
        "first");
  const auto other = w.tables.set_network(config("blue", "1:2", {}, {}));
  REQUIRE_FALSE(other);
}

TEST_CASE("networks: one that goes takes its routes out of all", "[vpn]") {
  World w;
  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:2", "1:1"}, {"1:2"})));
  w.announce(w.a, w.blue, via("192.0.2.1"));
  w.announce(w.b, w.red, via("192.0.2.2"));
  w.tables.remove_network(w.blue);
  CHECK(w.tables.network(w.blue) == nullptr);
  CHECK_FALSE(w.tables.find_network("blue"));
  CHECK_FALSE(w.tables.announce(w.a, w.blue, w.nlri, via("192.0.2.1"), w.now));
  // Its name and RD are free at once.
  const auto again = w.tables.set_network(config("blue", "1:1", {"1:1"}, {"1:1"})).value();
  w.announce(w.a, again, via("192.0.2.9"));
  w.settle();
  CHECK(addresses(*w.seen(w.red)) == Texts{"192.0.2.2", "192.0.2.9"});
  CHECK(w.seen_at(again) == "192.0.2.9");
  CHECK(w.tables.sources().find(w.a)->paths == 2);
}

TEST_CASE("networks: a source that is swept or removed leaves nothing", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, via("192.0.2.1"));
  w.announce(w.b, w.blue, via("192.0.2.2"));
  w.tables.mark_stale(w.a);
  w.tables.mark_stale(w.b);
  w.announce(w.b, w.blue, via("192.0.2.2"));
  w.tables.sweep(w.a);
  w.tables.sweep(w.b);
  w.settle();
  CHECK(addresses(*w.seen(w.blue)) == Texts{"192.0.2.2"});
  w.tables.remove_source(w.b);
  // What comes in between goes, too.
  w.announce(w.b, w.red, via("192.0.2.2"));
  w.settle();
  CHECK(w.seen(w.blue) == nullptr);
  CHECK(w.seen(w.red) == nullptr);
  CHECK(w.tables.sources().find(w.b) == nullptr);
  CHECK(w.tables.attribute_sets() == 0);
}

TEST_CASE("networks: an address moves to the node that claims it with a higher sequence", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0));
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 1));
  CHECK(addresses(*w.seen(w.blue)) == Texts{"192.0.2.2"});
  CHECK(w.seen(w.blue)->sequence() == 1);
  // The old place says it again, and it changes nothing.
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0));
  CHECK(w.seen_at(w.blue) == "192.0.2.2");
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 2));
  CHECK(w.seen_at(w.blue) == "192.0.2.1");
  CHECK(w.tables.duplicates().empty());
}

TEST_CASE("networks: who claims an address unaware gets its sequence here", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 7));
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 0));
  CHECK(w.seen_at(w.blue) == "192.0.2.2");
  CHECK(w.seen(w.blue)->sequence() == 8);
  // It is told again as it was at first, then changed: it stays, and no sequence falls.
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 0));
  CHECK(w.seen(w.blue)->sequence() == 8);
  w.announce(w.b, w.blue, mobile(via("192.0.2.2", 99), 0));
  CHECK(w.seen(w.blue)->sequence() == 8);
  CHECK(w.seen(w.blue)->next_hops[0].label == 99U);
  // The node has seen its own route and uses the sequence.
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 8));
  CHECK(w.seen(w.blue)->sequence() == 8);

  SECTION("another source that tells of the same node is no other claim") {
    w.announce(w.c, w.blue, mobile(via("192.0.2.2", 16, "b"), 0));
    CHECK(w.seen(w.blue)->sequence() == 8);
    w.withdraw(w.b, w.blue);
    CHECK(w.seen_at(w.blue) == "192.0.2.2");
  }
  SECTION("routes that are not mobile are not touched") {
    w.announce(w.c, w.blue, via("192.0.2.3"));
    CHECK(w.seen_at(w.blue) == "192.0.2.2");
  }
  SECTION("a sequence does not wrap") {
    w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0xffffffff));
    w.announce(w.c, w.blue, mobile(via("192.0.2.0"), 0));
    CHECK(w.seen_at(w.blue) == "192.0.2.1");
    CHECK(w.seen(w.blue)->sequence() == 0xffffffff);
  }
}

TEST_CASE("networks: a sticky address stays", "[vpn]") {
  World w;
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0, true));
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 5));
  CHECK(w.seen_at(w.blue) == "192.0.2.1");
  w.announce(w.c, w.blue, mobile(via("192.0.2.3"), 0, true));
  CHECK(w.seen_at(w.blue) == "192.0.2.3");
}

TEST_CASE("networks: an address that two nodes fight for is held at one", "[vpn]") {
  World w({3, 10s, 20s});
  // Imported by another one, where the same must hold.
  REQUIRE(w.tables.set_network(config("red", "1:2", {"1:1"}, {})));
  const auto fight = [&](SourceId source, const char* address) {
    w.withdraw(source, w.blue);
    w.announce(source, w.blue, mobile(via(address), 0));
  };
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0));
  w.announce(w.b, w.blue, mobile(via("192.0.2.2"), 0));
  fight(w.a, "192.0.2.1");
  fight(w.b, "192.0.2.2");
  CHECK(w.seen_at(w.blue) == "192.0.2.2");
  CHECK(w.tables.take_new_duplicates().empty());

  fight(w.a, "192.0.2.1");
  CHECK(w.seen_at(w.blue) == "192.0.2.2");
  CHECK(w.seen_at(w.red) == "192.0.2.2");
  const auto told = w.tables.take_new_duplicates();
  REQUIRE(told.size() == 1);
  CHECK(told[0].kept == "b");
  CHECK(told[0].refused == "a");
  CHECK(told[0].nlri == w.nlri);
  CHECK(w.tables.take_new_duplicates().empty());
  // However high it bids; and saying it again frees nothing.
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 1000));
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 1000));
  CHECK(w.seen_at(w.blue) == "192.0.2.2");
  REQUIRE(w.tables.duplicates().size() == 1);
  CHECK(w.tables.duplicates()[0].claims == 2);

  SECTION("until it has been quiet") {
    w.now += 19s;
    w.tables.tick(w.now);
    CHECK(w.seen_at(w.blue) == "192.0.2.2");
    w.now += 1s;
    w.tables.tick(w.now);
    CHECK(w.tables.duplicates().empty());
    CHECK(w.seen_at(w.blue) == "192.0.2.1");
    CHECK(w.seen_at(w.red) == "192.0.2.1");
  }
  SECTION("or the one that has it leaves it") {
    w.withdraw(w.b, w.blue);
    CHECK(w.seen_at(w.blue) == "192.0.2.1");
    CHECK(w.seen_at(w.red) == "192.0.2.1");
    CHECK(w.tables.duplicates().empty());
  }
}

TEST_CASE("networks: moves that are far apart are no fight", "[vpn]") {
  World w({3, 10s, 20s});
  w.announce(w.a, w.blue, mobile(via("192.0.2.1"), 0));
  for (std::uint32_t i = 1; i < 20; ++i) {
    const bool odd = i % 2 == 1;
    w.announce(odd ? w.b : w.a, w.blue, mobile(via(odd ? "192.0.2.2" : "192.0.2.1"), i));
    CHECK(w.seen_at(w.blue) == (odd ? "192.0.2.2" : "192.0.2.1"));
    w.now += 4s;
    w.tables.tick(w.now);
  }
  CHECK(w.tables.duplicates().empty());
}

}  // namespace weft::vpn::vpn_tables_test
