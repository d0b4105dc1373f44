"""Trouble for controllers and nodes: cuts, resets and full disks, and traffic that has to survive them."""

import contextlib
import os
import re
import select
import socket
import struct
import threading
import time

import weft
from weft import Stream, run, wait_until


class Traffic(Stream):
    """Numbered datagrams for as long as the `with` lasts; none of them may be lost."""

    def __init__(self, source, sink, address, port=7000, per_second=1000):
        super().__init__(source, sink, address, port)
        self._source = source
        self._per_second = per_second
        self._ends = threading.Event()
        self._all_sent = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._emit, self._take)]

    def _emit(self):
        start = time.perf_counter()
        while not self._ends.is_set():
            for _ in range(4):
                self._out.sendto(self.sent.to_bytes(4, "big"), self._target)
                self.sent += 1
            ahead = start + self.sent / self._per_second - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)

    def _take(self):
        quiet = 0
        while not (self._all_sent.is_set() and (len(self.received) >= self.sent or quiet >= 5)):
            try:
                self.received.append(int.from_bytes(self._in.recv(64), "big"))
            except TimeoutError:
                quiet += self._all_sent.is_set()

    def __enter__(self):
        wait_until(lambda: self._source.ping(self._target[0], count=1) == 1, 20, "a way from end to end")
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.received, 5, "the first datagram")
        return self

    def __exit__(self, kind, *_):
        emitting, taking = self._threads
        self._ends.set()
        emitting.join()
        self._all_sent.set()
        taking.join()
        self.close()
        lost = self.lost()
        print(f"{len(lost)} of {self.sent} lost")
        if kind is None:
            assert not lost, f"{len(lost)} of {self.sent} lost, from {lost[0]} to {lost[-1]}"


class Cut:
    """The management link of a node, which drops everything both ways while it is cut; no end hears of it."""

    def __init__(self, site, node):
        self._control = site.control
        self._port = f"mgmt{list(site.nodes).index(node) + 1}"

    def cut(self):
        self._control.ip("link", "set", self._port, "nomaster")

    def heal(self):
        self._control.ip("link", "set", self._port, "master", "mgmt")

    def __enter__(self):
        self.cut()
        return self

    def __exit__(self, *_):
        self.heal()


class Relay:
    """Connections to a controller go through it, and may be reset at both ends."""

    def __init__(self, namespace, address, port, target):
        self._namespace = namespace
        self._target = target
        with weft.inside(namespace.name):
            self._listener = socket.create_server((address, port))
        self._pairs = []
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self._open:
            try:
                near, _ = self._listener.accept()
                with weft.inside(self._namespace.name):
                    far = socket.create_connection(self._target, 5)
            except OSError:
                continue
            self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    @staticmethod
    def _carry(near, far):
        with contextlib.suppress(OSError, ValueError):
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for end in ready:
                    data = end.recv(1 << 16)
                    (far if end is near else near).sendall(data)
                    if not data:
                        raise OSError("closed")
        for end in (near, far):
            end.close()

    def reset(self):
        """RST to both ends of all connections."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)  # wakes who waits for it
                    end.close()

    def close(self):
        self._open = False
        self._listener.close()
        self.reset()


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, lab, name, kib):
        self.path = lab.directory / name
        self.path.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", self.path)

    def fill(self):
        with open(self.path / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self):
        os.unlink(self.path / "ballast")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.path)


def metric(router, name):
    """The number of a metric without labels."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(router.socket))
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(1 << 16), b"")).decode()
    (value,) = re.findall(rf"^{name} (\S+)$", text, re.M)
    return float(value)


def resident_mib(process):
    """Memory of a process that is there in RAM."""
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def control(router, number=0):
    """What a node says of one of its controllers."""
    return router.table("control")[number]


def wait_up(router, sessions=1, seconds=30):
    """Until a node has a session that is told, at least the so manieth of it, and nothing stale."""
    def up():
        row = control(router)
        return row["state"] == "up" and row["sessions"] >= sessions and row["stale"] == 0 and row
    return wait_until(up, seconds, f"the session of {router.name}", 0.1)


def wait_log(process, text, count=1, seconds=20):
    """Until a controller or a node has logged something for the so manieth time."""
    wait_until(lambda: process.log().count(text) >= count, seconds, f"{text!r} in the log of {process.name}", 0.1)
