"""Configurations to begin fuzzing with: those of the tests, and one with every key, edited in many ways."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def string_literals(text):
    """Adjacent C++ string literals at the start of `text`, joined; None where there are none."""
    match = re.match(r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text)
    if match is None:
        return None
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1))
    return "".join(parts).replace('\\"', '"').replace("\\n", "\n"), match.end()


def config():
    header = (TESTS / "unit/control/agent/config_sample.hpp").read_text()
    sample = re.search(r'R"\((.*?)\)"', header, re.S).group(1)
    yield "sample", sample.encode()
    yield "full", FULL.encode()
    tests = "".join((TESTS / f"unit/control/agent/config_{name}_test.cpp").read_text() for name in ("loader", "check", "policy"))
    for number, text in enumerate(re.findall(r'R"\((.*?)\)"', tests, re.S)):
        yield f"test-{number}", text.replace("^", "").encode()
    for number, call in enumerate(re.finditer(r"\bwith\(", tests)):
        what = string_literals(tests[call.end():])
        after = what and string_literals(tests[call.end() + what[1]:].lstrip(","))
        if after and what[0] in sample:
            yield f"with-{number}", sample.replace(what[0], after[0].replace("^", ""), 1).encode()
    for number, (what, by) in enumerate(CONFIG_EDITS):
        assert what in FULL, what
        yield f"edit-{number}", FULL.replace(what, by, 1).encode()
    yield "deep", b"a: " + b"[" * 40
    yield "many-keys", ("node: {" + ", ".join(f"k{i}: 1" for i in range(300)) + "}").encode()


# (what, by) in FULL, each a thing to get wrong or another good way to say it.
CONFIG_EDITS = [
    *(("device: \"null:\"", f"device: {by}") for by in (
        "[1]", "\"null:x\"", "\"dpdk:\"", "\"dpdk:net_null,a=1\"", "\"pcap:a\"", "\"pcap:a,b\"", "\"pcap:,b\"",
        "\"pcap:a,b,c\"", "\"pcap:a,\"", "\"af_packet:a/b\"", "\"af_packet:\"", "\"af_packet:0123456789abcdefg\"",
        "\"tap:\"", "\"tap:a@\"", "\"tap:a@b/c\"", "\"tap:a b\"", "\"vhost:x\"", "\"pci:x\"", "none", "\"af_xdp:x\"")),
    *(("source_ports: 1-2", f"source_ports: {by}") for by in ("[1]", "7", "2-1", "0-1", "1-70000", "a-b", "-", "1-2x")),
    *(("anti_spoofing: false", f"anti_spoofing: {by}") for by in ("true", "on", "off", "maybe", "[]", "true, flows: on", "false, flows: [1]",
                                                          "false, flows: false", "\"true\"", "\"false\"")),
    *(("burst: 64", f"burst: {by}") for by in ("33", "[1]", "~", "\"64\"", "0x40", "064", "99999999999999999999")),
    *(("mtu: 1450", f"mtu: {by}") for by in ("1279", "9999", "67", "65536")),
    *(("addresses: [10.1.0.11, \"fd00:1::11\"]", by) for by in ("addresses: []", "addresses: [10.1.0.1, 10.1.0.1]",
      "addresses: [10.9.9.9]", "addresses: [10.1.0.0]", "addresses: [10.1.0.255]", "flows: off", "addresses: {a: b}")),
    *(("sources: [192.0.2.0/24]", by) for by in ("sources: []", "sources: [\"::/0\"]", "sources: [x]", "vif: vm1",
      "sources: [192.0.2.1/33]", "sources: [192.0.2.0/24], vif: vm1")),
    *(("neighbours:", f"{section}\nneighbours:") for section in (
        "metrics: {listen: \"127.0.0.1:9464\"}", "metrics: {listen: \"[::1]:9464\"}", "metrics: {listen: \"::1:9464\"}",
        "metrics: {listen: \"[127.0.0.1]:9464\"}", "metrics: {listen: \"127.0.0.1:0\"}", "metrics: {listen: \"127.0.0.1:x\"}",
        "metrics: {listen: \"127.0.0.1:70000\"}", "metrics: {listen: x}", "metrics: {listen: [1]}", "metrics: {}",
        "state: {file: /var/lib/x.json}", "state: {file: x.json}", "state: {file: [1]}",
        "flows: {sessions: 4096, sessions6: 1024, sessions_a_vif: 7, timeouts: {icmp: 1, tcp_established: 604800}}",
        "flows: {sessions: 1, timeouts: {icmp: 0, other: x, udp_one_way: 604801}}", "flows: [1]", "flows: {timeouts: 7}",
        "controllers: []", "controllers: [{address: 192.0.2.10}]")),
    *(("workers: exclusive", f"workers: auto, host: {by}") for by in (
        "\"tap:weft0\"", "\"tap:weft0@ns\"", "\"tap:\"", "\"tap:0123456789abcdefg\"", "tap", "\"null:\"", "[1]", "\"tap:weft0\", flows: on")),
    ("addresses: [192.0.2.1/24, \"2001:db8::1/64\"], gateway: [192.0.2.254, \"2001:db8::fe\"], mtu: 9000, workers: exclusive",
     "mtu: 9000, host: \"tap:weft0\""),
    *(("{discard: true}", "{ecmp: %s}" % by) for by in (
        "[{tunnel: t4}, {vif: vm1}]", "[]", "[{tunnel: t4}, {tunnel: t4}]", "[{vif: vm1}, {vif: vm1}]", "[{}]", "[{tunnel: t4, vif: vm1}]",
        "[{tunnel: nobody}]", "[{vif: nobody}]", "[7]", "7", "[%s]" % ", ".join(["{tunnel: t4}"] * 65))),
    ("discard: true", "discard: false"), ("{discard: true}", "{}"), ("{discard: true}", "{discard: true, vif: vm1}"),
    ("{gateway: 192.0.2.7}", "{gateway: \"2001:db8::7\"}"), ("{gateway: 192.0.2.7}", "{gateway: 198.18.0.1}"),
    ("{gateway: 192.0.2.7}", "{tunnel: t4}"), ("{gateway: 192.0.2.7}", "{gateway: 192.0.2.255}"),
    ("{gateway: 192.0.2.7}", "{gateway: 192.0.2.1}"), ("{vrf: blue}", "{vrf: red}"), ("{tunnel: t6}", "{tunnel: t7}"),
    ("prefix: 10.2.0.0/16", "prefix: 10.2.0.1/16"), ("prefix: 10.2.0.0/16", "prefix: 10.1.0.0/24"),
    ("prefix: 10.2.0.0/16", "prefix: 10.1.0.11/32"), ("prefix: 10.2.0.0/16", "prefix: 224.0.0.0/8"),
    ("prefix: 10.1.0.0/24", "prefix: 10.1.0.0/31"), ("gateway: 10.1.0.1}", "gateway: 10.2.0.1}"),
    ("gateway: 10.1.0.1}", "gateway: 10.1.0.0}"), ("gateway: 10.1.0.1}", "gateway: 10.1.0.11}"),
    ("  - {name: red, id: 2", "  - {name: blue, id: 1"), ("name: red", "name: underlay"), ("id: 2", "id: 4097"),
    ("subnets:", "subnets: 7 #"), ("vrf: underlay, address", "vrf: blue, address"),
    ("\"2001:db8::9\"", "192.0.2.1"), ("\"2001:db8::9\"", "192.0.2.255"), ("\"2001:db8::9\"", "203.0.113.1"),
    ("remote: 192.0.2.2", "remote: 192.0.2.1"), ("remote: 192.0.2.2", "remote: 224.0.0.1"),
    ("remote: 192.0.2.2", "remote: 192.0.2.2, local: \"2001:db8::1\""), ("remote: 192.0.2.2", "local: x"),
    ("tunnel_address: [192.0.2.1, \"2001:db8::1\"]", "tunnel_address: [192.0.2.1]"),
    ("tunnel_address: [192.0.2.1, \"2001:db8::1\"]", "tunnel_address: [192.0.2.1, 192.0.2.3]"),
    ("tunnel_address: [192.0.2.1, \"2001:db8::1\"]", "tunnel_address: []"),
    ("192.0.2.254,", "192.0.2.254, 192.0.2.253,"), ("192.0.2.254,", "198.18.0.1,"), ("192.0.2.254,", "192.0.2.1,"),
    ("addresses: [192.0.2.1/24,", "addresses: [192.0.2.1/24, 192.0.2.2/24,"),
    ("addresses: [192.0.2.1/24,", "addresses: [192.0.2.1/24, 192.0.2.1/24,"),
    ("addresses: [192.0.2.1/24,", "addresses: [192.0.2.0/24,"), ("addresses: [192.0.2.1/24,", "addresses: [x,"),
    ("local: \"2001:db8::1\"", "local: 203.0.113.1"), ("local: \"2001:db8::1\"", "local: [1]"),
    ("router_mac: \"02:00:5e:00:02:01\"", "router_mac: \"01:00:5e:00:02:01\""),
    ("router_mac: \"02:00:5e:00:02:01\"", "router_mac: \"00:00:00:00:00:00\""),
    ("router_mac: \"02:00:5e:00:02:01\"", "router_mac: [1]"), ("name: a,", "name: a.b_c-d,"), ("name: a,", "name: \"\","),
    ("lcores: [0]", "lcores: []"), ("lcores: [0]", "lcores: [0, 0]"), ("lcores: [0]", f"lcores: {list(range(40))}"),
    ("hugepages: off", "hugepages: maybe"), ("idle: poll", "idle: [a, b]"), ("/run/x.sock", "x" * 120),
    ("/run/x.sock", "\"\""), ("/run/x.sock", "[1]"), ("kind: vxlan, vni: 100", "kind: geneve, vni: 100"),
    *(("vni: 100, vrf: blue, sources: [192.0.2.0/24]", by) for by in (
        "vni: 100, vrf: blue, tunnel: t4, sources: [192.0.2.0/24]", "vni: 100, sid: \"2001:db8::9\", vrf: blue, sources: [\"::/0\"]")),
    *(("kind: vxlan, vni: 100, vrf: blue, sources: [192.0.2.0/24]", f"kind: {by}") for by in (
        "mpls_over_mpls, label: 16, labels: [17, 18], vrf: blue", "mpls_over_mpls, label: 16, vrf: blue, sources: [192.0.2.0/24]",
        "nsh_over_ethernet, path: 5, index: 7, vif: vm1", "nsh_over_gre, key: 7, path: 16777215, tunnel: t6, sources: [192.0.2.0/24]",
        "nsh_over_vxlan_gpe, vni: 7, path: 5, vrf: blue, sources: [192.0.2.0/24]", "nsh_over_vxlan_gpe, path: 5, index: 0, vrf: blue",
        "srv6, sid: \"2001:db8::9\", behaviour: End, sources: [\"::/0\"]", "srv6, sid: 192.0.2.9, vrf: blue, sources: [\"::/0\"]",
        "srv6, sid: \"2001:db8::9\", gateway: \"2001:db8::9\", sources: [\"::/0\"]")),
    *(("kind: vxlan, vni: 16, remote: \"2001:db8::2\", inner_destination_mac: \"02:00:5e:00:01:01\"", f"kind: {by}") for by in (
        "mpls_over_mpls, label: 16, labels: [17], remote: 192.0.2.9, ttl: 9", "nsh_over_gre, payload: nsh, key: 5, remote: 192.0.2.9",
        "nsh_over_ethernet, path: 5, context: \"000102030405060708090a0b0c0d0e0f\", remote: 192.0.2.9",
        "nsh_over_gre, path: 5, options: [\"0102:03:2a2b\", \"0102:83:\"], remote: 192.0.2.9", "nsh_over_gre, path: 5, context: \"00\", remote: 192.0.2.9",
        "srv6, segments: [\"2001:db8:b::1\", \"2001:db8:c::1\"], reduced: true", "srv6, segments: []", "srv6, segments: [192.0.2.9]")),
    ("vni: 16,", "vni: 0x10,"), ("vni: 101", "vni: 100, port: 0"), ("vni: 101, vif: vm1, local: \"2001:db8::1\", sources: [\"2001:db8::/64\"]",
     "vni: 100, vif: vm1, sources: [192.0.2.0/24]"), ("vni: 101, vif: vm1", "vni: 101, port: x, vif: vm1"),
    *(("security_groups: [web, lb]", f"security_groups: {by}") for by in (
        "[]", "[lb, web]", "[web, web]", "[nobody]", "web", "[[web]]", "{web: lb}", "~")),
    *(("security_groups: [lb]", f"security_groups: {by}") for by in ("[]", "[web]", "[nobody]", "7")),
    *(("members: [10.7.0.7,", f"members: {by}") for by in ("[10.7.0.7/32, 10.7.0.7,", "[10.7.0.7/24,", "[\"group:web\",", "[[1],")),
    *(("protocol: tcp", f"protocol: {by}") for by in ("6", "132", "udp", "icmp", "256", "06", "\"6\"", "tpc", "[tcp]", "~")),
    *(("[80, 8000-8010]", by) for by in ("80", "0-65535", "65536", "[9-8]", "[]", "[-1]", "[1-]", "[1-2-3]", "[a]", "[[1]]", "{a: 1}", "~")),
    *(("from: \"group:lb\"", f"from: {by}") for by in (
        "\"group:web\"", "\"group:nobody\"", "\"group:\"", "\"group:a b\"", "lb", "[]", "[\"group:lb\", \"::/0\", 0.0.0.0/0]", "10.0.0.1/8", "[[1]]")),
    *(("action: deny", f"action: {by}") for by in ("allow", "drop", "[deny]")),
    *(("icmp_type: 8, icmp_code: 0", by) for by in ("icmp_type: 256", "icmp_code: 0", "icmp_type: [8]", "icmp_type: 8, ports: 1")),
    ("egress: [{}]", "egress: []"), ("egress: [{}]", "egress: {}"), ("egress: [{}]", "egress: [7]"), ("ingress: []", "ingress: ~"),
    ("name: lb, ingress", "name: web, ingress"), ("security_groups:\n", "security_groups: {}\nx:\n"),
    ("neighbours:", "neighbours: {}\nx:"), ("neighbours:", "---\nneighbours:"), ("neighbours:", "&a neighbours:"),
    ("neighbours:", "*a :"), ("neighbours:", "!!str neighbours:"), ("neighbours:", "? [a]\n:"), ("node:", "- node:"),
    ("idle: poll", "idle: \u0085"), ("idle: poll", "idle: \U0001f600"), ("idle: poll", "idle: \uffff"),
]


FULL = """\
node: {name: a, tunnel_address: [192.0.2.1, "2001:db8::1"]}
dpdk: {hugepages: off, memory_mb: 256}
workers: {lcores: [0], burst: 64, idle: poll}
api: {socket: /run/x.sock}
ports:
  - {name: fab0, device: "null:", addresses: [192.0.2.1/24, "2001:db8::1/64"], gateway: [192.0.2.254, "2001:db8::fe"], mtu: 9000, workers: exclusive}
