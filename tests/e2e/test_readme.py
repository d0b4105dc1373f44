"""What README says of drop reasons and keys is what the code says."""

import re

from weft import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")


def test_every_drop_reason_is_explained():
    header = (TOP / "include/weft/drop_reason.hpp").read_text(encoding="utf-8")
    reasons = re.findall(r'X\((\w+), "(\w+)",([^)]*(?:\)[^)]*?)*?)\)\s*(?:\\\n|\n\n)', header)
    wanted = {name: (stage, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)))
              for name, stage, text in reasons}
    assert len(wanted) == header.count("\n  X("), "this test does not read the header well"
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", README, re.M)
    found = {name: (stage, text) for name, stage, text, _ in rows}
    assert found == wanted
    assert all(remedy.strip() for *_, remedy in rows)


def test_every_key_is_explained():
    drafts = sorted((TOP / "control/agent").glob("config_draft*.cpp"))
    draft = "\n".join(path.read_text(encoding="utf-8") for path in drafts)
    keys = set(re.findall(r'(?:required|optional|read_list|peers|ranges|number|rules)\((?:map, |[\w.() !=]+, )?"(\w+)"', draft))
    table = README[README.index("| key | meaning"):README.index("| device | what it is")]
    table += README[README.index("| key of a rule |"):README.index("weftctl security-group set web")]
    missing = [key for key in keys if not re.search(rf"\b{key}\b", table)]
    assert not missing
