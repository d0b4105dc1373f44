"""What comes after the outer IP or UDP header, around a frame: as peers may send it, or wrong in one way."""

import kinds
import segments
from kinds import KINDS, geneve_option
from wire import ARP, ETHERNET, ETHERNET_BYTES, IPV4, IPV6, MPLS, NSH, ROUTING, packed, vxlan

OTHER_PROTOCOLS = (0, ARP, NSH, 0x8848, 0x880B, 0x88BE, 0xFFFF)
GRE_RESERVED = 0x03F8   # bits 6 to 12, which are ignored


def most_option_bytes(kind):
    """Of what a header that is right has beside what all of its kind have: options, metadata, labels, segments."""
    return 0 if kind in ("vxlan", "vxlan_gpe", "gre") else 64


def put_inside(random, kind, frame):
    """(EtherType, bytes): the frame, or its packet where the kind can have that alone."""
    payload = random.choice([p for p in KINDS[kind].payloads if p != "nsh"])
    if payload == "ethernet" or len(frame) < ETHERNET_BYTES:
        return ETHERNET if "ethernet" in KINDS[kind].payloads else IPV4, frame
    return int.from_bytes(frame[12:14], "big"), frame[ETHERNET_BYTES:]


def harmless_options(random):
    options = b""
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        options += geneve_option(random.randint(0, 127), random.randbytes(4 * random.choice((0, 1, 2, 4))),
                                 random.getrandbits(16))
    return options


def right(random, kind, network, frame):
    """With whatever its RFC lets a peer send; reserved bits are set at times, since they are ignored."""
    inside, data = put_inside(random, kind, frame)
    last = random.choice((0, 0, 0x5A))
    if kind == "vxlan":
        return vxlan(network, data, flags=random.choice((8, 8, 0xFF)),
                     reserved=random.choice((bytes(3), random.randbytes(3))), last=last)
    if kind == "vxlan_gpe":
        return _gpe(random, network, inside, data, last)
    if kind == "geneve":
        return kinds.geneve(network, inside, harmless_options(random), last=last,
                            flags=random.choice((0, 0, random.getrandbits(6)))) + data
    if kind == "gre":
        return kinds.gre(inside, data, key=network, **_gre_options(random))
    if KINDS[kind].is_nsh:
        return _carried(random, kind, network, _service(random, network, inside) + data)
    labels = list(network)
    if random.random() < 0.1:
        labels.insert(random.randrange(len(labels)), random.choice(kinds.EXPLICIT_NULLS))
    labelled = kinds.stack(labels, traffic_class=random.choice((0, random.getrandbits(3))),
                           ttl=random.choice((64, 255, 1, 2))) + data
    return kinds.gre(MPLS, labelled, **_gre_options(random)) if kind == "mpls_over_gre" else labelled


def _carried(random, kind, network, data):
    """`data`, which begins with NSH, behind what may stand in front of it."""
    if kind == "nsh_over_gre":
        return kinds.gre(NSH, data, key=network[0], **_gre_options(random))
    if kind == "nsh_over_vxlan_gpe":
        return kinds.gpe(network[0], kinds.NSH_IN_GPE, 0x0C | random.choice((0, 0, 0x02, 0xC0)),
                         random.choice((bytes(2), random.randbytes(2))), random.choice((0, 0x5A))) + data
    return data


def service(random, kind, network, frame, size):
    """One that is right, whose NSH header and what is behind it have that size."""
    inside, data = put_inside(random, kind, frame)
    made = _service(random, network, inside) + data
    return _carried(random, kind, network, made.ljust(size, b"n"))


