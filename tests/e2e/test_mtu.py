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
    stats = {(row["object"], row["counter"]): row["value"] for row in pair.a.table("stats")}
    assert stats["size", "mss_lowered"] == 2
    assert pair.a.drops()["too_big"] == 0
