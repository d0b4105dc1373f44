#include "agent/config_loader.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "config_sample.hpp"

namespace weft::agent::config_loader_test {
namespace {

RouteTarget through(std::string RouteTarget::*way, const std::string& name) {
  RouteTarget target;
  target.*way = name;
  return target;
}

TEST_CASE("config: the sample says what it says") {
  const Config c = load(sample);
  CHECK(c.node.name == "compute-a");
  CHECK(c.node.tunnel_addresses == std::vector{*parse_ip("192.0.2.1")});
  CHECK(c.dpdk.hugepages == DpdkConfig::Hugepages::automatic);
  CHECK(c.dpdk.memory_mb == 512);
  CHECK(c.workers.lcores == std::vector{0U, 1U});
  CHECK(c.workers.burst == 32);
  CHECK(c.workers.idle == WorkersConfig::Idle::adaptive);
  CHECK(c.api_socket == "/run/weft/weftd.sock");
  REQUIRE(c.ports.size() == 1);
  CHECK(c.ports[0].name == "fab0");
  CHECK(c.ports[0].device == "af_packet:eth1");
  CHECK(c.ports[0].addresses == std::vector{*parse_prefix("192.0.2.1/24")});
  CHECK(c.ports[0].gateways == std::vector{*parse_ip("192.0.2.254")});
  CHECK(c.ports[0].mtu_bytes == 1500);
  CHECK(c.ports[0].workers == QueueSharing::shared);
  REQUIRE(c.neighbours.size() == 1);
  CHECK(c.neighbours[0].port == "fab0");
  CHECK(c.neighbours[0].address == *parse_ip("192.0.2.9"));
  CHECK(c.neighbours[0].mac == *parse_mac("02:00:00:00:00:09"));
  REQUIRE(c.vrfs.size() == 1);
  CHECK(c.vrfs[0].name == "blue");
  CHECK(c.vrfs[0].id == 1);
  CHECK(c.vrfs[0].router_mac == *parse_mac("02:00:5e:00:01:01"));
  REQUIRE(c.vrfs[0].subnets.size() == 1);
  CHECK(c.vrfs[0].subnets[0].prefix == *parse_prefix("10.1.0.0/24"));
  CHECK(c.vrfs[0].subnets[0].gateway == *parse_ip("10.1.0.1"));
  REQUIRE(c.vifs.size() == 1);
  CHECK(c.vifs[0].name == "vm1");
  CHECK(c.vifs[0].device == "tap:vm1@vm1-ns");
  CHECK(c.vifs[0].vrf == "blue");
  CHECK(c.vifs[0].mac == *parse_mac("02:00:00:00:01:01"));
  CHECK(c.vifs[0].addresses == std::vector{*parse_ip("10.1.0.11"), *parse_ip("fd00:1::11")});
  CHECK(c.vifs[0].mtu_bytes == 1500);
  CHECK(c.vifs[0].anti_spoofing);
  REQUIRE(c.tunnels.size() == 1);
  CHECK(c.tunnels[0].name == "to-b");
  CHECK(c.tunnels[0].profile ==
        TunnelProfile{.kind = TunnelKind::vxlan,
                      .local = *parse_ip("192.0.2.1"),
                      .remote = *parse_ip("192.0.2.2"),
                      .vni = 100,
                      .destination_port = 4789,
                      .source_ports = {49152, 65535},
                      .inner_destination_mac = *parse_mac("02:00:5e:00:01:01")});
  REQUIRE(c.decaps.size() == 1);
  CHECK(c.decaps[0].name == "from-fabric");
  CHECK(c.decaps[0].vrf == "blue");
  CHECK(c.decaps[0].vif.empty());
  CHECK(c.decaps[0].local == *parse_ip("192.0.2.1"));
  CHECK(c.decaps[0].destination_port == 4789);
  CHECK(c.decaps[0].vni == 100);
  CHECK(c.decaps[0].sources == std::vector{*parse_prefix("192.0.2.0/24")});
  CHECK_FALSE(c.decaps[0].zero_udp_checksum6);
  REQUIRE(c.routes.size() == 1);
  CHECK(c.routes[0].vrf == "blue");
  CHECK(c.routes[0].prefix == *parse_prefix("10.1.0.12/32"));
  CHECK(c.routes[0].via == through(&RouteTarget::tunnel, "to-b"));
}

TEST_CASE("config: what may be left out has a default") {
  const Config c = load("node: {name: n}\nvrfs: [{name: blue, id: 7}]\n");
  CHECK(c.vrfs[0].router_mac == *parse_mac("02:00:5e:00:01:01"));
  CHECK(c.workers.burst == 32);
  CHECK(c.workers.handoff);
  CHECK(c.ports.empty());
}

TEST_CASE("config: what may be said, is heard") {
  const Config c = load(R"(
node: {name: n, tunnel_address: [192.0.2.1, "2001:db8::1"]}
api: {socket: /tmp/weftd.sock}
dpdk: {hugepages: off}
workers: {lcores: [3], burst: 64, idle: poll, handoff: off}
ports:
  - {name: p0, device: "null:", addresses: [192.0.2.1/24, "2001:db8::1/64"],
     gateway: [192.0.2.254, "2001:db8::ff"], workers: exclusive, mtu: 9000}
  - {name: p1, device: "null:", workers: auto}
  - {name: p2, device: "pcap:in.pcap,out.pcap"}
  - {name: p3, device: "dpdk:net_ring0"}
reassembly: {datagrams: 100, timeout: 5}
neighbours: [{address: "2001:db8::9", mac: 02:00:00:00:00:09}]
vrfs: [{name: a, id: 1}, {name: b, id: 2, subnets: [{prefix: "fd00::/64", gateway: "fd00::1"}]}]
vifs:
  - {name: f, device: "tap:f", vrf: a, mac: 02:00:00:00:00:01, anti_spoofing: no, mtu: 1280,
     mss_clamp: 1200}
tunnels:
  - {name: t6, kind: vxlan, vni: 16777215, remote: "2001:db8::2", port: 8472, ttl: 255, dscp: 46,
     source_ports: 1-1, inner_destination_mac: 02:00:5e:00:01:01, zero_udp_checksum6: true,
     mss_clamp: auto, outer_fragmentation: true}
  - {name: t4, kind: vxlan, vni: 0, remote: 192.0.2.2, local: 192.0.2.77, ttl: copy, dscp: copy,
     inner_destination_mac: 02:00:5e:00:01:01, mss_clamp: off}
decaps:
  - {name: d6, kind: vxlan, vni: 1, vif: f, sources: ["::/0"], zero_udp_checksum6: true, dscp: copy}
  - {name: d4a, kind: vxlan, vni: 1, vrf: a, sources: [192.0.2.2/32], port: 8472, local: 192.0.2.77,
     dscp: keep}
  - {name: d4b, kind: vxlan, vni: 1, vrf: a, sources: [192.0.2.3/32], port: 8472, local: 192.0.2.77}
routes:
  - {vrf: underlay, prefix: 203.0.113.0/24, via: {gateway: 192.0.2.3}}
  - {vrf: underlay, prefix: 203.0.114.0/24, via: {discard: true}}
  - {vrf: a, prefix: "::/0", via: {vrf: b}}
  - {vrf: a, prefix: 0.0.0.0/0, via: {vrf: underlay}}
  - {vrf: b, prefix: 10.0.0.0/8, via: {vif: f}}
)");
  CHECK(c.api_socket == "/tmp/weftd.sock");
  CHECK(c.dpdk.hugepages == DpdkConfig::Hugepages::off);
  CHECK(c.workers.burst == 64);
  CHECK(c.workers.idle == WorkersConfig::Idle::poll);
  CHECK_FALSE(c.workers.handoff);
  CHECK(c.ports[0].gateways.size() == 2);
  CHECK(c.ports[0].workers == QueueSharing::exclusive);
  CHECK(c.ports[1].workers == QueueSharing::automatic);
  CHECK(c.neighbours[0].port == "p0");
  CHECK_FALSE(c.vifs[0].anti_spoofing);
  CHECK(c.vifs[0].mss_clamp == MssClamp{MssClamp::Mode::fixed, 1200});
  CHECK(c.tunnels[0].profile.mss_clamp == MssClamp{MssClamp::Mode::automatic, 0});
  CHECK(c.tunnels[1].profile.mss_clamp == MssClamp{});
  CHECK(c.tunnels[0].profile.outer_fragmentation);
  CHECK_FALSE(c.tunnels[1].profile.outer_fragmentation);
  CHECK(c.reassembly == ReassemblySettings{100, std::chrono::seconds(5)});
  CHECK(c.tunnels[0].profile.local == *parse_ip("2001:db8::1"));
  CHECK(c.tunnels[0].profile.destination_port == 8472);
  CHECK(c.tunnels[0].profile.ttl == 255);
  CHECK(c.tunnels[0].profile.dscp == 46);
  CHECK(c.tunnels[0].profile.source_ports == PortRange{1, 1});
  CHECK(c.tunnels[0].profile.zero_udp_checksum6);
  CHECK_FALSE(c.tunnels[0].profile.copy_ttl);
  CHECK_FALSE(c.tunnels[0].profile.copy_dscp);
  CHECK(c.tunnels[1].profile.copy_ttl);
  CHECK(c.tunnels[1].profile.copy_dscp);
  CHECK(c.tunnels[1].profile.ttl == 64);
  CHECK(c.tunnels[1].profile.dscp == 0);
  CHECK(c.tunnels[1].profile.local == *parse_ip("192.0.2.77"));
  CHECK(c.decaps[0].local == *parse_ip("2001:db8::1"));
  CHECK(c.decaps[0].vif == "f");
  CHECK(c.decaps[0].zero_udp_checksum6);
  CHECK(c.decaps[0].copy_dscp);
  CHECK_FALSE(c.decaps[1].copy_dscp);
  CHECK_FALSE(c.decaps[2].copy_dscp);
  CHECK(c.routes[0].via.gateways == std::vector{*parse_ip("192.0.2.3")});
  CHECK_FALSE(c.routes[0].via.discard);
  CHECK(c.routes[1].via.discard);
  CHECK(c.routes[2].via == through(&RouteTarget::vrf, "b"));
  CHECK(c.routes[3].via == through(&RouteTarget::vrf, "underlay"));
  CHECK(c.routes[4].via == through(&RouteTarget::vif, "f"));
}

TEST_CASE("config: a diagnostic prints as file, line, column, key, message") {
  const auto loaded = parse_config("node: {name: n}\napi: {sockets: x}\n", "a.yaml");
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(to_string(loaded.diagnostics[0]) ==
        "a.yaml:2:7: api.sockets: unknown key \"sockets\"; did you mean \"socket\"?");
}

TEST_CASE("config: all errors are told at once, in the order of the file") {
  std::string text = replaced(sample, "memory_mb: 512", "memory_mb: ^63");
  text = replaced(text, "vrf: blue, mac", "vrf: ^blu, mac");
  text = replaced(text, "prefix: 10.1.0.12/32", "prefix: ^10.1.0.12/24");
  text = replaced(text, "- {name: fab0", "- {^nam: fab0");
  text = replaced(text, "- {^nam", "- ^{^nam");
  expect(text, {{"dpdk.memory_mb", "from 64 to"},
                {"ports[0].name", "missing"},
                {"ports[0].nam", "did you mean \"name\""},
                {"vifs[0].vrf", "did you mean \"blue\""},
                {"routes[0].prefix", "10.1.0.0/24"}});
}

TEST_CASE("config: shape") {
  SECTION("no document") { CHECK(parse_config("", "x").diagnostics.size() >= 1); }
  SECTION("no map") { expect("^[1, 2]", "", "wanted a map, found a list"); }
  SECTION("unknown section") { expect(with("vifs:", "^vif:"), "vif", "did you mean \"vifs\""); }
  SECTION("unknown key, nothing near") {
    expect(with("mtu: 1500", "^colour: 1"), "ports[0].colour", "unknown key \"colour\"");
  }
  SECTION("key twice") {
    expect(with("mtu: 1500", "^name: x"), "ports[0].name", "already in line 6");
  }
  SECTION("section twice") { expect(sample + "^routes: []\n", "routes", "already in line 17"); }
  SECTION("key that is no text") {
    expect(with("mtu: 1500", "? ^[a] : 1"), "ports[0]", "wanted a key, found a list");
  }
  SECTION("missing") {
    expect(with("{name: compute-a, tunnel", "^{tunnel"), "node.name", "missing");
  }
  SECTION("missing node") { expect("^vrfs: []\n", "node", "missing"); }
  SECTION("list wanted") { expect("node: {name: n}\nvrfs: ^{}\n", "vrfs", "a list, found a map"); }
  SECTION("nothing") {
    expect("node: {name: n}\n^routes:\n\nvrfs: []\n", "routes", "found nothing");
  }
  SECTION("map wanted") {
    expect("node: {name: n}\nvrfs: [^blue]\n", "vrfs[0]", "a map, found \"blue\"");
  }
  SECTION("text wanted") { expect("node: {name: ^[n]}\n", "node.name", "found a list"); }
  SECTION("name") {
    expect(with("compute-a", "^compute a"), "node.name", "wanted a name");
    expect(with("compute-a", "^" + std::string(64, 'x')), "node.name", "wanted a name");
    load(with("compute-a", std::string(63, 'x')));
  }
  SECTION("controllers") {
    const std::string one = "{address: 192.0.2.10, tls: {ca: a, cert: b, key: c}}";
    const auto config = load(sample + "controllers: [" + one + "]\nchannel: {hold_time: 3}\n");
    REQUIRE(config.controllers.size() == 1);
    CHECK(config.controllers[0].port == 5269);
    CHECK(config.controllers[0].tls == TlsFiles{"a", "b", "c"});
    CHECK(config.channel == ChannelConfig{3, 300});
    expect(sample + "controllers: [" + one + ", ^" + one + "]\n", "controllers[1]",
           "same address and port as controllers[0]");
    expect(sample + "controllers: [^{address: 192.0.2.10}]\n", "controllers[0].tls", "missing");
    expect(sample + "channel: {hold_time: ^0}\n", "channel.hold_time", "from 1 to 3600");
  }
}

TEST_CASE("config: numbers and words") {
  const auto memory = [](const std::string& value, const std::string& message) {
    expect(with("memory_mb: 512", "memory_mb: ^" + value), "dpdk.memory_mb", message);
  };
  memory("12abc", "from 64 to 1048576, found \"12abc\"");
  memory("-5", "whole number");
  memory("+512", "whole number");
  memory("512.0", "whole number");
  memory("0x200", "whole number");
  memory("0512", "whole number");
  memory("99999999999999999999999", "whole number");
  memory("\"512\"", "found the text \"512\"");
  memory("[512]", "found a list");
  expect(with("burst: 32", "burst: ^33"), "workers.burst", "one of 16, 32, 64");
  expect(with("idle: adaptive", "idle: adaptive, handoff: ^some"), "workers.handoff",
         "wanted true or false");
  expect(with("idle: adaptive", "idle: ^lazy"), "workers.idle", "one of adaptive, poll");
  expect(with("hugepages: auto", "hugepages: ^maybe"), "dpdk.hugepages", "auto, on, off");
  expect(with("workers: shared", "workers: ^all"), "ports[0].workers", "shared, exclusive, auto");
  expect(with("lcores: [0, 1]", "lcores: ^[]"), "workers.lcores", "1 to 32");
  expect(with("lcores: [0, 1]", "lcores: [0, ^0]"), "workers.lcores[1]", "twice");
  expect(with("lcores: [0, 1]", "lcores: [0, ^a]"), "workers.lcores[1]", "whole number");
  std::string many = "0";
  for (int i = 1; i < 33; ++i) many += ", " + std::to_string(i);
  expect(with("lcores: [0, 1]", "lcores: ^[" + many + "]"), "workers.lcores", "found 33");
  expect(with("vni: 100", "vni: ^16777216"), "tunnels[0].vni", "16777215");
  expect(with("vni: 100, vrf", "vni: ^16777216, vrf"), "decaps[0].vni", "16777215");
  expect(with("id: 1", "id: ^0"), "vrfs[0].id", "from 1");
  expect(with("mtu: 1500", "mtu: ^575"), "ports[0].mtu", "from 576 to 9000");
  expect(with("mtu: 1500", "mtu: ^9001"), "ports[0].mtu", "from 576 to 9000");
  expect(with("flows: off", "mtu: ^1279"), "vifs[0].mtu", "at least 1280");
  expect(with("flows: off", "mtu: ^1501"), "vifs[0].mtu", "at most 1500");
  expect(with("192.0.2.1/24], gateway: 192.0.2.254, mtu: 1500",
              "192.0.2.1/24, \"fd00::1/64\"], mtu: ^1279"),
         "ports[0].mtu", "at least 1280");
  const auto tunnel = [](const std::string& key, const std::string& value,
                         const std::string& message) {
    expect(with("source_ports: 49152-65535", key + ": ^" + value), "tunnels[0]." + key, message);
  };
  tunnel("source_ports", "65535-49152", "lower one first");
  tunnel("source_ports", "0-5", "range of UDP ports");
  tunnel("source_ports", "5-65536", "range of UDP ports");
  tunnel("source_ports", "4789", "range of UDP ports");
  tunnel("source_ports", "5-6-7", "range of UDP ports");
  tunnel("port", "0", "from 1 to 65535");
  tunnel("ttl", "0", "from 1 to 255 or copy");
  tunnel("dscp", "64", "from 0 to 63 or copy");
  tunnel("dscp", "keep", "from 0 to 63 or copy");
  tunnel("ttl", "[copy]", "from 1 to 255 or copy");
  tunnel("zero_udp_checksum6", "maybe", "true or false");
  expect(with("routes:", "reassembly: {datagrams: ^4097}\nroutes:"), "reassembly.datagrams",
         "4096");
  expect(with("routes:", "reassembly: {timeout: ^0}\nroutes:"), "reassembly.timeout", "from 1");
  for (const auto* wrong : {"63", "65496", "1360b", "on", "[1360]"}) {
    tunnel("mss_clamp", wrong, "auto, off or bytes from 64 to 65495");
  }
}

TEST_CASE("config: addresses") {
  expect(with("remote: 192.0.2.2", "remote: ^192.0.2"), "tunnels[0].remote", "an IP address");
  expect(with("remote: 192.0.2.2", "remote: ^239.1.1.1"), "tunnels[0].remote", "unicast");
  expect(with("remote: 192.0.2.2", "remote: ^\"::\""), "tunnels[0].remote", "unicast");
  expect(with("remote: 192.0.2.2", "remote: ^192.0.2.1"), "tunnels[0].remote", "another node");
  expect(with("\"fd00:1::11\"]", "^fd00::]"), "vifs[0].addresses[1]", "needs quotation marks");
  expect(with("[192.0.2.1/24]", "[^192.0.2.1]"), "ports[0].addresses[0]", "prefix length");
  expect(with("[192.0.2.1/24]", "[^192.0.2.0/24]"), "ports[0].addresses[0]", "network address");
  expect(with("prefix: 10.1.0.0/24", "prefix: ^10.1.0.0/33"), "vrfs[0].subnets[0].prefix",
         "an IP prefix");
  expect(with("prefix: 10.1.0.12/32", "prefix: ^\"fd00::1/64\""), "routes[0].prefix",
         "should be fd00::/64");
  expect(with("[192.0.2.0/24]", "[^192.0.2.1/24]"), "decaps[0].sources[0]",
         "should be 192.0.2.0/24");
  expect(with("tunnel_address: 192.0.2.1", "tunnel_address: [192.0.2.1, ^192.0.2.2]"),
         "node.tunnel_address[1]", "at most one address of each family");
  expect(with("mac: \"02:00:00:00:01:01\"", "mac: ^\"02:00:00:00:01\""), "vifs[0].mac",
         "a MAC address");
  expect(with("mac: \"02:00:00:00:01:01\"", "mac: ^\"03:00:00:00:01:01\""), "vifs[0].mac",
         "unicast MAC");
  expect(with("mac: \"02:00:00:00:00:09\"", "mac: ^\"ff:ff:ff:ff:ff:ff\""), "neighbours[0].mac",
         "unicast MAC");
  expect(with("router_mac: \"02:00:5e:00:01:01\"", "router_mac: ^\"00:00:00:00:00:00\""),
         "vrfs[0].router_mac", "unicast MAC");
  expect(with("inner_destination_mac: \"02:00:5e:00:01:01\"",
              "inner_destination_mac: ^\"01:00:5e:00:01:01\""),
         "tunnels[0].inner_destination_mac", "unicast MAC");
}

TEST_CASE("config: devices") {
  const auto device = [](const std::string& value, const std::string& message) {
    expect(with("\"af_packet:eth1\"", "^\"" + value + "\""), "ports[0].device", message);
  };
  for (const std::string kind : {"pci", "af_xdp", "vhost", "virtio_user", "memif"}) {
    device(kind + ":x", "of kind " + kind + " come later");
  }
  device("af_paket:eth1", "did you mean \"af_packet\"");
  device("floppy:0", "af_packet, tap, pcap, null, dpdk");
  device("eth1", "KIND:WHAT");
  device("af_packet:", "af_packet:INTERFACE");
  device("af_packet:an-interface-name-too-long", "af_packet:INTERFACE");
  device("tap:a@", "tap:INTERFACE@NETNS");
  device("tap:a@/run/x", "tap:INTERFACE@NETNS");
  device("pcap:", "pcap:IN");
  device("pcap:a,", "pcap:IN");
  device("pcap:a,b,c", "pcap:IN");
  device("null:0", "null:");
  device("dpdk:", "dpdk:ARGUMENTS");
  expect(with("\"tap:vm1@vm1-ns\"", "^\"af_packet:eth1\""), "vifs[0].device",
         "already the device of ports[0] (line 6)");
  expect(sample + "api: {socket: ^/" + std::string(107, 'x') + "}\n", "api.socket", "107 bytes");
}

TEST_CASE("config: what is no YAML, or no text, is an error with a place") {
  expect("node: {name: n}\nvrfs: [\n^", "", "no YAML");
  expect("node: ^&a {name: n}\n", "", "anchors");
  expect("node: {name: n}\nvrfs: ^*a\n", "", "");
  expect("node: ^!!map {name: n}\n", "", "tags");
  expect("node: {name: n}\n^---\nnode: {name: n}\n", "", "second document");
  expect("node: {name: n^\x04}\n", "", "found the byte 0x04");
  expect("node: {name: n} # ^\xff\n", "", "found the byte 0xff");
  expect("node: {name: n} # ^\xc0\x80\n", "", "found the byte 0xc0");
  expect(std::string("node: ^\0", 8), "", "found the byte 0x00");
  load("node: {name: n} # grüße\n");
  expect("node: {name: ^\"\\0\"}\n", "node.name", "found the text \"?\"");
}

TEST_CASE("config: hostile input ends in diagnostics") {
  const auto fails = [](const std::string& text) {
    CHECK_FALSE(parse_config(text, "x").config);
    CHECK_FALSE(parse_config(text, "x").diagnostics.empty());
  };
  fails(std::string(100'000, '['));
  fails(std::string(100'000, '{'));
  fails("a: " + std::string(100'000, '-'));
  std::string deep;
  for (int i = 0; i < 2'000; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  fails(deep);
  std::string steps;
  for (int i = 0; i < 10'000; ++i) steps += "- ";
  fails(steps);
  std::string keys;
  for (int i = 0; i < 100'000; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  fails(keys);
  fails("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n");
  fails(std::string((16 << 20) + 1, ' '));
  // Every prefix of a good file, and every byte of it broken, is read to some end.
  for (std::size_t i = 0; i < sample.size(); ++i) {
    parse_config(sample.substr(0, i), "x");
    for (const char c : {'[', '}', ':', '\n', '"', '\t', '&', '#'}) {
      std::string broken = sample;
      broken[i] = c;
      parse_config(broken, "x");
    }
  }
}

TEST_CASE("config: files") {
  const auto missing = load_config("/nonexistent/weft.yaml");
  REQUIRE(missing.diagnostics.size() == 1);
  CHECK(to_string(missing.diagnostics[0]) ==
        "/nonexistent/weft.yaml: cannot be opened: No such file or directory");
  const auto directory = load_config("/tmp");
  REQUIRE(directory.diagnostics.size() == 1);
  CHECK(to_string(directory.diagnostics[0]) == "/tmp: cannot be read: Is a directory");
  CHECK_THAT(load_config("/dev/zero").diagnostics.at(0).message, Catch::Contains("16 MiB"));

  char path[] = "/tmp/weft-config-XXXXXX";
  const int file = ::mkstemp(path);
  REQUIRE(file >= 0);
  std::ofstream(path) << sample;
  CHECK(load_config(path).config.has_value());
  ::unlink(path);
  ::close(file);
}

}  // namespace
}  // namespace weft::agent::config_loader_test
