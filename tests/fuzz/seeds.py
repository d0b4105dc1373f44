#!/usr/bin/python3
"""Writes the first corpora of the fuzz targets: DIRECTORY/TARGET/NAME.

Packets are those that scapy made for the unit tests, taken from their sources, so that no byte
comes from our own encoder.
"""
import re
import sys
from pathlib import Path

from scapy.contrib.bfd import BFD
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting)
from scapy.layers.l2 import ARP, GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from seeds_config import TESTS, config

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
    for name, frame in PEER.items():
        for vlan in (0, 7):
            yield f"{name}-vlan{vlan}", item(frame[:12] + b"\x81\0" + word(vlan) + frame[12:], FABRIC)
    for start in range(0, len(items), 8):
        yield f"burst-{start}", SEPARATOR.join(items[start:start + 8])
    yield "burst-all", SEPARATOR.join(items)
    vm1 = VM["vm1_udp4"]
    for name, address in {"glean": "0a050001", "silent": "0a060001", "unresolved": "0a070001",
                          "tunnel-silent": "0a080001", "discard": "0a090001", "none": "0b000001"}.items():
        yield f"to-{name}", item(vm1[:30] + bytes.fromhex(address) + vm1[34:], VM1, REPAIR)
    vm4 = VM["vm4_udp4"]
    yield from (item_of for number, packet in enumerate(unfinished()) for item_of in
                ((f"unfinished-{number}", item(vm4[:14] + packet, VM4)),
                 (f"unfinished-{number}-pieces", item(vm4[:14] + packet, VM4, piece=40)),
                 (f"unfinished6-{number}", item(vm4[:12] + b"\x86\xdd" + packet, VM4)),
                 (f"unfinished-{number}-vm1", item(vm1[:14] + packet, VM1))))
    for name, packet in ip_packets():
        ether = vm1[:12] + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd")
        yield f"ip-{name}", item(ether + packet, VM1)
        yield f"ip-{name}-trusted", item(ether + packet, TRUSTED)
        yield f"ip-{name}-own", item(packet, VM1, OWN)
    for source, target in (("::", "fd00:1::12"), ("fd00:1::11", "fe80::1"), ("fd00:1::11", "::1"), ("fd00:1::11", "::"),
                           ("::1", "fd00:1::12"), ("ff02::1", "fd00:1::12"), ("fe80::1", "fd00:1::12")):
        packet = bytes(IPv6(src=source, dst=target) / UDP())
        yield f"from-{source}-to-{target}", item(vm1[:12] + b"\x86\xdd" + packet, TRUSTED)
    for source, target in (("0.0.0.0", "10.1.0.12"), ("127.0.0.1", "10.1.0.12"), ("10.1.0.15", "127.0.0.1"),
                           ("224.0.0.1", "10.1.0.12"), ("10.1.0.15", "255.255.255.255"), ("169.254.0.1", "10.1.0.12")):
        yield f"from-{source}-to-{target}", item(vm1[:14] + bytes(IP(src=source, dst=target) / UDP()), TRUSTED)
    for size in range(34, 51):  # an outer header that ends early
        cut = PEER["peer_udp4"][:size]
        yield f"cut-{size}", item(cut, FABRIC, REPAIR)
        yield f"cut-{size}-pieces", item(PEER["peer_udp4"], FABRIC, piece=size)
    stranger = PEER["peer_udp4"][:50] + b"\2" * 6 + PEER["peer_udp4"][56:]
    yield "inner-stranger", item(stranger, FABRIC)
    unchecked = PEER["peer6_tcp4"][:60] + b"\0\0" + PEER["peer6_tcp4"][62:]
    yield "unchecked6", item(unchecked, FABRIC)
    for size in (1450, 1451, 1500, 1501, 3000):
        payload = vm1 + bytes(14 + size - len(vm1))
        yield f"size-{size}", item(payload, VM1, REPAIR)
        yield f"size-{size}-df", item(payload[:20] + b"\x40" + payload[21:], VM1, REPAIR)


