"""Terminals of odd sizes: at 60 by 20 every screen can be read, and at any size it draws."""

from dataclasses import fields

import pytest
from google.protobuf.message_factory import GetMessageClass

from tests.tui import walking
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.catalogue import PLACES
from tui.screens.live import LiveScreen
from tui.widgets.list_table import ListTable
from tui.widgets.row_table import RowTable
from ullage.v1 import admin_pb2, analysis_pb2, billing_pb2, closing_pb2, insight_pb2, inventory_pb2

SERVICES = [
    service
    for file in (admin_pb2, analysis_pb2, billing_pb2, closing_pb2, insight_pb2, inventory_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]

SMALL = (60, 20)
OTHERS = ((40, 10), (20, 5), (200, 60), (80, 24))
# The keys to what is not a main screen, from the main screen named.
DETAILS = {
    "client": ("clients", "enter"),
    "asset": ("assets", "enter"),
    "bucket": ("buckets", "enter"),
    "reading": ("billing", "v", "enter"),
    "checklist": ("billing", "comma", "C"),
    "projection": ("projections", "enter"),
    "what-if": ("buckets", "w"),
}
# Keys to dialogs, and what must be read in each at the smallest size: its title, and how it is left or gone on with.
DIALOGS = {
    "form": (("clients", "n"), ("New client", "Cancel", "ctrl+s")),
    "act": (("unbound", "a"), ("Cancel", "Do it")),
    "choose": (("assets", "f"), ("esc cancels",)),
    "export": (("assets", "e"), ("Export asset", "esc cancels")),
    "help": (("assets", "question_mark"), ("Keys", "esc closes")),
}


async def opened(driver: Driver, scripted: Scripted, name: str, *keys: str) -> None:
    """A main screen with its figures, and what these keys open on it."""
    await driver.until(lambda: driver.app.desk.who, "the connection")
    await walking.go(driver, scripted, name)
    for key in keys:
        await driver.press(key)
        await walking.settled(driver, scripted)


def readable(driver: Driver, title: str) -> None:
    """The bar of main screens, what is shown, its first row, the connection and the keys."""
    lines = walking.cells(driver)
    width = driver.app.size.width
    screen = driver.app.screen
    assert isinstance(screen, LiveScreen)
    assert "1 " in lines[0] or "1Dash" in lines[0], lines
    assert title in "\n".join(lines[:12]), lines
    assert "● live" in lines[-2], lines
    assert lines[-1].rstrip().endswith("? all keys"), lines
    assert len(lines[-1].rstrip()) <= width
    # The first of the lists with its first row; what stands below may have to be scrolled to.
    tables = [one for one in screen.query(RowTable) if one.display and one.items]
    if tables and tables[0].region.bottom <= driver.app.size.height:
        row = tables[0].region.y + tables[0].header_height
        assert lines[row].strip(" │┃▎"), lines


@pytest.mark.parametrize("name", [place.name for place in PLACES])
async def test_a_main_screen_is_read_at_60_by_20_and_drawn_at_any_size(
    aggregator: Scripted, name: str
) -> None:
    title = next(place.title for place in PLACES if place.name == name)
    async with driven(aggregator, size=SMALL) as driver:
        await opened(driver, aggregator, name)
        lists = [one.heading for one in driver.app.screen.query(ListTable) if one.display]
        readable(driver, lists[0] if lists else "Clients" if name == "dashboard" else title)
        await drawn_at_all_sizes(driver, aggregator)


@pytest.mark.parametrize("name", DETAILS)
async def test_a_detail_is_read_at_60_by_20_and_drawn_at_any_size(aggregator: Scripted, name: str) -> None:
    async with driven(aggregator, size=SMALL) as driver:
        await opened(driver, aggregator, *DETAILS[name])
        assert len(driver.app.screen_stack) == 2
        readable(driver, " › ")
        await drawn_at_all_sizes(driver, aggregator)


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_is_read_at_60_by_20_and_drawn_at_any_size(aggregator: Scripted, name: str) -> None:
    keys, words = DIALOGS[name]
    async with driven(aggregator, size=SMALL) as driver:
        await opened(driver, aggregator, *keys)
        assert driver.app.screen.is_modal
        drawn = "\n".join(walking.cells(driver))
        assert all(word in drawn for word in words), drawn
        await drawn_at_all_sizes(driver, aggregator)


@pytest.mark.parametrize("name", [place.name for place in PLACES])
async def test_a_main_screen_with_nothing_on_it_is_drawn_at_any_size(aggregator: Scripted, name: str) -> None:
    script = aggregator.script
    for part in fields(script):
        if isinstance(getattr(script, part.name), list):
            setattr(script, part.name, [])
    script.dashboard = insight_pb2.Dashboard()
    for service in SERVICES:
        for method in service.methods:
            if method.name.startswith(("List", "Get", "Suggest")):
                script.answers[method.name] = GetMessageClass(method.output_type)()
    async with driven(aggregator, size=SMALL) as driver:
        await opened(driver, aggregator, name)
        await drawn_at_all_sizes(driver, aggregator)


async def drawn_at_all_sizes(driver: Driver, scripted: Scripted) -> None:
    """As many lines and cells as there are, and something on them."""
    for size in OTHERS:
        await walking.resize(driver, scripted, size)
        lines = walking.cells(driver)
        assert driver.app.is_running
        assert len(lines) == size[1]
        assert any(line.strip() for line in lines)


@pytest.mark.parametrize("size", [(20, 5), (20, 3)])
@pytest.mark.parametrize("keys", [("colon",), ("3", "f")], ids=["palette", "choose"])
async def test_pages_of_what_there_is_no_room_for_are_not_turned(
    aggregator: Scripted, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        await driver.press(*keys)
        before = driver.app.screen
        await driver.pilot.resize_terminal(*size)
        await driver.press("down", "pageup", "pagedown", "pageup", "end", "pagedown")
        assert driver.app.screen is before
