"""weftd and the kernel's VXLAN over an underlay that packets do not fit: each puts together what the other cuts."""

import os
import socket

import pytest
from crossings import PEER_MAC, UNDERLAYS, give_addresses, give_underlay
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from topology import Lone, Pair
from weft import tcp_transfer, udp_socket, wait_until

IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE = 10, 0, 3  # linux/in.h


def stats(router):
    return {(row["object"], row["counter"]): row["value"] for row in router.table("stats")}


def linux_tunnel(fabric, remote, local):
    """The kernel's VXLAN device with the far VM's address, over an underlay of 1500 bytes."""
    fabric.ip("link", "add", "tun", "address", PEER_MAC, "mtu", 1500, "type", "vxlan", "id", 100, "local", local,
              "remote", remote, "dstport", 4789)
    fabric.run("ethtool", "-K", "tun", "tx", "off")
    fabric.ip("addr", "add", "10.1.0.12/24", "dev", "tun")
    fabric.ip("link", "set", "tun", "up")


def beside_linux(lab, underlay, **tunnel):
    """A router with a VM, and the kernel's VXLAN at the other end. The port is a tap, since for af_packet the kernel
    joins IPv4 pieces before anybody sees them."""
    near, far, subnet = UNDERLAYS[underlay]

    def change(made, config):
        made.peer.close()
        made.fabric.ip("addr", "flush", "dev", "eth1")
        give_addresses(config, UNDERLAYS.values())
        config["ports"][0]["device"] = f"tap:fab0@{made.fabric.name}"
        config["tunnels"][0].update({"remote": far, "inner_destination_mac": PEER_MAC, **tunnel})
        config["decaps"][0].update({"local": near, "sources": [subnet]})

    lone = Lone(lab, change)
    lone.fabric.ip("link", "set", "fab0", "address", "02:00:00:00:0f:02")  # it has the port's own at first
    give_underlay(lone.fabric, "fab0")
    linux_tunnel(lone.fabric, near, far)
    wait_until(lambda: lone.vm.ping("10.1.0.12", count=1, deadline=1), 10, "a first ping")
    return lone


def received(lone, sizes, df):
    """Datagrams of these sizes from the VM to the kernel behind the tunnel, as they came there."""
    with udp_socket(lone.fabric.name, "10.1.0.12", 9000) as sink, udp_socket(lone.vm.name) as source:
        sink.settimeout(3)
        source.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE if df else IP_PMTUDISC_DONT)
        sent = [os.urandom(size) for size in sizes]
        for data in sent:
            source.sendto(data, ("10.1.0.12", 9000))
        came = [sink.recv(9000) for _ in sizes]
        assert sorted(came) == sorted(sent)
        # What the VM has cut itself is known by addresses alone, and may go by another worker than the rest.
        assert [data for data in came if len(data) <= 1472] == [data for data in sent if len(data) <= 1472]


@pytest.mark.parametrize("underlay", UNDERLAYS)
def test_pieces_are_joined_by_linux(lab, underlay):
    lone = beside_linux(lab, underlay)
    received(lone, [1472, 100, 1472, 4000, 1], df=False)
    assert stats(lone.router)["size", "fragmented"] >= 3
    assert stats(lone.router)["size", "outer_fragmented"] == 0


@pytest.mark.parametrize("underlay", UNDERLAYS)
def test_pieces_of_the_tunnel_packet_are_joined_by_linux(lab, underlay):
    """With DF in what is inside; the checksum over the outer IPv6 datagram must be right, or Linux drops it."""
    lone = beside_linux(lab, underlay, outer_fragmentation=True)
    wire = lab.wire(lone.fabric, "fab0")
    received(lone, [1472, 100, 1472, 1430, 1], df=True)
    assert stats(lone.router)["size", "outer_fragmented"] == 3
    assert stats(lone.router)["size", "fragmented"] == 0
    numbers = [pieces_name(Ether(frame)) for frame in wire.frames(0.3)]
    assert sorted(numbers.count(n) for n in {n for n in numbers if n is not None}) == [2, 2, 2]
    lone.router.set_tunnel("to-peer", **{"outer-fragmentation": "off"})
    assert lone.vm.ping("10.1.0.12", "-s", 1472, "-M", "do", count=1, deadline=2) == 0


def test_what_linux_cuts_is_put_together(lab):
    """Linux' VXLAN device has the MTU of its underlay, so that it cuts the outer packet of what has no DF; the VM hears
    the whole, and its answer goes in pieces before the tunnel."""
    lone = beside_linux(lab, "ipv4")
    lone.fabric.ip("route", "add", "10.1.0.11", "dev", "tun", "mtu", "lock", 1500)  # else it learns what fits
    before = stats(lone.router)
    for size, count in ((1472, 20), (6000, 5)):
        assert lone.fabric.ping("10.1.0.11", "-s", size, "-M", "dont", count=count) == count
    after = stats(lone.router)
    assert after["size", "reassembled"] - before["size", "reassembled"] >= 20
    assert after["size", "fragments_joined"] - before["size", "fragments_joined"] >= 40
    with udp_socket(lone.vm.name, "10.1.0.11", 9000) as sink, udp_socket(lone.fabric.name) as source:
        sink.settimeout(3)
        source.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        sent = [os.urandom(size) for size in (1472, 100, 1472, 8000, 1)]
        for data in sent:
            source.sendto(data, ("10.1.0.11", 9000))
        assert sorted(sink.recv(9000) for _ in sent) == sorted(sent)
    drops = lone.router.drops()
    assert not [r for r in drops if r.startswith("fragment_") and drops[r]], drops


