#include <catch2/catch.hpp>

#include "agent/state_file.hpp"
#include "agent/vif_rules.hpp"
#include "config_sample.hpp"
#include "service.hpp"

namespace weft::agent::reload_test {
namespace {

using test::read_file;
using test::Scratch;
using test::write_file;
using Service = test::Service;
using test::Json;

/// A service that was started from the file of config_sample.hpp.
struct Reloading {
  Scratch scratch;
  std::string path = scratch.file("weft.yaml");
  std::string state = scratch.file("state.json");
  std::unique_ptr<Service> s;

  Reloading() {
    write_file(path, weft::agent::sample);
    start();
  }
  void start() {
    s.reset();
    s = std::make_unique<Service>(weft::agent::load(read_file(path)), state);
    s->agent.set_config_path(path);
  }
  /// kill -9 as far as the file can tell: what is written is written.
  void restart() {
    s->agent.stop();
    start();
  }
  Service::Answer reload(const char* body = "{}") { return s->call("POST", "/v1/reload", body); }
  void refused(const std::string& text, const std::string& part) {
    write_file(path, text);
    s->refused("POST", "/v1/reload", "{}", 409, part);
  }
};

TEST_CASE("reload: only the differences") {
  Reloading r;
  CHECK(r.reload().message() == "0 added, 0 changed, 0 removed");
  CHECK(r.s->plane.batches.size() == 1);

  auto text = with("vni: 100, remote: 192.0.2.2", "vni: 101, remote: 192.0.2.2");
  text = replaced(text, "  - {vrf: blue, prefix: 10.1.0.12/32, via: {tunnel: to-b}}",
                  "  - {vrf: blue, prefix: 10.1.0.13/32, via: {tunnel: to-b}}");
  text = replaced(text, "vifs:\n",
                  "vifs:\n  - {name: vm2, device: \"tap:vm2\", vrf: blue, mac: "
                  "\"02:00:00:00:01:02\", addresses: [10.1.0.22]}\n");
  write_file(r.path, text);
  const auto dry = r.reload(R"({"dry_run": true})");
  CHECK(dry.message() == "would be: 2 added, 1 changed, 1 removed");
  CHECK(r.s->plane.batches.size() == 1);
  const auto done = r.reload();
  CHECK(done.body["added"] == Json::parse(R"(["vif vm2","route 10.1.0.13/32 in blue"])"));
  CHECK(done.body["changed"] == Json::parse(R"(["tunnel to-b"])"));
  CHECK(done.body["removed"] == Json::parse(R"(["route 10.1.0.12/32 in blue"])"));
  CHECK(r.s->plane.batches.size() == 2);
  CHECK(r.s->plane.redundant == 0);
  CHECK(r.s->row("tunnel", "name", "to-b")["network"] == "vni 101");
  CHECK(r.s->row("vif", "name", "vm2")["owner"] == "file");

  write_file(r.path, weft::agent::sample);
  CHECK(r.reload().message() == "1 added, 1 changed, 2 removed");
  r.s->settle();
  CHECK(r.s->plane.opened.size() == 2);
  CHECK(r.s->row("vif", "name", "vm2").is_null());
}

TEST_CASE("reload: an address moves from one vif to another, a route off a tunnel that goes") {
  Reloading r;
  auto text = with("{name: vm1, device: \"tap:vm1@vm1-ns\"", "{name: vm7, device: \"tap:vm7\"");
  text = replaced(text, "- {name: to-b,", "- {name: to-c,");
  text = replaced(text, "via: {tunnel: to-b}", "via: {tunnel: to-c}");
  text = replaced(text, "- {name: from-fabric,", "- {name: from-there,");
  write_file(r.path, text);
  CHECK(r.reload().message() == "3 added, 1 changed, 3 removed");
  const auto& t = r.s->plane.tables;
  const auto blue = r.s->agent.model().vrfs.at("blue").id;
  CHECK(t.routes.at({blue, test::net("10.1.0.11/32")}) ==
        r.s->agent.model().vifs.at("vm7").nexthop);
  // The entry of the data plane is the same, so that no packet finds none.
  CHECK(r.s->plane.batches.back().decaps.size() == 1);
  r.s->settle();
  CHECK(r.s->plane.opened.size() == 2);
}

TEST_CASE("reload: what cannot be leaves everything as it was") {
  Reloading r;
  const std::string add_vif =
      "vifs:\n  - {name: vm2, device: \"tap:vm2\", vrf: blue, mac: "
      "\"02:00:00:00:01:02\", addresses: [10.1.0.22]}\n";
  r.refused(with("vrf: blue, prefix", "vrf: bleu, prefix"),
            r.path + ":18:11: routes[0].vrf: there is no vrf \"bleu\"; did you mean \"blue\"?");
  r.refused(with("memory_mb: 512", "memory_mb: 1024"),
            "dpdk: cannot change while weftd runs; restart");
  r.refused(with("lcores: [0, 1]", "lcores: [0]"), "workers: cannot change");
  r.refused(with("name: compute-a", "name: compute-b"), "node.name: cannot change");
  r.refused(with("mtu: 1500, workers", "mtu: 1400, workers"), "ports: cannot change");
  r.refused(with("mac: \"02:00:00:00:01:01\"", "mac: \"02:00:00:00:01:77\""),
            "vif vm1: mac cannot change while it is attached");
  r.s->plane.unopenable = "tap:vm3";
  r.refused(with("vifs:\n", add_vif + "  - {name: vm3, device: \"tap:vm3\", vrf: blue, mac: "
                                      "\"02:00:00:00:01:03\", addresses: [10.1.0.33]}\n"),
            "vif vm3 (tap:vm3): no such device");
  CHECK(r.s->plane.opened.size() == 2);
  r.s->plane.refuse = true;
  r.refused(with("vifs:\n", add_vif), "refused by the test");
  CHECK(r.s->plane.opened.size() == 2);
  r.s->plane.refuse = false;
  std::filesystem::remove(r.path);
  r.s->refused("POST", "/v1/reload", "{}", 409, "cannot be opened");
  r.s->refused("POST", "/v1/reload", R"({"dryrun":true})", 400, "did you mean \"dry_run\"");
}

TEST_CASE("reload: the API's objects survive, and a conflict is an error") {
  Reloading r;
  r.s->done("PUT", "/v1/tunnel", R"({"name":"to-b","vni":777})");
  r.s->done("POST", "/v1/vif",
            R"({"name":"vm9","device":"tap:vm9","vrf":"blue","mac":"02:00:00:00:01:09",
                "addresses":["10.1.0.99"]})");
  write_file(r.path, with("vni: 100, remote: 192.0.2.2", "vni: 101, remote: 192.0.2.2"));
  CHECK(r.reload().message() == "0 added, 0 changed, 0 removed");
  CHECK(r.s->row("tunnel", "name", "to-b")["network"] == "vni 777");
  CHECK(r.s->row("vif", "name", "vm9")["owner"] == "api");
  r.refused(with("prefix: 10.1.0.12/32", "prefix: 10.1.0.99/32"),
            "10.1.0.99 is taken in blue: an address of vif vm9 (vif vm9 is the API's");
}

TEST_CASE("state: the API's objects outlive a restart") {
  Reloading r;
  r.s->done("PUT", "/v1/tunnel", R"({"name":"to-b","vni":777})");
  r.s->done("POST", "/v1/vrf", R"({"name":"green","id":3})");
  r.s->done("POST", "/v1/vif",
            R"({"name":"vm9","device":"tap:vm9","vrf":"green","mac":"02:00:00:00:01:09",
                "addresses":["10.1.0.99","fd00::9"],"anti_spoofing":false})");
  r.s->done("POST", "/v1/decap",
            R"({"name":"from-c","kind":"vxlan","vni":300,"vif":"vm9","sources":["192.0.2.3/32"],
                "port":8472})");
  r.s->done("POST", "/v1/route", R"({"vrf":"green","prefix":"::/0","via":{"vrf":"blue"}})");
  r.s->done("POST", "/v1/neighbour", R"({"address":"192.0.2.3","mac":"02:00:00:00:00:03"})");
  const auto tables = [&] {
    Json all;
    for (const auto* name : {"vif", "vrf", "route", "tunnel", "decap"}) all[name] = r.s->rows(name);
    for (auto& row : all["decap"]) row.erase("entry");  // a number, not a name
    return all;
  };
  const auto before = tables();
  r.restart();
  CHECK(tables() == before);
  CHECK(r.s->plane.batches.size() == 1);
  CHECK(r.s->row("neighbour", "address", "192.0.2.3")["state"] == "static");
  CHECK(r.s->row("tunnel", "name", "to-b")["owner"] == "api over file");
  CHECK_FALSE(std::filesystem::exists(r.state + ".new"));

  r.s->done("DELETE", "/v1/tunnel", R"({"name":"to-b"})");
  r.restart();
  CHECK(r.s->row("tunnel", "name", "to-b")["network"] == "vni 100");

  SECTION("what has no place is left out and kept") {
    const auto fit = with("addresses: [10.1.0.11, \"fd00:1::11\"]", "addresses: [10.1.0.11]");
    write_file(r.path, replaced(fit, "vrfs:\n", "vrfs:\n  - {name: gold, id: 3}\n"));
    r.restart();
    CHECK(r.s->row("vrf", "name", "green").is_null());
    CHECK(r.s->row("vif", "name", "vm9").is_null());  // it was in green
    CHECK_FALSE(r.s->row("neighbour", "address", "192.0.2.3").is_null());
    write_file(r.path, fit);
    CHECK(r.reload().body["added"] ==
          Json::parse(R"(["vrf green","vif vm9","decap from-c","route ::/0 in green"])"));
    CHECK(r.s->row("vif", "name", "vm9")["owner"] == "api");
    r.restart();
    CHECK(r.s->row("vif", "name", "vm9")["owner"] == "api");
  }
  SECTION("what has no place can be deleted") {
    write_file(r.path, with("vrfs:\n", "vrfs:\n  - {name: gold, id: 3}\n"));
    r.restart();
    CHECK(r.s->done("DELETE", "/v1/vif", R"({"name":"vm9"})") ==
          "vif vm9, which had no place, is gone");
    r.restart();
    r.s->refused("DELETE", "/v1/vif", R"({"name":"vm9"})", 404, "no vif");
  }
  SECTION("a directory that is missing is an error before anything is changed") {
    const auto read =
        read_state(r.scratch.file("no/such/state.json"), weft::agent::load(read_file(r.path)));
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, Catch::Contains("no/such") && Catch::Contains("create it"));
  }
  SECTION("a damaged file is an error that names the remedy") {
    const auto whole = read_file(r.state);
    const auto damaged = [&](const std::string& text, const std::string& part) {
      r.s->agent.stop();
      write_file(r.state, text);
      const auto read = read_state(r.state, weft::agent::load(read_file(r.path)));
      REQUIRE_FALSE(read);
      CHECK_THAT(read.error().message, Catch::Contains(part) && Catch::Contains(r.state) &&
                                           Catch::Contains("move it away"));
      CHECK_THROWS(r.start());
      write_file(r.state, whole);
      r.start();
    };
    damaged("", "is not JSON at byte");
    damaged(whole.substr(0, whole.size() / 2), "is not JSON at byte");
    damaged("[]", "wanted an object");
    damaged(replaced(whole, "\"version\": 1", "\"version\": 2"), "version 2");
    damaged(replaced(whole, "\"compute-a\"", "\"compute-z\""), "compute-z");
    damaged(replaced(whole, "\"vifs\"", "\"vims\""), "objects.vims");
    damaged(replaced(whole, "\"id\": 3", "\"id\": -3"), "vrfs[0]: id: wanted a whole number");
  }
}

