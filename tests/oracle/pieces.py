"""Outer packets that a router has cut (RFC 791 §3.2, RFC 8200 §4.5), put together again, and their identifications."""

from collections import defaultdict

from wire import (DONT_FRAGMENT, ETHERNET_BYTES, FRAGMENT, GRE, IPV4, IPV6, MORE_FRAGMENTS, ROUTING, UDP, VLAN,
                  checksum, ones_sum)

TAG_BYTES = 4
FRAGMENT_BYTES = 8


def _fixed6(packet):
    """Bytes of an IPv6 packet of ours that stand in each piece: the IPv6 header, and a routing header behind it."""
    return 40 + (8 + packet[41] * 8 if packet[6] == ROUTING and len(packet) > 41 else 0)


def sizes(packet, mtu):
    """Of the outer packet's pieces, none larger than that and each as large as may be; () where it fits."""
    if len(packet) <= mtu:
        return ()
    four = packet[0] >> 4 == 4
    fixed = 20 if four else _fixed6(packet)
    data, fixed = len(packet) - fixed, fixed + (0 if four else FRAGMENT_BYTES)
    room = (mtu - fixed) // 8 * 8
    return tuple(fixed + min(room, data - at) for at in range(0, data, room))


def _four(packet):
    """(what all pieces have in common, of whom the identification is and that, place, whether more follow, bytes of
    the header) of a sound piece."""
    place = int.from_bytes(packet[6:8], "big")
    if packet[0] != 0x45 or place & DONT_FRAGMENT or ones_sum(packet[:20]) != 0xFFFF or \
            int.from_bytes(packet[2:4], "big") != len(packet):
        return None
    common = packet[:2] + packet[8:10] + packet[12:20]
    return common, (packet[12:20] + packet[9:10], packet[4:6]), (place & 0x1FFF) * 8, bool(place & MORE_FRAGMENTS), 20


def _six(packet):
    at = _fixed6(packet)
    if packet[40 if at > 40 else 6] != FRAGMENT or len(packet) < at + FRAGMENT_BYTES or \
            int.from_bytes(packet[4:6], "big") != len(packet) - 40 or packet[at + 1]:
        return None
    place = int.from_bytes(packet[at + 2:at + 4], "big")
    common = packet[:4] + packet[6:at + 1]
    return common, (packet[8:40], packet[at + 4:at + 8]), place & 0xFFF8, bool(place & 1), at + FRAGMENT_BYTES


def _whole4(head, data):
    head = head[:2] + (20 + len(data)).to_bytes(2, "big") + bytes(4) + head[8:10] + bytes(2) + head[12:20]
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + data


def _whole6(head, data):
    fixed = head[:-FRAGMENT_BYTES]
    next_at = 40 if len(fixed) > 40 else 6
    fixed = fixed[:next_at] + head[-FRAGMENT_BYTES:][:1] + fixed[next_at + 1:]
    return fixed[:4] + (len(fixed) - 40 + len(data)).to_bytes(2, "big") + fixed[6:] + data


class Joiner:
    """Of the pieces that leave by ports. Those of a packet come one after the other, as its flow has an order."""

    def __init__(self, tunnel_locals):
        self.locals = {address for address, _ in tunnel_locals}
        self.waiting = defaultdict(list)   # what tells datagrams apart → frames

    def _read(self, frame):
        """(link bytes, whether it is of IPv4, what the piece's header says); None: it is no piece of ours."""
        link = ETHERNET_BYTES + (TAG_BYTES if frame[12:14] == VLAN.to_bytes(2, "big") else 0)
        kind, packet = int.from_bytes(frame[link - 2:link], "big"), frame[link:]
        if kind == IPV4 and len(packet) > 20 and packet[12:16] in self.locals and packet[9] in (UDP, GRE):
            read = _four(packet)
        elif kind == IPV6 and len(packet) > 48 and packet[8:24] in self.locals:
            read = _six(packet)
        else:
            return None
        return read and (link, kind == IPV4, read)

    def add(self, interface, frame):
        """(the whole frame, the sizes of its pieces, its identification) with the last one; None: it is no piece that
        comes in its turn; () as long as there are others to come."""
        found = self._read(frame)
        if found is None:
            return None
        link, four, (common, number, place, more, header) = found
        key = interface, frame[:link], common, number
        frames = self.waiting[key]
        if place != sum(len(f) - link - header for f in frames) or not (more or place):
            return None
        frames.append(frame)
        if more:
            return ()
        del self.waiting[key]
        data = b"".join(f[link + header:] for f in frames)
        whole = (_whole4 if four else _whole6)(frames[0][link:link + header], data)
        return frames[0][:link] + whole, tuple(len(f) - link for f in frames), number

    def unfinished(self):
        """[(interface, frame)] of packets of which no more came."""
        return [(key[0], frame) for key, frames in self.waiting.items() for frame in frames]
