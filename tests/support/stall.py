"""A thread that stands still."""

import ctypes
import os

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WAIT_ALL = 0x40000000  # __WALL: threads too
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def worker_thread(router, lcore):
    """The router's worker on that CPU."""
    # `ip netns exec` becomes the router itself.
    tasks = f"/proc/{router.process.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        with open(f"{tasks}/{task}/comm", encoding="ascii") as comm:
            name = comm.read()
        if "worker" in name and fields["Cpus_allowed_list"].strip() == str(lcore):
            return int(task)
    raise AssertionError(f"no worker on lcore {lcore}")


class Stalled:
    """One thread stands still meanwhile; the others of its process do not notice."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        assert _libc.ptrace(PTRACE_ATTACH, self.thread, None, None) == 0, os.strerror(ctypes.get_errno())
        os.waitpid(self.thread, WAIT_ALL)

    def __exit__(self, *_):
        assert _libc.ptrace(PTRACE_DETACH, self.thread, None, None) == 0
