"""Driving the real program without a terminal: press keys, wait for what must appear, read what is drawn."""

import asyncio
import html
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from textual.pilot import Pilot

from tests.tui import builders
from tests.tui.scripted import Scripted
from tui.app import UllageApp
from tui.client import Aggregator
from tui.widgets.frame import StatusBar

WAIT_SECONDS_MAX = 15.0
_TEXT = re.compile(r'<text [^>]*?x="([\d.]+)"[^>]*?y="([\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)


class Driver:
    """A running program and the keys to it."""

    def __init__(self, app: UllageApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    def lines(self) -> list[str]:
        """What is drawn, without colours, in the order of the lines."""
        rows: dict[float, list[tuple[float, str]]] = defaultdict(list)
        for x, y, text in _TEXT.findall(self.app.export_screenshot(title="-")):
            rows[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ")))
        return ["".join(text for _, text in sorted(parts)) for _, parts in sorted(rows.items())]

    def seen(self) -> str:
        """All lines."""
        return "\n".join(self.lines())

    def figures(self) -> datetime | None:
        """As of when the screen on view shows figures."""
        return self.app.screen.query_one(StatusBar).figures_at

    async def press(self, *keys: str) -> None:
        """One after the other, each seen through."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for the program; fails with what is drawn when it does not come."""
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while not condition():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(f"never came: {what}; drawn is\n{self.seen()}") from None

    async def see(self, *texts: str) -> None:
        """Waits until all of them are drawn."""
        await self.until(lambda: all(text in self.seen() for text in texts), f"{texts} on the screen")


@asynccontextmanager
async def driven(scripted: Scripted, *, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Driver]:
    """The program on a terminal of that size, its clock standing at NOW, connected."""
    async with Aggregator(scripted.settings) as aggregator:
        app = UllageApp(aggregator, clock=lambda: builders.NOW)
        async with app.run_test(size=size, notifications=True) as pilot:
            driver = Driver(app, pilot)
            yield driver
