#include "config_sample.hpp"

namespace weft::agent::config_tunnel_test {
namespace {

const std::string vrf2 = "  - {name: red, id: 2}\n";

TEST_CASE("config: tunnels and decaps") {
  expect(with("kind: vxlan", "kind: ^ipip"), "tunnels[0].kind",
         "that there are: vxlan, vxlan_gpe, geneve, gre, mpls_over_udp, mpls_over_gre, srv6, "
         "mpls_over_mpls, nsh_over_vxlan_gpe, nsh_over_gre, nsh_over_ethernet;");
  const auto tunnel = [](const std::string& text) {
    return with(
        "{name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, "
        "inner_destination_mac: \"02:00:5e:00:01:01\"}",
        "{name: to-b, remote: 192.0.2.2, " + text + "}");
  };
  load(tunnel("kind: gre"));
  load(tunnel("kind: gre, key: 4294967295"));
  load(
      tunnel("kind: gre, key: 0, payload: ethernet, inner_destination_mac: \"02:00:5e:00:01:01\""));
  load(tunnel("kind: geneve, vni: 7, payload: ip, source_ports: 7-9"));
  load(tunnel("kind: mpls_over_udp, label: 16, port: 51234"));
  load(tunnel("kind: mpls_over_gre, label: 1048575"));
  CHECK(load(tunnel("kind: mpls_over_gre, label: 16, labels: [17, 1048575]"))
            .tunnels[0]
            .profile.labels == std::vector<std::uint32_t>{17, 1048575});
  expect(tunnel("kind: mpls_over_udp, label: 16, labels: [17, ^15]"), "tunnels[0].labels[1]",
         "from 16 to 1048575");
  expect(tunnel("kind: mpls_over_udp, label: 16, labels: ^[17, 17, 17, 17, 17, 17, 17, 17]"),
         "tunnels[0].labels", "at most 7, found 8");
  expect(tunnel("kind: gre, labels: ^[17]"), "tunnels[0].labels", "have none");
  const auto options = [&](const std::string& list) {
    return tunnel("kind: geneve, vni: 7, payload: ip, options: " + list);
  };
  CHECK(load(options("[\"0102:80:0000002a\", \"ffff:1:\"]")).tunnels[0].profile.options ==
        std::vector<TunnelOption>{{0x0102, 0x80, {0, 0, 0, 42}}, {0xffff, 1, {}}});
  for (const std::string bad : {"10102:80:", "0102:180:", "0102:80", "0102:80:00",
                                "0102:80:0000000g", ":80:", "0102:80:00000000:"}) {
    expect(options("[^\"" + bad + "\"]"), "tunnels[0].options[0]", "CLASS:TYPE:DATA");
  }
  const std::string long_one = "\"1:2:" + std::string(248, '0') + "\"";
  expect(options("^[" + long_one + ", " + long_one + "]"), "tunnels[0].options",
         "at most 252 bytes of options and their headers, found 256");
  expect(tunnel("kind: gre, options: ^[]"), "tunnels[0].options", "have none");
  expect(tunnel("kind: gre, vni: ^7"), "tunnels[0].vni", "tunnels of kind gre have none");
  expect(tunnel("kind: mpls_over_udp, label: 16, vni: ^7"), "tunnels[0].vni",
         "tunnels of kind mpls_over_udp have none; wanted label");
  expect(tunnel("kind: mpls_over_gre, label: ^15"), "tunnels[0].label", "from 16 to 1048575");
  expect(tunnel("kind: gre, port: ^47"), "tunnels[0].port", "tunnels of kind gre have none");
  expect(tunnel("kind: gre, source_ports: ^7-9"), "tunnels[0].source_ports", "have none");
  expect(tunnel("kind: vxlan, vni: 7, payload: ^ip, inner_destination_mac: \"02:00:5e:00:01:01\""),
         "tunnels[0].payload", "tunnels of kind vxlan have none");
  expect(tunnel("kind: gre, inner_destination_mac: ^\"02:00:5e:00:01:01\""),
         "tunnels[0].inner_destination_mac", "bare IP packets");
  expect(with("remote: 192.0.2.2", "local: ^\"fd00::1\", remote: 192.0.2.2"), "tunnels[0].local",
         "of the family of the remote");
  expect(with("- {name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2",
              "- ^{name: to-b, kind: vxlan, vni: 100, remote: \"fd00::2\""),
         "tunnels[0].local", "node.tunnel_address has no IPv6 address");
  expect(with("- {name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, "
              "inner_destination_mac: \"02:00:5e:00:01:01\"}",
              "- ^{name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2}"),
         "tunnels[0].inner_destination_mac", "missing");
  expect(with("- {name: from-fabric, kind: vxlan, vni: 100, vrf: blue",
              "- ^{name: from-fabric, kind: vxlan, vni: 100"),
         "decaps[0]", "exactly one of vrf and vif, found neither");
  expect(with("- {name: from-fabric", "- ^{vif: vm1, name: from-fabric"), "decaps[0]",
         "found both");
  const auto sources = [](const std::string& value) {
    return with("sources: [192.0.2.0/24]", "sources: " + value);
  };
  expect(sources("^[]"), "decaps[0].sources", "at least one");
  expect(sources("^[192.0.2.0/24, \"fd00::/8\"]"), "decaps[0].sources",
         "sources of one family, found both");
  expect(sources("[192.0.2.0/24, ^192.0.2.0/24]"), "decaps[0].sources[1]", "twice");
  expect(sources("[192.0.2.0/24, ^\"fd00::/8\"], local: 192.0.2.1"), "decaps[0].sources[1]",
         "of the family of local");
  expect(replaced(sources("[\"fd00::/8\"]"), "- {name: from-fabric", "- ^{name: from-fabric"),
         "decaps[0].local", "no IPv6 address");
  const auto decap = [](const std::string& rest) {
    return plus("  - {name: other, kind: vxlan, vni: 100, sources: [10.0.0.0/8], " + rest + "}\n",
                "routes:");
  };
  load(decap("vrf: blue"));
  load(decap("vif: vm1, port: 8472"));
  load(decap("vif: vm1, local: 192.0.2.77"));
  expect(decap("vif: ^vm1"), "decaps[1].vif", "same kind, port, vni and local as decaps[0]");
  const auto geneve = [](const std::string& rest) {
    return plus("  - {name: other, vni: 7, sources: [10.0.0.0/8], vrf: blue, " + rest + "}\n",
                "routes:");
  };
  load(geneve("kind: geneve"));
  expect(geneve("kind: geneve, port: ^4789"), "decaps[1].port", "4789 is of vxlan by decaps[0]");
  expect(decap("vif: ^vm1, port: 4789, local: 192.0.2.1"), "decaps[1].vif", "another target");
  expect(replaced(decap("vrf: ^red"), "\nvifs:", "\n" + vrf2 + "vifs:"), "decaps[1].vrf",
         "another target");
  expect(decap("vrf: blue, zero_udp_checksum6: ^true"), "decaps[1].zero_udp_checksum6", "another");
  expect(decap("vrf: blue, dscp: ^copy"), "decaps[1].dscp", "another dscp");
  expect(decap("vrf: blue, dscp: ^46"), "decaps[1].dscp", "one of keep, copy");
}

TEST_CASE("config: reserved bits and marks") {
  const std::string last = "00000000000000ff";
  const auto tunnel = [](const std::string& bits) {
    return with("vni: 100, remote", "vni: 100, reserved: " + bits + ", remote");
  };
  CHECK(load(tunnel("0200000000000051")).tunnels[0].profile.reserved == 0x0200000000000051);
  CHECK(load(tunnel("\"F7FFFFFF000000ff\"")).tunnels[0].profile.reserved == 0xf7ffffff000000ff);
  expect(tunnel("^0a00000000000151"), "tunnels[0].reserved",
         "the bits 0800000000000100 are not reserved; those that vxlan reserves are "
         "f7ffffff000000ff");
  for (const std::string bad : {"51", "000000000000005", "000000000000005g", "0x00000000000051",
                                "00000000000000051", "\"\"", "[]"}) {
    expect(tunnel("^" + bad), "tunnels[0].reserved", "wanted");
  }
  expect(with("kind: vxlan, vni: 100, remote",
              "kind: geneve, vni: 100, reserved: ^" + last + ", remote"),
         "tunnels[0].reserved", "tunnels of kind geneve have none");
  expect(with("kind: vxlan, vni: 100, remote",
              "kind: vxlan_gpe, vni: 100, reserved: ^0200000000000000, remote"),
         "tunnels[0].reserved", "vxlan_gpe reserves are c0ffff00000000ff");

  const auto decap = [](const std::string& list) {
    return with("vrf: blue, sources", "vrf: blue, marks: " + list + ", sources");
  };
  const auto mark = [](const std::string& name, const std::string& bits, const std::string& mask) {
    return "{name: " + name + ", bits: " + bits + ", mask: " + mask + "}";
  };
  const std::string one = mark("a", "0000000000000051", last);
  const auto read = load(decap("[" + one + ", " + mark("b", "0000000000000000", last) + "]"));
  CHECK(read.decaps[0].marks == std::vector<DecapMark>{{"a", 0x51, 0xff}, {"b", 0, 0xff}});
  CHECK(load(decap("[]")).decaps[0].marks.empty());
  expect(decap("^" + one), "decaps[0].marks", "wanted a list");
  expect(decap("[" + mark("a", "0000000000000051", "^0800000000000000") + "]"),
         "decaps[0].marks[0].mask", "0800000000000000 are not reserved");
  expect(decap("[" + mark("a", "^1", last) + "]"), "decaps[0].marks[0].bits", "16 hexadecimal");
  expect(decap("[" + mark("a", "0000000000000000", "^0000000000000000") + "]"),
         "decaps[0].marks[0].mask", "at least one bit");
  expect(decap("[" + mark("a", "^0000000000000051", "000000000000000f") + "]"),
         "decaps[0].marks[0].bits", "the mask leaves out 0000000000000050");
  expect(decap("[^{name: a, bits: 0000000000000051}]"), "decaps[0].marks[0].mask", "missing");
  expect(decap("[{name: a, bits: 0000000000000051, mask: " + last + ", ^port: 7}]"),
         "decaps[0].marks[0].port", "unknown key");
  expect(decap("[" + one + ", ^" + mark("a", "0000000000000052", last) + "]"), "decaps[0].marks[1]",
         "there is a mark \"a\" already");
  expect(decap("[" + mark("a", "0000000000000050", "00000000000000f0") + ", ^" +
               mark("b", "0000000000000051", last) + "]"),
         "decaps[0].marks[1]", "the mark \"a\" takes them all");
  load(decap("[" + one + ", " + mark("b", "0000000000000050", "00000000000000f0") + "]"));
  std::string many = one;
  for (unsigned i = 1; i <= max_marks; ++i) {
    many += ", " + mark("m" + std::to_string(i),
                        i < 10 ? "000000000000000" + std::to_string(i)
                               : "00000000000000" + std::to_string(i),
                        last);
  }
  expect(decap("^[" + many + "]"), "decaps[0].marks", "at most 16, found 17");
  expect(with("kind: vxlan, vni: 100, vrf", "kind: geneve, vni: 100, marks: ^[" + one + "], vrf"),
         "decaps[0].marks", "tunnels of kind geneve have none");
  const auto two = [](const std::string& rest) {
    return plus("  - {name: other, kind: vxlan, vni: 100, sources: [10.0.0.0/8], vrf: blue, " +
                    rest + "}\n",
                "routes:");
  };
  expect(two("marks: ^[" + one + "]"), "decaps[1].marks",
         "same kind, port, vni and local as decaps[0] (line");
}

TEST_CASE("config: SRv6") {
  const auto tunnel = [](const std::string& text) {
    return with(
        "{name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, "
        "inner_destination_mac: \"02:00:5e:00:01:01\"}",
        "{name: to-b, kind: srv6, local: \"fd00::1\", " + text + "}");
  };
  const auto profile =
      load(tunnel("segments: [\"fd00:b::1\", \"fd00:c::4\"], reduced: true")).tunnels[0].profile;
  CHECK(profile.remote == *parse_ip("fd00:b::1"));
  CHECK(profile.segments.size() == 2);
  CHECK(profile.reduced);
  expect(tunnel("segments: [\"fd00:b::1\", ^192.0.2.7]"), "tunnels[0].segments[1]", "the SID");
  expect(tunnel("segments: ^[]"), "tunnels[0].segments", "at least one segment");
  expect(tunnel("segments: [\"fd00:b::1\"], remote: ^\"fd00:b::1\""), "tunnels[0].remote",
         "the first segment is the remote");
  expect(tunnel("segments: ^[\"fd00::1\"]"), "tunnels[0].segments", "another node's address");
  expect(replaced(tunnel("reduced: true"), "- {name: to-b", "- ^{name: to-b"),
         "tunnels[0].segments", "missing");
  expect(with("remote: 192.0.2.2", "segments: ^[\"fd00::2\"], remote: 192.0.2.2"),
         "tunnels[0].segments", "tunnels of kind vxlan have none");

  const auto decap = [](const std::string& rest) {
    return plus("  - {name: other, kind: srv6, sources: [\"fd00::/8\"], " + rest + "}\n",
                "routes:");
  };
  const auto behaviour = [&](const std::string& rest) {
    return load(decap("sid: \"fd00:a::1\", " + rest)).decaps[1].behaviour;
  };
  CHECK(behaviour("vrf: blue") == SegmentBehaviour::dt46);
  CHECK(behaviour("vif: vm1") == SegmentBehaviour::dx46);
  CHECK(behaviour("vrf: blue, behaviour: End.DT4") == SegmentBehaviour::dt4);
  CHECK(behaviour("vif: vm1, behaviour: End.DX6") == SegmentBehaviour::dx6);
  CHECK(behaviour("behaviour: End") == SegmentBehaviour::end);
  const auto refused = [&](const std::string& rest, const std::string& message) {
    expect(replaced(decap("sid: \"fd00:a::1\", " + rest), "- {name: other", "- ^{name: other"),
           "decaps[1]", message);
  };
  refused("behaviour: End, vrf: blue", "End wants neither vrf, vif nor gateway, found a vrf");
  refused("behaviour: End.DT4, vif: vm1", "End.DT4 wants a vrf, found no vrf");
  refused("behaviour: End.DX4, vrf: blue", "End.DX4 wants a vif, found a vrf");
  refused("behaviour: End.X", "End.X wants a gateway, found no gateway");
  expect(decap("sid: \"fd00:a::1\", vrf: blue, behaviour: ^End.B6"), "decaps[1].behaviour",
         "one of End, End.X, End.DT4");
  expect(decap("sid: ^192.0.2.1, vrf: blue"), "decaps[1].sid", "an IPv6 address");
  expect(decap("sid: \"fd00:a::1\", local: ^\"fd00::1\", vrf: blue"), "decaps[1].local",
         "has a sid");
  expect(replaced(decap("vrf: blue"), "- {name: other", "- ^{name: other"), "decaps[1].sid",
         "missing");
}

TEST_CASE("config: tunnels on Ethernet") {
  const auto tunnel = [](const std::string& text) {
    return with(
        "{name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, "
        "inner_destination_mac: \"02:00:5e:00:01:01\"}",
        "{name: to-b, kind: mpls_over_mpls, label: 16, remote: 192.0.2.2" + text + "}");
  };
  CHECK(load(tunnel(", labels: [17], ttl: 9")).tunnels[0].profile.local == IpAddress{});
  const auto none = "tunnels of kind mpls_over_mpls have none";
  expect(tunnel(", local: ^192.0.2.1"), "tunnels[0].local", none);
  expect(tunnel(", dscp: ^4"), "tunnels[0].dscp", none);
  expect(tunnel(", ttl: ^copy"), "tunnels[0].ttl", "there is no outer IP header");
  const auto decap = [](const std::string& rest) {
    return plus("  - {name: other, kind: mpls_over_mpls, label: 16, vrf: blue" + rest + "}\n",
                "routes:");
  };
  CHECK(load(decap("")).decaps[1].sources.empty());
  expect(decap(", sources: ^[192.0.2.0/24]"), "decaps[1].sources", none);
  expect(decap(", local: ^192.0.2.1"), "decaps[1].local", none);
  expect(decap(", dscp: ^copy"), "decaps[1].dscp", none);
}

TEST_CASE("config: NSH") {
  const auto tunnel = [](const std::string& text) {
    return with(
        "{name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, "
        "inner_destination_mac: \"02:00:5e:00:01:01\"}",
        "{name: to-b, remote: 192.0.2.2, " + text + "}");
  };
  const auto profile = [&](const std::string& text) {
    return load(tunnel(text)).tunnels[0].profile;
  };
  const std::string mac = ", inner_destination_mac: \"02:00:5e:00:01:01\"";
  const auto gpe = profile("kind: nsh_over_vxlan_gpe, vni: 7, path: 5" + mac);
  CHECK(gpe.vni == nsh_network(5, 255));
  CHECK(gpe.carrier_network == 7);
  const auto gre =
      profile("kind: nsh_over_gre, path: 16777215, index: 1, options: [\"1:2:aabbcc\"]");
  CHECK(gre.vni == 0xffffff01);
  CHECK_FALSE(gre.carrier_network);
  CHECK(gre.options == std::vector<TunnelOption>{{1, 2, {0xaa, 0xbb, 0xcc}}});
  const auto context = std::string("000102030405060708090a0b0c0d0e0f");
  CHECK(profile("kind: nsh_over_ethernet, path: 0, context: \"" + context + "\"").context[15] ==
        15);
  const auto refused = [&](const std::string& text, const std::string& key,
                           const std::string& message) {
    expect(tunnel(text), "tunnels[0]." + key, message);
  };
  expect(replaced(tunnel("kind: nsh_over_gre"), "- {name: to-b", "- ^{name: to-b"),
         "tunnels[0].path", "missing");
  expect(replaced(tunnel("kind: nsh_over_vxlan_gpe, path: 1" + mac), "- {name: to-b",
                  "- ^{name: to-b"),
         "tunnels[0].vni", "missing");
  refused("kind: nsh_over_gre, path: ^16777216", "path", "from 0 to 16777215");
  refused("kind: nsh_over_gre, path: 1, index: ^0", "index", "from 1 to 255");
  refused("kind: nsh_over_gre, path: 1, vni: ^1", "vni", "tunnels of kind nsh_over_gre have none");
  refused("kind: nsh_over_gre, path: 1, options: [\"1:2:\"], context: ^\"" + context + "\"",
          "context", "found both");
  refused("kind: nsh_over_gre, path: 1, context: ^\"00\"", "context", "32 hexadecimal digits");
  refused("kind: nsh_over_gre, path: 1, options: [^\"1:2:" + std::string(256, '0') + "\"]",
          "options[0]", "at most 127 bytes");
  refused("kind: nsh_over_ethernet, path: 1, ttl: ^9", "ttl", "have none");
  refused("kind: gre, path: ^1", "path", "tunnels of kind gre have none");
  refused("kind: vxlan_gpe, vni: 7, payload: ^nsh" + mac, "payload", "one of ethernet, ip");

  const auto decap = [&](const std::string& rest, const std::string& payload = "payload: nsh") {
    return replaced(tunnel("kind: nsh_over_gre, " + payload), "\nroutes:",
                    "\n  - {name: other, kind: nsh_over_gre, path: 3, sources: [192.0.2.0/24], " +
                        rest + "}\nroutes:");
  };
  const auto no_route = [](const std::string& text) {
    return text.substr(0, text.find("\nroutes:")) + "\n";
  };
  expect(no_route(tunnel("kind: nsh_over_gre, payload: nsh, path: ^1")), "tunnels[0].path",
         "payload nsh have it already");
  const auto relays = load(no_route(decap("tunnel: to-b"))).decaps[1];
  CHECK(relays.relays);
  CHECK(load(no_route(tunnel("kind: nsh_over_gre, payload: nsh, key: 9")))
            .tunnels[0]
            .profile.carrier_network == 9);
  CHECK(relays.vni == nsh_network(3, 255));
  CHECK_FALSE(load(decap("vrf: blue", "path: 1")).decaps[1].relays);
  expect(decap("tunnel: ^to-b", "path: 1"), "decaps[1].tunnel", "a tunnel of payload nsh");
  expect(no_route(decap("tunnel: ^to-c")), "decaps[1].tunnel", "there is no tunnel \"to-c\"");
  expect(no_route(replaced(decap("vrf: blue, tunnel: to-b"), "- {name: other", "- ^{name: other")),
         "decaps[1]", "exactly one of vrf, vif and tunnel");
  expect(replaced(decap("vrf: blue"), "via: {tunnel: to-b}", "via: {tunnel: ^to-b}"),
         "routes[0].via.tunnel", "only packets that have an NSH header");
  // VXLAN-GPE and NSH in it share their port.
  load(
      plus("  - {name: x, kind: vxlan_gpe, vni: 7, vrf: blue, sources: [192.0.2.0/24]}\n"
           "  - {name: y, kind: nsh_over_vxlan_gpe, vni: 7, path: 7, vrf: blue, "
           "sources: [192.0.2.0/24]}\n",
           "routes:"));
}

}  // namespace
}  // namespace weft::agent::config_tunnel_test
