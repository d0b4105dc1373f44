"""Rows of ports with VLANs: `tag100` and `tag200` on one device, the wire `trunk`, on which no port is without a tag;
and of tags at the port `fab0`, which has none.

`configure` gives a router the ports, and tunnels, decaps and routes over them.
"""

from rows import DATA, FABRIC, HERE, PEER, ROUTER, VM, Row, arriving, back4, back6, ip4, routed, vm
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

U = UDP(sport=40000, dport=40001) / DATA
FAR100, FAR200, NEAR100, NEAR200 = "198.18.100.2", "198.18.200.2", "198.18.100.1", "198.18.200.1"
FAR100_6, NEAR100_6 = "2001:db8:100::2", "2001:db8:100::1"
BROADCAST = "ff:ff:ff:ff:ff:ff"
# What tunnels go by, and what is behind each.
TO_100, TO_200, TO_100_6, TO_STACK = "10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4"
UNKNOWN, MISSING = "vlan_unknown", "vlan_missing"


def configure(config):
    """Adds what the rows need to a router that has the VRF and VIF blue."""
    shared = {"device": "af_packet:eth2", "mtu": 1500}
    config["ports"] += [
        {"name": "tag100", **shared, "vlan": 100, "addresses": [f"{NEAR100}/24", f"{NEAR100_6}/64"]},
        {"name": "tag200", **shared, "vlan": 200, "addresses": [f"{NEAR200}/24"]}]
    config["neighbours"] += [{"vrf": "underlay", "address": a, "mac": PEER} for a in (FAR100, FAR200, FAR100_6)]
    vxlan = {"kind": "vxlan", "inner_destination_mac": ROUTER, "source_ports": "50000-50000"}
    config["tunnels"] += [
        {"name": "by-100", **vxlan, "vni": 300, "remote": FAR100},
        {"name": "by-200", **vxlan, "vni": 301, "remote": FAR200},
        {"name": "by-100-six", **vxlan, "vni": 302, "remote": FAR100_6, "local": NEAR100_6},
        {"name": "by-100-stack", "kind": "mpls_over_mpls", "label": 303, "remote": FAR100}]
    config["decaps"] += [
        {"name": "from-trunk", "kind": "vxlan", "vni": 300, "vrf": "blue", "sources": ["198.18.0.0/16"]},
        {"name": "from-trunk-six", "kind": "vxlan", "vni": 302, "vrf": "blue", "local": NEAR100_6,
         "sources": ["2001:db8:100::/64"]},
        {"name": "from-trunk-stack", "kind": "mpls_over_mpls", "label": 303, "vrf": "blue"}]
    config["routes"] += [{"vrf": "blue", "prefix": f"{address}/32", "via": {"tunnel": name}}
                         for address, name in ((TO_100, "by-100"), (TO_200, "by-200"), (TO_100_6, "by-100-six"),
                                               (TO_STACK, "by-100-stack"))]


def tagged(vlan, frame, **more):
    """The frame with a tag behind its addresses."""
    built = Ether(bytes(frame))
    return Ether(dst=built.dst, src=built.src) / Dot1Q(vlan=vlan, **more) / built.payload


def leaving(vlan, inner, vni, remote):
    return tagged(vlan, Ether(src=FABRIC, dst=PEER) / IP(src=HERE, dst=remote, ttl=64, id=0, flags="DF") /
                  UDP(sport=50000, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni) / inner)


def coming(inner, source=FAR100, vni=300):
    return arriving(inner, source=source, vni=vni)


def over_six(source, destination, inner, hops, **udp):
    return IPv6(src=source, dst=destination, hlim=hops) / UDP(**udp, dport=4789) / VXLAN(flags=8, vni=302) / inner


IN_VM = [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)]
IN_VM6 = [("blue", Ether(src=ROUTER, dst=VM) / back6(62) / U)]
GOOD = routed(back4(63) / U)
FULL = UDP(sport=1, dport=2) / Raw(bytes(1450 - 28))   # as large as fits into the port's MTU


def ping(source, destination, kind, ttl):
    return IP(src=source, dst=destination, ttl=ttl) / ICMP(type=kind, id=1, seq=2)


def ask(vlan, address, source):
    return tagged(vlan, Ether(src=PEER, dst=BROADCAST) / ARP(op=1, hwsrc=PEER, psrc=source, pdst=address))


OUT = [
    Row("out by VLAN 100", "blue", vm(ip4(64, dst=TO_100) / U),
        [("trunk", leaving(100, routed(ip4(63, dst=TO_100) / U), 300, FAR100))], counts={("tunnel", "by-100"): 1}),
    Row("out by VLAN 200", "blue", vm(ip4(64, dst=TO_200) / U),
        [("trunk", leaving(200, routed(ip4(63, dst=TO_200) / U), 301, FAR200))], counts={("tunnel", "by-200"): 1}),
    Row("out by VLAN 100 over IPv6", "blue", vm(ip4(64, dst=TO_100_6) / U),
        [("trunk", tagged(100, Ether(src=FABRIC, dst=PEER) / over_six(
            NEAR100_6, FAR100_6, routed(ip4(63, dst=TO_100_6) / U), 64, sport=50000)))]),
    Row("out by VLAN 100 behind a label alone", "blue", vm(ip4(64, dst=TO_STACK) / U),
        [("trunk", tagged(100, Ether(src=FABRIC, dst=PEER, type=0x8847) / MPLS(label=303, ttl=64) /
                          ip4(63, dst=TO_STACK) / U))]),
    Row("the tag is not counted into the MTU", "blue", vm(ip4(64, dst=TO_100, flags="DF") / FULL),
        [("trunk", leaving(100, routed(ip4(63, dst=TO_100, flags="DF") / FULL), 300, FAR100))]),
]

