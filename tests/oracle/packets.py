"""Random frames for a router: good ones, and all the ways to be bad."""

import struct

import segments
import shapes
import wire
from kinds import KINDS, settings
from tables import UNDERLAY, Tables
from wire import (BROADCAST, DONT_FRAGMENT, ICMP, ICMP6, IPV4, IPV6, MORE_FRAGMENTS, TCP, UDP, ethernet, ipv4, ipv6,
                  mac_bytes, packed, udp)

MARTIANS4 = ("127.0.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.5", "239.1.2.3", "240.0.0.1", "255.255.255.255",
             "169.254.9.9")
MARTIANS6 = ("::", "::1", "ff02::1", "ff0e::5", "fe80::5")
STRANGERS = ("02:66:66:66:66:66", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03", "33:33:00:00:00:07")
# Of a SYN: an MSS in front, behind others, at an odd place, twice, cut short; none; options that lie.
TCP_OPTIONS = (b"\2\4\5\xb4", b"\4\2\1\1\2\4\5\xb4", b"\1\2\4\5\xa0\1\1\1", b"\2\4\5\xb4\2\4\5\xb4", b"\2\3\5\xb4\2\4\5\xb4",
               b"\4\2\1\1", b"\xfd\xff\2\4\5\xb4\1\1", b"\1\1\1\2", b"\0\0\0\0\2\4\5\xb4", b"\2\4\1\0")
IP_OPTIONS = (b"\x94\4\0\0", b"\1\1\1\0", b"\x07\x07\x04\0\0\0\0\0", b"\x83\x07\x04\x0a\1\1\1\0" + b"\1" * 32)

AIMED_FRAMES = 6   # at a route that changed
TRAIN = 8   # frames in a row through one tunnel
SPOILED = 0.4   # of the frames that are no steps of a conversation


def border_size(random):
    """Bytes of an IP packet that some way out just takes, or only just does not."""
    return random.choice((1500, 1450, 1430, 1400, 1380, 1350, 1330, 1310)) + random.randint(-1, 1)


def borders(net):
    """Addresses at the ends of a prefix, and just beyond."""
    network, length, bits = wire.prefix(net)
    last = network | ((1 << (bits - length)) - 1)
    return [number.to_bytes(bits // 8, "big")
            for number in (network - 1, network, network + 1, network + (last - network) // 2, last - 1, last, last + 1)
            if 0 <= number < 1 << bits]


def is_six(decap):
    """Whether its outer header is of IPv6."""
    return ":" in decap.get("local", decap.get("sid", ""))


def goes_on(decap):
    """Whether what it takes is not routed by what is inside."""
    return "tunnel" in decap or decap.get("behaviour") in segments.PASS_ON


class Packets:
    """Frames for one configuration; call `changed` after it changed."""

    def __init__(self, random, config, port_macs):
        self.random = random
        self.config = config
        self.port_macs = port_macs
        self.serial = 0
        self.recent = []
        self.pending = []
        self.hot = {}   # (VRF, family) -> addresses in a prefix whose route changed last
        self.changed()

    def changed(self, vrf=None, net_changed=None):
        """Addresses at and around the borders of every prefix, and all that somebody has. `net_changed`: the
        prefix of `vrf` whose route changed."""
        self.near = {4: set(), 6: set()}
        nets = [r["prefix"] for r in self.config["routes"]]
        for network in self.config["vrfs"]:
            nets += [s["prefix"] for s in network["subnets"]]
            for subnet in network["subnets"]:
                self._add(packed(subnet["gateway"]))
        for net in nets:
            for address in borders(net):
                self._add(address)
        if net_changed:
            self.hot[vrf, 6 if ":" in net_changed else 4] = borders(net_changed)
        for owner in self.config["vifs"]:
            for address in owner["addresses"]:
                self._add(packed(address))
        for neighbour in self.config["neighbours"]:
            self._add(packed(neighbour["address"]))
        for port in self.config["ports"]:
            for address in port["addresses"]:
                self._add(packed(address.split("/")[0]))
        self.near = {family: sorted(found) for family, found in self.near.items()}
        self.tables = Tables(self.config, self.port_macs)
        self.led = {}
        # What the kernel takes at the other end of the interface.
        self.largest = {x["name"]: 1500 if x["device"].startswith("af_packet") else x["mtu"]
                        for x in self.config["ports"] + self.config["vifs"]}
        self.macs = {v["name"]: mac_bytes(v["router_mac"]) for v in self.config["vrfs"]}
        self.ways_in = [d for d in self.config["decaps"] if not goes_on(d)]   # what comes out of them is routed
        if net_changed:
            self.pending += self._toward(vrf, net_changed)

    def _toward(self, vrf, net):
        """Plain frames to the ends of the prefix and of those inside it, from whoever is in the VRF."""
        outer = wire.prefix(net)
        nets = [r["prefix"] for r in self.config["routes"] if r["vrf"] == vrf]
        inside = [n for n in nets if wire.prefix(n)[1] > outer[1] and wire.covers(outer, packed(n.split("/")[0]))]
        goals = [a for n in [net, *self.random.sample(inside, min(2, len(inside)))] for a in borders(n)]
        ends = [v for v in self.config["vifs"] if v["vrf"] == vrf] + [
            d for d in self.config["decaps"] if d.get("vrf") == vrf]
        return [self._plain(self.random.choice(ends), goal)
                for goal in self.random.sample(goals, min(AIMED_FRAMES, len(goals)))] if ends else []

    def _plain(self, end, destination):
        """A small UDP packet that comes from a VIF or out of a tunnel."""
        random, four = self.random, len(destination) == 4
        vrf = end["vrf"] if "device" in end else self.vrf_of(end)
        own = [a for a in map(packed, end.get("addresses", [])) if len(a) == len(destination)]
        source = random.choice(own or self.near[4 if four else 6])
        body = udp(source, destination, random.randint(1, 65535), 9, self.payload(40))
        packet = (ipv4 if four else ipv6)(source, destination, UDP, body)
        ethertype = IPV4 if four else IPV6
        if "device" in end:
            return end["name"], ethernet(self.macs[vrf], mac_bytes(end["mac"]), ethertype, packet)
        return self.at_port(*self.tunnelled(end, ethernet(self.macs[vrf], mac_bytes("02:77:00:00:00:01"), ethertype,
                                                          packet)))

    def _add(self, address):
        self.near[4 if len(address) == 4 else 6].add(address)

    # --- good ones ------------------------------------------------------------------------------

    def payload(self, room):
        """At most `room` bytes that differ from all others."""
        self.serial += 1
        random = self.random
        size = random.choice((4, random.randint(4, 64), random.randint(4, 300), random.randint(1150, 1472)))
        return (struct.pack("!I", self.serial) + random.randbytes(size))[:max(4, room)]

    def destination(self, vrf, family):
        """Mostly where the VRF leads to."""
        kind = self.random.random()
        if kind < 0.015:
            return self.random.randbytes(4 if family == 4 else 16)
        if kind < 0.03:
            return packed(self.random.choice(MARTIANS4 if family == 4 else MARTIANS6))
        if kind < 0.25:
            return self.random.choice(self.near[family])
        if (vrf, family) not in self.led:
            led = [a for a in self.near[family] if self._leads(vrf, a)] or self.near[family]
            far = [a for a in self.near[family] if self.tables.lookups(vrf, a) > 1] or led
            self.led[vrf, family] = led, far
        if kind < 0.45 and (vrf, family) in self.hot:
            return self.random.choice(self.hot[vrf, family])
        return self.random.choice(self.led[vrf, family][kind < 0.35])

    def _leads(self, vrf, address):
        entry, _ = self.tables.walk(vrf, address)
        return entry not in (None, "loop") and entry.kind not in ("discard", "receive")

    def packet(self, source, destination, room=1500):
        """An IP packet that is right in all, with whatever IP allows. `room`: its largest size."""
        random = self.random
        four = len(source) == 4
        ttl = random.choice((64, 64, 64, 255, 2, 2, 1, 0, random.randint(2, 255)))
        options = random.choice(IP_OPTIONS) if four and random.random() < 0.06 else b""
        data = self.payload(room - (20 + len(options) if four else 72) - 20)
        if random.random() < 0.15:
            size = min(border_size(random), room)
            data = data.ljust(2000, b"b")[:max(4, size - (20 + len(options) if four else 40) - 8)]
        protocol, body = self.upper(source, destination, data)
        if four:
            fragment = random.choice((0, DONT_FRAGMENT, DONT_FRAGMENT))
            if random.random() < 0.06:
                fragment = random.choice((MORE_FRAGMENTS, MORE_FRAGMENTS | random.randint(1, 90),
                                          random.randint(1, 0x1FFF)))
            return ipv4(source, destination, protocol, body, ttl=ttl, tos=random.choice((0, 0, random.getrandbits(8))),
                        ident=random.getrandbits(16), fragment=fragment, options=options)
        if random.random() < 0.1:
            protocol, body = self.extended(protocol, body)
        return ipv6(source, destination, protocol, body, hops=ttl, label=random.choice((0, 0, random.getrandbits(20))),
                    traffic_class=random.choice((0, 0, random.getrandbits(8))))

    def upper(self, source, destination, data):
        random = self.random
        ports = random.choice((random.randint(1, 65535), 1000 + random.randint(0, 8))), random.choice((53, 80, 4789, 9))
        kind = random.random()
        if kind < 0.55:
            check = 0 if len(source) == 4 and random.random() < 0.1 else None
            if random.random() < 0.03:   # as kernels leave it to hardware
                check = wire.ones_sum(wire.pseudo(source, destination, UDP, 8 + len(data)))
            return UDP, udp(source, destination, *ports, data, check=check)
        if kind < 0.8:
            opens = random.random() < 0.3
            return TCP, wire.tcp(source, destination, *ports, data[:len(data) - 24] if len(data) > 1300 else data,
                                 seq=random.getrandbits(32), flags=random.choice((2, 0x12)) if opens else 0x10,
                                 options=random.choice(TCP_OPTIONS) if opens else b"")
        if kind < 0.95:
            rest = random.getrandbits(32)
            if len(source) == 4:
                return ICMP, wire.icmp4(random.choice((8, 0, 3, 11, 13)), random.choice((0, 0, 1, 3)), rest, data)
            kind, code = random.choice((128, 129, 1, 3)), random.choice((0, 0, 1, 3))
            return ICMP6, wire.icmp6(source, destination, kind, code, rest, data)
        return random.choice((2, 47, 50, 89, 132, 253)), data

    def extended(self, protocol, body):
        """Behind one or two IPv6 extension headers."""
        random = self.random
        for _ in range(random.randint(1, 2)):
            kind = random.choice((0, 60, 43, 44))
            if kind == 44:
                offset = random.choice((0, 1, random.randint(1, 200) << 3, random.randint(1, 200) << 3 | 1))
                head = struct.pack("!BBHI", protocol, 0, offset, random.getrandbits(32))
            elif kind == 43:
                head = struct.pack("!BBBBI", protocol, 0, 4, 0, 0)
            else:
                head = struct.pack("!BBBB", protocol, 0, 1, 4) + bytes(4)
            protocol, body = kind, head + body
        return protocol, body

    def in_pieces(self):
        """One datagram as three fragments, IPv6 with destination options inside the first or without."""
        random = self.random
        vif = random.choice(self.config["vifs"])
        source = packed(random.choice(vif["addresses"]))
        four = len(source) == 4
        destination = self.destination(vif["vrf"], 4 if four else 6)
        protocol, body = UDP, udp(source, destination, random.randint(1, 65535), 53, random.randbytes(696))
        if not four and random.random() < 0.5:
            protocol, body = 60, struct.pack("!BBBB", UDP, 0, 1, 4) + bytes(4) + body
        ident = random.getrandbits(16)
        for at in range(0, len(body), 240):
            more = at + 240 < len(body)
            piece = body[at:at + 240]
            if four:
                packet = ipv4(source, destination, protocol, piece, ident=ident,
                              fragment=at // 8 | (MORE_FRAGMENTS if more else 0))
            else:
                packet = ipv6(source, destination, 44, struct.pack("!BBHI", protocol, 0, at | more, ident) + piece)
            self.pending.append((vif["name"], ethernet(self.macs[vif["vrf"]], mac_bytes(vif["mac"]),
                                                       IPV4 if four else IPV6, packet)))
        return self.pending.pop(0)

    def from_vm(self):
        vif = self.random.choice(self.config["vifs"])
        source = packed(self.random.choice(vif["addresses"]))
        if self.random.random() < 0.06:
            source = self.random.choice(self.near[4 if len(source) == 4 else 6])
        packet = self.packet(source, self.destination(vif["vrf"], 4 if len(source) == 4 else 6),
                             self.largest[vif["name"]])
        return vif["name"], ethernet(self.macs[vif["vrf"]], mac_bytes(vif["mac"]),
                                     IPV4 if len(source) == 4 else IPV6, packet)

    def vrf_of(self, decap):
        """Of what comes out of it; what goes on with its headers may be of any."""
        if goes_on(decap):
            return self.random.choice(self.config["vrfs"])["name"]
        return decap.get("vrf") or next(v["vrf"] for v in self.config["vifs"] if v["name"] == decap["vif"])

    def inner_frame(self, decap, room):
        family = self.random.choice((4, 4, 6))
        source = self.random.choice(self.near[family])
        vrf = self.vrf_of(decap)
        packet = self.packet(source, self.destination(vrf, family), room - 14)
        padding = bytes(self.random.choice((0, 0, 0, 6)))
        return ethernet(self.router_mac(vrf), mac_bytes(self.random.choice(("02:00:5e:00:01:02", "02:77:00:00:00:01"))),
                        IPV4 if family == 4 else IPV6, packet + padding)[:room]

    def tunnelled(self, decap, frame, **change):
        """(EtherType, outer packet); `change`: source, destination, sport, port, network, shape, check, length."""
        random = self.random
        kind, network, port = settings(decap)
        destination = packed(change.get("destination", decap.get("local", decap.get("sid", "::"))))
        if kind != "srv6":
            body = change.get("shape", shapes.right)(random, kind, change.get("network", network), frame)
        if KINDS[kind].ethertype:
            return KINDS[kind].ethertype, body
        net = wire.prefix(random.choice(decap["sources"]))
        room = (1 << (net[2] - net[1])) - 1
        source = (net[0] + random.randint(min(room, 1), min(room, 250))).to_bytes(net[2] // 8, "big")
        source = change.get("source", source)
        six = len(destination) == 16
        if port is not None:
            check = None if six and not (decap.get("zero_udp_checksum6") and random.random() < 0.5) else random.choice(
                (0, 0, None))
            ports = change.get("sport", random.randint(1, 65535)), change.get("port", port)
            body = udp(source, destination, *ports, body, check=change.get("check", check), length=change.get("length"))
        protocol = KINDS[kind].protocol
        if kind == "srv6":
            near = random.choice([n["address"] for n in self.config["neighbours"] if ":" in n["address"]])
            protocol, body = shapes.segment(random, destination, segments.behaviour(decap), frame, near)
        if six:
            return IPV6, ipv6(source, destination, protocol, body, hops=random.choice((64, 255, 1, 0)))
        options = random.choice(IP_OPTIONS[:2]) if random.random() < 0.03 else b""
        return IPV4, ipv4(source, destination, protocol, body, ttl=random.choice((64, 255, 1, 0)),
                          ident=random.getrandbits(16), fragment=random.choice((0, DONT_FRAGMENT)), options=options)

    def tunnel_room(self, decap, port):
        """For the inner frame."""
        return self.largest[port["name"]] - 16 - shapes.most_option_bytes(decap["kind"]) - (40 if is_six(decap) else 24)

    def at_port(self, ethertype, packet, port=None):
        port = port or self.random.choice(self.config["ports"])
        mac = mac_bytes(self.random.choice(self.config["neighbours"])["mac"])
        return port["name"], ethernet(mac_bytes(self.port_macs[port["name"]]), mac, ethertype, packet)

    def from_tunnel(self, **change):
        if not self.config["decaps"]:
            return self.from_vm()
        decap = self.random.choice(self.config["decaps"])
        port = self.random.choice(self.config["ports"])
        inner = self.inner_frame(decap, self.tunnel_room(decap, port))
        return self.at_port(*self.tunnelled(decap, inner, **change), port)

    def train(self):
        """Plain frames through one tunnel, one behind the other, with whatever bits their headers have."""
        decap = self.random.choice([d for d in self.config["decaps"] if d.get("marks")] or self.config["decaps"])
        port = self.random.choice(self.config["ports"])
        sender = {"source": packed(decap["sources"][0].split("/")[0])} if "sources" in decap else {}
        room = self.tunnel_room(decap, port)
        return [self.at_port(*self.tunnelled(decap, self.inner_frame(decap, room), check=0, **sender), port)
                for _ in range(TRAIN)]

    def through_underlay(self):
        family = self.random.choice((4, 6))
        source = packed(self.random.choice([n["address"] for n in self.config["neighbours"]
                                            if (":" in n["address"]) == (family == 6)]))
        port = self.random.choice(self.config["ports"])
        packet = self.packet(source, self.destination(UNDERLAY, family), self.largest[port["name"]])
        return self.at_port(IPV4 if family == 4 else IPV6, packet, port)

    # --- questions ------------------------------------------------------------------------------

    def question(self, vif=None):
        """ARP, ND or a ping, asked by a VM."""
        random = self.random
        vif = vif or random.choice(self.config["vifs"])
        mac, router = mac_bytes(vif["mac"]), self.macs[vif["vrf"]]
        source = packed(random.choice(vif["addresses"]))
        vrf = next(v for v in self.config["vrfs"] if v["name"] == vif["vrf"])
        gateways = [g for g in (packed(s["gateway"]) for s in vrf["subnets"]) if len(g) == len(source)]
        target = random.choice(gateways) if gateways and random.random() < 0.6 else self.destination(
            vif["vrf"], 4 if len(source) == 4 else 6)
        if random.random() < 0.4:
            return vif["name"], ethernet(router, mac, IPV4 if len(source) == 4 else IPV6, self.ping(source, target))
        return vif["name"], self.neighbour_question(mac, source, target, router)

    def ping(self, source, target):
        rest, data = self.random.getrandbits(32), self.payload(64)
        if len(source) == 4:
            return ipv4(source, target, ICMP, wire.icmp4(8, 0, rest, data), tos=self.random.choice((0, 0xB9)))
        return ipv6(source, target, ICMP6, wire.icmp6(source, target, 128, 0, rest, data))

    def neighbour_question(self, mac, source, target, router):
        random = self.random
        probe = random.random() < 0.15
        if len(source) == 4:
            sender = bytes(4) if probe else source
            operation = random.choice((1, 1, 1, 1, 2))
            return ethernet(random.choice((BROADCAST, router)), mac, wire.ARP,
                            wire.arp(operation, mac, sender, bytes(6), target))
        group = wire.solicited_node(target)
        sender = bytes(16) if probe else source
        option = b"" if probe else wire.option(1, mac)
        message = wire.icmp6(sender, group, 135, 0, 0, target + option)
        hops = random.choice((255, 255, 255, 64))
        return ethernet(wire.multicast_mac(group), mac, IPV6, ipv6(sender, group, ICMP6, message, hops=hops))

    def fabric_question(self):
        """ARP, ND or a ping at a port, or ARP out of a tunnel."""
        random = self.random
        port = random.choice(self.config["ports"])
        nets = {a.split("/")[0] for a in port["addresses"]}
        mac = mac_bytes(self.port_macs[port["name"]])
        near = [n for n in self.config["neighbours"] if n["mac"][13] == port["name"][3]]
        neighbour = random.choice(near if random.random() < 0.9 else self.config["neighbours"])
        asker, its_mac = packed(neighbour["address"]), mac_bytes(neighbour["mac"])
        own = packed(next(a for a in nets if (":" in a) == (len(asker) == 16)))
        kind = random.random()
        if kind < 0.4:
            return port["name"], ethernet(mac, its_mac, IPV4 if len(asker) == 4 else IPV6, self.ping(asker, own))
        if kind < 0.7 or not self.ways_in:
            return port["name"], self.neighbour_question(its_mac, asker, own, mac)
        decap = random.choice(self.ways_in)
        family = random.choice((4, 6))
        vrf = self.vrf_of(decap)
        asker, target = (random.choice(self.near[family]) for _ in range(2))
        if random.random() < 0.7:   # who has a way back asks for what is here
            asker = random.choice(self._ends_of(vrf, family, "tunnel") or [asker])
            target = random.choice(self._ends_of(vrf, family, "vif", "receive") or [target])
        inner = self.neighbour_question(mac_bytes("02:77:00:00:00:01"), asker, target, self.macs[vrf])
        return self.at_port(*self.tunnelled(decap, inner))

    def _ends_of(self, vrf, family, *ends):
        """The addresses that the VRF leads to one of these."""
        found = [(a, self.tables.walk(vrf, a)[0]) for a in self.near[family]]
        return [a for a, entry in found if entry not in (None, "loop") and entry.kind in ends]

    def deserving(self, vif, ttl, size):
        """A packet whose sender has to hear of it, if it is lost: by its TTL, or by its size."""
        source = packed(self.random.choice(vif["addresses"]))
        four = len(source) == 4
        destination = self.destination(vif["vrf"], 4 if four else 6)
        data = self.payload(4).ljust(size - (28 if four else 48), b"d")
        body = udp(source, destination, 7, 7, data)
        packet = ipv4(source, destination, UDP, body, ttl=ttl, fragment=DONT_FRAGMENT) if four else ipv6(
            source, destination, UDP, body, hops=ttl)
        return vif["name"], ethernet(self.macs[vif["vrf"]], mac_bytes(vif["mac"]), IPV4 if four else IPV6, packet)

    def questions(self):
        """A few from each VM and at the ports."""
        return [self.question(vif) for vif in self.config["vifs"] for _ in range(2)] + [
            self.deserving(vif, *what) for vif in self.config["vifs"] for what in ((1, 100), (64, vif["mtu"]))] + [
            self.fabric_question() for _ in range(4)]

    # --- bad ones -------------------------------------------------------------------------------

    def next(self):
        """(interface, frame): mostly good, a third of them bad in one way or another."""
        random = self.random
        if self.pending:
            return self.pending.pop(0)
        if random.random() < 0.01:
            return self.in_pieces()
        if self.recent and random.random() < 0.15:   # another packet of an earlier flow, or the same once more
            name, frame = random.choice(self.recent)
        else:
            make = random.choices((self.from_vm, self.from_tunnel, self.through_underlay, self.question,
                                   self.fabric_question, self.wrong_tunnel), (45, 40, 6, 3, 3, 13))[0]
            name, frame = make()
            self.recent = self.recent[-40:] + [(name, frame)]
        return name, self.spoiled(name, frame, SPOILED)

    def spoiled(self, name, frame, share):
        """The frame, or with that probability one that is bad in one way or another."""
        if self.random.random() < share:
            frame = self.random.choice((self.flipped, self.flipped, self.cut, self.wrong_link, self.wrong_ip,
                                        self.wrong_ip, self.tagged, self.longer))(frame)
        return frame[:self.largest[name] + 14]

    def wrong_tunnel(self):
        random = self.random
        if not self.config["decaps"]:
            return self.from_vm()
        decap = random.choice(self.config["decaps"])
        six, on_ip = is_six(decap), "sources" in decap
        changes = [{"network": shapes.foreign(random, decap, self.config["decaps"])}, *[{"shape": shapes.wrong}] * 8]
        if on_ip:
            changes += [*[{"destination": random.choice(self.config["ports"])["addresses"][six].split("/")[0]}] * 3,
                        {"source": random.choice(self.near[6 if six else 4])}, {"source": self.stranger(six)}]
        if KINDS[decap["kind"]].port is not None:
            ports = [port for port in (settings(d)[2] for d in self.config["decaps"]) if port is not None]
            changes += [{"port": random.choice(ports)}, {"port": random.choice((4789, 4790, 8472, 4791, 6081, 6635))},
                        {"check": random.randint(1, 65535)}, {"check": 0},
                        {"length": random.choice((0, 7, 8, 20, 2000))}]
        change = random.choice(changes)
        room = 1380 - 16 - (40 if six else 24) - shapes.most_option_bytes(decap["kind"])
        inner = self.inner_frame(decap, room)
        kind = random.random()
        if kind < 0.12:
            inner = inner[:random.randint(0, len(inner))]
        elif kind < 0.25:
            nested = self.tunnelled(decap, inner[:room - 90], **change)
            inner = (inner[:12] + nested[0].to_bytes(2, "big") + nested[1])[:room]
        elif kind < 0.38:
            inner = random.choice((self.flipped, self.wrong_link, self.wrong_ip, self.tagged))(inner)[:room]
        if kind < 0.38:
            change = {}
        ethertype, packet = self.tunnelled(decap, inner, **change)
        if on_ip and random.random() < 0.06:
            packet = self.fragmented(packet)
        return self.at_port(ethertype, packet)

    def stranger(self, six):
        return packed(self.random.choice(("2001:db8:66::6", "fd00:1::12") if six else ("198.51.100.77", "10.1.0.12")))

    def fragmented(self, packet):
        """The same as one of several pieces."""
        if packet[0] >> 4 == 6:
            return packet[:4] + struct.pack("!HB", len(packet) - 32, 44) + packet[7:40] + struct.pack(
                "!BBHI", packet[6], 0, self.random.choice((1, 0x50)), 7) + packet[40:]
        fragment = self.random.choice((MORE_FRAGMENTS, 40)).to_bytes(2, "big")
        head = packet[:6] + fragment + packet[8:10] + b"\0\0" + packet[12:(packet[0] & 15) * 4]
        return head[:10] + wire.checksum(head).to_bytes(2, "big") + head[12:] + packet[len(head):]

    def flipped(self, frame):
        changed = bytearray(frame)
        for _ in range(self.random.choice((1, 1, 1, 2, 8))):
            changed[self.random.randrange(min(len(frame), 110))] ^= 1 << self.random.randint(0, 7)
        return bytes(changed)

    def cut(self, frame):
        return frame[:self.random.randint(14, max(14, len(frame) - 1))]

    def longer(self, frame):
        return frame + self.random.randbytes(self.random.randint(1, 40))

    def tagged(self, frame):
        tag = self.random.choice((b"\x81\0", b"\x88\xa8")) + self.random.getrandbits(12).to_bytes(2, "big")
        return frame[:12] + tag + frame[12:]

    def router_mac(self, vrf):
        """That to which inner frames go, or nearly."""
        return self.nearly(self.macs[vrf]) if self.random.random() < 0.04 else self.macs[vrf]

    def nearly(self, mac):
        """Another by one bit, not that of groups, and mostly of those at the end, where routers' differ."""
        bit = self.random.choice((self.random.randrange(8), self.random.randrange(8), self.random.randrange(40), 41))
        return (int.from_bytes(mac, "big") ^ 1 << bit).to_bytes(6, "big")

    def wrong_link(self, frame):
        random = self.random
        kind = random.random()
        if kind < 0.2:
            return self.nearly(frame[:6]) + frame[6:]
        if kind < 0.5:
            return mac_bytes(random.choice(STRANGERS)) + frame[6:]
        if kind < 0.7:
            return frame[:6] + mac_bytes(random.choice(STRANGERS)) + frame[12:]
        return frame[:12] + random.choice((b"\x88\xcc", b"\x86\xdd", b"\x08\0", b"\0\x2e", b"\x88\x47", b"\x88\x48",
                                           b"\x89\x4f")) + frame[14:]

    def wrong_ip(self, frame):
        """One lie in the IP header whose checksum is right all the same (IPv4), or one in the checksum."""
        random = self.random
        changed = bytearray(frame)
        if frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
            kind = random.randrange(4)
            if kind == 0:
                changed[14] = random.randrange(16) << 4 | changed[14] & 15
            elif kind == 1:
                lie = random.choice((0, 1, max(len(frame) - 55, 0), len(frame) - 53, 65535))
                changed[18:20] = lie.to_bytes(2, "big")
            else:
                at = 22 if kind == 2 else 38
                changed[at:at + 16] = packed(random.choice(MARTIANS6))
            return bytes(changed)
        if frame[12:14] != b"\x08\0" or len(frame) < 34:
            return self.flipped(frame)
        kind = random.randrange(6)
        if kind == 0:
            changed[14] = random.randrange(16) << 4 | changed[14] & 15
        elif kind == 1:
            changed[14] = changed[14] & 0xF0 | random.randrange(16)
        elif kind == 2:
            changed[16:18] = random.choice((0, 19, 20, 21, len(frame) - 15, len(frame) - 13, 65535)).to_bytes(2, "big")
        elif kind == 3:
            changed[24:26] = random.choice((b"\0\0", b"\xff\xff", random.randbytes(2)))
            return bytes(changed)
        else:
            at = 26 if kind == 4 else 30
            changed[at:at + 4] = packed(random.choice(MARTIANS4))
        header = max(20, min((changed[14] & 15) * 4, len(frame) - 14))
        changed[24:26] = b"\0\0"
        changed[24:26] = wire.checksum(bytes(changed[14:14 + header])).to_bytes(2, "big")
        return bytes(changed)
