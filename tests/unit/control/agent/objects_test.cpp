#include <catch2/catch.hpp>

#include "service.hpp"

namespace weft::agent::objects_test {
namespace {

using namespace test;

const std::string vm9 =
    R"({"name":"vm9","device":"tap:vm9","vrf":"blue","mac":"02:00:00:00:01:09",
        "addresses":["10.1.0.99"]})";
const std::string green =
    R"({"name":"green","id":3,"subnets":[{"prefix":"10.1.0.0/24","gateway":"10.1.0.1"}]})";

TEST_CASE("objects by API: marks have counters of their own, and keep them") {
  Service s;
  const auto json = [](const std::string& name, const std::string& bits) {
    return R"({"name":")" + name + R"(","bits":"00000000000000)" + bits +
           R"(","mask":"00000000000000ff"})";
  };
  const auto set = [&](const std::string& list) {
    s.done("PUT", "/v1/decap", R"({"name":"from-fabric","marks":[)" + list + "]}");
  };
  const auto& model = s.agent.model();
  const auto entry = [&]() -> const DecapEntry& {
    return model.decap_entries.at(key_of(model.decaps.find("from-fabric")->second.config));
  };
  const auto decap = [&] { return s.plane.tables.decaps.at(entry().id); };
  const auto shown = [&] { return s.row("decap", "name", "from-fabric")["packets"]; };
  const auto of_mark = [&](const Json& name) {
    for (const auto& row : s.rows("decap?name=from-fabric")) {
      if (row["mark"] == name) return row["packets"];
    }
    return Json();
  };
  const PacketCount each = s.plane.decap_counters(DecapId(0));  // of all ids the same
  CHECK(shown() == each.packets);
  CHECK(of_mark(nullptr) == each.packets);

  set(json("a", "01") + "," + json("b", "02"));
  const auto ids = decap().mark_ids;
  REQUIRE(ids.size() == 2);
  CHECK(std::set<DecapId>{entry().id, ids[0], ids[1]}.size() == 3);
  CHECK(decap().marks == std::vector<DecapMark>{{"a", 1, 0xff}, {"b", 2, 0xff}});
  CHECK(s.row("decap", "name", "from-fabric")["marks"] == Json{"a", "b"});
  CHECK(shown() == 3 * each.packets);
  CHECK(of_mark("a") == each.packets);
  CHECK(of_mark(nullptr) == each.packets);
  CHECK(s.call("GET", "/v1/decap?name=from-fabri").error().find("from-fabric\"?") !=
        std::string::npos);

  // A mark that stays keeps its id; the counter of the whole goes on from where it was.
  s.plane.workers_stand_still = true;
  set(json("b", "03") + "," + json("c", "04"));
  CHECK(decap().mark_ids[0] == ids[1]);
  CHECK(decap().mark_ids[1] != ids[0]);
  CHECK(shown() == 4 * each.packets);
  s.plane.workers_stand_still = false;
  s.settle();
  CHECK(shown() == 4 * each.packets);
  CHECK(entry().leaving.empty());
  set(json("b", "03"));
  s.settle();
  // The index of the first one is free again, and counts from nothing.
  set(json("b", "03") + "," + json("d", "05"));
  CHECK(decap().mark_ids[1].index() == ids[0].index());
  CHECK(of_mark("d") == 0);
  CHECK(shown() == 4 * each.packets);
  // What traces say of a mark is of the decap.
  CHECK((entry().counts_under(ids[1]) && !entry().counts_under(ids[0])));

  s.refused("PUT", "/v1/decap", R"({"name":"from-fabric","marks":[{"name":"x"}]})", 400, "missing");
  s.done("DELETE", "/v1/decap", R"({"name":"from-fabric"})");
  CHECK(decap().marks.empty());
  CHECK(shown() == 4 * each.packets);
}

