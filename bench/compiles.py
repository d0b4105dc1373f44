#!/usr/bin/python3
"""Whether sources compile of which no test runs what is made of them: compiles.py BUILD SOURCE…"""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def compiles(entry):
    words = shlex.split(entry["command"])
    del words[words.index("-o"):words.index("-o") + 2]
    made = subprocess.run([*words, "-fsyntax-only", "-O0"], cwd=entry["directory"], check=False)
    return made.returncode == 0


def main(build, *sources):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = {os.path.realpath(os.path.join(e["directory"], e["file"])): e for e in json.load(f)}
    missing = [s for s in sources if os.path.realpath(s) not in entries]
    if missing:
        sys.exit("no target has " + ", ".join(missing))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(lambda s: compiles(entries[os.path.realpath(s)]), sources))
    sys.exit(not all(good))


main(*sys.argv[1:])
