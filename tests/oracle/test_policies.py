"""Policies in cases that are small enough to be judged by eye: the oracle has to agree with them, and weftd."""

import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import wire  # noqa: E402
from weft import Lab  # noqa: E402
from wire import ICMP, MORE_FRAGMENTS, TCP, UDP, ipv4, ipv6, packed  # noqa: E402
from world import FAR, FAR6, ByOracle, ByWeftd  # noqa: E402

EGRESS, INGRESS = "policy_egress_denied", "policy_ingress_denied"


@pytest.fixture(scope="module", params=["oracle", "weftd"])
def one_router(request):
    if request.param == "oracle":
        yield ByOracle()
    else:
        with Lab() as lab:
            router = ByWeftd(lab)
            yield router
            router.close()


@pytest.fixture
def router(one_router):
    one_router.fresh()
    return one_router


def tcp(source, destination, sport=1000, dport=80, **more):
    source, destination = packed(source), packed(destination)
    make = ipv4 if len(source) == 4 else ipv6
    return make(source, destination, TCP, wire.tcp(source, destination, sport, dport, b"data"), **more)


def icmp(source, destination, kind=8, code=0, number=7, data=b"data"):
    return ipv4(packed(source), packed(destination), ICMP, wire.icmp4(kind, code, number << 16, data))


def piece(source, destination, at, number=5, dport=80):
    """The first half (at=0) or the second of a UDP datagram."""
    source, destination = packed(source), packed(destination)
    body = wire.udp(source, destination, 1000, dport, bytes(24))
    return ipv4(source, destination, UDP, body[16:] if at else body[:16], ident=number,
                fragment=2 if at else MORE_FRAGMENTS)


def one(direction, *rules):
    return {"g": {direction: list(rules)}}


def asked(router, groups, who, packet, **mine):
    """What becomes of a packet under such groups."""
    router.change(groups, **mine)
    return router.sends(who, packet)


A, B = "10.1.0.1", "10.1.0.2"
A6, B6 = "fd00::1", "fd00::2"
WEB = {"protocol": "tcp", "ports": [80, "8000-8010"]}

RULES = [   # rules of vm1's egress, packet, let through?
    ([], tcp(A, B), False),
    ([{}], tcp(A, B), True),
    ([WEB], tcp(A, B), True),
    ([WEB], tcp(A, B, dport=81), False),
    ([WEB], tcp(A, B, dport=8010), True),
    ([WEB], tcp(A, B, dport=8011), False),
    ([WEB], tcp(A, B, sport=80, dport=7), False),
    ([WEB], tcp(A6, B6), True),
    ([{"action": "deny", **WEB}, {}], tcp(A, B), False),
    ([{}, {"action": "deny", **WEB}], tcp(A, B), True),
    ([{"protocol": "udp"}], tcp(A, B), False),
    ([{"protocol": 6}], tcp(A, B), True),
    ([{"protocol": "tcp", "source_ports": ["999-1000"]}], tcp(A, B), True),
    ([{"protocol": "tcp", "source_ports": [1001]}], tcp(A, B), False),
    ([{"to": ["10.1.0.2"]}], tcp(A, B), True),
    ([{"to": ["10.1.0.2/31"]}], tcp(A, B), True),
    ([{"to": ["10.1.0.1"]}], tcp(A, B), False),
    ([{"from": ["10.1.0.1"]}], tcp(A, B), True),
    ([{"from": "10.1.0.1", "protocol": "tcp", "ports": 80}], tcp(A, B), True),
    ([{"to": ["0.0.0.0/0"]}], tcp(A6, B6), False),
    ([{"to": ["::/0"]}], tcp(A, B), False),
    ([{"to": ["group:g"]}], tcp(A, B), False),
    ([{"from": ["group:g"]}], tcp(A, B), True),
    ([{"protocol": "icmp", "icmp_type": 8}], icmp(A, B), True),
    ([{"protocol": "icmp", "icmp_type": 8, "icmp_code": 1}], icmp(A, B), False),
    ([{"protocol": "icmp", "icmp_type": 8}], icmp(A, B, kind=13), False),
    ([{"protocol": "icmp", "icmp_type": 3, "icmp_code": 1}], icmp(A, B, kind=3, code=1), True),
    ([{"protocol": "icmp", "icmp_type": 3, "icmp_code": 1}], icmp(A, B, kind=3, code=2), False),
    ([{"protocol": "icmp", "icmp_type": 3}], icmp(A, B, kind=3, code=2), True),
    ([{"protocol": "icmpv6"}], icmp(A, B), False),
    ([{}], tcp(A, B, ttl=1), "ttl_expired"),
    ([], tcp(A, B, ttl=1), False),
    ([], tcp(A, "10.9.0.1"), "no_route"),
    ([{}], piece(A, B, 1), True),
    ([{"protocol": "udp"}], piece(A, B, 1), True),
    ([{"protocol": "udp", "ports": ["0-65535"]}], piece(A, B, 1), False),
    ([{"action": "deny", "protocol": "udp", "ports": [80]}, {}], piece(A, B, 1), True),
]


