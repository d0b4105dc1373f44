#include "agent/object_json.hpp"
#include "config_sample.hpp"

namespace weft::agent::config_policy_test {
namespace {

const std::string node = "node: {name: n}\n";

/// A file with one rule.
std::string rule(const std::string& text) {
  return node + "security_groups: [{name: web, ingress: [" + text + "]}]\n";
}
void bad_rule(const std::string& text, const std::string& key, const std::string& message) {
  expect(rule(text), "security_groups[0].ingress[0]." + key, message);
}
RuleConfig good_rule(const std::string& text) {
  return load(rule(text)).security_groups.at(0).ingress->at(0);
}
PeerConfig prefix(const char* text) { return {*parse_prefix(text)}; }
PeerConfig group(const char* name) { return {{}, name}; }

/// With every key that a group or rule can have.
const std::string full = node + R"(security_groups:
  - name: web
    members: [10.1.0.31, 10.1.9.0/24, "fd00:9::/64", "fd00::1"]
    ingress:
      - {protocol: tcp, ports: [80, 443, "8000-8010"], source_ports: [0-1023, 65535]}
      - {action: deny, from: [10.9.0.0/16, 10.8.0.1], to: ["fd00::/8", "group:lb"]}
      - {action: allow, protocol: icmp, icmp_type: 8, icmp_code: 0, from: "group:web"}
      - {protocol: 89, from: "group:lb"}
    egress:
      - {}
  - {name: lb}
  - {name: shut, ingress: [], egress: []}
)";

TEST_CASE("config: security groups say what they say") {
  const auto groups = load(full).security_groups;
  REQUIRE(groups.size() == 3);
  SecurityGroupConfig web;
  web.name = "web";
  web.members = {*parse_prefix("10.1.0.31/32"), *parse_prefix("10.1.9.0/24"),
                 *parse_prefix("fd00:9::/64"), *parse_prefix("fd00::1/128")};
  web.ingress.emplace(4);
  web.egress.emplace(1);
  auto& rules = *web.ingress;
  rules[0].protocol = 6;
  rules[0].ports = {{80, 80}, {443, 443}, {8000, 8010}};
  rules[0].source_ports = {{0, 1023}, {65535, 65535}};
  rules[1].action = PolicyAction::deny;
  rules[1].from = {prefix("10.9.0.0/16"), prefix("10.8.0.1/32")};
  rules[1].to = {prefix("fd00::/8"), group("lb")};
  rules[2].protocol = 1;
  rules[2].icmp_type = 8;
  rules[2].icmp_code = 0;
  rules[2].from = {group("web")};
  rules[3].protocol = 89;
  rules[3].from = {group("lb")};
  CHECK(groups[0] == web);
  CHECK(groups[1] == SecurityGroupConfig{"lb", {}, {}, {}});
  using Rules = std::vector<RuleConfig>;
  CHECK(groups[2] == SecurityGroupConfig{"shut", {}, Rules{}, Rules{}});
}

TEST_CASE("config: protocols have names and numbers") {
  for (const auto& [word, number] : std::map<std::string, unsigned>{{"tcp", 6},
                                                                    {"udp", 17},
                                                                    {"sctp", 132},
                                                                    {"icmp", 1},
                                                                    {"icmpv6", 58},
                                                                    {"0", 0},
                                                                    {"255", 255}}) {
    CHECK(good_rule("{protocol: " + word + "}").protocol == number);
  }
  CHECK_FALSE(good_rule("{}").protocol);
  // By its number it is the same protocol, with all that belongs to it.
  for (const char* with_ports : {"6", "17", "132", "sctp"}) {
    CHECK(good_rule(std::string("{ports: 1, protocol: ") + with_ports + "}").ports.size() == 1);
  }
  CHECK(good_rule("{protocol: 58, icmp_type: 128}").icmp_type == 128);
  const std::string wanted = "wanted tcp, udp, sctp, icmp, icmpv6 or a number from 0 to 255";
  bad_rule("{protocol: ^tpc}", "protocol", wanted + R"(, found "tpc"; did you mean "tcp"?)");
  bad_rule("{protocol: ^any}", "protocol", wanted);
  bad_rule("{protocol: ^-1}", "protocol", wanted);
  bad_rule("{protocol: ^[tcp]}", "protocol", wanted);
  bad_rule("{protocol: ^256}", "protocol", "a whole number from 0 to 255");
  bad_rule("{protocol: ^06}", "protocol", "a whole number from 0 to 255");
  // What else is wrong because of it is not told.
  bad_rule("{protocol: ^tpc, ports: 80, icmp_type: 8}", "protocol", wanted);
}

TEST_CASE("config: a rule's action, ports and ICMP types") {
  bad_rule("{action: ^permit}", "action", "one of allow, deny");
  const auto ports = [](const std::string& value, const std::string& key,
                        const std::string& message) {
    for (const std::string side : {"ports", "source_ports"}) {
      bad_rule("{protocol: udp, " + side + ": " + value + "}", side + key, message);
    }
  };
  CHECK(good_rule("{protocol: tcp, ports: 0-65535}").ports == std::vector{PortRange{0, 65535}});
  ports("^65536", "", "a port, or a range like 8000-8010");
  ports("[1, ^http]", "[1]", R"(a port, or a range like 8000-8010, found "http")");
  ports("[^-80]", "[0]", "a port, or a range");
  ports("[^80-]", "[0]", "a port, or a range");
  ports("[^1-2-3]", "[0]", "a port, or a range");
  ports("[^'1 - 2']", "[0]", "a port, or a range");
  ports("[^81-80]", "[0]", "the lower one first");
  ports("[^{a: 1}]", "[0]", "a port, or a range");
  ports("^[]", "", "at least one, found none; leave the key out to mean any port");
  for (const std::string side : {"ports", "source_ports"}) {
    for (const std::string of : {"", "protocol: icmp, ", "protocol: 47, "}) {
      bad_rule("{" + of + side + ": ^[80]}", side, "wanted with protocol tcp, udp or sctp only");
    }
  }
  bad_rule("{protocol: icmp, icmp_type: ^256}", "icmp_type", "from 0 to 255");
  bad_rule("{protocol: icmpv6, icmp_type: 1, icmp_code: ^-1}", "icmp_code", "from 0 to 255");
  bad_rule("{icmp_type: ^8}", "icmp_type", "wanted with protocol icmp or icmpv6 only");
  bad_rule("{protocol: tcp, icmp_type: ^8}", "icmp_type", "icmp or icmpv6 only");
  bad_rule("{protocol: icmp, icmp_code: ^0}", "icmp_code", "wanted beside an icmp_type only");
  expect(rule("{^port: 80}"), "security_groups[0].ingress[0].port",
         R"(unknown key "port"; did you mean "ports"?)");
  expect(rule("^tcp"), "security_groups[0].ingress[0]", "wanted a map");
}

TEST_CASE("config: whom a rule speaks of") {
  CHECK(good_rule("{from: 10.0.0.0/8, to: \"::1\"}").from == std::vector{prefix("10.0.0.0/8")});
  CHECK(good_rule("{from: 10.0.0.0/8, to: \"::1\"}").to == std::vector{prefix("::1/128")});
  CHECK(good_rule("{from: group:web}").from == std::vector{group("web")});
  for (const std::string side : {"from", "to"}) {
    const auto peer = [&](const std::string& value, const std::string& message) {
      bad_rule("{" + side + ": [\"::/0\", ^" + value + "]}", side + "[1]", message);
    };
    peer("web", "a prefix, an address or group:NAME");
    peer("[10.0.0.0/8]", "an IP prefix");
    peer("'group:'", "group:NAME, the name of a security group");
    peer("'group:a b'", "group:NAME, the name of a security group");
    peer("'Group:web'", "an IP prefix");
    peer("10.0.0.1/8", "host bits are set");
    peer("10.0.0.0/33", "an IP prefix");
    peer("10.0.0", "an IP prefix");
    peer("'group:wbe'", R"(there is no security group "wbe"; did you mean "web"?)");
    bad_rule("{" + side + ": ^[]}", side,
             "at least one, found none; leave the key out to mean anybody");
    bad_rule("{" + side + ": ^'group:lb'}", side, R"(there is no security group "lb")");
  }
}

TEST_CASE("config: groups and their members") {
  const auto of = [](const std::string& groups) { return node + "security_groups: " + groups; };
  expect(of("[^{members: [10.0.0.1]}]\n"), "security_groups[0].name", "required, but missing");
  expect(of("[{name: ^a b}]\n"), "security_groups[0].name", "wanted a name");
  expect(of("[{name: a}, {name: ^a}]\n"), "security_groups[1].name",
         "already the name of security_groups[0]");
  expect(of("[{name: a, ^member: []}]\n"), "security_groups[0].member",
         R"(did you mean "members"?)");
  expect(of("^{name: a}\n"), "security_groups", "a list, found a map");
  expect(of("[{name: a, egress: ^{}}]\n"), "security_groups[0].egress", "a list, found a map");
  const auto members = [&](const std::string& list, const std::string& message) {
    const auto at = list.substr(0, list.find('^')).find(',') == std::string::npos ? "[0]" : "[1]";
    expect(of("[{name: a, members: " + list + "}]\n"),
           std::string("security_groups[0].members") + at, message);
  };
  members("[^10.1.0.1/24]", "should be 10.1.0.0/24");
  members("[10.1.0.1, ^'group:a']", "an IP prefix");
  members("[10.1.0.1, ^10.1.0.1]", "stands in this list twice");
  members("[10.1.0.1/32, ^10.1.0.1]", "stands in this list twice");
  CHECK(load(of("[{name: a, members: []}]\n")).security_groups[0].members.empty());
}

TEST_CASE("config: who is in which group") {
  const auto tenant = [](const std::string& of_vrf, const std::string& of_vif) {
    auto text = with("id: 1,", "id: 1," + of_vrf);
    text = replaced(text, "flows: off}", "flows: off" + of_vif + "}");
    return replaced(text, "\nvrfs:", "\nsecurity_groups: [{name: web}, {name: admin}]\nvrfs:");
  };
  const auto none = load(tenant("", ""));
  CHECK(none.vrfs[0].security_groups.empty());
  CHECK_FALSE(none.vifs[0].security_groups);
  const auto both = load(tenant(" security_groups: [web],", ", security_groups: [web, admin]"));
  CHECK(both.vrfs[0].security_groups == std::vector<std::string>{"web"});
  CHECK(both.vifs[0].security_groups == std::vector<std::string>{"web", "admin"});
  // Said to be in none, which is not the same as nothing said.
  CHECK(load(tenant("", ", security_groups: []")).vifs[0].security_groups ==
        std::vector<std::string>{});
  const auto bad = [&](const std::string& list, const std::string& key,
                       const std::string& message) {
    expect(tenant(" security_groups: " + list + ",", ""), "vrfs[0].security_groups" + key, message);
    expect(tenant("", ", security_groups: " + list), "vifs[0].security_groups" + key, message);
  };
  bad("[web, ^wbe]", "[1]", R"(there is no security group "wbe"; did you mean "web"?)");
  bad("[web, ^web]", "[1]", "stands in this list twice");
  bad("[^'group:web']", "[0]", "wanted a name");
  bad("^web", "", "a list, found \"web\"");
}

/// What JSON makes of an object is read again.
template <class Object>
Object read_back(const Config& config, std::string_view list, const Object& object,
                 std::vector<Object> Config::*objects) {
  const auto json = [&](std::string_view name, const auto& all) {
    Json out = Json::array();
    for (const auto& one : all) out.push_back(object_json(one, config.node));
    return Json{{std::string(name), out}};
  };
  Json root{{"node", {{"name", "n"}}}};
  if (list != "security_groups") root.update(json("security_groups", config.security_groups));
  if (list == "vifs") root.update(json("vrfs", config.vrfs));
  root.update(json(list, std::vector{object}));
  return (load(root.dump()).*objects).at(0);
}

TEST_CASE("config: what is told of a security group as JSON is the group again") {
  auto config = load(full);
  auto web = config.security_groups[0];
  web.ingress->at(1).to = {};  // it would need the other group
  web.ingress->at(3).from = {};
  web.ingress->at(3).protocol = 132;
  CHECK(read_back(config, "security_groups", web, &Config::security_groups) == web);
  const auto& shut = config.security_groups[2];
  CHECK(read_back(config, "security_groups", shut, &Config::security_groups) == shut);
  CHECK(rule_json(RuleConfig{}) == Json::object());
  CHECK(object_json(config.security_groups[1], config.node) == Json{{"name", "lb"}});
}

TEST_CASE("config: what is told of VRFs and VIFs as JSON keeps their groups") {
  auto config =
      load(replaced(sample, "\nvrfs:", "\nsecurity_groups: [{name: a}, {name: b}]\nvrfs:"));
  auto vrf = config.vrfs[0];
  vrf.security_groups = {"b", "a"};
  CHECK(read_back(config, "vrfs", vrf, &Config::vrfs) == vrf);
  auto vif = config.vifs[0];
  for (const auto& of :
       {std::optional<std::vector<std::string>>{}, std::optional(std::vector<std::string>{}),
        std::optional(std::vector<std::string>{"b", "a"})}) {
    vif.security_groups = of;
    CHECK(read_back(config, "vifs", vif, &Config::vifs) == vif);
  }
}

}  // namespace
}  // namespace weft::agent::config_policy_test
