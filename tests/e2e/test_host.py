"""The host interface: one NIC, whose addresses the host's kernel and Weft's tunnels share."""

import re
import socket
import threading

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from topology import ROUTER_MAC, base, configure_vm, decap, tunnel, vif
from weft import EXIT_START, TOP, Lab, inside, tcp_transfer, udp_socket, wait_until

HOST = {4: "192.0.2.1", 6: "2001:db8::1"}
PEER = {4: "192.0.2.2", 6: "2001:db8::2"}
BEHIND_GATEWAY = {4: "198.51.100.9", 6: "2001:db8:9::9"}
FAMILIES = (4, 6)
LINUX_MAC = "02:00:00:00:01:12"


class OneNic:
    """A host whose only NIC, eth1, is Weft's, on a cable to the namespace `peer`.

    There the kernel is 192.0.2.2 and 2001:db8::2, the gateway 192.0.2.254 and 2001:db8::fe with
    198.51.100.9 and 2001:db8:9::9 behind it, and a vxlan device with 10.1.0.12 and fd00:1::12. The VM
    of the host is 10.1.0.11 and fd00:1::11.
    """

    def __init__(self, lab, start=True, **port):
        self.lab = lab
        self.host, self.peer, self.vm = (lab.namespace(n) for n in ("host", "peer", "vm"))
        lab.cable(self.host, "eth1", self.peer, "eth1")
        for address in ("192.0.2.2/24", "192.0.2.254/24", "198.51.100.9/32"):
            self.peer.ip("addr", "add", address, "dev", "eth1")
        for address in ("2001:db8::2/64", "2001:db8::fe/64", "2001:db8:9::9/128"):
            self.peer.ip("addr", "add", address, "dev", "eth1", "nodad")
        self.peer.ip("link", "add", "vx", "address", LINUX_MAC, "mtu", 1450, "type", "vxlan", "id", 100,
                     "local", PEER[4], "remote", HOST[4], "dstport", 4789)
        self.peer.run("ethtool", "-K", "vx", "tx", "off")
        self.peer.ip("link", "set", "vx", "up")
        self.peer.ip("addr", "add", "10.1.0.12/24", "dev", "vx")
        self.peer.ip("addr", "add", "fd00:1::12/64", "dev", "vx", "nodad")
        self.router = lab.router(self.host, "r", self.config(**port))
        if start:
            self.router.start()
            configure_vm(self.vm, 11)

    def config(self, **port):
        config = base("one-nic", HOST[4], **{"host": "tap:weft0", **port})
        config["ports"][0]["addresses"].append(f"{HOST[6]}/64")
        config["ports"][0]["gateway"] = ["192.0.2.254", "2001:db8::fe"]
        config["vifs"].append(vif("vm", self.vm, "blue", 11))
        config["tunnels"].append(tunnel("to-peer", 100, PEER[4], inner_destination_mac=LINUX_MAC))
        config["decaps"].append(decap("from-peer", 100, "blue"))
        for prefix in ("10.1.0.12/32", "fd00:1::12/128"):
            config["routes"].append({"vrf": "blue", "prefix": prefix, "via": {"tunnel": "to-peer"}})
        return config


@pytest.fixture(scope="module")
def one():
    with Lab() as lab:
        yield OneNic(lab)


def ping_exactly(namespace, address, *options, count=20):
    """Requests are answered, and each once; how soon depends on what else the machine does."""
    # An ARP request from before that is about to be given up would end the ping at once.
    wait_until(lambda: namespace.ping(address, count=1) >= 1, 15, "a first answer")
    text = namespace.run("ping", "-n", "-q", "-c", count, "-i", 0.02, "-w", 20, *options, address, check=False)
    sent, received = (int(re.search(rf"(\d+) {what}", text)[1]) for what in ("packets transmitted", "received"))
    assert received >= count and sent <= count + 3 and "duplicates" not in text and "errors" not in text, text


def mac_of(namespace, interface):
    return re.search(r"link/ether (\S+)", namespace.ip("link", "show", interface))[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_ping_both_ways(one, family):
    ping_exactly(one.host, PEER[family])
    ping_exactly(one.peer, HOST[family])


def test_ping_in_fragments(one):
    """Those of IPv4 come together already from AF_PACKET, as packets that are too large."""
    ping_exactly(one.host, PEER[6], "-s", 4000)
    ping_exactly(one.peer, HOST[6], "-s", 4000)


@pytest.mark.parametrize("family", FAMILIES)
def test_tcp_both_ways(one, family):
    tcp_transfer(one.host, HOST[family], one.peer)
    tcp_transfer(one.peer, PEER[family], one.host)


@pytest.mark.parametrize("to_host,family", ((True, 6), (False, 4), (False, 6)))
def test_udp_in_fragments(one, to_host, family):
    """Fragments of UDP may be a tunnel's as well; the host puts its own together."""
    server, client, address = (one.host, one.peer, HOST) if to_host else (one.peer, one.host, PEER)
    inbox, outbox = udp_socket(server.name, address[family], 7001), socket_in(client, family)
    with inbox, outbox:
        inbox.settimeout(5)
        outbox.sendto(b"x" * 4000, (address[family], 7001))
        assert inbox.recv(8000) == b"x" * 4000


def socket_in(namespace, family, kind=socket.SOCK_DGRAM):
    with inside(namespace.name):
        return socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind)


