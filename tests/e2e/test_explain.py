"""`weftctl explain` says what then happens, and changes nothing itself."""

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from topology import Lone, mac
from weft import ROUTER_MAC


@pytest.fixture(scope="module")
def lone(module_lab):
    return Lone(module_lab)


def frame(src="10.1.0.11", dst="10.1.0.12", ttl=64, source_mac=mac("blue", 11)):
    return raw(Ether(src=source_mac, dst=ROUTER_MAC) / IP(src=src, dst=dst, ttl=ttl) /
               UDP(sport=1000, dport=2000) / b"explained")


@pytest.mark.parametrize("packet,reason", (
    (frame(dst="10.9.9.9"), "no_route"),
    (frame(ttl=1), "ttl_expired"),
    (frame(src="10.1.0.66"), "spoofed_ip"),
    (frame(source_mac="02:00:00:00:00:66"), "spoofed_mac"),
), ids=lambda value: value if isinstance(value, str) else "frame")
def test_drops_as_it_says(lone, packet, reason):
    before = lone.router.drops()[reason]
    said = lone.router.ctl("explain", "--vif", "vm", "--hex", packet.hex())
    assert (said["verdict"], said["reason"]) == ("drop", reason)
    assert lone.router.drops()[reason] == before, "explain counted a drop"
    with lone.router.counts_drop(reason, 1):
        lone.lab.wire(lone.vm, "vm0").send(packet)


def test_leaves_as_it_says(lone):
    """The bytes that explain shows are the bytes that the underlay sees, but for the IP header's
    identification and so its checksum."""
    assert lone.vm.ping("10.1.0.1", count=1) == 1
    before = lone.router.row("tunnel", "to-peer")["packets"]
    said = lone.router.ctl("explain", "--vif", "vm", "--hex", frame().hex())
    assert said["verdict"] == "transmit"
    assert lone.router.row("tunnel", "to-peer")["packets"] == before, "explain sent or counted"
    wire = lone.lab.wire(lone.fabric, "eth1")
    lone.lab.wire(lone.vm, "vm0").send(frame())
    seen = raw(wire.expect(lambda p: p.haslayer(UDP) and p[UDP].dport == 4789))
    told = bytes.fromhex(said["frame_hex"])

    def comparable(data):
        packet = Ether(data)
        packet[IP].id = 0
        packet[IP].chksum = 0
        return raw(packet)
    assert comparable(seen) == comparable(told)


def test_for_people(lone):
    text = lone.router.text("explain", "--vif", "vm", "--dst", "10.1.0.12")
    for word in ("resolve", "tunnel", "encap", "transmit out of fab0"):
        assert word in text, text


def test_from_the_fabric(lone):
    packet = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src="192.0.2.2", dst="192.0.2.1")
    said = lone.router.ctl("explain", "--port", "fab0", "--hex",
                           raw(packet / UDP(sport=50000, dport=4790) / b"xxxxxxxx").hex())
    assert said["verdict"] == "drop"
