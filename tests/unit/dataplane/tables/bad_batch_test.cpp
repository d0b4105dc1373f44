// Batches that must be refused: with words that name the object, and without any effect.
#include <catch2/catch.hpp>
#include <functional>

#include "support/small_world.hpp"
#include "tables/forwarding_state.hpp"

namespace weft::bad_batch_test {
namespace {

using test::decap_of;
using test::ip;
using test::lookup;
using test::prefix;
using test::small_world;
using test::tunnel_to;

/// Everything that a reader could notice.
struct Snapshot {
  std::vector<const void*> objects;
  std::vector<std::uint32_t> routes;
  std::vector<TunnelKind> udp_kinds;
  std::vector<std::uint16_t> ip_kinds;
  Generation generation;
  std::vector<std::uint64_t> sizes;

  explicit Snapshot(const ForwardingState& state) {
    const Tables& t = state.tables();
    for (std::uint32_t i = 0; i < 32; ++i) {
      objects.insert(objects.end(),
                     {t.ports.get(i), t.vrfs.get(i), t.vifs.get(i), t.adjacencies.get(i),
                      t.nexthops.get(i), t.decaps_by_id.get(i)});
      objects.push_back(t.decaps.find(TunnelKind::vxlan, 4789, i * 50, ip("192.0.2.1")));
    }
    objects.push_back(t.local_addresses.load());
    for (std::uint32_t vrf = 0; vrf < 8; ++vrf) {
      for (const auto* a : {"10.1.0.11", "10.1.0.12", "10.7.0.1", "192.0.2.9", "fd00:1::11"}) {
        routes.push_back(lookup(t, VrfId(vrf), a));
      }
    }
    for (unsigned port = 0; port < 65536; ++port) udp_kinds.push_back(t.udp_kinds[port].load());
    for (unsigned i = 0; i < 256; ++i) ip_kinds.push_back(t.ip_kinds[i].load());
    generation = t.generation.load();
    const TableSizes s = state.sizes();
    sizes = {s.fib_bytes, s.routes, s.nexthops, s.adjacencies, s.decaps, s.deferred};
  }
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

/// Good changes of every kind, so that a batch applied by half would show.
Batch good_changes() {
  Batch batch = small_world();
  batch.vrfs.push_back({VrfId(7), Vrf{}});
  batch.ports.push_back({PortId(7), Port{}});
  batch.adjacencies.push_back(
      {AdjacencyId(7), test::adjacency_on(PortId(7), "192.0.2.7", std::nullopt)});
  batch.nexthops.push_back({NexthopId(7), nexthop::Interface{AdjacencyId(7)}});
  batch.decaps.push_back({DecapId(7), decap_of(700, NexthopId(7), 7000)});
  batch.routes.push_back({VrfId(1), prefix("10.7.0.0/16"), NexthopId(7)});
  batch.routes.push_back({VrfId(1), prefix("10.1.0.11/32"), NexthopId{}});
  batch.local_addresses = LocalAddresses{{ip("192.0.2.77")}};
  return batch;
}

struct Bad {
  std::string name;
  std::vector<std::string> words;  ///< that the error must hold
  std::function<void(Batch&)> spoil;
};

Adjacency by(std::size_t buckets, AdjacencyId way) {
  Adjacency ways;
  ways.buckets.assign(buckets, way);
  return ways;
}

Vif vif_in(PortId port, VrfId vrf) {
  Vif vif;
  vif.port = port;
  vif.vrf = vrf;
  return vif;
}

nexthop::Tunnel tunnel_with(const std::function<void(TunnelProfile&)>& spoil) {
  nexthop::Tunnel tunnel = tunnel_to("192.0.2.2", 100, AdjacencyId(0));
  spoil(tunnel.profile);
  return tunnel;
}

Decap decap_with(const std::function<void(Decap&)>& spoil) {
  Decap decap = decap_of(800, NexthopId(3));
  spoil(decap);
  return decap;
}

const std::vector<Bad>& dangling() {
  static const std::vector<Bad> rows{
      {"port of a missing VIF",
       {"port 9", "vif"},
       [](Batch& b) {
         Port port;
         port.vif = VifId(99);
         b.ports.push_back({PortId(9), port});
       }},
      {"VIF in a missing VRF",
       {"vif 9", "vrf"},
       [](Batch& b) {
         b.vifs.push_back({VifId(9), vif_in(PortId(1), VrfId(99))});
       }},
      {"VIF in no VRF",
       {"vif 9", "vrf"},
       [](Batch& b) {
         b.vifs.push_back({VifId(9), vif_in(PortId(1), VrfId{})});
       }},
      {"adjacency on a missing port",
       {"adjacency 9", "port"},
       [](Batch& b) {
         b.adjacencies.push_back(
             {AdjacencyId(9), test::adjacency_on(PortId(8), "192.0.2.9", std::nullopt)});
       }},
      {"ways that are no power of two",
       {"adjacency 9", "3 buckets"},
       [](Batch& b) {
         b.adjacencies.push_back({AdjacencyId(9), by(3, AdjacencyId(0))});
       }},
      {"too many ways",
       {"adjacency 9", "512 buckets"},
       [](Batch& b) {
         b.adjacencies.push_back({AdjacencyId(9), by(512, AdjacencyId(0))});
       }},
      {"a way to a missing neighbour",
       {"adjacency 9", "adjacency 99"},
       [](Batch& b) {
         b.adjacencies.push_back({AdjacencyId(9), by(2, AdjacencyId(99))});
       }},
      {"a way to several ways",
       {"adjacency 9", "no neighbour"},
       [](Batch& b) {
         b.adjacencies.push_back({AdjacencyId(8), by(2, AdjacencyId(0))});
         b.adjacencies.push_back({AdjacencyId(9), by(2, AdjacencyId(8))});
       }},
      {"interface by a missing adjacency",
       {"nexthop 9", "adjacency"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Interface{AdjacencyId(99)}});
       }},
      {"interface by no adjacency",
       {"nexthop 9", "adjacency"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Interface{}});
       }},
      {"tunnel by a missing adjacency",
       {"nexthop 9", "adjacency"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), tunnel_to("192.0.2.2", 1, AdjacencyId(99))});
       }},
      {"lookup in a missing VRF",
       {"nexthop 9", "vrf"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Lookup{VrfId(99)}});
       }},
      {"glean on a missing port",
       {"nexthop 9", "port"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Glean{PortId(8)}});
       }},
      {"ecmp to a missing next hop",
       {"nexthop 9", "no such nexthop 99"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId(1), NexthopId(99)}}});
       }},
      {"ecmp to no next hop",
       {"nexthop 9", "no such nexthop"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId{}}}});
       }},
      {"ecmp to a next hop that the batch deletes",
       {"nexthop 9", "no such nexthop 1"},
       [](Batch& b) {
         b.nexthops = {{NexthopId(1), std::nullopt}, {NexthopId(9), nexthop::Ecmp{{NexthopId(1)}}}};
         b.routes.clear();
       }},
      {"decap to a missing next hop",
       {"decap 9", "nexthop"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(99))});
       }},
      {"route in a missing VRF",
       {"10.9.0.0/16", "vrf"},
       [](Batch& b) {
         b.routes.push_back({VrfId(99), prefix("10.9.0.0/16"), NexthopId(1)});
       }},
      {"route to a missing next hop",
       {"fd09::/16", "nexthop"},
       [](Batch& b) {
         b.routes.push_back({VrfId(1), prefix("fd09::/16"), NexthopId(99)});
       }},
      {"interface by an adjacency that the batch deletes",
       {"nexthop 9", "adjacency"},
       [](Batch& b) {
         b.adjacencies[0].object.reset();
         b.nexthops = {{NexthopId(9), nexthop::Interface{AdjacencyId(0)}}};
       }},
      {"route to a next hop that the batch deletes",
       {"10.1.0.0/16", "nexthop"},
       [](Batch& b) { b.nexthops[1].object.reset(); }},
      {"VIF in a VRF that the batch deletes",
       {"vif 1", "vrf"},
       [](Batch& b) {
         b.vrfs[1].object.reset();
         b.routes.clear();
       }},
  };
  return rows;
}

