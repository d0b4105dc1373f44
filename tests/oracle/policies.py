"""Security groups: which rules a VIF has, and what they say to the first packet of a session."""

from dataclasses import dataclass

from wire import ICMP, ICMP6, SCTP, TCP, UDP, covers, packed, prefix

PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "icmp": ICMP, "icmpv6": ICMP6}
DIRECTIONS = ("egress", "ingress")


def net(text):
    """A prefix, or an address as one that holds nothing else."""
    return prefix(text if "/" in text else f"{text}/{128 if ':' in text else 32}")


def span(text):
    """(first, last) of a port or of ports like "8000-8010"."""
    first, _, last = str(text).partition("-")
    return int(first), int(last or first)


def listed(value):
    """One or a list, as a list; None where the key is not given."""
    return value if value is None or isinstance(value, list) else [value]


@dataclass
class Rule:
    """None stands for a key that is not given: anything will do."""
    allow: bool
    protocol: int
    sources: list
    destinations: list
    ports: list
    source_ports: list
    icmp_type: int
    icmp_code: int

    @property
    def keys(self):
        """How much it asks for."""
        asked = (self.protocol, self.sources, self.destinations, self.ports, self.source_ports, self.icmp_type,
                 self.icmp_code)
        return 1 + sum(2 for key in asked if key is not None)

    def takes(self, packet):
        if self.protocol is not None and packet.protocol != self.protocol:
            return False
        for nets, address in ((self.sources, packet.source), (self.destinations, packet.destination)):
            if nets is not None and not any(covers(n, address) for n in nets):
                return False
        for spans, which in ((self.source_ports, 0), (self.ports, 1)):
            if spans is not None and not (packet.ports and any(
                    first <= packet.ports[which] <= last for first, last in spans)):
                return False
        for wanted, which in ((self.icmp_type, 0), (self.icmp_code, 1)):
            if wanted is not None and not (packet.icmp and packet.icmp[which] == wanted):
                return False
        return True


class Groups:
    """The security groups of a configuration, and the VIFs in them."""

    def __init__(self, config):
        self.groups = {g["name"]: g for g in config.get("security_groups", [])}
        defaults = {v["name"]: v.get("security_groups", []) for v in config["vrfs"]}
        self.vifs = [(v, v.get("security_groups", defaults[v["vrf"]])) for v in config["vifs"]]

    def rules(self, name):
        """{direction: rules of the VIF, None where anything goes}"""
        vif, mine = next((v, groups) for v, groups in self.vifs if v["name"] == name)
        made = {}
        for direction in DIRECTIONS:
            given = [self.groups[group][direction] for group in mine if direction in self.groups[group]]
            made[direction] = [self._rule(r, vif["vrf"]) for rules in given for r in rules] if given else None
        return made

    def _rule(self, r, vrf):
        protocol = r.get("protocol")
        return Rule(r.get("action", "allow") == "allow", PROTOCOLS.get(protocol, protocol),
                    self._nets(r.get("from"), vrf), self._nets(r.get("to"), vrf), self._spans(r.get("ports")),
                    self._spans(r.get("source_ports")), r.get("icmp_type"), r.get("icmp_code"))

    @staticmethod
    def _spans(texts):
        return None if texts is None else [span(text) for text in listed(texts)]

    def _nets(self, texts, vrf):
        if texts is None:
            return None
        nets = []
        for text in listed(texts):
            nets += self._members(text[len("group:"):], vrf) if text.startswith("group:") else [net(text)]
        return nets

    def _members(self, name, vrf):
        nets = [net(text) for text in listed(self.groups[name].get("members", []))]
        for vif, groups in self.vifs:
            if name in groups and vif["vrf"] == vrf:
                nets += [(int.from_bytes(packed(a), "big"), *(len(packed(a)) * 8,) * 2) for a in vif["addresses"]]
        return nets


def lets(rules, packet):
    """Whether the rules let the packet through."""
    if rules is None:
        return True
    if packet.protocol is None:
        return False
    return next((rule.allow for rule in rules if rule.takes(packet)), False)
