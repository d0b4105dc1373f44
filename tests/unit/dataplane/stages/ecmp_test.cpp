// Which member of an ecmp next hop packets take, and that sessions stay with theirs.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "support/stage_case.hpp"

namespace weft::ecmp_test {
namespace {

constexpr NexthopId group{40};

/// `a`, `b`, …, in turn over 64 buckets.
nexthop::Ecmp in_turn(const std::vector<NexthopId>& members) {
  nexthop::Ecmp ecmp;
  for (std::size_t i = 0; i < 64; ++i) ecmp.buckets.push_back(members[i % members.size()]);
  return ecmp;
}

Batch put(const nexthop::Ecmp& ecmp) {
  Batch batch;
  batch.nexthops = {{group, ecmp}};
  return batch;
}

/// The world, where 10.1.0.12 and fd00:1::12 of blue lead to the group.
Batch world_with(const nexthop::Ecmp& ecmp) {
  Batch batch = world::batch();
  batch.nexthops.push_back({group, ecmp});
  for (const auto* to : {"10.1.0.12/32", "fd00:1::12/128"}) {
    batch.routes.push_back({world::blue, prefix(to), group});
  }
  return batch;
}

/// From VM 1 to 10.1.0.12, of one flow each.
Bytes flow(unsigned port) { return test::with16(hex(packets::vm1_udp4), at::ip + 20, 1000 + port); }

/// A fragment of VM 1 to 10.1.0.12.
Bytes fragment(unsigned ports) {
  Bytes packet = with(packets::vm1_udp4, at::ip + 20, "00000000");
  packet = test::with16(std::move(packet), at::ip + 20, ports);
  return test::with_ipv4(std::move(packet), at::ip, 6, "0004");
}

bool mentions(const test::Outcome& outcome, std::string_view text) {
  return std::any_of(outcome.steps.begin(), outcome.steps.end(), [&](const ExplainStep& step) {
    return step.text.find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("flows spread over the members, each stays with one", "[ecmp]") {
  Rig rig(world_with(in_turn({world::tunnel4, world::deliver_vm3, world::deliver_vm4})));
  std::map<PortId, unsigned> ways;
  for (unsigned i = 0; i < 300; ++i) {
    const auto first = rig.receive(world::vm1, flow(i));
    REQUIRE(first.exit == Exit::transmitted);
    REQUIRE(rig.receive(world::vm1, flow(i)).port == first.port);
    ++ways[first.port];
  }
  for (const PortId port : {world::fabric, world::vm3, world::vm4}) {
    CHECK(ways[port] > 60);
    CHECK(ways[port] < 140);
  }
}

TEST_CASE("what a member does with a packet is what its route would do", "[ecmp]") {
  Rig rig(world_with(in_turn({world::tunnel4})));
  CHECK(rig.receive(world::vm1, hex(packets::vm1_udp4)).frame == hex(packets::vm1_udp4_in_v4));
  CHECK(rig.receive(world::vm1, hex(packets::vm1_tcp6)).exit == Exit::transmitted);
  const auto one = rig.receive(world::vm1, flow(1));
  CHECK(mentions(one, "next hop 40, ecmp: bucket "));
  CHECK(mentions(one, "of 64 leads to next hop 20"));
  CHECK(mentions(one, "next hop 20, tunnel"));

  rig.apply(put(in_turn({world::tunnel_unresolved})));
  CHECK(describe(rig.receive(world::vm1, flow(1))) == "punted: tunnel_unresolved");
  rig.apply(put(in_turn({world::tunnel_silent})));
  CHECK(rig.receive(world::vm1, flow(1)).exit == Exit::held);
  Bytes own = flow(1);
  own.erase(own.begin(), own.begin() + at::ip);
  CHECK(rig.originate(world::blue, own).exit == Exit::held);
}

TEST_CASE("pieces of datagrams go by addresses and protocol", "[ecmp]") {
  Rig rig(world_with(in_turn({world::tunnel4, world::deliver_vm3, world::deliver_vm4})));
  std::set<PortId> ways;
  for (unsigned i = 0; i < 30; ++i) ways.insert(rig.receive(world::vm1, fragment(i)).port);
  CHECK(ways.size() == 1);
}

TEST_CASE("a lookup in another VRF may end in an ecmp next hop", "[ecmp]") {
  Batch batch = world_with(in_turn({world::tunnel_red, world::deliver_vm3}));
  batch.routes.push_back({world::blue, prefix("10.1.0.12/32"), world::lookup_red});
  batch.routes.push_back({world::red, prefix("10.1.0.12/32"), group});
  Rig rig(batch);
  std::set<PortId> ways;
  for (unsigned i = 0; i < 30; ++i) ways.insert(rig.receive(world::vm1, flow(i)).port);
  CHECK(ways == std::set<PortId>{world::fabric, world::vm3});
}

TEST_CASE("a member that is gone is a next hop that is missing", "[ecmp]") {
  Rig rig(world_with(in_turn({world::tunnel6_zero})));
  Batch batch;
  batch.nexthops = {{world::tunnel6_zero, std::nullopt}};
  rig.apply(batch);
  CHECK(describe(rig.receive(world::vm1, flow(1))) == "dropped: nexthop_missing");
  batch.nexthops = {{world::tunnel6_zero, nexthop::Discard{}}};
  rig.apply(batch);
  CHECK(describe(rig.receive(world::vm1, flow(1))) == "dropped: nexthop_missing");
}

TEST_CASE("sessions stay with their member as long as it is one", "[ecmp][flow]") {
  Rig rig(world_with(in_turn({world::deliver_vm3, world::deliver_vm4})));
  constexpr unsigned flows = 60;
  const auto way_of = [&](unsigned i) {
    const auto outcome = rig.receive_with_flows(world::vm1, flow(i));
    REQUIRE(outcome.exit == Exit::transmitted);
    return outcome.port;
  };
  std::vector<PortId> before;
  for (unsigned i = 0; i < flows; ++i) before.push_back(way_of(i));

  // Every bucket moves, half of them to the new member.
  rig.apply(put(in_turn({world::deliver_vm4, world::tunnel4, world::deliver_vm3, world::tunnel4})));
  CHECK(mentions(rig.receive_with_flows(world::vm1, flow(0)), "its session stays with next hop"));
  for (unsigned i = 0; i < flows; ++i) REQUIRE(way_of(i) == before[i]);
  unsigned fresh = 0;
  for (unsigned i = flows; i < 2 * flows; ++i) fresh += way_of(i) == world::fabric ? 1 : 0;
  CHECK(fresh > flows / 4);

  // What loses its member moves at once, the others stay where they are.
  rig.apply(put(in_turn({world::deliver_vm4, world::tunnel4})));
  for (unsigned i = 0; i < flows; ++i) {
    const PortId now = way_of(i);
    REQUIRE((before[i] == world::vm4 ? now == world::vm4 : now != world::vm3));
  }

  // A route that leads elsewhere takes them all along.
  Batch batch;
  batch.routes = {{world::blue, prefix("10.1.0.12/32"), world::deliver_vm3}};
  rig.apply(batch);
  for (unsigned i = 0; i < flows; ++i) REQUIRE(way_of(i) == world::vm3);
}

}  // namespace weft::ecmp_test
