"""Our XMPP with Prosody as the server, and with slixmpp as the client."""

import pytest
from pki import Pki
from xmpp import Prosody, probe, slixmpp

DOMAIN = "weft.local"
PUBSUB = f"pubsub.{DOMAIN}"
CONTROLLER = f"network-control@{DOMAIN}/bgp-peer"
PORT = 15269


@pytest.fixture
def place(lab):
    return lab.namespace("xmpp", ipv6=False)


@pytest.fixture
def pki(lab):
    return Pki(lab.directory)


def node(pki, name):
    """(files, full JID)"""
    return pki.issue(name, f"{name}@{DOMAIN}"), f"{name}@{DOMAIN}/weftd"


def test_our_client_at_prosody(lab, place, pki):
    prosody = Prosody(lab, place, pki.issue("prosody", DOMAIN, DOMAIN), pki.ca, DOMAIN, publisher=f"compute-a@{DOMAIN}")

    def start(name):
        files, jid = node(pki, name)
        client = probe(place, "client", files, pki.ca, jid, "--peer", DOMAIN, "--port", prosody.PORT)
        assert client.hear("up") == f"up {jid}"
        return client

    a, b = start("compute-a"), start("compute-b")
    a.tell("ping", DOMAIN)
    a.hear("done ping")
    a.tell("unheard-of", DOMAIN)
    assert a.hear("error") == "error unheard-of the peer refuses: service-unavailable"
    a.tell("subscribe", PUBSUB, "blue")
    a.hear("done subscribe")
    a.tell("publish", PUBSUB, "blue", "one", "<&\u00fc>")
    a.hear("done publish")
    assert a.hear("item") == "item blue one <entry xmlns='urn:weft:test'>&lt;&amp;\u00fc&gt;</entry>"
    b.tell("subscribe", PUBSUB, "blue")
    b.hear("done subscribe")
    a.tell("publish", PUBSUB, "blue", "two", "2")
    assert b.hear("item blue two") == "item blue two <entry xmlns='urn:weft:test'>2</entry>"
    a.tell("retract", PUBSUB, "blue", "one")
    a.hear("done retract")
    assert b.hear("retract") == "retract blue one"
    b.tell("publish", PUBSUB, "blue", "three", "3")
    assert b.hear("error") == "error publish the peer refuses: forbidden"
    b.tell("unsubscribe", PUBSUB, "blue")
    b.hear("done unsubscribe")
    a.tell("stop")
    assert a.hear("down") == "down stopped"
    assert a.process.wait(5) == 0


def test_prosody_and_our_client_refuse_whom_they_do_not_know(lab, place, pki):
    prosody = Prosody(lab, place, pki.issue("prosody", DOMAIN, DOMAIN), pki.ca, DOMAIN)
    files, jid = node(pki, "compute-a")
    # The server is not whom we want.
    client = probe(place, "client", files, pki.ca, jid, "--peer", CONTROLLER, "--port", prosody.PORT)
    assert client.hear("down") == f"down the server's certificate names {DOMAIN}, wanted network-control@{DOMAIN}"
    # Nor is it from a CA that we know.
    other = Pki(lab.directory, "other")
    client = probe(place, "client", files, other.ca, jid, "--peer", DOMAIN, "--port", prosody.PORT)
    assert client.hear("down") == "down TLS: the peer's certificate (CN = Weft test ca) is from a CA that is unknown " \
        "here: CN = Weft test ca"
    # Nor does it know ours.
    stranger, jid = node(other, "compute-c")
    client = probe(place, "client", stranger, pki.ca, jid, "--peer", DOMAIN, "--port", prosody.PORT)
    assert client.hear("down") == "down the peer says account-disabled"


def test_slixmpp_at_our_server(place, pki):
    server = probe(place, "server", pki.issue("controller", f"network-control@{DOMAIN}", DOMAIN), pki.ca, CONTROLLER,
                   "--port", PORT, "--hold-ms", 1000)
    server.hear("listening")

    def start(name):
        files, jid = node(pki, name)
        client = slixmpp(place, files, pki.ca, jid, "127.0.0.1", PORT)
        assert client.hear("up") == f"up {jid}"
        assert server.hear("up") == f"up {jid}"
        return client

    a, b = start("compute-a"), start("compute-b")
    a.tell("ping", CONTROLLER)
    a.hear("done ping")
    a.tell("roster")
    assert a.hear("error") == "error roster service-unavailable "
    for client in (a, b):
        client.tell("subscribe", CONTROLLER, "blue")
        client.hear("done subscribe")
    a.tell("publish", CONTROLLER, "blue", "one", "<&\u00fc>")
    a.hear("done publish")
    for client in (a, b):
        assert client.hear("item") == "item blue one <&\u00fc>"
    b.tell("retract", CONTROLLER, "blue", "one")
    for client in (a, b):
        assert client.hear("retract") == "retract blue one"
    # It stays up longer than the hold time, since it answers our pings.
    a.tell("unsubscribe", CONTROLLER, "blue")
    a.hear("done unsubscribe")
    with pytest.raises(AssertionError, match="did not come true"):
        server.hear("end", 2.5)
    # A second session of the name takes the first one's place.
    again = start("compute-a")
    assert server.hear("end compute-a").endswith(" takes its place")
    a.hear("down")
    again.tell("stop")
    assert server.hear("end compute-a") == "end compute-a@weft.local/weftd the peer closed the stream"


def test_slixmpp_with_a_certificate_of_another_ca(lab, place, pki):
    server = probe(place, "server", pki.issue("controller", f"network-control@{DOMAIN}", DOMAIN), pki.ca, CONTROLLER,
                   "--port", PORT)
    server.hear("listening")
    files, jid = node(Pki(lab.directory, "other"), "compute-a")
    slixmpp(place, files, pki.ca, jid, "127.0.0.1", PORT)
    assert server.hear("refused") == "refused TLS: the peer's certificate (CN = compute-a) is from a CA that is " \
        "unknown here: CN = Weft test other"
