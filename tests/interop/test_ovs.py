"""weftd and Open vSwitch's user-space bridge, which has a VM behind it."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from crossings import FRAMES, INNER, PEER_MAC, PEER_MTU, UNDERLAYS, Crossing, Crossings, Row, add_tunnels, every
from crossings import give_underlay, route_into, tunnel_name
from topology import Lone
from weft import ROUTER_MAC, wait_until

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
TO_GUEST = f"set_field:{PEER_MAC}->eth_dst,set_field:{ROUTER_MAC}->eth_src,output:guest"


class Port(NamedTuple):
    """A tunnel port of the switch, or the patch to br-phy for what has no outer IP header, and what it does with
    packets: it bridges, unless told otherwise. FABRIC in flows is the router's MAC."""
    type: str
    options: tuple = ()
    flows: tuple = ("actions=normal",)


def mpls_flows(protocol, ether_type, label):
    """The packet without its Ethernet header behind a label, and the way back."""
    return (f"in_port=guest,{protocol},actions=decap(),encap(mpls),set_mpls_label:{label},output:tun",
            f"in_port=tun,packet_type=(1,0x8847),mpls_label={label},mpls_bos=1,"
            f"actions=decap(packet_type(ns=1,type={ether_type})),encap(ethernet),{TO_GUEST}")


def mpls_on_ethernet(protocol, ether_type, label):
    """The packet behind a label and the underlay's Ethernet header, and the way back."""
    return (f"in_port=guest,{protocol},actions=push_mpls:0x8847,set_field:{label}->mpls_label,"
            "set_field:FABRIC->eth_dst,output:tun",
            f"in_port=tun,mpls,mpls_label={label},mpls_bos=1,actions=pop_mpls:{ether_type},{TO_GUEST}")


def nsh_flows(path, index, *, on_ethernet=False):
    """The frame behind NSH of MD type 1, as the switch makes it, and the way back."""
    link = "encap(ethernet),set_field:FABRIC->eth_dst," if on_ethernet else ""
    arriving = "dl_type=0x894f" if on_ethernet else "packet_type=(1,0x894f)"
    return (f"in_port=guest,actions=encap(nsh(md_type=1)),set_field:{path}->nsh_spi,set_field:{index}->nsh_si,{link}"
            "output:tun",
            f"in_port=tun,{arriving},nsh_spi={path},nsh_si={index},actions={'decap(),' if on_ethernet else ''}decap(),"
            "output:guest")


GPE = ("exts=gpe", "packet_type=ptap", "dst_port=4790")
BARE_IP = ("in_port=guest,ip,actions=decap(),output:tun", "in_port=guest,ipv6,actions=decap(),output:tun",
           *(f"in_port=tun,packet_type=(1,{ether_type}),actions=encap(ethernet),{TO_GUEST}"
             for ether_type in ("0x800", "0x86dd")))
# Options of class 0x0102, of which the last is critical.
OPTIONS = ("{class=0x102,type=1,len=4}->tun_metadata0,{class=0x102,type=2,len=12}->tun_metadata1,"
           "{class=0x102,type=0x80,len=4}->tun_metadata2")
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


class OpenVswitch:
    """Its own database, sockets and daemon in a namespace; the host's are not touched."""

    def __init__(self, lab, namespace, router_mac):
        self.namespace = namespace
        self.router_mac = router_mac
        self.directory = lab.directory / "ovs"
        self.directory.mkdir()
        self.environment = dict(os.environ, **{f"OVS_{name}": str(self.directory) for name in
                                               ("RUNDIR", "DBDIR", "LOGDIR", "SYSCONFDIR")})
        self.database = f"unix:{self.directory}/db.sock"
        self.run("ovsdb-tool", "create", self.directory / "conf.db", SCHEMA)
        self.start("ovsdb-server", self.directory / "conf.db", f"--remote=p{self.database}")
        wait_until((self.directory / "db.sock").exists, 5, "ovsdb-server")
        self.vsctl("--no-wait", "init")
        self.start("ovs-vswitchd", self.database, f"--unixctl={self.directory}/ovs.ctl")

    def run(self, *command):
        return self.namespace.run(*command, env=self.environment)

    def start(self, *command):
        variables = [f"{k}={v}" for k, v in self.environment.items() if k.startswith("OVS_")]
        return self.namespace.start("env", *variables, *command)

    def vsctl(self, *arguments):
        return self.run("ovs-vsctl", f"--db={self.database}", "--timeout=10", *arguments)

    def ofctl(self, command, *arguments):
        return self.run("ovs-ofctl", "-OOpenFlow15", command, "br-int", *arguments)

    def add_bridges(self):
        """br-phy holds the underlay, br-int the guest and the tunnel's port."""
        self.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "--",
                   "add-port", "br-phy", "eth1", "--",
                   "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev",
                   "protocols=OpenFlow15", "--", "add-port", "br-int", "guest")
        self.ofctl("add-tlv-map", OPTIONS)
        self.vsctl("add-port", "br-phy", "phy-tun", "--", "set", "interface", "phy-tun", "type=patch",
                   "options:peer=tun")
        for flow in ("in_port=eth1,dl_type=0x8847,actions=output:phy-tun",
                     "in_port=eth1,dl_type=0x894f,actions=output:phy-tun", "in_port=phy-tun,actions=output:eth1"):
            self.run("ovs-ofctl", "add-flow", "br-phy", f"priority=40000,{flow}")

    def set_tunnel(self, port, underlay):
        ends = ("peer=phy-tun",) if port.type == "patch" else (f"remote_ip={underlay.near}", f"local_ip={underlay.far}")
        options = (*ends, *port.options)
        self.vsctl("--if-exists", "del-port", "br-int", "tun", "--", "add-port", "br-int", "tun", "--",
                   "set", "interface", "tun", f"type={port.type}", *(f"options:{option}" for option in options))
        self.set_flows(port.flows)

    def set_flows(self, flows):
        self.ofctl("del-flows")
        for flow in flows:
            self.ofctl("add-flow", flow.replace("FABRIC", self.router_mac))


@pytest.fixture(scope="module")
def network(module_lab):
    """A router, and in lone.fabric a switch with a guest."""
    if not (SCHEMA.exists() and shutil.which("ovs-vswitchd")):
        pytest.skip("openvswitch-switch is not installed")

    def change(lone, config):
        lone.peer.close()
        add_tunnels(config, ROWS)

    lone = Lone(module_lab, change)
    lone.fabric.ip("addr", "flush", "dev", "eth1")
    switch = OpenVswitch(module_lab, lone.fabric, lone.router.row("port", "fab0")["mac"])
    guest = module_lab.namespace("guest")
    module_lab.cable(lone.fabric, "guest", guest, "vm0", mtu=PEER_MTU)
    guest.ip("link", "set", "vm0", "address", PEER_MAC)
    guest.ip("addr", "add", "10.1.0.12/24", "dev", "vm0")
    guest.ip("addr", "add", "fd00:1::12/64", "dev", "vm0", "nodad")
    switch.add_bridges()
    give_underlay(lone.fabric, "br-phy")
    return lone, switch, guest


def connect(network, row, underlay):
    lone, switch, guest = network
    switch.set_tunnel(row.peer, UNDERLAYS[underlay])
    route_into(lone.router, tunnel_name(row, underlay))
    for near, _ in INNER.values():  # whom no ARP or ND reaches through bare IP
        state = "stale" if row.ethernet else "permanent"
        guest.ip("neigh", "replace", near, "lladdr", ROUTER_MAC, "dev", "vm0", "nud", state)
    return Crossing(row, tunnel_name(row, underlay), lone.vm, guest, lone.router)


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
