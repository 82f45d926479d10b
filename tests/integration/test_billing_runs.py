"""Billing runs that are killed, overlap, or read while readings still arrive."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.actions.bill import bill
from aggregator.actions.roll_up import roll_up
from aggregator.domain.slot import slot_of
from aggregator.errors import Unavailable
from aggregator.store.database import Connection, Database
from aggregator.store.news import CHANNEL
from tests.billing_reference import reading, readings, rows
from tests.billing_world import APRIL, MARCH, NOW, World, level, one_level, run, start_run, written

pytestmark = pytest.mark.storage

WAIT_SECONDS_MAX = 30.0


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


@asynccontextmanager
async def held(db: Database, text: Any, *values: object) -> AsyncIterator[Connection]:
    """Another session that has run a statement and has not ended its transaction."""
    async with db.dedicated() as conn, conn.transaction():
        await conn.execute(text, values)
        yield conn


async def all_rows(db: Database, text: Any) -> list[dict[str, Any]]:
    async with db.transaction() as conn:
        return await rows(conn, text)


async def waiting_for_a_lock(db: Database, *, besides: int = 0) -> int:
    """The process id of the session that waits, once there is one (other than ``besides``)."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            async with db.transaction() as conn:
                found = await rows(
                    conn,
                    "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
                )
            pids = [int(row["pid"]) for row in found if row["pid"] != besides]
            if pids:
                return pids[0]
            await asyncio.sleep(0.01)


async def more_usage(db: Database, bucket: int, series: int, agent: int) -> None:
    """Three days into March, five more, and the day marked."""
    async with db.transaction() as conn:
        await World(conn).hours(agent, MARCH + timedelta(days=3), [level(series, 5)])
        await World(conn).dirty(bucket, MARCH + timedelta(days=3))


async def set_clock(db: Database, stored: datetime) -> None:
    """As if what is stored had been stored then: the database's clock cannot be turned."""
    async with db.transaction() as conn:
        await conn.execute("update tick set stored_at = %s where stored_at > now()", [stored])
        await conn.execute("update slot_60 set stored_max = %s where stored_max > now()", [stored])


async def test_a_killed_run_leaves_the_old_figures_and_the_marks(db: Database) -> None:
    bucket, series, agent = await one_level(db)
    await run(db)
    await more_usage(db, bucket, series, agent)
    before = await written(db)
    async with held(db, "select from billing_reading where bucket_id = %s for update", bucket):
        killed = asyncio.create_task(run(db))
        pid = await waiting_for_a_lock(db)
        async with db.transaction() as conn:
            await conn.execute("select pg_terminate_backend(%s)", [pid])
        with pytest.raises(Unavailable):
            await killed
    assert await written(db) == before
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 245


async def test_a_run_that_stops_between_periods_is_completed_by_the_next(db: Database) -> None:
    bucket, _, _ = await one_level(db)
    seen: list[dict[str, int]] = []

    async def stop(counts: Mapping[str, int], **_: int) -> None:
        seen.append(dict(counts))
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await bill(db, now=NOW, run_id=await start_run(db), progress=stop)
    assert seen == [{"clients": 0, "pairs": 1, "readings": 1, "changed": 1}]
    assert set(await readings(db)) == {(bucket, MARCH)}
    assert (await run(db))["pairs"] == 1
    assert set(await readings(db)) == {(bucket, MARCH), (bucket, APRIL)}


async def test_what_changes_while_a_period_is_rated_is_rated_by_the_next_run(db: Database) -> None:
    bucket, series, agent = await one_level(db)
    await run(db)
    await more_usage(db, bucket, series, agent)

    async def even_more() -> None:
        async with db.dedicated() as conn, conn.transaction():
            await World(conn).hours(agent, MARCH + timedelta(days=3, hours=1), [level(series, 1000)])
            # Waits: the run has taken this mark away and is not committed.
            await World(conn).dirty(bucket, MARCH + timedelta(days=3))

    async with held(db, "select from billing_reading where bucket_id = %s for update", bucket):
        rating = asyncio.create_task(run(db))
        first = await waiting_for_a_lock(db)
        changing = asyncio.create_task(even_more())
        await waiting_for_a_lock(db, besides=first)
    await rating
    await changing
    assert (await reading(db, bucket, MARCH)).quantity == 245
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 1245
    assert (await written(db))["dirty"] == []


async def test_a_day_of_two_periods_is_kept_for_the_one_that_is_already_done(db: Database) -> None:
    bucket, _, _ = await one_level(db, hours=24 * 32)
    async with db.transaction() as conn:
        await conn.execute("update client set time_zone = 'Europe/Berlin'")
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)

    async def change(counts: Mapping[str, int], **_: int) -> None:
        if counts["pairs"] == 1:  # March is done, April is not.
            async with db.transaction() as conn:
                await conn.execute(
                    "update slot_60 set total = array[1200] where slot = %s", [slot_of(midnight) - 12]
                )
                await World(conn).dirty(bucket, midnight)

    await bill(db, now=NOW, run_id=await start_run(db), progress=change)
    march = datetime(2026, 2, 28, 23, tzinfo=UTC)
    before = (await reading(db, bucket, march)).quantity
    assert (await run(db))["pairs"] == 1
    assert (await reading(db, bucket, march)).quantity == before + 10
    assert (await written(db))["dirty"] == []


