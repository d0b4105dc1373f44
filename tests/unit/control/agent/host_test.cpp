// The host interface as control sees it: what it publishes, asks for, answers and tells.
#include <catch2/catch.hpp>

#include "agent/icmp_responder.hpp"
#include "agent/proxy_responder.hpp"
#include "service.hpp"
#include "support/hex.hpp"

namespace weft::agent::host_test {
namespace {

using namespace test;
using weft::test::hex;
using weft::test::to_hex;

// Written by scapy. The port and the kernel's end of the tap are 02:00:00:00:0f:01, the router on
// the tap 02:00:5e:00:01:01.
constexpr auto host_asks_gateway =
    "ffffffffffff020000000f0108060001080006040001020000000f01c0000201000000000000c00002fe";
constexpr auto gateway_for_host =
    "020000000f0102005e0001010806000108000604000202005e000101c00002fe020000000f01c0000201";
constexpr auto host_lies =
    "ffffffffffff020000000f0108060001080006040001020000000f01c000024d000000000000c00002fe";
constexpr auto host_probes_itself =
    "ffffffffffff020000000f0108060001080006040001020000000f0100000000000000000000c0000201";
// The host's UDP to 192.0.2.99, and that nobody is there, from there.
constexpr auto to_nobody = "450000200007000001113562c0000201c000026303e807d0000c91df77656674";
constexpr auto nobody_is_there =
    "45c0003c000000004001f59cc0000263c00002010301818100000000450000200007000001113562c0000201c000"
    "026303e807d0000c91df77656674";

Config with_host() {
  Config c = sample_node();
  c.ports.front().host = "tap:weft0";
  return c;
}

PuntedPacket from(const VifObject& vif, const std::vector<std::uint8_t>& frame) {
  PuntedPacket p;
  p.vrf = vif.vrf;
  p.vif = vif.id;
  p.port = vif.port;
  p.l3_offset = 14;
  p.frame = frame;
  return p;
}

TEST_CASE("the host has the addresses of its port, in the underlay") {
  Node node(with_host());
  const auto& t = node.plane.tables;
  const auto& host = node.vif("host");
  const auto port_mac = mac("02:00:00:00:0f:01");
  const auto router_mac = mac("02:00:5e:00:01:01");
  CHECK(t.vifs.at(host.id) ==
        Vif{host.port, underlay_vrf, port_mac, {ip("192.0.2.1"), ip("2001:db8::1")}, true, true});
  CHECK(t.ports.at(host.port) == Port{router_mac, 1500, host.id, false});
  CHECK(t.vrfs.at(underlay_vrf) == Vrf{router_mac});
  CHECK(t.adjacencies.at(host.adjacency) ==
        Adjacency{host.port, ip("192.0.2.1"), router_mac, port_mac, 1500});
  for (const char* own : {"192.0.2.1/32", "2001:db8::1/128"}) {
    CHECK(node.plane.leads(underlay_vrf, own) == Nexthop{nexthop::Receive{host.adjacency}});
  }
  CHECK(node.plane.redundant == 0);
  // Gateways of tenants are still the router's alone.
  CHECK(node.plane.leads(node.vrf("blue"), "10.1.0.1/32") == Nexthop{nexthop::Receive{}});
}

TEST_CASE("addresses that are not the port's stay with the router") {
  Config c = with_host();
  c.node.tunnel_addresses = {ip("203.0.113.77")};
  c.decaps.front().local = ip("203.0.113.77");
  for (auto& tunnel : c.tunnels) tunnel.profile.local = ip("203.0.113.77");
  Node node(c);
  CHECK(node.plane.leads(underlay_vrf, "203.0.113.77/32") == Nexthop{nexthop::Receive{}});
  CHECK(node.plane.leads(underlay_vrf, "192.0.2.1/32") ==
        Nexthop{nexthop::Receive{node.vif("host").adjacency}});
}

TEST_CASE("without a host the underlay has no router MAC and the router its addresses") {
  Node node;
  CHECK(node.plane.tables.vrfs.at(underlay_vrf) == Vrf{});
  CHECK(node.plane.leads(underlay_vrf, "192.0.2.1/32") == Nexthop{nexthop::Receive{}});
}

TEST_CASE("the host's ARP is answered with the router's MAC, a lie is not") {
  Node node(with_host());
  ProxyResponder proxy(node.model, node.plane);
  const auto& host = node.vif("host");
  proxy.receive(from(host, hex(host_asks_gateway)));
  REQUIRE(node.plane.sent.size() == 1);
  CHECK(std::get<Injection::ToPort>(node.plane.sent[0].target).port == host.port);
  CHECK(to_hex(node.plane.sent[0].frame) == gateway_for_host);
  node.plane.sent.clear();
  proxy.receive(from(host, hex(host_lies)));
  proxy.receive(from(host, hex(host_probes_itself)));
  CHECK(node.plane.sent.empty());
  CHECK(node.plane.drops == std::map<DropReason, unsigned>{{DropReason::spoofed_ip, 1},
                                                           {DropReason::neighbour_not_ours, 1}});
}

TEST_CASE("the host hears of errors from where its packet went") {
  Node node(with_host());
  IcmpResponder icmp(node.model, node.plane, node.clock);
  auto frame = hex("02005e000101020000000f010800");
  const auto packet = hex(to_nobody);
  frame.insert(frame.end(), packet.begin(), packet.end());
  auto punted = from(node.vif("host"), frame);
  punted.kind = PuntClass::icmp_error;
  punted.reason = DropReason::neighbour_unresolved;
  icmp.receive_dropped(punted);
  REQUIRE(node.plane.sent.size() == 1);
  CHECK(std::get<Injection::Routed>(node.plane.sent[0].target).vrf == underlay_vrf);
  CHECK(to_hex(node.plane.sent[0].frame) == nobody_is_there);
}

TEST_CASE("the tap is opened with what the kernel is to have") {
  Config config = with_host();
  config.ports.front().mtu_bytes = 9000;
  const Service service(config);
  const auto& plane = service.plane;
  const auto& port = plane.requests.at(0);
  CHECK(port.host == "tap:weft0");
  CHECK(port.kernel_addresses.empty());
  const auto& tap = plane.requests.at(1);
  CHECK(tap.name == "host");
  CHECK(tap.device == "tap:weft0");
  CHECK(tap.mac == plane.opened.at(0).mac);
  CHECK(tap.mtu_bytes == 1500);
  CHECK(tap.kernel_addresses == config.ports.front().addresses);
  CHECK(tap.kernel_gateways == config.ports.front().gateways);
  CHECK(tap.host.empty());
}

TEST_CASE("the API leaves the host interface alone") {
  Service service(with_host());
  const auto host = service.agent.model().vifs.at("host").id;
  const auto gone = service.call("DELETE", "/v1/vif", R"({"name": "host"})");
  CHECK(gone.status == 409);
  CHECK(gone.error().find("goes with the port that has the key host") != std::string::npos);
  const auto put =
      service.call("PUT", "/v1/vif", R"({"name": "host", "device": "tap:x", "vrf": "blue",
      "mac": "02:00:00:00:01:77", "addresses": ["10.1.0.77"]})");
  CHECK(put.status == 409);
  CHECK(put.error().find("name of the host interface") != std::string::npos);
  const auto device = service.call("POST", "/v1/vif", R"({"name": "x", "device": "tap:weft0",
      "vrf": "blue", "mac": "02:00:00:00:01:77", "addresses": ["10.1.0.77"]})");
  CHECK(device.status == 409);
  CHECK(service.agent.model().vifs.at("host").id == host);
  const auto table = service.call("GET", "/v1/vif");
  CHECK(table.body["rows"][0]["name"] == "host");
  CHECK(table.body["rows"][0]["vrf"] == "underlay");
  CHECK(table.body["rows"][0]["owner"] == "file");
}

}  // namespace
}  // namespace weft::agent::host_test
