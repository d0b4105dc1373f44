"""Bytes of packets, built and read with struct: what scapy is too slow for in 100 000 packets.

Addresses are `bytes` of 4 or 16, MACs of 6. test_oracle.py checks the builders against scapy.
"""

import socket
import struct

IPV4, IPV6, ARP, VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
ETHERNET, MPLS, NSH = 0x6558, 0x8847, 0x894F
ICMP, TCP, UDP, GRE, ICMP6, SCTP = 1, 6, 17, 47, 58, 132
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60
EXTENSIONS = {HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS}
MOST_EXTENSIONS = 8
BROADCAST = b"\xff" * 6
ETHERNET_BYTES = 14
MORE_FRAGMENTS, DONT_FRAGMENT = 0x2000, 0x4000


def packed(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def spelled(address):
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def prefix(text):
    """(network as an int, prefix length, bits of the family)"""
    address, length = text.split("/")
    raw = packed(address)
    bits = len(raw) * 8
    return int.from_bytes(raw, "big") >> (bits - int(length)) << (bits - int(length)), int(length), bits


def covers(net, address):
    network, length, bits = net
    return len(address) * 8 == bits and (int.from_bytes(address, "big") ^ network) >> (bits - length) == 0


def ones_sum(data):
    """The one's complement sum of the 16-bit words (RFC 1071)."""
    number = int.from_bytes(data + b"\0" if len(data) & 1 else data, "big")
    return (number % 0xFFFF or 0xFFFF) if number else 0


def checksum(data):
    return ~ones_sum(data) & 0xFFFF


def pseudo(source, destination, protocol, length):
    if len(source) == 4:
        return source + destination + struct.pack("!HH", protocol, length)
    return source + destination + struct.pack("!II", length, protocol)


def ethernet(destination, source, ethertype, payload):
    return destination + source + struct.pack("!H", ethertype) + payload


def ipv4(source, destination, protocol, payload, *, ttl=64, tos=0, ident=0, fragment=0, options=b"", length=None,
         ihl=None, version=4, check=None):
    header_bytes = 20 + len(options)
    head = struct.pack("!BBHHHBBH", version << 4 | (header_bytes // 4 if ihl is None else ihl), tos,
                       header_bytes + len(payload) if length is None else length, ident, fragment, ttl, protocol,
                       0) + source + destination + options
    value = checksum(head) if check is None else check
    return head[:10] + struct.pack("!H", value) + head[12:] + payload


def ipv6(source, destination, protocol, payload, *, hops=64, traffic_class=0, label=0, length=None, version=6):
    return struct.pack("!IHBB", version << 28 | traffic_class << 20 | label,
                       len(payload) if length is None else length, protocol, hops) + source + destination + payload


def udp(source, destination, sport, dport, payload, *, length=None, check=None):
    size = 8 + len(payload) if length is None else length
    head = struct.pack("!HHHH", sport, dport, size & 0xFFFF, 0)
    if check is None:
        check = checksum(pseudo(source, destination, UDP, 8 + len(payload)) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", check) + payload


def tcp(source, destination, sport, dport, payload, *, seq=0, flags=0x10, options=b""):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50 + len(options) * 4, flags, 8192, 0, 0) + options
    value = checksum(pseudo(source, destination, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack("!H", value) + head[18:] + payload


def sctp(sport, dport, tag, data):
    """A common header and what comes after it; no router looks at its CRC (RFC 9260 §3.1)."""
    return struct.pack("!HHII", sport, dport, tag, 0) + data


def icmp4(kind, code, rest, payload):
    """`rest` is the header's second word."""
    body = struct.pack("!BBHI", kind, code, 0, rest) + payload
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def icmp6(source, destination, kind, code, rest, payload):
    body = struct.pack("!BBHI", kind, code, 0, rest) + payload
    value = checksum(pseudo(source, destination, ICMP6, len(body)) + body)
    return body[:2] + struct.pack("!H", value) + body[4:]


def vxlan(vni, frame, flags=8, reserved=b"\0\0\0", last=0):
    return bytes([flags]) + reserved + (vni << 8 | last).to_bytes(4, "big") + frame


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + sender_mac + sender + target_mac + target


def solicited_node(address):
    return packed("ff02::1:ff00:0")[:13] + address[13:]


def multicast_mac(address):
    return b"\x33\x33" + address[12:] if len(address) == 16 else bytes([1, 0, 0x5E, address[1] & 127]) + address[2:]


def option(kind, mac):
    """An ND option that carries a link-layer address."""
    return bytes([kind, 1]) + mac


def upper6(packet):
    """(protocol, offset of its header, is a later fragment, is any fragment) of an IPv6 packet; protocol None where
    the chain of extension headers is cut, or longer than a router follows it."""
    protocol, at, fragment, later, headers = packet[6], 40, False, False, 0
    while protocol in EXTENSIONS or protocol == FRAGMENT:
        if later:
            break
        headers += 1
        if at + 8 > len(packet) or headers > MOST_EXTENSIONS:
            return None, at, later, fragment
        if protocol == FRAGMENT:
            offset = int.from_bytes(packet[at + 2:at + 4], "big")
            fragment = fragment or bool(offset & 0xFFF9)
            later = bool(offset & 0xFFF8)
            size = 8
        else:
            size = 8 + packet[at + 1] * 8
        protocol, at = packet[at], at + size
        if at > len(packet):
            return None, at, later, fragment
    return protocol, at, later, fragment


def upper(packet):
    """The same for both families."""
    if packet[0] >> 4 == 6:
        return upper6(packet)
    fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
    return packet[9], (packet[0] & 15) * 4, bool(fragment & 0x1FFF), bool(fragment)


def addresses(packet):
    return (packet[8:24], packet[24:40]) if packet[0] >> 4 == 6 else (packet[12:16], packet[16:20])


def fragment_protocol(packet):
    """What a fragment carries a piece of: in IPv6 what the first fragment header that cuts up anything (RFC 6946)
    names, RFC 8200 §4.5."""
    if packet[0] >> 4 == 4:
        return packet[9]
    protocol, at = packet[6], 40
    while protocol != FRAGMENT or not int.from_bytes(packet[at + 2:at + 4], "big") & 0xFFF9:
        protocol, at = packet[at], at + 8 + (0 if protocol == FRAGMENT else packet[at + 1] * 8)
    return packet[at]


def flow(packet):
    """Addresses, protocol, ports and IPv6 flow label: what makes a flow. Ports of whole UDP and TCP packets only."""
    source, destination = addresses(packet)
    protocol, at, _, fragment = upper(packet)
    if fragment:  # the one protocol that all pieces of a packet name
        protocol = fragment_protocol(packet)
    ports = packet[at:at + 4] if protocol in (TCP, UDP) and not fragment and len(packet) >= at + 4 else b""
    label = packet[1:4] if len(source) == 16 else b""
    return source, destination, protocol, ports, label
