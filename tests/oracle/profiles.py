"""Random tunnels and decaps of all kinds, and changes of them."""

import kinds
import segments
import wire
from kinds import KINDS

WEIGHTS = {"vxlan": 8, "vxlan_gpe": 3, "geneve": 3, "gre": 4, "mpls_over_udp": 3, "mpls_over_gre": 3,
           "mpls_over_mpls": 3, "nsh_over_vxlan_gpe": 3, "nsh_over_gre": 3, "nsh_over_ethernet": 3,
           "srv6": 5}
CLAMPS = ("auto", "auto", 1200, 536)
OTHER_PORTS = (8472, 4790, 51234, 4789, 6081)   # where they are free
RANGES = ("49152-65535", "49152-65535", "1-65535", "50000-50000", "60000-60003")
ROUTER_MACS = ("02:00:5e:00:01:01", "02:00:5e:00:01:02", "02:00:5e:00:aa:03")
SIDS = tuple(f"2001:db8:a::{n:x}" for n in (1, 2, 0x46, 0xfffe))
SEGMENTS = ("2001:db8:c::46", "2001:db8:f::9", "2001:db8:dead::1")   # of others, behind the first
FAR4, FAR6 = ("203.0.113.0/24", "203.0.113.64/26"), ("2001:db8:f::/48", "2001:db8:f:8::/61")


def prefer(names):
    """From now on tunnels and decaps are mostly of these kinds."""
    for kind in WEIGHTS:
        WEIGHTS[kind] = 40 if kind in names else 1


def udp_port(config, kind, random):
    """Mostly the kind's own; never one that another kind has, which is refused, if it may not share it."""
    taken = {port for name, _, port in map(kinds.settings, config["tunnels"] + config["decaps"])
             if kinds.of_port(name) != kinds.of_port(kind)}
    own = KINDS[kind].port
    free = [p for p in (own, own, own, *OTHER_PORTS) if p not in taken]
    return random.choice(free or [20000 + list(KINDS).index(kind)])


def network(kind, number, random):
    """A VNI, key, label or path; that of GRE may be missing."""
    known = KINDS[kind]
    names = [random.randint(known.smallest, known.largest), known.smallest + number, 100, 101, known.largest]
    return random.choice(names if kind != "gre" else [None, None, None, 0, *names])


def _kind(number, config, random):
    """What tunnels and decaps have in common."""
    kind = random.choices(list(WEIGHTS), WEIGHTS.values())[0]
    entry = {"kind": kind}
    name = None if kind == "srv6" else network(kind, number, random)
    if name is not None:
        entry[KINDS[kind].name_of_network] = name
    if KINDS[kind].has_labels and random.random() < 0.3:
        entry["labels"] = [random.choice((16, 17, 0xFFFFF, random.randint(16, 0xFFFFF)))
                           for _ in range(random.choice((1, 1, 2, 7)))]
    if KINDS[kind].is_nsh:
        entry.update(_service(kind, number, random))
    if KINDS[kind].port is not None:
        port = udp_port(config, kind, random)
        if port != KINDS[kind].port or random.random() < 0.5:
            entry["port"] = port
    return entry


def _service(kind, number, random):
    """What NSH has beside its path: an index, and what stands in front."""
    more = {} if random.random() < 0.5 else {"index": random.choice((1, 7, 254, 255))}
    front = KINDS[kind].front
    if front == "vni" or front == "key" and random.random() < 0.5:
        more[front] = random.choice((0, 1, number, 100, random.getrandbits(24), 0xFFFFFF))
    return more


def _metadata(random):
    """Of the NSH header that a tunnel makes."""
    what = random.randrange(3)
    if what == 0:
        return {}
    if what == 1:
        return {"context": random.randbytes(16).hex()}
    data = [random.randbytes(random.choice((0, 1, 4, 7, 20))).hex() for _ in range(random.randint(1, 3))]
    return {"options": [f"{random.getrandbits(16):04x}:{random.getrandbits(8):02x}:{one}" for one in data]}


