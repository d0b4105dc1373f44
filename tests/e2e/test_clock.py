"""A wall clock that jumps by an hour, and a process that stands still: all waiting is done by the
steady clock, so nothing is lost, nothing expires early, and nothing hangs."""

import datetime
import os
import signal
import socket
import time

import pytest
from clock import Wall
from topology import Lone, Pair, configure_vm
from weft import Stream, udp_socket, wait_until

HOUR = 3600


@pytest.fixture
def wall(lab, monkeypatch):
    return Wall(lab, monkeypatch)


def started(lab, wall, make):
    """What `make` made; only its routers have the other clock."""
    made = make(lab)
    wall.leave()
    return made


def traced_at(router, vm):
    """The wall-clock time at which the router says that it saw a packet."""
    ping = vm.start("ping", "-i", "0.05", "10.1.0.12")
    try:
        time_text = router.text("trace", "--seconds", 5, "icmp").split()[0]
    finally:
        ping.kill()
        ping.wait()
    return datetime.datetime.fromisoformat(time_text.replace("Z", "+00:00")).timestamp()


def test_jumps_of_an_hour_under_traffic(lab, wall):
    def with_state(node, config):
        config["state"] = {"file": str(lab.directory / f"{node}-state.json")}
    pair = started(lab, wall, lambda lab: Pair(lab, with_state))
    vm = pair.vms["blue", "a"]
    stream = Stream(pair.vms["red", "a"], pair.vms["red", "b"], "10.1.0.12")
    wait_until(lambda: pair.vms["red", "a"].ping("10.1.0.12", count=3) == 3, 10, "all answers")
    before = pair.a.drops()
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    waiting.settimeout(2)
    waiting.connect(str(pair.a.socket))
    waiting.sendall(b"GET /v1/workers HTTP/1.1\r\n")
    jumps = {5: HOUR, 15: -HOUR, 25: 0, 30: -HOUR}

    def meanwhile(turn):
        if turn not in jumps:
            return
        wall.set(jumps[turn])
        state = lab.directory / "a-state.json"
        route = f"10.1.0.{100 + turn}/32"
        pair.a.set_route("blue", route, "to-blue")
        wait_until(lambda: state.exists() and route in state.read_text(), 5, "the state file is written")
    try:
        stream.run(4000, 2000, meanwhile)
        assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost; {pair.a.drops() - before}"
        with waiting:  # half a request is not too late, whatever the clock says
            waiting.sendall(b"Host: x\r\n\r\n")
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        stream.close()
    assert not set(pair.a.drops() - before) & {"neighbour_unresolved", "hold_queue_full"}
    for row in pair.a.table("neighbour"):
        assert 0 <= row["age_s"] < 120, row
        assert row["state"] in ("reachable", "stale", "probe"), row
    for shift in (HOUR, -HOUR):
        wall.set(shift)
        assert abs(traced_at(pair.a, vm) - time.time() - shift) < 60, "a trace tells the wall clock's time"
        wait_until(lambda: vm.ping("10.1.0.12") == 5, 10, "all answers")
    assert pair.a.stop() == 0


def test_a_packet_waits_for_arp_over_a_jump(lab, wall):
    """Neither lost since an hour is over nor kept since it has begun again."""
    lone = Lone(lab, start=False)
    lone.fabric.ip("link", "set", "eth1", "arp", "off")
    started(lab, wall, lambda _: lone.router.start())
    configure_vm(lone.vm, 11)

    def held():
        return sum(worker["held"] for worker in lone.router.table("workers"))
    with udp_socket(lone.vm.name) as out:
        for shift in (HOUR, -HOUR):
            out.sendto(b"x" * 8, ("10.1.0.12", 9))
            wait_until(lambda: held() == 1, 3, "one held packet")
            wall.set(shift)
            # Three seconds of patience, by the steady clock.
            began = time.monotonic()
            wait_until(lambda: held() == 0, 6, "the packet given up")
            assert 1 < time.monotonic() - began
        out.sendto(b"x" * 8, ("10.1.0.12", 9))
        wait_until(lambda: held() == 1, 3, "one held packet")
        wall.set(HOUR)
        lone.fabric.ip("link", "set", "eth1", "arp", "on")
        lone.peer.settimeout(6)
        assert lone.peer.recv(2048)[:8] == bytes([8, 0, 0, 0, 0, 0, 100, 0])


def test_a_process_that_stands_still_for_two_seconds(lab):
    pair = Pair(lab)
    vm = pair.vms["blue", "a"]
    wait_until(lambda: vm.ping("10.1.0.12") == 5, 10, "all answers")
    tables = {name: pair.a.ctl("show", name) for name in ("vif", "route", "vrf")}
    vm.start("ping", "-q", "-i", "0.01", "10.1.0.12")
    os.kill(pair.a.process.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        wait_until(lambda: time.monotonic() - stopped > 2, 3)
    finally:
        os.kill(pair.a.process.pid, signal.SIGCONT)
    wait_until(lambda: vm.ping("10.1.0.12", count=1, deadline=1) >= 1, 1, "traffic again within a second")
    for name, before in tables.items():
        assert pair.a.ctl("show", name) == before, name
    assert {row["state"] for row in pair.a.table("neighbour")} <= {"reachable", "stale", "probe"}
    wait_until(lambda: pair.vms["red", "a"].ping("10.1.0.12") == 5, 10, "all answers")
    assert pair.a.stop() == 0
