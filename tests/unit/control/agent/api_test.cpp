#include "agent/api.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/frame_builder.hpp"
#include "service.hpp"
#include "support/hex.hpp"

namespace weft::agent::api_test {
namespace {

using namespace test;
using weft::test::to_hex;
TEST_CASE("tables") {
  Service s;
  CHECK(
      s.row("port", "name", "fab0") ==
      Json::parse(R"({"name":"fab0","device":"af_packet:eth1","vlan":null,"mac":"02:00:00:00:0f:01",
          "mtu":1500,"addresses":["192.0.2.1/24","2001:db8::1/64"],
          "gateways":["192.0.2.254","2001:db8::fe"],"host":null,"link":"up","rx_queues":1,"owner":"file"})"));
  CHECK(s.row("vif", "name", "vm1") ==
        Json::parse(R"({"name":"vm1","device":"tap:vm1","vrf":"blue","mac":"02:00:00:00:01:01",
          "addresses":["10.1.0.11","fd00:1::11"],"mtu":1450,"link":"up","anti_spoofing":true,
          "security_groups":[],"owner":"file"})"));
  CHECK(s.row("vrf", "name", "blue")["subnets"] ==
        Json::parse(R"(["10.1.0.0/24 gateway 10.1.0.1","fd00:1::/64 gateway fd00:1::1"])"));
  CHECK(s.row("route", "prefix", "10.1.0.12/32") ==
        Json::parse(R"({"vrf":"blue","prefix":"10.1.0.12/32","via":"tunnel to-b",
          "source":"configured","owner":"file"})"));
  CHECK(s.rows("route?vrf=red").size() == 2);
  CHECK(s.row("tunnel", "name", "to-b") ==
        Json::parse(R"({"name":"to-b","kind":"vxlan","network":"vni 100","local":"192.0.2.1",
          "remote":"192.0.2.2","port":4789,"source_ports":"49152-65535","ttl":64,"dscp":0,
          "via":"fab0 192.0.2.2","state":"waiting for ARP of 192.0.2.2","path_mtu":1500,"packets":0,"bytes":0,"owner":"file"})"));
  CHECK(s.row("decap", "name", "from-fabric")["to"] == "vrf blue");
  CHECK(s.row("decap", "name", "from-fabric")["packets"] == 3);
  CHECK(s.row("neighbour", "address", "192.0.2.2") ==
        Json::parse(R"({"port":"fab0","address":"192.0.2.2","mac":null,"state":"incomplete",
          "age_s":0,"owner":"learned"})"));
  CHECK(s.rows("nexthop").size() == s.plane.tables.nexthops.size());
}

TEST_CASE("counters") {
  Service s;
  auto& c = s.plane.counters_now;
  c.drops[static_cast<std::size_t>(DropReason::no_route)] = 4;
  c.punts[1] = {7, 2};
  c.ports.push_back({PortId(0), {10, 1000}, {20, 2000}, 0, 11});
  c.buffers = {1300, 17000};
  c.workers.push_back({3, 1000, 500, 200, 4000, 16000, 9, 60, 20, 1, {"fab0/0", "vm1/0"}, {}});
  CHECK(s.rows("drops") == Json::parse(R"([{"reason":"no_route","stage":"resolve","packets":4,
          "explanation":"the VRF has no route to the destination"}])"));
  CHECK(s.rows("drops?all=1").size() == drop_reason_count - 1);
  CHECK(s.rows("workers") ==
        Json::parse(R"([{"lcore":3,"queues":["fab0/0","vm1/0"],"loops":1000,"busy_percent":25.0,
          "packets":200,"handed_off":60,"taken_over":20,"cycles_per_packet":25.0,"sleeps":9,"held":1}])"));
  s.plane.flow_counts = {6, 1024, 21, 8, 4, 3, 5, 4096};
  const auto stats = s.rows("stats");
  const auto value = [&](const char* object, const char* counter) {
    for (const auto& row : stats) {
      if (row["object"] == object && row["counter"] == counter) return row["value"].get<int>();
    }
    return -1;
  };
  CHECK(value("port fab0", "tx_bytes") == 2000);
  CHECK(value("port fab0", "rx_no_buffer") == 11);
  CHECK(value("buffers", "in_use") == 1300);
  CHECK(value("buffers", "total") == 17000);
  CHECK(value("punt local", "limited") == 2);
  CHECK(value("flow ipv4", "sessions") == 6);
  CHECK(value("flow ipv4", "refused") == 5);
  CHECK(value("flow ipv6", "sessions") == 0);
  CHECK(value("table nexthop", "objects") == static_cast<int>(s.plane.tables.nexthops.size()));
}

