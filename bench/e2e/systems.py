"""The systems under test. Each forwards what net_pcap (infinite_rx) offers to net_null on CPU 1.

A run answers cycles a packet, see measured.py; the peer is in ovs.py. net_pcap with infinite_rx keeps a buffer for each
packet of its file.
"""
import json
import os
import re
import subprocess
import tempfile
import time
from typing import NamedTuple

import packets
from tunnel_works import FAR_MAC, IPV4, KINDS, NETWORK, PCAP_MAC, TUNNEL_WORKS
from measured import cycles, end


def memory_mb(work, flows):
    """For packets, of which weftd makes buffers of 70 %; the mixed works have many ports."""
    return 512 + flows * 4 // 1024 + (256 if work.startswith("mixed") else 0)


def sessions(flows):
    """For which weftd has room: a table of a million, or half full."""
    return max(1 << 20, 1 << (2 * flows - 1).bit_length())


def hugepages_mb(work, flows):
    """For packets, some more, and sessions: 256 bytes each, those of IPv6, and what may be wasted."""
    return memory_mb(work, flows) + 256 + sessions(flows) * 256 // (1 << 20) + 96 + 12


def testpmd(pcap, flows, mode):
    """DPDK's own forwarder: the cost of input and output alone."""
    command = ["stdbuf", "-oL", "dpdk-testpmd", "--in-memory", "--no-pci", "-l", "0,1", "--main-lcore", "0",
               "--vdev", "net_pcap0,rx_pcap=%s,infinite_rx=1" % pcap, "--vdev", "net_null0,no-rx=1",
               "--", "-i", "--nb-cores=1", "--forward-mode=" + mode,
               "--total-num-mbufs=%d" % max(16384, flows + flows // 50 + 8192)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, bufsize=1)

    def say(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def received():
        say("show port stats 1")
        for line in process.stdout:
            found = re.search(r"TX-packets:\s*(\d+)", line)
            if found:
                return int(found.group(1))
        raise SystemExit("testpmd ended early; try it by hand:\n  " + " ".join(command))

    try:
        say("start")
        measured = cycles(process, received)
        say("stop")
        say("quit")
        process.wait(20)
    finally:
        end(process)
    return measured


BASE = """
node: {{name: bench, tunnel_address: "{local}"}}
dpdk: {{hugepages: on, memory_mb: {memory}}}
workers: {{lcores: [1], burst: 32, idle: poll}}
flows: {{sessions: {sessions}}}
api: {{socket: {socket}}}
"""

VRF = """
vrfs:
  - {{name: blue, id: 1, router_mac: "{mac}", subnets: [{{prefix: 10.2.0.0/16, gateway: 10.2.255.1}}]}}
"""

WAYS = {
    "encap": VRF + """
ports:
  - {{name: fab0, device: "dpdk:net_null0,no-rx=1", addresses: ["{link}"]}}
neighbours:
  - {{vrf: underlay, address: "{remote}", mac: "{far}"}}
vifs:
  - {{name: vm1, device: "dpdk:net_pcap0,rx_pcap={pcap},infinite_rx=1", vrf: blue, mac: "{far}", addresses: [10.1.0.1], anti_spoofing: false, flows: off}}
tunnels:
  - {tunnel}
routes:
  - {{vrf: blue, prefix: 10.2.0.0/24, via: {{tunnel: to-far}}}}
""",
    "decap": VRF + """
ports:
  - {{name: fab0, device: "dpdk:net_pcap0,rx_pcap={pcap},infinite_rx=1", addresses: ["{link}"]}}
vifs:
  - {{name: vm1, device: "dpdk:net_null0,no-rx=1", vrf: blue, mac: "{far}", addresses: [10.1.0.1], flows: off}}
decaps:
  - {decap}
routes:
  - {{vrf: blue, prefix: 10.2.0.0/24, via: {{vif: vm1}}}}
"""}

ROUTE = """
ports:
  - {{name: fab0, device: "dpdk:net_pcap0,rx_pcap={pcap},infinite_rx=1", addresses: ["{link}"]}}
  - {{name: fab1, device: "dpdk:net_null0,no-rx=1", addresses: [172.31.2.1/24]}}
neighbours:
  - {{vrf: underlay, address: 172.31.2.2, mac: "{far}"}}
routes:
  - {{vrf: underlay, prefix: 10.2.0.0/16, via: {{gateway: 172.31.2.2}}}}
"""


class Work(NamedTuple):
    shape: str  # of its packets
    config: str
    kind: str = "vxlan"


def _tunnel_work(work):
    config = WAYS[work.way].replace("flows: off", "flows: on") if work.flows else WAYS[work.way]
    return Work("inner" if work.way == "encap" else work.kind, config, work.kind)


WORKS = {name: _tunnel_work(work) for name, work in TUNNEL_WORKS.items()}
WORKS["route1"] = Work("inner", ROUTE)
WORKS["route100k"] = Work("route", ROUTE)
WORKS["route-flow"] = Work("inner", ROUTE.replace('addresses: ["{link}"]}}', 'addresses: ["{link}"], flows: on}}'))


# As encap-flow, and the VIF may send by the last of 1 000 rules.
RULES = 1000
WORKS["encap-policy"] = Work("inner", WORKS["encap-flow"].config.replace("flows: on", "flows: on, security_groups: [many]") + """
security_groups:
  - {{name: many, egress: [%s]}}
""" % ", ".join(["{{protocol: tcp, to: 10.%d.%d.0/24, ports: %d}}" % (3 + rule // 256, rule % 256, 1 + rule)
                 for rule in range(RULES - 1)] + ["{{protocol: udp, to: 10.2.0.0/16}}"]))


def receivers(work):
    """How many ports packets come in by."""
    return packets.MIXED_VRFS if work.startswith("mixed-encap") else 1


def _mixed(incoming, flows):
    """256 tunnels in 16 VRFs: packets come through the tunnels, or go into them from a VIF in each VRF."""
    vrfs = range(packets.MIXED_VRFS)
    null = "dpdk:net_null%d,no-rx=1"
    fabric, vif = ("dpdk:net_pcap%d,rx_pcap=PCAP,infinite_rx=1", null) if incoming else (
        null, "dpdk:net_pcap%d,rx_pcap=PCAP.%d,infinite_rx=1")
    sections = {
        "vrfs": [{"name": "vrf%d" % v, "id": v + 1, "router_mac": PCAP_MAC,
                  "subnets": [{"prefix": "10.2.0.0/16", "gateway": "10.2.255.1"}]} for v in vrfs],
        "ports": [{"name": "fab0", "device": fabric % packets.MIXED_VRFS, "addresses": [IPV4.link]}],
        "neighbours": [{"vrf": "underlay", "address": IPV4.remote, "mac": FAR_MAC}],
        "vifs": [{"name": "vm%d" % v, "device": vif % ((v,) * vif.count("%d")), "vrf": "vrf%d" % v, "mac": FAR_MAC,
                  "addresses": ["10.1.0.1"], "anti_spoofing": False, "flows": flows} for v in vrfs],
        "decaps" if incoming else "tunnels": [], "routes": []}
    for t in range(packets.MIXED_TUNNELS):
        v, name = t % packets.MIXED_VRFS, "t%d" % t
        tunnel = {"name": name, "kind": "vxlan", "vni": NETWORK + t}
        if incoming:
            sections["decaps"].append({**tunnel, "vrf": "vrf%d" % v, "sources": [IPV4.subnet()]})
        else:
            sections["tunnels"].append({**tunnel, "remote": IPV4.remote, "inner_destination_mac": PCAP_MAC})
        prefix = "10.2.0.%d/28" % (t // packets.MIXED_VRFS * 16)
        sections["routes"].append({"vrf": "vrf%d" % v, "prefix": prefix,
                                   "via": {"vif": "vm%d" % v} if incoming else {"tunnel": name}})
    text = "\n".join("%s: %s" % (name, json.dumps(rows)) for name, rows in sections.items()) + "\n"
    return text.replace("{", "{{").replace("}", "}}").replace("PCAP", "{pcap}")


for _end, _flows in (("", False), ("-flow", True)):
    WORKS["mixed-encap" + _end] = Work("inner", _mixed(False, _flows))
    WORKS["mixed-decap" + _end] = Work("mixed", _mixed(True, _flows))


def configuration(work, pcap, flows, socket):
    """What weftd is told, as text."""
    text = (BASE + WORKS[work].config).format(
        **KINDS[WORKS[work].kind].fields(), mac=PCAP_MAC, far=FAR_MAC, pcap=pcap, memory=memory_mb(work, flows),
        sessions=sessions(flows), socket=socket)
    if work == "route100k":
        text += "".join('  - {vrf: underlay, prefix: %d.%d.%d.0/24, via: {gateway: 172.31.2.2}}\n'
                        % (20 + (n >> 16), n >> 8 & 255, n & 255) for n in range(packets.PREFIXES))
    return text


def weftd(work, pcap, flows, build):
    """Weft with one poll-mode worker."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as directory:
        socket = os.path.join(directory, "api")
        config = os.path.join(directory, "weft.yaml")
        with open(config, "w") as f:
            f.write(configuration(work, pcap, flows, socket))
        with open(os.path.join(directory, "log"), "w+") as log:
            process = subprocess.Popen([os.path.join(build, "tools/weftd"), "--config", config],
                                       stderr=log, stdout=log)
            try:
                return measure(process, build, socket, log, flows)
            finally:
                end(process)


def measure(process, build, socket, log, flows):
    """From when each flow has had its first packet on."""
    def sent():
        made = subprocess.run([os.path.join(build, "tools/weftctl"), "--socket", socket, "--json", "show", "stats"],
                              capture_output=True, text=True)
        if made.returncode != 0:
            return 0
        rows = json.loads(made.stdout)["rows"]
        return sum(r["value"] for r in rows if r["counter"] == "tx_packets")

    deadline = time.monotonic() + 60
    while sent() < 2 * flows:
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise SystemExit("weftd does not forward all flows:\n" + log.read())
        time.sleep(0.1)
    return cycles(process, sent)
