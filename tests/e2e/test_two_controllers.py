"""Two controllers of a site: what one is told both know, and neither is missed."""

import json
import os

import pytest
from controller import CONTROLLER, Site, controller_address, cut, network
from weft import Stream, wait_until


@pytest.fixture(scope="module")
def site(module_lab):
    return Site(module_lab, controllers=2).start(network("blue"))


def objects(controller):
    return json.loads(controller.text("--json", "intent", "show"))


def numbers(controller, name):
    (row,) = [r for r in controller.table("network") if r["name"] == name]
    return row["id"], row["vni"], row["label"]


def agree(site, seconds=15):
    c0, c1 = site.controllers
    wait_until(lambda: objects(c0) == objects(c1), seconds, "both controllers know the same")


def settled(site, seconds=20):
    """Both have brought all nodes where they want them."""
    wait_until(lambda: all(r["state"] == "settled" for c in site.controllers
                           for word in ("network", "node") for r in c.table(word)), seconds, "all settled")


def place(site, number):
    return site.controllers[number].namespace, controller_address(number)


def both_up(router):
    return [r["state"] for r in router.table("control")] == ["up", "up"]


class Traffic:
    """2 000 datagrams a second from a's VM to b's, while things happen at given turns of 50 ms."""

    def __init__(self, site):
        self.stream = Stream(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")

    def run(self, seconds, events):
        self.stream.run(seconds * 2000, 2000, lambda turn: events.get(turn, lambda: None)())
        self.stream.close()
        assert self.stream.lost() == []


def test_both_know_what_one_was_told(site):
    c0, c1 = site.controllers
    agree(site)
    assert numbers(c0, "blue") == numbers(c1, "blue")
    for controller in site.controllers:
        (peer,) = controller.table("controller")
        assert peer["state"] == "up" and peer["told all"], peer
    for router in site.routers.values():
        wait_until(lambda: both_up(router), 10, "sessions with both")  # pylint: disable=cell-var-from-loop
    c1.text("device", "add", "leaf1", "--address", "192.0.2.254")
    agree(site, 5)
    c0.text("device", "del", "leaf1")
    agree(site, 5)
    assert "devices" not in objects(c1)


def test_a_kind_changes_at_both_under_traffic(site):
    settled(site)
    c0, c1 = site.controllers
    Traffic(site).run(4, {5: lambda: c0.apply({"networks": [network("blue", ["geneve"])]}),
                          40: lambda: c1.apply({"networks": [network("blue", ["vxlan"])]})})
    agree(site)
    settled(site)
    assert site.kind(site.routers["a"], "blue", 12) == "vxlan"
    wait_until(lambda: {r["kind"] for r in site.routers["b"].table("decap")} == {"vxlan"}, 10, "old decapsulations gone")


def test_one_is_killed_and_the_other_carries_on(site):
    """A change meanwhile comes into force, and is not taken back by who comes back and has not heard of it."""
    c0, c1 = site.controllers
    a = site.routers["a"]
    kinds = []
    Traffic(site).run(8, {5: c0.kill, 10: lambda: c1.apply({"networks": [network("blue", ["geneve"])]}),
                           80: c0.start, **{n: lambda: kinds.append(site.kind(a, "blue", 12)) for n in range(85, 150, 5)}})
    assert site.kind(a, "blue", 12) == "geneve" and set(kinds) == {"geneve"}
    agree(site)
    wait_until(lambda: both_up(a), 20, "both sessions")
    settled(site)


def test_both_are_gone_for_a_while(site):
    a = site.routers["a"]
    both = site.controllers
    Traffic(site).run(7, {5: lambda: [c.kill() for c in both], 80: lambda: [c.start() for c in both]})
    wait_until(lambda: both_up(a), 30, "both sessions")
    agree(site)
    settled(site)
    assert site.kind(a, "blue", 12) == "geneve"


def test_a_node_is_cut_off_from_one(site):
    """Which is told of another kind: the node hears it from the other, and no packet is lost on the way."""
    c0, _ = site.controllers
    a = site.nodes["a"], "203.0.113.11"
    ends = []
    Traffic(site).run(8, {2: lambda: ends.append(cut(a, place(site, 0))),
                           10: lambda: c0.apply({"networks": [network("blue", ["mpls_over_udp"])]}),
                           120: lambda: ends[0]()})
    wait_until(lambda: site.kind(site.routers["a"], "blue", 12) == "mpls_over_udp", 15, "the kind that one was told of")
    wait_until(lambda: both_up(site.routers["a"]), 30, "both sessions")
    settled(site)


def test_controllers_that_are_cut_off_from_each_other(site):
    """Each is told something; afterwards both know all of it, but for what does not go together."""
    c0, c1 = site.controllers
    ends = []

    def change_both():
        c0.text("network", "add", "first", "--subnet", "10.8.0.0/24=10.8.0.1", "--vni", "800")
        c0.apply({"networks": [network("blue", ["vxlan"])]})
        c1.text("network", "add", "second", "--subnet", "10.9.0.0/24=10.9.0.1")
        c1.text("network", "set", "second", "--vni", "800")
        c1.text("device", "add", "leaf2", "--address", "192.0.2.253")

    Traffic(site).run(8, {2: lambda: ends.append(cut(place(site, 0), place(site, 1))), 5: change_both,
                           90: lambda: ends[0]()})
    agree(site, 30)
    for controller in site.controllers:
        names = {n["name"] for n in objects(controller)["networks"]}
        assert "first" in names and "second" not in names
        (conflict,) = controller.table("conflict")
        assert conflict["name"] == "second" and conflict["said by"] == "c1" and "VNI 800" in conflict["why it waits"]
    c0.text("network", "set", "second", "--vni", "801")
    agree(site)
    assert [c.table("conflict") for c in site.controllers] == [[], []]
    assert numbers(c1, "second")[1] == 801
    for name in ("first", "second"):
        c1.text("network", "del", name)
    agree(site)
    settled(site)


def test_a_damaged_database_comes_back_from_the_other(site):
    c0, c1 = site.controllers
    c1.stop()

    def damage():
        with open(c1.state, "r+b") as file:
            file.write(os.urandom(4096))
        refused = c1.namespace.start(CONTROLLER, "--config", c1.config_path)
        assert refused.wait(20) == 3

    Traffic(site).run(5, {5: damage, 40: lambda: c1.start("--rebuild")})
    agree(site)
    assert numbers(c0, "blue") == numbers(c1, "blue")
    wait_until(lambda: all(both_up(r) for r in site.routers.values()), 30, "both sessions")
    settled(site)
    Traffic(site).run(2, {10: c0.kill})
    c0.start()
