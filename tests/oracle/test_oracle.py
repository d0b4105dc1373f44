"""The forwarder against the oracle: random routers, random packets, good and bad, and changes in between.

WEFT_SEED=N runs the topology N alone; WEFT_ORACLE_PACKETS=N says how many frames go through all of them;
WEFT_ORACLE_POLICIES=0 leaves security groups out.
"""

import functools
import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrSegmentRouting, fragment6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "golden")]

import mark_rows  # noqa: E402
import pieces  # noqa: E402
import rows  # noqa: E402
import service_rows  # noqa: E402
import tunnel_rows  # noqa: E402
import vlan_rows  # noqa: E402
import vlans  # noqa: E402
import wire  # noqa: E402
from compare import Flows, Round  # noqa: E402
from faults import unfinished  # noqa: E402
from generate import Packets, topology  # noqa: E402
from kinds import FIXED, KINDS  # noqa: E402
from oracle import Oracle  # noqa: E402
from runner import run_topology  # noqa: E402
from topology import base, tunnel  # noqa: E402

FIXED_SEEDS = (1, 2, 3, 4, 5, 6, 11, 24)
FRAMES = int(os.environ.get("WEFT_ORACLE_PACKETS", "18000"))
POLICIES = os.environ.get("WEFT_ORACLE_POLICIES", "1") != "0"
MACS = {"fab0": "02:00:00:00:09:01", "fab1": "02:00:00:00:09:11"}


def seeds():
    if "WEFT_SEED" in os.environ:
        return [int(os.environ["WEFT_SEED"])]
    return [*FIXED_SEEDS, int(time.time() * 1000) % 1000000 + 1000]


