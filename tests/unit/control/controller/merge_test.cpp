// Controllers that tell each other what was said to them.
#include <random>

#include "support/seed.hpp"
#include "unit/control/controller/bench.hpp"

namespace weft::merge_test {

using namespace weft::controller;
using weft::controller::test::Bench;

namespace {

/// Two controllers, and what is under way between them.
class Two {
 public:
  Two() {
    for (std::size_t i = 0; i < 2; ++i) {
      at[i].core->on_said = [this, i](const std::vector<Key>& keys) {
        untold_[i].insert(keys.begin(), keys.end());
      };
    }
  }
  Two(const Two&) = delete;
  Two& operator=(const Two&) = delete;

  /// Some of what one has to tell the other, in any portions.
  void tell(std::size_t from, std::size_t most) {
    std::vector<Record> records;
    while (records.size() < most && !untold_[from].empty()) {
      const auto key = untold_[from].extract(untold_[from].begin()).value();
      records.push_back(at[from].core->record(key));
    }
    REQUIRE(at[1 - from].core->merge(std::move(records)));
    at[1 - from].settle();
  }
  void exchange(std::size_t portion = 1000) {
    while (!untold_[0].empty() || !untold_[1].empty()) {
      tell(0, portion);
      tell(1, portion);
    }
  }
  /// As at the beginning of a session.
  void tell_all() {
    for (std::size_t i = 0; i < 2; ++i) {
      for (const auto& [key, entry] : at[i].core->ledger().entries()) untold_[i].insert(key);
    }
    exchange();
  }

  Bench at[2] = {Bench{"c0", true}, Bench{"c1", true}};

