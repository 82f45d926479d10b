"""What the dashboard reads of projections and readings is kept and walked: it must agree with a look at all of them."""

import asyncio
import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from aggregator.store import insight
from aggregator.store.clients import ClientFilter, list_clients
from aggregator.store.database import Database
from aggregator.store.health import figures
from aggregator.store.paging import Paging
from aggregator.store.snapshot import Snapshot, snapshot
from tests.bills import projection, reading
from tests.builders import World, month

pytestmark = pytest.mark.storage

CHANGES = 60
# Of each client's periods that are not over.
EXPECTED = """
select b.client_id, p.currency, p.period_end, sum(p.projected_cost)
from projection p join bucket b on b.id = p.bucket_id where p.period_end > %s group by 1, 2, 3 order by 1, 2, 3
"""
NEW_OVERAGES = """
select p.bucket_id
from projection p
join billing_reading n on n.bucket_id = p.bucket_id and n.period_start = p.period_start
join billing_reading o on o.bucket_id = p.bucket_id and o.period_end = p.period_start
where p.period_start <= %(now)s and p.period_end > %(now)s and n.commit > 0 and p.projected_quantity > n.commit
  and o.commit > 0 and o.quantity <= o.commit
order by p.percent_of_commit desc, p.bucket_id
"""
OVERDUE = """
select count(*) from (
    select distinct b.client_id, r.period_start from billing_reading r join bucket b on b.id = r.bucket_id
    where r.finalised_at is null and r.period_end < %s - interval '3 days') periods
"""
KEPT = """
select client_id, period_start, period_end, currency, projections, cost from projected_client
where projections > 0 order by 1, 2, 3, 4
"""
SUMMED = """
select b.client_id, p.period_start, p.period_end, p.currency, count(*), sum(p.projected_cost)
from projection p join bucket b on b.id = p.bucket_id group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


async def every(seen: Snapshot, query: str, params: Any = ()) -> list[tuple[Any, ...]]:
    found = await seen.conn.execute(query.encode(), params)
    return await found.fetchall()


async def agree(db: Database) -> tuple[int, int]:
    """How many clients expect something, and how many buckets are newly over, by both."""
    async with snapshot(db) as seen:
        assert await every(seen, KEPT) == await every(seen, SUMMED)
        slow = await every(seen, EXPECTED, [seen.now])
        costs = await insight.expected(seen, since=seen.now)
        told = [(one.client_id, one.currency, one.period_end, one.cost) for one in costs]
        assert sorted(told) == slow
        over = await insight.new_overages(seen)
        assert [one.bucket_id for one in over] == [
            bucket for (bucket,) in await every(seen, NEW_OVERAGES, {"now": seen.now})
        ]
        page = await list_clients(seen, Paging(sort="projected_cost", descending=True), ClientFilter())
        by_client: dict[int, Decimal] = {}
        for client, _, _, cost in slow:
            by_client[client] = by_client.get(client, Decimal(0)) + cost
        known = [row.id for row in page.rows if row.id in by_client]
        assert known == sorted(by_client, key=lambda client: (by_client[client], client), reverse=True)
        assert known == [row.id for row in page.rows[: len(known)]]
    return len(slow), len(over)


async def test_sums_of_projections_and_new_overages_agree_after_every_change(
    db: Database, world: World
) -> None:
    dice = random.Random(11)
    now = await world.now()
    start, end = month(now), month(now, back=-1)
    clients = [await world.client(currency=dice.choice(("EUR", "USD"))) for _ in range(5)]
    buckets = [await world.bucket(client, commit=dice.choice(("100", "100", "0"))) for client in clients * 3]
    for bucket in buckets:
        before = str(dice.choice((90, 100, 100, 101)))
        await reading(world, bucket, month(now, back=1), start, quantity=before)
        await reading(world, bucket, start, end, quantity="1")
    seen = set()
    for _ in range(CHANGES):
        change, bucket = (
            dice.choice(("make", "make", "make", "raise", "forget", "move")),
            dice.choice(buckets),
        )
        if change == "make":
            quantity = Decimal(dice.choice(("99.99", "100", "100.001", "150", "220")))
            commit = await world.one("select commit from bucket_terms where bucket_id = %s", bucket)
            await world.conn.execute("delete from projection where bucket_id = %s", [bucket])
            percent = str(round(quantity, 2)) if commit[0] else None
            cost = str(dice.randrange(1000))
            await projection(world, bucket, start, end, quantity=str(quantity), cost=cost, percent=percent)
        elif change == "raise":
            await world.conn.execute(
                "update projection set projected_cost = projected_cost + 1 where bucket_id = any(%s)",
                [dice.sample(buckets, 4)],
            )
        elif change == "move":
            # A client's other currency.
            await world.conn.execute(
                "update projection set currency = 'CHF' where bucket_id = %s and currency = 'EUR'", [bucket]
            )
        else:
            await world.conn.execute("delete from projection where bucket_id = %s", [bucket])
        seen.add(await agree(db))
    assert len(seen) > 5
    assert max(over for _, over in seen) > 1


async def test_two_that_project_buckets_of_one_client_at_once_are_both_summed(
    db: Database, world: World, dsn: str
) -> None:
    now = await world.now()
    client = await world.client()
    buckets = [await world.bucket(client) for _ in range(2)]

    async def project(bucket: int, start: datetime, then: asyncio.Event) -> None:
        """In a transaction of its own, which is committed when told."""
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            await projection(World(conn), bucket, start, month(now, back=-1), quantity="1", cost="7")
            await then.wait()
            await conn.commit()

    done = asyncio.Event()
    both = [asyncio.create_task(project(bucket, month(now), done)) for bucket in buckets]
    await asyncio.sleep(0.3)
    done.set()
    await asyncio.wait_for(asyncio.gather(*both), 30)
    assert await world.one("select projections, cost from projected_client") == (2, 14)
    await agree(db)


async def test_periods_that_are_overdue_are_those_with_a_reading_that_is_not_final(
    db: Database, world: World
) -> None:
    now = await world.now()
    for number in range(4):
        client = await world.client()
        for back in range(2, 2 + number):
            for bucket in [await world.bucket(client) for _ in range(2)]:
                final = now if (back + bucket) % 3 else None
                await reading(
                    world, bucket, month(now, back=back + 1), month(now, back=back), finalised_at=final
                )
    assert await world.one(OVERDUE, now) != (0,)
    async with snapshot(db) as seen:
        found = await figures(seen)
        assert (found.periods_overdue,) == (await every(seen, OVERDUE, [seen.now]))[0]
