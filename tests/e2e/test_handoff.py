"""Ports with one queue and two workers: both forward what one receives."""

import contextlib
import time
from collections import defaultdict

import pytest
from stall import Stalled, worker_thread
from topology import Lone, configure_vm, vif
from weft import udp_socket, wait_until

FLOWS = 48
ROUNDS = 300
PER_SECOND = 4000
SINK = ("10.1.0.14", 7000)


def second_vm(lone, config):
    lone.vm2 = lone.lab.namespace("vm2")
    config["vifs"].append(vif("vm2", lone.vm2, "blue", 14))


def one_worker_a_port(lone, config):
    second_vm(lone, config)
    config["workers"]["handoff"] = False


def made(lab, change):
    lone = Lone(lab, change)
    configure_vm(lone.vm2, 14)
    assert lone.vm.ping(SINK[0]) == 5
    return lone


@pytest.fixture
def lone(lab):
    return made(lab, second_vm)


class Flows:
    """Numbered datagrams in many flows from vm to vm2, and what arrives of each."""

    def __init__(self, lone, flows=FLOWS):
        self._sink = udp_socket(lone.vm2.name, *SINK)
        self._sink.setblocking(False)
        self._sources = [udp_socket(lone.vm.name, "10.1.0.11") for _ in range(flows)]
        self.sent = 0
        self.arrived = defaultdict(list)

    def send(self, rounds, per_second=PER_SECOND):
        start, begun = time.perf_counter(), self.sent
        for _ in range(rounds):
            number = (self.sent // len(self._sources)).to_bytes(4, "big")
            for source in self._sources:
                source.sendto(number, SINK)
                self.sent += 1
            self.receive()
            ahead = start + (self.sent - begun) / per_second - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)

    def receive(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (_, port) = self._sink.recvfrom(64)
                self.arrived[port].append(int.from_bytes(data, "big"))
        return sum(map(len, self.arrived.values()))

    def in_order(self):
        return all(numbers == sorted(set(numbers)) for numbers in self.arrived.values())

    def close(self):
        for s in (self._sink, *self._sources):
            s.close()


@pytest.fixture
def flows(lone):
    sent = Flows(lone)
    yield sent
    sent.close()


def workers(router):
    """By CPU."""
    return {row["lcore"]: row for row in router.table("workers")}


def at_rest(router):
    """The same, with no packet on its way between workers."""
    def rows():
        now = workers(router)
        moving = sum(row["handed_off"] - row["taken_over"] for row in now.values())
        return now if moving == 0 else None
    return wait_until(rows, 3, "all that was handed off taken over")


def handled(before, after):
    """Packets that each worker sent through the stages."""
    def count(row):
        return row["packets"] - row["handed_off"] + row["taken_over"]
    return {cpu: count(after[cpu]) - count(before[cpu]) for cpu in after}


def poller(router, port):
    """The CPUs of the worker that polls the port's queue and of the other one."""
    by_port = {any(q.startswith(f"{port}/") for q in row["queues"]): cpu
               for cpu, row in workers(router).items()}
    return by_port[True], by_port[False]


def test_both_workers_forward_and_flows_keep_their_order(lone, flows):
    before, drops = at_rest(lone.router), lone.router.drops()
    flows.send(ROUNDS)
    wait_until(lambda: flows.receive() == flows.sent, 5, "all datagrams")
    assert flows.in_order() and len(flows.arrived) == FLOWS
    assert not set(lone.router.drops() - drops) & {"handoff_ring_full", "arrival_port_gone", "tx_queue_full"}
    after = at_rest(lone.router)
    shares = handled(before, after)
    # About the half of 48 flows, give or take four standard deviations.
    assert all(10 / 48 * flows.sent < share for share in shares.values()), shares
    taken = sum(row["packets"] for row in after.values()) - sum(row["packets"] for row in before.values())
    assert sum(shares.values()) == taken >= flows.sent
    # Each session has all packets of its flow.
    rows = lone.router.ctl("show", "flow", "--protocol", "udp", "--port", SINK[1])["rows"]
    assert sorted(row["packets"] for row in rows) == [ROUNDS] * FLOWS

    def metrics_agree():
        text = lone.node.run("curl", "-sS", "--unix-socket", lone.router.socket, "http://x/metrics")
        return all(f'weft_worker_{name}_packets_total{{lcore="{cpu}"}} {row[name]}\n' in text
                   for cpu, row in workers(lone.router).items() for name in ("handed_off", "taken_over"))
    wait_until(metrics_agree, 3, "the same in the metrics")


def test_off_each_port_has_one_worker(lab):
    lone = made(lab, one_worker_a_port)
    sent = Flows(lone, 16)
    try:
        before = workers(lone.router)
        sent.send(100)
        wait_until(lambda: sent.receive() == sent.sent, 5, "all datagrams")
        after = workers(lone.router)
        mine, other = poller(lone.router, "vm")
        assert handled(before, after)[mine] >= sent.sent and handled(before, after)[other] < 100
        assert not any(row["handed_off"] or row["taken_over"] for row in after.values())
    finally:
        sent.close()


def test_what_a_worker_that_stands_still_does_not_take_is_counted(lone, flows):
    """A ring holds 1024 packets; the worker's own share goes on meanwhile, and the ring's in the end."""
    mine, other = poller(lone.router, "vm")
    flows.send(4)
    wait_until(lambda: flows.receive() == flows.sent, 5, "all datagrams")
    before = lone.router.drops()["handoff_ring_full"]

    def lost():
        return lone.router.drops()["handoff_ring_full"] - before
    with Stalled(worker_thread(lone.router, other)):
        taken = workers(lone.router)[mine]["handed_off"]
        flows.send(100)

        def handed():
            return workers(lone.router)[mine]["handed_off"] - taken
        wait_until(lambda: lost() + handed() + flows.receive() >= flows.sent, 5, "the rest passes")
        assert lost() > 0 and handed() == 1024
    wait_until(lambda: flows.receive() + lost() >= flows.sent, 5, "what the ring held")
    assert flows.in_order()
    # What the VM's kernel says of itself may be among the lost.
    assert flows.sent - flows.receive() >= lost() - 8
    arrived = flows.receive()
    flows.send(10)
    wait_until(lambda: flows.receive() == arrived + 10 * FLOWS, 5, "all datagrams after it")


def test_packets_in_a_ring_whose_port_goes_arrive_or_are_counted(lone, flows):
    mine, other = poller(lone.router, "vm")
    drops = lone.router.drops()
    with Stalled(worker_thread(lone.router, other)):
        before = workers(lone.router)[mine]["handed_off"]
        flows.send(8)
        wait_until(lambda: flows.receive() + workers(lone.router)[mine]["handed_off"] - before >= flows.sent, 5,
                   "all of them here or there")
        assert flows.receive() < flows.sent
        lone.router.rewrite(lambda c: c["vifs"].pop(0))
        lone.router.text("reload")

    def accounted():
        return flows.receive() + (lone.router.drops() - drops).get("arrival_port_gone", 0) >= flows.sent
    wait_until(accounted, 5, "each of them")
    assert flows.in_order()
    assert lone.vm2.ping("10.1.0.1") == 5


def test_a_port_goes_and_comes_under_traffic(lone, flows):
    """Nothing is left behind: buffers come back, and the port's next life begins with all workers."""
    def buffers():
        return next(row["value"] for row in lone.router.table("stats")
                    if (row["object"], row["counter"]) == ("buffers", "in_use"))
    idle = buffers()
    address = [word for a in ("10.1.0.11", "fd00:1::11") for word in ("--address", a)]
    lone.router.rewrite(lambda c: c["vifs"].pop(0))
    for turn in range(3):
        flows.send(20)
        lone.router.text(*(["reload"] if turn == 0 else ["vif", "del", "vm"]))
        with contextlib.suppress(OSError):  # the tap is gone
            flows.send(20)
        wait_until(lambda: not lone.vm.has_interface("vm0"), 5, "the tap is gone")
        lone.router.text("vif", "add", "vm", "--device", f"tap:vm0@{lone.vm.name}", "--vrf", "blue", "--mac",
                         "02:00:00:00:01:11", *address)
        configure_vm(lone.vm, 11)
        assert lone.vm.ping(SINK[0]) == 5
    flows.receive()
    before = workers(lone.router)
    flows.arrived.clear()
    flows.sent = 0
    flows.send(50)
    wait_until(lambda: flows.receive() == flows.sent, 5, "all datagrams")
    assert flows.in_order()
    assert all(share > 100 for share in handled(before, workers(lone.router)).values())
    wait_until(lambda: buffers() <= idle + 64, 5, "buffers come back")