 private:
  std::set<Key> untold_[2];
};

std::map<Key, std::string> objects(const Bench& bench) {
  std::map<Key, std::string> out;
  for (const auto& [key, object] : bench.core->model().objects()) {
    out.emplace(key, object_json(object).dump());
  }
  return out;
}

std::map<Key, std::string> aside(const Bench& bench) {
  std::map<Key, std::string> out;
  for (const auto& [key, one] : bench.core->ledger().aside()) {
    out.emplace(key, object_json(one.object).dump());
  }
  return out;
}

const Numbers& numbers(const Bench& bench, const std::string& network) {
  return *bench.core->model().find<Numbers>(Kind::numbers, network);
}

std::string network(const std::string& name, const std::string& more = {}) {
  return "networks: [{name: " + name + ", subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]" +
         more + "}]";
}

}  // namespace

TEST_CASE("merge: what is said to one is known to the other, with its numbers", "[merge]") {
  Two two;
  REQUIRE(two.at[0]
              .apply("nodes: [{name: a, tunnel_addresses: [192.0.2.1]}]\n" + network("blue") +
                     "\nvms: [{name: vm1, node: a, network: blue, mac: '02:00:00:00:00:01', "
                     "addresses: [10.1.0.5]}]")
              .empty());
  two.exchange();
  CHECK(objects(two.at[1]) == objects(two.at[0]));
  CHECK(objects(two.at[1]).size() == 4);
  SECTION("the later word holds, whoever has it") {
    REQUIRE(two.at[1].apply(network("blue", ", tunnels: [geneve]")).empty());
    two.exchange();
    CHECK(objects(two.at[1]) == objects(two.at[0]));
    CHECK(two.at[0].core->model().find<Network>(Kind::network, "blue")->tunnels ==
          std::vector{TunnelKind::geneve});
  }
  SECTION("what is gone is gone at both, and does not come back with old words") {
    const auto old = two.at[0].core->record({Kind::vm, "vm1"});
    REQUIRE(two.at[1].change({{{Kind::vm, "vm1"}, {}}}).empty());
    two.exchange();
    CHECK(objects(two.at[0]).size() == 3);
    REQUIRE(two.at[0].core->merge({old}));
    two.at[0].settle();
    CHECK(objects(two.at[0]).size() == 3);
    two.at[0].start();
    CHECK(two.at[0].core->ledger().find({Kind::vm, "vm1"})->gone);
    two.at[0].core->tick();
    two.at[0].settle();
    CHECK(two.at[0].core->ledger().find({Kind::vm, "vm1"}) != nullptr);
  }
  SECTION("what was said once is no news") {
    const auto told = two.at[1].told.size();
    two.tell_all();
    CHECK(two.at[1].told.size() == told);
  }
  SECTION("one that lost its state has it again") {
    Bench empty{"c1", true};
    std::vector<Record> records;
    for (const auto& [key, entry] : two.at[0].core->ledger().entries()) {
      records.push_back(two.at[0].core->record(key));
    }
    REQUIRE(empty.core->merge(records));
    empty.settle();
    CHECK(objects(empty) == objects(two.at[0]));
  }
}

TEST_CASE("merge: two networks that want one VNI: the first has it", "[merge]") {
  Two two;
  REQUIRE(two.at[0].apply(network("red", ", vni: 700")).empty());
  REQUIRE(two.at[1].apply(network("green", ", vni: 700") + "\n").empty());
  REQUIRE(two.at[1].apply(network("green", ", vni: 700, tunnels: [geneve]")).empty());
  two.exchange();
  for (auto& one : two.at) {
    CHECK(one.core->model().find({Kind::network, "red"}) != nullptr);
    CHECK(one.core->model().find({Kind::network, "green"}) == nullptr);
    REQUIRE(one.core->ledger().aside().size() == 1);
    CHECK_THAT(one.core->ledger().aside().at({Kind::network, "green"}).reason,
               Catch::Contains("VNI 700 is taken by network red"));
  }
  SECTION("which a restart does not forget") {
    two.at[0].start();
    CHECK(aside(two.at[0]).size() == 1);
  }
  SECTION("until the first gives it back") {
    REQUIRE(two.at[0].apply(network("red", ", vni: 701")).empty());
    two.exchange();
    for (auto& one : two.at) {
      CHECK(one.core->ledger().aside().empty());
      CHECK(numbers(one, "green").vni == 700);
      CHECK(numbers(one, "red").vni == 701);
    }
  }
  SECTION("or the second asks for another") {
    REQUIRE(two.at[0].apply(network("green", ", vni: 702")).empty());
    two.exchange();
    for (auto& one : two.at) {
      CHECK(one.core->ledger().aside().empty());
      CHECK(numbers(one, "green").vni == 702);
    }
  }
  SECTION("or is deleted") {
    REQUIRE(two.at[1].change({{{Kind::network, "green"}, {}}}).empty());
    two.exchange();
    for (auto& one : two.at) CHECK(one.core->ledger().aside().empty());
  }
  SECTION("nobody else gets what an object that waits would have") {
    auto edits = read_document(network("blue", ", vni: 700") + "\n", "test").edits;
    edits.push_back({{Kind::network, "red"}, {}});
    CHECK_THAT(two.at[0].change(edits), Catch::Contains("700 is taken by network green"));
    CHECK(two.at[0].core->model().find({Kind::network, "red"}) != nullptr);
  }
}

TEST_CASE("merge: what hangs on something deleted elsewhere waits", "[merge]") {
  Two two;
  REQUIRE(two.at[0]
              .apply("nodes: [{name: a, tunnel_addresses: [192.0.2.1]}]\n" + network("blue"))
              .empty());
  two.exchange();
  REQUIRE(two.at[0].change({{{Kind::network, "blue"}, {}}}).empty());
  REQUIRE(two.at[1]
              .apply("vms: [{name: vm1, node: a, network: blue, mac: '02:00:00:00:00:01', "
                     "addresses: [10.1.0.5]}]")
              .empty());
  two.exchange();
  for (auto& one : two.at) {
    CHECK(one.core->model().find({Kind::vm, "vm1"}) == nullptr);
    CHECK_THAT(one.core->ledger().aside().at({Kind::vm, "vm1"}).reason,
               Catch::Contains("there is no network blue"));
  }
  REQUIRE(two.at[1].apply(network("blue")).empty());
  two.exchange();
  for (auto& one : two.at) CHECK(one.core->model().find({Kind::vm, "vm1"}) != nullptr);
}

TEST_CASE("merge: numbers that both chose are chosen again", "[merge]") {
  Two two;
  // The name's own number is taken at one of them, so that it goes to the next.
  REQUIRE(two.at[0].apply(network("blue")).empty());
  const auto chosen = numbers(two.at[0], "blue").vni;
  REQUIRE(two.at[1].apply(network("green", ", vni: " + std::to_string(chosen))).empty());
  SECTION("by whom it came to later") {
    REQUIRE(two.at[0].apply(network("blue", ", tunnels: [geneve]")).empty());
    two.exchange();
    CHECK(numbers(two.at[0], "green").vni == chosen);
    CHECK(numbers(two.at[0], "blue").vni != chosen);
    CHECK(objects(two.at[0]) == objects(two.at[1]));
    CHECK(two.at[0].core->ledger().aside().empty());
  }
}

TEST_CASE("merge: an object that no stanza holds is refused", "[merge]") {
  Bench bench;
  std::string rules;
  for (int i = 0; i < 6000; ++i)
    rules += "{protocol: tcp, ports: [" + std::to_string(i + 1) + "]},";
  CHECK_THAT(
      bench.apply("security_groups: [{name: large, ingress: [" + rules + "]}]"),
      Catch::Contains("security-group large takes ") && Catch::Contains("make several of it"));
}

TEST_CASE("merge: whoever has heard the same says the same", "[merge][property]") {
  const auto seed = weft::test::seed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) {
    return std::uniform_int_distribution<unsigned>(0, n - 1)(random);
  };
  for (unsigned round = 0; round < 6; ++round) {
    Two two;
    const auto name = [&](const char* kind, unsigned n) { return kind + std::to_string(below(n)); };
    for (unsigned step = 0; step < 60; ++step) {
      auto& one = two.at[below(2)];
      switch (below(8)) {
        case 0:
          (void)one.apply("nodes: [{name: " + name("n", 3) + ", tunnel_addresses: [192.0.2." +
                          std::to_string(1 + below(4)) + "]}]");
          break;
        case 1:
        case 2:
          (void)one.apply(network(name("net", 4), below(2) == 0 ? ", vni: 7" + name("", 2) : ""));
          break;
        case 3:
          (void)one.apply("vms: [{name: " + name("vm", 4) + ", node: " + name("n", 3) +
                          ", network: " + name("net", 4) + ", mac: '02:00:00:00:00:0" +
                          name("", 3) + "', addresses: [10.1.0." + name("", 4) + "]}]");
          break;
        case 4:
          (void)one.change({{{Kind::network, name("net", 4)}, {}}});
          break;
        case 5:
          (void)one.change({{{Kind::vm, name("vm", 4)}, {}}});
          break;
        case 6:
          (void)one.change({{{Kind::node, name("n", 3)}, {}}});
          break;
        default:
          two.tell(below(2), 1 + below(3));
      }
      if (below(20) == 0) one.start();
    }
    two.exchange(1 + below(4));
    two.tell_all();
    CHECK(objects(two.at[0]) == objects(two.at[1]));
    CHECK(aside(two.at[0]) == aside(two.at[1]));
    const auto before = objects(two.at[0]);
    two.at[0].start();
    CHECK(objects(two.at[0]) == before);
  }
}

}  // namespace weft::merge_test
