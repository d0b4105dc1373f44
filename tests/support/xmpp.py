"""Prosody, slixmpp and our own probe, in a namespace, each a process."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

from weft import BUILD, wait_until

PROBE = BUILD / "tests" / "xmpp-probe"
SLIXMPP = Path(__file__).with_name("slixmpp_client.py")


class Talker:
    """A process that says what happens, a line each, and takes commands."""

    def __init__(self, namespace, *command):
        self.process = subprocess.Popen(["ip", "netns", "exec", namespace.name, *map(str, command)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        namespace.processes.append(self.process)
        self.lines = []
        self.unheard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self.unheard.append(self.lines[-1])

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def hear(self, start, seconds=10):
        """The first line that starts so and was not asked for yet."""
        def found():
            return next((line for line in self.unheard if line.startswith(start)), None)
        try:
            line = wait_until(found, seconds, f"a line {start!r}")
        except AssertionError as late:
            raise AssertionError("\n".join([str(late), *self.lines])) from late
        self.unheard.remove(line)
        return line


def probe(namespace, kind, files, ca, jid, *options):
    cert, key = files
    return Talker(namespace, PROBE, kind, "--self", jid, "--ca", ca, "--cert", cert, "--key", key, *options)


def slixmpp(namespace, files, ca, jid, server, port):
    cert, key = files
    return Talker(namespace, "/usr/bin/python3", SLIXMPP, jid, server, port, ca, cert, key)


class Prosody:
    """With data and configuration of its own, as its own user; the host's service is left alone."""

    PORT = 15222

    def __init__(self, lab, namespace, files, ca, domain, publisher="nobody"):
        directory = lab.directory / "prosody"
        directory.mkdir()
        os.chmod(lab.directory, 0o711)  # it is not root
        for file in (*files, ca):
            shutil.copy(file, directory)
        cert, key = (directory / file.name for file in files)
        config = directory / "prosody.cfg.lua"
        self.log = directory / "prosody.log"
        config.write_text(f"""
pidfile = "{directory}/prosody.pid"
data_path = "{directory}"
log = {{ debug = "{self.log}" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.PORT} }}
modules_enabled = {{ "saslauth", "tls", "ping", "disco" }}
modules_disabled = {{ "s2s" }}
c2s_require_encryption = true
authentication = "ccert"
certificate_match = "xmppaddr"
ssl = {{ certificate = "{cert}", key = "{key}", cafile = "{directory / ca.name}",
    verify = {{ "peer" }} }}
VirtualHost "{domain}"
Component "pubsub.{domain}" "pubsub"
    admins = {{ "{publisher}" }}
    autocreate_on_publish = true
    autocreate_on_subscribe = true
""")
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "prosody", "prosody")
        self.process = namespace.start("setpriv", "--reuid=prosody", "--regid=prosody", "--clear-groups",
                                       "prosody", "--config", config, "-F")
        wait_until(lambda: self.log.exists() and f":{self.PORT}" in namespace.run("ss", "-Hltn"), 20, "Prosody")
