// How nodes are brought from one plan to the next.
#include "controller/rollout.hpp"

#include <catch2/catch.hpp>

#include "unit/control/controller/judge.hpp"

namespace weft::rollout_test {

using namespace weft::controller;
using namespace weft::controller::test;

namespace {

Json parse(const std::string& json) { return Json::parse(json); }

constexpr auto three_nodes = R"(
nodes:
  - {name: a, tunnel_addresses: [192.0.2.1]}
  - {name: b, tunnel_addresses: [192.0.2.2]}
  - {name: c, tunnel_addresses: [192.0.2.3]}
)";

}  // namespace

TEST_CASE("both ends are told of a network, receivers first", "[rollout]") {
  Site site;
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit(R"(
networks:
  - {name: blue, vni: 100, subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}], members: [a, b]}
routes: [{network: blue, prefix: 0.0.0.0/0, node: b}]
)")
              .empty());
  const auto has = [&](const std::string& node, const std::string& key) {
    return site.nodes[node].objects.contains(key);
  };
  for (const auto* node : {"a", "b"}) {
    while (!site.nodes[node].waiting.empty()) site.nodes[node].apply_one();
    CHECK(has(node, "decap/blue.vxlan-100"));
  }
  CHECK_FALSE(has("a", "tunnel/blue.b"));
  CHECK(site.rollout.network("blue").moving == 2);
  CHECK(site.rollout.network("blue").waits_for == std::set<std::string>{"a", "b"});
  site.report("b");  // b lets a in: a may send
  CHECK(site.rollout.current("blue", {"a", "b"}));
  CHECK_FALSE(site.rollout.current("blue", {"b", "a"}));
  while (!site.nodes["a"].waiting.empty()) site.nodes["a"].apply_one();
  CHECK(has("a", "tunnel/blue.b"));
  CHECK(has("a", "route/blue 0.0.0.0/0"));
  site.settle();
  CHECK(found(site) == naive(site.model));
  CHECK_FALSE(site.nodes.contains("c"));
  CHECK(site.kept.empty());
}

TEST_CASE("weftd takes what the controller makes", "[rollout]") {
  Site site;
  REQUIRE(site.edit(R"(
nodes:
  - {name: a, tunnel_addresses: [192.0.2.1, "2001:db8::1"]}
  - {name: b, tunnel_addresses: [192.0.2.2, "2001:db8::2"]}
  - {name: c, tunnel_addresses: ["2001:db8::3"]}
networks:
  - {name: blue, members: [a, b, c], tunnels: [vxlan], subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}
  - {name: red, members: [a, b, c], tunnels: [geneve], features: {ttl: copy, dscp: copy, mss_clamp: auto}}
  - {name: n3, members: [a, b, c], tunnels: [vxlan_gpe], features: {ttl: 9, dscp: 46, mss_clamp: 1300}}
  - {name: n4, members: [a, b, c], tunnels: [gre], features: {outer_fragmentation: true}}
  - {name: n5, members: [a, b, c], tunnels: [mpls_over_udp], router_mac: "02:00:00:00:00:99"}
  - {name: n6, members: [a, b, c], tunnels: [mpls_over_gre]}
routes:
  - {network: blue, prefix: 0.0.0.0/0, node: b}
  - {network: blue, prefix: 10.9.0.0/16, discard: true}
)")
              .empty());
  site.settle();
  for (const auto* name : {"a", "b", "c"}) CHECK(refused_by_weftd(site, name).empty());
  CHECK(found(site) == naive(site.model));
}

