"""Rows of data: a frame goes in at a port; these frames come out, and these counters move.

Every byte is made by scapy. The router under test: CONFIG in test_golden.py.
"""
from dataclasses import dataclass, field

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, fragment
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig,
                                ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Padding, Raw

ROUTER, VM, PEER, FABRIC = "02:00:5e:00:01:01", "02:00:00:00:01:11", "02:00:00:00:09:02", "02:00:00:00:09:01"
HERE, THERE, HERE6, THERE6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
NEAR, FAR, NEAR6, FAR6 = "10.1.0.11", "10.1.0.12", "fd00:1::11", "fd00:1::12"
GATEWAY, GATEWAY6 = "10.1.0.1", "fd00:1::1"
DATA = Raw(b"golden bytes of odd length, 37 of them")


@dataclass
class Row:
    name: str
    port: str                      # blue, red or fabric
    frame: object
    out: list = field(default_factory=list)      # (port, frame)
    drops: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)   # (table, name) -> packets


def vm(ip, source=VM, destination=ROUTER):
    return Ether(src=source, dst=destination) / ip


def outer(inner, vni=100, tos=0, **udp):
    return (Ether(src=FABRIC, dst=PEER) / IP(src=HERE, dst=THERE, ttl=64, id=0, flags="DF", tos=tos) /
            UDP(**{"sport": 50000, "dport": 4789, "chksum": 0, **udp}) / VXLAN(flags=8, vni=vni) / inner)


def arriving(inner, source=THERE, destination=HERE, vni=100, flags=8, ip=None, udp=None):
    return (Ether(src=PEER, dst=FABRIC) / IP(src=source, dst=destination, ttl=60, **(ip or {})) /
            UDP(**{"sport": 51234, "dport": 4789, "chksum": 0, **(udp or {})}) /
            VXLAN(flags=flags, vni=vni) / inner)


def routed(ip):
    """An inner frame between two routers."""
    return Ether(src=ROUTER, dst=ROUTER) / ip


def fixed(packet, **fields):
    """The packet with fields of its innermost IP header set after checksums were computed."""
    built = Ether(bytes(packet))
    for name, value in fields.items():
        setattr(built.getlayer(IP, built.layers().count(IP)), name, value)
    return built


def ip4(ttl, **more):
    return IP(**{"src": NEAR, "dst": FAR, "ttl": ttl, "id": 7, **more})


def ip6(hlim, **more):
    return IPv6(**{"src": NEAR6, "dst": FAR6, "hlim": hlim, **more})


def back4(ttl, **more):
    return IP(**{"src": FAR, "dst": NEAR, "ttl": ttl, "id": 8, **more})


def back6(hlim, **more):
    return IPv6(**{"src": FAR6, "dst": NEAR6, "hlim": hlim, **more})


U = UDP(sport=1111, dport=2222) / DATA
T = TCP(sport=1111, dport=80, flags="S", options=[("MSS", 1460)])
ICMP_ROOM = 576 - 20 - 8  # of the offending packet in an ICMP error (RFC 1812 §4.3.2.3; precedence §4.3.2.5)


def icmp_error(kind, offender, to=NEAR, **fields):
    return (IP(src=GATEWAY, dst=to, ttl=64, tos=0xC0) / ICMP(type=kind, **fields) /
            Raw(bytes(offender)[:ICMP_ROOM]))


BIG4 = ip4(64, flags="DF") / UDP(sport=1, dport=2) / Raw(bytes(1450 - 28 + 1))
BIG6 = ip6(64) / UDP(sport=1, dport=2) / Raw(bytes(1450 - 48 + 1))
FITS4 = UDP(sport=1, dport=2) / Raw(bytes(1450 - 28))
ANY4 = UDP(sport=1, dport=2) / Raw(bytes(range(256)) * 5 + bytes(192))  # as large as a VM's MTU
IN_EIGHTS = (1450 - 20) // 8 * 8

