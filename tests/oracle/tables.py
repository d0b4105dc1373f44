"""weft.yaml as the oracle sees it: lists that are searched from end to end, on purpose."""

from dataclasses import dataclass

import kinds
import segments
from deviations import KNOWN
from policies import Groups
from verdict import Unknown, Way
from vlans import interface_of, kind_of
from wire import IPV4, NSH, ROUTING, covers, mac_bytes, packed, prefix

UNDERLAY = "underlay"
# More than there are VRFs: who goes on after that goes round.
MOST_LOOKUPS = 4 if "five-lookups" in KNOWN else 64


@dataclass
class Entry:
    net: tuple
    kind: str     # vif, receive, tunnel, vrf, gateway, discard, connected
    target: object = None


class Vrf:
    def __init__(self, name, mac=None):
        self.name = name
        self.mac = mac
        self.gateways = []   # (prefix, address), in the order of the file
        self.entries = []

    def add(self, net, kind, target=None):
        self.entries.append(Entry(prefix(net) if isinstance(net, str) else net, kind, target))

    def add_host(self, address, kind, target=None):
        bits = len(address) * 8
        self.add((int.from_bytes(address, "big"), bits, bits), kind, target)

    def longest(self, address):
        best = None
        for entry in self.entries:
            if covers(entry.net, address) and (best is None or entry.net[1] > best.net[1]):
                best = entry
        return best


@dataclass
class Port:
    name: str
    device: str
    interface: str
    vlan: int         # 0: its frames have no tag
    mac: bytes
    mtu: int
    addresses: list   # (address, its subnet)


@dataclass
class Vif:
    name: str
    vrf: str
    mac: bytes
    mtu: int
    addresses: list
    strict: bool
    flows: bool
    mss_clamp: object   # None, "auto" or bytes


@dataclass
class Tunnel:
    """`network`: see kinds.settings; `port`: None where it has none; `local`: None on Ethernet; `payload`: ethernet, ip
    or nsh, which is for packets that have such a header; `context`: of NSH."""
    name: str
    kind: str
    network: object
    remote: bytes
    local: bytes
    port: int
    payload: str
    ports: tuple
    inner_mac: bytes
    ttl: object            # a number, or "copy"
    dscp: object
    zero_checksum6: bool
    mss_clamp: object
    context: tuple
    segments: list         # of SRv6, in the order of the visits
    reduced: bool
    reserved: int          # bits of the header that are sent though it has them for nobody
    outer_fragmentation: bool

    @property
    def on_ethernet(self):
        return kinds.KINDS[self.kind].ethertype is not None

    @property
    def overhead(self):
        """What a tunnel adds to an IP packet, or to one with NSH: inner Ethernet, its own header, UDP, outer IP."""
        if self.segments:
            return 40 + len(segments.steered(self.segments, self.reduced, IPV4)[1])
        inside = NSH if self.payload == "nsh" else IPV4
        header = len(kinds.headed(self.kind, self.network, inside, b"", context=self.context))
        outer = 0 if self.on_ethernet else 40 if len(self.remote) == 16 else 20
        return (14 if self.payload == "ethernet" else 0) + header + (0 if self.port is None else 8) + outer


@dataclass
class Decap:
    """`tunnel`: by which packets go on with the NSH header that they have; it has no VRF then."""
    name: str
    kind: str
    network: object
    port: int
    local: bytes
    sources: list
    vrf: str
    vif: str
    tunnel: str
    zero_checksum6: bool
    copy_dscp: bool
    behaviour: str = None   # of SRv6, whose SID is `local`
    gateway: bytes = None
    marks: tuple = ()       # (name, bits, mask) of the header's reserved bits

    def mark_of(self, bits):
        """The first mark that a header with these bits has, or None."""
        return next((name for name, wanted, mask in self.marks if bits & mask == wanted), None)


def source_ports(text):
    low, high = text.split("-")
    return int(low), int(high)


