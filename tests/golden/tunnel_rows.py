"""Rows for every tunnel kind, over IPv4 and IPv6, with all that it may hold; every byte is made by scapy.

`configure` gives a router the tunnels, decaps and routes that they need.
"""

from dataclasses import dataclass, replace

from rows import (DATA, FABRIC, HERE, HERE6, NEAR, NEAR6, PEER, ROUTER, THERE, THERE6, VM, Row, back4, back6, ip4, ip6,
                  routed, vm)
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

U = UDP(sport=40000, dport=40001) / DATA   # ports of which tshark thinks nothing
ETHERNET, LABELS, GRE_NUMBER = 0x6558, 0x8847, 47
ETHER_TYPES = {4: 0x0800, 6: 0x86DD, None: ETHERNET}
NEXT_PROTOCOLS = {4: 1, 6: 2, None: 3}
NETWORK_KEYS = {"vxlan": "vni", "vxlan_gpe": "vni", "geneve": "vni", "gre": "key", "mpls_over_udp": "label",
                "mpls_over_gre": "label"}
SHAPES = [("vxlan", "ethernet"), ("vxlan_gpe", "ethernet"), ("vxlan_gpe", "ip"), ("geneve", "ethernet"),
          ("geneve", "ip"), ("gre", "ip"), ("gre", "ethernet"), ("keyed gre", "ip"), ("keyed gre", "ethernet"),
          ("mpls_over_udp", "ip"), ("mpls_over_gre", "ip")]


@dataclass(frozen=True)
class Way:
    """A tunnel to the peer and a decap from it. Behind it are 10.1.NUMBER.12 and fd00:1:NUMBER::12."""
    number: int
    kind: str
    payload: str
    six: bool          # the underlay
    network: int       # VNI, key or label; None: no key

    @property
    def name(self):
        return f"{self.kind} {self.network} with {self.payload} over {'IPv6' if self.six else 'IPv4'}"

    @property
    def far(self):
        return {4: f"10.1.{self.number}.12", 6: f"fd00:1:{self.number}::12"}

    def settings(self):
        known = {"kind": self.kind}
        if self.network is not None:
            known[NETWORK_KEYS[self.kind]] = self.network
        return known

    def header(self, inside, ttl=64, **change):
        """The tunnel header; `inside`: 4, 6 or None for Ethernet; `change`: fields of it."""
        if self.kind == "vxlan":
            return VXLAN(**{"flags": 8, "vni": self.network, **change})
        if self.kind == "vxlan_gpe":
            return VXLAN(**{"flags": 0x0C, "NextProtocol": NEXT_PROTOCOLS[inside], "vni": self.network, **change})
        if self.kind == "geneve":
            return GENEVE(**{"proto": ETHER_TYPES[inside], "vni": self.network, **change})
        if self.kind == "gre":
            key = {} if self.network is None else {"key_present": 1, "key": self.network}
            return GRE(**{"proto": ETHER_TYPES[inside], **key, **change})
        label = MPLS(**{"label": self.network, "s": 1, "cos": 0, "ttl": ttl, **change})
        return label if self.kind == "mpls_over_udp" else GRE(proto=LABELS) / label

    def carried(self, header, sport, checksum):
        """The header behind UDP, where the kind has that."""
        ports = {"vxlan": 4789, "vxlan_gpe": 4790, "geneve": 6081, "mpls_over_udp": 6635}
        if self.kind not in ports:
            return header
        return UDP(sport=sport, dport=ports[self.kind], chksum=checksum) / header

    def leaving(self, packet):
        """The frame by which an IP packet of a VM leaves for the peer."""
        inside = None if self.payload == "ethernet" else packet.version
        body = self.carried(self.header(inside), 50000, None if self.six else 0)
        outer = IPv6(src=HERE6, dst=THERE6, hlim=64) if self.six else IP(src=HERE, dst=THERE, ttl=64, id=0, flags="DF")
        return Ether(src=FABRIC, dst=PEER) / numbered(outer, body) / body / (
            routed(packet) if self.payload == "ethernet" else packet)

    def arriving(self, packet, header=None, inside=None, **change):
        """The frame by which the peer sends a packet. `header`: another than the kind's."""
        inside = inside or (None if self.payload == "ethernet" else packet.version)
        made = header if header is not None else self.header(inside, **{"ttl": 9, **change})
        body = self.carried(made, 51234, None if self.six else 0)
        outer = IPv6(src=THERE6, dst=HERE6, hlim=9) if self.six else IP(src=THERE, dst=HERE, ttl=9, id=5)
        return Ether(src=PEER, dst=FABRIC) / numbered(outer, body) / body / (
            routed(packet) if self.payload == "ethernet" else packet)