@pytest.mark.parametrize("family", FAMILIES)
def test_beyond_the_gateway(one, family):
    ping_exactly(one.host, BEHIND_GATEWAY[family])
    route = one.host.ip(f"-{family}", "route", "show", "default")
    assert {4: "192.0.2.254", 6: "2001:db8::fe"}[family] in route and "dev weft0" in route


def test_tunnels_end_at_the_same_address(one):
    """While the host talks to the peer, a VM does through VXLAN between the same two addresses."""
    noise = one.host.start("ping", "-q", "-i", "0.01", PEER[4])
    for address in ("10.1.0.12", "fd00:1::12"):
        ping_exactly(one.vm, address)
        tcp_transfer(one.peer, address, one.vm)
    for address in ("10.1.0.11", "fd00:1::11"):
        ping_exactly(one.peer, address)
    ping_exactly(one.peer, HOST[4])
    noise.terminate()


def test_each_request_is_answered_once(one):
    """Two stacks see the frames of the NIC, Weft and the kernel; one answers."""
    port_mac = one.router.row("port", "fab0")["mac"]
    assert mac_of(one.host, "weft0") == port_mac
    wire = one.lab.wire(one.peer, "eth1")
    own = mac_of(one.peer, "eth1")
    wire.send(Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=own, psrc=PEER[4], pdst=HOST[4]))
    wire.send(Ether(src=own, dst=port_mac) / IP(src=PEER[4], dst=HOST[4]) / ICMP(id=77) / b"once")
    wire.send(Ether(src=own, dst=port_mac) / IPv6(src=PEER[6], dst=HOST[6]) /
              ICMPv6EchoRequest(id=77, data=b"once"))
    wire.send(Ether(src=own, dst=port_mac) / IP(src=PEER[4], dst=HOST[4]) / UDP(sport=77, dport=4321) / b"once")
    frames = [Ether(data) for data in wire.frames(3)]
    arp = [f for f in frames if f.haslayer(ARP) and f[ARP].op == 2 and f[ARP].psrc == HOST[4]]
    echo4 = [f for f in frames if f.haslayer(ICMP) and (f[ICMP].type, f[ICMP].id) == (0, 77)]
    echo6 = [f for f in frames if f.haslayer(ICMPv6EchoReply) and f[ICMPv6EchoReply].id == 77]
    refused = [f for f in frames if f.haslayer(ICMP) and (f[ICMP].type, f[ICMP].code) == (3, 3)]
    assert [len(x) for x in (arp, echo4, echo6, refused)] == [1, 1, 1, 1], frames
    assert arp[0][ARP].hwsrc == port_mac
    assert {f.src for f in (*echo4, *echo6, *refused)} == {port_mac}
    assert bytes(echo4[0][ICMP].payload)[:4] == b"once" and echo6[0].data == b"once"


def test_packets_to_the_host_are_as_they_came(one):
    """All bytes from the IP header on, with a TTL that no router would pass on."""
    packets = [IP(src=PEER[4], dst=HOST[4], ttl=1, tos=0xb9, id=7) / UDP(sport=77, dport=78) / b"whole",
               IPv6(src=PEER[6], dst=HOST[6], hlim=1, tc=0xb9) / UDP(sport=77, dport=78) / b"whole"]
    out, tap = one.lab.wire(one.peer, "eth1"), one.lab.wire(one.host, "weft0")
    for packet in packets:
        out.send(Ether(src=mac_of(one.peer, "eth1"), dst=mac_of(one.host, "weft0")) / packet)
        frame = tap.expect(lambda f: f.haslayer(UDP) and f[UDP].dport == 78, what="the packet")
        assert bytes(frame)[14:] == bytes(packet)
        assert (frame.src, frame.dst) == (ROUTER_MAC, mac_of(one.host, "weft0"))


