"""Conversations that are aimed at a rule: at what it takes, or at what it only just does not."""

from identity import ANSWERS, PORTS
from policies import DIRECTIONS
from wire import ICMP, ICMP6, SCTP, TCP, UDP, covers, packed


def edges(net):
    """The ends of a prefix, and what is just beyond."""
    network, length, bits = net
    last = network | ((1 << (bits - length)) - 1)
    return [n.to_bytes(bits // 8, "big") for n in (network, last, network - 1, last + 1) if 0 <= n < 1 << bits]


def port(random, spans, others):
    """A port at an end of a range, or just beyond it."""
    if spans is None:
        return random.choice(others)
    first, last = random.choice(spans)
    return random.choice([p for p in (first, last, first - 1, last + 1) if 0 <= p <= 65535])


def numbers(random, rule, family, ports):
    """(protocol, ports or ICMP type and identifier, ICMP code)"""
    icmp = ICMP if family == 4 else ICMP6
    protocol = rule.protocol
    if protocol is None or (protocol in (ICMP, ICMP6) and protocol != icmp):
        protocol = random.choice((TCP, UDP, SCTP, icmp))
    if protocol in PORTS:
        return protocol, (port(random, rule.source_ports, (random.randint(1, 65535),)),
                          port(random, rule.ports, ports)), 0
    if protocol != icmp:
        return protocol, (), 0
    kind = min(ANSWERS[icmp])
    if rule.icmp_type is not None and random.random() < 0.8:
        kind = rule.icmp_type
    code = 0
    if rule.icmp_code is not None:
        code = random.choice((rule.icmp_code, rule.icmp_code, 0, 1, 3))
    return icmp, (kind, random.randbytes(2)), code


class Aims:
    """`leads(vrf, family)`: addresses that a VRF leads to VIFs, and to tunnels."""

    def __init__(self, packets, leads):
        self.packets = packets
        self.random = packets.random
        self.leads = leads

    def draw(self, ports):
        """(home, VRF, source, destination, protocol, numbers, code), or None where there is no rule to aim at."""
        random, policies = self.random, self.packets.tables.policies
        aims = [(vif, direction, rule) for vif in self.packets.config["vifs"] for direction in DIRECTIONS
                for rule in policies[vif["name"]][direction] or []]
        if not aims:
            return None
        vif, direction, rule = random.choices(aims, [rule.keys for _, _, rule in aims])[0]
        mine, theirs = (rule.sources, rule.destinations) if direction == "egress" else (
            rule.destinations, rule.sources)
        own = [packed(a) for a in vif["addresses"]]
        own = [a for a in own if mine is None or any(covers(net, a) for net in mine)] or own
        of_family = [a for a in own if theirs is None or any(net[2] == len(a) * 8 for net in theirs)]
        own = random.choice(of_family or own)
        family = 4 if len(own) == 4 else 6
        nets = [net for net in theirs or [] if net[2] == len(own) * 8]
        rest = numbers(random, rule, family, ports)
        if direction == "egress":
            other = self._led(vif["vrf"], family, nets)
            return other and (vif, vif["vrf"], own, other, *rest)
        home, vrf, other = self._sender(own, family, nets)
        return home and (home, vrf, other, own, *rest)

    def _led(self, vrf, family, nets):
        led = sum(self.leads(vrf, family), [])
        inside = [a for a in led if any(covers(net, a) for net in nets)]
        return self.random.choice(inside if inside and self.random.random() < 0.7 else led) if led else None

    def _sender(self, to, family, nets):
        """Who may send to the address, with a source at the edges of a prefix: what comes out of tunnels may be of
        anywhere."""
        random, packets = self.random, self.packets
        decaps = [d for d in packets.ways_in if to in self.leads(packets.vrf_of(d), family)[0]]
        vifs = [(v, packed(a)) for v in packets.config["vifs"] for a in v["addresses"]
                if to in self.leads(v["vrf"], family)[0] and (len(packed(a)) == 4) == (family == 4)]
        if vifs and (not decaps or random.random() < 0.4):
            inside = [(v, a) for v, a in vifs if any(covers(net, a) for net in nets)]
            vif, address = random.choice(inside if inside and random.random() < 0.7 else vifs)
            return vif, vif["vrf"], address
        if not decaps:
            return None, None, None
        home = random.choice(decaps)
        address = random.choice(edges(random.choice(nets)) if nets else packets.near[family])
        return home, packets.vrf_of(home), address
