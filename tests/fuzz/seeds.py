#!/usr/bin/python3
"""Writes the first corpora of the fuzz targets: DIRECTORY/TARGET/NAME.

Packets are those that scapy made for the unit tests, taken from their sources, so that no byte
comes from our own encoder.
"""
import re
import sys
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

TESTS = Path(__file__).resolve().parent.parent
SEPARATOR = b"\xfe\xedPK"
FABRIC, VM1, VM2, VM3, VM4, TRUSTED = range(6)
REPAIR, TRACED, OWN = 1, 2, 4


def named_hex(path):
    """The hexadecimal constants of a test's source, by name."""
    text = (TESTS / path).read_text()
    constants = re.findall(r"constexpr (?:auto|std::string_view) (\w+) =\s*((?:\"[0-9a-f ]*\"\s*)+);", text)
    return {name: bytes.fromhex("".join(re.findall(r'"(.*?)"', value))) for name, value in constants}


VM = named_hex("support/packets_vm.hpp")
PEER = named_hex("support/packets_fabric.hpp")
ICMP_PACKETS = named_hex("unit/control/agent/icmp_test.cpp")
NEIGHBOUR_FRAMES = {**named_hex("unit/control/agent/neighbours_test.cpp"),
                    **named_hex("unit/control/agent/proxy_test.cpp")}


def word(value):
    return value.to_bytes(2, "big")


def item(frame, port, flags=0, headroom=0, piece=0):
    return bytes([flags | headroom << 5, port, piece]) + frame


def ingress(name):
    if name.startswith("own"):
        return FABRIC, OWN
    vms = {"vm1": VM1, "vm2": VM2, "vm4": VM4}
    return vms.get(name[:3], FABRIC), 0


def pipeline():
    items = []
    for name, frame in {**VM, **PEER}.items():
        if "_out" in name or "_in_v" in name or name.startswith("own_arp"):
            continue
        port, flags = ingress(name)
        items.append(item(frame, port, flags))
        yield name, item(frame, port, flags | TRACED)
        yield f"{name}-repaired", item(frame, port, flags | REPAIR)
        yield f"{name}-pieces", item(frame, port, flags, piece=37)
        yield f"{name}-headroom", item(frame, port, flags, headroom=4)
    for start in range(0, len(items), 8):
        yield f"burst-{start}", SEPARATOR.join(items[start:start + 8])
    yield "burst-all", SEPARATOR.join(items)
    vm1 = VM["vm1_udp4"]
    for name, address in {"glean": "0a050001", "silent": "0a060001", "unresolved": "0a070001",
                          "tunnel-silent": "0a080001", "discard": "0a090001", "none": "0b000001"}.items():
        yield f"to-{name}", item(vm1[:30] + bytes.fromhex(address) + vm1[34:], VM1, REPAIR)
    for size in (1450, 1451, 1500, 1501, 3000):
        payload = vm1 + bytes(14 + size - len(vm1))
        yield f"size-{size}", item(payload, VM1, REPAIR)
        yield f"size-{size}-df", item(payload[:20] + b"\x40" + payload[21:], VM1, REPAIR)


def agent():
    def punt(frame, kind, where, reason=0, offset=0, flags=0):
        return bytes([flags | kind << 1, reason, where, offset]) + word(1400) + b"\x0a" + frame
    everything = []
    for name, frame in NEIGHBOUR_FRAMES.items():
        for where in (0, 1, 5, 2 | 1 << 2, 3):
            everything.append(punt(frame, 0, where))
            yield f"{name}-{where}", everything[-1]
    for name, packet in ICMP_PACKETS.items():
        for where in (0, 1, 2 | 1 << 2, 3 | 1 << 2):
            yield f"{name}-{where}", punt(packet, 1, where, offset=1)
        for reason in range(1, 60, 3):
            everything.append(punt(packet, 2, 1, reason, offset=1))
            yield f"{name}-reason-{reason}", everything[-1]
    for start in range(0, len(everything), 16):
        yield f"sequence-{start}", SEPARATOR.join(everything[start:start + 16])


