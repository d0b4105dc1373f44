#include "agent/vif_rules.hpp"

#include <catch2/catch.hpp>

#include "policies.hpp"

namespace weft::agent::vif_rules_test {
namespace {

using namespace test;

std::shared_ptr<const VifRules> rules_of_vif(const Node& node, const char* name) {
  const auto& vif = node.vif(name);
  return rules_of(node.model, GroupMembers(node.model), vif.vrf, groups_of(node.model, vif));
}
Lines ingress(const Node& node, const char* vif) {
  return lines(rules_of_vif(node, vif)->policy.ingress);
}
Lines egress(const Node& node, const char* vif) {
  return lines(rules_of_vif(node, vif)->policy.egress);
}

const std::vector<std::string> web_and_admin{
    "{name: web, ingress: [{protocol: tcp, ports: 80}, {action: deny, from: 10.9.0.0/16}]}",
    "{name: admin, ingress: [{protocol: tcp, ports: 22}], egress: [{}]}"};

TEST_CASE("vif rules: groups are asked in the order of the vif's list") {
  const Node node(grouped(web_and_admin, {{"vm1", {"web", "admin"}}, {"vm2", {"admin", "web"}}}));
  CHECK(ingress(node, "vm1") == Lines{"allow tcp to port 80", "deny any protocol from 10.9.0.0/16",
                                      "allow tcp to port 22", "deny the rest"});
  CHECK(ingress(node, "vm2") == Lines{"allow tcp to port 22", "allow tcp to port 80",
                                      "deny any protocol from 10.9.0.0/16", "deny the rest"});
  const auto rules = rules_of_vif(node, "vm1");
  CHECK(rules->groups == std::vector<std::string>{"web", "admin"});
  CHECK(origin_text(*rules, false, 0) == "security group web, ingress rule 1");
  CHECK(origin_text(*rules, false, 1) == "security group web, ingress rule 2");
  CHECK(origin_text(*rules, false, 2) == "security group admin, ingress rule 1");
  CHECK(origin_text(*rules, true, 0) == "security group admin, egress rule 1");
  CHECK(origin_text(*rules, false, {}) == "no ingress rule of its security groups takes it");
  // One of a policy that is no longer the VIF's.
  CHECK(origin_text(*rules, false, 3) == "no ingress rule of its security groups takes it");
}

TEST_CASE("vif rules: a vif that says nothing is in its VRF's groups") {
  auto config = grouped(web_and_admin, {{"vm2", {}}});
  config.vrfs[0].security_groups = {"web"};
  const Node node(config);
  CHECK(ingress(node, "vm1").front() == "allow tcp to port 80");
  CHECK(rules_of_vif(node, "vm2") == nullptr);  // it is in none, whatever the VRF says
  CHECK(rules_of_vif(node, "vm3") == nullptr);  // of the other VRF
  config.vifs[0].security_groups = {"admin"};
  CHECK(ingress(Node(config), "vm1") == Lines{"allow tcp to port 22", "deny the rest"});
}

TEST_CASE("vif rules: a direction without a key is open, one with an empty list is shut") {
  const auto of = [](const std::vector<std::string>& all, const std::vector<std::string>& in) {
    return Node(grouped(all, {{"vm1", in}}));
  };
  const std::vector<std::string> all{"{name: tag}", "{name: shut, ingress: []}",
                                     "{name: web, ingress: [{protocol: tcp}]}"};
  CHECK(rules_of_vif(of(all, {"tag"}), "vm1") == nullptr);
  const auto shut = of(all, {"shut", "tag"});
  CHECK(ingress(shut, "vm1") == Lines{"deny the rest"});
  CHECK(egress(shut, "vm1") == Lines{"allow the rest"});
  CHECK(origin_text(*rules_of_vif(shut, "vm1"), true, {}) == "no security group has egress rules");
  CHECK(origin_text(*rules_of_vif(shut, "vm1"), false, {}) ==
        "no ingress rule of its security groups takes it");
  // The other group's rules still let through what they allow.
  CHECK(ingress(of(all, {"shut", "web"}), "vm1") == Lines{"allow tcp", "deny the rest"});
}

TEST_CASE("vif rules: a group stands for its members and for the vifs of the VRF that are in it") {
  const Node node(grouped({"{name: web, members: [10.7.0.0/16, 'fd00:7::7'], ingress: [{from: "
                           "group:web}], egress: [{to: [group:web, 10.1.0.22, 10.8.0.0/16]}]}"},
                          {{"vm1", {"web"}}, {"vm2", {"web"}}, {"vm3", {"web"}}}));
  const std::string blue = "10.1.0.11, 10.1.0.22, 10.7.0.0/16, fd00:1::11, fd00:7::7";
  CHECK(ingress(node, "vm1") == Lines{"allow any protocol from " + blue, "deny the rest"});
  // In red the same address is vm3's, and nobody else's.
  CHECK(ingress(node, "vm3") ==
        Lines{"allow any protocol from 10.1.0.11, 10.7.0.0/16, fd00:7::7", "deny the rest"});
  // Each peer once, however often it is named.
  const auto rules = rules_of_vif(node, "vm1");
  CHECK(rules->policy.egress.rules.at(0).destinations ==
        std::vector{net("10.1.0.11/32"), net("10.1.0.22/32"), net("10.7.0.0/16"),
                    net("10.8.0.0/16"), net("fd00:1::11/128"), net("fd00:7::7/128")});
}

TEST_CASE("vif rules: a VRF's groups make its vifs members of them") {
  auto config =
      grouped({"{name: web}", "{name: db, ingress: [{from: group:web}]}"}, {{"vm2", {"db"}}});
  config.vrfs[0].security_groups = {"web"};
  CHECK(ingress(Node(config), "vm2") ==
        Lines{"allow any protocol from 10.1.0.11, fd00:1::11", "deny the rest"});
}

TEST_CASE("vif rules: a rule of a group without members takes nothing, not anything") {
  const std::string db =
      "{name: db, ingress: [{protocol: udp}, {from: group:none}, {to: group:none}, "
      "{from: [group:none, 10.0.0.0/8]}], egress: [{action: deny, to: group:none}]}";
  const Node node(grouped({"{name: none}", db}, {{"vm1", {"db"}}, {"vm3", {"none"}}}));
  CHECK(ingress(node, "vm1") ==
        Lines{"allow udp", "allow any protocol from 10.0.0.0/8", "deny the rest"});
  CHECK(egress(node, "vm1") == Lines{"deny the rest"});
  // The others keep the numbers that they have in the file.
  CHECK(origin_text(*rules_of_vif(node, "vm1"), false, 1) == "security group db, ingress rule 4");
}

TEST_CASE("vif rules: what a rule takes, in words") {
  const auto said = [](const std::string& rule) {
    const Node node(grouped({"{name: g, ingress: [" + rule + "]}"}, {{"vm1", {"g"}}}));
    return takes_text(rules_of_vif(node, "vm1")->policy.ingress.rules.at(0));
  };
  CHECK(said("{}") == "any protocol");
  CHECK(said("{protocol: sctp}") == "sctp");
  CHECK(said("{protocol: 89}") == "89");
  CHECK(said("{protocol: icmpv6, icmp_type: 128}") == "icmpv6 type 128");
  CHECK(said("{protocol: icmp, icmp_type: 3, icmp_code: 0}") == "icmp type 3 code 0");
  CHECK(said("{protocol: tcp, ports: [80, 8000-8010], source_ports: [1-1023]}") ==
        "tcp from port 1-1023 to port 80, 8000-8010");
  CHECK(said("{from: ['fd00::/8', 10.0.0.1], to: 0.0.0.0/0}") ==
        "any protocol from 10.0.0.1, fd00::/8 to 0.0.0.0/0");
  CHECK(said("{protocol: udp, ports: [1, 2, 3, 4, 5]}") == "udp to port 1, 2, 3, 4, 5");
  CHECK(said("{protocol: udp, ports: [1, 2, 3, 4, 5, 6, 7-8]}") ==
        "udp to port 1, 2, 3, 4, 5 and 2 more");
}

}  // namespace
}  // namespace weft::agent::vif_rules_test
