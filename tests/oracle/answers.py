"""What a router says itself: ARP (RFC 826), ND (RFC 4861), ICMP (RFC 792, 1812, 4443)."""

import wire
from tunnels import encapsulate
from verdict import Unknown
from wire import (ICMP, ICMP6, IPV6, UDP, addresses, covers, ethernet, icmp4, icmp6, ipv4, ipv6,
                  ones_sum, packed, pseudo, solicited_node, upper)

ROUTER_SOLICITATION, SOLICITATION, ADVERTISEMENT, REDIRECT = 133, 135, 136, 137
ICMP_ERRORS4 = (3, 4, 5, 11, 12)
# kind → type and code for IPv4 and for IPv6
ERRORS = {"unreachable": ((3, 0), (1, 0)), "host": ((3, 1), (1, 3)), "port": ((3, 3), (1, 4)),
          "expired": ((11, 0), (3, 0)), "too_big": ((3, 4), (2, 0))}
QUOTED4, QUOTED6 = 576 - 20 - 8, 1280 - 40 - 8   # RFC 1812 §4.3.2.3, RFC 4443 §3
INTERNETWORK_CONTROL = 0xC0                      # RFC 1812 §4.3.2.5
ALL_NODES = packed("ff02::1")
LINK_LOCAL = wire.prefix("fe80::/10")


def off_link(where, asker):
    """Who asks at a port has to be of one of its subnets: nobody else is its neighbour (RFC 4861 §2.1)."""
    return where.kind == "port" and not unspecified(asker) and not any(
        covers(net, asker) for _, net in where.device.addresses)


def unspecified(address):
    return not any(address)


def routed(tables, vrf, address):
    """Whether the VRF leads somewhere with it, by whatever way."""
    entry, _ = tables.walk(vrf, address)
    return entry is not None and entry != "loop" and entry.kind != "discard"


def answerable(tables, where, target):
    """Whether the router speaks for the target toward who asks from there."""
    if len(target) == 4 and (target[0] >= 224 or target[0] in (0, 127)):
        return False
    if len(target) == 16 and (target[0] == 0xFF or target == packed("::1") or covers(LINK_LOCAL, target)):
        return False
    if where.kind == "port":
        return any(a == target for a, _ in where.device.addresses)
    if where.kind == "vif":
        if target in where.device.addresses:
            return False
        return routed(tables, where.vrf, target)
    entry, _ = tables.walk(where.vrf, target)
    if entry in (None, "loop") or entry.kind == "tunnel":
        return False
    if entry.kind == "receive":
        return True
    if entry.kind == "vif" and target in tables.vifs[entry.target].addresses:
        return True
    raise Unknown("a question out of a tunnel for what is neither a VIF's address nor ours")


def _reply(tables, verdict, where, asker, ethertype, packet, destination):
    """Sends an ARP or ND answer back the way the question came."""
    from_mac = where.mac
    frame = ethernet(destination, from_mac, ethertype, packet)
    verdict.reasons = frozenset([None, "punt_neighbour_limited"])
    if where.kind != "tunnel":
        return verdict.may_send("neighbour", interface=where.device.name, frame=frame)
    entry, _ = tables.walk(where.vrf, asker)
    tunnel = tables.tunnels[entry.target]
    if tunnel.payload == "ip":   # who asked by Ethernet cannot hear the answer
        return verdict.drop(None, "punt_neighbour_limited", "neighbour_not_ours")
    done = encapsulate(tables, tunnel, frame, own=True)
    if done is None:
        raise Unknown("a question from whom no tunnel leads back to")
    return verdict.may_send("neighbour", **done)


def _can_answer(tables, where, asker):
    """A question out of a tunnel is answered into the tunnel that leads back to who asks."""
    if where.kind != "tunnel":
        return True
    entry, _ = tables.walk(where.vrf, asker)
    return entry not in (None, "loop") and entry.kind == "tunnel"