TEST_CASE("a table is cut off where it gets long") {
  auto config = sample_node();
  for (std::uint32_t i = 0; i < 11000; ++i) {
    const IpPrefix prefix{Ipv4Address{0x64000000U | i << 8}, 24};
    config.routes.push_back({"blue", prefix, via_tunnel("to-b")});
  }
  Service s(config);
  const auto answer = s.call("GET", "/v1/route");
  CHECK(answer.body["rows"].size() == 10000);
  CHECK(answer.body["truncated"] == true);
}

TEST_CASE("routes change") {
  Service s;
  const auto put = s.call("PUT", "/v1/route",
                          R"({"vrf":"blue","prefix":"10.1.0.12/32","via":{"tunnel":"to-far"}})");
  CHECK(put.status == 200);
  CHECK(put.body["message"] ==
        "route 10.1.0.12/32 in blue leads via tunnel to-far (in place of the file's)");
  CHECK(put.body["generation"] == s.plane.batches.size());
  CHECK(s.row("route", "prefix", "10.1.0.12/32")["owner"] == "api over file");
  CHECK(s.call("PUT", "/v1/route",
               R"({"vrf":"underlay","prefix":"203.0.113.0/24","via":{"gateway":"192.0.2.9"}})")
            .status == 200);
  CHECK(s.row("tunnel", "name", "to-far")["via"] == "fab0 192.0.2.9");

  const auto erased = s.call("DELETE", "/v1/route", R"({"vrf":"blue","prefix":"10.1.0.12/32"})");
  CHECK(erased.status == 200);
  CHECK(s.row("route", "prefix", "10.1.0.12/32")["via"] == "tunnel to-b");
  CHECK(s.row("route", "prefix", "10.1.0.12/32")["owner"] == "file");
}

TEST_CASE("tunnels change and are made") {
  Service s;
  const auto changed = s.call("PUT", "/v1/tunnel", R"({"name":"to-b","remote":"192.0.2.3"})");
  CHECK(changed.status == 200);
  const auto row = s.row("tunnel", "name", "to-b");
  CHECK(row["remote"] == "192.0.2.3");
  CHECK(row["network"] == "vni 100");
  CHECK(row["owner"] == "api over file");
  // ARP for the new remote goes out at once.
  CHECK(s.row("neighbour", "address", "192.0.2.3")["state"] == "incomplete");

  CHECK(s.call("PUT", "/v1/tunnel", R"({"name":"to-b","vni":5,"port":8472,"source_ports":"7-9",
          "inner_destination_mac":"02:00:00:00:00:77"})")
            .status == 200);
  const auto& profile = s.agent.model().tunnels.at("to-b").profile;
  CHECK(profile.vni == 5);
  CHECK(profile.destination_port == 8472);
  CHECK(profile.source_ports == PortRange{7, 9});
  CHECK(profile.inner_destination_mac == mac("02:00:00:00:00:77"));

  CHECK(s.call("PUT", "/v1/tunnel", R"({"name":"to-b","remote":"2001:db8::b"})").status == 200);
  CHECK(s.agent.model().tunnels.at("to-b").profile.local == ip("2001:db8::1"));

  const auto fresh = s.call("PUT", "/v1/tunnel",
                            R"({"name":"to-c","kind":"vxlan","vni":9,"remote":"2001:db8::c",
          "inner_destination_mac":"02:00:00:00:00:78"})");
  CHECK(fresh.status == 200);
  CHECK(s.agent.model().tunnels.at("to-c").profile.local == ip("2001:db8::1"));
}

