"""Which assets are unbound: the definition's edges, worked out by hand, and at random against a plain reading of it."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.domain.slot import OPEN_SLOT, slot_of, slot_start
from aggregator.store.assets import AssetFilter, count_assets, list_assets, unbound
from aggregator.store.database import Database
from aggregator.store.paging import Paging
from aggregator.store.snapshot import snapshot
from tests.builders import HOUR, World, month
from tests.unbound_reference import unbound_everywhere

pytestmark = pytest.mark.storage

DAY = timedelta(days=1)
# A moment of a client's history; nothing here depends on today but an unassigned asset's month.
T = datetime(2025, 6, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def open_finalised(world: World) -> None:
    """These worlds look as if they were finalised after they were made; the database would refuse it the other way."""
    for table in ("assignment", "binding"):
        for word in ("added", "changed"):
            await world.conn.execute(f"alter table {table} disable trigger {table}_{word}")


async def since(db: Database, asset: int) -> datetime | None:
    """Start of the oldest unbound slot of the asset, or None; the list and the figures of a row must agree."""
    async with snapshot(db) as seen:
        everywhere, alone = await unbound(seen), await unbound(seen, [asset])
        page, of_page = await list_assets(seen, Paging(sort="id"), AssetFilter(unbound=True))
        assert everywhere.get(asset) == alone.get(asset)
        assert (asset in [row.id for row in page.rows]) == (asset in everywhere) == (asset in of_page)
        assert (await count_assets(seen)).unbound == len(everywhere) == page.total
        assert await unbound_everywhere(seen) == {
            one: (found.series, found.since_slot) for one, found in everywhere.items()
        }
    found = alone.get(asset)
    return slot_start(found.since_slot) if found else None


async def assigned(world: World, *, finalised_at: datetime | None = T) -> tuple[int, int, int]:
    """A client, its asset and a series of the asset."""
    client = await world.client(finalised_at=finalised_at)
    asset = await world.asset()
    await world.assignment(asset, client)
    return client, asset, await world.series(asset)


async def test_usage_that_no_bucket_bills_is_unbound_from_the_first_unfinalised_slot(
    db: Database, world: World
) -> None:
    _, asset, series = await assigned(world)
    await world.measured(series, T - DAY, T + DAY)
    assert await since(db, asset) == T


async def test_usage_before_the_finalised_time_is_settled(db: Database, world: World) -> None:
    _, asset, series = await assigned(world)
    await world.measured(series, T - DAY, T)
    assert await since(db, asset) is None


async def test_a_series_that_begins_later_is_unbound_from_its_beginning(db: Database, world: World) -> None:
    _, asset, series = await assigned(world)
    await world.measured(series, T + 3 * HOUR, T + DAY)
    assert await since(db, asset) == T + 3 * HOUR


async def test_a_client_without_finalised_time_looks_back_to_the_beginning(
    db: Database, world: World
) -> None:
    _, asset, series = await assigned(world, finalised_at=None)
    await world.measured(series, T - 400 * DAY, T)
    assert await since(db, asset) == T - 400 * DAY


async def test_a_series_bound_from_its_first_reading_on_is_not_unbound(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T - DAY, T + DAY)
    await world.binding(series, await world.bucket(client))
    assert await since(db, asset) is None


async def test_a_disabled_bucket_binds_nothing(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + DAY)
    await world.binding(series, await world.bucket(client, enabled=False))
    assert await since(db, asset) == T


async def test_what_was_measured_before_the_binding_began_is_unbound(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + DAY)
    await world.binding(series, await world.bucket(client), since=T + HOUR)
    assert await since(db, asset) == T


async def test_what_was_measured_after_the_binding_ended_is_unbound(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + DAY)
    await world.binding(series, await world.bucket(client), until=T + 5 * HOUR)
    assert await since(db, asset) == T + 5 * HOUR


async def test_two_bindings_that_meet_leave_nothing_out(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + DAY)
    await world.binding(series, await world.bucket(client), until=T + 5 * HOUR)
    await world.binding(series, await world.bucket(client), since=T + 5 * HOUR)
    assert await since(db, asset) is None


async def test_a_hole_between_two_bindings_is_unbound(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + DAY)
    await world.binding(series, await world.bucket(client), until=T + 5 * HOUR)
    await world.binding(series, await world.bucket(client), since=T + 6 * HOUR)
    assert await since(db, asset) == T + 5 * HOUR


async def test_a_hole_in_which_no_agent_measured_anything_is_none(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + 2 * HOUR)
    await world.measured(series, T + 4 * HOUR, T + 6 * HOUR, agent=await world.agent())
    bucket = await world.bucket(client)
    await world.binding(series, bucket, until=T + 2 * HOUR)
    await world.binding(series, bucket, since=T + 4 * HOUR)
    assert await since(db, asset) is None


async def test_a_slot_of_an_hour_belongs_to_what_holds_at_its_start(db: Database, world: World) -> None:
    client, asset, series = await assigned(world)
    await world.measured(series, T, T + 2 * HOUR)
    await world.binding(series, await world.bucket(client), until=T + 1.25 * HOUR)
    assert await since(db, asset) is None


async def test_a_slot_of_five_minutes_after_a_binding_is_unbound(db: Database, world: World) -> None:
    client, asset, _ = await assigned(world)
    rate = await world.series(asset, "rate-in")
    await world.measured(rate, T, T + 2 * HOUR)
    await world.binding(rate, await world.bucket(client, unit_type="rate-in"), until=T + 1.25 * HOUR)
    assert await since(db, asset) == T + 1.25 * HOUR


async def test_a_slot_that_began_before_the_finalised_time_ended_is_settled(
    db: Database, world: World
) -> None:
    _, asset, series = await assigned(world, finalised_at=T + HOUR / 2)
    await world.measured(series, T, T + HOUR)
    assert await since(db, asset) is None


async def test_a_disabled_or_disregarded_asset_is_never_unbound(db: Database, world: World) -> None:
    for asset in (await world.asset(enabled=False), await world.asset(disregarded_at=T)):
        await world.assignment(asset, await world.client())
        await world.measured(await world.series(asset), T, T + DAY)
        assert await since(db, asset) is None


async def test_an_asset_that_was_never_measured_is_not_unbound(db: Database, world: World) -> None:
    _, asset, _ = await assigned(world)
    assert await since(db, asset) is None


async def test_an_unassigned_asset_is_looked_at_in_the_current_month_only(db: Database, world: World) -> None:
    start = month(await world.now())
    past, present = await world.asset(), await world.asset()
    await world.measured(await world.series(past), start - 9 * DAY, start)
    await world.measured(await world.series(present), start - 9 * DAY, start + HOUR)
    assert await since(db, past) is None
    assert await since(db, present) == start


async def test_an_assignment_that_ended_is_none(db: Database, world: World) -> None:
    start = month(await world.now())
    asset = await world.asset()
    await world.assignment(asset, await world.client(), until=start)
    await world.measured(await world.series(asset), start - 9 * DAY, start)
    assert await since(db, asset) is None


async def test_each_series_of_an_asset_counts(db: Database, world: World) -> None:
    client, asset, bound = await assigned(world)
    await world.measured(bound, T, T + DAY)
    await world.binding(bound, await world.bucket(client))
    for unit_type, start in (("cpu", T + 2 * HOUR), ("ram", T + HOUR)):
        await world.measured(await world.series(asset, unit_type), start, T + DAY)
    async with snapshot(db) as seen:
        found = (await unbound(seen, [asset]))[asset]
        page, _ = await list_assets(seen, Paging(sort="id"), AssetFilter())
    assert (found.series, slot_start(found.since_slot)) == (2, T + HOUR)
    assert page.rows[0].series == 3


async def test_nothing_is_unbound_in_an_empty_database(db: Database) -> None:
    async with snapshot(db) as seen:
        assert await unbound(seen) == {}
        assert await unbound(seen, []) == {}


async def test_it_is_what_a_plain_reading_of_the_definition_gives(db: Database, world: World) -> None:
    dice = random.Random(20260315)
    first = slot_of(T)
    plain: dict[int, tuple[int, int]] = {}
    agents = [await world.agent(), await world.agent()]
    for _ in range(60):
        window = first + dice.randrange(0, 60)
        client = await world.client(finalised_at=slot_start(window))
        asset = await world.asset(agent=agents[0])
        await world.assignment(asset, client)
        unit_type, width = dice.choice([("ram-used", 12), ("rate-in", 1)])
        series = await world.series(asset, unit_type)
        slots: set[int] = set()
        for agent in agents[: dice.randint(1, 2)]:
            begin = first + dice.randrange(0, 10) * 12
            end = begin + dice.randrange(1, 8) * 12
            await world.measured(series, slot_start(begin), slot_start(end), agent=agent)
            slots.update(range(begin, end, width))
        at = first
        while at < first + 200 and dice.random() < 0.8:
            begin = at + dice.choice([0, 0, dice.randrange(0, 30)])
            end = begin + dice.randrange(1, 80)
            enabled = dice.random() < 0.8
            bucket = await world.bucket(client, unit_type=unit_type, enabled=enabled)
            await world.binding(series, bucket, since=slot_start(begin), until=slot_start(end))
            if enabled:
                slots -= set(range(begin, end))
            at = end
        left = [slot for slot in slots if slot >= window]
        if left:
            plain[asset] = (1, min(left))
    async with snapshot(db) as seen:
        found = await unbound(seen)
    assert {asset: (one.series, one.since_slot) for asset, one in found.items()} == plain
    assert 5 < len(plain) < 55
    assert OPEN_SLOT not in {since for _, since in plain.values()}
