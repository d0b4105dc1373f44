"""Two ports on one device, told apart by their VLANs, between real routers: tenants, BFD, the hosts' kernels, and what
trace and capture show."""

import pytest
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import RawPcapNgReader
from topology import Pair
from weft import wait_until

PINGS = 10


@pytest.fixture(scope="module")
def pair(module_lab):
    """Blue goes by VLAN 100, where BFD watches and the kernels have the routers' addresses, red by VLAN 200."""
    def change(node, config):
        here, there = (1, 2) if node == "a" else (2, 1)
        fab0 = config["ports"][0]
        fab0.update(vlan=100, addresses=[f"192.0.2.{here}/24"], gateway=f"192.0.2.{there}", host="tap:weft0",
                    bfd={"interval": 50})
        config["ports"].append({"name": "fab1", "device": fab0["device"], "vlan": 200,
                                "addresses": [f"198.51.100.{here}/24"]})
        for red in (t for t in config["tunnels"] if t["name"] == "to-red"):
            red.update(local=f"198.51.100.{here}", remote=f"198.51.100.{there}")
        for red in (d for d in config["decaps"] if d["name"] == "from-red"):
            red.update(local=f"198.51.100.{here}", sources=["198.51.100.0/24"])

    return Pair(module_lab, change)


def test_each_tenant_by_its_vlan(pair):
    capture, path = pair.lab.capture(pair.nodes["b"], "eth1")
    before = {port: pair.a.row("port", port) for port in ("fab0", "fab1")}
    for tenant in ("blue", "red"):
        for address in ("10.1.0.12", "fd00:1::12"):
            assert pair.vms[tenant, "a"].ping(address, count=PINGS) == PINGS
    capture.terminate()
    capture.wait()
    text = pair.nodes["b"].run("tshark", "-n", "-r", path, "-Y", "vxlan", "-T", "fields", "-e", "vlan.id", "-e",
                               "vxlan.vni", env={"HOME": str(pair.lab.directory), "PATH": "/usr/bin:/bin"})
    ways = [tuple(line.split("\t")) for line in text.splitlines() if "\t" in line]
    assert set(ways) == {("100", "100"), ("200", "200")}
    assert min(ways.count(way) for way in set(ways)) >= 2 * PINGS   # what arrives
    assert before["fab0"]["mac"] == before["fab1"]["mac"]
    assert [before[port]["vlan"] for port in ("fab0", "fab1")] == [100, 200]


def test_bfd_is_spoken_in_the_vlan(pair):
    for router in (pair.a, pair.b):
        rows = wait_until(lambda r=router: [row for row in r.table("bfd") if row["state"] == "up"], 10, "BFD up")
        assert [row["port"] for row in rows] == ["fab0"]


def test_the_kernels_get_no_tag(pair):
    assert pair.nodes["a"].ping("192.0.2.2") == 5
    assert pair.nodes["b"].ping("192.0.2.1") == 5


def test_trace_and_capture_show_the_tag(pair):
    pair.vms["red", "a"].start("ping", "-q", "-i", "0.02", "10.1.0.12")
    text = pair.a.text("trace", "--port", "fab1", "--count", 1, "udp", "port", "4789")
    assert text.splitlines()[1].split() == ["input", "VLAN", "200"], text
    text = pair.a.text("trace", "--vif", "red", "--count", 1, "icmp")
    assert "VLAN 200" in text and "transmit out of fab1" in text, text
    path = pair.lab.directory / "tagged.pcapng"
    pair.a.text("capture", "--port", "fab1", "--count", 20, "-w", path, "udp", "port", "4789")
    frames = [Ether(data) for data, _ in RawPcapNgReader(str(path))]
    assert len(frames) == 20
    assert {frame[Dot1Q].vlan for frame in frames} == {200}
    assert {frame.src for frame in frames} >= {pair.a.row("port", "fab1")["mac"]}   # those that leave, too


def test_explain_wants_the_tag_of_a_frame_in_hexadecimal(pair):
    mac = pair.a.row("port", "fab1")["mac"]
    frame = Ether(dst=mac, src="02:00:00:00:00:02") / bytes(46)
    answers = [pair.a.ctl("explain", "--port", "fab1", "--hex", bytes(f).hex())
               for f in (frame, Ether(dst=mac, src=frame.src) / Dot1Q(vlan=300) / bytes(46))]
    assert [answer["reason"] for answer in answers] == ["vlan_missing", "vlan_unknown"]
    answer = pair.a.ctl("explain", "--port", "fab1", "--src", "198.51.100.2", "--dst", "192.0.2.2")
    assert answer["verdict"] == "transmit" and answer["port"] == "fab0"
    assert answer["steps"][0] == {"stage": "input", "text": "VLAN 200"}
    assert answer["steps"][-1] == {"stage": "transmit", "text": "VLAN 100"}
    assert answer["frame_hex"][24:32] == "81000064"
