"""Going everywhere that a person can go by keys: every screen, its views, what enter opens, and every dialog of its keys."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from textual._compositor import LayoutUpdate
from textual.screen import Screen
from textual.widgets import Input

from tests.tui.driving import Driver
from tests.tui.scripted import Scripted
from tui.dialogs.act import ActDialog
from tui.dialogs.form import FormDialog
from tui.messages import GoTo
from tui.screens.live import LiveScreen
from tui.widgets.frame import StatusBar
from tui.widgets.list_table import ListTable
from tui.widgets.row_table import RowTable

# Keys that leave the screen, and those of movement, marks, order and pages: they show nothing that is not shown already.
LEFT_OUT = {"escape", "ctrl+p", "colon", "q", "ctrl+q", "ctrl+c", "super+c", "enter", "tab", "shift+tab", "r"}
LEFT_OUT |= {*"123456789", *"jkhlgGJKsS", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
LEFT_OUT |= {"space", "asterisk", "shift+down", "shift+up", "right_square_bracket", "left_square_bracket"}
LEFT_OUT |= {f"ctrl+{key}" for key in ("home", "end", "pageup", "pagedown", "up", "down", "left", "right")}
# The same on every list: each is tried once.
COMMON = {"z", "Z", "slash", "e", "y", "Y", "question_mark"}
QUIET_SECONDS = 0.025
Look = Callable[[str], Awaitable[None]]


def cells(driver: Driver) -> list[str]:
    """The lines as they would be written, dialogs over what is below them."""
    app = driver.app
    # What a screenshot is made of, without the way over a picture.
    drawn = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(drawn, LayoutUpdate)
    return ["".join(strip.text for strip in line) for line in drawn.strips]


async def resize(driver: Driver, scripted: Scripted, size: tuple[int, int]) -> None:
    """Another size of the terminal."""
    await driver.pilot.resize_terminal(*size)
    await settled(driver, scripted)


async def settled(driver: Driver, scripted: Scripted) -> None:
    """Returns when nothing was asked for a while and all that was drawn is drawn."""
    asked = -1
    while asked != len(scripted.requests):
        asked = len(scripted.requests)
        await asyncio.sleep(QUIET_SECONDS)
        await driver.pilot.pause()


async def go(driver: Driver, scripted: Scripted, name: str) -> None:
    """To a main screen that has its figures."""
    driver.app.post_message(GoTo(name))
    await driver.pilot.pause()
    await driver.until(
        lambda: isinstance(driver.app.screen, LiveScreen) and name == driver.app.screen.MAIN, name
    )
    await driver.until(lambda: driver.app.screen.query_one(StatusBar).figures_at, f"figures of {name}")
    await settled(driver, scripted)


def keys_of(screen: Screen[object]) -> Iterator[str]:
    """One key for each thing that can be done here."""
    actions: set[str] = set()
    for key, active in screen.active_bindings.items():
        if key in LEFT_OUT or active.binding.system or active.binding.action in actions:
            continue
        if active.node is not screen.app or key == "question_mark":
            actions.add(active.binding.action)
            yield key


async def back_to(driver: Driver, screen: Screen[object]) -> None:
    """Closes what stands over a screen, unmarks its rows, leaves its fields."""
    for _ in range(8):
        if driver.app.screen is screen and not isinstance(screen.focused, Input):
            break
        await driver.press("escape")
        await driver.pilot.pause(0.02)
    for table in screen.query(RowTable):
        table.clear_marks()
    assert driver.app.screen is screen, f"no way back to {screen}: {driver.app.screen}"


async def try_key(driver: Driver, scripted: Scripted, key: str, name: str, look: Look) -> None:
    """What a key opens; a form as it is filled in, a dry run as it stands, confirmed, and what is said about it."""
    await driver.press(key)
    await settled(driver, scripted)
    await look(name)
    if isinstance(driver.app.screen, FormDialog):
        await driver.press("ctrl+s")
        await settled(driver, scripted)
        await look(f"{name} ctrl+s")
    if isinstance(driver.app.screen, ActDialog):
        await driver.press("y")
        await settled(driver, scripted)
        await look(f"{name} y")


def view_of(screen: Screen[object]) -> tuple[str, ...]:
    """What tells one view of a screen from another: which lists are there; without lists, the columns of its tables."""
    lists = [one.heading for one in screen.query(ListTable) if one.display]
    tables = [one for one in screen.query(RowTable) if one.display]
    return tuple(lists or [column.label for one in tables for column in one.shown_columns])


class Walk:
    """Looks at everything; a key is tried in each view of a main screen, in the first view of the others.

    What is in ``tried`` is not tried again; without it no key is.
    """

    def __init__(
        self, driver: Driver, scripted: Scripted, look: Look, *, tried: set[tuple[object, ...]] | None = None
    ) -> None:
        self._driver, self._scripted, self._look = driver, scripted, look
        self._tried = tried

    async def on(self, name: str, *, depth: int = 1) -> None:
        """The screen on view, its views, and so many levels of what enter opens from each."""
        screen = self._driver.app.screen
        await self._look(name)
        seen: set[tuple[str, ...]] = set()
        while view_of(screen) not in seen:
            seen.add(view_of(screen))
            view = f"{name}.{len(seen)}"
            if self._tried is not None and (len(seen) == 1 or len(self._driver.app.screen_stack) == 1):
                await self._try_keys(view, self._tried)
            await self._press("enter")
            if self._driver.app.screen is not screen and depth:
                await self.on(f"{view} enter", depth=depth - 1)
            await back_to(self._driver, screen)
            await self._press("v")
            await self._look(f"{view} v")
            await back_to(self._driver, screen)

    async def _try_keys(self, name: str, tried: set[tuple[object, ...]]) -> None:
        screen = self._driver.app.screen
        for key in list(keys_of(screen)):
            what = (key,) if key in COMMON else (type(screen), view_of(screen), key)
            if what not in tried:
                tried.add(what)
                await try_key(self._driver, self._scripted, key, f"{name} {key}", self._look)
                await back_to(self._driver, screen)

    async def _press(self, key: str) -> None:
        await self._driver.press(key)
        await settled(self._driver, self._scripted)
