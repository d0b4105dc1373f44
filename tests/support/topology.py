"""The two networks that most tests use: a pair of routers, and one router with a raw underlay."""

from weft import ROUTER_MAC, udp_socket, wait_until

SUBNETS = [{"prefix": "10.1.0.0/24", "gateway": "10.1.0.1"},
           {"prefix": "fd00:1::/64", "gateway": "fd00:1::1"}]
LCORES = [0, 1]


def vrf(name, number):
    return {"name": name, "id": number, "router_mac": ROUTER_MAC, "subnets": SUBNETS}


def tunnel(name, vni, remote, **more):
    return {"name": name, "kind": "vxlan", "vni": vni, "remote": remote,
            "inner_destination_mac": ROUTER_MAC, **more}


def decap(name, vni, vrf_name, **more):
    return {"name": name, "kind": "vxlan", "vni": vni, "vrf": vrf_name, "sources": ["192.0.2.0/24"],
            **more}


def base(name, address, device="af_packet:eth1", **port):
    """Configuration of a node with one fabric port and no tenants."""
    return {
        "node": {"name": name, "tunnel_address": address},
        "dpdk": {"hugepages": "auto", "memory_mb": 256},
        "workers": {"lcores": LCORES, "idle": "adaptive"},
        "ports": [{"name": "fab0", "device": device, "addresses": [f"{address}/24"], "mtu": 1500,
                   **port}],
        "vrfs": [vrf("blue", 1), vrf("red", 2)],
        "vifs": [], "tunnels": [], "decaps": [], "routes": [],
    }


def addresses(host):
    return [f"10.1.0.{host}", f"fd00:1::{host}"]


def mac(tenant, host):
    return f"02:00:00:00:0{1 if tenant == 'blue' else 2}:{host}"


def vif(name, namespace, tenant, host):
    return {"name": name, "device": f"tap:vm0@{namespace.name}", "vrf": tenant,
            "mac": mac(tenant, host), "addresses": addresses(host)}


def configure_vm(namespace, host, interface="vm0"):
    """Addresses and default routes of a VM, as its owner would give them."""
    wait_until(lambda: namespace.has_interface(interface), 5, f"{interface} of {namespace.name}")
    namespace.ip("link", "set", interface, "up")
    namespace.ip("addr", "add", f"10.1.0.{host}/24", "dev", interface)
    namespace.ip("addr", "add", f"fd00:1::{host}/64", "dev", interface, "nodad")
    namespace.ip("route", "add", "default", "via", "10.1.0.1")
    namespace.ip("-6", "route", "add", "default", "via", "fd00:1::1")


def two_ways_to_blue(node, config):
    """For Pair: a second tunnel from a to b, with another remote, VNI and port than the first."""
    if node == "b":
        config["decaps"].append(decap("from-blue-2", 101, "blue", local="192.0.2.22", port=4790))
    else:
        config["tunnels"].append(tunnel("to-blue-2", 101, "192.0.2.22", port=4790))


class Pair:
    """Nodes a and b, tenants blue and red with the same addresses, a VM of each on each node.

    VMs are vms[tenant, node]; their hosts are 11 on a and 12 on b. Node b also owns 192.0.2.22.
    `change(node, config)` may alter a configuration before the start.
    """

    def __init__(self, lab, change=lambda node, config: None):
        self.lab = lab
        self.nodes = {n: lab.namespace(n, ipv6=False) for n in "ab"}
        self.vms = {(t, n): lab.namespace(f"{t}-{n}") for t in ("blue", "red") for n in "ab"}
        lab.cable(self.nodes["a"], "eth1", self.nodes["b"], "eth1")
        routers = []
        for node in "ab":
            config = self.config(node)
            change(node, config)
            routers.append(lab.router(self.nodes[node], node, config).start())
        self.a, self.b = routers
        for (_, node), vm in self.vms.items():
            configure_vm(vm, 11 if node == "a" else 12)

    def config(self, node):
        here, there, near, far = ("192.0.2.1", "192.0.2.2", 11, 12)
        if node == "b":
            here, there, near, far = there, here, far, near
        config = base(f"compute-{node}", here)
        if node == "b":
            config["ports"][0]["addresses"].append("192.0.2.22/24")
        for tenant, vni in (("blue", 100), ("red", 200)):
            config["vifs"].append(vif(tenant, self.vms[tenant, node], tenant, near))
            config["tunnels"].append(tunnel(f"to-{tenant}", vni, there))
            config["decaps"].append(decap(f"from-{tenant}", vni, tenant))
            config["routes"] += [
                {"vrf": tenant, "prefix": f"10.1.0.{far}/32", "via": {"tunnel": f"to-{tenant}"}},
                {"vrf": tenant, "prefix": f"fd00:1::{far}/128", "via": {"tunnel": f"to-{tenant}"}}]
        return config


class Lone:
    """One router (192.0.2.1) with a blue VM (host 11); its underlay ends in a namespace `fabric`.

    There the kernel is 192.0.2.2 and answers ARP, and `peer` is its socket at the VXLAN port: the
    other end of the tunnel to-peer (VNI 100), behind which are 10.1.0.12 and fd00:1::12.
    Nobody answers for 192.0.2.9, behind which is 10.1.0.19.
    `change(lone, config)` may alter the configuration before the start.
    """

    def __init__(self, lab, change=lambda lone, config: None, start=True):
        self.lab = lab
        self.node = lab.namespace("node", ipv6=False)
        self.fabric = lab.namespace("fabric", ipv6=False)
        self.vm = lab.namespace("vm")
        lab.cable(self.node, "eth1", self.fabric, "eth1")
        self.fabric.ip("addr", "add", "192.0.2.2/24", "dev", "eth1")
        self.fabric.ip("addr", "add", "198.51.100.9/32", "dev", "eth1")
        self.peer = udp_socket(self.fabric.name, "192.0.2.2", 4789)
        config = base("lone", "192.0.2.1")
        config["vifs"].append(vif("vm", self.vm, "blue", 11))
        config["tunnels"] += [tunnel("to-peer", 100, "192.0.2.2"), tunnel("to-nobody", 100, "192.0.2.9")]
        config["decaps"].append(decap("from-fabric", 100, "blue"))
        config["routes"] += [
            {"vrf": "blue", "prefix": "10.1.0.12/32", "via": {"tunnel": "to-peer"}},
            {"vrf": "blue", "prefix": "fd00:1::12/128", "via": {"tunnel": "to-peer"}},
            {"vrf": "blue", "prefix": "10.1.0.19/32", "via": {"tunnel": "to-nobody"}}]
        change(self, config)
        self.router = lab.router(self.node, "lone", config)
        if start:
            self.router.start()
            configure_vm(self.vm, 11)
