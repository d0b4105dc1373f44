"""A controller gone mad, with a certificate of the authority: whatever it says to a node that follows another one,
too, packets flow, the other session stands, memory is bounded, and the node says what is wrong."""

import contextlib
import json
import threading
import time

import pytest
from controller import Site, network
from hostile import HEADER, PROFILES, RogueController, entry, event, profile
from trouble import Traffic, control, resident_mib, wait_up
from weft import wait_until

ROGUE_PORT = 5298
MANY = 100_000


@pytest.fixture(scope="module")
def site(module_lab):
    """Nodes a and b; a also follows a controller that each test makes."""
    made = Site(module_lab, timers={"stale": 60})
    made.routers["a"].rewrite(lambda config: (
        config["controllers"].append({**config["controllers"][0], "port": ROGUE_PORT}),
        config["channel"].update(stale_time=1)))
    made.pki.issue("network-control", "--file", "rogue")
    made.rogue = {"cert": str(made.pki.directory / "rogue.pem"), "key": str(made.pki.directory / "rogue.key")}
    return made.start(network("blue"))


@contextlib.contextmanager
def rogue(site, behave, growth_mib=64):
    """Node a meets it at once; packets flow meanwhile, and the other session stands."""
    a = site.routers["a"]
    wait_up(a)
    memory = resident_mib(a.process)
    sessions = control(a)["sessions"]
    with (RogueController(site.control, site.rogue, ROGUE_PORT, behave) as made,
          Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")):
        a.text("reload")
        yield a, made
        assert control(a)["sessions"] == sessions and control(a)["state"] == "up"
        grown = resident_mib(a.process) - memory
        print(f"the node grew by {grown:.1f} MiB")
        assert grown < growth_mib


def cause(node, text, seconds=40):
    wait_until(lambda: text in control(node, 1)["cause"], seconds, f"{text!r} told", 0.1)


FEATURES = HEADER.format("from='weft.test' id='1'")


@pytest.mark.parametrize("said, says", [
    (FEATURES + "<stream:features/>", "TLS"),
    (FEATURES + "<stream:features>" + "<x>" * 100, "deep"),
    ("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;", "document type"),
    (FEATURES + "<stream:features x='" + "x" * (1 << 20), "bytes"),
    (bytes(range(256)) * 64, "not-well-formed"),
], ids=["no TLS", "deep", "entities", "long tag", "garbage"])
def test_it_does_not_play_along(site, said, says):
    def behave(_, end, __):
        end.hear("<stream:stream[^>]*>")
        end.send(said)
        end.wait_closed()
    with rogue(site, behave, 16) as (a, _):
        wait_until(lambda: control(a, 1)["cause"] and "refused" not in control(a, 1)["cause"], 40, "a cause", 0.1)
        assert says.lower() in control(a, 1)["cause"].lower(), control(a, 1)["cause"]


def test_it_never_answers(site):
    def behave(made, end, _):
        while not made.ending:
            end.drain()
            time.sleep(0.05)
    with rogue(site, behave, 16) as (a, _):
        cause(a, "the peer's stream header")


BAD = [
    profile("tunnel", "bad-1", 5, "no JSON at all"),
    profile("tunnel", "bad-2", 5, '{"name": "bad-2", "kind": "vxlan", "vni": 99999999, "remote": "192.0.2.2"}'),
    profile("decap", "bad-3", 5, '{"name": "another", "kind": "vxlan"}'),
    profile("vif", "bad-4", 5, '{"name": "bad-4"}'),
    profile("tunnel", "bad-5", 5, "[" * 10_000),
    "<item id='tunnel/bad-6'><profile kind='tunnel' name='bad-7'/></item>",
    "<item id='bad-8'/>", "<item/>", "<retract id='tunnel/never-there'/>",
]


def test_it_tells_nonsense(site):
    """What can be read and has no place is refused by its name; what cannot be read is left out."""
    def behave(made, end, _):
        made.welcome(end)
        end.send(event(PROFILES, "".join(BAD)))
        end.send(event("blue", entry("10.1.0.99", "nowhere") + "<item id='x'><entry/></item><item/><y/>"))
        end.send(event("blue", f"<item id='10.1.0.98/32'>{entry('10.1.0.97', '192.0.2.9')}</item>"))
        end.send(event("a VPN that nobody asked for", f"<item id='x'>{entry('10.1.0.96', '192.0.2.9')}</item>"))
        end.send("<message/><iq type='result' id='1'/><iq type='get' id='2'><x xmlns='y'/></iq><presence/>")
        while not made.ending:
            made.answer(end)
    with rogue(site, behave, 32) as (a, made):
        for number in range(1, 5):
            wait_until(lambda n=number: any(row["name"] == f"bad-{n}" and row["state"] == "refused" and row["reason"]
                                            for row in a.table("profile")), 40, f"bad-{number} refused", 0.1)
        assert control(a, 1)["state"].startswith("up") and made.sessions == 1
        routes = {row["prefix"] for row in a.table("route")}
        assert not routes & {f"10.1.0.{host}/32" for host in (96, 97, 98, 99)}


def test_it_tells_a_hundred_thousand_routes(site):
    """They are taken; what counts before stays, and they go when their teller has gone."""
    def behave(made, end, _):
        made.welcome(end)
        for start in range(0, MANY, 500):
            items = (f"<item id='1/1/blue/{address}/32'>{entry(address, '192.0.2.77')}</item>"
                     for number in range(start, start + 500)
                     for address in [f"10.{2 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"])
            made.answer(end)
            end.send(event("blue", "".join(items)))
        while not made.ending:
            made.answer(end)
    with rogue(site, behave, 256) as (a, _):
        wait_until(lambda: control(a, 1)["routes"] == MANY, 90, "all routes told", 0.2)
    wait_until(lambda: control(a, 1)["routes"] == 0, 60, "all routes gone", 0.2)
    assert site.route(a, "blue", 12)


def test_it_tells_profiles_without_end(site):
    text = json.dumps({"name": "x", "filler": "x" * 60_000})

    def behave(made, end, _):
        made.welcome(end)
        number = 0
        while not made.ending:
            end.drain()
            end.send(event(PROFILES, profile("tunnel", f"endless-{number}", 1, text)))
            number += 1
    with rogue(site, behave, 400) as (a, _):
        cause(a, "it tells too much", 60)


def test_it_changes_all_the_time_and_a_reload_comes_through(site):
    """Two hundred changes a second through the controller's API; weftd reloads within a few seconds."""
    a = site.routers["a"]
    (controller,) = site.controllers
    ends = threading.Event()
    changes = []

    def change():
        start = time.monotonic()
        while not ends.is_set():
            number = len(changes)
            controller.put("/v1/route", {"network": "blue", "prefix": f"10.9.{number % 50}.0/24",
                                         "node": f"compute-{'ab'[number // 50 % 2]}"})
            changes.append(number)
            if (ahead := start + len(changes) / 200 - time.monotonic()) > 0:
                time.sleep(ahead)
    wait_up(a)
    changing = threading.Thread(target=change)
    with Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12"):
        changing.start()
        try:
            wait_until(lambda: len(changes) > 50, 20, "changes")
            longest = 0.0
            until = time.monotonic() + 3
            while time.monotonic() < until or len(changes) < 400:
                begun = time.monotonic()
                a.text("reload")
                longest = max(longest, time.monotonic() - begun)
            print(f"the longest reload took {longest:.2f} s, among {len(changes)} changes")
            assert longest < 5
        finally:
            ends.set()
            changing.join()
