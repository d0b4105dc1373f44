"""A staged installation, and what systemd thinks of the unit."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from controller import CONTROLLER
from topology import Lone, configure_vm
from weft import BUILD, TOP, WEFTCTL, WEFTD, run, wait_until


def install(root, *options):
    return run(TOP / "tools" / "install", "--root", root, "--build", BUILD, *options)


def test_installed_below_a_root_and_removed(tmp_path):
    install(tmp_path)
    config = tmp_path / "etc/weft/weft.yaml"
    of_controller = tmp_path / "etc/weft/controller.yaml"
    for path in ("usr/local/bin/weftd", "usr/local/bin/weftctl", "etc/systemd/system/weftd.service",
                 "usr/local/bin/weft-controller", "etc/systemd/system/weft-controller.service",
                 "usr/local/share/bash-completion/completions/weftctl",
                 "usr/local/share/doc/weft/README.md"):
        assert (tmp_path / path).exists(), path
    run(tmp_path / "usr/local/bin/weftd", "--check", "--config", config)
    run(tmp_path / "usr/local/bin/weft-controller", "--check", "--config", of_controller)
    config.write_text("node: {name: mine}\n")
    assert f"{config} stays as it is" in install(tmp_path)
    assert config.read_text() == "node: {name: mine}\n", "the operator's file was overwritten"
    install(tmp_path, "--uninstall")
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(left) == sorted([config, of_controller])


def test_the_example_of_a_controller_with_all_that_it_mentions(tmp_path):
    """What is commented out is right, too."""
    lines = (TOP / "tools/deploy/controller.yaml").read_text().splitlines()
    keys = re.compile(r"^( *)# ((listen|tls|  ca|  cert|  key): ?.*)$")
    config = tmp_path / "controller.yaml"
    config.write_text("\n".join(keys.sub(r"\1\2", line) for line in lines) + "\n")
    assert config.read_text().count("listen:") == 2 and "\ntls:\n  ca:" in config.read_text()
    run(CONTROLLER, "--check", "--config", config)


def test_wrong_arguments(tmp_path):
    done = subprocess.run([TOP / "tools" / "install", "--rot", tmp_path], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 2 and "--rot" in done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("service, exposure", [("weftd", 40), ("weft-controller", 20)])
def test_systemd_takes_the_unit(tmp_path, service, exposure):
    """No warnings, and little that the service could do to the machine."""
    install(tmp_path)
    # The unit names files of the machine, which the staged ones stand for.
    unit = tmp_path / f"{service}.service"
    text = (TOP / f"tools/deploy/{service}.service").read_text()
    unit.write_text(text.replace("/usr/local/bin", f"{tmp_path}/usr/local/bin"))
    run("systemd-analyze", "verify", "--man=no", unit)
    text = run("systemd-analyze", "security", "--offline=yes", f"--threshold={exposure}", "--no-pager", unit,
               env={**os.environ, "SYSTEMD_PAGER": "cat"})
    assert "Overall exposure level" in text


def bounding_set():
    """The unit's capabilities as setpriv takes them."""
    for line in (TOP / "tools/deploy/weftd.service").read_text().splitlines():
        if line.startswith("CapabilityBoundingSet="):
            names = line.partition("=")[2].lower().split()
            return ",".join(["-all"] + ["+" + name.removeprefix("cap_") for name in names])
    raise AssertionError("the unit names no capabilities")


def test_the_units_capabilities_are_enough(lab):
    """AF_PACKET, and a tap in another namespace, with no more of root than the unit leaves."""
    def launch(router):
        with open(router.log_path, "a", encoding="utf-8") as log:
            router.process = router.namespace.start(
                "setpriv", "--no-new-privs", "--bounding-set", bounding_set(), WEFTD, "--config",
                router.config_path, stdout=log, stderr=subprocess.STDOUT)
    lone = Lone(lab, start=False)
    lone.router.launch = lambda: launch(lone.router)
    lone.router.start()
    configure_vm(lone.vm, 11)
    assert lone.vm.ping("10.1.0.1", count=3) == 3
    status = (Path("/proc") / str(lone.router.process.pid) / "status").read_text()
    assert "CapEff:\t000001ffffffffff" not in status


def test_the_controller_needs_no_capabilities(tmp_path):
    """With a state and a socket of its own, and no more of root than the unit leaves."""
    socket = tmp_path / "c.sock"
    config = tmp_path / "controller.yaml"
    config.write_text(f"name: c\ndomain: weft.local\napi: {{socket: {socket}}}\nstate: {{file: {tmp_path}/c.db}}\n")
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(["setpriv", "--no-new-privs", "--bounding-set", "-all", CONTROLLER, "--config", config],
                                   stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or socket.exists(), 20, "the socket")
        run(WEFTCTL, "-c", socket, "node", "add", "a", "--tunnel-address", "192.0.2.1")
        assert "192.0.2.1" in run(WEFTCTL, "-c", socket, "node", "show")
    finally:
        process.terminate()
        assert process.wait(10) == 0, (tmp_path / "log").read_text()