@pytest.mark.parametrize("rules, packet, through", RULES, ids=range(len(RULES)))
def test_rules(router, rules, packet, through):
    router.change(one("egress", *rules), vm1=["g"])
    wanted = through if isinstance(through, str) else None if through else EGRESS
    assert router.sends("vm1", packet) == wanted


def test_directions_and_tunnels(router):
    closed = {"g": {"egress": [], "ingress": []}}
    router.change(closed, vm2=["g"])
    assert router.sends("vm1", tcp(A, B)) == INGRESS
    assert router.sends("vm2", tcp(B, A)) == EGRESS
    assert router.sends("vm2", tcp(B, FAR)) == EGRESS
    assert router.sends("blue", tcp(FAR, B)) == INGRESS
    assert router.sends("blue", tcp(FAR, A)) is None
    router.change({"g": {"egress": []}}, vm2=["g"])
    assert router.sends("vm1", tcp(A, B)) is None
    assert asked(router, closed, "vm1", tcp(A, B), vm1=["g"], vm2=["g"]) == EGRESS


def test_groups_of_vrfs_and_their_order(router):
    groups = {"shut": {"egress": [{"action": "deny", **WEB}]}, "open": {"egress": [{}]}, "tag": {}}
    assert asked(router, groups, "vm1", tcp(A, B), blue=["shut", "open"]) == EGRESS
    assert asked(router, groups, "vm1", tcp(A, B), blue=["open", "shut"]) is None
    assert asked(router, groups, "vm1", tcp(A, B), blue=["shut"], vm1=[]) is None
    assert asked(router, groups, "vm1", tcp(A, B), blue=["shut"], vm1=["tag"]) is None
    assert asked(router, groups, "vm1", tcp(A, B), blue=["shut"], vm1=["tag", "open"]) is None


def test_members_are_of_the_same_vrf(router):
    groups = {"g": {"ingress": [{"from": ["group:friends"]}]}, "friends": {}}
    assert asked(router, groups, "vm1", tcp(A, B), vm2=["g"]) == INGRESS
    assert asked(router, groups, "vm1", tcp(A, B), vm1=["friends"], vm2=["g"]) is None
    assert asked(router, groups, "vm1", tcp(A, B), vm3=["friends"], vm2=["g"]) == INGRESS
    assert asked(router, groups, "red", tcp(B, A), vm2=["friends"], vm3=["g"]) == INGRESS
    groups["friends"]["members"] = ["10.2.0.0/16"]
    assert asked(router, groups, "blue", tcp(FAR, B), vm2=["g"]) is None


def test_answers_come_with_their_session(router):
    router.change({"g": {"egress": [WEB], "ingress": []}}, vm1=["g"])
    answer = tcp(FAR, A, 80, 1000)
    assert router.sends("blue", answer) == INGRESS
    assert router.sends("vm1", tcp(A, FAR)) is None
    assert router.sends("blue", tcp(FAR, A, 1000, 80)) == INGRESS
    assert router.sends("blue", tcp(FAR, A, 80, 1001)) == INGRESS
    assert router.sends("blue", answer) is None
    router.change({"g": {"egress": [], "ingress": []}}, vm1=["g"])
    assert router.sends("blue", answer) == INGRESS
    router.change({"g": {"egress": [WEB], "ingress": []}}, vm1=["g"])
    assert router.sends("blue", answer) == INGRESS
    assert router.sends("vm1", tcp(A, FAR)) is None
    assert router.sends("blue", answer) is None
    for egress in [], [WEB]:   # no packet in between has the session judged
        router.change({"g": {"egress": egress, "ingress": []}}, vm1=["g"])
    assert router.sends("blue", answer) is None


