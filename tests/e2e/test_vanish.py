"""A device that the kernel takes away under traffic: the others go on, and somebody is told."""

import os

import pytest
from topology import Lone
from weft import udp_socket, wait_until


def cpu_seconds(process):
    """CPU time of the process so far, user and system."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def link_of(router, table, name):
    return router.row(table, name)["link"]


def second_vm(lone, config):
    lone.vm2 = lone.lab.namespace("vm2")
    config["vifs"].append({"name": "vm2", "device": f"tap:vm0@{lone.vm2.name}", "vrf": "blue",
                           "mac": "02:00:00:00:01:14", "addresses": ["10.1.0.14"]})


def spent_while_idle(lone):
    """CPU seconds in two seconds without traffic."""
    import time
    before, start = cpu_seconds(lone.weftd()), time.monotonic()
    wait_until(lambda: time.monotonic() - start > 2, 5)
    return cpu_seconds(lone.weftd()) - before


@pytest.fixture
def lone(lab):
    lone = Lone(lab, second_vm)
    lone.vm2.ip("link", "set", "vm0", "up")
    lone.vm2.ip("addr", "add", "10.1.0.14/24", "dev", "vm0")
    # `ip netns exec` replaces itself by weftd.
    lone.weftd = lambda: lone.router.process
    assert lone.vm.ping("10.1.0.14") == 5
    return lone


def test_tap_deleted_under_traffic(lone):
    sender = udp_socket(lone.vm.name, "10.1.0.11")
    with sender:
        def send(to, count=50):
            for _ in range(count):
                sender.sendto(b"weft", (to, 9))
        send("10.1.0.14")
        lone.vm2.ip("link", "del", "vm0")
        before = lone.router.drops()["tx_queue_full"]
        send("10.1.0.14")
        wait_until(lambda: lone.router.drops()["tx_queue_full"] > before, 5, "drops counted")
        send("10.1.0.12", 3)
    assert lone.vm.ping("10.1.0.1") == 5
    wait_until(lambda: link_of(lone.router, "vif", "vm2") == "down", 3, "the link shown as down")
    assert link_of(lone.router, "vif", "vm") == "up"
    assert spent_while_idle(lone) < 0.8
    assert lone.router.stop(3) == 0


def test_fabric_interface_deleted_under_traffic(lone):
    lone.fabric.ip("link", "del", "eth1")  # and with it its other end
    sender = udp_socket(lone.vm.name, "10.1.0.11")
    with sender:
        for _ in range(50):
            sender.sendto(b"weft", ("10.1.0.12", 9))
    wait_until(lambda: link_of(lone.router, "port", "fab0") == "down", 3, "the link shown as down")
    wait_until(lambda: "fab0: link down" in lone.router.log(), 3, "a line in the log")
    assert lone.vm.ping("10.1.0.14") == 5
    assert spent_while_idle(lone) < 0.8
    assert lone.router.stop(3) == 0