def test_packets_from_the_host_are_as_it_sent_them(one):
    packets = [IP(src=HOST[4], dst=PEER[4], ttl=1, tos=0xb9, id=7) / UDP(sport=77, dport=79) / b"whole",
               IPv6(src=HOST[6], dst=PEER[6], hlim=1, tc=0xb9) / UDP(sport=77, dport=79) / b"whole"]
    out, nic = one.lab.wire(one.host, "weft0"), one.lab.wire(one.peer, "eth1")
    for packet in packets:
        out.send(Ether(src=mac_of(one.host, "weft0"), dst=ROUTER_MAC) / packet)
        frame = nic.expect(lambda f: f.haslayer(UDP) and f[UDP].dport == 79, what="the packet")
        assert bytes(frame)[14:] == bytes(packet)
        assert (frame.src, frame.dst) == (mac_of(one.host, "weft0"), mac_of(one.peer, "eth1"))


def test_a_ttl_of_1_survives_the_wait_for_a_neighbour(one):
    """The first packet to a neighbour waits for ARP, and is still the host's own then."""
    one.peer.ip("addr", "add", "192.0.2.40/24", "dev", "eth1")
    text = one.host.run("ping", "-n", "-c", 1, "-W", 3, "-t", 1, "192.0.2.40", check=False)
    assert " 1 received" in text, text


@pytest.mark.parametrize("family,nobody", ((4, "192.0.2.99"), (6, "2001:db8::99")))
def test_the_host_hears_that_nobody_is_there(one, family, nobody):
    """The kernel itself cannot know: Weft answers its ARP and ND for the whole fabric."""
    text = one.host.run("ping", f"-{family}", "-n", "-c", 2, "-W", 5, nobody, check=False)
    assert f"From {nobody}" in text and "nreachable" in text, text


def test_the_host_may_send_from_its_own_addresses_only(one):
    one.host.ip("addr", "replace", "10.99.0.1/32", "dev", "lo")
    with one.router.counts_drop("spoofed_ip", 3):
        one.host.run("ping", "-n", "-c", 3, "-i", 0.02, "-W", 1, "-I", "10.99.0.1", PEER[4], check=False)


def test_it_is_shown(one):
    assert one.router.row("port", "fab0")["host"] == "tap:weft0"
    row = one.router.row("vif", "host")
    assert (row["device"], row["vrf"], row["link"], row["mtu"]) == ("tap:weft0", "underlay", "up", 1500)
    assert row["addresses"] == [HOST[4], HOST[6]]
    routes = {r["prefix"]: r for r in one.router.table("route") if r["vrf"] == "underlay"}
    assert routes["192.0.2.1/32"]["via"] == "vif host"
    counters = {(r["object"], r["counter"]): r["value"] for r in one.router.table("stats")}
    assert counters["port host", "rx_packets"] > 0 and counters["port host", "tx_packets"] > 0
    there = one.router.text("explain", "--port", "fab0", "--src", PEER[4], "--dst", HOST[4])
    assert "transmit out of host" in there and "TTL down" not in there, there
    back = one.router.text("explain", "--vif", "host", "--dst", PEER[4])
    assert "transmit out of fab0" in back and "TTL down" not in back, back


def test_no_other_vif_can_have_its_name(one):
    for words in (("vif", "del", "host"), ("vif", "set", "host", "--address", "192.0.2.77"),
                  ("vif", "add", "host", "--device", "null:", "--vrf", "blue", "--mac", "02:00:00:00:01:77",
                   "--address", "10.1.0.77")):
        with pytest.raises(AssertionError, match="host"):
            one.router.text(*words)
    ping_exactly(one.peer, HOST[4], count=3)


def test_nothing_was_dropped_that_should_not(one):
    """Last of its module: MLD and the like, and what the tests above provoke."""
    expected = {"ip_destination_unsupported", "neighbour_not_ours", "neighbour_unresolved", "spoofed_ip",
                "ip_source_invalid"}
    assert set(one.router.drops()) <= expected, one.router.drops()


def kernel_hears(one):
    """The kernel of the host takes what arrives at eth1, when that has an address again."""
    one.host.ip("addr", "add", f"{HOST[4]}/24", "dev", "eth1")
    # The peer may be about to give up an ARP request from before, which ends a ping at once.
    wait_until(lambda: one.peer.ping(HOST[4], count=3) >= 3, 15, "an answer of the kernel")
    one.host.ip("addr", "del", f"{HOST[4]}/24", "dev", "eth1")


@pytest.mark.parametrize("how", ("stop", "kill"))
def test_nothing_stays_behind(lab, how):
    """However weftd ends, tap and drop go with it, and it can start again."""
    one = OneNic(lab)
    ping_exactly(one.peer, HOST[4], count=3)
    getattr(one.router, how)()
    assert not one.host.has_interface("weft0")
    assert one.host.run("tc", "filter", "show", "dev", "eth1", "ingress").strip() == ""
    kernel_hears(one)
    one.router.start()
    ping_exactly(one.peer, HOST[4], count=3)
    ping_exactly(one.host, PEER[6], count=3)


