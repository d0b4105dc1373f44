/// The resolver's part of policies: a test says when a policy is compiled, or cannot be.
#include <catch2/catch.hpp>

#include <set>

#include "policies.hpp"

namespace weft::agent::policy_test {
namespace {

using namespace test;

struct Guarded : Node {
  using Node::Node;

  /// Answers what the compiler was asked first and has not answered.
  Status answer(const std::string& error = "") {
    const auto [id, rules] = compiler.asked.at(answered++);
    if (!error.empty()) return resolver.policy_compiled(id, Error{error});
    return resolver.policy_compiled(id, plane.compile(rules->policy));
  }
  void answer_all() {
    while (answered < compiler.asked.size()) REQUIRE(answer());
    CHECK_FALSE(resolver.compiling());
  }
  /// What the data plane lets others open to a VIF.
  [[nodiscard]] Lines ingress(const char* name) const {
    const Policy* policy = plane.policy_of(vif(name).id);
    return policy == nullptr ? Lines{"open"} : lines(policy->ingress);
  }
  /// A group becomes this.
  Result<Generation> put(const std::string& item) {
    Update update;
    update.security_groups.put.push_back({groups({item}).front(), Owner::file});
    return resolver.update(update);
  }
  /// A VIF's groups become these.
  Result<Generation> join(const char* name, std::optional<std::vector<std::string>> in) {
    auto config = vif(name).config;
    config.security_groups = std::move(in);
    return change(config);
  }
  Result<Generation> change(const VifConfig& config) {
    Update update;
    update.vifs.put.push_back({config, Owner::file});
    return resolver.update(update);
  }
  /// A VIF of blue that was not there, in these groups.
  Result<Generation> attach(const char* name, std::vector<std::string> in) {
    const std::string device = std::string("tap:") + name;
    VifConfig config{name, device, "blue", mac("02:00:00:00:01:09"), {ip("10.1.0.99")}};
    config.security_groups = std::move(in);
    Update update;
    update.vifs.put.push_back({config, Owner::api});
    update.opened.emplace(name, *plane.open_port({name, device, config.mac, 1500, false}));
    return resolver.update(update);
  }
  void finish_deletions() { resolver.finish_deletions(plane); }

  std::size_t answered = 0;
};

const Lines closed{"deny the rest"};
const Lines open{"open"};
Lines tcp(int port) { return {"allow tcp to port " + std::to_string(port), "deny the rest"}; }
std::string web(int port) {
  return "{name: web, ingress: [{protocol: tcp, ports: " + std::to_string(port) + "}]}";
}

TEST_CASE("policies: a new vif is closed until its rules are compiled") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  CHECK(node.plane.batches.size() == 1);
  CHECK(node.ingress("vm1") == closed);
  CHECK(node.ingress("vm2") == open);
  CHECK(node.resolver.compiling());
  CHECK(node.vif("vm1").policy.rules == nullptr);
  node.answer_all();
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.ingress("vm2") == open);
  CHECK(node.plane.batches.size() == 2);
  CHECK(node.plane.redundant == 0);
  CHECK(node.vif("vm1").policy == node.vif("vm1").next);
}

TEST_CASE("policies: equal rules are compiled once, whatever their groups are called") {
  auto config = grouped({web(80), "{name: twin, ingress: [{protocol: 6, ports: [80-80]}]}"},
                        {{"vm1", {"web"}}, {"vm2", {"twin"}}});
  config.vrfs[1].security_groups = {"web"};  // vm3, of another VRF
  Guarded node(config);
  CHECK(node.compiler.asked.size() == 1);
  node.answer_all();
  for (const auto* name : {"vm1", "vm2", "vm3"}) CHECK(node.ingress(name) == tcp(80));
  std::set<PolicyId> ids;
  for (const auto* name : {"vm1", "vm2", "vm3"}) {
    ids.insert(node.plane.tables.vifs.at(node.vif(name).id).policy);
  }
  CHECK(ids.size() == 1);
  CHECK(node.model.policies.size() == 1);
  // Each still tells of its own groups.
  CHECK(origin_text(*node.vif("vm1").policy.rules, false, 0) ==
        "security group web, ingress rule 1");
  CHECK(origin_text(*node.vif("vm2").policy.rules, false, 0) ==
        "security group twin, ingress rule 1");

  // A change of the name alone is none to the data plane.
  const auto batches = node.plane.batches.size();
  REQUIRE(node.join("vm1", std::vector<std::string>{"twin"}));
  CHECK(node.compiler.asked.size() == 1);
  CHECK(node.plane.batches.size() == batches);
  CHECK(origin_text(*node.vif("vm1").policy.rules, false, 0) ==
        "security group twin, ingress rule 1");
}

