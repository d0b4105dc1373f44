"""What does not fit the way: segments of TCP made smaller, packets in pieces, between real kernels."""

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from topology import Pair
from weft import tcp_transfer

OVER_VXLAN = 50


def openings(wire, seconds=0.3):
    """MSS by flags, of the TCP connections whose first packets have come in by the wire."""
    seen = {}
    for frame in wire.frames(seconds):
        packet = Ether(frame)
        if packet.haslayer(TCP) and packet[TCP].flags.S:
            seen[str(packet[TCP].flags)] = dict(packet[TCP].options)["MSS"]
    return seen


@pytest.mark.parametrize("address, headers", (("10.1.0.12", 40), ("fd00:1::12", 60)))
@pytest.mark.parametrize("clamp, most", (("auto", None), (1200, 1200)))
@pytest.mark.parametrize("where", ("tunnel", "vif"))
def test_mss_is_lowered_both_ways(lab, where, clamp, most, address, headers):
    """Only node a clamps; both VMs' kernels say what their own MTU leaves, and hear what fits the tunnel."""
    def change(node, config):
        if node == "a":
            key = {"tunnel": "tunnels", "vif": "vifs"}[where]
            for item in config[key]:
                item["mss_clamp"] = clamp

    pair = Pair(lab, change)
    near, far = pair.vms["blue", "a"], pair.vms["blue", "b"]
    fits = most or 1500 - OVER_VXLAN - headers
    at_near, at_far = lab.wire(near, "vm0"), lab.wire(far, "vm0")
    tcp_transfer(far, address, near)
    assert openings(at_near) == {"SA": fits}
    assert openings(at_far) == {"S": fits}
    assert stats(pair.a)["size", "mss_lowered"] == 2
    assert pair.a.drops()["too_big"] == 0


def stats(router):
    return {(row["object"], row["counter"]): row["value"] for row in router.table("stats")}


def test_large_pings_go_in_pieces(lab):
    """1500 bytes, and 3028 that the VM's kernel has cut itself to more than fits, both ways and in answer."""
    pair = Pair(lab)
    near, far = pair.vms["blue", "a"], pair.vms["blue", "b"]
    for size in (1472, 3000, 8000):
        before = stats(pair.a)
        assert near.ping("10.1.0.12", "-s", size, "-M", "dont", count=10) == 10, size
        assert far.ping("10.1.0.11", "-s", size, "-M", "dont", count=10) == 10, size
        after = stats(pair.a)
        assert after["size", "fragmented"] - before["size", "fragmented"] >= 20, size
    drops = pair.a.drops()
    assert drops["too_big_fragmentable"] == 0
