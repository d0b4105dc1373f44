"""Rows of what rides on Ethernet, of NSH (RFC 8300) and of SRv6 (RFC 8754, RFC 8986) that is not as tunnel_rows.py has
it: headers right and wrong, forwarders of service paths, segments that pass a packet on.

`configure` gives a router what they need beside that.
"""

from rows import FABRIC, HERE, HERE6, PEER, ROUTER, THERE, THERE6, VM, Row, back4, back6, ip4
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting, IPv6ExtHdrSegmentRoutingTLVPadN
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tunnel_rows import (GRE_NUMBER, INDEX, INVALID, LABELS, ROUTING, SERVICE, UNSUPPORTED, WAYS, U, bad, cut, from_far,
                         good, to_vm, way)

UNKNOWN, EXPIRED, LEFT = "decap_unknown_vni", "nsh_ttl_expired", "srv6_segments_left"
NO_SUCH = "ethertype_unsupported"
STACK = way("mpls_over_mpls", "ip")
GPE, GPE_IP = way("nsh_over_vxlan_gpe", "ethernet"), way("nsh_over_vxlan_gpe", "ip")
PLAIN, KEYED = way("nsh_over_gre", "ip", front=False), way("nsh_over_gre", "ip", front=True)
LINK = way("nsh_over_ethernet", "ip")
ONE = next(w for w in WAYS if w.segments)
TO_V4, TO_V6, TO_VIF4, TO_VIF6, PASS, PASS_TO = (f"2001:db8:a::f{n}" for n in range(6))
BEHAVIOURS = {TO_V4: {"behaviour": "End.DT4", "vrf": "blue"}, TO_V6: {"behaviour": "End.DT6", "vrf": "blue"},
              TO_VIF4: {"behaviour": "End.DX4", "vif": "blue"}, TO_VIF6: {"behaviour": "End.DX6", "vif": "blue"},
              PASS: {"behaviour": "End"}, PASS_TO: {"behaviour": "End.X", "gateway": THERE6}}
BEYOND = "2001:db8:b::beef"   # where the underlay leads to the peer


# --- forwarders of service paths ----------------------------------------------------------------------

RELAYS = [   # of the path 900 and so on: what it comes by, and what it goes on by
    ({"kind": "nsh_over_vxlan_gpe", "vni": 77}, {"kind": "nsh_over_gre", "key": 78}),
    ({"kind": "nsh_over_gre"}, {"kind": "nsh_over_ethernet"}),
    ({"kind": "nsh_over_ethernet"}, {"kind": "nsh_over_vxlan_gpe", "vni": 79, "source_ports": "50000-50000"}),
]
CONTEXT = bytes(range(100, 116))


def configure(config):
    """Adds what the rows need to a router that has what tunnel_rows.py needs."""
    for number, (here, on) in enumerate(RELAYS):
        config["tunnels"].append({"name": f"on-{number}", **on, "payload": "nsh", "remote": THERE})
        sources = {} if here["kind"] == "nsh_over_ethernet" else {"sources": ["192.0.2.0/24"]}
        config["decaps"].append({"name": f"relay-{number}", **here, "path": 900 + number, "index": 7, **sources,
                                 "tunnel": f"on-{number}"})
    config["decaps"].append({"name": "behind-17", "kind": "mpls_over_mpls", "label": 1000, "labels": [17],
                             "vrf": "blue"})
    for number, (sid, behaviour) in enumerate(BEHAVIOURS.items()):
        config["decaps"].append({"name": f"sid-{number}", "kind": "srv6", "sid": sid, **behaviour,
                                 "sources": ["2001:db8::/64"]})


def outer4(going, body, tos=0):
    """Between the peer and here, whichever way."""
    ends = {"src": HERE, "dst": THERE, "ttl": 64, "id": 0, "flags": "DF"} if going else {
        "src": THERE, "dst": HERE, "ttl": 9, "id": 5}
    protocol = 17 if isinstance(body, UDP) else GRE_NUMBER
    return IP(proto=protocol, tos=tos, **ends) / body


def by(carrier, going, service, tos=0):
    """The frame in which a packet of a service path comes or goes."""
    ends = {"src": FABRIC, "dst": PEER} if going else {"src": PEER, "dst": FABRIC}
    kind = carrier["kind"]
    if kind == "nsh_over_ethernet":
        return Ether(type=SERVICE, **ends) / service
    if kind == "nsh_over_gre":
        key = {"key_present": 1, "key": carrier["key"]} if "key" in carrier else {}
        return Ether(**ends) / outer4(going, GRE(proto=SERVICE, **key) / service, tos)
    head = UDP(sport=50000 if going else 51234, dport=4790, chksum=0) / VXLAN(
        flags=0x0C, NextProtocol=4, vni=carrier["vni"])
    return Ether(**ends) / outer4(going, head / service, tos)


