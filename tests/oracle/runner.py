"""Sends rounds of frames through a real weftd and compares what comes out with the oracle."""

import http.client
import random
import time
from collections import Counter, defaultdict

import vlans
from compare import Flows, Round
from edges import Edges
from generate import Packets, change, topology, way_options
from net import Tester
from oracle import Oracle
from talks import Talks
from weft import Lab

ROUND_SECONDS = 4.0     # in which what must come has to come
QUIET_SECONDS = 0.03    # after it, for what may come
CALM_SECONDS = 0.1      # before a change
DYING_SECONDS = 2.0     # between the last sign of weftd and its end
LATE_ROUNDS = 8         # after which nothing of a round may come any more
CHANGES = (1, 1, 2)     # at a time
FRAMES_A_ROUND = 120    # fewer than the shortest queue on the way holds
TRAINS = 0.5            # of the rounds with tunnels have some of one in a row
TALKS_A_ROUND = 42      # of them frames of conversations
SPOILED_TALKS = 0.1     # of them spoiled


class Disagreement(AssertionError):
    """weftd and the oracle differ; the text is the smallest case that was found."""


def short(told):
    """A frame or a verdict for people."""
    text = told.hex() if isinstance(told, bytes) else f"{told.crossing}: {told}"
    return "\n  ".join(line if len(line) <= 220 else line[:220] + "…" for line in text.splitlines())


