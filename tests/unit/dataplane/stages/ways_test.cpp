// Which of several neighbours packets of the underlay and of tunnels go by.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "support/stage_case.hpp"

namespace weft::ways_test {
namespace {

constexpr AdjacencyId ways{40};
constexpr AdjacencyId to_second{41};  ///< another neighbour on the fabric
constexpr NexthopId by_ways{42};
constexpr NexthopId group{43};
const auto second = "02000000aa02";

Adjacency shared(const std::vector<AdjacencyId>& neighbours) {
  Adjacency out;
  for (std::size_t i = 0; i < 64; ++i) out.buckets.push_back(neighbours[i % neighbours.size()]);
  return out;
}

Batch put(const Adjacency& adjacency) {
  Batch batch;
  batch.adjacencies = {{ways, adjacency}};
  return batch;
}

/// The world, whose tunnels and a route of the underlay rest on both neighbours.
Batch world_with(const Adjacency& adjacency) {
  Batch batch = world::batch();
  batch.adjacencies.push_back(
      {to_second, test::adjacency_on(world::fabric, "192.0.2.3", test::mac("02:00:00:00:aa:02"))});
  batch.adjacencies.push_back({ways, adjacency});
  for (auto& [id, nexthop] : batch.nexthops) {
    auto* tunnel = nexthop ? std::get_if<nexthop::Tunnel>(&*nexthop) : nullptr;
    if (tunnel != nullptr && tunnel->adjacency == world::to_peer) tunnel->adjacency = ways;
  }
  batch.nexthops.push_back({by_ways, nexthop::Interface{ways}});
  batch.routes.push_back({world::blue, prefix("10.1.3.0/24"), world::lookup_underlay});
  batch.routes.push_back({world::underlay, prefix("10.1.3.0/24"), by_ways});
  return batch;
}

/// From VM 1 to 10.1.0.12, of one flow each.
Bytes flow(unsigned port) { return test::with16(hex(packets::vm1_udp4), at::ip + 20, 1000 + port); }

bool by_second(const Outcome& outcome) {
  REQUIRE(outcome.exit == Exit::transmitted);
  return to_hex(outcome.frame).starts_with(second);
}

bool mentions(const Outcome& outcome, std::string_view text) {
  return std::any_of(outcome.steps.begin(), outcome.steps.end(), [&](const ExplainStep& step) {
    return step.text.find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("flows of a tunnel spread over the neighbours, each stays with one", "[ways]") {
  Rig rig(world_with(shared({world::to_peer, to_second})));
  unsigned there = 0;
  for (unsigned i = 0; i < 400; ++i) {
    const bool which = by_second(rig.receive(world::vm1, flow(i)));
    REQUIRE(by_second(rig.receive(world::vm1, flow(i))) == which);
    there += which ? 1 : 0;
  }
  CHECK(there > 140);
  CHECK(there < 260);
  const auto outcome = rig.receive(world::vm1, flow(1));
  CHECK(mentions(outcome, "next hop 20, tunnel"));
  CHECK(mentions(outcome, "of 64 leads to neighbour 192.0.2."));

  // A burst whose packets change ways fares as its packets do alone.
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < 32; ++i) frames.push_back(flow(i));
  const auto together = rig.receive(world::vm1, frames);
  for (unsigned i = 0; i < 32; ++i) {
    REQUIRE(together[i].frame == rig.receive(world::vm1, flow(i)).frame);
  }
}

TEST_CASE("who is lost leaves by a change of the adjacency alone, and no other flow moves",
          "[ways]") {
  Rig rig(world_with(shared({world::to_peer, to_second})));
  std::vector<bool> before;
  for (unsigned i = 0; i < 100; ++i) {
    before.push_back(by_second(rig.receive_with_flows(world::vm1, flow(i))));
  }
  rig.apply(put(shared({to_second})));
  for (unsigned i = 0; i < 100; ++i) {
    REQUIRE(by_second(rig.receive_with_flows(world::vm1, flow(i))));
  }
  rig.apply(put(shared({world::to_peer, to_second})));
  for (unsigned i = 0; i < 100; ++i) {
    REQUIRE(by_second(rig.receive_with_flows(world::vm1, flow(i))) == before[i]);
  }
}

TEST_CASE("the choice of a neighbour is another one than that of a member", "[ways][ecmp]") {
  Batch batch = world_with(shared({world::to_peer, to_second}));
  nexthop::Ecmp ecmp;
  for (unsigned i = 0; i < 64; ++i) {
    ecmp.buckets.push_back(i % 2 == 0 ? world::tunnel4 : world::deliver_vm3);
  }
  batch.nexthops.push_back({group, ecmp});
  batch.routes.push_back({world::blue, prefix("10.1.0.12/32"), group});
  Rig rig(batch);
  std::map<bool, unsigned> ways_of_tunnel;
  for (unsigned i = 0; i < 300; ++i) {
    const auto outcome = rig.receive(world::vm1, flow(i));
    if (outcome.port == world::fabric) ++ways_of_tunnel[by_second(outcome)];
  }
  CHECK(ways_of_tunnel[false] > 40);
  CHECK(ways_of_tunnel[true] > 40);
}

TEST_CASE("what the underlay routes goes by several neighbours, too", "[ways]") {
  Rig rig(world_with(shared({world::to_peer, to_second})));
  std::set<bool> seen;
  for (unsigned i = 0; i < 60; ++i) {
    Bytes frame = test::with_ipv4(flow(i), at::ip, 16, "0a010309");
    seen.insert(by_second(rig.receive(world::vm1, frame)));
    Bytes own(frame.begin() + at::ip, frame.end());
    seen.insert(by_second(rig.originate(world::underlay, own)));
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("a neighbour that is not known, or is gone", "[ways]") {
  Rig rig(world_with(shared({world::to_silent})));
  const auto held = rig.receive(world::vm1, flow(1));
  CHECK(held.exit == Exit::held);
  CHECK(held.metadata.adjacency == world::to_silent);
  CHECK(held.metadata.neighbour == ip("192.0.2.77"));
  rig.apply(put(shared({to_second})));
  Batch gone;
  gone.adjacencies = {{to_second, std::nullopt}};
  rig.apply(gone);
  CHECK(describe(rig.receive(world::vm1, flow(1))) == "dropped: nexthop_missing");
}

}  // namespace weft::ways_test