class Tables:
    """`port_macs`: port → MAC, which the devices choose and not the file."""

    def __init__(self, config, port_macs):
        self.vrfs = {UNDERLAY: Vrf(UNDERLAY)}
        local = config["node"].get("tunnel_address", [])
        self.tunnel_addresses = [packed(a) for a in ([local] if isinstance(local, str) else local)]
        self.neighbours = {packed(n["address"]): mac_bytes(n["mac"]) for n in config.get("neighbours", [])}
        self.ports = {p["name"]: self._port(p, port_macs) for p in config["ports"]}
        for v in config["vrfs"]:
            vrf = self.vrfs[v["name"]] = Vrf(v["name"], mac_bytes(v.get("router_mac", "02:00:5e:00:01:01")))
            for subnet in v.get("subnets", []):
                gateway = packed(subnet["gateway"])
                vrf.gateways.append((prefix(subnet["prefix"]), gateway))
                vrf.add_host(gateway, "receive")
        self.vifs = {v["name"]: self._vif(v) for v in config["vifs"]}
        groups = Groups(config)
        self.policies = {name: groups.rules(name) for name in self.vifs}
        self.tunnels = {t["name"]: self._tunnel(t) for t in config["tunnels"]}
        self.decaps = [self._decap(d) for d in config["decaps"]]
        for route in config["routes"]:
            (kind, target), = route["via"].items()
            if kind == "ecmp":  # of several members any may be right, which is not said here yet
                only, = target
                (kind, target), = only.items()
            if kind == "gateway":
                target = [packed(g) for g in ([target] if isinstance(target, str) else target)]
            self.vrfs[route["vrf"]].add(route["prefix"], kind, target)

    def _port(self, p, macs):
        underlay = self.vrfs[UNDERLAY]
        addresses = []
        for text in p["addresses"]:
            address, net = packed(text.split("/")[0]), prefix(text)
            addresses.append((address, net))
            underlay.add_host(address, "receive")
            if not any(e.kind == "connected" and e.net == net for e in underlay.entries):
                underlay.add(net, "connected", p["name"])
        gateways = p.get("gateway", [])
        for gateway in [gateways] if isinstance(gateways, str) else gateways:
            default = prefix("::/0" if ":" in gateway else "0.0.0.0/0")
            if not any(e.net == default for e in underlay.entries):
                underlay.add(default, "gateway", [])
            next(e for e in underlay.entries if e.net == default).target.append(packed(gateway))   # all ports share it
        return Port(p["name"], kind_of(p["device"]), interface_of(p), p.get("vlan", 0), mac_bytes(macs[p["name"]]),
                    p.get("mtu", 1500), addresses)

    def _vif(self, v):
        addresses = [packed(a) for a in v["addresses"]]
        for address in addresses:
            self.vrfs[v["vrf"]].add_host(address, "vif", v["name"])
        return Vif(v["name"], v["vrf"], mac_bytes(v["mac"]), v.get("mtu", 1500), addresses,
                   v.get("anti_spoofing", True), v.get("flows", True), v.get("mss_clamp"))

    def _own(self, like):
        return next(a for a in self.tunnel_addresses if len(a) == len(like))

    def _tunnel(self, t):
        visits = [packed(s) for s in t.get("segments", [])]
        remote = visits[0] if visits else packed(t["remote"])
        kind, network, port = kinds.settings(t)
        local = packed(t["local"]) if "local" in t else self._own(remote)
        if kinds.KINDS[kind].ethertype:
            local = None
        payload = t.get("payload", kinds.KINDS[kind].payloads[0])
        mac = mac_bytes(t["inner_destination_mac"]) if payload == "ethernet" else bytes(6)
        return Tunnel(t["name"], kind, network, remote, local, port, payload,
                      source_ports(t.get("source_ports", "49152-65535")), mac, t.get("ttl", 64), t.get("dscp", 0),
                      t.get("zero_udp_checksum6", False), t.get("mss_clamp"), kinds.metadata(t), visits,
                      t.get("reduced", False), int(t.get("reserved", "0"), 16), t.get("outer_fragmentation", False))

    def _decap(self, d):
        sources = [prefix(s) for s in d.get("sources", [])]
        local = packed(d["local"]) if "local" in d else self._own(bytes(sources[0][2] // 8)) if sources else None
        vrf = self.vifs[d["vif"]].vrf if "vif" in d else d.get("vrf")
        if "sid" in d:
            local = packed(d["sid"])
            self.vrfs[UNDERLAY].add_host(local, "receive")
            gateway = packed(d["gateway"]) if "gateway" in d else None
            return Decap(d["name"], *kinds.settings(d), local, sources, vrf, d.get("vif"), None, False,
                         d.get("dscp") == "copy", segments.behaviour(d), gateway)
        return Decap(d["name"], *kinds.settings(d), local, sources, vrf, d.get("vif"), d.get("tunnel"),
                     d.get("zero_udp_checksum6", False), d.get("dscp") == "copy",
                     marks=tuple((m["name"], int(m["bits"], 16), int(m["mask"], 16)) for m in d.get("marks", [])))

    def tunnel_locals(self):
        """(local address, UDP port, None for GRE or ROUTING for SRv6) → kind; any of those that share these."""
        return {(t.local, ROUTING if t.segments else t.port): t.kind for t in self.tunnels.values() if t.local}

    def walk(self, vrf, address):
        """(entry or None or "loop", VRF where it was found)"""
        for _ in range(MOST_LOOKUPS + 1):
            entry = self.vrfs[vrf].longest(address)
            if entry is None or entry.kind != "vrf":
                return entry, vrf
            vrf = entry.target
        return "loop", vrf

    def lookups(self, vrf, address):
        """How many `vrf` routes lead to where walk() ends."""
        count = 0
        while count < MOST_LOOKUPS:
            entry = self.vrfs[vrf].longest(address)
            if entry is None or entry.kind != "vrf":
                return count
            count, vrf = count + 1, entry.target
        return count

    def interfaces(self):
        """Of ports."""
        return {port.interface for port in self.ports.values()}

    def port_of(self, address):
        for port in self.ports.values():
            if any(covers(net, address) for _, net in port.addresses):
                return port
        return None

    def next_hop(self, entry, address):
        """The Way of an underlay entry that leads out."""
        hops = entry.target if entry.kind == "gateway" else [address]
        if not all(hop in self.neighbours for hop in hops):
            raise Unknown("a neighbour that has to be asked for")
        return Way(tuple((self.port_of(hop), self.neighbours[hop]) for hop in hops))

    def underlay_way(self, remote):
        """The Way toward the remote of a tunnel; None where the underlay does not lead there."""
        entry, _ = self.walk(UNDERLAY, remote)
        if entry is None or entry == "loop" or entry.kind not in ("gateway", "connected"):
            return None
        return self.next_hop(entry, remote)

    def way_mtu(self, entry, destination):
        """The largest packet that the way takes; None where it leads nowhere."""
        if entry.kind == "vif":
            return self.vifs[entry.target].mtu
        if entry.kind == "tunnel":
            tunnel = self.tunnels[entry.target]
            way = self.underlay_way(tunnel.remote)
            return way and way.mtu - tunnel.overhead
        return self.next_hop(entry, destination).mtu

    def router_address(self, vrf, peer):
        """Whom an ICMP error comes from: our address nearest to who hears it (RFC 1812 §4.3.2.4)."""
        if vrf == UNDERLAY:
            own = [(net, a) for p in self.ports.values() for a, net in p.addresses]
        else:
            own = self.vrfs[vrf].gateways
        for net, address in own:
            if covers(net, peer):
                return address
        for _, address in own:
            if len(address) == len(peer):
                return address
        return next((a for a in self.tunnel_addresses if len(a) == len(peer)), None)
