// Model, store and rollout together, and the API upon them.
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "controller/config.hpp"
#include "unit/control/controller/bench.hpp"

namespace weft::controller_test {

using namespace weft::controller;
using weft::controller::test::Bench;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto two_nodes = R"(
nodes: [{name: a, tunnel_addresses: [192.0.2.1]}, {name: b, tunnel_addresses: [192.0.2.2]}]
networks: [{name: blue, subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}], members: [a, b]}]
)";

}  // namespace

TEST_CASE("a restarted controller goes on where it was", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  const auto numbers = *bench.core->model().find<Numbers>(Kind::numbers, "blue");
  const auto generation = bench.core->rollout().generation();
  CHECK(bench.core->rollout().network("blue").moving == 2);
  CHECK_FALSE(bench.core->applied("b", generation + 1, {}));
  bench.settle();
  CHECK_FALSE(bench.core->rollout().current("blue", {"a", "b"}));
  REQUIRE(bench.core->applied("b", generation, {}));
  bench.settle();
  CHECK(bench.core->rollout().current("blue", {"a", "b"}));

  bench.start();
  CHECK(*bench.core->model().find<Numbers>(Kind::numbers, "blue") == numbers);
  CHECK(bench.core->rollout().generation() > generation);
  CHECK(bench.core->rollout().current("blue", {"a", "b"}));
  CHECK_FALSE(bench.core->rollout().current("blue", {"b", "a"}));
  CHECK(bench.core->rollout().network("blue").waits_for == std::set<std::string>{"a"});
  for (const auto* node : {"a", "b"}) {
    REQUIRE(bench.core->applied(node, bench.core->rollout().generation(), {}));
  }
  bench.settle();
  CHECK(bench.core->rollout().network("blue").moving == 0);
}

TEST_CASE("nodes are told of nothing that is not on the disk", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  const auto before = bench.told.size();
  const auto shown = bench.ask("GET", "/v1/network").body;

  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit tight{1, old.rlim_max};  // as if the disk were full
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const auto red = "networks: [{name: red, members: [a, b]}]";
  const auto refused = bench.apply(red);
  CHECK_THAT(refused, Catch::Contains("state.db: cannot be written"));
  CHECK_THAT(bench.error("GET", "/v1/network"), Catch::StartsWith("503 "));
  CHECK(bench.ask("GET", "/healthz").status == 503);
  bench.core->tick();
  bench.settle();
  // What is on the disk can be seen again, but nothing can be added to it.
  CHECK(bench.ask("GET", "/v1/network").body == shown);
  CHECK_THAT(bench.apply(red), Catch::StartsWith("nothing can be changed now"));
  CHECK(bench.told.size() == before);

  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  CHECK(bench.restarts == 0);
  REQUIRE(bench.core->due());
  bench.now = *bench.core->due();
  bench.core->tick();
  bench.settle();
  CHECK(bench.restarts == 1);
  CHECK(bench.ask("GET", "/healthz").status == 200);
  CHECK(bench.apply(red).empty());
}

TEST_CASE("errors name the object, what is wrong and the remedy", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  const auto says = [&](const std::string& text, const std::string& expected) {
    INFO(text);
    CHECK_THAT(bench.apply(text), Catch::Contains(expected));
  };
  says("netwroks: []", "test:1:1: netwroks: unknown key \"netwroks\"; did you mean \"networks\"?");
  says("networks: [{name: a.b}]", "test:1:19: networks[0].name: wanted a name without dots");
  says("networks: [{name: red, tunnels: [vxlam]}]", "did you mean \"vxlan\"?");
  says("networks: [{name: red, tunnels: [srv6]}]", "tell networks apart by a number");
  says("networks: [{name: red, members: [c]}]", "network red: there is no node \"c\"");
  says("networks: [{name: red, subnets: [{prefix: 10.0.0.0/8, gateway: 11.0.0.1}]}]",
       "11.0.0.1 is not in 10.0.0.0/8");
  says("networks: [{name: red, import: [blue]}]", "wanted a route target, like 64512:100");
  says("networks: [{name: red}, {name: red}]", "network red stands here twice");
  says(
      "vms: [{name: v, node: a, network: blue, mac: \"02:00:00:00:00:01\", addresses: [10.2.0.1]}]",
      "vm v: 10.2.0.1 is in no subnet of network blue");
  says("nodes: [{name: c, tunnel_addresses: [192.0.2.1]}]",
       "the address 192.0.2.1 is taken by node a; choose another");
  says("links: [{name: l, ends: [a, nowhere]}]", "there is no node and no device \"nowhere\"");
  says("routes: [{network: blue, prefix: 0.0.0.0/0}]", "either the node that leads on, or discard");
  const auto vni = bench.core->model().find<Numbers>(Kind::numbers, "blue")->vni;
  says("networks: [{name: red, vni: " + std::to_string(vni) + "}]",
       "network red: the VNI " + std::to_string(vni) + " is taken by network blue");
  CHECK_THAT(bench.error("DELETE", "/v1/node", {{"name", "a"}}),
             Catch::Contains("409 node a is used by network blue"));
  CHECK_THAT(bench.error("DELETE", "/v1/network", {{"name", "bleu"}}),
             Catch::Contains("404 there is no network bleu; did you mean \"blue\"?"));
  CHECK_THAT(bench.error("POST", "/v1/network", {{"name", "blue"}}), Catch::StartsWith("409 "));
  CHECK_THAT(bench.error("POST", "/v1/network", {{"nmae", "red"}}),
             Catch::Contains("did you mean \"name\"?"));
  CHECK_THAT(bench.error("POST", "/v1/netwrok", {}), Catch::Contains("did you mean"));
  CHECK_THAT(bench.error("POST", "/v1/watch", {}), Catch::StartsWith("405 "));
  CHECK_THAT(bench.error("GET", "/v1/profile?node=c"), Catch::StartsWith("404 there is no node"));
}

