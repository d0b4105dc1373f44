"""Open vSwitch's user-space bridge with a guest behind it, in a namespace."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from crossings import INNER, PEER_MAC, PEER_MTU, UNDERLAYS, Crossing, route_into, tunnel_name
from weft import ROUTER_MAC, wait_until

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
# Options of class 0x0102, of which the last is critical.
OPTIONS = ("{class=0x102,type=1,len=4}->tun_metadata0,{class=0x102,type=2,len=12}->tun_metadata1,"
           "{class=0x102,type=0x80,len=4}->tun_metadata2")

TO_GUEST = f"set_field:{PEER_MAC}->eth_dst,set_field:{ROUTER_MAC}->eth_src,output:guest"


class Port(NamedTuple):
    """A tunnel port of the switch, or the patch to br-phy for what has no outer IP header, and what it does with
    packets: it bridges, unless told otherwise. FABRIC in flows is the router's MAC."""
    type: str
    options: tuple = ()
    flows: tuple = ("actions=normal",)


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
        self.set_vlan(None)

    def set_vlan(self, vlan):
        """Frames of the underlay have a VLAN's tag at eth1 from now on, which is a trunk; None: they have none."""
        tag = ("set", "port", "br-phy", f"tag={vlan}") if vlan else ("clear", "port", "br-phy", "tag")
        self.vsctl(*tag)
        self.run("ovs-ofctl", "del-flows", "br-phy", "in_port=eth1")
        self.run("ovs-ofctl", "del-flows", "br-phy", "in_port=phy-tun")
        match, take = (f"dl_vlan={vlan},", "strip_vlan,") if vlan else ("", "")
        put = f"push_vlan:0x8100,set_field:{vlan | 0x1000}->vlan_vid," if vlan else ""
        for flow in (f"in_port=eth1,{match}dl_type=0x8847,actions={take}output:phy-tun",
                     f"in_port=eth1,{match}dl_type=0x894f,actions={take}output:phy-tun",
                     f"in_port=phy-tun,actions={put}output:eth1"):
            self.run("ovs-ofctl", "-OOpenFlow13", "add-flow", "br-phy", f"priority=40000,{flow}")

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


def start_switch(lab, lone):
    """(switch, guest): the switch in lone.fabric, as far as the bridges; br-phy has no address yet."""
    if not (SCHEMA.exists() and shutil.which("ovs-vswitchd")):
        pytest.skip("openvswitch-switch is not installed")
    lone.fabric.ip("addr", "flush", "dev", "eth1")
    switch = OpenVswitch(lab, lone.fabric, lone.router.row("port", "fab0")["mac"])
    guest = lab.namespace("guest")
    lab.cable(lone.fabric, "guest", guest, "vm0", mtu=PEER_MTU)
    guest.ip("link", "set", "vm0", "address", PEER_MAC)
    guest.ip("addr", "add", "10.1.0.12/24", "dev", "vm0")
    guest.ip("addr", "add", "fd00:1::12/64", "dev", "vm0", "nodad")
    switch.add_bridges()
    return switch, guest


def connect(network, row, underlay):
    lone, switch, guest = network
    switch.set_tunnel(row.peer, UNDERLAYS[underlay])
    route_into(lone.router, tunnel_name(row, underlay))
    for near, _ in INNER.values():  # whom no ARP or ND reaches through bare IP
        state = "stale" if row.ethernet else "permanent"
        guest.ip("neigh", "replace", near, "lladdr", ROUTER_MAC, "dev", "vm0", "nud", state)
    return Crossing(row, tunnel_name(row, underlay), lone.vm, guest, lone.router)
