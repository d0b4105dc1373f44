#include <catch2/catch.hpp>

#include <map>

#include "support/routes.hpp"
#include "vpn/table.hpp"

namespace weft::vpn::table_test {
namespace {

using test::addresses;
using test::mobile;
using test::route;
using test::via;
using Texts = std::vector<std::string>;

struct World {
  Sources sources;
  AttributePool pool;
  Table table{sources, pool};
  SourceId a = sources.add("a");
  SourceId b = sources.add("b");
  Nlri nlri = route("10.1.0.1/32");

  bool announce(SourceId source, Attributes attributes) {
    return announce(nlri, source, attributes);
  }
  bool announce(const Nlri& of, SourceId source, const Attributes& attributes) {
    return table.announce(of, {source}, pool.intern(attributes));
  }
  bool withdraw(SourceId source) { return table.withdraw(nlri, {source}); }
  const Attributes& best() { return *table.find(nlri)->best; }
};

/// All that a reader has not read, as `PREFIX ADDRESS` or `PREFIX -`.
Texts read(Table& table, Table::ReaderId reader, std::size_t most = 100) {
  Texts changes;
  table.read(reader, most, [&](const Nlri& nlri, const AttributesRef& best) {
    changes.push_back(to_string(nlri) + " " + (best ? addresses(*best).front() : "-"));
  });
  return changes;
}

}  // namespace

TEST_CASE("table: equal paths of two sources are one, until the last leaves", "[vpn]") {
  World w;
  CHECK(w.announce(w.a, via("192.0.2.1")));
  CHECK_FALSE(w.announce(w.b, via("192.0.2.1")));
  CHECK(addresses(w.best()) == Texts{"192.0.2.1"});
  CHECK_FALSE(w.withdraw(w.a));
  CHECK_FALSE(w.withdraw(w.a));
  CHECK(w.withdraw(w.b));
  CHECK(w.table.find(w.nlri) == nullptr);
  CHECK(w.table.empty());
}

TEST_CASE("table: preference goes by local preference, sticky, sequence and MED", "[vpn]") {
  World w;
  // Each is better than all before it, by what counts more.
  Attributes last = via("192.0.2.1", 16, "n1");
  last.med = 9;
  Attributes by_med = via("192.0.2.2", 16, "n2");
  by_med.med = 8;
  Attributes by_sequence = mobile(via("192.0.2.3", 16, "n3"), 1);
  by_sequence.med = 100;
  Attributes by_sticky = mobile(via("192.0.2.4", 16, "n4"), 0, true);
  Attributes by_preference = via("192.0.2.5", 16, "n5");
  by_preference.local_preference = 101;
  by_preference.med = 1000;
  std::vector<SourceId> sources;
  const std::vector all{last, by_med, by_sequence, by_sticky, by_preference};
  for (const auto& attributes : all) {
    sources.push_back(w.sources.add("s"));
    w.announce(sources.back(), attributes);
    CHECK(w.best() == attributes);
  }
  for (std::size_t i = all.size() - 1; i > 0; --i) {
    w.withdraw(sources[i]);
    CHECK(w.best() == all[i - 1]);
  }
}

TEST_CASE("table: equal paths of several nodes share", "[vpn]") {
  World w;
  Attributes of_b = via("192.0.2.1", 17, "b");
  of_b.next_hops.push_back(test::next_hop("192.0.2.0", 18));
  w.announce(w.a, via("192.0.2.3", 16, "a"));
  CHECK(w.best().origin == "a");
  w.announce(w.b, of_b);
  CHECK(addresses(w.best()) == Texts{"192.0.2.0", "192.0.2.1", "192.0.2.3"});
  CHECK(w.best().origin.empty());

  SECTION("the same address is told by the newer") {
    w.announce(w.a, via("192.0.2.1", 99, "a"));
    CHECK(addresses(w.best()) == Texts{"192.0.2.0", "192.0.2.1"});
    CHECK(w.best().next_hops[1].label == 99U);
    of_b.next_hops[0].label = 98;
    w.announce(w.b, of_b);
    CHECK(w.best().next_hops[1].label == 98U);
  }
  SECTION("mobile addresses are at one place: the lowest next hop, whoever tells first") {
    w.announce(w.a, mobile(via("192.0.2.3", 16, "a"), 0));
    CHECK(w.best() == of_b);
    w.announce(w.b, mobile(via("192.0.2.4", 16, "b"), 0));
    CHECK(addresses(w.best()) == Texts{"192.0.2.3"});
  }
  SECTION("there are bounds") {
    for (unsigned i = 0; i < 100; ++i) {
      const auto source = w.sources.add("s");
      w.announce(source, via(("198.51.100." + std::to_string(i)).c_str(), 16, std::to_string(i)));
    }
    CHECK(w.best().next_hops.size() == most_next_hops);
    CHECK(addresses(w.best()).front() == "192.0.2.0");
  }
}

TEST_CASE("table: sources that tell of one node are voices of one truth", "[vpn]") {
  World w;
  Attributes preferred = via("192.0.2.1", 16, "n");
  preferred.local_preference = 200;
  w.announce(w.a, preferred);
  w.announce(w.b, via("192.0.2.1", 17, "n"));
  // The newer word, though its preference is lower.
  CHECK(w.best().next_hops[0].label == 17U);
  // To say it again makes it no newer.
  CHECK_FALSE(w.announce(w.a, preferred));
  CHECK(w.announce(w.a, via("192.0.2.1", 18, "n")));
  CHECK(w.best().next_hops[0].label == 18U);
  // Sequences count more than age.
  CHECK(w.announce(w.a, mobile(via("192.0.2.1", 19, "n"), 5)));
  CHECK_FALSE(w.announce(w.b, mobile(via("192.0.2.1", 20, "n"), 4)));
  CHECK(w.withdraw(w.a));
  CHECK(w.best().next_hops[0].label == 20U);
}

TEST_CASE("table: what comes back in time has never been away", "[vpn]") {
  World w;
  const Nlri other = route("10.1.0.2/32");
  w.announce(w.a, via("192.0.2.1"));
  w.announce(other, w.a, via("192.0.2.1"));
  const auto reader = w.table.add_reader();
  CHECK(read(w.table, reader).size() == 2);

  w.sources.mark_stale(w.a);
  CHECK(w.table.stale(*w.table.find(w.nlri, {w.a})));
  CHECK(w.sources.find(w.a)->stale() == 2);
  CHECK_FALSE(w.announce(w.a, via("192.0.2.1")));
  CHECK_FALSE(w.table.stale(*w.table.find(w.nlri, {w.a})));
  CHECK(w.sources.find(w.a)->stale() == 1);
  CHECK(w.table.position(reader) == Table::at_end);

  CHECK(w.table.sweep(w.a) == 1);
  CHECK(w.sources.find(w.a)->stale() == 0);
  CHECK(w.sources.find(w.a)->paths == 1);
  CHECK(read(w.table, reader) == Texts{"10.1.0.2/32 -"});
}

TEST_CASE("table: a sweep takes what is stale, of one source, in one VPN", "[vpn]") {
  World w;
  const Nlri elsewhere = route("10.1.0.1/32", "2:2");
  w.announce(w.a, via("192.0.2.1"));
  w.announce(w.b, via("192.0.2.1"));
  w.announce(elsewhere, w.a, via("192.0.2.1"));
  w.sources.mark_stale(w.a);
  w.sources.mark_stale(w.b);
  CHECK(w.table.sweep(w.a, test::rd("1:1")) == 1);
  CHECK(w.table.find(w.nlri, {w.a}) == nullptr);
  CHECK(w.table.find(w.nlri, {w.b}) != nullptr);
  CHECK(w.table.find(elsewhere) != nullptr);
  CHECK(w.table.sweep(w.a) == 1);
  CHECK(w.table.size() == 1);
}

TEST_CASE("table: paths that may not be used are held", "[vpn]") {
  World w;
  const auto attributes = w.pool.intern(via("192.0.2.1"));
  const auto reader = w.table.add_reader();
  CHECK_FALSE(w.table.announce(w.nlri, {w.a}, attributes, Use::elsewhere));
  CHECK_FALSE(w.table.find(w.nlri)->best);
  CHECK(w.table.size() == 0);
  CHECK(w.table.set_use(w.nlri, {w.a}, Use::here));
  CHECK(w.table.size() == 1);
  CHECK(w.table.set_use(w.nlri, {w.a}, Use::damped));
  CHECK(read(w.table, reader) == Texts{"10.1.0.1/32 -"});
  CHECK(w.table.withdrawn() == 0);
  CHECK(w.table.find(w.nlri) != nullptr);
  CHECK_FALSE(w.table.withdraw(w.nlri, {w.a}));
  CHECK(w.table.empty());
}

TEST_CASE("table: readers get all, then changes, the newest alone", "[vpn]") {
  World w;
  const auto prompt = w.table.add_reader();
  w.announce(route("10.1.0.1/32"), w.a, via("192.0.2.1"));
  w.announce(route("10.1.0.2/32"), w.a, via("192.0.2.1"));
  w.announce(route("10.1.0.3/32"), w.a, via("192.0.2.1"));
  CHECK(read(w.table, prompt, 2) == Texts{"10.1.0.1/32 192.0.2.1", "10.1.0.2/32 192.0.2.1"});
  CHECK(read(w.table, prompt) == Texts{"10.1.0.3/32 192.0.2.1"});
  CHECK(w.table.position(prompt) == Table::at_end);

  const auto slow = w.table.add_reader();
  CHECK(w.table.position(slow) < Table::at_end);
  // The very place where it stands moves away from under it.
  w.announce(route("10.1.0.1/32"), w.a, via("192.0.2.2"));
  w.announce(route("10.1.0.1/32"), w.a, via("192.0.2.3"));
  w.table.withdraw(route("10.1.0.3/32"), {w.a});
  CHECK(read(w.table, prompt) == Texts{"10.1.0.1/32 192.0.2.3", "10.1.0.3/32 -"});
  CHECK(w.table.withdrawn() == 1);
  const auto late = w.table.add_reader();
  CHECK(read(w.table, slow) ==
        Texts{"10.1.0.2/32 192.0.2.1", "10.1.0.1/32 192.0.2.3", "10.1.0.3/32 -"});
  // What was gone before it came is not told to it.
  CHECK(read(w.table, late) == Texts{"10.1.0.2/32 192.0.2.1", "10.1.0.1/32 192.0.2.3"});
  CHECK(w.table.withdrawn() == 0);
}

TEST_CASE("table: withdrawn routes are kept for readers alone", "[vpn]") {
  World w;
  w.announce(w.a, via("192.0.2.1"));
  const auto slow = w.table.add_reader();
  w.withdraw(w.a);
  w.announce(w.a, via("192.0.2.2"));
  CHECK(w.table.withdrawn() == 0);
  w.withdraw(w.a);
  CHECK(w.table.withdrawn() == 1);
  w.table.remove_reader(slow);
  CHECK(w.table.withdrawn() == 0);
  CHECK(w.table.empty());
}

TEST_CASE("table: readers at one place read together", "[vpn]") {
  World w;
  const std::vector readers{w.table.add_reader(), w.table.add_reader()};
  w.announce(w.a, via("192.0.2.1"));
  unsigned seen = 0;
  w.table.read(readers, 10, [&](const Nlri&, const AttributesRef&) { ++seen; });
  CHECK(seen == 1);
  CHECK(w.table.position(readers[0]) == Table::at_end);
  CHECK(w.table.position(readers[1]) == Table::at_end);
}

TEST_CASE("table: a table that goes leaves its sources without paths", "[vpn]") {
  Sources sources;
  AttributePool pool;
  const auto a = sources.add("a");
  {
    Table table(sources, pool);
    table.announce(route("10.1.0.1/32"), {a}, pool.intern(via("192.0.2.1")));
    sources.mark_stale(a);
    CHECK(sources.find(a)->paths == 1);
  }
  CHECK(sources.find(a)->paths == 0);
  CHECK(sources.find(a)->stale() == 0);
  CHECK(pool.size() == 0);
  sources.remove(a);
  CHECK(sources.find(a) == nullptr);
  CHECK(sources.find(sources.add("b"))->name == "b");
  CHECK(sources.find(a) == nullptr);
}

}  // namespace weft::vpn::table_test
