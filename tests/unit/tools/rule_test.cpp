#include "ctl_rule.hpp"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

namespace weft::ctl::rule_test {
namespace {

std::string json(const std::string& words) { return rule_json("--ingress", words).dump(); }

TEST_CASE("weftctl: a rule in words is one of weft.yaml's") {
  const std::vector<std::pair<std::string, std::string>> rules{
      {"", "{}"},
      {"allow", R"({"action":"allow"})"},
      {"deny", R"({"action":"deny"})"},
      {"tcp", R"({"protocol":"tcp"})"},
      {"89", R"({"protocol":89})"},
      {"icmp type 8", R"({"protocol":"icmp","icmp_type":8})"},
      {"icmp type 3 code 0", R"({"protocol":"icmp","icmp_type":3,"icmp_code":0})"},
      {"from 10.0.0.0/8", R"({"from":["10.0.0.0/8"]})"},
      {"to group:web,fd00::1", R"({"to":["group:web","fd00::1"]})"},
      {"udp port 53", R"({"protocol":"udp","ports":[53]})"},
      {"tcp ports 80,8000-8010", R"({"protocol":"tcp","ports":[80,"8000-8010"]})"},
      {"sctp source-port 1-1023", R"({"protocol":"sctp","source_ports":["1-1023"]})"},
      {"tcp source-ports 1,2", R"({"protocol":"tcp","source_ports":[1,2]})"},
      {"  deny   tcp from 10.0.0.0/8,group:web port 80,8000-8010 ",
       R"({"action":"deny","protocol":"tcp","from":["10.0.0.0/8","group:web"],)"
       R"("ports":[80,"8000-8010"]})"},
      // In any order; what the values are worth is weftd's to judge.
      {"port 80 to ::1 tcp deny",
       R"({"ports":[80],"to":["::1"],"protocol":"tcp","action":"deny"})"},
      {"tpc", R"({"protocol":"tpc"})"},
      {"tcp port 99999999999", R"({"protocol":"tcp","ports":["99999999999"]})"},
      {"icmp type echo", R"({"protocol":"icmp","icmp_type":"echo"})"},
  };
  for (const auto& [words, expected] : rules) {
    INFO(words);
    CHECK(json(words) == expected);
  }
}

TEST_CASE("weftctl: words that make no rule are refused with what would") {
  const std::vector<std::pair<std::string, std::string>> rules{
      {"allow deny", "action is given twice"},
      {"tcp udp", R"(what is "udp"?)"},
      {"tcp ports 80 port 443", "ports is given twice"},
      {"from ::1 from ::2", "from is given twice"},
      {"tcp type", "nothing stands behind type"},
      {"icmp type 8 code", "nothing stands behind code"},
      {"tcp from", "nothing stands behind from"},
      {"to", "nothing stands behind to"},
      {"tcp port", "nothing stands behind port"},
      {"tcp source-port", "nothing stands behind source-port"},
      {"tcp port 80, 443", R"(what is "443"?)"},
  };
  for (const auto& [words, part] : rules) {
    INFO(words);
    CHECK_THROWS_WITH(json(words), Catch::Contains(part) && Catch::Contains("--ingress: ") &&
                                       Catch::Contains(rule_help));
    CHECK_THROWS_AS(json(words), CLI::ValidationError);
  }
}

}  // namespace
}  // namespace weft::ctl::rule_test