neighbours:
  - {vrf: underlay, address: "2001:db8::9", mac: "02:00:00:00:00:09"}
vrfs:
  - name: blue
    id: 1
    router_mac: "02:00:5e:00:01:01"
    subnets:
      - {prefix: 10.1.0.0/24, gateway: 10.1.0.1}
      - {prefix: "fd00:1::/64", gateway: "fd00:1::1"}
  - {name: red, id: 2, router_mac: "02:00:5e:00:02:01", security_groups: [lb]}
vifs:
  - {name: vm1, device: "tap:vm1", vrf: blue, mac: "02:00:00:00:01:01", addresses: [10.1.0.11, "fd00:1::11"], mtu: 1450, anti_spoofing: false, security_groups: [web, lb]}
tunnels:
  - {name: t4, kind: vxlan, vni: 100, remote: 192.0.2.2, port: 8472, source_ports: 1-2, inner_destination_mac: "02:00:5e:00:01:01", ttl: copy, dscp: 46}
  - {name: t6, kind: vxlan, vni: 16, remote: "2001:db8::2", inner_destination_mac: "02:00:5e:00:01:01"}
decaps:
  - {name: d4, kind: vxlan, vni: 100, vrf: blue, sources: [192.0.2.0/24]}
  - {name: d6, kind: vxlan, vni: 101, vif: vm1, local: "2001:db8::1", sources: ["2001:db8::/64"], zero_udp_checksum6: true, dscp: copy}
routes:
  - {vrf: blue, prefix: 10.2.0.0/16, via: {tunnel: t4}}
  - {vrf: blue, prefix: "fd00:2::/32", via: {tunnel: t6}}
  - {vrf: red, prefix: 0.0.0.0/0, via: {vrf: blue}}
  - {vrf: red, prefix: 10.3.0.1/32, via: {vif: vm1}}
  - {vrf: underlay, prefix: 198.51.100.0/24, via: {gateway: 192.0.2.7}}
  - {vrf: red, prefix: 10.9.0.0/16, via: {discard: true}}
security_groups:
  - name: web
    members: [10.7.0.7, "fd00:7::/64"]
    ingress:
      - {protocol: tcp, ports: [80, 8000-8010], from: "group:lb"}
      - {action: deny, protocol: 17, source_ports: 1-1023, to: [10.0.0.0/8, "::1"]}
      - {protocol: icmp, icmp_type: 8, icmp_code: 0}
    egress: [{}]
  - {name: lb, ingress: []}
"""