def nsh(number, ttl, inside, protocol, **change):
    return NSH(**{"ttl": ttl, "length": 6, "mdtype": 1, "nextproto": protocol, "spi": 900 + number, "si": 7,
                  "context_header": CONTEXT, **change}) / inside


def metadata(number, ttl, inside, protocol):
    """Of MD type 2: seven bytes, which are padded, then none."""
    data = bytes.fromhex("01020307") + b"service" + b"\0" + bytes.fromhex("01038400")
    return Raw(bytes(NSH(ttl=ttl, length=6, mdtype=2, nextproto=protocol, spi=900 + number, si=7))) / Raw(data) / inside


def relayed(name, number, made, tos_in=0, tos_out=0):
    """`made`: the packet, of the TTL."""
    here, on = RELAYS[number]
    return Row(f"relay: {name} from {here['kind']}", "fabric", by(here, False, made(20), tos_in),
               [("fabric", by(on, True, made(19), tos_out))],
               counts={("decap", f"relay-{number}"): 1, ("tunnel", f"on-{number}"): 1})


def stopped(name, number, reason, ttl=20, inside=None, protocol=1, tos=0, **change):
    inside = inside if inside is not None else back4(63) / U
    return Row(f"relay: {name} from {RELAYS[number][0]['kind']}", "fabric",
               by(RELAYS[number][0], False, nsh(number, ttl, inside, protocol, **change), tos), drops={reason: 1})


MARKED = back4(63, tos=0xBA) / U
MOST = 1500 - 20 - 8 - 8 - 24   # of what is behind NSH in VXLAN-GPE


def sized(size):
    return back4(63, flags="DF") / UDP(sport=1, dport=2) / Raw(bytes(size - 28))


FORWARDERS = [row for number in range(3) for row in (
    relayed("IPv4", number, lambda ttl, n=number: nsh(n, ttl, back4(1) / U, 1)),
    relayed("IPv6", number, lambda ttl, n=number: nsh(n, ttl, back6(1) / U, 2)),
    relayed("Ethernet between any two", number, lambda ttl, n=number: nsh(
        n, ttl, Ether(src=PEER, dst="02:00:00:00:77:77") / back4(63) / U, 3)),
    relayed("metadata of MD type 2", number, lambda ttl, n=number: metadata(n, ttl, back4(63) / U, 1)),
    relayed("a critical bit and unassigned ones", number, lambda ttl, n=number: nsh(
        n, ttl, back4(63) / U, 1, unused1=1, unused2=15)),
    stopped("TTL 1", number, EXPIRED, ttl=1),
    stopped("another path", number, UNKNOWN, spi=901 if number != 1 else 900),
    stopped("another index", number, UNKNOWN, si=6),
    stopped("operation and maintenance", number, INVALID, oam=1),
    Row(f"relay: TTL 0 wraps from {RELAYS[number][0]['kind']}", "fabric",
        by(RELAYS[number][0], False, nsh(number, 0, back4(63) / U, 1)),
        [("fabric", by(RELAYS[number][1], True, nsh(number, 63, back4(63) / U, 1)))]))] + [
    stopped("congestion that cannot be told", 0, "outer_ce_inner_not_ect", tos=3),
    Row("relay: congestion is told to the packet inside", "fabric", by(RELAYS[1][0], False, nsh(1, 9, MARKED, 1), 3),
        [("fabric", by(RELAYS[1][1], True, nsh(1, 8, back4(63, tos=0xBB) / U, 1)))]),
    stopped("one byte too big", 2, "too_big", inside=sized(MOST + 1)),
    relayed("as large as fits", 2, lambda ttl: nsh(2, ttl, sized(MOST), 1)),
]


# --- the end of a path --------------------------------------------------------------------------------

def of_type_2(w, length, data):
    """`length`: of the header, in words."""
    return w.in_front(Raw(bytes(NSH(length=length, mdtype=2, nextproto=1, spi=w.network, si=INDEX)) + data))


