"""Neighbours that answer late or never, kernels that leave checksums, what does not fit."""

import socket

from topology import Lone, configure_vm, mac, vif
from weft import inside, udp_socket, wait_until


def send_udp(vm, address, count, size=8):
    with udp_socket(vm.name) as s:
        for _ in range(count):
            s.sendto(b"x" * size, (address, 9))


def held(router):
    return sum(worker["held"] for worker in router.table("workers"))


def test_a_packet_waits_for_arp(lab):
    """The underlay's neighbour is deaf at first; the one packet sent meanwhile still arrives."""
    lone = Lone(lab, start=False)
    lone.fabric.ip("link", "set", "eth1", "arp", "off")
    lone.router.start()
    configure_vm(lone.vm, 11)
    send_udp(lone.vm, "10.1.0.12", 1)
    wait_until(lambda: held(lone.router) == 1, 3, "one held packet")
    lone.fabric.ip("link", "set", "eth1", "arp", "on")
    lone.peer.settimeout(3)
    assert lone.peer.recv(2048)[:8] == bytes([8, 0, 0, 0, 0, 0, 100, 0])
    assert held(lone.router) == 0


def test_a_gateway_that_never_answers(lab):
    """Few packets wait, the others are dropped at once, those that waited are dropped in the end."""
    lone = Lone(lab)
    sent = 500
    send_udp(lone.vm, "10.1.0.19", sent)

    def gone():
        drops = lone.router.drops()
        return drops["neighbour_unresolved"] + drops["hold_queue_full"] == sent and drops
    drops = wait_until(gone, 10, "all packets dropped")
    assert drops["neighbour_unresolved"] > 0
    assert drops["hold_queue_full"] > sent / 2, "the queue should be small"
    assert held(lone.router) == 0
    row = [n for n in lone.router.table("neighbour") if n["address"] == "192.0.2.9"]
    assert [n["state"] for n in row] in (["incomplete"], ["failed"])
    # Whom the neighbour does not concern is not disturbed.
    lone.peer.settimeout(3)
    send_udp(lone.vm, "10.1.0.12", 1)
    assert lone.peer.recv(2048)


def test_unfinished_checksums_are_named(lab):
    """A VM behind a veth whose kernel leaves checksums to hardware that is not there."""
    def change(lone, config):
        lone.guest = lab.namespace("guest")
        lab.cable(lone.node, "guest", lone.guest, "vm0", finish_checksums=False)
        lone.guest.ip("link", "set", "vm0", "address", mac("blue", 13))
        config["vifs"].append({**vif("guest", lone.guest, "blue", 13), "device": "af_packet:guest"})

    lone = Lone(lab, change)
    configure_vm(lone.guest, 13)
    with lone.router.counts_drop("checksum_unfinished", 5):
        send_udp(lone.guest, "10.1.0.12", 5)
    explained = [row for row in lone.router.table("drops") if row["reason"] == "checksum_unfinished"]
    assert "ethtool -K" in explained[0]["explanation"]
    line = wait_until(lambda: [x for x in lone.router.log().splitlines() if "ethtool -K" in x], 3,
                      "the remedy in the log")[0]
    assert "guest" in line and "tx off" in line, line
    # With the remedy it works.
    lone.guest.run("ethtool", "-K", "vm0", "tx", "off")
    lone.peer.settimeout(3)
    send_udp(lone.guest, "10.1.0.12", 1)
    assert lone.peer.recv(2048)


def test_a_narrow_underlay_is_told(lab):
    """A fabric port of 1400 bytes leaves 1350 to the VM."""
    def change(_, config):
        config["ports"][0]["mtu"] = 1400

    lone = Lone(lab, change)
    assert lone.vm.ping("10.1.0.12", "-s", 1323, "-M", "do", count=1, deadline=2) == 0
    wait_until(lambda: lone.vm.learned_mtu("10.1.0.12") == 1350, 3, "path MTU 1350")


def test_fragments_pass(lab):
    """A VM that fragments itself, as UDP does after it learned the path's MTU."""
    lone = Lone(lab)
    lone.vm.ip("route", "add", "10.1.0.12/32", "via", "10.1.0.1", "mtu", "1400")
    lone.peer.settimeout(3)
    send_udp(lone.vm, "10.1.0.12", 1, size=3000)
    for _ in range(3):
        assert len(lone.peer.recv(2048)) <= 8 + 14 + 1400


def test_ipv6_underlay(lab):
    """The same over an IPv6 underlay, where the outer UDP checksum must be right."""
    def change(lone, config):
        config["node"]["tunnel_address"] = ["192.0.2.1", "2001:db8::1"]
        config["ports"][0]["addresses"].append("2001:db8::1/64")
        config["tunnels"][0]["remote"] = "2001:db8::2"
        config["decaps"][0]["sources"] = ["2001:db8::/64"]
        lone.fabric.run("sysctl", "-qw", "net.ipv6.conf.eth1.disable_ipv6=0")
        lone.fabric.ip("addr", "add", "2001:db8::2/64", "dev", "eth1", "nodad")

    lone = Lone(lab, change)
    with udp_socket(lone.fabric.name, "2001:db8::2", 4789) as peer:
        peer.settimeout(3)
        send_udp(lone.vm, "10.1.0.12", 1)
        data, where = peer.recvfrom(2048)
        assert where[0] == "2001:db8::1"
        # Back with the addresses exchanged, the VM hears it.
        reply = bytearray(data)
        reply[8:14], reply[14:20] = bytes.fromhex("02005e000101"), data[8:14]
        ip = 8 + 14
        reply[ip + 12:ip + 16], reply[ip + 16:ip + 20] = data[ip + 16:ip + 20], data[ip + 12:ip + 16]
        udp = ip + 20
        reply[udp:udp + 2], reply[udp + 2:udp + 4] = data[udp + 2:udp + 4], data[udp:udp + 2]
        with inside(lone.vm.name):
            heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with heard:
            heard.settimeout(3)
            heard.bind(("10.1.0.11", int.from_bytes(data[udp:udp + 2], "big")))
            peer.sendto(bytes(reply), ("2001:db8::1", 4789))
            assert heard.recv(100) == b"x" * 8
