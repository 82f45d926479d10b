"""The worked examples of the design that need slots: gaps, absence, what catches up, segments, merged assets."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.domain.gap import percent_covered
from aggregator.domain.slot import slot_of
from aggregator.store.database import Database
from tests.billing_reference import Expected, reading
from tests.billing_world import APRIL, Cell, World, amount, level, run

pytestmark = pytest.mark.storage
MAY = datetime(2026, 5, 1, tzinfo=UTC)
# A bucket whose terms are of one day: 24 slots.
ONE_DAY: dict[str, Any] = {"starts_on": date(2026, 4, 1), "ends_on": date(2026, 4, 2)}


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def one_day(
    db: Database,
    cells: dict[int, int | None],
    *,
    kind: str = "level",
    answering: bool = True,
    **terms: Any,
) -> Expected:
    """24 hours of 1 April by hour: a value, None for a tick without the series, nothing for no tick at all."""
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type(kind=kind)
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, **{**ONE_DAY, **terms})
        await world.bind(series, bucket)
        for hour, value in cells.items():
            row: list[Cell] = []
            if value is not None:
                row = [level(series, value) if kind == "level" else amount(series, value)]
            await world.slot(
                agent,
                slot_of(APRIL) + 12 * hour,
                row,
                reported=(5,) if answering and value is not None else (),
            )
            if value is None and answering:
                await conn.execute("update slot_60 set reported = '{5}' where series = '{}'")
    await run(db, now=MAY + timedelta(hours=1))
    return await reading(db, bucket, APRIL)


def covered(found: Expected) -> str:
    return str(percent_covered(measured=found.measured, absent=found.absent, gap=found.gap))


async def test_a_level_is_held_through_the_first_3_slots_of_5_that_nobody_measured(db: Database) -> None:
    found = await one_day(db, {h: 10 for h in range(24) if not 8 <= h < 13}, aggregation="avg", gap_hold=3)
    assert str(found.quantity) == "9.1667"
    assert covered(found) == "79.17"
    assert (found.measured, found.absent, found.gap) == (19, 0, 5)


@pytest.mark.parametrize(
    ("aggregation", "quantity"), [("avg", "2.5"), ("last", "0"), ("count", "1"), ("min", "0"), ("max", "10")]
)
async def test_a_vm_deleted_after_6_of_24_slots_is_absent(
    db: Database, aggregation: str, quantity: str
) -> None:
    cells = {hour: 10 if hour < 6 else None for hour in range(24)}
    found = await one_day(db, cells, aggregation=aggregation, gap_hold=3)
    assert found.quantity == Decimal(quantity)
    assert covered(found) == "100.00"
    assert (found.measured, found.absent) == (6, 18)


async def test_a_gap_behind_an_absence_holds_nothing(db: Database) -> None:
    found = await one_day(db, {0: 10, 1: None, 5: 10}, aggregation="sum", gap_hold=1)
    assert found.quantity == 10 + 10 + 10
    assert (found.absent, found.gap) == (1, 21)


@pytest.mark.parametrize(("aggregation", "quantity"), [("sum", "1000"), ("max", "100")])
async def test_a_counter_that_catches_up_flags_slots_as_spread(
    db: Database, aggregation: str, quantity: str
) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type(kind="amount")
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, **ONE_DAY, aggregation=aggregation)
        await world.bind(series, bucket)
        for hour in range(10):
            # As rule 2 has spread the 400 of the tick in hour 6: nobody answered in the three before.
            await world.slot(
                agent,
                slot_of(APRIL) + 12 * hour,
                [amount(series, 100)],
                reported=() if 3 <= hour < 6 else (5,),
            )
    await run(db, now=MAY)
    found = await reading(db, bucket, APRIL)
    assert (found.quantity, found.spread, found.measured) == (Decimal(quantity), 3, 10)


@pytest.mark.parametrize(
    ("aggregation", "value", "commit", "cost", "over"),
    [("max", 10, "10", "5.00", "0"), ("sum", 60, "100", "70.00", "10")],
)
async def test_a_bucket_from_the_16th_of_30_is_prorated(
    db: Database, aggregation: str, value: int, commit: str, cost: str, over: str
) -> None:
    """Peak 10 of commit 10: half the money. A sum of 60 of commit 100: half the commit."""
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type(kind="amount")
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(
            bucket, aggregation=aggregation, commit=commit, starts_on=date(2026, 4, 16), prorate=True
        )
        await world.bind(series, bucket)
        await world.hours(agent, APRIL + timedelta(days=20), [amount(series, value)])
    await run(db, now=MAY + timedelta(hours=1))
    found = await reading(db, bucket, APRIL)
    assert str(found.cost) == cost
    assert found.overage_units == Decimal(over)
    assert found.quantity == value


async def test_an_upgrade_in_mid_period_is_two_segments_whose_money_adds_up(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, aggregation="max", commit="10", ends_on=date(2026, 4, 11))
        await world.terms(bucket, aggregation="max", commit="20", starts_on=date(2026, 4, 13), prorate=True)
        await world.bind(series, bucket)
        await world.hours(agent, APRIL, [level(series, 12)] * 24 * 30)
    await run(db, now=MAY + timedelta(hours=1))
    found = await reading(db, bucket, APRIL)
    # 10 of 30 days: (10 + 2 over × 2) ÷ 3; two days of pause; 18 of 30 days: 20 × 0.6.
    assert [str(cost) for *_, cost in found.segments] == ["4.67", "12.00"]
    assert str(found.cost) == "16.67"
    assert found.used + found.buffer + found.overage + found.limit_amount == found.cost


async def test_a_value_is_held_across_the_start_of_a_period(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, aggregation="sum", gap_hold=3)
        await world.bind(series, bucket)
        await world.hours(agent, APRIL - timedelta(hours=2), [level(series, 7)])
    await run(db, now=MAY + timedelta(hours=1))
    assert (await reading(db, bucket, datetime(2026, 3, 1, tzinfo=UTC))).quantity == 7 + 7
    assert (await reading(db, bucket, APRIL)).quantity == 7 + 7


async def test_slots_after_an_agent_is_retired_are_absent(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, **ONE_DAY, aggregation="sum", gap_hold=0)
        await world.bind(series, bucket)
        await world.hours(agent, APRIL, [level(series, 7)] * 4)
        await world.retire(agent, APRIL + timedelta(hours=9, minutes=30))
    await run(db, now=MAY)
    found = await reading(db, bucket, APRIL)
    assert (found.measured, found.gap, found.absent) == (4, 6, 14)


async def test_of_a_merged_asset_amounts_add_and_its_own_level_counts(db: Database) -> None:
    found = {}
    async with db.transaction() as conn:
        world = World(conn)
        agent = await world.agent()
        own, other = await world.asset(agent), await world.asset(agent)
        client, buckets = await world.client(), {}
        for kind, cell in (("level", level), ("amount", amount)):
            unit = await world.unit_type(kind=kind)
            buckets[kind] = await world.bucket(client, unit)
            await world.terms(buckets[kind], **ONE_DAY, aggregation="sum")
            mine, theirs = await world.series(own, unit), await world.series(other, unit)
            for series in (mine, theirs):
                await world.bind(series, buckets[kind])
            reporter = await world.agent()
            for hour, cells in ((0, [cell(mine, 5), cell(theirs, 9)]), (1, [cell(theirs, 9)])):
                await world.slot(reporter, slot_of(APRIL) + 12 * hour, cells)
        await world.merge(other, own)
    await run(db, now=MAY)
    for kind, bucket in buckets.items():
        found[kind] = (await reading(db, bucket, APRIL)).quantity
    assert found == {"level": 5 + 9, "amount": 5 + 9 + 9}


async def test_a_disabled_bucket_is_billed_to_its_end_and_stays(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        client = await world.client()
        bucket = await world.bucket(client, unit)
        await world.terms(bucket, **ONE_DAY, aggregation="sum")
        await world.bind(series, bucket)
        await world.hours(agent, APRIL, [level(series, 7)] * 30)
        await conn.execute("update bucket set enabled = false")
        await conn.execute("update client set enabled = false, disabled_on = '2026-04-02'")
    await run(db, now=MAY)
    assert (await reading(db, bucket, APRIL)).quantity == 24 * 7