def arp(tables, verdict, where, data):
    def drop(*reasons):
        verdict.drop("punt_neighbour_limited", *reasons)

    if len(data) < 28 or data[:6] != b"\0\1\x08\0\6\4":
        return drop("neighbour_malformed", "frame_truncated") if len(data) < 28 else drop("neighbour_malformed")
    operation = int.from_bytes(data[6:8], "big")
    sender_mac, sender, target = data[8:14], data[14:18], data[24:28]
    if operation not in (1, 2):
        return drop("neighbour_malformed", "neighbour_not_ours")
    faults = set()
    if sender_mac[0] & 1 or not any(sender_mac):
        faults |= {"neighbour_malformed", "neighbour_not_ours", "spoofed_mac"}
    if where.kind == "vif" and where.device.strict:
        if sender_mac != where.device.mac:
            faults.add("spoofed_mac")
        if not unspecified(sender) and sender not in where.device.addresses:
            faults.add("spoofed_ip")
    elif sender_mac != where.l2_source:
        raise Unknown("ARP whose sender differs from the frame's")
    if faults:
        return drop(*faults)
    if operation == 2:
        return drop("neighbour_not_ours")
    if where.kind == "port" and not unspecified(sender) and sender not in tables.neighbours:
        raise Unknown("ARP from whom the router may learn")
    if not unspecified(sender) and (sender[0] >= 224 or sender[0] in (0, 127)):
        raise Unknown("ARP from an address that nobody has")
    if sender == target or not answerable(tables, where, target):
        return drop("neighbour_not_ours")
    if where.kind == "tunnel" and (unspecified(sender) or not _can_answer(tables, where, sender)):
        return drop("neighbour_not_ours")
    packet = wire.arp(2, where.mac, target, sender_mac, sender)
    return _reply(tables, verdict, where, sender, wire.ARP, packet, sender_mac)


def is_neighbour_message(packet):
    protocol, at, later, _ = upper(packet)
    if protocol != ICMP6 or later or len(packet) <= at or not ROUTER_SOLICITATION <= packet[at] <= REDIRECT:
        return False
    if at > 40:
        raise Unknown("a neighbour message behind other headers")
    return True


def _link_layer_option(options, wanted):
    """(whether the options are well formed, the address in the wanted one)"""
    found = None
    while options:
        if len(options) < 8 or options[1] == 0 or options[1] * 8 > len(options):
            return False, None
        if options[0] == wanted and options[1] == 1:
            found = options[2:8]
        options = options[options[1] * 8:]
    return True, found


def nd(tables, verdict, where, packet):
    def drop(*reasons):
        verdict.drop("punt_neighbour_limited", *reasons)

    source, destination = addresses(packet)
    body = packet[40:]
    if where.bare:
        raise Unknown("a neighbour message without a link")
    if where.l2_source[0] & 1 or not any(where.l2_source):
        raise Unknown("a neighbour message from no station's MAC")
    if destination[0] != 0xFF and tables.walk(where.vrf, destination)[0] is not None:
        entry, _ = tables.walk(where.vrf, destination)
        if entry == "loop" or entry.kind != "receive":
            raise Unknown("a neighbour message to be forwarded")
    if destination[0] != 0xFF and not (where.l2_destination == where.mac):
        raise Unknown("a neighbour message to a unicast address in a multicast frame")
    if body[0] not in (SOLICITATION, ADVERTISEMENT):  # hosts' and routers' own business, whether well formed or not
        return drop("neighbour_not_ours", "neighbour_malformed", "ip_destination_unsupported", "spoofed_ip",
                    "ip_source_invalid", "spoofed_mac")
    faults = set()
    if packet[7] != 255 or len(body) < 24 or body[1] or ones_sum(pseudo(source, destination, ICMP6, len(body)) + body) \
            != 0xFFFF:
        faults.add("neighbour_malformed")
    target = body[8:24]
    slla = None
    if not faults:
        formed, slla = _link_layer_option(body[24:], 1 if body[0] == SOLICITATION else 2)
        if not formed or target[0] == 0xFF:
            faults.add("neighbour_malformed")
        if body[0] == ADVERTISEMENT and destination[0] == 0xFF and body[4] & 0x40:  # RFC 4861 §7.1.2
            faults.add("neighbour_malformed")
        if unspecified(source) and body[0] == SOLICITATION and (
                slla or destination[:13] != solicited_node(target)[:13]):   # of any target: RFC 4861 §7.1.1
            faults.add("neighbour_malformed")
    if where.kind == "vif" and where.device.strict:
        if source not in where.device.addresses and not unspecified(source) and not covers(LINK_LOCAL, source):
            faults.add("spoofed_ip")
        if slla and slla != where.device.mac:
            faults.add("spoofed_mac")
    elif slla and slla != where.l2_source:
        raise Unknown("a neighbour message whose option differs from the frame's source")
    if faults and "neighbour_malformed" not in faults and unspecified(target):   # see below: it may be seen first
        faults |= {"neighbour_not_ours", "neighbour_malformed"}
    if faults:
        return drop(*faults)
    if source[0] == 0xFF or source == packed("::1"):
        raise Unknown("a neighbour message from an impossible source")
    if body[0] == ADVERTISEMENT:
        return drop("neighbour_not_ours")
    if destination not in (solicited_node(target), target):
        raise Unknown("a solicitation to somebody else's group")
    if where.kind == "port" and not unspecified(source) and source not in tables.neighbours:
        raise Unknown("a solicitation from whom the router may learn")
    if unspecified(target):
        return drop("neighbour_not_ours", "neighbour_malformed")
    if off_link(where, source) or source == target or not answerable(tables, where, target):
        return drop("neighbour_not_ours")
    if where.kind == "tunnel" and (unspecified(source) or not _can_answer(tables, where, source)):
        return drop("neighbour_not_ours")
    if where.kind != "vif" and slla is None and not unspecified(source) and where.kind == "tunnel":
        raise Unknown("a solicitation out of a tunnel without a link-layer address")
    to_all = unspecified(source)
    to = ALL_NODES if to_all else source
    flags = 0xA0 if to_all else 0xE0
    message = icmp6(target, to, ADVERTISEMENT, 0, flags << 24, target + wire.option(2, where.mac))
    mac = wire.multicast_mac(to) if to_all else tables.neighbours[source] if where.kind == "port" else where.l2_source
    return _reply(tables, verdict, where, source, IPV6, ipv6(target, to, ICMP6, message, hops=255), mac)


