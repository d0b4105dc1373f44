"""What was wanted of a round of frames, what came, and whether the two agree."""

from collections import Counter, defaultdict

import kinds
import segments
from pieces import Joiner
from wire import (ETHERNET, ETHERNET_BYTES, GRE, ICMP, IPV4, IPV6, ROUTING, UDP, VLAN, checksum, ones_sum,
                  pseudo)


LABELS = 1, 0xFFFFF   # of flows: 0 says that there is none (RFC 6437 §2)


def link_of(frame):
    """Both MAC addresses, and the VLAN tag behind them."""
    return frame[:16 if frame[12:14] == VLAN.to_bytes(2, "big") else 12]


def without_tag(frame):
    return frame[:12] + frame[len(link_of(frame)):]


def reduced(frame, tunnel_locals):
    """(the frame with the UDP source port of our tunnels set to 0, that port or None). Of those over IPv6 without UDP it
    is the flow label (RFC 6438 §3). `tunnel_locals`: (local address, UDP port, None for GRE, ROUTING for SRv6) → kind.

    Over IPv6 the port is part of the checksum: the checksum is made anew if it was right, else left to differ.
    """
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == IPV4 and len(frame) >= 42:
        at, protocol, source = 14 + (frame[14] & 15) * 4, frame[23], frame[26:30]
    elif ethertype == IPV6 and len(frame) >= 62:
        at, protocol, source = 54, frame[20], frame[22:38]
    else:
        return frame, None
    bare = None if protocol == GRE else ROUTING if protocol in (ROUTING, *segments.INSIDE) else UDP
    if ethertype == IPV6 and bare != UDP and (source, bare) in tunnel_locals:
        word = int.from_bytes(frame[14:18], "big")
        return frame[:14] + (word & ~0xFFFFF).to_bytes(4, "big") + frame[18:], word & 0xFFFFF
    port = int.from_bytes(frame[at + 2:at + 4], "big")
    if protocol != UDP or (source, port) not in tunnel_locals:
        return frame, None
    datagram = b"\0\0" + frame[at + 2:]
    if frame[at + 6:at + 8] != b"\0\0":
        head = pseudo(source, frame[38:54] if ethertype == IPV6 else frame[30:34], UDP, len(datagram))
        if ones_sum(head + frame[at:]) == 0xFFFF:
            datagram = datagram[:6] + b"\0\0" + datagram[8:]
            datagram = datagram[:6] + (checksum(head + datagram) or 0xFFFF).to_bytes(2, "big") + datagram[8:]
    return frame[:at] + datagram, int.from_bytes(frame[at:at + 2], "big")


def unnumbered(frame, tunnel_locals):
    """(the frame with the identification of an IPv4 header of our tunnels without DF at 0, of whom it is and that or
    None): a router may choose it, but not twice. The header's checksum is made anew if it was right."""
    place = int.from_bytes(frame[20:22], "big")
    if frame[12:15] != b"\x08\0\x45" or len(frame) < 42 or place or frame[23] not in (UDP, GRE):
        return frame, None
    port = int.from_bytes(frame[36:38], "big") if frame[23] == UDP else None
    if (frame[26:30], port) not in tunnel_locals or ones_sum(frame[14:34]) != 0xFFFF:
        return frame, None
    head = frame[14:18] + bytes(2) + frame[20:24] + bytes(2) + frame[26:34]
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return frame[:14] + head + frame[34:], (frame[26:34] + frame[23:24], frame[18:20])


