"""A small router whose policies can be judged by eye: as the oracle has it, and as weftd."""

import time

import wire
from net import Tester
from oracle import Oracle
from wire import IPV4, IPV6, UDP, ethernet, ipv4, mac_bytes, packed

ROUTER, STATION, PEER, PORT = "02:00:5e:00:01:01", "02:00:00:00:00:0{}", "02:00:00:00:09:02", "02:00:00:00:09:01"
VRF_OF = {"vm1": "blue", "vm2": "blue", "vm3": "red"}
ADDRESSES = {"vm1": ("10.1.0.1", "fd00::1"), "vm2": ("10.1.0.2", "fd00::2"), "vm3": ("10.1.0.1", "fd00::1")}
FAR, FAR6 = "10.2.0.9", "fd00:2::9"


def small_config():
    """VIFs vm1 and vm2 in blue, of which vm2 may use any address, vm3 in red with the addresses of vm1; FAR and what is
    near it through tunnels."""
    return {
        "node": {"name": "small", "tunnel_address": "192.0.2.1"},
        "dpdk": {"hugepages": "auto", "memory_mb": 256},
        "workers": {"lcores": [0, 1]},
        "ports": [{"name": "fab", "device": "tap", "addresses": ["192.0.2.1/24"]}],
        "neighbours": [{"vrf": "underlay", "address": "192.0.2.2", "mac": PEER}],
        "vrfs": [{"name": "blue", "id": 1}, {"name": "red", "id": 2}],
        "vifs": [{"name": n, "device": "tap", "vrf": VRF_OF[n], "mac": STATION.format(i), "addresses": list(a),
                  "anti_spoofing": n != "vm2"}
                 for i, (n, a) in enumerate(ADDRESSES.items())],
        "tunnels": [{"name": "t", "kind": "vxlan", "vni": 9, "remote": "192.0.2.2", "inner_destination_mac": ROUTER}],
        "decaps": [{"name": vrf, "kind": "vxlan", "vni": vni, "vrf": vrf, "sources": ["192.0.2.0/24"]}
                   for vrf, vni in (("blue", 1), ("red", 2))],
        "routes": [{"vrf": vrf, "prefix": net, "via": {"tunnel": "t"}}
                   for vrf in ("blue", "red") for net in ("10.2.0.0/16", "fd00:2::/32")]}


def came_in(who, packet, port_mac):
    """(interface, frame) of a packet from a VIF, or out of the tunnel of a VRF."""
    kind = IPV4 if packet[0] >> 4 == 4 else IPV6
    if who in VRF_OF:
        return who, ethernet(mac_bytes(ROUTER), mac_bytes(STATION.format(list(VRF_OF).index(who))), kind, packet)
    inner = wire.vxlan(1 if who == "blue" else 2, ethernet(mac_bytes(ROUTER), mac_bytes(PEER), kind, packet))
    here, there = packed("192.0.2.2"), packed("192.0.2.1")
    outer = ipv4(here, there, UDP, wire.udp(here, there, 5, 4789, inner, check=0))
    return "fab", ethernet(mac_bytes(port_mac), mac_bytes(PEER), IPV4, outer)


class ByOracle:
    """`change` sets groups, and by VIF or VRF the names of those it has; `sends` says why a packet is dropped, None
    where it is forwarded."""

    def __init__(self):
        self.config = small_config()
        self.oracle = Oracle(self.config, {"fab": PORT})

    def fresh(self):
        """No session is there any more."""
        self.__init__()

    def route(self, vrf, prefix, via):
        """Leads the prefix elsewhere."""
        route = next(r for r in self.config["routes"] if (r["vrf"], r["prefix"]) == (vrf, prefix))
        route["via"] = via
        self.apply()

    def keep_flows(self, vif, kept):
        next(v for v in self.config["vifs"] if v["name"] == vif)["flows"] = kept
        self.apply()

    def change(self, groups, **mine):
        self.config["security_groups"] = [{"name": name, **group} for name, group in groups.items()]
        for owner in self.config["vrfs"] + self.config["vifs"]:
            owner.pop("security_groups", None)
            if owner["name"] in mine:
                owner["security_groups"] = mine[owner["name"]]
        self.apply()

    def apply(self):
        self.oracle.changed()

    def sends(self, who, packet):
        verdict = self.oracle.process(*came_in(who, packet, PORT))
        assert not verdict.unknown, verdict
        self.oracle.learn(verdict)
        reason, = verdict.reasons
        assert (reason is None) == bool(verdict.out), verdict
        return reason


class ByWeftd(ByOracle):
    """The same of a router that runs."""

    def __init__(self, lab, **config):
        self.config = {**small_config(), **config}
        self.tester = Tester(lab, self.config)

    def fresh(self):
        self.tester.router.text("flow", "clear", "--all")

    def apply(self):
        self.tester.rewrite(self.config, "routes")
        self.tester.router.text("reload")

    def sends(self, who, packet):
        before = self.tester.api.drops()
        self.tester.send(*came_in(who, packet, self.tester.port_macs["fab"]))
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            came = self.tester.receive(0.01)
            counted = [reason for reason, n in self.tester.api.drops().items() if n != before.get(reason, 0)]
            if counted:
                reason, = counted
                return reason
            if came:
                return None
        raise AssertionError("nothing came out and nothing was counted")

    def all_pass(self, who, packets):
        """Sends them at once; each has to come out."""
        for packet in packets:
            self.tester.send(*came_in(who, packet, self.tester.port_macs["fab"]))
        left, deadline = len(packets), time.monotonic() + 3
        while left and time.monotonic() < deadline:
            left -= len(self.tester.receive(0.01))
        assert left == 0, self.tester.api.drops()

    def close(self):
        self.tester.close()
