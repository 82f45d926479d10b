"""Bindings by hand: what they assign, what is in their way, and finalised time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.actions.asset_act import ASSETS_MAX
from aggregator.actions.bind_assets import Times, bind_as_suggested, bind_assets, unbind_assets
from aggregator.domain.slot import OPEN_SLOT, slot_of
from aggregator.errors import Conflict, Invalid, NotFound
from tests.rollup_world import Conn, opened
from tests.two_clients import DAY, FINALISED, NOON, NOVEMBER, Estate, assignments, bindings, value


@pytest.fixture
async def estate(conn: Conn) -> Estate:
    return await Estate(conn).build()


async def test_binding_by_hand_assigns_what_is_nobodys_in_the_same_act(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    asset = await estate.world.asset("stray")
    series = await estate.world.series(asset)
    await conn.commit()
    times = Times(since=NOON + timedelta(minutes=1), until=NOON + DAY)
    async with opened(dsn) as db:
        done = await bind_assets(db, asset_ids=[asset], bucket_ids=[estate.ram], times=times)
    at = slot_of(NOON)
    assert done.changed == 1
    assert await assignments(conn, asset) == [(estate.acme, at, OPEN_SLOT)]
    # After the end that was given filters decide, here for the same bucket.
    assert await bindings(conn, series) == [
        (estate.ram, at, slot_of(NOON + DAY)),
        (estate.ram, slot_of(NOON + DAY), OPEN_SLOT),
    ]
    row = "select assigned_by_hand and acknowledged_at is not null from asset where id = %s"
    assert await value(conn, row, asset) is True


async def test_an_asset_of_another_client_is_not_bound(dsn: str, conn: Conn, estate: Estate) -> None:
    async with opened(dsn) as db:
        with pytest.raises(Conflict, match="belongs to acme"):
            await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[estate.beta_ram])
    assert await bindings(conn, estate.series) == [(estate.ram, 0, OPEN_SLOT)]


async def test_overlapping_bindings_by_hand_are_refused_naming_the_other(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    first = await estate.world.bucket(estate.acme, name="first", conditions=[])
    second = await estate.world.bucket(estate.acme, name="second", conditions=[])
    await conn.commit()
    async with opened(dsn) as db:
        bound = Times(since=NOON, until=NOON + DAY)
        await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[first], times=bound)
        with pytest.raises(Conflict, match="by hand to the bucket first from 2026-11-20 12:00 UTC"):
            await bind_assets(
                db,
                asset_ids=[estate.asset],
                bucket_ids=[second],
                times=Times(since=NOON + timedelta(hours=23)),
            )
        # Border to border is no overlap.
        await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[second], times=Times(since=NOON + DAY))
        at, end = slot_of(NOON), slot_of(NOON + DAY)
        assert await bindings(conn, estate.series) == [
            (estate.ram, 0, at),
            (first, at, end),
            (second, end, OPEN_SLOT),
        ]
        assert (await unbind_assets(db, asset_ids=[estate.asset], bucket_ids=[first])).changed == 1
        assert await bindings(conn, estate.series) == [(estate.ram, 0, end), (second, end, OPEN_SLOT)]
        await unbind_assets(db, asset_ids=[estate.asset])
        assert (await bindings(conn, estate.series))[-1][0] == estate.ram
        assert (await unbind_assets(db, asset_ids=[estate.asset])).changed == 0


async def test_finalised_time_is_bound_by_backdating_alone_and_only_where_nothing_was(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    other = await estate.world.bucket(estate.acme, name="other", conditions=[])
    bare = await estate.world.series(estate.asset, "disk-used")
    disk = await estate.world.bucket(estate.acme, name="disk", unit_type="disk-used", conditions=[])
    await estate.world.measured(bare, NOVEMBER - 90 * DAY, NOON)
    await conn.commit()
    october = datetime(2026, 10, 1, tzinfo=UTC)
    async with opened(dsn) as db:

        async def bind(bucket: int, since: datetime, *, backdate: bool = True) -> None:
            times = Times(since=since, backdate=backdate)
            await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[bucket], times=times)

        with pytest.raises(Conflict, match="before 2026-11-01 00:00 UTC is finalised"):
            await bind(disk, october, backdate=False)
        with pytest.raises(Conflict, match="reached back into as far as 2026-09-01"):
            await bind(disk, october - 40 * DAY)
        with pytest.raises(Conflict, match="was bound to the bucket ram"):
            await bind(other, october)
        await bind(disk, october)
    assert await bindings(conn, bare) == [(disk, slot_of(october), OPEN_SLOT)]
    day = "select min(day_slot) from dirty where bucket_id = %s"
    assert await value(conn, day, disk) == slot_of(october)
    assert await bindings(conn, estate.series) == [(estate.ram, 0, OPEN_SLOT)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bucket_ids": []}, "bucket_ids"),
        ({"times": Times(since=NOON, until=NOON)}, "to"),
        ({"times": Times(since=NOON, until=NOON + timedelta(minutes=59))}, "to"),
        ({"times": Times(backdate=True)}, "from"),
        ({"asset_ids": []}, "asset_ids"),
        ({"asset_ids": range(1, ASSETS_MAX + 2)}, "asset_ids"),
    ],
)
async def test_a_binding_by_hand_with_a_bad_field_is_refused_by_its_name(
    dsn: str, conn: Conn, estate: Estate, change: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {"asset_ids": [estate.asset], "bucket_ids": [estate.ram]}
    async with opened(dsn) as db:
        with pytest.raises(Invalid) as refused:
            await bind_assets(db, **given | change)
    assert refused.value.field == field


async def test_buckets_that_count_nothing_of_the_asset_or_the_same_or_other_clients_are_refused(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    vms = await estate.world.bucket(estate.acme, name="vms", source_type="vm")
    again = await estate.world.bucket(estate.acme, name="again")
    unpriced = await estate.world.bucket(estate.acme, name="unpriced", commit=None, unit_type="disk-used")
    await estate.world.series(estate.asset, "disk-used")
    await conn.commit()
    async with opened(dsn) as db:

        async def bind(*buckets: int) -> None:
            await bind_assets(db, asset_ids=[estate.asset], bucket_ids=buckets)

        with pytest.raises(Conflict, match="nothing that the bucket vms counts"):
            await bind(vms)
        with pytest.raises(Invalid, match="count the same"):
            await bind(estate.ram, again)
        with pytest.raises(Invalid, match="buckets of one client"):
            await bind(estate.ram, estate.beta_ram)
        with pytest.raises(Conflict, match="unpriced has no terms"):
            await bind(unpriced)
        with pytest.raises(NotFound, match="bucket 999"):
            await bind(999)


async def test_assets_are_bound_as_is_suggested_or_the_act_is_refused(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    agent = await value(conn, "select agent_id from asset")
    for name in ("web-2", "web-3", "web-4"):
        like = await estate.world.asset(name, agent=agent)
        await estate.world.assignment(like, estate.acme, since=NOVEMBER)
        await estate.world.binding(await estate.world.series(like), estate.ram, since=NOVEMBER)
    stray = await estate.world.asset("web-9", agent=agent)
    series = await estate.world.series(stray)
    await estate.world.measured(series, NOVEMBER, NOON)
    strange = await estate.world.asset("zzz")
    await conn.commit()
    async with opened(dsn) as db:
        with pytest.raises(Conflict, match="nothing is suggested"):
            await bind_as_suggested(db, asset_ids=[stray, strange])
        assert await assignments(conn, stray) == []
        assert (await bind_as_suggested(db, asset_ids=[stray])).changed == 1
    assert await assignments(conn, stray) == [(estate.acme, FINALISED, OPEN_SLOT)]
    assert await bindings(conn, series) == [(estate.ram, FINALISED, OPEN_SLOT)]