def remote(config, random):
    """An address that the underlay leads to, or not quite."""
    if random.random() < 0.6:
        return random.choice(config["neighbours"])["address"]
    network_, length, bits = wire.prefix(random.choice(FAR4 + FAR6))
    room = min(1 << (bits - length), 60)
    return wire.spelled((network_ + random.randint(0, room - 2)).to_bytes(bits // 8, "big"))


def tunnel(number, config, random):
    there = remote(config, random)
    entry = {"name": f"t{number}", **_kind(number, config, random)}
    known = KINDS[entry["kind"]]
    if entry["kind"] == "srv6":
        there = next(r for r in iter(lambda: remote(config, random), None) if ":" in r)
        entry["segments"] = [there, *random.sample(SEGMENTS, random.choice((0, 0, 1, 1, 2)))]
        if random.random() < 0.5:
            entry["reduced"] = random.random() < 0.7
    else:
        entry["remote"] = there
    payload = random.choice(known.payloads)
    if payload != known.payloads[0] or (len(known.payloads) > 1 and random.random() < 0.3):
        entry["payload"] = payload
    if payload == "ethernet":
        entry["inner_destination_mac"] = random.choice(ROUTER_MACS)
    if payload == "nsh":
        for key in ("path", "index"):
            entry.pop(key, None)
    elif known.is_nsh:
        entry.update(_metadata(random))
    if known.ethertype:
        if not known.is_nsh and random.random() < 0.3:
            entry["ttl"] = random.randint(1, 255)
        return entry
    if random.random() < 0.3:
        entry["outer_fragmentation"] = True
    if known.port is not None:
        entry["source_ports"] = random.choice(RANGES)
        if ":" in there and random.random() < 0.3:
            entry["zero_udp_checksum6"] = True
    if random.random() < 0.3:
        entry["ttl"] = random.choice(("copy", random.randint(1, 255)))
    if random.random() < 0.3:
        entry["dscp"] = random.choice(("copy", random.randint(0, 63)))
    if random.random() < 0.4:
        entry["mss_clamp"] = random.choice(CLAMPS)
    if entry["kind"] in kinds.RESERVED and random.random() < 0.5:
        entry["reserved"] = _bits(random.getrandbits(64) & kinds.RESERVED[entry["kind"]])
    if len(config["ports"]) > 1 and random.random() < 0.3:
        entry["local"] = config["ports"][1]["addresses"][":" in there].split("/")[0]
    return entry


def _bits(number):
    return f"{number:016x}"


def _hidden(mark, earlier):
    """Whether each packet with the mark has the earlier one."""
    (bits, mask), (first, wide) = ((int(m["bits"], 16), int(m["mask"], 16)) for m in (mark, earlier))
    return wide & ~mask == 0 and bits & wide == first


def marks(kind, random, kept=()):
    """None to three beside those that are kept, of which each can be met; mostly of bits that shapes.py sets."""
    usable, made = kinds.RESERVED[kind], list(kept)
    new = [name for name in ("bare-metal", "gateway", "m3", "m4") if name not in [m["name"] for m in made]]
    for name in random.sample(new, random.randint(0, min(3, len(new)))):
        mask = random.choice((0xFF, 0xFF, 0xF0, 0x0A, 0x40 << 56, 0x80 << 56, 0xFF << 56, 0xFF << 32 | 0xFF,
                              random.getrandbits(64), usable)) & usable or 0xFF
        bits = random.choice((0x5A, 0x5A, usable & ~0xA5, usable, 0, random.getrandbits(64))) & mask
        mark = {"name": name, "bits": _bits(bits), "mask": _bits(mask)}
        if not any(_hidden(mark, earlier) for earlier in made):
            made.append(mark)
    return made


def sources(config, six, random):
    """One to three subnets, among them narrow ones that leave out some neighbours."""
    mine = [n["address"] for n in config["neighbours"] if (":" in n["address"]) == six]
    wide = ("2001:db8::/64", "2001:db8:1::/80", "2001:db8:f::/48") if six else (
        "192.0.2.0/24", "192.0.2.128/25", "198.51.100.0/26", "203.0.113.0/24")
    hosts = tuple(f"{a}/{128 if six else 32}" for a in mine)
    return random.sample(wide + hosts, random.randint(1, 3))


def _told(decap):
    """By what a decap is told from others."""
    kind, network, port = kinds.settings(decap)
    return kind, kinds.last(kind, network), port, decap.get("local")


def _taken(config, entry):
    """Whether another decap takes the same packets."""
    return _told(entry) in [_told(d) for d in config["decaps"] if d["name"] != entry["name"]]


def decap(number, config, random):
    """None where there is such a one already."""
    six = random.random() < 0.4
    entry = {"name": f"d{number}", **_kind(number, config, random)}
    known = KINDS[entry["kind"]]
    if entry["kind"] == "srv6":
        return _segment(entry, config, random)
    if not known.ethertype:
        entry["local"] = random.choice(config["ports"])["addresses"][six].split("/")[0]
        entry["sources"] = sources(config, six, random)
    if _taken(config, entry):
        return None
    onward = [t["name"] for t in config["tunnels"] if t.get("payload") == "nsh"] if known.is_nsh else []
    if onward and random.random() < 0.5:
        entry["tunnel"] = random.choice(onward)
    elif config["vifs"] and random.random() < 0.15:
        entry["vif"] = random.choice(config["vifs"])["name"]
    else:
        entry["vrf"] = random.choice(config["vrfs"])["name"]
    if six and known.port is not None and random.random() < 0.4:
        entry["zero_udp_checksum6"] = True
    if not known.ethertype and random.random() < 0.3:
        entry["dscp"] = random.choice(("copy", "keep"))
    if entry["kind"] in kinds.RESERVED and random.random() < 0.5:
        entry["marks"] = marks(entry["kind"], random)
    return entry


def _segment(entry, config, random):
    """A decap by its SID, which no other has."""
    entry.update(sid=random.choice(SIDS), sources=sources(config, True, random))
    if entry["sid"] in [d.get("sid") for d in config["decaps"]]:
        return None
    name = random.choice((*segments.BEHAVIOURS, None))
    if name is not None:
        entry["behaviour"] = name
    if name == "End.X":
        entry["gateway"] = random.choice([n["address"] for n in config["neighbours"] if ":" in n["address"]])
    elif name in ("End.DX4", "End.DX6") or (name is None and random.random() < 0.5):
        entry["vif"] = random.choice(config["vifs"])["name"]
    elif name != "End":
        entry["vrf"] = random.choice(config["vrfs"])["name"]
    if name not in segments.PASS_ON and random.random() < 0.3:
        entry["dscp"] = random.choice(("copy", "keep"))
    return entry


def for_routes(config):
    """Tunnels that a route may lead into: the others take only what has an NSH header."""
    return [t for t in config["tunnels"] if t.get("payload") != "nsh"]


# --- changes ----------------------------------------------------------------------------------------

def _options(entry, keys):
    """The options of weftctl that set these keys."""
    return [word for key in keys for word in (f"--{key.replace('_', '-')}", entry[key])]


def _mark_options(marks):
    return [word for m in marks for word in ("--mark", f"{m['name']}={m['bits']}/{m['mask']}")] or ["--no-marks"]


def _change_common(random, config, entry, key):
    """Sets the network or the port; False where nothing can be changed."""
    kind = KINDS[entry["kind"]]
    if entry["kind"] == "srv6":
        return []
    if key == "network" and kind.is_nsh:
        return _change_service(random, entry, kind)
    if key == "network":
        name = network(entry["kind"], 1, random)
        if name is None or (entry["kind"] == "gre" and "key" not in entry):   # nothing takes a key away
            return []
        entry[kind.name_of_network] = name
        return [kind.name_of_network]
    if kind.port is None:
        return []
    entry["port"] = udp_port(config, entry["kind"], random)
    return ["port"]


def _change_service(random, entry, kind):
    """Sets the path, the index, or the VNI or key in front of them."""
    if kind.front in entry and ("path" not in entry or random.random() < 0.3):
        entry[kind.front] = random.getrandbits(24)
        return [kind.front]
    if "path" not in entry:
        return []
    key = random.choice(("path", "index"))
    entry[key] = random.choice((1, 7, 254, 255)) if key == "index" else random.choice((1, 100, random.getrandbits(24)))
    return [key]


def change_tunnel(random, config):
    """(the tunnel's name, the options of weftctl that do it); None where nothing changes."""
    entry = random.choice(config["tunnels"])
    known = KINDS[entry["kind"]]
    ethernet = entry.get("payload", known.payloads[0]) == "ethernet"
    key = random.choice(("remote", "remote", "network", "port", "source_ports", "inner_destination_mac", "payload",
                         "reserved", "outer_fragmentation"))
    if key in ("network", "port"):
        keys = _change_common(random, config, entry, key)
    elif key == "remote" and "remote" in entry:
        six = ":" in entry["remote"]
        entry["remote"] = next(r for r in iter(lambda: remote(config, random), None) if (":" in r) == six)
        keys = ["remote"]
    elif key == "source_ports" and known.port is not None:
        entry["source_ports"] = random.choice(RANGES)
        keys = ["source_ports"]
    elif key == "reserved" and entry["kind"] in kinds.RESERVED:
        entry["reserved"] = _bits(random.choice((0, random.getrandbits(64))) & kinds.RESERVED[entry["kind"]])
        keys = ["reserved"]
    elif key == "outer_fragmentation" and not known.ethertype:
        entry["outer_fragmentation"] = not entry.get("outer_fragmentation", False)
        return entry["name"], ["--outer-fragmentation", "on" if entry["outer_fragmentation"] else "off"]
    elif key == "inner_destination_mac" and ethernet:
        entry["inner_destination_mac"] = random.choice(ROUTER_MACS)
        keys = ["inner_destination_mac"]
    elif key == "payload" and len(known.payloads) > 1 and entry.get("payload", known.payloads[0]) == "ip":
        entry.update(payload="ethernet", inner_destination_mac=random.choice(ROUTER_MACS))
        keys = ["payload", "inner_destination_mac"]
    else:
        keys = []
    return (entry["name"], _options(entry, keys)) if keys else None


def change_decap(random, config):
    """The same of a decap, and whether it is another one now, which has let nothing in yet."""
    entry = random.choice(config["decaps"])
    if entry["kind"] in kinds.RESERVED and random.random() < 0.4:
        kept = [mark for mark in entry.get("marks", ()) if random.random() < 0.6]
        entry["marks"] = marks(entry["kind"], random, kept)
        return entry["name"], _mark_options(entry["marks"]), False
    old = dict(entry)
    keys = _change_common(random, config, entry, random.choice(("network", "network", "port", "sources")))
    if not keys and "sources" not in entry:
        return None
    if not keys:
        entry["sources"] = sources(config, "sid" in entry or ":" in entry["local"], random)
        return entry["name"], [word for net in entry["sources"] for word in ("--source", net)], False
    if _taken(config, entry):
        entry.clear()
        entry.update(old)
        return None
    return entry["name"], _options(entry, keys), _told(entry) != _told(old)
