"""What the oracle makes of policies, in cases that are small enough to be judged by eye."""

import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import wire  # noqa: E402
from oracle import Oracle  # noqa: E402
from wire import ICMP, IPV4, IPV6, MORE_FRAGMENTS, TCP, UDP, ethernet, ipv4, ipv6, mac_bytes, packed  # noqa: E402

EGRESS, INGRESS = "policy_egress_denied", "policy_ingress_denied"
ROUTER, STATION, PEER, PORT = "02:00:5e:00:01:01", "02:00:00:00:00:0{}", "02:00:00:00:09:02", "02:00:00:00:09:01"
VRF_OF = {"vm1": "blue", "vm2": "blue", "vm3": "red"}
ADDRESSES = {"vm1": ("10.1.0.1", "fd00::1"), "vm2": ("10.1.0.2", "fd00::2"), "vm3": ("10.1.0.1", "fd00::1")}
FAR = "10.2.0.9"


class World:
    """VIFs vm1 and vm2 in blue, vm3 in red with the addresses of vm1; FAR and what is near it through tunnels."""

    def __init__(self, groups, **mine):
        self.config = {
            "node": {"tunnel_address": "192.0.2.1"},
            "ports": [{"name": "fab", "device": "tap", "addresses": ["192.0.2.1/24"]}],
            "neighbours": [{"vrf": "underlay", "address": "192.0.2.2", "mac": PEER}],
            "vrfs": [{"name": "blue", "id": 1}, {"name": "red", "id": 2}],
            "vifs": [{"name": n, "device": "tap", "vrf": VRF_OF[n], "mac": STATION.format(i), "addresses": list(a)}
                     for i, (n, a) in enumerate(ADDRESSES.items())],
            "tunnels": [{"name": "t", "kind": "vxlan", "vni": 9, "remote": "192.0.2.2",
                         "inner_destination_mac": ROUTER}],
            "decaps": [{"name": vrf, "kind": "vxlan", "vni": vni, "vrf": vrf, "sources": ["192.0.2.0/24"]}
                       for vrf, vni in (("blue", 1), ("red", 2))],
            "routes": [{"vrf": vrf, "prefix": net, "via": {"tunnel": "t"}}
                       for vrf in ("blue", "red") for net in ("10.2.0.0/16", "fd00:2::/32")]}
        self.groups(groups, **mine)
        self.oracle = Oracle(self.config, {"fab": PORT})

    def groups(self, groups, **mine):
        """`mine`: VIF or VRF → names of its groups."""
        self.config["security_groups"] = [{"name": name, **group} for name, group in groups.items()]
        for owner in self.config["vrfs"] + self.config["vifs"]:
            owner.pop("security_groups", None)
            if owner["name"] in mine:
                owner["security_groups"] = mine[owner["name"]]

    def change(self, groups, **mine):
        self.groups(groups, **mine)
        self.oracle.changed()

    def sends(self, who, packet):
        """The drop reason of a packet from a VIF, or out of the tunnel of a VRF; None: forwarded."""
        kind = IPV4 if packet[0] >> 4 == 4 else IPV6
        if who in VRF_OF:
            frame = ethernet(mac_bytes(ROUTER), mac_bytes(STATION.format(list(VRF_OF).index(who))), kind, packet)
        else:
            inner = wire.vxlan(1 if who == "blue" else 2, ethernet(mac_bytes(ROUTER), mac_bytes(PEER), kind, packet))
            here, there = packed("192.0.2.2"), packed("192.0.2.1")
            outer = ipv4(here, there, UDP, wire.udp(here, there, 5, 4789, inner, check=0))
            who, frame = "fab", ethernet(mac_bytes(PORT), mac_bytes(PEER), IPV4, outer)
        verdict = self.oracle.process(who, frame)
        assert not verdict.unknown, verdict
        self.oracle.learn(verdict)
        reason, = verdict.reasons
        assert (reason is None) == bool(verdict.out), verdict
        return reason


def tcp(source, destination, sport=1000, dport=80, **more):
    source, destination = packed(source), packed(destination)
    make = ipv4 if len(source) == 4 else ipv6
    return make(source, destination, TCP, wire.tcp(source, destination, sport, dport, b"data"), **more)


def icmp(source, destination, kind=8, code=0, number=7, data=b"data"):
    return ipv4(packed(source), packed(destination), ICMP, wire.icmp4(kind, code, number << 16, data))


def piece(source, destination, at, number=5, dport=80):
    """The first half (at=0) or the second of a UDP datagram."""
    source, destination = packed(source), packed(destination)
    body = wire.udp(source, destination, 1000, dport, bytes(24))
    return ipv4(source, destination, UDP, body[16:] if at else body[:16], ident=number,
                fragment=2 if at else MORE_FRAGMENTS)


def one(direction, *rules):
    return {"g": {direction: list(rules)}}


A, B = "10.1.0.1", "10.1.0.2"
A6, B6 = "fd00::1", "fd00::2"
WEB = {"protocol": "tcp", "ports": [80, "8000-8010"]}

