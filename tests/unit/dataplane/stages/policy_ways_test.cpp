// Policies hold whichever way packets come to a VIF.
#include <catch2/catch.hpp>

#include "support/policy_case.hpp"

namespace weft::policy_ways_test {

using namespace test::policies;

namespace {

/// VM 3 gets UDP to port 2000 and opens nothing. Only its own VRF keeps flows.
struct Guarded : World {
  Guarded() : World({all(), all()}, {none(), only(udp_to(2000))}) {
    Batch batch;
    for (auto vrf : world::batch().vrfs) {
      vrf.object->flows = vrf.id == world::blue;
      batch.vrfs.push_back(vrf);
    }
    rig.apply_to_twin(batch);
  }
};

void add_routes(World& w, std::vector<RouteChange> routes) {
  Batch batch;
  batch.routes = std::move(routes);
  w.rig.apply(batch);
}

/// To port 2001 instead of 2000.
Bytes elsewhere(const Bytes& packet) { return with(packet, at::ip + 22, "07d1"); }

/// `request`, but from 198.51.100.7 by the fabric; and its answer.
const Bytes fabric_request =
    with_ipv4(with(request, 0, "020000000f01020000000f02"), at::ip, 12, "c6336407");
const Bytes fabric_answer = with_ipv4(answer, at::ip, 16, "c6336407");

}  // namespace

TEST_CASE("a policy holds for what comes from a VRF that keeps no flows", "[policy]") {
  Guarded w;
  add_routes(w, {{world::red, prefix("10.1.0.13/32"), world::lookup_blue},
                 {world::blue, prefix("10.1.0.11/32"), world::lookup_red}});
  const Bytes from_red = with(request, 0, "02005e000201020000000201");
  const auto send = [&](const Bytes& packet) {
    return describe(w.rig.receive_judged(world::vm2, packet));
  };
  CHECK(w.from_vm3(answer) == egress);
  CHECK(send(elsewhere(from_red)) == ingress);
  CHECK(send(from_red) == passes);
  CHECK(send(from_red) == passes);
  REQUIRE(w.rig.hands().v4().opened.get() == 1);
  CHECK(w.from_vm3(answer) == passes);
  // The session counts them all, and ends when it is judged anew.
  const std::uint32_t direction = [&] {
    const FlowTable<FlowKey4>& table = w.rig.flows().v4;
    std::uint32_t session = 1;
    while (!table.live(session)) ++session;
    return 2 * session;
  }();
  CHECK(w.rig.flows().v4.entry(direction).packets.get() == 2);
  CHECK(w.rig.flows().v4.entry(direction + 1).packets.get() == 1);
  w.set(policy3, {none(), none()});
  CHECK(send(from_red) == ingress);
  CHECK(w.from_vm3(answer) == egress);
}

TEST_CASE("a policy holds for what the underlay's routes lead to its VIF", "[policy]") {
  Guarded w;
  const bool direct = GENERATE(true, false);
  add_routes(w, {{world::underlay, prefix("10.1.0.13/32"),
                  direct ? world::deliver_vm3 : world::lookup_blue},
                 {world::blue, prefix("198.51.100.0/24"), world::lookup_underlay}});
  CHECK(w.from_vm3(fabric_answer) == egress);
  CHECK(w.from_fabric(elsewhere(fabric_request)) == ingress);
  CHECK(w.from_fabric(fabric_request) == passes);
  CHECK(w.from_vm3(fabric_answer) == passes);
  // The other way round: VM 1 asks, and what the fabric answers is let in.
  w.set(policy1, {all(), none()});
  add_routes(w, {{world::underlay, prefix("10.1.0.11/32"), world::lookup_blue}});
  const Bytes asked = with_ipv4(request, at::ip, 16, "c6336407");
  const Bytes answered =
      with(with_ipv4(fabric_request, at::ip, 12, "c63364070a01000b"), at::ip + 20, "07d003e8");
  CHECK(w.from_fabric(answered) == ingress);
  CHECK(w.from_vm1(asked) == passes);
  CHECK(w.from_fabric(answered) == passes);
}

TEST_CASE("what the host's kernel sends is judged by who gets it", "[policy]") {
  Guarded w;
  const PortId tap{6};
  const VifId host(6);
  const MacAddress host_mac = test::mac("02:00:00:00:0f:01");
  Batch batch;
  batch.ports = {{tap, Port{test::mac("02:00:5e:00:00:01"), 1000, host, false}}};
  batch.vifs = {{host, Vif{tap, world::underlay, host_mac, {test::ip("192.0.2.1")}, true, true}}};
  batch.routes = {{world::underlay, prefix("10.1.0.13/32"), world::deliver_vm3}};
  w.rig.apply(batch);
  const Bytes packet =
      with_ipv4(with(request, 0, "02005e000001020000000f01"), at::ip, 12, "c0000201");
  CHECK(describe(w.rig.receive_judged(tap, packet)) == passes);
  CHECK(describe(w.rig.receive_judged(tap, elsewhere(packet))) == ingress);
}

TEST_CASE("what waited for a glean is judged when it goes on", "[policy]") {
  Guarded w;
  const Bytes packet = with_ipv4(request, at::ip, 16, "0a050007");
  const Outcome held = w.rig.receive_judged(world::vm1, packet);
  const Outcome other = w.rig.receive_judged(world::vm1, elsewhere(packet));
  REQUIRE(describe(held) == "held");
  REQUIRE(describe(other) == "held");
  add_routes(w, {{world::blue, prefix("10.5.0.7/32"), world::deliver_vm3}});
  CHECK(describe(w.rig.resume_judged(other)) == ingress);
  CHECK(describe(w.rig.resume_judged(held)) == passes);
  CHECK(w.rig.hands().v4().opened.get() == 1);
  w.set(policy1, {none(), none()});
  CHECK(describe(w.rig.resume_judged(held)) == egress);
}

TEST_CASE("the router's own packets are not judged", "[policy]") {
  World w({none(), none()}, {none(), none()});
  const Bytes packet(request.begin() + at::ip, request.end());
  CHECK(describe(w.rig.originate(world::blue, packet)) == passes);
}

TEST_CASE("what a session's next hop comes to lead to another VIF by is judged anew", "[policy]") {
  // VM 4 takes the place of VM 1, which anybody may talk to, under the id of a next hop.
  World w({all(), all()}, {none(), none()});
  w.set(policy1, {all(), all()});
  Batch batch;
  batch.routes = {{world::blue, prefix("10.1.0.99/32"), world::deliver_vm4}};
  w.rig.apply(batch);
  const Bytes packet = with_ipv4(request, at::ip, 16, "0a010063");
  REQUIRE(w.from_vm1(packet) == passes);
  Batch change;
  SECTION("by another adjacency") {
    change.nexthops = {{world::deliver_vm4, nexthop::Interface{world::to_vm3}}};
  }
  SECTION("by another port of its adjacency") {
    for (auto adjacency : world::batch().adjacencies) {
      if (adjacency.id != world::to_vm4) continue;
      adjacency.object->port = world::vm3;
      change.adjacencies.push_back(adjacency);
    }
  }
  SECTION("by another VIF of its port") {
    for (auto port : world::batch().ports) {
      if (port.id != world::vm4) continue;
      port.object->vif = VifId(3);
      change.ports.push_back(port);
    }
  }
  SECTION("by another kind of next hop") {
    Batch tunnel;
    for (auto nexthop : world::batch().nexthops) {
      if (nexthop.id == world::tunnel4) tunnel.nexthops = {{world::deliver_vm4, nexthop.object}};
    }
    w.rig.apply(tunnel);
    REQUIRE(w.from_vm1(packet) == passes);
    change.nexthops = {{world::deliver_vm4, nexthop::Interface{world::to_vm3}}};
  }
  w.rig.apply(change);
  CHECK(w.from_vm1(packet) == ingress);
}

TEST_CASE("answers are known wherever a route has led the session's packets", "[policy]") {
  // VM 3 opens a session to 10.1.0.11, which is VM 1, and VM 2 in another VRF from then on.
  World w({all(), all()}, {all(), none()});
  add_routes(w, {{world::red, prefix("10.1.0.13/32"), world::lookup_blue}});
  const Bytes from_red = with(request, 0, "02005e000201020000000201");
  const auto send = [&](const Bytes& packet) {
    return describe(w.rig.receive_judged(world::vm2, packet));
  };
  REQUIRE(w.from_vm3(answer) == passes);
  REQUIRE(w.from_vm1(request) == passes);
  REQUIRE(send(from_red) == ingress);
  add_routes(w, {{world::blue, prefix("10.1.0.11/32"), world::deliver_vm2}});
  CHECK(send(from_red) == ingress);
  CHECK(w.from_vm3(answer) == passes);
  CHECK(send(from_red) == passes);
  CHECK(w.from_vm3(answer) == passes);
  CHECK(w.rig.hands().v4().opened.get() == 2);
  CHECK(w.from_vm1(request) == ingress);
}

TEST_CASE("what the fabric sent in a VIF's name lets no answer in to it", "[policy]") {
  // From the fabric to the fabric, with VM 1's address; and back.
  const Bytes peer = hex(packets::peer_udp4);
  const auto between = [&](const std::string& addresses, const std::string& ports) {
    return with(with_ipv4(peer, at::inner_ip, 12, addresses), at::inner_ip + 20, ports);
  };
  const Bytes forged = between("0a01000b0a01000c", "03e807d0");
  const Bytes reply = between("0a01000c0a01000b", "07d003e8");
  World w({all(), none()}, {all(), all()});
  REQUIRE(w.from_fabric(reply) == ingress);
  REQUIRE(w.from_fabric(forged) == passes);
  REQUIRE(w.rig.hands().v4().opened.get() == 1);
  CHECK(w.from_fabric(reply) == ingress);
  CHECK(w.from_fabric(reply) == ingress);
  CHECK(w.from_fabric(forged) == passes);
  // VM 1 asks for itself.
  const Bytes own = with(with_ipv4(request, at::ip, 16, "0a01000c"), at::ip + 20, "03e807d0");
  CHECK(w.from_vm1(own) == passes);
  CHECK(w.rig.hands().v4().opened.get() == 2);  // whichever worker the other one's was
  CHECK(w.from_fabric(reply) == passes);
  // Nor does it take VM 1's answers away.
  CHECK(w.from_fabric(forged) == passes);
  CHECK(w.from_fabric(reply) == passes);
}

TEST_CASE("what rules no longer let in is in no answer's way, wherever routes lead it",
          "[policy]") {
  World w({all(), all()}, {all(), all()});
  const Bytes asked = hex(packets::peer_udp4);
  const Bytes answered = with(hex(packets::vm1_udp4), at::ip + 20, "07d003e8");
  REQUIRE(w.from_fabric(asked) == passes);
  REQUIRE(w.from_vm1(answered) == passes);
  w.set(policy1, {all(), none()});
  add_routes(w, {{world::blue, prefix("10.1.0.12/32"), world::tunnel6}});
  CHECK(w.from_vm1(answered) == passes);  // as a question of its own
  CHECK(w.from_fabric(asked) == passes);
  CHECK(w.rig.hands().v4().opened.get() == 2);
}

TEST_CASE("a session is nobody's but its VIF's, whatever addresses another one uses", "[policy]") {
  World w({all(), all()}, {all(), all()});
  Batch batch;
  batch.policies = {change(PolicyId(5), {none(), none()})};
  for (auto vif : world::batch().vifs) {
    if (vif.object->port != world::trusted) continue;
    vif.object->policy = PolicyId(5);
    batch.vifs.push_back(vif);
  }
  REQUIRE(batch.vifs.size() == 1);
  w.rig.apply(batch);
  REQUIRE(w.from_vm1(request) == passes);
  REQUIRE(w.from_vm1(request) == passes);
  CHECK(describe(w.rig.receive_judged(world::trusted, request)) == egress);
  CHECK(w.from_vm1(request) == passes);
}

TEST_CASE("a neighbour that answers makes nobody judge anew", "[policy]") {
  World w({all(), all()}, {all(), all()});
  const FlowStamp before = w.rig.flows().stamp.load();
  Batch batch;
  for (auto adjacency : world::batch().adjacencies) {
    if (adjacency.id != world::to_silent) continue;
    adjacency.object->destination = test::mac("02:00:00:00:0f:77");
    batch.adjacencies.push_back(adjacency);
  }
  w.rig.apply(batch);
  CHECK(w.rig.flows().stamp.load() == before);
}

TEST_CASE("a VIF that is being deleted sends and gets nothing more", "[policy]") {
  World w({all(), none()}, {none(), all()});
  const Bytes to_glean = with_ipv4(request, at::ip, 16, "0a050007");
  const Outcome held = w.rig.receive_judged(world::vm1, to_glean);
  REQUIRE(w.from_vm1(request) == passes);
  REQUIRE(w.from_vm3(answer) == passes);
  Batch batch;
  SECTION("who gets it") {
    batch.vifs = {{VifId(3), std::nullopt}};
    w.rig.apply(batch);
    CHECK(w.from_vm1(request) == ingress);                             // the session's
    CHECK(w.from_vm1(with(request, at::ip + 20, "03e9")) == ingress);  // another one's
  }
  SECTION("who gets it, and another in its place") {
    for (const auto& vif : world::batch().vifs) {
      if (vif.id == VifId(3)) batch.vifs = {{VifId(3, 1), vif.object}};
    }
    w.rig.apply(batch);
    CHECK(w.from_vm1(request) == ingress);
  }
  SECTION("who sent it") {
    batch.vifs = {{VifId(1), std::nullopt}};
    batch.routes = {{world::blue, prefix("10.5.0.7/32"), world::deliver_vm3}};
    w.rig.apply(batch);
    CHECK(describe(w.rig.resume_judged(held)) == egress);
  }
  SECTION("its port, and another in its place") {
    Port fabric;
    fabric.mac = test::mac("02:00:00:00:0f:01");
    batch.ports = {{PortId(world::vm3.index(), 1), fabric}};
    w.rig.apply(batch);
    CHECK(w.from_vm1(request) == "dropped: port_missing");
  }
}

TEST_CASE("workers look for policies as long as a VIF has one", "[policy]") {
  World w({all(), all()}, {all(), all()});
  const auto& judges = w.rig.twin_tables().judges;
  CHECK(judges);
  CHECK_FALSE(w.rig.tables().judges);
  Batch batch;
  for (const auto& vif : world::batch().vifs) {
    if (vif.id != VifId(1)) continue;
    batch.vifs.push_back(vif);
  }
  w.rig.apply(batch);
  CHECK(judges);
  batch.vifs = {{VifId(3), std::nullopt}};
  w.rig.apply_to_twin(batch);
  CHECK_FALSE(judges);
}

}  // namespace weft::policy_ways_test
