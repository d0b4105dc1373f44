"""Whatever presses on one part, the others go on, and all is well again within a second."""

import socket
import time

import pytest
from stall import Stalled, worker_thread
from topology import Pair
from weft import Stream, inside, udp_socket, wait_until


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab, each_vif_has_its_worker)


@pytest.fixture
def stream(pair):
    """Of the red tenant, a to b."""
    made = Stream(pair.vms["red", "a"], pair.vms["red", "b"], "10.1.0.12")
    assert pair.vms["red", "a"].ping("10.1.0.12", count=3) == 3
    yield made
    made.close()


def each_vif_has_its_worker(_node, config):
    config["workers"]["handoff"] = False


def worker_of(router, port):
    """The thread that polls the port's one queue."""
    lcore, = [w["lcore"] for w in router.table("workers") if any(q.startswith(f"{port}/") for q in w["queues"])]
    return worker_thread(router, lcore)


def arp_socket(vm):
    """A raw socket at the VM's interface."""
    with inside(vm.name):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("vm0", 0))
    return raw


def arp_request(raw):
    """Host 11 asks for its gateway."""
    mac = raw.getsockname()[4]
    return (b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + socket.inet_aton("10.1.0.11") +
            bytes(6) + socket.inet_aton("10.1.0.1"))


def test_a_worker_that_stalls_costs_the_others_nothing(pair, stream):
    blue, red = worker_of(pair.a, "blue"), worker_of(pair.a, "red")
    assert blue != red, "each VIF has a worker of its own"
    turns = []

    def meanwhile(turn):
        if turn % 8 == 2:
            with Stalled(blue):
                began = time.monotonic()
                # Control waits for no worker: not to change, not to show.
                pair.a.set_route("blue", "10.1.0.77/32", "to-blue")
                assert pair.a.row("tunnel", "to-blue")["remote"] == "192.0.2.2"
                while time.monotonic() - began < 0.1:
                    time.sleep(0.005)
            turns.append(turn)
    stream.run(8000, 4000, meanwhile)
    assert len(turns) >= 2
    assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost; drops {pair.a.drops()}"
    assert pair.vms["blue", "a"].ping("10.1.0.12", count=3) == 3
    pair.a.text("route", "del", "--vrf", "blue", "10.1.0.77/32")


def test_answers_that_a_stalled_worker_does_not_take_are_bounded(pair):
    """Control sends by the first worker; what waits for it fills a queue, the rest is counted."""
    first = pair.a.table("workers")[0]
    tenant = "red" if any(q.startswith("blue/") for q in first["queues"]) else "blue"
    vm = pair.vms[tenant, "a"]
    assert worker_of(pair.a, "blue") != worker_of(pair.a, "red")
    busy = worker_of(pair.a, "blue" if tenant == "red" else "red")
    before = pair.a.drops()["inject_queue_full"]
    with arp_socket(vm) as flood, Stalled(busy):
        def full():
            for _ in range(500):
                flood.send(arp_request(flood))
            return pair.a.drops()["inject_queue_full"] > before
        wait_until(full, 5, "the queue is full")
    wait_until(lambda: vm.ping("10.1.0.1", count=1, deadline=1) >= 1, 1, "the gateway answers within a second")


def test_a_vm_that_floods_arp_is_bounded_and_disturbs_nobody(pair, stream):
    flood = arp_socket(pair.vms["blue", "a"])
    request = arp_request(flood)
    before = pair.a.drops()["punt_neighbour_limited"]

    def meanwhile(_turn):
        for _ in range(1000):
            flood.send(request)
    with flood:
        stream.run(8000, 4000, meanwhile)
    assert pair.a.drops()["punt_neighbour_limited"] > before + 1000, "control was asked for all of it"
    assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost; drops {pair.a.drops()}"
    vm = pair.vms["blue", "a"]
    vm.ip("neigh", "flush", "all")
    wait_until(lambda: vm.ping("10.1.0.12", count=1, deadline=1) >= 1, 1, "ARP answered within a second")


def test_a_tenant_whose_neighbour_is_silent_does_not_hold_up_the_other(pair, stream):
    """Packets that wait for a neighbour fill a bounded queue; the rest is dropped and counted."""
    pair.a.text("tunnel", "add", "to-nobody", "--kind", "vxlan", "--vni", 300, "--remote", "192.0.2.99",
                "--inner-destination-mac", "02:00:5e:00:01:01")
    pair.a.set_route("blue", "10.1.0.99/32", "to-nobody")
    try:
        with udp_socket(pair.vms["blue", "a"].name) as out:
            def meanwhile(_turn):
                for _ in range(300):
                    out.sendto(b"x", ("10.1.0.99", 9))
            stream.run(8000, 4000, meanwhile)
        assert pair.a.drops()["hold_queue_full"] > 1000
        assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost; drops {pair.a.drops()}"
        assert sum(w["held"] for w in pair.a.table("workers")) <= 2 * 64
    finally:
        pair.a.text("route", "del", "--vrf", "blue", "10.1.0.99/32")
        pair.a.text("tunnel", "del", "to-nobody")
    wait_until(lambda: sum(w["held"] for w in pair.a.table("workers")) == 0, 5, "no packet waits any more")


def test_connections_that_say_nothing_do_not_keep_others_out_for_long(pair, stream):
    idle = []

    def meanwhile(_turn):
        if len(idle) < 400:
            for _ in range(100):
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.settimeout(2)
                s.connect(str(pair.a.socket))
                idle.append(s)
    try:
        stream.run(8000, 4000, meanwhile)
        assert len(idle) == 400
        assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost"
    finally:
        for s in idle:
            s.close()
    wait_until(lambda: pair.a._ctl("show", "workers").returncode == 0, 1, "weftctl heard within a second")
