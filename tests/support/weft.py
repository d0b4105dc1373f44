"""Network namespaces, routers and wires for end-to-end tests.

Everything is made inside namespaces whose names are unique to the Lab, and goes away with it.
Nothing here sleeps and hopes: what has to come true is waited for with a deadline.
"""

import contextlib
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = (TOP / os.environ.get("WEFT_BUILD", "build")).resolve()
WEFTD = BUILD / "tools" / "weftd"
WEFTCTL = BUILD / "tools" / "weftctl"

EXIT_CONFIG = 2
EXIT_START = 3

# For this the routers drop what VMs' kernels say of themselves (MLD, router solicitations).
BACKGROUND = "ip_destination_unsupported"
ROUTER_MAC = "02:00:5e:00:01:01"
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40

_libc = ctypes.CDLL(None, use_errno=True)
_lab_numbers = itertools.count()


class Timeout(AssertionError):
    pass


def wait_until(condition, seconds=5.0, what="the condition", interval=0.02):
    """Returns the first true value of condition(); Timeout after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Timeout(f"{what} did not come true within {seconds} s (last: {value!r})")
        time.sleep(interval)


def run(*command, check=True, timeout=60, **options):
    """Runs a command and returns what it printed, both outputs in one text."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace meanwhile; sockets made here stay there."""
    def enter(descriptor):
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")

    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


def udp_socket(namespace, address=None, port=0, receive_buffer=32 << 20):
    """A UDP socket in the namespace, bound when an address is given."""
    family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
    with inside(namespace):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer)
        if address:
            s.bind((address, port))
    return s