IN = [
    Row("in by VLAN 100", "trunk", tagged(100, coming(GOOD)), IN_VM, counts={("decap", "from-trunk"): 1}),
    Row("in by VLAN 100, with a priority", "trunk", tagged(100, coming(GOOD), prio=5, id=1), IN_VM),
    Row("in by VLAN 200", "trunk", tagged(200, coming(GOOD, source=FAR200)), IN_VM),
    Row("in by VLAN 100, an IPv6 packet", "trunk", tagged(100, coming(routed(back6(63) / U))), IN_VM6),
    Row("in by VLAN 100 over IPv6", "trunk", tagged(100, Ether(src=PEER, dst=FABRIC) / over_six(
        FAR100_6, NEAR100_6, GOOD, 9, sport=51234)), IN_VM),
    Row("in by VLAN 100 behind a label alone", "trunk", tagged(
        100, Ether(src=PEER, dst=FABRIC, type=0x8847) / MPLS(label=303, ttl=9) / back4(63) / U), IN_VM),
    Row("as large as fits, and its tag", "trunk", tagged(100, coming(routed(back4(63, flags="DF") / FULL))),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62, flags="DF") / FULL)]),
    Row("another VLAN", "trunk", tagged(101, coming(GOOD)), drops={UNKNOWN: 1}),
    Row("the VLAN that is reserved", "trunk", tagged(4095, coming(GOOD)), drops={UNKNOWN: 1}),
    Row("another VLAN, to all", "trunk", ask(101, NEAR100, FAR100), drops={UNKNOWN: 1}),
    Row("no tag", "trunk", coming(GOOD), drops={MISSING: 1}),
    Row("a priority, and no VLAN", "trunk", tagged(0, coming(GOOD), prio=3), drops={MISSING: 1}),
    Row("a tag behind the port's", "trunk", tagged(100, tagged(5, coming(GOOD))), drops={UNKNOWN: 1}),
    Row("another's MAC in VLAN 100", "trunk",
        tagged(100, Ether(src=PEER, dst=ROUTER) / Ether(bytes(coming(GOOD))).payload),
        drops={"l2_destination_unknown": 1}),
]

ANSWERS = [
    Row("ARP in VLAN 100", "trunk", ask(100, NEAR100, FAR100),
        [("trunk", tagged(100, Ether(src=FABRIC, dst=PEER) / ARP(op=2, hwsrc=FABRIC, psrc=NEAR100, hwdst=PEER,
                                                                 pdst=FAR100)))]),
    Row("ARP in VLAN 200 for the address of VLAN 100", "trunk", ask(200, NEAR100, FAR200),
        drops={"neighbour_not_ours": 1}),
    Row("ping in VLAN 200", "trunk", tagged(200, Ether(src=PEER, dst=FABRIC) / ping(FAR200, NEAR200, 8, 9)),
        [("trunk", tagged(200, Ether(src=FABRIC, dst=PEER) / ping(NEAR200, FAR200, 0, 64)))]),
    Row("from VLAN 100 to VLAN 200", "trunk",
        tagged(100, Ether(src=PEER, dst=FABRIC) / IP(src=FAR100, dst=FAR200, ttl=9) / U, prio=6),
        [("trunk", tagged(200, Ether(src=FABRIC, dst=PEER) / IP(src=FAR100, dst=FAR200, ttl=8) / U))]),
]

WITHOUT = [
    Row("a priority, and no VLAN, at a port without", "fabric", tagged(0, arriving(GOOD), prio=5),
        [("blue", Ether(src=ROUTER, dst=VM) / back4(62) / U)]),
    Row("ARP with a priority at a port without a VLAN", "fabric",
        tagged(0, Ether(src=PEER, dst=BROADCAST) / ARP(op=1, hwsrc=PEER, psrc="192.0.2.2", pdst=HERE), prio=7),
        [("fabric", Ether(src=FABRIC, dst=PEER) / ARP(op=2, hwsrc=FABRIC, psrc=HERE, hwdst=PEER, pdst="192.0.2.2"))]),
    Row("a VLAN at a port without", "fabric", tagged(100, arriving(GOOD)), drops={UNKNOWN: 1}),
    Row("a VLAN behind a priority at a port without", "fabric", tagged(0, tagged(100, arriving(GOOD))),
        drops={"ethertype_unsupported": 1}),
    Row("a tag inside a tunnel", "fabric", arriving(tagged(0, GOOD)), drops={"ethertype_unsupported": 1}),
]

ROWS = OUT + IN + ANSWERS + WITHOUT

# Frames that prove that all before them have gone through; see test_golden.py.
SENTINEL = UDP(sport=9, dport=9, chksum=0) / Raw(b"sentinel")
SENTINELS = [
    ("blue", vm(ip4(64, dst=TO_100) / SENTINEL), "trunk", leaving(100, routed(ip4(63, dst=TO_100) / SENTINEL), 300,
                                                                 FAR100)),
    ("trunk", tagged(200, coming(routed(back4(63) / SENTINEL), source=FAR200)), "blue",
     Ether(src=ROUTER, dst=VM) / back4(62) / SENTINEL)]