TEST_CASE("a refused file changes nothing, and a rehearsal uses nothing up", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  const auto before = bench.ask("GET", "/v1/intent").body;
  CHECK_FALSE(bench.apply("networks: [{name: red}, {name: green, members: [x]}]").empty());
  CHECK(bench.ask("GET", "/v1/intent").body == before);
  const Json file{{"text", "networks: [{name: red}]"}, {"dry_run", true}};
  const auto rehearsed = Json::parse(bench.ask("POST", "/v1/apply", file).body);
  CHECK(rehearsed["added"] == Json::array({"network red"}));
  CHECK(bench.ask("GET", "/v1/intent").body == before);
  Bench without;
  for (auto* one : {&bench, &without}) REQUIRE(one->apply("networks: [{name: red}]").empty());
  CHECK(*bench.core->model().find<Numbers>(Kind::numbers, "red") ==
        *without.core->model().find<Numbers>(Kind::numbers, "red"));
}

TEST_CASE("what the API shows can be applied, and changes nothing", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  REQUIRE(bench
              .apply(R"(
devices: [{name: leaf, addresses: [192.0.2.254]}]
links: [{name: l1, ends: [a, leaf], cost: 2}, {name: l2, ends: [leaf, b]}]
security_groups: [{name: web, ingress: [{protocol: tcp, ports: [80, 443], from: ["group:web"]}]}]
networks: [{name: red, tunnels: [gre, mpls_over_gre], import: ["1:1"], export: ["1:2"], vni: 7000,
            security_groups: [web], features: {ttl: copy, dscp: 10, mss_clamp: 1400,
            outer_fragmentation: true}, routes: inventory, router_mac: "02:00:00:00:00:05"}]
routes: [{network: blue, prefix: 0.0.0.0/0, node: a}, {network: blue, prefix: 10.9.0.0/16, discard: true}]
vms: [{name: v, node: a, network: blue, mac: "02:00:00:00:00:01", addresses: [10.1.0.5]}]
)")
              .empty());
  const auto intent = bench.ask("GET", "/v1/intent").body;
  const auto applied =
      Json::parse(bench.ask("POST", "/v1/apply", {{"text", intent}, {"prune", true}}).body);
  CHECK(applied["message"] == "0 added, 0 changed, 0 removed");
  const auto path = Json::parse(bench.ask("GET", "/v1/path?to=v&from=b").body);
  CHECK(path["host"] == "a");
  CHECK(path["hops"] == Json::array({"b", "leaf", "a"}));
  CHECK(path["cost"] == 3);
  const auto pruned =
      Json::parse(bench.ask("POST", "/v1/apply", {{"text", two_nodes}, {"prune", true}}).body);
  CHECK(pruned["removed"].size() == 8);
}

