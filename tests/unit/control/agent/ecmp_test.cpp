// Routes that have several ways: from the configuration to buckets, and back to the operator.
#include <catch2/catch.hpp>

#include "agent/ecmp_buckets.hpp"
#include "config_sample.hpp"
#include "service.hpp"

namespace weft::agent::ecmp_test {
namespace {

using test::net;
using test::Node;
using test::read_file;
using test::route;
using test::Scratch;
using test::Service;
using test::via_ecmp;
using test::via_tunnel;
using test::write_file;

const NexthopId a(1);
const NexthopId b(2);
const NexthopId c(3);

const EcmpMember to_b{"to-b", ""};
const EcmpMember to_far{"to-far", ""};
const EcmpMember vm2{"", "vm2"};

/// The buckets that a route of blue leads to.
std::vector<NexthopId> buckets_of(const Node& node, const char* prefix) {
  const auto blue = node.model.vrfs.at("blue").id;
  return std::get<nexthop::Ecmp>(node.plane.leads(blue, prefix)).buckets;
}

auto share(const std::vector<NexthopId>& buckets, NexthopId member) {
  return std::ranges::count(buckets, member);
}

/// A route of the API by its members, as JSON.
std::string by_ecmp(const std::string& members) {
  return R"({"vrf":"blue","prefix":"10.4.0.0/16","via":{"ecmp":[)" + members + "]}}";
}

}  // namespace

TEST_CASE("buckets: even shares, and little moves") {
  const std::vector free(8, NexthopId{});
  CHECK(lay_over_buckets(free, std::vector{a}) == std::vector(8, a));
  CHECK(lay_over_buckets(free, std::vector{a, b, c}) == std::vector{a, b, c, a, b, c, a, b});
  const std::vector two{a, b, a, b, a, b, a, b};
  CHECK(lay_over_buckets(two, std::vector{b, a}) == two);
  CHECK(lay_over_buckets(two, std::vector{a, b, c}) == std::vector{c, c, a, b, a, b, a, b});
  CHECK(lay_over_buckets(two, std::vector{a}) == std::vector(8, a));
  CHECK(lay_over_buckets(two, std::vector{c, a}) == std::vector{a, c, a, c, a, c, a, c});
}

TEST_CASE("ecmp: a route's members are laid over buckets, and laid anew as they change") {
  auto config = test::sample_node();
  config.routes.push_back(route("blue", "10.4.0.0/16", via_ecmp({to_b, vm2})));
  Node node(config);
  const NexthopId b_id = node.model.tunnels.at("to-b").nexthop;
  const NexthopId far_id = node.model.tunnels.at("to-far").nexthop;
  const NexthopId vm2_id = node.vif("vm2").nexthop;
  const auto two = buckets_of(node, "10.4.0.0/16");
  CHECK(two.size() == ecmp_bucket_count);
  CHECK(share(two, b_id) == 256);
  CHECK(share(two, vm2_id) == 256);
  const auto group = node.model.ecmp_groups.begin()->first;

  const auto put = [&](std::vector<EcmpMember> members) {
    const auto done = node.resolver.put_route(
        route("blue", "10.4.0.0/16", via_ecmp(std::move(members))), Owner::api);
    REQUIRE(done);
  };
  put({to_b, vm2, to_far});
  const auto three = buckets_of(node, "10.4.0.0/16");
  CHECK(share(three, far_id) == 170);
  for (std::size_t i = 0; i < three.size(); ++i) {
    REQUIRE((three[i] == two[i] || three[i] == far_id));
  }
  CHECK(node.model.ecmp_groups.begin()->first == group);
  CHECK(node.plane.batches.back().routes.empty());

  // The order says nothing, and nothing is told.
  const auto batches = node.plane.batches.size();
  put({to_far, to_b, vm2});
  CHECK(node.plane.batches.size() == batches);

  // What is refused leaves the buckets as they are.
  node.plane.refuse = true;
  CHECK_FALSE(node.resolver.put_route(route("blue", "10.4.0.0/16", via_ecmp({vm2})), Owner::api));
  node.plane.refuse = false;
  CHECK(node.model.ecmp_groups.at(group).buckets == three);
  CHECK_FALSE(
      node.resolver.put_route(route("blue", "10.4.0.0/16", via_ecmp({vm2, vm2})), Owner::api));

  SECTION("a route that leaves its ecmp next hop takes it away") {
    REQUIRE(node.resolver.put_route(route("blue", "10.4.0.0/16", via_tunnel("to-b")), Owner::api));
  }
  SECTION("a route that goes takes it away") {
    REQUIRE(node.resolver.erase_route("blue", net("10.4.0.0/16")));
  }
  node.resolver.finish_deletions(node.plane);
  CHECK(node.model.ecmp_groups.empty());
  CHECK_FALSE(node.model.nexthops.contains(group));
  CHECK_FALSE(node.plane.tables.nexthops.contains(group));
  CHECK(node.plane.redundant == 0);
}

TEST_CASE("ecmp by API: put, shown, changed, in use, gone") {
  Service s;
  CHECK(s.done("POST", "/v1/route", by_ecmp(R"({"tunnel":"to-b"},{"vif":"vm2"})")) ==
        "route 10.4.0.0/16 in blue leads by ecmp via tunnel to-b, vif vm2");
  CHECK(s.row("route", "prefix", "10.4.0.0/16")["via"] == "ecmp tunnel to-b, vif vm2");
  CHECK(s.row("nexthop", "kind", "ecmp")["to"] == "ecmp tunnel to-b, vif vm2");
  s.done("PUT", "/v1/route", by_ecmp(R"({"tunnel":"to-b"},{"vif":"vm2"},{"tunnel":"to-far"})"));
  CHECK(s.row("route", "prefix", "10.4.0.0/16")["via"] ==
        "ecmp tunnel to-b, vif vm2, tunnel to-far");

  s.refused("PUT", "/v1/route", by_ecmp(""), 400, "wanted 1 to 64 members, found 0");
  s.refused("PUT", "/v1/route", by_ecmp(R"({"tunnel":"to-b"},{"tunnel":"to-b"})"), 400,
            "tunnel to-b stands in this list twice");
  s.refused("PUT", "/v1/route", by_ecmp(R"({"tunnel":"to-x"})"), 404, "there is no tunnel");
  s.refused("PUT", "/v1/route", by_ecmp(R"({"tunnel":"to-b","vif":"vm2"})"), 400, "found both");
  s.refused("PUT", "/v1/route", by_ecmp(R"("to-b")"), 400, "wanted a map");

  s.done("POST", "/v1/tunnel",
         R"({"name":"to-c","kind":"vxlan","vni":300,"remote":"192.0.2.3",
             "inner_destination_mac":"02:00:5e:00:01:01"})");
  s.done("PUT", "/v1/route", by_ecmp(R"({"tunnel":"to-c"},{"vif":"vm2"})"));
  s.refused("DELETE", "/v1/tunnel", R"({"name":"to-c"})", 409,
            "in use by route 10.4.0.0/16 in blue");
  s.done("DELETE", "/v1/route", R"({"vrf":"blue","prefix":"10.4.0.0/16"})");
  s.done("DELETE", "/v1/tunnel", R"({"name":"to-c"})");
  s.settle();
  CHECK(s.row("nexthop", "kind", "ecmp").is_null());
  CHECK(s.plane.redundant == 0);
}

