"""Random routers: a weft.yaml from a seed, and random changes of it."""

from dataclasses import dataclass

import profiles
import vlans
import wire
from groups import add_groups, change_groups, remembered
from packets import Packets  # noqa: F401  (what is sent through them)
from profiles import FAR4, FAR6, ROUTER_MACS
from wire import spelled

SUBNETS4 = ("10.1.0.0/24", "10.1.1.0/24", "10.2.0.0/16", "172.16.8.0/22")
SUBNETS6 = ("fd00:1::/64", "fd00:2::/48")
PREFIXES4 = ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/25", "10.1.0.128/25", "10.1.0.64/26", "10.1.0.96/27",
             "10.1.1.128/26", "10.2.0.0/17", "10.2.3.0/24", "10.2.3.4/30", "10.2.3.6/31", "10.1.0.200/32",
             "10.1.0.12/32", "10.3.0.0/16", "10.3.128.0/20", "10.3.129.1/32", "172.16.9.0/24", "172.16.0.0/12",
             "198.18.0.0/15", "203.0.113.0/25", "128.0.0.0/1", "64.0.0.0/3")
PREFIXES6 = ("::/0", "fd00::/8", "fd00:1::/32", "fd00:1::/80", "fd00:1::1:0/112", "fd00:1::200/128", "fd00:1::12/128",
             "fd00:2:0:8000::/49", "fd00:2::/63", "fd00:2:0:1::/64", "fd00:2::fffe/127", "fd00:3::/47", "2000::/3",
             "2001:db8:ffff::/48", "fd00:1::1:8000/113")
DEFAULTS = (PREFIXES4[0], PREFIXES6[0])
TIMEOUTS = ("tcp_opening", "tcp_established", "tcp_closing", "udp_one_way", "udp_answered", "icmp", "other")
SESSION_SECONDS = 7200   # no session ends by a clock
MTUS = (1500, 1500, 1500, 1400, 1380)


def _port(number, device, random):
    net4, net6 = (("192.0.2", "2001:db8:0"), ("198.51.100", "2001:db8:1"))[number]
    return {"name": f"fab{number}", "device": device, "mtu": random.choice(MTUS),
            "addresses": [f"{net4}.1/24", f"{net6}::1/64"]}


def _neighbours(ports, random):
    made = []
    for number, port in enumerate(ports):
        net4, net6 = (a.split("/")[0][:-1] for a in port["addresses"])
        for host in random.sample(range(2, 250), 3):
            mac = f"02:00:00:0a:0{number}:{host:02x}"
            made += [{"vrf": "underlay", "address": f"{net4}{host}", "mac": mac},
                     {"vrf": "underlay", "address": f"{net6}{host:x}", "mac": mac}]
    return made


def _vrf(number, random):
    subnets = random.sample(SUBNETS4, random.randint(0, 2)) + random.sample(SUBNETS6, random.randint(0, 2))
    gateways = [(s, s.split("/")[0][:-1] + "1" if "." in s else s.split("/")[0] + "1") for s in subnets]
    return {"name": f"vrf{number}", "id": number, "router_mac": random.choice(ROUTER_MACS),
            "subnets": [{"prefix": s, "gateway": g} for s, g in gateways]}