const std::vector<Bad>& malformed() {
  static const std::vector<Bad> rows{
      {"port id out of range",
       {"port 32"},
       [](Batch& b) {
         b.ports.push_back({PortId(32), Port{}});
       }},
      {"VRF id out of range",
       {"vrf 1048576"},
       [](Batch& b) {
         b.vrfs.push_back({VrfId(max_vrfs), Vrf{}});
       }},
      {"next hop id out of range",
       {"nexthop 4194304"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(max_objects), nexthop::Discard{}});
       }},
      {"no VIF id",
       {"vif"},
       [](Batch& b) {
         b.vifs.push_back({VifId{}, std::nullopt});
       }},
      {"no adjacency id",
       {"adjacency"},
       [](Batch& b) {
         b.adjacencies.push_back({AdjacencyId{}, std::nullopt});
       }},
      {"no decap id",
       {"decap"},
       [](Batch& b) {
         b.decaps.push_back({DecapId{}, decap_of(900, NexthopId(3))});
       }},
      {"route with host bits",
       {"10.9.0.1/16", "10.9.0.0/16"},
       [](Batch& b) {
         b.routes.push_back({VrfId(1), prefix("10.9.0.1/16"), NexthopId(1)});
       }},
      {"tunnel between families",
       {"nexthop 9", "family"},
       [](Batch& b) {
         b.nexthops.push_back(
             {NexthopId(9), tunnel_with([](auto& p) { p.remote = ip("2001:db8::2"); })});
       }},
      {"tunnel without source ports",
       {"nexthop 9", "port"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), tunnel_with([](auto& p) {
                                 p.source_ports = {2, 1};
                               })});
       }},
      {"tunnel VNI of 25 bits",
       {"nexthop 9", "vni"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), tunnel_with([](auto& p) { p.vni = 0x1000000; })});
       }},
      {"tunnel of no kind",
       {"nexthop 9", "kind"},
       [](Batch& b) {
         b.nexthops.push_back(
             {NexthopId(9), tunnel_with([](auto& p) { p.kind = TunnelKind::none; })});
       }},
      {"ecmp without buckets",
       {"nexthop 9", "0 buckets"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{}});
       }},
      {"ecmp with three buckets",
       {"nexthop 9", "3 buckets", "power of two"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{std::vector(3, NexthopId(1))}});
       }},
      {"ecmp with too many buckets",
       {"nexthop 9", "2048 buckets", "1024"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{std::vector(2048, NexthopId(1))}});
       }},
      {"ecmp to a next hop that discards",
       {"nexthop 9", "nexthop 5", "interface", "tunnel"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId(1), NexthopId(5)}}});
       }},
      {"ecmp to a VRF",
       {"nexthop 9", "nexthop 3"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId(3)}}});
       }},
      {"ecmp to an ecmp next hop of the same batch",
       {"nexthop 9", "nexthop 10"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId(10)}}});
         b.nexthops.push_back({NexthopId(10), nexthop::Ecmp{{NexthopId(1)}}});
       }},
      {"ecmp to an interface that discards from this batch on",
       {"nexthop 9", "nexthop 1"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Ecmp{{NexthopId(1)}}});
         b.nexthops.push_back({NexthopId(1), nexthop::Discard{}});
       }},
      {"decap of no kind",
       {"decap 9", "kind"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_with([](auto& d) { d.kind = TunnelKind::none; })});
       }},
      {"decap VNI of 25 bits",
       {"decap 9", "vni"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_with([](auto& d) { d.vni = 0x1000000; })});
       }},
      {"decap of another kind on a UDP port that is taken",
       {"decap 9", "4789", "vxlan"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_with([](auto& d) { d.kind = TunnelKind::geneve; })});
       }},
      {"decaps of two kinds on a new UDP port",
       {"decap 10", "5000", "geneve"},
       [](Batch& b) {
         for (const auto kind : {TunnelKind::geneve, TunnelKind::vxlan}) {
           b.decaps.push_back(
               {DecapId(kind == TunnelKind::geneve ? 9 : 10), decap_with([&](auto& d) {
                  d.kind = kind;
                  d.destination_port = 5000;
                })});
         }
       }},
      {"decap with a source of the other family",
       {"decap 9", "family"},
       [](Batch& b) {
         b.decaps.push_back(
             {DecapId(9), decap_with([](auto& d) { d.sources = {prefix("2001:db8::/32")}; })});
       }},
      {"decap to a next hop that discards",
       {"decap 9", "nexthop 5", "VRF", "VIF"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(5))});
       }},
      {"decap to a tunnel",
       {"decap 9", "nexthop 2", "VRF", "VIF"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(2))});
       }},
      {"decap to a glean",
       {"decap 9", "nexthop 4", "VRF", "VIF"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(4))});
       }},
      {"decap to the router itself, by a next hop of the same batch",
       {"decap 9", "nexthop 9", "VRF", "VIF"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(9), nexthop::Receive{}});
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(9))});
       }},
      {"decap to a VIF's next hop that discards from this batch on",
       {"decap 9", "nexthop 1", "VRF", "VIF"},
       [](Batch& b) {
         b.nexthops.push_back({NexthopId(1), nexthop::Discard{}});
         b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(1))});
       }},
      {"decap with the key of another",
       {"decap 9", "decap 1"},
       [](Batch& b) {
         b.decaps.push_back({DecapId(9), decap_of(100, NexthopId(3))});
       }},
  };
  return rows;
}

