"""Two assets made one: whose history follows whom, what is refused, and what comes in afterwards."""

import asyncio
from datetime import timedelta

import pytest

from aggregator.actions.acknowledge_assets import acknowledge_assets
from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.bind_assets import bind_assets
from aggregator.actions.merge_assets import merge_assets
from aggregator.actions.rebind import rebind
from aggregator.domain.slot import OPEN_SLOT, slot_of, slot_start
from aggregator.errors import Conflict, Invalid, NotFound
from tests.builders import World
from tests.ingest_batches import MINUTE_US, NOON_US, Series, Spool, Tick, encoded, rows
from tests.ingest_intake import intake
from tests.rollup_world import Conn, opened
from tests.two_clients import FINALISED, NOON, Estate, assignments, bindings, value


@pytest.fixture
async def estate(conn: Conn) -> Estate:
    return await Estate(conn).build()


async def test_the_history_of_one_follows_into_the_other_and_both_ids_are_kept(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    new = await estate.world.asset("web-1 again")
    ram = await estate.world.series(new)
    disk = await estate.world.series(estate.asset, "disk-used")
    await conn.commit()
    async with opened(dsn) as db:
        rehearsed = await merge_assets(db, asset_id=estate.asset, into_id=new, dry_run=True)
        assert await value(conn, "select count(*) from series where merged_from is not null") == 0
        assert (await merge_assets(db, asset_id=estate.asset, into_id=new)).changed == 1
        assert rehearsed.preview is not None
        with pytest.raises(Conflict, match=f"merged into asset {new}; act on that one"):
            await acknowledge_assets(db, asset_ids=[estate.asset])
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        assert (await rebind(db))["bindings"] == 0
    found = rows(dsn, "select id, asset_id, merged_from from series order by id")
    assert found == [(estate.series, new, estate.asset), (ram, new, None), (disk, new, estate.asset)]
    assert rows(dsn, "select merged_into from asset order by id") == [(new,), (None,)]
    # What was nobody's is acme's as far as nothing is finalised; the rest stays with the asset that went.
    assert await assignments(conn, estate.asset) == [(estate.acme, 0, FINALISED)]
    assert await assignments(conn, new) == [(estate.acme, FINALISED, OPEN_SLOT)]
    assert await bindings(conn, estate.series) == [(estate.ram, 0, OPEN_SLOT)]
    assert await bindings(conn, ram) == [(estate.ram, FINALISED, OPEN_SLOT)]


async def test_the_dry_run_counts_the_slots_that_both_measured(dsn: str, conn: Conn, estate: Estate) -> None:
    agent = await estate.world.agent()
    new = await estate.world.asset("again", agent=agent)
    ram = await estate.world.series(new)
    await estate.world.measured(ram, NOON, NOON + timedelta(hours=3))
    [(old_agent,)] = rows(dsn, "select agent_id from series_agent where series_id = %s", [estate.series])
    await conn.execute("update series_agent set to_slot = to_slot + 24 where series_id = %s", [estate.series])
    for by, series, hours in ((old_agent, estate.series, (0, 1)), (agent, ram, (1, 2))):
        for hour in hours:
            await conn.execute(
                "insert into slot_60 values (%s, %s, %s, '{1}', '{5}', '{5}', '{5}', '{5}', '{1}', now())",
                [slot_of(NOON) + 12 * hour, by, [series]],
            )
    await conn.commit()
    async with opened(dsn) as db:
        done = await merge_assets(db, asset_id=estate.asset, into_id=new, dry_run=True)
    assert done.preview is not None
    [note] = [note for note in done.preview.notes if note.startswith("ram-used: both measured")]
    assert "in 1 slots between 2026-11-20 13:00 UTC and 2026-11-20 13:00 UTC" in note
    assert "the asset that stays counts" in note


async def test_what_cannot_be_one_asset_is_refused(dsn: str, conn: Conn, estate: Estate) -> None:
    world = estate.world
    vm = await world.asset("vm", source_type="vm")
    one, two, three = [await world.asset(name) for name in ("one", "two", "three")]
    off = await world.asset("off", enabled=False)
    theirs = await world.asset("theirs")
    await conn.execute("update client set finalised_slot = 0")
    await world.assignment(theirs, estate.beta)
    await conn.execute("update client set finalised_slot = %s", [FINALISED])
    await conn.commit()
    async with opened(dsn) as db:

        async def merge(asset: int, into: int) -> None:
            await merge_assets(db, asset_id=asset, into_id=into)

        with pytest.raises(Invalid, match="same asset"):
            await merge(one, one)
        with pytest.raises(NotFound, match="asset 999"):
            await merge(one, 999)
        with pytest.raises(Conflict, match="different source types"):
            await merge(vm, one)
        with pytest.raises(Conflict, match="disabled"):
            await merge(off, one)
        with pytest.raises(Conflict, match=r"belonged to beta at .* finalised"):
            await merge(theirs, estate.asset)
        await merge(one, two)
        for asset, into in ((one, three), (three, one)):
            with pytest.raises(Conflict, match=f"asset {one} was merged into asset {two}"):
                await merge(asset, into)
        # No chains, and so no circles.
        with pytest.raises(Conflict, match=f"asset {one} was merged into asset {two} before"):
            await merge(two, three)
        await merge(three, two)


async def test_bindings_by_hand_to_different_buckets_have_to_be_settled_first(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    first = await estate.world.bucket(estate.acme, name="first")
    second = await estate.world.bucket(estate.acme, name="second")
    new = await estate.world.asset("again")
    ram = await estate.world.series(new)
    await conn.commit()
    async with opened(dsn) as db:
        await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[first])
        await bind_assets(db, asset_ids=[new], bucket_ids=[second])
        with pytest.raises(Conflict, match="bound by hand to the bucket"):
            await merge_assets(db, asset_id=estate.asset, into_id=new)
        await conn.execute("delete from binding where series_id = %s", [ram])
        await conn.commit()
        await merge_assets(db, asset_id=estate.asset, into_id=new)
    # One asset, one bucket for its memory.
    assert await bindings(conn, ram) == [(first, FINALISED, OPEN_SLOT)]
    assert await bindings(conn, estate.series) == [(estate.ram, 0, FINALISED), (first, FINALISED, OPEN_SLOT)]


async def test_what_comes_in_of_a_merged_asset_is_of_the_other(dsn: str, conn: Conn) -> None:
    spool = Spool()
    old, new = Series("ram", "host", "h1"), Series("ram", "host", "h2")
    fresh = Series("cpu", "host", "h1")
    async with intake(dsn) as into:
        await into.offer(spool.seal(encoded(Tick([(old, 10), (new, 1)]))))
        [(one,), (two,)] = rows(dsn, "select id from asset order by external_id")
        assert isinstance(one, int)
        assert isinstance(two, int)
        await merge_assets(into.db, asset_id=one, into_id=two)
        await into.offer(spool.seal(encoded(Tick([(old, 11), (new, 2)], at=NOON_US + MINUTE_US))))
        at = NOON_US + 2 * MINUTE_US
        await into.offer(spool.seal(encoded(Tick([(old, 12), (fresh, 5)], at=at, since=at - MINUTE_US))))
    assert rows(dsn, "select count(distinct asset_id), min(asset_id) from series") == [(1, two)]
    assert rows(dsn, "select merged_from, count(*) from series group by 1 order by 1") == [
        (one, 2),
        (None, 1),
    ]
    assert rows(dsn, "select sum(cardinality(series)) from tick") == [(6,)]
    assert rows(dsn, "select count(*) from quarantine where settled_at is null") == [(0,)]


async def test_a_series_that_is_made_while_its_asset_is_merged_follows(dsn: str, conn: Conn) -> None:
    world = World(conn)
    gone, into_id = await world.asset("old"), await world.asset("new")
    await conn.commit()
    async with opened(dsn) as db:

        async def make() -> None:
            async with db.transaction() as writing:
                await writing.execute("insert into series (asset_id, unit_type_id) values (%s, 3)", [gone])

        async with db.transaction() as merging:
            await merging.execute("select from asset where id = %s for update", [gone])
            making = asyncio.create_task(make())
            await asyncio.sleep(0.2)
            assert not making.done()
            await merging.execute("update asset set merged_into = %s where id = %s", [into_id, gone])
        await making
    assert rows(dsn, "select asset_id, merged_from from series") == [(into_id, gone)]


async def test_merging_and_moving_at_once_leave_one_owner(dsn: str, conn: Conn, estate: Estate) -> None:
    new = await estate.world.asset("again")
    ram = await estate.world.series(new)
    await conn.commit()
    async with opened(dsn) as db:
        done = await asyncio.gather(
            merge_assets(db, asset_id=estate.asset, into_id=new),
            assign_assets(db, asset_ids=[new], client_id=estate.beta, since=NOON),
            return_exceptions=True,
        )
    assert not isinstance(done[1], BaseException)
    for series in (estate.series, ram):
        now = [bucket for bucket, _, end in await bindings(conn, series) if end == OPEN_SLOT]
        assert len(now) == 1
    owners = await assignments(conn, new)
    assert owners[-1][0] == estate.beta
    assert (await bindings(conn, ram))[-1][0] == estate.beta_ram


async def test_time_in_which_one_was_not_billed_stays_unbilled_for_both(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    new = await estate.world.asset("web-1 again")
    start, end = FINALISED + 288, FINALISED + 2 * 288
    await conn.execute(
        "insert into asset_pause (asset_id, from_slot, to_slot, cause) values"
        " (%(asset)s, %(before)s, %(within)s, 'disabled'), (%(asset)s, %(start)s, %(end)s, 'disregarded')",
        {
            "asset": estate.asset,
            "before": FINALISED - 600,
            "within": FINALISED - 300,
            "start": start,
            "end": end,
        },
    )
    await conn.execute("update binding set to_slot = %s", [start])
    await estate.world.binding(estate.series, estate.ram, since=slot_start(end))
    await conn.commit()
    async with opened(dsn) as db:
        done = await merge_assets(db, asset_id=estate.asset, into_id=new)
        assert done.preview is not None
        assert any("was billed from 2026-11-02 00:00 UTC to 2026-11-03" in n for n in done.preview.notes)
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        await rebind(db)
    assert await bindings(conn, estate.series) == [
        (estate.ram, 0, start),
        (estate.ram, end, OPEN_SLOT),
    ]
    found = rows(dsn, "select from_slot, to_slot, cause from asset_pause where asset_id = %s", [new])
    assert found == [(start, end, "disregarded")]
