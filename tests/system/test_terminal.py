"""A morning's work in the real terminal: `make demo` in tmux at 80×24, on the real aggregator that it starts.

Triage, taking it back, a billing run, an export, and the end of everything when the person leaves.
"""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_demo import programs_left

ROOT = Path(__file__).parents[2]
DAYS = 90
DEMO_SECONDS_MAX = 600.0
SCREEN_SECONDS_MAX = 90.0
POLL_SECONDS = 0.2
KEY_SECONDS = 0.05


class Tmux:
    """One window of 80×24 in a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        self.ran: list[str] = []

    def __call__(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", os.devnull, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment | {"LC_ALL": "C.UTF-8"},
            timeout=30,
        )
        return done.stdout

    def seen(self) -> str:
        return self("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        for key in keys:
            self("send-keys", *(("-l", key) if len(key) == 1 else (key,)))
            time.sleep(KEY_SECONDS)

    def see(self, pattern: str, *, seconds: float = SCREEN_SECONDS_MAX) -> re.Match[str]:
        """Waits for what the pattern finds."""
        deadline = time.monotonic() + seconds
        while True:
            drawn = self.seen()
            found = re.search(pattern, drawn)
            if found:
                return found
            assert time.monotonic() < deadline, f"never came: {pattern}; drawn is\n{drawn}"
            time.sleep(POLL_SECONDS)

    def gone(self, pattern: str) -> None:
        """Waits until the pattern finds nothing."""
        deadline = time.monotonic() + SCREEN_SECONDS_MAX
        while re.search(pattern, self.seen()):
            assert time.monotonic() < deadline, f"did not go: {pattern}; drawn is\n{self.seen()}"
            time.sleep(POLL_SECONDS)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.fail("tmux is needed: apt-get install tmux")
    made = Tmux(tmp_path)
    yield made
    made("kill-server")


class Twin:
    """The same aggregator from the command line."""

    def __init__(self, folder: Path) -> None:
        log = (folder / "logs" / "aggregator.log").read_text("utf-8")
        ready = [json.loads(line) for line in log.splitlines() if '"people"' in line][-1]
        self._environment = {
            **os.environ,
            "ULLAGE_ADDRESS": ready["people"],
            "ULLAGE_CA": str(folder / "ca" / "ca.crt"),
            "ULLAGE_KEY_FILE": str(folder / "key"),
        }

    def __call__(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "tui", *arguments, "--format", "json"],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)


def test_a_mornings_work(tmux: Tmux, tmp_path: Path) -> None:
    folder, desk = tmp_path / "demo", tmp_path / "desk"
    desk.mkdir()
    demo = shlex.join([sys.executable, "-m", "deploy.demo"])
    settings = {"ULLAGE_DEMO_DIR": str(folder), "ULLAGE_DEMO_DAYS": str(DAYS), "PYTHONPATH": str(ROOT)}
    environment = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
    tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", str(desk), *environment, demo)

    # Start: the dashboard with figures, over a live connection.
    tmux.see(r"● live", seconds=DEMO_SECONDS_MAX)
    tmux.see(r"Top clients, this period")
    tmux.see(r"(healthy|warning|critical) ·")
    twin = Twin(folder)

    # Triage: what is suggested for a group of alike assets, in two keys; back; and again.
    before = twin("assets", "list", "--unbound")
    tmux.press("4")
    tmux.see(rf"Unbound assets.*{len(before)}")
    tmux.see(r"a accepts for these \d+")
    tmux.press("a")
    tmux.see(r"Do it  y")
    tmux.press("y")
    tmux.see(r"z takes it back")
    accepted = len(before) - len(twin("assets", "list", "--unbound"))
    assert accepted > 1
    tmux.press("z")
    tmux.see(r"Take back: bind assets")
    tmux.see(r"Do it  y")
    tmux.press("y")
    tmux.see(r"set back, as group")
    assert [one["id"] for one in twin("assets", "list", "--unbound")] == [one["id"] for one in before]
    tmux.see(r"a accepts for these \d+")
    tmux.press("a")
    tmux.see(r"Do it  y")
    tmux.press("y")
    tmux.see(r"z takes it back")
    assert len(twin("assets", "list", "--unbound")) == len(before) - accepted

    # Billing: a run, then what is on view into a file.
    runs = {one["name"]: one["last_started"] for one in twin("jobs", "list")}
    tmux.press("6")
    tmux.see(r"6 ?Billing")
    tmux.press("R")
    tmux.see(r"only what changed")
    tmux.press("Enter")
    deadline = time.monotonic() + SCREEN_SECONDS_MAX
    while {one["name"]: one["last_started"] for one in twin("jobs", "list")}["billing"] == runs["billing"]:
        assert time.monotonic() < deadline, tmux.seen()
    tmux.see(r"✔ Billing is done, .* at \d\d:\d\d")
    tmux.press("e")
    tmux.see(r"Export ")
    tmux.press("Enter")
    tmux.see(r"\d rows? in ullage-")
    written = list(desk.glob("ullage-*.csv"))
    assert len(written) == 1
    with written[0].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {"client"} <= set(rows[0])

    # Leaving ends everything.
    tmux.press("q")
    deadline = time.monotonic() + SCREEN_SECONDS_MAX
    while tmux("list-sessions").strip() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    assert programs_left(folder) == []
