"""What was missed while no aggregator ran is made good by the first run after it, and by one run alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.domain.slot import slot_of
from aggregator.jobs import Jobs
from aggregator.store.database import Database
from tests.billing_reference import rows
from tests.billing_world import APRIL, MARCH, NOW, one_level, run, written

pytestmark = pytest.mark.storage

PATIENCE_SECONDS = 20.0
MAY = datetime(2026, 5, 1, tzinfo=UTC)
CATCHING_UP = ("rollup", "provisioning", "binding", "billing", "projection", "control-totals", "retention")
FIGURES = """
select period_start, period_end, quantity, cost, as_of_slot, finalised_at is not null as final
from billing_reading order by period_start
"""


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=4)
    yield database
    await database.close()


async def figures(db: Database) -> list[dict[str, Any]]:
    async with db.transaction() as conn:
        return await rows(conn, FIGURES)


async def ended(db: Database) -> dict[str, str]:
    """The state of each job's run that has ended."""
    async with db.transaction() as conn:
        found = await conn.execute("select job, state from run where ended_at is not null order by id")
        return dict(await found.fetchall())


async def serve_for_a_moment(db: Database, *, now: datetime) -> None:
    """As an aggregator does that starts at ``now``: until each job has run once."""
    async with db.transaction() as conn:
        await conn.execute("update run set ended_at = null")
    jobs = Jobs(db, seconds=dict.fromkeys(CATCHING_UP, 86_400), clock=lambda: now)
    jobs.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while set(await ended(db)) < set(CATCHING_UP):  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0.05)
    finally:
        await jobs.stop(grace_seconds=PATIENCE_SECONDS)
    assert set((await ended(db)).values()) == {"done"}


async def test_periods_that_ended_while_nobody_ran_are_billed_and_closed_by_the_next_start(
    db: Database,
) -> None:
    await one_level(db, hours=24, aggregation="max")
    async with db.transaction() as conn:
        # The agent is silent since, which is written onto what is closed.
        await conn.execute("update client set close_after_days = 3")
        await conn.execute("update asset set rebind = false")
    await run(db, now=MARCH + timedelta(days=10))
    [before] = await figures(db)
    assert (before["period_start"], before["final"]) == (MARCH, False)
    assert before["as_of_slot"] < slot_of(APRIL)
    # Down from 11 March to 10 May: over the ends of two periods.
    await serve_for_a_moment(db, now=MAY + timedelta(days=9))
    found = await figures(db)
    assert [(one["period_start"], one["final"]) for one in found] == [
        (MARCH, True),
        (APRIL, True),
        (MAY, False),
    ]
    assert [one["as_of_slot"] for one in found[:2]] == [slot_of(APRIL), slot_of(MAY)]
    assert found[0]["quantity"] == 10


async def test_a_start_after_which_nothing_was_missed_changes_nothing(db: Database) -> None:
    await one_level(db, hours=24, aggregation="max")
    async with db.transaction() as conn:
        await conn.execute("update asset set rebind = false")
    await serve_for_a_moment(db, now=NOW)
    before = await written(db)
    await serve_for_a_moment(db, now=NOW)
    assert await written(db) == before
