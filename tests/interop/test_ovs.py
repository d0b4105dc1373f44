"""weftd and Open vSwitch's user-space bridge, which has a VM behind it."""

import pytest
from crossings import FRAMES, Crossings, Row, add_tunnels, every, give_underlay
from switch import TO_GUEST, Port, connect, mpls_on_ethernet, nsh_flows, start_switch
from topology import Lone
from weft import wait_until


def mpls_flows(protocol, ether_type, label):
    """The packet without its Ethernet header behind a label, and the way back."""
    return (f"in_port=guest,{protocol},actions=decap(),encap(mpls),set_mpls_label:{label},output:tun",
            f"in_port=tun,packet_type=(1,0x8847),mpls_label={label},mpls_bos=1,"
            f"actions=decap(packet_type(ns=1,type={ether_type})),encap(ethernet),{TO_GUEST}")


GPE = ("exts=gpe", "packet_type=ptap", "dst_port=4790")
BARE_IP = ("in_port=guest,ip,actions=decap(),output:tun", "in_port=guest,ipv6,actions=decap(),output:tun",
           *(f"in_port=tun,packet_type=(1,{ether_type}),actions=encap(ethernet),{TO_GUEST}"
             for ether_type in ("0x800", "0x86dd")))
FROM_TUNNEL = "in_port=tun,actions=output:guest"
SOME_OPTIONS = ("in_port=guest,actions=set_field:0x12345678->tun_metadata0,set_field:0x1->tun_metadata1,output:tun",
                FROM_TUNNEL)
CRITICAL_OPTION = ("in_port=guest,actions=set_field:0x1->tun_metadata0,set_field:0x1->tun_metadata2,output:tun",
                   FROM_TUNNEL)

ROWS = [
    Row("vxlan", {"kind": "vxlan", "vni": 100}, FRAMES, Port("vxlan", ("key=100", "dst_port=4789"))),
    Row("vxlan-gpe", {"kind": "vxlan_gpe", "vni": 101}, FRAMES, Port("vxlan", ("key=101", *GPE))),
    Row("vxlan-gpe-ip", {"kind": "vxlan_gpe", "vni": 102}, {"payload": "ip"},
        Port("vxlan", ("key=102", *GPE), BARE_IP)),
    Row("geneve", {"kind": "geneve", "vni": 103}, FRAMES, Port("geneve", ("key=103",))),
    Row("geneve-options", {"kind": "geneve", "vni": 104}, FRAMES, Port("geneve", ("key=104",), SOME_OPTIONS)),
    Row("gre", {"kind": "gre"}, {**FRAMES, "payload": "ethernet"}, Port("gre")),
    Row("gre-key", {"kind": "gre", "key": 106}, {**FRAMES, "payload": "ethernet"}, Port("gre", ("key=106",))),
    Row("gre-key-ip", {"kind": "gre", "key": 0xfffffff1}, {},
        Port("gre", ("key=0xfffffff1", "packet_type=ptap"), BARE_IP)),
    # The label says which version of IP is inside: the switch does not look.
    Row("mpls-over-gre-4", {"kind": "mpls_over_gre", "label": 104}, {},
        Port("gre", ("packet_type=ptap",), mpls_flows("ip", "0x800", 104)), inner=("ipv4",)),
    Row("mpls-over-gre-6", {"kind": "mpls_over_gre", "label": 106}, {},
        Port("gre", ("packet_type=ptap",), mpls_flows("ipv6", "0x86dd", 106)), inner=("ipv6",)),
    Row("mpls-over-mpls-4", {"kind": "mpls_over_mpls", "label": 107}, {},
        Port("patch", (), mpls_on_ethernet("ip", "0x800", 107)), inner=("ipv4",)),
    Row("mpls-over-mpls-6", {"kind": "mpls_over_mpls", "label": 108}, {},
        Port("patch", (), mpls_on_ethernet("ipv6", "0x86dd", 108)), inner=("ipv6",)),
    Row("nsh-over-vxlan-gpe", {"kind": "nsh_over_vxlan_gpe", "vni": 109, "path": 0x123456, "index": 9}, FRAMES,
        Port("vxlan", ("key=109", *GPE), nsh_flows(0x123456, 9))),
    Row("nsh-over-gre", {"kind": "nsh_over_gre", "key": 110, "path": 110}, {**FRAMES, "payload": "ethernet"},
        Port("gre", ("key=110", "packet_type=ptap"), nsh_flows(110, 255))),
    Row("nsh-over-ethernet", {"kind": "nsh_over_ethernet", "path": 111, "index": 1}, {**FRAMES, "payload": "ethernet"},
        Port("patch", (), nsh_flows(111, 1, on_ethernet=True))),
]


@pytest.fixture(scope="module")
def network(module_lab):
    """A router, and in lone.fabric a switch with a guest."""
    def change(lone, config):
        lone.peer.close()
        add_tunnels(config, ROWS)

    lone = Lone(module_lab, change)
    switch, guest = start_switch(module_lab, lone)
    give_underlay(lone.fabric, "br-phy")
    return lone, switch, guest


@pytest.fixture(scope="module", **every(ROWS))
def crossing(network, request):
    return connect(network, *request.param)


class TestOpenVswitch(Crossings):
    pass


def test_a_critical_option_is_a_reason_to_drop(network):
    row = next(row for row in ROWS if row.name == "geneve-options")
    crossing = connect(network, row, "ipv4")
    network[1].set_flows(CRITICAL_OPTION)
    for near, _ in crossing.ends:
        assert " 0 received" in crossing.peer.run("ping", "-n", "-c", 3, "-i", 0.02, "-W", 0.2, near, check=False)
    wait_until(lambda: (crossing.router.drops() - crossing.drops_before).get("tunnel_option_unknown", 0) >= 6, 2,
               "six drops for a critical option")
