"""Rows of reserved bits: tunnels that send them, decaps that count by them; every byte is made by scapy.

`configure` gives a router what they need.
"""

from rows import FABRIC, HERE, HERE6, PEER, ROUTER, THERE, THERE6, Row, back4, ip4, routed, vm
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tunnel_rows import INVALID, U, to_vm

VNI, SIX, GPE = 108, 109, 110
FAR = {VNI: "10.1.0.21", SIX: "10.1.0.22", GPE: "10.1.0.23"}
BITS = {VNI: "0312345600000051", SIX: "f7ffffff000000ff", GPE: "80abcd0000000052"}
FIRST, SECOND, FLAG = "bare-metal", "metal", "gateway"
MARKS = [{"name": FIRST, "bits": "0000000000000051", "mask": "00000000000000ff"},
         {"name": SECOND, "bits": "0000000000000050", "mask": "00000000000000f0"},
         {"name": FLAG, "bits": "8000000000000000", "mask": "8000000000000000"}]


def configure(config):
    for vni, kind, remote, sources in ((VNI, "vxlan", THERE, "192.0.2.0/24"), (SIX, "vxlan", THERE6, "2001:db8::/64"),
                                       (GPE, "vxlan_gpe", THERE, "192.0.2.0/24")):
        payload = {"payload": "ip"} if kind == "vxlan_gpe" else {"inner_destination_mac": ROUTER}
        known = {"kind": kind, "vni": vni}
        config["tunnels"].append({"name": f"marking-{vni}", **known, "remote": remote, "reserved": BITS[vni],
                                  "source_ports": "50000-50000", **payload})
        config["decaps"].append({"name": f"marked-{vni}", **known, "vrf": "blue", "sources": [sources],
                                 "marks": MARKS})
        config["routes"].append({"vrf": "blue", "prefix": f"{FAR[vni]}/32", "via": {"tunnel": f"marking-{vni}"}})


def header(vni, inside):
    """As `BITS` has it; scapy has no fields for all of these."""
    bits = int(BITS[vni], 16) | (0x0C << 56 | 1 << 32 if vni == GPE else 0x08 << 56) | vni << 8
    return Raw(bits.to_bytes(8, "big")) / inside


def leaving(vni):
    packet = ip4(63, dst=FAR[vni]) / U
    body = UDP(sport=50000, dport=4790 if vni == GPE else 4789, chksum=None if vni == SIX else 0) / header(
        vni, packet if vni == GPE else routed(packet))
    ip = IPv6(src=HERE6, dst=THERE6, hlim=64) if vni == SIX else IP(src=HERE, dst=THERE, ttl=64, id=0, flags="DF")
    return Row(f"reserved bits into VNI {vni}", "blue", vm(ip4(64, dst=FAR[vni]) / U),
               [("fabric", Ether(src=FABRIC, dst=PEER) / ip / body)], counts={("tunnel", f"marking-{vni}"): 1})


def coming(name, mark, frame, vni=VNI):
    """The packet counts under that mark, or as one without any."""
    return Row(name, "fabric", frame, to_vm(back4(62) / U),
               counts={("decap", f"marked-{vni}"): 1,
                       **{("decap", f"marked-{vni}", each): int(each == mark) for each in (FIRST, SECOND, FLAG, None)}})


def marked(vxlan, six=False, source=THERE):
    """A packet with that VXLAN header."""
    ip = IPv6(src=THERE6, dst=HERE6) if six else IP(src=source, dst=HERE, ttl=60)
    return Ether(src=PEER, dst=FABRIC) / ip / UDP(sport=51234, dport=4789, chksum=None if six else 0) / vxlan / routed(
        back4(63) / U)


def gpe(first, last):
    """Flags and the two bytes behind them, and the last byte."""
    return Ether(src=PEER, dst=FABRIC) / IP(src=THERE, dst=HERE) / UDP(sport=51234, dport=4790, chksum=0) / Raw(
        bytes.fromhex(first) + b"\1" + (GPE << 8 | last).to_bytes(4, "big")) / (back4(63) / U)


ROWS = [
    *[leaving(vni) for vni in (VNI, SIX, GPE)],
    coming("no reserved bit", None, marked(VXLAN(flags=8, vni=VNI))),
    coming("a mark", FIRST, marked(VXLAN(flags=8, vni=VNI, reserved2=0x51))),
    coming("a wider mark behind it", SECOND, marked(VXLAN(flags=8, vni=VNI, reserved2=0x5F))),
    coming("bits of no mark", None, marked(VXLAN(flags=0x0A, vni=VNI, reserved1=0xABCDEF, reserved2=0x41))),
    coming("a mark among other bits", FIRST, marked(VXLAN(flags=0x0A, vni=VNI, reserved1=0xABCDEF,
                                                         reserved2=0x51))),
    coming("a flag", FLAG, marked(Raw(bytes.fromhex("8800000000006c00")))),
    coming("two marks: the first", FIRST, marked(Raw(bytes.fromhex("8800000000006c51")))),
    coming("a mark over IPv6", FIRST, marked(VXLAN(flags=8, vni=SIX, reserved2=0x51), six=True), SIX),
    coming("none over IPv6", None, marked(VXLAN(flags=8, vni=SIX), six=True), SIX),
    coming("a mark in VXLAN-GPE", FIRST, gpe("0c0000", 0x51), GPE),
    coming("a flag in VXLAN-GPE, and the B bit", FLAG, gpe("8e0000", 0), GPE),
    coming("none in VXLAN-GPE", None, gpe("4cffff", 0), GPE),
    Row("a mark, and no VNI", "fabric", marked(VXLAN(flags=0, vni=VNI, reserved2=0x51)), drops={INVALID: 1}),
    Row("a mark from a foreign source", "fabric",
        marked(VXLAN(flags=8, vni=VNI, reserved2=0x51), source="198.51.100.7"), drops={"decap_source_unlisted": 1},
        counts={("decap", f"marked-{VNI}", FIRST): 0}),
]

# --- what tshark has to read in a frame that leaves ---------------------------------------------------

READ = {VNI: {"vxlan.flags": 0x0B12, "vxlan.gbp": 0x3456, "vxlan.vni": VNI, "vxlan.reserved8": 0x51},
        SIX: {"vxlan.flags": 0xFFFF, "vxlan.gbp": 0xFFFF, "vxlan.vni": SIX, "vxlan.reserved8": 0xFF},
        GPE: {"vxlan.flags": 0x8C, "vxlan.reserved_16": 0xABCD, "vxlan.vni": GPE, "vxlan.reserved8": 0x52}}
