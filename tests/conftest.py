"""Fixtures of the tests that need a built weftd and namespaces."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.dont_write_bytecode = True

import weft  # noqa: E402


def pytest_sessionstart():
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces, which needs root", returncode=1)
    if not weft.WEFTD.exists():
        pytest.exit(f"there is no {weft.WEFTD}: build first", returncode=1)
    # Ends like Ctrl-C, so that namespaces and routers go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
def lab():
    with weft.Lab() as made:
        yield made


@pytest.fixture(scope="module")
def module_lab():
    with weft.Lab() as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows what the routers said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name in ("lab", "module_lab"):
            if name in getattr(item, "funcargs", {}):
                report.sections.append(("routers", item.funcargs[name].logs()))
