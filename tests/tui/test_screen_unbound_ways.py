"""The other ways through triage: groups, filters, orders, and what leaves the screen."""

import csv
from pathlib import Path

import pytest

from tests.tui.driving import Driver, driven
from tests.tui.estate_triage import MONDAY, Kind, monday
from tests.tui.scripted import Scripted
from tests.tui.triaging import go_to, here, ids_of, names, screen
from ullage.v1 import asset_acts_pb2, inventory_pb2

Created = inventory_pb2.CreateBucketRequest
Listed = inventory_pb2.ListAssetsRequest


# Groups.


async def test_plus_marks_all_that_are_alike_and_unmarks_them(triage: Driver, aggregator: Scripted) -> None:
    await go_to(triage, "runner-7f3a9c03")
    await triage.press("plus")
    await triage.see("7 marked", "o assign  b bind", "! suppress  for the 7 marked")
    assert set(screen(triage).triage_table.table.marked) == ids_of(aggregator, "runner-")
    await triage.press("plus")
    assert not screen(triage).triage_table.table.marked


async def test_an_act_on_the_marked_alike_is_one_call(triage: Driver, aggregator: Scripted) -> None:
    wanted = ids_of(aggregator, "runner-")
    aggregator.script.answers["DisregardAssets"] = asset_acts_pb2.ActReply(changed=7)
    await go_to(triage, "runner-7f3a9c03")
    await triage.press("plus", "d")
    await triage.see("Disregard 7 assets")
    await triage.press("enter")
    await triage.see("Do it")
    await triage.press("y")
    await triage.until(
        lambda: (
            [
                (set(one.asset_ids), one.dry_run)
                for one in aggregator.asked(asset_acts_pb2.DisregardAssetsRequest)
            ]
            == [(wanted, True), (wanted, False)]
        ),
        "the dry run and the act",
    )


async def test_braces_go_from_group_to_group(triage: Driver) -> None:
    for key, row in (
        ("right_curly_bracket", "web-01.brook"),
        ("right_curly_bracket", "fw-ext-1"),
        ("j", "fw-ext-2"),
        ("left_curly_bracket", "web-01.brook"),
        ("left_curly_bracket", "pg-1-data"),
        ("left_curly_bracket", "pg-1-data"),
    ):
        await triage.press(key)
        assert here(triage) == row
    await triage.press("G", "right_curly_bracket")
    assert here(triage) == "runner-7f3a9c07"


async def test_v_shows_one_line_a_group_and_acts_mean_all_of_it(triage: Driver, aggregator: Scripted) -> None:
    await triage.press("v")
    await triage.see("Unbound assets by group  40", "×12 web-01.brook", "EUR 222.00", " ×1 printer")
    assert len(names(triage)) == len(MONDAY)
    wanted = ids_of(aggregator, "lab-")
    await go_to(triage, "lab-01")
    await triage.press("o")
    await triage.see("Assign 9 assets")
    await triage.press(*"nord", "enter", "enter")
    await triage.see("Do it")
    await triage.press("y")
    await triage.until(
        lambda: (
            {
                (frozenset(one.asset_ids), one.client_id, one.dry_run)
                for one in aggregator.asked(inventory_pb2.AssignAssetsRequest)
            }
            == {(frozenset(wanted), 3, True), (frozenset(wanted), 3, False)}
        ),
        "all of the group",
    )


async def test_a_group_is_accepted_and_marked_by_its_line(triage: Driver, aggregator: Scripted) -> None:
    await triage.press("v")
    await triage.see("by group")
    await triage.press("space", "plus")
    await triage.see("2 marked", "a accepts for 20 of 20 marked")
    await triage.press("a")
    await triage.see("Accept for 20 assets", "12 → Brook & Sons", "8 → Ahlers")
    await triage.press("y")
    await triage.until(lambda: len(names(triage)) == 4, "the lines to go")
    wanted = [set(one.asset_ids) for one in aggregator.asked(asset_acts_pb2.BindAssetsRequest)]
    assert [len(one) for one in wanted] == [20, 20]
    assert not screen(triage).triage_table.table.marked


async def test_enter_on_a_group_shows_its_assets_and_on_an_asset_opens_it(triage: Driver) -> None:
    await triage.press("v")
    await triage.see("by group")
    await go_to(triage, "web-01.brook")
    await triage.press("enter")
    await triage.until(lambda: len(names(triage)) == 40, "one line an asset")
    assert here(triage) == "web-01.brook"
    await triage.press("enter")
    await triage.see("Assets › web-01.brook")


