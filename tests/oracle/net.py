"""A real weftd between raw sockets: every port and VIF of the configuration ends in one of ours."""

import contextlib
import http.client
import json
import select
import signal
import socket
import subprocess
import time

from vlans import interface_of, kind_of
from weft import ETH_P_ALL, PACKET_AUXDATA, SO_RCVBUFFORCE, SOL_PACKET, inside, vlan_tag, wait_until

PACKET_IGNORE_OUTGOING = 23


class Api:
    """The router's API over its Unix socket, for what is asked too often to start weftctl each time."""

    def __init__(self, path):
        self._path = str(path)
        self._connection = None

    def get(self, what):
        for attempt in (1, 2):
            try:
                return self._get(what)
            except (http.client.HTTPException, OSError):
                self.close()
                if attempt == 2:
                    raise
        return None

    def _get(self, what):
        if self._connection is None:
            self._connection = http.client.HTTPConnection("weft", timeout=10)
            self._connection.sock = socket.socket(socket.AF_UNIX)
            self._connection.sock.settimeout(10)
            self._connection.sock.connect(self._path)
        self._connection.request("GET", what)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise AssertionError(f"GET {what}: {answer.status} {body[:500]!r}")
        return json.loads(body)

    def drops(self):
        """Drop reason → packets, only those that happened."""
        return {row["reason"]: row["packets"] for row in self.get("/v1/drops")["rows"] if row["packets"]}

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Tester:
    """Owns the namespaces of one router. Names of interfaces are names of VIFs and of ports, of several on one device
    that of the first."""

    def __init__(self, lab, config):
        self.node = lab.namespace("node", ipv6=False)
        self.outside = lab.namespace("outside", ipv6=False)
        self.config = config = json.loads(json.dumps(config))
        interfaces = []
        for port in config["ports"]:
            interface, kernel = interface_of(port), kind_of(port["device"]) == "af_packet"
            if interface not in interfaces:
                interfaces.append(interface)
                if kernel:
                    lab.cable(self.node, interface, self.outside, interface)
            port["device"] = f"af_packet:{interface}" if kernel else f"tap:{interface}@{self.outside.name}"
        for vif in config["vifs"]:
            vif["device"] = f"tap:{vif['name']}@{self.outside.name}"
        self.router = lab.router(self.node, "oracle", config).start()
        self.api = Api(self.router.socket)
        self.sockets = {}
        self.names = interfaces + [vif["name"] for vif in config["vifs"]]
        for name in self.names:
            wait_until(lambda n=name: self.outside.has_interface(n), 5, f"interface {name}")
            self.outside.ip("link", "set", name, "up")
        with inside(self.outside.name):
            for name in self.names:
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
                s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
                s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
                s.bind((name, ETH_P_ALL))
                s.setblocking(False)
                self.sockets[name] = s
        self._poll = select.epoll()
        self._by_descriptor = {}
        for name, s in self.sockets.items():
            self._poll.register(s.fileno(), select.EPOLLIN)
            self._by_descriptor[s.fileno()] = name
        for port in config["ports"]:   # where it announces its addresses then
            wait_until(lambda n=port["name"]: f"port {n}: link up" in self.router.log(), 5, f"link of {port['name']}")
        self.port_macs = {row["name"]: row["mac"] for row in self.api.get("/v1/port")["rows"]}

    def rewrite(self, config, *more):
        """Groups, and who is in them, in the file that `weftctl reload` is to find. `more`: other sections of it."""
        for mine, now in zip(self.config["vrfs"] + self.config["vifs"], config["vrfs"] + config["vifs"]):
            mine.pop("security_groups", None)
            mine.update({key: value for key, value in now.items() if key in ("security_groups", "flows")})
        self.config.update({key: config[key] for key in ("security_groups", *more) if key in config})
        text = json.dumps({"api": {"socket": str(self.router.socket)}, **self.config}, indent=1)
        self.router.config_path.write_text(text, encoding="utf-8")

    def send(self, name, frame):
        deadline = time.monotonic() + 5
        while True:
            try:
                self.sockets[name].send(frame)
                return
            except (BlockingIOError, OSError) as full:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name} takes no frame of {len(frame)} bytes: {full}") from full
                time.sleep(0.001)

    @contextlib.contextmanager
    def asleep(self):
        """What is sent in the meantime waits for the router, and comes to it in bursts."""
        self.router.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.router.process.send_signal(signal.SIGCONT)

    def receive(self, seconds):
        """[(interface, frame)] that came; waits at most `seconds` for the first."""
        got = []
        for descriptor, _ in self._poll.poll(seconds):
            name = self._by_descriptor[descriptor]
            s = self.sockets[name]
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, notes, _, _ = s.recvmsg(65535, 64)
                    got.append((name, frame[:12] + vlan_tag(notes) + frame[12:]))
        return got

    def alive(self, seconds=0.0):
        """Whether the router still runs after that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.router.process.wait(seconds)
        return self.router.process.poll() is None

    def close(self):
        self.api.close()
        self._poll.close()
        for s in self.sockets.values():
            s.close()
