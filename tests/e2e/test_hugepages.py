"""What sessions lie on, by how many hugepages the kernel has to spare."""

from pathlib import Path

import pytest
from topology import Lone
from weft import udp_socket, wait_until

NR_HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")
PAGE_MB = 2
PACKETS_MB = 64
# 65536 sessions of IPv4, 16384 of IPv6, and what may be wasted.
SESSIONS_MB = 16 + 6 + 12


def free_pages():
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["HugePages_Free"]) - int(lines["HugePages_Rsvd"])


@pytest.fixture
def pages():
    """Asks the kernel for so many MiB of hugepages; they go with the test."""
    before = int(NR_HUGEPAGES.read_text())
    if before:
        pytest.skip("this machine has hugepages")

    def ask(mb):
        NR_HUGEPAGES.write_text(str(mb // PAGE_MB))
        if free_pages() < mb // PAGE_MB:
            pytest.skip(f"the kernel does not give {mb} MiB of hugepages")
    yield ask
    NR_HUGEPAGES.write_text(str(before))


def router(lab, hugepages):
    def change(_, config):
        config["dpdk"] = {"hugepages": hugepages, "memory_mb": PACKETS_MB}
        config["flows"] = {"sessions": 65536, "sessions6": 16384}
    lone = Lone(lab, change)
    with udp_socket(lone.vm.name, "10.1.0.11", 5000) as s:
        s.sendto(b"x", ("10.1.0.12", 5001))
    wait_until(lambda: [r for r in lone.router.table("flow") if "5001" in r["destination"]], 3, "the session")
    return lone.router


def memory(router, counter):
    return {r["object"]: r["value"] for r in router.table("stats") if r["counter"] == counter}


def test_enough_hugepages(lab, pages):
    pages(PACKETS_MB + SESSIONS_MB)
    weftd = router(lab, "auto")
    assert memory(weftd, "hugepage_bytes") == {"flow ipv4": 16 << 20, "flow ipv6": 6 << 20}
    assert memory(weftd, "memory_bytes") == {"flow ipv4": 16 << 20, "flow ipv6": 6 << 20}
    assert "sessions: 22 MiB on hugepages" in weftd.log()
    # Packets keep what they may take.
    assert 0 <= free_pages() * PAGE_MB <= PACKETS_MB
    assert weftd.stop() == 0
    assert free_pages() == (PACKETS_MB + SESSIONS_MB) // PAGE_MB


@pytest.mark.parametrize("hugepages,mb", (("auto", PACKETS_MB + SESSIONS_MB - PAGE_MB), ("on", PACKETS_MB),
                                          ("off", 4 * (PACKETS_MB + SESSIONS_MB)), ("auto", 0)))
def test_too_few_hugepages_or_none_wanted(lab, pages, hugepages, mb):
    pages(mb)
    weftd = router(lab, hugepages)
    assert memory(weftd, "hugepage_bytes") == {"flow ipv4": 0, "flow ipv6": 0}
    assert "sessions: up to 22 MiB as they are used, without hugepages" in weftd.log()
    assert f"{PACKETS_MB} MiB {'on' if mb and hugepages != 'off' else 'without'} hugepages" in weftd.log()