async def test_marks_are_cleared_before_the_view_changes(triage: Driver) -> None:
    await triage.press("space", "v")
    await triage.see("Rows are marked: esc unmarks them first.")
    await triage.press("escape", "v")
    await triage.see("by group")


# Which, and in which order.


@pytest.mark.parametrize(
    ("keys", "chip", "count"),
    [
        (("s",), "with a suggestion ×", 32),
        (("w",), "without suggestion ×", 8),
        (("3",), "older than 30 d ×", 9),
        (("7",), "older than 7 d ×", 9),
        (("c", "u"), "unassigned ×", 40),
        (("t", "j", "enter"), "source: host ×", 1),
        (("g", "enter"), "agent: hv-03 ×", 40),
    ],
)
async def test_filters_are_chips_that_esc_takes_away(
    triage: Driver, keys: tuple[str, ...], chip: str, count: int
) -> None:
    await triage.press("f")
    await triage.see("Which unbound assets?")
    await triage.press(*keys)
    await triage.see(f"Unbound assets  {chip}  {count}")
    await triage.press("escape")
    await triage.until(lambda: "×" not in triage.lines()[2] and len(names(triage)) == 40, "all of them")


async def test_filters_are_asked_of_the_aggregator_where_it_knows_them(
    triage: Driver, aggregator: Scripted
) -> None:
    for one in aggregator.script.assets[:3]:
        one.client_id, one.client_name = 4, "Fabrique Müller"
    await triage.press("r", "f", "c")
    await triage.see("Fabrique Müller")
    await triage.press("j", "enter")
    await triage.see("client: Fabrique Müller ×  3")
    await triage.press("t")
    await triage.see("source:")
    asked = aggregator.asked(Listed)[-1]
    assert (asked.unbound, asked.client_id, asked.source_type) == (True, 4, names_source(triage))
    await triage.press("t")
    await triage.until(lambda: aggregator.asked(Listed)[-1].source_type == "", "any source type")


def names_source(driver: Driver) -> str:
    row = screen(driver).triage_table.table.current
    assert row is not None
    return row.source_type


async def test_filters_that_hide_everything_say_so(aggregator: Scripted) -> None:
    monday(aggregator.script, [Kind("web-{}", 3, client=1, buckets=(1,), money="1.00")])
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("a accepts for these 3")
        await driver.press("f", "w")
        await driver.see("Nothing unbound is left with without suggestion", "esc shows all that is unbound")
        await driver.press("escape")
        await driver.see("web-1")


async def test_orders_are_the_aggregators_and_the_largest_comes_first(
    triage: Driver, aggregator: Scripted
) -> None:
    first = aggregator.asked(Listed)[0].page
    assert (first.sort, first.descending) == ("unbound_money", True)
    seen = []
    for label in ("asset ▲", "client ▲", "days ▼", "not billed ▼", "last seen ▲"):
        await triage.press("s")
        await triage.see(f"by {label}")
        page = aggregator.asked(Listed)[-1].page
        seen.append((page.sort, page.descending))
    assert seen == [
        ("name", False),
        ("client_name", False),
        ("days_unbound", True),
        ("unbound_money", True),
        ("last_seen", False),
    ]
    await triage.press("s")
    await triage.until(lambda: names(triage)[0] == "pg-1-data", "alike together again")


async def test_the_next_page_is_put_in_order_too(aggregator: Scripted) -> None:
    monday(aggregator.script, [*MONDAY, Kind("big-{:03d}", 200, client=4, buckets=(5,), money="99.00")])
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("┌200 big-001", "a accepts for these 200", "1–200 of 240")
        await driver.press("right_square_bracket")
        await driver.see("┌  8 pg-1-data", "201–240 of 240")
        await driver.press("left_square_bracket")
        await driver.see("1–200 of 240", "└    big-200")
        assert here(driver) == "big-200"


# What leaves the screen.


async def test_everything_is_exported_in_the_twins_columns(
    triage: Driver, aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await triage.press("e")
    await triage.see("Export unbound")
    await triage.press("enter")
    await triage.until(lambda: list(tmp_path.glob("*.csv")), "the file")
    with next(tmp_path.glob("*.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert {"name", "not_billed", "days_unbound", "series_unbound"} <= set(rows[0])
    assert rows[0]["not_billed"] == "40.00"


async def test_rows_of_a_group_are_copied(triage: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(triage.app, "copy", copied.append)
    await triage.press("v", "Y", "y")
    assert len(copied[0].splitlines()) == 8
    assert "pg-3-data" in copied[1]