const std::string rightly = "refused, in the right words and without effect";

/// `rightly`, or what was wrong about it.
std::string refused(const Bad& bad) {
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  if (!state.apply(small_world())) return "the base was refused";
  const Snapshot before(state);
  Batch batch = good_changes();
  bad.spoil(batch);
  const auto applied = state.apply(batch);
  if (applied) return "it was accepted";
  for (const std::string& word : bad.words) {
    if (applied.error().message.find(word) == std::string::npos) {
      return "'" + applied.error().message + "' lacks '" + word + "'";
    }
  }
  return before == Snapshot(state) ? rightly : "something changed";
}

}  // namespace

TEST_CASE("the good changes alone are accepted", "[bad_batch]") {
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(small_world()));
  const Snapshot before(state);
  REQUIRE(state.apply(good_changes()));
  REQUIRE_FALSE(before == Snapshot(state));
}

TEST_CASE("a batch with a dangling reference changes nothing", "[bad_batch]") {
  for (const Bad& bad : dangling()) {
    INFO(bad.name);
    CHECK(refused(bad) == rightly);
  }
}

TEST_CASE("a batch with a malformed object changes nothing", "[bad_batch]") {
  for (const Bad& bad : malformed()) {
    INFO(bad.name);
    CHECK(refused(bad) == rightly);
  }
}

