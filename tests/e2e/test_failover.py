"""Several next hops of the underlay: flows spread over them, and one that dies takes its packets along for
milliseconds only, whether its link goes or it falls silent."""

import itertools
import signal
import struct
import threading
import time

from frr import Bfdd, peer
from topology import Lone, tunnel
from weft import udp_socket, wait_until

TUNNELS = 10_000
FLOWS = 24
LIMIT_MS = 50
INNER_UDP = 8 + 14 + 20  # behind VXLAN, Ethernet and IPv4


class Forked:
    """The lone router with a second fabric port, a gateway on each, and tunnels that know both ways.

    The remote, 203.0.113.9, stands on the loopback of both gateways: `fabric` behind the first port, and `second`.
    Which of them a packet reached tells by which it went.
    """

    def __init__(self, lab, tunnels=2, bfd=None):
        self.tunnels = tunnels
        self.numbers = itertools.count(1 << 20)

        def change(lone, config):
            lone.second = lab.namespace("second", ipv6=False)
            lab.cable(lone.node, "eth2", lone.second, "eth1")
            lone.second.ip("addr", "add", "198.51.100.2/24", "dev", "eth1")
            for gateway in (lone.fabric, lone.second):
                gateway.ip("addr", "add", "203.0.113.9/32", "dev", "lo")
            ports = config["ports"]
            ports[0]["gateway"] = "192.0.2.2"
            ports.append({"name": "fab1", "device": "af_packet:eth2", "addresses": ["198.51.100.1/24"],
                          "gateway": "198.51.100.2"})
            if bfd:
                for port in ports:
                    port["bfd"] = bfd
            config["dpdk"]["memory_mb"] = 512
            config["tunnels"] += [tunnel(f"far-{n}", 1000 + n, "203.0.113.9") for n in range(tunnels)]
            config["routes"] += [{"vrf": "blue", "prefix": prefix(n), "via": {"tunnel": f"far-{n}"}}
                                 for n in range(tunnels)]
        self.lone = Lone(lab, change)
        self.router = self.lone.router
        self.peers = {"first": udp_socket(self.lone.fabric.name, "203.0.113.9", 4789),
                      "second": udp_socket(self.lone.second.name, "203.0.113.9", 4789)}
        self.sockets = [udp_socket(self.lone.vm.name, "10.1.0.11") for _ in range(FLOWS)]
        wait_until(self.answered, 10, "both gateways")

    def answered(self):
        """Not by the tunnels: to tell of all of them takes the control thread long."""
        known = {row["address"] for row in self.router.table("neighbour") if row["state"] == "reachable"}
        return {"192.0.2.2", "198.51.100.2"} <= known

    def send(self, number):
        for flow, out in enumerate(self.sockets):
            address = prefix(flow % self.tunnels).split("/")[0]
            out.sendto(struct.pack("!II", flow, number), (address, 7000))

    def collect(self):
        """(gateway, flow, number) of all that has come since."""
        seen = []
        for name, peer in self.peers.items():
            peer.setblocking(False)
            try:
                while data := peer.recv(2048):
                    seen.append((name, *struct.unpack_from("!II", data, INNER_UDP + 8)))
            except BlockingIOError:
                pass
        return seen

    def ways(self):
        """Which gateway each flow goes by now; each packet arrives, once."""
        number = next(self.numbers)
        self.send(number)
        seen = []

        def arrived():
            seen.extend((flow, name) for name, flow, n in self.collect() if n == number)
            return len(seen) >= FLOWS
        wait_until(arrived, 5, "a packet of each flow")
        assert len(dict(seen)) == len(seen) == FLOWS
        return dict(seen)

    def outage_ms(self, break_it, dead=None, seconds=0.8):
        """Sends a packet of each flow every 4 ms; the longest time in which none of a flow got through. What still
        reaches the gateway `dead` after it was broken counts as lost."""
        seen = []
        sent = []
        done = threading.Event()

        def receive():
            while not done.is_set():
                seen.extend(self.collect())
                time.sleep(0.005)
        receiver = threading.Thread(target=receive)
        receiver.start()
        breaker = threading.Timer(seconds / 2, lambda: (broken.append(len(sent)), break_it()))
        broken = []
        breaker.start()
        start = time.monotonic()
        while (now := time.monotonic()) < start + seconds:
            self.send(len(sent))
            sent.append(now)
            time.sleep(max(0, now + 0.004 - time.monotonic()))
        breaker.join()
        wait_until(lambda: {flow for _, flow, number in seen if number == len(sent) - 1} == set(range(FLOWS)), 3,
                   "the last packet of each flow")
        done.set()
        receiver.join()
        worst = 0.0
        for flow in range(FLOWS):
            numbers = sorted(n for name, f, n in seen if f == flow and (name != dead or n < broken[0]))
            runs = [sent[after] - sent[before] for before, after in zip(numbers, numbers[1:]) if after > before + 1]
            worst = max(worst, *runs, 0.0)
        return worst * 1000

    def best_outage_ms(self, what, break_it, mend, dead=None):
        """Of three tries in which something was lost, since others use this machine; prints all."""
        outages = []
        for _ in range(6):
            outages += [ms for ms in [self.outage_ms(break_it, dead)] if ms > 0]
            assert set(self.ways().values()) == {"first"}
            mend()
            wait_until(lambda: set(self.ways().values()) == {"first", "second"}, 10, "both ways")
            if len(outages) == 3:
                break
        assert outages, "nothing was ever lost"
        text = ", ".join(f"{ms:.0f}" for ms in outages)
        print(f"\nfailover, {what}, {self.tunnels} tunnels: {text} ms (the best at most {LIMIT_MS})")
        return min(outages)