def ip_packets():
    source, destination = {"src": "10.1.0.11", "dst": "10.1.0.12"}, {"src": "fd00:1::11", "dst": "fd00:1::12"}
    yield from ICMP_PACKETS.items()
    yield "options", bytes(IP(**source, options=[IPOption_RR()]) / UDP() / b"x")
    yield "tcp", bytes(IP(**source) / TCP())
    for kind in (0, 3, 4, 5, 8, 11, 12):
        yield f"icmp-{kind}", bytes(IP(**source) / ICMP(type=kind))
    yield "fragment", bytes(IP(**source, flags="MF") / UDP() / bytes(8))
    yield "later", bytes(IP(**source, frag=3) / bytes(16))
    chain = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt()
    yield "chain", bytes(IPv6(**destination) / chain / UDP())
    yield "chain-fragment", bytes(IPv6(**destination) / chain / IPv6ExtHdrFragment(offset=5) / Raw(bytes(9)))
    yield "fragment6", bytes(IPv6(**destination) / IPv6ExtHdrFragment(m=1) / UDP())
    yield "fragment6-echo", bytes(IPv6(**destination) / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest())
    for links in (1, 7, 8, 9):
        links6 = [IPv6ExtHdrDestOpt() for _ in range(links)]
        packet = IPv6(**destination)
        for link in links6:
            packet = packet / link
        yield f"links-{links}", bytes(packet / UDP())
    yield "multicast", bytes(IP(src="10.1.0.11", dst="224.0.0.1") / UDP())
    yield "mld", bytes(IPv6(src="::", dst="ff02::1") / ICMPv6EchoRequest())