TEST_CASE("the description of the API has exactly what is served", "[controller]") {
  const auto text = read_file(WEFT_OPENAPI);
  REQUIRE(text);
  yaml::Report report("openapi.yaml");
  const auto root = yaml::parse(*text, report);
  REQUIRE(root);
  const auto child = [](const yaml::Element& map, const std::string& key) -> const yaml::Element& {
    for (std::size_t i = 0; i + 1 < map.children.size(); i += 2) {
      if (map.children[i].text == key) return map.children[i + 1];
    }
    throw std::runtime_error("there is no " + key);
  };
  std::set<std::string> described;
  const auto& paths = child(*root, "paths");
  for (std::size_t i = 0; i + 1 < paths.children.size(); i += 2) {
    const auto& methods = paths.children[i + 1];
    for (std::size_t j = 0; j < methods.children.size(); j += 2) {
      std::string method = methods.children[j].text;
      for (char& c : method) c = static_cast<char>(std::toupper(c));
      described.insert(method + " " + paths.children[i].text);
    }
  }
  std::set<std::string> served;
  for (const auto& path : Api::paths()) served.insert(std::string(path.method) + " " + path.path);
  CHECK(described == served);
}

TEST_CASE("a reader sees all and changes nothing", "[controller]") {
  Bench bench;
  REQUIRE(bench.apply(two_nodes).empty());
  const auto body = [](const Api::Path& path) -> Json {
    if (path.path == "/v1/apply") {
      return {{"text", "devices: [{name: d, addresses: [192.0.2.9]}]"}};
    }
    return {{"name", "b"}, {"network", "blue"}, {"prefix", "0.0.0.0/0"}, {"discard", true}};
  };
  const std::string before = bench.ask("GET", "/v1/intent").body;
  bench.role = Role::reader;
  for (const auto& path : Api::paths()) {
    INFO(path.method << " " << path.path);
    const bool shows = path.method == "GET";
    const auto answer = bench.ask(std::string(path.method), path.path, shows ? Json() : body(path));
    CHECK((answer.status == 403) == !shows);
    if (answer.stream) answer.stream->on_reader_left();
  }
  auto tried = body({"POST", "/v1/apply"});
  tried["dry_run"] = true;
  CHECK(bench.ask("POST", "/v1/apply", tried).status == 200);
  CHECK(bench.error("DELETE", "/v1/node", {{"name", "b"}}) ==
        "403 a reader may not DELETE /v1/node; a certificate with the role admin may");
  CHECK(bench.ask("GET", "/v1/intent").body == before);

  bench.role = Role::admin;
  for (const auto& path : Api::paths()) {
    INFO(path.method << " " << path.path);
    if (path.method == "GET") continue;
    CHECK(bench.ask(std::string(path.method), path.path, body(path)).status != 403);
  }
}

TEST_CASE("controller.yaml is read strictly", "[controller]") {
  const auto wrong = [](const std::string& text) {
    const auto loaded = controller::parse_config(text, "c.yaml");
    return loaded.diagnostics.empty() ? "" : agent::to_string(loaded.diagnostics.front());
  };
  CHECK(wrong(R"(
name: controller-1
domain: weft.local
listen: {address: 192.0.2.10}
tls: {ca: /etc/ca.pem, cert: /etc/c.pem, key: /etc/c.key}
api: {socket: /run/x.sock, listen: {address: "::1", port: 8443}}
state: {file: /var/lib/weft/controller.db}
peers: [{address: 192.0.2.11}]
timers: {grace: 1, silent: 60, hold: 90, stale: 30}
underlay: [192.0.2.0/24]
autonomous_system: 64999
files: [/etc/weft/networks.yaml]
)")
            .empty());
  CHECK(wrong("name: c\ndomain: d\nlisten: {address: 192.0.2.1}") ==
        "c.yaml:1:1: tls: required, but missing, since there is listen");
  CHECK(wrong("name: c\ndomain: d\napi: {listen: {address: 192.0.2.1, port: 8443}}") ==
        "c.yaml:1:1: tls: required, but missing, since there is api.listen without api.tls");
  CHECK(wrong("name: c\ndomain: d\napi: {listen: {address: 192.0.2.1, port: 8443}, "
              "tls: {ca: /ca, cert: /c, key: /k}}")
            .empty());
  CHECK(wrong("name: c\ndomain: d\ntimres: {}") ==
        "c.yaml:3:1: timres: unknown key \"timres\"; did you mean \"timers\"?");
  CHECK(wrong("name: c") == "c.yaml:1:1: domain: required, but missing");
  CHECK(wrong("name: c\ndomain: d\nstate: {file: x.db}") ==
        "c.yaml:3:15: state.file: wanted a path from the root, found \"x.db\"");
}

}  // namespace weft::controller_test
