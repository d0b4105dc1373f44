"""Frames at an edge that frames at random seldom meet: of what a way takes, and of who or what a packet is."""

import shapes
import wire
from identity import PORTS, identity
from packets import is_six
from policies import lets
from talks import Talk, is_vif
from verdict import Unknown
from wire import DONT_FRAGMENT, MORE_FRAGMENTS, SCTP, TCP, UDP, ipv4, mac_bytes, packed

SCENES = 2         # that begin in a round
PIECE_BYTES = 48
TRIES = 6


class Edges:
    """`packets`, `talks`: by which frames are made for the configuration of now."""

    def __init__(self, packets, talks):
        self.packets, self.talks = packets, talks
        self.random = packets.random
        self.later = []   # lists of frames for the next round

    def round(self):
        """What was begun in the round before, and what begins now."""
        frames, self.later = sum(self.later, []), []
        for scene in self.random.choices((self.as_large_as_may_be, self.by_another_vrf, self.pieces_in_tunnels,
                                          self.relayed, self.in_anothers_name), (3, 3, 2, 2, 1), k=SCENES):
            frames += scene()
        return [frame for frame in frames if frame is not None]

    # --- what a way takes -----------------------------------------------------------------------

    def as_large_as_may_be(self):
        """A packet of a conversation, and in the next round, when its session stands, others that only just fit the
        way, or only just do not."""
        known = [talk for talk in self.talks.all if talk.protocol in (TCP, UDP)]
        rows = (self._in_a_row(talk) for talk in self.random.sample(known, min(TRIES, len(known))))
        return next((row for row in rows if row), [])

    def by_another_vrf(self):
        """The same of a new conversation that goes into a tunnel by a route of another VRF than its own."""
        drawn = self._far_talks()
        drawn = [talk for talk in drawn if self._may_begin(talk)] or drawn
        return self._in_a_row(self.random.choice(drawn), anyway=True) if drawn else []

    def _far_talks(self):
        """Those where the tunnel's frames show of which VRF the router is, if there are any."""
        random, packets = self.random, self.packets
        routes = [r for r in packets.config["routes"] if "vrf" in r["via"]]
        found = []
        for route in random.sample(routes, min(TRIES, len(routes))):
            homes = [end for end in packets.config["vifs"] + packets.ways_in if end.get("vrf") == route["vrf"]]
            net = wire.prefix(route["prefix"])
            near = [a for a in packets.near[4 if net[2] == 32 else 6] if wire.covers(net, a)]
            for to in random.sample(near, min(TRIES, len(near))) if homes else []:
                found.append(self._far_talk(random.choice(homes), to))
        found = [talk for talk in found if talk is not None]
        return [talk for talk in found if self._shows_router(talk)] or found

    def _far_talk(self, home, to):
        """The new conversation from there, None where it cannot be, or needs no other VRF."""
        random = self.random
        entry, there = self.packets.tables.walk(home["vrf"], to)
        near = [packed(a) for a in home["addresses"]] if is_vif(home) else self.packets.near[4 if len(to) == 4 else 6]
        near = [a for a in near if len(a) == len(to)]
        if entry in (None, "loop") or entry.kind != "tunnel" or there == home["vrf"] or not near:
            return None
        return Talk(home, home["vrf"], random.choice(near), to, random.choice((TCP, UDP, UDP)),
                    (random.randint(1, 65535), random.choice((53, 80, 443, 9))))

    def _shows_router(self, talk):
        tables = self.packets.tables
        entry, there = tables.walk(talk.vrf, talk.destination)
        framed = tables.tunnels[entry.target].payload == "ethernet"
        return framed and tables.vrfs[there].mac != tables.vrfs[talk.vrf].mac

    def _may_begin(self, talk):
        return not is_vif(talk.home) or lets(self.packets.tables.policies[talk.home["name"]]["egress"],
                                             identity(self.talks.packet(talk, False, plain=True)))

    def _in_a_row(self, talk, anyway=False):
        """One packet now, those of _sizes() later, in the same direction and the same outer flow. None where not all of
        these can come in, unless `anyway`."""
        back = self.random.random() < 0.3
        end = self.talks.ends(talk)[back]
        if end is None:
            return []
        outer = self._outer(end)
        rest = [self.talks.at(end, self.talks.packet(talk, back, plain=True, size=size, fragment=flags), **outer)
                for size in self._sizes(talk, back) for flags in (0, DONT_FRAGMENT)]
        if None in rest and not anyway:
            return []
        self.later.append(rest)
        return [self.talks.at(end, self.talks.packet(talk, back, plain=True, size=100), **outer)]

    def _outer(self, end):
        """What keeps packets out of a tunnel in one outer flow, which one worker has; without a checksum, if that may
        be."""
        random = self.random
        if is_vif(end):
            return {}
        outer = {"port": random.choice(self.packets.config["ports"]), "sport": random.randint(1, 65535)}
        if "sources" in end:
            outer["source"] = packed(end["sources"][0].split("/")[0])
        if not is_six(end) or end.get("zero_udp_checksum6"):
            outer["check"] = 0
        return outer

    def _sizes(self, talk, back):
        """Two of those at the edge of what the way takes."""
        tables, vrf, to = self.packets.tables, talk.vrf, talk.destination
        if back:
            vrf, to = self.talks.found(talk), talk.source
        entry, _ = tables.walk(vrf, to)
        most = None
        if entry not in (None, "loop") and entry.kind in ("vif", "tunnel", "gateway", "connected"):
            try:
                most = tables.way_mtu(entry, to)
            except Unknown:   # a neighbour that has to be asked for
                pass
        return (most, most + 1) if most else (100, 1300)

    def relayed(self):
        """Packets with NSH that only just fit the tunnel by which they go on, or would but for its outer headers."""
        random, packets = self.random, self.packets
        decaps = [d for d in packets.config["decaps"] if "tunnel" in d]
        if not decaps:
            return []
        decap = random.choice(decaps)
        tunnel = packets.tables.tunnels[decap["tunnel"]]
        try:
            way = packets.tables.underlay_way(tunnel.remote)
        except Unknown:
            return []
        most = 1400 if way is None else way.mtu - tunnel.overhead
        sizes = most, most + 1, random.randint(most + 1, most + max(tunnel.overhead, 1))
        return [self._service(decap, size) for size in sizes]

    def _service(self, decap, size):
        """The NSH packet of that size, or none where it does not come in."""
        packets = self.packets
        inner = packets.inner_frame(decap, 100)

        def shape(random, kind, network, frame):
            return shapes.service(random, kind, network, frame, size)
        name, frame = packets.at_port(*packets.tunnelled(decap, inner, shape=shape))
        return (name, frame) if len(frame) <= packets.largest[name] + wire.ETHERNET_BYTES else None

    # --- who or what it is ----------------------------------------------------------------------

    def pieces_in_tunnels(self):
        """An IPv4 datagram in pieces out of a tunnel. What stands in later ones looks like the ports of another
        conversation."""
        random = self.random
        known = [(talk, back, end) for talk in self.talks.all if talk.family == 4 and talk.protocol in PORTS
                 for back, end in enumerate(self.talks.ends(talk)) if end is not None and not is_vif(end)]
        ports = [talk.numbers[::-1] if back else talk.numbers for talk, back, _ in known]
        through = self._through() if random.random() < 0.6 or not known else None
        if through is not None:
            decap, source, destination = through
            protocol = UDP
        elif known:
            talk, back, decap = random.choice(known)
            source, destination = (talk.destination, talk.source) if back else (talk.source, talk.destination)
            protocol = talk.protocol
            ports = [talk.numbers[::-1] if back else talk.numbers]
        else:
            return []
        ports += [(random.randint(1, 65535), random.choice((53, 80, 9)))]
        told, looks = random.choice(ports), random.choice(ports)
        body = b"".join(looks[n].to_bytes(2, "big") for n in (0, 1)) + random.randbytes(PIECE_BYTES - 4)
        first = self._first(protocol, source, destination, told)
        number = random.getrandbits(16)
        made = [ipv4(source, destination, protocol, piece, ident=number, fragment=at * PIECE_BYTES // 8 | more)
                for at, (piece, more) in enumerate(((first, MORE_FRAGMENTS), (body, MORE_FRAGMENTS), (body, 0)))]
        outer = self._outer(decap)
        self.later.append([self.talks.at(decap, piece, **outer) for piece in made[1:]])
        return [self.talks.at(decap, made[0], **outer)]

    def _first(self, protocol, source, destination, ports):
        data = self.packets.payload(PIECE_BYTES).ljust(2 * PIECE_BYTES, b"f")
        if protocol == SCTP:
            return wire.sctp(*ports, self.random.getrandbits(32), data)[:PIECE_BYTES]
        return {UDP: wire.udp, TCP: wire.tcp}[protocol](source, destination, *ports, data)[:PIECE_BYTES]

    def _through(self):
        """(decap, source, destination) of a way from tunnel to tunnel."""
        random, packets = self.random, self.packets
        decaps = [d for d in packets.ways_in if "vif" not in d and self.talks.leads(d["vrf"], 4)[1]]
        if not decaps:
            return None
        decap = random.choice(decaps)
        return decap, random.choice(packets.near[4]), random.choice(self.talks.leads(decap["vrf"], 4)[1])

    def in_anothers_name(self):
        """ARP and ND of a VM that says to be who somebody else is."""
        random, packets = self.random, self.packets
        made = []
        for vif in random.sample(packets.config["vifs"], min(2, len(packets.config["vifs"]))):
            others = {packed(a) for v in packets.config["vifs"] for a in v["addresses"]} - {
                packed(a) for a in vif["addresses"]}
            family = random.choice((4, 4, 6))
            named = [a for a in others if (len(a) == 4) == (family == 4)] or packets.near[family]
            made.append((vif["name"], packets.neighbour_question(
                mac_bytes(vif["mac"]), random.choice(sorted(named)), packets.destination(vif["vrf"], family),
                packets.macs[vif["vrf"]])))
        return made
