"""Processes with a wall clock of their own."""

import mmap
import struct

from weft import BUILD


class Wall:
    """The wall clock of the routers that are started while it is in the environment."""

    def __init__(self, lab, monkeypatch, name="clock-shift"):
        self._monkeypatch = monkeypatch
        self._path = lab.directory / name
        self._path.write_bytes(bytes(8))
        with open(self._path, "r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)
        self.enter()

    def enter(self):
        self._monkeypatch.setenv("WEFT_CLOCK_SHIFT", str(self._path))
        self._monkeypatch.setenv("LD_PRELOAD", str(BUILD / "tests" / "libshifted-clock.so"))

    def leave(self):
        for name in ("LD_PRELOAD", "WEFT_CLOCK_SHIFT"):
            self._monkeypatch.delenv(name)

    def set(self, seconds):
        self._shift[:8] = struct.pack("=q", seconds)
