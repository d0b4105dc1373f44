"""Starting, stopping, dying and starting again; and what is said when a start fails."""

import os
import stat
import time
from pathlib import Path

import pytest
from topology import Lone, Pair, base, configure_vm
from weft import EXIT_CONFIG, EXIT_START, WEFTD, wait_until


def fails_to_start(router, code):
    """The log of a router that ends by itself with this exit code."""
    router.launch()
    assert router.wait_exit() == code, router.log()
    return router.log()


def test_clean_stop(lab):
    lone = Lone(lab)
    assert lone.vm.has_interface("vm0")
    assert lone.router.stop(seconds=1.0) == 0
    assert not lone.vm.has_interface("vm0"), "the tap is still there"
    assert not lone.router.socket.exists(), "the API's socket is still there"


def test_clean_stop_under_traffic(lab):
    pair = Pair(lab)
    pair.vms["blue", "a"].start("ping", "-q", "-i", "0.002", "10.1.0.12")
    wait_until(lambda: pair.a.row("tunnel", "to-blue")["packets"] > 100, 5, "traffic")
    assert pair.a.stop(seconds=1.0) == 0
    assert pair.b.stop(seconds=1.0) == 0


def test_killed_and_started_again(lab):
    """kill -9 leaves a socket behind; the next start takes its place and traffic flows."""
    pair = Pair(lab)
    vm = pair.vms["blue", "a"]
    assert vm.ping("10.1.0.12") == 5
    left = Path(f"/run/dpdk/weft-{pair.a.process.pid}")
    assert left.exists()
    pair.a.kill()
    assert pair.a.socket.exists(), "kill -9 should have left the socket"
    assert not vm.has_interface("vm0"), "the tap should go with the process"
    pair.a.start()
    configure_vm(vm, 11)
    assert vm.ping("10.1.0.12") == 5
    assert vm.ping("fd00:1::12") == 5
    assert not left.exists(), "what DPDK left of the killed process is still there"


def test_the_socket_is_for_its_owner_and_group(lab):
    lone = Lone(lab)
    assert stat.S_IMODE(lone.router.socket.stat().st_mode) & 0o007 == 0


def test_a_second_router_on_the_same_socket(lab):
    lone = Lone(lab)
    config = base("second", "192.0.2.3", device="null:")
    config["api"] = {"socket": str(lone.router.socket)}
    log = fails_to_start(lab.router(lone.node, "second", config), EXIT_START)
    assert str(lone.router.socket) in log
    assert lone.router.table("workers"), "the first one should not be disturbed"


def test_two_routers_in_one_namespace(lab):
    node = lab.namespace("node", ipv6=False)
    for name, host in (("one", 1), ("two", 2)):
        lab.router(node, name, base(name, f"192.0.2.{host}", device="null:")).start()


def test_missing_device(lab):
    node = lab.namespace("node", ipv6=False)
    log = fails_to_start(lab.router(node, "r", base("r", "192.0.2.1", "af_packet:nowhere0")), EXIT_START)
    assert "nowhere0" in log


def test_missing_network_namespace_of_a_tap(lab):
    node = lab.namespace("node", ipv6=False)
    config = base("r", "192.0.2.1", device="null:")
    config["vifs"] = [{"name": "vm", "device": "tap:vm0@wt-no-such-namespace", "vrf": "blue",
                       "mac": "02:00:00:00:01:11", "addresses": ["10.1.0.11"]}]
    log = fails_to_start(lab.router(node, "r", config), EXIT_START)
    assert "wt-no-such-namespace" in log


def test_two_stacks_with_one_address(lab):
    """The kernel holds our tunnel address on that interface: refused, with the remedy."""
    node, other = lab.namespace("node", ipv6=False), lab.namespace("other", ipv6=False)
    lab.cable(node, "eth1", other, "eth1")
    node.ip("addr", "add", "192.0.2.1/24", "dev", "eth1")
    log = fails_to_start(lab.router(node, "r", base("r", "192.0.2.1")), EXIT_START)
    assert "192.0.2.1" in log and "eth1" in log
    assert "ip addr" in log, "the remedy is missing"


def test_an_interface_that_is_too_narrow(lab):
    """Frames that the port cannot send are refused before the first one, with the remedy."""
    node, other = lab.namespace("node", ipv6=False), lab.namespace("other", ipv6=False)
    lab.cable(node, "eth1", other, "eth1", mtu=1400)
    log = fails_to_start(lab.router(node, "r", base("r", "192.0.2.1")), EXIT_START)
    assert "ip link set eth1 mtu 1500" in log


BROKEN = """\
node: {name: x, tunnel_address: 192.0.2.1}
ports:
  - {name: fab0, device: "null:", addresses: [192.0.2.1/24], colour: green}
vrfs:
  - {name: blue, id: 1}
routes:
  - {vrf: bleu, prefix: 10.1.0.0/33, via: {tunnel: nowhere}}
"""


