"""Hostile texts in every field of every reply: all screens, their views, details and dialogs, in terminals of all sizes."""

import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import trustme
from rich.cells import cell_len

from tests.tui import builders, walking
from tests.tui.driving import Driver, driven
from tests.tui.estate import estate
from tests.tui.poison import Poisoned
from tui.catalogue import PLACES
from tui.messages import GoTo

NAMES = [place.name for place in PLACES]
SIZE = (80, 24)
OTHER_SIZES = ((60, 20), (20, 5), (200, 60))
# Over all tests of this file: a screen that two others open is tried once, and looked at in all sizes once.
TRIED: set[tuple[object, ...]] = set()
RESIZED: set[tuple[object, ...]] = set()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are exported go there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def poisoned(request: pytest.FixtureRequest, authority: trustme.CA) -> AsyncIterator[Poisoned]:
    """Names are hostile; with the parameter True every text, also figures, dates and states."""
    scripted = Poisoned(estate(assets=24), authority, everything=getattr(request, "param", False))
    await scripted.start()
    yield scripted
    await scripted.stop()


class Looking:
    """Looks whether the program runs, and whether what it draws is harmless and as wide as the terminal."""

    def __init__(self, driver: Driver, scripted: Poisoned) -> None:
        self._driver, self._scripted = driver, scripted

    async def __call__(self, what: str) -> None:
        """Each screen and dialog in all sizes, when it is seen first."""
        self.check(what)
        screen = self._driver.app.screen
        kind = (type(screen), walking.view_of(screen), *(str(box.border_title) for box in screen.children))
        if kind not in RESIZED:
            RESIZED.add(kind)
            for size in OTHER_SIZES:
                await walking.resize(self._driver, self._scripted, size)
                self.check(f"{what} at {size}")
            await walking.resize(self._driver, self._scripted, SIZE)

    def check(self, what: str) -> None:
        """Now."""
        assert self._driver.app.is_running, what
        for line in walking.cells(self._driver):
            harmful = [one for one in line if unicodedata.category(one)[0] == "C"]
            assert not harmful, f"{what}: {harmful} in {line!a}"
            assert cell_len(line) == self._driver.app.size.width, f"{what}: {line!a}"


@pytest.mark.parametrize("name", NAMES)
async def test_no_name_breaks_a_screen_or_what_it_opens(poisoned: Poisoned, name: str) -> None:
    async with driven(poisoned) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        await walking.go(driver, poisoned, name)
        await walking.Walk(driver, poisoned, Looking(driver, poisoned), tried=TRIED).on(name)


@pytest.mark.parametrize("poisoned", [True], indirect=True)
async def test_figures_dates_and_states_that_are_none_break_nothing(poisoned: Poisoned) -> None:
    async with driven(poisoned) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        looking = Looking(driver, poisoned)
        for name in NAMES:
            await walking.go(driver, poisoned, name)
            await walking.Walk(driver, poisoned, looking).on(name)


@pytest.mark.parametrize("words", [builders.HOSTILE[0], builders.HOSTILE[4]])
async def test_what_the_aggregator_says_is_wrong_is_shown_as_text(poisoned: Poisoned, words: str) -> None:
    async with driven(poisoned) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        looking = Looking(driver, poisoned)
        poisoned.script.failure = (grpc.StatusCode.INVALID_ARGUMENT, f"name: {words}")
        for name in NAMES:
            driver.app.post_message(GoTo(name))
            await walking.settled(driver, poisoned)
            looking.check(name)
        for key in ("2", "z", "3", "r"):
            await driver.press(key)
            await walking.settled(driver, poisoned)
            looking.check(key)