RULES = [   # rules of vm1's egress, packet, let through?
    ([], tcp(A, B), False),
    ([{}], tcp(A, B), True),
    ([WEB], tcp(A, B), True),
    ([WEB], tcp(A, B, dport=81), False),
    ([WEB], tcp(A, B, dport=8010), True),
    ([WEB], tcp(A, B, dport=8011), False),
    ([WEB], tcp(A, B, sport=80, dport=7), False),
    ([WEB], tcp(A6, B6), True),
    ([{"action": "deny", **WEB}, {}], tcp(A, B), False),
    ([{}, {"action": "deny", **WEB}], tcp(A, B), True),
    ([{"protocol": "udp"}], tcp(A, B), False),
    ([{"protocol": 6}], tcp(A, B), True),
    ([{"protocol": "tcp", "source_ports": ["999-1000"]}], tcp(A, B), True),
    ([{"protocol": "tcp", "source_ports": [1001]}], tcp(A, B), False),
    ([{"to": ["10.1.0.2"]}], tcp(A, B), True),
    ([{"to": ["10.1.0.2/31"]}], tcp(A, B), True),
    ([{"to": ["10.1.0.1"]}], tcp(A, B), False),
    ([{"from": ["10.1.0.1"]}], tcp(A, B), True),
    ([{"from": "10.1.0.1", "protocol": "tcp", "ports": 80}], tcp(A, B), True),
    ([{"to": ["0.0.0.0/0"]}], tcp(A6, B6), False),
    ([{"to": ["::/0"]}], tcp(A, B), False),
    ([{"to": ["group:g"]}], tcp(A, B), False),
    ([{"from": ["group:g"]}], tcp(A, B), True),
    ([{"protocol": "icmp", "icmp_type": 8}], icmp(A, B), True),
    ([{"protocol": "icmp", "icmp_type": 8, "icmp_code": 1}], icmp(A, B), False),
    ([{"protocol": "icmp", "icmp_type": 8}], icmp(A, B, kind=13), False),
    ([{"protocol": "icmpv6"}], icmp(A, B), False),
    ([{}], tcp(A, B, ttl=1), "ttl_expired"),
    ([], tcp(A, B, ttl=1), False),
    ([], tcp(A, "10.9.0.1"), "no_route"),
    ([{}], piece(A, B, 1), True),
    ([{"protocol": "udp"}], piece(A, B, 1), True),
    ([{"protocol": "udp", "ports": ["0-65535"]}], piece(A, B, 1), False),
    ([{"action": "deny", "protocol": "udp", "ports": [80]}, {}], piece(A, B, 1), True),
]


@pytest.mark.parametrize("rules, packet, through", RULES, ids=range(len(RULES)))
def test_rules(rules, packet, through):
    world = World(one("egress", *rules), vm1=["g"])
    wanted = through if isinstance(through, str) else None if through else EGRESS
    assert world.sends("vm1", packet) == wanted


def test_directions_and_tunnels():
    closed = {"g": {"egress": [], "ingress": []}}
    world = World(closed, vm2=["g"])
    assert world.sends("vm1", tcp(A, B)) == INGRESS
    assert world.sends("vm2", tcp(B, A)) == EGRESS
    assert world.sends("vm2", tcp(B, FAR)) == EGRESS
    assert world.sends("blue", tcp(FAR, B)) == INGRESS
    assert world.sends("blue", tcp(FAR, A)) is None
    world.change({"g": {"egress": []}}, vm2=["g"])
    assert world.sends("vm1", tcp(A, B)) is None
    assert World(closed, vm1=["g"], vm2=["g"]).sends("vm1", tcp(A, B)) == EGRESS


def test_groups_of_vrfs_and_their_order():
    groups = {"shut": {"egress": [{"action": "deny", **WEB}]}, "open": {"egress": [{}]}, "tag": {}}
    assert World(groups, blue=["shut", "open"]).sends("vm1", tcp(A, B)) == EGRESS
    assert World(groups, blue=["open", "shut"]).sends("vm1", tcp(A, B)) is None
    assert World(groups, blue=["shut"], vm1=[]).sends("vm1", tcp(A, B)) is None
    assert World(groups, blue=["shut"], vm1=["tag"]).sends("vm1", tcp(A, B)) is None
    assert World(groups, blue=["shut"], vm1=["tag", "open"]).sends("vm1", tcp(A, B)) is None


def test_members_are_of_the_same_vrf():
    groups = {"g": {"ingress": [{"from": ["group:friends"]}]}, "friends": {}}
    assert World(groups, vm2=["g"]).sends("vm1", tcp(A, B)) == INGRESS
    assert World(groups, vm1=["friends"], vm2=["g"]).sends("vm1", tcp(A, B)) is None
    assert World(groups, vm3=["friends"], vm2=["g"]).sends("vm1", tcp(A, B)) == INGRESS
    groups["friends"]["members"] = ["10.2.0.0/16"]
    assert World(groups, vm2=["g"]).sends("blue", tcp(FAR, B)) is None