TEST_CASE("objects by API: of two decaps that share an entry both have the same marks") {
  Service s;
  const std::string marks = R"("marks":[{"name":"a","bits":"0000000000000001",
                                         "mask":"00000000000000ff"}])";
  const auto other = [&](const std::string& more) {
    return R"({"name":"other","kind":"vxlan","vni":100,"vrf":"blue","sources":["10.0.0.0/8"])" +
           more + "}";
  };
  s.refused("POST", "/v1/decap", other("," + marks), 409, "but other marks");
  s.done("POST", "/v1/decap", other(""));
  s.refused("PUT", "/v1/decap", R"({"name":"other",)" + marks + "}", 409, "but other marks");
  s.done("POST", "/v1/tunnel",
         R"({"name":"marking","kind":"vxlan","vni":7,"remote":"192.0.2.3",
             "inner_destination_mac":"02:00:5e:00:01:01","reserved":"0000000000000001"})");
  CHECK(s.agent.model().tunnels.at("marking").profile.reserved == 1);
  s.done("PUT", "/v1/tunnel", R"({"name":"marking","vni":8})");  // and keeps what is not named
  CHECK(s.agent.model().tunnels.at("marking").profile.reserved == 1);
  s.done("PUT", "/v1/tunnel", R"({"name":"marking","reserved":"0000000000000000"})");
  CHECK(s.agent.model().tunnels.at("marking").profile.reserved == 0);
}

TEST_CASE("objects by API: what a tunnel's header has beside its network") {
  Service s;
  const auto decap = [&](const std::string& name) {
    const auto& model = s.agent.model();
    const auto& entry = model.decap_entries.at(key_of(model.decaps.find(name)->second.config));
    return std::pair{s.plane.tables.decaps.at(entry.id), entry.via};
  };
  s.done("POST", "/v1/tunnel",
         R"({"name":"srv6","kind":"srv6","segments":["fd00:b::e","fd00:c::4"],"reduced":true})");
  s.done("POST", "/v1/tunnel",
         R"({"name":"mpls","kind":"mpls_over_gre","label":100,"labels":[17,18],
             "remote":"192.0.2.3"})");
  CHECK(s.row("tunnel", "name", "mpls")["network"] == "label 17/18/100");
  CHECK(s.row("tunnel", "name", "srv6")["remote"] == "fd00:b::e");
  s.done("POST", "/v1/decap",
         R"({"name":"opt","kind":"geneve","vni":7,"vrf":"blue","sources":["192.0.2.0/24"],
             "options":["0102:80:0000002a"]})");
  CHECK(decap("opt").first.options == std::vector<TunnelOption>{{0x0102, 0x80, {0, 0, 0, 42}}});

  SECTION("a decap of NSH may lead on into a tunnel, which stays as long") {
    s.done("POST", "/v1/tunnel",
           R"({"name":"next","kind":"nsh_over_vxlan_gpe","vni":7,"payload":"nsh",
               "remote":"192.0.2.3"})");
    s.done("POST", "/v1/decap",
           R"({"name":"path","kind":"nsh_over_ethernet","path":5,"index":9,"tunnel":"next"})");
    CHECK(decap("path").first.relays);
    CHECK(decap("path").first.nexthop == s.agent.model().tunnels.at("next").nexthop);
    CHECK(s.row("decap", "name", "path")["network"] == "path 5/9");
    CHECK(s.row("decap", "name", "path")["to"] == "tunnel next");
    s.refused("DELETE", "/v1/tunnel", R"({"name":"next"})", 409, "in use by decap path");
    s.refused("PUT", "/v1/tunnel", R"({"name":"next","payload":"ip","path":5})", 409,
              "a tunnel of payload nsh");
    s.done("PUT", "/v1/decap", R"({"name":"path","index":8})");
    CHECK(s.row("decap", "name", "path")["network"] == "path 5/8");
    s.done("DELETE", "/v1/decap", R"({"name":"path"})");
    s.done("DELETE", "/v1/tunnel", R"({"name":"next"})");
  }
  SECTION("of two decaps of one SID both must say the same") {
    s.done("POST", "/v1/decap",
           R"({"name":"dt4","kind":"srv6","sid":"fd00:a::4","behaviour":"End.DT4","vrf":"blue",
               "sources":["2001:db8::/64"]})");
    s.refused("POST", "/v1/decap",
              R"({"name":"dt6","kind":"srv6","sid":"fd00:a::4","behaviour":"End.DT6","vrf":"blue",
                  "sources":["fd00::/8"]})",
              409, "another behaviour");
    CHECK(s.row("decap", "name", "dt4")["to"] == "End.DT4 vrf blue");
  }
  SECTION("End.X rests on a neighbour as long as it is there") {
    s.done("POST", "/v1/decap",
           R"({"name":"x","kind":"srv6","sid":"fd00:a::1","gateway":"2001:db8::7",
               "sources":["2001:db8::/64"]})");
    CHECK(s.row("decap", "name", "x")["to"] == "End.X gateway 2001:db8::7");
    const auto pins = [&](const NeighbourKey& key) {
      return s.agent.model().adjacencies.at(key).pins;
    };
    const auto [entry, first] = decap("x");
    REQUIRE(first);
    CHECK(entry.behaviour == SegmentBehaviour::end_x);
    CHECK(entry.nexthop == s.agent.model().adjacencies.at(*first).nexthop);
    CHECK(pins(*first) == 1);
    s.done("PUT", "/v1/decap", R"({"name":"x","gateway":"2001:db8::8"})");
    const auto second = decap("x").second;
    REQUIRE((second && second != first));
    CHECK(pins(*first) == 0);
    CHECK(pins(*second) == 1);
    s.done("DELETE", "/v1/decap", R"({"name":"x"})");
    CHECK(pins(*second) == 0);
    s.refused("POST", "/v1/decap",
              R"({"name":"y","kind":"srv6","sid":"fd00:a::1","gateway":"2001:dead::7",
                  "sources":["2001:db8::/64"]})",
              409, "in the subnet of a port");
  }
  SECTION("End has no target") {
    s.done("POST", "/v1/decap",
           R"({"name":"end","kind":"srv6","sid":"fd00:a::e","behaviour":"End",
               "sources":["2001:db8::/64"]})");
    CHECK_FALSE(decap("end").first.nexthop.valid());
    CHECK(s.row("decap", "name", "end")["to"] == "End");
  }
}

