"""The errors that a router owes: time exceeded, unreachable, too big; and their limits."""

import socket

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from topology import Lone, Pair, mac
from weft import ROUTER_MAC, inside


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab)


@pytest.fixture
def lone(lab):
    return Lone(lab)


def ping_text(vm, address, *options):
    return vm.run("ping", "-n", "-c", 1, "-W", 2, *options, address, check=False)


@pytest.mark.parametrize("hops", (1, 2))
@pytest.mark.parametrize("address,gateway", (("10.1.0.12", "10.1.0.1"), ("fd00:1::12", "fd00:1::1")))
def test_each_router_on_the_way_is_a_hop(pair, address, gateway, hops):
    """The first router is ours, the second that of the other node; then comes the VM."""
    text = ping_text(pair.vms["blue", "a"], address, "-t", hops)
    assert f"From {gateway}" in text, text
    assert "exceeded" in text, text
    assert pair.vms["blue", "a"].ping(address, "-t", 3, count=1) == 1


@pytest.mark.parametrize("address", ("10.9.9.9", "fd00:9::9"))
def test_no_route_is_told(pair, address):
    text = ping_text(pair.vms["blue", "a"], address)
    assert "nreachable" in text or "No route" in text, text


def test_traceroute_by_udp(pair):
    """The error quotes the probe, so that its sender can tell which one died."""
    vm = pair.vms["blue", "a"]
    with inside(vm.name):
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answers = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with probe, answers:
        answers.settimeout(3)
        probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        probe.sendto(b"probe", ("10.1.0.12", 33434))
        answer = IP(answers.recv(2048))
    assert (answer.src, answer[ICMP].type, answer[ICMP].code) == ("10.1.0.1", 11, 0)
    quoted = answer[ICMP].payload
    assert (quoted.dst, quoted.dport) == ("10.1.0.12", 33434)


def test_a_port_nobody_listens_at_is_told_by_the_vm(pair):
    """An error that comes out of the tunnel is forwarded like any packet."""
    vm = pair.vms["blue", "a"]
    with inside(vm.name):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(3)
        s.connect(("10.1.0.12", 9))
        s.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def test_errors_are_rate_limited_and_drops_are_not_lost_count_of(lone):
    """2000 packets that die: each is counted, far fewer are answered."""
    wire = lone.lab.wire(lone.vm, "vm0")
    dying = (Ether(src=mac("blue", 11), dst=ROUTER_MAC) / IP(src="10.1.0.11", dst="10.1.0.12", ttl=1) /
             UDP(sport=1, dport=2))
    answers = lone.lab.wire(lone.vm, "vm0")
    sent = 2000
    for _ in range(sent // 200):  # the tap's queue is finite, so each lot waits for the one before
        with lone.router.counts_drop("ttl_expired", 200):
            wire.send(dying, 200)
    heard = sum(1 for frame in answers.frames(0.5) if (p := Ether(frame)).haslayer(ICMP) and p[ICMP].type == 11)
    assert 0 < heard < sent / 2
