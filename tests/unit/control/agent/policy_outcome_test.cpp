/// What becomes of changes of security groups that others get in the way of.

#include <catch2/catch.hpp>

#include "agent/object_check.hpp"
#include "policies.hpp"
#include "service.hpp"

namespace weft::agent::policy_outcome_test {
namespace {

using namespace test;

struct Guarded : Service {
  explicit Guarded(const Config& config) : Service(config) { settle_policies(); }
};
const char* shut = "{name: shut, ingress: []}";

TEST_CASE("a rule of a protocol without name does not spoil changes of what is in its group") {
  Guarded s(grouped({"{name: ospf, ingress: [{protocol: 89}]}"}, {{"vm1", {"ospf"}}}));
  s.done("PUT", "/v1/vif", R"({"name":"vm1","flows":false})");
  s.done("PUT", "/v1/security-group", R"({"name":"ospf","egress":[]})");
}

TEST_CASE("weftd starts again with what the API has put") {
  Scratch scratch;
  const auto state = scratch.file("state.json");
  {
    Service s(test::sample_node(), state);
    s.done("POST", "/v1/security-group", R"({"name":"ospf","ingress":[{"protocol":89}]})");
    s.agent.stop();
  }
  CHECK_NOTHROW(Service(test::sample_node(), state));
}

TEST_CASE("groups that speak of each other both keep their place beside one that has none") {
  ObjectSet wanted;
  for (const auto& group :
       groups({"{name: a, ingress: [{from: group:b}]}", "{name: b, ingress: [{from: group:a}]}"})) {
    wanted.security_groups.emplace(group.name, group);
  }
  VrfConfig green;
  green.name = "green";
  green.id = 1;  // blue's
  green.router_mac = mac("02:00:5e:00:01:09");
  wanted.vrfs.emplace("green", green);
  ObjectSet unfit;
  fit(test::sample_node(), wanted, unfit);
  CHECK(unfit.vrfs.size() == 1);
  CHECK(unfit.security_groups.empty());
  CHECK(wanted.security_groups.size() == 2);
}

TEST_CASE("explain is answered at once, whatever is being compiled") {
  Service s(grouped({shut}, {{"vm1", {"shut"}}}));
  REQUIRE(s.agent.resolver().compiling());
  s.plane.explained.steps = {{"parse", "IPv4", {}, {}, {}, {}}};
  CHECK_FALSE(s.api.handle({"POST", "/v1/explain", "", R"({"vif":"vm1","hex":"00"})"}).later);
}

TEST_CASE("a change that comes to rules which could not be compiled is told so") {
  Guarded s(grouped({"{name: web, ingress: [{}]}"}, {{"vm1", {"web"}}}));
  s.plane.uncompilable = "too many rules";
  REQUIRE(s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})").status == 409);
  CHECK(s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})").status == 409);
  CHECK(s.call("PUT", "/v1/vif", R"({"name":"vm2","security_groups":["web"]})").status == 409);
  s.plane.uncompilable = "";
  CHECK(s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})").status == 200);
  CHECK(s.agent.ailments().empty());
}

TEST_CASE("a change that holds is not told of others' failure") {
  Guarded s(grouped({"{name: web, ingress: [{}]}", "{name: db, ingress: [{}]}"},
                    {{"vm1", {"web"}}, {"vm2", {"db"}}}));
  s.plane.uncompilable = "too many rules";
  REQUIRE(s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})").status == 409);
  s.plane.uncompilable = "";
  CHECK(s.call("PUT", "/v1/security-group", R"({"name":"db","ingress":[{"protocol":"udp"}]})")
            .status == 200);
}

TEST_CASE("a file that is wrong is what a reload tells of") {
  Scratch scratch;
  Guarded s(grouped({"{name: web, ingress: [{}]}"}, {{"vm1", {"web"}}}));
  s.agent.set_config_path(scratch.file("missing.yaml"));
  s.plane.uncompilable = "too many rules";
  REQUIRE(s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})").status == 409);
  s.refused("POST", "/v1/reload", "{}", 409, "missing.yaml");
}

TEST_CASE("an unknown group in a rule by the API is told the nearest one") {
  Guarded s(grouped({"{name: web}"}, {}));
  s.refused("PUT", "/v1/security-group", R"({"name":"x","ingress":[{"from":"group:wbe"}]})", 409,
            R"(did you mean "web"?)");
}

TEST_CASE("a vif that had no rules before is not told that those are in force") {
  Guarded s(grouped({shut}, {}));
  s.plane.uncompilable = "too many rules";
  const auto answer = s.call("PUT", "/v1/vif", R"({"name":"vm1","security_groups":["shut"]})");
  CHECK(answer.error() ==
        "vif vm1: its security groups are not in force: too many rules; it is open");
}

TEST_CASE("a vif of which only the groups change tells the data plane of no routes") {
  Guarded s(grouped({shut}, {}));
  s.done("PUT", "/v1/vif", R"({"name":"vm1","security_groups":["shut"]})");
  CHECK(s.plane.redundant == 0);
}

}  // namespace
}  // namespace weft::agent::policy_outcome_test
