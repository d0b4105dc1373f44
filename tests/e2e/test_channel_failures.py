"""What dies, is cut off or flaps between nodes and their controller, while packets flow: none is lost that could
arrive, what was told stays until it is told otherwise, and what changed meanwhile is right afterwards."""

import contextlib
import json

import pytest
from controller import CONTROLLER_ADDRESS, PORT, Site, network
from topology import addresses, configure_vm, mac
from trouble import Cut, Relay, Traffic, control, metric, wait_log, wait_up
from weft import wait_until

RELAY_PORT = 5299
STALE = 8


@pytest.fixture(scope="module")
def site(module_lab):
    """Nodes a, b and c, of which a comes to the controller through a relay."""
    made = Site(module_lab, "abc", timers={"stale": STALE})
    made.routers["a"].rewrite(lambda config: config["controllers"][0].update(port=RELAY_PORT))
    made.relay = Relay(made.control, CONTROLLER_ADDRESS, RELAY_PORT, (CONTROLLER_ADDRESS, PORT))
    yield made.start(network("blue"))
    made.relay.close()


@pytest.fixture(autouse=True)
def quiet(site):
    """Each test begins where all is told."""
    for router in site.routers.values():
        wait_up(router)


@contextlib.contextmanager
def added_vif(site, node, name, host):
    vif = Site.vif("blue", site.lab.namespace(name), host)
    words = [w for address in addresses(host) for w in ("--address", address)]
    router = site.routers[node]
    router.text("vif", "add", name, "--device", vif["device"], "--vrf", "blue", "--mac", mac("blue", host), *words)
    yield
    router.text("vif", "del", name)


def session(controller, node):
    """What the controller shows of a node's session."""
    rows = json.loads(controller.text("--json", "node", "show"))["rows"]
    (shown,) = [row["session"] for row in rows if row["name"] == f"compute-{node}"]
    return shown


def restart(site, node, host):
    site.routers[node].start()
    configure_vm(site.vms["blue", node], host)


def test_an_agent_is_killed_and_comes_back(site):
    """Its routes stay with the others as stale; it forwards from its journal before the controller has heard of it."""
    a, b, c = site.routers.values()
    (controller,) = site.controllers
    lost_before = controller.log().count("node compute-a: session lost")
    with Traffic(site.vms["blue", "b"], site.vms["blue", "c"], "10.1.0.13"):
        routes = {r.name: r.table("route") for r in (b, c)}
        a.kill()
        wait_log(controller, "node compute-a: session lost", lost_before + 1)
        assert session(controller, "a") == "down: the connection ended"
        assert session(controller, "b").startswith("up, ")
        assert {r.name: r.table("route") for r in (b, c)} == routes
        with Cut(site, "a"):
            restart(site, "a", 11)
            assert site.vms["blue", "a"].ping("10.1.0.12", count=5) == 5
            assert control(a)["sessions"] == 0, "it forwards since it remembers"
        wait_up(a)
        assert {r.name: r.table("route") for r in (b, c)} == routes
        assert f"node compute-a: gone for {STALE} s" not in controller.log()
    assert site.vms["blue", "b"].ping("10.1.0.11", count=5) == 5


def test_a_partition_heals(site):
    """The hold time finds it. What changed on either side meanwhile is right afterwards."""
    a, b, c = site.routers.values()
    (controller,) = site.controllers
    lost_before = controller.log().count("node compute-b: session lost")
    there = Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")
    back = Traffic(site.vms["blue", "b"], site.vms["blue", "a"], "10.1.0.11")
    with there, back, contextlib.ExitStack() as late:
        with added_vif(site, "c", "goes", 51):
            site.wait_route(b, "blue", 51)
            link = late.enter_context(Cut(site, "b"))
            wait_log(controller, "node compute-b: session lost: nothing was heard from the peer for 3 s", lost_before + 1)
            wait_until(lambda: control(b)["state"] != "up", 10, "the loss seen by the node")
            assert control(b)["stale"] > 0
        late.enter_context(added_vif(site, "b", "comes", 42))
        controller.apply({"networks": [network("blue", ["geneve"])]})
        wait_until(lambda: site.kind(a, "blue", 13) == site.kind(c, "blue", 11) == "geneve", 10, "the others moved")
        assert site.kind(a, "blue", 12) == "vxlan", "b cannot have heard of it"
        assert site.route(b, "blue", 51) is not None and site.route(a, "blue", 51) is None
        assert site.route(a, "blue", 12) is not None
        link.heal()
        wait_up(b)
        site.wait_route(a, "blue", 42)
        wait_until(lambda: site.route(b, "blue", 51) is None, 5, "what went meanwhile gone")
        for sender, host in ((a, 12), (b, 11), (b, 13), (c, 12)):
            wait_until(lambda s=sender, h=host: site.kind(s, "blue", h) == "geneve", 10, f"{sender.name} to {host}")
        for router in (a, b, c):
            wait_until(lambda r=router: {d["kind"] for d in r.table("decap")} == {"geneve"}, 10, "old ways closed")
    controller.apply({"networks": [network("blue")]})
    wait_until(lambda: site.kind(a, "blue", 12) == "vxlan", 20, "as before")


def test_a_session_flaps_and_nothing_moves(site):
    """Ten cuts too short for the hold time and three resets: nobody's data plane changes at all."""
    a, b, _ = site.routers.values()
    for router in site.routers.values():
        wait_until(lambda r=router: {d["kind"] for d in r.table("decap")} == {"vxlan"}, 20, "nothing under way")
    with Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12"):
        before = {r.name: metric(r, "weft_generation") for r in site.routers.values()}
        sessions = control(a)["sessions"]
        link = Cut(site, "a")
        for turn in range(10):
            link.cut()
            assert site.route(b, "blue", 11) is not None, turn
            link.heal()
        for turn in range(3):
            wait_up(a, sessions + turn)
            site.relay.reset()
        wait_up(a, sessions + 3)
        assert {r.name: metric(r, "weft_generation") for r in site.routers.values()} == before


def test_an_agent_stays_away(site):
    """Its routes go when the stale time is over, nobody else's do, and they come back with it."""
    a, b, c = site.routers.values()
    with Traffic(site.vms["blue", "b"], site.vms["blue", "c"], "10.1.0.13"):
        a.kill()
        for router in (b, c):
            wait_until(lambda r=router: site.route(r, "blue", 11) is None, STALE + 20, "the routes of a gone", 0.2)
        wait_log(site.controllers[0], f"node compute-a: gone for {STALE} s; its routes go")
        restart(site, "a", 11)
        wait_up(a)
        for router in (b, c):
            site.wait_route(router, "blue", 11)
    assert site.vms["blue", "a"].ping("10.1.0.13", count=5) == 5
