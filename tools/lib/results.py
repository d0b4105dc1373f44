#!/usr/bin/python3
"""Counts test results: `results.py junit|meson FILE` prints "passed failed skipped", then a line
for each failure. `junit` is pytest's XML, `meson` the testlog.json of `meson test`, where a Catch2
program counts as many as it has test cases."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

CATCH2_PASSED = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)", re.MULTILINE)
CATCH2_MIXED = re.compile(r"^test cases: +\d+(?: \| +(\d+) passed)? \| +(\d+) failed", re.MULTILINE)


def junit(path):
    """Yields name, outcome and how many."""
    outcomes = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        tags = {child.tag for child in case}
        if tags & {"failure", "error"}:
            outcomes[name] = "failed"
        elif outcomes.get(name) != "failed":  # a test and its teardown may both speak
            outcomes[name] = "skipped" if "skipped" in tags else "passed"
    for name, outcome in outcomes.items():
        yield name, outcome, 1


def meson(path):
    outcomes = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        outcome = outcomes.get(test["result"], "failed")
        said = test.get("stdout", "")
        if outcome == "passed" and (cases := CATCH2_PASSED.search(said)):
            yield test["name"], "passed", int(cases[1])
        elif outcome == "failed" and (cases := CATCH2_MIXED.search(said)):
            yield test["name"], "passed", int(cases[1] or 0)
            yield test["name"], "failed", int(cases[2])
        else:
            yield test["name"], outcome, 1


def main():
    kind, path = sys.argv[1:]
    counts = Counter()
    failures = []
    for name, outcome, number in {"junit": junit, "meson": meson}[kind](path):
        counts[outcome] += number
        if outcome == "failed":
            failures.append(name if number == 1 else f"{name} ({number} cases)")
    print(*(counts[outcome] for outcome in ("passed", "failed", "skipped")))
    for failure in failures:
        print(failure)


if __name__ == "__main__":
    main()
