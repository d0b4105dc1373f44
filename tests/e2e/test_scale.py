"""Changes of a node that has many objects: what else the control thread does must not wait."""

import json

from topology import base, tunnel
from weft import wait_until

ROUTES = 10000


def test_a_reload_of_many_routes_keeps_the_control_thread_free(lab):
    """The reading of the file, which takes long, is not on the control thread."""
    node = lab.namespace("node", ipv6=False)
    config = base("many", "192.0.2.1", device="null:")
    config["tunnels"] = [tunnel("to-b", 100, "192.0.2.2")]
    config["routes"] = [{"vrf": "blue", "prefix": f"100.{i >> 8}.{i & 255}.0/24",
                         "via": {"tunnel": "to-b"}} for i in range(ROUTES)]
    router = lab.router(node, "many", config).start()
    router.text("route", "add", "--vrf", "red", "10.5.0.0/16", "--discard")

    router.rewrite(lambda c: c["routes"].append(
        {"vrf": "red", "prefix": "10.6.0.0/16", "via": {"discard": True}}))
    assert router.ctl("reload")["added"] == ["route 10.6.0.0/16 in red"]

    # Many changes by API while the file is read: they are neither refused nor lost.
    answer = node.start("curl", "-s", "-X", "POST", "-d", "{}", "-o", lab.directory / "answer",
                        "--unix-socket", router.socket, "http://weftd/v1/reload")
    for i in range(20):
        router.text("route", "add", "--vrf", "red", f"10.7.{i}.0/24", "--discard")
    assert answer.wait(60) == 0
    assert "0 added" in (lab.directory / "answer").read_text()
    routes = router.ctl("show", "route", "--vrf", "red")["rows"]
    assert len([r for r in routes if r["prefix"].startswith("10.7.")]) == 20
    told = [line for line in node.run("curl", "-s", "--unix-socket", router.socket,
                                      "http://weftd/metrics").splitlines()
            if line.startswith('weft_handler_duration_seconds_count{handler="reload"}')]
    assert len(told) == 1


def test_two_reloads_at_once(lab):
    node = lab.namespace("node", ipv6=False)
    router = lab.router(node, "r", base("r", "192.0.2.1", device="null:")).start()
    processes = [node.start("curl", "-s", "-X", "POST", "-d", "{}", "-o", lab.directory / f"answer{i}",
                            "--unix-socket", router.socket, "http://weftd/v1/reload")
                 for i in range(8)]
    assert [p.wait(20) for p in processes] == [0] * 8
    answers = [json.loads((lab.directory / f"answer{i}").read_text()) for i in range(8)]
    assert any("message" in a for a in answers)
    assert all("message" in a or "under way" in a["error"] for a in answers)
    assert wait_until(lambda: "0 added" in router.text("reload"), 5, "a reload on its own")
