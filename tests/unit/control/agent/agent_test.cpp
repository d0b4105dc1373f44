#include "agent/agent.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/hex.hpp"

namespace weft::agent::agent_test {
namespace {

using namespace std::chrono_literals;
using namespace test;
using weft::test::hex;

const bool quiet = [] {
  spdlog::set_level(spdlog::level::off);
  return true;
}();

struct Running {
  boost::asio::io_context io;
  FakePlane plane;
  Agent agent{io, plane};

  /// Runs the loop until `done`, at most for five seconds.
  template <class Condition>
  bool until(Condition done) {
    for (const auto end = system_time() + 5s; !done() && system_time() < end;) io.run_one_for(50ms);
    return done();
  }
};

TEST_CASE("the agent opens what is configured and announces itself") {
  Running r;
  REQUIRE(r.agent.start(sample_node()));
  REQUIRE(r.plane.requests.size() == 4);
  CHECK(r.plane.requests[0].shared_queues);
  CHECK_FALSE(r.plane.requests[0].mac);
  CHECK(r.plane.requests[1].name == "vm1");
  CHECK(r.plane.requests[1].mac == mac("02:00:00:00:01:01"));
  CHECK(r.plane.requests[1].mtu_bytes == 1450);
  CHECK(r.plane.batches.size() == 1);
  // Questions for to-b's remote and two gateways; announcements of two addresses and the
  // link-local one.
  CHECK(r.plane.sent.size() == 3 + 3);
}

TEST_CASE("a gateway whose MAC is configured is known from the start") {
  Running r;
  auto config = sample_node();
  const auto gateway = ip("192.0.2.254");
  config.neighbours.push_back({"fab0", gateway, mac("02:00:00:00:00:fe")});
  REQUIRE(r.agent.start(config));
  const auto& model = r.agent.model();
  const auto& a = model.adjacencies.at({model.ports.at("fab0").id, gateway});
  CHECK(a.mac == mac("02:00:00:00:00:fe"));
  CHECK(r.agent.neighbours().entries().at({model.ports.at("fab0").id, gateway}).state ==
        NeighbourState::fixed);
}

TEST_CASE("a device that does not open is named, and nothing is published") {
  Running r;
  r.plane.unopenable = "tap:vm2";
  const auto started = r.agent.start(sample_node());
  REQUIRE_FALSE(started);
  CHECK(started.error().message == "vif vm2 (tap:vm2): no such device");
  CHECK(r.plane.batches.empty());
}

TEST_CASE("a batch that is refused leaves the model empty") {
  Running r;
  r.plane.refuse = true;
  CHECK_FALSE(r.agent.start(sample_node()));
  const auto& model = r.agent.model();
  CHECK((model.ports.empty() && model.vrfs.empty() && model.tunnels.empty()));
  CHECK((model.nexthops.empty() && model.adjacencies.empty() && model.remotes.empty()));
  CHECK(r.agent.neighbours().entries().empty());
}

TEST_CASE("events come through the descriptor") {
  Running r;
  REQUIRE(r.agent.start(sample_node()));
  const auto port = r.agent.model().ports.at("fab0").id;
  r.plane.post([&](EventSink& sink) { sink.on_neighbour_needed({port, ip("192.0.2.77")}); });
  REQUIRE(r.until([&] { return r.plane.has_route(underlay_vrf, "192.0.2.77/32"); }));

  // scapy: 192.0.2.77 at 02:00:00:00:00:77 answers; then vm1 asks for its gateway.
  const auto reply =
      hex("020000000f0102000000007708060001080006040002020000000077c000024d020000000f01c0000201");
  r.plane.post([&](EventSink& sink) {
    PuntedPacket p;
    p.kind = PuntClass::neighbour;
    p.port = port;
    p.l3_offset = 14;
    p.frame = reply;
    sink.on_punt(p);
  });
  const NeighbourKey key{port, ip("192.0.2.77")};
  REQUIRE(r.until([&] { return r.agent.model().adjacencies.at(key).mac.has_value(); }));
  const auto question =
      hex("ffffffffffff02000000010108060001080006040001020000000101"
          "0a01000b0000000000000a010001");
  r.plane.sent.clear();
  r.plane.post([&](EventSink& sink) {
    PuntedPacket p;
    p.kind = PuntClass::neighbour;
    p.vrf = r.agent.model().vrfs.at("blue").id;
    p.vif = r.agent.model().vifs.at("vm1").id;
    p.port = r.agent.model().vifs.at("vm1").port;
    p.l3_offset = 14;
    p.frame = question;
    sink.on_punt(p);
  });
  CHECK(r.until([&] { return r.plane.sent.size() == 1; }));
}

TEST_CASE("what is deferred is reclaimed until nothing is left, then no more") {
  Running r;
  r.plane.deferred = 3;
  REQUIRE(r.agent.start(sample_node()));
  REQUIRE(r.until([&] { return r.plane.deferred == 0; }));
  const auto reclaims = r.plane.reclaims;
  r.io.run_for(50ms);
  CHECK(r.plane.reclaims == reclaims);
}

TEST_CASE("a link that comes up later is announced then") {
  Running r;
  REQUIRE(r.agent.start(sample_node()));
  r.plane.opened[0].link_up = false;
  r.io.run_for(1100ms);
  r.plane.sent.clear();
  r.plane.opened[0].link_up = true;
  const auto announced =
      hex("ffffffffffff020000000f0108060001080006040001020000000f01c0000201000000000000c0000201");
  CHECK(r.until([&] {
    return std::any_of(r.plane.sent.begin(), r.plane.sent.end(),
                       [&](const auto& sent) { return sent.frame == announced; });
  }));
}

TEST_CASE("what comes out of a tunnel is not taken for the fabric's") {
  Running r;
  REQUIRE(r.agent.start(sample_node()));
  r.plane.sent.clear();
  // scapy: 10.1.0.12, which is behind to-b, asks for blue's gateway.
  const auto question =
      hex("ffffffffffff02005e00020208060001080006040001"
          "02005e0002020a01000c0000000000000a010001");
  PuntedPacket p;
  p.kind = PuntClass::neighbour;
  p.vrf = r.agent.model().vrfs.at("blue").id;
  p.decap = DecapId(0);
  p.l3_offset = 14;
  p.frame = question;
  r.agent.on_punt(p);
  REQUIRE(r.plane.sent.size() == 1);
  CHECK(std::holds_alternative<Injection::IntoTunnel>(r.plane.sent[0].target));
}

TEST_CASE("after stop the loop runs out of work, and the data plane keeps its descriptor") {
  Running r;
  REQUIRE(r.agent.start(sample_node()));
  r.agent.stop();
  r.io.run_for(5s);
  CHECK(r.io.stopped());
  CHECK(fcntl(r.plane.event_descriptor(), F_GETFD) != -1);
}

}  // namespace
}  // namespace weft::agent::agent_test
