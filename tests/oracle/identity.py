"""What sessions and policies know a packet by: addresses, protocol, ports, ICMP type and identifier; its datagram."""

from dataclasses import dataclass, replace

from wire import (DESTINATION_OPTIONS, EXTENSIONS, FRAGMENT, ICMP, ICMP6, MORE_FRAGMENTS, MOST_EXTENSIONS, SCTP, TCP,
                  UDP, addresses, ones_sum, pseudo)

PORTS = (TCP, UDP, SCTP)
# Query → answer. Other types have an answer too (RFC 4620, 8335), of which no document says whether they are known.
ANSWERS = {ICMP: {8: 0, 13: 14, 15: 16, 17: 18}, ICMP6: {128: 129}}
PERHAPS = {ICMP: (42, 43), ICMP6: (130, 131, 132, 139, 140, 144, 145, 146, 147, 149, 160, 161)}
ERRORS = {ICMP: (3, 11, 12), ICMP6: (1, 2, 3, 4)}
ERRORS_PERHAPS = {ICMP: (4, 5), ICMP6: (*range(5, 128), 137)}
FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass(frozen=True)
class Identity:
    """`protocol` None: not to be found. `ports` of TCP, UDP, SCTP, `icmp` type and code; both None in a later piece
    whose first one is not known. `key` names the conversation in the packet's direction, None where it has none.
    `quoted`: the packet that an ICMP error tells of. `doubt`: why the documents leave open what it is."""
    source: bytes
    destination: bytes
    protocol: int = None
    ports: tuple = None
    icmp: tuple = None
    key: tuple = None
    answer: bool = False      # an ICMP answer, which opens no session
    datagram: tuple = None
    piece: str = ""           # first, later; told: a later one whose first is known
    flags: int = 0            # of TCP, none in later pieces
    quoted: object = None
    doubt: str = ""

    @property
    def nameless(self):
        """A later piece whose ports nobody has told."""
        return self.piece == "later"

    @property
    def back(self):
        """The key of what answers it; None where nothing does."""
        if self.key is None or self.answer:
            return None
        source, destination, protocol, rest = self.key
        if protocol in PORTS:
            return destination, source, protocol, rest[::-1]
        if protocol in ANSWERS and rest:
            return destination, source, protocol, (ANSWERS[protocol][rest[0]], rest[1])
        return destination, source, protocol, rest

    @property
    def conversation(self):
        """The same for both directions."""
        source, destination, protocol, rest = self.key
        if protocol in PORTS:
            return protocol, *sorted(((source, rest[0]), (destination, rest[1])))
        return protocol, *sorted((source, destination)), rest[1:]

    def like(self, first):
        """A later piece, with what its first one told."""
        return replace(first, piece="told", flags=0)


class Chain:
    """The headers of an IPv6 packet as far as the upper-layer one."""

    def __init__(self, packet):
        self.protocol, self.at = packet[6], 40
        self.headers, self.piece, self.datagram, self.doubt = 0, "", None, ""
        named = None   # the protocol that a first fragment names
        while self.protocol in EXTENSIONS or self.protocol == FRAGMENT:
            if named is not None and self.protocol != DESTINATION_OPTIONS:
                self.doubt = "a first fragment that begins with other headers than options"
            self.headers += 1
            if self.headers > MOST_EXTENSIONS or self.at + 8 > len(packet):
                self.protocol = None
                return
            kind, size = self.protocol, 8 + packet[self.at + 1] * 8
            self.protocol = packet[self.at]
            if kind == FRAGMENT:
                size = 8
                offset = int.from_bytes(packet[self.at + 2:self.at + 4], "big")
                if offset & 0xFFF9 and not self.piece:
                    self.piece = "later" if offset & 0xFFF8 else "first"
                    self.datagram = packet[self.at + 4:self.at + 8]
                    named = self.protocol
            self.at += size
            if self.at > len(packet):
                self.protocol = None
                return
            if self.piece == "later":
                if self.protocol in EXTENSIONS or self.protocol == FRAGMENT:
                    self.doubt = "a later fragment of what began with an extension header"
                return
        if named is not None and named != self.protocol:
            self.protocol = None


def _four(packet):
    """(protocol, offset of its header, piece, identification, doubt)"""
    fragment = int.from_bytes(packet[6:8], "big")
    piece = "later" if fragment & 0x1FFF else "first" if fragment & MORE_FRAGMENTS else ""
    return packet[9], (packet[0] & 15) * 4, piece, packet[4:6] if piece else None, ""


def _six(packet):
    chain = Chain(packet)
    return chain.protocol, chain.at, chain.piece, chain.datagram, chain.doubt


def identity(packet, quote=False):
    """Of a packet that is right as far as IP goes; `quote`: of the beginning of one."""
    source, destination = addresses(packet)
    four = len(source) == 4
    protocol, at, piece, number, doubt = (_four if four else _six)(packet)
    datagram = (source, destination, protocol if four else None, number) if piece else None
    whole = Identity(source, destination, protocol, datagram=datagram, piece=piece, doubt=doubt)
    if protocol is None or (not four and protocol == ICMP) or (four and protocol == ICMP6):
        return replace(whole, doubt=doubt or ("" if protocol is None else "ICMP of the other family"))
    if protocol not in PORTS + (ICMP, ICMP6):
        return replace(whole, key=(source, destination, protocol, ()))
    if piece == "later":
        return whole
    body = packet[at:]
    if len(body) < 8:
        return replace(whole, doubt="an upper-layer header that is cut")
    if protocol in PORTS:
        ports = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
        flags = body[13] if protocol == TCP and len(body) > 13 else 0
        return replace(whole, ports=ports, key=(source, destination, protocol, ports), flags=flags)
    return _icmp(whole, body, quote)


def _icmp(whole, body, quote):
    kind, code, protocol = body[0], body[1], whole.protocol
    queries = ANSWERS[protocol]
    found = replace(whole, icmp=(kind, code))
    if kind in ERRORS[protocol] + ERRORS_PERHAPS[protocol]:
        return found if quote else _error(found, body)
    if kind in queries or kind in queries.values():
        if code:
            return replace(found, doubt="" if kind in queries else "an ICMP answer with a code")
        return replace(found, key=(whole.source, whole.destination, protocol, (kind, body[4:6])),
                       answer=kind not in queries)
    if kind in PERHAPS[protocol]:
        return replace(found, doubt="ICMP of which it is not said whether it has answers")
    return found


def _error(found, body):
    """An ICMP error, with the packet that it quotes, if that can be read."""
    four = found.protocol == ICMP
    quote = body[8:]
    if len(quote) < (20 if four else 40) or quote[0] >> 4 != (4 if four else 6) or (four and quote[0] & 15 < 5):
        return found
    quoted = identity(quote, quote=True)
    if quoted.source != found.destination:  # it goes to somebody else than who has to hear of it
        return found
    doubts = (
        (found.icmp[0] in ERRORS_PERHAPS[found.protocol], "an ICMP error of which it is not said that it is one"),
        (found.piece != "", "an ICMP error in pieces"),
        (ones_sum(body if four else pseudo(found.source, found.destination, ICMP6, len(body)) + body) != 0xFFFF,
         "an ICMP error whose checksum is wrong"),
        (quoted.piece == "later", "an ICMP error about a later fragment"),
        (quoted.doubt != "", quoted.doubt))
    doubt = next((text for holds, text in doubts if holds), "")
    return replace(found, quoted=quoted, doubt=doubt)
