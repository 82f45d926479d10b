"""One client: its open period, its buckets, assets and periods, and what is done from there."""

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import field, form_open
from tests.tui.scripted import Scripted
from ullage.v1 import (
    agreements_pb2,
    analysis_pb2,
    billing_pb2,
    closing_pb2,
    inventory_pb2,
    types_pb2,
)
from ullage.wire import from_time


def money(amount: str) -> types_pb2.Money:
    return types_pb2.Money(currency="EUR", amount=amount)


def open_period(total: str) -> closing_pb2.ListPeriodsReply:
    period = closing_pb2.Period(
        client_id=1,
        client_name="Brook & Sons",
        start=from_time(builders.MONTH_START),
        end=from_time(builders.MONTH_END),
        first_day="2026-11-01",
        last_day="2026-11-30",
        state=billing_pb2.PERIOD_STATE_OPEN,
        buckets=2,
        total=money(total),
    )
    return closing_pb2.ListPeriodsReply(periods=[period], page=types_pb2.PageInfo(total=1))


async def on_client(driver: Driver) -> None:
    await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
    await driver.press("2")
    await driver.see("Clients  12")
    await driver.press("enter")
    await driver.see("Clients › Brook & Sons", "Current usage")


async def test_the_open_period_is_compared_with_what_is_committed(aggregator: Scripted) -> None:
    aggregator.script.answers["GetOverUnder"] = analysis_pb2.OverUnder(
        rows=[
            analysis_pb2.OverUnderRow(
                client_id=1,
                cost=money("700.00"),
                committed=money("900.00"),
                overage=money("12.00"),
                buffer=money("210.50"),
            )
        ]
    )
    aggregator.script.answers["ListPeriods"] = open_period("701.50")
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.see("EUR 701.50", "EUR 900.00", "EUR 12.00", "EUR 210.50", "2026-11-01 – 11-30")
    asked = aggregator.asked(analysis_pb2.GetOverUnderRequest)[-1]
    assert (asked.client_id, asked.month, asked.by) == (1, "2026-11", "client")


async def test_coming_changes_of_the_cycle_are_on_view(aggregator: Scripted) -> None:
    aggregator.script.clients[0].coming.add(
        starts_on="2027-01-01", currency="CHF", time_zone="Europe/Zurich", cycle_unit="month", cycle_count=3
    )
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.see("Coming", "from 2027-01-01: 3 months, Europe/Zurich, CHF")


async def test_commit_and_prices_have_room_from_100_columns_on(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(100, 30)) as driver:
        await on_client(driver)
        await driver.see("Commit", "Base", "Overage", "Status", "Enabled")


async def test_v_goes_through_buckets_assets_and_periods(aggregator: Scripted) -> None:
    aggregator.script.answers["ListPeriods"] = open_period("701.50")
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.press("v")
        await driver.see("Assets  ", "Last seen")
        assert aggregator.asked(inventory_pb2.ListAssetsRequest)[-1].client_id == 1
        await driver.press("A")
        await driver.see("This is done with buckets: v shows them.")
        await driver.press("v")
        await driver.see("Periods  1", "2026-11-01 – 11-30", "○ open", "EUR 701.50")
        assert aggregator.asked(closing_pb2.ListPeriodsRequest)[-1].client_id == 1
        await driver.press("slash", *"1999", "enter")
        await driver.see("Nothing matches “1999”.")
        await driver.press("escape")
        await driver.see("Periods  1")
        await driver.press("v")
        await driver.see("Buckets  2")
    assert not aggregator.asked(agreements_pb2.ReviewBucketsRequest)


async def test_a_new_bucket_is_for_this_client(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.press("n")
        await form_open(driver)
        assert field(driver, "client_id").value == "1"
        assert field(driver, "terms.starts_on").value == "2026-11-01"


async def test_its_buckets_are_reviewed_where_they_are(aggregator: Scripted) -> None:
    of_it = [bucket for bucket in aggregator.script.buckets if bucket.client_id == 1]
    for bucket in of_it:
        bucket.reviewed = False
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.press("asterisk")
        await driver.see(f"{len(of_it)} marked")
        await driver.press("A")
        await driver.see(f"{len(of_it)} buckets: reviewed.")
    [asked] = aggregator.asked(agreements_pb2.ReviewBucketsRequest)
    assert list(asked.ids) == [bucket.id for bucket in of_it]
    assert asked.reviewed


async def test_what_if_is_of_all_its_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.press("w", *"60")
        await driver.see("What-if › Brook & Sons", "EUR after")
    assert aggregator.asked(analysis_pb2.WhatIfRequest)[-1].client_id == 1


async def test_a_disabled_client_says_since_when(aggregator: Scripted) -> None:
    aggregator.script.clients[0].enabled = False
    aggregator.script.clients[0].disabled_on = "2026-12-01"
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.see("disabled since 2026-12-01")


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_it_draws_where_there_is_little_or_much_room(
    aggregator: Scripted, size: tuple[int, int]
) -> None:
    async with driven(aggregator, size=size) as driver:
        await on_client(driver)
        await driver.see("Projected", "on track")


async def test_weeks_are_not_compared_by_the_month_that_holds_several(aggregator: Scripted) -> None:
    aggregator.script.clients[0].cycle_unit = "week"
    aggregator.script.answers["ListPeriods"] = open_period("170.25")
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.see("EUR 170.25", "1 week, from")
    assert not aggregator.asked(analysis_pb2.GetOverUnderRequest)


async def test_a_long_period_whose_last_month_has_not_begun_is_shown_without_its_commit(
    aggregator: Scripted,
) -> None:
    def refused(request: analysis_pb2.GetOverUnderRequest) -> analysis_pb2.OverUnder:
        raise ValueError(f"{request.month} has not begun")

    aggregator.script.answers["GetOverUnder"] = refused
    aggregator.script.answers["ListPeriods"] = open_period("170.25")
    async with driven(aggregator) as driver:
        await on_client(driver)
        await driver.see("EUR 170.25", "1 month, from")
    assert aggregator.asked(analysis_pb2.GetOverUnderRequest)
