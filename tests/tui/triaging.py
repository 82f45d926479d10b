"""Driving the screen of unbound assets: where the cursor is, what stands there, and the way to a row."""

from tests.tui.driving import Driver
from tests.tui.scripted import Scripted
from tui.screens.unbound import UnboundScreen


async def opened(driver: Driver) -> None:
    """The screen, with the suggestions there."""
    await driver.press("4")
    await driver.see("a accepts for these 8")


def screen(driver: Driver) -> UnboundScreen:
    shown = driver.app.screen
    assert isinstance(shown, UnboundScreen)
    return shown


def names(driver: Driver) -> list[str]:
    """Of the rows on view, from the top."""
    return [row.name for row in screen(driver).triage_table.table.items]


def here(driver: Driver) -> str:
    """The row under the cursor."""
    row = screen(driver).triage_table.table.current
    return "" if row is None else row.name


def ids_of(aggregator: Scripted, start: str) -> set[int]:
    return {one.id for one in aggregator.script.assets if one.name.startswith(start)}


async def go_to(driver: Driver, name: str) -> None:
    screen(driver).triage_table.table.move_cursor(row=names(driver).index(name))
    await driver.until(lambda: here(driver) == name, name)