@pytest.mark.parametrize("seed", seeds())
def test_forwarder_agrees(seed):
    """A failure names the seed and shows the smallest case."""
    session = run_topology(seed, FRAMES // len(seeds()), policies=POLICIES)
    print(f"seed {seed}: {session.sent} frames, {session.forwarded} forwarded, {len(session.changes)} changes, drops "
          f"{dict(session.reasons)}, left out {dict(session.unknown)}")
    assert sum(session.unknown.values()) < 0.05 * session.sent, session.unknown


# --- the oracle itself ------------------------------------------------------------------------------

def scapy_header(t, inside):
    """The header of a tunnel, and the UDP port below it."""
    next_protocol = {wire.IPV4: 1, wire.IPV6: 2, wire.ETHERNET: 3, wire.NSH: 4}[inside]
    if KINDS[t.kind].is_nsh:
        return scapy_service(t, inside, next_protocol)
    key = {} if t.network is None else {"key_present": 1, "key": t.network}
    label = Raw(b"")
    if KINDS[t.kind].has_labels:
        label = Raw(b"".join(bytes(MPLS(label=n, s=at == len(t.network), ttl=64 if t.ttl == "copy" else t.ttl))
                             for at, n in enumerate(t.network, 1)))
    if t.reserved:   # scapy shifts what stands behind some of the flags
        plain = bytes(scapy_header(replace(t, reserved=0), inside))
        return Raw(bytes(a | b for a, b in zip(plain, t.reserved.to_bytes(8, "big"))))
    return {"vxlan": lambda: VXLAN(flags=8, vni=t.network),
            "vxlan_gpe": lambda: VXLAN(flags=0x0C, NextProtocol=next_protocol, vni=t.network),
            "geneve": lambda: GENEVE(proto=inside, vni=t.network), "gre": lambda: GRE(proto=inside, **key),
            "mpls_over_udp": lambda: label, "mpls_over_mpls": lambda: label,
            "mpls_over_gre": lambda: GRE(proto=0x8847) / label}[t.kind]()


def scapy_service(t, inside, next_protocol):
    """NSH, if the packet has none yet, and what carries it."""
    front, path, index = t.network
    kind, data = t.context
    fields = {"context_header": data} if kind == FIXED else {"vlch": Raw(data)}
    service = NSH(mdtype=kind, nextproto=next_protocol, spi=path, si=index, length=(8 + len(data)) // 4, **fields)
    if inside == wire.NSH:
        service = Raw(b"")
    key = {} if front is None else {"key_present": 1, "key": front}
    return {"nsh_over_vxlan_gpe": lambda: VXLAN(flags=0x0C, NextProtocol=4, vni=front) / service,
            "nsh_over_gre": lambda: GRE(proto=wire.NSH, **key) / service,
            "nsh_over_ethernet": lambda: service}[t.kind]()


def scapy_packet(inside, inner):
    """The IP packet in what a tunnel holds; None: there is none that is whole enough to be read."""
    if inside == wire.NSH:
        inside = {1: wire.IPV4, 2: wire.IPV6, 3: wire.ETHERNET}[inner[3]]   # scapy reads no metadata of MD type 2
        inner = inner[(inner[1] & 0x3F) * 4:]
    if inside == wire.ETHERNET:
        inside, inner = int.from_bytes(inner[12:14], "big"), inner[14:]
    version, least, layer = {wire.IPV4: (4, 20, IP), wire.IPV6: (6, 40, IPv6)}.get(inside, (0, 0, None))
    return layer(inner) if layer and len(inner) >= least and inner[0] >> 4 == version else None


def scapy_outer(tables, sent, inner):
    """The frame that a tunnel packet has to be, by scapy. `inner`: a frame, an IP packet or one with NSH."""
    t = sent.tunnel
    port, mac = tables.underlay_way(t.remote).hops[0]
    six = len(t.remote) == 16
    inside = {"ethernet": wire.ETHERNET, "nsh": wire.NSH}.get(
        t.payload, wire.IPV4 if inner[0] >> 4 == 4 else wire.IPV6)
    if t.on_ethernet:
        return bytes(Ether(src=port.mac.hex(":"), dst=mac.hex(":"), type=KINDS[t.kind].ethertype) /
                     scapy_header(t, inside) / inner)
    protocol = 47 if t.port is None else 17
    if t.segments:
        protocol = 4 if inside == wire.IPV4 else 41
    ends = {"src": wire.spelled(t.local), "dst": wire.spelled(t.remote)}
    inner_class, inner_ttl = 0, 64
    packet = scapy_packet(inside, inner)
    if packet is not None:
        inner_class, inner_ttl = (packet.tc, packet.hlim or 1) if packet.version == 6 else (packet.tos, packet.ttl or 1)
    ttl = inner_ttl if t.ttl == "copy" else t.ttl
    tos = inner_class if t.dscp == "copy" else t.dscp << 2 | inner_class & 3
    outer = IPv6(hlim=ttl, tc=tos, nh=protocol, **ends) if six else IP(
        ttl=ttl, tos=tos, id=0, flags="" if t.outer_fragmentation else "DF", proto=protocol, **ends)
    listed = [wire.spelled(s) for s in reversed(t.segments[1:] if t.reduced else t.segments)]
    if listed:
        outer = IPv6(**{**outer.fields, "nh": 43}) / IPv6ExtHdrSegmentRouting(
            nh=protocol, addresses=listed, segleft=len(t.segments) - 1, lastentry=len(listed) - 1)
    if t.segments:
        return bytes(Ether(src=port.mac.hex(":"), dst=mac.hex(":")) / outer / Raw(inner))
    if t.port is not None:
        outer /= UDP(sport=0, dport=t.port, chksum=None if six and not t.zero_checksum6 else 0)
    return bytes(Ether(src=port.mac.hex(":"), dst=mac.hex(":")) / outer / scapy_header(t, inside) / inner)


def scapy_tagged(frame, vlan):
    built = Ether(frame)
    return bytes(Ether(dst=built.dst, src=built.src) / Dot1Q(vlan=vlan, type=built.type) / Raw(frame[14:]))


def test_outer_headers_are_scapys():
    compared, seen = Counter(), Counter()
    for seed in range(24):
        chance = random.Random(seed)
        config = topology(chance)
        oracle, packets = Oracle(config, MACS), Packets(chance, config, MACS)
        for _ in range(200):
            for sent in oracle.process(*vlans.on_wire(chance, config["ports"], *packets.next())).out:
                if sent.tunnel:
                    link = 14 if sent.tunnel.payload == "ethernet" else 0
                    port = oracle.tables.underlay_way(sent.tunnel.remote).port
                    frame = vlans.untagged(sent.frame) if port.vlan else sent.frame
                    inner = frame[14 + sent.tunnel.overhead - link:]
                    outer = scapy_outer(oracle.tables, sent, inner)
                    assert sent.frame == (scapy_tagged(outer, port.vlan) if port.vlan else outer)
                    seen[port.vlan > 0, sent.interface == port.name] += 1
                    compared[sent.tunnel.kind] += 1
    assert set(compared) == set(KINDS) and min(compared.values()) > 5, compared
    assert {(False, True), (True, True), (True, False)} <= set(seen), seen   # VLAN or none, its own device or not


def scapy_pieces(head, data, mtu):
    """Those of an outer packet with that payload, as bytes."""
    if head.version == 4:
        return [bytes(piece) for piece in fragment(head / Raw(data), (mtu - len(head)) // 8 * 8)]
    front = head.copy()
    behind = IPv6ExtHdrFragment(nh=front.lastlayer().nh, id=77)
    front.lastlayer().nh = wire.FRAGMENT
    return [bytes(piece) for piece in fragment6(front / behind / Raw(data), mtu)]


def test_pieces_are_scapys():
    """They have the sizes that the oracle wants, and become the whole again."""
    chance = random.Random(7)
    here4, here6 = "192.0.2.1", "2001:db8::1"
    locals_ = {(wire.packed(here4), 4789): "vxlan", (wire.packed(here6), wire.ROUTING): "srv6"}
    routing = IPv6ExtHdrSegmentRouting(nh=41, addresses=[here6, "2001:db8::9"], segleft=1, lastentry=1)
    for head in (IP(src=here4, dst="192.0.2.9", proto=17, id=9), IPv6(src=here6, dst="2001:db8::9", nh=17),
                 IPv6(src=here6, dst="2001:db8::9", nh=43) / routing):
        link = bytes(12) + (b"\x08\0" if head.version == 4 else b"\x86\xdd")
        for _ in range(60):
            # Where the header leaves no multiple of 8, scapy makes the last piece larger.
            mtu = 8 * chance.randint(160, 187) + (4 if head.version == 4 else 0)
            data = chance.randbytes(chance.randint(1500, 4000))
            whole, cut = bytes(head / Raw(data)), scapy_pieces(head, data, mtu)
            assert pieces.sizes(whole, mtu) == tuple(map(len, cut))
            joiner = pieces.Joiner(locals_)
            *earlier, (frame, sizes, (_, number)) = [joiner.add("fab0", link + piece) for piece in cut]
            assert set(earlier) == {()} and sizes == tuple(map(len, cut)) and joiner.unfinished() == []
            if head.version == 4:   # its identification may be any
                assert number == b"\0\x09"
                whole = bytes(IP(src=here4, dst="192.0.2.9", proto=17, id=0) / Raw(data))
            assert frame == link + whole
            assert joiner.add("fab0", link + cut[-1]) is None   # out of its turn
    assert pieces.sizes(bytes(IP() / Raw(bytes(1480))), 1500) == ()


def test_good_packets_are_good_to_scapy():
    """scapy computes the same checksums and lengths as our builders."""
    chance = random.Random(1)
    config = topology(chance)
    packets = Packets(chance, config, MACS)
    compared = 0
    for _ in range(400):
        name, frame = packets.from_vm()
        packet = Ether(frame)
        _, at, _, fragment = wire.upper(frame[14:])
        upper = packet.getlayer(UDP) or packet.getlayer(TCP)
        if upper is None or packet.getlayer(2) is not upper or fragment or unfinished(frame[14:]):
            continue
        if upper.name == "TCP" and upper.dataofs != 5:   # scapy pads options that end nowhere
            continue
        start = 14 + at + (8 if upper.name == "UDP" else 20)
        upper.remove_payload()
        upper.add_payload(Raw(frame[start:]))
        if upper.chksum:
            del upper.chksum
        for layer, fields in ((IP, ("len", "chksum", "ihl")), (IPv6, ("plen",)), (UDP, ("len",))):
            for field in fields if packet.haslayer(layer) else ():
                packet[layer].delfieldval(field)
        assert bytes(packet) == frame, name
        compared += 1
    assert compared > 100


@functools.cache
def golden_config():
    """What tests/golden/test_golden.py configures."""
    config = base("golden", rows.HERE, device="af_packet")
    config["ports"][0]["addresses"] = [f"{rows.HERE}/24", f"{rows.HERE6}/64"]
    config["node"]["tunnel_address"] = [rows.HERE, rows.HERE6]
    config["neighbours"] = [{"vrf": "underlay", "address": a, "mac": rows.PEER} for a in (rows.THERE, rows.THERE6)]
    for name, vni, suffix in (("blue", 100, ""), ("red", 200, "-red")):
        config["vifs"].append({"name": name, "device": "tap", "vrf": name, "mac": rows.VM,
                               "addresses": ["10.1.0.11", "fd00:1::11"]})
        config["tunnels"].append(tunnel(f"to-peer{suffix}", vni, rows.THERE, source_ports="50000-50000"))
        config["decaps"].append({"name": f"from{suffix}", "vni": vni, "vrf": name, "sources": ["192.0.2.0/24"]})
        config["routes"] += [{"vrf": name, "prefix": p, "via": {"tunnel": f"to-peer{suffix}"}}
                             for p in ("10.1.0.12/32", "fd00:1::12/128")]
    config["tunnels"].append(tunnel("to-peer6", 106, rows.THERE6, source_ports="50000-50000"))
    config["decaps"].append({"name": "from-peer6", "vni": 106, "vrf": "blue", "sources": ["2001:db8::/64"]})
    config["tunnels"].append(tunnel("copying", 107, rows.THERE6, source_ports="50000-50000", dscp="copy", ttl="copy"))
    config["decaps"].append({**config["decaps"][-1], "name": "copying", "vni": 107, "dscp": "copy"})
    config["routes"] += [{"vrf": "blue", "prefix": "10.1.0.18/32", "via": {"tunnel": "copying"}},
                         {"vrf": "blue", "prefix": "10.1.0.16/32", "via": {"tunnel": "to-peer6"}},
                         {"vrf": "blue", "prefix": "10.1.0.17/32", "via": {"ecmp": [{"tunnel": "to-peer6"}]}},
                         {"vrf": "blue", "prefix": "10.66.0.0/16", "via": {"discard": True}}]
    tunnel_rows.configure(config)
    service_rows.configure(config)
    mark_rows.configure(config)
    vlan_rows.configure(config)
    return config


GOLDEN_MACS = dict.fromkeys(("fab0", "tag100", "tag200"), rows.FABRIC)
WIRES = {"fabric": "fab0", "trunk": "eth2"}


@pytest.mark.parametrize("row", rows.ROWS + tunnel_rows.ROWS + service_rows.ROWS + mark_rows.ROWS + vlan_rows.ROWS,
                         ids=lambda row: row.name)
def test_golden_rows_agree(row):
    """Two people who wrote down what a router does, by hand there and as rules here."""
    oracle = Oracle(golden_config(), GOLDEN_MACS)
    verdict = oracle.process(WIRES.get(row.port, row.port), bytes(row.frame))
    locals_ = oracle.tables.tunnel_locals()
    this = Round([(row.port, bytes(row.frame), verdict)], [], set(WIRES.values()), locals_, Flows(), strict=True)
    for port, frame in row.out:
        this.came(WIRES.get(port, port), bytes(frame))
    assert this.judge(row.drops) == [], str(verdict)
    marks = {key[2] for key, n in row.counts.items() if len(key) == 3 and n}
    assert marks <= {verdict.mark}


def test_the_comparison_sees_what_is_wrong():
    """A frame too few, too many, changed by one bit, counted otherwise: each is told."""
    oracle = Oracle(golden_config(), GOLDEN_MACS)
    row = rows.ENCAP[0]
    good = bytes(row.out[0][1])
    changed = good[:-1] + bytes([good[-1] ^ 1])
    for frames, drops, works in (([good], {}, True), ([], {}, False), ([good, good], {}, False), ([changed], {}, False),
                                 ([good], {"no_route": 1}, False)):
        verdict = oracle.process("blue", bytes(row.frame))
        locals_ = oracle.tables.tunnel_locals()
        this = Round([("blue", bytes(row.frame), verdict)], [], {"fab0"}, locals_, Flows())
        for frame in frames:
            this.came("fab0", frame)
        assert (this.judge(drops) == []) is works, (len(frames), drops)