@pytest.mark.parametrize("underlay", UNDERLAYS)
def test_a_narrow_path_is_learned_from_linux(lab, underlay):
    """Behind a router whose next link takes 1400 bytes: its second error is believed, and the VM hears of it."""
    near, far, _ = UNDERLAYS[underlay]
    remote, subnet = ("198.51.100.2", "198.51.100.0/24") if underlay == "ipv4" else ("2001:db8:9::2", "2001:db8:9::/64")

    def change(made, config):
        made.peer.close()
        give_underlay(made.fabric, "eth1")
        give_addresses(config, UNDERLAYS.values())
        config["ports"][0]["gateway"] = [u.far for u in UNDERLAYS.values()]
        config["tunnels"][0].update({"remote": remote, "inner_destination_mac": PEER_MAC})
        config["decaps"][0].update({"local": near, "sources": [subnet]})

    lone = Lone(lab, change)
    router, host = lone.fabric, lab.namespace("host")
    lab.cable(router, "eth2", host, "eth1", mtu=1400)
    width = subnet.split("/")[1]
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
               "net.ipv6.conf.eth2.disable_ipv6=0", "net.ipv6.conf.eth1.disable_ipv6=0")
    router.ip("addr", "add", "fe80::2/64", "dev", "eth1", "nodad")  # to ask for neighbours of others' packets from
    router.ip("addr", "add", f"{remote[:-1]}1/{width}", "dev", "eth2", *(["nodad"] if ":" in remote else []))
    host.ip("addr", "add", f"{remote}/{width}", "dev", "eth1", *(["nodad"] if ":" in remote else []))
    host.ip("route", "add", "default", "via", f"{remote[:-1]}1")
    linux_tunnel(host, near, remote)
    wait_until(lambda: lone.vm.ping("10.1.0.12", count=1, deadline=1), 10, "a first ping")
    over = 50 if underlay == "ipv4" else 70
    assert path_mtu(lone) == 1500

    def learned():
        lone.vm.ping("10.1.0.12", "-s", 1500 - over - 28, "-M", "do", count=1, deadline=1)
        return path_mtu(lone) == 1400
    wait_until(learned, 10, "the path's MTU")
    wait_until(lambda: lone.vm.learned_mtu("10.1.0.12") == 1400 - over, 5, "the VM to hear of it")
    assert lone.vm.ping("10.1.0.12", "-s", 1400 - over - 28, "-M", "do", count=3) == 3
    assert "1400" in [line for line in lone.router.log().splitlines() if "the path takes" in line][0]


def test_what_weft_cuts_over_ipv6_is_put_together(lab):
    """Which Linux does not do to packets of its tunnels."""
    def change(node, config):
        here, there = ("2001:db8::1", "2001:db8::2") if node == "a" else ("2001:db8::2", "2001:db8::1")
        config["node"]["tunnel_address"] = [config["node"]["tunnel_address"], here]
        config["ports"][0]["addresses"].append(f"{here}/64")
        for tunnel in config["tunnels"]:
            tunnel.update({"remote": there, "outer_fragmentation": True})
        for decap in config["decaps"]:
            decap.update({"local": here, "sources": ["2001:db8::/64"]})

    pair = Pair(lab, change)
    for size in (1472, 4000):
        assert pair.vms["blue", "a"].ping("10.1.0.12", "-s", size, "-M", "dont", count=10) == 10, size
    assert pair.vms["blue", "b"].ping("fd00:1::11", "-s", 1452, "-M", "do", count=10) == 10
    tcp_transfer(pair.vms["blue", "b"], "10.1.0.12", pair.vms["blue", "a"])
    for router in (pair.a, pair.b):
        counted = stats(router)
        assert counted["size", "reassembled"] >= 40
        assert counted["size", "fragments_joined"] == 2 * counted["size", "reassembled"]
        drops = router.drops()
        assert not [r for r in drops if r.startswith(("fragment_", "outer_")) and drops[r]], drops


def path_mtu(lone):
    return lone.router.row("tunnel", "to-peer")["path_mtu"]


def pieces_name(packet):
    """What all pieces of a datagram have in common; None for what is in one piece."""
    if packet.haslayer(IPv6ExtHdrFragment):
        return packet[IPv6ExtHdrFragment].id
    if packet.haslayer(IP) and packet[IP].proto == 17 and packet[IP].src == "192.0.2.1":
        assert not packet[IP].flags.DF
        return packet[IP].id if packet[IP].flags.MF or packet[IP].frag else None
    return None