/// The sample with two groups; vm1 is in web.
const std::string grouped = replaced(
    replaced(weft::agent::sample, "flows: off}", "security_groups: [web]}"), "\nvrfs:",
    "\nsecurity_groups:\n  - {name: lb}\n  - {name: web, ingress: [{protocol: tcp}]}\nvrfs:");

TEST_CASE("reload: security groups change, and the answer comes when their rules are in force") {
  Reloading r;
  const auto ingress = [&]() -> std::string {
    const auto* policy = r.s->plane.policy_of(r.s->agent.model().vifs.at("vm1").id);
    if (policy == nullptr) return "open";
    return policy->ingress.rules.empty() ? "shut" : takes_text(policy->ingress.rules.front());
  };
  CHECK(ingress() == "open");
  write_file(r.path, grouped);
  CHECK(r.reload(R"({"dry_run": true})").message() == "would be: 2 added, 1 changed, 0 removed");
  CHECK(ingress() == "open");
  CHECK(r.reload().body["added"] == Json::parse(R"(["security-group lb","security-group web"])"));
  CHECK(ingress() == "tcp");
  write_file(r.path, replaced(grouped, "{protocol: tcp}", "{protocol: udp, from: group:lb}"));
  CHECK(r.reload().body["changed"] == Json::parse(R"(["security-group web"])"));
  CHECK(ingress() == "shut");  // lb has no members
  r.s->settle();

  SECTION("rules that cannot be compiled are the answer") {
    r.s->plane.uncompilable = "too many rules";
    write_file(r.path, grouped);
    r.s->refused("POST", "/v1/reload", "{}", 409, "too many rules");
    CHECK(ingress() == "shut");
  }
  SECTION("without groups a vif is as open as it was") {
    write_file(r.path, weft::agent::sample);
    CHECK(r.reload().message() == "0 added, 1 changed, 2 removed");
    CHECK(ingress() == "open");
  }
  SECTION("a group that the file lacks is named") {
    r.refused(replaced(grouped, "[web]", "[wbe]"), R"(there is no security group "wbe")");
  }
}

