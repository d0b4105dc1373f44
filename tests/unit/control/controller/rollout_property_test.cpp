// What nodes have in the end is what the intents say, and no step on the way there leaves a sender
// with an encapsulation that its receiver does not let in.
#include <catch2/catch.hpp>
#include <random>

#include "support/seed.hpp"
#include "unit/control/controller/judge.hpp"

namespace weft::rollout_property_test {

using namespace weft::controller;
using namespace weft::controller::test;

namespace {

class RandomSite {
 public:
  explicit RandomSite(unsigned seed) : random_(seed) {
    for (unsigned i = 1; i <= 5; ++i) {
      std::string addresses;
      if (i != 4) addresses = "192.0.2." + std::to_string(i);
      if (i >= 3)
        addresses +=
            (addresses.empty() ? "\"" : ", \"") + ("2001:db8::" + std::to_string(i)) + "\"";
      REQUIRE(site.edit("nodes: [{name: n" + std::to_string(i) + ", tunnel_addresses: [" +
                        addresses + "]}]")
                  .empty());
    }
  }

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }

  void change() {
    switch (below(6)) {
      case 0:
      case 1:
        network();
        return;
      case 2:
      case 3:
        vm();
        return;
      case 4:
        gone();
        return;
      default:
        route();
    }
  }
  /// A node does one thing, or a grace ends, or the controller starts anew.
  void happen() {
    const std::string name = "n" + std::to_string(1 + below(5));
    // What is left of a network that is gone goes at once at a restart, in any order.
    const auto there = [&](const auto& kept) {
      return site.model.find({Kind::network, kept.first.first}) != nullptr;
    };
    if (below(60) == 0 && std::ranges::all_of(site.kept, there)) {
      site.restart();
    } else if (below(8) == 0) {
      const auto due = site.rollout.due();
      if (due && *due < site.now + 10s) {
        site.now = *due;
        site.advance();
      }
    } else if (site.nodes.contains(name)) {
      auto& node = site.nodes[name];
      if (!node.waiting.empty() && below(4) != 0) {
        node.apply_one();
      } else if (node.reported != node.applied) {
        site.report(name);
      }
    }
  }

  Site site;

 private:
  std::string name() { return std::string("net") + "abc"[below(3)]; }
  std::string node() { return "n" + std::to_string(1 + below(5)); }

  void network() {
    static constexpr std::string_view kinds[] = {"vxlan", "geneve", "mpls_over_udp", "gre"};
    std::string text =
        "networks: [{name: " + name() + ", subnets: [{prefix: 10.0.0.0/8, gateway: 10.0.0.1}]";
    const unsigned first = below(4);
    text += ", tunnels: [" + std::string(kinds[first]) + ", " +
            std::string(kinds[(first + 1 + below(3)) % 4]) + "]";
    text += ", members: [" + node() + "]";
    if (below(2) == 0) text += ", vni: " + std::to_string(100 + below(6));
    if (below(3) == 0) text += ", routes: inventory";
    if (below(3) == 0) text += ", import: [\"1:1\", \"1:2\"]";
    if (below(3) == 0) text += ", export: [\"1:" + std::to_string(1 + below(2)) + "\"]";
    (void)site.edit(text + "}]");  // numbers may be taken
  }
  void vm() {
    const unsigned number = below(8);
    const std::string n = std::to_string(number + 10);
    (void)site.edit("vms: [{name: vm" + n + ", node: " + node() + ", network: " + name() +
                    ", mac: \"02:00:00:00:00:" + n + "\", addresses: [10.0.0." + n + "]}]");
  }
  void route() {
    (void)site.edit("routes: [{network: " + name() + ", prefix: 172.16.0.0/12, " +
                    (below(3) == 0 ? "discard: true" : "node: " + node()) + "}]");
  }
  void gone() {
    switch (below(3)) {
      case 0:
        (void)site.erase(Kind::vm, "vm" + std::to_string(below(8) + 10));
        return;
      case 1:
        (void)site.erase(Kind::route, name() + " 172.16.0.0/12");
        return;
      default:
        (void)site.erase(Kind::network, name());
    }
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("random changes: never broken on the way, and right in the end", "[rollout][property]") {
  for (unsigned run = 0; run < 5; ++run) {
    RandomSite random(static_cast<unsigned>(weft::test::seed()) + run);
    for (unsigned round = 0; round < 60; ++round) {
      random.change();
      for (unsigned i = 0; i < random.below(25); ++i) {
        random.happen();
        const auto wrong = broken(random.site);
        INFO(wrong);
        REQUIRE(wrong.empty());
      }
      if (random.below(6) != 0) continue;
      random.site.settle();
      REQUIRE(found(random.site) == naive(random.site.model));
      REQUIRE(random.site.kept.empty());
      for (const auto& [name, node] : random.site.nodes) {
        INFO(refused_by_weftd(random.site, name));
        REQUIRE(refused_by_weftd(random.site, name).empty());
      }
    }
  }
}

}  // namespace weft::rollout_property_test