TEST_CASE("objects by API: a whole tenant comes and goes") {
  Service s;
  const auto before = s.plane.tables;
  CHECK(s.done("POST", "/v1/vrf", green) == "vrf green is new");
  CHECK(s.done("POST", "/v1/vif",
               R"({"name":"vm9","device":"tap:vm9","vrf":"green","mac":"02:00:00:00:01:09",
                   "addresses":["10.1.0.99"]})") == "vif vm9 is new");
  CHECK(s.done("POST", "/v1/tunnel",
               R"({"name":"to-c","kind":"vxlan","vni":300,"remote":"192.0.2.3",
                   "inner_destination_mac":"02:00:5e:00:01:01"})") == "tunnel to-c is new");
  CHECK(s.done("POST", "/v1/decap",
               R"({"name":"from-c","kind":"vxlan","vni":300,"vrf":"green",
                   "sources":["192.0.2.3/32"]})") == "decap from-c is new");
  CHECK(s.done("POST", "/v1/route",
               R"({"vrf":"green","prefix":"10.1.0.12/32","via":{"tunnel":"to-c"}})") ==
        "route 10.1.0.12/32 in green leads via tunnel to-c");
  CHECK(s.done("POST", "/v1/neighbour", R"({"address":"192.0.2.3","mac":"02:00:00:00:00:03"})") ==
        "neighbour 192.0.2.3 is new");

  CHECK(s.plane.requests.back().device == "tap:vm9");
  CHECK(s.row("vif", "name", "vm9")["owner"] == "api");
  CHECK(s.row("vrf", "name", "green")["router_mac"] == "02:00:5e:00:01:01");
  CHECK(s.row("tunnel", "name", "to-c")["state"] == "resolved");
  CHECK(s.row("neighbour", "address", "192.0.2.3")["owner"] == "api");
  CHECK(s.row("decap", "name", "from-c")["owner"] == "api");
  const auto id = s.agent.model().vrfs.at("green").id;
  CHECK(kind_name(s.plane.leads(id, "10.1.0.12/32")) == "tunnel");
  CHECK(kind_name(s.plane.leads(id, "10.1.0.99/32")) == "interface");

  SECTION("what is in use stays") {
    s.refused("DELETE", "/v1/vrf", R"({"name":"green"})", 409,
              "vif vm9, decap from-c, route 10.1.0.12/32 in green; change or delete them first");
    s.refused("DELETE", "/v1/tunnel", R"({"name":"to-c"})", 409,
              "in use by route 10.1.0.12/32 in green; change or delete it first");
  }
  s.done("DELETE", "/v1/route", R"({"vrf":"green","prefix":"10.1.0.12/32"})");
  CHECK(s.done("DELETE", "/v1/tunnel", R"({"name":"to-c"})") == "tunnel to-c is gone");
  s.done("DELETE", "/v1/decap", R"({"name":"from-c"})");
  s.done("DELETE", "/v1/vif", R"({"name":"vm9"})");
  s.done("DELETE", "/v1/vrf", R"({"name":"green"})");
  CHECK(s.done("DELETE", "/v1/neighbour", R"({"address":"192.0.2.3"})") ==
        "neighbour 192.0.2.3 is gone");
  CHECK(s.row("neighbour", "address", "192.0.2.3")["state"] != "static");
  s.settle();
  CHECK(s.plane.tables.vrfs == before.vrfs);
  CHECK(s.plane.tables.vifs == before.vifs);
  CHECK(s.plane.tables.ports == before.ports);
  CHECK(s.plane.tables.decaps == before.decaps);
  CHECK(s.plane.opened.size() == 4);  // vm9's device is closed
  CHECK(s.plane.redundant == 0);
}

