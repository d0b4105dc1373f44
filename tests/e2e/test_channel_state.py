"""Disks that are full and files that are damaged, at the controller and at a node. Nothing that is not on the disk is
told to anybody, what is damaged is said, and packets flow."""

import pytest
from controller import Site, network
from topology import configure_vm
from trouble import Cut, SmallDisk, Traffic, control, metric, wait_log, wait_up
from weft import EXIT_START, wait_until


@pytest.fixture(name="disks", scope="module")
def fixture_disks(module_lab):
    with SmallDisk(module_lab, "controller-disk", 1024) as one, SmallDisk(module_lab, "node-disk", 1024) as other:
        yield {"controller": one, "node": other}
        for router in module_lab.routers:
            if router.process and router.process.poll() is None:
                router.kill()


@pytest.fixture(scope="module")
def site(module_lab, disks):
    made = Site(module_lab, "abc", timers={"stale": 60})
    (controller,) = made.controllers
    controller.state = disks["controller"].path / "state.db"
    controller.rewrite(lambda config: config.update(state={"file": str(controller.state)}))
    made.routers["a"].rewrite(lambda config: config.update(state={"file": str(disks["node"].path / "a.json")}))
    return made.start(network("blue"))


@pytest.fixture(autouse=True)
def quiet(site):
    for router in site.routers.values():
        wait_up(router)


def traffic(site):
    return Traffic(site.vms["blue", "a"], site.vms["blue", "b"], "10.1.0.12")


def refusal(controller, *networks):
    """What a controller says to networks that it cannot take."""
    with pytest.raises(AssertionError) as refused:
        controller.apply({"networks": networks})
    return str(refused.value)


def fill_state(controller):
    """Adds networks until one does not fit any more; what it says to that."""
    for number in range(300):
        try:
            controller.apply({"networks": [network(f"n{number}")]})
        except AssertionError as refused:
            return str(refused)
    raise AssertionError("the disk never was full")


def test_the_disk_of_the_controller_is_full(site, disks):
    """The change is refused with the cause; nothing is told; with room again it goes on by itself."""
    a = site.routers["a"]
    (controller,) = site.controllers
    with traffic(site):
        disks["controller"].fill()
        said = fill_state(controller)
        assert "make room on its disk" in said and "state.db" in said
        before = {r.name: metric(r, "weft_generation") for r in site.routers.values()}
        assert "make room on its disk" in refusal(controller, network("blue", ["geneve"]))
        assert site.kind(a, "blue", 12) == "vxlan"
        assert {r.name: metric(r, "weft_generation") for r in site.routers.values()} == before
        disks["controller"].free()
        wait_log(controller, "the state can be written again")
        controller.apply({"networks": [network("blue", ["geneve"])]})
        wait_until(lambda: site.kind(a, "blue", 12) == "geneve", 20, "the change in force")
        for router in site.routers.values():
            wait_up(router)


def change_kind(site, kind):
    a = site.routers["a"]
    site.controllers[0].apply({"networks": [network("blue", [kind])]})
    wait_until(lambda: site.kind(a, "blue", 12) == kind, 20, f"{kind} in force")
    wait_until(lambda: {d["kind"] for d in a.table("decap")} == {kind}, 20, "the old one gone")


def test_the_disk_of_a_node_is_full(site, disks):
    """It says so and goes on; with room again the journal comes to be whole."""
    a, b = site.routers["a"], site.routers["b"]
    journal = disks["node"].path / "a.json.channel"
    with traffic(site):
        disks["node"].fill()
        for kind in 10 * ["geneve", "vxlan"]:  # what room its last page has is used first
            change_kind(site, kind)
            if "kept in memory until it can be written" in a.log():
                break
        assert "kept in memory until it can be written" in a.log()
        change_kind(site, "mpls_over_udp")
        disks["node"].free()
        wait_until(lambda: "mpls_over_udp" in journal.read_text(), 20, "the journal written")
    with Cut(site, "a"):
        a.kill()
        a.start()
        configure_vm(site.vms["blue", "a"], 11)
        assert control(a)["sessions"] == 0
        assert {d["kind"] for d in a.table("decap")} == {"mpls_over_udp"}, "it knows the last state, and no other"
        assert site.vms["blue", "a"].ping("10.1.0.12", count=5) == 5
    wait_up(a)
    assert site.kind(b, "blue", 11) == "mpls_over_udp"


@pytest.mark.parametrize("damage", ["garbage", "truncated", "half a line"])
def test_the_journal_of_a_node_is_damaged(site, disks, damage):
    """It starts, says so, and gets anew from the controller what it does not know."""
    a = site.routers["a"]
    journal = disks["node"].path / "a.json.channel"
    a.kill()
    data = journal.read_bytes()
    journal.write_bytes({"garbage": bytes(range(256)) * 64, "truncated": data[7:],
                         "half a line": data.replace(b'"object"', b'"obj', 1)}[damage])
    a.start()
    configure_vm(site.vms["blue", "a"], 11)
    wait_log(a, "controllers will tell again what is missing")
    wait_up(a)
    with traffic(site):
        assert all(row["state"] == "applied" for row in a.table("profile"))


@pytest.mark.parametrize("damage", ["middle", "header"])
def test_the_state_of_the_controller_is_damaged(site, damage):
    """It refuses, with the remedy; nodes go on, also when it begins with nothing, until it is told anew."""
    a = site.routers["a"]
    (controller,) = site.controllers
    with traffic(site), Traffic(site.vms["blue", "c"], site.vms["blue", "a"], "10.1.0.11"):
        assert controller.stop() == 0
        data = bytearray(controller.state.read_bytes())
        if damage == "middle":
            data[4096 + 1000:] = b"\xa5" * (len(data) - 4096 - 1000)
        else:
            del data[50:]
        controller.state.write_bytes(data)
        assert controller.launch().process.wait(20) == EXIT_START
        assert "--rebuild" in controller.log() and "damaged" in controller.log()
        sessions = {r.name: control(r)["sessions"] for r in site.routers.values()}
        controller.start("--rebuild")
        for router in site.routers.values():
            wait_until(lambda r=router: control(r)["sessions"] > sessions[r.name], 60, "the session back", 0.1)
        for router in site.routers.values():
            wait_until(lambda r=router: control(r)["untold"] == 0, 10, "all told by the node")
        wait_until(lambda: control(a)["age_s"] >= 2, 10, "time enough to forget")
        assert control(a)["state"] == "up, telling", "it is not told that this is all"
        controller.apply({"networks": [network("blue", ["mpls_over_udp"])]})
        for router in site.routers.values():
            wait_up(router)
