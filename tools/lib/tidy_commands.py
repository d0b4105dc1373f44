#!/usr/bin/python3
"""How clang-tidy is to compile each source: compile_commands.json without what only g++ can read, and with the sources
that are compiled several at a time.

  tidy_commands.py BUILD-DIRECTORY >compile_commands.json
"""
import json
import re
import sys
from pathlib import Path

INCLUDED = re.compile(r'^#include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def commands(build):
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        entry["command"] = re.sub(r" -include [a-z_]*_pch\.hpp", "", entry["command"])
        source = Path(entry["directory"], entry["file"])
        parts = INCLUDED.findall(source.read_text(encoding="utf-8")) if "-unity" in source.name else []
        for part in parts:
            yield {**entry, "command": entry["command"].replace(entry["file"], part), "file": part}
        if not parts:
            yield entry


if __name__ == "__main__":
    json.dump(list(commands(Path(sys.argv[1]))), sys.stdout, indent=1)