ENCAP = [
    Row("IPv4 UDP into the tunnel", "blue", vm(ip4(64) / U), [("fabric", outer(routed(ip4(63) / U)))],
        counts={("tunnel", "to-peer"): 1}),
    Row("IPv4 TCP into the tunnel", "blue", vm(ip4(2) / T), [("fabric", outer(routed(ip4(1) / T)))]),
    Row("IPv6 into the tunnel", "blue", vm(ip6(64) / U), [("fabric", outer(routed(ip6(63) / U)))]),
    Row("IPv4 with options", "blue", vm(ip4(64, options=[IPOption_Router_Alert()]) / U),
        [("fabric", outer(routed(ip4(63, options=[IPOption_Router_Alert()]) / U)))]),
    Row("a fragment", "blue", vm(ip4(64, flags="MF", frag=100) / Raw(bytes(64))),
        [("fabric", outer(routed(ip4(63, flags="MF", frag=100) / Raw(bytes(64)))))]),
    Row("IPv6 extension headers", "blue", vm(ip6(9) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(id=5) / U),
        [("fabric", outer(routed(ip6(8) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(id=5) / U)))]),
    Row("the outer ECN is the inner one, the outer DSCP is 0", "blue", vm(ip4(64, tos=0xBB) / U),
        [("fabric", outer(routed(ip4(63, tos=0xBB) / U), tos=3))]),
    Row("ECN of IPv6 in an outer IPv4 header", "blue", vm(ip6(64, tc=0xB9) / U),
        [("fabric", outer(routed(ip6(63, tc=0xB9) / U), tos=1))]),
    Row("DSCP and TTL copied, ECN of IPv4 in an outer IPv6 header", "blue", vm(ip4(9, dst="10.1.0.18", tos=0xBA) / U),
        [("fabric", Ether(src=FABRIC, dst=PEER) / IPv6(src=HERE6, dst=THERE6, hlim=8, tc=0xBA) /
          UDP(sport=50000, dport=4789) / VXLAN(flags=8, vni=107) / routed(ip4(8, dst="10.1.0.18", tos=0xBA) / U))]),
    Row("padding of the frame does not travel", "blue", vm(ip4(64) / UDP(sport=1, dport=2)) / Padding(bytes(18)),
        [("fabric", outer(routed(ip4(63) / UDP(sport=1, dport=2))))]),
    Row("exactly as large as fits", "blue", vm(ip4(64, flags="DF") / FITS4),
        [("fabric", outer(routed(ip4(63, flags="DF") / FITS4)))]),
    Row("larger than fits, without DF, in pieces", "blue", vm(ip4(64) / ANY4),
        [("fabric", outer(routed(piece))) for piece in fragment(ip4(63) / ANY4, IN_EIGHTS)],
        counts={("tunnel", "to-peer"): 2}),
    Row("a piece in pieces", "blue", vm(ip4(64, flags="MF", frag=100, proto=17) / Raw(bytes(1480))),
        [("fabric", outer(routed(ip4(63, flags="MF", frag=100, proto=17) / Raw(bytes(IN_EIGHTS))))),
         ("fabric", outer(routed(ip4(63, flags="MF", frag=100 + IN_EIGHTS // 8, proto=17) /
                                 Raw(bytes(1480 - IN_EIGHTS)))))]),
    Row("through an IPv6 underlay, with its UDP checksum", "blue", vm(ip4(64, dst="10.1.0.16") / U),
        [("fabric", Ether(src=FABRIC, dst=PEER) / IPv6(src=HERE6, dst=THERE6, hlim=64) /
          UDP(sport=50000, dport=4789) / VXLAN(flags=8, vni=106) / routed(ip4(63, dst="10.1.0.16") / U))]),
    Row("by an ecmp route, as by its only member", "blue", vm(ip4(64, dst="10.1.0.17") / U),
        [("fabric", Ether(src=FABRIC, dst=PEER) / IPv6(src=HERE6, dst=THERE6, hlim=64) /
          UDP(sport=50000, dport=4789) / VXLAN(flags=8, vni=106) / routed(ip4(63, dst="10.1.0.17") / U))]),
    Row("the other tenant's same addresses, its own VNI", "red", vm(ip4(64) / U),
        [("fabric", outer(routed(ip4(63) / U), vni=200))], counts={("tunnel", "to-peer"): 0}),
]

DECAP = [
    Row("IPv4 to the VM", "fabric", arriving(routed(back4(63) / U)),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)], counts={("decap", "from-peer"): 1}),
    Row("IPv6 to the VM", "fabric", arriving(routed(back6(63) / T)),
        [("blue", Ether(src=ROUTER, dst=VM) / back6(62) / T)]),
    Row("the other VNI to the other tenant", "fabric", arriving(routed(back4(63) / U), vni=200),
        [("red", Ether(src=ROUTER, dst=VM) / back4(62) / U)]),
    Row("reserved bits and bytes of VXLAN are ignored", "fabric",
        Ether(src=PEER, dst=FABRIC) / IP(src=THERE, dst=HERE) / UDP(sport=5, dport=4789, chksum=0) /
        Raw(bytes.fromhex("ffabcdef000064ee")) / routed(back4(63) / U),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)]),
    Row("a right outer UDP checksum", "fabric", arriving(routed(back4(63) / U), udp={"chksum": None}),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)]),
    Row("congestion outside is marked inside", "fabric", arriving(routed(back4(63, tos=0xBA) / U), ip={"tos": 3}),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62, tos=0xBB) / U)]),
    Row("ECT(1) outside comes inside, DSCP does not", "fabric",
        arriving(routed(back6(63, tc=0xBA) / U), ip={"tos": 0x29}),
        [("blue", Ether(src=ROUTER, dst=VM) / back6(62, tc=0xB9) / U)]),
    Row("congestion outside, and a packet that cannot be marked", "fabric",
        arriving(routed(back4(63, tos=0xB8) / U), ip={"tos": 3}), drops={"outer_ce_inner_not_ect": 1},
        counts={("decap", "from-peer"): 1}),
    Row("DSCP copied, congestion of an outer IPv6 header", "fabric",
        Ether(src=PEER, dst=FABRIC) / IPv6(src=THERE6, dst=HERE6, tc=0x2B) / UDP(sport=5, dport=4789) /
        VXLAN(flags=8, vni=107) / routed(back4(63, tos=0xBA) / U),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62, tos=0x2B) / U)]),
    Row("through the IPv6 underlay", "fabric",
        Ether(src=PEER, dst=FABRIC) / IPv6(src=THERE6, dst=HERE6) / UDP(sport=5, dport=4789) /
        VXLAN(flags=8, vni=106) / routed(back4(63) / U),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)]),
    Row("an IPv6 outer without UDP checksum", "fabric",
        Ether(src=PEER, dst=FABRIC) / IPv6(src=THERE6, dst=HERE6) / UDP(sport=5, dport=4789, chksum=0) /
        VXLAN(flags=8, vni=106) / routed(back4(63) / U), drops={"outer_udp_checksum_missing": 1}),
    Row("a wrong outer UDP checksum", "fabric", arriving(routed(back4(63) / U), udp={"chksum": 0x1234}),
        drops={"outer_udp_checksum": 1}),
    Row("an outer UDP length that lies", "fabric", arriving(routed(back4(63) / U), udp={"len": 30}),
        drops={"outer_udp_length": 1}),
    Row("an unknown VNI", "fabric", arriving(routed(back4(63) / U), vni=101), drops={"decap_unknown_vni": 1}),
    Row("an unlisted source", "fabric", arriving(routed(back4(63) / U), source="198.51.100.1"),
        drops={"decap_source_unlisted": 1}),
    Row("no VNI flag", "fabric", arriving(routed(back4(63) / U), flags=0), drops={"tunnel_header_invalid": 1}),
    Row("an inner frame to another MAC", "fabric",
        arriving(Ether(src=ROUTER, dst="02:00:00:00:77:77") / back4(63) / U), drops={"inner_mac_unknown": 1}),
    Row("an inner IPv4 checksum that is wrong", "fabric", fixed(arriving(routed(back4(63) / U)), chksum=1),
        drops={"ipv4_checksum": 1}),
    Row("an inner length beyond the packet", "fabric", arriving(routed(back4(63, len=900) / U)),
        drops={"ipv4_total_length": 1}),
    Row("nothing inside", "fabric", arriving(Raw(b"")), drops={"frame_truncated": 1}),
    Row("to a VM that is not here: the sender hears of it through the tunnel", "fabric",
        arriving(routed(back4(63, dst="10.1.0.99") / U)),
        [("fabric", outer(routed(icmp_error(3, back4(63, dst="10.1.0.99") / U, to=FAR, code=0))))], drops={"no_route": 1}),
]