def nd():
    for name, frame in NEIGHBOUR_FRAMES.items():
        if frame[12:14] == b"\x86\xdd":
            yield name, b"\0" + frame[14:]
            yield f"{name}-repaired", b"\1" + frame[14:]
    own, other = "fe80::1", "fd00:1::2"
    for name, message in {
            "ns": ICMPv6ND_NS(tgt=other) / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"),
            "ns-none": ICMPv6ND_NS(tgt=other),
            "na": ICMPv6ND_NA(tgt=other, R=1, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:01"),
            "na-two": ICMPv6ND_NA(tgt=other, S=0) / ICMPv6NDOptDstLLAddr() / ICMPv6NDOptDstLLAddr(),
            "echo": ICMPv6EchoRequest()}.items():
        yield name, b"\0" + bytes(IPv6(src=own, dst=other, hlim=255) / message)
        yield f"{name}-unspecified", b"\1" + bytes(IPv6(src="::", dst="ff02::1:ff00:2", hlim=255) / message)
    yield "options", b"\0" + bytes.fromhex("0101020000000001" "0201020000000002" "0502" + "00" * 14)


def config():
    sample = (TESTS / "unit/control/agent/config_sample.hpp").read_text()
    yield "sample", re.search(r'R"\((.*?)\)"', sample, re.S).group(1).encode()
    loader = (TESTS / "unit/control/agent/config_loader_test.cpp").read_text()
    check = (TESTS / "unit/control/agent/config_check_test.cpp").read_text()
    for number, text in enumerate(re.findall(r'R"\((.*?)\)"', loader + check, re.S)):
        yield f"test-{number}", text.replace("^", "").encode()
    yield "full", FULL.encode()


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
  - {name: red, id: 2, router_mac: "02:00:5e:00:02:01"}
vifs:
  - {name: vm1, device: "tap:vm1", vrf: blue, mac: "02:00:00:00:01:01", addresses: [10.1.0.11, "fd00:1::11"], mtu: 1450, anti_spoofing: false}
tunnels:
  - {name: t4, kind: vxlan, vni: 100, remote: 192.0.2.2, port: 8472, source_ports: 1-2, inner_destination_mac: "02:00:5e:00:01:01", ttl: 9, dscp: 46}
  - {name: t6, kind: vxlan, vni: 0x10, remote: "2001:db8::2", inner_destination_mac: "02:00:5e:00:01:01"}
decaps:
  - {name: d4, kind: vxlan, vni: 100, vrf: blue, sources: [192.0.2.0/24]}
  - {name: d6, kind: vxlan, vni: 101, vif: vm1, local: "2001:db8::1", sources: ["2001:db8::/64"], zero_udp_checksum6: true}
routes:
  - {vrf: blue, prefix: 10.2.0.0/16, via: {tunnel: t4}}
  - {vrf: blue, prefix: "fd00:2::/32", via: {tunnel: t6}}
  - {vrf: red, prefix: 0.0.0.0/0, via: {vrf: blue}}
  - {vrf: red, prefix: 10.3.0.1/32, via: {vif: vm1}}
  - {vrf: underlay, prefix: 198.51.100.0/24, via: {gateway: 192.0.2.7}}
  - {vrf: red, prefix: 10.9.0.0/16, via: {discard: true}}
"""

REQUESTS = [
    'PUT /v1/route {"vrf":"blue","prefix":"10.3.0.0/16","via":{"tunnel":"to-b"}}',
    'PUT /v1/route {"vrf":"blue","prefix":"10.3.0.0/16","via":{"vif":"vm2"}}',
    'PUT /v1/route {"vrf":"red","prefix":"10.3.0.1/32","via":{"vrf":"blue"}}',
    'PUT /v1/route {"vrf":"underlay","prefix":"198.51.100.0/24","via":{"gateway":"192.0.2.7"}}',
    'PUT /v1/route {"vrf":"underlay","prefix":"192.0.2.0/24","via":{"discard":true}}',
    'PUT /v1/route {"vrf":"underlay","prefix":"192.0.2.2/32","via":{"gateway":"192.0.2.9"}}',
    'PUT /v1/route {"vrf":"blue","prefix":"fd00:7::/32","via":{"discard":true}}',
    'DELETE /v1/route {"vrf":"blue","prefix":"10.1.0.12/32"}',
    'DELETE /v1/route {"vrf":"blue","prefix":"10.1.0.0/24"}',
    'DELETE /v1/route {"vrf":"underlay","prefix":"0.0.0.0/0"}',
    'PUT /v1/tunnel {"name":"to-b","remote":"192.0.2.3"}',
    'PUT /v1/tunnel {"name":"to-b","remote":"2001:db8::2","vni":7,"port":8472,"source_ports":"1000-2000"}',
    'PUT /v1/tunnel {"name":"new","kind":"vxlan","vni":5,"remote":"203.0.113.9",'
    '"inner_destination_mac":"02:00:5e:00:01:02"}',
    'POST /v1/explain {"vif":"vm1","fields":{"dst":"10.1.0.12","protocol":"udp","source_port":1,'
    '"destination_port":2,"ttl":1,"bytes":1500,"dont_fragment":true}}',
    'POST /v1/explain {"port":"fab0","fields":{"src":"2001:db8::2","dst":"2001:db8::1","protocol":6,'
    '"source_mac":"02:00:00:00:00:09","destination_mac":"02:00:00:00:00:01"}}',
    'POST /v1/explain {"vif":"vm1","fields":{"dst":"fd00:1::12","protocol":"255"}}',
    'POST /v1/explain {"vif":"vm1","hex":"02 00:5e 0A ff"}',
    "GET /v1/route?vrf=blue", "GET /v1/drops?all=true", "GET /v1/route?vrf=%62lue&x", "GET /v1/none", "PUT /v1/vif {}",
]


def http():
    head = "Host: x\r\n"
    requests = {
        "get": f"GET /v1/vif HTTP/1.1\r\n{head}\r\n",
        "query": f"GET /v1/route?vrf=a%20b HTTP/1.1\r\n{head}Connection: close\r\n\r\n",
        "put": f"PUT /v1/route HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{{}}",
        "chunked": f"POST /throw HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n",
        "continue": f"PUT /x HTTP/1.1\r\n{head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "old": "GET / HTTP/1.0\r\n\r\n",
        "head": f"HEAD / HTTP/1.1\r\n{head}\r\n",
        "huge": f"PUT /x HTTP/1.1\r\n{head}Content-Length: 99999999999\r\n\r\n",
        "bad-path": f"GET %zz HTTP/1.1\r\n{head}\r\n",
        "upgrade": f"GET / HTTP/1.1\r\n{head}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "fold": f"GET / HTTP/1.1\r\n{head}A: b\r\n  c\r\n\r\n",
    }
    for name, text in requests.items():
        yield name, b"\0" + text.encode()
        yield f"{name}-bytes", b"\1" + text.encode()
    yield "pipelined", b"\0" + (requests["get"] + requests["put"] + requests["chunked"] + requests["get"]).encode()


ANSWERS = {
    "table": '{"title":"t\\u001b[1m","columns":["a","b"],"rows":[{"a":1,"b":null},{"a":"\\u0007","b":[1,[2]]},{}]}',
    "message": '{"message":"done\\n","generation":3}',
    "explanation": '{"steps":[{"stage":"parse","text":"x"}],"verdict":"transmit","reason":"none","explanation":null,'
                   '"port":"fab0","frame_hex":"0102030405060708090a0b0c0d0e0f101112"}',
    "error": '{"error":"no"}', "array": "[1,2,{}]", "odd": '{"columns":[1,null],"rows":[1,"x",null]}',
    "odd-steps": '{"steps":[1,{"stage":[]}],"frame_hex":[]}',
}


def frames():
    head = bytes([0, 0, 64]) + word(64) + word(1000) + word(7)
    v4, v6 = bytes([10, 1, 0, 11, 10, 1, 0, 12]), bytes([0xfd] + [0] * 14 + [1]) * 2
    for protocol in (1, 6, 17, 58, 47):
        for name, flags, addresses in (("v4", 3, v4), ("v6", 0, v6), ("mixed", 1, v4 + v6)):
            yield f"{name}-{protocol}", bytes([flags | 4, protocol]) + head[2:] + addresses


def texts(lines):
    return ((str(i), line.encode()) for i, line in enumerate(lines))


TARGETS = {
    "pipeline": pipeline, "agent": agent, "config": config, "http": http, "nd": nd, "frame_builder": frames,
    "icmp": lambda: ((f"{n}-{f}", bytes([f]) + word(1400) + p) for n, p in ip_packets() for f in (0, 1, 3, 5, 7, 9)),
    "ipv4": lambda: ((f"{n}-{f}", bytes([f]) + p) for n, p in ip_packets() if p[0] >> 4 == 4 for f in (0, 1)),
    "ipv6": lambda: ((n, p) for n, p in ip_packets() if p[0] >> 4 == 6),
    "checksum": lambda: ((n, word(6) + p) for n, p in ip_packets()),
    "arp": lambda: ((n, f[14:]) for n, f in NEIGHBOUR_FRAMES.items() if f[12:14] == b"\x08\x06"),
    "tunnel": lambda: ((str(v), b"\0" + bytes(VXLAN(flags=8, vni=v)) + bytes(20)) for v in (0, 100, 0xffffff)),
    "api": lambda: [*texts(REQUESTS), ("all", "\n".join(REQUESTS[:16]).encode())],
    "ctl_output": lambda: ((f"{n}-{s}", bytes([s]) + a.encode()) for n, a in ANSWERS.items() for s in range(3)),
    "percent": lambda: texts(["a=1&b", "vrf=a%20b&vrf=%41", "%zz", "a%2", "&&=&x=%00", "/v1/route"]),
    "address": lambda: texts(["02:00:00:00:00:01", "192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4", "10.1.2.3/24",
                              "fd00::/128", "0.0.0.0/0", "::/0", "1.2.3.4/33", "ff:FF:aa:BB:cc:0g"]),
}


def main():
    for target, seeds in TARGETS.items():
        directory = Path(sys.argv[1]) / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
