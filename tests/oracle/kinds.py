"""Tunnel headers, kind by kind: RFC 7348, draft-ietf-nvo3-vxlan-gpe, RFC 8926, 2784, 2890, 3032, 4023, 7510, 8300."""

import struct
from dataclasses import dataclass, field

from wire import ETHERNET, GRE, IPV4, IPV6, MPLS, NSH, UDP, ones_sum

NEXT_PROTOCOLS = {1: IPV4, 2: IPV6, 3: ETHERNET}   # of VXLAN-GPE and of NSH
NSH_IN_GPE = 4
CHECKSUM, KEY, SEQUENCE = 0x8000, 0x2000, 0x1000   # of GRE
GRE_BYTES = 4
MAX_LABELS = 8
EXPLICIT_NULLS = (0, 2)
NSH_BYTES, CONTEXT_BYTES = 8, 16
FIXED, VARIABLE = 1, 2   # MD types
NSH_TTL, TTL_BITS = 63, 0x3F
OAM, NSH_VERSION = 0x2000, 0xC000
GRE_ROUTING = 0x4C00   # bits 1, 4 and 5: who sets them wants RFC 1701
RESERVED = {"vxlan": 0xF7FFFFFF000000FF, "vxlan_gpe": 0xC0FFFF00000000FF}   # bits: RFC 7348 §5, draft §3.1
TRUNCATED, INVALID, UNSUPPORTED = "tunnel_header_truncated", "tunnel_header_invalid", "tunnel_payload_unsupported"


@dataclass(frozen=True)
class Kind:
    """`name_of_network`: the key of the configuration. `payloads`: the first one is the default. `front`: the key for
    the network of what stands in front of NSH."""
    name_of_network: str
    port: int          # of UDP; None: it has none
    payloads: tuple
    largest: int       # name of a network
    smallest: int = 0
    ethertype: int = None   # of those on Ethernet
    front: str = None

    @property
    def protocol(self):
        """Of IP."""
        return GRE if self.port is None else UDP

    @property
    def has_labels(self):
        return self.name_of_network == "label"

    @property
    def is_nsh(self):
        return self.name_of_network == "path"


KINDS = {
    "vxlan": Kind("vni", 4789, ("ethernet",), 0xFFFFFF),
    "vxlan_gpe": Kind("vni", 4790, ("ethernet", "ip"), 0xFFFFFF),
    "geneve": Kind("vni", 6081, ("ethernet", "ip"), 0xFFFFFF),
    "gre": Kind("key", None, ("ip", "ethernet"), 0xFFFFFFFF),
    "mpls_over_udp": Kind("label", 6635, ("ip",), 0xFFFFF, 16),
    "mpls_over_gre": Kind("label", None, ("ip",), 0xFFFFF, 16),
    "mpls_over_mpls": Kind("label", None, ("ip",), 0xFFFFF, 16, ethertype=MPLS),
    "srv6": Kind(None, None, ("ip",), 0),
    "nsh_over_vxlan_gpe": Kind("path", 4790, ("ethernet", "ip", "nsh"), 0xFFFFFF, front="vni"),
    "nsh_over_gre": Kind("path", None, ("ip", "ethernet", "nsh"), 0xFFFFFF, front="key"),
    "nsh_over_ethernet": Kind("path", None, ("ip", "ethernet", "nsh"), 0xFFFFFF, ethertype=NSH),
}
ON_ETHERNET = {kind.ethertype: name for name, kind in KINDS.items() if kind.ethertype}


def settings(entry):
    """(kind, name of the network or None, UDP port or None) of a tunnel or decap of the configuration. The network of
    NSH is (VNI or key in front, path, index), that of MPLS all its labels."""
    name = entry.get("kind", "vxlan")
    kind = KINDS[name]
    network = entry.get(kind.name_of_network)
    if kind.is_nsh:
        network = entry.get(kind.front), network, entry.get("index", 255)
    if kind.has_labels:
        network = *entry.get("labels", []), network
    return name, network, entry.get("port", kind.port)


def last(kind, network):
    """What tells one decap of a kind from another: not the labels, VNI or key in front."""
    known = KINDS[kind]
    return network[1:] if known.is_nsh else network[-1] if known.has_labels else network


