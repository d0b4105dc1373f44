#include <catch2/catch.hpp>

#include <set>

#include "support/routes.hpp"

namespace weft::vpn::values_test {
namespace {

using test::rd;

/// Type, administrator and number as RFC 4364 §4.2 lays them out.
struct Written {
  const char* text;
  std::uint64_t raw;
};

}  // namespace

TEST_CASE("vpn: route distinguishers have three forms", "[vpn]") {
  for (const auto& [text, raw] :
       {Written{"64512:100", 0x0000'fc00'0000'0064}, Written{"0:0", 0},
        Written{"65535:4294967295", 0x0000'ffff'ffff'ffff},
        Written{"192.0.2.1:7", 0x0001'c000'0201'0007}, Written{"65536:7", 0x0002'0001'0000'0007},
        Written{"4294967295:65535", 0x0002'ffff'ffff'ffff},
        Written{"64512L:100", 0x0002'0000'fc00'0064}}) {
    CAPTURE(text);
    const auto read = parse_route_distinguisher(text);
    REQUIRE(read);
    CHECK(read->raw() == raw);
    CHECK(to_string(*read) == text);
    CHECK(RouteDistinguisher::from_raw(raw) == read);
  }
  CHECK(rd("70000L:5") == rd("70000:5"));
  CHECK_FALSE(RouteDistinguisher::from_raw(0x0003'0000'0000'0000));
}

TEST_CASE("vpn: route targets are extended communities", "[vpn]") {
  for (const auto& [text, raw] : {Written{"target:64512:100", 0x0002'fc00'0000'0064},
                                  Written{"target:192.0.2.1:7", 0x0102'c000'0201'0007},
                                  Written{"target:4200000000:7", 0x0202'fa56'ea00'0007}}) {
    CAPTURE(text);
    const auto read = parse_route_target(text);
    REQUIRE(read);
    CHECK(read->raw() == raw);
    CHECK(to_string(*read) == text);
    CHECK(RouteTarget::from_raw(raw) == read);
  }
  // A route origin, and no type that we know.
  CHECK_FALSE(RouteTarget::from_raw(0x0003'fc00'0000'0064));
  CHECK_FALSE(RouteTarget::from_raw(0x0302'fc00'0000'0064));
}

TEST_CASE("vpn: what is no distinguisher or target is refused", "[vpn]") {
  for (const char* text : {"",
                           ":",
                           "1",
                           "1:",
                           ":1",
                           "1:2:3",
                           "-1:1",
                           "+1:1",
                           " 1:1",
                           "1:1 ",
                           "1:4294967296",
                           "65536:65536",
                           "4294967296:1",
                           "192.0.2.1:65536",
                           "192.0.2:1",
                           "192.0.2.1L:1",
                           "L:1",
                           "::1:5",
                           "0x10:1",
                           "18446744073709551617:1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_route_distinguisher(text));
    CHECK_FALSE(parse_route_target(std::string("target:") + text));
  }
  CHECK_FALSE(parse_route_target("64512:100"));
  CHECK_FALSE(parse_route_target("origin:64512:100"));
}

TEST_CASE("vpn: encapsulations are known by name and by the tunnel they mean", "[vpn]") {
  const auto kind = [](const char* name) {
    return describe(parse_encapsulation(name).value()).kind;
  };
  CHECK(kind("gre") == TunnelKind::mpls_over_gre);
  CHECK(kind("udp") == TunnelKind::mpls_over_udp);
  CHECK(kind("mpls") == TunnelKind::mpls_over_mpls);
  CHECK(kind("vxlan") == TunnelKind::vxlan);
  CHECK(kind("vxlan-gpe") == TunnelKind::vxlan_gpe);
  CHECK(kind("geneve") == TunnelKind::geneve);
  CHECK(kind("gre-key") == TunnelKind::keyed_gre);
  CHECK(kind("srv6") == TunnelKind::srv6);
  CHECK(kind("nvgre") == TunnelKind::none);
  CHECK_FALSE(parse_encapsulation("GRE"));
  for (const auto& info : encapsulations) {
    CAPTURE(info.name);
    CHECK(&describe(info.encapsulation) == &info);
    if (info.kind != TunnelKind::none) CHECK(encapsulation_of(info.kind) == info.encapsulation);
  }
  CHECK_FALSE(encapsulation_of(TunnelKind::none));
  CHECK_FALSE(encapsulation_of(TunnelKind::nsh_over_gre));
}

TEST_CASE("vpn: encapsulations have an order of preference", "[vpn]") {
  EncapsulationList list{Encapsulation::gre, Encapsulation::vxlan, Encapsulation::udp};
  CHECK_FALSE(list.add(Encapsulation::gre));
  CHECK(list.size() == 3);
  CHECK(list.ordered_by({Encapsulation::geneve, Encapsulation::udp, Encapsulation::vxlan}) ==
        EncapsulationList{Encapsulation::udp, Encapsulation::vxlan, Encapsulation::gre});
  CHECK(list != EncapsulationList{Encapsulation::vxlan, Encapsulation::gre, Encapsulation::udp});
}

TEST_CASE("vpn: NLRI tell apart what is different, and sort by VPN first", "[vpn]") {
  const MacAddress mac{{2, 0, 0, 0, 1, 1}};
  const IpAddress v4 = Ipv4Address{0x0a010001};
  const std::set<Nlri> all{Nlri::unicast(rd("1:1"), {v4, 32}),
                           Nlri::unicast(rd("1:1"), {v4, 31}),
                           Nlri::unicast(rd("1:2"), {v4, 32}),
                           Nlri::unicast(rd("1:1"), {IpAddress(Ipv6Address{}), 0}),
                           Nlri::unicast(rd("1:1"), {IpAddress(), 0}),
                           Nlri::mac_ip(rd("1:1"), 0, mac),
                           Nlri::mac_ip(rd("1:1"), 1, mac),
                           Nlri::mac_ip(rd("1:1"), 0, mac, v4),
                           Nlri::mac_ip(rd("1:1"), 0, mac, IpAddress())};
  CHECK(all.size() == 9);
  CHECK(all.rbegin()->rd() == rd("1:2"));
  std::set<std::size_t> hashes;
  for (const Nlri& nlri : all) hashes.insert(std::hash<Nlri>{}(nlri));
  CHECK(hashes.size() == all.size());

  CHECK(Nlri::unicast(rd("1:1"), parse_prefix("10.1.2.3/24").value()) ==
        test::route("10.1.2.0/24"));
  CHECK(test::route("10.1.0.1/32").host());
  CHECK_FALSE(test::route("10.1.0.0/31").host());
  CHECK(test::route("2001:db8::1/128").host());
  CHECK(Nlri::mac_ip(rd("1:1"), 0, mac).host());
  CHECK(test::route("10.1.0.1/32").within(rd("2:2")) == test::route("10.1.0.1/32", "2:2"));

  CHECK(test::route("10.1.0.0/16").family() == ipv4_unicast);
  CHECK(test::route("2001:db8::/32").family() == ipv6_unicast);
  CHECK(Nlri::mac_ip(rd("1:1"), 0, mac).family() == evpn);
  CHECK(to_string(test::route("10.1.0.0/16")) == "10.1.0.0/16");
  CHECK(to_string(Nlri::mac_ip(rd("1:1"), 7, mac)) == "7-02:00:00:00:01:01");
  CHECK(to_string(Nlri::mac_ip(rd("1:1"), 0, mac, v4)) == "0-02:00:00:00:01:01,10.1.0.1");
}

TEST_CASE("vpn: equal attributes are kept once, while somebody refers to them", "[vpn]") {
  AttributePool pool;
  {
    const AttributesRef first = pool.intern(test::via("192.0.2.1"));
    AttributesRef second = pool.intern(test::via("192.0.2.1"));
    CHECK(first == second);
    CHECK(pool.size() == 1);
    const AttributesRef other = pool.intern(test::via("192.0.2.1", 17));
    CHECK_FALSE(first == other);
    CHECK(pool.size() == 2);
    second = other;
    AttributesRef moved = std::move(second);
    CHECK(moved->next_hops[0].label == 17U);
    CHECK(first->next_hops[0].label == 16U);
    moved = AttributesRef();
    CHECK(pool.size() == 2);
  }
  CHECK(pool.size() == 0);
}

TEST_CASE("vpn: equal names and lists are kept once, too", "[vpn]") {
  AttributePool pool;
  Attributes a = test::via("192.0.2.1", 16, "compute-a");
  a.security_groups = {"web"};
  a.targets = {test::target("1:1")};
  Attributes b = test::via("192.0.2.2", 16, "compute-a");
  b.security_groups = {"web"};
  b.targets = {test::target("1:1")};
  b.virtual_network = "compute-a";
  AttributesRef first = pool.intern(a);
  {
    const AttributesRef second = pool.intern(b);
    CHECK(&*first->origin == &*second->origin);
    CHECK(&*first->origin == &*second->virtual_network);
    CHECK(&*first->security_groups == &*second->security_groups);
    CHECK(&*first->targets == &*second->targets);
  }
  // And let go when nobody has them.
  b = {};
  a = {};
  CHECK(first->origin.shares() == 2);
  CHECK(first->origin == "compute-a");
  const auto origin = first->origin;
  const auto groups = first->security_groups;
  const auto targets = first->targets;
  first = {};
  CHECK(origin.shares() == 1);
  CHECK(groups.shares() == 1);
  CHECK(targets.shares() == 1);
}

TEST_CASE("vpn: shared values read as what they are", "[vpn]") {
  const Shared<std::string> none;
  CHECK(none.empty());
  CHECK(none->empty());
  CHECK(none == Shared<std::string>(""));
  CHECK(Shared<std::string>("").empty());
  const Shared<std::string> a("a");
  CHECK(a == "a");
  CHECK(a != "b");
  CHECK(a == std::string("a"));
  CHECK(none < a);
  CHECK(a < Shared<std::string>("b"));
  const Shared<std::string> copy = a;
  CHECK(copy.shares() == 2);
  const std::string& read = a;
  CHECK(read == "a");
  CHECK(Shared<std::vector<std::string>> { "a", "b" } -> size() == 2);
}

TEST_CASE("vpn: attributes differ by each of their parts", "[vpn]") {
  const Attributes plain = test::via("192.0.2.1");
  std::vector<Attributes> all(15, plain);
  all[1].next_hops[0].mac = MacAddress{{2, 0, 0, 0, 0, 1}};
  all[2].next_hops[0].label.reset();
  all[3].next_hops[0].vni = 16;
  all[4].next_hops[0].encapsulations = {Encapsulation::udp};
  all[5].next_hops.push_back(test::next_hop("192.0.2.2"));
  all[6].virtual_network = "blue";
  all[7].origin = "blue";
  all[8].targets = {test::target("1:1")};
  all[9].security_groups = {"web"};
  all[10].local_preference = 0;
  all[11].med = default_local_preference;
  all[12].mobility = Mobility{};
  all[13].mobility = Mobility{0, true};
  all[14].load_balance.protocol = true;
  AttributePool pool;
  std::vector<AttributesRef> refs;
  for (const Attributes& attributes : all) refs.push_back(pool.intern(attributes));
  CHECK(pool.size() == all.size());
}

}  // namespace weft::vpn::values_test
