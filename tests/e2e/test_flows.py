"""Sessions as an operator sees them: what is counted, how they end, and what the traffic feels of it."""

import contextlib
import re
import socket

import pytest
from topology import Pair, two_ways_to_blue
from weft import Lab, Stream, inside, run, udp_socket, wait_until

NEAR = {4: "10.1.0.11", 6: "fd00:1::11"}
FAR = {4: "10.1.0.12", 6: "fd00:1::12"}
PACKETS = 16000
PER_SECOND = 4000


@pytest.fixture(scope="module")
def pair(module_lab):
    return Pair(module_lab, two_ways_to_blue)


@pytest.fixture(autouse=True)
def cleared(request):
    """No session is left of the test before."""
    if "pair" in request.fixturenames:
        made = request.getfixturevalue("pair")
        for router in (made.a, made.b):
            router.text("flow", "clear", "--all")


def flows(router, *words):
    return router.ctl("show", "flow", *words)["rows"]


def session(router, *words):
    """The one that matches, and there is one."""
    rows = flows(router, *words)
    assert len(rows) == 1, f"{words}: {rows}"
    return rows[0]


def ping(vm, address, count=1):
    """Exactly so many queries, each of which is answered; Namespace.ping() asks again while an answer is late."""
    text = vm.run("ping", "-n", "-q", "-c", count, "-i", 0.2, "-W", 5, address)
    assert f"{count} received" in text, text


def counts(row):
    return tuple(row[key] for key in ("packets", "bytes", "back_packets", "back_bytes"))


def metrics(pair, node):
    router = getattr(pair, node)
    text = pair.nodes[node].run("curl", "-sS", "--unix-socket", router.socket, "http://x/metrics")
    return {(name, family): int(value) for name, family, value in
            re.findall(r'^weft_flow_(\w+)\{family="(\w+)"\} (\d+)$', text, re.M)}


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@pytest.mark.parametrize("family", (4, 6))
def test_ping(pair, family):
    """A query and its answers are a session on both nodes, each with the names of its own way."""
    ping(pair.vms["blue", "a"], FAR[family], 7)
    protocol = "icmp" if family == 4 else "icmpv6"
    size = 7 * (84 if family == 4 else 104)
    for router, way in ((pair.a, ("vif blue", "tunnel to-blue")), (pair.b, ("fabric", "vif blue"))):
        row = session(router, "--protocol", protocol, "--vrf", "blue", "--address", FAR[family])
        assert counts(row) == (7, size, 7, size)
        assert (row["protocol"], row["state"], row["vrf"]) == (protocol, "answered", "blue")
        assert (row["from"], row["to"]) == way
        assert row["source"].startswith(end(NEAR[family], "")) and row["destination"] == FAR[family]
    assert flows(pair.a, "--vrf", "red") == flows(pair.b, "--vif", "red") == []


@pytest.mark.parametrize("family", (4, 6))
def test_udp(pair, family):
    """One way, until the other end answers."""
    near = udp_socket(pair.vms["red", "a"].name, NEAR[family], 5001)
    far = udp_socket(pair.vms["red", "b"].name, FAR[family], 5002)
    header = 28 if family == 4 else 48
    with near, far:
        for s in (near, far):
            s.settimeout(5)
        for _ in range(5):
            near.sendto(b"x" * 100, (FAR[family], 5002))
        for _ in range(5):
            far.recv(200)
        for router in (pair.a, pair.b):
            row = session(router, "--port", "5001", "--protocol", "udp")
            assert (row["source"], row["destination"]) == (end(NEAR[family], 5001), end(FAR[family], 5002))
            assert (row["state"], counts(row)) == ("one-way", (5, 5 * (100 + header), 0, 0))
        for _ in range(3):
            far.sendto(b"y", (NEAR[family], 5001))
        for _ in range(3):
            near.recv(200)
        for router in (pair.a, pair.b):
            row = session(router, "--port", "5002", "--state", "answered", "--vrf", "red")
            assert counts(row) == (5, 5 * (100 + header), 3, 3 * (1 + header))


@pytest.mark.parametrize("family", (4, 6))
def test_tcp(pair, family):
    """Established, then closing; as many packets as the VM's own kernel has seen, in each direction."""
    client, server = pair.vms["blue", "a"], pair.vms["blue", "b"]
    capture, path = pair.lab.capture(client, "vm0", "tcp")
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with inside(server.name):
        listener = socket.create_server((FAR[family], 0), family=kind)
    with inside(client.name):
        near = socket.socket(kind, socket.SOCK_STREAM)
    port = listener.getsockname()[1]
    with listener, near:
        near.settimeout(5)
        near.connect((FAR[family], port))
        far, _ = listener.accept()
        with far:
            for router in (pair.a, pair.b):
                wait_until(lambda router=router: flows(router, "--port", port, "--state", "established"), 3,
                           "an established session")
            far.settimeout(5)
            for _ in range(30):  # one at a time, so that nothing is sent twice
                near.sendall(b"there")
                assert far.recv(100) == b"there"
                far.sendall(b"back")
                assert near.recv(100) == b"back"

    def seen():
        text = run("tshark", "-n", "-r", path, "-Y", f"tcp.port == {port}", "-T", "fields", "-e", "tcp.srcport",
                   check=False)
        sources = [line for line in text.splitlines() if line.isdigit()]
        back = sources.count(str(port))
        return len(sources) - back, back

    def told():
        rows = [session(router, "--port", port) for router in (pair.a, pair.b)]
        here = seen()
        return here[0] > 0 and all(row["state"] == "closing" and
                                   (row["packets"], row["back_packets"]) == here for row in rows)
    wait_until(told, 10, "the same packets everywhere", 0.3)
    capture.terminate()
    capture.wait()


