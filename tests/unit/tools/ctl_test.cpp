#include <catch2/catch.hpp>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "ctl_command.hpp"
#include "ctl_complete.hpp"
#include "ctl_flow.hpp"
#include "ctl_objects.hpp"
#include "ctl_output.hpp"
#include "ctl_watch.hpp"

namespace weft::ctl::ctl_test {
namespace {

using Answer = Command::Answer;

struct Parsed {
  std::variant<Command, int> result;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "weftctl");
  std::ostringstream out;
  std::ostringstream err;
  auto result = parse_command(static_cast<int>(words.size()), words.data(), out, err);
  return {std::move(result), out.str(), err.str()};
}

Command command(const std::vector<const char*>& words) {
  auto parsed = parse(words);
  INFO(parsed.err);
  REQUIRE(std::holds_alternative<Command>(parsed.result));
  return std::get<Command>(parsed.result);
}

/// METHOD PATH[?QUERY][ BODY]
std::string asks(const std::vector<const char*>& words) {
  const auto& r = command(words).request;
  return r.method + " " + r.path + (r.query.empty() ? "" : "?" + r.query) +
         (r.body.empty() ? "" : " " + r.body);
}

TEST_CASE("weftctl: each command is one request") {
  for (const std::string name :
       {"vif", "vrf", "route", "nexthop", "tunnel", "decap", "neighbour", "bfd", "drops", "stats",
        "workers", "port", "flow", "security-group", "policy"}) {
    CHECK(asks({"show", name.c_str()}) == "GET /v1/" + name);
  }
  CHECK(asks({"show", "route", "--vrf", "a b"}) == "GET /v1/route?vrf=a%20b");
  CHECK(asks({"show", "policy", "--vif", "a b"}) == "GET /v1/policy?vif=a%20b");
  CHECK(asks({"show", "drops", "--all"}) == "GET /v1/drops?all=true");
  CHECK(asks({"route", "set", "--vrf", "blue", "10.0.0.0/8", "--tunnel", "to-b"}) ==
        R"(PUT /v1/route {"vrf":"blue","prefix":"10.0.0.0/8","via":{"tunnel":"to-b"}})");
  CHECK(asks({"route", "set", "--vrf", "blue", "10.0.0.0/8", "--lookup", "red"}) ==
        R"(PUT /v1/route {"vrf":"blue","prefix":"10.0.0.0/8","via":{"vrf":"red"}})");
  CHECK(asks({"route", "set", "--vrf", "blue", "10.0.0.0/8", "--vif", "vm1"}) ==
        R"(PUT /v1/route {"vrf":"blue","prefix":"10.0.0.0/8","via":{"vif":"vm1"}})");
  CHECK(asks({"route", "set", "--ecmp", "tunnel:to-b", "--ecmp", "vif:vm1", "10.0.0.0/8", "--vrf",
              "blue"}) == R"(PUT /v1/route {"vrf":"blue","prefix":"10.0.0.0/8","via":{"ecmp":[)"
                          R"({"tunnel":"to-b"},{"vif":"vm1"}]}})");
  for (const char* bad : {"to-b", "vrf:red", "tunnel"}) {
    CHECK_THAT(parse({"route", "set", "--vrf", "blue", "::/0", "--ecmp", bad}).err,
               Catch::Contains("wanted tunnel:NAME or vif:NAME"));
  }
  CHECK(asks({"route", "set", "--vrf", "underlay", "::/0", "--gateway", "fd00::1"}) ==
        R"(PUT /v1/route {"vrf":"underlay","prefix":"::/0","via":{"gateway":"fd00::1"}})");
  CHECK(
      asks({"route", "set", "--vrf", "underlay", "::/0", "--gateway", "fd00::1", "--gateway",
            "fd00::2"}) ==
      R"(PUT /v1/route {"vrf":"underlay","prefix":"::/0","via":{"gateway":["fd00::1","fd00::2"]}})");
  CHECK(asks({"route", "set", "--vrf", "blue", "::/0", "--discard"}) ==
        R"(PUT /v1/route {"vrf":"blue","prefix":"::/0","via":{"discard":true}})");
  CHECK(asks({"route", "del", "--vrf", "blue", "::/0"}) ==
        R"(DELETE /v1/route {"vrf":"blue","prefix":"::/0"})");
  CHECK(asks({"tunnel", "set", "to-b", "--remote", "192.0.2.3"}) ==
        R"(PUT /v1/tunnel {"name":"to-b","remote":"192.0.2.3"})");
  CHECK(asks({"tunnel", "set", "to-b", "--vni", "5", "--port", "8472", "--source-ports", "1-2",
              "--inner-destination-mac", "02:00:00:00:00:01", "--kind", "vxlan"}) ==
        R"(PUT /v1/tunnel {"name":"to-b","vni":5,"port":8472,"source_ports":"1-2",)"
        R"("inner_destination_mac":"02:00:00:00:00:01","kind":"vxlan"})");
  CHECK(asks({"tunnel", "set", "to-b", "--reserved", "0000000000000051"}) ==
        R"(PUT /v1/tunnel {"name":"to-b","reserved":"0000000000000051"})");
  CHECK(asks({"decap", "set", "d", "--mark", "a=01/ff", "--mark", "b=02/ff"}) ==
        R"(PUT /v1/decap {"name":"d","marks":[{"name":"a","bits":"01","mask":"ff"},)"
        R"({"name":"b","bits":"02","mask":"ff"}]})");
  CHECK(asks({"decap", "set", "d", "--no-marks"}) == R"(PUT /v1/decap {"name":"d","marks":[]})");
  for (const char* bad : {"a", "a=1", "a/1", "1/2=a"}) {
    CHECK_THAT(parse({"decap", "set", "d", "--mark", bad}).err,
               Catch::Contains("wanted NAME=BITS/MASK"));
  }
  CHECK(std::holds_alternative<int>(
      parse({"decap", "set", "d", "--no-marks", "--mark", "a=1/1"}).result));
  CHECK(asks({"show", "decap"}) == "GET /v1/decap");
  CHECK(asks({"show", "decap", "from b"}) == "GET /v1/decap?name=from%20b");
  CHECK(asks({"explain", "--vif", "vm1", "--hex", "02:00 0A"}) ==
        R"(POST /v1/explain {"vif":"vm1","hex":"02000A"})");
  CHECK(asks({"explain",   "--port",
              "fab0",      "--dst",
              "10.1.0.12", "--src",
              "10.1.0.11", "--proto",
              "udp",       "--sport",
              "1",         "--dport",
              "2",         "--ttl",
              "3",         "--size",
              "1400",      "--df",
              "--src-mac", "02:00:00:00:00:01",
              "--dst-mac", "02:00:00:00:00:02"}) ==
        R"(POST /v1/explain {"port":"fab0","fields":{"source_mac":"02:00:00:00:00:01",)"
        R"("destination_mac":"02:00:00:00:00:02","src":"10.1.0.11","dst":"10.1.0.12",)"
        R"("protocol":"udp","source_port":1,"destination_port":2,"ttl":3,"bytes":1400,)"
        R"("dont_fragment":true}})");
  CHECK(asks({"explain", "--vif", "vm1", "--dst", "10.1.0.12", "--proto", "89"}) ==
        R"(POST /v1/explain {"vif":"vm1","fields":{"dst":"10.1.0.12","protocol":89}})");
}

TEST_CASE("weftctl: sessions are chosen, sorted and closed") {
  CHECK(asks({"show", "flow"}) == "GET /v1/flow");
  CHECK(asks({"show",          "flow",    "--vrf",     "a b",
              "--vif",         "vm1",     "--source",  "10.0.0.0/8",
              "--destination", "fd00::1", "--address", "10.1.0.11",
              "--protocol",    "tcp",     "--port",    "80",
              "--state",       "closing", "--id",      "72057594037927937",
              "--sort",        "age",     "--limit",   "7"}) ==
        "GET /v1/flow?vrf=a%20b&vif=vm1&source=10.0.0.0%2F8&destination=fd00%3A%3A1"
        "&address=10.1.0.11&protocol=tcp&port=80&state=closing&id=72057594037927937&sort=age"
        "&limit=7");
  CHECK(asks({"show", "flow", "--top", "5"}) == "GET /v1/flow?sort=bytes&limit=5");
  CHECK(command({"show", "flow", "--top", "5", "--watch"}).watch_s == 1);
  CHECK(asks({"flow", "clear", "--vif", "vm1", "--port", "80"}) ==
        R"(DELETE /v1/flow {"vif":"vm1","port":80})");
  CHECK(asks({"flow", "clear", "--all"}) == R"(DELETE /v1/flow {"all":true})");
  CHECK(std::holds_alternative<int>(parse({"show", "flow", "--top", "5", "--limit", "5"}).result));
  CHECK_THAT(parse({"flow", "clear"}).err, Catch::Contains("--all"));
}

TEST_CASE("weftctl: a table says what it leaves out") {
  CHECK(render(Answer::table, Json::parse(R"({"title":"Sessions","columns":["id"],
          "rows":[{"id":"7"}],"matched":3,"truncated":true,"note":"2 more match"})")) ==
        "Sessions\nid\n7\n2 more match\n");
}

TEST_CASE("weftctl: commands that change objects") {
  CHECK(asks({"tunnel", "add", "to-c", "--kind", "vxlan", "--vni", "5", "--remote", "192.0.2.3",
              "--inner-destination-mac", "02:00:00:00:00:01", "--ttl", "9", "--dscp", "46",
              "--local", "192.0.2.1", "--zero-udp-checksum6", "on"}) ==
        R"(POST /v1/tunnel {"name":"to-c","remote":"192.0.2.3","local":"192.0.2.1","vni":5,)"
        R"("inner_destination_mac":"02:00:00:00:00:01","kind":"vxlan","ttl":9,"dscp":46,)"
        R"("zero_udp_checksum6":true})");
  CHECK(asks({"tunnel", "set", "to-c", "--mss-clamp", "auto", "--outer-fragmentation", "on"}) ==
        R"(PUT /v1/tunnel {"name":"to-c","outer_fragmentation":true,"mss_clamp":"auto"})");
  CHECK(asks({"vif", "set", "vm1", "--mss-clamp", "1360"}) ==
        R"(PUT /v1/vif {"name":"vm1","mss_clamp":"1360"})");
  CHECK(asks({"vif", "add", "vm1", "--device", "tap:vm1", "--vrf", "blue", "--mac",
              "02:00:00:00:01:01", "--address", "10.1.0.11", "--address", "fd00:1::11", "--mtu",
              "1450", "--anti-spoofing", "off"}) ==
        R"(POST /v1/vif {"name":"vm1","device":"tap:vm1","vrf":"blue","mac":"02:00:00:00:01:01",)"
        R"("addresses":["10.1.0.11","fd00:1::11"],"mtu":1450,"anti_spoofing":false})");
  CHECK(asks({"vrf", "set", "blue", "--id", "7", "--subnet", "10.1.0.0/24=10.1.0.1", "--subnet",
              "fd00:1::/64=fd00:1::1"}) == R"(PUT /v1/vrf {"name":"blue","id":7,"subnets":[)"
                                           R"({"prefix":"10.1.0.0/24","gateway":"10.1.0.1"},)"
                                           R"({"prefix":"fd00:1::/64","gateway":"fd00:1::1"}]})");
  CHECK(asks({"tunnel", "set", "to-c", "--ttl", "copy", "--dscp", "copy"}) ==
        R"(PUT /v1/tunnel {"name":"to-c","ttl":"copy","dscp":"copy"})");
  CHECK(asks({"decap", "set", "d", "--dscp", "copy"}) ==
        R"(PUT /v1/decap {"name":"d","dscp":"copy"})");
  CHECK(std::get<int>(parse({"tunnel", "set", "to-c", "--dscp", "64"}).result) == 2);
  CHECK(std::get<int>(parse({"tunnel", "set", "to-c", "--dscp", "keep"}).result) == 2);
  CHECK(std::get<int>(parse({"decap", "set", "d", "--dscp", "46"}).result) == 2);
  CHECK(asks({"decap", "set", "d", "--vif", "vm1", "--source", "192.0.2.0/24", "--source",
              "198.51.100.0/24"}) ==
        R"(PUT /v1/decap {"name":"d","vif":"vm1","sources":["192.0.2.0/24","198.51.100.0/24"]})");
  CHECK(asks({"neighbour", "set", "192.0.2.9", "--mac", "02:00:00:00:00:09"}) ==
        R"(PUT /v1/neighbour {"address":"192.0.2.9","mac":"02:00:00:00:00:09"})");
  CHECK(asks({"route", "add", "--vrf", "blue", "::/0", "--vif", "vm1"}) ==
        R"(POST /v1/route {"vrf":"blue","prefix":"::/0","via":{"vif":"vm1"}})");
  for (const std::string kind : {"tunnel", "vif", "vrf", "decap", "security-group"}) {
    CHECK(asks({kind.c_str(), "del", "x"}) == "DELETE /v1/" + kind + R"( {"name":"x"})");
  }
  CHECK(asks({"neighbour", "del", "192.0.2.9"}) ==
        R"(DELETE /v1/neighbour {"address":"192.0.2.9"})");
  CHECK(asks({"reload", "--dry-run"}) == R"(POST /v1/reload {"dry_run":true})");
  CHECK(asks({"reload"}) == "POST /v1/reload {}");
  CHECK(command({"show", "drops", "--watch"}).watch_s == 1);
  CHECK(command({"show", "drops", "--watch", "2.5"}).watch_s == 2.5);
  CHECK(command({"show", "drops"}).watch_s == 0);
}

TEST_CASE("weftctl: security groups, and who is in them") {
  CHECK(asks({"security-group", "add", "web", "--ingress", "tcp port 80,443", "--ingress",
              "icmp type 8", "--egress", ""}) ==
        R"(POST /v1/security-group {"name":"web","ingress":[{"protocol":"tcp","ports":[80,443]},)"
        R"({"protocol":"icmp","icmp_type":8}],"egress":[{}]})");
  CHECK(
      asks({"security-group", "set", "web", "--ingress", "none", "--member", "10.9.0.0/16",
            "--member", "fd00::1"}) ==
      R"(PUT /v1/security-group {"name":"web","members":["10.9.0.0/16","fd00::1"],"ingress":[]})");
  CHECK(asks({"security-group", "add", "tag"}) == R"(POST /v1/security-group {"name":"tag"})");
  const auto wrong = parse({"security-group", "set", "web", "--egress", "tcp from"});
  CHECK(std::get<int>(wrong.result) == 2);
  CHECK_THAT(wrong.err, Catch::Contains("--egress: nothing stands behind from; wanted [allow|"));

  CHECK(asks({"vif", "set", "vm1", "--security-group", "web", "--security-group", "admin"}) ==
        R"(PUT /v1/vif {"name":"vm1","security_groups":["web","admin"]})");
  CHECK(asks({"vif", "set", "vm1", "--security-group", "none"}) ==
        R"(PUT /v1/vif {"name":"vm1","security_groups":["none"]})");  // a name like any other
  for (const std::string kind : {"vif", "vrf"}) {
    CHECK(asks({kind.c_str(), "set", "x", "--no-security-groups"}) ==
          "PUT /v1/" + kind + R"( {"name":"x","security_groups":[]})");
  }
}

TEST_CASE("weftctl: an unknown word is answered with the nearest one") {
  const auto said = [](const std::vector<const char*>& words) {
    const auto parsed = parse(words);
    CHECK(std::get<int>(parsed.result) == 2);
    return parsed.err;
  };
  CHECK_THAT(said({"shwo", "vif"}), Catch::Contains(R"(no command "shwo"; did you mean "show"?)"));
  CHECK_THAT(said({"show", "tunel"}), Catch::Contains(R"(did you mean "tunnel"?)"));
  CHECK_THAT(said({"tunnel", "ad", "x"}), Catch::Contains(R"(did you mean "add"?)"));
  CHECK_THAT(said({"tunnel", "set", "x", "--remot", "::1"}),
             Catch::Contains(R"(no option "--remot"; did you mean "--remote"?)"));
}

TEST_CASE("weftctl: every command's help has an example") {
  for (const auto& words : std::vector<std::vector<const char*>>{{"show", "--help"},
                                                                 {"explain", "--help"},
                                                                 {"reload", "--help"},
                                                                 {"route", "add", "--help"},
                                                                 {"tunnel", "set", "--help"},
                                                                 {"decap", "add", "--help"},
                                                                 {"vif", "del", "--help"},
                                                                 {"vrf", "add", "--help"},
                                                                 {"security-group", "--help"},
                                                                 {"neighbour", "--help"}}) {
    const auto help = parse(words);
    CHECK(std::get<int>(help.result) == 0);
    CHECK_THAT(help.out, Catch::Contains("Example") && Catch::Contains("weftctl "));
  }
}

TEST_CASE("weftctl: completion") {
  CLI::App app;
  app.add_flag("--json");
  app.add_option("--socket");
  auto* show = app.add_subcommand("show");
  show->add_subcommand("vif");
  show->add_subcommand("vrf");
  show->add_subcommand("drops")->add_flag("--all");
  show->add_subcommand("decap")->add_option("name");
  auto* flow = show->add_subcommand("flow");
  Fields fields;
  add_flow_filters(*flow, fields);
  add_flow_order(*flow, fields);
  ObjectCommands objects;
  objects.add_to(app, [](const auto&, const auto&, const auto&) {});
  using Words = std::vector<std::string>;
  std::string asked;
  const auto live = [&](const std::string& table) -> Words {
    asked = table;
    return {"blue", "black", "red"};
  };
  const auto of = [&](const Words& words) { return candidates(app, words, live); };
  CHECK(of({"s"}) == Words{"security-group", "show"});
  CHECK(of({"show", "v"}) == Words{"vif", "vrf"});
  CHECK(of({"show", "flow", "--state", "e"}) == Words{"established"});
  CHECK(of({"show", "flow", "--sort", ""}) == Words{"age", "bytes", "idle", "packets"});
  CHECK(of({"show", "flow", "--protocol", "i"}) == Words{"icmp", "icmpv6"});
  CHECK(of({"show", "flow", "--port", ""}).empty());
  CHECK(of({"show", "drops", "--"}) == Words{"--all", "--help", "--json", "--socket"});
  CHECK(of({"route", ""}) == Words{"add", "del", "set"});
  CHECK(asked.empty());
  CHECK(of({"vrf", "set", "bl"}) == Words{"black", "blue"});
  CHECK(asked == "vrf");
  CHECK(of({"tunnel", "del", ""}).size() == 3);
  CHECK(asked == "tunnel");
  CHECK(of({"tunnel", "add", ""}).empty());
  CHECK(of({"show", "vrf", ""}).empty());
  CHECK(of({"show", "decap", "bl"}) == Words{"black", "blue"});
  CHECK(asked == "decap");
  CHECK(of({"show", "decap", "blue", ""}).empty());
  CHECK(of({"route", "add", "--vrf", "r"}) == Words{"red"});
  CHECK(of({"route", "add", "--vrf", "red", "10.0.0.0/8", "--tu"}) == Words{"--tunnel"});
  CHECK(of({"tunnel", "add", "x", "--kind", "v"}) == Words{"vxlan", "vxlan_gpe"});
  CHECK(of({"vif", "set", "x", "--anti-spoofing", ""}) == Words{"off", "on"});
  CHECK(of({"tunnel", "set", "x", "--dscp", ""}) == Words{"copy"});
  CHECK(of({"tunnel", "set", "x", "--vni", ""}).empty());
  CHECK(of({"decap", "set", "x", "--dscp", ""}) == Words{"copy", "keep"});
  CHECK(of({"vif", "set", "x", "--security-group", "bl"}) == Words{"black", "blue"});
  CHECK(asked == "security-group");
  CHECK(of({"security-group", "del", "r"}) == Words{"red"});
  CHECK(of({"security-group", "set", "red", "--i"}) == Words{"--ingress"});
}

TEST_CASE("weftctl: rates of a table that is watched") {
  const auto table = [](int packets, int busy) {
    return Json{{"columns", {"name", "packets", "busy"}},
                {"rows", Json::array({{{"name", "a"}, {"packets", packets}, {"busy", busy}}})}};
  };
  const auto rated = with_rates(table(100, 1), table(400, 2), 2);
  CHECK(rated["columns"] == Json{"name", "packets", "packets/s", "busy"});
  CHECK(rated["rows"][0]["packets/s"] == 150);
  const auto session = [](int packets, const char* id) {
    return Json{{"columns", {"id", "back_packets"}},
                {"rows", Json::array({{{"id", id}, {"back_packets", packets}}})}};
  };
  CHECK(with_rates(session(10, "7"), session(30, "7"), 2)["rows"][0]["back_packets/s"] == 10);
  CHECK_FALSE(
      with_rates(session(10, "7"), session(30, "8"), 2)["rows"][0].contains("back_packets/s"));
  CHECK(render(Answer::table, with_rates(Json::object(), table(400, 2), 2)) ==
        "name  packets  busy\na         400     2\n");
}

TEST_CASE("weftctl: what a reload did") {
  CHECK(render(Answer::changes, Json::parse(R"({"message":"1 added, 1 changed, 1 removed",
      "added":["vif a"],"changed":["vrf b"],"removed":["tunnel c"]})")) ==
        "1 added, 1 changed, 1 removed\n+ vif a\n~ vrf b\n- tunnel c\n");
}

TEST_CASE("weftctl: the socket, and JSON for programs") {
  ::unsetenv("WEFT_SOCKET");
  CHECK(command({"show", "vif"}).socket == "/run/weft/weftd.sock");
  CHECK_FALSE(command({"show", "vif"}).json);
  CHECK(command({"show", "vif", "--json", "--socket", "/b"}).json);
  ::setenv("WEFT_SOCKET", "/a", 1);
  CHECK(command({"show", "vif"}).socket == "/a");
  CHECK(command({"--socket", "/b", "show", "vif"}).socket == "/b");
  ::unsetenv("WEFT_SOCKET");
  CHECK(command({"show", "vif"}).answer == Answer::table);
  CHECK(command({"route", "del", "--vrf", "a", "::/0"}).answer == Answer::message);
  CHECK(command({"explain", "--vif", "a", "--hex", "00"}).answer == Answer::explanation);
}

TEST_CASE("weftctl: what it cannot understand is exit code 2, help is 0") {
  const std::vector<std::vector<const char*>> wrong{
      {},
      {"show"},
      {"show", "vifs"},
      {"show", "vif", "--vrf", "blue"},
      {"route", "set", "--vrf", "blue", "10.0.0.0/8"},
      {"vrf", "add", "blue", "--subnet", "10.0.0.0/8"},
      {"vif", "add"},
      {"vif", "set", "a", "--anti-spoofing", "perhaps"},
      {"show", "vif", "--watch", "0"},
      {"route", "set", "--vrf", "blue", "10.0.0.0/8", "--discard", "--vif", "vm1"},
      {"route", "set", "10.0.0.0/8", "--discard"},
      {"route", "del", "--vrf", "blue"},
      {"tunnel", "set", "to-b", "--vni", "16777216"},
      {"tunnel", "set", "to-b", "--port", "-1"},
      {"tunnel", "set", "to-b", "--port", "12abc"},
      {"explain", "--vif", "a"},
      {"explain", "--dst", "10.0.0.1"},
      {"explain", "--vif", "a", "--port", "b", "--hex", "00"},
      {"explain", "--vif", "a", "--hex", "0"},
      {"explain", "--vif", "a", "--hex", "zz"},
      {"explain", "--vif", "a", "--hex", "00", "--dst", "10.0.0.1"},
      {"explain", "--vif", "a", "--dst", "10.0.0.1", "--proto", "256"},
      {"explain", "--vif", "a", "--dst", "10.0.0.1", "--proto", "gre"},
  };
  for (const auto& words : wrong) {
    const auto parsed = parse(words);
    INFO(Json(std::vector<std::string>(words.begin(), words.end())).dump());
    REQUIRE(std::holds_alternative<int>(parsed.result));
    CHECK(std::get<int>(parsed.result) == 2);
    CHECK_FALSE(parsed.err.empty());
  }
  const auto help = parse({"show", "route", "--help"});
  CHECK(std::get<int>(help.result) == 0);
  CHECK_THAT(help.out, Catch::Contains("--vrf"));
}

TEST_CASE("weftctl: tables") {
  const auto answer =
      Json::parse(R"({"title": "Ports", "columns": ["name", "mtu", "addresses", "x"],
    "rows": [{"name": "fab0", "mtu": 1500, "addresses": ["192.0.2.1/24", "fd00::1/64"], "x": null},
             {"name": "grün", "mtu": 900, "addresses": [], "x": {"a": 1}},
             {"name": "b\u001b[2J", "mtu": null, "extra": 1}]})");
  CHECK(render(Answer::table, answer) ==
        "Ports\n"
        "name    mtu  addresses                 x\n"
        "fab0   1500  192.0.2.1/24, fd00::1/64  -\n"
        "grün    900  -                         {\"a\":1}\n"
        "b?[2J     -  -                         -\n");
  CHECK(render(Answer::table, Json::parse(R"({"columns": ["a", "b"], "rows": []})")) == "a  b\n");
}

