"""BFD between weftd and FRR's bfdd, over IPv4 and IPv6."""

import signal
import time

from frr import Bfdd, peer
from topology import Lone
from weft import wait_until

GATEWAYS = {"192.0.2.1": "192.0.2.254", "2001:db8::1": "2001:db8::fe"}


class Meeting:
    """A router whose gateway, of both families, is FRR."""

    def __init__(self, lab, interval=50, theirs=100):
        def change(lone, config):
            lone.fabric.run("sysctl", "-qw", "net.ipv6.conf.eth1.disable_ipv6=0")
            lone.fabric.run("sysctl", "-qw", "net.ipv6.conf.eth1.accept_dad=0")
            lone.fabric.ip("addr", "add", "192.0.2.254/24", "dev", "eth1")
            lone.fabric.ip("addr", "add", "2001:db8::fe/64", "dev", "eth1", "nodad")
            config["ports"][0].update(addresses=["192.0.2.1/24", "2001:db8::1/64"],
                                      gateway=list(GATEWAYS.values()),
                                      bfd={"interval": interval, "multiplier": 3})
        self.lone = Lone(lab, change, start=False)
        lines = [line for ours, gateway in GATEWAYS.items() for line in peer(ours, gateway, theirs)]
        self.frr = Bfdd(lab, self.lone.fabric, "frr", lines)
        self.router = self.lone.router.start()

    def ours(self):
        return {row["neighbour"]: row for row in self.router.table("bfd")}

    def up(self):
        theirs = self.frr.sessions() or {}
        return all(row["state"] == "up" for row in self.ours().values()) and len(theirs) == 2 and \
            all(row["status"] == "up" for row in theirs.values())


def test_sessions_come_up_and_agree(lab):
    meeting = Meeting(lab)
    wait_until(meeting.up, 10, "all sessions up")
    # Both send and hear at the slower one's pace once the poll sequences are over.
    wait_until(lambda: all(row["interval_ms"] == 100 and row["detection_ms"] == 300
                           for row in meeting.ours().values()), 5, "what was agreed")
    for ours, gateway in GATEWAYS.items():
        row, theirs = meeting.ours()[gateway], meeting.frr.sessions()[ours]
        assert row["remote_state"] == "up"
        assert row["discriminator"] == theirs["remote-id"] and row["remote_discriminator"] == theirs["id"]
        assert theirs["remote-receive-interval"] == theirs["remote-transmit-interval"] == 50
        assert theirs["remote-detect-multiplier"] == 3
    start, before = time.monotonic(), meeting.ours()
    time.sleep(2)
    after, seconds = meeting.ours(), time.monotonic() - start
    for gateway, row in after.items():
        # An interval of 100 ms with jitter of up to a quarter; a machine that is busy is late now and then.
        for direction in ("sent", "received"):
            packets = row[direction] - before[gateway][direction]
            assert 10 <= packets <= seconds / 0.075 + 3, (direction, before, after)
    assert not {name for name in meeting.router.drops() if name.startswith("bfd")}
    assert "BFD with 192.0.2.254 is up" in meeting.router.log()


def test_who_is_silent_is_down_and_who_says_so_is_not(lab):
    meeting = Meeting(lab, theirs=50)
    wait_until(meeting.up, 10, "all sessions up")
    meeting.frr.process.send_signal(signal.SIGSTOP)  # `ip netns exec` is bfdd by now
    wait_until(lambda: {row["state"] for row in meeting.ours().values()} == {"down"}, 2, "down")
    row = meeting.ours()["192.0.2.254"]
    assert row["diagnostic"] == "nothing heard in time" and row["downs"] == 1
    assert "BFD with 192.0.2.254 is down: nothing heard in time" in meeting.router.log()
    meeting.frr.process.send_signal(signal.SIGCONT)
    wait_until(meeting.up, 10, "up again")

    # Taken out of service by its operator it says nothing of the way (RFC 5882 section 3.2).
    meeting.frr.shut("192.0.2.1 local-address 192.0.2.254")
    wait_until(lambda: meeting.ours()["192.0.2.254"]["remote_state"] == "admin-down", 5, "admin down")
    row = meeting.ours()["192.0.2.254"]
    assert (row["state"], row["diagnostic"]) == ("down", "the neighbour says so")
    meeting.frr.shut("192.0.2.1 local-address 192.0.2.254", again=True)
    wait_until(meeting.up, 10, "up once more")

    # And so do we.
    assert meeting.router.stop(seconds=5) == 0
    wait_until(lambda: all(row["status"] == "down" and row["remote-diagnostic"] == "administratively down"
                           for row in meeting.frr.sessions().values()), 5, "FRR was told")