TEST_CASE("objects by API: add refuses what is there, set changes what is given") {
  Service s;
  s.refused("POST", "/v1/tunnel",
            R"({"name":"to-b","kind":"vxlan","vni":300,"remote":"192.0.2.3",
                "inner_destination_mac":"02:00:5e:00:01:01"})",
            409, "tunnel to-b is there already, owned by the file");
  s.refused("POST", "/v1/vif", R"({"name":"vm9"})", 400, "device: required, but missing");
  s.refused("PUT", "/v1/vif", R"({"name":"vm8","mtu":1400})", 404,
            R"(there is no vif "vm8"; did you mean "vm1"?. To create it, give device, vrf, mac)");

  CHECK(s.done("PUT", "/v1/vif", R"({"name":"vm1","addresses":["10.1.0.13"]})") ==
        "vif vm1 has changed (in place of the file's)");
  CHECK(s.row("vif", "name", "vm1")["addresses"] == Json::parse(R"(["10.1.0.13"])"));
  CHECK(s.row("vif", "name", "vm1")["mtu"] == 1450);
  CHECK(s.row("vif", "name", "vm1")["owner"] == "api over file");
  const auto blue = s.agent.model().vrfs.at("blue").id;
  CHECK(s.plane.has_route(blue, "10.1.0.13/32"));
  CHECK_FALSE(s.plane.has_route(blue, "10.1.0.11/32"));
  CHECK(s.plane.requests.size() == 4);  // no device was opened for it
  s.refused("PUT", "/v1/vif", R"({"name":"vm1","mac":"02:00:00:00:01:77"})", 409,
            "mac cannot change while it is attached");

  CHECK(s.done("PUT", "/v1/vif", R"({"name":"vm1","vrf":"red","addresses":["10.1.0.14"]})") ==
        "vif vm1 has changed");
  const auto& vm1 = s.agent.model().vifs.at("vm1");
  CHECK(s.plane.tables.vifs.at(vm1.id).vrf == s.agent.model().vrfs.at("red").id);
  CHECK(s.plane.tables.ports.at(vm1.port).mac == mac("02:00:5e:00:01:02"));

  s.done("PUT", "/v1/vrf", R"({"name":"red","router_mac":"02:00:5e:00:09:09"})");
  CHECK(s.plane.tables.ports.at(vm1.port).mac == mac("02:00:5e:00:09:09"));
  CHECK(s.plane.tables.adjacencies.at(vm1.adjacency).source == mac("02:00:5e:00:09:09"));

  s.done("PUT", "/v1/decap", R"({"name":"from-fabric","vif":"vm2"})");
  CHECK(s.row("decap", "name", "from-fabric")["to"] == "vif vm2");
  s.done("PUT", "/v1/decap", R"({"name":"from-fabric","vni":500})");
  CHECK(s.plane.tables.decaps.size() == 1);
  CHECK(s.plane.tables.decaps.begin()->second.vni == 500);
}

