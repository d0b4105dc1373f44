"""A router that is changed while it runs: objects by API, reload, restart, completion, watching."""

import json
import os
import signal
import subprocess

import pytest
from topology import Lone, Pair, addresses, configure_vm, mac, tunnel
from weft import TOP, WEFTCTL, Stream, wait_until

PACKETS = 16000
PER_SECOND = 4000


def named(objects, name):
    return next(o for o in objects if o["name"] == name)


def test_a_vif_comes_and_goes_by_api(lab):
    """Its device with it; its name and device can be used again at once."""
    pair = Pair(lab)
    extra = lab.namespace("extra")
    for turn in range(3):
        pair.a.text("vif", "add", "extra", "--device", f"tap:vm0@{extra.name}", "--vrf", "blue",
                    "--mac", "02:00:00:00:01:55", "--address", addresses(55)[0],
                    "--address", addresses(55)[1])
        configure_vm(extra, 55)
        assert extra.ping("10.1.0.11", count=3) == 3, f"turn {turn}"
        assert extra.ping("fd00:1::11", count=3) == 3, f"turn {turn}"
        row = pair.a.row("vif", "extra")
        assert row["owner"] == "api"
        pair.a.text("vif", "del", "extra")
        wait_until(lambda: not extra.has_interface("vm0"), 2, "the tap is gone")
    assert [r["name"] for r in pair.a.table("vif")] == ["blue", "red"]
    assert pair.vms["blue", "a"].ping("10.1.0.12") == 5


def test_a_whole_tenant_by_api(lab):
    """VRF, VIFs, tunnels, decaps and routes on both nodes, nothing of it in a file."""
    pair = Pair(lab)
    vms = {node: lab.namespace(f"green-{node}") for node in "ab"}
    for node, router, here, there, remote in (("a", pair.a, 11, 12, "192.0.2.2"),
                                              ("b", pair.b, 12, 11, "192.0.2.1")):
        router.text("vrf", "add", "green", "--id", 3, "--subnet", "10.1.0.0/24=10.1.0.1",
                    "--subnet", "fd00:1::/64=fd00:1::1")
        router.text("vif", "add", "green", "--device", f"tap:vm0@{vms[node].name}", "--vrf", "green",
                    "--mac", f"02:00:00:00:03:{here}", "--address", addresses(here)[0])
        router.text("tunnel", "add", "to-green", "--kind", "vxlan", "--vni", 300, "--remote", remote,
                    "--inner-destination-mac", "02:00:5e:00:01:01")
        router.text("decap", "add", "from-green", "--kind", "vxlan", "--vni", 300, "--vrf", "green",
                    "--source", f"{remote}/32")
        router.text("route", "add", "--vrf", "green", f"10.1.0.{there}/32", "--tunnel", "to-green")
        configure_vm(vms[node], here)
    assert vms["a"].ping("10.1.0.12") == 5
    assert pair.vms["blue", "a"].ping("10.1.0.12") == 5

    with pytest.raises(AssertionError, match="tunnel to-green is in use by route 10.1.0.12/32"):
        pair.a.text("tunnel", "del", "to-green")
    pair.a.text("route", "del", "--vrf", "green", "10.1.0.12/32")
    for kind, name in (("tunnel", "to-green"), ("decap", "from-green"), ("vif", "green"),
                       ("vrf", "green")):
        pair.a.text(kind, "del", name)
    assert pair.vms["blue", "a"].ping("10.1.0.12") == 5
    assert not [r for r in pair.a.table("vrf") if r["name"] == "green"]


@pytest.fixture
def stream_over(lab):
    """A pair of routers whose a has two tunnels to b, and a stream of numbered packets across."""
    def change(node, config):
        if node == "b":
            config["decaps"].append({**named(config["decaps"], "from-blue"), "name": "from-blue-2",
                                     "vni": 101})
    pair = Pair(lab, change)
    assert pair.vms["blue", "a"].ping("10.1.0.12", count=2) == 2
    stream = Stream(pair.vms["blue", "a"], pair.vms["blue", "b"], "10.1.0.12")
    yield pair, stream
    stream.close()


def nothing_lost(pair, stream, turns):
    lost = stream.lost()
    assert not lost, (f"{len(lost)} of {stream.sent} lost, first {lost[:5]}; "
                      f"drops a {pair.a.drops()} b {pair.b.drops()}")
    assert turns >= 20


