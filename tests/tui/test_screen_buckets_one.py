"""One bucket: what it shows of its terms, usage and history, and what is done with its terms."""

import pytest
from rich.text import Text

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import field, fill, form_open
from tests.tui.scripted import Scripted
from tui.screens.bucket_terms import held_until
from tui.widgets.usage_bar import level, usage_cells
from ullage.v1 import agreements_pb2, inventory_pb2, types_pb2
from ullage.wire import to_decimal

Set = agreements_pb2.SetTermsRequest
Delete = agreements_pb2.DeleteTermsRequest


async def on_bucket(driver: Driver) -> None:
    await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
    await driver.press("5")
    await driver.see("Buckets  30")
    await driver.press("enter")
    await driver.see("Billing history  3")


async def on_terms(driver: Driver) -> None:
    await on_bucket(driver)
    await driver.press("v")
    await driver.see("Terms  3", "2027-01-01")


@pytest.mark.parametrize(
    ("used", "projected", "commit", "drawn"),
    [
        ("5", "7", "10", "█████▒▒··┃"),
        ("5", "", "0", "██████████"),
        ("20", "20", "10", "█████┃████"),
        ("0", "", "0", "··········"),
    ],
)
def test_usage_is_drawn_against_the_commit(used: str, projected: str, commit: str, drawn: str) -> None:
    figures = to_decimal(used), to_decimal(projected), to_decimal(commit)
    assert figures[0] is not None
    assert figures[2] is not None
    assert usage_cells(figures[0], figures[1], figures[2], cells=10).plain == drawn


def test_what_is_above_the_commit_is_marked_beside_the_mark() -> None:
    ten, twenty = to_decimal("10"), to_decimal("20")
    assert ten is not None
    assert twenty is not None
    line = usage_cells(twenty, None, ten, cells=10)
    styles = {line.plain[span.start : span.end]: span.style for span in line.spans}
    assert isinstance(line, Text)
    assert len(set(styles.values())) >= 2


def test_amounts_have_eight_heights_and_nothing_is_a_dot() -> None:
    one, eight, none = to_decimal("1"), to_decimal("8"), to_decimal("0")
    assert one is not None
    assert eight is not None
    assert none is not None
    assert (level(none, eight), level(one, eight), level(eight, eight)) == ("·", "▂", "█")


def test_terms_hold_until_their_own_end_or_the_start_of_the_next() -> None:
    first = agreements_pb2.Terms(starts_on="2026-01-01", ends_on="2026-06-01")
    second = agreements_pb2.Terms(starts_on="2026-09-01")
    third = agreements_pb2.Terms(starts_on="2027-01-01")
    terms = [first, second, third]
    assert [held_until(terms, place) for place in range(3)] == ["2026-06-01", "2027-01-01", ""]