def test_pieces_of_a_datagram_count_in_its_session(pair):
    """Those behind the first one have no ports of their own."""
    vm = pair.vms["blue", "a"]
    vm.ip("route", "add", f"{FAR[4]}/32", "dev", "vm0", "mtu", 1400)
    near = udp_socket(vm.name, NEAR[4], 5101)
    far = udp_socket(pair.vms["blue", "b"].name, FAR[4], 5102)
    with near, far:
        far.settimeout(5)
        for _ in range(2):
            near.sendto(b"z" * 4000, (FAR[4], 5102))
            assert len(far.recv(5000)) == 4000
        vm.ip("route", "del", f"{FAR[4]}/32", "dev", "vm0", "mtu", 1400)
        for router in (pair.a, pair.b):
            row = session(router, "--vrf", "blue", "--protocol", "udp")
            assert counts(row)[:2] == (6, 2 * (4008 + 3 * 20))


def test_sessions_expire():
    with Lab() as lab:
        made = Pair(lab, lambda node, config: config.update(
            {"flows": {"timeouts": {"udp_one_way": 1, "icmp": 1}}} if node == "a" else {}))
        vm = made.vms["blue", "a"]
        ping(vm, FAR[4])
        with udp_socket(vm.name) as s:
            for port in range(6000, 6020):
                s.sendto(b"x", (FAR[4], port))
        wait_until(lambda: metrics(made, "a")["opened_total", "ipv4"] >= 21, 3, "21 sessions were opened")
        wait_until(lambda: not flows(made.a), 10, "no session is left")
        after = metrics(made, "a")
        assert after["sessions", "ipv4"] == 0
        assert after["expired_total", "ipv4"] == after["opened_total", "ipv4"]
        assert len(flows(made.b, "--protocol", "udp", "--destination", FAR[4])) == 20, "b keeps them for 30 s"


@contextlib.contextmanager
def numbered(pair, port):
    made = Stream(pair.vms["blue", "a"], pair.vms["blue", "b"], FAR[4], port)
    ping(pair.vms["blue", "a"], FAR[4])
    yield made
    made.close()
    lost = made.lost()
    assert not lost, (f"{len(lost)} of {made.sent} lost, first {lost[:5]}; "
                      f"drops a {pair.a.drops()} b {pair.b.drops()}")
    assert len(made.received) == made.sent, "packets came twice"


def test_clear_loses_nothing(pair):
    said = []
    before = metrics(pair, "a")
    with numbered(pair, 7001) as stream:
        turns = stream.run(PACKETS, PER_SECOND, lambda turn: said.append(
            (pair.a if turn % 2 else pair.b).text("flow", "clear", "--port", 7001)))
    assert turns >= 20
    assert said.count("1 session closed\n") >= turns / 2, said
    grown = metrics(pair, "a")["cleared_total", "ipv4"] - before["cleared_total", "ipv4"]
    assert grown >= turns / 4
    # None, where nothing came behind the last clearing.
    assert all(0 < row["packets"] < PACKETS for row in flows(pair.a, "--port", 7001))


def test_clear_takes_what_the_filter_says(pair):
    vm = pair.vms["blue", "a"]
    with udp_socket(vm.name) as s:
        for port in range(6100, 6110):
            s.sendto(b"x", (FAR[4], port))
            s.sendto(b"x", (FAR[4], port))
    wait_until(lambda: sum(r["packets"] for r in flows(pair.a, "--protocol", "udp")) == 20, 3, "all packets")
    one = session(pair.a, "--port", 6104)
    assert pair.a.text("flow", "clear", "--id", one["id"]) == "1 session closed\n"
    assert pair.a.text("flow", "clear", "--vrf", "red") == "0 sessions closed\n"
    assert pair.a.text("flow", "clear", "--destination", "10.1.0.0/28", "--port", 6100) == "1 session closed\n"
    assert len(flows(pair.a, "--protocol", "udp")) == 8
    assert pair.a.text("flow", "clear", "--vif", "blue", "--protocol", "udp") == "8 sessions closed\n"
    assert flows(pair.a, "--protocol", "udp") == []
    with pytest.raises(AssertionError, match="--all"):
        pair.a.text("flow", "clear")
    with pytest.raises(AssertionError, match='did you mean "blue"'):
        pair.a.text("flow", "clear", "--vif", "bleu")


