"""The list of buckets: what it is restricted to, and what is done with buckets from there, many at a time."""

from pathlib import Path

import grpc
import pytest

from tests.tui.driving import Driver, driven
from tests.tui.filling import field, fill, form_open, pick
from tests.tui.scripted import Scripted
from ullage.v1 import agreements_pb2, inventory_pb2, types_pb2

Review = agreements_pb2.ReviewBucketsRequest
Enable = agreements_pb2.SetBucketsEnabledRequest
Update = agreements_pb2.UpdateBucketRequest
Create = inventory_pb2.CreateBucketRequest


async def on_buckets(driver: Driver) -> None:
    await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
    await driver.press("5")
    await driver.see("Buckets  30")


def ids(aggregator: Scripted, *places: int) -> list[int]:
    return [aggregator.script.buckets[place].id for place in places]


async def test_what_is_over_already_and_what_will_be_have_signs_of_their_own_and_keep_their_units(
    aggregator: Scripted,
) -> None:
    over, coming = aggregator.script.buckets[:2]
    for bucket, used in ((over, "31000.5"), (coming, "19879.2")):
        bucket.status, bucket.symbol, bucket.current_usage = "over", "core-h", used
        bucket.terms.commit = "28205"
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.see("▲ 31k core-h", "↗ 19.9k core-h", "28.2k core-h")


@pytest.mark.parametrize(
    ("key", "chip", "name"),
    [
        ("r", "not reviewed ×", "not_reviewed"),
        ("o", "over ×", "over"),
        ("e", "enabled ×", "enabled"),
        ("d", "disabled ×", "disabled"),
    ],
)
async def test_a_restriction_is_a_chip_that_esc_takes_away(
    aggregator: Scripted, key: str, chip: str, name: str
) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("f", key)
        await driver.see(f"Buckets  {chip}")
        await driver.until(
            lambda: getattr(aggregator.asked(inventory_pb2.ListBucketsRequest)[-1], name), "the question"
        )
        await driver.press("escape")
        await driver.until(
            lambda: not getattr(aggregator.asked(inventory_pb2.ListBucketsRequest)[-1], name), "all of them"
        )


