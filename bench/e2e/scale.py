"""A controller at scale, drawn: deliveries over time, and how latencies are spread."""
import math

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 300, 80, 30, 20, 50
CURVES = {"publish": ("publish to applied", "#4e79a7"),
          "profile": ("API to the last acknowledgement", "#f28e2b")}


def read(path):
    """What bench-controller wrote: samples (seconds, deliveries), and milliseconds by curve."""
    samples, latencies = [], {curve: [] for curve in CURVES}
    with open(path, encoding="utf-8") as f:
        for line in f:
            kind, *values = line.split()
            if kind == "delivered":
                samples.append((float(values[0]), int(values[1])))
            else:
                latencies[kind].append(float(values[0]))
    return samples, latencies


def nice_step(most, ticks=6):
    """A step of 1, 2 or 5 times a power of ten, so that `most` has at most that many."""
    power = 10 ** math.floor(math.log10(max(most, 1e-9) / ticks))
    return next(power * factor for factor in (1, 2, 5, 10) if most / (power * factor) <= ticks)


class Panel:
    """Axes at a height of the page, linear upward and by `scale` to the right."""

    def __init__(self, title, top, most_y, out, scale):
        self.top, self.most_y, self.out, self.scale = top + TOP, most_y, out, scale
        out.append('<text x="%d" y="%d" font-weight="bold">%s</text>' % (LEFT, self.top - 10, title))
        step = nice_step(most_y)
        for tick in range(int(most_y / step + 1e-9) + 1):
            at = self.y(tick * step)
            out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" '
                       'text-anchor="end">%s</text>' % (LEFT, at, WIDTH - RIGHT, at, LEFT - 8, at + 4,
                                                        format(tick * step, ",.6g")))

    def x(self, value):
        return LEFT + self.scale(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return self.top + (1 - value / self.most_y) * (HEIGHT - TOP - BOTTOM)

    def mark(self, value, text):
        self.out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>'
                        % (self.x(value), self.top + HEIGHT - TOP - BOTTOM + 20, text))

    def line(self, points, colour):
        self.out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>'
                        % (colour, " ".join("%.1f,%.1f" % (self.x(x), self.y(y)) for x, y in points)))


def plot(samples, latencies):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">'
           % (WIDTH, 2 * HEIGHT)]
    seconds = samples[-1][0]
    panel = Panel("routes delivered to nodes, by seconds since they began to connect", 0,
                  max(count for _, count in samples), out, lambda value: value / seconds)
    step = nice_step(seconds, 10)
    for tick in range(int(seconds / step + 1e-9) + 1):
        panel.mark(tick * step, format(tick * step, ".6g"))
    panel.line(samples, "#4e79a7")

    all_ms = [ms for values in latencies.values() for ms in values]
    low = math.floor(math.log10(max(min(all_ms), 1e-3)))
    high = max(math.ceil(math.log10(max(all_ms))), low + 1)
    panel = Panel("share of tries within so many milliseconds, in percent", HEIGHT, 100, out,
                  lambda ms: (math.log10(max(ms, 1e-3)) - low) / (high - low))
    for decade in range(low, high + 1):
        panel.mark(10 ** decade, format(10 ** decade, ".6g"))
    for number, (curve, (legend, colour)) in enumerate(CURVES.items()):
        values = sorted(latencies[curve])
        panel.line([(ms, 100 * (i + 1) / len(values)) for i, ms in enumerate(values)], colour)
        out.append('<text x="%d" y="%d" fill="%s">%s</text>'
                   % (LEFT + 12, HEIGHT + TOP + 18 + 18 * number, colour, legend))
    out.append("</svg>")
    return "\n".join(out) + "\n"
