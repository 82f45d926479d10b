"""A terminal that is told to be read-only, and one that looks at production: both say so on every screen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.app import UllageApp
from tui.client import Aggregator
from tui.desk import reads
from tui.widgets.frame import NavBar
from ullage.v1 import admin_pb2, billing_pb2


@asynccontextmanager
async def production(
    scripted: Scripted, *, read_only: bool = False, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Driver]:
    """The program with a profile that says ``production``."""
    settings = replace(scripted.settings, profile="live-eu", production=True, read_only=read_only)
    async with Aggregator(settings) as aggregator:
        app = UllageApp(aggregator, settings=settings, clock=lambda: builders.NOW)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Driver(app, pilot)


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_production_stands_on_every_screen_and_its_bar_has_another_colour(
    aggregator: Scripted, size: tuple[int, int]
) -> None:
    async with production(aggregator, size=size) as driver:
        for key in "123456789":
            await driver.press(key)
            await driver.see("PRODUCTION", "live-eu", "● live")
            bar = driver.app.screen.query_one(NavBar)
            assert bar.styles.background.hex6 == driver.app.theme_variables["error"]


async def test_read_only_stands_on_every_screen_beside_whose_key_it_is(aggregator: Scripted) -> None:
    async with production(aggregator, read_only=True) as driver:
        for key in "123456789":
            await driver.press(key)
            await driver.see("PRODUCTION", "live-eu  read-only  ● live  ops (viewer)")


async def test_read_only_refuses_acts_and_asks_all_the_same(aggregator: Scripted) -> None:
    """What a screen only asks for is there; ``z`` and what changes anything says why not."""
    run = billing_pb2.Run(id=7, job="projection", state="done")
    aggregator.script.jobs[:] = [admin_pb2.Job(name="projection", last_run=run)]
    async with production(aggregator, read_only=True) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        for key in ("o", "d", "z"):
            await driver.press(key)
            await driver.see("This terminal is read-only")
        await driver.press("7")
        await driver.see("Projecting is done")


@pytest.mark.parametrize(
    ("method", "asks"),
    [
        ("Admin/ListJobs", True),
        ("Closing/GetRun", True),
        ("Closing/Explain", True),
        ("Closing/Verify", True),
        ("Analysis/WhatIf", True),
        ("Closing/Finalise", False),
        ("Admin/UndoAudit", False),
        ("Exchange/Import", False),
        ("Inventory/SetTerms", False),
        ("Closing/AcknowledgeItems", False),
    ],
)
def test_what_only_asks_is_no_act(method: str, asks: bool) -> None:
    assert reads(method) is asks


async def test_a_clients_own_key_begins_where_it_may_look(aggregator: Scripted) -> None:
    aggregator.script.role = "client"
    aggregator.script.methods = ("Billing/ListReadings", "Inventory/ListAssets")
    async with driven(aggregator) as driver:
        await driver.see("Readings")
        assert driver.app.current_mode == "billing"
        await driver.press("3")
        await driver.see("Assets  60")


async def test_who_may_not_act_on_unbound_assets_is_offered_nothing_by_the_panel(
    aggregator: Scripted,
) -> None:
    aggregator.script.methods = ("Inventory/ListAssets", "Inventory/SuggestBindings")
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("2 assets alike · EUR 504.80 not billed this period · 35 days")
        assert "a accepts" not in driver.seen()
        assert "o assign" not in driver.seen()
