"""Wall clocks that jump under sessions: hold and stale times go by the steady clock, and certificates are judged by
the wall clock when a session begins, and then alone."""

from clock import Wall
from controller import CONTROLLER_ADDRESS, PORT, Site, network
from trouble import Cut, Relay, Traffic, control, wait_log, wait_up
from weft import wait_until

HOUR = 3600
YEARS = 10 * 366 * 24 * HOUR
RELAY_PORT = 5299


def test_clocks_jump(lab, monkeypatch):
    site = Site(lab, timers={"stale": 20})
    a, b = site.routers["a"], site.routers["b"]
    (controller,) = site.controllers
    a.rewrite(lambda config: config["controllers"][0].update(port=RELAY_PORT))
    relay = Relay(site.control, CONTROLLER_ADDRESS, RELAY_PORT, (CONTROLLER_ADDRESS, PORT))
    clock = Wall(lab, monkeypatch)
    try:
        site.start(network("blue"))
        clock.leave()
        for router in (a, b):
            wait_up(router)
        with Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12"):
            for shift in (HOUR, -HOUR, YEARS, 0):
                clock.set(shift)
                age = control(a)["age_s"]
                wait_until(lambda n=age: n < control(a)["age_s"] < n + 60, 10, "a session that goes on", 0.1)
            assert [control(r)["sessions"] for r in (a, b)] == [1, 1], "longer than the hold time"
            with Cut(site, "b"):
                clock.set(-HOUR)
                wait_log(controller, "node compute-b: session lost: nothing was heard from the peer for 3 s")
                clock.set(HOUR)
                wait_until(lambda: control(b)["state"] != "up", 10, "the loss seen by the node")
                assert control(b)["stale"] > 0 and site.route(a, "blue", 12) is not None
            wait_up(b, 2)
            assert "its routes go" not in controller.log()
            clock.set(YEARS)
            relay.reset()
            wait_until(lambda: "expired" in control(a)["cause"], 20, "the certificate judged by the wall clock", 0.1)
            assert control(b)["state"] == "up", "its session has begun before"
            clock.set(0)
            wait_up(a, 2)
    finally:
        relay.close()
