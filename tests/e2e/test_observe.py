"""trace and capture: what they tell is true, and they harm nobody, under load neither."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from scapy.error import Scapy_Exception
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader, RawPcapReader
from topology import Pair
from weft import ROUTER_MAC, WEFTCTL, Stream, inside, run, udp_socket, wait_until

VM_MAC = "02:00:00:00:01:11"


@pytest.fixture(scope="module")
def pair(module_lab):
    pair = Pair(module_lab)
    assert pair.vms["blue", "a"].ping("10.1.0.12") == 5
    return pair


@pytest.fixture
def talk(pair):
    """Datagrams from blue's VM on a to blue's on b, port 9, with numbered payloads, meanwhile."""
    stop = threading.Event()
    sent = []

    def send():
        with udp_socket(pair.vms["blue", "a"].name, "10.1.0.11", 9000) as s:
            while not stop.wait(0.01):
                payload = b"weft %06d" % len(sent)
                sent.append(payload)
                s.sendto(payload, ("10.1.0.12", 9))
    thread = threading.Thread(target=send)
    thread.start()
    yield sent
    stop.set()
    thread.join()


@contextlib.contextmanager
def weftctl(router, *arguments):
    process = subprocess.Popen([str(WEFTCTL), "--socket", str(router.socket), *map(str, arguments)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ctl(router, *arguments, code=0):
    with weftctl(router, *arguments) as process:
        out, err = process.communicate(timeout=15)
        assert process.returncode == code, err.decode()
        return (out if code == 0 else err).decode()


def disarmed(router):
    wait_until(lambda: router.table("observers") == [], 2, "every trace and capture ended")


def records(path):
    """(bytes, interface, direction, comment) of each frame, as tshark reads the file."""
    fields = ["frame.interface_name", "frame.packet_flags_direction", "frame.comment", "frame.len"]
    text = run("tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|",
               *[word for field in fields for word in ("-e", field)])
    rows = [line.split("|") for line in text.splitlines() if "|" in line]
    with contextlib.closing(RawPcapNgReader(str(path))) as reader:
        frames = [data for data, _ in reader]
    assert len(rows) == len(frames)
    return [(frame, name, int(direction or "0", 16), comment, int(size))
            for frame, (name, direction, comment, size) in zip(frames, rows)]


def test_trace_follows_stage_by_stage(pair, talk):
    lines = [json.loads(line) for line in
             ctl(pair.a, "--json", "trace", "--vif", "blue", "--count", "3", "udp", "port",
                 "9").splitlines()]
    assert len(lines) == 4 and lines[-1] == {"end": "packets", "packets": 3, "lost": 0}
    for line in lines[:3]:
        assert line["from"] == "vif blue" and line["verdict"] == "transmit" and line["port"] == "fab0"
        stages = {step["stage"]: step["text"] for step in line["steps"]}
        of_flows = stages.pop("flow", None) or stages.pop("admit")
        assert "session" in of_flows
        assert list(stages) == ["parse", "resolve", "rewrite", "encap", "output"]
        assert "tunnel to-blue" in stages["resolve"]
        outer = Ether(bytes.fromhex(line["frame_hex"]))
        assert outer[IP].dst == "192.0.2.2" and outer[UDP].dport == 4789
        assert bytes(outer)[-11:] in talk
    text = ctl(pair.b, "trace", "--port", "fab0", "udp", "port", "4789")
    for words in ("vxlan vni 100", "=> transmit out of blue", "1 packet\n"):
        assert words in text
    disarmed(pair.a)


def test_trace_tells_of_drops(pair):
    with weftctl(pair.a, "trace", "--vif", "blue", "udp port 7777") as process:
        wait_until(lambda: pair.a.table("observers"), 2, "the trace runs")
        spoof(pair, 1)
        out = process.communicate(timeout=5)[0].decode()
    assert "drop: the VIF sent from an IP address" in out
    assert "=> drop: spoofed_ip" in out


def spoof(pair, count):
    frame = (Ether(dst=ROUTER_MAC, src=VM_MAC) / IP(src="10.1.0.66", dst="10.1.0.12") /
             UDP(sport=1, dport=7777) / b"spoofed")
    wire = pair.lab.wire(pair.vms["blue", "a"], "vm0")
    wire.send(frame, count)
    return bytes(frame)


def test_what_is_asked_wrongly_is_refused_with_the_remedy(pair, lab):
    for words, text in [
            (["trace", "--vif", "blu"], 'did you mean "blue"'),
            (["trace", "--port", "fab9"], "there is no port"),
            (["trace", "host 192.0.2.1 and and"], "syntax error"),
            (["trace", "host", "example.org"], "names of hosts are not looked up"),
            (["trace", "vlann"], "is no word of pcap-filter(7)"),
            (["capture", "--dropped=spoofed", "-w", lab.directory / "no.pcapng"],
             "there is no drop reason"),
            (["capture", "-w", "/nonexistent/x.pcapng", "--seconds", "1"], "No such file")]:
        assert text in ctl(pair.a, *words, code=1), words
    assert not (lab.directory / "no.pcapng").exists()
    disarmed(pair.a)


def test_capture_has_the_bytes_and_directions(pair, lab, talk):
    kernel, kernel_file = lab.capture(pair.vms["blue", "b"], "vm0", "udp port 9")
    here = lab.directory / "vif.pcapng"
    fabric = lab.directory / "fab.pcapng"
    with weftctl(pair.b, "capture", "--vif", "blue", "-w", here, "--count", "20", "udp", "port", "9"), \
            weftctl(pair.b, "capture", "--port", "fab0", "--direction", "in", "-w", fabric, "--count",
                    "20", "udp port 4789") as other:
        other.communicate(timeout=10)
        wait_until(lambda: len(pair.b.table("observers")) == 0, 10, "20 frames")
    # What the VM's kernel got is what left at the VIF, byte for byte.
    left = records(here)
    assert len(left) == 20
    assert {(name, direction, comment) for _, name, direction, comment, _ in left} == \
        {("vif blue", 2, "")}
    last = left[-1][0]

    def seen():
        frames = []
        with contextlib.suppress(EOFError, Scapy_Exception), \
                contextlib.closing(RawPcapReader(str(kernel_file))) as reader:
            frames += [bytes(data) for data, _ in reader]
        return frames
    wait_until(lambda: last in seen(), 5, "tcpdump saw them too")
    kernel.terminate()
    kernel.wait()
    frames = [frame for frame, *_ in left]
    start = seen().index(frames[0])
    assert seen()[start:start + 20] == frames
    arrived = records(fabric)
    assert {(name, direction) for _, name, direction, *_ in arrived} == {("port fab0", 1)}
    assert all(Ether(frame)[UDP].dport == 4789 and frame[-11:] in talk for frame, *_ in arrived)
    times = [float(line) for line in run("tshark", "-n", "-r", here, "-T", "fields", "-e",
                                         "frame.time_epoch").splitlines() if line[:1].isdigit()]
    assert times == sorted(times) and abs(times[-1] - time.time()) < 60


def test_capture_of_what_died(pair, lab):
    path = lab.directory / "dropped.pcapng"
    with weftctl(pair.a, "capture", "--dropped", "spoofed_ip", "-w", path, "--count", "3") as process:
        wait_until(lambda: pair.a.table("observers"), 2, "the capture runs")
        frame = spoof(pair, 3)
        process.communicate(timeout=5)
    assert [(data, name, comment) for data, name, _, comment, _ in records(path)] == [
        (frame, "vif blue", "dropped: spoofed_ip (parse): the VIF sent from an IP address that is "
                            "not among its `addresses`")] * 3


def test_capture_is_bounded_and_cut_where_asked(pair, lab, talk):
    path = lab.directory / "bounded.pcapng"
    ctl(pair.a, "capture", "--max-bytes", "20000", "--snaplen", "60", "-w", path, "udp")
    assert 8000 < path.stat().st_size <= 20000
    assert all(len(frame) <= 60 < size or len(frame) == size for frame, *_, size in records(path))
    assert talk
    disarmed(pair.a)


def test_capture_into_a_pipe_and_ctrl_c(pair, talk):
    with weftctl(pair.a, "capture", "--vif", "blue", "-w", "-", "udp port 9") as process:
        tshark = subprocess.Popen(["tshark", "-n", "-l", "-i", "-", "-c", "5", "-T", "fields", "-e",
                                   "udp.dstport"], stdin=process.stdout, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        assert tshark.communicate(timeout=15)[0].split() == ["9"] * 5
    with weftctl(pair.a, "capture", "--vif", "blue", "-w", "-", "udp port 9") as process:
        wait_until(lambda: any(row["matched"] > 3 for row in pair.a.table("observers")), 5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
        assert process.returncode == 0, err
    # The last block: statistics of the interface, all that matched and none lost.
    size = int.from_bytes(out[-4:], "little")
    assert int.from_bytes(out[-size:][:4], "little") == 5 and len(out) % 4 == 0
    assert talk
    disarmed(pair.a)


def test_curl_gets_the_same(pair, talk):
    out = run("curl", "-sS", "--max-time", "10", "--unix-socket", pair.a.socket, "-d",
              '{"packets": 2, "filter": "udp port 9"}', "http://x/v1/trace")
    assert [json.loads(line).get("verdict") for line in out.splitlines()] == ["transmit", "transmit",
                                                                              None]
    assert talk


def test_under_load_nothing_is_lost_and_all_is_disarmed(pair, lab):
    """Traces and captures come, go and are killed while both workers forward: quality.md class 12."""
    sink = lab.directory / "load.pcapng"
    started = []

    def meanwhile(turn):
        words = [["trace", "--count", "1000"], ["capture", "-w", sink],
                 ["capture", "--dropped", "-w", os.devnull], ["trace", "--count", "5", "udp"],
                 ["capture", "--snaplen", "64", "-w", "-", "ip and udp"]][turn % 5]
        process = subprocess.Popen(
            [str(WEFTCTL), "--socket", str(pair.a.socket), *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(process)
        if len(started) > 5:
            started[-6].send_signal([signal.SIGINT, signal.SIGKILL, signal.SIGTERM][turn % 3])

    # The blue and the red tap belong to different workers.
    other = pair.vms["red", "a"].start("ping", "-q", "-i", "0.005", "10.1.0.12")
    stream = Stream(pair.vms["blue", "a"], pair.vms["blue", "b"], "10.1.0.12")
    before = pair.a.drops()
    packets = {row["lcore"]: row["packets"] for row in pair.a.table("workers")}
    try:
        turns = stream.run(12000, 4000, meanwhile)
        assert turns >= 20
        assert not stream.lost(), f"{len(stream.lost())} lost; {pair.a.drops() - before}"
    finally:
        stream.close()
        for process in [*started, other]:
            if process.poll() is None:
                process.kill()
            process.wait()
    disarmed(pair.a)
    assert pair.a.process.poll() is None
    for row in pair.a.table("workers"):
        assert row["packets"] > packets[row["lcore"]], "a worker had no traffic"


def test_a_reader_that_does_not_read_harms_nobody(pair, talk):
    """It gets what fits its buffers, is dropped in the end, and control answers all the while."""
    import socket
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(pair.a.socket))
        slow.sendall(b"POST /v1/capture HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        wait_until(lambda: pair.a.table("observers"), 2, "the capture runs")
        with udp_socket(pair.vms["blue", "a"].name, "10.1.0.11") as s, \
                inside(pair.vms["blue", "a"].name):
            for _ in range(6000):
                s.sendto(bytes(1400), ("10.1.0.12", 5))
        # What the burst has left in queues is lost to pings, too.
        wait_until(lambda: pair.vms["blue", "a"].ping("10.1.0.12") == 5, 10, "all answers")
        start = time.monotonic()
        pair.a.table("workers")
        assert time.monotonic() - start < 2
    disarmed(pair.a)
    assert talk
