"""Open vSwitch with DPDK, Debian's build, as a peer on the same packets.

An instance of its own, in a network namespace and a directory that go with it:

  *encap  net_pcap (the VM, br-int) -> tunnel port -> br-phy -> net_null
  *decap  net_pcap (the fabric, br-phy) -> tunnel port -> br-int -> net_null
  route*  net_pcap -> br-int -> net_null: it bridges where Weft routes
  *-flow  the same with connection tracking: established connections pass, new ones are committed
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from tunnel_works import FAR_MAC, IPV4, KINDS, PCAP_MAC, TUNNEL_WORKS
from measured import cycles, end

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
MEMORY_MB = 1200
# It has at most 256 Ki buffers a port, and net_pcap wants one for each packet.
MOST_FLOWS = 200 << 10
WORKS = (*(name for name, work in TUNNEL_WORKS.items() if KINDS[work.kind].peer), "route1", "route100k", "route-flow")


class Ovs:
    """Runs while the `with` lasts."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="weft-ovs-")
        self.namespace = os.path.basename(self.directory)
        self.processes = []
        self.environment = dict(os.environ, **{"OVS_%sDIR" % name: self.directory
                                               for name in ("RUN", "LOG", "DB", "SYSCONF")})
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            end(process)
        subprocess.run(["ip", "netns", "del", self.namespace], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self):
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        database = self.path("conf.db")
        self.run("ovsdb-tool", "create", database, SCHEMA)
        self._spawn("ovsdb-server", database, "--remote=punix:" + self.path("db.sock"),
                    "--unixctl=" + self.path("db.ctl"), "--log-file=" + self.path("db.log"))
        self._wait_for("db.sock")
        self.vsctl("--no-wait", "init")
        settings = ("dpdk-init=true", "pmd-cpu-mask=0x2", "dpdk-lcore-mask=0x1", 'dpdk-extra="--in-memory --no-pci"',
                    "n-handler-threads=1", "n-revalidator-threads=1")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *("other_config:" + s for s in settings))
        self.switch = self._spawn(VSWITCHD, "unix:" + self.path("db.sock"), "--unixctl=" + self.path("vs.ctl"),
                                  "--log-file=" + self.path("vs.log"), "-vconsole:off")
        self._wait_for("vs.ctl")

    def path(self, name):
        return os.path.join(self.directory, name)

    def _spawn(self, *command):
        self.processes.append(subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], env=self.environment,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return self.processes[-1]

    def _wait_for(self, name):
        deadline = time.monotonic() + 30
        while not os.path.exists(self.path(name)):
            if time.monotonic() > deadline or self.processes[-1].poll() is not None:
                raise SystemExit("OVS does not start:\n" + self.complaints())
            time.sleep(0.05)

    def complaints(self):
        try:
            with open(self.path("vs.log")) as log:
                return "".join(line for line in log if "|ERR|" in line or "|WARN|" in line)[-2000:]
        except OSError:
            return ""

    def run(self, *command):
        made = subprocess.run(["ip", "netns", "exec", self.namespace, *command], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        if made.returncode != 0:
            raise SystemExit("%s: %s\n%s" % (" ".join(command), made.stdout, self.complaints()))
        return made.stdout

    def vsctl(self, *arguments):
        return self.run("ovs-vsctl", "--timeout=50", "--db=unix:" + self.path("db.sock"), *arguments)

    def bridge(self, name, *settings):
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", *settings)

    def device(self, bridge, name, number, arguments):
        self.vsctl("add-port", bridge, name, "--", "set", "interface", name, "type=dpdk",
                   "ofport_request=%d" % number, 'options:dpdk-devargs="%s"' % arguments)
        error = self.vsctl("get", "interface", name, "error").strip()
        if error not in ("[]", '""'):
            raise SystemExit("OVS: port %s: %s" % (name, error))

    def sent(self, bridge, number):
        """Packets that a device has taken."""
        shown = self.run("ovs-ofctl", "dump-ports", "unix:%s.mgmt" % self.path(bridge), str(number))
        return int(re.search(r"tx pkts=(\d+)", shown).group(1))


def _tunnel(switch, kind):
    switch.bridge("br-phy", "fail_mode=standalone", 'other_config:hwaddr="%s"' % PCAP_MAC)
    switch.run("ip", "addr", "add", IPV4.link, "dev", "br-phy")
    switch.run("ip", "link", "set", "br-phy", "up")
    of, *options = kind.peer
    switch.vsctl("add-port", "br-int", "tun0", "--", "set", "interface", "tun0", "type=" + of, "ofport_request=2",
                 *("options:" + o for o in ("remote_ip=" + IPV4.remote, "local_ip=" + IPV4.local, *options)))


def _rules(came, goes, tracked):
    if not tracked:
        return ["in_port=%d,actions=output:%d" % (came, goes)]
    return ["table=0,in_port=%d,ip,actions=ct(table=1)" % came,
            "table=1,in_port=%d,ip,ct_state=+trk+est,actions=output:%d" % (came, goes),
            "table=1,in_port=%d,ip,ct_state=+trk+new,actions=ct(commit),output:%d" % (came, goes)]


def _build(switch, tunnel, tracked, pcap):
    """Bridges, rules by port, and the ports; the one that receives comes last. Answers where packets leave.
    `tunnel`: a TunnelWork, or None."""
    source, sink = "net_pcap0,rx_pcap=%s,infinite_rx=1" % pcap, "net_null0,no-rx=1"
    arrives = tunnel is not None and tunnel.way == "decap"
    switch.bridge("br-int", "fail_mode=secure")
    for rule in _rules(*(2, 1) if arrives else (1, 2), tracked):
        switch.run("ovs-ofctl", "add-flow", "unix:%s.mgmt" % switch.path("br-int"), rule)
    if tunnel is None:
        out, last = ("br-int", "out0", 2, sink), ("br-int", "vm0", 1, source)
    else:
        _tunnel(switch, KINDS[tunnel.kind])
        out, last = ("br-phy", "phy0", 1, sink), ("br-int", "vm0", 1, source)
        if arrives:
            out, last = ("br-int", "vm0", 1, sink), ("br-phy", "phy0", 1, source)
    switch.device(*out)
    if tunnel is not None:
        switch.run("ovs-appctl", "-t", switch.path("vs.ctl"), "tnl/neigh/set", "br-phy", IPV4.remote, FAR_MAC)
    switch.device(*last)
    return out[0], out[2]


def ovs(work, pcap, flows):
    """Cycles a packet."""
    tracked = work.endswith("-flow")
    with Ovs() as switch:
        bridge, number = _build(switch, TUNNEL_WORKS.get(work), tracked, pcap)

        def ready():
            if not tracked:
                return switch.sent(bridge, number) > 0
            shown = switch.run("ovs-appctl", "-t", switch.path("vs.ctl"), "dpctl/ct-stats-show")
            return int(re.search(r"Total:\s*(\d+)", shown).group(1)) >= flows

        deadline = time.monotonic() + 60
        while not ready():
            if time.monotonic() > deadline:
                raise SystemExit("OVS does not forward all flows:\n" + switch.complaints())
            time.sleep(0.2)
        return cycles(switch.switch, lambda: switch.sent(bridge, number))
