#include "config_sample.hpp"

namespace weft::agent::config_check_test {
namespace {

// Lines to put behind a section's first line.
const std::string port2 = "  - {name: fab1, device: 'null:', addresses: [198.51.100.1/24]}\n";
const std::string vrf2 = "  - {name: red, id: 2}\n";
const std::string vif2 =
    "  - {name: vm2, device: 'tap:vm2', vrf: blue, mac: \"02:00:00:00:01:02\", addresses: "
    "[10.1.0.13]}\n";

TEST_CASE("config: names are unique in their kind") {
  const std::string port = replaced(port2, "fab1", "^fab0");
  expect(plus(port, "neighbours:"), "ports[1].name", "already the name of ports[0] (line 6)");
  expect(plus(replaced(vrf2, "red", "^blue"), "vifs:"), "vrfs[1].name", "vrfs[0]");
  expect(plus(replaced(vif2, "name: vm2", "name: ^vm1"), "tunnels:"), "vifs[1].name", "vifs[0]");
  expect(plus("  - {name: ^to-b, kind: vxlan, vni: 1, remote: 192.0.2.3, inner_destination_mac: "
              "02:00:5e:00:01:01}\n",
              "decaps:"),
         "tunnels[1].name", "tunnels[0]");
  expect(plus("  - {name: ^from-fabric, kind: vxlan, vni: 1, vrf: blue, sources: [10.0.0.0/8]}\n",
              "routes:"),
         "decaps[1].name", "decaps[0]");
  expect(plus(replaced(vrf2, "id: 2", "id: ^1"), "vifs:"), "vrfs[1].id", "already the id");
  expect(plus(replaced(vrf2, "red", "^underlay"), "vifs:"), "vrfs[1].name", "VRF 0");
}

TEST_CASE("config: the host interface") {
  const std::string host = ", host: \"tap:weft0\"";
  const auto at_port = [](const std::string& text) {
    return with("gateway: 192.0.2.254, mtu: 1500", "gateway: 192.0.2.254, mtu: 1500" + text);
  };
  const auto config = load(at_port(host));
  CHECK(config.ports.front().host == "tap:weft0");
  CHECK(load(sample).ports.front().host.empty());
  for (const char* wrong :
       {"tap:", "tap:weft0@ns", "tap:a-name-of-16-byt", "af_packet:weft0", "weft0", "null:"}) {
    expect(at_port(std::string(", host: ^\"") + wrong + "\""), "ports[0].host",
           "wanted tap:INTERFACE");
  }
  const std::string bare =
      replaced(at_port(host), "addresses: [192.0.2.1/24], gateway: 192.0.2.254, ", "");
  const std::string lone =
      replaced(bare, "  - {vrf: underlay, address: 192.0.2.9, mac: \"02:00:00:00:00:09\"}\n", "");
  expect(replaced(replaced(lone, "neighbours:\n", ""), "host: \"tap", "host: ^\"tap"),
         "ports[0].host", "wanted a port with addresses");
  const std::string second = replaced(port2, "24]}", "24], host: ^\"tap:weft1\"}");
  expect(replaced(at_port(host), "neighbours:", second + "neighbours:"), "ports[1].host",
         "wanted one host interface on a node, and ports[0] (line 6) has one already");
  expect(replaced(at_port(host), "\"tap:vm1@vm1-ns\"", "^\"tap:weft0\""), "vifs[0].device",
         "is already the device of the host interface of ports[0] (line 6)");
  expect(replaced(sample, "name: vm1", "name: ^host"), "vifs[0].name",
         "\"host\" is the name of the host interface");
}

TEST_CASE("config: VLANs of ports") {
  const auto at_port = [](const std::string& text) {
    return with("gateway: 192.0.2.254, mtu: 1500", "gateway: 192.0.2.254, mtu: 1500" + text);
  };
  CHECK(load(sample).ports.front().vlan == 0);
  CHECK(load(at_port(", vlan: 1")).ports.front().vlan == 1);
  CHECK(load(at_port(", vlan: 4094")).ports.front().vlan == 4094);
  for (const char* wrong : {"0", "4095", "-1", "1.5", "all", "[1]"}) {
    expect(at_port(std::string(", vlan: ^") + wrong), "ports[0].vlan", "from 1 to 4094");
  }
  // Several on one device; that of the sample says `workers: shared`.
  const std::string shared = ", workers: shared";
  const std::string eth1 = "\"af_packet:eth1\"";
  const auto beside = [&](const std::string& first, const std::string& second,
                          const std::string& device) {
    const std::string port =
        "  - {name: fab1, device: " + device + ", addresses: [198.51.100.1/24]" + second + "}\n";
    return replaced(at_port(first), "neighbours:", port + "neighbours:");
  };
  CHECK(load(beside(", vlan: 100", ", vlan: 200" + shared, eth1)).ports.size() == 2);
  CHECK(load(beside("", ", vlan: 200" + shared, eth1)).ports.back().vlan == 200);
  CHECK(load(beside(", vlan: 100", shared, eth1)).ports.back().vlan == 0);
  CHECK(load(beside(", vlan: 7", ", vlan: 7", "\"af_packet:eth2\"")).ports.back().vlan == 7);
  expect(beside("", shared, "^" + eth1), "ports[1].device",
         eth1 + " is already the device of ports[0] (line 6); a `vlan` would tell them apart");
  expect(beside(", vlan: 100", ", vlan: ^100" + shared, eth1), "ports[1].vlan",
         "100 is already the VLAN of ports[0] (line 6) on " + eth1);
  expect(beside(", vlan: 100", ", vlan: 200, mtu: ^1400" + shared, eth1), "ports[1].mtu",
         "ports on one device have the same `mtu`, and ports[0] (line 6) on " + eth1 + " has 1500");
  const std::string alike =
      "ports on one device have the same `workers`, and ports[0] (line 6) on ";
  expect(beside(", vlan: 100", ", vlan: 200, workers: ^exclusive", eth1), "ports[1].workers",
         alike + eth1 + " says shared");
  expect(
      replaced(beside(", vlan: 100", ", vlan: 200", eth1), "workers: shared", "workers: ^shared"),
      "ports[0].workers", alike + eth1 + " says shared");
  expect(replaced(at_port(", vlan: 100"), "\"tap:vm1@vm1-ns\"", "^\"af_packet:eth1\""),
         "vifs[0].device", "already the device of ports[0] (line 6)");
}

TEST_CASE("config: references lead somewhere") {
  expect(with("vrf: blue, mac", "vrf: ^green, mac"), "vifs[0].vrf", "there is no vrf \"green\"");
  expect(with("vrf: blue, mac", "vrf: ^underlay, mac"), "vifs[0].vrf", "come later");
  expect(with("vrf: blue, sources", "vrf: ^green, sources"), "decaps[0].vrf", "there is no vrf");
  expect(with("vrf: blue, sources", "vif: ^vm2, sources"), "decaps[0].vif",
         "there is no vif \"vm2\"; did you mean \"vm1\"?");
  expect(with("vrf: blue, sources", "vrf: ^underlay, sources"), "decaps[0].vrf", "underlay");
  expect(with("vrf: blue, prefix: 10.1.0.12", "vrf: ^green, prefix: 10.1.0.12"), "routes[0].vrf",
         "there is no vrf");
  expect(with("{tunnel: to-b}", "{tunnel: ^to-c}"), "routes[0].via.tunnel",
         "there is no tunnel \"to-c\"; did you mean \"to-b\"?");
  expect(with("{tunnel: to-b}", "{vif: ^vm9}"), "routes[0].via.vif", "there is no vif");
  expect(with("{tunnel: to-b}", "{vrf: ^green}"), "routes[0].via.vrf", "there is no vrf");
  expect(with("{tunnel: to-b}", "{vrf: ^blue}"), "routes[0].via.vrf", "the route's own");
  // A name that is no good is told once, and not again wherever it is used.
  std::string text = replaced(sample, "name: vm1", "name: ^" + std::string(64, 'v'));
  text = replaced(text, "via: {tunnel: to-b}",
                  "via: {tunnel: to-b}}\n  - {vrf: blue, prefix: "
                  "10.9.0.0/16, via: {vif: ^" +
                      std::string(64, 'v') + "}");
  expect(text, {{"vifs[0].name", "wanted a name"}, {"routes[1].via.vif", "wanted a name"}});
}

TEST_CASE("config: ports and neighbours") {
  const auto port = [](const std::string& addresses, const std::string& rest = "") {
    return plus(replaced(port2, "[198.51.100.1/24]}", "[" + addresses + "]" + rest + "}"),
                "neighbours:");
  };
  load(port("198.51.100.1/24, 198.51.100.2/24"));
  expect(port("^192.0.2.1/32"), "ports[1].addresses[0]",
         "192.0.2.1 is taken in underlay: the address of ports[0] (line 6)");
  expect(port("198.51.100.1/24, ^198.51.100.1/25"), "ports[1].addresses[1]", "is taken");
  expect(port("^192.0.2.129/25"), "ports[1].addresses[0]", "overlaps");
  expect(port("^192.0.3.1/22"), "ports[1].addresses[0]", "192.0.0.0/22 overlaps 192.0.2.0/24");
  load(port("198.51.100.1/24", ", gateway: 198.51.100.9"));
  const auto gateway = [](const std::string& value, const std::string& key,
                          const std::string& message) {
    expect(with("gateway: 192.0.2.254", "gateway: " + value), key, message);
  };
  gateway("^192.0.3.1", "ports[0].gateway", "in a subnet of this port");
  gateway("^\"fe80::1\"", "ports[0].gateway", "in a subnet of this port");
  gateway("^192.0.2.1", "ports[0].gateway", "own address of ports[0]");
  gateway("^192.0.2.255", "ports[0].gateway", "broadcast address of 192.0.2.0/24");
  const auto neighbour = [](const std::string& address, const std::string& message) {
    expect(with("address: 192.0.2.9", "address: ^" + address), "neighbours[0].address", message);
  };
  neighbour("192.0.3.9", "in the subnet of a port");
  neighbour("\"fd00::9\"", "in the subnet of a port");
  neighbour("192.0.2.1", "own address");
  neighbour("192.0.2.0", "network address");
  expect(with("vrf: underlay", "vrf: ^blue"), "neighbours[0].vrf", "underlay only");
  expect(with("vrf: underlay", "vrf: ^underly"), "neighbours[0].vrf", "there is no vrf");
  expect(plus("  - {address: ^192.0.2.9, mac: 02:00:00:00:00:08}\n", "vrfs:"),
         "neighbours[1].address", "already in neighbours[0] (line 8)");
}

TEST_CASE("config: flows") {
  const auto flows = [](const std::string& what) {
    return with("workers:", "flows: {" + what + "}\nworkers:");
  };
  const auto loaded = load(flows(
      "sessions: 4096, sessions6: 2048, sessions_a_vif: 100, timeouts: {icmp: 5, tcp_closing: 1}"));
  CHECK(loaded.flows.sessions4 == 4096);
  CHECK(loaded.flows.sessions6 == 2048);
  CHECK(loaded.flows.sessions_a_vif == 100);
  CHECK(loaded.flows.timeouts.icmp_ms == 5000);
  CHECK(loaded.flows.timeouts.tcp_closing_ms == 1000);
  CHECK(loaded.flows.timeouts.udp_one_way_ms == FlowTimeouts{}.udp_one_way_ms);
  expect(flows("sessions: ^100"), "flows.sessions", "from 1024 to 16777216");
  expect(flows("sessions: ^33554432"), "flows.sessions", "to 16777216");
  expect(flows("sessions_a_vif: ^0"), "flows.sessions_a_vif", "from 1");
  expect(flows("timeouts: {icmp: ^0}"), "flows.timeouts.icmp", "from 1 to 604800");
  expect(flows("timeouts: {^tcp: 5}"), "flows.timeouts.tcp", "unknown key");
}

TEST_CASE("config: subnets and vifs") {
  const auto subnet = [](const std::string& line) {
    return with("gateway: 10.1.0.1}]", "gateway: 10.1.0.1}, " + line + "]");
  };
  expect(subnet("{prefix: ^10.1.0.0/24, gateway: 10.1.0.2}"), "vrfs[0].subnets[1].prefix",
         "overlaps 10.1.0.0/24 of vrfs[0].subnets[0].prefix (line 10)");
  expect(subnet("{prefix: ^10.0.0.0/8, gateway: 10.2.0.2}"), "vrfs[0].subnets[1].prefix",
         "overlaps");
  expect(subnet("{prefix: ^10.1.0.128/25, gateway: 10.1.0.129}"), "vrfs[0].subnets[1].prefix",
         "overlaps");
  load(subnet("{prefix: 10.1.1.0/24, gateway: 10.1.1.1}"));
  expect(with("gateway: 10.1.0.1}", "gateway: ^10.1.1.1}"), "vrfs[0].subnets[0].gateway",
         "an address in 10.1.0.0/24");
  expect(with("gateway: 10.1.0.1}", "gateway: ^10.1.0.255}"), "vrfs[0].subnets[0].gateway",
         "broadcast");
  expect(with("gateway: 10.1.0.1}", "gateway: ^\"fd00::1\"}"), "vrfs[0].subnets[0].gateway",
         "an address in 10.1.0.0/24");
  const auto address = [](const std::string& value, const std::string& message) {
    expect(with("[10.1.0.11,", "[^" + value + ","), "vifs[0].addresses[0]", message);
  };
  address("10.1.0.1", "10.1.0.1 is taken in blue: the gateway of vrfs[0].subnets[0] (line 10)");
  address("10.1.0.0", "network address");
  address("10.1.0.255", "broadcast address");
  const auto vif = [](const std::string& what, const std::string& by) {
    return plus(replaced(vif2, what, by), "tunnels:");
  };
  load(vif("", ""));
  expect(vif("[10.1.0.13]", "[^10.1.0.11]"), "vifs[1].addresses[0]",
         "taken in blue: an address of vifs[0]");
  expect(vif("[10.1.0.13]", "[10.1.0.13, ^10.1.0.13]"), "vifs[1].addresses[1]", "taken");
  expect(vif("[10.1.0.13]", "^[]"), "vifs[1].addresses", "at least one address");
  expect(vif("\"02:00:00:00:01:02\"", "^\"02:00:00:00:01:01\""), "vifs[1].mac",
         "taken in blue: the mac of vifs[0]");
  expect(vif("\"02:00:00:00:01:02\"", "^\"02:00:5e:00:01:01\""), "vifs[1].mac",
         "the router_mac of vrfs[0]");
  CHECK(load(vif("addresses: [10.1.0.13]", "addresses: [10.1.0.13]")).vifs[1].flows);
  CHECK_FALSE(
      load(vif("addresses: [10.1.0.13]", "flows: off, addresses: [10.1.0.13]")).vifs[1].flows);
  expect(vif("addresses: [10.1.0.13]", "flows: ^7, addresses: [10.1.0.13]"), "vifs[1].flows",
         "wanted true or false");
  // The same address and MAC in another VRF are another host's.
  const auto twin =
      replaced(replaced(replaced(vif2, "blue", "red"), "01:02", "01:01"), "10.1.0.13", "10.1.0.11");
  load(replaced(plus(vrf2, "vifs:"), "\ntunnels:", "\n" + twin + "tunnels:"));
}

TEST_CASE("config: routes") {
  const auto via = [](const std::string& target, const std::string& key,
                      const std::string& message) {
    expect(with("via: {tunnel: to-b}", "via: " + target), "routes[0].via" + key, message);
  };
  via("^{}", "", "exactly one of tunnel, vif, vrf, ecmp, gateway and discard, found 0");
  via("^{tunnel: to-b, discard: true}", "", "found 2");
  via("{discard: ^false}", ".discard", "wanted true");
  via("{gateway: ^192.0.2.3}", ".gateway", "of the underlay only");
  via("^to-b", "", "wanted a map");
  expect(with("- {vrf: blue, prefix: 10.1.0.12/32, via: {tunnel: to-b}}",
              "- ^{vrf: blue, prefix: 10.1.0.12/32}"),
         "routes[0].via", "missing");
  const auto route = [](const std::string& line) { return sample + "  - {" + line + "}\n"; };
  expect(route("vrf: blue, prefix: ^10.1.0.12/32, via: {discard: true}"), "routes[1].prefix",
         "10.1.0.12 is taken in blue: the prefix of routes[0] (line 18)");
  expect(route("vrf: blue, prefix: ^10.1.0.0/24, via: {discard: true}"), "routes[1].prefix",
         "the prefix of vrfs[0].subnets[0]");
  expect(route("vrf: blue, prefix: ^10.1.0.11/32, via: {discard: true}"), "routes[1].prefix",
         "an address of vifs[0]");
  expect(route("vrf: underlay, prefix: ^192.0.2.0/24, via: {discard: true}"), "routes[1].prefix",
         "the subnet of ports[0]");
  expect(route("vrf: underlay, prefix: ^0.0.0.0/0, via: {discard: true}"), "routes[1].prefix",
         "the gateway of ports[0]");
  load(route("vrf: underlay, prefix: 10.1.0.12/32, via: {discard: true}"));
  expect(route("vrf: underlay, prefix: 10.0.0.0/8, via: {tunnel: ^to-b}"), "routes[1].via.tunnel",
         "cannot lead into a tunnel");
  expect(route("vrf: underlay, prefix: 10.0.0.0/8, via: {gateway: ^10.0.0.1}"),
         "routes[1].via.gateway", "in the subnet of a port");
  expect(route("vrf: underlay, prefix: \"fd00::/8\", via: {gateway: ^192.0.2.3}"),
         "routes[1].via.gateway", "of the family of fd00::/8");
}

}  // namespace
}  // namespace weft::agent::config_check_test