async def test_a_cutoff_waits_for_the_commits_that_have_their_time(db: Database) -> None:
    bucket, _, _ = await one_level(db)
    ingest = "select pg_advisory_xact_lock_shared(hashtextextended('ullage.ingest', 0))"
    async with held(db, ingest) as conn:
        (stored,) = await rows(conn, "select clock_timestamp() as at")
        rating = asyncio.create_task(run(db))
        await waiting_for_a_lock(db)
        assert not rating.done()
    await rating
    assert {row["cutoff"] > stored["at"] for row in (await written(db))["billing_reading"]} == {True}
    assert (await reading(db, bucket, MARCH)).quantity == 240


async def test_what_is_stored_after_the_cutoff_is_left_to_the_next_run(db: Database) -> None:
    bucket, series, agent = await one_level(db, hours=0)
    later, at = datetime.now(UTC) + timedelta(hours=1), MARCH + timedelta(minutes=30)
    async with db.transaction() as conn:
        world = World(conn)
        await world.tick(agent, series, 10, at=at, stored=MARCH)
        await world.tick(agent, series, 90, at=at + timedelta(minutes=1), stored=later)
        await world.tick(agent, series, 500, at=at + timedelta(hours=1), stored=later)
    await roll_up(db, now=NOW)
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 10
    assert [row["bucket_id"] for row in (await written(db))["dirty"]] == [bucket]
    await set_clock(db, MARCH)
    assert (await run(db))["changed"] == 1
    assert (await reading(db, bucket, MARCH)).quantity == 50 + 500
    assert (await written(db))["dirty"] == []


async def test_a_bucket_of_which_all_is_late_is_rated_again(db: Database) -> None:
    bucket, series, agent = await one_level(db, hours=0)
    async with db.transaction() as conn:
        later = datetime.now(UTC) + timedelta(hours=1)
        await World(conn).tick(agent, series, 10, at=MARCH + timedelta(minutes=30), stored=later)
    await roll_up(db, now=NOW)
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 0
    await set_clock(db, MARCH)
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 10


async def test_splitting_a_slots_readings_over_batches_changes_nothing(db: Database) -> None:
    bucket, series, agent = await one_level(db, hours=0)
    ticks = [(MARCH + timedelta(minutes=minute), minute * 7 % 11) for minute in range(1, 61)]
    for part in (ticks[30:], ticks[::2][:15], ticks[1::2][:15]):
        async with db.transaction() as conn:
            for at, value in part:
                await World(conn).tick(agent, series, value, at=at, stored=MARCH)
        await roll_up(db, now=NOW)
        await run(db)
    total = sum(value for _, value in ticks)
    assert (await reading(db, bucket, MARCH)).quantity == (2 * total + 60) // 120


async def test_a_client_that_another_run_holds_is_left_to_it(db: Database) -> None:
    bucket, series, agent = await one_level(db)
    await run(db)
    await more_usage(db, bucket, series, agent)
    before = await written(db)
    (client,) = {row["id"] for row in await all_rows(db, "select id from client")}
    lock = "select pg_advisory_xact_lock(hashtextextended('ullage.billing.client', %s))"
    async with held(db, lock, client):
        assert (await run(db))["pairs"] == 0
        assert await written(db) == before
    assert (await run(db))["pairs"] == 1


async def test_a_run_that_a_later_one_has_overtaken_writes_nothing(db: Database) -> None:
    bucket, series, agent = await one_level(db)
    older = await start_run(db)
    await run(db)
    await more_usage(db, bucket, series, agent)
    before = await written(db)
    assert (await bill(db, now=NOW, run_id=older, everything=True))["readings"] == 0
    assert await written(db) == before


async def test_two_runs_at_once_come_to_the_same_as_one(db: Database) -> None:
    bucket, _, _ = await one_level(db)
    counts = await asyncio.gather(*(run(db) for _ in range(3)))
    assert sum(c["changed"] for c in counts) == 2
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 240


async def test_screens_are_told_of_changed_readings_only(db: Database) -> None:
    await one_level(db)
    async with db.dedicated() as conn:
        await conn.execute("select set_config('application_name', 'screen', false)")
        await conn.execute(f"listen {CHANNEL}")
        await run(db)
        told = [notice.payload async for notice in conn.notifies(timeout=1.0)]
        assert {payload.partition(" ")[0] for payload in told} == {"reading"}
        await run(db, everything=True)
        assert [notice.payload async for notice in conn.notifies(timeout=1.0)] == []


async def test_a_slot_counts_when_it_has_surely_been_rolled_up(db: Database) -> None:
    bucket, _, _ = await one_level(db, aggregation="last")
    second_hour_ends = MARCH + timedelta(hours=2)
    await run(db, now=second_hour_ends)
    assert (await reading(db, bucket, MARCH)).as_of_slot == slot_of(MARCH + timedelta(hours=1))
    await run(db, now=second_hour_ends + timedelta(minutes=3))
    assert (await reading(db, bucket, MARCH)).as_of_slot == slot_of(second_hour_ends)
    assert (await reading(db, bucket, MARCH)).quantity == 10
