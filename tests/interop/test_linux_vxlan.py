"""weftd and the Linux kernel's vxlan device, over an IPv4 and over an IPv6 underlay."""

import pytest
from topology import Lone
from weft import Lab, tcp_transfer, wait_until

LINUX_MAC = "02:00:00:00:01:12"
UNDERLAYS = {
    "ipv4": ("192.0.2.1", "192.0.2.2", 1450),
    "ipv6": ("2001:db8::1", "2001:db8::2", 1430),
}


def add_vxlan_device(linux, here, there, mtu):
    linux.ip("link", "add", "vx", "address", LINUX_MAC, "mtu", mtu, "type", "vxlan", "id", 100,
             "local", there, "remote", here, "dstport", 4789)
    linux.run("ethtool", "-K", "vx", "tx", "off")
    linux.ip("link", "set", "vx", "up")
    linux.ip("addr", "add", "10.1.0.12/24", "dev", "vx")
    linux.ip("addr", "add", "fd00:1::12/64", "dev", "vx", "nodad")


@pytest.fixture(scope="module", params=UNDERLAYS)
def lone(request):
    """The namespace `fabric` has a vxlan device with the addresses 10.1.0.12 and fd00:1::12."""
    here, there, mtu = UNDERLAYS[request.param]

    def change(made, config):
        made.peer.close()  # the kernel's vxlan device wants the port
        made.fabric.run("sysctl", "-qw", "net.ipv6.conf.eth1.disable_ipv6=0",
                        "net.ipv6.conf.default.disable_ipv6=0", "net.ipv6.conf.default.accept_dad=0")
        made.fabric.ip("addr", "add", "2001:db8::2/64", "dev", "eth1", "nodad")
        config["node"]["tunnel_address"] = ["192.0.2.1", "2001:db8::1"]
        config["ports"][0]["addresses"].append("2001:db8::1/64")
        config["tunnels"][0].update(remote=there, inner_destination_mac=LINUX_MAC)
        config["decaps"][0]["sources"] = [f"{there}/{32 if '.' in there else 128}"]

    with Lab() as lab:
        made = Lone(lab, change)
        add_vxlan_device(made.fabric, here, there, mtu)
        yield made


@pytest.mark.parametrize("near,far", (("10.1.0.11", "10.1.0.12"), ("fd00:1::11", "fd00:1::12")))
class TestLinux:
    def test_ping_both_ways(self, lone, near, far):
        assert lone.vm.ping(far, count=10) == 10
        assert lone.fabric.ping(near, count=10) == 10

    def test_linux_asks_first(self, lone, near, far):
        """ARP and ND of the peer come through the tunnel and are answered by the router."""
        lone.fabric.ip("neigh", "flush", "dev", "vx")
        assert lone.fabric.ping(near, count=3) == 3
        wait_until(lambda: "02:00:5e:00:01:01" in lone.fabric.ip("neigh", "show", near), 2, f"{far} knows us")

    def test_tcp_both_ways(self, lone, near, far):
        tcp_transfer(lone.fabric, far, lone.vm)
        tcp_transfer(lone.vm, near, lone.fabric)


def test_nothing_was_dropped_for_a_malformed_packet(lone):
    bad = {r: n for r, n in lone.router.drops().items() if "checksum" in r or "length" in r or "tunnel" in r}
    assert not any(bad.values()), bad
