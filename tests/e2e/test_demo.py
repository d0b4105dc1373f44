"""The kinds of tunnels that tools/demo offers are those that there are."""

import re
import subprocess

from weft import TOP

DEMO = TOP / "tools" / "demo"
REFUSED = 64


def demo(*arguments):
    return subprocess.run([DEMO, *arguments], capture_output=True, text=True, timeout=10, check=False)


def accepted(kind):
    """The kind is looked at first; then there is no such demo to take down."""
    done = demo("--tunnel", kind, "--down", "nothing")
    return done.returncode == 1 and "no demo called nothing" in done.stderr


def offered():
    done = demo("--tunnel", "carrier-pigeon")
    assert done.returncode == REFUSED and not done.stdout, done
    told = re.fullmatch(r"error: there is no tunnel kind carrier-pigeon; the kinds are (.*)\n", done.stderr)
    return told[1].split(", ")


def test_an_unknown_kind_is_refused_with_the_list():
    assert all(accepted(kind) for kind in offered())


def test_every_kind_is_offered():
    header = (TOP / "include/weft/tunnel.hpp").read_text(encoding="utf-8")
    kinds = set(re.findall(r'TunnelKindInfo\{TunnelKind::\w+, "(\w+)"', header))
    assert len(kinds) > 1, "this test does not read the header well"
    missing = [kind for kind in kinds if not accepted(kind)]  # by the name that weft.yaml uses
    assert not missing


def test_readme_names_every_kind():
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    told = readme[readme.index("$ sudo tools/demo"):readme.index("## Install")]
    missing = [kind for kind in offered() if kind != "vxlan" and not re.search(rf"`(--tunnel )?{kind}`", told)]
    assert not missing
