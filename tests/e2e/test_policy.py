"""Security groups: who may open sessions to whom, through real routers, while traffic runs."""

import contextlib
import re
import socket
import time

import pytest
from topology import Pair
from weft import Lab, inside, udp_socket, wait_until

NEAR = {4: "10.1.0.11", 6: "fd00:1::11"}
FAR = {4: "10.1.0.12", 6: "fd00:1::12"}
KIND = {4: socket.AF_INET, 6: socket.AF_INET6}
ECHO = [{"protocol": "icmp", "icmp_type": 8}, {"protocol": "icmpv6", "icmp_type": 128}]


def web_on_b(node, config):
    """Who asks b's blue VM: anybody by ping and at port 80, its friends at port 81."""
    if node != "b":
        return
    config["security_groups"] = [
        {"name": "web",
         "ingress": [*ECHO, {"protocol": "tcp", "ports": [80]},
                     {"protocol": "tcp", "ports": ["81-82"], "from": ["group:friends"]}]},
        {"name": "friends", "members": [NEAR[4]]}]
    config["vifs"][0]["security_groups"] = ["web"]


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab, web_on_b)


def listener(vm, family, port):
    with inside(vm.name):
        return socket.create_server((FAR[family] if vm.name.endswith("-b") else NEAR[family], port),
                                    family=KIND[family])


def connects(vm, address, port, seconds=5.0):
    """Whether a TCP connection comes about; a denied one is met with silence."""
    family = 6 if ":" in address else 4
    with inside(vm.name):
        near = socket.socket(KIND[family], socket.SOCK_STREAM)
    with near:
        near.settimeout(seconds)
        try:
            near.connect((address, port))
        except TimeoutError:
            return False
    return True


@pytest.mark.parametrize("family", (4, 6))
def test_ports(pair, family):
    vm, far = pair.vms["blue", "a"], pair.vms["blue", "b"]
    before = pair.b.drops()
    with contextlib.ExitStack() as stack:
        for port in (80, 81, 82, 83):
            stack.enter_context(listener(far, family, port))
        assert connects(vm, FAR[family], 80)
        # Only the IPv4 address is a friend's.
        assert connects(vm, FAR[family], 81, 5 if family == 4 else 0.5) == (family == 4)
        assert not connects(vm, FAR[family], 83, 0.5)
    assert (pair.b.drops() - before)["policy_ingress_denied"] >= 1
    end = FAR[family] if family == 4 else f"[{FAR[family]}]"
    wait_until(lambda: f" to {end}:83, ingress of vif blue: no ingress rule of its security groups takes it"
               in pair.b.log(), 3, "a line of the log about it")
    assert vm.ping(FAR[family]) == 5


def test_other_tenants_and_the_own_gateway_are_not_concerned(pair):
    assert pair.vms["red", "a"].ping(FAR[4]) == 5
    with listener(pair.vms["red", "b"], 4, 83):
        assert connects(pair.vms["red", "a"], FAR[4], 83)
    assert pair.vms["blue", "b"].ping("10.1.0.1") == 5
    assert pair.vms["blue", "b"].ping("fd00:1::1") == 5


@pytest.mark.parametrize("family", (4, 6))
def test_answers_are_let_through(pair, family):
    """b may open what it likes; what answers it needs no rule, what does not answer finds none."""
    vm, far = pair.vms["blue", "a"], pair.vms["blue", "b"]
    with listener(vm, family, 9000):
        assert connects(far, NEAR[family], 9000)
    near, there = udp_socket(vm.name, NEAR[family], 5301), udp_socket(far.name, FAR[family], 5302)
    with near, there:
        for s in (near, there):
            s.settimeout(5)
        with pair.b.counts_drop("policy_ingress_denied", 1):
            near.sendto(b"unasked", (FAR[family], 5302))
        there.sendto(b"question", (NEAR[family], 5301))
        assert near.recv(100) == b"question"
        near.sendto(b"answer", (FAR[family], 5302))
        assert there.recv(100) == b"answer", "what came unasked got through"
    # Nobody listens there: the error goes back along the session of the query that it tells of.
    with udp_socket(far.name, FAR[family]) as s:
        s.settimeout(5)
        s.connect((NEAR[family], 9))
        s.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


def test_rules_change_under_traffic(pair):
    """Sessions that stand are judged again, at once; those that may stay lose nothing."""
    vm, far = pair.vms["blue", "a"], pair.vms["blue", "b"]
    with listener(far, 4, 80) as server, inside(vm.name):
        near = socket.create_connection((FAR[4], 80), 5)
        there, _ = server.accept()
    with near, there:
        there.settimeout(5)
        process = vm.start("ping", "-n", "-q", "-c", 300, "-i", 0.01, "-W", 2, FAR[4], stdout=-1)
        for turn in range(20):
            near.sendall(b"%02d" % turn)
            assert there.recv(10) == b"%02d" % turn
            pair.b.ctl("security-group", "set", "web",
                       *sum((["--ingress", rule] for rule in
                             ("icmp", "icmpv6", "tcp port 80", f"udp port {1000 + turn}")), []))
        text = process.communicate()[0]
        assert re.search(r"300 packets transmitted, 300 received", text), text

        pair.b.ctl("security-group", "set", "web", "--ingress", "icmp", "--ingress", "icmpv6")
        near.sendall(b"late")
        there.settimeout(0.5)
        with pytest.raises(TimeoutError):
            there.recv(10)
        assert vm.ping(FAR[4]) == 5
        pair.b.ctl("security-group", "del", "web")  # the file's is back
        there.settimeout(10)
        assert there.recv(10) == b"late", "the kernel sends it again, and it may pass now"


