"""README's ten causes of "there is no ping": each is made, and its command shows it.

The tenth, links and workers, is in test_operate.py.
"""

import pytest
from topology import Pair
from weft import wait_until


@pytest.fixture(scope="module")
def pair(module_lab):
    made = Pair(module_lab)
    assert made.vms["blue", "a"].ping("10.1.0.12") == 5
    return made


@pytest.fixture
def override(pair):
    """Changes an object of a node by weftctl; the file's is back behind the test."""
    changed = []

    def change(router, kind, name, *options):
        router.text(kind, "set", name, *options)
        changed.append((router, kind, name))
    yield change
    for router, kind, name in changed:
        router.text(kind, "del", name)
    wait_until(lambda: pair.vms["blue", "a"].ping("10.1.0.12", count=3) == 3, 10, "the file's objects are not back")


def explained(pair, *options):
    return pair.a.text("explain", "--vif", "blue", *options)


def one_ping(pair, *options):
    assert pair.vms["blue", "a"].ping("10.1.0.12", *options, count=1, deadline=2) == 0


def drop_shown(router, reason, do):
    before = router.drops()[reason]
    do()
    wait_until(lambda: router.drops()[reason] > before, 3, f"a drop for {reason}")
    assert reason in router.text("show", "drops")


def test_no_route(pair):
    assert "no_route" in explained(pair, "--dst", "10.1.0.77")
    assert "10.1.0.77" not in pair.a.text("show", "route", "--vrf", "blue")


def test_an_address_that_the_vif_does_not_list(pair):
    vm = pair.vms["blue", "a"]
    vm.ip("addr", "add", "10.1.0.99/24", "dev", "vm0")
    try:
        drop_shown(pair.a, "spoofed_ip", lambda: one_ping(pair, "-I", "10.1.0.99"))
    finally:
        vm.ip("addr", "del", "10.1.0.99/24", "dev", "vm0")


def test_another_mac_address(pair):
    vm = pair.vms["blue", "a"]
    mac = next(r["mac"] for r in pair.a.table("vif") if r["name"] == "blue")
    vm.ip("link", "set", "vm0", "address", "02:00:00:00:77:77")
    try:
        drop_shown(pair.a, "spoofed_mac", lambda: one_ping(pair))
    finally:
        vm.ip("link", "set", "vm0", "address", mac)


def test_a_remote_that_does_not_answer(pair, override):
    override(pair.a, "tunnel", "to-blue", "--remote", "192.0.2.77")
    assert "waiting for ARP of 192.0.2.77" in pair.a.text("show", "tunnel")
    assert any(r["address"] == "192.0.2.77" and r["state"] in ("incomplete", "failed")
               for r in pair.a.table("neighbour"))


def test_no_way_to_the_remote(pair, override):
    override(pair.a, "tunnel", "to-blue", "--remote", "203.0.113.5")
    assert "no route" in pair.a.text("show", "tunnel")
    assert "tunnel_unresolved" in explained(pair, "--dst", "10.1.0.12")


def test_vnis_that_differ(pair, override):
    override(pair.a, "tunnel", "to-blue", "--vni", 999)
    drop_shown(pair.b, "decap_unknown_vni", lambda: one_ping(pair))


def test_a_source_that_is_not_let_in(pair, override):
    override(pair.b, "decap", "from-blue", "--source", "198.51.100.0/24")
    drop_shown(pair.b, "decap_source_unlisted", lambda: one_ping(pair))


def test_another_router_mac(pair, override):
    override(pair.a, "tunnel", "to-blue", "--inner-destination-mac", "02:00:5e:00:99:99")
    drop_shown(pair.b, "inner_mac_unknown", lambda: one_ping(pair))


def test_large_packets(pair):
    assert "too_big" in explained(pair, "--dst", "10.1.0.12", "--size", "1500", "--df")
    assert "transmit" in explained(pair, "--dst", "10.1.0.12", "--size", "1400", "--df")