def inner_ip(frame, tunnel_locals):
    """(EtherType, offset) of the IP packet in the frame, or in the tunnel of ours in the frame."""
    kind, at = int.from_bytes(frame[12:14], "big"), ETHERNET_BYTES
    if kind in kinds.ON_ETHERNET:
        return _inside(kinds.opened(kinds.ON_ETHERNET[kind], frame[at:]), frame)
    if kind not in (IPV4, IPV6) or len(frame) < at + (40 if kind == IPV6 else 20):
        return None, at
    protocol, size = (frame[20], 40) if kind == IPV6 else (frame[23], (frame[14] & 15) * 4)
    if kind == IPV6 and protocol in (ROUTING, *segments.INSIDE):
        visit = segments.opened(frame[at:])
        return visit.inside, len(frame) - len(visit.data)
    source = frame[22:38] if kind == IPV6 else frame[26:30]
    start = at + size + (8 if protocol == UDP else 0)
    port = int.from_bytes(frame[start - 6:start - 4], "big") if protocol == UDP else None
    if protocol not in (UDP, GRE) or (source, port) not in tunnel_locals:
        return kind, at
    return _inside(kinds.opened(tunnel_locals[source, port], frame[start:]), frame)


def _inside(tunnel, frame):
    inside, at = tunnel.inside, len(frame) - len(tunnel.data)
    return (int.from_bytes(frame[at + 12:at + 14], "big"), at + ETHERNET_BYTES) if inside == ETHERNET else (inside, at)


def unnamed(frame, tunnel_locals):
    """The frame with ID and DF of its inner IPv4 header at 0: a router may choose them freely in ICMP messages of its
    own. The header's checksum is made anew if it was right."""
    kind, at = inner_ip(frame, tunnel_locals)
    if kind != IPV4 or len(frame) < at + 20 or frame[at + 9] != ICMP:
        return frame
    end = at + (frame[at] & 15) * 4
    head = frame[at:at + 4] + b"\0\0" + bytes([frame[at + 6] & 0xBF]) + frame[at + 7:at + 10] + b"\0\0" + frame[
        at + 12:end]
    check = checksum(head).to_bytes(2, "big") if ones_sum(frame[at:end]) == 0xFFFF else frame[at + 10:at + 12]
    return frame[:at] + head[:10] + check + head[12:] + frame[end:]


def explains(tokens, counted):
    """Whether the counters moved as the tokens allow: each set of reasons gives one of its members, None being no
    count. Returns "" or what is wrong."""
    left = Counter({reason: n for reason, n in counted.items() if n})
    groups = Counter(tokens)
    for group, n in list(groups.items()):
        if len(group) == 1:
            (reason,) = group
            if reason is not None:
                left[reason] -= n
            del groups[group]
    wrong = [f"{reason}: {-n} too few" for reason, n in left.items() if n < 0]
    if wrong:
        return ", ".join(wrong)
    # The rest is a flow problem between groups and reasons: augmenting paths.
    sinks = Counter({reason: n for reason, n in left.items() if n > 0})
    given = defaultdict(Counter)   # reason -> group -> how often
    need = dict(groups)

    def place(group, tried):
        """Finds one unit of some reason for the group, moving others aside."""
        for reason in group:
            if reason is None or reason in tried:
                continue
            tried.add(reason)
            if sinks[reason] > 0:
                sinks[reason] -= 1
                given[reason][group] += 1
                return True
            for other in list(given[reason]):
                if given[reason][other] and place(other, tried):
                    given[reason][other] -= 1
                    given[reason][group] += 1
                    return True
        return False

    # Those that must be counted first, then those that may.
    for group in sorted(need, key=lambda g: None in g):
        for _ in range(need[group]):
            if not place(group, set()):
                if None not in group:
                    return "one too few of " + " or ".join(sorted(group))
                break
    extra = [f"{reason}: {n} too many" for reason, n in sinks.items() if n > 0]
    return ", ".join(extra)


