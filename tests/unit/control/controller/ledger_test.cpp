#include "controller/ledger.hpp"

#include <catch2/catch.hpp>

namespace weft::ledger_test {

using namespace weft::controller;
using namespace std::chrono_literals;

TEST_CASE("ledger: the later word counts, and of two at once that of the greater name", "[merge]") {
  Ledger ledger("c1");
  const Key key{Kind::vm, "vm1"};
  ledger.put(key, {.stamp = {7, "c0"}});
  CHECK_FALSE(ledger.counts(key, {6, "c9"}));
  CHECK_FALSE(ledger.counts(key, {7, "c0"}));
  CHECK(ledger.counts(key, {7, "c1"}));
  CHECK(ledger.counts(key, {8, "a"}));
  CHECK(ledger.next() == Stamp{8, "c1"});
}

TEST_CASE("ledger: what was gone for long is forgotten, and nothing else", "[merge]") {
  Ledger ledger("c0");
  const std::chrono::sys_seconds now{1'000'000s};
  ledger.put({Kind::vm, "old"}, {.stamp = {1, "c0"}, .gone = now - 10s});
  ledger.put({Kind::vm, "young"}, {.stamp = {2, "c0"}, .gone = now});
  ledger.put({Kind::vm, "there"}, {.stamp = {3, "c0"}});
  CHECK(ledger.forget(now) == std::vector<Key>{{Kind::vm, "old"}});
  CHECK(ledger.entries().size() == 2);
  CHECK_FALSE(ledger.write_of({Kind::vm, "old"}).value);
}

TEST_CASE("ledger: as it is written it is read", "[merge]") {
  Ledger ledger("c0");
  const Key key{Kind::device, "leaf"};
  ledger.put(key, {.stamp = {3, "c1"},
                   .aside = Aside{Device{.name = "leaf", .addresses = {}}, "no place"}});
  ledger.put({Kind::vm, "gone"}, {.stamp = {4, "c1"}, .gone = std::chrono::sys_seconds{5s}});
  Ledger again("c0");
  for (const auto& [name, entry] : ledger.entries()) {
    const auto write = ledger.write_of(name);
    REQUIRE(again.read({write.kind, write.name, *write.value}));
  }
  CHECK(again.find(key)->stamp == Stamp{3, "c1"});
  CHECK(again.aside().at(key).reason == "no place");
  CHECK(again.find({Kind::vm, "gone"})->gone == std::chrono::sys_seconds{5s});
  CHECK(again.next().count == 5);
  for (const char* damaged : {"", "{}", R"({"count": -1})", R"({"count": 1, "aside": {"x": 1}})"}) {
    CHECK_FALSE(again.read({Ledger::kind, "vm/x", damaged}));
  }
  CHECK_FALSE(again.read({Ledger::kind, "nothing/x", R"({"count": 1})"}));
}

}  // namespace weft::ledger_test