TEST_CASE("weftctl: nothing that a terminal would obey") {
  // U+009B starts a control sequence as ESC [ does; U+00A0 and what follows is text.
  const auto answer =
      Json::parse(R"({"columns": ["a"], "rows": [{"a": "\u009b2J\u00a0\u007f\u0080"}]})");
  CHECK(render(Answer::table, answer) == "a\n?2J\u00a0??\n");
}

TEST_CASE("weftctl: an answer nested without end is none") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(parse_answer(nested(60)).is_array());
  CHECK(parse_answer(nested(100)).is_discarded());
  CHECK(parse_answer(nested(1'000'000)).is_discarded());
  CHECK(parse_answer("{").is_discarded());
  http::Response response;
  response.status = 500;
  response.body = R"({"error": )" + nested(1'000'000) + "}";
  CHECK(error_text(response) == "weftd answered with status 500");
}

TEST_CASE("weftctl: an explanation") {
  auto answer = Json::parse(R"({"steps": [{"stage": "parse", "text": "IPv4"},
    {"stage": "resolve", "text": "10.1.0.12/32"}], "verdict": "transmit", "reason": "none",
    "explanation": "", "port": "fab0", "frame_hex": "000102030405060708090a0b0c0d0e0f10"})");
  CHECK(render(Answer::explanation, answer) ==
        "parse    IPv4\n"
        "resolve  10.1.0.12/32\n"
        "=> transmit out of fab0\n"
        "0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n"
        "0010  10\n");
  answer = Json::parse(R"({"steps": [], "verdict": "drop", "reason": "no_route",
    "explanation": "the VRF has no route", "port": "", "frame_hex": ""})");
  CHECK(render(Answer::explanation, answer) == "=> drop: no_route (the VRF has no route)\n");
}

