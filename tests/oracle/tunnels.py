"""The outer headers of a tunnel, and what ECN they and the inner ones have of each other (RFC 6040)."""

import kinds
import pieces
import segments
from wire import DONT_FRAGMENT, ETHERNET, ETHERNET_BYTES, GRE, IPV4, IPV6, NSH, UDP, checksum, ipv4, ipv6, udp

ANY_SOURCE_PORT = 0
NOT_ECT, ECT1, ECT0, CE = range(4)  # RFC 3168 §5


def traffic_class(packet):
    return packet[1] if packet[0] >> 4 == 4 else int.from_bytes(packet[:2], "big") >> 4 & 0xFF


def ecn_inside(outer, inner):
    """RFC 6040 figure 4: the ECN field that comes out of a tunnel; None: the packet must be dropped."""
    if outer == CE:
        return None if inner == NOT_ECT else CE
    return ECT1 if (outer, inner) == (ECT1, ECT0) else inner


def with_class(packet, value):
    """A sound IP packet with that traffic class."""
    if traffic_class(packet) == value:
        return packet
    if packet[0] >> 4 == 6:
        return bytes([0x60 | value >> 4, packet[1] & 0x0F | (value & 0x0F) << 4]) + packet[2:]
    header = packet[:1] + bytes([value]) + packet[2:10] + bytes(2) + packet[12:(packet[0] & 15) * 4]
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + packet[len(header):]


def encapsulate(tables, tunnel, frame, own=False):
    """What leaves, as keywords of Sent, with ANY_SOURCE_PORT for the port that only the router's secret hash knows;
    None where the underlay does not lead to the remote. A tunnel of IP packets takes the packet of the frame.
    `own`: ARP or ND of the router itself."""
    inside, data = ETHERNET, frame
    if tunnel.payload == "ip":
        inside, data = int.from_bytes(frame[12:14], "big"), frame[ETHERNET_BYTES:]
    return _with_outer(tables, tunnel, inside, data, None if own else frame[ETHERNET_BYTES:])


def relay(tables, tunnel, service, inner):
    """The same for a packet with an NSH header. `inner`: the IP packet in it, None where there is none."""
    return _with_outer(tables, tunnel, NSH, service, inner)


def _with_outer(tables, tunnel, inside, data, packet):
    """`packet`: of which the outer header has its ECN, and DSCP and TTL where these are copied."""
    way = tables.underlay_way(tunnel.remote)
    if way is None:
        return None
    inner, ttl = 0, 64
    if packet is not None:
        inner = traffic_class(packet)
        ttl = max(packet[8 if packet[0] >> 4 == 4 else 7], 1)   # nobody sends a packet with 0: RFC 1122 §3.2.1.7
    dscp = inner >> 2 if tunnel.dscp == "copy" else tunnel.dscp
    outer = dscp << 2 | inner & 3
    ttl = ttl if tunnel.ttl == "copy" else tunnel.ttl
    if tunnel.segments:
        protocol, between = segments.steered(tunnel.segments, tunnel.reduced, inside)
        packet = ipv6(tunnel.local, tunnel.remote, protocol, between + data, hops=ttl, traffic_class=outer)
        return _leaving(tunnel, way, packet)
    body = kinds.headed(tunnel.kind, tunnel.network, inside, data, 64 if tunnel.ttl == "copy" else tunnel.ttl,
                        tunnel.context)
    if tunnel.reserved:
        body = kinds.with_bits(body, tunnel.reserved)
    if tunnel.on_ethernet:
        return {"tunnel": tunnel, **way.frames(kinds.KINDS[tunnel.kind].ethertype, body)}
    six = len(tunnel.remote) == 16
    protocol = GRE if tunnel.port is None else UDP
    if protocol == UDP:
        check = None if six and not tunnel.zero_checksum6 else 0
        body = udp(tunnel.local, tunnel.remote, ANY_SOURCE_PORT, tunnel.port, body, check=check)
    if six:
        packet = ipv6(tunnel.local, tunnel.remote, protocol, body, hops=ttl, traffic_class=outer)
    else:
        packet = ipv4(tunnel.local, tunnel.remote, protocol, body, ttl=ttl, tos=outer,
                      fragment=0 if tunnel.outer_fragmentation else DONT_FRAGMENT)
    return _leaving(tunnel, way, packet)


def _leaving(tunnel, way, packet):
    """An outer IP packet, which is cut where it may be and does not fit."""
    cut = tunnel.outer_fragmentation and not way.takes(len(packet))
    return {"tunnel": tunnel, "pieces": pieces.sizes(packet, way.mtu) if cut else (),
            **way.frames(IPV4 if packet[0] >> 4 == 4 else IPV6, packet)}


def takes(tunnel, way, size):
    """Whether a packet of that size fits, which is no matter where the outer one may be cut."""
    return tunnel.outer_fragmentation or way.takes(size + tunnel.overhead)