TEST_CASE("state: the API's security groups, and who is in them, outlive a restart") {
  Reloading r;
  write_file(r.path, grouped);
  r.restart();
  r.s->done("POST", "/v1/security-group",
            R"({"name":"db","members":["10.7.0.7","fd00::/8"],"ingress":[{"action":"deny",
                "protocol":"tcp","from":["group:db","group:lb","10.0.0.0/8"],"to":"::/0",
                "ports":[1,"2-3"],"source_ports":[4]},
                {"protocol":"icmpv6","icmp_type":128,"icmp_code":0}],"egress":[]})");
  r.s->done("PUT", "/v1/security-group", R"({"name":"web","egress":[{}]})");
  r.s->done("PUT", "/v1/vrf", R"({"name":"blue","security_groups":["db"]})");
  r.s->done("PUT", "/v1/vif", R"({"name":"vm1","security_groups":["db","web"]})");
  r.s->done("POST", "/v1/vif",
            R"({"name":"vm9","device":"tap:vm9","vrf":"blue","mac":"02:00:00:00:01:09",
                "addresses":["10.1.0.99"],"security_groups":["lb"]})");
  const auto tables = [&] {
    Json all;
    for (const auto* name : {"vif", "vrf", "security-group", "policy"}) all[name] = r.s->rows(name);
    return all;
  };
  const auto before = tables();
  r.restart();
  r.s->settle_policies();
  CHECK(tables() == before);

  SECTION("an object in a group that the file has no more is left out and kept") {
    const auto without = replaced(grouped, "  - {name: lb}\n", "");
    write_file(r.path, without);
    r.s->refused("POST", "/v1/reload", "{}", 409,
                 R"(security_groups[0]: there is no security group "lb" (vif vm9 is the API's)");
    r.restart();
    CHECK(r.s->row("vif", "name", "vm9").is_null());
    CHECK(r.s->row("security-group", "name", "db").is_null());
    CHECK(r.s->row("vif", "name", "vm1")["security_groups"] == Json::parse(R"(["web"])"));
    write_file(r.path, grouped);
    CHECK(r.reload().body["added"] ==
          Json::parse(R"(["security-group db","security-group lb","vif vm9"])"));
    CHECK(tables() == before);
  }
}

}  // namespace
}  // namespace weft::agent::reload_test