class Session:
    """One topology, one router."""

    def __init__(self, lab, seed, shrink=True, policies=True):
        self.seed = seed
        self.shrink = shrink
        self.random = random.Random(seed)
        self.config = topology(self.random, policies)
        # The tenants' routes come by the API, which may then delete them; the file keeps its own.
        tenants = [route for route in self.config["routes"] if route["vrf"] != "underlay"]
        self.tester = Tester(lab, {**self.config, "routes": [r for r in self.config["routes"] if r not in tenants]})
        for route in tenants:
            self.tester.router.text("route", "add", "--vrf", route["vrf"], route["prefix"], *way_options(route["via"]))
        self.oracle = Oracle(self.config, self.tester.port_macs)
        self.packets = Packets(self.random, self.config, self.tester.port_macs)
        self.talks = Talks(self.packets)
        self.edges = Edges(self.packets, self.talks)
        self.flows = Flows()
        self.by_api = self.random.random() < 0.35   # groups are changed by weftctl, not in the file
        self.postponed = []                # frames for the next round
        self.history = defaultdict(list)   # conversation → what was sent of it
        self.before = self.tester.api.drops()
        self.late = []
        self.sent = 0
        self.changes = []
        self.unknown = Counter()
        self.reasons = Counter()
        self.heard = Counter()
        self.through = Counter()   # tunnel → frames that left by it
        self.opened = Counter()    # decap → frames that it let in
        self.marked = Counter()    # decap and mark, None without one → those of them
        self.forwarded = 0

    def tunnel_locals(self):
        return self.oracle.tables.tunnel_locals()

    def judged(self, frames):
        """[(interface, frame, verdict)] of those about which the oracle says something. Ports and workers run side by
        side: of frames whose order would make a difference all but the first wait for the next round."""
        known, touched = [], {}
        self.oracle.sessions.round += 1
        for name, frame in frames:
            verdict = self.oracle.process(name, frame)
            if verdict.unknown:
                self.unknown[verdict.unknown] += 1
                continue
            touches = self.oracle.touches(verdict)
            if any(touched.get(what, how) != how for what, how in touches):
                self.postponed.append((name, frame))
                continue
            touched.update(touches)
            for what, _ in touches:
                self.history[what].append((self.oracle.sessions.round, len(self.changes), name, frame, verdict))
            self.oracle.learn(verdict)
            known.append((name, frame, verdict))
        return known

    def play(self, frames, strict=False, seconds=0.0):
        """Sends them and returns what is wrong, as lines. Waits until nothing has come for that long."""
        try:
            wrong = self._play(frames, strict, seconds)
        except (OSError, http.client.HTTPException):   # its interfaces and its API go with it
            if self.tester.alive(DYING_SECONDS):
                raise
        return wrong if self.tester.alive() else ["weftd died:\n" + self.tester.router.log()[-3000:]]

    def _play(self, frames, strict, seconds):
        known = self.judged(frames)
        late = [v for verdicts in self.late for v in verdicts]
        this = Round(known, late, self.oracle.tables.interfaces(), self.tunnel_locals(), self.flows, strict)
        with self.tester.asleep():
            for name, frame, _ in known:
                self.tester.send(name, frame)
        self.sent += len(known)
        deadline = time.monotonic() + ROUND_SECONDS
        while this.missing > 0 and time.monotonic() < deadline and not this.unexpected:
            for name, frame in self.tester.receive(0.05):
                this.came(name, frame)
        quiet = time.monotonic() + max(QUIET_SECONDS, seconds)
        while (this.waiting > 0 or seconds > 0) and time.monotonic() < quiet:
            for name, frame in self.tester.receive(0.005):
                this.came(name, frame)
                quiet = time.monotonic() + max(QUIET_SECONDS, seconds)
        while True:
            now = self.tester.api.drops()
            wrong = this.judge(Counter(now) - Counter(self.before))
            for name, frame in self.tester.receive(0.002):
                this.came(name, frame)
            if not wrong or time.monotonic() > deadline or this.unexpected:
                break
            time.sleep(0.005)
        wrong = wrong and this.judge(Counter(now) - Counter(self.before))
        self.reasons += Counter(now) - Counter(self.before)
        self.heard += this.heard
        self.through += this.through
        self.opened += Counter(v.decap for _, _, v in known if v.decap)
        self.marked += Counter((v.decap, v.mark) for _, _, v in known if v.decap)
        self.forwarded += sum(len(v.out) for _, _, v in known)
        self.before = now
        self.late = [[v for _, _, v in known if v.maybe or v.extra or len(v.reasons) > 1], *self.late[:LATE_ROUNDS - 1]]
        return wrong

    def settle(self):
        """Nothing of the frames before is on its way any more."""
        quiet = time.monotonic() + 0.1
        while time.monotonic() < quiet:
            if self.tester.receive(0.02):
                quiet = time.monotonic() + 0.1
        self.before = self.tester.api.drops()
        self.late = []

    def smallest(self, frames, strict):
        """The fewest frames that still go wrong, and what is wrong with them."""
        best, why = frames, None
        tries = 0
        while len(best) > 1 and tries < 40:
            half = len(best) // 2
            for part in (best[:half], best[half:]):
                tries += 1
                self.settle()
                wrong = self.play(part, strict)
                if wrong:
                    best, why = part, wrong
                    break
            else:
                break
        return best, why

    def report(self, frames, strict, wrong):
        text = [f"seed {self.seed}, after {self.sent} frames and {len(self.changes)} changes: {self.changes[-3:]}"]
        last = self.oracle.sessions.round
        if self.tester.alive() and self.shrink:
            frames, why = self.smallest(frames, strict)
            if why is None:
                text.append("did not happen again; what was wrong with the whole round:")
                frames = frames[:1]
            wrong = why or wrong
        for name, frame in frames[:4]:
            verdict = self.oracle.process(name, frame)
            text += [f"in at {name}: {frame.hex()}", "wanted: " + str(verdict)]
            for what, _ in self.oracle.touches(verdict):
                text += [f"before, of the same:"] + [
                    f"round {n}, after {changes} changes, in at {where}: {short(earlier)}\n  {short(earlier_verdict)}"
                    for n, changes, where, earlier, earlier_verdict in self.history[what] if n <= last]
        text += ["found:", *wrong[:12]]
        text.append(f"again: WEFT_SEED={self.seed} with as many frames; weft.yaml: tests/oracle/run --show {self.seed}")
        return "\n".join(text)

    def round(self, frames, strict=False):
        wrong = self.play(frames, strict)
        if wrong:
            raise Disagreement(self.report(frames, strict, wrong))

    def change(self):
        """Some changes by weftctl, in the oracle's configuration too."""
        calm = False
        for _ in range(self.random.choice(CHANGES)):
            done = change(self.random, self.config, self.by_api, self.talks.busy())
            if done is None:
                continue
            if not calm:   # what the router has still to say would go by the new way
                wrong, calm = self.play([], seconds=CALM_SECONDS), True
                if wrong:
                    raise Disagreement(self.report([], False, wrong))
            self.change_one(done)

    def change_one(self, done):
        self.apply(done)
        if done.undo:
            done.undo()
            done.what = "and back"
            self.apply(done)
        self.packets.changed(*done.place)
        self.talks.changed()
        if done.tunnel:
            self.flows.forget(done.tunnel)
        if done.decap:
            self.opened[done.decap] = 0
        for key in list(self.marked):
            if key[0] == done.decap:
                del self.marked[key]
        self.forget_marks()

    def apply(self, done):
        if done.command == ["reload"]:
            self.tester.rewrite(self.config)
        self.tester.router.text(*done.command)
        self.changes.append(str(done))
        self.oracle.changed()

    def calm(self):
        """Few questions, far below every limit: each has to be answered."""
        self.round([vlans.on_wire(self.random, self.config["ports"], *question, spoiled=0)
                    for question in self.packets.questions()], strict=True)

    def next_frames(self, count):
        """Those that had to wait, then steps of conversations among random frames."""
        waited, self.postponed = self.postponed, []
        frames = [(name, self.packets.spoiled(name, frame, SPOILED_TALKS))
                  for name, frame in self.talks.round(min(TALKS_A_ROUND, count))]
        frames += self.edges.round() if count else []
        train = self.packets.train() if self.config["decaps"] and self.random.random() < TRAINS else []
        frames += [self.packets.next() for _ in range(count - len(frames) - len(waited) - len(train))]
        self.random.shuffle(frames)
        at = self.random.randint(0, len(frames))
        frames[at:at] = train
        return waited + [vlans.on_wire(self.random, self.config["ports"], *frame) for frame in frames]

    def run(self, count):
        self.settle()   # its announcements have come
        self.calm()
        until = self.sent + count
        while self.sent < until:
            size = max(min(FRAMES_A_ROUND, until - self.sent), 8)
            self.round(self.next_frames(size))
            if self.random.random() < 0.5:
                self.change()
        while self.postponed:
            self.round(self.next_frames(0))
        self.round([])
        self.check_counters("tunnel", self.through)
        self.check_counters("decap", self.opened)
        self.check_marks()
        narrow = self.flows.narrow(self.oracle.tables.tunnels) + self.flows.crowded()
        if narrow:
            raise Disagreement(f"seed {self.seed}: {narrow}")

    def check_counters(self, table, wanted):
        """What `weftctl show` counted is what came and went."""
        counted = {row["name"]: row["packets"] for row in self.tester.api.get(f"/v1/{table}")["rows"]}
        wrong = [f"{name}: {n} packets counted, {wanted[name]} were right" for name, n in counted.items()
                 if n != wanted[name]]
        if wrong:
            raise Disagreement(f"seed {self.seed}, {table}: {', '.join(wrong)}")

    def forget_marks(self):
        """A mark that is gone leaves what it counted to those that have none, and one that comes begins anew."""
        now = {(d.name, name) for d in self.oracle.tables.decaps for name in (None, *(m[0] for m in d.marks))}
        for decap, mark in set(self.marked) - now:
            self.marked[decap, None] += self.marked.pop((decap, mark))

    def check_marks(self):
        """What `weftctl show decap NAME` counted is what each mark was seen on."""
        for decap in self.oracle.tables.decaps:
            rows = self.tester.api.get(f"/v1/decap?name={decap.name}")["rows"]
            counted = {row["mark"]: row["packets"] for row in rows}
            wanted = {mark: self.marked[decap.name, mark] for mark in (*(m[0] for m in decap.marks), None)}
            if counted != wanted:
                raise Disagreement(f"seed {self.seed}, marks of {decap.name}: {counted} counted, {wanted} were right")

    def close(self):
        self.tester.close()


def run_topology(seed, count, shrink=True, policies=True):
    """One topology and `count` frames through it; returns the finished session's figures."""
    with Lab() as lab:
        session = Session(lab, seed, shrink, policies)
        try:
            session.run(count)
        finally:
            session.close()
        return session