def numbered(outer, body):
    """The outer IP header with the protocol of what follows, which scapy does not know for all."""
    protocol = 17 if isinstance(body, UDP) else GRE_NUMBER
    return IPv6(**{**outer.fields, "nh": protocol}) if outer.version == 6 else IP(**{**outer.fields, "proto": protocol})


def ways():
    made = []
    for number, (kind, payload) in enumerate(SHAPES):
        for six in (False, True):
            at = 20 + 2 * number + six
            network = None if kind == "gre" else 0xFFFFFFFF if kind == "keyed gre" and six else 300 + at
            made.append(Way(at, kind.removeprefix("keyed "), payload, six, network))
    return made


WAYS = ways()


def way(kind, payload, network=True):
    """Over IPv4; `network`: whether it has a name."""
    return next(w for w in WAYS if (w.kind, w.payload, w.six, w.network is not None) == (kind, payload, False, network))


def configure(config):
    """Adds what the rows need to a router that has the VRF and VIF blue."""
    taken = []
    for w in WAYS:
        name = f"to-{w.number}"
        tunnel = {"name": name, **w.settings(), "remote": THERE6 if w.six else THERE}
        if w.kind not in ("gre", "mpls_over_gre"):
            tunnel["source_ports"] = "50000-50000"
        if w.kind not in ("vxlan", "mpls_over_udp", "mpls_over_gre"):
            tunnel["payload"] = w.payload
        if w.payload == "ethernet":
            tunnel["inner_destination_mac"] = ROUTER
        config["tunnels"].append(tunnel)
        if (w.settings(), w.six) not in taken:   # what a tunnel of Ethernet and one of IP send goes into one decap
            taken.append((w.settings(), w.six))
            config["decaps"].append({"name": f"from-{w.number}", **w.settings(), "vrf": "blue",
                                     "sources": ["2001:db8::/64" if w.six else "192.0.2.0/24"]})
        config["routes"] += [{"vrf": "blue", "prefix": f"{far}/{32 if version == 4 else 128}", "via": {"tunnel": name}}
                             for version, far in w.far.items()]


def to_vm(packet, **change):
    """What the VM gets of a packet that came by a tunnel."""
    for field, value in change.items():
        setattr(packet, field, value)
    return [("blue", Ether(src=ROUTER, dst=VM) / packet)]


def from_far(w, version, **more):
    return back4(63, **{"src": w.far[4], **more}) if version == 4 else back6(63, **{"src": w.far[6], **more})


EACH = [row for w in WAYS for version, packet, ttl in ((4, ip4, "ttl"), (6, ip6, "hlim")) for row in (
    Row(f"IPv{version} into {w.name}", "blue", vm(packet(64, dst=w.far[version]) / U),
        [("fabric", w.leaving(packet(63, dst=w.far[version]) / U))], counts={("tunnel", f"to-{w.number}"): 1}),
    Row(f"IPv{version} out of {w.name}", "fabric", w.arriving(from_far(w, version) / U),
        to_vm(from_far(w, version) / U, **{ttl: 62})))]


def good(name, w, **change):
    """What is not wrong, though it is not as we send it."""
    packet = from_far(w, 4) / U
    return Row(f"{w.kind}: {name}", "fabric", w.arriving(packet, **change), to_vm(from_far(w, 4) / U, ttl=62))


def bad(name, w, reason, packet=None, **change):
    packet = packet if packet is not None else from_far(w, 4) / U
    return Row(f"{w.kind}: {name}", "fabric", w.arriving(packet, **change), drops={reason: 1})


def cut(w, size):
    """The header cut short, and nothing behind it."""
    header = Raw(bytes(w.header(4))[:size])
    return Row(f"{w.kind}: only {size} bytes of the header", "fabric",
               replace(w, payload="ip").arriving(Raw(b""), header=header, inside=4),
               drops={"tunnel_header_truncated": 1})


def gpe(first, w, last=0):
    """A header of which scapy has no idea."""
    return Raw(bytes.fromhex(first) + (w.network << 8 | last).to_bytes(4, "big"))


GPE, GPE_IP = way("vxlan_gpe", "ethernet"), way("vxlan_gpe", "ip")
GENEVE_WAY, GENEVE_IP = way("geneve", "ethernet"), way("geneve", "ip")
PLAIN, KEYED = way("gre", "ip", network=False), way("gre", "ip")
LABEL, LABEL_GRE = way("mpls_over_udp", "ip"), way("mpls_over_gre", "ip")
OPTION = GeneveOptions(classid=0x0102, type=3, data=b"data")
CRITICAL = GeneveOptions(classid=0x0102, type=0x83, data=b"data")
INVALID, UNSUPPORTED = "tunnel_header_invalid", "tunnel_payload_unsupported"