async def test_usage_commit_overage_and_buffer_are_on_view_at_once(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    of_it = [one for one in aggregator.script.readings if one.bucket_id == bucket.id]
    of_it[1].overage, of_it[1].cost = "12.00", "262.00"
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.see("┃ commit 100", "█ used", "▒ projected", "7 series bound", "name glob web-*")
        await driver.see("at most EUR 12.00 in 2026-10-01 – 10-31", "at most EUR 49.69")
        await driver.see("2026-11-01 – 11-30", "○ open", "◔ ended")


async def test_a_bucket_that_was_never_billed_says_so(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    bucket.current_usage = ""
    aggregator.script.readings = []
    async with driven(aggregator) as driver:
        await driver.press("5")
        await driver.see("Buckets  30")
        await driver.press("enter")
        await driver.see("No billing readings yet", "Nothing is worked out for the open period yet")


async def test_history_is_found_by_a_part_of_the_period(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("slash", *"2026-10", "enter")
        await driver.see("Billing history  1   filter: 2026-10", "2026-10-01 – 10-31")
        assert "2026-09-01" not in driver.seen().partition("Billing history")[2]
        await driver.press("escape", "slash", *"1999", "enter")
        await driver.see("Nothing matches “1999”.")


async def test_terms_are_listed_newest_first_with_what_they_say_besides(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await on_terms(driver)
        await driver.see("tiers 0:4, 50:3.5; at least 200; gaps hold 3; prorated", "now", "final")
        await driver.press("enter")
        await driver.see("Terms from 2027-01-01 on", "Aggregation    p95", "can be changed")


async def test_the_assets_of_the_bucket_are_the_third_view(aggregator: Scripted) -> None:
    number = aggregator.script.buckets[0].id
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("v", "v")
        await driver.see("Assets  ", "Last seen")
        assert aggregator.asked(inventory_pb2.ListAssetsRequest)[-1].bucket_id == number
        await driver.press("v")
        await driver.see("Billing history  3")


async def test_new_terms_are_prefilled_from_those_in_force_and_start_with_the_next_period(
    aggregator: Scripted,
) -> None:
    aggregator.script.preview = types_pb2.Preview(
        series=7, money=[types_pb2.Money(currency="EUR", amount="50.00")]
    )
    number = aggregator.script.buckets[0].id
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("T")
        await form_open(driver)
        assert field(driver, "terms.starts_on").value == "2026-12-01"
        await fill(
            driver,
            terms__commit="120",
            terms__ends_on="2027-06-01",
            terms__package="10",
            terms__minimum="100",
            terms__maximum="900",
            terms__tiers="0:4, 50:3",
            terms__gap_rule="zero",
        )
        field(driver, "terms.prorate").take_focus()
        await driver.press("right", "ctrl+s")
        await driver.see("from 2026-12-01 on", "About EUR 50.00 more would be billed")
        await driver.press("y")
        await driver.see("has new terms from 2026-12-01 on.")
    tried, done = aggregator.asked(Set)
    assert tried.dry_run
    assert not done.dry_run
    assert done.bucket_id == number
    assert done.terms == tried.terms
    assert done.terms == agreements_pb2.Terms(
        starts_on="2026-12-01",
        ends_on="2027-06-01",
        commit="120",
        base_price="2.5",
        overage_price="4",
        aggregation="avg",
        package="10",
        minimum="100",
        maximum="900",
        tiers=[agreements_pb2.Tier(above="0", price="4"), agreements_pb2.Tier(above="50", price="3")],
        gap_rule="zero",
        prorate=True,
    )


async def test_terms_that_are_not_used_are_changed_where_they_are_listed(aggregator: Scripted) -> None:
    aggregator.script.buckets[0].all_terms[-1].ends_on = "2028-01-01"
    async with driven(aggregator) as driver:
        await on_terms(driver)
        await driver.press("E")
        await form_open(driver)
        await driver.see("Change the terms of")
        assert field(driver, "terms.starts_on").value == "2027-01-01"
        assert field(driver, "terms.tiers").value == "0:4, 50:3.5"
        await fill(driver, terms__base_price="2.20")
        await driver.press("ctrl+s")
        await driver.see("from 2027-01-01 on")
        await driver.press("escape")
        await driver.see("Nothing was done.")
    [tried] = aggregator.asked(Set)
    assert tried.dry_run
    assert tried.terms.base_price == "2.20"
    assert (tried.terms.starts_on, tried.terms.ends_on) == ("2027-01-01", "2028-01-01")


async def test_terms_are_deleted_after_their_day_was_typed(aggregator: Scripted) -> None:
    number = aggregator.script.buckets[0].id
    async with driven(aggregator) as driver:
        await on_terms(driver)
        await driver.press("X")
        await driver.see("Delete the terms of", "The terms before them hold on.", "Type 2027-01-01")
        await driver.press(*"2027-01-01", "enter")
        await driver.see("has no terms any more that start on 2027-01-01.")
    assert aggregator.asked(Delete) == [
        Delete(bucket_id=number, starts_on="2027-01-01", dry_run=True),
        Delete(bucket_id=number, starts_on="2027-01-01"),
    ]


async def test_terms_that_a_final_reading_used_stay(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("X")
        await driver.see("Terms are deleted where they are listed: v shows them.")
        await driver.press("v")
        await driver.see("Terms  3", "2027-01-01")
        await driver.press("G", "X")
        await driver.see("A finalised reading used these terms: they stay.")
        await driver.press("E")
        await driver.see("T sets others")
    assert not aggregator.asked(Delete)


async def test_the_only_terms_are_not_deleted(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    del bucket.all_terms[:]
    bucket.all_terms.append(bucket.terms)
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("v")
        await driver.see("Terms  1")
        await driver.press("X")
        await driver.see("These are the bucket's only terms")
    assert not aggregator.asked(Delete)


async def test_acts_of_the_list_work_on_the_bucket_that_is_open(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    bucket.reviewed = False
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.see("not reviewed")
        await driver.press("A")
        await driver.see(": reviewed.")
        await driver.press("x")
        await driver.see(f"Disable {bucket.name}")
        await driver.press("escape", "w")
        await driver.see("What-if › ")
    assert aggregator.asked(agreements_pb2.ReviewBucketsRequest)[0].ids == [bucket.id]


@pytest.mark.parametrize("key", ["T", "E", "X", "x", "A", "w"])
async def test_a_key_without_the_right_says_so(aggregator: Scripted, key: str) -> None:
    aggregator.script.methods = ("Inventory/ListBuckets", "Inventory/GetBucket", "Inventory/GetClient")
    async with driven(aggregator) as driver:
        await on_terms(driver)
        await driver.press(key)
        await driver.see("which may not do that.")
        assert len(driver.app.screen_stack) == 2


async def test_a_reading_opens_from_its_history(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 3, "the reading")


async def test_a_hostile_bucket_stays_text(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    bucket.filters.add().conditions.add(
        field="name", operator=types_pb2.OPERATOR_GLOB, pattern=builders.HOSTILE[4]
    )
    bucket.all_terms[0].gap_rule = builders.HOSTILE[2]
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.see("[red]boom[/]")
        await driver.press("v")
        await driver.see("Terms  ")
        assert "\x1b" not in driver.seen()