def vlan_tag(notes):
    """The VLAN tag that the kernel has taken off a frame, from what it tells beside the frame (packet(7))."""
    for level, kind, data in notes:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, control, protocol = struct.unpack("@IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return struct.pack("!HH", protocol if status & TP_STATUS_VLAN_TPID_VALID else 0x8100, control)
    return b""


class Wire:
    """Raw Ethernet frames at an interface of a namespace."""

    def __init__(self, namespace, interface):
        with inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._socket.bind((interface, ETH_P_ALL))
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)

    def send(self, frame, count=1):
        data = bytes(frame)
        for _ in range(count):
            self._socket.send(data)

    def frames(self, seconds):
        """Frames as they arrive (not our own), until the time is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data, notes, _, where = self._socket.recvmsg(65535, 64)
            except TimeoutError:
                return
            if where[2] != socket.PACKET_OUTGOING:
                yield data[:12] + vlan_tag(notes) + data[12:]

    def expect(self, wanted, seconds=5.0, what="a frame"):
        """The first frame for which wanted(scapy packet) is true, as a scapy packet."""
        from scapy.layers.l2 import Ether
        import scapy.layers.inet6  # noqa: F401  (dissects IPv6)
        for data in self.frames(seconds):
            packet = Ether(data)
            if wanted(packet):
                return packet
        raise Timeout(f"{what} did not arrive within {seconds} s")

    def close(self):
        self._socket.close()


class Namespace:
    """One network namespace; `name` is unique on the machine."""

    def __init__(self, name):
        self.name = name
        self.processes = []

    def ip(self, *arguments, **options):
        return run("ip", "-n", self.name, *arguments, **options)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def start(self, *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        """A process that lives at most as long as the Lab."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)],
                                   stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                   text=True)
        self.processes.append(process)
        return process

    def ping(self, address, *options, count=5, interval=0.02, deadline=10):
        """How many of the first `count` queries were answered. ping asks on until so many answers came, so that
        a late one is not taken for a lost one; the answers to the queries beyond do not count."""
        text = self.run("ping", "-n", "-c", count, "-i", interval, "-w", deadline, *options, address, check=False)
        if " received" not in text:
            raise AssertionError(text)
        return len({int(number) for number in re.findall(r"bytes from .* icmp_seq=(\d+) ", text)
                    if int(number) <= count})

    def learned_mtu(self, address):
        text = self.ip("route", "get", address).replace("\n", " ").split()
        return int(text[text.index("mtu") + 1]) if "mtu" in text else None

    def has_interface(self, interface):
        return subprocess.run(["ip", "-n", self.name, "link", "show", interface], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Weftd:
    """A router in a namespace."""

    def __init__(self, lab, namespace, name, config):
        self.name = name
        self.namespace = namespace
        self.socket = lab.directory / f"{name}.sock"
        self.config_path = lab.directory / f"{name}.yaml"
        self.log_path = lab.directory / f"{name}.log"
        if isinstance(config, dict):
            config = {"api": {"socket": str(self.socket)}, **config}
            config = json.dumps(config, indent=1)  # JSON is YAML
        self.config_path.write_text(config)
        self.process = None

    def rewrite(self, change):
        """Changes the configuration file, which a reload would read."""
        config = json.loads(self.config_path.read_text())
        change(config)
        self.config_path.write_text(json.dumps(config, indent=1))

    def launch(self):
        """Starts the process and does not wait for anything."""
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.namespace.start(WEFTD, "--config", self.config_path, stdout=log,
                                                stderr=subprocess.STDOUT)
        return self

    def start(self, seconds=20):
        self.launch()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"weftd {self.name} ended with {self.process.returncode}:\n"
                                     f"{self.log()}")
            return self.socket.exists() and self._ctl("show", "workers").returncode == 0
        wait_until(ready, seconds, f"weftd {self.name} ready")
        return self

    def stop(self, seconds=1.0):
        """SIGTERM; returns the exit code. Longer than `seconds` is an error."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise Timeout(f"weftd {self.name} did not stop within {seconds} s:\n{self.log()}") from late

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_exit(self, seconds=15):
        """The exit code of a process that is expected to end by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Timeout(f"weftd {self.name} still runs after {seconds} s:\n{self.log()}") from late

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def _ctl(self, *arguments):
        return subprocess.run([str(WEFTCTL), "--socket", str(self.socket), *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=10, check=False, stdin=subprocess.DEVNULL)

    def text(self, *arguments):
        """What weftctl prints for people."""
        done = self._ctl(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"weftctl {' '.join(map(str, arguments))}: exit {done.returncode}\n"
                                 f"{done.stdout}")
        return done.stdout

    def ctl(self, *arguments):
        """The parsed JSON that weftctl prints."""
        return json.loads(self.text("--json", *arguments))

    def table(self, name):
        """The rows of `weftctl show NAME`."""
        return self.ctl("show", name)["rows"]

    def set_tunnel(self, name, **settings):
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        self.text("tunnel", "set", name, *options)

    def set_route(self, vrf, prefix, tunnel):
        self.text("route", "set", "--vrf", vrf, prefix, "--tunnel", tunnel)

    def drops(self):
        """Drop reason → packets; reasons that never happened count 0."""
        return _Counts({row["reason"]: row["packets"] for row in self.table("drops")})

    def row(self, table, name):
        rows = [row for row in self.table(table) if row["name"] == name]
        assert len(rows) == 1, f"{table} {name}: {rows}"
        return rows[0]

    @contextlib.contextmanager
    def counts_drop(self, reason, packets, seconds=3.0):
        """What happens inside is dropped for exactly this reason, `packets` times."""
        before = self.drops()
        yield
        wait_until(lambda: self.drops()[reason] >= before[reason] + packets, seconds,
                   f"{packets} drops for {reason}")
        after = self.drops() - before
        assert after[reason] == packets or reason == BACKGROUND, f"{self.name} dropped {after}"
        assert set(after) <= {reason, BACKGROUND}, f"{self.name} dropped {after}"


class _Counts(dict):
    def __missing__(self, _reason):
        return 0

    def __sub__(self, before):
        return {name: n - before[name] for name, n in self.items() if n != before[name]}


class Lab:
    """Namespaces, cables and routers; all gone when the `with` ends, however it ends."""

    def __init__(self):
        self.prefix = f"wt{os.getpid()}x{next(_lab_numbers)}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir="/run"))
        self.namespaces = []
        self.wires = []
        self.routers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, name, ipv6=True):
        """A new namespace. Without `ipv6` the kernel sends nothing of its own into the cables."""
        ns = Namespace(f"{self.prefix}-{name}")
        run("ip", "netns", "add", ns.name)
        self.namespaces.append(ns)
        ns.ip("link", "set", "lo", "up")
        key = "accept_dad=0" if ipv6 else "disable_ipv6=1"
        ns.run("sysctl", "-qw", f"net.ipv6.conf.default.{key}")
        return ns

    def cable(self, a, a_interface, b, b_interface, mtu=1500, finish_checksums=True):
        """A veth pair between two namespaces."""
        a.ip("link", "add", a_interface, "mtu", mtu, "type", "veth", "peer", "name", b_interface,
             "mtu", mtu, "netns", b.name)
        for ns, interface in ((a, a_interface), (b, b_interface)):
            if finish_checksums:
                ns.run("ethtool", "-K", interface, "tx", "off")
            ns.ip("link", "set", interface, "up")

    def wire(self, namespace, interface):
        wire = Wire(namespace.name, interface)
        self.wires.append(wire)
        return wire

    def router(self, namespace, name, config):
        """A router that is not started yet."""
        router = Weftd(self, namespace, name, config)
        self.routers.append(router)
        return router

    def capture(self, namespace, interface, expression=""):
        """Starts tcpdump and returns it with the file it writes; it listens already."""
        path = self.directory / f"capture-{len(os.listdir(self.directory))}.pcap"
        process = namespace.start("tcpdump", "--immediate-mode", "-U", "-n", "-i", interface, "-w", path, expression,
                                  stderr=subprocess.PIPE)
        for line in process.stderr:
            if "listening on" in line:
                return process, path
        raise AssertionError("tcpdump did not start")

    def logs(self):
        return "\n".join(f"--- log of {r.name}\n{r.log()}" for r in self.routers
                         if r.log_path.exists())

    def close(self):
        # The routers first, since devices that they made in other namespaces go with them.
        processes = [p for ns in self.namespaces for p in ns.processes]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stderr:
                process.stderr.close()
        for wire in self.wires:
            wire.close()
        for ns in self.namespaces:
            run("ip", "netns", "del", ns.name, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def tcp_transfer(server, address, client, size=2 << 20, seconds=20):
    """Sends `size` bytes each way over one connection between two namespaces; checks each byte."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(server.name):
        listener = socket.socket(family, socket.SOCK_STREAM)
    with inside(client.name):
        near = socket.socket(family, socket.SOCK_STREAM)
    data = os.urandom(1 << 16) * (size >> 16)
    with listener, near, ThreadPoolExecutor(2) as pool:
        listener.settimeout(seconds)
        near.settimeout(seconds)
        listener.bind((address, 0))
        listener.listen(1)

        def serve():
            far, _ = listener.accept()
            with far:
                far.settimeout(seconds)
                got = _receive(far, size)
                far.sendall(got)
                far.recv(1)  # until the client has everything
                return got

        served = pool.submit(serve)
        near.connect((address, listener.getsockname()[1]))
        near.sendall(data)
        echoed = _receive(near, size)
        near.close()
        assert served.result(seconds) == data, "the server received other bytes than were sent"
        assert echoed == data, "the client received other bytes than were sent"


def _receive(s, size):
    parts = bytearray()
    while len(parts) < size:
        part = s.recv(1 << 16)
        if not part:
            raise AssertionError(f"connection closed after {len(parts)} of {size} bytes")
        parts += part
    return bytes(parts)


class Stream:
    """Numbered UDP datagrams from one namespace to another, paced, and who of them arrived."""

    def __init__(self, source, sink, address, port=7000):
        self._out = udp_socket(source.name)
        self._in = udp_socket(sink.name, address, port)
        self._in.settimeout(0.2)
        self._target = (address, port)
        self.sent = 0
        self.received = []

    def run(self, count, per_second, meanwhile):
        """Sends `count` datagrams while `meanwhile(turn)` is called every 50 ms on this thread."""
        with ThreadPoolExecutor(2) as pool:
            sending = pool.submit(self._send, count, per_second)
            receiving = pool.submit(self._receive, count, sending)
            turn = 0
            while not sending.done():
                meanwhile(turn)
                turn += 1
                time.sleep(0.05)
            sending.result()
            receiving.result()
        return turn

    def _send(self, count, per_second):
        start = time.perf_counter()
        for number in range(count):
            if number % 8 == 0:
                ahead = start + number / per_second - time.perf_counter()
                if ahead > 0:
                    time.sleep(ahead)
            self._out.sendto(number.to_bytes(4, "big"), self._target)
            self.sent += 1

    def _receive(self, count, sending):
        quiet_since = None
        while len(self.received) < count:
            try:
                self.received.append(int.from_bytes(self._in.recv(64), "big"))
                quiet_since = None
            except TimeoutError:
                now = time.monotonic()
                quiet_since = quiet_since or now
                if sending.done() and now - quiet_since > 1:
                    return

    def lost(self):
        return sorted(set(range(self.sent)) - set(self.received))

    def close(self):
        self._out.close()
        self._in.close()
