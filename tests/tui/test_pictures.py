"""The five main screens at 80×24, drawn as they were when somebody looked at them and found them good.

After a change that is meant: ``pytest tests/tui/test_pictures.py --snapshot-update``, and look at the pictures.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from deploy.picture import draw
from tests.tui import builders
from tui.app import UllageApp
from tui.client import Aggregator
from tui.screens.live import LiveScreen
from tui.settings import Given, Settings, load
from tui.widgets.frame import StatusBar

WAIT_SECONDS_MAX = 20.0


class Compare(Protocol):
    """The fixture of pytest-textual-snapshot."""

    def __call__(self, app: App[None], *, terminal_size: tuple[int, int], run_before: object) -> bool: ...


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """How to dial an aggregator in a process of its own."""
    folder = tmp_path_factory.mktemp("serving")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tui.serving", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        given = Given(address=address, ca=str(folder / "ca.crt"), key_file=str(folder / "key"))
        yield load(given, {"HOME": str(folder)})
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5"])
def test_a_main_screen_looks_as_it_should(snap_compare: Compare, settings: Settings, key: str) -> None:
    app = UllageApp(Aggregator(settings), clock=lambda: builders.NOW)

    async def loaded(pilot: Pilot[None]) -> None:
        await pilot.press(key)
        until = time.monotonic() + WAIT_SECONDS_MAX
        while time.monotonic() < until:
            await pilot.pause(0.1)
            if app.screen.query_one(StatusBar).figures_at is not None and app.desk.who:
                break
        # The port is another one in every run.
        app.desk.who = "ops (viewer) at ullage.example:8443"
        assert isinstance(app.screen, LiveScreen)
        app.screen.show_link()
        await pilot.pause(0.3)

    assert snap_compare(app, terminal_size=(80, 24), run_before=loaded)


async def test_the_script_for_the_documents_draws_screens(settings: Settings, tmp_path: Path) -> None:
    names = ["dashboard", "asset", "bucket"]
    written = await draw(settings, names, out=tmp_path / "pictures", size=(80, 24))
    assert [path.stem for path in written] == names
    for path in written:
        picture = path.read_text("utf-8")
        assert "ullage" in picture
        assert "live" in picture
        assert "https://cdnjs" not in picture
