"""Names that say nothing, and texts that belong to one machine, are not committed."""

import re
import subprocess

import pytest

from tests.house.sources import ROOT, python_files, shown

SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "manager", "base", "misc"}
# Written in two parts, so that this file does not hold what it forbids.
OF_ONE_MACHINE = {
    "a folder of one machine": "/wo" + "rk/|/ro" + "ot/|/ho" + "me/[a-z]",
    "a package registry's address": "pypi\\.or" + "g|pythonho" + "sted|registry\\.npm" + "js|debian\\.or" + "g/debian",
    "a package mirror's address": "artifact" + "ory|pkg\\.de" + "v/|/simp" + "le/",
    "an index option in a lock": "^--(extra-)?index-u" + "rl|^--find-li" + "nks",
}  # fmt: skip


def committed() -> list[str]:
    """Files that git knows, or skip: an unpacked release has no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name]


def test_no_file_is_named_for_nothing() -> None:
    assert [shown(path) for path in python_files() if {path.stem, path.parent.name} & SAY_NOTHING] == []


def test_no_committed_file_belongs_to_one_machine() -> None:
    found = []
    for name in committed():
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            text = data.decode("utf-8", errors="replace")
            for what, pattern in OF_ONE_MACHINE.items():
                found += [f"{name}: {what}: {match[0]}" for match in re.finditer(pattern, text, re.MULTILINE)]
    assert found == []


def test_every_document_that_is_mentioned_exists() -> None:
    missing = []
    for name in (name for name in committed() if name.endswith(".md")):
        text = re.sub(r"https?://\S+", "", (ROOT / name).read_text("utf-8")) if (ROOT / name).exists() else ""
        for mentioned in re.findall(r"[\w./-]*\w\.md\b", text):
            if not any((place / mentioned).exists() for place in (ROOT, (ROOT / name).parent)):
                missing.append(f"{name} mentions {mentioned}")
    assert missing == []
