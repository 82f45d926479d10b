"""Billing follows a change of a client's cycle, zone and currency: no slot is billed twice, none is left out."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from aggregator.actions.update_client import client_change, update_client
from aggregator.store.database import Database
from tests.billing_reference import rows
from tests.billing_world import MARCH, NOW, World, level, one_level, run


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def spans(db: Database) -> list[dict[str, Any]]:
    async with db.transaction() as conn:
        return await rows(
            conn,
            "select period_start, period_end, from_slot, to_slot, currency, cost from billing_reading order by period_start",
        )


async def test_a_change_of_cycle_bills_the_same_usage_by_the_new_periods(db: Database) -> None:
    bucket, series, agent = await one_level(db, commit="0", base="1", overage="1")
    async with db.transaction() as conn:
        await World(conn).hours(agent, MARCH + timedelta(days=20), [level(series, 10)] * 24)
        await World(conn).dirty(bucket, MARCH + timedelta(days=20))
    await run(db)
    before = await spans(db)
    [client] = await all_ids(db)
    await update_client(
        db, client, client_change(cycle_unit="week", cycle_count=2, cycle_from=MARCH.date().isoformat())
    )
    await run(db)
    after = await spans(db)
    assert [one["period_start"].date() for one in after] == [
        date(2026, 3, 1),
        date(2026, 3, 15),
        date(2026, 3, 29),
    ]
    assert sum(one["cost"] for one in after) == sum(one["cost"] for one in before) > 0
    for one, following in pairwise(after):
        assert (one["period_end"], one["to_slot"]) == (following["period_start"], following["from_slot"])


async def test_each_period_is_billed_in_the_currency_of_its_time(db: Database) -> None:
    bucket, series, agent = await one_level(db, commit="0", base="1", overage="1.004")
    async with db.transaction() as conn:
        await World(conn).hours(agent, MARCH + timedelta(days=40), [level(series, 1)] * 2)
        await conn.execute("update bucket_terms set ends_on = '2026-04-01'")
        await World(conn).terms(
            bucket, starts_on=date(2026, 4, 1), aggregation="sum", commit="0", base="1", overage="130"
        )
    [client] = await all_ids(db)
    change = client_change(currency="JPY", time_zone="Asia/Tokyo", cycle_from="2026-04-01")
    await update_client(db, client, change)
    await run(db, now=NOW + timedelta(days=3))
    march, april = await spans(db)
    assert (march["currency"], april["currency"]) == ("USD", "JPY")
    assert march["period_end"] == april["period_start"] == datetime(2026, 4, 1, tzinfo=UTC)
    assert april["period_end"] == datetime(2026, 4, 30, 15, tzinfo=UTC)
    assert april["cost"] == int(april["cost"]) > 0


async def all_ids(db: Database) -> list[int]:
    async with db.transaction() as conn:
        return [row["id"] for row in await rows(conn, "select id from client")]