def test_what_is_in_force_is_shown(pair):
    rows = [(r["direction"], r["rule"], r["action"], r["takes"], r["from"])
            for r in pair.b.ctl("show", "policy", "--vif", "blue")["rows"]]
    assert rows == [
        ("egress", None, "allow", "anything else", "no security group has egress rules"),
        ("ingress", 1, "allow", "icmp type 8", "security group web, ingress rule 1"),
        ("ingress", 2, "allow", "icmpv6 type 128", "security group web, ingress rule 2"),
        ("ingress", 3, "allow", "tcp to port 80", "security group web, ingress rule 3"),
        ("ingress", 4, "allow", "tcp from 10.1.0.11 to port 81-82", "security group web, ingress rule 4"),
        ("ingress", None, "deny", "anything else", "no ingress rule of its security groups takes it")]
    assert pair.b.ctl("show", "policy", "--vif", "red")["rows"] == []
    groups = {row["name"]: row for row in pair.b.ctl("show", "security-group")["rows"]}
    assert groups["web"]["vifs"] == ["blue"] and groups["web"]["ingress"] == 4
    assert groups["friends"]["members"] == ["10.1.0.11/32"]


def test_a_new_vif_is_under_its_rules_from_its_first_packet(pair):
    """In red, where nobody is in a group: the VIF is closed until its rules are compiled."""
    extra = pair.lab.namespace("red-extra")
    pair.b.ctl("security-group", "add", "closed", "--ingress", "none")
    pair.b.ctl("vif", "add", "extra", "--device", f"tap:vm0@{extra.name}", "--vrf", "red", "--mac",
               "02:00:00:00:02:13", "--address", "10.1.0.13", "--security-group", "closed")
    wait_until(lambda: extra.has_interface("vm0"), 5, "the VM's interface")
    extra.ip("link", "set", "vm0", "up")
    extra.ip("addr", "add", "10.1.0.13/24", "dev", "vm0")
    extra.ip("route", "add", "default", "via", "10.1.0.1")
    red = pair.vms["red", "b"]
    assert extra.ping(FAR[4]) == 5
    assert red.ping("10.1.0.13", count=3, deadline=1) == 0
    told = pair.b.ctl("explain", "--vif", "red", "--dst", "10.1.0.13")
    assert told["reason"] == "policy_ingress_denied"
    assert any("vif extra: no ingress rule of its security groups takes it" in step["text"] for step in told["steps"])
    told = pair.b.ctl("explain", "--vif", "extra", "--dst", FAR[4])
    assert told["verdict"] == "transmit"
    pair.b.ctl("vif", "set", "extra", "--no-security-groups")
    assert red.ping("10.1.0.13") == 5
    pair.b.ctl("vif", "del", "extra")
    pair.b.ctl("security-group", "del", "closed")


def test_a_group_in_use_stays(pair):
    with pytest.raises(AssertionError, match='there is no security group "nobody"'):
        pair.b.ctl("security-group", "set", "web", "--ingress", "tcp from group:nobody port 80")
    pair.b.ctl("security-group", "add", "tag")
    pair.b.ctl("vif", "set", "red", "--security-group", "tag")
    with pytest.raises(AssertionError, match="in use by vif red"):
        pair.b.ctl("security-group", "del", "tag")
    pair.b.ctl("vif", "del", "red")  # the file's is back
    pair.b.ctl("security-group", "del", "tag")


def test_many_rules():
    """10 000 rules are compiled beside the control thread, which answers meanwhile, and are in force after."""
    with Lab() as lab:
        made = Pair(lab)
        vm = made.vms["blue", "a"]
        rules = [{"action": "deny", "protocol": "tcp", "from": [f"10.{i >> 8}.{i & 255}.0/24"], "ports": [80 + i % 100]}
                 for i in range(300, 10300)]

        def change(config):
            config["security_groups"] = [{"name": "long", "ingress": [*rules, *ECHO]}]
            config["vrfs"][0]["security_groups"] = ["long"]
        made.b.rewrite(change)
        assert vm.ping(FAR[4]) == 5
        process = vm.start("ping", "-n", "-q", "-c", 200, "-i", 0.01, "-W", 2, FAR[4], stdout=-1)
        started = time.monotonic()
        made.b.ctl("reload")
        took = time.monotonic() - started
        text = process.communicate()[0]
        assert re.search(r"200 packets transmitted, 200 received", text), text
        assert took < 20, f"the reload took {took:.1f} s"
        with listener(made.vms["blue", "b"], 4, 80):
            assert not connects(vm, FAR[4], 80, 0.5)
        assert len(made.b.ctl("show", "policy", "--vif", "blue")["rows"]) == 10000
        slowest = longest_turns(made.b, made.nodes["b"])
        assert slowest["policy"] <= 0.1, slowest


def longest_turns(router, node):
    """For each handler of the control thread the least bound that its turns kept to, in seconds."""
    text = node.run("curl", "-sS", "--unix-socket", router.socket, "http://x/metrics")
    counts = {}
    for name, bound, count in re.findall(
            r'^weft_handler_duration_seconds_bucket\{handler="(\w+)",le="([^"]+)"\} (\d+)$', text, re.M):
        counts.setdefault(name, []).append((float(bound.replace("+Inf", "inf")), int(count)))
    return {name: min(bound for bound, count in bounds if count == max(c for _, c in bounds))
            for name, bounds in counts.items()}