def of_port(kind):
    """Kinds of which this is the same share a UDP port: their headers tell them apart."""
    return "vxlan_gpe" if kind == "nsh_over_vxlan_gpe" else kind


def metadata(entry):
    """(MD type, bytes) of a tunnel of the configuration."""
    if not entry.get("options"):
        return FIXED, bytes.fromhex(entry.get("context", "00" * CONTEXT_BYTES))
    return VARIABLE, b"".join(nsh_metadata(int(kind, 16), bytes.fromhex(data), int(group, 16))
                              for group, kind, data in (option.split(":") for option in entry["options"]))


# --- what is sent -----------------------------------------------------------------------------------

def gpe_protocol(inside):
    return NSH_IN_GPE if inside == NSH else next(n for n, known in NEXT_PROTOCOLS.items() if known == inside)


def gpe(vni, protocol, flags=0x0C, reserved=b"\0\0", last=0):
    return bytes([flags]) + reserved + bytes([protocol]) + (vni << 8 | last).to_bytes(4, "big")


def geneve(vni, protocol, options=b"", *, words=None, version=0, flags=0, last=0):
    """`flags`: O 0x80, C 0x40, and the reserved bits below."""
    words = len(options) // 4 if words is None else words
    return struct.pack("!BBHI", version << 6 | words, flags, protocol, vni << 8 | last) + options