def test_answers_come_with_their_session():
    world = World({"g": {"egress": [WEB], "ingress": []}}, vm1=["g"])
    answer = tcp(FAR, A, 80, 1000)
    assert world.sends("blue", answer) == INGRESS
    assert world.sends("vm1", tcp(A, FAR)) is None
    assert world.sends("blue", tcp(FAR, A, 1000, 80)) == INGRESS
    assert world.sends("blue", tcp(FAR, A, 80, 1001)) == INGRESS
    assert world.sends("blue", answer) is None
    world.change({"g": {"egress": [], "ingress": []}}, vm1=["g"])
    assert world.sends("blue", answer) == INGRESS
    world.change({"g": {"egress": [WEB], "ingress": []}}, vm1=["g"])
    assert world.sends("blue", answer) == INGRESS
    assert world.sends("vm1", tcp(A, FAR)) is None
    assert world.sends("blue", answer) is None


def test_a_session_is_of_one_vrf():
    world = World({"g": {"ingress": []}}, vm1=["g"], vm3=["g"])
    assert world.sends("vm1", tcp(A, FAR)) is None
    assert world.sends("red", tcp(FAR, A, 80, 1000)) == INGRESS
    assert world.sends("blue", tcp(FAR, A, 80, 1000)) is None


def test_a_packet_whose_time_runs_out_has_opened_a_session():
    world = World({"g": {"ingress": []}}, vm1=["g"])
    assert world.sends("vm1", tcp(A, FAR, ttl=1)) == "ttl_expired"
    assert world.sends("blue", tcp(FAR, A, 80, 1000)) is None


def test_pings_are_known_by_their_number_and_kind():
    world = World({"g": {"ingress": []}}, vm1=["g"])
    assert world.sends("vm1", icmp(A, FAR)) is None
    assert world.sends("blue", icmp(FAR, A, kind=0, number=8)) == INGRESS
    assert world.sends("blue", icmp(FAR, A, kind=14)) == INGRESS
    assert world.sends("blue", icmp(FAR, A)) == INGRESS
    assert world.sends("blue", icmp(FAR, A, kind=0)) is None
    world = World({"g": {"egress": [{"protocol": "icmp", "icmp_type": 0}], "ingress": []}}, vm1=["g"])
    assert world.sends("vm1", icmp(A, FAR, kind=0)) is None
    assert world.sends("blue", icmp(FAR, A)) == INGRESS


def test_errors_come_with_what_they_tell_of():
    world = World({"g": {"ingress": []}}, vm1=["g"])
    error = icmp("10.2.0.1", A, kind=3, code=1, data=tcp(A, FAR))
    assert world.sends("blue", error) == INGRESS
    assert world.sends("vm1", tcp(A, FAR)) is None
    assert world.sends("blue", icmp("10.2.0.1", A, kind=3, data=tcp(A, FAR, 1001))) == INGRESS
    assert world.sends("blue", icmp("10.2.0.1", A, kind=3, data=tcp(FAR, A, 80, 1000))) == INGRESS
    assert world.sends("red", error) is None   # vm3 has no policy
    assert world.sends("blue", error) is None


def test_pieces_are_judged_like_their_first():
    world = World(one("egress", {"protocol": "udp", "ports": [80]}), vm1=["g"])
    assert world.sends("vm1", piece(A, B, 1)) == EGRESS
    assert world.sends("vm1", piece(A, B, 0)) is None
    assert world.sends("vm1", piece(A, B, 1)) is None
    assert world.sends("vm1", piece(A, B, 1, number=6)) == EGRESS
    world = World(one("egress", {"action": "deny", "protocol": "udp", "ports": [80]}, {}), vm1=["g"])
    assert world.sends("vm1", piece(A, B, 1)) is None
    assert world.sends("vm1", piece(A, B, 0)) == EGRESS
    assert world.sends("vm1", piece(A, B, 1)) == EGRESS


def behind(count, kind=60, first=None):
    """UDP behind so many extension headers; `first`: behind a fragment header before them."""
    source, destination = packed(A6), packed(B6)
    protocol, body = UDP, wire.udp(source, destination, 1, 2, b"data")
    for _ in range(count):
        protocol, body = kind, struct.pack("!BBBBI", protocol, 0, 1, 4, 0) + body
    if first is not None:
        protocol, body = 44, struct.pack("!BBHI", protocol, 0, first, 9) + body
    return ipv6(source, destination, protocol, body)


def test_what_cannot_be_found_no_policy_lets_through():
    world = World(one("ingress", {}), vm2=["g"])
    assert world.sends("vm1", behind(8)) is None
    assert world.sends("vm1", behind(9)) == INGRESS
    assert world.sends("vm1", behind(0, first=1)) is None
    assert world.sends("vm1", behind(1, first=1)) == INGRESS
    assert World({}).sends("vm1", behind(9)) is None
