"""Runs rows.py and its companions against a real router, two tenants and a raw underlay."""

import os

import mark_rows
import pytest
import service_rows
import tunnel_rows
import vlan_rows
from rows import FABRIC, HERE, HERE6, PEER, ROWS, THERE, THERE6, VM, Row, outer, routed, ip4, vm, arriving, back4
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap
from topology import base, tunnel
from weft import run, wait_until

SENTINEL = UDP(sport=9, dport=9, chksum=0) / Raw(b"sentinel")


@pytest.fixture(scope="module")
def network(module_lab):
    return Network(module_lab)


class Network:
    def __init__(self, lab):
        node, fabric = lab.namespace("node", ipv6=False), lab.namespace("fabric", ipv6=False)
        vms = {name: lab.namespace(name, ipv6=False) for name in ("blue", "red")}
        lab.cable(node, "eth1", fabric, "eth1")
        lab.cable(node, "eth2", fabric, "eth2")
        for interface in ("eth1", "eth2"):
            node.ip("link", "set", interface, "address", FABRIC)
        config = {**base("golden", HERE), "reassembly": {"datagrams": 0}}
        config["node"]["tunnel_address"] = [HERE, HERE6]
        config["ports"][0]["addresses"] = [f"{HERE}/24", f"{HERE6}/64"]
        config["neighbours"] = [{"vrf": "underlay", "address": a, "mac": PEER} for a in (THERE, THERE6)]
        for name, vni in (("blue", 100), ("red", 200)):
            suffix = "" if name == "blue" else "-red"
            config["vifs"].append({"name": name, "device": f"tap:vm0@{vms[name].name}", "vrf": name, "mac": VM,
                                   "addresses": ["10.1.0.11", "fd00:1::11"]})
            config["tunnels"].append(tunnel(f"to-peer{suffix}", vni, THERE, source_ports="50000-50000"))
            config["decaps"].append({"name": f"from-peer{suffix}", "kind": "vxlan", "vni": vni, "vrf": name,
                                     "sources": ["192.0.2.0/24"]})
            config["routes"] += [{"vrf": name, "prefix": p, "via": {"tunnel": f"to-peer{suffix}"}}
                                 for p in ("10.1.0.12/32", "fd00:1::12/128")]
        config["tunnels"].append(tunnel("to-peer6", 106, THERE6, source_ports="50000-50000"))
        config["decaps"].append({"name": "from-peer6", "kind": "vxlan", "vni": 106, "vrf": "blue",
                                 "sources": ["2001:db8::/64"]})
        config["tunnels"].append(tunnel("copying", 107, THERE6, source_ports="50000-50000", dscp="copy", ttl="copy"))
        config["decaps"].append({**config["decaps"][-1], "name": "copying", "vni": 107, "dscp": "copy"})
        config["routes"] += [{"vrf": "blue", "prefix": "10.1.0.18/32", "via": {"tunnel": "copying"}},
                             {"vrf": "blue", "prefix": "10.1.0.16/32", "via": {"tunnel": "to-peer6"}},
                             {"vrf": "blue", "prefix": "10.1.0.17/32",
                              "via": {"ecmp": [{"tunnel": "to-peer6"}]}},
                             {"vrf": "blue", "prefix": "10.66.0.0/16", "via": {"discard": True}}]
        tunnel_rows.configure(config)
        service_rows.configure(config)
        mark_rows.configure(config)
        vlan_rows.configure(config)
        self.router = lab.router(node, "golden", config).start()
        for name in vms:
            vms[name].ip("link", "set", "vm0", "up")
        self.wires = {"fabric": lab.wire(fabric, "eth1"), "trunk": lab.wire(fabric, "eth2"),
                      "blue": lab.wire(vms["blue"], "vm0"),
                      "red": lab.wire(vms["red"], "vm0")}
        # Frames that prove that all before them have gone through, one to each port.
        self.sentinels = [("blue", vm(ip4(64) / SENTINEL), "fabric", outer(routed(ip4(63) / SENTINEL)))] + [
            ("fabric", arriving(routed(back4(63) / SENTINEL), vni=vni), name,
             Ether(src="02:00:5e:00:01:01", dst=VM) / back4(62) / SENTINEL)
            for name, vni in (("blue", 100), ("red", 200))] + vlan_rows.SENTINELS

    def run(self, row):
        """What came out of each port."""
        wanted = {name: [comparable(f) for port, f in row.out if port == name] for name in self.wires}
        self.wires[row.port].send(row.frame)
        found = {}
        for name, wire in self.wires.items():
            found[name] = []
            if wanted[name]:
                for data in wire.frames(5.0):
                    found[name].append(comparable(data))
                    if len(found[name]) == len(wanted[name]):
                        break
        for source, frame, port, expected in self.sentinels:
            self.wires[source].send(frame)
            last = comparable(expected)
            for data in self.wires[port].frames(5.0):
                if comparable(data) == last:
                    break
                found[port].append(comparable(data))
            else:
                raise AssertionError(f"the sentinel did not reach {port}")
        return wanted, found


