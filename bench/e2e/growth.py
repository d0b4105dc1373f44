"""Cycles a packet by table size: a table for the eye, and lines over a logarithmic scale."""
import math
import subprocess

# Table → what is done with it, colour of its line.
TABLES = {"routes": ("routes: plain routing", "#4e79a7"),
          "tunnels": ("tunnels: encapsulation", "#f28e2b"),
          "vrfs": ("VRFs: decapsulation, a tunnel each", "#59a14f")}
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 60, 20, 20, 50


def rows(program):
    """(table, size, cycles a packet), as they are measured."""
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            table, size, cycles = line.split()
            yield table, int(size), float(cycles)
    if process.returncode != 0:
        raise SystemExit("%s ended with %d" % (program, process.returncode))


def plot(measured):
    most = max(cycles for _, _, cycles in measured)
    decades = math.ceil(math.log10(max(size for _, size, _ in measured)))
    step = next(s for s in (20, 50, 100, 200, 500, 1000) if most / s <= 8)
    top = step * math.ceil(most / step)

    def x(size):
        return LEFT + math.log10(size) / decades * (WIDTH - LEFT - RIGHT)

    def y(cycles):
        return HEIGHT - BOTTOM - cycles / top * (HEIGHT - TOP - BOTTOM)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">'
           % (WIDTH, HEIGHT)]
    for cycles in range(0, top + 1, step):
        out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">'
                   '%d</text>' % (LEFT, y(cycles), WIDTH - RIGHT, y(cycles), LEFT - 8, y(cycles) + 4, cycles))
    for decade in range(decades + 1):
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>'
                   % (x(10 ** decade), HEIGHT - BOTTOM + 20, format(10 ** decade, ",")))
    for number, (table, (legend, colour)) in enumerate(TABLES.items()):
        points = [(x(size), y(cycles)) for name, size, cycles in measured if name == table]
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>'
                   % (colour, " ".join("%.1f,%.1f" % point for point in points)))
        out += ['<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (*point, colour) for point in points]
        out.append('<text x="%d" y="%d" fill="%s">%s</text>' % (LEFT + 12, TOP + 14 + 18 * number, colour, legend))
    out.append('<text x="%d" y="%d">TSC cycles a packet in the stages, by entries of the table</text></svg>'
               % (LEFT, HEIGHT - 8))
    return "\n".join(out) + "\n"
