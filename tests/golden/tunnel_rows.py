"""Rows for every tunnel kind, over IPv4 and IPv6, with all that it may hold; every byte is made by scapy.

`configure` gives a router the tunnels, decaps and routes that they need.
"""

from dataclasses import dataclass, replace

from rows import (DATA, FABRIC, HERE, HERE6, NEAR, NEAR6, PEER, ROUTER, THERE, THERE6, VM, Row, back4, back6, ip4, ip6,
                  routed, vm)
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrSegmentRouting
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

U = UDP(sport=40000, dport=40001) / DATA   # ports of which tshark thinks nothing
ETHERNET, LABELS, SERVICE, GRE_NUMBER, ROUTING = 0x6558, 0x8847, 0x894F, 47, 43
ETHER_TYPES = {4: 0x0800, 6: 0x86DD, None: ETHERNET}
NEXT_PROTOCOLS = {4: 1, 6: 2, None: 3}   # of VXLAN-GPE and of NSH
NSH_IN_GPE = 4
IP_PROTOCOLS = {4: 4, 6: 41}
WITHOUT_UDP = (GRE_NUMBER, ROUTING, *IP_PROTOCOLS.values())   # next headers
LABEL_OF_FLOW = 1   # of an outer header without UDP; another one will do as well
UDP_PORTS = {"vxlan": 4789, "vxlan_gpe": 4790, "geneve": 6081, "mpls_over_udp": 6635, "nsh_over_vxlan_gpe": 4790}
NETWORK_KEYS = {"vxlan": "vni", "vxlan_gpe": "vni", "geneve": "vni", "gre": "key", "mpls_over_udp": "label",
                "mpls_over_gre": "label", "mpls_over_mpls": "label", "nsh_over_vxlan_gpe": "path",
                "nsh_over_gre": "path", "nsh_over_ethernet": "path"}
FRONT_KEYS = {"nsh_over_vxlan_gpe": "vni", "nsh_over_gre": "key"}   # of what stands in front of NSH
ON_ETHERNET = {"mpls_over_mpls": LABELS, "nsh_over_ethernet": SERVICE}
INDEX, CONTEXT = 200, bytes(range(16))
SHAPES = [("vxlan", "ethernet"), ("vxlan_gpe", "ethernet"), ("vxlan_gpe", "ip"), ("geneve", "ethernet"),
          ("geneve", "ip"), ("gre", "ip"), ("gre", "ethernet"), ("keyed gre", "ip"), ("keyed gre", "ethernet"),
          ("mpls_over_udp", "ip"), ("mpls_over_gre", "ip"), ("mpls_over_mpls", "ip"),
          ("nsh_over_vxlan_gpe", "ethernet"), ("nsh_over_vxlan_gpe", "ip"), ("nsh_over_gre", "ip"),
          ("nsh_over_gre", "ethernet"), ("keyed nsh_over_gre", "ip"), ("keyed nsh_over_gre", "ethernet"),
          ("nsh_over_ethernet", "ip"), ("nsh_over_ethernet", "ethernet")]
LISTS = [(1, False), (1, True), (2, False), (2, True)]   # segments of SRv6, and whether the first is left out
SEGMENTS = "2001:db8:b::/48"                             # of the peer


