"""The controller's API over mutual TLS: who gets in, who may what, and what hostile clients do not stop."""

import contextlib
import json
import os
import select
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from controller import CONTROLLER, CONTROLLER_ADDRESS, DOMAIN, Controller, Pki
from pki import Pki as OpenSslPki
from weft import WEFTCTL, inside, run, wait_until
from xmpp import slixmpp

PORT = 8443
NODES = """\
nodes:
  - {name: a, tunnel_addresses: [192.0.2.1]}
"""


class Place:
    """A controller that listens for nodes and operators, in a namespace."""

    def __init__(self, lab):
        self.lab = lab
        self.namespace = lab.namespace("control", ipv6=False)
        self.namespace.ip("link", "set", "lo", "up")
        self.namespace.ip("addr", "add", f"{CONTROLLER_ADDRESS}/32", "dev", "lo")
        self.pki = Pki(lab.directory)
        tls = self.pki.issue("network-control", "--address", CONTROLLER_ADDRESS, "--days", "20")
        self.controller = Controller(lab, self.namespace, "c0", tls, api={
            "socket": str(lab.directory / "c0.sock"), "listen": {"address": CONTROLLER_ADDRESS, "port": PORT}}).start()
        self.admin = self.pki.issue("alice", "--role", "admin")
        self.reader = self.pki.issue("bob", "--role", "reader")
        self.node = self.pki.issue("compute-a")

    def command(self, files, *arguments, host=CONTROLLER_ADDRESS):
        return ["ip", "netns", "exec", self.namespace.name, str(WEFTCTL), "-c", f"https://{host}:{PORT}",
                *(word for name in ("ca", "cert", "key") for word in (f"--{name}", files[name])), *map(str, arguments)]

    def ctl(self, files, *arguments, code=0, **options):
        """What weftctl says over TLS."""
        done = subprocess.run(self.command(files, *arguments, **options), capture_output=True, text=True, timeout=30,
                              check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stdout + done.stderr + self.controller.log()
        return done.stdout if code == 0 else done.stderr

    def raw(self):
        """A TCP connection to the API."""
        with inside(self.namespace.name):
            s = socket.socket()
        s.settimeout(20)
        s.connect((CONTROLLER_ADDRESS, PORT))
        return s

    def connection(self, files):
        """The same with TLS; without files a client that shows no certificate."""
        context = ssl.create_default_context(cafile=self.pki.directory / "ca.pem")
        if files:
            context.load_cert_chain(files["cert"], files["key"])
        return context.wrap_socket(self.raw(), server_hostname=CONTROLLER_ADDRESS)

    def ask(self, files, request):
        """Status, body and all of what is said to raw bytes."""
        with self.connection(files) as s:
            s.sendall(request)
            return read_answer(s)

    def apply_file(self, text):
        path = self.lab.directory / "objects.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def refused(self, why, seconds=10):
        wait_until(lambda: any("is refused" in line and why in line for line in self.controller.log().splitlines()),
                   seconds, f"a line of the log with {why!r}")


def read_answer(s):
    answer = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := s.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body.decode()


@pytest.fixture(scope="module")
def place(module_lab):
    return Place(module_lab)


def test_ends_of_certificates(place):
    assert "network-control.pem ends on" in place.controller.log(), "no warning at the start"
    lines = run(CONTROLLER, "pki", "show", place.pki.directory).splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert "authority" in rows["ca.pem"] and f"network-control@{DOMAIN}" in rows["network-control.pem"]
    assert rows["alice.pem"].split()[1:3] == ["alice", "admin"]
    assert rows["network-control.pem"].endswith(" 19 days")


def test_an_admin_does_everything(place):
    file = place.apply_file(NODES)
    assert "+ node a" in place.ctl(place.admin, "apply", "-f", file, "--dry-run")
    assert place.ctl(place.admin, "apply", "-f", file).startswith("1 added")
    assert place.ctl(place.admin, "node", "add", "b", "--tunnel-address", "192.0.2.2") == "node b is there\n"
    rows = json.loads(place.ctl(place.admin, "--json", "node", "show"))["rows"]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert place.ctl(place.admin, "node", "del", "b") == "node b is gone\n"
    wait_until(lambda: f"API: alice (admin) from {CONTROLLER_ADDRESS}:" in place.controller.log(), 5, "who changed what")


def test_a_reader_sees_and_tries(place):
    file = place.apply_file(NODES.replace("192.0.2.1", "192.0.2.9"))
    before = place.ctl(place.reader, "intent", "show")
    assert "192.0.2.9" in place.ctl(place.reader, "apply", "-f", file, "--dry-run")
    for words in (["apply", "-f", file], ["node", "add", "c", "--tunnel-address", "192.0.2.3"],
                  ["node", "set", "a", "--tunnel-address", "192.0.2.3"], ["node", "del", "a"]):
        assert "a reader may not" in place.ctl(place.reader, *words, code=1), words
    assert place.ctl(place.reader, "intent", "show") == before
    place.refused("bob: DELETE /v1/node")


def test_watchers_are_told_over_tls(place):
    command = place.command(place.reader, "watch")
    with subprocess.Popen(["timeout", "--foreground", "30", *command], stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout.readline().startswith("watching")
        place.controller.text("device", "add", "leaf", "--address", "192.0.2.254")
        assert "device leaf added" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)  # which timeout hands on, once
        assert watch.wait(10) == 0


def test_who_is_refused(place):
    """By TLS with an alert, or by HTTP with a reason; each with a line in the log."""
    said = place.ctl(place.node, "node", "show", code=1)
    assert f"is for the control channel (compute-a@{DOMAIN})" in said
    status, body = place.ask(place.node, b"GET /v1/node HTTP/1.1\r\nHost: c\r\n\r\n")
    assert status == 403 and "not for an operator" in json.loads(body)["error"]
    place.refused("the certificate of compute-a is for the control channel")

    with pytest.raises((ssl.SSLError, ConnectionError)), place.connection(None) as s:
        s.sendall(b"GET /v1/node HTTP/1.1\r\nHost: c\r\n\r\n")
        s.recv(1)
        raise ConnectionError("it ended without an alert")
    place.refused("the peer shows no certificate")

    other = OpenSslPki(place.lab.directory, "other")
    cert, key = other.issue("mallory", f"mallory@{DOMAIN}")
    stranger = {"ca": place.admin["ca"], "cert": str(cert), "key": str(key)}
    assert "the peer refuses: unknown CA" in place.ctl(stranger, "node", "show", code=3)
    place.refused("(CN = mallory) is from a CA that is unknown here")

    old = place.pki.issue("old", "--role", "admin", "--start", "2024-01-01", "--days", "2")
    assert "is expired since 2024-01-03" in place.ctl(old, "node", "show", code=3)
    context = ssl.create_default_context(cafile=place.admin["ca"])
    context.load_cert_chain(old["cert"], old["key"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with context.wrap_socket(place.raw(), server_hostname=CONTROLLER_ADDRESS) as s:
            assert s.recv(1)
    place.refused("is expired since 2024-01-03")


def test_the_servers_name_is_checked(place):
    said = place.ctl(place.admin, "node", "show", host="127.0.0.1", code=3)
    assert "cannot connect" in said  # nothing listens there
    place.namespace.ip("addr", "add", "203.0.113.7/32", "dev", "lo")
    impostor = place.pki.issue("compute-b")
    server = ["openssl", "s_server", "-cert", impostor["cert"], "-key", impostor["key"], "-quiet",
              "-accept", "203.0.113.7:8444"]
    process = place.namespace.start(*server)
    try:
        def said_so():
            done = subprocess.run([word.replace(f":{PORT}", ":8444") for word in
                                   place.command(place.admin, "node", "show", host="203.0.113.7")],
                                  capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 3
            return "does not name 203.0.113.7: issue one with --address" in done.stderr
        wait_until(said_so, 10, "a refusal of the impostor")
    finally:
        process.terminate()
        process.wait()


def test_files_by_environment_and_default_place(place):
    home = place.lab.directory / "home"
    weft = home / ".config" / "weft"
    weft.mkdir(parents=True)
    bare = ["ip", "netns", "exec", place.namespace.name, str(WEFTCTL), "-c", f"{CONTROLLER_ADDRESS}:{PORT}", "node", "show"]
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("XDG_CONFIG_HOME", None)
    missing = subprocess.run(bare, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert missing.returncode == 3 and f"{weft}/ca.pem cannot be read" in missing.stderr
    for name, key in (("ca.pem", "ca"), ("operator.pem", "cert"), ("operator.key", "key")):
        os.symlink(place.reader[key], weft / name)
    assert "192.0.2.1" in run(*bare, env=environment)
    assert "a reader may not" in run(*bare[:-2], "node", "del", "a", env=environment, check=False)
    as_admin = {**environment, "WEFT_CERT": place.admin["cert"], "WEFT_KEY": place.admin["key"]}
    assert "there is no node" in run(*bare[:-2], "node", "del", "nobody", env=as_admin, check=False)


def test_requests_that_go_wrong(place):
    """Each ends with an answer or the connection, and costs nothing that lasts."""
    endless = b"GET / HTTP/1.1\r\nHost: c\r\n" + b"X-More: and more\r\n" * 4096
    assert place.ask(place.reader, endless)[0] == 431
    huge = b"POST /v1/apply HTTP/1.1\r\nHost: c\r\nContent-Length: 99999999999\r\n\r\n"
    assert place.ask(place.admin, huge)[0] == 413
    assert place.ask(place.node, huge)[0] == 403, "a node's body is not waited for"
    assert place.ask(place.admin, b"\0\1\2\3 nothing\r\n\r\n")[0] == 400
    assert place.ask(place.admin, b"HEAD /v1/node HTTP/1.1\r\nHost: c\r\n\r\n")[0] == 405
    with place.raw() as plain:
        plain.sendall(b"GET /v1/node HTTP/1.1\r\nHost: c\r\n\r\n")
        assert not plain.recv(65536).startswith(b"HTTP")
    place.refused("http request")


def test_its_certificate_is_renewed(place):
    """By SIGHUP, for those that come from then on; files that are no good change nothing."""
    def shown():
        with place.connection(place.admin) as s:
            return s.getpeercert(binary_form=True)

    def hang_up(line):
        before = place.controller.log().count(line)
        place.controller.process.send_signal(signal.SIGHUP)
        wait_until(lambda: place.controller.log().count(line) > before, 10, line)

    old = shown()
    with place.connection(place.admin) as standing:
        for end in ("pem", "key"):
            (place.pki.directory / f"network-control.{end}").unlink()
        cert = Path(place.pki.issue("network-control", "--address", CONTROLLER_ADDRESS)["cert"])
        hang_up("certificates are read again")
        renewed = shown()
        assert renewed != old
        standing.sendall(b"GET /v1/node HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n")
        assert read_answer(standing)[0] == 200
    good = cert.read_text(encoding="utf-8")
    cert.write_text("no certificate", encoding="utf-8")
    hang_up("what was read before stays in use")
    assert shown() == renewed
    cert.write_text(good, encoding="utf-8")
    hang_up("certificates are read again")


def test_hostile_clients_stop_nobody(place):
    """The socket answers, an operator gets in, and a node's session stays."""
    directory = place.pki.directory
    node = slixmpp(place.namespace, (directory / "compute-a.pem", directory / "compute-a.key"), directory / "ca.pem",
                   f"compute-a@{DOMAIN}/agent", CONTROLLER_ADDRESS, 5269)
    node.hear("up")
    silent = [place.raw() for _ in range(200)]
    garbage = place.raw()
    garbage.sendall(os.urandom(4096))
    slow = place.connection(place.reader)
    slow.sendall(b"POST /v1/apply HTTP/1.1\r\nHost: c\r\nContent-Length: 1000\r\n\r\n{")
    for _ in range(10):
        slow.sendall(b" ")
        assert place.controller.table("node")[0]["name"] == "a"
        assert "192.0.2.1" in place.ctl(place.reader, "node", "show")
        node.tell("ping", f"network-control@{DOMAIN}/bgp-peer")
        node.hear("done ping")
    place.refused("it has not got in yet, and another came")

    def ended():
        return len(select.select(silent, [], [], 0)[0]) == len(silent)
    wait_until(ended, 20, "the end of those who say nothing")
    place.refused("it took too long")
    assert not any(line.startswith("down") for line in node.lines)
    status, text = place.ask(place.reader, b"GET /metrics HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n")
    assert status == 200 and 'weft_controller_session_up{node="compute-a"} 1\n' in text
    node.tell("stop")
    for s in (*silent, garbage, slow):
        s.close()