def geneve_option(kind, data, group=0x0102, *, words=None):
    """`kind` with its top bit set is critical."""
    return struct.pack("!HBB", group, kind, len(data) // 4 if words is None else words) + data


def gre(protocol, inside, *, key=None, sequence=None, check=None, more=0, reserved=0):
    """The whole packet. `check`: None for no checksum, 0 for a right one, else what it is wrong by; `more` flags."""
    flags = more | (KEY if key is not None else 0) | (SEQUENCE if sequence is not None else 0)
    rest = b"".join(struct.pack("!I", word) for word in (key, sequence) if word is not None)
    if check is None:
        return struct.pack("!HH", flags, protocol) + rest + inside
    head = struct.pack("!HH", flags | CHECKSUM, protocol)
    right = ~ones_sum(head + struct.pack("!HH", 0, reserved) + rest + inside) & 0xFFFF
    return head + struct.pack("!HH", right ^ check, reserved) + rest + inside


def label_entry(label, *, traffic_class=0, bottom=1, ttl=64):
    return (label << 12 | traffic_class << 9 | bottom << 8 | ttl).to_bytes(4, "big")


def stack(labels, **fields):
    """The outermost first. `fields`: of each entry."""
    return b"".join(label_entry(label, bottom=at == len(labels), **fields) for at, label in enumerate(labels, 1))


def nsh_metadata(kind, data, group=0x0102, *, size=None, unassigned=0):
    """RFC 8300 §2.5.1: with padding, which the length does not count."""
    size = len(data) if size is None else size
    return struct.pack("!HBB", group, kind, unassigned << 7 | size) + data + bytes(-len(data) % 4)


def nsh(path, index, protocol, context=(FIXED, bytes(CONTEXT_BYTES)), *, ttl=NSH_TTL, words=None, first=0,
        unassigned=0):
    """`context`: (MD type, bytes); `first`: more bits of the first word, `unassigned`: those beside the MD type."""
    kind, data = context
    words = (NSH_BYTES + len(data)) // 4 if words is None else words
    return struct.pack("!HBBI", first | ttl << 6 | words, unassigned << 4 | kind, protocol, path << 8 | index) + data


def with_bits(header, bits):
    """What begins with a header of eight bytes, with bits of it set."""
    return (int.from_bytes(header[:8], "big") | bits).to_bytes(8, "big") + header[8:]


def in_front(kind, network, data):
    """`data`, which begins with NSH, behind what carries it."""
    if kind == "nsh_over_vxlan_gpe":
        return gpe(network, NSH_IN_GPE) + data
    return gre(NSH, data, key=network) if kind == "nsh_over_gre" else data


def headed(kind, network, inside, data, ttl=64, context=(FIXED, bytes(CONTEXT_BYTES))):
    """What a router sends of this kind: the tunnel header and `data`, of EtherType `inside`. `ttl`: of the tunnel;
    `context`: of NSH."""
    if KINDS[kind].is_nsh:
        front, path, index = network
        head = b"" if inside == NSH else nsh(path, index, gpe_protocol(inside), context)
        return in_front(kind, front, head + data)
    if kind == "vxlan":
        return bytes([8, 0, 0, 0]) + (network << 8).to_bytes(4, "big") + data
    if kind == "vxlan_gpe":
        return gpe(network, gpe_protocol(inside)) + data
    if kind == "geneve":
        return geneve(network, inside) + data
    if kind == "gre":
        return gre(inside, data, key=network)
    labelled = stack(network, ttl=ttl) + data
    return gre(MPLS, labelled) if kind == "mpls_over_gre" else labelled


# --- what is received -------------------------------------------------------------------------------

@dataclass
class Opened:
    """`network`: as in `settings`; `inside`: the EtherType of `data`, None where it is neither Ethernet nor IP.
    `keyed`: GRE says that it has a key. `service`: all from the NSH header on."""
    kind: str
    faults: set = field(default_factory=set)
    network: object = None
    inside: int = None
    data: bytes = b""
    whole: bool = True    # no header was cut short
    keyed: bool = False
    service: bytes = b""
    bits: int = 0         # the whole header, of those that have eight bytes


def cut(kind, faults=(), keyed=False):
    return Opened(kind, {TRUNCATED, *faults}, whole=False, keyed=keyed)


def disagreeing(inside, data):
    """What is wrong with a packet of another version than the header says."""
    return {INVALID} if data and {IPV4: 4, IPV6: 6}.get(inside, data[0] >> 4) != data[0] >> 4 else set()


def opened(kind, data):
    """A tunnel header as received; `kind`: any that its carrier may have there, VXLAN-GPE for NSH in it, say."""
    return {"vxlan": _open_vxlan, "vxlan_gpe": _open_gpe, "nsh_over_vxlan_gpe": _open_gpe, "geneve": _open_geneve,
            "gre": _open_gre, "mpls_over_gre": _open_gre, "nsh_over_gre": _open_gre,
            "mpls_over_udp": lambda data: _open_label("mpls_over_udp", data, set()),
            "mpls_over_mpls": lambda data: _open_label("mpls_over_mpls", data, set()),
            "nsh_over_ethernet": lambda data: _open_nsh("nsh_over_ethernet", None, data, set())}[kind](data)


def _open_vxlan(data):
    if len(data) < 8:
        return cut("vxlan")
    faults = set() if data[0] & 8 else {INVALID}
    return Opened("vxlan", faults, int.from_bytes(data[4:7], "big"), ETHERNET, data[8:],
                  bits=int.from_bytes(data[:8], "big"))


def _open_gpe(data):
    if len(data) < 8:
        return cut("vxlan_gpe")
    flags, faults = data[0], set()
    if not flags & 8 or flags & 0x30:   # no VNI; another version
        faults.add(INVALID)
    if flags & 1:                       # OAM is nothing to be forwarded
        faults |= {INVALID, UNSUPPORTED}
    if flags & 4 and data[3] == NSH_IN_GPE:
        return _open_nsh("nsh_over_vxlan_gpe", int.from_bytes(data[4:7], "big"), data[8:], faults)
    inside = NEXT_PROTOCOLS.get(data[3]) if flags & 4 else ETHERNET   # without P it is as VXLAN
    if inside is None:
        faults.add(UNSUPPORTED)
    faults |= disagreeing(inside, data[8:])
    return Opened("vxlan_gpe", faults, int.from_bytes(data[4:7], "big"), inside, data[8:],
                  bits=int.from_bytes(data[:8], "big"))


def _open_geneve(data):
    if len(data) < 8:
        return cut("geneve")
    size, faults = 8 + (data[0] & 0x3F) * 4, set()
    if data[0] >> 6:
        faults.add(INVALID)
    if data[1] & 0x80:                  # a control packet, RFC 8926 §3.4
        faults |= {INVALID, UNSUPPORTED}
    if size > len(data):
        return cut("geneve", faults)
    inside = int.from_bytes(data[2:4], "big")
    if inside not in (ETHERNET, IPV4, IPV6):
        faults.add(UNSUPPORTED)
        inside = None
    faults |= disagreeing(inside, data[size:])
    critical, sound = _options(data[8:size])   # whether C announces them or not: README.md, RFC 8926 §3.5
    if critical:
        faults.add("tunnel_option_unknown")
    if not sound:
        faults |= {INVALID, TRUNCATED}
    return Opened("geneve", faults, int.from_bytes(data[4:7], "big"), inside, data[size:])


def _options(data):
    """(whether one is critical, whether all of them end where they have to)"""
    critical = False
    while data:
        if len(data) < 4 or 4 + (data[3] & 0x1F) * 4 > len(data):
            return critical, False
        critical = critical or bool(data[2] & 0x80)
        data = data[4 + (data[3] & 0x1F) * 4:]
    return critical, True


def _open_gre(data):
    if len(data) < GRE_BYTES:
        return cut("gre")
    flags, protocol = struct.unpack("!HH", data[:GRE_BYTES])
    kind, faults = {MPLS: "mpls_over_gre", NSH: "nsh_over_gre"}.get(protocol, "gre"), set()
    if flags & (GRE_ROUTING | 7):       # or another version
        faults.add(INVALID)
    at, key = 4, None
    if flags & CHECKSUM:
        at += 4
        if ones_sum(data) != 0xFFFF:
            faults.add("tunnel_checksum")
    if flags & KEY:
        key = int.from_bytes(data[at:at + 4], "big")
        at += 4
    if flags & SEQUENCE:
        at += 4
    if at > len(data):
        return cut(kind, faults, bool(flags & KEY))
    if kind == "mpls_over_gre":
        return _open_label(kind, data[at:], faults)
    if kind == "nsh_over_gre":
        return _open_nsh(kind, key, data[at:], faults)
    if protocol not in (ETHERNET, IPV4, IPV6):
        faults.add(UNSUPPORTED)
    faults |= disagreeing(protocol, data[at:])
    return Opened(kind, faults, key, None if UNSUPPORTED in faults else protocol, data[at:],
                  keyed=bool(flags & KEY))


def _open_label(kind, data, faults):
    """At most eight labels, of which the last names the network. Explicit nulls may be anywhere in front (RFC 4182)."""
    at, bottom, labels = 0, False, []
    while not bottom:
        if at == 4 * MAX_LABELS:
            return Opened(kind, faults | {INVALID}, whole=False)
        if len(data) < at + 4:
            return cut(kind, faults)
        entry = int.from_bytes(data[at:at + 4], "big")
        at, bottom = at + 4, bool(entry & 0x100)
        if bottom or entry >> 12 not in EXPLICIT_NULLS:
            labels.append(entry >> 12)
    inside = {4: IPV4, 6: IPV6}.get(data[at] >> 4 if len(data) > at else 4)
    if inside is None:
        faults.add(UNSUPPORTED)
    return Opened(kind, faults, tuple(labels), inside, data[at:])


def _open_nsh(kind, front, data, faults):
    """RFC 8300 §2.2 to §2.5. Each forwarder counts the TTL down, the last one too, before it looks where to go."""
    if len(data) < NSH_BYTES:
        return cut(kind, faults)
    first, kind_of_metadata, protocol = struct.unpack("!HBB", data[:4])
    kind_of_metadata &= 0x0F
    size, faults = (first & 0x3F) * 4, set(faults)
    if first & NSH_VERSION:
        faults.add(INVALID)
    if first & OAM:
        faults |= {INVALID, UNSUPPORTED}
    if first >> 6 & TTL_BITS == 1:
        faults.add("nsh_ttl_expired")
    inside = NEXT_PROTOCOLS.get(protocol)
    if inside is None:
        faults.add(UNSUPPORTED)
    if kind_of_metadata == FIXED and size != NSH_BYTES + CONTEXT_BYTES or kind_of_metadata not in (FIXED, VARIABLE) \
            or size < NSH_BYTES:
        faults |= {INVALID, TRUNCATED} if size > len(data) else {INVALID}
        return Opened(kind, faults, whole=False)
    if size > len(data):
        return cut(kind, faults)
    faults |= disagreeing(inside, data[size:])
    network = front, int.from_bytes(data[4:7], "big"), data[7]
    return Opened(kind, faults, network, inside, data[size:], service=data)


def next_forwarder(service):
    """The packet from its NSH header on, with a TTL one less: after 0 comes 63."""
    first = int.from_bytes(service[:2], "big")
    ttl = (first >> 6) - 1 & TTL_BITS
    return (first & ~(TTL_BITS << 6) | ttl << 6).to_bytes(2, "big") + service[2:]