@pytest.mark.parametrize("here, there", [(A, FAR), (A6, FAR6)])
def test_a_session_is_of_one_vrf(router, here, there):
    router.change({"g": {"ingress": []}}, vm1=["g"], vm3=["g"])
    assert router.sends("vm1", tcp(here, there)) is None
    assert router.sends("red", tcp(there, here, 80, 1000)) == INGRESS
    assert router.sends("blue", tcp(there, here, 80, 1000)) is None
    assert router.sends("red", tcp(there, here, 80, 1000)) == INGRESS


@pytest.mark.parametrize("here, there", [(A, FAR), (A6, FAR6)])
def test_a_session_is_of_one_vif(router, here, there):
    router.change({"g": {"egress": []}}, vm2=["g"])
    assert router.sends("vm2", tcp(here, there)) == EGRESS
    for _ in range(2):
        assert router.sends("vm1", tcp(here, there)) is None
    assert router.sends("vm2", tcp(here, there)) == EGRESS
    assert router.sends("vm1", tcp(here, there)) is None


def test_a_packet_whose_time_runs_out_has_opened_a_session(router):
    router.change({"g": {"ingress": []}}, vm1=["g"])
    assert router.sends("vm1", tcp(A, FAR, ttl=1)) == "ttl_expired"
    assert router.sends("blue", tcp(FAR, A, 80, 1000)) is None


def test_pings_are_known_by_their_number_and_kind(router):
    router.change({"g": {"ingress": []}}, vm1=["g"])
    assert router.sends("vm1", icmp(A, FAR)) is None
    assert router.sends("blue", icmp(FAR, A, kind=0, number=8)) == INGRESS
    assert router.sends("blue", icmp(FAR, A, kind=14)) == INGRESS
    assert router.sends("blue", icmp(FAR, A)) == INGRESS
    assert router.sends("blue", icmp(FAR, A, kind=0)) is None
    router.change({"g": {"egress": [{"protocol": "icmp", "icmp_type": 0}], "ingress": []}}, vm1=["g"])
    assert router.sends("vm1", icmp(A, FAR, kind=0, number=9)) is None
    assert router.sends("blue", icmp(FAR, A, number=9)) == INGRESS


def test_errors_come_with_what_they_tell_of(router):
    router.change({"g": {"ingress": []}}, vm1=["g"])
    error = icmp("10.2.0.1", A, kind=3, code=1, data=tcp(A, FAR))
    assert router.sends("blue", error) == INGRESS
    assert router.sends("vm1", tcp(A, FAR)) is None
    assert router.sends("blue", icmp("10.2.0.1", A, kind=3, data=tcp(A, FAR, 1001))) == INGRESS
    assert router.sends("blue", icmp("10.2.0.1", A, kind=3, data=tcp(FAR, A, 80, 1000))) == INGRESS
    assert router.sends("red", error) is None   # vm3 has no policy
    assert router.sends("blue", error) is None
    router.change({"g": {"ingress": []}}, vm1=["g"], vm2=["g"])
    assert router.sends("blue", icmp("10.2.0.1", B, kind=3, data=tcp(A, FAR))) == INGRESS
    assert router.sends("blue", error) is None


def test_pieces_are_judged_like_their_first(router):
    router.change(one("egress", {"protocol": "udp", "ports": [80]}), vm1=["g"])
    assert router.sends("vm1", piece(A, B, 1)) == EGRESS
    assert router.sends("vm1", piece(A, B, 0)) is None
    assert router.sends("vm1", piece(A, B, 1)) is None
    assert router.sends("vm1", piece(A, B, 1, number=6)) == EGRESS
    router.change(one("egress", {"action": "deny", "protocol": "udp", "ports": [80]}, {}), vm1=["g"])
    assert router.sends("vm1", piece(A, B, 1, number=7)) is None
    assert router.sends("vm1", piece(A, B, 0, number=7)) == EGRESS
    assert router.sends("vm1", piece(A, B, 1, number=7)) == EGRESS


