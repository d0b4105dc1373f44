"""Nodes that follow controllers: what they tell, what they hear, and what befalls when the others are gone."""

import re
import time

import pytest
from controller import Site, network
from topology import addresses
from weft import Stream, run, wait_until


def state(router, number=0):
    return router.table("control")[number]["state"]


@pytest.fixture(scope="module")
def site(module_lab):
    return Site(module_lab).start(network("blue"))


def test_vms_reach_each_other(site):
    vm = site.vms["blue", "a"]
    assert vm.ping("10.1.0.12", count=20) == 20
    assert vm.ping("fd00:1::12", count=20) == 20
    for router in site.routers.values():
        (row,) = router.table("control")
        assert row["state"] == "up" and row["stale"] == 0
        assert all(r["state"] == "applied" for r in router.table("profile"))


def test_what_is_told_says_who_owns_it(site):
    (row,) = [r for r in site.routers["a"].table("route") if r["prefix"] == "10.1.0.12/32"]
    assert row["owner"] == "channel"


def test_the_end_of_a_certificate_is_a_metric(site):
    """That of `pki issue`, which makes it for a year."""
    text = run("curl", "-s", "--unix-socket", site.routers["a"].socket, "http://weftd/metrics")
    (end,) = re.findall(r'^weft_certificate_expiry_timestamp_seconds\{controller="203.0.113.1:5269"\} (\S+)$', text, re.M)
    assert 363 < (float(end) - time.time()) / 86400 < 366


def test_a_vif_that_comes_and_goes(site):
    """Its route is at the other node within a moment, and gone as soon."""
    a, b = site.routers["a"], site.routers["b"]
    vm = site.lab.namespace("late")
    vif = Site.vif("blue", vm, 33)
    words = [w for address in vif["addresses"] for w in ("--address", address)]
    b.text("vif", "add", vif["name"], "--device", vif["device"], "--vrf", "blue", "--mac", vif["mac"], *words)
    site.wait_route(a, "blue", 33, seconds=5)
    b.text("vif", "del", vif["name"])
    wait_until(lambda: site.route(a, "blue", 33) is None, 5, "the route gone")


def test_a_kind_changes_under_traffic(site):
    """Make before break: not one datagram is lost, and the old decapsulation goes."""
    a, b = site.routers["a"], site.routers["b"]
    assert site.kind(a, "blue", 12) == "vxlan"
    stream = Stream(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")
    kinds = ["geneve", "mpls_over_udp", "vxlan"]

    def change(turn):
        if turn % 20 == 5 and turn // 20 < len(kinds):
            for controller in site.controllers:
                controller.apply({"networks": [network("blue", [kinds[turn // 20]])]})
    stream.run(8000, 2000, change)
    stream.close()
    assert stream.lost() == []
    wait_until(lambda: site.kind(a, "blue", 12) == "vxlan", 10, "the last kind")
    wait_until(lambda: {r["kind"] for r in b.table("decap")} == {"vxlan"}, 10, "old decapsulations gone")


def test_a_vm_moves(site):
    """Host 12 comes up on a while it is still on b; the old place sends its own packets after it."""
    a, b = site.routers["a"], site.routers["b"]
    vif = Site.vif("blue", site.lab.namespace("moved"), 12)
    words = [w for address in addresses(12) for w in ("--address", address)]
    a.text("vif", "add", "moved", "--device", vif["device"], "--vrf", "blue", "--mac", vif["mac"], *words)
    try:
        assert site.route(a, "blue", 12) == "vif moved"
        site.wait_route(b, "blue", 12, lambda via: via.startswith("tunnel"))
    finally:
        a.text("vif", "del", "moved")
    site.wait_route(b, "blue", 12, lambda via: via == "vif blue-12")
    site.wait_route(a, "blue", 12, lambda via: via.startswith("tunnel"))
    assert site.vms["blue", "a"].ping("10.1.0.12", count=5) == 5


def test_a_network_goes_and_comes_back(site):
    a = site.routers["a"]
    (controller,) = site.controllers
    controller.text("network", "del", "blue")
    wait_until(lambda: site.route(a, "blue", 12) is None, 10, "the routes gone")
    controller.apply({"networks": [network("blue")]})
    site.converge()
    assert site.vms["blue", "a"].ping("10.1.0.12", count=5) == 5


def test_the_controller_is_killed_and_comes_back(site):
    """Nothing is lost meanwhile, and nothing is withdrawn that still stands."""
    a = site.routers["a"]
    (controller,) = site.controllers
    before = a.table("control")[0]["sessions"]
    stream = Stream(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")

    def befall(turn):
        if turn == 5:
            controller.kill()
        if turn == 60:
            controller.start()
    stream.run(12000, 2000, befall)
    stream.close()
    assert stream.lost() == []
    wait_until(lambda: state(a) == "up", 20, "the session back")
    assert site.vms["blue", "a"].ping("10.1.0.12", count=5) == 5
    assert a.table("control")[0]["sessions"] == before + 1


def test_a_node_starts_without_a_controller(site):
    """It forwards as before it ended, and what was withdrawn meanwhile goes when the controller is back."""
    a = site.routers["a"]
    (controller,) = site.controllers
    controller.kill()
    a.kill()
    a.start()
    vm = site.vms["blue", "a"]
    configure(vm)
    assert vm.ping("10.1.0.12", count=5) == 5
    controller.start()
    wait_until(lambda: state(a) == "up", 30, "the session back")
    assert vm.ping("10.1.0.12", count=5) == 5


def configure(vm):
    from topology import configure_vm
    configure_vm(vm, 11)
