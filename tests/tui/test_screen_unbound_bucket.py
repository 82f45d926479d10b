"""A bucket that is missing, made from the screen of unbound assets."""

from datetime import UTC, datetime

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.estate_triage import Kind, monday
from tests.tui.scripted import Scripted
from tests.tui.triaging import go_to
from tui.screens.triage_bucket import begin
from tui.screens.unbound import UnboundScreen
from ullage.v1 import agreements_pb2, inventory_pb2
from ullage.wire import from_time

Created = inventory_pb2.CreateBucketRequest
Listed = inventory_pb2.ListAssetsRequest


async def test_a_new_bucket_begins_with_the_template_of_its_unit_type(
    triage: Driver, aggregator: Scripted
) -> None:
    aggregator.script.unit_types = [one for one in aggregator.script.unit_types if one.name == "ram"]
    await go_to(triage, "web-01.brook")
    await triage.press("n")
    await triage.see("Which unit type?", "1  ram, has a template", "2  net-out")
    await triage.press("1")
    await triage.see(
        "New bucket of Brook & Sons on ram of vm", "Terms as in the template of ram for vm.", "2.75", "p95"
    )
    await triage.press("ctrl+s")
    await triage.see("Make the bucket vm ram", "o assigns the asset to Brook & Sons")
    await triage.press("y")
    await triage.see("The bucket vm ram was made. The next binding run")
    dry, done = aggregator.asked(Created)
    assert (dry.dry_run, done.dry_run) == (True, False)
    assert (done.client_id, done.source_type, done.unit_type) == (1, "vm", "ram")
    terms = done.terms
    assert (terms.aggregation, terms.commit, terms.base_price) == ("p95", "16", "2.75")
    assert (terms.overage_price, terms.starts_on) == ("3.5", "2026-11-01")


async def test_without_a_template_it_begins_with_the_most_similar_bucket(
    triage: Driver, aggregator: Scripted
) -> None:
    aggregator.script.unit_types = []
    of = aggregator.script.clients[0]
    aggregator.script.buckets = [
        builders.bucket(50, "memory of others", aggregator.script.clients[1], series=90),
        builders.bucket(51, "memory", of, series=2),
        builders.bucket(52, "in francs", of, currency="CHF", series=99),
    ]
    await go_to(triage, "web-01.brook")
    await triage.press("n")
    await triage.see("Which unit type?")
    await triage.press("j", "enter")
    await triage.see("on ram of vm", "Terms as in the bucket memory of Brook & Sons.", "2.5")


async def test_all_terms_of_the_similar_bucket_come_with_it(triage: Driver, aggregator: Scripted) -> None:
    aggregator.script.unit_types = []
    near = builders.bucket(51, "memory", aggregator.script.clients[0])
    near.terms.MergeFrom(
        agreements_pb2.Terms(
            id=9,
            finalised=True,
            tiers=[agreements_pb2.Tier(above="0", price="4"), agreements_pb2.Tier(above="50", price="3")],
            package="10",
            minimum="20",
            maximum="900",
            gap_rule="zero",
            prorate=True,
        )
    )
    aggregator.script.buckets = [near]
    await go_to(triage, "web-01.brook")
    await triage.press("n")
    await triage.see("Which unit type?")
    await triage.press("j", "enter")
    await triage.see("Terms as in the bucket memory of Brook & Sons.")
    await triage.press("ctrl+s")
    await triage.see("Do it  y")
    terms = aggregator.asked(Created)[0].terms
    assert (terms.id, terms.finalised, terms.starts_on) == (0, False, "2026-11-01")
    assert [(tier.above, tier.price) for tier in terms.tiers] == [("0", "4"), ("50", "3")]
    assert (terms.package, terms.minimum, terms.maximum) == ("10", "20", "900")
    assert (terms.gap_rule, terms.prorate) == ("zero", True)


async def test_prices_are_not_taken_over_from_another_currency(triage: Driver, aggregator: Scripted) -> None:
    aggregator.script.unit_types = []
    other = aggregator.script.clients[1]
    aggregator.script.buckets = [builders.bucket(52, "in francs", other, currency="CHF")]
    await go_to(triage, "web-01.brook")
    await triage.press("n")
    await triage.see("Which unit type?")
    await triage.press("j", "enter")
    await triage.see("but its prices are", "in CHF.")
    await triage.press("ctrl+s")
    await triage.see("✖ Base price is missing.")
    assert not aggregator.asked(Created)


async def test_for_an_asset_of_nobody_it_is_asked_whose(triage: Driver, aggregator: Scripted) -> None:
    await go_to(triage, "printer")
    await triage.press("n")
    await triage.see("printer is assigned to nobody.")
    await triage.press(*"quill", "enter")
    await triage.see("Which unit type?")
    await triage.press("escape")
    await triage.until(lambda: isinstance(triage.app.screen, UnboundScreen), "the list")
    assert not aggregator.asked(Created)


async def test_what_is_bound_already_needs_no_bucket(aggregator: Scripted) -> None:
    monday(aggregator.script, [Kind("web-{}", 1, client=1, money="1.00")])
    aggregator.script.assets[0].client_id = 1
    aggregator.script.buckets = [builders.bucket(1, "memory", aggregator.script.clients[0])]
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("a accepts for it")
        await driver.press("n")
        await driver.see("1  net-out", "2  vcpu")
        assert "ram" not in driver.seen()


async def test_an_error_on_the_way_to_the_form_is_said(triage: Driver, aggregator: Scripted) -> None:
    aggregator.script.assets = [one for one in aggregator.script.assets if one.name != "pg-1-data"]
    await triage.press("n")
    await triage.see("There is no asset")
    assert not aggregator.asked(Created)


@pytest.mark.parametrize(
    ("days", "cycle", "first"),
    [
        (3, {}, "2026-11-01"),
        (45, {}, "2026-10-01"),
        (45, {"cycle_count": 3}, "2026-08-01"),
        (
            10,
            {"cycle_unit": "week", "period_start": from_time(datetime(2026, 11, 16, tzinfo=UTC))},
            "2026-11-09",
        ),
        (45, {"period_start": from_time(datetime(2026, 10, 31, tzinfo=UTC))}, "2026-09-30"),
        (3, {"period_start": None}, ""),
    ],
)
def test_a_new_bucket_begins_with_the_period_since_which_something_is_unbound(
    days: int, cycle: dict[str, object], first: str
) -> None:
    assert begin(builders.client(1, "Brook", **cycle), [builders.ago(days=days)]) == first


async def test_a_bucket_beside_one_of_the_same_kind_takes_the_marked_alone(
    triage: Driver, aggregator: Scripted
) -> None:
    aggregator.script.buckets = [builders.bucket(51, "memory", aggregator.script.clients[0])]
    aggregator.script.unit_types = []
    await go_to(triage, "web-01.brook")
    await triage.press("plus", "n")
    await triage.see("Which unit type?")
    await triage.press("j", "enter")
    await triage.see("on ram of vm", "name glob web-*.brook")
