"""What is wrong with an IP packet by itself, and what it is."""

from wire import IPV4, TCP, UDP, addresses, covers, ones_sum, pseudo, upper

# RFC 1812 §5.3.7, RFC 1122 §3.2.1.3; RFC 4291 §2.5, §2.7
INVALID_SOURCES4 = [(n << 24, length, 32) for n, length in ((0, 8), (127, 8), (224, 4), (240, 4))]
LINK_LOCAL4 = (0xA9FE << 16, 16, 32)
LINK_LOCAL6 = (0xFE80 << 112, 10, 128)
MULTICAST6 = (0xFF << 120, 8, 128)


def unforwardable(address):
    """No router may pass on a packet from or to such an address."""
    if len(address) == 4:
        return any(covers(net, address) for net in INVALID_SOURCES4) or covers(LINK_LOCAL4, address)
    return (address[:15] == bytes(15) and address[15] in (0, 1)) or covers(MULTICAST6, address) or covers(
        LINK_LOCAL6, address)


def ip4_faults(data):
    if len(data) < 20:
        return {"frame_truncated"}
    faults = set()
    header, total = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
    if data[0] >> 4 != 4:
        faults.add("ipv4_version")
    if header < 20 or header > len(data):
        faults.add("ipv4_header_length")
    elif header > total:
        faults.add("ipv4_total_length")
        if header > 20:
            faults.add("ipv4_header_length")
    if total > len(data):
        faults.add("ipv4_total_length")
    if 20 <= header <= len(data) and ones_sum(data[:header]) != 0xFFFF:
        faults.add("ipv4_checksum")
    return faults


def ip6_faults(data):
    if len(data) < 40:
        return {"frame_truncated"} | ({"ipv6_version"} if data[:1] and data[0] >> 4 != 6 else set())
    faults = set()
    if data[0] >> 4 != 6:
        faults.add("ipv6_version")
    if 40 + int.from_bytes(data[4:6], "big") > len(data):
        faults.add("ipv6_payload_length")
    return faults


def trimmed(ethertype, data):
    """The packet without what the link added behind it."""
    size = int.from_bytes(data[2:4], "big") if ethertype == IPV4 else 40 + int.from_bytes(data[4:6], "big")
    return data[:size]


def is_fragment4(frame):
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
        at += 4
    return frame[at:at + 2] == b"\x08\0" and int.from_bytes(frame[at + 8:at + 10], "big") & 0x3FFF != 0


def unfinished(packet):
    """The checksum field holds the pseudo header's sum, as kernels leave it to hardware."""
    protocol, at, _, fragment = upper(packet)
    if protocol not in (TCP, UDP) or fragment:
        return False
    field = at + (16 if protocol == TCP else 6)
    if field + 2 > len(packet) or len(packet) < at + (20 if protocol == TCP else 8):
        return False
    head = pseudo(*addresses(packet), protocol, len(packet) - at)
    return int.from_bytes(packet[field:field + 2], "big") == ones_sum(head) and ones_sum(
        head + packet[at:]) != 0xFFFF