TEST_CASE("weftctl: messages, errors, and answers of another shape") {
  CHECK(render(Answer::message, Json::parse(R"({"message": "done", "generation": 7})")) ==
        "done\n");
  CHECK(render(Answer::table, Json::parse("[1]")) == "[\n  1\n]\n");
  CHECK(render(Answer::table, Json::parse(R"({"columns": 1, "rows": 2})")) ==
        "{\n  \"columns\": 1,\n  \"rows\": 2\n}\n");
  CHECK(render(Answer::explanation, Json(7)) == "7\n");
  CHECK(render(Answer::message, Json()) == "null\n");
  http::Response response;
  response.status = 404;
  response.body = R"({"error": "there is no vif x"})";
  CHECK(error_text(response) == "there is no vif x");
  response.body = "nonsense";
  CHECK(error_text(response) == "weftd answered with status 404");
}

TEST_CASE("weftctl: traces and captures are streams") {
  CHECK(asks({"trace"}) == "POST /v1/trace {}");
  CHECK(asks({"trace", "--vif", "a", "--vif", "b", "--count", "3", "udp", "port", "53"}) ==
        R"(POST /v1/trace {"vifs":["a","b"],"packets":3,"filter":"udp port 53"})");
  CHECK(asks({"capture", "--port", "fab0", "-w", "-", "icmp"}) ==
        R"(POST /v1/capture {"ports":["fab0"],"filter":"icmp"})");
  CHECK(asks({"capture", "--dropped", "-w", "x"}) == R"(POST /v1/capture {"dropped":true})");
  CHECK(asks({"capture", "--dropped=no_route", "--direction", "in", "-w", "x"}) ==
        R"(POST /v1/capture {"direction":"in","dropped":"no_route"})");
  CHECK(asks({"capture", "-w", "x", "--max-bytes", "70000", "--snaplen", "96", "--seconds", "2"}) ==
        R"(POST /v1/capture {"seconds":2,"max_bytes":70000,"snap_bytes":96})");
  CHECK(command({"capture", "-w", "a.pcapng"}).output == "a.pcapng");
  CHECK(command({"trace"}).streams());
  CHECK_FALSE(command({"show", "vif"}).streams());
  CHECK(std::holds_alternative<int>(parse({"capture"}).result));
  CHECK(std::holds_alternative<int>(parse({"capture", "-w", "x", "--direction", "up"}).result));
}

TEST_CASE("weftctl: a line of a trace") {
  CHECK(render_trace(Json::parse(R"({"time":"T","lcore":1,"from":"vif a","steps":[{"stage":"parse",
          "text":"drop: no"}],"verdict":"drop","reason":"no_route","explanation":"none","port":"",
          "frame_hex":""})")) ==
        "T  vif a, worker on CPU 1\nparse  drop: no\n=> drop: no_route (none)\n\n");
  CHECK(render_trace(Json::parse(R"({"end":"time","packets":1,"lost":0})")) == "1 packet\n");
  CHECK(render_trace(Json::parse(R"({"end":"time","packets":2,"lost":3})")) ==
        "2 packets, and 3 that matched came too fast to be followed\n");
}

}  // namespace
}  // namespace weft::ctl::ctl_test