VM_SIDE = [
    Row("a foreign source address", "blue", vm(ip4(64, src="10.1.0.66") / U), drops={"spoofed_ip": 1}),
    Row("a foreign IPv6 source", "blue", vm(ip6(64, src="fd00:1::66") / U), drops={"spoofed_ip": 1}),
    Row("a foreign source MAC", "blue", vm(ip4(64) / U, source="02:00:00:00:66:66"), drops={"spoofed_mac": 1}),
    Row("another destination MAC", "blue", vm(ip4(64) / U, destination="02:00:00:00:66:66"),
        drops={"l2_destination_unknown": 1}),
    Row("a VLAN tag", "blue", Ether(src=VM, dst=ROUTER) / Dot1Q(vlan=5) / ip4(64) / U,
        drops={"ethertype_unsupported": 1}),
    Row("multicast", "blue", vm(ip4(64, dst="224.1.2.3") / U, destination="01:00:5e:01:02:03"),
        drops={"ip_destination_unsupported": 1}),
    Row("an IPv4 version that is 5", "blue", vm(ip4(64, version=5) / U), drops={"ipv4_version": 1}),
    Row("an IPv4 header length of 4 words", "blue", vm(ip4(64, ihl=4) / U), drops={"ipv4_header_length": 1}),
    Row("an IPv4 header longer than the packet", "blue", vm(ip4(64, ihl=15) / UDP()), drops={"ipv4_header_length": 1}),
    Row("an IPv4 total length beyond the frame", "blue", vm(ip4(64, len=400) / U), drops={"ipv4_total_length": 1}),
    Row("an IPv4 total length below the header", "blue", vm(ip4(64, len=19) / U), drops={"ipv4_total_length": 1}),
    Row("an IPv4 checksum that is wrong", "blue", vm(ip4(64, chksum=0xBEEF) / U), drops={"ipv4_checksum": 1}),
    Row("an IPv6 payload length beyond the frame", "blue", vm(ip6(64, plen=400) / U),
        drops={"ipv6_payload_length": 1}),
    Row("an IPv6 version that is 7", "blue", vm(ip6(64, version=7) / U), drops={"ipv6_version": 1}),
    Row("a discard route", "blue", vm(ip4(64, dst="10.66.0.1") / U),
        [("blue", Ether(src=ROUTER, dst=VM) / icmp_error(3, ip4(64, dst="10.66.0.1") / U, code=0))],
        drops={"discard_route": 1}),
]