def test_sorted_and_limited(pair):
    with udp_socket(pair.vms["blue", "a"].name) as s:
        for port in range(1, 6):
            for _ in range(port):
                s.sendto(b"x" * (10 if port == 5 else 100), (FAR[4], 6200 + port))
    words = ("--protocol", "udp", "--vif", "blue")
    wait_until(lambda: sum(r["packets"] for r in flows(pair.a, *words)) == 15, 3, "all packets")

    def ports(*more):
        return [int(row["destination"].rsplit(":", 1)[1]) - 6200 for row in flows(pair.a, *words, *more)]
    assert ports("--sort", "packets", "--limit", 3) == [5, 4, 3]
    assert ports("--top", 3) == [4, 3, 2]
    ages = [row["age_s"] for row in flows(pair.a, *words, "--sort", "age")]
    assert ages == sorted(ages, reverse=True) and len(ages) == 5
    text = pair.a.text("show", "flow", *words, "--limit", 2)
    assert "3 more match" in text and len(text.splitlines()) == 5
    with pytest.raises(AssertionError, match='did you mean "bytes"'):
        pair.a.text("show", "flow", "--sort", "byte")


def test_the_limit_of_a_vif():
    """Whoever opens many has room for so many; nobody's packets are lost, and others have theirs."""
    with Lab() as lab:
        made = Pair(lab, lambda node, config: config.update(
            {"flows": {"sessions_a_vif": 50}} if node == "a" else {}))
        far = made.vms["blue", "b"]
        for tenant in ("blue", "red"):
            ping(made.vms[tenant, "a"], FAR[4])
        sockets = [udp_socket(far.name, FAR[4], 6300 + i) for i in range(200)]
        try:
            with udp_socket(made.vms["blue", "a"].name) as s:
                for i in range(200):
                    s.sendto(b"x", (FAR[4], 6300 + i))
            for s in sockets:
                s.settimeout(5)
                assert s.recv(10) == b"x"
        finally:
            for s in sockets:
                s.close()
        rows = flows(made.a, "--vif", "blue", "--limit", 1000)
        told = metrics(made, "a")
        assert 40 <= len(rows) <= 50
        assert told["evicted_total", "ipv4"] + told["refused_total", "ipv4"] >= 150
        assert len(flows(made.a, "--vif", "red")) == 1
        assert len(flows(made.b, "--vif", "blue", "--protocol", "udp", "--limit", 1000)) == 200


def test_the_next_hop_follows_the_route(pair):
    """Numbered packets of one session, whose route leads now here, now there."""
    names = ("to-blue-2", "to-blue")

    def change(turn):
        pair.a.set_route("blue", "10.1.0.12/32", names[turn % 2])
        before = wait_until(lambda: flows(pair.a, "--port", 7002), 2, "the session")[0]
        if stream.sent < PACKETS * 3 / 4:
            wait_until(lambda: session(pair.a, "--port", 7002)["to"] == f"tunnel {names[turn % 2]}", 2,
                       "the next hop of the session")
            assert session(pair.a, "--port", 7002)["id"] == before["id"]
    try:
        with numbered(pair, 7002) as stream:
            assert stream.run(PACKETS, PER_SECOND, change) >= 20
        for router in (pair.a, pair.b):
            assert session(router, "--port", 7002)["packets"] == PACKETS
    finally:
        pair.a.set_route("blue", "10.1.0.12/32", "to-blue")


def test_metrics_and_stats_tell_the_same(pair):
    ping(pair.vms["blue", "a"], FAR[4], 2)
    ping(pair.vms["red", "a"], FAR[6], 2)
    told = metrics(pair, "a")
    families = ("ipv4", "ipv6")
    shown = [len([r for r in flows(pair.a, "--limit", 10000) if (":" in r["destination"]) == six])
             for six in (False, True)]
    assert [told["sessions", family] for family in families] == shown == [1, 1]
    assert told["capacity", "ipv4"] == 1 << 20
    assert told["memory_bytes", "ipv4"] > (1 << 20) * 200
    stats = {(row["object"], row["counter"]): row["value"] for row in pair.a.table("stats")}
    for family in families:
        closed = sum(told[f"{why}_total", family] for why in ("expired", "evicted", "cleared"))
        assert told["opened_total", family] == told["sessions", family] + closed
        for counter in ("sessions", "capacity"):
            assert stats[f"flow {family}", counter] == told[counter, family]
        assert stats[f"flow {family}", "opened"] == told["opened_total", family]


def test_explain_knows_the_session(pair):
    with udp_socket(pair.vms["blue", "a"].name, NEAR[4], 5201) as s:
        s.sendto(b"x", (FAR[4], 5202))
        row = wait_until(lambda: flows(pair.a, "--port", 5201), 3, "the session")[0]
    words = ("explain", "--vif", "blue", "--dst", FAR[4], "--proto", "udp", "--sport")
    known = pair.a.text(*words, 5201, "--dport", 5202)
    assert f"known, session {row['id']}, forward" in known and "tunnel to-blue" in known
    assert "a new session would be opened" in pair.a.text(*words, 5203, "--dport", 5202)
    assert len(flows(pair.a, "--source", NEAR[4])) == 1
    assert session(pair.a, "--port", 5201)["packets"] == 1, "explain sends nothing"
