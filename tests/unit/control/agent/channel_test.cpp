// What becomes of what controllers tell, and what a node tells them; without sessions.
#include <catch2/catch.hpp>

#include "agent/channel_profiles.hpp"
#include "agent/channel_publications.hpp"
#include "agent/end_of_rib.hpp"
#include "config_sample.hpp"
#include "service.hpp"

namespace weft::agent::channel_test {
namespace {

using test::Service;
using vpn::Encapsulation;

IpAddress ip(const char* text) { return *parse_ip(text); }
vpn::Nlri host(const char* address) { return vpn::Nlri::unicast({}, IpPrefix::host(ip(address))); }

vpn::Attributes path(const char* remote, vpn::EncapsulationList encapsulations,
                     std::uint32_t sequence = 0) {
  vpn::Attributes out;
  out.next_hops = {
      {.address = ip(remote), .label = 20, .vni = 100, .encapsulations = encapsulations}};
  out.origin = remote;
  out.mobility = vpn::Mobility{.sequence = sequence, .sticky = false};
  return out;
}

struct Hearing {
  Service s{load(sample)};
  ChannelRoutes routes{s.agent.manager().intent().config.node};
  vpn::SourceId first = routes.add_source("first");
  vpn::SourceId second = routes.add_source("second");
  ChannelRoutes::Offered offered;