TEST_CASE("security groups come with the networks that name them", "[rollout]") {
  Site site;
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit(R"(
security_groups:
  - {name: web, ingress: [{protocol: tcp, ports: [80], from: ["group:lb"]}]}
  - {name: lb, members: [10.9.0.0/16]}
networks:
  - {name: blue, members: [a, b], security_groups: [web], subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}
  - {name: red, members: [a], security_groups: [lb], subnets: [{prefix: 10.2.0.0/24, gateway: 10.2.0.1}]}
vms: [{name: v, node: c, network: red, mac: "02:00:00:00:00:01", addresses: [10.2.0.5]}]
)")
              .empty());
  site.settle();
  const auto group = [&](const std::string& node, const std::string& name) {
    const auto found = site.nodes[node].objects.find("security-group/" + name);
    return found == site.nodes[node].objects.end() ? Json() : parse(found->second);
  };
  CHECK(group("b", "web")["ingress"].size() == 1);
  CHECK(group("b", "lb")["members"] == Json::array({"10.2.0.5/32", "10.9.0.0/16"}));
  CHECK(group("c", "web").is_null());
  for (const auto* name : {"a", "b", "c"}) CHECK(refused_by_weftd(site, name).empty());

  REQUIRE(site.erase(Kind::vm, "v").empty());
  site.settle();
  CHECK(group("b", "lb")["members"] == Json::array({"10.9.0.0/16"}));
  REQUIRE(site.erase(Kind::network, "red").empty());
  for (auto& [name, node] : site.nodes) {
    while (!node.waiting.empty()) {
      node.apply_one();
      CHECK(refused_by_weftd(site, name).empty());
    }
  }
  site.settle();
  CHECK_FALSE(group("a", "lb").is_null());  // blue's rules speak of it
  REQUIRE(site.erase(Kind::network, "blue").empty());
  site.settle();
  CHECK(site.nodes["a"].objects.empty());
}

TEST_CASE("decaps let whole subnets of the underlay in where they may", "[rollout]") {
  Site site;
  site.underlay = {*parse_prefix("192.0.2.0/28")};
  site.rollout = site.fresh();
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b]}]").empty());
  site.settle();
  const auto decap = [&] { return parse(site.nodes["a"].objects["decap/blue.vxlan-100"]); };
  CHECK(decap()["sources"] == Json::array({"192.0.2.0/28"}));
  const auto generation = site.rollout.generation();
  REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b, c]}]").empty());
  site.settle();
  CHECK(decap()["sources"] == Json::array({"192.0.2.0/28"}));
  CHECK(found(site).contains("c: tunnel blue.a vxlan 100 192.0.2.1"));
  CHECK(site.rollout.generation() > generation);
}

TEST_CASE("a node that says nothing is shown, and in the end nobody waits for it", "[rollout]") {
  Site site;
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b]}]").empty());
  site.settle();
  REQUIRE(site.edit("networks: [{name: blue, vni: 200, members: [a, b]}]").empty());
  const auto& a = site.nodes["a"];
  while (!site.nodes["a"].waiting.empty()) site.nodes["a"].apply_one();
  site.report("a");  // and b never again
  CHECK(site.rollout.network("blue").waits_for == std::set<std::string>{"b"});
  CHECK_FALSE(site.rollout.node("b", site.now).silent);
  CHECK(site.rollout.current("blue", {"a", "b"})->number == 100);
  CHECK(site.rollout.current("blue", {"b", "a"})->number == 200);

  REQUIRE(site.rollout.due());
  site.now = *site.rollout.due() - 1ms;
  site.advance();
  CHECK(site.rollout.current("blue", {"a", "b"})->number == 100);
  site.now += 1ms;
  site.advance();
  CHECK(site.rollout.node("b", site.now).silent);
  CHECK(site.rollout.current("blue", {"a", "b"})->number == 200);
  while (site.rollout.due()) {  // a's grace; b is waited for no more
    while (!site.nodes["a"].waiting.empty()) site.nodes["a"].apply_one();
    site.report("a");
    if (!site.rollout.due()) break;
    site.now = *site.rollout.due();
    site.advance();
  }
  while (!site.nodes["a"].waiting.empty()) site.nodes["a"].apply_one();
  CHECK_FALSE(a.objects.contains("decap/blue.vxlan-100"));
  CHECK(site.kept.empty());

  site.settle();  // b is back
  CHECK_FALSE(site.rollout.node("b", site.now).silent);
  CHECK(found(site) == naive(site.model));
}

TEST_CASE("a decap that its node refuses has nobody sent there", "[rollout]") {
  Site site;
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b]}]").empty());
  site.rollout.applied("b", site.rollout.generation(), {{"decap/blue.vxlan-100", "port taken"}},
                       site.now);
  site.advance();
  CHECK_FALSE(site.rollout.current("blue", {"a", "b"}));
  CHECK(site.rollout.node("b", site.now).refused.at("decap/blue.vxlan-100") == "port taken");
  REQUIRE(site.edit("networks: [{name: blue, vni: 101, members: [a, b]}]").empty());
  site.settle();
  CHECK(site.rollout.current("blue", {"a", "b"}));
  CHECK(site.rollout.node("b", site.now).refused.empty());
}

