/// Security groups by the API; policies are compiled on the thread that weftd compiles them on.
#include <catch2/catch.hpp>

#include "log_lines.hpp"
#include "policies.hpp"
#include "service.hpp"

namespace weft::agent::api_policy_test {
namespace {

using namespace test;

/// A service whose VIFs are in groups of the file, and under their rules already.
struct Guarded : Service {
  explicit Guarded(const Config& config = grouped(
                       {"{name: web, members: [10.7.0.0/16], ingress: [{protocol: tcp, ports: 80}, "
                        "{action: deny, from: group:lb}]}",
                        "{name: lb, members: [10.9.0.0/16], egress: []}"},
                       {{"vm1", {"web"}}}))
      : Service(config) {
    settle_policies();
  }
  [[nodiscard]] const VifObject& vif(const char* name) const {
    return agent.model().vifs.find(name)->second;
  }
  [[nodiscard]] Lines ingress(const char* name) const {
    const Policy* policy = plane.policy_of(vif(name).id);
    return policy == nullptr ? Lines{"open"} : lines(policy->ingress);
  }
};

const Lines udp_alone{"allow udp", "deny the rest"};

TEST_CASE("policies by API: a group is added, joined, changed and taken away") {
  Guarded s;
  CHECK(s.done("POST", "/v1/security-group", R"({"name":"db","ingress":[{"protocol":"udp"}]})") ==
        "security-group db is new");
  CHECK(s.done("PUT", "/v1/vif", R"({"name":"vm2","security_groups":["db"]})") ==
        "vif vm2 has changed (in place of the file's)");
  CHECK(s.ingress("vm2") == udp_alone);
  CHECK(s.done("PUT", "/v1/security-group", R"({"name":"db","egress":[]})") ==
        "security-group db has changed");
  CHECK(s.ingress("vm2") == udp_alone);  // what is not given stays
  CHECK(lines(s.plane.policy_of(s.vif("vm2").id)->egress) == Lines{"deny the rest"});
  s.done("PUT", "/v1/security-group", R"({"name":"db","ingress":[]})");
  CHECK(s.ingress("vm2") == Lines{"deny the rest"});
  s.done("PUT", "/v1/vrf", R"({"name":"red","security_groups":["db"]})");
  CHECK(s.ingress("vm3") == Lines{"deny the rest"});

  s.refused("DELETE", "/v1/security-group", R"({"name":"db"})", 409,
            "security-group db is in use by vrf red, vif vm2; change or delete them first");
  s.done("PUT", "/v1/vif", R"({"name":"vm2","security_groups":null})");
  CHECK(s.ingress("vm2") == Lines{"open"});
  s.done("DELETE", "/v1/vrf", R"({"name":"red"})");  // as the file says
  CHECK(s.ingress("vm3") == Lines{"open"});
  CHECK(s.done("DELETE", "/v1/security-group", R"({"name":"db"})") == "security-group db is gone");
  CHECK_FALSE(s.agent.model().security_groups.contains("db"));
  s.settle();
  CHECK(s.plane.tables.policies.size() == 2);
}

TEST_CASE("policies by API: a group that rules speak of is in use, unless by itself alone") {
  Guarded s;
  s.done("POST", "/v1/security-group",
         R"({"name":"a","ingress":[{"from":"group:a"}],"egress":[{"to":["group:a"]}]})");
  s.done("POST", "/v1/security-group", R"({"name":"b","egress":[{"to":["::/0","group:a"]}]})");
  s.refused("DELETE", "/v1/security-group", R"({"name":"a"})", 409, "in use by security-group b;");
  s.done("PUT", "/v1/security-group", R"({"name":"b","egress":[]})");
  s.done("DELETE", "/v1/security-group", R"({"name":"a"})");
}

TEST_CASE("policies by API: the file's group gives way and comes back") {
  Guarded s;
  s.agent.set_config_path("/etc/weft/weft.yaml");
  const Lines of_file = s.ingress("vm1");
  CHECK(s.done("PUT", "/v1/security-group", R"({"name":"web","ingress":[{"protocol":"udp"}]})") ==
        "security-group web has changed (in place of the file's)");
  CHECK(s.ingress("vm1") == udp_alone);
  CHECK(s.row("security-group", "name", "web")["owner"] == "api over file");
  CHECK(s.done("DELETE", "/v1/security-group", R"({"name":"web"})") ==
        "security-group web is again as the file says");
  CHECK(s.ingress("vm1") == of_file);
  s.refused("DELETE", "/v1/security-group", R"({"name":"web"})", 409,
            "is the file's: take it out of /etc/weft/weft.yaml");
  s.refused("POST", "/v1/security-group", R"({"name":"web"})", 409,
            "security-group web is there already, owned by the file");
}

TEST_CASE("policies by API: refusals name the thing and the remedy") {
  Guarded s;
  const auto refused = [&](const char* path, const std::string& body, unsigned status,
                           const std::string& part) { s.refused("PUT", path, body, status, part); };
  const std::string nearest = R"(there is no security group "wbe"; did you mean "web"?)";
  refused("/v1/vif", R"({"name":"vm2","security_groups":["wbe"]})", 404, nearest);
  refused("/v1/vif", R"({"name":"vm2","security_groups":["web","web"]})", 400,
          "security_groups[1]: \"web\" stands in this list twice");
  refused("/v1/vif", R"({"name":"vm2","security_groups":"web"})", 400,
          "security_groups: wanted a list");
  refused("/v1/vif", R"({"name":"vm2","security_groups":[7]})", 409,
          R"(there is no security group "7")");
  refused("/v1/vrf", R"({"name":"red","security_groups":["lb","wbe"]})", 404, nearest);
  const auto group = [&](const std::string& rule, unsigned status, const std::string& part) {
    refused("/v1/security-group", R"({"name":"x","egress":[{},)" + rule + "]}", status, part);
  };
  group(R"({"to":"group:nobody"})", 409, R"(egress[1].to: there is no security group "nobody")");
  group(R"({"from":["group:web","group:nobody"]})", 409,
        R"(egress[1].from[1]: there is no security group "nobody")");
  group(R"({"protocol":"tpc"})", 400, R"(egress[1].protocol: wanted tcp, udp, sctp, icmp)");
  group(R"({"ports":[80]})", 400, "egress[1].ports: wanted with protocol tcp, udp or sctp only");
  group(R"({"protocol":"tcp","ports":["9-8"]})", 400, "egress[1].ports[0]: wanted a range");
  group(R"({"action":true})", 400, "egress[1].action: wanted one of allow, deny");
  group("7", 400, "egress[1]: wanted a map");
  refused("/v1/security-group", R"({"name":"web","members":["10.0.0.1","10.0.0.1/32"]})", 400,
          "members[1]: \"10.0.0.1/32\" stands in this list twice");
  refused("/v1/security-group", R"({"name":"web","ingres":[]})", 400, R"(did you mean "ingress"?)");
  s.refused("DELETE", "/v1/security-group", R"({"name":"wbe"})", 404, nearest);
  s.refused("GET", "/v1/policy?vif=vm11", "", 404,
            R"(there is no vif "vm11"; did you mean "vm1"?)");
}

TEST_CASE("policies by API: the answer comes when the rules are in force, not before") {
  Guarded s;
  const auto response =
      s.api.handle({"PUT", "/v1/security-group", "", R"({"name":"web","ingress":[]})"});
  REQUIRE(response.later);
  std::optional<http::Response> given;
  Lines then;
  response.later([&](http::Response answer) {
    given = std::move(answer);
    then = s.ingress("vm1");
  });
  CHECK_FALSE(given);
  CHECK(s.ingress("vm1").size() == 3);
  // Others are answered meanwhile.
  CHECK(s.call("GET", "/v1/policy").status == 200);
  CHECK_FALSE(given);
  s.io.restart();
  while (!given) s.io.run_one();
  CHECK(given->status == 200);
  CHECK(then == Lines{"deny the rest"});
  // What brings no rules is answered at once.
  CHECK_FALSE(s.api.handle({"PUT", "/v1/tunnel", "", R"({"name":"to-b","vni":7})"}).later);
  CHECK_FALSE(s.api.handle({"POST", "/v1/security-group", "", R"({"name":"tag"})"}).later);
}

TEST_CASE("policies by API: rules that cannot be compiled are answered with the reason") {
  Guarded s;
  s.plane.uncompilable = "too many rules";
  const auto refused = s.call("PUT", "/v1/security-group", R"({"name":"web","ingress":[]})");
  CHECK(refused.status == 409);
  CHECK(refused.error() ==
        "vif vm1: its security groups are not in force: too many rules; those that it had before "
        "are");
  CHECK(s.ingress("vm1").size() == 3);
  const auto health = s.call("GET", "/healthz");
  CHECK(health.status == 503);
  CHECK(health.body["reasons"] == Json::array({refused.error()}));

  const auto fresh = s.call("POST", "/v1/vif",
                            R"({"name":"vm9","device":"tap:vm9","vrf":"blue",
                                "mac":"02:00:00:00:01:09","addresses":["10.1.0.99"],
                                "security_groups":["lb"]})");
  CHECK(fresh.status == 409);
  CHECK_THAT(fresh.error(), Catch::Contains("vif vm9: its security groups are not in force: too "
                                            "many rules; it is closed"));
  CHECK(s.ingress("vm9") == Lines{"deny the rest"});