def unfinished():
    """Packets of vm4 whose TCP or UDP checksum is the bare pseudo-header sum, or nearly so."""
    for v4 in (True, False):
        for upper in (UDP(sport=1, dport=2) / bytes(8), TCP(sport=1, dport=2) / bytes(8)):
            for right in (False, True):
                ip = IP(src="10.1.0.14", dst="10.1.0.12") if v4 else IPv6(src="fd00:1::14", dst="fd00:1::12")
                packet = bytearray(bytes(ip / upper))
                start, protocol = (20, packet[9]) if v4 else (40, packet[6])
                length = len(packet) - start
                addresses = packet[12:20] if v4 else packet[8:40]
                pseudo = ones_sum(addresses + word(length) + word(protocol))
                field = start + (6 if protocol == 17 else 16)
                packet[field:field + 2] = word(pseudo)
                if right:  # by chance: the last word makes the whole sum what it must be
                    packet[-2:] = b"\0\0"
                    packet[-2:] = word(0xffff - ones_sum(packet[start:] + word(pseudo)))
                yield bytes(packet)
                yield bytes(packet[:start + 4])
    yield bytes(IP(src="10.1.0.14", dst="10.1.0.12", flags="MF") / UDP() / bytes(8))
    yield bytes(IP(src="10.1.0.14", dst="10.1.0.12") / UDP(chksum=0))
    yield bytes(IP(src="10.1.0.14", dst="10.1.0.12") / UDP())[:24]
    yield bytes(IP(src="10.1.0.14", dst="10.1.0.12", len=24) / UDP())


