#!/usr/bin/python3
"""Counts test results: `results.py junit|meson FILE` prints "passed failed skipped", then a line
for each failure. `junit` is pytest's XML, `meson` the testlog.json of `meson test`."""

import json
import sys
import xml.etree.ElementTree as ElementTree


def junit(path):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        tags = {child.tag for child in case}
        if tags & {"failure", "error"}:
            yield name, "failed"
        else:
            yield name, "skipped" if "skipped" in tags else "passed"


def meson(path):
    outcomes = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            yield test["name"], outcomes.get(test["result"], "failed")


def main():
    kind, path = sys.argv[1:]
    outcomes = {}
    for name, outcome in {"junit": junit, "meson": meson}[kind](path):
        # A test that fails and whose teardown fails too is one failure.
        outcomes[name] = "failed" if outcomes.get(name) == "failed" else outcome
    counts = list(outcomes.values())
    print(*(counts.count(outcome) for outcome in ("passed", "failed", "skipped")))
    for name, outcome in outcomes.items():
        if outcome == "failed":
            print(name)


if __name__ == "__main__":
    main()