def _service(random, network, inside, **change):
    """An NSH header; `change`: of its fields."""
    context = kinds.FIXED, random.choice((bytes(16), random.randbytes(16)))
    if random.random() < 0.4:
        context = kinds.VARIABLE, b"".join(
            kinds.nsh_metadata(random.getrandbits(8), random.randbytes(random.choice((0, 1, 4, 7, 10))),
                               random.getrandbits(16), unassigned=random.getrandbits(1))
            for _ in range(random.choice((0, 1, 2, 3))))
    protocol = kinds.gpe_protocol(inside) if inside in kinds.NEXT_PROTOCOLS.values() else 3
    return kinds.nsh(network[1], network[2], protocol, **{
        "context": context, "ttl": random.choice((63, 63, 63, 2, 0, random.randint(2, 63))),
        "first": random.choice((0, 0, 0x1000)), "unassigned": random.choice((0, 0, random.getrandbits(4))), **change})


def _gpe(random, network, inside, data, last):
    protocol = kinds.gpe_protocol(inside) if inside in kinds.NEXT_PROTOCOLS.values() else 0
    flags = 0x0C | random.choice((0, 0, 0x02, 0x42, 0xC0))   # B, and the two reserved bits
    if inside == ETHERNET and random.random() < 0.15:
        flags &= ~4
        protocol = 0
    return kinds.gpe(network, protocol, flags, random.choice((bytes(2), random.randbytes(2))), last) + data


def _gre_options(random):
    return {"sequence": random.choice((None, None, random.getrandbits(32))), "check": random.choice((None, None, 0)),
            "more": random.choice((0, 0, random.getrandbits(16) & GRE_RESERVED)),
            "reserved": random.choice((0, random.getrandbits(16)))}


def wrong(random, kind, network, frame):
    """One thing is wrong in the header, or it is cut."""
    made = right(random, kind, network, frame)
    if random.random() < 0.15:
        return made[:random.randint(0, min(len(made), 20))]
    inside, data = put_inside(random, kind, frame)
    if inside != ETHERNET and random.random() < 0.2:   # the other version than it says, or none
        other = IPV6 if inside == IPV4 else IPV4
        if kind.startswith("mpls") or inside not in (IPV4, IPV6) or random.random() < 0.3:
            data = bytes([random.randrange(16) << 4 | data[0] & 15]) + data[1:] if data else data
        else:
            inside = other
        return _headed(kind, network, inside, data)
    return {"vxlan": _wrong_vxlan, "vxlan_gpe": _wrong_gpe, "geneve": _wrong_geneve, "gre": _wrong_gre,
            "mpls_over_udp": _wrong_mpls, "mpls_over_mpls": _wrong_mpls, "mpls_over_gre": _wrong_mpls_over_gre}.get(
                kind, lambda *rest: _wrong_nsh(random, kind, network, inside, data))(random, network, inside, data)


def _headed(kind, network, inside, data):
    if KINDS[kind].is_nsh or kind == "vxlan_gpe":
        inside = inside if inside in kinds.NEXT_PROTOCOLS.values() else IPV4
    return kinds.headed(kind, network, inside, data)


def _wrong_vxlan(random, network, _, data):
    return vxlan(network, data, flags=random.choice((0, 0xF7, 1)))


def _wrong_gpe(random, network, inside, data):
    protocol = kinds.gpe_protocol(inside) if inside in kinds.NEXT_PROTOCOLS.values() else 3
    kind = random.randrange(4)   # no VNI, another version, OAM, another protocol
    flags = (random.choice((0, 4, 0xC7)), random.choice((0x1C, 0x2C, 0x3C)), 0x0D, 0x0C)[kind]
    if kind == 3:
        protocol = random.choice((0, 4, 5, 7, 255))
    return kinds.gpe(network, protocol, flags) + data


