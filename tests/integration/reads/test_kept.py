"""What lists read is kept by triggers and the roll-up; it must agree with a count over everything, whatever changes."""

import asyncio
import random
from datetime import UTC, datetime

import psycopg
import pytest

from aggregator.domain.slot import slot_of, slot_start
from aggregator.store.assets import AssetFilter, count_assets, list_assets, unbound
from aggregator.store.database import Database
from aggregator.store.paging import Paging
from aggregator.store.snapshot import snapshot
from tests.builders import HOUR, World
from tests.unbound_reference import unbound_everywhere

pytestmark = pytest.mark.storage

CHANGES = 120
UNASSIGNED = """
select count(*) from asset a where a.enabled and a.disregarded_at is null and a.merged_into is null and not exists (
    select from assignment x where x.asset_id = a.id and x.from_slot <= %s and x.to_slot > %s)
"""

# Of each candidate whether it is unbound, and its money: what sums by asset must agree with.
MONEY = """
select u.asset_id, sum(u.money), min(u.currency)
from unbound_candidate u
join asset a on a.id = u.asset_id and a.enabled and a.disregarded_at is null
left join assignment x on x.asset_id = u.asset_id and x.from_slot <= %(slot)s and x.to_slot > %(slot)s
left join client c on c.id = x.client_id
where upper(u.loose) > (coalesce(c.finalised_slot, %(month_slot)s)::bigint + u.width - 1) / u.width
group by u.asset_id
"""
SUMS = "select array_agg(s::text order by asset_id, width) from {} s"


async def agree(db: Database, world: World) -> int:
    """How many assets are unbound, by both."""
    async with snapshot(db) as seen:
        found = await unbound(seen)
        kept = {asset: (one.series, one.since_slot) for asset, one in found.items()}
        assert kept == await unbound_everywhere(seen)
        priced = await seen.conn.execute(MONEY, {"slot": seen.slot, "month_slot": seen.month_slot})
        assert {asset: (one.money, one.currency) for asset, one in found.items()} == {
            asset: (money, currency) for asset, money, currency in await priced.fetchall()
        }
        everything = "sum_unbound(array(select id from asset))"
        assert await world.one(SUMS.format("unbound_asset")) == await world.one(SUMS.format(everything))
        counts = await count_assets(seen)
        unassigned = await world.one(UNASSIGNED, seen.slot, seen.slot)
        page, _ = await list_assets(seen, Paging(sort="id"), AssetFilter(unassigned=True))
        assert counts.unassigned == unassigned[0] == page.total
        assert counts.unbound == len(kept)
    return len(kept)


async def test_what_is_unbound_agrees_with_its_definition_after_every_change(
    db: Database, world: World
) -> None:
    dice = random.Random(7)
    now = datetime.now(UTC)
    clients = [await world.client(finalised_at=now - dice.randrange(100) * HOUR) for _ in range(3)]
    buckets = [await world.bucket(client) for client in clients for _ in range(2)]
    assets = [await world.asset() for _ in range(8)]
    series = [await world.series(asset, unit) for asset in assets for unit in ("ram-used", "rate-in")]
    for one in series:
        start = now - dice.randrange(2, 300) * HOUR
        await world.measured(one, start, min(now, start + dice.randrange(1, 400) * HOUR))
    seen = set()
    for _ in range(CHANGES):
        change = dice.choice(
            ("assign", "end", "bind", "unbind", "bucket", "asset", "disregard", "finalise", "price")
        )
        start = slot_start(slot_of(now) + dice.randrange(-400, 60) * 12)
        until = start + dice.randrange(1, 300) * HOUR if dice.random() < 0.5 else None
        asset, one = dice.choice(assets), dice.choice(series)
        try:
            async with world.conn.transaction():
                if change == "assign":
                    await world.assignment(asset, dice.choice(clients), since=start, until=until)
                elif change == "end":
                    await world.conn.execute("delete from assignment where asset_id = %s", [asset])
                elif change == "bind":
                    await world.binding(one, dice.choice(buckets), since=start, until=until)
                elif change == "unbind":
                    await world.conn.execute("delete from binding where series_id = %s", [one])
                elif change == "bucket":
                    await world.conn.execute(
                        "update bucket set enabled = not enabled where id = %s", [dice.choice(buckets)]
                    )
                elif change == "asset":
                    await world.conn.execute("update asset set enabled = not enabled where id = %s", [asset])
                elif change == "disregard":
                    await world.conn.execute(
                        "update asset set disregarded_at = case when disregarded_at is null then now() end"
                        " where id = %s",
                        [asset],
                    )
                elif change == "price":
                    await world.conn.execute(
                        "update unbound_candidate set money = %s, currency = 'EUR' where series_id = %s",
                        [dice.choice((None, dice.randrange(1000))), one],
                    )
                else:
                    await world.conn.execute(
                        "update client set finalised_slot = %s where id = %s",
                        [slot_of(now) + dice.randrange(-300, 1) * 12, dice.choice(clients)],
                    )
        except psycopg.Error as error:
            # Overlaps and finalised time are refused; what is refused changes nothing.
            if not any(word in str(error) for word in ("overlap", "finalised", "exclusion")):
                raise
        seen.add(await agree(db, world))
    assert len(seen) > 3


async def test_two_that_measure_series_of_one_asset_at_once_are_both_summed(
    db: Database, world: World, dsn: str
) -> None:
    now = datetime.now(UTC)
    asset = await world.asset()
    first, second = [await world.series(asset, unit) for unit in ("ram-used", "cpu")]

    async def measured(series: int, hours: int, agent: int, then: asyncio.Event | None = None) -> None:
        """In a transaction of its own, which is committed when told."""
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            since = now - hours * HOUR
            await World(conn).measured(series, since, since + 2 * HOUR, agent=agent)
            if then is not None:
                await then.wait()
            await conn.commit()

    # The first time there is no sum yet, the second time there is one.
    for hours in (5, 9):
        agent, done = await world.agent(), asyncio.Event()
        both = [asyncio.create_task(measured(one, hours, agent, done)) for one in (first, second)]
        await asyncio.sleep(0.3)
        done.set()
        await asyncio.wait_for(asyncio.gather(*both), 30)
        assert await agree(db, world) == 1
        assert await world.one("select series from unbound_asset") == (2,)
