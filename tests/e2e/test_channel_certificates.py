"""Certificates that are not good, at either end: refused with a cause that names the certificate and what is wrong
with it, and healed by files that are good, without a restart. Whatever they are, packets flow."""

import datetime
import re
import shutil
import signal

import pytest
from controller import Pki, Site, network
from hostile import Node, RogueController
from topology import configure_vm
from trouble import Traffic, control, wait_log, wait_up
from weft import wait_until

ROGUE_PORT = 5298


def day(ahead):
    return str(datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=ahead))


class Certificates:
    """Good and bad ones for a name, and files that a process reads, which hold any of them."""

    def __init__(self, lab, pki, other, name, wrong_name):
        self.folder = lab.directory / f"{name}-tls"
        self.folder.mkdir()
        self.used = {key: str(self.folder / f"{key}.pem") for key in ("ca", "cert", "key")}
        self.kinds = {
            "good": self._issue(pki, name, "good"),
            "expired": self._issue(pki, name, "expired", "--start", day(-9), "--days", 2),
            "early": self._issue(pki, name, "early", "--start", day(9), "--days", 2),
            "stranger": {**self._issue(other, name, "stranger"), "ca": str(pki.directory / "ca.pem")},
            "other name": self._issue(pki, wrong_name, "other-name")}
        self.use("good")

    @staticmethod
    def _issue(pki, name, kind, *options):
        pki.issue(name, "--file", f"{name}-{kind}", *options)
        return {"ca": str(pki.directory / "ca.pem"), "cert": str(pki.directory / f"{name}-{kind}.pem"),
                "key": str(pki.directory / f"{name}-{kind}.key")}

    def use(self, kind):
        for key, path in self.used.items():
            shutil.copy(self.kinds[kind][key], path)


@pytest.fixture(scope="module")
def site(module_lab):
    """Nodes a and b; a also looks for a second controller where none is."""
    made = Site(module_lab, timers={"stale": 60})
    (module_lab.directory / "other").mkdir()
    other = Pki(module_lab.directory / "other")
    made.node = Certificates(module_lab, made.pki, other, "compute-a", "compute-c")
    made.server = Certificates(module_lab, made.pki, other, "network-control", "compute-d")

    def change(config):
        config["controllers"][0].update(tls=made.node.used)
        config["controllers"].append({**config["controllers"][0], "port": ROGUE_PORT})
    made.routers["a"].rewrite(change)
    made.controllers[0].rewrite(lambda config: config.update(tls=made.server.used))
    return made.start(network("blue"))


CAUSES = {"expired": r"is expired since 20\d\d-\d\d-\d\d", "early": r"is not valid before 20\d\d-\d\d-\d\d",
          "stranger": r"is from a CA that is unknown here: .*"}


@pytest.mark.parametrize("kind", CAUSES)
def test_a_controller_refuses_nodes(site, kind):
    (controller,) = site.controllers
    with pytest.raises((OSError, AssertionError)):
        Node(site.control, "compute-a", site.node.kinds[kind])
    wanted = rf"no session: TLS: the peer's certificate \(.*CN = compute-a\) {CAUSES[kind]}"
    wait_until(lambda: re.search(wanted, controller.log()), 10, wanted)


def test_a_controller_refuses_a_name_that_is_not_proven(site):
    (controller,) = site.controllers
    with pytest.raises((OSError, AssertionError)):
        Node(site.control, "compute-a", site.node.kinds["other name"])
    wait_log(controller, "no session: the peer's certificate does not name compute-a@weft.test")


@pytest.mark.parametrize("kind", [*CAUSES, "other name"])
def test_a_node_refuses_controllers(site, kind):
    a = site.routers["a"]
    wanted = r"names compute-d@weft.test, wanted network-control@weft.test" if kind == "other name" else (
        rf"the peer's certificate \(.*CN = network-control\) {CAUSES[kind]}")

    def behave(rogue, end, _):
        rogue.welcome(end)
    with RogueController(site.control, site.server.kinds[kind], ROGUE_PORT, behave) as rogue:
        a.text("reload")  # it tries at once
        wait_until(lambda: re.search(wanted, control(a, 1)["cause"]), 40, wanted, 0.1)
        assert rogue.sessions == 0 or kind == "other name"
    assert control(a, 0)["state"] == "up"


def test_a_node_that_is_given_bad_files_keeps_the_good_ones(site):
    a = site.routers["a"]
    sessions = control(a)["sessions"]
    for kind, wanted in {**CAUSES, "other name": "is not the certificate of node compute-a: it names compute-c@weft.test"
                         }.items():
        if kind == "stranger":
            continue  # which only the other end can tell
        site.node.use(kind)
        a.text("reload")
        wait_until(lambda w=wanted: re.search(rf"cert.pem {w}.*what was read before stays in use", a.log()), 10, wanted)
    site.node.use("good")
    a.text("reload")
    row = control(a)
    assert row["state"] == "up" and row["sessions"] == sessions


def test_a_controller_that_is_given_bad_files_keeps_the_good_ones(site):
    (controller,) = site.controllers
    for kind in ("expired", "early", "other name"):
        site.server.use(kind)
        before = controller.log().count("what was read before stays in use")
        controller.process.send_signal(signal.SIGHUP)
        wait_log(controller, "what was read before stays in use", before + 1)
    with Node(site.control, "compute-c", site.node.kinds["other name"]):
        pass
    site.server.use("good")
    controller.process.send_signal(signal.SIGHUP)
    wait_log(controller, "certificates are read again")
    with Node(site.control, "compute-c", site.node.kinds["other name"]):
        pass


@pytest.mark.parametrize("kind", ["expired", "stranger"])
def test_a_node_starts_with_a_bad_certificate_and_is_healed(site, kind):
    """It forwards what it remembers and says what is wrong; good files are enough, or a reload."""
    a, b = site.routers["a"], site.routers["b"]
    site.node.use(kind)
    a.kill()
    a.start()
    configure_vm(site.vms["blue", "a"], 11)
    with Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12"):
        wanted = "the peer refuses: .*" if kind == "stranger" else f"cert.pem {CAUSES[kind]}"
        wait_until(lambda: re.search(wanted, control(a)["cause"]), 10, wanted, 0.1)
        assert control(a)["state"] != "up"
        site.node.use("good")
        if kind == "stranger":
            a.text("reload")
        wait_up(a)
    assert site.route(b, "blue", 11) is not None
