// Routes of the underlay by several gateways: which neighbours have which buckets.
#include <catch2/catch.hpp>

#include "config_sample.hpp"
#include "node.hpp"
#include "service.hpp"

namespace weft::agent::ways_test {
namespace {

using test::ip;
using test::mac;
using test::net;
using test::Node;
using test::route;
using test::Service;
using test::tunnel;

RouteTarget via_gateways(std::vector<IpAddress> gateways) {
  return {"", "", "", std::move(gateways), false};
}

/// Two ports with a gateway each, and `count` tunnels by them.
Config with_tunnels(unsigned count = 0) {
  auto config = test::two_fabrics();
  for (unsigned i = 0; i < count; ++i) {
    config.tunnels.push_back(tunnel("t" + std::to_string(i), "192.0.2.1",
                                    ("203.0.113." + std::to_string(i % 250)).c_str(), 1000 + i));
  }
  return config;
}

class Fabrics : public Node {
 public:
  explicit Fabrics(const Config& config = with_tunnels()) : Node(config) {}

  [[nodiscard]] AdjacencyId neighbour(const char* port, const char* address) const {
    return model.adjacencies.at({this->port(port), ip(address)}).id;
  }
  void answers(const char* port, const char* address, bool does = true) {
    const auto to = does ? std::optional(mac("02:00:00:00:00:99")) : std::nullopt;
    REQUIRE(resolver.put_neighbour({this->port(port), ip(address)}, to));
  }
  [[nodiscard]] std::vector<AdjacencyId> buckets() const {
    return tunnel_adjacency("to-far")->buckets;
  }
  [[nodiscard]] auto share(AdjacencyId id) const { return std::ranges::count(buckets(), id); }
};

}  // namespace

TEST_CASE(
    "ways: the gateways of all ports share the default route, one adjacency for all tunnels") {
  Fabrics node;
  const auto a = node.neighbour("fab0", "192.0.2.254");
  const auto b = node.neighbour("fab1", "198.51.100.254");
  CHECK(node.buckets().size() == 256);
  CHECK(node.share(a) == 128);
  CHECK(node.share(b) == 128);
  const auto leads = node.plane.leads(underlay_vrf, "0.0.0.0/0");
  const auto id = std::get<nexthop::Interface>(leads).adjacency;
  CHECK(node.plane.tables.adjacencies.at(id).buckets == node.buckets());
  CHECK(node.keeper.pinned.contains({node.port("fab1"), ip("198.51.100.254")}));
  CHECK(node.tunnel_adjacency("to-b")->buckets.empty());
}

TEST_CASE("ways: a neighbour that is lost changes one adjacency beside its own, and comes back") {
  Fabrics node(with_tunnels(500));
  const auto a = node.neighbour("fab0", "192.0.2.254");
  const auto b = node.neighbour("fab1", "198.51.100.254");
  node.answers("fab0", "192.0.2.254");
  CHECK(node.share(a) == 256);  // the other one has not answered
  node.answers("fab1", "198.51.100.254");
  const auto all = node.buckets();
  CHECK(node.share(b) == 128);

  const auto count = [&] { return node.plane.batches.back(); };
  const auto lost = [&] {
    CHECK(node.share(b) == 0);
    for (std::size_t i = 0; i < all.size(); ++i) REQUIRE((all[i] == b || node.buckets()[i] == a));
    CHECK((count().nexthops.empty() && count().routes.empty()));
  };
  SECTION("it does not answer any more") {
    node.answers("fab1", "198.51.100.254", false);
    lost();
    CHECK(count().adjacencies.size() == 2);
    node.answers("fab1", "198.51.100.254");
  }
  SECTION("its link is down") {
    REQUIRE(node.resolver.put_link(node.port("fab1"), false));
    lost();
    CHECK(count().adjacencies.size() == 1);
    // What comes by a link that is down is down.
    REQUIRE(node.resolver.put_route(
        route("underlay", "172.16.0.0/12", via_gateways({ip("198.51.100.9"), ip("192.0.2.254")})),
        Owner::api));
    const auto id =
        std::get<nexthop::Interface>(node.plane.leads(underlay_vrf, "172.16.0.0/12")).adjacency;
    CHECK(node.plane.tables.adjacencies.at(id).buckets == std::vector(256, a));
    REQUIRE(node.resolver.put_link(node.port("fab1"), true));
  }
  SECTION("all are lost") {
    REQUIRE(node.resolver.put_link(node.port("fab1"), false));
    REQUIRE(node.resolver.put_link(node.port("fab0"), false));
    CHECK(node.buckets() == all);
    REQUIRE(node.resolver.put_link(node.port("fab0"), true));
    REQUIRE(node.resolver.put_link(node.port("fab1"), true));
  }
  CHECK(node.buckets() == all);
  const auto batches = node.plane.batches.size();
  REQUIRE(node.resolver.put_link(node.port("fab1"), true));
  CHECK(node.plane.batches.size() == batches);
  CHECK(node.plane.redundant == 0);
}

TEST_CASE("ways: what goes by several gateways must fit each") {
  for (const std::size_t small : {0, 1}) {
    auto config = with_tunnels();
    config.ports.at(small).mtu_bytes = 1400;
    CHECK(Fabrics(config).tunnel_adjacency("to-far")->mtu_bytes == 1400);
  }
}

TEST_CASE("ways: routes with the same gateways share an adjacency, which goes with the last") {
  Fabrics node;
  const auto put = [&](const char* prefix, const std::vector<IpAddress>& gateways) {
    REQUIRE(node.resolver.put_route(route("underlay", prefix, via_gateways(gateways)), Owner::api));
  };
  const auto erase = [&](const char* prefix) {
    REQUIRE(node.resolver.erase_route("underlay", net(prefix)));
    node.resolver.finish_deletions(node.plane);
  };
  const auto nexthops = node.plane.tables.nexthops.size();
  const auto adjacencies = node.plane.tables.adjacencies.size();
  put("172.16.0.0/12", {ip("192.0.2.7"), ip("198.51.100.7")});
  put("172.31.0.0/16", {ip("198.51.100.7"), ip("192.0.2.7")});
  CHECK(node.plane.leads(underlay_vrf, "172.16.0.0/12") ==
        node.plane.leads(underlay_vrf, "172.31.0.0/16"));
  CHECK(node.plane.tables.nexthops.size() == nexthops + 3);
  erase("172.16.0.0/12");
  CHECK(node.plane.tables.nexthops.size() == nexthops + 3);
  CHECK(node.keeper.pinned.contains({node.port("fab0"), ip("192.0.2.7")}));

  // A tunnel follows the route, and is the last that rests on it.
  put("203.0.113.0/24", {ip("192.0.2.7"), ip("198.51.100.7")});
  const auto before = node.buckets();
  CHECK(node.share(node.neighbour("fab0", "192.0.2.7")) == 128);
  put("203.0.113.0/24", {ip("198.51.100.7"), ip("192.0.2.7")});
  CHECK(node.buckets() == before);
  erase("172.31.0.0/16");
  put("203.0.113.0/24", {ip("192.0.2.7")});
  CHECK(node.tunnel_adjacency("to-far")->neighbour == ip("192.0.2.7"));
  node.resolver.finish_deletions(node.plane);
  CHECK_FALSE(node.keeper.pinned.contains({node.port("fab1"), ip("198.51.100.7")}));
  erase("203.0.113.0/24");
  CHECK_FALSE(node.keeper.pinned.contains({node.port("fab0"), ip("192.0.2.7")}));
  CHECK(node.plane.tables.adjacencies.size() == adjacencies + 2);  // the neighbours

  // What is refused changes nothing.
  node.plane.refuse = true;
  CHECK_FALSE(node.resolver.put_route(
      route("underlay", "172.16.0.0/12", via_gateways({ip("192.0.2.7"), ip("198.51.100.7")})),
      Owner::api));
  node.plane.refuse = false;
  CHECK(node.model.ways.size() == 1);
  CHECK_FALSE(node.resolver.put_route(
      route("underlay", "172.16.0.0/12", via_gateways({ip("192.0.2.7"), ip("2001:db8::7")})),
      Owner::api));
}

TEST_CASE("ways: shown, and told as the API takes them") {
  Service s(with_tunnels());
  s.done("POST", "/v1/route",
         R"({"vrf":"underlay","prefix":"172.16.0.0/12",
             "via":{"gateway":["192.0.2.7","198.51.100.7"]}})");
  CHECK(s.row("route", "prefix", "172.16.0.0/12")["via"] ==
        "neighbours fab0 192.0.2.7, fab1 198.51.100.7");
  CHECK(s.row("tunnel", "name", "to-far")["via"] == "fab0 192.0.2.254, fab1 198.51.100.254");
  CHECK(s.row("tunnel", "name", "to-far")["state"] ==
        "waiting for ARP of 192.0.2.254, waiting for ARP of 198.51.100.254");
  s.done("DELETE", "/v1/route", R"({"vrf":"underlay","prefix":"172.16.0.0/12"})");
}