def test_a_connection_survives_the_switch_over(lab):
    """The line of README, with a TCP connection of the kernel's open meanwhile."""
    one = OneNic(lab, start=False)
    one.host.ip("addr", "add", f"{HOST[4]}/24", "dev", "eth1")
    one.host.ip("route", "add", "default", "via", "192.0.2.254")
    with inside(one.host.name):
        listener = socket.create_server((HOST[4], 2222))
    near = socket_in(one.peer, 4, socket.SOCK_STREAM)
    with listener, near:
        near.settimeout(20)
        near.connect((HOST[4], 2222))
        far, _ = listener.accept()
        with far:
            far.settimeout(20)
            echo = threading.Thread(target=lambda: [far.sendall(b) for b in iter(lambda: far.recv(100), b"")])
            echo.start()
            near.sendall(b"before")
            assert near.recv(100) == b"before"
            line = re.search(r"setsid -f sh -c '(.*?); systemctl restart weftd", (TOP / "README.md").read_text())
            one.host.run("sh", "-c", line[1])
            near.sendall(b"between")
            one.router.start()
            assert near.recv(100) == b"between"
            near.sendall(b"after")
            assert near.recv(100) == b"after"
            near.shutdown(socket.SHUT_WR)
            echo.join(20)
            assert not echo.is_alive()


def refused(one):
    one.router.launch()
    assert one.router.wait_exit() == EXIT_START, one.router.log()
    assert not one.host.has_interface("weft0")
    return one.router.log()


def test_the_refusal_names_the_remedy(lab):
    """An address that the kernel holds too: without the host interface, and with it."""
    one = OneNic(lab, start=False, host="tap:weft0")
    without = {**one.config()}
    del without["ports"][0]["host"]
    one.host.ip("addr", "add", f"{HOST[6]}/64", "dev", "eth1", "nodad")
    log = refused(one)
    assert f"`ip addr del {HOST[6]}/64 dev eth1`, and the kernel has it back on `tap:weft0`" in log
    plain = lab.router(one.host, "plain", without)
    plain.launch()
    assert plain.wait_exit() == EXIT_START
    assert f"take it off by `ip addr del {HOST[6]}/64 dev eth1`" in plain.log()
    assert '`host: "tap:weft0"`' in plain.log() and "One NIC: the host interface" in plain.log()
    one.host.ip("addr", "del", f"{HOST[6]}/64", "dev", "eth1")
    one.router.start()


def test_what_else_is_refused_at_the_start(lab):
    one = OneNic(lab, start=False)
    one.host.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth1")
    assert "ip -6 route flush dev eth1" in refused(one)
    one.host.ip("-6", "route", "flush", "dev", "eth1")
    one.host.run("ethtool", "-K", "eth1", "gro", "on")
    assert "ethtool -K eth1 gro off lro off" in refused(one)
    one.host.run("ethtool", "-K", "eth1", "gro", "off", "lro", "off")
    one.host.ip("tuntap", "add", "weft0", "mode", "tap")
    one.router.launch()
    assert one.router.wait_exit() == EXIT_START
    assert "an interface `weft0` is there already" in one.router.log()
    kernel_hears(one)
    one.host.ip("link", "del", "weft0")
    one.router.start()
    ping_exactly(one.peer, HOST[4], count=3)


def test_without_ipv6_in_the_kernel(lab):
    one = OneNic(lab, start=False)
    one.host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    assert "net.ipv6.conf.default.disable_ipv6" in refused(one)


def test_another_default_route_of_the_host_stays_the_first(lab):
    """A second, managed NIC has the host's default route: Weft's stands behind it."""
    one = OneNic(lab, start=False)
    one.lab.cable(one.host, "mgmt", one.lab.namespace("office"), "eth0")
    one.host.ip("addr", "add", "203.0.113.1/24", "dev", "mgmt")
    one.host.ip("route", "add", "default", "via", "203.0.113.254")
    one.router.start()
    assert "dev mgmt" in one.host.ip("route", "get", "198.51.100.9")
    ping_exactly(one.peer, HOST[4], count=3)


def test_a_jumbo_fabric(lab):
    """The tap takes 1500 bytes; a peer that sends more hears of it."""
    one = OneNic(lab, start=False, mtu=9000)
    for namespace in (one.host, one.peer):
        namespace.ip("link", "set", "eth1", "mtu", 9000)
    one.router.start()
    assert one.router.row("vif", "host")["mtu"] == 1500
    tcp_transfer(one.host, HOST[4], one.peer)
    assert one.peer.ping(HOST[4], "-M", "do", "-s", 8000, count=1, deadline=2) == 0
    wait_until(lambda: one.peer.learned_mtu(HOST[4]) == 1500, 3, "the peer knows the MTU")
