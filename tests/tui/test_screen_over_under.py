"""Over/Under: the month in its views, by status and unit type, and what can go wrong."""

from typing import Any

import grpc
import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.screens.over_under import RIGHT_SIZE_BUCKETS
from tui.widgets.chart_trend import TrendChart
from tui.widgets.list_table import ListTable
from ullage.v1 import analysis_pb2, types_pb2

Row = analysis_pb2.OverUnderRow
Asked = analysis_pb2.GetOverUnderRequest


def money(amount: str, currency: str = "EUR") -> types_pb2.Money:
    return types_pb2.Money(currency=currency, amount=amount)


def row(number: int, name: str, status: str, over: str, under: str, **more: Any) -> Row:
    currency = more.pop("currency", "EUR")
    return Row(
        client_id=number,
        client_name=name,
        unit_types=more.pop("unit_types", "ram"),
        status=status,
        cost=money("1262.00", currency),
        committed=money("1250.00", currency) if status else None,
        overage=money(over or "0", currency),
        buffer=money(under or "0", currency),
        delta_units=more.pop("delta_units", "3.5 GiB"),
        **more,
    )


def items(driver: Driver) -> list[Any]:
    tables = [one for one in driver.app.screen.query(ListTable) if one.display]
    return tables[0].table.items


def line_with(driver: Driver, words: str) -> str:
    return next(line for line in driver.lines() if words in line)


def columns(driver: Driver) -> list[str]:
    tables = [one for one in driver.app.screen.query(ListTable) if one.display]
    return [column.label for column in tables[0].table.shown_columns]


async def opened(driver: Driver) -> None:
    await driver.press("8")
    await driver.see("By client  12", "Trend  Oct 2026")


@pytest.fixture
def few(aggregator: Scripted) -> Scripted:
    """Five clients: one over, one under, one mixed, one even, one without a commit; and one in yen."""
    rows = [
        row(1, "Over", "over", "12.00", "0.00"),
        row(2, "Under", "under", "0.00", "400.25", provisional=True),
        row(3, "Mixed", "mixed", "30.00", "10.00", unit_types="ram, vcpu", long_period=True),
        row(4, "Even", "even", "0.00", "0.00"),
        row(5, "Free", "", "", ""),
        row(6, "Yen", "over", "90000", "0", currency="JPY"),
    ]
    aggregator.script.answers["GetOverUnder"] = lambda request: analysis_pb2.OverUnder(
        month=request.month,
        rows=[one for one in rows if request.status in {"", one.status}],
        rows_total=len(rows),
        overage=[money("42.00"), money("90000", "JPY")],
        buffer=[money("410.25"), money("0", "JPY")],
        provisional=True,
    )
    return aggregator


# What is shown.


