// BFD with gateways: which sessions run, and what they do to the gateways' adjacencies.
#include <catch2/catch.hpp>

#include "agent/metrics.hpp"
#include "config_sample.hpp"
#include "log_lines.hpp"
#include "service.hpp"

namespace weft::agent::bfd_test {
namespace {

using test::ip;
using test::Listening;
using test::mac;
using test::Service;

/// Two ports with a gateway each; BFD on the first, or on both.
Config with_bfd(bool both = true) {
  auto config = test::two_fabrics();
  config.ports[0].gateways = {ip("192.0.2.254")};
  config.ports[0].bfd = BfdSettings{.interval_ms = 10, .multiplier = 5};
  if (both) config.ports[1].bfd = BfdSettings{};
  return config;
}

class Gateways : public Service {
 public:
  explicit Gateways(const Config& config = with_bfd()) : Service(config) {
    auto& resolver = agent.resolver();
    for (const auto& [key, a] : agent.model().adjacencies) {
      if (a.gateways != 0) REQUIRE(resolver.put_neighbour(key, mac("02:00:00:00:00:99")));
    }
  }
  [[nodiscard]] NeighbourKey key(const char* port, const char* address) const {
    return {agent.model().ports.at(port).id, ip(address)};
  }
  void hear(const NeighbourKey& key, BfdState state, BfdState remote = BfdState::up) {
    BfdStatus status;
    for (auto& session : plane.bfd_sessions) {
      if (plane.bfd_requests.at(session.id).neighbour != key.address) continue;
      session.state = state;
      session.remote_state = remote;
      session.diagnostic = state == BfdState::up ? 0 : 1;
      status = session;
    }
    REQUIRE(status.id.valid());
    agent.on_bfd(status);
  }
  /// How many of the 256 buckets of the default route lead to a neighbour.
  [[nodiscard]] auto share(const NeighbourKey& key) const {
    const auto& tunnel = agent.model().tunnels.at("to-far");
    const auto adjacency =
        std::get<nexthop::Tunnel>(plane.tables.nexthops.at(tunnel.nexthop)).adjacency;
    return std::ranges::count(plane.tables.adjacencies.at(adjacency).buckets,
                              agent.model().adjacencies.at(key).id);
  }
};

}  // namespace

TEST_CASE("bfd: a session with each gateway of a port that speaks it") {
  Gateways s(with_bfd(false));
  REQUIRE(s.plane.bfd_sessions.size() == 1);
  const auto& request = s.plane.bfd_requests.begin()->second;
  const auto first = s.key("fab0", "192.0.2.254");
  CHECK(request.port == first.port);
  CHECK(request.adjacency == s.agent.model().adjacencies.at(first).id);
  CHECK(request.local == ip("192.0.2.1"));
  CHECK(request.neighbour == ip("192.0.2.254"));
  CHECK(request.settings == BfdSettings{.interval_ms = 10, .multiplier = 5});
  CHECK(s.plane.tables.ports.at(first.port).bfd);
  CHECK_FALSE(s.plane.tables.ports.at(s.agent.model().ports.at("fab1").id).bfd);

  // A route's gateways, too, as long as some route names them; a tunnel's remote on the link is
  // none.
  const auto settle = [&] {
    s.io.restart();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const auto before = s.plane.bfd_sessions.size();
    while (s.plane.bfd_sessions.size() == before && std::chrono::steady_clock::now() < end) {
      s.io.run_one();
    }
  };
  s.done("POST", "/v1/route",
         R"({"vrf":"underlay","prefix":"172.16.0.0/12","via":{"gateway":"192.0.2.7"}})");
  settle();
  REQUIRE(s.plane.bfd_sessions.size() == 2);
  CHECK(s.plane.bfd_requests.at(s.plane.bfd_sessions[1].id).neighbour == ip("192.0.2.7"));
  s.done("DELETE", "/v1/route", R"({"vrf":"underlay","prefix":"172.16.0.0/12"})");
  settle();
  CHECK(s.plane.bfd_sessions.size() == 1);
}

TEST_CASE("bfd: a gateway is used while its session is up, or it says that it speaks none") {
  Gateways s;
  const auto first = s.key("fab0", "192.0.2.254");
  const auto second = s.key("fab1", "198.51.100.254");
  REQUIRE(s.plane.bfd_sessions.size() == 2);
  CHECK(s.share(first) == 128);  // nobody is up: packets go as if all were
  s.hear(second, BfdState::up);
  CHECK(s.share(second) == 256);
  const auto batches = s.plane.batches.size();
  s.hear(first, BfdState::init);
  CHECK(s.plane.batches.size() == batches);
  s.hear(first, BfdState::up);
  CHECK(s.share(second) == 128);
  CHECK(s.row("tunnel", "name", "to-far")["state"] == "resolved");

  s.hear(second, BfdState::down);
  CHECK(s.share(first) == 256);
  CHECK(s.plane.batches.back().adjacencies.size() == 1);
  CHECK(s.plane.batches.back().nexthops.empty());
  CHECK(s.row("tunnel", "name", "to-far")["state"] ==
        "resolved by 1 of 2: BFD down with 198.51.100.254");
  const auto row = s.row("bfd", "neighbour", "198.51.100.254");
  CHECK(row["port"] == "fab1");
  CHECK(row["state"] == "down");
  CHECK(row["diagnostic"] == "nothing heard in time");
  CHECK(row["downs"] == 1);
  const auto metrics = s.api.handle({"GET", "/metrics", "", ""}).body;
  CHECK_THAT(metrics,
             Catch::Contains("weft_bfd_up{port=\"fab1\",neighbour=\"198.51.100.254\"} 0\n"));
  CHECK_THAT(metrics, Catch::Contains("weft_bfd_up{port=\"fab0\",neighbour=\"192.0.2.254\"} 1\n"));
  CHECK_THAT(metrics, Catch::Contains(
                          "weft_bfd_downs_total{port=\"fab1\",neighbour=\"198.51.100.254\"} 1\n"));

  s.hear(second, BfdState::down, BfdState::admin_down);
  CHECK(s.share(second) == 128);
  s.hear(second, BfdState::down, BfdState::down);
  CHECK(s.share(second) == 0);
  s.hear(second, BfdState::up);
  CHECK(s.share(second) == 128);
}

TEST_CASE("bfd: a session that cannot be had leaves its gateway out, and it is told") {
  auto config = with_bfd(false);
  Service s(config);
  s.plane.unstartable = "no session fits";
  const Listening log;
  s.done("POST", "/v1/route",
         R"({"vrf":"underlay","prefix":"172.16.0.0/12","via":{"gateway":"192.0.2.7"}})");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  const auto told = [&] {
    return std::ranges::find(log.lines(), "port fab0: no session fits") != log.lines().end();
  };
  while (!told()) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    s.io.restart();
    s.io.run_one();
  }
}

TEST_CASE("config: bfd of a port") {
  const auto port = [](const std::string& bfd) {
    return with("gateway: 192.0.2.254", "gateway: 192.0.2.254, bfd: " + bfd);
  };
  CHECK_FALSE(load(sample).ports[0].bfd);
  CHECK(load(port("{}")).ports[0].bfd == BfdSettings{.interval_ms = 50, .multiplier = 3});
  CHECK(load(port("{interval: 10, multiplier: 1}")).ports[0].bfd ==
        BfdSettings{.interval_ms = 10, .multiplier = 1});
  expect(port("^on"), "ports[0].bfd", "wanted a map");
  expect(port("{interval: ^9}"), "ports[0].bfd.interval", "10");
  expect(port("{interval: ^10001}"), "ports[0].bfd.interval", "10000");
  expect(port("{multiplier: ^0}"), "ports[0].bfd.multiplier", "1");
  expect(port("{multiplier: ^256}"), "ports[0].bfd.multiplier", "255");
  expect(port("{^intervall: 50}"), "ports[0].bfd.intervall", "did you mean");
}

}  // namespace weft::agent::bfd_test
