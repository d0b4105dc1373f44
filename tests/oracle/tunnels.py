"""The outer headers of a tunnel (RFC 7348)."""

from wire import DONT_FRAGMENT, IPV4, IPV6, UDP, ethernet, ipv4, ipv6, udp, vxlan

ANY_SOURCE_PORT = 0


def encapsulate(tables, tunnel, frame):
    """(port, frame) of what leaves, with ANY_SOURCE_PORT for the port that only the router's secret hash knows;
    None where the underlay does not lead to the remote."""
    way = tables.underlay_way(tunnel.remote)
    if way is None:
        return None
    port, mac = way
    payload = vxlan(tunnel.vni, frame)
    six = len(tunnel.remote) == 16
    check = None if six and not tunnel.zero_checksum6 else 0
    datagram = udp(tunnel.local, tunnel.remote, ANY_SOURCE_PORT, tunnel.port, payload, check=check)
    if six:
        packet = ipv6(tunnel.local, tunnel.remote, UDP, datagram, hops=tunnel.ttl, traffic_class=tunnel.dscp << 2)
    else:
        packet = ipv4(tunnel.local, tunnel.remote, UDP, datagram, ttl=tunnel.ttl, tos=tunnel.dscp << 2,
                      fragment=DONT_FRAGMENT)
    return port, ethernet(mac, port.mac, IPV6 if six else IPV4, packet)
