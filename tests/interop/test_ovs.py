"""weftd and Open vSwitch's user-space bridge, which is a layer-2 VXLAN peer with a VM behind it."""

import os
import shutil
from pathlib import Path

import pytest
from topology import Lone
from weft import tcp_transfer, wait_until

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
GUEST_MAC = "02:00:00:00:01:12"


class OpenVswitch:
    """Its own database, sockets and daemon in a namespace; the host's are not touched."""

    def __init__(self, lab, namespace):
        self.namespace = namespace
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


@pytest.fixture(scope="module")
def network(module_lab):
    """lone.fabric runs the switch: br-phy holds the underlay, br-int the VXLAN port and the guest."""
    if not (SCHEMA.exists() and shutil.which("ovs-vswitchd")):
        pytest.skip("openvswitch-switch is not installed")

    def change(_, config):
        config["tunnels"][0]["inner_destination_mac"] = GUEST_MAC

    lone = Lone(module_lab, change)
    lone.peer.close()
    switch = OpenVswitch(module_lab, lone.fabric)
    guest = module_lab.namespace("guest")
    module_lab.cable(lone.fabric, "guest", guest, "vm0", mtu=1450)
    guest.ip("link", "set", "vm0", "address", GUEST_MAC)
    guest.ip("addr", "add", "10.1.0.12/24", "dev", "vm0")
    guest.ip("addr", "add", "fd00:1::12/64", "dev", "vm0", "nodad")
    lone.fabric.ip("addr", "flush", "dev", "eth1")
    switch.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "--",
                 "add-port", "br-phy", "eth1", "--",
                 "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "--",
                 "add-port", "br-int", "guest", "--",
                 "add-port", "br-int", "vx", "--", "set", "interface", "vx", "type=vxlan",
                 "options:remote_ip=192.0.2.1", "options:local_ip=192.0.2.2", "options:key=100",
                 "options:dst_port=4789")
    lone.fabric.ip("addr", "add", "192.0.2.2/24", "dev", "br-phy")
    lone.fabric.ip("link", "set", "br-phy", "up")
    # The switch drops what it sends before it has learned its neighbour.
    wait_until(lambda: guest.ping("10.1.0.11", count=1, deadline=1), 10, "a first ping")
    return lone.vm, guest, lone.router


@pytest.mark.parametrize("near,far", (("10.1.0.11", "10.1.0.12"), ("fd00:1::11", "fd00:1::12")))
def test_ping_both_ways(network, near, far):
    vm, guest, _ = network
    assert vm.ping(far, count=10) == 10
    assert guest.ping(near, count=10) == 10


@pytest.mark.parametrize("near,far", (("10.1.0.11", "10.1.0.12"), ("fd00:1::11", "fd00:1::12")))
def test_tcp_both_ways(network, near, far):
    vm, guest, _ = network
    tcp_transfer(guest, far, vm)
    tcp_transfer(vm, near, guest)


def test_nothing_was_dropped_for_a_malformed_packet(network):
    drops = network[2].drops()
    bad = {r: n for r, n in drops.items() if "checksum" in r or "length" in r or "tunnel_header" in r}
    assert not any(bad.values()), bad