async def test_buckets_of_a_source_type_a_unit_type_and_a_client_are_chosen_from_what_there_is(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("f", "s")
        await driver.see("Source type", "interface", "volume")
        await driver.press("down", "enter")
        await driver.until(lambda: "source: " in driver.seen(), "a chip")
        await driver.press("f", "u")
        await driver.see("memory assigned")
        await driver.press("enter")
        await driver.until(lambda: "unit: " in driver.seen(), "another chip")
        await driver.press("f", "c")
        await driver.see("Buckets of one client")
        await driver.press(*"nord")
        await driver.see("▸ Nordlicht Energie")
        await driver.press("enter")
        await driver.see("client: Nordlicht Energie ×")
    asked = aggregator.asked(inventory_pb2.ListBucketsRequest)[-1]
    assert asked.client_id == 3
    assert asked.unit_type
    assert asked.source_type


async def test_marked_buckets_are_reviewed_in_one_call(aggregator: Scripted) -> None:
    for bucket in aggregator.script.buckets[:3]:
        bucket.reviewed = False
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("space", "space", "space")
        await driver.see("3 marked")
        await driver.press("A")
        await driver.see("3 buckets: reviewed. z takes it back.")
        assert "marked" not in driver.seen()
    assert aggregator.asked(Review) == [Review(ids=ids(aggregator, 0, 1, 2), reviewed=True)]


async def test_a_reviewed_bucket_is_to_be_looked_at_again_by_the_same_key(aggregator: Scripted) -> None:
    aggregator.script.buckets[0].reviewed = True
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("A")
        await driver.see("to be looked at again.")
    assert aggregator.asked(Review) == [Review(ids=ids(aggregator, 0), reviewed=False)]


async def test_marked_buckets_are_disabled_after_a_dry_run_with_the_money(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(
        assets=4, series=9, readings=10, money=[types_pb2.Money(currency="EUR", amount="-120.00")]
    )
    aggregator.script.buckets[1].enabled = False
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("space", "space", "space", "x")
        await driver.see("Disable 2 buckets", "billed to nobody")
        await fill(driver, on="2026-12-01")
        await driver.press("ctrl+s")
        await driver.see("Disable 2 buckets from 2026-12-01 on", "About EUR 120.00 less would be billed")
        await driver.press("y")
        await driver.see("2 buckets: disabled from 2026-12-01 on.")
    tried, done = aggregator.asked(Enable)
    assert tried == Enable(ids=ids(aggregator, 0, 2), enabled=False, on="2026-12-01", dry_run=True)
    assert done == Enable(ids=ids(aggregator, 0, 2), enabled=False, on="2026-12-01")


async def test_disabled_buckets_are_enabled_by_the_same_key_unless_cancelled(aggregator: Scripted) -> None:
    aggregator.script.buckets[0].enabled = False
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("x")
        await driver.see("Its last terms hold again")
        await driver.press("ctrl+s")
        await driver.see("from the next local midnight on")
        await driver.press("enter")
        await driver.see("Nothing was done.")
    assert aggregator.asked(Enable) == [Enable(ids=ids(aggregator, 0), enabled=True, dry_run=True)]


async def test_a_bucket_is_made_after_its_lines_and_money_were_shown(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(
        assets=1,
        series=1,
        readings=720,
        money=[types_pb2.Money(currency="EUR", amount="160.00")],
        lines=[types_pb2.PreviewLine(act="bind", asset_name="web-01", unit_type="ram", to="web memory")],
        lines_total=1,
    )
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("n")
        await form_open(driver)
        # Of the client under the cursor, from the first day of its open period on.
        assert field(driver, "client_id").value == str(aggregator.script.buckets[0].client_id)
        assert field(driver, "terms.starts_on").value == "2026-11-01"
        await pick(driver, "client_id", "brook", "Brook & Sons")
        await fill(driver, name="web memory")
        await pick(driver, "source_type", "v", "vm")
        await pick(driver, "unit_type", "memory", "ram  GiB")
        await fill(
            driver,
            filters="name glob web-* and label:env equals prod or address cidr 10.0.0.0/8",
            terms__commit="64",
            terms__base_price="2.50",
            terms__overage_price="4",
            terms__aggregation="p95",
            terms__tiers="0:4, 100:3.5",
            terms__gap_rule="hold 3",
        )
        await driver.press("ctrl+s")
        await driver.see(
            "Make the bucket web memory", "EUR 160.00 more would be billed", "nobody → web memory"
        )
        await driver.press("y")
        await driver.see("The bucket web memory was made.")
    tried, done = aggregator.asked(Create)
    assert tried.dry_run
    tried.dry_run = False
    assert tried == done
    assert done.client_id == 1
    assert (done.name, done.source_type, done.unit_type) == ("web memory", "vm", "ram")
    assert [[one.pattern for one in f.conditions] for f in done.filters] == [
        ["web-*", "prod"],
        ["10.0.0.0/8"],
    ]
    assert done.terms == agreements_pb2.Terms(
        starts_on="2026-11-01",
        commit="64",
        base_price="2.50",
        overage_price="4",
        aggregation="p95",
        tiers=[agreements_pb2.Tier(above="0", price="4"), agreements_pb2.Tier(above="100", price="3.5")],
        gap_rule="hold 3",
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("filters", "name like web-*", "'like' is not one of"),
        ("filters", 'name glob "web', "No closing quotation"),
        ("terms__commit", "-1", "is not a number of 0 or more"),
        ("terms__aggregation", "mean", "is not one of sum, avg"),
        ("terms__tiers", "100", "is not ABOVE:PRICE"),
        ("terms__gap_rule", "carry", "neither 'zero' nor 'hold N'"),
        ("priority", "high", "Give a whole number"),
    ],
)
async def test_what_a_bucket_cannot_be_is_said_beside_the_field(
    aggregator: Scripted, name: str, value: str, says: str
) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("n")
        await form_open(driver)
        await pick(driver, "source_type", "vm", "vm")
        await pick(driver, "unit_type", "ram", "ram")
        await fill(driver, name="x", terms__base_price="1", terms__overage_price="2", **{name: value})
        await driver.press("ctrl+s")
        await driver.see("✖", says)
        assert field(driver, name.replace("__", ".")).has_focus_within
    assert not aggregator.asked(Create)


async def test_what_concerns_many_assets_is_confirmed_by_their_number(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(assets=40, series=40, confirm_assets=40)
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("E")
        await form_open(driver)
        await fill(driver, filters="name glob db-*")
        await driver.press("ctrl+s")
        await driver.see("more than a tenth of all", "Type 40")
        await driver.press(*"40", "enter")
        await driver.see("was changed. z takes it back.")
    tried, done = aggregator.asked(Update)
    assert tried.dry_run
    assert tried.set_filters
    assert [one.conditions[0].pattern for one in done.filters] == ["db-*"]
    assert done.confirmed_assets == 40
    assert not done.HasField("name")


async def test_a_name_alone_moves_no_filter(aggregator: Scripted) -> None:
    number = aggregator.script.buckets[0].id
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("E")
        await form_open(driver)
        await driver.press("ctrl+s")
        await driver.see("✖ Nothing is different yet")
        await fill(driver, name="memory of the web", priority="20")
        await driver.press("ctrl+s")
        await driver.see("Change vm vcpu")
        await driver.press("y")
        await driver.see("memory of the web was changed.")
    assert aggregator.asked(Update)[-1] == Update(id=number, name="memory of the web", priority=20)


async def test_what_is_done_to_one_bucket_is_not_done_to_many(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("space", "space", "T")
        await driver.see("2 buckets are marked; this is done to one at a time")


async def test_the_assets_of_a_bucket_are_one_key_away(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("v")
        await driver.until(lambda: len(driver.app.screen_stack) == 2, "the assets")
        await driver.until(
            lambda: (
                [one.bucket_id for one in aggregator.asked(inventory_pb2.ListAssetsRequest)][-1:]
                == ids(aggregator, 0)
            ),
            "the question",
        )


@pytest.mark.parametrize("key", ["n", "A", "T", "w", "E", "x"])
async def test_a_key_without_the_right_says_so(aggregator: Scripted, key: str) -> None:
    aggregator.script.methods = ("Inventory/ListBuckets", "Inventory/GetBucket")
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        before = len(aggregator.requests)
        await driver.press(key)
        await driver.see("The key ops has the role viewer, which may not do that.")
        assert len(driver.app.screen_stack) == 1
        assert len(aggregator.requests) == before


async def test_buckets_that_are_over_say_so_also_where_there_is_little_room(aggregator: Scripted) -> None:
    aggregator.script.buckets = aggregator.script.buckets[:1]
    aggregator.script.buckets[0].status = "over"
    async with driven(aggregator) as driver:
        await driver.press("5")
        await driver.see("Buckets  1", "▲")


async def test_buckets_are_exported_as_they_are_listed(
    aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("e", "enter")
        await driver.see("30 rows")
    [written] = tmp_path.glob("ullage-buckets-*.csv")
    assert len(written.read_text("utf-8").splitlines()) == 31


async def test_what_the_aggregator_refuses_is_said_and_the_marks_stay(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("space", "space")
        aggregator.script.failure = (
            grpc.StatusCode.FAILED_PRECONDITION,
            "the client Brook & Sons is disabled; enable it first",
        )
        await driver.press("A")
        await driver.see("✖ The client Brook & Sons is disabled; enable it first.")
        await driver.press("escape")
        await driver.see("2 marked")
        await driver.press("x", "ctrl+s")
        await driver.see("✖ The client Brook & Sons is disabled")
        await driver.press("escape")
    assert all(one.dry_run for one in aggregator.asked(Enable))


async def test_a_jump_looks_among_all_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_buckets(driver)
        await driver.press("f", "d")
        await driver.see("disabled ×")
        await driver.press("colon", *"buckets vcpu")
        await driver.see("Buckets: vcpu")
        await driver.press("enter")
        await driver.see("filter: vcpu")
        assert "disabled ×" not in driver.seen()
    assert not aggregator.asked(inventory_pb2.ListBucketsRequest)[-1].disabled