@pytest.mark.parametrize("options", ((), ("--check",)))
def test_bad_configuration(lab, options):
    """All that is wrong, each with its place."""
    path = lab.directory / "broken.yaml"
    path.write_text(BROKEN)
    node = lab.namespace("node", ipv6=False)
    process = node.start(WEFTD, "--config", path, *options, stderr=open(lab.directory / "err", "w"))
    assert process.wait(10) == EXIT_CONFIG
    said = (lab.directory / "err").read_text()
    for place, word in (("3:", "colour"), ("7:", "bleu"), ("7:", "10.1.0.0/33"), ("7:", "nowhere")):
        lines = [line for line in said.splitlines() if f"{path}:{place}" in line and word in line]
        assert lines, f"{word} at line {place} is not in:\n{said}"


@pytest.mark.parametrize("text,word", (("", "broken.yaml: wanted a map"), ("node: [", "broken.yaml"), ("- 1\n", "broken.yaml:1"),
                                       ("node: {name: x}\nnode: {name: y}\n", "node")))
def test_configuration_that_is_no_configuration(lab, text, word):
    path = lab.directory / "broken.yaml"
    path.write_text(text)
    node = lab.namespace("node", ipv6=False)
    text = node.run(WEFTD, "--check", "--config", path, check=False)
    assert word in text
    assert node.start(WEFTD, "--check", "--config", path).wait(10) == EXIT_CONFIG


def test_configuration_that_does_not_exist(lab):
    node = lab.namespace("node", ipv6=False)
    assert "/no/such.yaml" in node.run(WEFTD, "--config", "/no/such.yaml", check=False)
    assert node.start(WEFTD, "--config", "/no/such.yaml").wait(10) == EXIT_CONFIG


def test_check_only_checks(lab):
    """A good configuration whose devices do not exist here."""
    node = lab.namespace("node", ipv6=False)
    router = lab.router(node, "r", base("r", "192.0.2.1", "af_packet:nowhere0"))
    assert node.start(WEFTD, "--check", "--config", router.config_path).wait(10) == 0
    assert not router.socket.exists()


def test_without_permission(lab):
    """Not root, no capabilities: it says so and does not crash."""
    node = lab.namespace("node", ipv6=False)
    if any(not p.stat().st_mode & stat.S_IXOTH for p in WEFTD.parents):
        pytest.skip("others than root cannot reach the build directory")
    other = lab.namespace("other", ipv6=False)
    lab.cable(node, "eth1", other, "eth1")
    public = lab.directory / "public"
    public.mkdir()
    os.chmod(lab.directory, 0o711)
    os.chmod(public, 0o777)
    config = base("r", "192.0.2.1")
    config["api"] = {"socket": str(public / "r.sock")}
    router = lab.router(node, "r", config)
    os.chmod(router.config_path, 0o644)
    with open(router.log_path, "w", encoding="utf-8") as log:
        process = node.start("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                             "--inh-caps=-all", WEFTD, "--config", router.config_path,
                             stdout=log, stderr=log)
    assert process.wait(10) == EXIT_START, router.log()
    assert "ermission" in router.log() or "root" in router.log() or "CAP_" in router.log()


def hugepages():
    return int(Path("/proc/sys/vm/nr_hugepages").read_text())


def test_no_hugepages(lab):
    if hugepages():
        pytest.skip("this machine has hugepages")
    lone = Lone(lab)
    assert "hugepages" in lone.router.log()


def test_hugepages_demanded_where_there_are_none(lab):
    if hugepages():
        pytest.skip("this machine has hugepages")
    config = base("r", "192.0.2.1", device="null:")
    config["dpdk"]["hugepages"] = "on"
    log = fails_to_start(lab.router(lab.namespace("node", ipv6=False), "r", config), EXIT_START)
    assert "hugepages" in log


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_idle_costs_little(lab):
    """Two idle routers over five seconds, each under 5 % of a core; then a ping wakes them."""
    pair = Pair(lab)
    vm = pair.vms["blue", "a"]
    assert vm.ping("10.1.0.12") == 5
    routers = (pair.a, pair.b)
    seconds = 5
    before = [cpu_seconds(r.process) for r in routers]
    time.sleep(seconds)
    used = [(cpu_seconds(r.process) - b) / seconds for r, b in zip(routers, before)]
    assert max(used) < 0.05, f"shares of a core: {used}"
    assert vm.ping("10.1.0.12") == 5


def test_nothing_of_a_router_remains(lab):
    """DPDK's runtime directory goes too, else each start would leave one more."""
    def runtime_directories():
        return set(Path("/run/dpdk").glob("*"))

    before = runtime_directories()
    lone = Lone(lab)
    lone.router.stop()
    assert not runtime_directories() - before