TEST_CASE("config: several gateways") {
  const auto two = with("\nneighbours:",
                        "\n  - {name: fab1, device: \"af_packet:eth2\", addresses: "
                        "[198.51.100.1/24], gateway: [198.51.100.254, 198.51.100.253]}\n"
                        "neighbours:");
  CHECK(load(two).ports[1].gateways.size() == 2);
  const auto via = [&](const std::string& gateways) {
    return two + "  - {vrf: underlay, prefix: 172.16.0.0/12, via: {gateway: " + gateways + "}}\n";
  };
  CHECK(load(via("[192.0.2.7, 198.51.100.7]")).routes[1].via.gateways ==
        std::vector{ip("192.0.2.7"), ip("198.51.100.7")});
  CHECK(load(via("192.0.2.7")).routes[1].via.gateways.size() == 1);
  expect(via("^[]"), "routes[1].via.gateway", "wanted 1 to 16 gateways, found 0");
  expect(via("[192.0.2.7, ^192.0.2.7]"), "routes[1].via.gateway[1]", "192.0.2.7");
  expect(via("[192.0.2.7, ^10.0.0.7]"), "routes[1].via.gateway[1]", "in the subnet of a port");
  std::string many;
  for (unsigned i = 10; i < 27; ++i) many += "192.0.2." + std::to_string(i) + ", ";
  expect(via("^[" + many + "]"), "routes[1].via.gateway", "found 17");
  expect(with("gateway: 192.0.2.254",
              "gateway: [" + replaced(many, "192.0.2.26", "^192.0.2.26") + "]"),
         "ports[0].gateway[16]", "at most 16 gateways of a family");
}

}  // namespace weft::agent::ways_test