TEST_CASE("policies: a vif keeps what it has until the next is compiled") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  const auto old = node.vif("vm1").policy.id;
  REQUIRE(node.put(web(81)));
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.vif("vm1").policy.id == old);
  CHECK(node.resolver.compiling());
  node.answer_all();
  CHECK(node.ingress("vm1") == tcp(81));

  // The old one goes when no worker can have found it any more.
  CHECK_FALSE(node.model.policies.contains(old));
  node.plane.workers_stand_still = true;
  node.finish_deletions();
  CHECK(node.plane.tables.policies.contains(old));
  node.plane.workers_stand_still = false;
  node.finish_deletions();
  CHECK_FALSE(node.plane.tables.policies.contains(old));
  CHECK(node.plane.tables.policies.size() == 2);  // its own, and that of new vifs
  CHECK(node.plane.redundant == 0);

  // Its number is free again, under another generation.
  REQUIRE(node.put(web(82)));
  node.answer_all();
  CHECK(node.vif("vm1").policy.id.index() == old.index());
  CHECK(node.vif("vm1").policy.id != old);
}

TEST_CASE("policies: a vif that had none stays open until its first is compiled") {
  Guarded node(grouped({web(80)}, {}));
  CHECK(node.compiler.asked.empty());
  CHECK_FALSE(node.resolver.compiling());
  REQUIRE(node.join("vm1", std::vector<std::string>{"web"}));
  CHECK(node.ingress("vm1") == open);
  node.answer_all();
  CHECK(node.ingress("vm1") == tcp(80));
}

TEST_CASE("policies: what is changed back before it was compiled is in force at once") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  const auto batches = node.plane.batches.size();
  REQUIRE(node.put(web(81)));
  REQUIRE(node.put(web(80)));
  CHECK_FALSE(node.resolver.compiling());
  CHECK(node.plane.batches.size() == batches);
  // The answer comes too late, for a policy that nobody wants.
  CHECK(node.answer());
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.plane.batches.size() == batches);
  CHECK(node.model.policies.size() == 1);
  node.finish_deletions();
  CHECK(node.plane.redundant == 0);  // the data plane is not told to forget what it never knew
}

TEST_CASE("policies: of several changes the last one counts, in whatever order they are compiled") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  REQUIRE(node.put(web(81)));
  REQUIRE(node.put(web(82)));
  node.finish_deletions();  // the number of the first of them comes to nobody yet
  REQUIRE(node.put(web(83)));
  CHECK(node.compiler.asked.size() == 4);
  REQUIRE(node.answer());
  CHECK(node.ingress("vm1") == tcp(80));
  REQUIRE(node.answer());
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.resolver.compiling());
  REQUIRE(node.answer());
  CHECK(node.ingress("vm1") == tcp(83));
}

TEST_CASE("policies: one that cannot be compiled leaves the old one in force") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  const auto batches = node.plane.batches.size();
  REQUIRE(node.put(web(81)));
  const auto answered = node.answer("too many rules");
  REQUIRE_FALSE(answered);
  CHECK(answered.error().message == "too many rules");
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.plane.batches.size() == batches);
  CHECK_FALSE(node.resolver.compiling());
  CHECK(node.model.policies.at(node.vif("vm1").next.id).error == "too many rules");
  CHECK(node.vif("vm1").policy.id != node.vif("vm1").next.id);

  SECTION("the next one that can be takes its place") {
    REQUIRE(node.put(web(82)));
    node.answer_all();
    CHECK(node.ingress("vm1") == tcp(82));
    CHECK(node.model.policies.size() == 1);
  }
  SECTION("a new vif under the same rules stays closed") {
    REQUIRE(node.attach("vm9", {"web"}));
    CHECK(node.ingress("vm9") == closed);
    CHECK(node.compiler.asked.size() == 3);  // perhaps it can be had by now
  }
  SECTION("what was changed back is good again") {
    REQUIRE(node.put(web(80)));
    CHECK(node.ingress("vm1") == tcp(80));
    CHECK(node.vif("vm1").policy.id == node.vif("vm1").next.id);
    CHECK(node.model.policies.size() == 1);
  }
}

