"""FRR's bfdd, with sockets and files of its own, in a namespace."""

import json
import os
import shutil
from pathlib import Path

from weft import wait_until

DAEMONS = Path("/usr/lib/frr")


class Bfdd:
    """zebra, which knows the interfaces, and bfdd beside it; `peers` are lines of its configuration."""

    def __init__(self, lab, namespace, name, peers):
        self.namespace = namespace
        self.directory = lab.directory / name
        self.directory.mkdir()
        os.chmod(lab.directory, 0o711)  # they give root up
        shutil.chown(self.directory, "frr", "frr")
        config = self.directory / "frr.conf"
        config.write_text("\n".join(["bfd", *peers, "exit", ""]))
        zserv = self.directory / "zserv.api"
        common = ["--vty_socket", self.directory, "-P", "0", "-z", zserv]
        namespace.start(DAEMONS / "zebra", *common, "-i", self.directory / "zebra.pid")
        wait_until(zserv.exists, 10, "zebra")
        self.process = namespace.start(DAEMONS / "bfdd", *common, "-i", self.directory / "bfdd.pid", "-f", config,
                                       "--bfdctl", self.directory / "bfdd.sock")
        wait_until(lambda: self.sessions() is not None, 10, "bfdd")

    def tell(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return self.namespace.run("vtysh", "--vty_socket", self.directory, *words, check=False)

    def sessions(self):
        """What bfdd says of each peer, by its address; None while it does not answer."""
        try:
            return {peer["peer"]: peer for peer in json.loads(self.tell("show bfd peers json"))}
        except ValueError:
            return None

    def shut(self, peer, interface="eth1", again=False):
        """Takes the session administratively down, or up again."""
        self.tell("configure terminal", "bfd", f"peer {peer} interface {interface}",
                  "no shutdown" if again else "shutdown")


def peer(address, local, interval, multiplier=3, interface="eth1"):
    """Lines for a session with a neighbour."""
    return [f" peer {address} local-address {local} interface {interface}", f"  receive-interval {interval}",
            f"  transmit-interval {interval}", f"  detect-multiplier {multiplier}", " exit"]