TEST_CASE("refusals name the thing and the remedy") {
  Service s;
  const auto refused = [&](const char* method, const char* path, const char* body, unsigned status,
                           const char* part) { s.refused(method, path, body, status, part); };
  const auto batches = s.plane.batches.size();
  refused("GET", "/v1/tunnels", "", 404, "did you mean \"tunnel\"");
  refused("GET", "/v1/route?vrf=blu", "", 404, "did you mean \"blue\"");
  refused("GET", "/v1/route?vrf=%zz", "", 400, "percent");
  refused("GET", "/", "", 404, "/v1/");
  refused("PUT", "/v1/explain", "{}", 405, "PUT");
  refused("PUT", "/v1/nothing", "{}", 404, "nothing");
  refused("PUT", "/v1/route", "{", 400, "JSON");
  refused("PUT", "/v1/route", "[]", 400, "object");
  refused("PUT", "/v1/route", "{}", 400, "vrf: is missing");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefx":"::/0","via":{}})", 400,
          "did you mean \"prefix\"");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0","via":{}})", 400, "prefix");
  refused("PUT", "/v1/route", R"({"vrf":7,"prefix":"10.0.0.0/8","via":{}})", 400, "vrf");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0/8","via":{}})", 400,
          "exactly one");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0/8","via":"x"})", 400, "via");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0/8","via":{"discard":false}})",
          400, "via.discard");
  refused("PUT", "/v1/route",
          R"({"vrf":"blue","prefix":"10.0.0.0/8","via":{"tunnel":"to-b","discard":true}})", 400,
          "exactly one");
  refused("PUT", "/v1/route", R"({"vrf":"blu","prefix":"10.0.0.0/8","via":{"discard":true}})", 404,
          "did you mean \"blue\"");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.0.0.0/8","via":{"tunnel":"to-bb"}})",
          404, "did you mean \"to-b\"");
  refused("PUT", "/v1/route", R"({"vrf":"blue","prefix":"10.1.0.11/32","via":{"tunnel":"to-b"}})",
          409, "vm1");
  refused("PUT", "/v1/route",
          R"({"vrf":"blue","prefix":"10.0.0.0/8","via":{"gateway":"10.1.0.1"}})", 409, "underlay");
  refused("DELETE", "/v1/route", R"({"vrf":"blue","prefix":"10.77.0.0/16"})", 404, "10.77.0.0/16");
  refused("DELETE", "/v1/route", R"({"vrf":"blue","prefix":"10.1.0.1/32"})", 409, "subnet");
  refused("PUT", "/v1/tunnel", R"({"remote":"192.0.2.3"})", 400, "name");
  refused("PUT", "/v1/tunnel", R"({"name":"to-bb","remote":"192.0.2.3"})", 404, "kind");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","kind":"vxlam"})", 400, "did you mean \"vxlan\"");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","vni":16777216})", 400, "vni");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","vni":-1})", 400, "vni");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","port":0})", 400, "port");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","source_ports":"9-7"})", 400, "source_ports");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","remote":"224.0.0.1"})", 400, "remote");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","remote":"192.0.2.1"})", 409, "another node's");
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","inner_destination_mac":"01:00:00:00:00:00"})",
          400, "inner");
  CHECK(s.plane.batches.size() == batches);
  s.plane.refuse = true;
  refused("PUT", "/v1/tunnel", R"({"name":"to-b","vni":4})", 409, "refused by the test");
  CHECK(s.agent.model().tunnels.at("to-b").profile.vni == 100);
}

