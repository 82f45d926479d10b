"""What other terms would have cost: asked anew at each figure, and taken as new terms."""

from itertools import pairwise
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.driving import Driver, driven
from tests.tui.filling import field, fill, form_open
from tests.tui.scripted import Scripted
from tui.failures import CallFailed
from tui.screens.live import LiveScreen
from tui.screens.what_if import TYPING_SECONDS, FigureField, open_what_if
from tui.screens.what_if_figures import changed_terms, read_figures
from ullage.v1 import agreements_pb2, analysis_pb2, types_pb2

Asked = analysis_pb2.WhatIfRequest


async def on_bucket(driver: Driver) -> None:
    await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
    await driver.press("5")
    await driver.see("Buckets  30")
    await driver.press("w")
    await driver.see("What-if › ", "Give another commit or price above")


def test_a_figure_is_absolute_and_with_a_per_cent_sign_a_change() -> None:
    terms, percents, readings = read_figures(
        {"commit": "80", "base": "-10 %", "overage": "+5%", "readings": "6"}
    )
    assert terms == agreements_pb2.Terms(commit="80")
    assert percents == {"base_percent": "-10", "overage_percent": "5"}
    assert readings == 6


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({"commit": "-10"}, "For a change in per cent write -10%."),
        ({"base": "much"}, "Base: "),
        ({"overage": "-101%"}, "not a number of -100 or more"),
        ({"readings": "37"}, "a number from 1 to 36"),
    ],
)
def test_a_figure_that_cannot_be_meant_says_what_can(figures: dict[str, str], says: str) -> None:
    with pytest.raises(CallFailed, match=says):
        read_figures(figures)


def test_per_cents_change_the_terms_in_force_and_another_overage_price_replaces_tiers() -> None:
    held = agreements_pb2.Terms(
        commit="100",
        base_price="2.5",
        overage_price="4",
        aggregation="avg",
        tiers=[agreements_pb2.Tier(above="0", price="4")],
    )
    assert changed_terms(held, {"commit": "-10%"}).commit == "90"
    assert changed_terms(held, {"commit": "-10%"}).tiers == held.tiers
    taken = changed_terms(held, {"base": "+4%", "overage": "3"})
    assert (taken.commit, taken.base_price, taken.overage_price) == ("100", "2.6", "3")
    assert not taken.tiers


