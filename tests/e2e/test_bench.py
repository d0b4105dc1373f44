"""The works of `tools/bench e2e`: weftd takes their configurations, and their tunnel packets are of the kinds they name."""

import sys

import pytest
from weft import TOP, WEFTD, run

sys.path.insert(0, str(TOP / "bench/e2e"))

import packets  # noqa: E402
import systems  # noqa: E402
from tunnel_works import KINDS, NETWORK  # noqa: E402

FLOWS = 4
# By the kind of the configuration: what tshark calls it, and the field that names the network or where it ends.
READ = {"vxlan": ("udp:vxlan:eth:ethertype", "vxlan.vni", str(NETWORK)),
        "geneve": ("udp:geneve:eth:ethertype", "geneve.vni", hex(NETWORK)),
        "gre": ("gre", "gre.proto", "0x0800"),
        "mpls_over_udp": ("udp:mpls", "mpls.label", str(NETWORK)),
        "srv6": ("ipv6.routing", "ipv6.routing.segleft", "0")}


def test_weftd_takes_every_configuration(tmp_path):
    for work in systems.WORKS:
        config = tmp_path / (work + ".yaml")
        config.write_text(systems.configuration(work, tmp_path / "none", FLOWS, tmp_path / "api"), encoding="utf-8")
        run(WEFTD, "--check", "--config", config)


@pytest.mark.parametrize("kind", KINDS)
def test_tshark_reads_the_packets_of_a_kind(kind, tmp_path):
    protocols, field, value = READ[KINDS[kind].says["kind"]]
    outer = "ipv6" if KINDS[kind].underlay.is_ipv6() else "ip"
    text = run("tshark", "-n", "-r", packets.write(tmp_path, kind, FLOWS, "64"), "-o", "ip.check_checksum:TRUE",
               "-T", "fields", "-e", "frame.protocols", "-e", field, "-e", outer + ".dst", "-e", "udp.dstport",
               "-e", "_ws.malformed", "-e", "ip.checksum.status", "-E", "header=n")
    rows = [line.split("\t") for line in text.splitlines() if "Running as" not in line]
    assert len(rows) == FLOWS
    for found, number, to, ports, malformed, sums in rows:
        assert found.startswith(f"eth:ethertype:{outer}:{protocols}:ip:udp"), found
        assert int(number.split(",")[0], 0) == int(value, 0)
        assert to.split(",")[0] == KINDS[kind].end()
        assert malformed == "" and set(sums.split(",")) == {"1"}
        assert 2000 <= int(ports.split(",")[-1]) < 2016, "the port inside"
