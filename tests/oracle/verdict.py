"""What may become of one frame."""

from dataclasses import dataclass, field, replace

from wire import ethernet


class Unknown(Exception):
    """The documents do not say what happens to this packet; the reason is the text."""


@dataclass(frozen=True)
class Where:
    """Where a frame came from: a port, a VIF or a decap; the VRF it is in; the MAC and MTU of its router there."""
    kind: str
    device: object
    vrf: str
    mac: bytes
    mtu: int
    kernel: bool = False   # it came by af_packet from a kernel, which may leave checksums undone
    l2_destination: bytes = b""
    l2_source: bytes = b""
    outer: tuple = ()      # the port, which may share its device, and the flow of the tunnel packet
    outer_class: int = 0   # its traffic class
    bare: bool = False     # it came out of a tunnel without Ethernet

    def at(self, destination, source):
        return replace(self, l2_destination=destination, l2_source=source)


@dataclass(frozen=True)
class Sent:
    """`pieces`: sizes of the IP packets as which it leaves, () as a whole; `others`: (interface, frame) of the ways
    beside this one; a flow keeps to one of them all."""
    interface: str
    frame: bytes
    tunnel: object = None
    what: str = ""
    pieces: tuple = ()
    others: tuple = ()

    @property
    def ways(self):
        return (self.interface, self.frame), *self.others


@dataclass(frozen=True)
class Way:
    """Out of the underlay, by one of several gateways. `hops`: (port, MAC) of each."""
    hops: tuple

    @property
    def port(self):
        return self.hops[0][0]

    @property
    def mtu(self):
        """Of what gets through by each."""
        return min(port.mtu for port, _ in self.hops)

    def takes(self, size):
        """Whether a packet of that size fits."""
        fits = {size <= port.mtu for port, _ in self.hops}
        if False in fits and len({port.mtu for port, _ in self.hops}) > 1:
            raise Unknown("a packet that is too large for some of several ways")
        return fits == {True}

    def frames(self, kind, packet):
        """The keywords of Sent for an Ethernet frame of that EtherType."""
        made = [(port.name, ethernet(mac, port.mac, kind, packet)) for port, mac in self.hops]
        return {"interface": made[0][0], "frame": made[0][1], "others": tuple(made[1:])}


@dataclass
class Verdict:
    """`reasons`: exactly one of these is counted, None standing for no drop. `out` must come, `maybe` may come (rate
    limits), `extra` are reasons of which each may be counted once besides. `unknown`: no statement at all."""
    reasons: frozenset = frozenset([None])
    out: list = field(default_factory=list)
    maybe: list = field(default_factory=list)
    extra: list = field(default_factory=list)
    unknown: str = ""
    flow: tuple = ()
    path: tuple = ()   # packets of one path keep their order
    decap: str = ""    # the decap that let it in
    mark: str = None   # what it said by reserved bits then
    crossing: object = None  # how it goes through, once routed; sessions learn from it
    admitted: bool = False   # no policy denied it
    lost: tuple = ()         # (VRF, Identity) of what was not routed
    answered: bool = False   # the router itself has something to say to it

    def drop(self, *reasons):
        self.reasons = frozenset(reasons)

    def send(self, **sent):
        self.out.append(Sent(**sent))

    def may_send(self, what, **sent):
        self.answered = True
        self.maybe.append(Sent(what=what, **sent))

    def may_drop(self, *reasons):
        self.answered = True
        self.extra.append(frozenset([None, *reasons]))

    def __str__(self):
        if self.unknown:
            return f"unknown: {self.unknown}"
        lines = [f"{word} {s.interface}: {s.frame.hex()}{f' ({s.what})' if s.what else ''}"
                 f"{f' in pieces {s.pieces}' if s.pieces else ''}{f' or by {len(s.others)} others' if s.others else ''}"
                 for word, sent in (("out of", self.out), ("perhaps out of", self.maybe)) for s in sent]
        if self.reasons != {None}:
            lines.append("dropped for " + " or ".join(sorted(r or "nothing" for r in self.reasons)))
        return "\n".join(lines) or "nothing comes out and nothing is counted"