def test_an_unrelated_reload_loses_nothing(stream_over, lab):
    """A VIF, a tunnel and routes of another tenant come and go by file."""
    pair, stream = stream_over
    extra = lab.namespace("extra")
    before = json.loads(pair.a.config_path.read_text())

    def turn(number):
        def change(config):
            config.update(json.loads(json.dumps(before)))
            if number % 2 == 0:
                config["vifs"].append({"name": "extra", "device": f"tap:vm0@{extra.name}",
                                       "vrf": "red", "mac": mac("red", 55), "addresses": ["10.1.0.55"]})
                config["tunnels"].append(tunnel("to-red-2", 201, "192.0.2.2"))
                config["routes"].append({"vrf": "red", "prefix": "10.9.0.0/16",
                                         "via": {"tunnel": "to-red-2"}})
        pair.a.rewrite(change)
        answer = pair.a.ctl("reload")
        assert len(answer["added"] + answer["removed"]) == 3, answer

    # Opening a tap takes its time on the control thread, so a turn is longer than 50 ms.
    turns = stream.run(PACKETS, PER_SECOND, turn)
    nothing_lost(pair, stream, max(turns, 20))
    assert turns >= 6


def test_a_route_moves_and_its_old_tunnel_goes_in_one_reload(stream_over):
    """A worker may have found the old next hop just before: it must still be there."""
    pair, stream = stream_over
    names = ("to-blue", "to-blue-2")

    def turn(number):
        def change(config):
            tunnels = [t for t in config["tunnels"] if not t["name"].startswith("to-blue")]
            here = names[(number + 1) % 2]
            config["tunnels"] = tunnels + [tunnel(here, 100 + (number + 1) % 2, "192.0.2.2")]
            for route in config["routes"]:
                if route["vrf"] == "blue":
                    route["via"] = {"tunnel": here}
        pair.a.rewrite(change)
        answer = pair.a.ctl("reload")
        assert len(answer["added"]) == 1 and len(answer["removed"]) == 1, answer

    turns = stream.run(PACKETS, PER_SECOND, turn)
    nothing_lost(pair, stream, turns)


def test_reload_by_signal_and_what_is_wrong(lab):
    lone = Lone(lab)
    router = lone.router

    def hang_up(what):
        size = len(router.log())
        router.process.send_signal(signal.SIGHUP)
        wait_until(lambda: what in router.log()[size:], 5, f"{what!r} in the log")

    router.rewrite(lambda c: c["routes"].append(
        {"vrf": "blue", "prefix": "10.7.0.0/16", "via": {"discard": True}}))
    hang_up("1 added, 0 changed, 0 removed")
    assert [r for r in router.table("route") if r["prefix"] == "10.7.0.0/16"]

    good = router.config_path.read_text()
    router.rewrite(lambda c: c["routes"].append(
        {"vrf": "bleu", "prefix": "10.8.0.0/16", "via": {"tunnel": "to-pear"}}))
    hang_up("nothing was reloaded")
    with pytest.raises(AssertionError) as refusal:
        router.text("reload")
    for part in (f"{router.config_path}:", 'no vrf "bleu"; did you mean "blue"',
                 'no tunnel "to-pear"; did you mean "to-peer"'):
        assert part in str(refusal.value)
    router.rewrite(lambda c: c.update(workers={"lcores": [0]}))
    router.config_path.write_text(good)
    router.rewrite(lambda c: c.update(workers={"lcores": [0]}))
    with pytest.raises(AssertionError, match="workers: cannot change while weftd runs; restart"):
        router.text("reload")
    router.config_path.write_text(good)
    router.rewrite(lambda c: c["vifs"].append(
        {"name": "x", "device": "tap:x@wt-no-such-namespace", "vrf": "blue",
         "mac": "02:00:00:00:01:66", "addresses": ["10.1.0.66"]}))
    with pytest.raises(AssertionError, match="wt-no-such-namespace"):
        router.text("reload")
    assert [r["name"] for r in router.table("vif")] == ["vm"]
    assert "would be: 1 added" in router.text("reload", "--dry-run")
    assert lone.vm.ping("10.1.0.1", count=2) == 2


