"""SRv6: IP in IPv6 that visits segments (RFC 8754, RFC 8986), as it has to be sent and as it is read."""

import struct
from dataclasses import dataclass, field

from kinds import INVALID, TRUNCATED, UNSUPPORTED, disagreeing
from wire import IPV4, IPV6, ROUTING, upper6

INSIDE = {4: IPV4, 41: IPV6}   # next headers
HEADER_BYTES, SEGMENT_BYTES, TYPE = 8, 16, 4
BEHAVIOURS = {   # what may be inside; PASS_ON: it is not looked at
    "End.DT46": {IPV4, IPV6}, "End.DT4": {IPV4}, "End.DT6": {IPV6}, "End.DX4": {IPV4}, "End.DX6": {IPV6},
    "End": set(), "End.X": set(),
}
PASS_ON = ("End", "End.X")


def behaviour(decap):
    """Of a decap of the configuration; one with a VIF alone takes both versions."""
    return decap.get("behaviour", "End.X" if "gateway" in decap else "End.DT46")


def next_header(ethertype):
    return next(n for n, known in INSIDE.items() if known == ethertype)


def header(protocol, segments, left, *, last=None, kind=TYPE, words=None, flags=0, tag=0, more=b""):
    """A routing header. `segments`: in its own order, the last one to be visited first; `more`: TLVs; `words`: of 8
    bytes."""
    body = b"".join(segments) + more
    return struct.pack("!BBBBBBH", protocol, len(body) // 8 if words is None else words, kind, left,
                       max(len(segments) - 1, 0) if last is None else last, flags, tag) + body


def steered(segments, reduced, inside):
    """(next header of the outer IPv6 header, what stands between it and the packet): RFC 8986 §5.1, §5.2."""
    listed = list(reversed(segments[1:] if reduced else segments))
    protocol = next_header(inside)
    return (ROUTING, header(protocol, listed, len(segments) - 1)) if listed else (protocol, b"")


@dataclass
class Visit:
    """A packet at a SID. `left`: segments; `following`: the next one; `inside`: EtherType of `data`."""
    faults: set = field(default_factory=set)
    left: int = 0
    following: bytes = b""
    inside: int = None
    data: bytes = b""
    whole: bool = True


def opened(packet):
    """An IPv6 packet that has a routing header at once, or IP inside without one; None: it has neither."""
    protocol, at, visit = packet[6], 40, Visit()
    if protocol == ROUTING:
        head = packet[40:40 + HEADER_BYTES]
        if len(head) < HEADER_BYTES or len(packet) < 40 + HEADER_BYTES + head[1] * 8:
            return Visit({TRUNCATED, INVALID}, whole=False)
        visit.left, at = head[3], 40 + HEADER_BYTES + head[1] * 8
        if head[2] != TYPE or head[4] >= head[1] // 2 or visit.left > head[4] + 1:   # RFC 8754 §4.3.1.1
            visit.faults.add(INVALID)
        elif visit.left:
            begin = 40 + HEADER_BYTES + (visit.left - 1) * SEGMENT_BYTES
            visit.following = packet[begin:begin + SEGMENT_BYTES]
        protocol = head[0]
    else:
        protocol, at, _, fragment = upper6(packet)
        if protocol not in INSIDE or fragment:
            return None
    visit.inside, visit.data = INSIDE.get(protocol), packet[at:]
    return visit


def refusal(name, visit):
    """What is wrong with the visit at a SID of that behaviour."""
    faults = set(visit.faults)
    if (visit.left > 0) != (name in PASS_ON):
        faults.add("srv6_segments_left")
    if not visit.left and visit.inside not in (BEHAVIOURS[name] or INSIDE.values()):
        faults.add(UNSUPPORTED)
    if name not in PASS_ON:
        faults |= disagreeing(visit.inside, visit.data)
    return faults


def passed_on(packet, visit):
    """The packet on its way to the next segment; its hop limit is counted down where it is routed."""
    return packet[:24] + visit.following + packet[40:43] + bytes([visit.left - 1]) + packet[44:]
