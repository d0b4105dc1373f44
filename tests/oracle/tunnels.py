"""The outer headers of a tunnel."""

import kinds
from wire import (DONT_FRAGMENT, ETHERNET, ETHERNET_BYTES, GRE, IPV4, IPV6, UDP, ethernet, ipv4, ipv6, udp)

ANY_SOURCE_PORT = 0


def encapsulate(tables, tunnel, frame):
    """(port, frame) of what leaves, with ANY_SOURCE_PORT for the port that only the router's secret hash knows;
    None where the underlay does not lead to the remote. A tunnel of IP packets takes the packet of the frame."""
    way = tables.underlay_way(tunnel.remote)
    if way is None:
        return None
    port, mac = way
    inside, data = ETHERNET, frame
    if tunnel.payload == "ip":
        inside, data = int.from_bytes(frame[12:14], "big"), frame[ETHERNET_BYTES:]
    body = kinds.headed(tunnel.kind, tunnel.network, inside, data, tunnel.ttl)
    six = len(tunnel.remote) == 16
    protocol = GRE if tunnel.port is None else UDP
    if protocol == UDP:
        check = None if six and not tunnel.zero_checksum6 else 0
        body = udp(tunnel.local, tunnel.remote, ANY_SOURCE_PORT, tunnel.port, body, check=check)
    if six:
        packet = ipv6(tunnel.local, tunnel.remote, protocol, body, hops=tunnel.ttl, traffic_class=tunnel.dscp << 2)
    else:
        packet = ipv4(tunnel.local, tunnel.remote, protocol, body, ttl=tunnel.ttl, tos=tunnel.dscp << 2,
                      fragment=DONT_FRAGMENT)
    return port, ethernet(mac, port.mac, IPV6 if six else IPV4, packet)
