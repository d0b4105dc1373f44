"""Instructions a packet, by callgrind.

Two runs of bench-instructions differ in the number of their rounds alone, so what happens once does
not count; the cost of restoring the packets is taken off.
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# Tunnels → packets of a round, rounds of the two runs; a mixed round is a burst of each size from 1 to 32.
PLAIN, MIXED = (32, 100, 300), (528, 10, 30)
STAGES = ("parse", "decap", "resolve", "rewrite", "encap", "output")
# Name → arguments of bench-instructions: the work and the number of tunnels.
WORKS = {"vxlan encap": ("vxlan encap", 1), "vxlan decap": ("vxlan decap", 1),
         "vxlan decap, 32 tunnels": ("vxlan decap", 32), "route": ("route", 1),
         "vxlan encap, mixed": ("vxlan encap", "mixed"), "vxlan decap, mixed": ("vxlan decap", "mixed")}
# The mixed rows may cost at most so many times the row of one tunnel.
MIXED_LIMIT = 1.5


def _counted(program, work, stage, rounds):
    name, tunnels = WORKS[work]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, stage, str(rounds),
               str(tunnels)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"Collected : (\d+)", made.stdout)
    if made.returncode != 0 or not found:
        sys.exit("%s ended with %d:\n%s" % (" ".join(command), made.returncode, made.stdout[-2000:]))
    return int(found.group(1))


def _per_packet(program, work, stage):
    packets, few, many = MIXED if WORKS[work][1] == "mixed" else PLAIN
    return (_counted(program, work, stage, many) - _counted(program, work, stage, few)) / (many - few) / packets


def rows(program, stages):
    """(work, stage) → instructions a packet; stage "pipeline" is all of it, as weftd runs it, the others the way up to
    and with that stage."""
    wanted = [(work, stage) for work in WORKS for stage in ("restore", *(STAGES if stages else ()), "pipeline")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(wanted, pool.map(lambda row: _per_packet(program, *row), wanted)))
    return {(work, stage): counts[work, stage] - counts[work, "restore"]
            for work, stage in wanted if stage != "restore"}


def plot(counts):
    """An SVG of stacked bars: what each stage adds."""
    colours = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1")
    widest = max(counts.values())
    scale, height, left = 640 / widest, 26, 190
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">'
           % (left + 720, (len(WORKS) + 2) * (height + 12))]
    for number, work in enumerate(WORKS):
        y = 12 + number * (height + 12)
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 10, y + 18, work))
        before = 0.0
        for stage, colour in zip(STAGES, colours):
            count = max(counts[work, stage], before)
            out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'
                       % (left + before * scale, y, (count - before) * scale, height, colour))
            before = count
        out.append('<text x="%.1f" y="%d">%.0f</text>' % (left + before * scale + 6, y + 18, before))
    y = 20 + len(WORKS) * (height + 12)
    for number, (stage, colour) in enumerate(zip(STAGES, colours)):
        x = left + number * 100
        out.append('<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>'
                   % (x, y, colour, x + 18, y + 11, stage))
    out.append('<text x="%d" y="%d">instructions a packet, portable build</text></svg>' % (left, y + 34))
    return "\n".join(out) + "\n"