TEST_CASE("ecmp: explain names the member") {
  Service s;
  s.done("POST", "/v1/route", by_ecmp(R"({"tunnel":"to-b"},{"vif":"vm2"})"));
  const auto& model = s.agent.model();
  s.plane.explained.steps = {
      {"resolve", "ecmp", model.vrfs.at("blue").id, model.tunnels.at("to-b").nexthop, {}, {}}};
  const auto answer = s.call("POST", "/v1/explain", R"({"vif":"vm1","fields":{"dst":"10.4.0.1"}})");
  CHECK(answer.body["steps"][0]["text"] == "ecmp (vrf blue, tunnel to-b)");
}

TEST_CASE("ecmp: routes of the API outlive a restart, those of the file follow it") {
  Scratch scratch;
  const auto path = scratch.file("weft.yaml");
  const auto state = scratch.file("state.json");
  write_file(path, sample);
  const auto start = [&] {
    auto s = std::make_unique<Service>(weft::agent::load(read_file(path)), state);
    s->agent.set_config_path(path);
    return s;
  };
  auto s = start();
  s->done("POST", "/v1/route", by_ecmp(R"({"tunnel":"to-b"},{"vif":"vm1"})"));
  s->agent.stop();
  s = start();
  CHECK(s->row("route", "prefix", "10.4.0.0/16")["via"] == "ecmp tunnel to-b, vif vm1");

  const std::string of_file = "  - {vrf: blue, prefix: 10.5.0.0/16, via: {ecmp: [";
  write_file(path, sample + of_file + "{tunnel: to-b}]}}\n");
  CHECK(s->call("POST", "/v1/reload", "{}").message() == "1 added, 0 changed, 0 removed");
  write_file(path, sample + of_file + "{tunnel: to-b}, {vif: vm1}]}}\n");
  CHECK(s->call("POST", "/v1/reload", "{}").message() == "0 added, 1 changed, 0 removed");
  CHECK(s->call("POST", "/v1/reload", "{}").message() == "0 added, 0 changed, 0 removed");
  CHECK(s->row("route", "prefix", "10.5.0.0/16")["via"] == "ecmp tunnel to-b, vif vm1");
  write_file(path, sample);
  CHECK(s->call("POST", "/v1/reload", "{}").message() == "0 added, 0 changed, 1 removed");
  s->settle();
  CHECK(s->plane.redundant == 0);
}