TEST_CASE("a number is not given to another network while somebody may still use it", "[rollout]") {
  Site site;
  REQUIRE(site.edit(three_nodes).empty());
  REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b]}]").empty());
  site.settle();
  REQUIRE(site.erase(Kind::network, "blue").empty());
  CHECK_THAT(site.edit("networks: [{name: red, vni: 100, members: [a, b]}]"),
             Catch::Contains("in use by blue"));
  site.settle();
  CHECK(site.edit("networks: [{name: red, vni: 100, members: [a, b]}]").empty());
}

namespace {

/// Walks through all orders in which nodes may apply, report, and graces end.
class Orders {
 public:
  explicit Orders(std::function<void(Site&)> begin) : begin_(std::move(begin)) {}

  void walk() { walk({}); }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }
  [[nodiscard]] std::size_t ends() const { return ends_; }

 private:
  using Path = std::vector<std::string>;

  static std::string print(const Site& site) {
    std::string out;
    for (const auto& [name, node] : site.nodes) {
      out += name + std::to_string(node.applied) + "/" + std::to_string(node.reported) + "/" +
             std::to_string(node.waiting.size()) + ";";
      for (const auto& [key, json] : node.objects) out += key + json;
    }
    for (const auto& [key, json] : site.kept) out += key.first + json;
    return out + (site.rollout.due() ? "+" : "-");
  }

  static void act(Site& site, const std::string& action) {
    const std::string name = action.substr(1);
    auto& node = site.nodes[name];
    if (action[0] == 'a') {
      const auto generation = node.waiting.front().generation;
      while (!node.waiting.empty() && node.waiting.front().generation == generation) {
        node.apply_one();
        const auto wrong = broken(site);
        INFO(wrong);
        REQUIRE(wrong.empty());
      }
    } else if (action[0] == 'r') {
      site.report(name);
    } else {
      site.now = *site.rollout.due();
      site.advance();
    }
  }

  void walk(const Path& path) {
    Site site;
    begin_(site);
    for (const auto& action : path) act(site, action);
    if (!seen_.insert(print(site)).second) return;
    std::vector<std::string> actions;
    for (const auto& [name, node] : site.nodes) {
      if (!node.waiting.empty()) actions.push_back("a" + name);
      if (node.reported != node.applied) actions.push_back("r" + name);
    }
    // Graces only: it would be wrong to lose patience while somebody is about to answer.
    const bool patient = site.rollout.due() && *site.rollout.due() < site.now + 10s;
    if (patient) actions.push_back("t");
    if (actions.empty()) {
      ++ends_;
      CHECK(found(site) == naive(site.model));
    }
    for (const auto& action : actions) {
      Path further = path;
      further.push_back(action);
      walk(further);
    }
  }

  std::function<void(Site&)> begin_;
  std::set<std::string> seen_;
  std::size_t ends_ = 0;
};

}  // namespace

TEST_CASE("in all orders of acknowledgements nobody sends what is not let in", "[rollout]") {
  const auto before = [](Site& site) {
    REQUIRE(site.edit(three_nodes).empty());
    REQUIRE(
        site.edit("networks: [{name: blue, vni: 100, members: [a, b], tunnels: [vxlan]}]").empty());
    site.settle();
  };
  const auto walk = [&](const std::string& text) {
    Orders orders([&](Site& site) {
      before(site);
      REQUIRE(site.edit(text).empty());
    });
    orders.walk();
    CHECK(orders.states() > 20);
    CHECK(orders.ends() >= 1);
  };
  SECTION("another kind") {
    walk("networks: [{name: blue, vni: 100, members: [a, b], tunnels: [mpls_over_udp]}]");
  }
  SECTION("another number") {
    walk("networks: [{name: blue, vni: 200, members: [a, b], tunnels: [vxlan]}]");
  }
  SECTION("a member comes and one goes") {
    walk("networks: [{name: blue, vni: 100, members: [a, c], tunnels: [vxlan]}]");
  }
  SECTION("changed back in the middle") {
    Orders orders([&](Site& site) {
      before(site);
      REQUIRE(site.edit("networks: [{name: blue, vni: 200, members: [a, b]}]").empty());
      while (!site.nodes["a"].waiting.empty()) site.nodes["a"].apply_one();
      site.report("a");
      REQUIRE(site.edit("networks: [{name: blue, vni: 100, members: [a, b]}]").empty());
    });
    orders.walk();
    CHECK(orders.states() > 10);
  }
}

}  // namespace weft::rollout_test
