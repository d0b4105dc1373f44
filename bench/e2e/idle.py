"""What idleness costs: how long the first packet waits, and how much of a core an idle weftd takes.

One router between two VMs of one tenant; a packet each 50 ms crosses it, by when every worker sleeps.
"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/support"))
from topology import base, configure_vm, vif  # noqa: E402
from weft import Lab, udp_socket  # noqa: E402

PACKETS, PAUSE_S, IDLE_S = 300, 0.05, 5.0


def waits(idle):
    """Microseconds from send to receive, sorted, and the share of a core used while idle."""
    with Lab() as lab:
        node = lab.namespace("node", ipv6=False)
        vms = [lab.namespace(name) for name in ("near", "far")]
        lab.cable(node, "eth1", lab.namespace("fabric", ipv6=False), "eth1")
        config = base("idle", "192.0.2.1")
        config["workers"]["idle"] = idle
        config["vifs"] = [vif(f"vm{host}", vm, "blue", host) for host, vm in zip((11, 12), vms)]
        router = lab.router(node, "idle", config).start()
        for host, vm in zip((11, 12), vms):
            configure_vm(vm, host)
        vms[0].ping("10.1.0.12", count=1)
        sender = udp_socket(vms[0].name, "10.1.0.11")
        receiver = udp_socket(vms[1].name, "10.1.0.12", 7000)
        receiver.settimeout(5)
        found = []
        for _ in range(PACKETS):
            time.sleep(PAUSE_S)
            sender.sendto(struct.pack("!Q", time.monotonic_ns()), ("10.1.0.12", 7000))
            sent, = struct.unpack("!Q", receiver.recv(64))
            found.append((time.monotonic_ns() - sent) / 1000)
        before = cpu_seconds(router.process.pid)
        time.sleep(IDLE_S)
        used = (cpu_seconds(router.process.pid) - before) / IDLE_S
        router.stop()
        return sorted(found), used


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report():
    print("%-10s %28s | %s" % ("idle", "wait of a packet, p50 / p99", "of a core while idle"))
    for idle in ("adaptive", "poll"):
        found, used = waits(idle)
        print("%-10s %10.0f us / %8.0f us | %.1f %%" % (
            idle, found[len(found) // 2], found[len(found) * 99 // 100], 100 * used), flush=True)


if __name__ == "__main__":
    report()