async def test_the_last_full_month_is_shown_by_client_with_its_totals(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("Oct 2026~", "EUR ▲ 42.00 ▼ 410.25  JPY ▲ 90,000 ▼ 0", "[By client]", "[all]")
        assert columns(driver) == [
            "Client",
            "Types",
            "Status",
            "Final cost",
            "vs commit",
            "Overage",
            "Buffer",
        ]
        assert [one.client_name for one in items(driver)] == ["Under", "Mixed", "Over", "Even", "Free", "Yen"]
        over, under = line_with(driver, " Over "), line_with(driver, " Under ")
        assert all(words in over for words in ("▲ over", "EUR 1,262.00", "+12.00", "12.00", "0.00"))
        assert all(words in under for words in ("▼ under", "~EUR 1,262.00", "-400.25", "400.25"))
        assert "◆ mixed" in line_with(driver, "*Mixed")
        assert "= even" in line_with(driver, "Even")
        assert line_with(driver, "Free").count("—") == 4
        assert "JPY 1,262.00" in line_with(driver, "Yen")
    assert few.asked(Asked)[0] == Asked(by="client", month="2026-10")


async def test_v_goes_through_the_views_and_each_says_what_it_is_for(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await opened(driver)
        await driver.see("* longer than a month")
        for view, title, by, lens in (
            ("[By bucket]", "By bucket  30", "bucket", "Most overage and buffer first."),
            ("[By unit type]", "By unit type  4", "unit-type", "what was sold on top, what is at risk"),
            ("[Right-size]", "Right-size  last 12 readings", "client", "talk to them before they find out"),
            ("[By client]", "By client  12", "client", "Buffer: paid, not used."),
        ):
            await driver.press("v")
            await driver.see(view, title, lens)
            assert aggregator.asked(Asked)[-1].by == by


async def test_units_are_shown_with_their_sign(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  6")
        await driver.press("v", "v")
        await driver.see("[By unit type]", "+3.5 GiB")
        assert columns(driver) == ["Unit type", "Status", "Δ units", "Overage", "Buffer", "Final cost"]


async def test_columns_explain_themselves_when_they_have_the_cursor(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v", "v")
        await driver.see("By unit type  4")
        await driver.press("l", "l", "l")
        await driver.see("Usage less commit, in units: what is really delivered.")
        await driver.press("right")
        await driver.see("Growth: what clients bought above their commits.")
        await driver.press("right")
        await driver.see("At risk at renewal: what clients pay for and do not use.")
        await driver.press("left")
        await driver.see("Growth")


async def test_every_column_of_every_view_explains_itself(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(160, 50)) as driver:
        await opened(driver)
        for table in driver.app.screen.query(ListTable):
            assert [one.label for one in table.listing.columns if not one.explains] == []


async def test_right_size_has_the_commit_that_fits_and_what_the_client_would_save(
    aggregator: Scripted,
) -> None:
    aggregator.script.answers["ListRightSize"] = analysis_pb2.ListRightSizeReply(
        rows=[
            analysis_pb2.RightSize(
                client_id=1,
                client_name="Brook & Sons",
                bucket_id=7,
                bucket_name="web memory",
                unit_type="ram",
                symbol="GiB",
                commit="800",
                best_commit="328.25",
                cost=money("24000.00"),
                best_cost=money("9840.00"),
                difference=money("-14160.00"),
                buffer=money("14160.00"),
                buffer_units="5664",
                percent_unused="59",
                readings=12,
            ),
            analysis_pb2.RightSize(
                client_id=2,
                bucket_id=8,
                client_name="Fits",
                commit="10",
                best_commit="10",
                difference=money("0.00"),
            ),
        ]
    )
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v", "v", "v")
        await driver.see("Total buffer this period: EUR 4,128.75", "Right-size")
        assert columns(driver) == ["Client", "Unit", "Commit", "Buffer", "Units", "Unused", "Best", "Saves"]
        line = line_with(driver, "Brook")
        assert all(
            words in line for words in ("800 GiB", "EUR 14,160.00", "5,664", "59 %", "328.3", "14,160.00")
        )
        assert line_with(driver, "Fits").rstrip().endswith("—")
    asked = aggregator.asked(analysis_pb2.ListRightSizeRequest)[-1]
    assert (asked.limit, asked.unit_type) == (RIGHT_SIZE_BUCKETS, "")


@pytest.mark.parametrize("size", [(60, 20), (60, 16), (40, 10)])
async def test_little_room_leaves_the_list_and_then_the_chart(
    aggregator: Scripted, size: tuple[int, int]
) -> None:
    async with driven(aggregator, size=size) as driver:
        await driver.press("8")
        await driver.see("[By client]", "Papierhaus")
        assert driver.app.screen.query_one(TrendChart).display == (size[1] >= 18)
        for _ in range(4):
            await driver.press("v")
            await driver.pilot.pause(0.2)
            assert driver.lines()


# Filters.


@pytest.mark.parametrize(("key", "status"), [("o", "over"), ("u", "under"), ("m", "mixed"), ("e", "even")])
async def test_f_and_a_letter_show_one_status_until_esc(few: Scripted, key: str, status: str) -> None:
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  6")
        await driver.press("f")
        await driver.see("mixed: buckets over and buckets under")
        await driver.press(key)
        await driver.see(f"[{status}]")
        await driver.until(lambda: {one.status for one in items(driver)} == {status}, "that status alone")
        assert few.asked(Asked)[-1].status == status
        await driver.press("escape")
        await driver.see("By client  6", "[all]")


async def test_a_status_that_nobody_has_says_what_to_do(few: Scripted) -> None:
    few.script.answers["GetOverUnder"] = lambda request: analysis_pb2.OverUnder(
        rows=[] if request.status else [row(1, "Over", "over", "12.00", "0.00")]
    )
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  1")
        await driver.press("f", "e")
        await driver.see("No clients match this filter.", "f chooses another status")
        await driver.press("v")
        await driver.see("No buckets match this filter.")


async def test_right_size_has_no_status_and_says_so(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v", "v", "v")
        await driver.see("[Right-size]")
        await driver.press("f")
        await driver.see("there is no status to choose")


async def test_t_narrows_everything_to_the_unit_type_of_the_row_and_again_clears(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v")
        await driver.see("By bucket  30")
        unit = items(driver)[0].unit_types
        await driver.press("t")
        await driver.see(f"unit: {unit} ×")
        await driver.until(
            lambda: {one.unit_types for one in items(driver)} == {unit}, "that unit type alone"
        )
        assert aggregator.asked(Asked)[-1].unit_type == unit
        assert aggregator.asked(analysis_pb2.GetTrendRequest)[-1].unit_type == unit
        await driver.press("v", "v")
        await driver.see("[Right-size]", f"unit: {unit} ×")
        assert aggregator.asked(analysis_pb2.ListRightSizeRequest)[-1].unit_type == unit
        await driver.press("t")
        await driver.until(lambda: "unit:" not in driver.seen(), "all unit types")
        assert aggregator.asked(analysis_pb2.GetTrendRequest)[-1].unit_type == ""


async def test_t_on_a_client_with_several_unit_types_asks_which(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  6")
        await driver.press("j", "t")
        await driver.see("Unit type", "vcpu")
        await driver.press("j", "enter")
        await driver.see("unit: vcpu ×")
        assert few.asked(Asked)[-1].unit_type == "vcpu"
        await driver.press("escape")
        await driver.until(lambda: "unit:" not in driver.seen(), "all unit types")


async def test_search_and_order_are_done_here_within_each_currency(few: Scripted) -> None:
    few.script.answers["GetTrend"] = analysis_pb2.Trend()
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  6")
        await driver.press("s")
        await driver.see("by client ▲")
        assert [one.client_name for one in items(driver)] == ["Even", "Free", "Mixed", "Over", "Under", "Yen"]
        await driver.press(*"sssss")
        await driver.see("by buffer ▲")
        await driver.press("S")
        await driver.until(lambda: items(driver)[0].client_name == "Under", "most buffer first")
        assert [one.client_name for one in items(driver)][-1] == "Yen"
        await driver.press("c")
        await driver.until(lambda: items(driver)[0].client_name == "Yen", "yen first")
        await driver.press("slash", *"mix", "enter")
        await driver.see("filter: mix")
        await driver.until(lambda: [one.client_name for one in items(driver)] == ["Mixed"], "what matches")


async def test_more_buckets_than_are_listed_are_said(aggregator: Scripted) -> None:
    aggregator.script.answers["GetOverUnder"] = lambda request: analysis_pb2.OverUnder(
        rows=[row(1, "Over", "over", "1.00", "0.00", bucket_id=3)], rows_total=5432
    )
    async with driven(aggregator) as driver:
        await driver.press("8", "v")
        await driver.see("By bucket  those with most overage and buffer of 5,432")


# Nothing, and what goes wrong.


async def test_a_month_without_readings_says_so_and_what_to_do(aggregator: Scripted) -> None:
    aggregator.script.answers |= {
        "GetOverUnder": analysis_pb2.OverUnder(),
        "GetTrend": analysis_pb2.Trend(),
        "ListRightSize": analysis_pb2.ListRightSizeReply(),
    }
    async with driven(aggregator) as driver:
        await driver.press("8")
        await driver.see("No billing readings found for this period.", ", and . go to other months")
        await driver.see("Trend  No billing readings in these months", "overage none")
        for key in ("t", "w"):
            await driver.press(key)
        await driver.see("There is no row here", "There is nothing here to act on")
        await driver.press("v", "v", "v")
        await driver.see("No candidates: of a bucket with a commit", "Total buffer this period: none")


async def test_an_error_is_said_in_both_places_and_r_tries_again(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412", "● live")
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
        await driver.press("8")
        await driver.see("Error 4711", "r tries again")
        await driver.until(lambda: driver.seen().count("Error 4711") == 2, "the same in place of the chart")
        aggregator.script.failure = None
        await driver.press("r")
        await driver.see("By client  12", "Trend  Oct 2026")


async def test_news_of_readings_are_shown(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("8")
        await driver.see("By client  6")
        few.script.answers["GetOverUnder"] = analysis_pb2.OverUnder(
            rows=[row(9, "Newcomer", "even", "0.00", "0.00")]
        )
        few.tell("reading")
        await driver.see("Newcomer")


async def test_hostile_names_are_text(aggregator: Scripted) -> None:
    aggregator.script.answers["GetOverUnder"] = analysis_pb2.OverUnder(
        rows=[
            row(number, name, name[:8], "1.00", "0.00", unit_types=name, delta_units=name, bucket_name=name)
            for number, name in enumerate(builders.HOSTILE, start=1)
        ]
    )
    async with driven(aggregator, size=(140, 40)) as driver:
        await driver.press("8")
        await driver.see("By client  10", "[/x] [red]")
        await driver.press("v", "v")
        await driver.see("By unit type  10", "[/x] [red]")
        await driver.press(*"jjjj", "t")
        await driver.see("unit: [/x] [red]")
        assert driver.app.is_running