TEST_CASE("a VIF on a missing port is refused", "[bad_batch]") {
  CHECK(refused({"", {"vif 9", "port"}, [](Batch& b) {
                   b.vifs.push_back({VifId(9), vif_in(PortId(8), VrfId(1))});
                 }}) == rightly);
}

TEST_CASE("two decaps of one key in one batch are refused", "[bad_batch]") {
  CHECK(refused({"", {"decap"}, [](Batch& b) {
                   b.decaps.push_back({DecapId(8), decap_of(900, NexthopId(3))});
                   b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(1))});
                 }}) == rightly);
}

TEST_CASE("a prefix longer than its address is refused", "[bad_batch]") {
  CHECK(refused({"", {"10.9.0.0/33"}, [](Batch& b) {
                   b.routes.push_back({VrfId(1), {ip("10.9.0.0"), 33}, NexthopId(1)});
                 }}) == rightly);
  CHECK(refused({"", {"fd09::/129"}, [](Batch& b) {
                   b.routes.push_back({VrfId(1), {ip("fd09::"), 129}, NexthopId(1)});
                 }}) == rightly);
  CHECK(refused({"", {"decap 9"}, [](Batch& b) {
                   b.decaps.push_back({DecapId(9), decap_with([](auto& d) {
                                         d.sources = {{ip("10.0.0.0"), 33}};
                                       })});
                 }}) == rightly);
}

