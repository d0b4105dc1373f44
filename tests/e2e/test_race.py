"""Next hops that go while workers are at full speed."""

import json

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap
from topology import base, tunnel
from weft import ROUTER_MAC, wait_until

TURNS = 200


def test_a_next_hop_that_a_worker_has_just_found(lab):
    """A route moves to a new tunnel and the old one goes in the same reload, again and again, while
    a worker takes packets from an endless source: some have just found the old next hop."""
    node = lab.namespace("node", ipv6=False)
    packets = lab.directory / "packets.pcap"
    wrpcap(str(packets), [Ether(src="02:00:00:00:01:11", dst=ROUTER_MAC)
                          / IP(src="10.1.0.11", dst="10.1.0.12") / UDP(sport=1000 + i, dport=9)
                          for i in range(64)])
    config = base("race", "192.0.2.1", device="null:")
    config["neighbours"] = [{"address": "192.0.2.2", "mac": "02:00:00:00:00:02"}]
    config["vifs"] = [{"name": "vm", "device": f"dpdk:net_pcap,rx_pcap={packets},infinite_rx=1",
                       "vrf": "blue", "mac": "02:00:00:00:01:11", "addresses": ["10.1.0.11"]}]
    config["tunnels"] = [tunnel("t0", 100, "192.0.2.2")]
    config["routes"] = [{"vrf": "blue", "prefix": "10.1.0.12/32", "via": {"tunnel": "t0"}}]
    router = lab.router(node, "race", config).start()
    running = json.loads(router.config_path.read_text())
    wait_until(lambda: router.row("tunnel", "t0")["packets"] > 10000, 10, "packets")
    for turn in range(1, TURNS + 1):
        running["tunnels"] = [tunnel(f"t{turn}", 100, "192.0.2.2")]
        running["routes"][0]["via"] = {"tunnel": f"t{turn}"}
        router.config_path.write_text(json.dumps(running))
        router.text("reload")
    wait_until(lambda: router.row("tunnel", f"t{TURNS}")["packets"] > 10000, 10, "packets")
    assert router.drops()["nexthop_missing"] == 0
