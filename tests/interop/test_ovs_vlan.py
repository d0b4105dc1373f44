"""An underlay in a VLAN: weftd's port is `vlan: 100` of a trunk to Open vSwitch, whose underlay is in that VLAN too."""

import pytest
from crossings import FRAMES, Crossings, Row, add_tunnels, every, give_underlay
from switch import Port, connect, mpls_on_ethernet, nsh_flows, start_switch
from topology import Lone
from weft import wait_until

VLAN = 100
ROWS = [
    Row("vxlan", {"kind": "vxlan", "vni": 100}, FRAMES, Port("vxlan", ("key=100", "dst_port=4789"))),
    Row("geneve", {"kind": "geneve", "vni": 103}, FRAMES, Port("geneve", ("key=103",))),
    Row("mpls-over-mpls", {"kind": "mpls_over_mpls", "label": 107}, {},
        Port("patch", (), mpls_on_ethernet("ip", "0x800", 107)), inner=("ipv4",)),
    Row("nsh-over-ethernet", {"kind": "nsh_over_ethernet", "path": 111, "index": 1}, {**FRAMES, "payload": "ethernet"},
        Port("patch", (), nsh_flows(111, 1, on_ethernet=True))),
]


@pytest.fixture(scope="module")
def network(module_lab):
    """A router, and in lone.fabric a switch with a guest; what is on the cable between them, tcpdump has."""
    def change(lone, config):
        lone.peer.close()
        add_tunnels(config, ROWS)
        config["ports"][0]["vlan"] = VLAN

    lone = Lone(module_lab, change)
    switch, guest = start_switch(module_lab, lone)
    switch.set_vlan(VLAN)
    give_underlay(lone.fabric, "br-phy")
    return lone, switch, guest


@pytest.fixture(scope="module", **every(ROWS))
def crossing(network, request):
    return connect(network, *request.param)


class TestVlan(Crossings):
    pass


def seen(lone, count):
    """VLAN identifiers of frames on the cable, as tshark reads them while pings go."""
    capture, path = lone.lab.capture(lone.fabric, "eth1")
    assert lone.vm.ping("10.1.0.12", count=count) == count
    capture.terminate()
    capture.wait()
    text = lone.fabric.run("tshark", "-n", "-r", path, "-T", "fields", "-e", "vlan.id", "-e", "frame.protocols",
                           env={"HOME": str(lone.lab.directory), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    return [line.split("\t")[0] for line in text.splitlines() if ":" in line]


def test_what_is_on_the_cable(network):
    connect(network, ROWS[0], "ipv4")
    vlans = seen(network[0], 20)
    assert len(vlans) >= 40 and set(vlans) == {str(VLAN)}, vlans


@pytest.mark.parametrize("vlan, reason", [(101, "vlan_unknown"), (None, "vlan_missing")], ids=["another", "none"])
def test_another_vlan_is_another_network(network, vlan, reason):
    lone, switch, _ = network
    crossing = connect(network, ROWS[0], "ipv4")
    before = lone.router.drops()
    switch.set_vlan(vlan)
    try:
        for near, _ in crossing.ends:
            assert " 0 received" in crossing.peer.run("ping", "-n", "-c", 3, "-i", 0.02, "-W", 0.2, near, check=False)
        wait_until(lambda: lone.router.drops()[reason] >= before[reason] + 6, 3, f"six drops for {reason}")
        assert set(lone.router.drops() - before) == {reason}
    finally:
        switch.set_vlan(VLAN)
    wait_until(lambda: crossing.peer.ping(crossing.ends[0].near, count=1, deadline=1), 10, "a ping in the right VLAN")