TEST_CASE("a body that would take long to read is refused") {
  Service s;
  const auto members = [](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i)
      text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":{}";
    return "{" + text + "}";
  };
  const auto error = [&](const std::string& body) {
    const auto answer = s.call("PUT", "/v1/route", body);
    CHECK(answer.status == 400);
    return answer.error();
  };
  CHECK_THAT(error(members(64)), Catch::Contains("is missing"));
  CHECK_THAT(error(members(65)), Catch::Contains("more than 64 members"));
  CHECK_THAT(error(members(100'000)), Catch::Contains("more than 64 members"));
  CHECK_THAT(error("{\"via\":" + members(65) + "}"), Catch::Contains("more than 64 members"));
  CHECK_THAT(error(std::string(18, '[') + std::string(18, ']')), Catch::Contains("deeper than 16"));
  CHECK_THAT(error(std::string(500'000, '[')), Catch::Contains("deeper than 16"));
  CHECK_THAT(error("[" + members(64) + "," + members(64) + "]"),
             Catch::Contains("wanted a JSON object"));
  CHECK_THAT(error(members(3) + "}"), Catch::Contains("not JSON"));
}

TEST_CASE("explain hands the frame to the data plane and tells what it says") {
  Service s;
  const auto& model = s.agent.model();
  const auto blue = model.vrfs.at("blue").id;
  const auto to_b = model.tunnels.at("to-b").nexthop;
  s.plane.explained = {{{"parse", "IPv4", blue, {}, {}, {}},
                        {"decap", "VXLAN", blue, {}, DecapId(0), {}},
                        {"flow", "known", blue, to_b, {}, {}},
                        {"resolve", "found", blue, to_b, {}, {}},
                        {"admit", "opens", blue, to_b, {}, {}},
                        {"output", "out", blue, to_b, {}, PortId(0)}},
                       "drop",
                       DropReason::no_route,
                       PortId(0),
                       {0xde, 0xad}};
  const auto answer = s.call("POST", "/v1/explain", R"({"vif":"vm1","hex":"02:00 5e00"})");
  CHECK(answer.status == 200);
  CHECK(s.plane.explained_port == s.agent.model().vifs.at("vm1").port);
  CHECK(to_hex(s.plane.explained_frame) == "02005e00");
  CHECK(answer.body == Json::parse(R"j({"steps":[{"stage":"parse","text":"IPv4"},
          {"stage":"decap","text":"VXLAN (decap from-fabric)"},
          {"stage":"flow","text":"known"},
          {"stage":"resolve","text":"found (vrf blue, tunnel to-b)"},
          {"stage":"admit","text":"opens"},
          {"stage":"output","text":"out (fab0)"}],
          "verdict":"drop","reason":"no_route",
          "explanation":"the VRF has no route to the destination","port":"fab0",
          "frame_hex":"dead"})j"));

  SECTION("fields, with what a vif stands for filled in") {
    CHECK(s.call("POST", "/v1/explain", R"({"vif":"vm1","fields":{"dst":"10.1.0.12"}})").status ==
          200);
    // scapy: Ether/IP/ICMP echo request, 64 bytes of IP.
    CHECK(
        to_hex(s.plane.explained_frame) ==
        "02005e00010102000000010108004500004000000000400166a50a01000b0a01000c0800f7ff00000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000");
    CHECK(s.call("POST", "/v1/explain",
                 R"({"port":"fab0","fields":{"src":"192.0.2.2","dst":"192.0.2.1","protocol":"udp",
                     "source_port":5,"destination_port":6,"ttl":9,"bytes":40,"dont_fragment":true,
                     "source_mac":"02:00:00:00:00:02"}})")
              .status == 200);
    CHECK(
        to_hex(s.plane.explained_frame) ==
        "020000000f01020000000002080045000028000040000911edc1c0000202c00002010005000600147bb7000000"
        "000000000000000000");
  }
  SECTION("refusals") {
    const auto status = [&](const char* body) {
      return s.call("POST", "/v1/explain", body).status;
    };
    CHECK(status(R"({"vif":"vm9","hex":"00"})") == 404);
    CHECK(status(R"({"port":"fab9","hex":"00"})") == 404);
    CHECK(status(R"({"hex":"00"})") == 400);
    CHECK(status(R"({"vif":"vm1","port":"fab0","hex":"00"})") == 400);
    CHECK(status(R"({"vif":"vm1"})") == 400);
    CHECK(status(R"({"vif":"vm1","hex":"0"})") == 400);
    CHECK(status(R"({"vif":"vm1","hex":"0g"})") == 400);
    CHECK(status(R"({"vif":"vm1","hex":""})") == 400);
    CHECK(status(R"({"vif":"vm1","hex":"00","fields":{"dst":"10.1.0.12"}})") == 400);
    CHECK(status(R"({"vif":"vm1","fields":{}})") == 400);
    CHECK(status(R"({"vif":"vm1","fields":{"dst":"10.1.0.12","src":"fd00::1"}})") == 400);
    CHECK(status(R"({"vif":"vm1","fields":{"dst":"10.1.0.12","protocol":"sctp"}})") == 400);
    CHECK(status(R"({"vif":"vm1","fields":{"dst":"10.1.0.12","bytes":70000}})") == 400);
    CHECK(status(R"({"port":"fab0","fields":{"dst":"192.0.2.1"}})") == 400);
  }
}

TEST_CASE("explain makes frames at a port with the tag of its VLAN") {
  Config config = sample_node();
  config.ports.front().vlan = 100;
  Service s(config);
  CHECK(s.plane.requests.front().vlan == 100);
  CHECK(s.call("POST", "/v1/explain",
               R"({"port":"fab0","fields":{"src":"192.0.2.2","dst":"192.0.2.1","protocol":"udp",
                     "source_port":5,"destination_port":6,"ttl":9,"bytes":40,"dont_fragment":true,
                     "source_mac":"02:00:00:00:00:02"}})")
            .status == 200);
  // scapy: Ether/Dot1Q(vlan=100)/IP/UDP.
  CHECK(to_hex(s.plane.explained_frame) ==
        "020000000f0102000000000281000064080045000028000040000911edc1c0000202c000020100050006"
        "00147bb7000000000000000000000000");
  CHECK(s.call("GET", "/v1/port").body["rows"][0]["vlan"] == 100);
}

TEST_CASE("frames from fields") {
  PacketFields f;
  f.source_mac = mac("02:00:00:00:01:01");
  f.destination_mac = mac("02:00:5e:00:01:01");
  f.source = ip("fd00:1::11");
  f.destination = ip("fd00:1::12");
  f.source_port = 5;
  f.destination_port = 6;
  // scapy.
  f.protocol = 17;
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010186dd6000000000181140fd000001000000000000000000000011fd000001000000"
        "000000000000000012000500060018058d00000000000000000000000000000000");
  f.source_port = 1426;  // makes the sum all ones, and a checksum of zero means none
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010186dd6000000000181140fd000001000000000000000000000011fd000001000000"
        "000000000000000012059200060018ffff00000000000000000000000000000000");
  f.source_port = 5;
  f.protocol = 6;
  f.bytes = 20;  // less than its headers need
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010186dd6000000000140640fd000001000000000000000000000011fd000001000000"
        "0000000000000000120005000600000000000000005002ffffb5b10000");
  f.protocol = 58;
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010186dd6000000000083a40fd000001000000000000000000000011fd000001000000"
        "0000000000000000128000859600000000");
  f.protocol = 132;
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010186dd6000000000008440fd000001000000000000000000000011fd000001000000"
        "000000000000000012");
  f.source = ip("10.1.0.11");
  f.destination = ip("10.1.0.12");
  f.protocol = 6;
  CHECK(to_hex(*build_frame(f)) ==
        "02005e00010102000000010108004500002800000000400666b80a01000b0a01000c0005000600000000000000"
        "005002ffff9bbf0000");
}

}  // namespace
}  // namespace weft::agent::api_test
