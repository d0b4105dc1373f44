"""Controllers, and nodes that follow them."""

import json
import signal
import socket
import subprocess

import weft
from topology import ROUTER_MAC, SUBNETS, addresses, configure_vm, mac
from weft import BUILD, wait_until

CONTROLLER = BUILD / "tools" / "weft-controller"
DOMAIN = "weft.test"
PORT = 5269
CONTROLLER_ADDRESS = "203.0.113.1"


def controller_address(number):
    return f"203.0.113.{1 + number}"


class Pki:
    """A certificate authority in a directory."""

    def __init__(self, directory):
        self.directory = directory / "pki"
        weft.run(CONTROLLER, "pki", "init", self.directory, "--domain", DOMAIN)

    def issue(self, name, *options):
        """The files of a certificate: ca, cert, key."""
        weft.run(CONTROLLER, "pki", "issue", self.directory, name, *options)
        return {"ca": str(self.directory / "ca.pem"), "cert": str(self.directory / f"{name}.pem"),
                "key": str(self.directory / f"{name}.key")}


class Controller:
    """A weft-controller in a namespace; starts anew with what its database has."""

    def __init__(self, lab, namespace, name, tls, port=PORT, address=CONTROLLER_ADDRESS, **settings):
        self.lab = lab
        self.namespace = namespace
        self.name = name
        self.socket = lab.directory / f"{name}.sock"
        self.log_path = lab.directory / f"{name}.log"
        self.config_path = lab.directory / f"{name}.yaml"
        self.state = lab.directory / f"{name}.db"
        timers = {"hold": 3, "grace": 1, **settings.pop("timers", {})}
        self.config_path.write_text(json.dumps({
            "name": name, "domain": DOMAIN, "listen": {"address": address, "port": port}, "tls": tls,
            "api": {"socket": str(self.socket)}, "state": {"file": str(self.state)}, "timers": timers, **settings}))
        self.process = None
        lab.routers.append(self)  # its log is shown when a test fails

    def rewrite(self, change):
        """Changes the configuration file, which the next start reads."""
        config = json.loads(self.config_path.read_text(encoding="utf-8"))
        change(config)
        self.config_path.write_text(json.dumps(config), encoding="utf-8")

    def launch(self, *options):
        """Starts the process and does not wait for anything."""
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.namespace.start(CONTROLLER, "--config", self.config_path, *options, stdout=log,
                                                stderr=subprocess.STDOUT)
        return self

    def start(self, *options, seconds=20):
        self.launch(*options)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"controller {self.name} ended with {self.process.returncode}:\n{self.log()}")
            return self.socket.exists() and self._ctl("node", "show").returncode == 0
        wait_until(ready, seconds, f"controller {self.name} ready")
        return self

    def stop(self, seconds=5.0):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def _ctl(self, *arguments):
        return subprocess.run([str(weft.WEFTCTL), "-c", str(self.socket), *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, check=False,
                              stdin=subprocess.DEVNULL)

    def text(self, *arguments):
        done = self._ctl(*arguments)
        assert done.returncode == 0, f"weftctl -c … {' '.join(map(str, arguments))}: {done.stdout}\n{self.log()}"
        return done.stdout

    def put(self, path, body):
        """Puts an object through the API, without the cost of a process; the answer must be that it is done."""
        text = json.dumps(body)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.socket))
            s.sendall(f"PUT {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                      f"{text}".encode())
            answer = b"".join(iter(lambda: s.recv(1 << 16), b"")).decode()
        assert " 200 " in answer.split("\r\n")[0], answer

    def table(self, word):
        """The rows of `weftctl -c … WORD show`."""
        return json.loads(self.text("--json", word, "show"))["rows"]

    def apply(self, document, *options):
        """Networks and the like, in the words of a file for `weftctl apply`."""
        path = self.lab.directory / f"{self.name}-apply.yaml"
        path.write_text(json.dumps(document))
        return self.text("apply", "-f", path, *options)


def cut(one, other):
    """Nothing goes between two (namespace, address) from now on; returns what ends that."""
    def both(verb):
        for (namespace, _), (_, address) in ((one, other), (other, one)):
            namespace.ip("route", verb, "blackhole", f"{address}/32")
    both("add")
    return lambda: both("del")


def network(name, tunnels=("vxlan",), **more):
    return {"name": name, "subnets": SUBNETS, "router_mac": ROUTER_MAC, "tunnels": list(tunnels), **more}


class Site:
    """Nodes a, b, … on one fabric (192.0.2.0/24, a learning switch of the kernel), each with a management link to the
    namespace where controllers run. VMs are vms[tenant, node]; that of node number n has host 10 + n."""

    def __init__(self, lab, nodes="ab", tenants=("blue",), controllers=1, **settings):
        self.lab = lab
        self.pki = Pki(lab.directory)
        self.control = lab.namespace("control")
        self.fabric = lab.namespace("fabric")
        self.fabric.ip("link", "add", "switch", "type", "bridge")
        self.fabric.ip("link", "set", "switch", "up")
        self.control.ip("link", "add", "mgmt", "type", "bridge")
        self.control.ip("addr", "add", f"{CONTROLLER_ADDRESS}/24", "dev", "mgmt")
        self.control.ip("link", "set", "mgmt", "up")
        tls = self.pki.issue("network-control")
        places = [self.control] + [lab.namespace(f"control{i}", ipv6=False) for i in range(1, controllers)]
        for i, place in list(enumerate(places))[1:]:
            lab.cable(place, "mgmt", self.control, f"control{i}", finish_checksums=False)
            self.control.ip("link", "set", f"control{i}", "master", "mgmt")
            place.ip("addr", "add", f"{controller_address(i)}/24", "dev", "mgmt")
        self.controllers = []
        for i, place in enumerate(places):
            peers = [{"address": controller_address(j)} for j in range(controllers) if j != i]
            self.controllers.append(Controller(lab, place, f"c{i}", tls, address=controller_address(i),
                                               **({"peers": peers} if peers else {}), **settings))
        self.nodes = {}
        self.routers = {}
        self.vms = {}
        self.tenants = tenants
        for number, node in enumerate(nodes, start=1):
            self._add_node(node, number)

    def _add_node(self, node, number):
        here = self.nodes[node] = self.lab.namespace(node, ipv6=False)
        self.lab.cable(here, "eth1", self.fabric, f"port{number}")
        self.fabric.ip("link", "set", f"port{number}", "master", "switch")
        self.lab.cable(here, "mgmt", self.control, f"mgmt{number}", finish_checksums=False)
        self.control.ip("link", "set", f"mgmt{number}", "master", "mgmt")
        here.ip("addr", "add", f"203.0.113.{10 + number}/24", "dev", "mgmt")
        tls = self.pki.issue(f"compute-{node}")
        config = {
            "node": {"name": f"compute-{node}", "tunnel_address": f"192.0.2.{number}"},
            "dpdk": {"hugepages": "auto", "memory_mb": 256},
            "workers": {"lcores": [0, 1], "idle": "adaptive"},
            "state": {"file": str(self.lab.directory / f"{node}-state.json")},
            "ports": [{"name": "fab0", "device": "af_packet:eth1", "addresses": [f"192.0.2.{number}/24"], "mtu": 1500}],
            "vrfs": [{"name": t, "id": 1 + i, "router_mac": ROUTER_MAC, "subnets": SUBNETS}
                     for i, t in enumerate(self.tenants)],
            "vifs": [],
            "controllers": [{"address": controller_address(i), "port": PORT, "tls": tls}
                            for i in range(len(self.controllers))],
            "channel": {"hold_time": 3, "stale_time": 20},
        }
        for tenant in self.tenants:
            vm = self.vms[tenant, node] = self.lab.namespace(f"{tenant}-{node}")
            config["vifs"].append(self.vif(tenant, vm, 10 + number))
        self.routers[node] = self.lab.router(here, node, config)

    @staticmethod
    def vif(tenant, namespace, host):
        return {"name": f"{tenant}-{host}", "device": f"tap:vm0@{namespace.name}", "vrf": tenant, "mac": mac(tenant, host),
                "addresses": addresses(host)}

    def start(self, *networks):
        """Everything, with these networks, of which one controller is told; returns when each VM's routes are at the
        other nodes."""
        for controller in self.controllers:
            controller.start()
        self.controllers[0].apply({"networks": [dict(n) for n in networks]})
        for number, (node, router) in enumerate(self.routers.items(), start=1):
            router.start()
            for tenant in self.tenants:
                configure_vm(self.vms[tenant, node], 10 + number)
        self.converge()
        return self

    def converge(self, seconds=20):
        for node, router in self.routers.items():
            for number, other in enumerate(self.routers, start=1):
                if other != node:
                    for tenant in self.tenants:
                        self.wait_route(router, tenant, 10 + number, seconds=seconds)

    @staticmethod
    def route(router, tenant, host):
        """Where a node sends packets for a VM, or None."""
        rows = [r["via"] for r in router.ctl("show", "route", "--vrf", tenant)["rows"]
                if r["prefix"] == f"10.1.0.{host}/32"]
        return rows[0] if rows else None

    def wait_route(self, router, tenant, host, wanted=lambda via: True, seconds=20):
        return wait_until(lambda: (via := self.route(router, tenant, host)) and wanted(via) and via, seconds,
                          f"{router.name}: route of {tenant} to host {host}")

    def kind(self, router, tenant, host):
        """The kind of tunnel by which a node reaches a VM."""
        via = self.route(router, tenant, host)
        kinds = {row["name"]: row["kind"] for row in router.table("tunnel")}
        return kinds.get((via or "").removeprefix("tunnel "))  # it may have gone since