  void settle() {
    while (routes.pending()) {
      Update update;
      routes.collect(update, 2, offered);
      for (const auto& refused : s.agent.manager().follow(update)) {
        FAIL_CHECK(refused.label << ": " << refused.why);
      }
    }
  }
  std::string via(const char* address) {
    settle();
    for (const auto& row : s.rows("route")) {
      if (row.at("prefix") == std::string(address) + "/32" && row.at("vrf") == "blue") {
        return row.at("via").get<std::string>();
      }
    }
    return "none";
  }
};

TEST_CASE("channel: a route leads into a tunnel that goes with the last of its routes") {
  Hearing h;
  h.routes.announce(h.first, "blue", host("10.1.0.30"), path("192.0.2.3", {Encapsulation::vxlan}));
  h.routes.announce(h.first, "blue", host("10.1.0.31"), path("192.0.2.3", {Encapsulation::vxlan}));
  CHECK(h.via("10.1.0.30") == "tunnel vxlan-100-192.0.2.3");
  CHECK(h.via("10.1.0.31") == "tunnel vxlan-100-192.0.2.3");
  const auto& tunnels = h.s.agent.model().tunnels;
  CHECK(tunnels.at("vxlan-100-192.0.2.3").profile.local == ip("192.0.2.1"));
  h.routes.withdraw(h.first, "blue", host("10.1.0.30"));
  CHECK(h.via("10.1.0.30") == "none");
  CHECK(tunnels.contains("vxlan-100-192.0.2.3"));
  h.routes.withdraw(h.first, "blue", host("10.1.0.31"));
  CHECK(h.via("10.1.0.31") == "none");
  CHECK_FALSE(tunnels.contains("vxlan-100-192.0.2.3"));
}

TEST_CASE("channel: the first encapsulation that this node has, and the number that is its own") {
  Hearing h;
  const auto leads = [&](vpn::EncapsulationList list) {
    h.routes.announce(h.first, "blue", host("10.1.0.30"), path("192.0.2.3", list));
    return h.via("10.1.0.30");
  };
  CHECK(leads({Encapsulation::nvgre, Encapsulation::geneve, Encapsulation::vxlan}) ==
        "tunnel geneve-100-192.0.2.3");
  CHECK(leads({Encapsulation::gre}) == "tunnel mpls-over-gre-20-192.0.2.3");
  CHECK(leads({Encapsulation::udp}) == "tunnel mpls-over-udp-20-192.0.2.3");
  CHECK(leads({Encapsulation::mpls}) == "none");  // needs a neighbour, not an address
  CHECK(leads({}) == "none");
  CHECK(h.s.agent.model().tunnels.size() == 1);
}

TEST_CASE("channel: a tunnel that a profile offers goes before our own") {
  Hearing h;
  const TunnelKey key{TunnelKind::vxlan, ip("192.0.2.2"), 100, default_router_mac};
  h.routes.announce(h.first, "blue", host("10.1.0.30"),
                    path("192.0.2.2", {Encapsulation::geneve, Encapsulation::vxlan}));
  CHECK(h.via("10.1.0.30") == "tunnel geneve-100-192.0.2.2");
  h.offered.emplace(key, "to-b");
  h.routes.reconsider();
  CHECK(h.via("10.1.0.30") == "tunnel to-b");
  h.offered.clear();
  h.routes.reconsider();
  CHECK(h.via("10.1.0.30") == "tunnel geneve-100-192.0.2.2");
}

TEST_CASE("channel: a route that goes while offers change is gone") {
  Hearing h;
  h.routes.announce(h.first, "blue", host("10.1.0.30"), path("192.0.2.2", {Encapsulation::vxlan}));
  h.routes.announce(h.first, "blue", host("10.1.0.31"), path("192.0.2.2", {Encapsulation::vxlan}));
  CHECK(h.via("10.1.0.30") != "none");
  h.routes.withdraw(h.first, "blue", host("10.1.0.30"));
  h.routes.reconsider();
  CHECK(h.via("10.1.0.30") == "none");
  CHECK(h.via("10.1.0.31") != "none");
}

TEST_CASE("channel: a route leaves with the last controller that tells it") {
  Hearing h;
  for (const auto source : {h.first, h.second}) {
    h.routes.announce(source, "blue", host("10.1.0.30"), path("192.0.2.3", {Encapsulation::vxlan}));
  }
  CHECK(h.via("10.1.0.30") != "none");
  const auto batches = h.s.plane.batches.size();
  h.routes.withdraw(h.first, "blue", host("10.1.0.30"));
  h.routes.mark_stale(h.second);
  CHECK(h.via("10.1.0.30") != "none");
  CHECK(h.s.plane.batches.size() == batches);
  SECTION("told again it stays") {
    h.routes.announce(h.second, "blue", host("10.1.0.30"),
                      path("192.0.2.3", {Encapsulation::vxlan}));
    h.routes.sweep(h.second);
    CHECK(h.via("10.1.0.30") != "none");
    CHECK(h.s.plane.batches.size() == batches);
  }
  SECTION("else it is swept") {
    h.routes.sweep(h.second);
    CHECK(h.via("10.1.0.30") == "none");
  }
}

TEST_CASE("channel: equal ways to several nodes are shared by flows") {
  Hearing h;
  auto both = path("192.0.2.3", {Encapsulation::vxlan});
  both.next_hops.push_back(both.next_hops.front());
  both.next_hops.back().address = ip("192.0.2.4");
  both.next_hops.push_back(both.next_hops.front());
  both.next_hops.back().address = ip("192.0.2.1");  // this node
  h.routes.announce(h.first, "blue", host("10.1.0.30"), both);
  h.settle();
  const auto& routes = h.s.agent.manager().intent().channel.routes;
  REQUIRE(routes.size() == 1);
  CHECK(routes.begin()->second.via.ecmp ==
        std::vector<EcmpMember>{{"vxlan-100-192.0.2.3", ""}, {"vxlan-100-192.0.2.4", ""}});
}

TEST_CASE("channel: all is told when behind the last marker nothing old is told again") {
  using namespace std::chrono_literals;
  EndOfRib told(1s, 60s);
  EndOfRib::Time now{};
  told.begin();
  CHECK_FALSE(told.over(now, true, 0, 0));
  SECTION("at once where nothing is old and all subscriptions are answered") {
    told.hear_marker(now);
    CHECK_FALSE(told.over(now, false, 0, 5));
    CHECK(told.over(now, true, 0, 5));
    told.begin();
    CHECK_FALSE(told.over(now, true, 0, 5));
  }
  SECTION("a marker behind each subscription's routes") {
    told.hear_marker(now);
    CHECK_FALSE(told.over(now, true, 2, 5));
    CHECK_FALSE(told.over(now += 900ms, true, 2, 5));
    CHECK_FALSE(told.over(now += 200ms, true, 1, 5));  // the next one's come
    told.hear_marker(now += 900ms);
    CHECK_FALSE(told.over(now += 900ms, true, 1, 5));
    CHECK(told.over(now += 200ms, true, 1, 5));
  }
  SECTION("however much changes, after a time") {
    told.hear_marker(now);
    for (std::size_t i = 0; i < 60; ++i) CHECK_FALSE(told.over(now += 999ms, true, 1, i));
    CHECK(told.over(now += 999ms, true, 1, 61));
  }
}

TEST_CASE("channel: names of tunnels") {
  const auto name = [](const char* remote, MacAddress mac) {
    return tunnel_name({TunnelKind::vxlan_gpe, ip(remote), 16777215, mac});
  };
  const MacAddress other{{0x02, 0, 0, 0, 0x0a, 0x0b}};
  CHECK(name("192.0.2.3", default_router_mac) == "vxlan-gpe-16777215-192.0.2.3");
  CHECK(name("192.0.2.3", other) == "vxlan-gpe-16777215-192.0.2.3-020000000a0b");
  const auto longest = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff";
  CHECK(name(longest, other).size() <= 63);
  CHECK(name(longest, other) != name(longest, MacAddress{{0x02, 0, 0, 0, 0x0a, 0x0c}}));
}

TEST_CASE("channel: a node tells its addresses with what its decaps take") {
  Hearing h;
  ChannelPublications told;
  const auto refresh = [&] { return told.refresh(h.s.agent.manager().intent(), h.routes); };
  CHECK(refresh().size() == 2);
  CHECK(refresh().empty());
  const HostKey key{"blue", ip("10.1.0.11")};
  const auto hop = [&] { return told.routes().at(key).next_hops.at(0); };
  CHECK(hop().address == ip("192.0.2.1"));
  CHECK(hop().vni == 100U);
  CHECK(hop().encapsulations == vpn::EncapsulationList{Encapsulation::vxlan});
  CHECK(told.vrfs() == std::map<std::string, std::uint32_t>{{"blue", 1}});

  h.s.done(
      "PUT", "/v1/decap",
      R"({"name": "d2", "kind": "geneve", "vni": 100, "vrf": "blue", "sources": ["0.0.0.0/0"]})");
  h.s.done(
      "PUT", "/v1/decap",
      R"({"name": "d3", "kind": "geneve", "vni": 101, "vrf": "blue", "sources": ["0.0.0.0/0"]})");
  CHECK(refresh().size() == 2);
  CHECK(hop().encapsulations.size() == 2);
  CHECK(hop().vni == 100U);
  h.s.done("DELETE", "/v1/decap", R"({"name": "d2"})");
  h.s.done("DELETE", "/v1/decap", R"({"name": "d3"})");
  CHECK(refresh().size() == 2);
}

TEST_CASE("channel: an address that moves") {
  Hearing h;
  ChannelPublications told;
  const HostKey key{"blue", ip("10.1.0.11")};
  const auto refresh = [&] { return told.refresh(h.s.agent.manager().intent(), h.routes); };
  const auto elsewhere = [&](std::uint32_t sequence) {
    h.routes.announce(h.first, "blue", host("10.1.0.11"),
                      path("192.0.2.3", {Encapsulation::vxlan}, sequence));
    return refresh();
  };
  SECTION("here: it is told with the next number") {
    elsewhere(4);
    CHECK(told.routes().at(key).sequence() == 5);
    CHECK(h.via("10.1.0.11") == "vif vm1");
  }
  SECTION("from here: it is not told any more, and packets follow it") {
    refresh();
    CHECK(told.routes().at(key).sequence() == 0);
    CHECK(elsewhere(1) == std::set<HostKey>{key});
    CHECK_FALSE(told.routes().contains(key));
    CHECK(h.via("10.1.0.11") == "tunnel vxlan-100-192.0.2.3");
    CHECK(refresh().empty());
    // And back, when it is there no more.
    h.routes.withdraw(h.first, "blue", host("10.1.0.11"));
    CHECK(refresh() == std::set<HostKey>{key});
    CHECK(h.via("10.1.0.11") == "vif vm1");
  }
}

struct Profiling {
  Service s;
  ChannelProfiles profiles{s.agent.manager(), {"first", "second"}};

