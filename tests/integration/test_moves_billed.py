"""What a move in mid-period comes to in money: the worked example of an asset that goes from one client to another."""

from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.actions.assign_assets import assign_assets
from tests.billing_reference import rows
from tests.billing_world import APRIL, World, level, run
from tests.rollup_world import Conn, opened

DAYS, BEFORE = 30, 9


@pytest.mark.parametrize(
    ("aggregation", "before", "after"),
    [("avg", "3", "7"), ("last", "0", "10"), ("max", "10", "10"), ("count", "1", "1")],
)
async def test_an_asset_that_moves_is_divided_as_its_buckets_aggregate(
    dsn: str, conn: Conn, aggregation: str, before: str, after: str
) -> None:
    async with opened(dsn) as db:
        async with db.transaction() as making:
            world = World(making)
            agent, unit = await world.agent(), await world.unit_type()
            asset = await world.asset(agent)
            series = await world.series(asset, unit)
            clients = [await world.client(), await world.client()]
            buckets = [await world.bucket(client, unit) for client in clients]
            for bucket in buckets:
                await world.terms(bucket, aggregation=aggregation)
            await world.hours(agent, APRIL, [level(series, 10)] * 24 * DAYS)
        moved = APRIL + timedelta(days=BEFORE)
        await assign_assets(db, asset_ids=[asset], client_id=clients[0])
        await assign_assets(db, asset_ids=[asset], client_id=clients[1], since=moved)
        await run(db, now=APRIL + timedelta(days=DAYS, hours=2))
        async with db.transaction() as reading:
            found = await rows(
                reading,
                "select bucket_id, quantity from billing_reading where period_start = '2026-04-01' order by bucket_id",
            )
    assert [(row["bucket_id"], row["quantity"].normalize()) for row in found] == [
        (buckets[0], Decimal(before).normalize()),
        (buckets[1], Decimal(after).normalize()),
    ]