TEST_CASE("objects by API: what is deleted brings the file's back; the file's cannot be deleted") {
  Service s;
  s.agent.set_config_path("/etc/weft/weft.yaml");
  for (const auto& [path, body] : std::map<std::string, std::string>{
           {"/v1/tunnel", R"({"name":"to-b"})"},
           {"/v1/vif", R"({"name":"vm2"})"},
           {"/v1/vrf", R"({"name":"blue"})"},
           {"/v1/decap", R"({"name":"from-fabric"})"},
           {"/v1/route", R"({"vrf":"blue","prefix":"10.1.0.12/32"})"}}) {
    s.refused("DELETE", path, body, 409, "take it out of /etc/weft/weft.yaml");
  }
  s.done("PUT", "/v1/tunnel", R"({"name":"to-b","vni":777})");
  CHECK(s.done("DELETE", "/v1/tunnel", R"({"name":"to-b"})") ==
        "tunnel to-b is again as the file says");
  CHECK(s.row("tunnel", "name", "to-b")["network"] == "vni 100");
  CHECK(s.row("tunnel", "name", "to-b")["owner"] == "file");

  // Its place has been taken meanwhile.
  s.done("PUT", "/v1/vif", R"({"name":"vm1","addresses":["10.1.0.13"]})");
  s.done("POST", "/v1/vif",
         R"({"name":"vm9","device":"tap:vm9","vrf":"blue","mac":"02:00:00:00:01:09",
             "addresses":["10.1.0.11"]})");
  s.refused("DELETE", "/v1/vif", R"({"name":"vm1"})", 409, "10.1.0.11 is taken in blue");
}

TEST_CASE("objects by API: the configuration's rules hold") {
  Service s;
  s.done("POST", "/v1/vif", vm9);
  const std::vector<std::tuple<const char*, std::string, unsigned, std::string>> wrong{
      {"/v1/vif", R"({"name":"x","device":"tap:x","vrf":"blue","mac":"02:00:00:00:01:50",
          "addresses":["10.1.0.99"]})",
       409, "addresses[0]: 10.1.0.99 is taken in blue: an address of vif vm9"},
      {"/v1/vif", R"({"name":"x","device":"tap:vm9","vrf":"blue","mac":"02:00:00:00:01:50",
          "addresses":["10.1.0.98"]})",
       409, R"(device: "tap:vm9" is already the device of vif vm9)"},
      {"/v1/vif", R"({"name":"x","device":"tap:x","vrf":"blue","mac":"02:00:00:00:01:09",
          "addresses":["10.1.0.98"]})",
       409, "is taken in blue: the mac of vif vm9"},
      {"/v1/vif", R"({"name":"x","device":"tap:x","vrf":"blue","mac":"02:00:00:00:01:50",
          "addresses":["10.1.0.12"]})",
       409, "route 10.1.0.12/32 in blue: prefix: 10.1.0.12 is taken in blue: an address of vif x"},
      {"/v1/vif", R"({"name":"x","device":"tap:x","vrf":"bleu","mac":"02:00:00:00:01:50",
          "addresses":["10.1.0.98"]})",
       404, R"(there is no vrf "bleu"; did you mean "blue"?)"},
      {"/v1/vif", R"({"name":"x","device":"tap:x","vrf":"blue","mac":"02:00:00:00:01:50"})", 400,
       "wanted at least one address"},
      {"/v1/vrf", R"({"name":"green","id":1})", 409, "1 is already the id of vrf blue"},
      {"/v1/vrf",
       R"({"name":"blue","id":1,"subnets":[{"prefix":"10.9.0.0/16","gateway":"10.9.0.1"}]})", 409,
       "route 10.9.0.0/16 in blue"},
      {"/v1/vrf", R"({"name":"underlay","id":9})", 409, "is the name of VRF 0"},
      {"/v1/tunnel", R"({"name":"to-b","dscp":64})", 400, "dscp: wanted a whole number"},
      {"/v1/tunnel", R"({"name":"to-b","vni":"7"})", 400, "vni: wanted a whole number"},
      {"/v1/decap",
       R"({"name":"y","kind":"vxlan","vni":100,"vrf":"red","sources":["192.0.2.9/32"]})", 409,
       "same kind, port, vni and local as decap from-fabric, but another target"},
      {"/v1/decap",
       R"({"name":"y","kind":"vxlan","vni":9,"vif":"vm99","sources":["192.0.2.9/32"]})", 404,
       R"(did you mean "vm9"?)"},
      {"/v1/neighbour", R"({"address":"198.51.100.7","mac":"02:00:00:00:00:03"})", 409,
       "wanted an address in the subnet of a port"},
      {"/v1/neighbour", R"({"address":"192.0.2.1","mac":"02:00:00:00:00:03"})", 409, "own address"},
      {"/v1/route", R"({"vrf":"blue","prefix":"10.1.0.1/32","via":{"discard":true}})", 409,
       "is taken in blue: the gateway of vrf blue"},
      {"/v1/route", R"({"vrf":"underlay","prefix":"10.0.0.0/8","via":{"tunnel":"to-b"}})", 409,
       "cannot lead into a tunnel"},
      {"/v1/route", R"({"vrf":"blue","prefix":"10.0.0.1/8","via":{"discard":true}})", 400,
       "should be 10.0.0.0/8"},
      {"/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0/8","via":[[[[[[[[[[[[1]]]]]]]]]]]]})", 400,
       "wanted a map"},
      {"/v1/tunnel", R"({"name":"x y","kind":"vxlan","vni":1,"remote":"192.0.2.3",
          "inner_destination_mac":"02:00:5e:00:01:01"})",
       400, "wanted a name"},
  };
  for (const auto& [path, body, status, part] : wrong) {
    s.refused("PUT", path, body, status, part);
  }
  s.refused("DELETE", "/v1/vif", R"({"name":"vm99"})", 404, R"(did you mean "vm9")");
  s.refused("DELETE", "/v1/tunnel", R"({"name":"to-b","vni":3})", 400, "unknown key");
  s.refused("DELETE", "/v1/neighbour", R"({"address":"192.0.2.254"})", 404, "no static neighbour");
}

