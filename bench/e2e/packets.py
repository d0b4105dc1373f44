"""Packet files that feed every system alike: one packet a flow, flows in shuffled order.

Shapes; inside are 60 bytes (the 64-byte class without its checksum), IP packets of 1400, or of both and 556 as "imix"
has them, 7 : 1 : 4:
  inner  Ethernet/IPv4/UDP as a VM sends it            10.1.0.0/16 -> 10.2.0.0/24
  a kind the same in a tunnel, as the fabric sends it   see tunnel_works.py; vxlan: VNI 100, 172.31.1.2 -> 172.31.1.1
  mixed  as vxlan, in 256 tunnels                       VNI 100 to 355
  route  Ethernet/IPv4/UDP over 100 000 prefixes        10.1.0.0/16 -> 20.0.0.0/8
"""
import ipaddress
import os
import random
import struct

from tunnel_works import FAR_MAC, KINDS, NETWORK, PCAP_MAC

PREFIXES = 100000
MIXED_TUNNELS, MIXED_VRFS = 256, 16
FRAME_BYTES = {"64": [60], "1400": [1414], "imix": [60] * 7 + [570] * 4 + [1414]}


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload):
    head = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source, destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, flow_label, protocol, payload):
    return struct.pack("!IHBB", 6 << 28 | flow_label, len(payload), protocol, 64) + source + destination + payload


def udp(source_port, destination_port, payload):
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def ethernet(destination, source, payload):
    return mac(destination) + mac(source) + (b"\x08\x00" if payload[0] >> 4 == 4 else b"\x86\xdd") + payload


def tunnelled(kind, network, flow, frame):
    """As the peer sends it. Entropy is in the UDP source port, and over IPv6 in the flow label."""
    entropy = 49152 + (flow * 2654435761 >> 7) % 16384
    payload = kind.header(network) + (frame if kind.framed else frame[14:])
    if kind.port:
        payload = udp(entropy, kind.port, payload)
    source, destination = (ipaddress.ip_address(text) for text in (kind.underlay.remote, kind.end()))
    return ethernet(PCAP_MAC, FAR_MAC,
                    ipv6(source.packed, destination.packed, entropy, kind.protocol, payload)
                    if kind.underlay.is_ipv6() else ipv4(int(source), int(destination), kind.protocol, payload))


def packet(shape, flow, frame_bytes):
    source = (10 << 24 | 1 << 16) + ((flow >> 4) & 0xFFFF)
    if shape == "route":
        destination = (20 << 24) + (flow * 7919 % PREFIXES) * 256 + 1
    else:
        destination = (10 << 24 | 2 << 16) + (flow & 0xFF)
    ports = 1024 + flow * 31 % 60000, 2000 + (flow & 15)
    frame = ethernet(PCAP_MAC, FAR_MAC, ipv4(source, destination, 17, udp(*ports, bytes(frame_bytes - 42))))
    if shape == "mixed":
        return tunnelled(KINDS["vxlan"], NETWORK + flow * 97 % MIXED_TUNNELS, flow, frame)
    return tunnelled(KINDS[shape], NETWORK, flow, frame) if shape in KINDS else frame


def write(directory, shape, flows, size, ports=1):
    """Writes the file unless it is there; answers its path. `size`: a key of FRAME_BYTES. Where several ports receive,
    each has its share of the flows: port N those of PATH.N."""
    path = os.path.join(directory, "%s-%d-%s.pcap" % (shape, flows, size))
    order = list(range(flows))
    random.Random(flows).shuffle(order)
    _write(path, shape, order, size)
    for port in range(ports if ports > 1 else 0):
        _write("%s.%d" % (path, port), shape, [flow for flow in order if flow % ports == port], size)
    return path


def _write(path, shape, order, size):
    if os.path.exists(path):
        return
    with open(path + ".part", "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n, flow in enumerate(order):
            data = packet(shape, flow, FRAME_BYTES[size][n % len(FRAME_BYTES[size])])
            out.write(struct.pack("<IIII", n // 1000000, n % 1000000, len(data), len(data)) + data)
    os.rename(path + ".part", path)
