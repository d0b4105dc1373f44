"""A route with several ways: flows spread over them, and each stays where it is as members come and go."""

import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from topology import Lone, tunnel
from weft import udp_socket, wait_until

MEMBERS = ("to-2", "to-3", "to-4")
PREFIX = "10.9.0.0/16"
FLOWS = 120
INNER_UDP = 8 + 14 + 20  # behind VXLAN, Ethernet and IPv4


def ecmp(*members):
    return {"vrf": "blue", "prefix": PREFIX, "via": {"ecmp": [{"tunnel": name} for name in members]}}


class Fan:
    """The lone router with a tunnel to each of three peers, and flows of its VM."""

    def __init__(self, lab):
        def change(lone, config):
            for name in MEMBERS:
                address = f"192.0.2.{40 + int(name[-1])}"
                lone.fabric.ip("addr", "add", f"{address}/24", "dev", "eth1")
                config["tunnels"].append(tunnel(name, 100, address))
            config["routes"].append(ecmp(*MEMBERS[:2]))
        self.lone = Lone(lab, change)
        self.router = self.lone.router
        self.peers = {name: udp_socket(self.lone.fabric.name, f"192.0.2.{40 + int(name[-1])}", 4789)
                      for name in MEMBERS}
        self.sockets = []
        for name in MEMBERS:
            wait_until(lambda name=name: self.router.row("tunnel", name)["state"] == "resolved", 5, name)

    def open(self, count):
        """New flows; their numbers."""
        first = len(self.sockets)
        self.sockets += [udp_socket(self.lone.vm.name, "10.1.0.11") for _ in range(count)]
        return range(first, first + count)

    def send(self, flows, number):
        for flow in flows:
            self.sockets[flow].sendto(struct.pack("!II", flow, number), ("10.9.0.1", 7000))

    def arrived(self, count):
        """(flow, number, member) of `count` packets, and of whatever comes beyond them."""
        seen = []

        def drain(wait):
            for name, peer in self.peers.items():
                peer.setblocking(False)
                try:
                    while data := peer.recv(2048):
                        seen.append((*struct.unpack_from("!II", data, INNER_UDP + 8), name))
                except BlockingIOError:
                    pass
            return len(seen) >= wait

        wait_until(lambda: drain(count), 5, f"{count} packets")
        time.sleep(0.05)
        drain(count)
        assert len(set(seen)) == len(seen) == count, (len(set(seen)), len(seen), self.router.drops())
        return seen

    def ways(self, flows, number):
        """Which member each flow goes by now."""
        self.send(flows, number)
        return {flow: name for flow, _, name in self.arrived(len(flows))}

    def set_members(self, *members):
        options = [word for name in members for word in ("--ecmp", f"tunnel:{name}")]
        self.router.text("route", "set", "--vrf", "blue", PREFIX, *options)

    def while_sending(self, flows, action, rounds=60):
        """`action()` under traffic of the flows; the members that each was seen at."""
        with ThreadPoolExecutor(1) as pool:
            def rush():
                for number in range(rounds):
                    self.send(flows, 1000 + number)
                    time.sleep(0.01)
            sending = pool.submit(rush)
            time.sleep(0.2)
            action()
            sending.result()
        seen = {flow: [] for flow in flows}
        for flow, number, name in self.arrived(rounds * len(flows)):
            seen[flow].append((number, name))
        return seen


@pytest.fixture
def fan(lab):
    return Fan(lab)


def test_members_come_and_go_and_flows_stay(fan):
    old = fan.open(FLOWS)
    before = fan.ways(old, 0)
    shares = Counter(before.values())
    assert set(shares) == {"to-2", "to-3"} and min(shares.values()) > FLOWS / 4, shares
    assert fan.ways(old, 1) == before

    # A third member takes no flow that is there, and no packet is lost.
    seen = fan.while_sending(old, lambda: fan.set_members(*MEMBERS))
    assert all({name for _, name in seen[flow]} == {before[flow]} for flow in old)
    fresh = fan.ways(fan.open(FLOWS), 0)
    shares = Counter(fresh.values())
    assert set(shares) == set(MEMBERS) and min(shares.values()) > FLOWS / 8, shares

    # A member that goes takes only its own flows along, and they do not stop either.
    seen = fan.while_sending(old, lambda: fan.set_members("to-2", "to-4"))
    for flow in old:
        names = [name for _, name in sorted(seen[flow])]
        if before[flow] == "to-2":
            assert set(names) == {"to-2"}
        else:
            assert names[0] == "to-3" and names[-1] in ("to-2", "to-4")
    assert set(fan.ways(old, 2).values()) == {"to-2", "to-4"}


def test_an_operator_sees_the_members(fan):
    rows = [row for row in fan.router.table("route") if row["prefix"] == PREFIX]
    assert [row["via"] for row in rows] == ["ecmp tunnel to-2, tunnel to-3"]
    text = fan.router.text("explain", "--vif", "vm", "--dst", "10.9.0.1")
    assert "ecmp: bucket" in text and "(vrf blue, tunnel to-" in text, text
    with pytest.raises(AssertionError, match="is the file's|in use by"):
        fan.router.text("tunnel", "del", "to-2")
    with pytest.raises(AssertionError, match="wanted tunnel:NAME or vif:NAME"):
        fan.router.text("route", "set", "--vrf", "blue", PREFIX, "--ecmp", "to-2")
    with pytest.raises(AssertionError, match="stands in this list twice"):
        fan.set_members("to-2", "to-2")
    fan.set_members("to-4")
    rows = [row for row in fan.router.table("route") if row["prefix"] == PREFIX]
    assert [(row["via"], row["owner"]) for row in rows] == [("ecmp tunnel to-4", "api over file")]
    assert set(fan.ways(fan.open(5), 0).values()) == {"to-4"}
