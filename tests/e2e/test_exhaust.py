"""What runs out: packet buffers, ports, patience with clients. It is refused or dropped and counted,
with the remedy, and all is well again within a second of the pressure's end."""

import os
import socket
import time

from stall import Stalled
from topology import Lone, Pair
from weft import Stream, inside, udp_socket, wait_until


def buffers(router):
    """Packet buffers: "in_use" and "total"."""
    return {row["counter"]: row["value"] for row in router.table("stats") if row["object"] == "buffers"}


def stat(router, thing, counter):
    value, = [row["value"] for row in router.table("stats") if (row["object"], row["counter"]) == (thing, counter)]
    return value


def add_vif(router, number, device):
    return router._ctl("vif", "add", f"more{number}", "--device", device, "--vrf", "blue",
                       "--mac", f"02:00:00:00:09:{number:02x}", "--address", f"10.1.9.{number}")


def flood(lone, seconds):
    """What the control thread has to look at: ARP, packets to the router itself, packets that
    expire, and packets for a neighbour that does not answer."""
    with inside(lone.vm.name):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("vm0", 0))
    mac = raw.getsockname()[4]
    request = (b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + socket.inet_aton("10.1.0.11") +
               bytes(6) + socket.inet_aton("10.1.0.1"))
    expiring = udp_socket(lone.vm.name)
    expiring.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    plain = udp_socket(lone.vm.name)
    end = time.monotonic() + seconds
    with raw, expiring, plain:
        while time.monotonic() < end:
            for _ in range(20):
                raw.send(request)
                plain.sendto(b"x" * 8, ("10.1.0.1", 9))
                expiring.sendto(b"x" * 8, ("10.1.0.12", 9))
                plain.sendto(b"x" * 8, ("10.1.0.19", 9))


def test_packet_buffers_run_out(lab):
    """Taps take a thousand each until none is left for another one; then what waits for a control
    thread that stands still takes the rest."""
    def change(lone, config):
        config["dpdk"] = {"hugepages": "off", "memory_mb": 64}
        config["ports"][0]["mtu"] = 9000  # large buffers, so few of them
        for namespace in (lone.node, lone.fabric):
            namespace.ip("link", "set", "eth1", "mtu", 9000)
    lone = Lone(lab, change)
    wait_until(lambda: lone.vm.ping("10.1.0.1") == 5, 10, "all answers")
    total = buffers(lone.router)["total"]
    assert total < 6000
    added = 0
    while True:
        before = buffers(lone.router)["in_use"]
        done = add_vif(lone.router, added + 1, f"tap:more{added + 1}")
        if done.returncode != 0:
            break
        added += 1
        assert buffers(lone.router)["in_use"] >= before + 1000
    assert f"more{added + 1}" in done.stdout and "dpdk.memory_mb" in done.stdout, done.stdout
    wait_until(lambda: buffers(lone.router)["in_use"] <= before, 2, "what was refused keeps nothing")
    assert total - before < 1024
    wait_until(lambda: lone.vm.ping("10.1.0.1") == 5, 10, "all answers")

    drops = lone.router.drops()
    for _ in range(5):  # until the machine had time for all of it
        with Stalled(lone.router.process.pid):
            flood(lone, 1.0)
        if stat(lone.router, "port vm", "rx_no_buffer") > 0:
            break
    wait_until(lambda: lone.vm.ping("10.1.0.1", count=1, deadline=1) >= 1, 1, "the router answers within a second")
    lost = stat(lone.router, "port vm", "rx_no_buffer")
    assert lost > 0, "the pool never ran dry"
    assert (lone.router.drops() - drops)["buffer_exhausted"] >= lost
    metrics = lone.node.run("curl", "-s", "--unix-socket", lone.router.socket, "http://weftd/metrics")
    assert f'weft_vif_receive_no_buffer_packets_total{{vif="vm",vrf="blue"}} {lost}' in metrics
    assert f"weft_buffers {total}" in metrics
    # Those that wait for the silent neighbour give up after three seconds.
    wait_until(lambda: buffers(lone.router)["in_use"] <= before, 5, "no buffer lost")
    lone.router.text("vif", "del", "more1")
    wait_until(lambda: add_vif(lone.router, added + 1, f"tap:more{added + 1}").returncode == 0, 2,
               "room for another one")
    lone.peer.settimeout(3)
    with udp_socket(lone.vm.name) as out:
        out.sendto(b"x", ("10.1.0.12", 9))
        assert lone.peer.recv(2048)


def test_ports_run_out(lab):
    lone = Lone(lab)
    added = 0
    while (done := add_vif(lone.router, added + 1, "null:")).returncode == 0:
        added += 1
        assert added < 40
    assert added >= 29
    assert f"more{added + 1}: there are 32 ports" in done.stdout and "delete" in done.stdout, done.stdout
    wait_until(lambda: lone.vm.ping("10.1.0.1") == 5, 10, "all answers")
    lone.router.text("vif", "del", "more1")
    wait_until(lambda: add_vif(lone.router, added + 1, "null:").returncode == 0, 2, "room for another one")
    wait_until(lambda: lone.vm.ping("10.1.0.1") == 5, 10, "all answers")


def test_clients_that_are_slow_or_send_too_much(lab):
    """A byte at a time, far too much, answers that nobody takes: others are heard at once, traffic
    loses nothing, and no descriptor stays open."""
    pair = Pair(lab)
    stream = Stream(pair.vms["red", "a"], pair.vms["red", "b"], "10.1.0.12")
    wait_until(lambda: pair.vms["red", "a"].ping("10.1.0.12", count=3) == 3, 10, "all answers")

    def descriptors():
        return len(os.listdir(f"/proc/{pair.a.process.pid}/fd"))

    def client():
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(2)
        made.connect(str(pair.a.socket))
        clients.append(made)
        return made
    clients = []
    wait_until(lambda: descriptors() == descriptors(), 2)
    before = descriptors()
    request = b"GET /v1/workers HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = []

    def meanwhile(turn):
        if turn == 0:
            for _ in range(10):
                client()
            for _ in range(10):
                greedy = client()
                try:
                    greedy.sendall(b"POST /v1/explain HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" +
                                   b"x" * (2 << 20))
                except OSError:
                    pass  # refused before it had sent all
            for _ in range(10):
                deaf = client()
                deaf.setblocking(False)
                try:
                    for _ in range(10000):
                        deaf.send(request * 20)
                except BlockingIOError:
                    pass
        if turn < len(request):
            for slow in clients[:10]:
                slow.sendall(request[turn:turn + 1])
            sent.append(turn)
        began = time.monotonic()
        pair.a.table("workers")
        assert time.monotonic() - began < 1
    try:
        stream.run(5000, 2000, meanwhile)
        for turn in range(len(sent), len(request)):
            for slow in clients[:10]:
                slow.sendall(request[turn:turn + 1])
        for slow in clients[:10]:
            assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        for greedy in clients[10:20]:
            assert b" 413 " in greedy.recv(4096).split(b"\r\n")[0]
    finally:
        for made in clients:
            made.close()
        stream.close()
    assert not stream.lost(), f"{len(stream.lost())} of {stream.sent} lost; drops {pair.a.drops()}"
    wait_until(lambda: descriptors() <= before, 2, "all descriptors closed")
