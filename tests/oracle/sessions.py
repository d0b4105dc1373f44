"""Sessions and what policies say to packets, as a list that is searched from end to end.

A packet that goes in its session's first direction is judged like one that opens it: what a router remembers must not
change that. Only answers, ICMP errors and later fragments depend on what came before. Where the documents leave open
whether a session stands, both ends are thought through; the oracle speaks only where they are the same.
"""

from dataclasses import dataclass, replace

from deviations import OPEN
from identity import ACK, FIN, RST, SYN, Identity
from policies import lets
from verdict import Unknown
from wire import spelled

EGRESS, INGRESS = "policy_egress_denied", "policy_ingress_denied"
PIECES_ROUNDS = 6   # in which a first piece is sure to be remembered


@dataclass(frozen=True)
class Crossing:
    """A packet that has been routed. `origin` and `target`: ("vif", name), ("tunnel", "") or ("port", "")."""
    packet: Identity
    vrf: str        # where it came in
    origin: tuple
    found: str      # the VRF in which answers come in: of the VIF it goes to, or the one whose route is a tunnel
    target: tuple
    direct: bool = False   # its decap leads to the VIF whatever the routes say

    def __str__(self):
        packet = self.packet
        what = " ".join(str(part) for part in (packet.protocol, packet.ports, packet.icmp, packet.piece) if part)
        return (f"{spelled(packet.source)} → {spelled(packet.destination)} {what}, {self.vrf} {self.origin} → "
                f"{self.found} {self.target}")


class Session:
    """`first`: the packet that opened it. `doubt`: whether it stands is not certain, which is nothing to packets in its
    direction. `finished`: directions of TCP that sent a FIN, or had an RST sent to them. `crowded`: another one has, or
    had, the same answers."""

    def __init__(self, first, doubt, finished, crowded):
        self.first, self.doubt, self.finished, self.crowded = first, doubt or crowded, finished, crowded
        self.key, self.back = first.packet.key, first.packet.back

    @property
    def closing(self):
        return len(self.finished) == 2


