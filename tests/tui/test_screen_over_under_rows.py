"""Where rows of Over/Under lead, what-if from each view, and files of each view."""

import csv
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.cli.over_under import COLUMNS
from tui.widgets.list_table import ListTable
from ullage.v1 import analysis_pb2, inventory_pb2

VIEWS = ("[By client]", "[By bucket]", "[By unit type]", "[Right-size]")


def items(driver: Driver) -> list[Any]:
    tables = [one for one in driver.app.screen.query(ListTable) if one.display]
    return tables[0].table.items


async def opened(driver: Driver, view: int) -> None:
    await driver.press("8")
    await driver.see("By client  12")
    await driver.press(*"v" * view)
    await driver.see(VIEWS[view])
    await driver.until(lambda: items(driver), "rows")


async def test_a_client_opens_with_its_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, 0)
        name = items(driver)[0].client_name
        await driver.press("enter")
        await driver.see(f"Clients › {name}")
        await driver.press("escape")
        await driver.see("[By client]")


@pytest.mark.parametrize("view", [1, 3])
async def test_a_bucket_opens_with_its_terms(aggregator: Scripted, view: int) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, view)
        row = items(driver)[0]
        await driver.press("enter")
        await driver.see(f"Buckets › {row.client_name} › {row.bucket_name}")
    assert aggregator.asked(inventory_pb2.GetBucketRequest)[0].id == row.bucket_id


async def test_a_bucket_that_does_not_come_is_said(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, 1)
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4713")
        await driver.press("enter")
        await driver.see("Error 4713")


async def test_a_unit_type_opens_the_clients_that_use_it(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, 2)
        unit = items(driver)[0].unit_types
        await driver.press("enter")
        await driver.see("[By client]", f"unit: {unit} ×")
        await driver.until(lambda: all(one.client_id for one in items(driver)), "clients")
    asked = aggregator.asked(analysis_pb2.GetOverUnderRequest)[-1]
    assert (asked.by, asked.unit_type) == ("client", unit)


@pytest.mark.parametrize("view", [0, 1, 3])
async def test_w_asks_what_if_of_what_is_under_the_cursor(aggregator: Scripted, view: int) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, view)
        row = items(driver)[0]
        await driver.press("w")
        await driver.see(f"What-if › {row.client_name}")
        if view != 3:
            await driver.press(*"80")
        await driver.until(lambda: aggregator.asked(analysis_pb2.WhatIfRequest), "the question")
    asked = aggregator.asked(analysis_pb2.WhatIfRequest)[-1]
    assert (asked.bucket_id, asked.client_id) == ((row.bucket_id, 0) if view else (0, row.client_id))
    # A candidate is tried with its best commit.
    assert asked.terms.commit == (row.best_commit if view == 3 else "80")


async def test_w_by_unit_type_says_where_terms_are(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, 2)
        await driver.press("w")
        await driver.see("Terms are those of buckets")


async def test_w_without_the_right_says_why(aggregator: Scripted) -> None:
    aggregator.script.methods = ("Analysis/GetOverUnder", "Analysis/GetTrend", "Insight/GetDashboard")
    async with driven(aggregator) as driver:
        await opened(driver, 0)
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("w")
        await driver.see("which may not do that")
        assert "What-if ›" not in driver.seen()


@pytest.mark.parametrize("view", [0, 1, 2, 3])
async def test_each_view_is_exported_as_its_command_writes_it(
    aggregator: Scripted, view: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(aggregator) as driver:
        await opened(driver, view)
        rows = items(driver)
        await driver.press("e", "enter")
        await driver.see("rows in")
    (path,) = tmp_path.glob("*.csv")
    written = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert len(written) == len(rows)
    if view == 3:
        assert path.name.startswith("ullage-right-size-")
        assert [one["best_commit"] for one in written] == [one.best_commit for one in rows]
        return
    by = ("client", "bucket", "unit-type")[view]
    assert path.name.startswith(f"ullage-over-under-{by}-2026-10-")
    assert set(COLUMNS[by]) <= set(written[0])
    assert [one["overage"] for one in written] == [one.overage.amount for one in rows]


async def test_rows_are_copied_as_a_table(aggregator: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven(aggregator) as driver:
        copied: list[str] = []
        monkeypatch.setattr(driver.app, "copy", copied.append)
        await opened(driver, 0)
        await driver.press("y")
        assert copied
        assert items(driver)[0].client_name in copied[0]
