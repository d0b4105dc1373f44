"""Tunnel kinds between the node and its peer, a row each: what Weft and Open vSwitch are told of one, and what it puts in
front of a packet. Over IPv4, and as NAME6 over IPv6; SRv6 over IPv6 alone.
"""
import ipaddress
import json
import struct
from typing import Callable, NamedTuple

PCAP_MAC = "02:70:63:61:70:00"  # of the first net_pcap device
FAR_MAC = "02:00:00:00:99:02"
NETWORK = 100


class Underlay(NamedTuple):
    local: str
    remote: str
    link: str  # the local address and how long its subnet's prefix is

    def subnet(self):
        return str(ipaddress.ip_interface(self.link).network)

    def is_ipv6(self):
        return ":" in self.local


IPV4 = Underlay("172.31.1.1", "172.31.1.2", "172.31.1.1/24")
IPV6 = Underlay("fd00:31::1", "fd00:31::2", "fd00:31::1/64")


class Kind(NamedTuple):
    says: dict  # in the configuration, a tunnel and a decap alike
    header: Callable  # network → bytes between the outer IP or UDP header and what is inside
    port: int = 0  # of UDP
    protocol: int = 17
    framed: bool = True  # inside is Ethernet, not IP alone
    peer: tuple = ()  # type and options of Open vSwitch's port; none: it has no such kind
    tunnel: dict = {}  # what a tunnel says instead of its remote
    decap: dict = {}
    underlay: Underlay = IPV4

    def end(self):
        """The outer destination of what arrives."""
        return self.decap.get("sid", self.underlay.local)

    def fields(self):
        """What configurations of systems.py leave open."""
        both = {**self.says, **({"zero_udp_checksum6": True} if self.port and self.underlay.is_ipv6() else {})}
        mac = {"inner_destination_mac": PCAP_MAC} if self.framed else {}
        return {"local": self.underlay.local, "link": self.underlay.link, "remote": self.underlay.remote,
                "tunnel": json.dumps({"name": "to-far", **both, **mac,
                                      **(self.tunnel or {"remote": self.underlay.remote})}),
                "decap": json.dumps({"name": "from-far", "vrf": "blue", "sources": [self.underlay.subnet()], **both,
                                     **self.decap})}


# SRv6 visits two segments: the peer and, behind it, what ends the way; on the way in a node beyond the peer, and this.
SRV6_END, SRV6_SID = "fd00:32::46", "fd00:31:1::46"


def _routing_header(_):
    """RFC 8754 section 2, IPv4 inside: no segments left, the last one first."""
    segments = b"".join(ipaddress.ip_address(segment).packed for segment in (SRV6_SID, "fd00:33::e"))
    return struct.pack("!BBBBBBH", 4, len(segments) // 8, 4, 0, 1, 0, 0) + segments


# Headers: RFC 7348 section 5, RFC 8926 section 3.4, RFC 2784 section 2, RFC 3032 section 2.1 (with a TTL of 64).
_ROWS = {
    "vxlan": Kind({"kind": "vxlan", "vni": NETWORK}, lambda network: struct.pack("!II", 1 << 27, network << 8),
                  port=4789, peer=("vxlan", "key=%d" % NETWORK)),
    "geneve": Kind({"kind": "geneve", "vni": NETWORK}, lambda network: struct.pack("!HHI", 0, 0x6558, network << 8),
                   port=6081, peer=("geneve", "key=%d" % NETWORK)),
    "gre": Kind({"kind": "gre"}, lambda _: struct.pack("!HH", 0, 0x0800),
                protocol=47, framed=False, peer=("gre", "packet_type=legacy_l3")),
    "mplsoudp": Kind({"kind": "mpls_over_udp", "label": NETWORK},
                     lambda network: struct.pack("!I", network << 12 | 1 << 8 | 64), port=6635, framed=False),
    "srv6": Kind({"kind": "srv6"}, _routing_header, protocol=43, framed=False, underlay=IPV6,
                 tunnel={"segments": [IPV6.remote, SRV6_END]}, decap={"sid": SRV6_SID}),
}
KINDS = {**_ROWS, **{name + "6": kind._replace(underlay=IPV6, peer=())
                     for name, kind in _ROWS.items() if not kind.underlay.is_ipv6()}}


class TunnelWork(NamedTuple):
    kind: str  # a key of KINDS
    way: str  # encap or decap
    flows: bool  # a session is kept for each flow


# By the names that tools/bench knows; those of VXLAN over IPv4 are the ways alone.
TUNNEL_WORKS = {("" if kind == "vxlan" else kind + "-") + way + ("-flow" if flows else ""): TunnelWork(kind, way, flows)
                for kind in KINDS for way in ("encap", "decap") for flows in (False, True)}