def _inside(net, random, low=2):
    network, length, bits = wire.prefix(net)
    room = min(1 << (bits - length), 60)
    return spelled((network + random.randint(low, room - 2)).to_bytes(bits // 8, "big"))


def _vif(number, vrf, taken, random):
    nets = [s["prefix"] for s in vrf["subnets"]] or ["10.9.0.0/24", "fd00:9::/64"]
    addresses = []
    others = sorted({address for name, address in taken if name != vrf["name"]})
    for net in random.sample(nets, random.randint(1, len(nets))):
        for _ in range(random.randint(1, 2)):
            same = [a for a in others if wire.covers(wire.prefix(net), wire.packed(a))]
            address = random.choice(same) if same and random.random() < 0.4 else _inside(net, random)
            if (vrf["name"], address) not in taken:
                taken.add((vrf["name"], address))
                addresses.append(address)
    if not addresses:
        addresses = [f"10.250.0.{number + 1}"]
    clamp = {"mss_clamp": random.choice(profiles.CLAMPS)} if random.random() < 0.2 else {}
    return {**clamp, "name": f"vif{number}", "device": "tap", "vrf": vrf["name"], "mac": f"02:00:00:0b:00:{number:02x}",
            "addresses": addresses, "anti_spoofing": random.random() < 0.6, "mtu": random.choice(MTUS)}


def _via(config, vrf, random):
    ways = ["discard"] + ["vrf"] * 2
    ways += ["tunnel"] * 6 if profiles.for_routes(config) else []
    ways += ["vif"] * 3 if config["vifs"] else []
    way = random.choice(ways)
    if way == "discard":
        return {"discard": True}
    if way == "vrf":
        others = [v["name"] for v in config["vrfs"] if v["name"] != vrf]
        return {"vrf": random.choice(others + ["underlay"]) if random.random() < 0.2 or not others
                else random.choice(others)}
    return {way: random.choice(profiles.for_routes(config) if way == "tunnel" else config["vifs"])["name"]}


def _taken(config, vrf, net):
    """Whether the VRF has that very prefix from elsewhere."""
    own = [s["prefix"] for v in config["vrfs"] if v["name"] == vrf for s in v["subnets"]]
    hosts = [s["gateway"] for v in config["vrfs"] if v["name"] == vrf for s in v["subnets"]]
    hosts += [a for v in config["vifs"] if v["vrf"] == vrf for a in v["addresses"]]
    own += [f"{h}/{128 if ':' in h else 32}" for h in hosts]
    own += [r["prefix"] for r in config["routes"] if r["vrf"] == vrf]
    return wire.prefix(net) in [wire.prefix(o) for o in own]


def _route(config, random):
    vrf = random.choice(config["vrfs"])["name"]
    net = random.choice(PREFIXES4 + PREFIXES6[:random.choice((0, len(PREFIXES6)))])
    kind = random.random()
    if kind < 0.1:
        net = random.choice(DEFAULTS)
    elif kind < 0.4:
        net = _inside(random.choice(SUBNETS4), random) + "/32" if random.random() < 0.6 else _inside(
            random.choice(SUBNETS6), random) + "/128"
    elif kind < 0.6:
        net = _akin(config, vrf, random) or net
    if _taken(config, vrf, net):
        return None
    return {"vrf": vrf, "prefix": net, "via": _via(config, vrf, random)}


def _akin(config, vrf, random):
    """A prefix around one that the VRF has, or in it, by few bits: they share a part of whatever table there is."""
    own = [r["prefix"] for r in config["routes"] if r["vrf"] == vrf]
    if not own:
        return None
    network, length, bits = wire.prefix(random.choice(own))
    wanted = length + random.choice((-3, -2, -1, -1, 1, 2))
    if not 1 <= wanted <= bits:
        return None
    network |= random.getrandbits(bits) & ((1 << (bits - length)) - 1)
    return f"{spelled((network >> (bits - wanted) << (bits - wanted)).to_bytes(bits // 8, 'big'))}/{wanted}"


def _gateways(near, random):
    """One of the neighbours, or several, which share what goes that way."""
    return random.choice(near) if random.random() < 0.5 else random.sample(near, random.randint(1, min(4, len(near))))


def _defaults(config, random):
    """Gateways of ports: of both families, at one port or more."""
    for number, port in enumerate(config["ports"]):
        if random.random() < (0.5 if number == 0 else 0.3):
            near = [n["address"] for n in config["neighbours"] if n["mac"][13] == str(number)]
            four, six = ([a for a in near if (":" in a) == is_six] for is_six in (False, True))
            some = random.choice((1, 1, 2, 3))
            port["gateway"] = random.sample(four, some) + random.sample(six, random.randint(1, some))


def _underlay_routes(config, random):
    """Remotes beyond neighbours; a part of them by another one, or nowhere."""
    routes = []
    for wide, narrow in (FAR4, FAR6):
        near = [n["address"] for n in config["neighbours"] if (":" in n["address"]) == (":" in wide)]
        routes.append({"vrf": "underlay", "prefix": wide, "via": {"gateway": _gateways(near, random)}})
        via = {"discard": True} if random.random() < 0.3 else {"gateway": _gateways(near, random)}
        routes.append({"vrf": "underlay", "prefix": narrow, "via": via})
    return routes


def topology(random, policies=True):
    """weft.yaml as a dict; devices are "af_packet" or "tap" alone, or with the port
    whose device it is as well, for the tester to complete. `policies`: there may be
    security groups."""
    devices = random.sample(("af_packet", "tap"), random.randint(1, 2))
    config = {"node": {"name": "oracle", "tunnel_address": ["192.0.2.1", "2001:db8::1"]},
              "dpdk": {"hugepages": "auto", "memory_mb": 256},
              "workers": {"lcores": [0, 1], "idle": "adaptive"},
              "reassembly": {"datagrams": 0},
              "flows": {"timeouts": dict.fromkeys(TIMEOUTS, SESSION_SECONDS)},
              "ports": [_port(n, device, random) for n, device in enumerate(devices)]}
    config["neighbours"] = _neighbours(config["ports"], random)
    _defaults(config, random)
    config["vrfs"] = [_vrf(n, random) for n in range(1, random.randint(1, 6) + 1)]
    config["vifs"], taken = [], {(v["name"], s["gateway"]) for v in config["vrfs"] for s in v["subnets"]}
    for vrf in config["vrfs"]:
        for _ in range(random.choice((0, 1, 1, 2, 2))):
            if len(config["vifs"]) < 8:
                config["vifs"].append(_vif(len(config["vifs"]), vrf, taken, random))
    if not config["vifs"]:
        config["vifs"].append(_vif(0, config["vrfs"][0], taken, random))
    config["tunnels"], config["decaps"], config["routes"] = [], [], []
    for number in range(random.randint(0, 20)):
        config["tunnels"].append(profiles.tunnel(number, config, random))
    for number in range(random.randint(2, 10)):
        decap = profiles.decap(number, config, random)
        config["decaps"] += [decap] if decap else []
    config["routes"] += _underlay_routes(config, random)
    if random.random() < 0.4:
        config["routes"] += _chain(config, random)
    _routes_between(config, random)
    _tunnels_shared(config, random)
    if policies and random.random() < 0.7:
        add_groups(random, config)
    quiet = [v["name"] for v in config["vrfs"] if random.random() < 0.15]
    for vif in config["vifs"]:
        if vif["vrf"] in quiet:
            vif["flows"] = False
    for _ in range(random.randint(5, 40)):
        route = _route(config, random)
        if route:
            config["routes"].append(route)
    vlans.give(random, config["ports"])
    _tunnels_of_others(config, random)
    return config


def _chain(config, random):
    """A prefix that leads through several VRFs to some end, or round and round."""
    vrfs = [v["name"] for v in random.sample(config["vrfs"], len(config["vrfs"]))]
    net = random.choice(("10.66.0.0/16", "fd00:66::/32"))
    last = [vrfs[0]] if random.random() < 0.2 and len(vrfs) > 1 else []
    routes = [{"vrf": a, "prefix": net, "via": {"vrf": b}} for a, b in zip(vrfs, vrfs[1:] + last)]
    if not last:
        routes.append({"vrf": vrfs[-1], "prefix": net, "via": _via(config, vrfs[-1], random)})
    return routes


def _routes_between(config, random):
    """VIFs of two VRFs that reach each other, both ways."""
    for vif in config["vifs"]:
        others = [v for v in config["vifs"] if v["vrf"] != vif["vrf"]]
        if not others or random.random() < 0.6:
            continue
        other = random.choice(others)
        for here, there in ((vif, other), (other, vif)):
            for address in there["addresses"]:
                net = f"{address}/{128 if ':' in address else 32}"
                if not _taken(config, here["vrf"], net):
                    config["routes"].append({"vrf": here["vrf"], "prefix": net, "via": {"vrf": there["vrf"]}})


def _tunnels_shared(config, random):
    """Tunnels of one VRF that VIFs of another have by a route into it, and that lead back to them."""
    for vif in config["vifs"]:
        here = vif["vrf"]
        others = sorted({d["vrf"] for d in config["decaps"] if d.get("vrf", here) != here})
        if not others or not profiles.for_routes(config) or random.random() < 0.5:
            continue
        there, address = random.choice(others), random.choice(vif["addresses"])
        net = random.choice(PREFIXES6 if ":" in address else PREFIXES4)
        host = f"{address}/{128 if ':' in address else 32}"
        tunnel = random.choice(profiles.for_routes(config))["name"]
        for vrf, prefix, via in ((here, net, {"vrf": there}), (there, net, {"tunnel": tunnel}),
                                 (there, host, {"vrf": here})):
            if not _taken(config, vrf, prefix):
                config["routes"].append({"vrf": vrf, "prefix": prefix, "via": via})


def _tunnels_of_others(config, random):
    """VRFs that have a tunnel of frames by a route into another one, whose router has another MAC; if possible a tunnel
    whose outer header is the same for all of a flow, and which is not cut."""
    framed = [t for t in profiles.for_routes(config) if "inner_destination_mac" in t]
    plain = [t for t in framed if not t.get("outer_fragmentation") and (
        ":" not in t.get("remote", "") or t.get("zero_udp_checksum6") or t["kind"].endswith("gre"))]
    macs = {v["name"]: v["router_mac"] for v in config["vrfs"]}
    used = sorted({end["vrf"] for end in config["vifs"] + config["decaps"] if "vrf" in end})
    pairs = [(here, there) for here in used for there, mac in macs.items() if mac != macs[here]]
    for number, (here, there) in enumerate(random.sample(pairs, min(3, len(pairs))) if framed else []):
        net = random.choice((f"10.77.{number}.0/24", f"10.77.{number}.0/24", f"fd00:77:{number}::/64"))
        tunnel = random.choice(plain or framed)["name"]
        config["routes"] += [{"vrf": here, "prefix": net, "via": {"vrf": there}},
                             {"vrf": there, "prefix": net, "via": {"tunnel": tunnel}}]


# --- changes ----------------------------------------------------------------------------------------

OPTIONS = {"tunnel": "--tunnel", "vif": "--vif", "vrf": "--lookup", "gateway": "--gateway"}


def way_options(via):
    """The options of `weftctl route` that say where a route leads."""
    (way, target), = via.items()
    return ["--discard"] if way == "discard" else [OPTIONS[way], target]


@dataclass
class Change:
    """`command`: the arguments by which weftctl does it, `tunnel` the name of a tunnel that changed, `decap` that of a
    decap that takes other packets now, `place` VRF and prefix of a route that did, `what` has changed in the file for a
    reload."""
    command: list
    what: str = ""
    tunnel: str = None
    decap: str = None
    place: tuple = ()
    undo: object = None   # to be called for a second reload at once, which no session is to feel

    def __str__(self):
        return " ".join(map(str, self.command)) + (f" ({self.what})" if self.what else "")


def _busy_route(random, routes, busy):
    """One by which packets went that may come again, if there is any."""
    vrf, address = random.choice(busy)
    found = [r for r in routes if r["vrf"] == vrf and wire.covers(wire.prefix(r["prefix"]), address)]
    return max(found, key=lambda r: wire.prefix(r["prefix"])[1]) if found else random.choice(routes)


def change(random, config, by_api=False, busy=()):
    """Changes the configuration and says how weftctl does the same; None where there is nothing to change. Groups are
    changed in the file for `reload`, or `by_api`; what the API changed once does not follow the file any more. `busy`:
    VRFs and addresses in them to which somebody talks."""
    mine = [r for r in config["routes"] if r["vrf"] != "underlay"]
    if "security_groups" in config and random.random() < 0.5:
        undo = remembered(config) if random.random() < 0.25 and not by_api else None
        return Change(*change_groups(random, config, by_api), undo=undo)
    kind = random.choices(("tunnel", "decap", "add", "replace", "delete"), (3, 1, 2, 3, 3))[0]
    if kind == "tunnel" and config["tunnels"]:
        name, options = profiles.change_tunnel(random, config) or (None, [])
        return name and Change(["tunnel", "set", name, *options], tunnel=name)
    if kind == "decap" and config["decaps"]:
        name, options, another = profiles.change_decap(random, config) or (None, [], False)
        return name and Change(["decap", "set", name, *options], decap=name if another else None)
    if kind == "add":
        route = _route(config, random)
        if route is None:
            return None
        config["routes"].append(route)
    elif not mine:
        return None
    else:
        route = _busy_route(random, mine, busy) if busy and random.random() < 0.7 else random.choice(mine)
    place = route["vrf"], route["prefix"]
    if kind == "delete":
        config["routes"].remove(route)
        return Change(["route", "del", "--vrf", *place], place=place)
    if kind != "add":
        to_vif = {"vif": random.choice(config["vifs"])["name"]}
        route["via"] = to_vif if random.random() < 0.3 else _via(config, route["vrf"], random)
    return Change(["route", "set", "--vrf", *place, *way_options(route["via"])], place=place)