TEST_CASE("config: members of ecmp routes") {
  const auto via = [](const std::string& members) {
    return sample + "  - {vrf: blue, prefix: 10.4.0.0/16, via: {ecmp: " + members + "}}\n";
  };
  const auto config = load(via("[{tunnel: to-b}, {vif: vm1}]"));
  CHECK(config.routes[1].via.ecmp == std::vector<EcmpMember>{{"to-b", ""}, {"", "vm1"}});
  const auto bad = [&](const std::string& members, const std::string& key,
                       const std::string& message) {
    expect(via(members), "routes[1].via.ecmp" + key, message);
  };
  bad("^[]", "", "wanted 1 to 64 members, found 0");
  bad("^to-b", "", "wanted a list");
  bad("[^to-b]", "[0]", "wanted a map");
  bad("[^{}]", "[0]", "exactly one of tunnel and vif, found neither");
  bad("[^{tunnel: to-b, vif: vm1}]", "[0]", "found both");
  bad("[{tunnel: to-b}, ^{tunnel: to-b}]", "[1]", "tunnel to-b stands in this list twice");
  bad("[{tunnel: ^to-x}]", "[0].tunnel", "there is no tunnel \"to-x\"");
  bad("[{tunnel: to-b}, {vif: ^vm9}]", "[1].vif", "there is no vif \"vm9\"");
  bad("[{tunnel: to-b, ^vrf: blue}]", "[0].vrf", "unknown key");
  std::string many;
  for (unsigned i = 0; i < 65; ++i) many += "{vif: vm1}, ";
  const auto loaded = parse_config(via("[" + many + "]"), "weft.yaml");
  CHECK_THAT(to_string(loaded.diagnostics.front()), Catch::Contains("found 65"));
  expect(sample + "  - {vrf: underlay, prefix: 10.4.0.0/16, via: {ecmp: [{tunnel: ^to-b}]}}\n",
         "routes[1].via.ecmp[0].tunnel", "cannot lead into a tunnel");
}

}  // namespace weft::agent::ecmp_test
