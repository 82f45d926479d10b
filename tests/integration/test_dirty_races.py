"""Slots and bindings saved at the same moment: whichever comes second makes the bucket's day dirty."""

import asyncio

from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.create_client import create_client
from aggregator.actions.given_terms import GivenTerms
from aggregator.store import rollup
from aggregator.store.database import Connection, Database
from aggregator.store.rollup import Taken
from tests.rollup_world import LATER, START_US, Conn, add_agent, add_series, opened, store
from tests.slots_reference import MINUTE_US, Tick


async def unbound_usage(db: Database, conn: Conn) -> tuple[int, int, int]:
    """A stored tick of an asset that nobody has assigned; the agent, the asset and a client with a bucket for it."""
    agent = await add_agent(conn)
    [ram] = await add_series(conn, agent, ["ram-used"])
    at = START_US + MINUTE_US
    await store(conn, [Tick(agent=agent, at=at, since=at, stored=at, reported=(1,), readings=((ram, 5),))])
    cursor = await conn.execute("select asset_id from series where id = %s", [ram])
    row = await cursor.fetchone()
    assert row is not None
    await conn.commit()
    client = await create_client(
        db,
        name="mine",
        currency="EUR",
        time_zone="UTC",
        cycle_unit="month",
        cycle_count=1,
        cycle_anchor="2026-01-01",
    )
    await create_bucket(
        db,
        client_id=client,
        name="ram",
        source_type="host",
        unit_type="ram-used",
        priority=0,
        filters=[],
        terms=GivenTerms(
            starts_on="2026-01-01", commit="0", base_price="1", overage_price="1", aggregation="avg"
        ),
    )
    return agent, int(row[0]), client


async def dirty_days(conn: Conn) -> int:
    row = await (await conn.execute("select count(*) from dirty")).fetchone()
    assert row is not None
    return int(row[0])


async def take(rolling: Connection, agent: int) -> Taken:
    assert await rollup.lock_agents(rolling, [agent]) == [agent]
    return await rollup.take_touches(rolling, [agent], ended_by=LATER, touches_max=10)


async def test_a_binding_saved_between_computing_and_marking_is_seen(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        agent, asset, client = await unbound_usage(db, conn)
        async with db.transaction() as rolling:
            taken = await take(rolling, agent)
            await rollup.roll(rolling, taken)
            assert (await assign_assets(db, asset_ids=[asset], client_id=client)).changed == 1
            assert await dirty_days(conn) == 0
            assert await rollup.mark_dirty(rolling, taken) == 1
    assert await dirty_days(conn) == 1


async def test_usage_saved_while_an_asset_is_being_bound_is_seen(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        agent, asset, client = await unbound_usage(db, conn)
        async with db.transaction() as rolling:
            taken = await take(rolling, agent)
            await rollup.roll(rolling, taken)
            assert await rollup.mark_dirty(rolling, taken) == 0
            binding = asyncio.create_task(assign_assets(db, asset_ids=[asset], client_id=client))
            await asyncio.sleep(0.3)
            assert not binding.done()
        async with asyncio.timeout(20):
            assert (await binding).changed == 1
    assert await dirty_days(conn) == 1
