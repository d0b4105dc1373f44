"""Both ends of the control channel by hand (XMPP as in draft-ietf-l3vpn-end-system, RFC 6120), so that they can say
what no honest peer would."""

import base64
import contextlib
import re
import select
import socket
import ssl
import threading
import time

import weft
from controller import CONTROLLER_ADDRESS, DOMAIN, PORT

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          "version='1.0' {}>")
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
PUBSUB = "http://jabber.org/protocol/pubsub"
PROFILES = "urn:weft:profile:1"
SERVER = f"network-control@{DOMAIN}"


def tls_context(files, server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if files:
        context.load_cert_chain(files["cert"], files["key"])
    return context


class End:
    """One end of a stream."""

    def __init__(self, s):
        self.socket = s
        self.socket.settimeout(10)
        self.heard = ""

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def hear(self, pattern, seconds=10):
        """What matches of what the peer has said so far, which counts as read; AssertionError when it does not come."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.heard, re.S)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern} was not heard: {self.heard[-500:]}"
            self.socket.settimeout(left)
            data = self.socket.recv(1 << 16)
            assert data, f"closed before {pattern}: {self.heard[-500:]}"
            self.heard += data.decode(errors="replace")
        self.heard = self.heard[found.end():]
        return found

    def wait_closed(self, seconds=20):
        """Until the peer has closed the connection; what it said before."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while True:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                data = self.socket.recv(1 << 16)
                if not data:
                    break
                self.heard += data.decode(errors="replace")
        return self.heard

    def drain(self):
        """Reads what has come."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(0.001)
            while self.socket.recv(1 << 16):
                pass
        self.socket.settimeout(10)

    def secure(self, files, server=False):
        self.socket = tls_context(files, server).wrap_socket(self.socket, server_side=server)
        self.heard = ""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def dial(namespace, port=PORT, address=CONTROLLER_ADDRESS):
    with weft.inside(namespace.name):
        return End(socket.create_connection((address, port), 10))


class Node(End):
    """A session with a controller, in a node's name, if its certificate is good."""

    def __init__(self, namespace, name, files, resource="weftd"):
        super().__init__(dial(namespace).socket)
        self._number = 0
        header = HEADER.format(f"to='{DOMAIN}' from='{name}@{DOMAIN}'")
        self.send(header)
        self.hear("</stream:features>")
        self.send(f"<starttls xmlns='{TLS}'/>")
        self.hear("<proceed[^>]*/>")
        self.secure(files)
        self.send(header)
        self.hear("</stream:features>")
        name = base64.b64encode(f"{name}@{DOMAIN}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{name}</auth>")
        self.hear("<success[^>]*/>")
        self.send(header)
        self.hear("</stream:features>")
        self.send(f"<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>")
        self.hear("</jid>.*?</iq>")

    def request(self, body, **attributes):
        """Sends a request and returns its id."""
        self._number += 1
        more = "".join(f" {name}='{value}'" for name, value in attributes.items())
        self.send(f"<iq type='set' id='n{self._number}' to='{SERVER}'{more}><pubsub xmlns='{PUBSUB}'>{body}</pubsub></iq>")
        return f"n{self._number}"

    def ask(self, body, **attributes):
        """The type of the answer, `result` or `error`, and all of it."""
        number = self.request(body, **attributes)
        found = self.hear(f"<iq(?=[^>]* id=['\"]{number}['\"])[^>]* type=['\"](\\w+)['\"][^>]*?(?:/>|>.*?</iq>)")
        return found.group(1), found.group(0)


def entry(address, remote, label=20, vni=100, sequence=0):
    return (f"<entry xmlns='http://ietf.org/protocol/bgpvpn'><nlri><af>1</af><safi>1</safi><address>{address}/32</address>"
            f"</nlri><next-hops><next-hop><af>1</af><address>{remote}</address><label>{label}</label><vni>{vni}</vni>"
            "<tunnel-encapsulation-list><tunnel-encapsulation>vxlan</tunnel-encapsulation></tunnel-encapsulation-list>"
            f"</next-hop></next-hops><version>1</version><mobility seqno='{sequence}'/></entry>")


def publish(node, *items):
    return f"<publish node='{node}'>" + "".join(f"<item id='{i}'>{body}</item>" for i, body in items) + "</publish>"


def profile(kind, name, generation, json):
    json = json.replace("&", "&amp;").replace("<", "&lt;")
    return (f"<item id='{kind}/{name}'><profile xmlns='{PROFILES}' kind='{kind}' name='{name}' "
            f"generation='{generation}'>{json}</profile></item>")


def event(node, items):
    return (f"<message><event xmlns='{PUBSUB}#event'><items node='{node}'>{items}</items></event></message>")


class RogueController:
    """Accepts nodes one after the other and does with each what `behave(end, number)` does; `number` counts them."""

    def __init__(self, namespace, files, port, behave):
        self.files = files
        self.causes = []
        self.sessions = 0
        self._behave = behave
        self._ends = threading.Event()
        with weft.inside(namespace.name):
            self._listener = socket.create_server((CONTROLLER_ADDRESS, port))
        self._listener.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        number = 0
        while not self._ends.is_set():
            try:
                s, _ = self._listener.accept()
            except TimeoutError:
                continue
            with End(s) as end:
                try:
                    self._behave(self, end, number)
                except (OSError, AssertionError, ssl.SSLError) as error:
                    self.causes.append(str(error))
            number += 1

    @property
    def ending(self):
        return self._ends.is_set()

    def welcome(self, end):
        """All of a negotiation, as an honest controller does it."""
        header = HEADER.format(f"from='{DOMAIN}' id='1'")
        end.hear("<stream:stream[^>]*>")
        end.send(header + f"<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>")
        end.hear("<starttls[^>]*/>")
        end.send(f"<proceed xmlns='{TLS}'/>")
        end.secure(self.files, server=True)
        end.hear("<stream:stream[^>]*>")
        end.send(header + f"<stream:features><mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
                 "</stream:features>")
        name = base64.b64decode(end.hear("<auth[^>]*>(.*?)</auth>").group(1)).decode()
        end.send(f"<success xmlns='{SASL}'/>")
        end.hear("<stream:stream[^>]*>")
        end.send(header + f"<stream:features><bind xmlns='{BIND}'/></stream:features>")
        resource = end.hear("<resource>(.*?)</resource>.*?</iq>").group(1)
        end.send(f"<iq type='result' id='bind'><bind xmlns='{BIND}'><jid>{name}/{resource}</jid></bind></iq>")
        self.sessions += 1

    def answer(self, end):
        """Says yes to whatever was asked, for as long as nothing else is to be done."""
        ready, _, _ = select.select([end.socket], [], [], 0.05)
        if not ready and not end.socket.pending():
            return
        data = end.socket.recv(1 << 16)
        if not data:
            raise OSError("closed")
        end.heard += data.decode(errors="replace")
        while found := re.search("<iq(?=[^>]* type=['\"](?:get|set)['\"])[^>]* id=['\"]([^'\"]*)['\"].*?</iq>", end.heard, re.S):
            end.heard = end.heard[found.end():]
            end.send(f"<iq type='result' id='{found.group(1)}'/>")

    def close(self):
        self._ends.set()
        self._thread.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
