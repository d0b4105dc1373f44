"""A table of tunnels to a peer, and what has to cross each of them.

A peer's test module has its ROWS and the fixture `crossing`, and subclasses Crossings. All rows are in one router's
configuration, over both underlays; the routes of the VRF choose among them.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from weft import BACKGROUND, ROUTER_MAC, Namespace, Weftd, tcp_transfer, wait_until

PEER_MAC = "02:00:00:00:01:12"
PEER_MTU = 1400  # fits into every tunnel over every underlay
UNASKED = {BACKGROUND, "neighbour_not_ours"}  # drops of what the peers' kernels send by themselves
FRAMES = {"inner_destination_mac": PEER_MAC}


class Underlay(NamedTuple):
    near: str
    far: str
    subnet: str


class Ends(NamedTuple):
    near: str
    far: str


UNDERLAYS = {"ipv4": Underlay("192.0.2.1", "192.0.2.2", "192.0.2.0/24"),
             "ipv6": Underlay("2001:db8::1", "2001:db8::2", "2001:db8::/64")}
INNER = {"ipv4": Ends("10.1.0.11", "10.1.0.12"), "ipv6": Ends("fd00:1::11", "fd00:1::12")}


@dataclass(frozen=True)
class Row:
    """One tunnel as weft.yaml has it, and as the peer does, in words that the peer's module knows."""
    name: str
    network: dict           # keys that the tunnel and the decap share: the kind and the network's number
    sends: dict = field(default_factory=dict)  # keys that only the tunnel has
    peer: Any = None
    inner: tuple = ("ipv4", "ipv6")

    @property
    def ethernet(self):
        return "inner_destination_mac" in self.sends

    @property
    def on_ethernet(self):
        """There is no outer IP header."""
        return self.network["kind"] in ("mpls_over_mpls", "nsh_over_ethernet")


def tunnel_name(row, underlay):
    return f"{row.name}-{underlay}"


def every(rows):
    """Parameters of the fixture `crossing`: each row over each underlay."""
    return {"params": [(row, underlay) for row in rows for underlay in UNDERLAYS],
            "ids": [tunnel_name(row, underlay) for row in rows for underlay in UNDERLAYS]}


def give_addresses(config, underlays):
    """The router's own, at the fabric port."""
    config["node"]["tunnel_address"] = [u.near for u in underlays]
    config["ports"][0]["addresses"] = [f"{u.near}/{u.subnet.split('/')[1]}" for u in underlays]


def add_tunnels(config, rows, far_side=False):
    """Both address families at the fabric port, and a tunnel and a decap for each row and underlay. `far_side`: the
    configuration of the router at 192.0.2.2."""
    sides = {name: Underlay(u.far, u.near, u.subnet) if far_side else u for name, u in UNDERLAYS.items()}
    give_addresses(config, sides.values())
    ways = [(tunnel_name(row, name), row, u) for row in rows for name, u in sides.items()]
    config["tunnels"] = [{"name": name, "remote": u.far, **row.network, **row.sends} for name, row, u in ways]
    config["decaps"] = [{"name": name, "vrf": "blue", **row.network,
                         **({} if row.on_ethernet else {"local": u.near, "sources": [u.subnet]})}
                        for name, row, u in ways]
    config["routes"] = []


def route_into(router, tunnel, far_side=False):
    for ends in INNER.values():
        address = ends.near if far_side else ends.far
        router.set_route("blue", f"{address}/{128 if ':' in address else 32}", tunnel)


def give_underlay(namespace, interface):
    """The peer's addresses of both families, in a namespace whose kernel keeps silent otherwise."""
    namespace.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=0",
                  "net.ipv6.conf.default.disable_ipv6=0", "net.ipv6.conf.default.accept_dad=0")
    namespace.ip("addr", "flush", "dev", interface)
    for underlay in UNDERLAYS.values():
        namespace.ip("addr", "add", f"{underlay.far}/{underlay.subnet.split('/')[1]}", "dev", interface,
                     *(["nodad"] if ":" in underlay.far else []))
    namespace.ip("link", "set", interface, "up")


@dataclass
class Crossing:
    """A tunnel that is up: `vm` is behind the router, `peer` has the far inner addresses."""
    row: Row
    name: str
    vm: Namespace
    peer: Namespace
    router: Weftd

    def __post_init__(self):
        # Peers drop what they send before they have learned their neighbour.
        wait_until(lambda: self.peer.ping(self.ends[0].near, count=1, deadline=1), 10, f"a first ping by {self.name}")
        self.drops_before = self.router.drops()

    @property
    def ends(self):
        return [INNER[family] for family in self.row.inner]

    def packets(self):
        """How many went out and came in by this tunnel."""
        return [self.router.row(table, self.name)["packets"] for table in ("tunnel", "decap")]


class Crossings:
    def test_ping_both_ways(self, crossing):
        before = crossing.packets()
        for near, far in crossing.ends:
            assert crossing.vm.ping(far, count=10, interval=0.01) == 10, far
            if crossing.row.ethernet:
                # Then ARP or ND of the peer has to come through the tunnel, and to be answered by the router.
                crossing.peer.ip("neigh", "flush", near)
            assert crossing.peer.ping(near, count=10, interval=0.01) == 10, near
            assert not crossing.row.ethernet or ROUTER_MAC in crossing.peer.ip("neigh", "show", near)
        wanted = 20 * len(crossing.ends)
        wait_until(lambda: all(now >= then + wanted for now, then in zip(crossing.packets(), before)), 2,
                   f"{wanted} packets by {crossing.name} each way")

    def test_tcp_both_ways(self, crossing):
        for near, far in crossing.ends:
            tcp_transfer(crossing.peer, far, crossing.vm)
            tcp_transfer(crossing.vm, near, crossing.peer)

    def test_nothing_was_dropped(self, crossing):
        drops = crossing.router.drops() - crossing.drops_before
        assert set(drops) <= UNASKED, drops
