#include "agent/resolver.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/seed.hpp"

namespace weft::agent::resolver_test {
namespace {

using namespace test;

TEST_CASE("the whole node goes out in one batch") {
  Node node;
  const auto& t = node.plane.tables;
  const auto blue = node.vrf("blue");
  const auto& vm1 = node.vif("vm1");
  CHECK(node.plane.batches.size() == 1);
  CHECK(t.ports.at(node.port("fab0")) == Port{mac("02:00:00:00:0f:01"), 1500, {}, false});
  CHECK(t.ports.at(vm1.port) == Port{mac("02:00:5e:00:01:01"), 1450, vm1.id, false});
  CHECK(t.vifs.at(vm1.id) == Vif{vm1.port,
                                 blue,
                                 mac("02:00:00:00:01:01"),
                                 {ip("10.1.0.11"), ip("fd00:1::11")},
                                 true,
                                 false,
                                 true});
  CHECK(t.vrfs.at(blue) == Vrf{mac("02:00:5e:00:01:01"), true});

  SECTION("underlay") {
    CHECK(kind_name(node.plane.leads(underlay_vrf, "192.0.2.1/32")) == "receive");
    CHECK(kind_name(node.plane.leads(underlay_vrf, "2001:db8::1/128")) == "receive");
    CHECK(node.plane.leads(underlay_vrf, "192.0.2.0/24") ==
          Nexthop{nexthop::Glean{node.port("fab0")}});
    const auto id =
        std::get<nexthop::Interface>(node.plane.leads(underlay_vrf, "0.0.0.0/0")).adjacency;
    CHECK(t.adjacencies.at(id) == Adjacency{node.port("fab0"), ip("192.0.2.254"),
                                            mac("02:00:00:00:0f:01"), std::nullopt, 1500});
    CHECK(node.plane.leads(underlay_vrf, "192.0.2.254/32") ==
          node.plane.leads(underlay_vrf, "0.0.0.0/0"));
    CHECK(node.plane.leads(underlay_vrf, "2001:db8::fe/128") ==
          node.plane.leads(underlay_vrf, "::/0"));
    CHECK(t.local_addresses ==
          std::vector<IpAddress>{ip("192.0.2.1"), ip("2001:db8::1"), ip("fe80::ff:fe00:f01")});
  }
  SECTION("vrf") {
    CHECK(kind_name(node.plane.leads(blue, "10.1.0.1/32")) == "receive");
    CHECK(kind_name(node.plane.leads(blue, "fd00:1::1/128")) == "receive");
    CHECK_FALSE(node.plane.has_route(blue, "10.1.0.0/24"));
    const auto id = std::get<nexthop::Interface>(node.plane.leads(blue, "10.1.0.11/32")).adjacency;
    CHECK(t.adjacencies.at(id) == Adjacency{vm1.port, ip("10.1.0.11"), mac("02:00:5e:00:01:01"),
                                            mac("02:00:00:00:01:01"), 1450});
    CHECK(node.plane.leads(node.vrf("red"), "10.1.0.11/32") !=
          node.plane.leads(blue, "10.1.0.11/32"));
    CHECK(kind_name(node.plane.leads(blue, "10.9.0.0/16")) == "discard");
  }
  SECTION("tunnels") {
    CHECK(node.tunnel_adjacency("to-b")->neighbour == ip("192.0.2.2"));
    CHECK(node.tunnel_adjacency("to-far")->neighbour == ip("192.0.2.254"));
    CHECK(node.plane.tables.routes.at({blue, net("10.1.0.12/32")}) == node.tunnel_nexthop("to-b"));
    const NeighbourKey b{node.port("fab0"), ip("192.0.2.2")};
    CHECK(node.keeper.pinned.contains(b));
    CHECK(node.keeper.pinned.size() == 3);
  }
  SECTION("decaps of one key are one entry") {
    REQUIRE(t.decaps.size() == 1);
    const auto& decap = t.decaps.begin()->second;
    CHECK(decap.sources == std::vector<IpPrefix>{net("192.0.2.0/24")});
    CHECK(t.nexthops.at(decap.nexthop) == Nexthop{nexthop::Lookup{blue}});
  }
}

TEST_CASE("a device that takes less than configured limits what is sent") {
  FakePlane plane;
  Model model;
  FakeKeeper keeper;
  FakeCompiler compiler;
  Resolver resolver(
      model, [&](const Batch& b) { return plane.apply(b); }, keeper, compiler);
  auto devices = open_all(plane, sample_node());
  devices.ports[0].mtu_bytes = 1400;
  REQUIRE(resolver.load(sample_node(), devices));
  CHECK(plane.tables.ports.at(devices.ports[0].id).mtu_bytes == 1400);
  const NeighbourKey b{devices.ports[0].id, ip("192.0.2.2")};
  CHECK(plane.tables.adjacencies.at(model.adjacencies.at(b).id).mtu_bytes == 1400);
}

TEST_CASE("a MAC that becomes known touches the adjacency alone") {
  Node node;
  const NeighbourKey b{node.port("fab0"), ip("192.0.2.2")};
  REQUIRE(node.resolver.put_neighbour(b, mac("02:00:00:00:00:02")));
  const auto& batch = node.plane.batches.back();
  CHECK(node.plane.batches.size() == 2);
  CHECK(batch.adjacencies.size() == 1);
  CHECK((batch.nexthops.empty() && batch.routes.empty() && batch.vrfs.empty()));
  CHECK(node.tunnel_adjacency("to-b")->destination == mac("02:00:00:00:00:02"));

  REQUIRE(node.resolver.put_neighbour(b, mac("02:00:00:00:00:02")));
  CHECK(node.plane.batches.size() == 2);
}

TEST_CASE("a neighbour nothing rests on comes and goes") {
  Node node;
  const auto before = node.plane.tables.nexthops.size();
  const NeighbourKey key{node.port("fab0"), ip("192.0.2.77")};
  REQUIRE(node.resolver.put_neighbour(key, std::nullopt));
  const auto id =
      std::get<nexthop::Interface>(node.plane.leads(underlay_vrf, "192.0.2.77/32")).adjacency;
  CHECK_FALSE(node.plane.tables.adjacencies.at(id).destination);
  REQUIRE(node.resolver.erase_neighbour(key));
  CHECK_FALSE(node.plane.has_route(underlay_vrf, "192.0.2.77/32"));
  CHECK(node.plane.tables.nexthops.size() == before + 1);
  node.resolver.finish_deletions(node.plane);
  CHECK(node.plane.tables.nexthops.size() == before);

  REQUIRE(node.resolver.put_neighbour(key, std::nullopt));
  const auto again =
      std::get<nexthop::Interface>(node.plane.leads(underlay_vrf, "192.0.2.77/32")).adjacency;
  CHECK(node.plane.tables.nexthops.rbegin()->first.index() == before);
  CHECK(again.index() == id.index());
  CHECK(again.generation() == id.generation() + 1);

  const NeighbourKey pinned{node.port("fab0"), ip("192.0.2.2")};
  REQUIRE(node.resolver.erase_neighbour(pinned));
  CHECK(node.plane.has_route(underlay_vrf, "192.0.2.2/32"));
}

TEST_CASE("link-local neighbours have an adjacency and no route") {
  Node node;
  const auto routes = node.plane.tables.routes.size();
  REQUIRE(
      node.resolver.put_neighbour({node.port("fab0"), ip("fe80::2")}, mac("02:00:00:00:00:02")));
  CHECK(node.plane.tables.routes.size() == routes);
}

TEST_CASE("a tunnel that changes keeps its id and moves in one batch") {
  Node node;
  const auto id = node.tunnel_nexthop("to-b");
  auto changed = test::tunnel("to-b", "192.0.2.1", "192.0.2.3", 100);
  REQUIRE(node.resolver.put_tunnel(changed, Owner::api));
  const auto& batch = node.plane.batches.back();
  CHECK(node.plane.batches.size() == 2);
  CHECK(node.tunnel_nexthop("to-b") == id);
  CHECK(batch.nexthops.size() == 2);  // the tunnel's own and the new neighbour's
  CHECK(batch.adjacencies.size() == 1);
  CHECK(node.tunnel_adjacency("to-b")->neighbour == ip("192.0.2.3"));
  CHECK(node.model.tunnels.at("to-b").owner == Owner::api);
  const NeighbourKey old_remote{node.port("fab0"), ip("192.0.2.2")};
  const NeighbourKey new_remote{node.port("fab0"), ip("192.0.2.3")};
  CHECK_FALSE(node.keeper.pinned.contains(old_remote));
  CHECK(node.keeper.pinned.contains(new_remote));

  changed.profile.vni = 222;
  REQUIRE(node.resolver.put_tunnel(changed, Owner::api));
  CHECK(node.plane.batches.back().nexthops.size() == 1);
  CHECK(node.plane.batches.back().adjacencies.empty());
  CHECK(node.tunnel_adjacency("to-b")->neighbour == ip("192.0.2.3"));

  REQUIRE(node.resolver.put_tunnel(changed, Owner::api));
  CHECK(node.plane.batches.size() == 3);
  CHECK(node.plane.redundant == 0);
}

TEST_CASE("tunnels follow the routes of the underlay, and only those that must") {
  Node node;
  auto config = test::tunnel("to-net", "192.0.2.1", "203.0.113.200", 102);
  REQUIRE(node.resolver.put_tunnel(config, Owner::api));
  REQUIRE(node.resolver.put_route(route("underlay", "203.0.113.0/25", via_gateway("192.0.2.9")),
                                  Owner::api));
  CHECK(node.tunnel_adjacency("to-far")->neighbour == ip("192.0.2.9"));
  CHECK(node.tunnel_adjacency("to-net")->neighbour == ip("192.0.2.254"));
  CHECK(node.plane.batches.back().nexthops.size() == 2);

  REQUIRE(node.resolver.put_route(route("underlay", "203.0.113.5/32", discard()), Owner::api));
  CHECK_FALSE(node.tunnel_adjacency("to-far"));
  REQUIRE(node.resolver.erase_route("underlay", net("203.0.113.5/32")));
  CHECK(node.tunnel_adjacency("to-far")->neighbour == ip("192.0.2.9"));
  REQUIRE(node.resolver.erase_route("underlay", net("203.0.113.0/25")));
  CHECK(node.tunnel_adjacency("to-far")->neighbour == ip("192.0.2.254"));
  const NeighbourKey gone{node.port("fab0"), ip("192.0.2.9")};
  CHECK_FALSE(node.keeper.pinned.contains(gone));
}

TEST_CASE("a longer route takes a neighbour's host route away, and gives it back") {
  Node node;
  REQUIRE(node.plane.has_route(underlay_vrf, "192.0.2.2/32"));
  REQUIRE(node.resolver.put_route(route("underlay", "192.0.2.0/30", via_gateway("192.0.2.254")),
                                  Owner::api));
  CHECK_FALSE(node.plane.has_route(underlay_vrf, "192.0.2.2/32"));
  CHECK(node.tunnel_adjacency("to-b")->neighbour == ip("192.0.2.254"));
  REQUIRE(node.resolver.erase_route("underlay", net("192.0.2.0/30")));
  CHECK(node.plane.has_route(underlay_vrf, "192.0.2.2/32"));
  CHECK(node.tunnel_adjacency("to-b")->neighbour == ip("192.0.2.2"));
}

TEST_CASE("targets of routes") {
  Node node;
  const auto blue = node.vrf("blue");
  REQUIRE(node.resolver.put_route(route("blue", "10.3.0.0/16", via_vif("vm2")), Owner::api));
  CHECK(node.plane.leads(blue, "10.3.0.0/16") == node.plane.leads(blue, "10.1.0.22/32"));
  REQUIRE(node.resolver.put_route(route("blue", "10.3.0.0/16", via_vrf("red")), Owner::api));
  CHECK(node.plane.leads(blue, "10.3.0.0/16") == Nexthop{nexthop::Lookup{node.vrf("red")}});
  CHECK(node.plane.batches.back().nexthops.empty());

  const auto batches = node.plane.batches.size();
  for (const auto& bad : {
           route("blue", "10.3.0.0/16", via_vrf("blue")),
           route("blue", "10.3.0.0/16", via_tunnel("none")),
           route("blue", "10.3.0.0/16", via_gateway("192.0.2.9")),
           route("underlay", "10.3.0.0/16", via_gateway("198.51.100.1")),
           route("underlay", "10.3.0.0/16", via_gateway("2001:db8::9")),
           route("underlay", "10.3.0.0/16", via_gateway("192.0.2.1")),
           route("blue", "10.1.0.1/32", via_tunnel("to-b")),
           route("blue", "10.1.0.11/32", via_tunnel("to-b")),
           route("green", "10.3.0.0/16", via_tunnel("to-b")),
           route("blue", "10.3.0.0/16", {}),
       }) {
    CHECK_FALSE(node.resolver.put_route(bad, Owner::api));
  }
  CHECK(node.plane.batches.size() == batches);
  CHECK_FALSE(node.resolver.erase_route("blue", net("10.1.0.11/32")));
  REQUIRE(node.resolver.erase_route("blue", net("10.3.0.0/16")));
  CHECK_FALSE(node.plane.has_route(blue, "10.3.0.0/16"));
}

TEST_CASE("decaps that contradict each other are refused") {
  auto config = sample_node();
  auto other = config.decaps.front();
  other.name = "again";
  other.sources = {net("198.51.100.7/32")};
  SECTION("agreeing ones are joined") {
    config.decaps.push_back(other);
    Node node(config);
    CHECK(node.plane.tables.decaps.begin()->second.sources ==
          std::vector<IpPrefix>{net("192.0.2.0/24"), net("198.51.100.7/32")});
  }
  SECTION("adjoining ones become one prefix") {
    other.sources = {net("192.0.3.0/25"), net("192.0.3.128/25"), net("192.0.2.7/32")};
    config.decaps.push_back(other);
    Node node(config);
    CHECK(node.plane.tables.decaps.size() == 1);
    CHECK(node.plane.tables.decaps.begin()->second.sources ==
          std::vector<IpPrefix>{net("192.0.2.0/23")});
  }
  SECTION("another DSCP") {
    other.copy_dscp = true;
    config.decaps.push_back(other);
    CHECK_THROWS(Node(config));
  }
  SECTION("another target") {
    other.vrf = "red";
    config.decaps.push_back(other);
    CHECK_THROWS(Node(config));
  }
  SECTION("to a vif") {
    other.vrf = "";
    other.vif = "vm2";
    other.vni = 7;
    config.decaps.push_back(other);
    Node node(config);
    const auto& entry = node.model.decap_entries.at(key_of(other));
    CHECK(node.plane.tables.decaps.size() == 2);
    CHECK(node.plane.tables.decaps.at(entry.id).nexthop == node.vif("vm2").nexthop);
  }
}

TEST_CASE("static neighbours are resolved from the first batch on") {
  auto config = sample_node();
  config.neighbours.push_back({"fab0", ip("192.0.2.2"), mac("02:00:00:00:00:02")});
  Node node(config);
  CHECK(node.plane.batches.size() == 1);
  CHECK(node.tunnel_adjacency("to-b")->destination == mac("02:00:00:00:00:02"));
  CHECK(node.keeper.fixed.size() == 1);
}

/// What the data plane does, without the ids.
std::map<std::pair<std::uint32_t, IpPrefix>, std::string> meaning(const FakePlane& plane) {
  std::map<std::pair<std::uint32_t, IpPrefix>, std::string> out;
  const auto way = [&](AdjacencyId id) {
    if (!id.valid()) return std::string("nowhere");
    const auto& a = plane.tables.adjacencies.at(id);
    return to_string(a.neighbour) + (a.destination ? "@" + to_string(*a.destination) : "");
  };
  const std::function<std::string(NexthopId)> text_of = [&](NexthopId id) {
    const auto& nexthop = plane.tables.nexthops.at(id);
    auto text = std::string(kind_name(nexthop));
    if (const auto* n = std::get_if<nexthop::Interface>(&nexthop)) text += way(n->adjacency);
    if (const auto* u = std::get_if<nexthop::Tunnel>(&nexthop)) {
      text += to_string(u->profile.remote) + "/" + std::to_string(u->profile.vni) + " by " +
              way(u->adjacency);
    }
    if (const auto* l = std::get_if<nexthop::Lookup>(&nexthop)) {
      text += std::to_string(l->vrf.index());
    }
    if (const auto* e = std::get_if<nexthop::Ecmp>(&nexthop)) {
      std::set<std::string> members;
      for (const NexthopId member : std::set(e->buckets.begin(), e->buckets.end())) {
        members.insert(text_of(member));
      }
      for (const auto& member : members) text += " " + member;
    }
    return text;
  };
  for (const auto& [key, id] : plane.tables.routes) {
    out[{key.first.index(), key.second}] = text_of(id);
  }
  return out;
}

TEST_CASE("many small changes lead where loading the result leads; refused ones leave no trace") {
  auto random = weft::test::random_engine(2);
  const auto pick = [&](const auto& list) { return list[random() % std::size(list)]; };
  const char* remotes[] = {"192.0.2.2", "192.0.2.3", "203.0.113.5", "203.0.113.9"};
  const char* underlay[] = {"203.0.113.0/24", "203.0.113.4/30", "203.0.113.5/32", "192.0.2.0/30",
                            "0.0.0.0/0"};
  const char* overlay[] = {"10.2.0.0/16", "10.3.0.0/16", "10.3.3.0/24", "10.1.0.12/32"};
  const RouteTarget overlay_via[] = {via_tunnel("to-b"),
                                     via_tunnel("to-far"),
                                     via_vif("vm2"),
                                     via_vrf("red"),
                                     discard(),
                                     via_ecmp({{"to-b", ""}, {"", "vm2"}}),
                                     via_ecmp({{"to-far", ""}, {"to-b", ""}})};
  const RouteTarget underlay_via[] = {via_gateway("192.0.2.254"), via_gateway("192.0.2.9"),
                                      discard()};
  for (unsigned round = 0; round < 30; ++round) {
    auto config = sample_node();
    Node node(config);
    std::set<NeighbourKey> known = node.keeper.pinned;
    const auto forget = [&config](const RouteConfig& r) {
      std::erase_if(config.routes,
                    [&](const auto& o) { return o.vrf == r.vrf && o.prefix == r.prefix; });
    };
    for (unsigned step = 0; step < 40; ++step) {
      node.plane.refuse = random() % 4 == 0;
      const auto before = meaning(node.plane);
      const bool under = random() % 2 == 0;
      const auto r = under ? route("underlay", pick(underlay), pick(underlay_via))
                           : route("blue", pick(overlay), pick(overlay_via));
      bool done = false;
      switch (random() % 3) {
        case 0:
          if ((done = static_cast<bool>(node.resolver.put_route(r, Owner::api)))) {
            forget(r);
            config.routes.push_back(r);
          }
          break;
        case 1:
          if ((done = static_cast<bool>(node.resolver.erase_route(r.vrf, r.prefix)))) forget(r);
          break;
        default: {
          auto& t = config.tunnels[random() % 2];
          auto changed = t;
          changed.profile.remote = ip(pick(remotes));
          changed.profile.vni = random() % 3;
          if ((done = static_cast<bool>(node.resolver.put_tunnel(changed, Owner::api)))) {
            t = changed;
          }
        }
      }
      if (!done) REQUIRE(meaning(node.plane) == before);
      // Neighbours that nothing rests on any more are forgotten, as time would have it.
      node.plane.refuse = false;
      known.insert(node.keeper.pinned.begin(), node.keeper.pinned.end());
      for (const auto& key : known) {
        if (!node.keeper.pinned.contains(key)) REQUIRE(node.resolver.erase_neighbour(key));
      }
      Node fresh(config);
      REQUIRE(meaning(node.plane) == meaning(fresh.plane));
      REQUIRE(node.keeper.pinned == fresh.keeper.pinned);
      REQUIRE(node.model.remotes.size() == node.model.tunnels.size());
    }
    CHECK(node.plane.redundant == 0);
  }
}

}  // namespace
}  // namespace weft::agent::resolver_test