TEST_CASE("policies: who joins, leaves or moves changes the rules of the others") {
  const std::string peers = "{name: web, ingress: [{from: group:web}]}";
  const auto from = [](const std::string& list) {
    return Lines{"allow any protocol from " + list, "deny the rest"};
  };
  Guarded node(grouped({peers}, {{"vm1", {"web"}}}));
  node.answer_all();
  CHECK(node.ingress("vm1") == from("10.1.0.11, fd00:1::11"));
  REQUIRE(node.join("vm2", std::vector<std::string>{"web"}));
  node.answer_all();
  CHECK(node.ingress("vm1") == from("10.1.0.11, 10.1.0.22, fd00:1::11"));
  CHECK(node.ingress("vm1") == node.ingress("vm2"));
  auto config = node.vif("vm2").config;
  config.addresses = {ip("10.1.0.23")};
  REQUIRE(node.change(config));
  node.answer_all();
  CHECK(node.ingress("vm1") == from("10.1.0.11, 10.1.0.23, fd00:1::11"));

  SECTION("another VRF has other members") {
    config.vrf = "red";
    REQUIRE(node.change(config));
    node.answer_all();
    CHECK(node.ingress("vm1") == from("10.1.0.11, fd00:1::11"));
    CHECK(node.ingress("vm2") == from("10.1.0.23"));
    CHECK(node.plane.tables.vifs.at(node.vif("vm2").id).vrf == node.vrf("red"));
  }
  SECTION("one that goes is a member no more") {
    Update update;
    update.vifs.erase.emplace_back("vm2");
    REQUIRE(node.resolver.update(update));
    node.answer_all();
    node.finish_deletions();
    CHECK(node.ingress("vm1") == from("10.1.0.11, fd00:1::11"));
  }
  SECTION("one that leaves is free at once") {
    REQUIRE(node.join("vm2", std::vector<std::string>{}));
    CHECK(node.ingress("vm2") == open);
    node.answer_all();
    CHECK(node.ingress("vm1") == from("10.1.0.11, fd00:1::11"));
  }
}

TEST_CASE("policies: a vif that moves keeps its rules until those of the other VRF are compiled") {
  auto config = grouped({web(80), "{name: db, ingress: [{protocol: udp}]}"}, {});
  config.vrfs[0].security_groups = {"web"};
  config.vrfs[1].security_groups = {"db"};
  Guarded node(config);
  node.answer_all();
  CHECK(node.ingress("vm2") == tcp(80));
  auto vm2 = node.vif("vm2").config;
  vm2.vrf = "red";
  REQUIRE(node.change(vm2));
  // The rules of red are there already, for vm3.
  CHECK_FALSE(node.resolver.compiling());
  CHECK(node.ingress("vm2") == Lines{"allow udp", "deny the rest"});

  vm2.vrf = "blue";
  vm2.security_groups = {{"db", "web"}};
  REQUIRE(node.change(vm2));
  CHECK(node.ingress("vm2") == Lines{"allow udp", "deny the rest"});
  node.answer_all();
  CHECK(node.ingress("vm2") == Lines{"allow udp", "allow tcp to port 80", "deny the rest"});
}

TEST_CASE("policies: a VRF keeps flows while one of its vifs has a policy") {
  auto config = grouped({web(80), "{name: db, ingress: []}"}, {{"vm3", {"web"}}});
  for (auto& vif : config.vifs) vif.flows = false;
  for (auto& port : config.ports) port.flows = false;
  Guarded node(config);
  const auto keeps = [&](const char* vrf) {
    return node.plane.tables.vrfs.at(node.vrf(vrf)).flows;
  };
  CHECK_FALSE(keeps("blue"));
  CHECK(keeps("red"));
  CHECK_FALSE(node.plane.tables.vifs.at(node.vif("vm3").id).flows);
  node.answer_all();
  CHECK(keeps("red"));

  // From the moment on at which the policy is wanted.
  REQUIRE(node.join("vm1", std::vector<std::string>{"db"}));
  CHECK(node.ingress("vm1") == open);
  CHECK(keeps("blue"));
  node.answer_all();
  CHECK(node.ingress("vm1") == closed);
  CHECK_FALSE(node.plane.tables.vifs.at(node.vif("vm1").id).flows);
  REQUIRE(node.join("vm1", std::nullopt));
  CHECK_FALSE(keeps("blue"));
  REQUIRE(node.put("{name: web}"));
  CHECK_FALSE(keeps("red"));
  CHECK(node.ingress("vm3") == open);
}