def is_labelled(packet):
    """Whether it is of a tunnel whose flows routers tell apart by the flow label alone (RFC 6438)."""
    return IPv6 in packet and packet[IPv6].src == HERE6 and packet[IPv6].nh in tunnel_rows.WITHOUT_UDP


def comparable(frame):
    """The bytes, but for what a router may choose freely in packets of its own: ID and DF of IPv4, the flow label of an
    outer header without UDP, and for the padding of short frames."""
    packet = Ether(bytes(frame))
    if is_labelled(packet):
        data, at = bytes(frame), 19 if packet.haslayer(Dot1Q) else 15
        packet = Ether(data[:at] + bytes([data[at] & 0xF0, 0, 0]) + data[at + 3:])
    outermost = packet.getlayer(IP)
    if outermost is not None:
        packet = Ether(bytes(packet)[:(18 if packet.haslayer(Dot1Q) else 14) + outermost.len])
    layer = packet
    while (layer := layer.payload.getlayer(IP)) is not None:
        if layer.payload.name == "ICMP" and layer.payload.type in (0, 3, 11):
            layer.id, layer.flags, layer.chksum = 0, 0, 0
            break
    return bytes(packet)


def counts(router, row):
    return {key: packets(router, *key) for key in row.counts}


def packets(router, table, name, *mark):
    """`mark`: of a decap that mark alone, None standing for packets that have none."""
    if not mark:
        return router.row(table, name)["packets"]
    return next(row["packets"] for row in router.ctl("show", table, name)["rows"] if row["mark"] == mark[0])


@pytest.mark.parametrize("row", ROWS + tunnel_rows.ROWS + service_rows.ROWS + mark_rows.ROWS + vlan_rows.ROWS,
                         ids=lambda row: row.name)
def test_row(network, row: Row):
    before, counted = network.router.drops(), counts(network.router, row)
    wanted, found = network.run(row)
    for port in wanted:
        show = [Ether(f).summary() for f in found[port]]
        assert found[port] == wanted[port], f"at {port}: {show}"
    wait_until(lambda: sum((network.router.drops() - before).values()) >= sum(row.drops.values()),
               3, f"the drops {row.drops}")
    assert network.router.drops() - before == row.drops
    sentinels = {("tunnel", "to-peer"): 1, ("decap", "from-peer"): 1, ("tunnel", "by-100"): 1,
                 ("decap", "from-trunk"): 1}
    moved = {key: now - counted[key] - sentinels.get(key, 0)
             for key, now in counts(network.router, row).items()}
    assert moved == row.counts


LABELLED = [row for row in tunnel_rows.EACH if row.port == "blue" and is_labelled(row.out[0][1])]


@pytest.mark.parametrize("row", LABELLED, ids=lambda row: row.name)
def test_flow_labels(network, row):
    """One flow keeps one, never 0; flows that differ by a port alone have others."""
    labels = {}
    for port in (*range(30000, 30008), 30000):
        frame = row.frame.copy()
        frame[UDP].sport = port
        network.wires["blue"].send(frame)
        found = next(packet for packet in map(Ether, network.wires["fabric"].frames(5.0)) if is_labelled(packet))
        assert 0 < found[IPv6].fl <= 0xFFFFF
        assert labels.setdefault(port, found[IPv6].fl) == found[IPv6].fl
    assert len(set(labels.values())) > 6