@dataclass(frozen=True)
class Way:
    """A tunnel to the peer and a decap from it. Behind it are 10.1.NUMBER.12 and fd00:1:NUMBER::12."""
    number: int
    kind: str
    payload: str
    six: bool          # the underlay
    network: int       # VNI, key, label or path; None: no key, or SRv6
    front: int = None  # VNI or key in front of NSH
    segments: tuple = ()
    reduced: bool = False

    @property
    def name(self):
        what = self.network if self.front is None else f"{self.network} behind {self.front}"
        if self.segments:
            what = f"with {len(self.segments)} segments{', reduced,' if self.reduced else ''}"
        return f"{self.kind} {what} with {self.payload} over {'IPv6' if self.six else 'IPv4'}"

    @property
    def far(self):
        return {4: f"10.1.{self.number}.12", 6: f"fd00:1:{self.number}::12"}

    @property
    def sid(self):
        """By which packets of SRv6 come in."""
        return f"2001:db8:a::{self.number}"

    @property
    def sources(self):
        return ["2001:db8::/64" if self.six else "192.0.2.0/24"]

    def settings(self):
        known = {"kind": self.kind}
        if self.network is not None:
            known[NETWORK_KEYS[self.kind]] = self.network
        if self.front is not None:
            known[FRONT_KEYS[self.kind]] = self.front
        if self.kind.startswith("nsh"):
            known["index"] = INDEX
        return known

    def tunnel(self):
        """As weft.yaml has it."""
        entry = {"name": f"to-{self.number}", **self.settings()}
        if self.segments:
            return {**entry, "segments": list(self.segments), "reduced": self.reduced}
        entry["remote"] = THERE6 if self.six else THERE
        if self.kind in UDP_PORTS:
            entry["source_ports"] = "50000-50000"
        if self.kind != "vxlan" and not self.kind.startswith("mpls"):
            entry["payload"] = self.payload
        if self.payload == "ethernet":
            entry["inner_destination_mac"] = ROUTER
        if self.kind.startswith("nsh") and self.six:
            entry["context"] = CONTEXT.hex()
        return entry

    def decap(self):
        entry = {"name": f"from-{self.number}", **self.settings(), "vrf": "blue"}
        if self.segments:
            entry["sid"] = self.sid
        return entry if self.kind in ON_ETHERNET else {**entry, "sources": self.sources}

    def header(self, inside, ttl=None, **change):
        """The tunnel header; `inside`: 4, 6 or None for Ethernet; `change`: fields of it."""
        if self.kind == "vxlan":
            return VXLAN(**{"flags": 8, "vni": self.network, **change})
        if self.kind == "vxlan_gpe":
            return VXLAN(**{"flags": 0x0C, "NextProtocol": NEXT_PROTOCOLS[inside], "vni": self.network, **change})
        if self.kind == "geneve":
            return GENEVE(**{"proto": ETHER_TYPES[inside], "vni": self.network, **change})
        if self.kind == "gre":
            return self.gre(ETHER_TYPES[inside], self.network, **change)
        if self.kind.startswith("nsh"):
            return self.in_front(self.service(inside, 63 if ttl is None else ttl, **change))
        label = MPLS(**{"label": self.network, "s": 1, "cos": 0, "ttl": 64 if ttl is None else ttl, **change})
        return GRE(proto=LABELS) / label if self.kind == "mpls_over_gre" else label

    @staticmethod
    def gre(protocol, network, **change):
        keyed = {} if network is None else {"key_present": 1, "key": network}
        return GRE(**{"proto": protocol, **keyed, **change})

    def service(self, inside, ttl, **change):
        """The NSH header alone."""
        return NSH(**{"ttl": ttl, "length": 6, "mdtype": 1, "nextproto": NEXT_PROTOCOLS[inside], "spi": self.network,
                      "si": INDEX, "context_header": CONTEXT if self.six else bytes(16), **change})

    def in_front(self, service, **change):
        """NSH with what carries it; `change`: fields of that."""
        if self.kind == "nsh_over_ethernet":
            return service
        if self.kind == "nsh_over_gre":
            return self.gre(SERVICE, self.front, **change) / service
        return VXLAN(**{"flags": 0x0C, "NextProtocol": NSH_IN_GPE, "vni": self.front, **change}) / service

    def carried(self, header, sport, checksum):
        """The header behind UDP, where the kind has that."""
        if self.kind not in UDP_PORTS:
            return header
        return UDP(sport=sport, dport=UDP_PORTS[self.kind], chksum=checksum) / header

    def leaving(self, packet):
        """The frame by which an IP packet of a VM leaves for the peer."""
        link, content = Ether(src=FABRIC, dst=PEER), routed(packet) if self.payload == "ethernet" else packet
        if self.segments:
            return link / self.steered(packet.version) / packet
        header = self.header(None if self.payload == "ethernet" else packet.version)
        if self.kind in ON_ETHERNET:
            return Ether(src=FABRIC, dst=PEER, type=ON_ETHERNET[self.kind]) / header / content
        body = self.carried(header, 50000, None if self.six else 0)
        label = 0 if self.kind in UDP_PORTS else LABEL_OF_FLOW
        outer = IPv6(src=HERE6, dst=THERE6, hlim=64, fl=label) if self.six else IP(src=HERE, dst=THERE, ttl=64, id=0,
                                                                                   flags="DF")
        return link / numbered(outer, body) / body / content

    def steered(self, version):
        """RFC 8986 §5.1, and §5.2 where it is reduced: outer IPv6 header and routing header, if there is any."""
        listed = list(self.segments[1:] if self.reduced else self.segments)[::-1]
        outer = {"src": HERE6, "dst": self.segments[0], "hlim": 64, "fl": LABEL_OF_FLOW}
        if not listed:
            return IPv6(nh=IP_PROTOCOLS[version], **outer)
        return IPv6(nh=ROUTING, **outer) / IPv6ExtHdrSegmentRouting(
            nh=IP_PROTOCOLS[version], addresses=listed, segleft=len(self.segments) - 1, lastentry=len(listed) - 1)

    def arriving(self, packet, header=None, inside=None, **change):
        """The frame by which the peer sends a packet. `header`: another than the kind's."""
        inside = inside or (None if self.payload == "ethernet" else packet.version)
        link, content = Ether(src=PEER, dst=FABRIC), routed(packet) if self.payload == "ethernet" else packet
        if self.segments:
            return link / (header or self.ending(inside, **change)) / packet
        made = header if header is not None else self.header(inside, **{"ttl": 9, **change})
        if self.kind in ON_ETHERNET:
            return Ether(src=PEER, dst=FABRIC, type=ON_ETHERNET[self.kind]) / made / content
        body = self.carried(made, 51234, None if self.six else 0)
        outer = IPv6(src=THERE6, dst=HERE6, hlim=9) if self.six else IP(src=THERE, dst=HERE, ttl=9, id=5)
        return link / numbered(outer, body) / body / content

    def ending(self, version, outer=None, **change):
        """What comes in at the last segment, as it was sent by `steered`. `outer`, `change`: fields of the headers."""
        outer = IPv6(**{"src": THERE6, "dst": self.sid, "hlim": 9, "nh": ROUTING, **(outer or {})})
        if len(self.segments) == 1 and self.reduced:
            return IPv6(**{**outer.fields, "nh": IP_PROTOCOLS[version]})
        listed = [self.sid, "2001:db8:a::1"][:len(self.segments) - self.reduced]
        return outer / IPv6ExtHdrSegmentRouting(**{"nh": IP_PROTOCOLS[version], "addresses": listed, "segleft": 0,
                                                   "lastentry": len(listed) - 1, **change})


