"""Conversations through a router: openers, answers, second packets, pieces, ICMP errors, and those that only look so.

Each round takes a step of some conversations. Which step is random: an answer may come first, a session may be gone.
"""

import struct
from dataclasses import dataclass, field, replace

import wire
from aims import Aims
from identity import ANSWERS, PORTS, identity
from packets import border_size
from policies import lets
from tables import UNDERLAY
from wire import (DESTINATION_OPTIONS, DONT_FRAGMENT, FRAGMENT, ICMP, ICMP6, IPV4, IPV6, MORE_FRAGMENTS, ROUTING, SCTP,
                  TCP, UDP, ethernet, ipv4, ipv6, mac_bytes, packed, udp)

TALKS = 70           # conversations at a time
AIMED = 0.3          # of new ones, at a rule
TRIES = 6            # to find one whose session makes a difference
DESTINATION_PORTS = (53, 80, 443, 22, 4789, 9, 8000)
OTHERS = (2, 47, 50, 89, 253)
CHAINS = (1, 2, 3, 7, 8, 9, 12)
PIECE_BYTES = 64
TCP_FLAGS = (2, 0x12, 0x10, 0x10, 0x10, 0x18)   # SYN, SYN ACK, ACK, PSH ACK
TCP_ENDS = (0x11, 4, 0x14)                      # FIN ACK, RST, RST ACK


@dataclass
class Talk:
    """`home`: the VIF or decap that it comes from, `vrf` where that is. `numbers`: ports, or ICMP type and number."""
    home: dict
    vrf: str
    source: bytes
    destination: bytes
    protocol: int
    numbers: tuple
    code: int = 0                                # of ICMP
    rest: list = field(default_factory=list)     # (end, packet), still to be sent

    @property
    def family(self):
        return 4 if len(self.source) == 4 else 6


def is_vif(end):
    return "device" in end