class Sessions:
    """`tables`: the configuration of now."""

    def __init__(self, tables):
        self.tables = tables
        self.open = []
        self.firsts = []     # (VRF, Identity of a first piece, whether it is sure to be known, round)
        self.round = 0

    # --- what becomes of a packet -----------------------------------------------------------------

    def judge(self, crossing):
        """The drop reason, or None: it is let through."""
        if not self._of_vifs(crossing):
            return None
        possible = self._possible(self.resolved(crossing))
        if len(possible) > 1:
            raise Unknown("policies: " + (crossing.packet.doubt or "whether its session stands"))
        return next(iter(possible))

    @staticmethod
    def _of_vifs(crossing):
        """Whether policies are asked. What goes from tunnel to tunnel may have a session all the same, and an answer
        or error that leads to a VIF may pass with it."""
        return "vif" in (crossing.origin[0], crossing.target[0])

    def resolved(self, crossing):
        """The same; a later piece with the ports of its first one. Of what has no session, as ICMP errors have none,
        a first piece tells nothing to those behind it."""
        packet = crossing.packet
        if packet.piece != "later":
            return crossing
        known = [(first, sure and age <= PIECES_ROUNDS) for vrf, first, sure, age in self._pieces()
                 if (vrf, first.datagram) == (crossing.vrf, packet.datagram)]
        if not known:
            return crossing
        first, sure = known[-1]
        told = packet.like(first)
        return replace(crossing, packet=told if sure else replace(told, doubt="a first piece that may be forgotten"))

    def _pieces(self):
        return [(vrf, first, sure, self.round - number) for vrf, first, sure, number in self.firsts]

    def fresh(self, crossing):
        """The drop reason of a packet that opens a session, or None."""
        if not lets(self._rules(crossing.origin, "egress"), crossing.packet):
            return EGRESS
        if not lets(self._rules(crossing.target, "ingress"), crossing.packet):
            return INGRESS
        return None

    def _rules(self, place, direction):
        return self.tables.policies[place[1]][direction] if place[0] == "vif" else None

    def _possible(self, crossing):
        if crossing.packet.doubt:
            outcomes = {None}
            outcomes |= {EGRESS} if self._rules(crossing.origin, "egress") is not None else set()
            return outcomes | ({INGRESS} if self._rules(crossing.target, "ingress") is not None else set())
        relations = {relation for _, relation in self.relations(crossing)}
        if "of it" in relations:
            return {None}
        return {self.fresh(crossing)} | ({None} if "perhaps" in relations else set())

    def relations(self, crossing):
        """[(session, how a packet is to it)]: "of it" (let through with it), "perhaps", "denied" (it would be of it, if
        rules had not changed), or "first" (it goes in the direction that opened it)."""
        packet = crossing.packet
        key = packet.key if packet.quoted is None else packet.quoted.key
        if key is None:
            return []
        return [(session, self._relation(session, crossing, key)) for session in self.open
                if key in (session.key, session.back)]

    def _relation(self, session, crossing, key):
        if crossing.packet.quoted is not None:   # an error goes the other way than what it tells of
            how = self._answers(session, crossing) if key == session.key else self._again(session, crossing, "of it")
        else:
            how = self._again(session, crossing, "first") if key == session.key else self._answers(session, crossing)
        return "denied" if how == "of it" and self.fresh(session.first) is not None else how

    @staticmethod
    def _again(session, crossing, here):
        """In the direction of the first packet; it may come from elsewhere, with the same addresses, and is no better
        for them."""
        if crossing.vrf != session.first.vrf:
            return ""
        sure = here == "first" or (not session.doubt and (
            crossing.origin, crossing.target) == (session.first.origin, session.first.target))
        return here if sure else "perhaps"

    @staticmethod
    def _answers(session, crossing):
        first = session.first
        if crossing.vrf not in (first.vrf, first.found):
            return ""
        if crossing.target[0] == "vif" and first.origin[0] != "vif":
            return "perhaps" if session.doubt else ""   # that VIF has asked for nothing
        sure = (crossing.vrf, crossing.found) == (first.found, first.vrf) and not session.doubt and (
            crossing.origin, crossing.target) == (first.target, first.origin)
        if crossing.packet.nameless:
            sure = False   # of a protocol without ports, and its first piece was not seen
        if session.closing and crossing.packet.flags & (SYN | ACK) == SYN:
            sure = False   # who was answered may now be opening
        return "of it" if sure else "perhaps"

    def touches(self, crossing):
        """[(what, how)] that a packet reads or changes. Packets that touch the same in another way may come in
        either order when they are sent at the same time."""
        packet = self.resolved(crossing).packet
        touched = [(("datagram", packet.datagram), crossing.packet.piece)] if packet.piece else []
        if packet.quoted is not None and packet.quoted.key is not None:
            what, how = packet.quoted.conversation, "error"
        elif packet.key is not None:
            what, how = packet.conversation, (packet.key, crossing.origin)
        else:
            return touched
        return touched + [((what, vrf), how) for vrf in sorted({crossing.vrf, crossing.found})]

    # --- what a packet leaves behind ----------------------------------------------------------------

    def learn(self, crossing, admitted):
        """A packet that was sent and judged."""
        if not self._of_vifs(crossing):
            self.missed(crossing.vrf, crossing.packet)
        elif crossing.packet.piece == "first" and crossing.packet.key is not None:
            self.firsts.append((crossing.vrf, crossing.packet, self._kept(crossing), self.round))
        crossing = self.resolved(crossing)
        relations = self.relations(crossing)
        self._end(crossing, relations, admitted)
        if not admitted or crossing.packet.key is None:
            return None
        its = next((s for s, relation in relations if relation == "of it"), None)
        if its is None and (crossing.packet.answer or self._in_a_vifs_name(crossing)):
            return None   # nobody is answered by an answer, nor is a VIF's session taken from it
        if its is None:
            its = self._opened(crossing, [s for s, relation in relations if relation == "perhaps"])
        if crossing.packet.flags & (FIN | RST):
            its.finished.add(crossing.packet.key)
        if crossing.packet.flags & RST:
            its.finished.add(crossing.packet.back)
        return None

    def _end(self, crossing, relations, admitted):
        """Sessions are judged again by their next packet, and end where they are denied."""
        for session, how in relations:
            there = (session.first.origin, session.first.target) == (crossing.origin, crossing.target)
            if how == "denied" and crossing.packet.quoted is not None:
                session.doubt = True   # an error may be no packet of it
            elif how == "denied" or (how == "first" and not admitted and there and not session.doubt):
                self.open.remove(session)
            elif how == "first" and not admitted:
                session.doubt = True

    def _opened(self, crossing, rivals):
        """The session of a packet that opens one, or goes in the direction that opened it."""
        mine = next((s for s in self.open if (s.first.vrf, s.key) == (crossing.vrf, crossing.packet.key)), None)
        doubt = not self._kept(crossing) or crossing.packet.nameless or crossing.packet.doubt != ""
        if mine is not None:
            self.open.remove(mine)
            if not mine.doubt:
                doubt = mine.first.target != crossing.target
            doubt |= mine.first.origin != crossing.origin
        crowd = self._with_answers_of(crossing)
        for rival in rivals + crowd:
            rival.doubt = True
        for rival in crowd:
            rival.crowded = True
        crowded = bool(crowd) or (mine is not None and mine.crowded)
        finished = mine.finished if mine is not None else set()
        self.open.append(Session(crossing, doubt or bool(rivals), finished, crowded))
        return self.open[-1]

    def _in_a_vifs_name(self, crossing):
        """Whether the fabric sends what belongs to a session of a VIF that is here."""
        return crossing.origin[0] != "vif" and any(
            (s.first.vrf, s.key) == (crossing.vrf, crossing.packet.key) and s.first.origin[0] == "vif" and
            s.first.origin[1] in self.tables.vifs for s in self.open)

    def _with_answers_of(self, crossing):
        """Other sessions of which a packet could be that answers this one."""
        answer = crossing.found, crossing.packet.back
        return [s for s in self.open if answer in ((s.first.found, s.back), (s.first.vrf, s.key))
                ] if "answers-of-two" in OPEN else []

    def _kept(self, crossing):
        """Whether sessions are kept for sure: a policy wants them, or all VIFs have them on, and so has one of the VRF
        where the packet arrived, which else lets flows be."""
        vifs = [place[1] for place in (crossing.origin, crossing.target) if place[0] == "vif"]
        wanted = any(rules is not None for vif in vifs for rules in self.tables.policies[vif].values())
        here = any(vif.vrf == crossing.vrf and vif.flows for vif in self.tables.vifs.values())
        return wanted or (here and all(self.tables.vifs[vif].flows for vif in vifs))

    def missed(self, vrf, packet):
        """A first piece that was lost before a policy saw it: what comes after it is uncertain."""
        if packet.piece == "first" and packet.key is not None:
            self.firsts.append((vrf, packet, False, self.round))

    def changed(self, tables, way):
        """Rules or routes changed. `way(crossing)`: (VRF, target) where the routes lead with it now."""
        self.tables = tables
        for session in self.open:
            moved = not session.first.direct and way(session.first) != (session.first.found, session.first.target)
            session.doubt |= moved or not self._kept(session.first)