class Flows:
    """UDP source ports: one flow of a tunnel keeps one, many flows spread (RFC 7348 §5). So do flow labels, and ways where
    there are several. Identifications: each packet that may be cut has its own (RFC 6864 §4.2)."""

    def __init__(self):
        self.ports = {}
        self.ways = {}        # (VRF, flow, links of all ways) → link
        self.numbers = set()  # (what says of whom, identification)

    def forget(self, tunnel):
        self.ports = {key: port for key, port in self.ports.items() if key[0] != tunnel}

    def wrong(self, tunnel, flow, port):
        """What is wrong with the port, or ''."""
        low, high = self.choices(tunnel)
        what = "flow label" if tunnel.port is None else "UDP source port"
        if not low <= port <= high:
            return f"{what} {port} is not of {low}-{high}"
        if not flow or flow[2] is None:  # without a protocol it may be any flow between the two
            return ""
        known = self.ports.setdefault((tunnel.name, flow), port)
        return "" if known == port else f"{what} {port}, but {known} earlier in the same flow"

    def strays(self, vrf, flow, links, link):
        """What is wrong with the way, or ''."""
        if not flow or flow[2] is None or len(links) < 2:
            return ""
        known = self.ways.setdefault((vrf, flow, links), link)
        return "" if known == link else f"by {link.hex()}, but by {known.hex()} earlier in the same flow"

    def again(self, number):
        """Whether an identification was there before; it is from now on."""
        known = number in self.numbers
        self.numbers.add(number)
        return known

    def crowded(self):
        """Ways that have none or too few of the flows that may go by them."""
        by_links = defaultdict(Counter)
        for (_, _, links), link in self.ways.items():
            by_links[links][link] += 1
        shares = [[count[link] for link in links] for links, count in by_links.items()]
        return [f"of {sum(share)} flows {share} by each of their ways" for share in shares
                if sum(share) >= 15 * len(share) and min(share) * len(share) * 10 < sum(share)]

    @staticmethod
    def choices(tunnel):
        return LABELS if tunnel.port is None else tunnel.ports

    def narrow(self, tunnels):
        """Tunnels whose flows share too few ports or labels."""
        by_tunnel = defaultdict(list)
        for (name, _), port in self.ports.items():
            by_tunnel[name].append(port)
        ranges = {name: self.choices(tunnels[name]) for name in by_tunnel}
        return [f"{name}: {len(ports)} flows, {len(set(ports))} UDP source ports or flow labels"
                for name, ports in by_tunnel.items()
                if len(ports) >= 40 and ranges[name][1] - ranges[name][0] >= 10000 and
                len(set(ports)) < 0.8 * len(ports)]


