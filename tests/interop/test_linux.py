"""weftd and the tunnel devices of the Linux kernel."""

import pytest
from crossings import FRAMES, INNER, PEER_MAC, PEER_MTU, UNDERLAYS, Crossing, Crossings, Row, add_tunnels, every
from crossings import give_underlay, route_into, tunnel_name
from topology import Lone
from weft import Lab


def vxlan(linux, underlay):
    linux.ip("link", "add", "tun", "address", PEER_MAC, "mtu", PEER_MTU, "type", "vxlan", "id", 100,
             "local", underlay.far, "remote", underlay.near, "dstport", 4789)
    linux.run("ethtool", "-K", "tun", "tx", "off")
    linux.ip("link", "set", "tun", "up")


def vxlan_gpe(linux, underlay):
    """Bare IP; where it goes is written at the route, for which the device is `external`."""
    linux.ip("link", "add", "tun", "mtu", PEER_MTU, "type", "vxlan", "gpe", "external", "dstport", 4790)
    linux.run("ethtool", "-K", "tun", "tx", "off")
    linux.ip("link", "set", "tun", "up")
    for near, _ in INNER.values():
        linux.ip("route", "replace", near, "encap", "ip6" if ":" in underlay.near else "ip", "id", 101,
                 "dst", underlay.near, "csum", "dev", "tun")


ROWS = [
    Row("vxlan", {"kind": "vxlan", "vni": 100}, FRAMES, vxlan),
    Row("vxlan-gpe-ip", {"kind": "vxlan_gpe", "vni": 101}, {"payload": "ip"}, vxlan_gpe),
]


@pytest.fixture(scope="module")
def lone():
    def change(made, config):
        made.peer.close()
        give_underlay(made.fabric, "eth1")
        add_tunnels(config, ROWS)

    with Lab() as lab:
        yield Lone(lab, change)


@pytest.fixture(scope="module", **every(ROWS))
def crossing(lone, request):
    row, underlay = request.param
    row.peer(lone.fabric, UNDERLAYS[underlay])
    for _, far in INNER.values():
        lone.fabric.ip("addr", "add", f"{far}/{64 if ':' in far else 24}", "dev", "tun",
                       *(["nodad"] if ":" in far else []))
    route_into(lone.router, tunnel_name(row, underlay))
    yield Crossing(row, tunnel_name(row, underlay), lone.vm, lone.fabric, lone.router)
    lone.fabric.ip("link", "del", "tun")


class TestLinux(Crossings):
    pass
