"""Projections start from the readings that people see."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.actions.project import project
from aggregator.domain.slot import slot_of
from aggregator.store.database import Database
from tests.billing_reference import rows
from tests.billing_world import MARCH, World, level, one_level, run, start_run

pytestmark = pytest.mark.storage

# Ten of March's 31 days have passed, and their last slot is settled.
NOW = datetime(2026, 3, 11, 0, 5, tzinfo=UTC)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def projected(db: Database, *, now: datetime = NOW) -> list[dict[str, Any]]:
    """Runs billing and projection; what the table then holds."""
    await run(db, now=now)
    counts = await project(db, now=now, run_id=await start_run(db))
    async with db.transaction() as conn:
        found = await rows(conn, "select * from projection order by bucket_id, period_start")
        renewed = [row for row in found if row["calculated_at"] == now]
    assert counts["projections"] == len(renewed)
    return found


async def test_a_sum_is_projected_by_its_run_rate_and_priced_like_the_bill(db: Database) -> None:
    bucket, _, _ = await one_level(db, value=10, hours=240, commit="5000", base="1", overage="2")
    (row,) = await projected(db)
    assert (row["bucket_id"], row["period_start"]) == (bucket, MARCH)
    assert row["current_quantity"] == 2400
    assert row["projected_quantity"] == 7440
    assert row["projected_cost"] == 5000 + 2440 * 2
    assert row["percent_of_commit"] == Decimal("148.80")


@pytest.mark.parametrize("aggregation", ["avg", "max", "last", "count"])
async def test_other_aggregations_stay_what_they_are(db: Database, aggregation: str) -> None:
    await one_level(db, value=1, hours=240, aggregation=aggregation)
    (row,) = await projected(db)
    assert row["projected_quantity"] == row["current_quantity"] == 1
    assert row["percent_of_commit"] is None


async def test_a_bucket_that_starts_within_the_period_is_projected_from_there(db: Database) -> None:
    await one_level(db, value=1, hours=240, starts_on=MARCH.date() + timedelta(days=5))
    (row,) = await projected(db)
    assert row["current_quantity"] == 5 * 24
    assert row["projected_quantity"] == 26 * 24


async def test_before_a_slot_has_ended_there_is_no_projection(db: Database) -> None:
    await one_level(db)
    assert await projected(db, now=MARCH + timedelta(minutes=59)) == []


async def test_a_projection_is_renewed_while_the_period_is_open_and_kept_when_it_is_over(
    db: Database,
) -> None:
    bucket, series, agent = await one_level(db, value=10, hours=240)
    (before,) = await projected(db)
    async with db.transaction() as conn:
        await World(conn).hours(agent, NOW.replace(minute=0), [level(series, 250)])
        await World(conn).dirty(bucket, NOW)
    (after,) = await projected(db, now=NOW + timedelta(hours=1))
    assert after["current_quantity"] == 2650
    assert after["run_id"] > before["run_id"]
    rows_in_april = await projected(db, now=datetime(2026, 4, 2, tzinfo=UTC))
    assert rows_in_april[0] == after
    assert [row["projected_quantity"] for row in rows_in_april] == [after["projected_quantity"], 0]


DRAWN = ["sum", "avg", "max", "min", "p95", "last"]


@pytest.mark.parametrize("aggregation", DRAWN)
async def test_days_are_kept_and_drawn_from(db: Database, aggregation: str) -> None:
    # Twenty days of February and ten of March.
    _, series, agent = await one_level(db, value=10, hours=240, aggregation=aggregation)
    async with db.transaction() as conn:
        await World(conn).hours(agent, MARCH - timedelta(days=20), [level(series, 10)] * 480)
    (row,) = [row for row in await projected(db) if row["period_start"] == MARCH]
    wanted = 7440 if aggregation == "sum" else 10
    assert row["method"] == "paths"
    assert (row["low_quantity"], row["projected_quantity"], row["high_quantity"]) == (wanted,) * 3
    assert (row["low_cost"], row["high_cost"]) == (row["projected_cost"],) * 2
    async with db.transaction() as conn:
        days = await rows(conn, "select * from bucket_day order by from_slot")
    used = [day for day in days if day["filled"]]
    assert len(used) == 30
    figures = {
        "sum": ("total", 240),
        "avg": ("total", 240),
        "max": ("high", 10),
        "min": ("low", 10),
        "p95": ("slot_values", [10] * 24),
        "last": ("last", 10),
    }
    name, value = figures[aggregation]
    assert [day[name] for day in used] == [value] * 30


async def test_nothing_is_projected_again_before_it_is_rated_again(db: Database) -> None:
    await one_level(db, value=10, hours=240)
    (before,) = await projected(db)
    counts = await project(db, now=NOW + timedelta(minutes=5), run_id=await start_run(db))
    assert counts["projections"] == 0
    async with db.transaction() as conn:
        assert await rows(conn, "select * from projection") == [before]


async def test_a_day_that_changes_is_kept_anew_and_the_others_stay(db: Database) -> None:
    bucket, _, _ = await one_level(db, value=10, hours=240)
    await run(db, now=NOW)
    async with db.transaction() as conn:
        before = await rows(conn, "select * from bucket_day order by from_slot")
        await conn.execute(
            "update slot_60 set total = array[600 * 2], low = array[20], high = array[20], last = array[20]"
            " where slot >= %s and slot < %s",
            (slot_of(MARCH) + 3 * 288, slot_of(MARCH) + 4 * 288),
        )
        await World(conn).dirty(bucket, MARCH + timedelta(days=3))
    await run(db, now=NOW)
    async with db.transaction() as conn:
        after = await rows(conn, "select * from bucket_day order by from_slot")
    changed = [(a["from_slot"], b["total"]) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [(slot_of(MARCH) + 3 * 288, 480)]
    await run(db, now=NOW, everything=True)
    async with db.transaction() as conn:
        assert await rows(conn, "select * from bucket_day order by from_slot") == after


async def test_what_was_projected_is_remembered_once_for_each_per_cent(db: Database) -> None:
    await one_level(db, value=10, hours=240)
    await projected(db)
    await projected(db, now=NOW + timedelta(hours=1))
    await projected(db, now=NOW + timedelta(hours=8))
    async with db.transaction() as conn:
        found = await rows(conn, "select share, calculated_at from projection_history order by share")
    assert [(row["share"], row["calculated_at"]) for row in found] == [
        (32, NOW),
        (33, NOW + timedelta(hours=8)),
    ]