class Round:
    """`frames`: [(interface, frame, verdict)], as sent. `late`: verdicts whose optional parts may still come."""

    def __init__(self, frames, late, ports, tunnel_locals, flows, strict=False):
        self.frames = frames
        self.ports = ports
        self.tunnel_locals = tunnel_locals
        self.flows = flows
        self.required = defaultdict(list)   # (interface, frame) -> [(number, Sent, verdict)]
        self.optional = defaultdict(list)
        self.tokens = []
        self.problems = []
        self.unexpected = []
        self.heard = Counter()
        self.through = Counter()
        self.last = {}
        self.missing = 0
        self.joiner = Joiner(tunnel_locals)
        for number, (name, _, verdict) in enumerate(frames):
            self.tokens += [verdict.reasons, *verdict.extra]
            for sent in verdict.out:
                self._want(self.required, (number, name, sent, verdict), free=False)
            for sent in verdict.maybe:
                where = self.required if strict and verdict.answered else self.optional
                self._want(where, (number, name, sent, verdict), free=True)
        for verdict in late:
            self.tokens += [r | {None} for r in (verdict.reasons, *verdict.extra) if None in r]
            for sent in verdict.maybe:
                self._want(self.optional, (-1, "", sent, verdict), free=True)
        self.waiting = sum(len(v.maybe) for _, _, v in frames) if not strict else 0

    def _want(self, where, entry, free):
        """`free`: it is what the router says itself."""
        self.missing += where is self.required
        wanted = entry, [self._key(*way, free)[0] for way in entry[2].ways]
        for key in wanted[1]:
            where[key].append(wanted)

    @staticmethod
    def _take(where, key):
        """The first that is wanted so, and by no other way any more."""
        taken = where[key][0]
        for other in taken[1]:
            where[other] = [wanted for wanted in where[other] if wanted is not taken]
        return taken[0]

    def _key(self, interface, frame, free=False):
        """(what is compared, UDP source port or flow label or None): tunnels leave by ports alone, which may put a VLAN tag
        in front.
        `free`: without what the router may choose in messages of its own."""
        tag = b""
        if interface in self.ports:
            tag, frame = link_of(frame)[12:], without_tag(frame)
        if free:
            frame = unnamed(frame, self.tunnel_locals)
        port = None
        if interface in self.ports:
            frame, port = reduced(unnumbered(frame, self.tunnel_locals)[0], self.tunnel_locals)
        return (interface, tag, frame), port

    def came(self, interface, frame, pieces=(), number=None):
        """`pieces`: sizes of those that it was put together from; `number`: see unnumbered()."""
        key, port = self._key(interface, frame)
        if not self.required.get(key) and not self.optional.get(key):
            key, port = self._key(interface, frame, free=True)
        if self.required.get(key):
            order, source, sent, verdict = self._take(self.required, key)
            self.missing -= 1
            if not sent.what:
                self._order(order, source, interface, verdict)
        elif self.optional.get(key):
            order, _, sent, verdict = self._take(self.optional, key)
            self.waiting -= order >= 0
        else:
            self._unknown(interface, frame, pieces)
            return
        wrong = self._way_wrong(frame, sent, verdict) + self._pieces_wrong(frame, sent, pieces, number)
        self.problems += [f"{interface}: {frame.hex()}\n  {text}" for text in wrong]
        if sent.what:
            self.heard[sent.what] += 1
        if sent.tunnel:
            self.through[sent.tunnel.name] += 1
        if sent.tunnel and port is not None:
            wrong = self.flows.wrong(sent.tunnel, verdict.flow if not sent.what else (), port)
            if wrong:
                self.problems.append(f"{interface}: {frame.hex()}\n  {wrong}")

    def _unknown(self, interface, frame, pieces):
        """A piece of what is wanted, or what is not."""
        joined = self.joiner.add(interface, frame) if interface in self.ports and not pieces else None
        if joined:
            self.came(interface, *joined)
        elif joined is None:
            self.unexpected.append((interface, frame))

    def _way_wrong(self, frame, sent, verdict):
        links = frozenset(link_of(way) for _, way in sent.ways)
        stray = self.flows.strays(verdict.lost[:1], verdict.flow, links, link_of(frame)) if not sent.what else ""
        return [stray] if stray else []

    def _pieces_wrong(self, frame, sent, pieces, number):
        wrong = [f"in pieces {pieces}, not {sent.pieces}"] if pieces != sent.pieces else []
        if sent.tunnel is not None and sent.tunnel.outer_fragmentation:
            number = number or unnumbered(without_tag(frame), self.tunnel_locals)[1]
            if number and self.flows.again(number):
                wrong.append(f"the identification {number[1].hex()} was there before")
        return wrong

    def _order(self, number, source, interface, verdict):
        if verdict.path:
            path = source, interface, verdict.path
            if self.last.get(path, -1) > number:
                self.problems.append(f"out of order at {interface}: frame {number} after {self.last[path]}, {path}")
            self.last[path] = number

    def judge(self, counted):
        """Everything that is wrong, as lines of text."""
        lines = list(self.problems)
        lines += [f"unwanted at {interface}: {frame.hex()}" for interface, frame in self.unexpected]
        lines += [f"a piece alone at {interface}: {frame.hex()}" for interface, frame in self.joiner.unfinished()]
        for key, entries in self.required.items():
            interface, tag, frame = key
            tagged = f" behind the tag {tag.hex()}" if tag else ""
            for _, keys in entries:
                others = f", or by {len(keys) - 1} other ways" if len(keys) > 1 else ""
                lines += [f"missing at {interface}{tagged}{others}: {frame.hex()}"] if keys[0] == key else []
        wrong = explains(self.tokens, counted)
        if wrong:
            lines.append(f"drop counters: {wrong} (moved by {dict(counted)})")
        return lines