ROUTER_ANSWERS = [
    Row("ARP for the gateway", "blue",
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=VM, psrc=NEAR, pdst=GATEWAY),
        [("blue", Ether(src=ROUTER, dst=VM) / ARP(op=2, hwsrc=ROUTER, psrc=GATEWAY, hwdst=VM, pdst=NEAR))]),
    Row("ARP for a VM behind the tunnel", "blue",
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=VM, psrc=NEAR, pdst=FAR),
        [("blue", Ether(src=ROUTER, dst=VM) / ARP(op=2, hwsrc=ROUTER, psrc=FAR, hwdst=VM, pdst=NEAR))]),
    Row("a VM's probe for its own address", "blue",
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=VM, psrc="0.0.0.0", pdst=NEAR),
        drops={"neighbour_not_ours": 1}),
    Row("a VM's announcement", "blue",
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=VM, psrc=NEAR, pdst=NEAR),
        drops={"neighbour_not_ours": 1}),
    Row("ARP in another's name", "blue",
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=VM, psrc="10.1.0.66", pdst=GATEWAY),
        drops={"spoofed_ip": 1}),
    Row("ARP through the tunnel for a VM here", "fabric",
        arriving(Ether(src=PEER, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=PEER, psrc=FAR, pdst=NEAR)),
        [("fabric", outer(Ether(src=ROUTER, dst=PEER) /
                          ARP(op=2, hwsrc=ROUTER, psrc=NEAR, hwdst=PEER, pdst=FAR)))]),
    Row("ARP through the tunnel for somebody else", "fabric",
        arriving(Ether(src=PEER, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=PEER, psrc=FAR, pdst="10.1.0.16")),
        drops={"neighbour_not_ours": 1}),
    Row("ND for the gateway", "blue",
        Ether(src=VM, dst="33:33:ff:00:00:01") / IPv6(src=NEAR6, dst="ff02::1:ff00:1", hlim=255) /
        ICMPv6ND_NS(tgt=GATEWAY6) / ICMPv6NDOptSrcLLAddr(lladdr=VM),
        [("blue", Ether(src=ROUTER, dst=VM) / IPv6(src=GATEWAY6, dst=NEAR6, hlim=255) /
          ICMPv6ND_NA(tgt=GATEWAY6, R=1, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=ROUTER))]),
    Row("ND with a hop limit that has travelled", "blue",
        Ether(src=VM, dst="33:33:ff:00:00:01") / IPv6(src=NEAR6, dst="ff02::1:ff00:1", hlim=254) /
        ICMPv6ND_NS(tgt=GATEWAY6) / ICMPv6NDOptSrcLLAddr(lladdr=VM), drops={"neighbour_malformed": 1}),
    Row("a VM's duplicate address detection", "blue",
        Ether(src=VM, dst="33:33:ff:00:00:11") / IPv6(src="::", dst="ff02::1:ff00:11", hlim=255) /
        ICMPv6ND_NS(tgt=NEAR6), drops={"neighbour_not_ours": 1}),
    Row("ping to the gateway", "blue", vm(ip4(64, dst=GATEWAY) / ICMP(id=3, seq=4) / DATA),
        [("blue", Ether(src=ROUTER, dst=VM) / IP(src=GATEWAY, dst=NEAR, ttl=64) / ICMP(type=0, id=3, seq=4) / DATA)]),
    Row("IPv6 ping to the gateway", "blue", vm(ip6(64, dst=GATEWAY6) / ICMPv6EchoRequest(id=3, seq=4, data=b"x")),
        [("blue", Ether(src=ROUTER, dst=VM) / IPv6(src=GATEWAY6, dst=NEAR6, hlim=64) /
          ICMPv6EchoReply(id=3, seq=4, data=b"x"))]),
    Row("ping to our tunnel address", "fabric",
        Ether(src=PEER, dst=FABRIC) / IP(src=THERE, dst=HERE, ttl=9) / ICMP(id=1, seq=2),
        [("fabric", Ether(src=FABRIC, dst=PEER) / IP(src=HERE, dst=THERE, ttl=64) / ICMP(type=0, id=1, seq=2))]),
    Row("TTL runs out", "blue", vm(ip4(1) / U),
        [("blue", Ether(src=ROUTER, dst=VM) / icmp_error(11, ip4(1) / U))], drops={"ttl_expired": 1}),
    Row("hop limit runs out", "blue", vm(ip6(1) / U),
        [("blue", Ether(src=ROUTER, dst=VM) / IPv6(src=GATEWAY6, dst=NEAR6, hlim=64) / ICMPv6TimeExceeded() /
          Raw(bytes(ip6(1) / U)))], drops={"ttl_expired": 1}),
    Row("no route", "blue", vm(ip4(64, dst="10.1.0.77") / U),
        [("blue", Ether(src=ROUTER, dst=VM) / icmp_error(3, ip4(64, dst="10.1.0.77") / U, code=0))],
        drops={"no_route": 1}),
    Row("no IPv6 route", "blue", vm(ip6(64, dst="fd00:7::1") / U),
        [("blue", Ether(src=ROUTER, dst=VM) / IPv6(src=GATEWAY6, dst=NEAR6, hlim=64) / ICMPv6DestUnreach(code=0) /
          Raw(bytes(ip6(64, dst="fd00:7::1") / U)))], drops={"no_route": 1}),
    Row("one byte too big", "blue", vm(BIG4),
        [("blue", Ether(src=ROUTER, dst=VM) / icmp_error(3, BIG4, code=4, nexthopmtu=1450))], drops={"too_big": 1}),
    Row("one byte too big, IPv6", "blue", vm(BIG6),
        [("blue", Ether(src=ROUTER, dst=VM) / IPv6(src=GATEWAY6, dst=NEAR6, hlim=64) /
          ICMPv6PacketTooBig(mtu=1450) / Raw(bytes(BIG6)[:1280 - 48]))], drops={"too_big": 1}),
    Row("an ICMP error whose TTL runs out makes no other", "blue",
        vm(ip4(1) / ICMP(type=3, code=1) / Raw(bytes(ip4(3) / U))), drops={"ttl_expired": 1}),
]

ROWS = ENCAP + DECAP + VM_SIDE + ROUTER_ANSWERS