def local(oracle, verdict, where, packet):
    """A packet to one of the router's own addresses."""
    source, destination = addresses(packet)
    protocol, at, _, fragment = upper(packet)
    body = packet[at:]
    four = len(source) == 4
    if protocol == (ICMP if four else ICMP6) and not fragment and len(body) >= 8 and body[0] == (8 if four else 128) \
            and body[1] == 0:
        good = ones_sum(body if four else pseudo(source, destination, ICMP6, len(body)) + body) == 0xFFFF
        if good and at != (20 if four else 40):
            raise Unknown("a ping with options")
        if good:
            verdict.reasons = frozenset([None, "punt_local_limited"])
            rest = int.from_bytes(body[4:8], "big")
            if four:
                reply = ipv4(destination, source, ICMP, icmp4(0, 0, rest, body[8:]), tos=packet[1] & 0xFC)
            else:
                traffic_class = int.from_bytes(packet[:2], "big") >> 4 & 0xFC
                reply = ipv6(destination, source, ICMP6, icmp6(destination, source, 129, 0, rest, body[8:]),
                             traffic_class=traffic_class)
            return oracle.originate(verdict, where, reply, "echo")
    verdict.drop("local_unsupported", "punt_local_limited")
    if protocol == UDP and len(body) < 8 and where.kind == "port":
        verdict.drop("local_unsupported", "punt_local_limited", "outer_udp_length")
    if protocol == UDP:
        message = error(oracle.tables, where, packet, "port")
        if message is not None:
            oracle.originate(verdict, where, message, "port")
    return None


def error(tables, where, packet, kind, mtu=0):
    """The ICMP error that the packet deserves, or None."""
    source, _ = addresses(packet)
    protocol, at, later, _ = upper(packet)
    own = tables.router_address(where.vrf, source)
    if own is None:
        return None
    if len(source) == 4:
        if later:  # RFC 1812 §4.3.2.7; RFC 4443 §2.4 has no such rule
            return None
        if protocol == ICMP and (at >= len(packet) or packet[at] in ICMP_ERRORS4):
            return None
        return ipv4(own, source, ICMP, icmp4(*ERRORS[kind][0], mtu, packet[:QUOTED4]), tos=INTERNETWORK_CONTROL)
    if protocol == ICMP6 and (at >= len(packet) or packet[at] < 128 or packet[at] == REDIRECT):
        return None
    return ipv6(own, source, ICMP6, icmp6(own, source, *ERRORS[kind][1], mtu, packet[:QUOTED6]))
