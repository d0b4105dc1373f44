"""Where weftd is known to differ from the documents.

KNOWN: limits that a document states. OPEN: defects that the oracle found; whoever mends one removes its line here, and
from then on the oracle demands the right behaviour.
"""

KNOWN = {
    "atomic-fragment": "an IPv6 tunnel packet with a fragment header is dropped (outer_fragment) though offset and M "
                       "are 0, against RFC 6946; tunnels do not fragment",
}

OPEN = {
    "answers-in-last-vrf": "a packet that a `vrf` route led into another VRF is answered (echo reply, ICMP error) from "
                           "that VRF's addresses and is sent into that VRF, not back to where it came from: another "
                           "tenant's VM with the sender's address hears it",
    "pieces-apart": "pieces of an IPv6 packet whose fragmentable part begins with an extension header get different "
                    "UDP source ports: the walk to the upper layer takes the middle of a later piece for headers",
    "five-lookups": "a chain of more than four `vrf` routes that does end is dropped for lookup_loop, whose text says "
                    "\"without end\"",
    "ecn-at-decap": "RFC 6040 is not done at decapsulation: CE of the outer header is lost",
}
