"""Two controllers, and nodes that reach only one of them each."""

import pytest
from controller import Site, controller_address, cut, network
from weft import Stream, wait_until

STALE = 5


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab, controllers=2, timers={"stale": STALE})
    for number, router in enumerate(made.routers.values()):
        router.rewrite(lambda config, n=number: config.update(controllers=[config["controllers"][n]]))
    return made.start(network("blue"))


def peer(controller):
    (row,) = controller.table("controller")
    return row


def test_routes_go_from_controller_to_controller(site):
    """A ping between nodes of two controllers, also while these have lost each other, for the stale time; and what
    leaves at one node leaves at the other."""
    c0, c1 = site.controllers
    a, b = site.routers.values()
    vms = site.vms["blue", "a"], site.vms["blue", "b"]
    for controller in site.controllers:
        wait_until(lambda: peer(controller)["routes"] > 0, 10, "routes of the other's node")  # pylint: disable=cell-var-from-loop
        assert peer(controller)["cause"] == "" and peer(controller)["stale"] == 0
    wait_until(lambda: vms[0].ping("10.1.0.12", count=1, deadline=1) == 1, 10, "a ping from VM to VM")

    places = [(c.namespace, controller_address(n)) for n, c in enumerate(site.controllers)]
    mend = cut(*places)
    stream = Stream(*vms, "10.1.0.12")
    seen = []

    def look(turn):
        if turn % 20 == 10:
            seen.append((peer(c0)["state"], peer(c0)["stale"] > 0, site.route(a, "blue", 12) is not None))
    stream.run(6 * 2000, 2000, look)  # the loss is found after at most 3 s
    stream.close()
    assert ("down", True, True) in seen and all(there for _, _, there in seen), seen
    assert stream.lost() == []
    wait_until(lambda: site.route(a, "blue", 12) is None and site.route(b, "blue", 11) is None, STALE + 10,
               "the routes gone when their time is over")
    mend()
    site.converge(40)
    wait_until(lambda: peer(c1)["stale"] == 0 and peer(c1)["routes"] > 0, 10, "the routes told again")
    wait_until(lambda: vms[0].ping("10.1.0.12", count=1, deadline=1) == 1, 10, "a ping from VM to VM")

    a.rewrite(lambda config: config.update(vifs=[]))
    a.text("reload")
    wait_until(lambda: site.route(b, "blue", 11) is None, 5, "the withdrawn route gone at the other node")
    assert peer(c1)["routes"] == 0
