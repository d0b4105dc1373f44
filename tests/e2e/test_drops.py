"""What must not pass does not, and each cause has its own reason in `weftctl show drops`."""

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN
from topology import Lone, mac
from weft import ROUTER_MAC, udp_socket, wait_until

VTEP = ("192.0.2.1", 4789)
VM, PEER = "10.1.0.11", "10.1.0.12"
VM_MAC, PEER_MAC = mac("blue", 11), mac("blue", 12)


def named(value):
    """Tests are called by their reasons, not by their frames."""
    return value if isinstance(value, str) else "frame"


@pytest.fixture(scope="module")
def lone(module_lab):
    return Lone(module_lab)


@pytest.fixture(scope="module")
def vm_wire(lone):
    return lone.lab.wire(lone.vm, "vm0")


def inner(dst=VM, src=PEER, payload=b"hello", ttl=64):
    return Ether(src=PEER_MAC, dst=ROUTER_MAC) / IP(src=src, dst=dst, ttl=ttl) / UDP(
        sport=4000, dport=4001) / payload


def tunnelled(vni=100, frame=None):
    return raw(VXLAN(flags=8, vni=vni) / (frame or inner()))


def is_hello(packet):
    return packet.haslayer(UDP) and raw(packet[UDP].payload) == b"hello"


# --- from the fabric --------------------------------------------------------------------------------

def test_a_listed_source_and_known_vni_pass(lone, vm_wire):
    lone.peer.sendto(tunnelled(), VTEP)
    packet = vm_wire.expect(is_hello)
    assert (packet.src, packet.dst) == (ROUTER_MAC, VM_MAC)
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (PEER, VM, 63)
    checksum = packet[IP].chksum
    del packet[IP].chksum
    assert IP(raw(packet[IP])).chksum == checksum


def test_unlisted_source(lone):
    with udp_socket(lone.fabric.name, "198.51.100.9") as stranger:
        with lone.router.counts_drop("decap_source_unlisted", 3):
            for _ in range(3):
                stranger.sendto(tunnelled(), VTEP)


def test_unknown_vni(lone):
    with lone.router.counts_drop("decap_unknown_vni", 3):
        for vni in (0, 101, (1 << 24) - 1):
            lone.peer.sendto(tunnelled(vni), VTEP)


@pytest.mark.parametrize("data,reason", (
    (b"", "tunnel_header_truncated"),
    (raw(VXLAN(flags=8, vni=100))[:7], "tunnel_header_truncated"),
    (raw(VXLAN(flags=0, vni=100)) + raw(inner()), "tunnel_header_invalid"),
    (tunnelled()[:8 + 13], "frame_truncated"),
    (tunnelled()[:8 + 14 + 19], "frame_truncated"),
    (tunnelled()[:-1], "ipv4_total_length"),
    (tunnelled(frame=Ether(src=PEER_MAC, dst="02:00:00:00:00:77") / IP(src=PEER, dst=VM) / UDP()),
     "inner_mac_unknown"),
    (tunnelled(frame=Ether(src=PEER_MAC, dst=ROUTER_MAC, type=0x1234) / (b"x" * 50)), "ethertype_unsupported"),
), ids=named)
def test_malformed_inside(lone, data, reason):
    with lone.router.counts_drop(reason, 1):
        lone.peer.sendto(data, VTEP)


def outer_frame(lone, **change):
    """A good VXLAN packet to the router, but for fields named ip_FIELD or udp_FIELD."""
    udp = {k[4:]: v for k, v in change.items() if k.startswith("udp_")}
    ip = {k[3:]: v for k, v in change.items() if k.startswith("ip_")}
    router_mac = wait_until(lambda: mac_of(lone.fabric, "192.0.2.1"), 3, "the router's MAC")
    return Ether(dst=router_mac) / IP(src="192.0.2.2", dst="192.0.2.1", **ip) / UDP(
        sport=50000, dport=4789, **{"chksum": 0, **udp}) / tunnelled()


@pytest.mark.parametrize("change,reason", (
    ({"ip_chksum": 1}, "ipv4_checksum"),
    ({"ip_len": 1400}, "ipv4_total_length"),
    ({"ip_len": 10}, "ipv4_total_length"),
    ({"ip_ihl": 4}, "ipv4_header_length"),
    ({"udp_len": 1400}, "outer_udp_length"),
    ({"udp_len": 4}, "outer_udp_length"),
    ({"udp_chksum": 1}, "outer_udp_checksum"),
), ids=named)
def test_the_outer_header_lies(lone, change, reason):
    with lone.router.counts_drop(reason, 1):
        lone.lab.wire(lone.fabric, "eth1").send(outer_frame(lone, **change))


