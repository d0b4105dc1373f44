"""Where weftd is known to differ from the documents.

KNOWN: limits that a document states. OPEN: defects that the oracle found; whoever mends one removes its line here, and
from then on the oracle demands the right behaviour.
"""

KNOWN = {
    "five-lookups": "a packet follows at most four `vrf` routes; drop_reason.hpp says so (lookup_loop)",
}

OPEN = {
    "answers-of-two": "of two sessions whose answers look the same in one VRF (their VIFs are of others, and share an "
                      "address) only the first knows them: ICMP errors about the second are denied, say",
}
