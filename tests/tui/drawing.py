"""Draws every screen of the scripted estate into SVG files, in a process of its own: a theme is chosen when it starts.

``python -m tests.tui.drawing FOLDER``; the theme is that of TEXTUAL_THEME, in that of the terminal's own colours only the
screens of ``FOUR`` are drawn.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trustme
from textual.widgets import Input

from tests.tui import walking
from tests.tui.driving import Driver, driven
from tests.tui.estate import estate
from tests.tui.estate_triage import monday
from tests.tui.scripted import Scripted
from tui.catalogue import PLACES
from tui.screens.live import LiveScreen

NORMAL, WIDE = (80, 24), (200, 60)
FOUR = ("dashboard", "unbound", "billing", "over-under")
# The main screen that each picture begins with, and the keys from there.
PICTURES: dict[str, tuple[str, ...]] = {
    **{place.name: (place.name,) for place in PLACES},
    "client": ("clients", "enter"),
    "asset": ("assets", "enter"),
    "bucket": ("buckets", "enter"),
    "reading": ("billing", "comma", "v", "enter"),
    "checklist": ("billing", "comma", "C"),
    "explain": ("billing", "comma", "v", "i"),
    "projection": ("projections", "enter"),
    "accept": ("unbound", "a"),
    "what-if": ("buckets", "w", *"80", "tab"),
    "form": ("buckets", "T"),
    "help": ("unbound", "question_mark"),
}
# These show forty new assets, the others a year of business.
ON_MONDAY = {"unbound", "accept", "help"}
# A figure is asked for when nothing was typed for a while.
TYPED_SECONDS = 0.4


async def draw(names: Sequence[str], size: tuple[int, int], folder: Path, *, on_monday: bool) -> None:
    """Main screens in one program, whatever keys lead to in one of its own: what they chose is on no other picture."""
    script = estate()
    for asset in script.assets[40:44]:
        asset.disregarded = True
    if on_monday:
        monday(script)
    scripted = Scripted(script, trustme.CA())
    await scripted.start()
    main = [name for name in names if len(PICTURES[name]) == 1]
    for group in filter(None, [main, *([name] for name in names if name not in main)]):
        async with driven(scripted, size=size) as driver:
            await driver.until(partial(getattr, driver.app.desk, "who"), "the connection")
            # The port is another one in every run.
            driver.app.desk.who = "ops (viewer) at ullage.example:8443"
            for name in group:
                await _open(driver, scripted, *PICTURES[name])
                picture = driver.app.export_screenshot(title="ullage")
                (folder / f"{name}-{size[0]}.svg").write_text(picture, "utf-8")
    await scripted.stop()


async def _open(driver: Driver, scripted: Scripted, main: str, *keys: str) -> None:
    await walking.go(driver, scripted, main)
    for key in keys:
        await driver.press(key)
        if key.isdecimal():
            await asyncio.sleep(TYPED_SECONDS)
        await walking.settled(driver, scripted)
    for field in driver.app.screen.query(Input):
        field.cursor_blink = False
    for screen in driver.app.screen_stack:
        if isinstance(screen, LiveScreen):
            screen.show_link()
    await walking.settled(driver, scripted)


async def draw_all(folder: Path, environment: Mapping[str, str]) -> None:
    """All at 80×24 and the four also at 200×60; of the terminal's own colours the four at 80×24."""
    own_colours = environment.get("TEXTUAL_THEME", "").startswith("ansi")
    for size in (NORMAL,) if own_colours else (NORMAL, WIDE):
        names = PICTURES if size == NORMAL and not own_colours else FOUR
        for on_monday in (False, True):
            wanted = [name for name in names if (name in ON_MONDAY) == on_monday]
            await draw(wanted, size, folder, on_monday=on_monday)


if __name__ == "__main__":
    asyncio.run(draw_all(Path(sys.argv[1]), os.environ))