class Talks:
    """`packets`: how frames are made for the configuration of now."""

    def __init__(self, packets):
        self.packets = packets
        self.random = packets.random
        self.all = []
        self.led = {}
        self.aims = Aims(packets, self.leads)

    def changed(self):
        self.led = {}

    def round(self, count):
        """So many frames at most, each of another conversation."""
        random = self.random
        for _ in range(count // 5 + 1):
            aim = self.aims.draw(DESTINATION_PORTS) if random.random() < AIMED else None
            drawn = [Talk(*aim)] if aim else [self._new() for _ in range(TRIES)]
            if random.random() < 0.85:
                drawn = [talk for talk in drawn if self._works(talk)] or drawn
                drawn = [talk for talk in drawn if self._telling(talk)] or drawn
            self.all += [drawn[0], *self._twins(drawn[0])]
        while len(self.all) > TALKS:
            del self.all[random.randrange(len(self.all) // 2)]
        chosen = random.sample(self.all, min(count, len(self.all)))
        return [frame for frame in (self._step(talk) for talk in chosen) if frame is not None]

    def busy(self):
        """[(VRF, address)] to which the last route of their openers leads."""
        return [(self.found(talk), talk.destination) for talk in self.all]

    # --- who talks to whom ------------------------------------------------------------------------

    def leads(self, vrf, family):
        """(addresses that the VRF leads to VIFs, to tunnels)"""
        if (vrf, family) not in self.led:
            to = {"vif": [], "tunnel": []}
            for address in self.packets.near[family]:
                entry, _ = self.packets.tables.walk(vrf, address)
                if entry not in (None, "loop") and entry.kind in to:
                    to[entry.kind].append(address)
            self.led[vrf, family] = to["vif"], to["tunnel"]
        return self.led[vrf, family]

    def _new(self):
        random, packets = self.random, self.packets
        decaps = packets.ways_in
        if decaps and random.random() < 0.35:
            home = random.choice(decaps)
            vrf, family = packets.vrf_of(home), random.choice((4, 4, 6))
            to_vif, to_tunnel = self.leads(vrf, family)
            likely = to_vif if random.random() < 0.9 else to_tunnel
            if "vif" in home:
                likely = [a for a in map(packed, self._vif(home["vif"])["addresses"]) if (len(a) == 4) == (family == 4)]
            destination = random.choice(likely or packets.near[family])
            _, found = packets.tables.walk(vrf, destination)
            source = random.choice((random.random() < 0.9 and self.leads(found, family)[1]) or packets.near[family])
        else:
            home = random.choice(packets.config["vifs"])
            vrf, source = home["vrf"], packed(random.choice(home["addresses"]))
            family = 4 if len(source) == 4 else 6
            to_vif, to_tunnel = self.leads(vrf, family)
            likely = [a for a in to_vif if wire.spelled(a) not in home["addresses"]]
            likely = random.choices((likely, to_tunnel, None), (50, 45, 5))[0]
            destination = random.choice(likely) if likely else packets.destination(vrf, family)
        return Talk(home, vrf, source, destination, *self._protocol(family))

    def _twins(self, talk):
        """The same conversation in another VRF that has such addresses, if there is one."""
        config, source, family = self.packets.config, wire.spelled(talk.source), talk.family
        homes = [(v, v["vrf"]) for v in config["vifs"] if not v["anti_spoofing"] or source in v["addresses"]]
        homes += [(d, d["vrf"]) for d in config["decaps"] if "vrf" in d]
        homes = [(home, vrf) for home, vrf in homes if vrf != talk.vrf and any(
            talk.destination in led for led in self.leads(vrf, family))]
        if not homes or self.random.random() < 0.5:
            return []
        home, vrf = self.random.choice(homes)
        return [replace(talk, home=home, vrf=vrf, rest=[])]

    def _vif(self, name):
        return next(v for v in self.packets.config["vifs"] if v["name"] == name)

    def _protocol(self, family):
        random = self.random
        protocol = random.choices((TCP, UDP, SCTP, ICMP, 0), (35, 30, 8, 20, 7))[0]
        if protocol == ICMP:
            protocol = ICMP if family == 4 else ICMP6
            kind = random.choice(tuple(ANSWERS[protocol])) if random.random() < 0.3 else min(ANSWERS[protocol])
            return protocol, (kind, random.randbytes(2))
        if protocol == 0:
            return random.choice(OTHERS), ()
        source = random.choice((random.randint(1, 65535), 1000 + random.randint(0, 8)))
        return protocol, (source, random.choice(DESTINATION_PORTS + (random.randint(1, 65535),)))

    def found(self, talk):
        """The VRF that has the last route of its opener."""
        return self.packets.tables.walk(talk.vrf, talk.destination)[1]

    def _works(self, talk):
        """Whether routes lead both ways."""
        home, end = self.ends(talk)
        if end is None:
            return False
        if is_vif(end) and end["anti_spoofing"] and wire.spelled(talk.destination) not in end["addresses"]:
            return False
        found = end["vrf"] if is_vif(end) else self.packets.vrf_of(end)
        entry, _ = self.packets.tables.walk(found, talk.source)
        if entry in (None, "loop"):
            return False
        return (entry.kind, entry.target) == ("vif", home["name"]) if is_vif(home) else entry.kind == "tunnel"

    def _telling(self, talk):
        """Whether policies let the opener through and would deny the answer alone: there a session counts."""
        home, end = self.ends(talk)
        return end is not None and self._lets(home, end, self.packet(talk, False, plain=True)) and not self._lets(
            end, home, self.packet(talk, True, plain=True))

    def _lets(self, origin, target, packet):
        policies = self.packets.tables.policies
        return all(lets(policies[end["name"]][direction], identity(packet))
                   for end, direction in ((origin, "egress"), (target, "ingress")) if is_vif(end))

    def ends(self, talk):
        """(end that opens, end that answers or None)"""
        packets = self.packets
        if "vif" in talk.home:
            return talk.home, self._vif(talk.home["vif"])
        entry, found = packets.tables.walk(talk.vrf, talk.destination)
        if entry in (None, "loop") or entry.kind not in ("vif", "tunnel"):
            return talk.home, None
        if entry.kind == "vif":
            return talk.home, self._vif(entry.target)
        return talk.home, self._decap_into(found)

    def _decap_into(self, vrf):
        found = [d for d in self.packets.config["decaps"] if d.get("vrf") == vrf]
        return self.random.choice(found) if found else None

    # --- steps --------------------------------------------------------------------------------------

    def _step(self, talk):
        if talk.rest and self.random.random() < 0.8:
            return self.at(*talk.rest.pop(0))
        step = self.random.choices((self._onward, self._answer, self._error, self._in_pieces, self._strange,
                                    self._by_another), (28, 26, 15, 9, 12, 10))[0]
        return step(talk)

    def _onward(self, talk):
        return self._from(talk, False, self.packet(talk, False))

    def _answer(self, talk):
        return self._from(talk, True, self.packet(talk, True)) or self._onward(talk)

    def _from(self, talk, back, packet):
        end = self.ends(talk)[back]
        return None if end is None else self.at(end, packet)

    def at(self, end, packet, port=None, **outer):
        """(interface, frame) by which the packet comes in from a VIF or out of a tunnel. `port`, `outer`: by which, and
        what there is to say of its headers."""
        packets = self.packets
        ethertype = IPV4 if packet[0] >> 4 == 4 else IPV6
        if is_vif(end):
            frame = ethernet(packets.macs[end["vrf"]], mac_bytes(end["mac"]), ethertype, packet)
            return (end["name"], frame) if len(packet) <= packets.largest[end["name"]] else None
        inner = ethernet(packets.router_mac(packets.vrf_of(end)), mac_bytes("02:77:00:00:00:01"), ethertype, packet)
        name, frame = packets.at_port(*packets.tunnelled(end, inner, **outer), port)
        return (name, frame) if len(frame) <= packets.largest[name] + 14 else None

    def _by_another(self, talk):
        """The next packet of the opener, and after it one from a VIF of its VRF that uses the same address."""
        target = self.ends(talk)[1]
        packet = self.packet(talk, False, plain=True)
        others = [v for v in self.packets.config["vifs"]
                  if v["vrf"] == talk.vrf and v is not talk.home and not v["anti_spoofing"]]
        denied = [v for v in others if target is not None and not self._lets(v, target, packet)]
        if others:
            talk.rest = [(self.random.choice(denied or others), packet)]
        return self._onward(talk)

    def _strange(self, talk):
        """What is nearly of the conversation: other ports, ports not swapped, another query, another VRF."""
        random = self.random
        kind = random.random()
        back = random.random() < 0.7
        if kind < 0.4:
            return self._elsewhere(talk)
        if talk.protocol in ANSWERS:
            queries = ANSWERS[talk.protocol]
            other = random.choice([*queries, *queries.values()])
            return self._from(talk, back, self.packet(talk, back, kind=other, code=random.choice((0, 0, 1))))
        if talk.protocol in PORTS:
            sport, dport = talk.numbers
            numbers = random.choice(((dport, sport), (sport ^ 1, dport), (sport, dport ^ 1)))
            return self._from(talk, back, self.packet(talk, back, numbers=numbers))
        return self._onward(talk)

    def _elsewhere(self, talk):
        """The answer, or the opener again, in a VRF that has nothing to do with it but has such addresses too."""
        back = self.random.random() < 0.8
        packet = self.packet(talk, back, plain=True)
        to = talk.source if back else talk.destination
        here = {talk.vrf, self.found(talk), UNDERLAY}
        others = [d for d in self.packets.config["decaps"] if d.get("vrf", UNDERLAY) not in here and to in self.leads(
            d["vrf"], talk.family)[0]]
        denied = [d for d in others if not self._lets(
            d, self._vif(self.packets.tables.walk(d["vrf"], to)[0].target), packet)]
        return self.at(self.random.choice(denied or others), packet) if others else self._onward(talk)

    def _error(self, talk):
        """An ICMP error about a packet of the conversation, or nearly so, to who sent that or nearly so."""
        random, packets = self.random, self.packets
        about_answer = random.random() < 0.3
        change = {}
        if talk.protocol in PORTS and random.random() < 0.12:
            change["numbers"] = (talk.numbers[0] ^ 1, talk.numbers[1])
        quoted = self.packet(talk, about_answer, plain=random.random() < 0.9, **change)
        four = talk.family == 4
        header = 28 if four else 48
        quote = quoted[:random.choice((len(quoted), header, header + random.randint(1, 40)))]
        if random.random() < 0.04:
            quote = quote[:random.randint(0, header)]
        to, source = wire.addresses(quoted)
        if random.random() < 0.2:
            vifs = self.leads(talk.vrf if not about_answer else self.found(talk), talk.family)[0]
            to = random.choice(vifs or packets.near[talk.family])
        end = self.ends(talk)[not about_answer]
        if end is not None and not is_vif(end) and random.random() < 0.5:
            source = random.choice(packets.near[talk.family])
        if four:
            message = wire.icmp4(random.choice((3, 3, 11, 12)), random.randint(0, 4), 0, quote)
        else:
            message = wire.icmp6(source, to, random.choice((1, 2, 3, 4)), 0, 1280, quote)
        if random.random() < 0.03:
            message = message[:2] + random.randbytes(2) + message[4:]
        packet = ipv4(source, to, ICMP, message) if four else ipv6(source, to, ICMP6, message)
        return None if end is None else self.at(end, packet)

    def _in_pieces(self, talk):
        """One datagram of the conversation in pieces, of which some may come before the first, or without."""
        random = self.random
        back = random.random() < 0.3
        four = talk.family == 4
        source, destination = (talk.destination, talk.source) if back else (talk.source, talk.destination)
        protocol, body = self._upper(talk, back, random.randbytes(random.randint(70, 180)), {})
        if not four and random.random() < 0.2:
            body = struct.pack("!BBBBI", protocol, 0, 1, 4, 0) + body
            protocol = DESTINATION_OPTIONS
        ident = random.getrandbits(16 if four else 32)
        made = []
        for at in range(0, len(body), PIECE_BYTES):
            piece, more = body[at:at + PIECE_BYTES], at + PIECE_BYTES < len(body)
            if four:
                made.append(ipv4(source, destination, protocol, piece, ident=ident,
                                 fragment=at // 8 | (MORE_FRAGMENTS if more else 0)))
            else:
                made.append(ipv6(source, destination, FRAGMENT,
                                 struct.pack("!BBHI", protocol, 0, at | more, ident) + piece))
        kind = random.random()
        if kind < 0.3:
            del made[0]
        elif kind < 0.5:
            random.shuffle(made)
        end = self.ends(talk)[back]
        if end is None:
            return self._onward(talk)
        talk.rest = [(end, packet) for packet in made]
        return self._step(talk)

    # --- packets ------------------------------------------------------------------------------------

    def packet(self, talk, back, *, plain=False, **change):
        """A packet of the conversation. `change`: numbers; kind and code of ICMP; size of the IP packet; flags of its
        IPv4 header. `plain`: no extension headers."""
        random = self.random
        source, destination = (talk.destination, talk.source) if back else (talk.source, talk.destination)
        data = self.packets.payload(random.choice((40, 40, 40, 40, 40, 200, 1300)))
        headers = (20 if talk.family == 4 else 40) + (20 if talk.protocol == TCP else 8)
        if "size" in change:
            data = data.ljust(change["size"], b"b")[:max(4, change["size"] - headers)]
        elif random.random() < 0.06:
            data = data.ljust(border_size(random) - headers, b"b")
        protocol, body = self._upper(talk, back, data, change)
        ttl = random.choice((64, 64, 64, 255, 2, 1, random.randint(2, 255)))
        if talk.family == 4:
            return ipv4(source, destination, protocol, body, ttl=ttl, ident=random.getrandbits(16),
                        fragment=change.get("fragment", random.choice((0, DONT_FRAGMENT))))
        if not plain and random.random() < 0.12:
            protocol, body = self._chain(protocol, body)
        return ipv6(source, destination, protocol, body, hops=ttl)

    def _chain(self, protocol, body):
        """Behind a chain of IPv6 extension headers, longer ones than a router cares to follow among them."""
        random = self.random
        for _ in range(random.choice(CHAINS)):
            kind = random.choice((DESTINATION_OPTIONS, DESTINATION_OPTIONS, ROUTING, FRAGMENT))
            head = {FRAGMENT: struct.pack("!BBHI", protocol, 0, 0, random.getrandbits(32)),
                    ROUTING: struct.pack("!BBBBI", protocol, 0, 4, 0, 0)}.get(
                        kind, struct.pack("!BBBBI", protocol, 0, 1, 4, 0))
            protocol, body = kind, head + body
        return protocol, body

    def _upper(self, talk, back, data, change):
        random = self.random
        source, destination = (talk.destination, talk.source) if back else (talk.source, talk.destination)
        if talk.protocol in PORTS:
            ports = change.get("numbers", talk.numbers)
            ports = ports[::-1] if back else ports
            if talk.protocol == UDP:
                return UDP, udp(source, destination, *ports, data)
            if talk.protocol == SCTP:
                return SCTP, wire.sctp(*ports, random.getrandbits(32), data)
            flags = random.choice(TCP_ENDS if random.random() < 0.04 else TCP_FLAGS)
            return TCP, wire.tcp(source, destination, *ports, data, seq=random.getrandbits(32), flags=flags)
        if talk.protocol not in ANSWERS:
            return talk.protocol, data
        kind, ident = talk.numbers
        kind = change.get("kind", ANSWERS[talk.protocol].get(kind, kind) if back else kind)
        code = change.get("code", talk.code)
        rest = int.from_bytes(ident + random.randbytes(2), "big")
        if talk.protocol == ICMP:
            return ICMP, wire.icmp4(kind, code, rest, data)
        return ICMP6, wire.icmp6(source, destination, kind, code, rest, data)