async def test_what_is_agreed_now_stands_where_no_figure_is_given(aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    bucket.terms.commit, bucket.terms.base_price, bucket.terms.overage_price = "165", "10.8", "15.12"
    bucket.symbol, bucket.currency = "vCPU", "EUR"
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.see("165 vCPU", "EUR 10.8", "EUR 15.12")
        assert driver.app.screen.query(FigureField).last().query_one(Input).placeholder == "12"
        bucket.terms.tiers.add(above="0", price="4")
        await driver.press("escape", "w")
        await driver.see("by tiers")


async def test_each_figure_is_asked_while_it_is_typed(aggregator: Scripted) -> None:
    number = aggregator.script.buckets[0].id
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        assert not aggregator.asked(Asked)
        await driver.press(*"60")
        # Two ended readings of 80.125 units at 2.5 and above the commit at 4.
        await driver.see(
            "EUR before", "500.00", "EUR after", "461.00", "▼ EUR 39.00 less", "By period  2", "2026-10-01"
        )
        await driver.press("enter", *"+10%")
        await driver.see("491.00", "▼ EUR 9.00 less")
        await driver.press("down", "down", *"1")
        await driver.see("245.50", "By period  1")
    assert aggregator.asked(Asked)[-1] == Asked(
        bucket_id=number, terms=agreements_pb2.Terms(commit="60"), base_percent="10", readings=1
    )


async def test_what_is_wrong_with_a_figure_is_said_and_the_next_one_asked(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press(*"-10")
        await driver.see("✖ Commit: '-10' is not a number of 0 or more.", "For a change in per cent")
        assert not aggregator.asked(Asked)
        await driver.press("%")
        await driver.see("By period  2", "Empty: as it was agreed.")
        assert "✖" not in driver.seen()
    assert aggregator.asked(Asked)[-1].commit_percent == "-10"


async def test_notes_of_the_aggregator_are_shown(aggregator: Scripted) -> None:
    aggregator.script.answers["WhatIf"] = analysis_pb2.WhatIfReply(notes=["prorating stays as it is agreed"])
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press(*"60")
        await driver.see("Prorating stays as it is agreed.", "No readings to compare with")


async def test_buckets_of_a_client_are_summed_and_one_is_looked_at_alone(aggregator: Scripted) -> None:
    client = aggregator.script.buckets[0].client_id
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
        await driver.press("2")
        await driver.see("Clients  12")
        await driver.press(*["j"] * (client - 1), "w")
        await driver.see("What-if › ")
        await driver.press(*"60")
        await driver.see("By bucket  3", "Bucket", "Difference")
        await driver.press("ctrl+s", "enter")
        await driver.see("By period  2")
        assert field(driver, "commit").value == "60"
    asked = aggregator.asked(Asked)
    assert asked[-2].client_id == client
    assert asked[-1].bucket_id in {one.id for one in aggregator.script.buckets if one.client_id == client}


async def test_all_buckets_are_asked_for_and_money_of_two_currencies_stays_apart(
    aggregator: Scripted,
) -> None:
    for reading in aggregator.script.readings:
        if reading.client_id == 1:
            reading.currency = "CHF"
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
        assert isinstance(driver.app.screen, LiveScreen)
        await open_what_if(driver.app.screen, commit="60")
        await driver.see("What-if › all buckets", "EUR before", "CHF after")
    assert aggregator.asked(Asked) == [Asked(terms=agreements_pb2.Terms(commit="60"))]


async def test_the_same_question_is_not_asked_twice_in_a_row(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
        assert isinstance(driver.app.screen, LiveScreen)
        await open_what_if(driver.app.screen, commit="60")
        await driver.see("EUR before")
        # Longer than it takes to ask for a figure that was typed.
        await driver.pilot.pause(2 * TYPING_SECONDS)
        await driver.press("1", "backspace")
        await driver.pilot.pause(2 * TYPING_SECONDS)
    # On a slow machine 601 was a figure for long enough to be asked.
    assert not [one for one, next_one in pairwise(aggregator.asked(Asked)) if one == next_one]


async def test_its_figures_are_taken_as_new_terms_of_the_bucket(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(
        series=3, money=[types_pb2.Money(currency="EUR", amount="-20.00")]
    )
    bucket = aggregator.script.buckets[0]
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press("T")
        await driver.see("Nothing is different for vm vcpu")
        await driver.press(*"-20%")
        await driver.see("By period  2")
        await driver.press("T")
        await form_open(driver)
        assert field(driver, "terms.commit").value == "80"
        # From the first day of the client's next period on.
        assert field(driver, "terms.starts_on").value == "2026-12-01"
        await driver.press("ctrl+s")
        await driver.see("About EUR 20.00 less would be billed")
        await driver.press("y")
        await driver.see("vm vcpu has new terms from 2026-12-01 on.")
    tried, done = aggregator.asked(agreements_pb2.SetTermsRequest)
    assert tried.dry_run
    assert not done.dry_run
    assert done.bucket_id == bucket.id
    assert done.terms == agreements_pb2.Terms(
        starts_on="2026-12-01", commit="80", base_price="2.5", overage_price="4", aggregation="avg"
    )


async def test_without_the_right_it_does_not_open_and_says_why(aggregator: Scripted) -> None:
    aggregator.script.methods = ("Inventory/ListBuckets",)
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
        assert isinstance(driver.app.screen, LiveScreen)
        await open_what_if(driver.app.screen)
        await driver.see("may not do that")
        assert len(driver.app.screen_stack) == 1


async def test_its_lines_are_exported(
    aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(aggregator) as driver:
        await on_bucket(driver)
        await driver.press(*"60")
        await driver.see("By period  2")
        await driver.press("ctrl+s", "e", "enter")
        await driver.see("2 rows")
    [written] = tmp_path.glob("ullage-what-if-*.csv")
    assert "difference" in written.read_text("utf-8")


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_it_draws_where_there_is_little_or_much_room(
    aggregator: Scripted, size: tuple[int, int]
) -> None:
    async with driven(aggregator, size=size) as driver:
        await on_bucket(driver)
        await fill(driver, commit="60")
        await driver.see("after", "less")
