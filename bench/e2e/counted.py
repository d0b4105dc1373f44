"""Instructions a packet, by callgrind: of each stage and of the whole pipeline.

bench-instructions goes each way so many rounds after a first one, so what happens once does not count; the cost of
restoring the packets is taken off.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# Packets of a round, rounds; a mixed round is a burst of each size from 1 to 32.
PLAIN, MIXED = (32, 200), (528, 20)
STAGES = ("parse", "decap", "resolve", "rewrite", "encap", "output")
KINDS = ("vxlan_gpe", "geneve", "gre", "mpls_over_udp", "mpls_over_gre", "srv6")
# Name → arguments of bench-instructions: the work, the number of tunnels, and a kind that is not VXLAN.
WORKS = {"vxlan encap": ("vxlan encap", 1), "vxlan decap": ("vxlan decap", 1),
         "vxlan decap, 32 tunnels": ("vxlan decap", 32), "route": ("route", 1),
         "vxlan encap, mixed": ("vxlan encap", "mixed"), "vxlan decap, mixed": ("vxlan decap", "mixed"),
         "vxlan encap, flows": ("vxlan encap", "flows"), "vxlan decap, flows": ("vxlan decap", "flows"),
         "route, flows": ("route", "flows"),
         "vxlan encap, flows, IPv6": ("vxlan encap", "flows6"), "vxlan decap, flows, IPv6": ("vxlan decap", "flows6"),
         "vxlan encap, policy": ("vxlan encap", "policy"), "vxlan decap, policy": ("vxlan decap", "policy"),
         "vxlan encap, new flow": ("vxlan encap", "new"), "vxlan decap, new flow": ("vxlan decap", "new"),
         **{"%s %s, flows" % (kind, way): ("vxlan " + way, "flows", kind) for kind in KINDS for way in ("encap", "decap")}}
# The mixed rows may cost at most so many times the row of one tunnel.
MIXED_LIMIT = 1.5


def ways(work):
    """What is counted of it. Flows are looked up for a burst, so that they have no row a stage."""
    return ("pipeline",) if WORKS[work][1] in ("flows", "flows6", "policy", "new") else (*STAGES, "pipeline")


def _counted(program, work):
    """Way → instructions a packet, restoring it included."""
    name, tunnels, *kind = WORKS[work]
    packets, rounds = MIXED if tunnels == "mixed" else PLAIN
    with tempfile.TemporaryDirectory(prefix="weft-callgrind-") as directory:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s/out" % directory, program, name,
                   str(rounds), str(tunnels), *kind]
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        counts = {}
        for path in glob.glob(directory + "/out.*"):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            way = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            if way and total:
                counts[way.group(1)] = int(total.group(1)) / rounds / packets
    if made.returncode != 0 or len(counts) != len(STAGES) + 2:
        sys.exit("%s ended with %d and counts of %s:\n%s" % (" ".join(command), made.returncode, sorted(counts),
                                                             made.stdout[-2000:]))
    return counts


def rows(program):
    """(work, way) → instructions a packet; "pipeline" is all of it, as weftd runs it, a stage's name the way up to and
    with that stage."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(WORKS, pool.map(lambda work: _counted(program, work), WORKS)))
    return {(work, way): counts[work][way] - counts[work]["restore"]
            for work in WORKS for way in ways(work)}


def plot(counts):
    """An SVG of stacked bars: what each stage adds."""
    colours = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1")
    works = [work for work in WORKS if len(ways(work)) > 1]
    widest = max(counts.values())
    scale, height, left = 640 / widest, 26, 190
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">'
           % (left + 720, (len(works) + 2) * (height + 12))]
    for number, work in enumerate(works):
        y = 12 + number * (height + 12)
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 10, y + 18, work))
        before = 0.0
        for stage, colour in zip(STAGES, colours):
            count = max(counts[work, stage], before)
            out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'
                       % (left + before * scale, y, (count - before) * scale, height, colour))
            before = count
        out.append('<text x="%.1f" y="%d">%.0f</text>' % (left + before * scale + 6, y + 18, before))
    y = 20 + len(works) * (height + 12)
    for number, (stage, colour) in enumerate(zip(STAGES, colours)):
        x = left + number * 100
        out.append('<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>'
                   % (x, y, colour, x + 18, y + 11, stage))
    out.append('<text x="%d" y="%d">instructions a packet, portable build</text></svg>' % (left, y + 34))
    return "\n".join(out) + "\n"
