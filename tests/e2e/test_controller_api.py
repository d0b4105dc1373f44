"""weft-controller as a process, asked by weftctl and by HTTP."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest
from weft import BUILD, EXIT_CONFIG, EXIT_START, WEFTCTL, run, wait_until

CONTROLLER = BUILD / "tools" / "weft-controller"

NETWORKS = """\
nodes:
  - {name: a, tunnel_addresses: [192.0.2.1]}
  - {name: b, tunnel_addresses: [192.0.2.2]}
networks:
  - {name: blue, vni: 100, members: [a, b], subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}
vms:
  - {name: vm1, node: a, network: blue, mac: "02:00:00:00:01:01", addresses: [10.1.0.11]}
"""


class Controller:
    """A controller in a directory of its own; nothing of it listens on a network."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = directory / "controller.sock"
        self.state = directory / "controller.db"
        self.config = directory / "controller.yaml"
        self.config.write_text("name: controller-1\ndomain: weft.local\n"
                               f"api: {{socket: {self.socket}}}\nstate: {{file: {self.state}}}\n"
                               "timers: {grace: 0, silent: 1}\n", encoding="utf-8")
        self.log_path = directory / "log"
        self.process = None

    def start(self, *options):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([CONTROLLER, "--config", self.config, *options],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or self.get("/healthz")[0] == 200, 20,
                   "the controller's answer")
        assert self.process.poll() is None, self.log()
        return self

    def log(self):
        return self.log_path.read_text(encoding="utf-8")

    def get(self, path):
        """Status and body."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            try:
                s.connect(str(self.socket))
            except OSError:
                return 0, ""
            s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def ctl(self, *arguments, code=0):
        done = subprocess.run([WEFTCTL, "-c", self.socket, *arguments], capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def rows(self, word, *arguments):
        return json.loads(self.ctl("--json", word, "show", *arguments))["rows"]

    def apply(self, text, *options, code=0):
        path = self.directory / "networks.yaml"
        path.write_text(text, encoding="utf-8")
        return self.ctl("apply", "-f", str(path), *options, code=code)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(10) == 0


@pytest.fixture(name="controller")
def fixture_controller(tmp_path):
    made = Controller(tmp_path)
    yield made
    made.close()


def test_networks_are_applied_shown_and_kept(controller):
    controller.start()
    assert "+ network blue" in controller.apply(NETWORKS, "--dry-run")
    assert controller.rows("network") == []
    assert controller.apply(NETWORKS).startswith("4 added, 0 changed, 0 removed")
    assert controller.apply(NETWORKS) == "0 added, 0 changed, 0 removed\n"
    changed = NETWORKS.replace("vni: 100", "vni: 200")
    assert "vni: 100 → 200" in controller.apply(changed, "--dry-run")

    profiles = {(row["node"], row["kind"], row["name"]): row["object"]
                for row in controller.rows("profile")}
    decap = profiles["a", "decap", "blue.vxlan-100"]
    assert decap["sources"] == ["192.0.2.2/32"] and decap["vni"] == 100
    assert ("a", "tunnel", "blue.b") not in profiles, "b has not said that it lets a in"

    before = controller.get("/v1/intent")
    controller.kill()
    controller.start()
    assert controller.get("/v1/intent") == before
    # Nobody is there to answer; after a while nobody is waited for.
    wait_until(lambda: controller.rows("network")[0]["state"] == "settled", 10, "patience's end")
    assert {row["state"] for row in controller.rows("node")} == {"silent"}
    tunnel = [row["object"] for row in controller.rows("profile", "--node", "a")
              if row["kind"] == "tunnel"]
    assert [(t["name"], t["remote"], t["vni"]) for t in tunnel] == [("blue.b", "192.0.2.2", 100)]


def test_objects_one_by_one(controller):
    controller.start()
    controller.apply(NETWORKS)
    for line in ("node add c --tunnel-address 192.0.2.3", "device add leaf --address 192.0.2.254",
                 "link add l1 --end a --end leaf --cost 2", "link add l2 --end leaf --end c",
                 "security-group add web --ingress tcp\\ port\\ 80",
                 "network add red --member a --tunnel gre --import 1:1 --routes inventory",
                 "vm set vm1 --node c", "route add --network blue 0.0.0.0/0 --node b",
                 "route set --network blue 0.0.0.0/0 --discard"):
        words = [word.replace("\0", " ") for word in line.replace("\\ ", "\0").split()]
        assert controller.ctl(*words), line
    path = json.loads(controller.ctl("--json", "path", "vm1", "--from", "a"))
    assert path["host"] == "c" and path["hops"] == ["a", "leaf", "c"] and path["cost"] == 3
    assert controller.rows("route")[0]["leads to"] == "discard"
    assert controller.rows("network")[1]["tunnels"] == ["gre"]
    assert controller.ctl("route", "del", "--network", "blue", "0.0.0.0/0")
    assert controller.rows("route") == []
    said = controller.ctl("network", "add", "green", "--member", "d", code=1)
    assert 'network green: there is no node "d"' in said
    assert "is used by" in controller.ctl("node", "del", "a", code=1)
    assert 'did you mean "network"?' in controller.ctl("netwrok", "show", code=2)
    controller.kill()
    assert "Is the controller running?" in controller.ctl("network", "show", code=3)


def test_errors_of_a_file_say_where(controller):
    controller.start()
    said = controller.apply(NETWORKS.replace("members", "memebrs"), code=1)
    assert "networks.yaml:5:28: networks[0].memebrs: unknown key" in said
    assert 'did you mean "members"?' in said
    assert controller.rows("node") == []


def test_watchers_are_told(controller):
    controller.start()
    with subprocess.Popen([WEFTCTL, "-c", controller.socket, "watch"], stdout=subprocess.PIPE,
                          text=True) as watch:
        killer = threading.Timer(30, watch.kill)  # so that a wait for a line has an end
        killer.start()
        assert watch.stdout.readline().startswith("watching")
        controller.apply(NETWORKS)
        seen = [watch.stdout.readline() for _ in range(6)]
        watch.send_signal(signal.SIGINT)
        code = watch.wait(10)
        killer.cancel()
        assert code == 0
    assert "network blue added, generation 2\n" in seen
    assert "a is told generation 2: 2 profiles\n" in seen


def test_a_watcher_that_is_interrupted_twice(controller):
    """The second time it does not wait for a controller that hangs."""
    controller.start()
    with subprocess.Popen([WEFTCTL, "-c", controller.socket, "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as watch:
        assert watch.stdout.readline().startswith("watching")
        controller.process.send_signal(signal.SIGSTOP)
        try:
            watch.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                watch.wait(0.5)
            watch.send_signal(signal.SIGINT)
            assert watch.wait(10) != 0
        finally:
            watch.kill()
            controller.process.send_signal(signal.SIGCONT)
        assert watch.stderr.read().startswith("weftctl: interrupted before the server had ended its answer\n")


def test_metrics(controller):
    controller.start()
    controller.apply(NETWORKS)
    text = controller.get("/metrics")[1]
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['weft_controller_objects{kind="node"}'] == "2"
    assert values["weft_controller_generation"] == "2" and values["weft_controller_healthy"] == "1"
    assert float(values["weft_controller_commit_seconds_count"]) >= 2
    assert 0 < float(values["weft_controller_commit_seconds_sum"]) < 10
    assert values['weft_controller_api_requests_total{method="POST"}'] == "1"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    wait_until(lambda: "weft_controller_silent_nodes 2\n" in controller.get("/metrics")[1], 10, "patience's end")


def test_a_state_that_cannot_be_used(controller):
    controller.start()
    controller.apply(NETWORKS)
    second = subprocess.run([CONTROLLER, "--config", controller.config], capture_output=True,
                            text=True, timeout=30, check=False)
    assert second.returncode == EXIT_START
    assert "another process has it open" in second.stdout + second.stderr
    controller.close()

    controller.state.write_bytes(b"x" * 8192)
    refused = subprocess.run([CONTROLLER, "--config", controller.config], capture_output=True,
                             text=True, timeout=30, check=False)
    assert refused.returncode == EXIT_START
    assert "it is damaged. Start with --rebuild" in refused.stdout + refused.stderr
    controller.start("--rebuild")
    assert controller.rows("network") == []
    assert os.path.exists(f"{controller.state}.damaged")


def test_a_configuration_that_is_wrong(controller):
    controller.config.write_text("name: c\ndomian: x\n", encoding="utf-8")
    done = subprocess.run([CONTROLLER, "--check", "--config", controller.config],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == EXIT_CONFIG
    assert 'controller.yaml:2:1: domian: unknown key "domian"; did you mean "domain"?' in done.stderr


def test_certificates(tmp_path):
    """As OpenSSL's own tools see them."""
    directory = tmp_path / "pki"
    run(CONTROLLER, "pki", "init", directory, "--domain", "site.example")
    run(CONTROLLER, "pki", "issue", directory, "compute-a", "--days", "30")
    for purpose in ("sslclient", "sslserver"):
        run("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile",
            directory / "ca.pem", directory / "compute-a.pem")
    text = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in",
               directory / "compute-a.pem")
    assert "XmppAddr::compute-a@site.example" in text
    assert (directory / "compute-a.key").stat().st_mode & 0o777 == 0o600