NETWORKS = ("vxlan.vni", "geneve.vni", "gre.key", "mpls.label", "nsh.spi")
SERVICE = {"nsh.si": tunnel_rows.INDEX, "nsh.ttl": 63, "nsh.mdtype": 1, "nsh.length": 6}
ROUTING = ("ipv6.routing.segleft", "ipv6.routing.srh.last_entry", "ipv6.routing.srh.addr")
FIELDS = ("frame.protocols", *NETWORKS, *SERVICE, *ROUTING, "mpls.bottom", "mpls.ttl", "ip.src", "ip.dst",
          "ipv6.src", "ipv6.dst", "ip.checksum.status", "udp.checksum.status", "_ws.expert.message")
GOOD, MISSING = "1", "3"


def read_by_tshark(directory, frames, names=FIELDS):
    """[{field: values}] of each frame."""
    path = directory / "leaving.pcap"
    wrpcap(str(path), frames)
    options = [word for field in names for word in ("-e", field)]
    text = run("tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T",
               "fields", "-E", "separator=|", *options, env={**os.environ, "HOME": str(directory)})
    return [dict(zip(names, line.split("|"))) for line in text.splitlines() if "|" in line]


def test_tshark_reads_what_leaves(tmp_path):
    """Another implementation finds in the frames that leave what the configuration says."""
    rows = [row for row in tunnel_rows.EACH if row.port == "blue"]
    read = read_by_tshark(tmp_path, [row.out[0][1] for row in rows])
    assert len(read) == len(rows)
    for row, fields in zip(rows, read):
        (_, tunnel_name), = row.counts
        way = next(w for w in tunnel_rows.WAYS if f"to-{w.number}" == tunnel_name)
        wanted = tunnel_rows.told(way, row.frame.payload)
        protocols = [name for name in fields["frame.protocols"].split(":") if name != "ethertype"]
        assert protocols == wanted["protocols"], row.name
        networks = [int(fields[field], 0) for field in NETWORKS if fields[field]]
        assert networks == wanted["networks"], row.name
        if fields["mpls.label"]:
            assert (fields["mpls.bottom"], fields["mpls.ttl"]) == ("1", "64"), row.name
        if fields["nsh.spi"]:
            assert {name: int(fields[name], 0) for name in SERVICE} == SERVICE, row.name
        listed = list(reversed(way.segments[way.reduced:]))
        lists = [str(len(way.segments) - 1), str(len(listed) - 1), ",".join(listed)] if listed else ["", "", ""]
        assert [fields[name] for name in ROUTING] == lists, row.name
        ends = list(zip((fields["ip.src"] + "," + fields["ipv6.src"]).strip(",").split(","),
                        (fields["ip.dst"] + "," + fields["ipv6.dst"]).strip(",").split(",")))
        assert sorted(ends) == sorted(wanted["ends"]), row.name
        assert set(fields["ip.checksum.status"].split(",")) <= {GOOD, ""}, row.name
        udp = fields["udp.checksum.status"].split(",")   # of the outer one first, if there is such
        assert udp == [MISSING if len(udp) == 2 and not way.six else GOOD, GOOD][-len(udp):], row.name
        expert = fields["_ws.expert.message"]
        assert "alformed" not in expert and "hecksum" not in expert, (row.name, expert)


@pytest.mark.parametrize("vni", mark_rows.READ)
def test_tshark_reads_reserved_bits(tmp_path, vni):
    fields, = read_by_tshark(tmp_path, [mark_rows.leaving(vni).out[0][1]], tuple(mark_rows.READ[vni]))
    assert {name: int(value, 0) for name, value in fields.items()} == mark_rows.READ[vni]


def test_tshark_reads_the_vlan_of_what_leaves(tmp_path):
    rows = [row for row in vlan_rows.ROWS if [port for port, _ in row.out] == ["trunk"]]
    read = read_by_tshark(tmp_path, [row.out[0][1] for row in rows],
                          ("vlan.id", "vlan.priority", "ip.checksum.status", "_ws.expert.message"))
    assert len(read) == len(rows)
    for row, fields in zip(rows, read):
        wanted = "200" if "200" in row.name else "100"
        assert (fields["vlan.id"], fields["vlan.priority"]) == (wanted, "0"), row.name
        assert set(fields["ip.checksum.status"].split(",")) <= {GOOD, ""}, row.name
        assert "alformed" not in fields["_ws.expert.message"], row.name