def prefix(number):
    return f"10.{100 + number // 250}.{number % 250}.0/24"


def far_row(router):
    return router.row("tunnel", "far-0")


def test_flows_spread_and_only_those_of_the_lost_move(lab):
    forked = Forked(lab)
    router = forked.router
    before = forked.ways()
    assert 3 < list(before.values()).count("first") < FLOWS - 3, before
    assert forked.ways() == before
    row = far_row(router)
    assert row["via"] == "fab0 192.0.2.2, fab1 198.51.100.2" and row["state"] == "resolved"
    text = router.text("explain", "--vif", "vm", "--dst", "10.100.0.1")
    assert "leads to neighbour" in text and "=> transmit out of fab" in text, text
    assert [r["via"] for r in router.table("route") if r["prefix"] == "0.0.0.0/0"] == \
        ["neighbours fab0 192.0.2.2, fab1 198.51.100.2"]

    forked.lone.second.ip("link", "set", "eth1", "down")
    wait_until(lambda: "link of fab1 down" in far_row(router)["state"], 2, "the link down")
    assert far_row(router)["state"] == "resolved by 1 of 2: link of fab1 down"
    assert set(forked.ways().values()) == {"first"}
    forked.lone.second.ip("link", "set", "eth1", "up")
    wait_until(lambda: far_row(router)["state"] == "resolved", 5, "the link up")
    assert forked.ways() == before

    # A route of the API by both gateways, and by one.
    router.text("route", "set", "--vrf", "underlay", "203.0.113.0/24", "--gateway", "198.51.100.2")
    assert set(forked.ways().values()) == {"second"}
    router.text("route", "set", "--vrf", "underlay", "203.0.113.0/24", "--gateway", "198.51.100.2",
                "--gateway", "192.0.2.2")
    assert forked.ways() == before
    router.text("route", "del", "--vrf", "underlay", "203.0.113.0/24")
    assert forked.ways() == before


def test_a_link_that_is_cut(lab):
    forked = Forked(lab, TUNNELS)
    assert set(forked.ways().values()) == {"first", "second"}

    def link(state):
        return lambda: forked.lone.second.ip("link", "set", "eth1", state)
    assert forked.best_outage_ms("link cut", link("down"), link("up")) <= LIMIT_MS


def test_a_gateway_that_falls_silent(lab):
    forked = Forked(lab, TUNNELS, bfd={"interval": 10, "multiplier": 3})
    Bfdd(lab, forked.lone.fabric, "frr-1", peer("192.0.2.1", "192.0.2.2", 10))
    dying = Bfdd(lab, forked.lone.second, "frr-2", peer("198.51.100.1", "198.51.100.2", 10))
    wait_until(lambda: all(row["state"] == "up" and row["detection_ms"] == 30 for row in forked.router.table("bfd")),
               15, "both sessions up")
    best = forked.best_outage_ms("silent gateway, BFD 10 ms x 3", lambda: dying.process.send_signal(signal.SIGSTOP),
                                 lambda: dying.process.send_signal(signal.SIGCONT), dead="second")
    assert best <= LIMIT_MS
    assert "BFD with 198.51.100.2 is down: nothing heard in time" in forked.router.log()