TEST_CASE("objects by API: a device that cannot be opened, and a plane that refuses") {
  Service s;
  s.plane.unopenable = "tap:vm9";
  s.refused("POST", "/v1/vif", vm9, 409, "vif vm9 (tap:vm9): no such device");
  s.plane.unopenable = "";
  s.plane.refuse = true;
  s.refused("POST", "/v1/vif", vm9, 409, "refused by the test");
  CHECK(s.plane.opened.size() == 4);
  s.plane.refuse = false;
  CHECK(s.row("vif", "name", "vm9").is_null());
  s.done("POST", "/v1/vif", vm9);
}

TEST_CASE("what is deleted stays in the tables until no worker can have found it") {
  Service s;
  s.done("POST", "/v1/vif", vm9);
  const auto vif = s.agent.model().vifs.at("vm9");
  const auto blue = s.agent.model().vrfs.at("blue").id;
  s.plane.workers_stand_still = true;
  s.done("DELETE", "/v1/vif", R"({"name":"vm9"})");
  CHECK_FALSE(s.plane.has_route(blue, "10.1.0.99/32"));
  s.settle();
  CHECK(s.plane.tables.nexthops.contains(vif.nexthop));
  CHECK(s.plane.tables.ports.contains(vif.port));
  // Its ids are nobody's meanwhile.
  s.done("POST", "/v1/tunnel",
         R"({"name":"to-c","kind":"vxlan","vni":300,"remote":"192.0.2.2",
             "inner_destination_mac":"02:00:5e:00:01:01"})");
  CHECK(s.agent.model().tunnels.at("to-c").nexthop.index() != vif.nexthop.index());

  s.plane.nexthop_counts[vif.nexthop] = {40, 4000};
  s.plane.workers_stand_still = false;
  s.settle();
  CHECK_FALSE(s.plane.tables.nexthops.contains(vif.nexthop));
  CHECK_FALSE(s.plane.tables.ports.contains(vif.port));
  CHECK(s.plane.opened.size() == 4);

  // The index comes to somebody else, who has not sent those packets.
  s.done("POST", "/v1/tunnel",
         R"({"name":"to-d","kind":"vxlan","vni":301,"remote":"192.0.2.2",
             "inner_destination_mac":"02:00:5e:00:01:01"})");
  const auto next = s.agent.model().tunnels.at("to-d").nexthop;
  REQUIRE(next.index() == vif.nexthop.index());
  CHECK(next.generation() != vif.nexthop.generation());
  s.plane.nexthop_counts[next] = {42, 4200};
  CHECK(s.row("tunnel", "name", "to-d")["packets"] == 2);
}

}  // namespace
}  // namespace weft::agent::objects_test
