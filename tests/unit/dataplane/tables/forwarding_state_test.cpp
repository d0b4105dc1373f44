// What applying a batch does: put, replace, delete, and what becomes of the old objects.
#include "tables/forwarding_state.hpp"

#include <catch2/catch.hpp>

#include "support/small_world.hpp"

namespace weft::forwarding_state_test {
namespace {

using test::decap_of;
using test::ip;
using test::lookup;
using test::mac;
using test::prefix;
using test::small_world;
using test::tunnel_to;
using test::without;

struct Bench {
  Rcu rcu{2};
  ForwardingState state{rcu, {}};
  const Tables& tables = state.tables();

  Generation apply(const Batch& batch) {
    const auto applied = state.apply(batch);
    if (!applied) FAIL(applied.error().message);
    return *applied;
  }
  [[nodiscard]] TunnelKind kind_of_port(std::uint16_t port) const {
    return tables.udp_kinds[__builtin_bswap16(port)].load();
  }
  [[nodiscard]] const DecapEntry* find(std::uint32_t vni, std::uint16_t port = 4789) const {
    return tables.decaps.find(TunnelKind::vxlan, port, vni, ip("192.0.2.1"));
  }
};

/// The raw form in which VIFs and local addresses are kept: as they lie in the packet.
std::uint32_t raw(std::string_view address) {
  std::uint32_t value;
  std::memcpy(&value, ip(address).bytes().data(), sizeof value);
  return value;
}

}  // namespace

TEST_CASE("a batch puts objects that refer to each other", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  const Tables& t = bench.tables;
  REQUIRE(t.ports.get(PortId(1))->port.vif == VifId(1));
  REQUIRE(t.ports.get(PortId(1))->id == PortId(1));
  REQUIRE(t.vifs.get(VifId(1))->vrf == VrfId(1));
  REQUIRE(t.vifs.get(VifId(1))->owns(raw("10.1.0.11")));
  REQUIRE(t.vifs.get(VifId(1))->owns(ip("fd00:1::11").v6()));
  REQUIRE(t.vrfs.get(VrfId(1))->router_mac() == mac("02:00:5e:00:01:01"));
  REQUIRE(t.adjacencies.get(AdjacencyId(0))->resolved);
  REQUIRE(t.adjacencies.get(AdjacencyId(0))->destination == mac("02:00:00:00:0f:02"));
  REQUIRE(t.adjacencies.get(AdjacencyId(0))->mtu_bytes == 1500);
  REQUIRE(t.nexthops.get(NexthopId(2))->kind == NexthopKind::tunnel);
  REQUIRE(bench.find(100)->id == DecapId(1));
  REQUIRE(t.decaps_by_id.get(DecapId(1)) == bench.find(100));
  REQUIRE(lookup(t, VrfId(1), "10.1.0.11") == 1);
  REQUIRE(lookup(t, VrfId(1), "10.1.0.12") == 2);
  REQUIRE(lookup(t, VrfId(1), "10.2.0.1") == 5);
  REQUIRE(lookup(t, VrfId(1), "fd00:1::11") == 1);
  REQUIRE(lookup(t, VrfId(1), "fd00:1::12") == 2);
  REQUIRE(lookup(t, VrfId(1), "fd00:2::1") == fib::no_route);
  REQUIRE(lookup(t, VrfId(0), "192.0.2.9") == 4);
  REQUIRE(lookup(t, VrfId(0), "10.1.0.11") == fib::no_route);

  const TableSizes sizes = bench.state.sizes();
  REQUIRE(sizes.routes == 6);
  REQUIRE(sizes.nexthops == 5);
  REQUIRE(sizes.adjacencies == 2);
  REQUIRE(sizes.decaps == 1);
}

TEST_CASE("the generation grows by one with each batch that was applied", "[forwarding_state]") {
  Bench bench;
  REQUIRE(bench.tables.generation.load() == 0);
  REQUIRE(bench.apply(small_world()) == 1);
  REQUIRE(bench.apply({}) == 2);
  Batch bad;
  bad.nexthops = {{NexthopId(9), nexthop::Lookup{VrfId(99)}}};
  REQUIRE_FALSE(bench.state.apply(bad));
  REQUIRE(bench.tables.generation.load() == 2);
  REQUIRE(bench.apply(small_world()) == 3);
  REQUIRE(bench.tables.generation.load() == 3);
}

TEST_CASE("a batch applied again changes nothing", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  const TableSizes once = bench.state.sizes();
  for (unsigned i = 0; i < 5; ++i) bench.apply(small_world());
  bench.rcu.reclaim();
  const TableSizes again = bench.state.sizes();
  REQUIRE(again.fib_bytes == once.fib_bytes);
  REQUIRE(again.routes == once.routes);
  REQUIRE(again.nexthops == once.nexthops);
  REQUIRE(again.adjacencies == once.adjacencies);
  REQUIRE(again.decaps == once.decaps);
  REQUIRE(again.deferred == 0);
  REQUIRE(lookup(bench.tables, VrfId(1), "10.1.0.11") == 1);
  REQUIRE(bench.find(100)->id == DecapId(1));
}

TEST_CASE("an object is replaced under its id", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch change;
  change.nexthops = {{NexthopId(2), tunnel_to("192.0.2.3", 200, AdjacencyId(0))}};
  change.adjacencies = {{AdjacencyId(0), test::adjacency_on(PortId(0), "192.0.2.2", std::nullopt)}};
  change.vrfs = {{VrfId(1), Vrf{mac("02:00:5e:00:01:99")}}};
  change.decaps = {{DecapId(1), decap_of(100, NexthopId(1))}};
  bench.apply(change);
  const Tables& t = bench.tables;
  REQUIRE(t.nexthops.get(NexthopId(2))->header()[64 - 50 + 19] == 3);  // 192.0.2.3
  REQUIRE_FALSE(t.adjacencies.get(AdjacencyId(0))->resolved);
  REQUIRE(t.vrfs.get(VrfId(1))->router_mac() == mac("02:00:5e:00:01:99"));
  REQUIRE(bench.find(100)->decap.nexthop == NexthopId(1));
  REQUIRE(lookup(t, VrfId(1), "10.1.0.12") == 2);  // the VRF kept its routes
  REQUIRE(lookup(t, VrfId(1), "fd00:1::12") == 2);
  REQUIRE(bench.state.sizes().nexthops == 5);
  REQUIRE(bench.state.sizes().decaps == 1);
}

TEST_CASE("a route moves to another next hop, and goes", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch change;
  change.routes = {{VrfId(1), prefix("10.1.0.0/16"), NexthopId(5)},
                   {VrfId(1), prefix("fd00:1::/64"), NexthopId{}},
                   {VrfId(1), prefix("172.16.0.0/12"), NexthopId{}}};  // was never there
  bench.apply(change);
  REQUIRE(lookup(bench.tables, VrfId(1), "10.1.0.12") == 5);
  REQUIRE(lookup(bench.tables, VrfId(1), "10.1.0.11") == 1);
  REQUIRE(lookup(bench.tables, VrfId(1), "fd00:1::12") == fib::no_route);
  REQUIRE(lookup(bench.tables, VrfId(1), "fd00:1::11") == 1);
  REQUIRE(bench.state.sizes().routes == 5);
}

TEST_CASE("objects are deleted in one batch with what refers to them", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch gone = without(small_world());
  gone.vrfs.clear();
  bench.apply(gone);
  const Tables& t = bench.tables;
  REQUIRE(t.ports.get(PortId(0)) == nullptr);
  REQUIRE(t.vifs.get(VifId(1)) == nullptr);
  REQUIRE(t.adjacencies.get(AdjacencyId(0)) == nullptr);
  REQUIRE(t.nexthops.get(NexthopId(2)) == nullptr);
  REQUIRE(t.decaps_by_id.get(DecapId(1)) == nullptr);
  REQUIRE(bench.find(100) == nullptr);
  REQUIRE(lookup(t, VrfId(1), "10.1.0.11") == fib::no_route);
  REQUIRE(t.local_addresses.load()->addresses4.empty());
  bench.rcu.reclaim();
  const TableSizes sizes = bench.state.sizes();
  REQUIRE(sizes.routes == 0);
  REQUIRE(sizes.nexthops == 0);
  REQUIRE(sizes.adjacencies == 0);
  REQUIRE(sizes.decaps == 0);
  REQUIRE(sizes.fib_bytes == 0);
  REQUIRE(sizes.deferred == 0);
  bench.apply(gone);  // once more, of what is not there
  REQUIRE(bench.state.sizes().nexthops == 0);
}

TEST_CASE("a VRF takes its routes along", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch gone;
  gone.vrfs = {{VrfId(1), std::nullopt}};
  gone.vifs = {{VifId(1), std::nullopt}};
  gone.decaps = {{DecapId(1), std::nullopt}};
  gone.nexthops = {{NexthopId(3), std::nullopt}};
  bench.apply(gone);
  bench.rcu.reclaim();
  REQUIRE(bench.tables.vrfs.get(VrfId(1)) == nullptr);
  REQUIRE(bench.state.sizes().routes == 1);
  const std::size_t left = bench.state.sizes().fib_bytes;

  Batch fresh;
  fresh.vrfs = {{VrfId(1), Vrf{}}};
  bench.apply(fresh);
  REQUIRE(lookup(bench.tables, VrfId(1), "10.1.0.11") == fib::no_route);
  REQUIRE(bench.state.sizes().fib_bytes == left);
  REQUIRE(lookup(bench.tables, VrfId(0), "192.0.2.9") == 4);
}

TEST_CASE("a VRF and its routes are withdrawn in one batch", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  const auto applied = bench.state.apply(without(small_world()));
  INFO((applied ? "" : applied.error().message));
  REQUIRE(applied);
  REQUIRE(bench.state.sizes().routes == 0);
  const auto again = bench.state.apply(without(small_world()));
  INFO((again ? "" : again.error().message));
  REQUIRE(again);
}

TEST_CASE("a decap changes its key under its id", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch change;
  change.decaps = {{DecapId(1), decap_of(200, NexthopId(3), 8472)}};
  bench.apply(change);
  REQUIRE(bench.find(100) == nullptr);
  REQUIRE(bench.find(200, 8472)->id == DecapId(1));
  REQUIRE(bench.kind_of_port(4789) == TunnelKind::none);
  REQUIRE(bench.kind_of_port(8472) == TunnelKind::vxlan);
  REQUIRE(bench.state.sizes().decaps == 1);
}

TEST_CASE("a decap takes over the key of one that goes in the same batch", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch change;
  change.decaps = {{DecapId(1), std::nullopt}, {DecapId(2), decap_of(100, NexthopId(3))}};
  const auto applied = bench.state.apply(change);
  INFO((applied ? "" : applied.error().message));
  REQUIRE(applied);
  REQUIRE(bench.find(100)->id == DecapId(2));
}

TEST_CASE("two decaps swap their keys in one batch", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  Batch second;
  second.decaps = {{DecapId(2), decap_of(200, NexthopId(1))}};
  bench.apply(second);
  Batch swap;
  swap.decaps = {{DecapId(1), decap_of(200, NexthopId(3))},
                 {DecapId(2), decap_of(100, NexthopId(1))}};
  const auto applied = bench.state.apply(swap);
  INFO((applied ? "" : applied.error().message));
  REQUIRE(applied);
  REQUIRE(bench.find(200)->id == DecapId(1));
  REQUIRE(bench.find(100)->id == DecapId(2));
  REQUIRE(bench.state.sizes().decaps == 2);
  Batch gone;
  gone.decaps = {{DecapId(1), std::nullopt}, {DecapId(2), std::nullopt}};
  bench.apply(gone);
  REQUIRE(bench.find(100) == nullptr);
  REQUIRE(bench.find(200) == nullptr);
  REQUIRE(bench.kind_of_port(4789) == TunnelKind::none);
}

TEST_CASE("a UDP port is a tunnel's as long as one decap uses it", "[forwarding_state]") {
  Bench bench;
  bench.apply(small_world());
  REQUIRE(bench.kind_of_port(4789) == TunnelKind::vxlan);
  REQUIRE(bench.kind_of_port(4788) == TunnelKind::none);
  Batch more;
  more.decaps = {{DecapId(2), decap_of(200, NexthopId(3))}};
  for (unsigned i = 0; i < 3; ++i) bench.apply(more);
  Batch less;
  less.decaps = {{DecapId(1), std::nullopt}};
  bench.apply(less);
  bench.apply(less);
  REQUIRE(bench.kind_of_port(4789) == TunnelKind::vxlan);
  less.decaps = {{DecapId(2), std::nullopt}};
  bench.apply(less);
  REQUIRE(bench.kind_of_port(4789) == TunnelKind::none);
}

TEST_CASE("local addresses are replaced as a whole", "[forwarding_state]") {
  Bench bench;
  const auto has = [&](std::string_view v4, std::string_view v6) {
    const LocalAddressSet& set = *bench.tables.local_addresses.load();
    return std::pair(set.contains(raw(v4)), set.contains(ip(v6).v6()));
  };
  REQUIRE(has("192.0.2.1", "2001:db8::1") == std::pair(false, false));
  bench.apply(small_world());
  REQUIRE(has("192.0.2.1", "2001:db8::1") == std::pair(true, true));
  bench.apply({});
  REQUIRE(has("192.0.2.1", "2001:db8::1") == std::pair(true, true));
  Batch change;
  change.local_addresses = LocalAddresses{{ip("192.0.2.9")}};
  bench.apply(change);
  REQUIRE(has("192.0.2.1", "2001:db8::1") == std::pair(false, false));
  REQUIRE(has("192.0.2.9", "2001:db8::1") == std::pair(true, false));
}

TEST_CASE("what readers may hold is freed when they let go, and not before", "[forwarding_state]") {
  Bench bench;
  bench.rcu.register_reader(0);
  bench.apply(small_world());
  bench.rcu.reclaim();
  bench.rcu.online(0);
  const NexthopEntry* nexthop = bench.tables.nexthops.get(NexthopId(2));
  const AdjacencyEntry* adjacency = bench.tables.adjacencies.get(AdjacencyId(0));
  const VrfEntry* vrf = bench.tables.vrfs.get(VrfId(1));
  const DecapEntry* decap = bench.find(100);
  const VifEntry* vif = bench.tables.vifs.get(VifId(1));
  const PortEntry* port = bench.tables.ports.get(PortId(0));
  const LocalAddressSet* local = bench.tables.local_addresses.load();
  Batch gone = without(small_world());
  gone.routes.clear();
  bench.apply(gone);
  bench.apply({});
  bench.rcu.reclaim();
  REQUIRE(bench.state.sizes().deferred >= 12);
  // Under AddressSanitizer each of these would be an error if the object were gone.
  REQUIRE(nexthop->header()[64 - 50 + 19] == 2);
  REQUIRE(adjacency->mtu_bytes == 1500);
  REQUIRE(vrf->fib4->lookup(fib::key_of(ip("10.1.0.11").v4())) == 1);
  REQUIRE(vrf->fib6->lookup(fib::key_of(ip("fd00:1::11").v6())) == 1);
  REQUIRE(decap->accepts(ip("192.0.2.200").v4().value));
  REQUIRE(vif->owns(raw("10.1.0.11")));
  REQUIRE(port->id == PortId(0));
  REQUIRE(local->contains(raw("192.0.2.1")));
  bench.rcu.quiescent(0);
  bench.rcu.reclaim();
  REQUIRE(bench.state.sizes().deferred == 0);
  REQUIRE(bench.state.sizes().fib_bytes == 0);
  bench.rcu.offline(0);
}

}  // namespace weft::forwarding_state_test