  void hear(std::size_t source, const std::string& kind, const std::string& name,
            std::uint64_t generation, const std::string& json) {
    channel::ProfileItems items;
    items.profiles.push_back({{kind, name}, generation, json});
    profiles.hear(source, items);
  }
  void gone(std::size_t source, const std::string& kind, const std::string& name) {
    channel::ProfileItems items;
    items.withdrawn.push_back({kind, name});
    profiles.hear(source, items);
  }
  /// All of a generation was told.
  void mark(std::size_t source, std::uint64_t generation) {
    hear(source, "generation", std::to_string(generation), generation, "{}");
  }
  void apply() {
    while (profiles.pending()) profiles.apply(1);
  }
};

TEST_CASE("profiles: applied, acknowledged, taken away") {
  Profiling p;
  const auto decap = [](int vni) {
    return R"({"name": "green-in", "kind": "geneve", "vni": )" + std::to_string(vni) +
           R"(, "vrf": "green", "sources": ["192.0.2.0/24"]})";
  };
  p.hear(0, "vrf", "green", 1, R"({"name": "green", "id": 7})");
  p.hear(0, "decap", "green-in", 2, decap(300));
  CHECK_FALSE(p.profiles.take_acknowledgement(0));
  p.profiles.apply(10);
  CHECK_FALSE(p.profiles.take_acknowledgement(0));  // there may be more of it to come
  p.mark(0, 2);
  CHECK(p.s.agent.model().vrfs.contains("green"));
  CHECK(p.s.row("decap", "name", "green-in").at("owner") == "channel");
  const auto ack = p.profiles.take_acknowledgement(0);
  REQUIRE(ack);
  CHECK(ack->generation == 2);
  CHECK(ack->refused.empty());
  CHECK_FALSE(p.profiles.take_acknowledgement(0));

  SECTION("the same from the other controller changes nothing, and stays when one goes") {
    const auto batches = p.s.plane.batches.size();
    p.hear(1, "decap", "green-in", 9, decap(300));
    p.mark(1, 9);
    p.gone(0, "decap", "green-in");
    p.apply();
    CHECK(p.s.plane.batches.size() == batches);
    CHECK(p.profiles.take_acknowledgement(1)->generation == 9);
  }
  SECTION("a VRF goes behind what is in it") {
    p.gone(0, "vrf", "green");
    p.gone(0, "decap", "green-in");
    p.apply();
    CHECK_FALSE(p.s.agent.model().vrfs.contains("green"));
    CHECK_FALSE(p.s.agent.model().decaps.contains("green-in"));
  }
  SECTION("what a session told that ended is forgotten by a sweep alone") {
    p.profiles.mark_stale(0);
    p.apply();
    CHECK(p.profiles.stale() == 2);
    CHECK(p.s.agent.model().vrfs.contains("green"));
    p.hear(0, "vrf", "green", 1, R"({"name": "green", "id": 7})");
    p.profiles.sweep(0);
    p.apply();
    CHECK(p.s.agent.model().vrfs.contains("green"));
    CHECK_FALSE(p.s.agent.model().decaps.contains("green-in"));
  }
}

TEST_CASE("profiles: of two controllers, who may come in by either, and one of them is followed") {
  Profiling p;
  const auto decap = [](const char* sources) {
    return R"({"name": "green-in", "kind": "geneve", "vni": 300, "vrf": "blue", "sources": [)" +
           std::string(sources) + "]}";
  };
  using Texts = std::vector<std::string>;
  const auto sources = [&] {
    Texts out;
    for (const auto& prefix : p.s.agent.model().decaps.at("green-in").config.sources) {
      out.push_back(to_string(prefix));
    }
    return out;
  };
  p.profiles.begin(0);
  p.profiles.begin(1);
  p.hear(0, "decap", "green-in", 5, decap(R"("192.0.2.8/32")"));
  p.hear(1, "decap", "green-in", 3, decap(R"("192.0.2.9/32")"));
  p.mark(1, 3);
  p.apply();
  CHECK(sources() == Texts{"192.0.2.8/32", "192.0.2.9/32"});
  CHECK(p.profiles.take_acknowledgement(1)->refused.empty());
  p.profiles.mark_stale(0);
  p.apply();
  CHECK(sources().size() == 2);
  p.profiles.sweep(0);
  p.apply();
  CHECK(sources() == Texts{"192.0.2.9/32"});

  const auto route = [](const std::string& via) {
    return R"({"vrf": "blue", "prefix": "10.9.0.0/16", "via": {)" + via + "}}";
  };
  const std::string name = "blue 10.9.0.0/16";
  const std::string to_vm1 = route(R"("vif": "vm1")");
  const auto via = [&] { return p.s.row("route", "prefix", "10.9.0.0/16").at("via"); };
  const auto refused = [&](std::size_t source) {
    const auto ack = p.profiles.take_acknowledgement(source);
    return !ack ? "nothing" : ack->refused.empty() ? "" : ack->refused.front().error;
  };
  // The second has been there for longer, since the first came back.
  p.profiles.begin(0);
  p.hear(0, "route", name, 70, to_vm1);
  p.hear(1, "route", name, 6, route(R"("discard": true)"));
  p.mark(0, 70);
  p.mark(1, 6);
  p.apply();
  CHECK(via() == "discard");
  CHECK(refused(1).empty());
  CHECK(refused(0) == "controller second is followed, who tells another");
  SECTION("until they agree, which is acknowledged") {
    p.hear(1, "route", name, 7, to_vm1);
    p.mark(1, 7);
    p.apply();
    CHECK(via() == "vif vm1");
    CHECK(refused(0).empty());
    CHECK(refused(0) == "nothing");
  }
  SECTION("until the session of the other is lost") {
    p.profiles.mark_stale(1);
    p.apply();
    CHECK(via() == "vif vm1");
    CHECK(refused(0).empty());
    // When none is left it is as the last one had it.
    p.profiles.mark_stale(0);
    p.apply();
    CHECK(via() == "vif vm1");
  }
  SECTION("until the other takes it back") {
    p.gone(1, "route", name);
    p.apply();
    CHECK(via() == "vif vm1");
    CHECK(refused(0).empty());
  }
}

TEST_CASE("profiles: what has no place is refused with its reason, and tried again") {
  Profiling p;
  p.hear(
      0, "decap", "green-in", 1,
      R"({"name": "green-in", "kind": "geneve", "vni": 300, "vrf": "green", "sources": ["::/0"]})");
  p.hear(0, "vif", "vm9", 2, "{}");
  p.hear(0, "tunnel", "t", 3, R"({"name": "other"})");
  p.hear(
      0, "decap", "twin", 4,
      R"({"name": "twin", "kind": "vxlan", "vni": 100, "vrf": "blue", "sources": ["192.0.2.0/24"]})");
  p.mark(0, 4);
  p.profiles.apply(10);
  const auto ack = p.profiles.take_acknowledgement(0);
  REQUIRE(ack);
  std::map<std::string, std::string> refused;
  for (const auto& [id, why] : ack->refused) refused[id.kind + "/" + id.name] = why;
  CHECK_THAT(refused["decap/green-in"], Catch::Contains("green"));
  CHECK_THAT(refused["vif/vm9"], Catch::Contains("no such kind"));
  CHECK_THAT(refused["tunnel/t"], Catch::Contains("that kind and name"));
  CHECK(refused.size() == 3);

  p.hear(0, "vrf", "green", 5, R"({"name": "green", "id": 7})");
  p.hear(
      0, "decap", "green-in", 6,
      R"({"name": "green-in", "kind": "geneve", "vni": 300, "vrf": "green", "sources": ["192.0.2.0/24"]})");
  p.profiles.apply(10);
  CHECK(p.profiles.refused().size() == 2);
  CHECK(p.s.agent.model().decaps.contains("green-in"));
}

TEST_CASE("profiles: what changes together is judged together") {
  Profiling p;
  const auto decap = [&](const std::string& name, int vni, const std::string& vrf) {
    p.hear(0, "decap", name, 1,
           R"({"name": ")" + name + R"(", "kind": "geneve", "vni": )" + std::to_string(vni) +
               R"(, "vrf": ")" + vrf + R"(", "sources": ["192.0.2.0/24"]})");
  };
  p.hear(0, "vrf", "green", 1, R"({"name": "green", "id": 7})");
  decap("a", 300, "green");
  decap("b", 301, "blue");
  p.profiles.apply(10);
  REQUIRE(p.profiles.refused().empty());
  // Neither could become what it shall be beside what the other one was.
  decap("a", 301, "green");
  decap("b", 300, "blue");
  const auto batches = p.s.plane.batches.size();
  p.profiles.apply(10);
  CHECK(p.s.plane.batches.size() == batches + 1);
  CHECK(p.profiles.refused().empty());
  const auto& decaps = p.s.agent.model().decaps;
  CHECK(decaps.at("a").config.vni == 301);
  CHECK(decaps.at("b").config.vni == 300);
  // What is wrong keeps nothing else away.
  decap("c", 302, "nowhere");
  decap("d", 303, "blue");
  p.profiles.apply(10);
  REQUIRE(p.profiles.refused().size() == 1);
  CHECK_THAT(p.profiles.refused().at({"decap", "c"}), Catch::Contains("nowhere"));
  CHECK(decaps.contains("d"));
}

}  // namespace
}  // namespace weft::agent::channel_test
