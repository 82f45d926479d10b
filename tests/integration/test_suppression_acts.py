"""Suppressions and what is known already: the dry run, the bindings that end, who did it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.actions.rebind import rebind
from aggregator.actions.suppress import create_suppression, end_suppression
from aggregator.domain.match import Condition, Operator
from aggregator.domain.slot import OPEN_SLOT, slot_of
from aggregator.errors import Conflict
from aggregator.store import suppressions
from aggregator.store.database import acting
from tests.builders import World
from tests.rollup_world import Conn, opened
from tests.two_clients import NOON, bindings, value

TERMS = datetime(2020, 1, 1, tzinfo=UTC)
FIRST = slot_of(TERMS)
TEMPORARY = Condition("name", Operator.GLOB, "tmp-*")


async def bound(conn: Conn, name: str) -> tuple[int, int]:
    """An asset of a client of its own, bound to a bucket since its terms hold: series and bucket."""
    world = World(conn)
    client = await world.client(f"client of {name}")
    bucket = await world.bucket(client)
    asset = await world.asset(name, agent=await world.agent(f"agent of {name}"), external_id=name)
    series = await world.series(asset)
    await world.assignment(asset, client)
    await conn.execute("update asset set assigned_by_hand = true")
    await world.binding(series, bucket, since=TERMS)
    await world.measured(series, NOON - timedelta(days=5), NOON)
    await conn.commit()
    return series, bucket


async def test_a_dry_run_says_what_would_vanish_and_saves_nothing(dsn: str, conn: Conn) -> None:
    series, bucket = await bound(conn, "tmp-1")
    await bound(conn, "web-1")
    await conn.execute(
        "insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)"
        " values (%s, '2026-11-01', %s, 1, 1, %s, 120, 7200)",
        [series, 7200 * 2**30, slot_of(NOON)],
    )
    await conn.commit()
    async with opened(dsn) as db:
        done = await create_suppression(db, condition=TEMPORARY, reason="builds", dry_run=True, now=NOON)
    assert done.id is None
    assert (done.preview.assets, done.preview.series, done.preview.readings) == (1, 1, 7200)
    assert list(done.preview.money) == ["EUR"]
    assert done.preview.money["EUR"] <= Decimal(0)
    assert [(line.act, line.asset_name) for line in done.preview.lines] == [("drop", "tmp-1")]
    assert await value(conn, "select count(*) from suppression") == 0
    assert await bindings(conn, series) == [(bucket, FIRST, OPEN_SLOT)]


async def test_what_no_bucket_counts_costs_nothing_when_it_is_dropped(dsn: str, conn: Conn) -> None:
    series, _ = await bound(conn, "tmp-1")
    await conn.execute(
        "insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)"
        " values (%s, '2026-11-01', %s, 1, 1, %s, 120, 7200)",
        [series, 7200 * 2**30, slot_of(NOON)],
    )
    await conn.execute("delete from binding")
    await conn.commit()
    async with opened(dsn) as db:
        done = await create_suppression(db, condition=TEMPORARY, reason="builds", dry_run=True, now=NOON)
    assert (done.preview.readings, done.preview.money, done.preview.unpriced) == (7200, {}, 0)
    assert [line.money for line in done.preview.lines] == [None]


async def test_bindings_of_matches_end_now_and_open_again_when_it_ends(dsn: str, conn: Conn) -> None:
    series, bucket = await bound(conn, "tmp-1")
    other, elsewhere = await bound(conn, "web-1")
    later = NOON + timedelta(days=2, minutes=5)
    async with opened(dsn) as db:
        with acting("ada", act="Inventory/CreateSuppression"):
            done = await create_suppression(
                db, condition=TEMPORARY, reason="builds", now=NOON + timedelta(minutes=40)
            )
        assert done.id is not None
        ended = [(bucket, FIRST, slot_of(NOON))]
        assert await bindings(conn, series) == ended
        assert await bindings(conn, other) == [(elsewhere, FIRST, OPEN_SLOT)]
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        await rebind(db)
        assert await bindings(conn, series) == ended
        with acting("bob", act="Inventory/EndSuppression"):
            await end_suppression(db, done.id, now=later)
            await end_suppression(db, done.id, now=later)
        await rebind(db)
        async with db.transaction() as reading:
            row = await suppressions.suppression(reading, done.id)
    assert await bindings(conn, series) == [*ended, (bucket, slot_of(later) // 12 * 12, OPEN_SLOT)]
    assert row is not None
    assert (row.created_by, row.ended_by) == ("ada", "bob")


async def test_of_two_suppressions_the_one_that_still_holds_keeps_its_assets_unbound(
    dsn: str, conn: Conn
) -> None:
    series, bucket = await bound(conn, "tmp-1")
    async with opened(dsn) as db:
        first = await create_suppression(db, condition=TEMPORARY, reason="one", now=NOON)
        await create_suppression(
            db, condition=Condition("name", Operator.GLOB, "*-1"), reason="two", now=NOON
        )
        assert first.id is not None
        await end_suppression(db, first.id, now=NOON + timedelta(days=1))
        await rebind(db)
    assert await bindings(conn, series) == [(bucket, FIRST, slot_of(NOON))]


async def test_a_pattern_that_matches_everything_has_to_be_confirmed(dsn: str, conn: Conn) -> None:
    world = World(conn)
    agent = await world.agent()
    for _ in range(25):
        await world.asset(agent=agent)
    await conn.commit()
    everything = Condition("name", Operator.GLOB, "*")
    async with opened(dsn) as db:
        rehearsed = await create_suppression(db, condition=everything, reason="all", dry_run=True)
        assert rehearsed.preview.confirm_assets == 25
        with pytest.raises(Conflict, match="25 of 25"):
            await create_suppression(db, condition=everything, reason="all")
        assert await value(conn, "select count(*) from suppression") == 0
        done = await create_suppression(db, condition=everything, reason="all", confirmed_assets=25)
    assert done.id is not None
