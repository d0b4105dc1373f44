"""weftd and the Linux kernel's SRv6 (seg6, seg6local): H.Encaps, with and without a segment on the way, End, End.DT46,
End.DT4 and End.DT6 here, End, End.DX4 and End.DX6 there."""

from typing import NamedTuple

import pytest
from crossings import INNER, PEER_MTU, UNASKED, UNDERLAYS, give_addresses, give_underlay
from topology import Lone
from weft import Lab, tcp_transfer, wait_until

NEAR, FAR, SUBNET = UNDERLAYS["ipv6"]
# The locators: 2001:db8:5e::/48 is this router's, 2001:db8:a::/48 Linux's.
HERE = {"End": "2001:db8:5e::e", "End.DT46": "2001:db8:5e::46", "End.DT4": "2001:db8:5e::4", "End.DT6": "2001:db8:5e::6"}
THERE = {"End": "2001:db8:a::e", "ipv4": "2001:db8:a::4", "ipv6": "2001:db8:a::6"}


class Row(NamedTuple):
    name: str
    sends: dict = {}           # keys of the tunnels
    over: tuple = ()           # segments of Linux that come before the last one
    back: tuple = ()           # behaviours here that come before the last one
    last: dict = {"ipv4": "End.DT46", "ipv6": "End.DT46"}


ROWS = [
    Row("one"),
    Row("reduced", {"reduced": True}),
    Row("families", last={"ipv4": "End.DT4", "ipv6": "End.DT6"}),
    Row("two", over=("End",), back=("End",)),
    Row("two-reduced", {"reduced": True}, over=("End",), back=("End",), last={"ipv4": "End.DT4", "ipv6": "End.DT6"}),
]


def configure(config):
    give_addresses(config, UNDERLAYS.values())
    config["tunnels"] = [{"name": f"{row.name}-{family}", "kind": "srv6", **row.sends,
                          "segments": [*(THERE[s] for s in row.over), THERE[family]]}
                         for row in ROWS for family in INNER]
    config["decaps"] = [{"name": behaviour, "kind": "srv6", "behaviour": behaviour, "sid": sid, "sources": [SUBNET],
                         **({} if behaviour == "End" else {"vrf": "blue"})} for behaviour, sid in HERE.items()]
    config["routes"] = [{"vrf": "underlay", "prefix": "2001:db8:a::/48", "via": {"gateway": FAR}}]


def route_segments(linux):
    """Linux's segments, and the guest behind them on the cable `guest`."""
    linux.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
              "net.ipv6.conf.all.seg6_enabled=1", "net.ipv6.conf.eth1.seg6_enabled=1", "net.ipv4.conf.all.rp_filter=0",
              "net.ipv6.conf.guest.disable_ipv6=0")
    linux.ip("sr", "tunsrc", "set", FAR)
    linux.ip("addr", "add", "10.1.0.1/24", "dev", "guest")
    linux.ip("addr", "add", "fd00:1::1/64", "dev", "guest", "nodad")
    linux.ip("-6", "route", "add", "2001:db8:5e::/48", "via", NEAR, "dev", "eth1")
    for sid, action in ((THERE["End"], ("End",)), (THERE["ipv4"], ("End.DX4", "nh4", INNER["ipv4"].far)),
                        (THERE["ipv6"], ("End.DX6", "nh6", INNER["ipv6"].far))):
        linux.ip("-6", "route", "add", sid, "encap", "seg6local", "action", *action, "dev", "guest")


@pytest.fixture(scope="module")
def lone():
    def change(made, config):
        made.peer.close()
        give_underlay(made.fabric, "eth1")
        configure(config)

    with Lab() as lab:
        made = Lone(lab, change)
        guest = lab.namespace("guest")
        lab.cable(made.fabric, "guest", guest, "vm0", mtu=PEER_MTU)
        for address in (f"{INNER['ipv4'].far}/24", f"{INNER['ipv6'].far}/64"):
            guest.ip("addr", "add", address, "dev", "vm0", *(["nodad"] if ":" in address else []))
        guest.ip("route", "add", f"{INNER['ipv4'].near}/32", "via", "10.1.0.1")
        guest.ip("-6", "route", "add", f"{INNER['ipv6'].near}/128", "via", "fd00:1::1")
        route_segments(made.fabric)
        yield made, guest


@pytest.fixture(scope="module", params=ROWS, ids=[row.name for row in ROWS])
def crossing(lone, request):
    made, guest = lone
    row = request.param
    for family, (near, far) in INNER.items():
        made.router.set_route("blue", f"{far}/{128 if ':' in far else 32}", f"{row.name}-{family}")
        segments = [HERE[s] for s in (*row.back, row.last[family])]
        made.fabric.ip("route", "replace", near, "encap", "seg6", "mode", "encap", "segs", ",".join(segments),
                       "dev", "eth1")
    wait_until(lambda: all(guest.ping(near, count=1, deadline=1) for near, _ in INNER.values()), 10, "a first ping")
    return made, guest, row


def test_ping_both_ways(crossing):
    made, guest, row = crossing
    used = {behaviour for last in row.last.values() for behaviour in (*row.back, last)}
    before = {b: made.router.row("decap", b)["packets"] for b in HERE}
    drops = made.router.drops()
    for near, far in INNER.values():
        assert made.vm.ping(far, count=10, interval=0.01) == 10, far
        assert guest.ping(near, count=10, interval=0.01) == 10, near
    grown = {b for b in HERE if made.router.row("decap", b)["packets"] - before[b] >= 20}
    assert grown == used
    lost = {r: n - drops.get(r, 0) for r, n in made.router.drops().items() if r not in UNASKED}
    assert not any(lost.values()), lost


@pytest.mark.parametrize("family", INNER)
def test_tcp_both_ways(crossing, family):
    made, guest, _ = crossing
    near, far = INNER[family]
    tcp_transfer(guest, far, made.vm)
    tcp_transfer(made.vm, near, guest)
