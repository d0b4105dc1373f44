"""Kinds of tunnels that no peer here speaks: weftd at both ends, and tshark as judge of what is between."""

from typing import NamedTuple

import pytest
from crossings import PEER_MTU, UNDERLAYS, Crossing, Crossings, Row, add_tunnels, every, route_into, tunnel_name
from topology import Pair
from weft import run, wait_until

PROTOCOLS = {"ipv4": "ip:icmp", "ipv6": "ipv6:icmpv6"}  # of an inner ping, as tshark names them
ECHO = "icmp.type == 8 or icmpv6.type == 128"


class Reading(NamedTuple):
    """What tshark has to find: the protocols between the outer IP header and the inner one, and fields."""
    between: str
    fields: dict


ROWS = [
    Row("mpls-over-udp", {"kind": "mpls_over_udp", "label": 110}, {}, Reading("udp:mpls", {
        "udp.dstport": "6635", "mpls.label": "110", "mpls.bottom": "1", "mpls.exp": "0", "mpls.ttl": "64"})),
    Row("mpls-over-mpls", {"kind": "mpls_over_mpls", "label": 111, "labels": [17]}, {}, Reading("mpls", {
        "mpls.label": "17,111", "mpls.bottom": "0,1", "mpls.ttl": "64,64"})),
    Row("nsh-over-gre", {"kind": "nsh_over_gre", "key": 112, "path": 112, "index": 7}, {}, Reading("gre:nsh", {
        "gre.key": "0x00000070", "nsh.spi": "112", "nsh.si": "7", "nsh.ttl": "0x003f", "nsh.mdtype": "1"})),
    Row("nsh-over-ethernet", {"kind": "nsh_over_ethernet", "path": 113}, {"options": ["0102:03:2a2b"]}, Reading("nsh", {
        "nsh.spi": "113", "nsh.si": "255", "nsh.mdtype": "2"})),
]


@pytest.fixture(scope="module")
def pair(module_lab):
    def change(node, config):
        add_tunnels(config, ROWS, far_side=node == "b")

    made = Pair(module_lab, change)
    made.vms["blue", "b"].ip("link", "set", "vm0", "mtu", PEER_MTU)
    return made


@pytest.fixture(scope="module", **every(ROWS))
def crossing(pair, request):
    row, name = request.param[0], tunnel_name(*request.param)
    route_into(pair.a, name)
    route_into(pair.b, name, far_side=True)
    return Crossing(row, name, pair.vms["blue", "a"], pair.vms["blue", "b"], pair.a)


def dissect(path, fields):
    """The fields of each ping in the capture; of several headers with the field, all of them."""
    text = run("tshark", "-n", "-r", path, "-o", "udp.check_checksum:TRUE", "-Y", ECHO, "-T", "fields",
               *(word for name in fields for word in ("-e", name)), check=False)
    return [line.split("\t") for line in text.splitlines() if "\t" in line]


class TestWeft(Crossings):
    @pytest.mark.parametrize("inner", PROTOCOLS)
    def test_bytes_on_the_wire(self, pair, crossing, request, inner):
        outer = request.node.callspec.params["crossing"][1]
        underlay, ends = UNDERLAYS[outer], crossing.ends[crossing.row.inner.index(inner)]
        between, fields = crossing.row.peer
        on_ethernet = crossing.row.on_ethernet
        outside = between if on_ethernet else PROTOCOLS[outer].split(":")[0] + ":" + between
        wanted = {"frame.protocols": f"eth:ethertype:{outside}:{PROTOCOLS[inner]}:data", **fields}
        addresses = [f"{ip}.{end}" for end in ("src", "dst") for ip in ("ip", "ipv6")]
        # On b, since what a router sends by-passes the sniffers on its own side.
        passing = "ether proto 0x8847 or ether proto 0x894f" if on_ethernet else f"src host {underlay.near}"
        _, path = pair.lab.capture(pair.nodes["b"], "eth1", passing)
        assert crossing.vm.ping(ends.far, count=3) == 3
        for packet in wait_until(lambda: dissect(path, [*wanted, *addresses])[2:], 5, "three pings in the capture"):
            assert dict(zip(wanted, packet)) == wanted
            found = {address for field in packet[len(wanted):] for address in field.split(",") if address}
            outer_ends = set() if on_ethernet else {underlay.near, underlay.far}
            assert found == {ends.near, ends.far} | outer_ends