SPECIAL = [
    good("reserved bits and the B bit", GPE, header=gpe("ceabcd03", GPE, 0x5A)),
    good("without the P flag it holds Ethernet", GPE, header=gpe("08000000", GPE)),
    bad("no VNI", GPE, INVALID, flags=4),
    bad("version 1", GPE, INVALID, flags=0x1C),
    bad("operation and maintenance", GPE, INVALID, flags=0x0D),
    bad("MPLS inside", GPE_IP, UNSUPPORTED, NextProtocol=5),
    bad("IPv4 that is announced as IPv6", GPE_IP, INVALID, inside=6),
    bad("unknown VNI", GPE, "decap_unknown_vni", vni=0xABCDEF),
    good("an option", GENEVE_WAY, options=[OPTION], optionlen=2),
    good("reserved bits", GENEVE_IP, reserved=0x3F, reserved2=0xFF),
    bad("a critical option", GENEVE_WAY, "tunnel_option_unknown", critical=1, options=[OPTION, CRITICAL], optionlen=4),
    bad("a critical option that is not announced", GENEVE_IP, "tunnel_option_unknown", options=[CRITICAL], optionlen=2),
    bad("options beyond the packet", GENEVE_IP, "tunnel_header_truncated", optionlen=63),
    bad("version 1", GENEVE_IP, INVALID, version=1),
    bad("for control", GENEVE_IP, INVALID, oam=1),
    bad("ARP inside", GENEVE_IP, UNSUPPORTED, proto=0x0806),
    bad("IPv4 that is announced as IPv6", GENEVE_IP, INVALID, inside=6),
    good("a right checksum", PLAIN, chksum_present=1),
    good("a right checksum, a key and a sequence number", KEYED, chksum_present=1, seqnum_present=1, sequence_number=9),
    bad("a wrong checksum", PLAIN, "tunnel_checksum", chksum_present=1, chksum=0xBEEF),
    good("reserved bits", PLAIN, flags=0x1F, recursion_control=0),
    bad("routing", PLAIN, INVALID, routing_present=1),
    bad("a strict source route", KEYED, INVALID, strict_route_source=1),
    bad("version 1", PLAIN, INVALID, version=1),
    bad("a key of 0 is not no key", PLAIN, "decap_unknown_vni", key_present=1, key=0),
    bad("ARP inside", PLAIN, UNSUPPORTED, proto=0x0806),
    bad("IPv4 that is announced as IPv6", PLAIN, INVALID, inside=6),
    good("a traffic class, and a TTL of 1", LABEL, cos=7, ttl=1),
    good("explicit nulls in front", LABEL, header=MPLS(label=0, s=0, ttl=3) / MPLS(label=2, s=0) / LABEL.header(4)),
    bad("a label in front that no decap lists", LABEL, "label_unexpected", header=MPLS(label=17, s=0) / LABEL.header(4)),
    bad("eight labels and no last one", LABEL, INVALID, header=Raw(bytes(MPLS(label=17, s=0)) * 8)),
    bad("neither IPv4 nor IPv6", LABEL, UNSUPPORTED, packet=ip4(63, version=0) / U, inside=4),
    bad("unknown label", LABEL, "decap_unknown_vni", label=0xFFFFF),
    bad("unknown label", LABEL_GRE, "decap_unknown_vni", label=0xFFFFF),
    Row("gre: a fragment", "fabric", Ether(src=PEER, dst=FABRIC) / IPv6(src=THERE6, dst=HERE6) /
        IPv6ExtHdrFragment(nh=GRE_NUMBER, m=1) / Raw(bytes(PLAIN.header(4)) + bytes(64)), drops={"outer_fragment": 1}),
    *[cut(w, size) for w, size in ((GPE_IP, 7), (GENEVE_IP, 7), (PLAIN, 3), (KEYED, 7), (LABEL, 3), (LABEL_GRE, 7))],
]

ROWS = EACH + SPECIAL


# --- what tshark has to read in a frame that leaves ---------------------------------------------------

def told(w, packet):
    """Protocols from outside to inside (tshark does not name VXLAN-GPE among them), the network's name, and the
    outermost and innermost addresses."""
    names = {"vxlan": ["vxlan"], "vxlan_gpe": [], "geneve": ["geneve"], "gre": ["gre"], "mpls_over_udp": ["mpls"],
             "mpls_over_gre": ["gre", "mpls"]}
    inner = ["ip" if packet.version == 4 else "ipv6", "udp", "data"]
    carrier = [] if w.kind in ("gre", "mpls_over_gre") else ["udp"]
    link = ["eth"] if w.payload == "ethernet" else []
    here, there = (HERE6, THERE6) if w.six else (HERE, THERE)
    near = NEAR if packet.version == 4 else NEAR6
    return {"protocols": ["eth", "ipv6" if w.six else "ip", *carrier, *names[w.kind], *link, *inner],
            "network": w.network, "ends": [(here, there), (near, w.far[packet.version])]}
