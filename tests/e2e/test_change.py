"""Tunnels and routes changed under traffic lose nothing, and no packet is half old, half new."""

import pytest
from topology import Pair, two_ways_to_blue
from weft import Stream

PACKETS = 16000
PER_SECOND = 5000
# Node b accepts only these two, so that a packet with parts of both would be lost.
PROFILES = ({"remote": "192.0.2.2", "vni": 100, "port": 4789},
            {"remote": "192.0.2.22", "vni": 101, "port": 4790})


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab, two_ways_to_blue)


@pytest.fixture
def stream(pair):
    made = Stream(pair.vms["blue", "a"], pair.vms["blue", "b"], "10.1.0.12")
    yield made
    made.close()
    pair.a.set_tunnel("to-blue", **PROFILES[0])
    pair.a.set_route("blue", "10.1.0.12/32", "to-blue")


def arrived(pair):
    return [pair.b.row("decap", name)["packets"] for name in ("from-blue", "from-blue-2")]


def check(pair, stream, turns, before):
    lost = stream.lost()
    assert not lost, (f"{len(lost)} of {stream.sent} lost, first {lost[:5]}; "
                      f"drops a {pair.a.drops()} b {pair.b.drops()}")
    assert len(stream.received) == stream.sent, "packets came twice"
    assert turns >= 20
    assert all(now - then > PACKETS / 10 for now, then in zip(arrived(pair), before)), \
        "the traffic did not go both ways"


def test_tunnel_changed_as_a_whole(pair, stream):
    before = arrived(pair)
    pair.vms["blue", "a"].ping("10.1.0.12", count=1)
    turns = stream.run(PACKETS, PER_SECOND,
                       lambda turn: pair.a.set_tunnel("to-blue", **PROFILES[(turn + 1) % 2]))
    check(pair, stream, turns, before)


def test_route_changed_to_another_tunnel(pair, stream):
    before = arrived(pair)
    pair.vms["blue", "a"].ping("10.1.0.12", count=1)
    names = ("to-blue", "to-blue-2")
    turns = stream.run(PACKETS, PER_SECOND,
                       lambda turn: pair.a.set_route("blue", "10.1.0.12/32", names[(turn + 1) % 2]))
    check(pair, stream, turns, before)


def test_a_change_shows_at_once(pair):
    pair.a.set_tunnel("to-blue", **PROFILES[1])
    try:
        row = pair.a.row("tunnel", "to-blue")
        assert (row["remote"], row["network"]) == ("192.0.2.22", "vni 101")
    finally:
        pair.a.set_tunnel("to-blue", **PROFILES[0])


def test_a_refused_change_changes_nothing(pair):
    before = pair.a.row("tunnel", "to-blue")
    with pytest.raises(AssertionError, match="16777215|vni"):
        pair.a.text("tunnel", "set", "to-blue", "--vni", 1 << 24)
    with pytest.raises(AssertionError, match="no-such"):
        pair.a.text("tunnel", "set", "no-such", "--remote", "192.0.2.2")
    after = pair.a.row("tunnel", "to-blue")
    assert {k: after[k] for k in ("remote", "network")} == {k: before[k] for k in ("remote", "network")}
    assert pair.vms["blue", "a"].ping("10.1.0.12", count=3) == 3