def test_outer_fragment(lab):
    """By a tap, since for af_packet the kernel joins fragments before anybody sees them."""
    def change(lone, config):
        config["ports"][0]["device"] = f"tap:fab0@{lone.fabric.name}"
        config["reassembly"] = {"datagrams": 0}

    lone = Lone(lab, change)
    lone.fabric.ip("link", "set", "fab0", "up")
    lone.fabric.ip("addr", "flush", "dev", "eth1")
    lone.fabric.ip("addr", "add", "192.0.2.2/24", "dev", "fab0")
    with lone.router.counts_drop("outer_fragment", 2):
        for fragment in ({"ip_flags": "MF"}, {"ip_frag": 100}):
            lab.wire(lone.fabric, "fab0").send(outer_frame(lone, **fragment))


def mac_of(namespace, address):
    words = namespace.ip("neigh", "show", address).split()
    if "lladdr" not in words:
        namespace.ping(address, count=1)
        return None
    return words[words.index("lladdr") + 1]


# --- from a VM --------------------------------------------------------------------------------------

@pytest.mark.parametrize("frame,reason", (
    (Ether(src="02:00:00:00:00:66", dst=ROUTER_MAC) / IP(src=VM, dst=PEER) / UDP(), "spoofed_mac"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src="10.1.0.66", dst=PEER) / UDP(), "spoofed_ip"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IPv6(src="fd00:1::66", dst="fd00:1::12") / UDP(), "spoofed_ip"),
    (Ether(src=VM_MAC, dst="02:00:00:00:00:77") / IP(src=VM, dst=PEER) / UDP(), "l2_destination_unknown"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src=VM, dst="10.9.9.9") / UDP(), "no_route"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src=VM, dst="224.0.0.5") / UDP(), "ip_destination_unsupported"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src=VM, dst=PEER, ttl=1) / UDP(), "ttl_expired"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src=VM, dst=PEER, chksum=1) / UDP(), "ipv4_checksum"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IP(src=VM, dst=PEER, version=5) / UDP(), "ipv4_version"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC) / IPv6(src="fd00:1::11", dst="fd00:1::12", plen=900) / UDP(),
     "ipv6_payload_length"),
    (Ether(src=VM_MAC, dst=ROUTER_MAC, type=0x88cc) / (b"x" * 50), "ethertype_unsupported"),
), ids=named)
def test_a_vm_cannot(lone, vm_wire, frame, reason):
    with lone.router.counts_drop(reason, 2):
        vm_wire.send(frame, 2)


def test_a_vm_cannot_speak_for_another_by_arp(lone, vm_wire):
    with lone.router.counts_drop("spoofed_ip", 1):
        vm_wire.send(Ether(src=VM_MAC, dst="ff:ff:ff:ff:ff:ff") /
                     ARP(op=1, hwsrc=VM_MAC, psrc="10.1.0.66", pdst="10.1.0.1"))


def test_a_vms_own_address_probe_is_not_answered(lone, vm_wire):
    """An answer would make the VM believe that somebody else has its address (RFC 5227)."""
    def answers(address):
        ours = lone.lab.wire(lone.vm, "vm0")
        vm_wire.send(Ether(src=VM_MAC, dst="ff:ff:ff:ff:ff:ff") /
                     ARP(op=1, hwsrc=VM_MAC, psrc="0.0.0.0", pdst=address))
        vm_wire.send(Ether(src=VM_MAC, dst="ff:ff:ff:ff:ff:ff") /
                     ARP(op=1, hwsrc=VM_MAC, psrc=VM, pdst="10.1.0.1"))
        # The answer about the gateway comes after any other.
        replies = []
        while "10.1.0.1" not in replies:
            replies.append(ours.expect(lambda p: p.haslayer(ARP) and p[ARP].op == 2)[ARP].psrc)
        return replies
    assert answers(VM) == ["10.1.0.1"]
    assert answers(PEER) in (["10.1.0.1"], [PEER, "10.1.0.1"])