// ids.hpp: "an id which outlived its object never matches the slot's next tenant".
TEST_CASE("an id of another generation names nothing", "[bad_batch]") {
  CHECK(refused({"", {"nexthop 9", "adjacency"}, [](Batch& b) {
                   b.nexthops.push_back({NexthopId(9), nexthop::Interface{AdjacencyId(0, 1)}});
                 }}) == rightly);
  CHECK(refused({"", {"nexthop 9", "vrf"}, [](Batch& b) {
                   b.nexthops.push_back({NexthopId(9), nexthop::Lookup{VrfId(1, 1)}});
                 }}) == rightly);
  CHECK(refused({"", {"decap 9", "nexthop"}, [](Batch& b) {
                   b.decaps.push_back({DecapId(9), decap_of(900, NexthopId(3, 1))});
                 }}) == rightly);
  CHECK(refused({"", {"10.9.0.0/16", "nexthop"}, [](Batch& b) {
                   b.routes.push_back({VrfId(1), prefix("10.9.0.0/16"), NexthopId(1, 1)});
                 }}) == rightly);
}

TEST_CASE("a deletion of another generation leaves the slot's tenant alone", "[bad_batch]") {
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(small_world()));
  Batch late;
  late.nexthops = {{NexthopId(5, 1), std::nullopt}};
  late.adjacencies = {{AdjacencyId(1, 1), std::nullopt}};
  late.decaps = {{DecapId(1, 1), std::nullopt}};
  (void)state.apply(late);  // refused or without effect
  CHECK(state.tables().nexthops.get(NexthopId(5)) != nullptr);
  CHECK(state.tables().adjacencies.get(AdjacencyId(1)) != nullptr);
  CHECK(state.tables().decaps_by_id.get(DecapId(1)) != nullptr);
}

// Either the batch is refused, or the object is there afterwards, as its reference was told.
TEST_CASE("an object that a batch deletes and puts does not vanish", "[bad_batch]") {
  const auto apply = [](const std::function<void(Batch&)>& change, auto&& there) {
    Rcu rcu(1);
    ForwardingState state(rcu, {});
    REQUIRE(state.apply(small_world()));
    Batch batch;
    change(batch);
    return !state.apply(batch) || there(state.tables());
  };
  const Batch world = small_world();
  CHECK(apply(
      [&](Batch& b) {
        b.nexthops = {{NexthopId(1), std::nullopt}, world.nexthops[0]};
      },
      [](const Tables& t) { return t.nexthops.get(NexthopId(1)) != nullptr; }));
  CHECK(apply(
      [&](Batch& b) {
        b.adjacencies = {{AdjacencyId(0), std::nullopt}, world.adjacencies[0]};
      },
      [](const Tables& t) { return t.adjacencies.get(AdjacencyId(0)) != nullptr; }));
  CHECK(apply(
      [&](Batch& b) {
        b.vrfs = {{VrfId(1), std::nullopt}, world.vrfs[1]};
      },
      [](const Tables& t) { return t.vrfs.get(VrfId(1)) != nullptr; }));
  CHECK(apply(
      [&](Batch& b) {
        b.decaps = {{DecapId(1), std::nullopt}, world.decaps[0]};
      },
      [](const Tables& t) { return t.decaps_by_id.get(DecapId(1)) != nullptr; }));
  CHECK(apply(
      [&](Batch& b) {
        b.routes = {{VrfId(1), prefix("10.1.0.0/16"), NexthopId{}}, world.routes[1]};
      },
      [](const Tables& t) { return lookup(t, VrfId(1), "10.1.0.12") == 2; }));
}

}  // namespace weft::bad_batch_test