def numbered(outer, body):
    """The outer IP header with the protocol of what follows, which scapy does not know for all."""
    protocol = 17 if isinstance(body, UDP) else GRE_NUMBER
    return IPv6(**{**outer.fields, "nh": protocol}) if outer.version == 6 else IP(**{**outer.fields, "proto": protocol})


def ways():
    made = []
    for number, (kind, payload) in enumerate(SHAPES):
        for six in (False, True):
            at = 20 + 2 * number + six
            key = 0xFFFFFFFF if six else 300 + at
            network = None if kind == "gre" else key if kind == "keyed gre" else 300 + at
            front = {"nsh_over_vxlan_gpe": 500 + at, "keyed nsh_over_gre": key}.get(kind)
            made.append(Way(at, kind.removeprefix("keyed "), payload, six, network, front))
    for number, (count, reduced) in enumerate(LISTS, 20 + 2 * len(SHAPES)):
        segments = (f"2001:db8:b::{number}", f"2001:db8:c::{number}")[:count]
        made.append(Way(number, "srv6", "ip", True, None, None, segments, reduced))
    return made


WAYS = ways()


def way(kind, payload, network=True, front=None):
    """Over IPv4; `network`: whether it has a name; `front`: whether there is one in front of it, if that matters."""
    return next(w for w in WAYS if (w.kind, w.payload, w.six, w.network is not None) == (kind, payload, False, network)
                and front in (None, w.front is not None))


def configure(config):
    """Adds what the rows need to a router that has the VRF and VIF blue."""
    taken = []
    config["routes"].append({"vrf": "underlay", "prefix": SEGMENTS, "via": {"gateway": THERE6}})
    for w in WAYS:
        tunnel, decap = w.tunnel(), w.decap()
        config["tunnels"].append(tunnel)
        told = {key: value for key, value in decap.items() if key != "name"}
        if told not in taken:   # what a tunnel of Ethernet and one of IP send goes into one decap
            taken.append(told)
            config["decaps"].append(decap)
        config["routes"] += [{"vrf": "blue", "prefix": f"{far}/{32 if version == 4 else 128}",
                              "via": {"tunnel": tunnel["name"]}} for version, far in w.far.items()]


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
    bad("a label in front that no decap lists", LABEL, "label_unexpected",
        header=MPLS(label=17, s=0) / LABEL.header(4)),
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
             "mpls_over_gre": ["gre", "mpls"], "mpls_over_mpls": ["mpls"], "nsh_over_vxlan_gpe": ["nsh"],
             "nsh_over_gre": ["gre", "nsh"], "nsh_over_ethernet": ["nsh"],
             "srv6": ["ipv6.routing"] if len(w.segments) > w.reduced else []}
    inner = ["ip" if packet.version == 4 else "ipv6", "udp", "data"]
    outer = [] if w.kind in ON_ETHERNET else ["ipv6" if w.six else "ip"]
    carrier = ["udp"] if w.kind in UDP_PORTS else []
    link = ["eth"] if w.payload == "ethernet" else []
    ends = [((HERE6, THERE6) if w.six else (HERE, THERE))] if outer else []
    if w.segments:
        ends = [(HERE6, w.segments[0])]
    near = NEAR if packet.version == 4 else NEAR6
    return {"protocols": ["eth", *outer, *carrier, *names[w.kind], *link, *inner], "ends": [
        *ends, (near, w.far[packet.version])], "networks": [n for n in (w.front, w.network) if n is not None]}
