"""Branch coverage of source files over several programs, from the JSON that llvm-cov exports.

usage: branches.py TOP MISSED JSON… -- PATH…

A branch counts as reached when any instantiation of it in any program took it. Prints a line a
file below the PATHs (relative to TOP), and into the file MISSED each branch that was never taken.
"""
import json
import os
import sys


def count_at(segments, place):
    """How often the code at `place` ran; `segments` are sorted by line and column."""
    counts = [count for line, column, count, *_ in segments if (line, column) <= place]
    return counts[-1] if counts else 0


def branches_of(path, top):
    """{file: {(line, column, way): taken}}; without conditions that are known at compile time,
    which count neither way though they ran."""
    with open(path, encoding="utf-8") as stream:
        exported = json.load(stream)
    found = {}
    for entry in exported["data"][0]["files"]:
        name = os.path.relpath(os.path.realpath(entry["filename"]), top)
        file = found.setdefault(name, {})
        for line, column, _, _, true, false, *_ in entry["branches"]:
            if true == false == 0 and count_at(entry["segments"], (line, column)) > 0:
                continue
            for way, count in (("true", true), ("false", false)):
                key = line, column, way
                file[key] = file.get(key, False) or count > 0
    return found


def main():
    top = os.path.realpath(sys.argv[1])
    divider = sys.argv.index("--")
    paths = sys.argv[divider + 1:]
    total = {}
    for export in sys.argv[3:divider]:
        for name, branches in branches_of(export, top).items():
            if not any(name == p or name.startswith(p + "/") for p in paths):
                continue
            file = total.setdefault(name, {})
            for key, taken in branches.items():
                file[key] = file.get(key, False) or taken
    count = reached = 0
    with open(sys.argv[2], "w", encoding="utf-8") as missed:
        for name, branches in sorted(total.items()):
            taken = sum(branches.values())
            count += len(branches)
            reached += taken
            if branches:
                print(f"{name:44} {taken:5} of {len(branches):5} branches {100 * taken / len(branches):6.1f} %")
            for (line, column, way), yes in sorted(branches.items()):
                if not yes:
                    missed.write(f"{name}:{line}:{column}: never {way}\n")
    print(f"{'all':44} {reached:5} of {count:5} branches {100 * reached / max(count, 1):6.1f} %")


if __name__ == "__main__":
    main()