def services(w):
    """What is the same on every carrier."""
    return [
        good("TTL 0 is 64", w, ttl=0), bad("TTL 1", w, EXPIRED, ttl=1), good("TTL 2", w, ttl=2),
        good("unassigned bits", w, unused1=1, unused2=15),
        bad("version 1", w, INVALID, ver=1), bad("version 3", w, INVALID, ver=3),
        bad("operation and maintenance", w, INVALID, oam=1),
        *[bad(f"MD type {n}", w, INVALID, header=w.in_front(Raw(
            bytes.fromhex(f"0fc60{n:x}01") + (w.network << 8 | INDEX).to_bytes(4, "big") + bytes(16))))
          for n in (0, 3, 15)],
        *[bad(f"MD type 1 of {n} words", w, INVALID, length=n) for n in (0, 5, 7)],
        good("MD type 2 without metadata", w, header=of_type_2(w, 2, b"")),
        good("MD type 2 with metadata", w, header=of_type_2(w, 5, bytes.fromhex("0102 0307") + b"service\0")),
        bad("MD type 2 of 1 word", w, INVALID, header=of_type_2(w, 1, b"")),
        bad("MD type 2 beyond the packet", w, "tunnel_header_truncated", header=of_type_2(w, 63, b"")),
        bad("another path", w, UNKNOWN, spi=0xABCDEF), bad("another index", w, UNKNOWN, si=INDEX - 1),
        *[bad(f"next protocol {n}", w, UNSUPPORTED, nextproto=n) for n in (0, 4, 5, 254)],
        bad("IPv4 that is announced as IPv6", w, INVALID, inside=6),
        *[cut(w, len(w.in_front(Raw(b""))) + n) for n in (7, 8, 23)],
    ]


NSH_ROWS = [row for w in (GPE_IP, KEYED, LINK) for row in services(w)] + [
    bad("another VNI in front", GPE, UNKNOWN, header=GPE.in_front(GPE.service(None, 9), vni=GPE.front + 1)),
    bad("VNI 0 in front", GPE_IP, UNKNOWN, header=GPE_IP.in_front(GPE_IP.service(4, 9), vni=0)),
    bad("no VNI in front", GPE, INVALID, header=GPE.in_front(GPE.service(None, 9), flags=4)),
    bad("version 1 in front", GPE, INVALID, header=GPE.in_front(GPE.service(None, 9), flags=0x1C)),
    bad("operation and maintenance in front", GPE, INVALID, header=GPE.in_front(GPE.service(None, 9), flags=0x0D)),
    bad("another key in front", KEYED, UNKNOWN, header=KEYED.in_front(KEYED.service(4, 9), key=KEYED.front + 1)),
    bad("no key in front", KEYED, UNKNOWN, header=KEYED.in_front(KEYED.service(4, 9), key_present=0)),
    bad("a key of 0 in front is not none", PLAIN, UNKNOWN, header=PLAIN.in_front(
        PLAIN.service(4, 9), key_present=1, key=0)),
    good("a checksum and a sequence number in front", KEYED, header=KEYED.in_front(
        KEYED.service(4, 9), seqnum_present=1, sequence_number=3)),
    bad("routing in front", PLAIN, INVALID, header=PLAIN.in_front(PLAIN.service(4, 9), routing_present=1)),
    bad("a wrong checksum in front", PLAIN, "tunnel_checksum", header=PLAIN.in_front(
        PLAIN.service(4, 9), chksum_present=1, chksum=0xBEEF)),
]


# --- Ethernet -----------------------------------------------------------------------------------------

def on_link(name, reason, ethertype, body, destination=FABRIC):
    return Row(f"on Ethernet: {name}", "fabric", Ether(src=PEER, dst=destination, type=ethertype) / body,
               drops={reason: 1})


LABELLED = from_far(STACK, 4) / U
ETHERNET_ROWS = [
    good("a traffic class, and a TTL of 1", STACK, cos=7, ttl=1),
    good("explicit nulls in front", STACK, header=MPLS(label=0, s=0, ttl=3) / MPLS(label=2, s=0) / STACK.header(4)),
    good("the labels that its decap lists", STACK, header=MPLS(label=17, s=0) / MPLS(label=1000, s=1)),
    bad("without the labels that its decap lists", STACK, "label_unexpected", label=1000),
    bad("a label in front that no decap lists", STACK, "label_unexpected",
        header=MPLS(label=17, s=0) / STACK.header(4)),
    bad("eight labels and no last one", STACK, INVALID, header=Raw(bytes(MPLS(label=17, s=0)) * 8)),
    bad("neither IPv4 nor IPv6", STACK, UNSUPPORTED, packet=ip4(63, version=0) / U, inside=4),
    bad("unknown label", STACK, UNKNOWN, label=0xFFFFF),
    cut(STACK, 3),
    on_link("MPLS with upstream-assigned labels", NO_SUCH, 0x8848, STACK.header(4) / LABELLED),
    on_link("MPLS to another MAC", "l2_destination_unknown", LABELS, STACK.header(4) / LABELLED, "02:00:00:00:77:77"),
    on_link("NSH to another MAC", "l2_destination_unknown", SERVICE, LINK.header(4) / LABELLED, "02:00:00:00:77:77"),
    on_link("PROFINET", NO_SUCH, 0x8892, Raw(bytes(40))),
    Row("on Ethernet: MPLS from a VM", "blue", Ether(src=VM, dst=ROUTER, type=LABELS) / STACK.header(4) / LABELLED,
        drops={NO_SUCH: 1}),
]


