"""Two routers, two tenants with the same addresses: what a tenant sees of the network."""

import os

import pytest
from topology import Pair
from weft import ROUTER_MAC, Lab, run, tcp_transfer, wait_until

TENANTS = ("blue", "red")
FAR = {4: "10.1.0.12", 6: "fd00:1::12"}
GATEWAY = {4: "10.1.0.1", 6: "fd00:1::1"}


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("tenant", TENANTS)
def test_ping(pair, tenant, family):
    assert pair.vms[tenant, "a"].ping(FAR[family], count=20) == 20


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("tenant", TENANTS)
def test_gateway_answers(pair, tenant, family):
    assert pair.vms[tenant, "b"].ping(GATEWAY[family]) == 5


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("tenant", TENANTS)
def test_tcp(pair, tenant, family):
    tcp_transfer(pair.vms[tenant, "b"], FAR[family], pair.vms[tenant, "a"])


@pytest.mark.parametrize("size", (0, 1, 64, 1000, 1421, 1422))
def test_every_size_that_fits(pair, size):
    """1422 bytes of ICMP data are 1450 of IP, which is all that fits beside VXLAN's 50."""
    assert pair.vms["blue", "a"].ping(FAR[4], "-s", size, "-M", "do", count=3) == 3


@pytest.mark.parametrize("family,largest", ((4, 1422), (6, 1402)))
def test_path_mtu_is_learned(pair, family, largest):
    vm = pair.vms["red", "a"]
    vm.ip(f"-{family}", "route", "flush", "cache")
    assert vm.learned_mtu(FAR[family]) is None
    assert vm.ping(FAR[family], "-s", largest + 1, "-M", "do", count=1, deadline=2) == 0
    wait_until(lambda: vm.learned_mtu(FAR[family]) == 1450, 3, "path MTU 1450")
    assert vm.ping(FAR[family], "-s", largest, "-M", "do", count=3) == 3


def test_packets_of_a_tenant_count_in_its_own_tunnel(pair):
    before = {t: pair.a.row("tunnel", f"to-{t}")["packets"] for t in TENANTS}
    assert pair.vms["red", "a"].ping(FAR[4], count=10) == 10
    after = {t: pair.a.row("tunnel", f"to-{t}")["packets"] for t in TENANTS}
    assert after == {"blue": before["blue"], "red": before["red"] + 10}


def test_an_address_of_one_tenant_alone(pair):
    """10.1.0.12 of blue goes away; the same address of red goes on, and blue gets no answer of red's."""
    blue = pair.vms["blue", "b"]
    blue.ip("link", "set", "vm0", "down")
    try:
        assert pair.vms["blue", "a"].ping(FAR[4], count=3, deadline=2) == 0
        assert pair.vms["red", "a"].ping(FAR[4], count=3) == 3
    finally:
        blue.ip("link", "set", "vm0", "up")
        blue.ip("route", "replace", "default", "via", "10.1.0.1")
        blue.ip("-6", "addr", "replace", "fd00:1::12/64", "dev", "vm0", "nodad")
        blue.ip("-6", "route", "replace", "default", "via", "fd00:1::1")


def test_nobody_sees_the_other_tenants_packets(pair):
    """Blue's pings and then one of red's, told apart by what they carry; red's VM sees its own alone."""
    wire = pair.lab.wire(pair.vms["red", "b"], "vm0")
    assert pair.vms["blue", "a"].ping(FAR[4], "-p", "b1b1b1b1", count=20) == 20
    assert pair.vms["red", "a"].ping(FAR[4], "-p", "edededed", count=1) == 1
    frames = []
    for frame in wire.frames(5):
        frames.append(frame)
        if b"\xed" * 8 in frame:
            break
    else:
        pytest.fail("red's VM did not see red's ping")
    assert not [frame for frame in frames if b"\xb1" * 8 in frame]


def test_tshark_finds_nothing_wrong(pair):
    """Another implementation reads what crosses the underlay: fields, lengths and checksums."""
    capture, path = pair.lab.capture(pair.nodes["b"], "eth1", "udp port 4789 and src host 192.0.2.1")
    header_bytes = path.stat().st_size
    assert pair.vms["red", "a"].ping(FAR[4], count=1) == 1
    wait_until(lambda: path.stat().st_size > header_bytes, 3, "a captured packet")
    capture.terminate()
    capture.wait()
    fields = ("frame.protocols", "ip.src", "ip.dst", "ip.ttl", "ip.checksum.status", "vxlan.vni", "eth.dst",
              "udp.checksum", "_ws.expert.message")
    options = [word for field in fields for word in ("-e", field)]
    line = run("tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-T", "fields", *options,
               "-E", "separator=|", env={**os.environ, "HOME": str(pair.lab.directory)}).splitlines()[-1]
    protocols, src, dst, ttl, checksums, vni, macs, udp_checksum, expert = line.split("|")
    assert protocols == "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:data"
    assert (src, dst) == ("192.0.2.1,10.1.0.11", "192.0.2.2,10.1.0.12")
    assert (ttl, checksums) == ("64,63", "1,1"), "1 means good"
    assert (vni, macs.split(",")[1]) == ("200", ROUTER_MAC)
    assert udp_checksum == "0x0000", "RFC 7348: zero over IPv4"
    assert "alformed" not in expert and "hecksum" not in expert, expert


@pytest.mark.parametrize("family", (4, 6))
def test_the_very_first_packet_arrives(family):
    """No ARP or ND has happened anywhere yet, neither in the underlay nor between VM and router."""
    with Lab() as lab:
        pair = Pair(lab)
        assert pair.vms["blue", "a"].ping(FAR[family], count=1, interval=2) == 1
