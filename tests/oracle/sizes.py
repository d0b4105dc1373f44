"""What a router does to a packet for the sake of its size: pieces by RFC 791 and 8200, the MSS of TCP by the README."""

from wire import MORE_FRAGMENTS, TCP, addresses, checksum, pseudo, upper

END, NO_OPERATION, MSS = 0, 1, 2
COPIED = 0x80
MOST_PIECES = 64
SYN = 2


def copied_options(options):
    """Those that each piece has (RFC 791 §3.1), up to one that is broken, padded to whole words."""
    kept = b""
    while options and options[0] != END:
        length = 1 if options[0] == NO_OPERATION else options[1] if len(options) > 1 else 0
        if length > len(options) or (options[0] != NO_OPERATION and length < 2):
            break
        if options[0] & COPIED:
            kept += options[:length]
        options = options[length:]
    return kept + bytes(-len(kept) % 4)


def pieces4(packet, mtu):
    """The IPv4 packet as pieces that fit; [] where that cannot be."""
    header = (packet[0] & 15) * 4
    later = packet[:20] + copied_options(packet[20:header])
    room = (mtu - header) // 8 * 8
    data = packet[header:]
    if room <= 0 or -(-len(data) // room) > MOST_PIECES:
        return []
    place = int.from_bytes(packet[6:8], "big")
    made = []
    for at in range(0, len(data), room):
        head = packet[:header] if at == 0 else later
        more = MORE_FRAGMENTS if at + room < len(data) else 0
        head = (bytes([0x40 | len(head) // 4, head[1]]) + (len(head) + len(data[at:at + room])).to_bytes(2, "big") +
                head[4:6] + ((place + at // 8) | more).to_bytes(2, "big") + head[8:10] + b"\0\0" + head[12:])
        made.append(head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + data[at:at + room])
    return made


def mss_place(packet):
    """Where the MSS of a packet that opens a TCP connection stands, None where it has none that can be read."""
    protocol, at, _, fragment = upper(packet)
    if protocol != TCP or fragment or len(packet) < at + 20 or not packet[at + 13] & SYN:
        return None
    end = at + (packet[at + 12] >> 4) * 4
    if end > len(packet):
        return None
    at += 20
    while at < end and packet[at] != END:
        if packet[at] == NO_OPERATION:
            at += 1
            continue
        length = packet[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            return None
        if packet[at] == MSS:
            return at + 2 if length == 4 else None
        at += length
    return None


def lowered(packet, ways):
    """The packet with its MSS as the ways ask for. `ways`: (clamp: None, "auto" or bytes, MTU) of each."""
    place = mss_place(packet)
    if place is None:
        return packet
    limits = [clamp for clamp, _ in ways if isinstance(clamp, int)]
    if any(clamp == "auto" for clamp, _ in ways):
        limits.append(min(mtu for _, mtu in ways) - (20 if packet[0] >> 4 == 4 else 40) - 20)
    old = int.from_bytes(packet[place:place + 2], "big")
    if not limits or min(limits) >= old:
        return packet
    new = packet[:place] + min(limits).to_bytes(2, "big") + packet[place + 2:]
    at = upper(packet)[1]
    # A checksum that was wrong stays as wrong as it was (RFC 1624).
    wrong = int.from_bytes(packet[at + 16:at + 18], "big") - _tcp_checksum(packet, at)
    check = (_tcp_checksum(new, at) + wrong) % 0xFFFF
    return new[:at + 16] + check.to_bytes(2, "big") + new[at + 18:]


def _tcp_checksum(packet, at):
    segment = packet[at:at + 16] + b"\0\0" + packet[at + 18:]
    return checksum(pseudo(*addresses(packet), TCP, len(segment)) + segment)