# --- segments -----------------------------------------------------------------------------------------

def steered(destination, segments, left, inside, hlim=9, **change):
    """A frame of the peer that visits segments, the last of which comes first here. `change`: of the routing header."""
    return Ether(src=PEER, dst=FABRIC) / IPv6(src=THERE6, dst=destination, hlim=hlim, nh=ROUTING) / (
        IPv6ExtHdrSegmentRouting(**{"nh": 4 if inside.version == 4 else 41, "addresses": segments, "segleft": left,
                                    "lastentry": len(segments) - 1, **change})) / inside


def taken(name, sid, packet, out):
    return Row(f"srv6: {name}", "fabric", steered(sid, [sid], 0, packet), out)


def refused(name, sid, packet, reason, segments=None, left=0, **change):
    return Row(f"srv6: {name}", "fabric", steered(sid, segments or [sid], left, packet, **change), drops={reason: 1})


def passed(name, sid, to, left, segments, hlim=9):
    """On to the next segment."""
    before = steered(sid, segments, left, back4(63) / U, hlim)
    after = before.copy()
    after.src, after.dst = FABRIC, PEER
    after[IPv6].dst, after[IPv6].hlim, after[IPv6ExtHdrSegmentRouting].segleft = to, hlim - 1, left - 1
    return Row(f"srv6: {name}", "fabric", before, [("fabric", after)])


IN4, IN6 = back4(63) / U, back6(63) / U
OUT4, OUT6 = to_vm(back4(62) / U), to_vm(back6(62) / U)
SEGMENT_ROWS = [
    good("flags and a tag", ONE, inside=4, protected=1, tag=0xABCD),
    good("padding behind the segments", ONE, inside=4, tlv_objects=[IPv6ExtHdrSegmentRoutingTLVPadN(
        len=6, padding=bytes(6))]),
    bad("segments left", ONE, LEFT, inside=4, segleft=1),
    bad("more segments left than are listed", ONE, INVALID, inside=4, segleft=2),
    bad("another type of routing", ONE, INVALID, inside=4, type=0),
    bad("more entries than there is room for", ONE, INVALID, inside=4, lastentry=1),
    bad("a header beyond the packet", ONE, "tunnel_header_truncated", inside=4, len=40),
    bad("no IP inside", ONE, UNSUPPORTED, inside=4, nh=59),
    bad("Ethernet inside", ONE, UNSUPPORTED, inside=4, nh=143),
    bad("IPv6 that is announced as IPv4", ONE, INVALID, packet=from_far(ONE, 6) / U, inside=4),
    Row("srv6: an unlisted source", "fabric", ONE.arriving(LABELLED, header=ONE.ending(4, {"src": BEYOND})),
        drops={"decap_source_unlisted": 1}),
    Row("srv6: to an address that is no SID", "fabric", ONE.arriving(LABELLED, header=ONE.ending(4, {"dst": HERE6})),
        drops={UNKNOWN: 1}),
    taken("End.DT4 with IPv4", TO_V4, IN4, OUT4), refused("End.DT4 with IPv6", TO_V4, IN6, UNSUPPORTED),
    taken("End.DT6 with IPv6", TO_V6, IN6, OUT6), refused("End.DT6 with IPv4", TO_V6, IN4, UNSUPPORTED),
    taken("End.DX4 with IPv4", TO_VIF4, back4(63, dst="10.7.7.7") / U, to_vm(back4(62, dst="10.7.7.7") / U)),
    refused("End.DX4 with IPv6", TO_VIF4, IN6, UNSUPPORTED),
    taken("End.DX6 with IPv6", TO_VIF6, back6(63, dst="fd00:7::7") / U, to_vm(back6(62, dst="fd00:7::7") / U)),
    refused("End.DX6 with IPv4", TO_VIF6, IN4, UNSUPPORTED),
    passed("End, by the route to the next segment", PASS, BEYOND, 1, [BEYOND, PASS]),
    passed("End, with another segment behind", PASS, BEYOND, 2, ["2001:db8:c::1", BEYOND, PASS]),
    passed("End, of a reduced list", PASS, BEYOND, 1, [BEYOND]),
    passed("End.X, to its neighbour", PASS_TO, "2001:db8:dead::1", 1, ["2001:db8:dead::1", PASS_TO]),
    refused("End with no segment left", PASS, IN4, LEFT),
    refused("End with more segments left than are listed", PASS, IN4, INVALID, left=2),
]

ROWS = NSH_ROWS + FORWARDERS + ETHERNET_ROWS + SEGMENT_ROWS