def _wrong_geneve(random, network, inside, data):
    kind = random.randrange(6)
    plain = geneve_option(random.randint(0, 127), bytes(4 * random.randint(0, 2)))
    critical = geneve_option(random.randint(128, 255), bytes(4 * random.randint(0, 2)))
    if kind == 0:
        return kinds.geneve(network, inside, version=random.randint(1, 3)) + data
    if kind == 1:
        return kinds.geneve(network, inside, plain, flags=0x80) + data
    if kind == 2:
        return kinds.geneve(network, random.choice(OTHER_PROTOCOLS)) + data
    if kind == 3:   # announced
        return kinds.geneve(network, inside, random.choice((critical, plain + critical, critical + plain)),
                            flags=0x40) + data
    if kind == 4:   # longer than what is there, or than its place
        words = random.choice((63, len(data) // 4 + 1))
        return kinds.geneve(network, inside, words=min(63, words), flags=random.choice((0, 0x40))) + data[:250]
    options = random.choice((plain, critical)) + geneve_option(random.getrandbits(8), bytes(4),
                                                               words=random.randint(2, 31))
    return kinds.geneve(network, inside, options, flags=random.choice((0x40, 0x40, 0))) + data


def _wrong_gre(random, network, inside, data):
    kind = random.randrange(6)
    if network is None and random.random() < 0.3:
        kind = 4
    if kind == 0:
        return kinds.gre(inside, data, key=network, check=1 << random.randint(0, 15),
                         sequence=random.choice((None, 7)))
    if kind == 1:
        return kinds.gre(inside, data, key=network, more=random.choice((0x4000, 0x0800, 0x0400)))
    if kind == 2:
        return kinds.gre(inside, data, key=network, more=random.randint(1, 7))
    if kind == 3:
        return kinds.gre(random.choice((*OTHER_PROTOCOLS, MPLS)), data, key=network)
    if kind == 4:   # a key where there is none, and none where there is one
        return kinds.gre(inside, data, key=random.choice((0, 0, 1)) if network is None else None,
                         check=random.choice((None, 0)))
    return kinds.gre(inside, data, key=network, check=random.randint(1, 0xFFFF))


def _wrong_mpls(random, network, _, data):
    kind = random.randrange(5)
    if kind == 0:
        return kinds.label_entry(network[-1], bottom=0) + data
    if kind == 1:
        return kinds.stack((*network, random.choice((network[-1], random.randint(16, 0xFFFFF))))) + data
    if kind == 2:   # another one in front, or one too few
        other = (random.randint(3, 0xFFFFF), *network)
        return kinds.stack(random.choice((other, network[1:] or other))) + data
    if kind == 3:   # too many
        return kinds.stack((0,) * random.randint(7 - len(network), 10) + network) + data
    return kinds.label_entry(random.randint(0, 15)) + data


def _wrong_mpls_over_gre(random, network, inside, data):
    kind = random.randrange(5)
    stack = kinds.stack(network) + data
    if kind == 0:
        return kinds.gre(MPLS, stack, check=1 << random.randint(0, 15))
    if kind == 1:
        return kinds.gre(MPLS, stack, more=random.choice((0x4000, 0x0800, 0x0400, 1, 4)))
    if kind == 2:
        return kinds.gre(random.choice((0x8848, inside)), stack)
    if kind == 3:
        return kinds.gre(MPLS, stack, key=random.choice((0, network[-1])))
    return kinds.gre(MPLS, _wrong_mpls(random, network, inside, data))


def _wrong_nsh(random, kind, network, inside, data):
    """In the header itself, or in what stands in front of it."""
    if kind != "nsh_over_ethernet" and random.random() < 0.2:
        return _wrong_in_front(random, kind, network, _service(random, network, inside) + data)
    fixed, words = (kinds.FIXED, random.randbytes(16)), random.choice((0, 1, 2, 5, 7, 63))
    change = random.choice((
        {"ttl": 1}, {"ttl": 1}, {"ttl": 1}, {"first": kinds.OAM}, {"first": random.choice((0x4000, 0x8000, 0xC000))},
        {"context": (random.choice((0, *range(3, 16))), bytes(16))}, {"context": fixed, "words": words},
        {"context": (kinds.VARIABLE, b""), "words": random.choice((0, 1, 63, 3))},
        {"context": (kinds.FIXED, bytes(random.choice((0, 12, 20))))}))
    if random.random() < 0.15:
        service = kinds.nsh(network[1], network[2], random.choice((0, 4, 5, 6, 254, 255)))
    else:
        service = _service(random, network, inside, **change)
    return _carried(random, kind, network, service + data)


def _wrong_in_front(random, kind, network, data):
    if kind == "nsh_over_vxlan_gpe":
        return kinds.gpe(network[0], kinds.NSH_IN_GPE, random.choice((4, 0x1C, 0x2C, 0x3C, 0x0D))) + data
    if random.random() < 0.5:
        return kinds.gre(NSH, data, key=network[0], check=random.randint(1, 0xFFFF))
    return kinds.gre(NSH, data, key=network[0], more=random.choice((0x4000, 0x0800, 0x0400, 1, 4)))


def _foreign_service(random, kind, network, names):
    """Another VNI or key, another path or another index."""
    if names and random.random() < 0.3:
        return random.choice(names)
    front, path, index = network
    what = random.randrange(3)
    if what == 0:
        return front, path ^ 1 << random.randrange(24), index
    if what == 1 or kind.front is None:
        return front, path, index ^ 1 << random.randrange(8)
    if kind.front == "key" and (front is None or random.random() < 0.3):
        return (random.choice((0, 1, 0xFFFFFFFF)) if front is None else None), path, index
    return front ^ 1 << random.randrange(24), path, index


def segment(random, sid, name, frame, near):
    """(next header, what follows the outer IPv6 header) of a packet to a SID of that behaviour, mostly right. `near`: a
    neighbour, which may be the next one to visit."""
    inside, data = put_inside(random, "srv6", frame)
    inside = inside if inside in (IPV4, IPV6) else IPV4
    wrong = random.random() < 0.2
    protocol = segments.next_header(inside)
    if wrong and random.random() < 0.3:
        protocol = random.choice((4, 41, 59, 143, 17))
    if name not in segments.PASS_ON and random.random() < 0.3:
        return protocol, data
    listed = [packed(random.choice(("2001:db8:f::9", "2001:db8:f:8::3", near, "2001:db8:c::1")))
              for _ in range(random.randint(1, 3))]
    left = random.randint(1, len(listed))
    if name not in segments.PASS_ON:
        listed, left = [sid, *listed][:random.randint(1, 3)], 0
    change = {"flags": random.choice((0, random.getrandbits(8))), "tag": random.choice((0, random.getrandbits(16))),
              "more": random.choice((b"", b"", b"\4\6" + bytes(6), random.randbytes(8)))}
    if wrong:
        left, more = random.choice((
            (0, {}), (1, {}), (left, {"kind": random.choice((0, 2, 3))}), (len(listed) + 1, {}), (255, {}),
            (left, {"last": len(listed) + random.randint(1, 3)}), (left, {"words": random.choice((0, 1, 255))})))
        change.update(more)
    made = segments.header(protocol, listed, left, **change) + data
    return ROUTING, made[:random.randint(0, 40)] if wrong and random.random() < 0.15 else made


def foreign(random, entry, others):
    """The name of another network than the entry's: one of others, one a bit apart, or none."""
    name, network, _ = kinds.settings(entry)
    kind = KINDS[name]
    if name == "srv6":
        return None
    if kind.is_nsh:
        same = [kinds.settings(other)[1] for other in others if other["kind"] == name]
        return _foreign_service(random, kind, network, same)
    if kind.has_labels:
        return *network[:-1], network[-1] ^ 1 << random.randrange(20)
    names = [n for n in (kinds.settings(other)[1] for other in others) if isinstance(n, int)]
    chosen = random.choice(names + [None] if name == "gre" else names or [0])
    if network is not None and random.random() < 0.5:
        chosen = network ^ 1 << random.randrange(kind.largest.bit_length())
    if chosen is None:
        return None
    return chosen & kind.largest