def test_what_the_api_made_outlives_kill_and_start(lab):
    state = lab.directory / "state" / "weftd.json"
    state.parent.mkdir()
    extra = lab.namespace("extra")

    def change(_, config):
        config["state"] = {"file": str(state)}
    lone = Lone(lab, change)
    lone.router.text("vif", "add", "extra", "--device", f"tap:vm0@{extra.name}", "--vrf", "blue",
                     "--mac", "02:00:00:00:01:55", "--address", "10.1.0.55")
    lone.router.set_tunnel("to-peer", vni=555)
    wait_until(lambda: state.exists() and "555" in state.read_text(), 2, "the state file")
    assert state.stat().st_mode & 0o077 == 0
    lone.router.kill()
    lone.router.start()
    assert lone.router.row("vif", "extra")["owner"] == "api"
    assert lone.router.row("tunnel", "to-peer")["owner"] == "api over file"
    assert lone.router.row("tunnel", "to-peer")["network"] == "vni 555"
    configure_vm(lone.vm, 11)
    extra.ip("link", "set", "vm0", "up")
    extra.ip("addr", "add", "10.1.0.55/24", "dev", "vm0")
    extra.ip("route", "add", "default", "via", "10.1.0.1")
    assert extra.ping("10.1.0.11", count=3) == 3

    lone.router.stop()
    state.write_text(state.read_text()[:-20])
    lone.router.launch()
    assert lone.router.wait_exit() == 3
    assert str(state) in lone.router.log() and "move it away" in lone.router.log()


def test_health(lab):
    """Turns with the link of the fabric port."""
    lone = Lone(lab)

    def health():
        text = lone.node.run("curl", "-s", "-w", " %{http_code}", "--unix-socket",
                             lone.router.socket, "http://weftd/healthz")
        body, _, code = text.rpartition(" ")
        return int(code), json.loads(body)["reasons"]

    assert health() == (200, [])
    lone.fabric.ip("link", "set", "eth1", "down")
    code, reasons = wait_until(lambda: health() if health()[0] == 503 else None, 5, "503")
    assert "fab0" in reasons[0]
    lone.fabric.ip("link", "set", "eth1", "up")
    wait_until(lambda: health() == (200, []), 5, "200")


def test_logs_for_the_journal(lab):
    """Priorities instead of times when standard error is the journal's."""
    node = lab.namespace("node", ipv6=False)
    lone_config = {"node": {"name": "j", "tunnel_address": "192.0.2.1"},
                   "dpdk": {"memory_mb": 128},
                   "api": {"socket": str(lab.directory / "j.sock")},
                   "ports": [{"name": "fab0", "device": "null:", "addresses": ["192.0.2.1/24"]}]}
    router = lab.router(node, "j", lone_config)
    log = open(router.log_path, "w", encoding="utf-8")
    status = os.fstat(log.fileno())
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    try:
        router.start()
    finally:
        del os.environ["JOURNAL_STREAM"]
        log.close()
    assert "\n<6>ready: 1 ports" in "\n" + router.log()


def test_watch(lab):
    lone = Lone(lab)
    lone.vm.start("ping", "-q", "-i", "0.02", "10.1.0.1")
    process = subprocess.Popen([str(WEFTCTL), "--socket", str(lone.router.socket), "show", "workers",
                                "--watch", "0.5"], stdout=subprocess.PIPE, text=True)
    try:
        head = next(line for line in process.stdout if "packets/s" in line)
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()
    assert "sleeps/s" in head


def test_completion_in_bash(lab):
    """As bash calls it: commands, options, and names of what is there."""
    lone = Lone(lab)

    def complete(*words):
        script = (f"source {TOP}/tools/completion/weftctl.bash; COMP_WORDS=(weftctl {' '.join(words)}); "
                  f"COMP_CWORD={len(words)}; _weftctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True,
                              env={"PATH": f"{WEFTCTL.parent}:{os.environ['PATH']}",
                                   "WEFT_SOCKET": str(lone.router.socket)})
        return done.stdout.split()

    assert complete("sho") == ["show"]
    assert "tunnel" in complete("show", "''")
    assert complete("tunnel", "set", "to-") == ["to-nobody", "to-peer"]
    assert complete("route", "add", "--vrf", "b") == ["blue"]
    assert complete("tunnel", "set", "to-peer", "--rem") == ["--remote"]