TEST_CASE("policies: one that the data plane refuses is waited for no longer") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  REQUIRE(node.put(web(81)));
  node.plane.refuse = true;
  CHECK_FALSE(node.answer());
  node.plane.refuse = false;
  CHECK_FALSE(node.resolver.compiling());
  CHECK(node.ingress("vm1") == tcp(80));
  CHECK(node.model.policies.at(node.vif("vm1").next.id).error == "refused by the test");
  REQUIRE(node.put(web(82)));
  node.answer_all();
  node.finish_deletions();
  CHECK(node.ingress("vm1") == tcp(82));
  CHECK(node.model.policies.size() == 1);
  CHECK(node.plane.redundant == 0);
}

TEST_CASE("policies: without groups there are none") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}, {"vm3", {"web"}}}));
  node.answer_all();
  Update update;
  for (const auto* name : {"vm1", "vm3"}) {
    auto config = node.vif(name).config;
    config.security_groups.reset();
    update.vifs.put.push_back({config, Owner::file});
  }
  update.security_groups.erase.emplace_back("web");
  REQUIRE(node.resolver.update(update));
  CHECK(node.model.security_groups.empty());
  CHECK(node.model.policies.empty());
  CHECK(node.ingress("vm1") == open);
  CHECK(node.ingress("vm3") == open);
  node.finish_deletions();
  CHECK(node.plane.tables.policies.size() == 1);  // that of new vifs
}

TEST_CASE("policies: a batch that is refused leaves everything as it was") {
  Guarded node(grouped({web(80)}, {{"vm1", {"web"}}}));
  node.answer_all();
  const auto asked = node.compiler.asked.size();
  const auto before = node.vif("vm1").policy;
  node.plane.refuse = true;
  Update update;
  update.security_groups.put.push_back({groups({web(81)}).front(), Owner::file});
  auto vm2 = node.vif("vm2").config;
  vm2.addresses = {ip("10.1.0.23")};
  vm2.security_groups = {{"web"}};
  update.vifs.put.push_back({vm2, Owner::file});
  CHECK_FALSE(node.resolver.update(update));
  node.plane.refuse = false;
  CHECK(node.compiler.asked.size() == asked);
  CHECK_FALSE(node.resolver.compiling());
  CHECK(node.vif("vm1").policy == before);
  CHECK(node.vif("vm1").next == before);
  CHECK_FALSE(node.vif("vm2").config.security_groups);
  CHECK(node.model.security_groups.at("web").config == groups({web(80)}).front());
  CHECK(node.model.policies.size() == 1);
  // No number was lost.
  REQUIRE(node.resolver.update(update));
  CHECK(node.vif("vm1").next.id.index() == 2);
  node.answer_all();
  CHECK(node.ingress("vm2") == tcp(81));
}

TEST_CASE("policies: the first vif that must be closed may be refused and come again") {
  Guarded node(grouped({web(80)}, {}));
  node.plane.refuse = true;
  CHECK_FALSE(node.attach("vm9", {"web"}));
  node.plane.refuse = false;
  REQUIRE(node.attach("vm9", {"web"}));
  CHECK(node.ingress("vm9") == closed);
  node.answer_all();
  CHECK(node.ingress("vm9") == tcp(80));
}

TEST_CASE("policies: where new vifs cannot be closed, none is taken in") {
  FakePlane plane;
  Model model;
  FakeKeeper keeper;
  FakeCompiler compiler;
  compiler.unclosable = "no memory";
  Resolver resolver(
      model, [&](const Batch& b) { return plane.apply(b); }, keeper, compiler);
  const auto config = grouped({web(80)}, {{"vm1", {"web"}}});
  const auto loaded = resolver.load(config, open_all(plane, config));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().message == "the policy of new vifs: no memory");
  CHECK(model.vifs.empty());
  CHECK(model.policies.empty());
  CHECK(compiler.asked.empty());
  CHECK(plane.batches.empty());
}

TEST_CASE("policies: without rules, none is ever closed") {
  const Guarded node;
  CHECK(node.plane.tables.policies.empty());
  CHECK(node.compiler.asked.empty());
}

}  // namespace
}  // namespace weft::agent::policy_test
