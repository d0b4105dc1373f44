"""Reserved bits of VXLAN: one router sends them, the other counts by them; Linux drops them."""

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from topology import Lone, Pair
from weft import ROUTER_MAC, Stream

LAST, FLAG = "00000000000000ff", "8000000000000000"
BARE_METAL, GATEWAY = "0000000000000051", FLAG
MARKS = [{"name": "bare-metal", "bits": BARE_METAL, "mask": LAST}, {"name": "gateway", "bits": GATEWAY, "mask": FLAG}]
FAR = {4: "10.1.0.12", 6: "fd00:1::12"}
LINUX_MAC = "02:00:00:00:0a:01"
PACKETS, PER_SECOND = 8000, 4000


@pytest.fixture(scope="module")
def pair(module_lab):
    def change(node, config):
        config["decaps"][0]["marks"] = MARKS
        if node == "a":
            config["tunnels"][0]["reserved"] = BARE_METAL

    return Pair(module_lab, change)


def counted(router, name="from-blue"):
    """Packets by mark, None for those without one."""
    rows = router.ctl("show", "decap", name)["rows"]
    return {row["mark"]: row["packets"] for row in rows}


def moved(router, before, name="from-blue"):
    return {mark: n - before.get(mark, 0) for mark, n in counted(router, name).items() if n != before.get(mark, 0)}


@pytest.mark.parametrize("family", (4, 6))
def test_the_other_end_knows_who_sent_it(pair, family):
    vm = pair.vms["blue", "a"]
    vm.ping(FAR[family], count=1)
    before, back = counted(pair.b), counted(pair.a)
    total = pair.b.row("decap", "from-blue")["packets"]
    assert vm.ping(FAR[family], count=20) == 20
    assert moved(pair.b, before) == {"bare-metal": 20}
    assert moved(pair.a, back) == {None: 20}
    assert pair.b.row("decap", "from-blue")["packets"] == total + 20
    assert pair.b.row("decap", "from-blue")["marks"] == ["bare-metal", "gateway"]


def test_metrics_tell_of_marks(pair):
    text = pair.nodes["b"].run("curl", "-sS", "--unix-socket", pair.b.socket, "http://weft/metrics")
    wanted = counted(pair.b)["bare-metal"]
    assert f'weft_decap_mark_receive_packets_total{{decap="from-blue",mark="bare-metal"}} {wanted}\n' in text


def test_explain_names_the_originator(pair):
    inner = Ether(src=ROUTER_MAC, dst=ROUTER_MAC) / IP(src="10.1.0.11", dst=FAR[4]) / UDP(sport=1, dport=2)
    fabric = pair.b.table("port")[0]["mac"]

    def said(**bits):
        frame = Ether(src="02:00:00:00:09:02", dst=fabric) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(
            sport=50000, dport=4789, chksum=0) / VXLAN(flags=8, vni=100, **bits) / inner
        steps = pair.b.ctl("explain", "--port", "fab0", "--hex", raw(frame).hex())["steps"]
        return next(step["text"] for step in steps if step["stage"] == "decap")

    assert "originator: bare-metal (decap from-blue)" in said(reserved2=0x51)
    assert "originator" not in said(reserved2=0x52)


def test_marks_change_under_traffic(pair):
    """Nothing is lost, and each packet counts once: under a mark of before, of now, or as one without any."""
    stream = Stream(pair.vms["blue", "a"], pair.vms["blue", "b"], FAR[4])
    pair.vms["blue", "a"].ping(FAR[4], count=1)
    before = pair.b.row("decap", "from-blue")["packets"]
    ways = (["--no-marks"], ["--mark", f"metal={BARE_METAL}/{LAST}"],
            ["--mark", f"gateway={GATEWAY}/{FLAG}", "--mark", f"bare-metal={BARE_METAL}/{LAST}"])
    try:
        turns = stream.run(PACKETS, PER_SECOND,
                           lambda turn: pair.b.text("decap", "set", "from-blue", *ways[turn % len(ways)]))
        assert not stream.lost() and len(stream.received) == stream.sent, pair.b.drops()
        assert turns >= 6
        assert pair.b.row("decap", "from-blue")["packets"] == before + stream.sent
    finally:
        stream.close()
        pair.b.text("decap", "del", "from-blue")


def test_what_a_tunnel_sends_changes_at_once(pair):
    vm = pair.vms["blue", "a"]
    try:
        for bits, mark in (("0" * 16, None), ("8000000000000052", "gateway"), ("8000000000000051", "bare-metal")):
            pair.a.text("tunnel", "set", "to-blue", "--reserved", bits)
            before = counted(pair.b)
            assert vm.ping(FAR[4], count=5) == 5
            assert moved(pair.b, before) == {mark: 5}
    finally:
        pair.a.text("tunnel", "del", "to-blue")


@pytest.fixture(scope="module")
def lone(module_lab):
    def change(made, config):
        made.peer.close()
        config["tunnels"][0]["inner_destination_mac"] = LINUX_MAC
        made.fabric.ip("link", "add", "tun", "address", LINUX_MAC, "type", "vxlan", "id", 100, "local", "192.0.2.2",
                       "remote", "192.0.2.1", "dstport", 4789)
        made.fabric.run("ethtool", "-K", "tun", "tx", "off")
        made.fabric.ip("link", "set", "tun", "up")
        made.fabric.ip("addr", "add", "10.1.0.12/24", "dev", "tun")
        made.fabric.ip("neigh", "add", "10.1.0.11", "lladdr", ROUTER_MAC, "dev", "tun")

    return Lone(module_lab, change)


def test_linux_takes_none_of_them(lone):
    """So none are sent unless a profile says so."""
    assert lone.vm.ping(FAR[4], count=5) == 5
    for bits in ("0000000000000001", "0000000100000000", "0400000000000000"):
        lone.router.text("tunnel", "set", "to-peer", "--reserved", bits)
        assert lone.vm.ping(FAR[4], count=2, deadline=1) == 0
    lone.router.text("tunnel", "del", "to-peer")
    assert lone.vm.ping(FAR[4], count=5) == 5