  s.plane.uncompilable = "";
  s.done("DELETE", "/v1/vif", R"({"name":"vm9"})");
  CHECK(s.call("DELETE", "/v1/security-group", R"({"name":"web"})").status == 200);
  CHECK(s.call("GET", "/healthz").status == 200);
}

TEST_CASE("policies by API: what a start wants and cannot have is told") {
  FakePlane plane;
  plane.uncompilable = "too many rules";
  boost::asio::io_context io;
  Agent agent{io, plane};
  REQUIRE(agent.start(grouped({"{name: shut, ingress: []}"}, {{"vm1", {"shut"}}})));
  std::optional<std::string> wrong;
  agent.when_policies_settle([&](const std::string& what) { wrong = what; });
  CHECK_FALSE(wrong);
  while (!wrong) io.run_one();
  CHECK(*wrong == "vif vm1: its security groups are not in force: too many rules; it is closed");
  CHECK(agent.ailments() == std::vector{*wrong});
}

TEST_CASE("policies by API: groups and rules are shown") {
  Guarded s;
  CHECK(s.row("security-group", "name", "web") ==
        Json::parse(R"({"name":"web","members":["10.7.0.0/16"],"vifs":["vm1"],"ingress":2,
          "egress":null,"owner":"file"})"));
  CHECK(s.row("security-group", "name", "lb") ==
        Json::parse(R"({"name":"lb","members":["10.9.0.0/16"],"vifs":[],"ingress":null,"egress":0,
          "owner":"file"})"));
  CHECK(s.row("vif", "name", "vm1")["security_groups"] == Json::parse(R"(["web"])"));
  CHECK(s.row("vif", "name", "vm2")["security_groups"] == Json::array());

  s.done("PUT", "/v1/vif", R"({"name":"vm2","security_groups":["lb"]})");
  const auto row = [](const char* vif, const char* direction, const Json& rule, const char* action,
                      const char* takes, const char* from) {
    return Json{{"vif", vif},       {"direction", direction}, {"rule", rule},
                {"action", action}, {"takes", takes},         {"from", from}};
  };
  const Json of_vm1{
      row("vm1", "egress", {}, "allow", "anything else", "no security group has egress rules"),
      row("vm1", "ingress", 1, "allow", "tcp to port 80", "security group web, ingress rule 1"),
      row("vm1", "ingress", 2, "deny", "any protocol from 10.1.0.22, 10.9.0.0/16",
          "security group web, ingress rule 2"),
      row("vm1", "ingress", {}, "deny", "anything else",
          "no ingress rule of its security groups takes it")};
  CHECK(s.rows("policy?vif=vm1") == of_vm1);
  CHECK(s.rows("policy").size() == of_vm1.size() + 2);
  CHECK(s.rows("policy?vif=vm3") == Json::array());
}

TEST_CASE("policies by API: a vif that is closed shows as such") {
  Service s(grouped({"{name: web, ingress: [{}]}"}, {{"vm1", {"web"}}}));
  const auto closed = s.rows("policy");
  REQUIRE(closed.size() == 2);
  for (const auto& row : closed) {
    CHECK(row["vif"] == "vm1");
    CHECK(row["action"] == "deny");
    CHECK(row["takes"] == "anything");
    CHECK(row["from"] == "its security groups, which are not compiled yet");
  }
  s.settle_policies();
  CHECK(s.rows("policy").size() == 3);
}

TEST_CASE("policies by API: of many that are wanted at once each is compiled") {
  const Guarded s(grouped({"{name: a, ingress: []}", "{name: b, ingress: [{protocol: udp}]}",
                           "{name: c, ingress: [{}]}"},
                          {{"vm1", {"a"}}, {"vm2", {"b"}}, {"vm3", {"c"}}}));
  CHECK(s.ingress("vm1") == Lines{"deny the rest"});
  CHECK(s.ingress("vm2") == udp_alone);
  CHECK(s.ingress("vm3") == Lines{"allow any protocol", "deny the rest"});
}

TEST_CASE("policies by API: the host interface is in no group") {
  auto config = grouped({"{name: web, ingress: []}"}, {{"vm1", {"web"}}});
  config.ports[0].host = "tap:weft0";
  Guarded s(config);
  CHECK(s.row("security-group", "name", "web")["vifs"] == Json::parse(R"(["vm1"])"));
  CHECK(s.row("vif", "name", "host")["security_groups"] == Json::array());
  CHECK(s.rows("policy?vif=host").empty());
  CHECK_FALSE(s.plane.tables.vifs.at(s.vif("host").id).policy.valid());
}

TEST_CASE("policies by API: explain names the rule that decided") {
  Guarded s;
  const auto said = [&](const PolicyDecision& decision) {
    s.plane.explained.steps = {{"admit", "denied", {}, {}, {}, {}, decision}};
    const auto answer = s.call("POST", "/v1/explain", R"({"vif":"vm1","hex":"00"})");
    return answer.body["steps"][0]["text"].get<std::string>();
  };
  const auto vm1 = s.vif("vm1").id;
  CHECK(said({vm1, false, 1, PolicyAction::deny}) ==
        "denied (vif vm1: security group web, ingress rule 2)");
  CHECK(said({vm1, false, {}, PolicyAction::deny}) ==
        "denied (vif vm1: no ingress rule of its security groups takes it)");
  CHECK(said({vm1, true, {}, PolicyAction::allow}) ==
        "denied (vif vm1: no security group has egress rules)");
  CHECK(said({VifId(99), true, {}, PolicyAction::deny}) == "denied");
  Service fresh(grouped({"{name: web, ingress: []}"}, {{"vm1", {"web"}}}));
  fresh.plane.explained.steps = {
      {"admit", "denied", {}, {}, {}, {}, PolicyDecision{vm1, false, {}, PolicyAction::deny}}};
  CHECK(fresh.call("POST", "/v1/explain", R"({"vif":"vm1","hex":"00"})").body["steps"][0]["text"] ==
        "denied (vif vm1: its rules are not in force yet)");
}

TEST_CASE("policies: a packet that is denied is logged with the rule that denied it") {
  Guarded s;
  const Listening log;
  DeniedPacket packet{.by = {s.vif("vm1").id, false, 1, PolicyAction::deny},
                      .vrf = s.vif("vm1").vrf,
                      .source = ip("10.9.0.1"),
                      .destination = ip("10.1.0.11"),
                      .protocol = 6,
                      .source_port = 1025,
                      .destination_port = 443};
  const auto said = [&] {
    s.agent.on_denied(packet);
    return log.lines().back();
  };
  const std::string rule = "ingress of vif vm1: security group web, ingress rule 2";
  CHECK(said() == "denied: tcp 10.9.0.1:1025 to 10.1.0.11:443, " + rule);
  packet.untold = 7;
  CHECK(said() == "denied: tcp 10.9.0.1:1025 to 10.1.0.11:443, " + rule + "; 7 more before");
  packet.untold = 0;
  packet.protocol = 1;  // whose ports are type and code
  CHECK(said() == "denied: icmp 10.9.0.1 to 10.1.0.11, " + rule);
  packet.protocol = 17;
  packet.source_port = packet.destination_port = 0;  // a fragment's are not known
  CHECK(said() == "denied: udp 10.9.0.1 to 10.1.0.11, " + rule);
  packet.source = ip("fd00::9");
  packet.destination = ip("fd00:1::11");
  packet.source_port = packet.destination_port = 53;
  packet.by = {s.vif("vm1").id, true, {}, PolicyAction::deny};
  CHECK(said() ==
        "denied: udp [fd00::9]:53 to [fd00:1::11]:53, egress of vif vm1: no security group has "
        "egress rules");
  packet.protocol = 89;
  packet.by.vif = s.vif("vm2").id;  // which has none any more
  CHECK(said() ==
        "denied: 89 fd00::9 to fd00:1::11, egress of vif vm2: its rules are not in force yet");
  packet.by.vif = VifId(99);
  CHECK(said() ==
        "denied: 89 fd00::9 to fd00:1::11, egress of vif ?: its rules are not in force yet");
}

}  // namespace
}  // namespace weft::agent::api_policy_test
