"""Peers of the controller that are hostile, malformed, endless or slow, with and without a certificate. Whatever they
do, packets flow, others' sessions stand, memory is bounded, and somebody is told why a peer was sent away."""

import contextlib
import time

import pytest
from controller import Site, network
from hostile import HEADER, PROFILES, Node, dial, entry, publish
from trouble import Traffic, control, metric, resident_mib, wait_log, wait_up

GROWTH_MIB = 96


@pytest.fixture(scope="module")
def site(module_lab):
    """Nodes a and b; a certificate for a third that is not there."""
    made = Site(module_lab, timers={"stale": 3})
    made.stranger = made.lab.namespace("stranger")
    made.lab.cable(made.stranger, "mgmt", made.control, "mgmt9", finish_checksums=False)
    made.control.ip("link", "set", "mgmt9", "master", "mgmt")
    made.stranger.ip("addr", "add", "203.0.113.99/24", "dev", "mgmt")
    made.evil = made.pki.issue("compute-evil")
    return made.start(network("blue"))


@contextlib.contextmanager
def nothing_else_moves(site, growth_mib=GROWTH_MIB):
    """Packets flow, sessions stand, and the controller's memory stays within bounds."""
    (controller,) = site.controllers
    routers = site.routers.values()
    for router in routers:
        wait_up(router)
    memory = resident_mib(controller.process)
    sessions = {r.name: control(r)["sessions"] for r in routers}
    generations = {r.name: metric(r, "weft_generation") for r in routers}
    with Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12"):
        yield controller
        assert {r.name: control(r)["sessions"] for r in routers} == sessions
        assert all(control(r)["state"] == "up" for r in routers)
        assert {r.name: metric(r, "weft_generation") for r in routers} == generations
        grown = resident_mib(controller.process) - memory
        print(f"the controller grew by {grown:.1f} MiB")
        assert grown < growth_mib


DEEP = "<a>" * 200
BOMB = ("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
        "<stream:stream xmlns='jabber:client'>&b;")


@pytest.mark.parametrize("said, answer", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), "not-well-formed"),
    (BOMB, "restricted-xml"),
    (HEADER.format("to='weft.test'") + DEEP, "policy-violation"),
    (HEADER.format("to='weft.test'") + "<endless x='" + "x" * (1 << 20), "policy-violation"),
    (HEADER.format("to='weft.test'") + "<endless>" + "<x/>" * (1 << 18), "policy-violation"),
    (HEADER.format("to='weft.test'") + "<iq type='set' id='1'/>", ""),
], ids=["garbage", "entities", "deep", "long tag", "endless", "no TLS"])
def test_strangers_are_told_why(site, said, answer):
    with nothing_else_moves(site, 32) as controller, dial(site.stranger) as end:
        with contextlib.suppress(ConnectionError):
            end.send(said)
        assert answer in end.wait_closed()
        wait_log(controller, "203.0.113.99:")


def test_a_stranger_without_a_certificate(site):
    with nothing_else_moves(site, 32) as controller:
        with pytest.raises((OSError, AssertionError)):
            Node(site.stranger, "compute-evil", None)
        wait_log(controller, "the peer shows no certificate")


def test_hundreds_of_silent_connections(site):
    """Some say nothing, some a byte now and then; a node that comes meanwhile is let in."""
    with nothing_else_moves(site, 32) as controller, contextlib.ExitStack() as open_ends:
        silent = [open_ends.enter_context(dial(site.stranger)) for _ in range(500)]
        slow = [open_ends.enter_context(dial(site.stranger)) for _ in range(20)]
        for letter in HEADER[:20]:
            for end in slow:
                with contextlib.suppress(OSError):
                    end.send(letter)
        with Node(site.stranger, "compute-evil", site.evil) as node:
            assert node.ask("<subscribe node='urn:weft:profile:1'/>")[0] == "result"
        wait_log(controller, "too many connections that are no session")
        for end in silent[:200]:
            end.wait_closed()


@pytest.mark.parametrize("body, says", [
    (publish(PROFILES, ("node/compute-a", f"<profile xmlns='{PROFILES}' kind='node' name='compute-a' generation='0'>"
                        "{\"name\":\"compute-a\",\"tunnel_addresses\":[\"192.0.2.66\"]}</profile>")), "not of node compute-a"),
    (publish("blue", ("x", entry("10.1.0.12", "192.0.2.66", sequence=9))), "network blue"),
    (publish(PROFILES, ("applied", f"<applied xmlns='{PROFILES}' generation='18446744073709551615'/>")), "generation"),
    (publish(PROFILES, ("applied", f"<applied xmlns='{PROFILES}' generation='-1'/>")), "generation"),
    ("<publish node='x'><item id='x'/></publish>", "without an entry"),
    ("<nonsense node='x'/>", "nonsense"),
], ids=["another node's name", "a foreign network", "an endless generation", "a negative generation", "no entry", "nonsense"])
def test_a_node_that_lies(site, body, says):
    """With a good certificate, and `from` of another node."""
    with nothing_else_moves(site), Node(site.stranger, "compute-evil", site.evil) as node:
        kind, answer = node.ask(body, **{"from": "compute-a@weft.test/weftd"})
        assert kind == "error" and says in answer, answer


def test_a_node_that_floods(site):
    """Publishes as fast as it can, into nothing that is there, and subscribes to all that it can think of."""
    with nothing_else_moves(site) as controller, Node(site.stranger, "compute-evil", site.evil) as node:
        for number in range(5000):
            name = f"1/1/nowhere/10.9.{number >> 8}.{number & 255}"
            node.request(publish(name, (name, entry(f"10.9.{number >> 8}.{number & 255}", "192.0.2.66"))))
            node.request(f"<subscribe node='nowhere-{number}'/>")
            if number % 50 == 0:
                node.drain()
        kind, answer = node.ask(publish("1/1/nowhere/10.8.0.1", ("x", entry("10.8.0.1", "192.0.2.66"))))
        assert kind == "error" and "too many routes" in answer
        kind, answer = node.ask("<subscribe node='one-more'/>")
        assert kind == "error" and "too many networks" in answer
        assert controller.table("network")


def test_a_node_that_never_reads(site):
    """It asks and asks; what cannot be sent to it is bounded, and then it is sent away."""
    with nothing_else_moves(site) as controller:
        before = controller.log().count("node compute-evil: session lost: the peer")
        with Node(site.stranger, "compute-evil", site.evil) as node, contextlib.suppress(OSError):
            deadline = time.monotonic() + 30
            node.socket.settimeout(4)
            text = "".join(f"<iq type='set' id='{'x' * 4000}{n}'><pubsub/></iq>" for n in range(16))
            while time.monotonic() < deadline:
                node.send(text)
        wait_log(controller, "node compute-evil: session lost: the peer", before + 1)