def behind(count, kind=60, first=None):
    """UDP behind so many extension headers; `first`: behind a fragment header before them."""
    source, destination = packed(A6), packed(B6)
    protocol, body = UDP, wire.udp(source, destination, 1, 2, b"data")
    for _ in range(count):
        protocol, body = kind, struct.pack("!BBBBI", protocol, 0, 1, 4, 0) + body
    if first is not None:
        protocol, body = 44, struct.pack("!BBHI", protocol, 0, first, 9) + body
    return ipv6(source, destination, protocol, body)


def test_what_cannot_be_found_no_policy_lets_through(router):
    router.change(one("ingress", {}), vm2=["g"])
    assert router.sends("vm1", behind(8)) is None
    assert router.sends("vm1", behind(9)) == INGRESS
    assert router.sends("vm1", behind(0, first=1)) is None
    assert router.sends("vm1", behind(1, first=1)) == INGRESS
    assert asked(router, {}, "vm1", behind(9)) is None


def test_a_session_follows_its_route_under_the_rules_of_where_it_leads(router):
    router.change({"g": {"ingress": []}}, vm2=["g"])
    assert router.sends("vm1", tcp(A, FAR)) is None
    router.route("blue", "10.2.0.0/16", {"vif": "vm2"})
    assert router.sends("vm1", tcp(A, FAR)) == INGRESS
    router.change({"g": {"ingress": [WEB]}}, vm2=["g"])
    assert router.sends("vm1", tcp(A, FAR)) is None
    router.change({"g": {"ingress": []}}, vm2=["g"])
    assert router.sends("vm1", tcp(A, FAR)) == INGRESS
    router.route("blue", "10.2.0.0/16", {"tunnel": "t"})
    assert router.sends("vm1", tcp(A, FAR)) is None


@pytest.mark.parametrize("kept", [(True, False), (False, True), (False, False)])
def test_flows_off_makes_no_difference(router, kept):
    for vif, flows in zip(("vm1", "vm2"), kept):
        router.keep_flows(vif, flows)
    router.change({"g": {"egress": [WEB], "ingress": []}}, vm1=["g"])
    assert router.sends("vm2", tcp(B, A, 80, 1000)) == INGRESS
    assert router.sends("vm1", tcp(A, B)) is None
    assert router.sends("vm2", tcp(B, A, 80, 1000)) is None
    assert router.sends("vm1", tcp(A, B)) is None
    assert router.sends("vm1", tcp(A, B, dport=81)) == EGRESS
    for vif in ("vm1", "vm2"):
        router.keep_flows(vif, True)


# --- no more room: weftd alone, the oracle's sessions have as much as they want -------------------------------------

def there_and_back(number, source=A):
    """A packet of some UDP conversation with FAR, and its answer."""
    there, here = packed(FAR), packed(source)
    return (ipv4(here, there, UDP, wire.udp(here, there, number, 80, b"to")),
            ipv4(there, here, UDP, wire.udp(there, here, 80, number, b"back")))


def talk(router, number, who="vm1", source=A):
    """What becomes of the two."""
    there, back = there_and_back(number, source)
    return router.sends(who, there), router.sends("blue", back)


@pytest.mark.parametrize("key, most, reason", [("sessions_a_vif", 4, "flow_vif_limit"),
                                               ("sessions", 1024, "flow_table_full")])
def test_without_room_policies_let_nothing_new_through(lab, key, most, reason):
    # One worker opens all sessions: numbers that another has at hand are no room.
    router = ByWeftd(lab, flows={key: most}, workers={"lcores": [0, 1], "handoff": False})
    router.change({"g": {"egress": [{}], "ingress": []}}, vm1=["g"])
    assert router.sends("vm1", tcp(A, FAR)) is None   # it has no answer, so that it gives way
    at_once = most * 3 // 4   # then one by one: of what is opened at once something may give way to the rest
    for number in range(0, at_once, 32):
        pairs = [there_and_back(n) for n in range(number, min(at_once, number + 32))]
        router.all_pass("vm1", [there for there, _ in pairs])
        router.all_pass("blue", [back for _, back in pairs])
    assert {talk(router, number) for number in range(at_once, most)} == {(None, None)}
    assert talk(router, most) == (reason, INGRESS)
    assert talk(router, 0) == talk(router, most - 1) == (None, None)
    assert talk(router, most, "vm2", B) == (None, None)   # no policy wants a session
    assert router.sends("vm1", tcp(A6, B6)) is None       # the other family has room
    router.fresh()
    assert talk(router, most) == (None, None)
    router.close()