def ones_sum(data):
    total = sum(int.from_bytes(data[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def punt(frame, kind, where, reason=0, offset=0, wait=10):
    return bytes([kind << 1, reason, where, offset]) + word(1400) + bytes([wait]) + frame


def advertisements():
    """Two in a row about the gateway and others, in all their ways."""
    fabric = bytes.fromhex("020000000f01")
    ways = [(s, o, mac) for s in (0, 1) for o in (0, 1) for mac in (None, "02:00:00:00:00:fe", "02:00:00:00:00:fd")]

    def frame(target, way, source="2001:db8::fe"):
        solicited, override, mac = way
        message = ICMPv6ND_NA(tgt=target, R=1, S=solicited, O=override)
        if mac:
            message = message / ICMPv6NDOptDstLLAddr(lladdr=mac)
        return fabric + b"\2\0\0\0\0\xfe\x86\xdd" + bytes(IPv6(src=source, dst="2001:db8::1", hlim=255) / message)
    for number, first in enumerate(ways):
        pairs = [punt(frame("2001:db8::fe", way), 0, 0) for second in ways for way in (first, second)]
        yield f"advertised-{number}", SEPARATOR.join(pairs)
    for target in ("2001:db8::1", "fe80::ff:fe00:f01", "2001:db8::77"):
        yield f"advertised-{target}", punt(frame(target, ways[4]), 0, 0)
    yield "advertised-our-mac", punt(frame("2001:db8::fe", (1, 1, "02:00:00:00:0f:01")), 0, 0)


def solicitations():
    fabric, asker = bytes.fromhex("020000000f01"), "02:00:00:00:00:09"
    for number, (source, target, mac) in enumerate([
            ("2001:db8::1", "2001:db8::1", asker), ("2001:db8::1", "2001:db8::1", "02:00:00:00:0f:01"),
            ("fd00:9::9", "2001:db8::1", asker), ("2001:db8::9", "2001:db8::1", "02:00:00:00:0f:01"),
            ("fe80::9", "2001:db8::1", asker), ("2001:db8::9", "2001:db8::1", None), ("::", "2001:db8::1", None),
            ("2001:db8::9", "2001:db8::1", "01:00:00:00:00:00")]):
        message = ICMPv6ND_NS(tgt=target)
        if mac and number % 2 == 0:
            message = message / ICMPv6NDOptSrcLLAddr(lladdr=mac)
        packet = bytes(IPv6(src=source, dst="ff02::1:ff00:1", hlim=255) / message)
        for from_mac in {mac or asker, "01:00:00:00:00:01", "02:00:00:00:0f:01"}:
            ether = fabric + bytes.fromhex(from_mac.replace(":", "")) + b"\x86\xdd"
            for where in (0, 1, 2 | 1 << 2):
                yield f"solicits-{number}-{from_mac}-{where}", punt(ether + packet, 0, where)


def arps():
    fabric, other = "02:00:00:00:0f:01", "02:00:00:00:00:07"
    for number, (op, sender, target, mac, to) in enumerate([
            (1, "192.0.2.1", "192.0.2.7", other, fabric), (2, "192.0.2.2", "192.0.2.1", other, fabric),
            (2, "192.0.2.2", "192.0.2.2", other, fabric), (2, "192.0.2.255", "192.0.2.1", other, fabric),
            (1, "192.0.2.0", "192.0.2.1", other, fabric), (1, "203.0.113.1", "192.0.2.1", other, fabric),
            (1, "192.0.2.9", "192.0.2.1", fabric, fabric), (1, "10.1.0.11", "10.1.0.1", other, fabric),
            (1, "10.1.0.99", "10.1.0.1", "02:00:00:00:01:01", fabric), (1, "10.1.0.11", "10.1.0.11", other, fabric),
            (1, "10.1.0.11", "10.1.0.12", "02:00:00:00:01:01", fabric),
            (1, "10.1.0.11", "10.9.0.1", "02:00:00:00:01:01", fabric),
            (1, "10.1.0.12", "10.1.0.22", other, fabric), (1, "10.9.0.1", "10.1.0.22", other, fabric)]):
        message = ARP(op=op, hwsrc=mac, psrc=sender, hwdst=to, pdst=target)
        frame = bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / message)
        for where in (0, 1, 5, 2 | 1 << 2, 2 | 9 << 2):
            yield f"arp-{number}-{where}", punt(frame, 0, where)


def agent():
    everything = []
    for name, frame in NEIGHBOUR_FRAMES.items():
        for where in (0, 1, 5, 2 | 1 << 2, 3):
            everything.append(punt(frame, 0, where))
            yield f"{name}-{where}", everything[-1]
    for name, packet in ICMP_PACKETS.items():
        for where in (0, 1, 2 | 1 << 2, 3 | 1 << 2):
            yield f"{name}-{where}", punt(packet, 1, where, offset=1)
        for reason in range(80):
            yield f"{name}-reason-{reason}", punt(packet, 2, 1, reason, offset=1)
    flood = [punt(ICMP_PACKETS["udp_v4"], 1, 1, offset=1, wait=0)] * 31
    yield "flood", SEPARATOR.join(flood)
    link_local = {"src": "fe80::9", "dst": "2001:db8::1"}
    for name, packet in {"echo": ICMPv6EchoRequest(), "udp": UDP() / b"x"}.items():
        for source in ("020000000009", "010000000009"):
            for target in ("020000000f01", "333300000001"):
                frame = bytes.fromhex(target + source + "86dd") + bytes(IPv6(**link_local) / packet)
                for where in (0, 1, 3):
                    yield f"link-local-{name}-{source}-{target}-{where}", punt(frame, 1, where)
                    yield f"link-local-{name}-{source}-{target}-{where}-died", punt(frame, 2, where, 20)
    for start in range(0, len(everything), 16):
        yield f"sequence-{start}", SEPARATOR.join(everything[start:start + 16])
    yield from (*advertisements(), *solicitations(), *arps())


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
    yield "routing", bytes(IPv6(**destination) / IPv6ExtHdrRouting() / UDP())
    yield "fragment6-icmp", bytes(IPv6(**destination) / IPv6ExtHdrFragment(m=1) / ICMPv6EchoRequest())
    yield "fragment6", bytes(IPv6(**destination) / IPv6ExtHdrFragment(m=1) / UDP())
    yield "fragment6-echo", bytes(IPv6(**destination) / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest())
    for links in (1, 7, 8, 9):
        links6 = [IPv6ExtHdrDestOpt() for _ in range(links)]
        packet = IPv6(**destination)
        for link in links6:
            packet = packet / link
        yield f"links-{links}", bytes(packet / UDP())
    for kind in (2, 135, 136, 137):
        yield f"icmp6-{kind}", bytes(IPv6(**destination) / ICMPv6EchoRequest(type=kind))
    yield "fragment6-behind", bytes(IPv6(**destination) / IPv6ExtHdrFragment(offset=5, m=1) / bytes(20))
    yield "fragment6-cut", bytes(IPv6(**destination) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(offset=5))[:-4]
    yield "fragment6-then-upper", bytes(IPv6(**destination) / IPv6ExtHdrFragment(offset=0) / IPv6ExtHdrDestOpt() / UDP())
    yield "icmp6-cut", bytes(IPv6(**destination) / ICMPv6EchoRequest())[:40]
    yield "chain-cut", bytes(IPv6(**destination, nh=0))
    yield "multicast", bytes(IP(src="10.1.0.11", dst="224.0.0.1") / UDP())
    yield "mld", bytes(IPv6(src="::", dst="ff02::1") / ICMPv6EchoRequest())


def bfd():
    control = {"version": 1, "detect_mult": 3, "my_discriminator": 7, "your_discriminator": 9, "echo_rx_interval": 0}
    for state in ("AdminDown", "Down", "Init", "Up"):
        packet = UDP(sport=49152, dport=3784) / BFD(sta=state, **control)
        for version, ip in {"4": IP(src="192.0.2.254", dst="192.0.2.1", ttl=255),
                            "6": IPv6(src="2001:db8::fe", dst="2001:db8::1", hlim=255)}.items():
            yield f"{state}-{version}", b"\0" + bytes(ip / packet)
            yield f"{state}-{version}-repaired", b"\1" + bytes(ip / packet)
        yield f"{state}-session", b"\2\x32\3\1" + b"".join(b"\xff\x10" + bytes(BFD(sta=s, **control))
                                                          for s in (state, "Down", "Init", "Up"))
    yield "far", b"\0" + bytes(IP(ttl=254) / UDP(dport=3784) / BFD())
    yield "short", b"\1" + bytes(IP(ttl=255) / UDP(dport=3784) / bytes(20))


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
    unspecified = IPv6(src="::", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt=other)
    yield "dad", b"\0" + bytes(unspecified)
    yield "dad-told", b"\0" + bytes(unspecified / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"))
    yield "options", b"\0" + bytes.fromhex("0101020000000001" "0201020000000002" "0502" + "00" * 14)


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
    "GET /v1/flow", "GET /v1/flow?vrf=blue&vif=vm1&source=10.0.0.0/8&destination=fd00::/16&address=10.1.0.12",
    "GET /v1/flow?protocol=icmpv6&port=53&state=one-way&id=72057594037927937&sort=bytes&limit=20",
    'DELETE /v1/flow {"all":true}', 'DELETE /v1/flow {"protocol":6,"port":80,"state":"closing","id":7}',
    'DELETE /v1/flow {"vrf":"red","vif":"vm3","address":"::/0","protocol":"udp","id":"7"}',
]

# In this order, since later ones speak of what the first ones make.
GROUP_REQUESTS = [
    'POST /v1/security-group {"name":"lb","members":["10.7.0.7","fd00:7::/64"]}',
    'POST /v1/security-group {"name":"web","ingress":[{"protocol":"tcp","ports":[80,"8000-8010"],"from":"group:lb"},'
    '{"action":"deny","protocol":89,"to":["::/0","group:web"]},{"protocol":"icmp","icmp_type":8,"icmp_code":0}],"egress":[]}',
    'PUT /v1/vif {"name":"vm1","security_groups":["web","lb"]}',
    'PUT /v1/vrf {"name":"red","security_groups":["lb"]}',
    "GET /v1/security-group", "GET /v1/policy", "GET /v1/policy?vif=vm1", "GET /v1/policy?vif=nobody",
    'PUT /v1/security-group {"name":"lb","egress":[{"protocol":"udp","source_ports":["1-1023",7]}],"members":null}',
    'PUT /v1/vif {"name":"vm2","security_groups":["nobody"]}',
    'PUT /v1/security-group {"name":"web","ingress":[{"from":["group:nobody"]},{"icmp_code":1},7]}',
    'DELETE /v1/security-group {"name":"lb"}', 'PUT /v1/vif {"name":"vm1","security_groups":null}',
    'PUT /v1/vif {"name":"vm1","security_groups":[]}', 'DELETE /v1/vrf {"name":"red"}', 'DELETE /v1/security-group {"name":"web"}',
]


def api():
    yield from texts(REQUESTS)
    yield from ((f"group-{name}", text) for name, text in texts(GROUP_REQUESTS))
    yield from ((f"groups-{count}", "\n".join(GROUP_REQUESTS[:count]).encode()) for count in (3, 8, 16))
    yield "all", "\n".join(REQUESTS[:16]).encode()
    tests = (TESTS / "unit/control/agent/api_test.cpp").read_text()
    raw = re.finditer(r'"(GET|PUT|DELETE|POST)",\s*"([^"]*)"(?:,\s*(?:R"\((.*?)\)"|"([^"]*)"))?', tests, re.S)
    for number, call in enumerate(raw):
        method, path, body, plain = call.groups()
        yield f"test-{number}", f"{method} {path} {(body or plain or '').replace(chr(10), ' ')}".encode()
    for number, body in enumerate(re.findall(r'status\(R"\((.*?)\)"', tests)):
        yield f"explain-{number}", f"POST /v1/explain {body}".encode()
    for number, by in enumerate(('"protocol":"icmp"', '"protocol":"tcp"', '"protocol":"1234"', '"protocol":"256"',
                                 '"protocol":""', '"protocol":300', '"source_mac":"x"', '"dont_fragment":1')):
        yield f"fields-{number}", f'POST /v1/explain {{"vif":"vm1","fields":{{"dst":"10.1.0.12",{by}}}}}'.encode()
    yield "hex-long", b'POST /v1/explain {"vif":"vm1","hex":"' + b"00" * 16385 + b'"}'
    for number, by in enumerate(('"remote":"fe80::1"', '"inner_destination_mac":"00:00:00:00:00:00"')):
        yield f"tunnel-{number}", f'PUT /v1/tunnel {{"name":"to-b",{by}}}'.encode()
    yield "many-members", b"PUT /v1/route {" + b",".join(b'"%d":{}' % i for i in range(70)) + b"}"
    yield "nested", b"PUT /v1/route " + b"[" * 20 + b"]" * 20
    yield "hex-blanks", b'POST /v1/explain {"vif":"vm1","hex":"0a 0b:0c\\n0D"}'
    yield "hex-bad", b'POST /v1/explain {"vif":"vm1","hex":"0a;"}'
    for number, ports in enumerate(("7", "a-b", "1-x", "0-9", "9-1", "1-70000")):
        yield f"ports-{number}", f'PUT /v1/tunnel {{"name":"to-b","source_ports":"{ports}"}}'.encode()


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
            yield f"{name}-{protocol}-whole", bytes([flags, protocol]) + head[2:] + addresses
            yield f"{name}-{protocol}", bytes([flags | 4, protocol]) + head[2:] + addresses


    # A UDP checksum that comes out as zero.
    for port in range(0x10000):
        addresses = v4
        datagram = word(port) + word(7) + word(44) + bytes(38)
        if ones_sum(addresses + word(17) + word(44) + datagram) == 0xffff:
            yield "zero-sum", bytes([3, 17, 64]) + word(64) + word(port) + word(7) + addresses


def services():
    """NSH headers of both MD types, some of which are to be dropped."""
    ends = {"spi": 0x010203, "si": 255, "length": 6, "context_header": bytes(range(16))}
    yield from (NSH(ttl=t, nextproto=n, **ends) for t, n in ((63, 3), (0, 1), (1, 2), (2, 4)))
    yield from (NSH(**{**ends, **change}) for change in ({"ver": 1}, {"oam": 1}, {"length": 5}, {"unused2": 15}))
    data = bytes.fromhex("0102030373656e000103840001020387 00")
    for words, more in ((2, b""), (5, data[:12]), (6, data), (1, b""), (63, data)):
        yield NSH(mdtype=2, nextproto=1, spi=0xffffff, si=1, length=words) / Raw(more)


# Headers, each with the number of its kind in overlay/tunnel/registry.hpp.
TUNNELS = [
    *((0, VXLAN(flags=8, vni=v)) for v in (0, 100, 0xffffff)),
    *((1, VXLAN(flags=12, vni=v, NextProtocol=n)) for v, n in ((0, 3), (0xffffff, 1), (7, 2), (7, 4))),
    *((2, GENEVE(vni=v, proto=p, options=o)) for v, p, o in (
        (0, 0x6558, []), (0xffffff, 0x0800, []), (7, 0x86dd, [GeneveOptions(classid=0x102, type=3, data=b"abcd")]),
        (7, 0x6558, [GeneveOptions(classid=0x102, type=0x83), GeneveOptions(classid=1, type=1, data=bytes(124))]))),
    *((3, GRE(proto=p, chksum_present=c)) for p, c in ((0x0800, 0), (0x86dd, 0), (0x6558, 1))),
    *((4, GRE(proto=p, key_present=1, key=k, seqnum_present=s)) for p, k, s in (
        (0x0800, 0, 0), (0x6558, 0xffffffff, 1))),
    *((5, MPLS(label=v, s=1, ttl=64)) for v in (16, 0xfffff)),
    *((5, MPLS(label=16, s=0) / MPLS(label=0, s=0) / MPLS(label=v, s=1)) for v in (17, 100)),
    *((6, GRE(proto=0x8847) / MPLS(label=v, s=1, ttl=1)) for v in (16, 0xfffff)),
    *((7, IPv6ExtHdrSegmentRouting(nh=n, addresses=["2001:db8::1"] * c, segleft=left, lastentry=c - 1))
      for n, c, left in ((4, 1, 0), (41, 3, 0), (41, 2, 1))),
    *((8, MPLS(label=v, s=1, ttl=64)) for v in (16, 0xfffff)),
    *((8, MPLS(label=16, s=0) / MPLS(label=2, s=0) / MPLS(label=17, s=0) / MPLS(label=v, s=1)) for v in (17, 100)),
    *((9, VXLAN(flags=f, vni=v, NextProtocol=4) / n) for f, v in ((12, 0), (12, 0xffffff), (4, 7)) for n in services()),
    *((10, GRE(proto=0x894f, key_present=k, chksum_present=c) / n) for k, c in ((0, 0), (1, 1)) for n in services()),
    *((11, n) for n in services()),
]


STREAM = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          "from='a@b' to='b' id='1' version='1.0'>")
PUBSUB = "<iq type='set' id='7' from='a@b/c' to='d'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{}</pubsub></iq>"
ENTRY = "<entry xmlns='http://ietf.org/protocol/bgpvpn'><nlri af='1'>10.1.0.11/32</nlri><label>16</label></entry>"
# Of XEP-0060, RFC 6120 and the draft.
STANZAS = [
    PUBSUB.format("<subscribe node='blue' jid='a@b'/><options><instance-id>7</instance-id></options>"),
    PUBSUB.format("<subscribe node='blue'><options><instance-id>7</instance-id></options></subscribe>"),
    PUBSUB.format("<unsubscribe node='blue'/>"),
    PUBSUB.format(f"<publish node='1/1/blue/10.1.0.11/32'><item id='1'>{ENTRY}</item></publish>"),
    PUBSUB.format("<retract node='blue' notify='true'><item id='1'/></retract>"),
    PUBSUB.format("<collection node='blue'><associate node='1/1/blue/10.1.0.11/32'/></collection>"),
    PUBSUB.format("<collection node='blue'><dissociate node='1/1/blue/10.1.0.11/32'/></collection>"),
    "<message><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='blue'>"
    f"<item id='1'>{ENTRY}</item><retract id='2'/></items></event></message>",
    "<message><event xmlns='http://jabber.org/protocol/pubsub'><items node='0/0/EndOfRib'/></event></message>",
    "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='1'/>", "</stream:stream>",
    "<iq type='error' id='1'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text></error></iq>",
    "<!DOCTYPE s [<!ENTITY a 'aaaa'>]>", "<!-- x -->", "<?x y?>", "<iq>&lol;</iq>", "<iq><![CDATA[<&>]]>&lt;&#10;</iq>",
    "<a:iq xmlns:a='jabber:client' a:b='1' xml:lang='de'/>", "<iq a='" + "x" * 700, "<a>" * 20, "<iq>" + "<a/>" * 50,
    "<iq>" + "x" * 401, " " * 700,
]


def streams():
    for number, stanza in enumerate(STANZAS):
        yield f"{number}", b"\xff" + (STREAM + stanza).encode()
        yield f"{number}-bytes", b"\0" + (STREAM + stanza).encode()
    yield "all", b"\x40" + (STREAM + "".join(STANZAS[:13])).encode()
    yield "doctype", b"\xff<!DOCTYPE s [<!ENTITY a 'aaaa'>]><s>&a;</s>"


def channel():
    """The two forms of routes, and those parts of messages that name things."""
    source = (Path(__file__).parent.parent / "unit/control/channel/route_codec_test.cpp").read_text()
    entries = re.findall(r'R"\((.*?)\)"', source, re.S)
    evpn = ("<entry><nlri><af>25</af><safi>242</safi><ethernet-tag>1</ethernet-tag><mac>02:00:00:00:01:01</mac>"
            "<address>2001:db8::1</address></nlri><next-hops><next-hop><af>2</af><address>2001:db8::2</address>"
            "<vni>5000</vni></next-hop></next-hops><origin>a</origin><route-target-list>"
            "<route-target>target:192.0.2.1:7</route-target></route-target-list></entry>")
    profile = "<profile xmlns='urn:weft:profile:1' kind='vrf' name='a' generation='3'>{}</profile>"
    items = "".join(f"<item id='1/1/blue/10.1.0.11/32'>{e.strip()}</item>" for e in entries)
    yield from texts([
        *(e.strip() for e in entries), evpn, profile,
        f"<items node='blue'>{items}<retract id='25/242/blue/0-02:00:00:00:01:01,10.1.0.11'/></items>",
        f"<items><item id='vrf/a'>{profile}</item><retract id='route/blue 10.1.0.0/24'/></items>",
        "<applied xmlns='urn:weft:profile:1' generation='17'><refused kind='vrf' name='a'>no</refused></applied>",
        "<object xmlns='urn:weft:state:1' kind='vm' name='a' count='17' by='c0'>{}</object>",
        "1/1/blue/10.1.0.11/32", "2/4/a/b/::/0", "25/242/blue/0-02:00:00:00:01:01,10.1.0.11/32",
        "target:64512:100", "target:64512L:1", "192.0.2.1:7", "4200000000:7", "decap/blue-vxlan"])


def texts(lines):
    return ((str(i), line.encode()) for i, line in enumerate(lines))


TARGETS = {
    "pipeline": pipeline, "agent": agent, "bfd": bfd, "api": api, "config": config, "http": http, "channel": channel, "nd": nd, "frame_builder": frames,
    "icmp": lambda: ((f"{n}-{f}", bytes([f]) + word(1400) + p) for n, p in ip_packets() for f in (0, 1, 3, 5, 7, 9)),
    "ipv4": lambda: ((f"{n}-{f}", bytes([f]) + p) for n, p in ip_packets() if p[0] >> 4 == 4 for f in (0, 1)),
    "ipv6": lambda: ((n, p) for n, p in ip_packets() if p[0] >> 4 == 6),
    "spread": lambda: ((n, bytes(12) + word(0x0800 if p[0] >> 4 == 4 else 0x86dd) + p) for n, p in ip_packets()),
    "vlan": lambda: ((f"{n}-{v}-{s}", bytes([s]) + word(v | 0xa000) + (
        f if s else f[:12] + b"\x81\0" + word(v) + f[12:])) for n, f in PEER.items() for v in (0, 1, 2, 0xabc) for s in (0, 1)),
    "checksum": lambda: ((n, word(6) + p) for n, p in ip_packets()),
    "arp": lambda: ((n, f[14:]) for n, f in NEIGHBOUR_FRAMES.items() if f[12:14] == b"\x08\x06"),
    "tunnel": lambda: ((str(n), bytes([kind]) + bytes(header) + bytes(20)) for n, (kind, header) in enumerate(TUNNELS)),
    "ctl_output": lambda: ((f"{n}-{s}", bytes([s]) + a.encode()) for n, a in ANSWERS.items() for s in range(3)),
    "xmpp": streams,
    "controller_api": lambda: texts([
        "GET /v1/network ", "GET /v1/node ", "GET /v1/profile?node=a ", 'PUT /v1/node {"name":"c","tunnel_addresses":["192.0.2.3"]}',
        'POST /v1/network {"name":"red","members":["a","b"],"tunnels":["geneve","vxlan"]}', 'DELETE /v1/vm {"name":"v"}',
        'POST /v1/apply {"text":"networks: [{name: blue, members: [a]}]","dry_run":true}', "GET /healthz ",
        'PUT /v1/route {"network":"blue","prefix":"10.9.0.0/16","discard":true}\nGET /v1/route ',
        'DELETE /v1/route {"network":"blue","prefix":"0.0.0.0/0"}', "GET /v1/path?to=v&from=b", "GET /v1/%69ntent?a=%20",
        'PUT /v1/security-group {"name":"web","members":["10.9.0.0/16"],"egress":[{"protocol":"udp","ports":["53-54"]}]}',
        '-DELETE /v1/vm {"name":"v"}\n-GET /v1/intent \n-TRY vms: [{name: v, node: b, network: blue}]',
        "FILE security_groups: [{name: lb, members: [10.1.0.0/24]}, {name: web, ingress: [{from: [\"group:lb\"]}]}]",
        "FILE devices:\r  - {name: leaf, addresses: [192.0.2.254]}\rlinks:\r  - {name: l, ends: [a, leaf], cost: 2}\r",
        "FILE networks:\r  - name: red\r    tunnels: [gre, geneve]\r    import: [\"1:1\"]\r    features: {ttl: copy}\r"]),
    "percent": lambda: texts(["a=1&b", "vrf=a%20b&vrf=%41", "%zz", "a%2", "&&=&x=%00", "/v1/route"]),
    "address": lambda: texts(["02:00:00:00:00:01", "192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4", "10.1.2.3/24",
                              "fd00::/128", "127.0.0.1", "169.254.1.1", "1.2.3.4\0", "fe80::1", "10.1.2.3/32", "0.0.0.0/0", "::/0", "1.2.3.4/33", "ff:FF:aa:BB:cc:0g"]),
}


def main():
    for target, seeds in TARGETS.items():
        directory = Path(sys.argv[1]) / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
