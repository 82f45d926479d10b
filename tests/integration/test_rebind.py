"""Assignments and bindings as they are saved: by rules, by filters and by hand, with what becomes dirty."""

import asyncio
from typing import Any

import psycopg
import pytest

import sql
from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.create_client import create_client
from aggregator.actions.given_terms import GivenTerms
from aggregator.actions.rebind import rebind
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.domain.slot import OPEN_SLOT
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding
from aggregator.store.database import Database
from tests.rollup_world import Conn, add_agent, add_series, opened

# The first slot of 2026, UTC.
YEAR = 1_767_225_600 // 300


async def client(db: Database, name: str, *, time_zone: str = "UTC") -> int:
    return await create_client(
        db,
        name=name,
        currency="EUR",
        time_zone=time_zone,
        cycle_unit="month",
        cycle_count=1,
        cycle_anchor="2026-01-01",
    )


async def bucket(db: Database, of: int, name: str, **change: Any) -> int:
    given: dict[str, Any] = {
        "source_type": "host",
        "unit_type": "ram-used",
        "priority": 0,
        "filters": [],
    }
    terms = GivenTerms(
        starts_on=change.pop("starts_on", "2026-01-01"),
        commit="0",
        base_price="1",
        overage_price="1",
        aggregation="avg",
    )
    made = await create_bucket(db, client_id=of, name=name, terms=terms, **given | change)
    return made.bucket_id


async def rule(db: Database, of: int, *conditions: Condition, priority: int = 0) -> int:
    made = await create_assignment_rule(db, client_id=of, priority=priority, conditions=conditions)
    return made.rule_id


async def host(conn: Conn, name: str, *units: str) -> tuple[int, list[int]]:
    """A new asset of an agent of its own: its id and its series."""
    series = await add_series(conn, await add_agent(conn), units or ("ram-used",), name=name)
    [asset] = await rows(conn, "select asset_id from series where id = %s", series[0])
    await conn.commit()
    return int(asset[0]), series


async def rows(conn: Conn, query: str, *params: object) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query, params)).fetchall()


async def bindings(conn: Conn) -> list[tuple[Any, ...]]:
    found = await rows(conn, "select series_id, bucket_id, from_slot, to_slot from binding order by 1, 3")
    await conn.commit()
    return found


async def assignments(conn: Conn) -> list[tuple[Any, ...]]:
    found = await rows(
        conn, "select asset_id, client_id, from_slot, to_slot, rule_id from assignment order by 1, 3"
    )
    await conn.commit()
    return found


def named(pattern: str) -> Condition:
    return Condition("name", Operator.GLOB, pattern)


@pytest.mark.storage
async def test_rules_assign_and_filters_bind(dsn: str, conn: Conn) -> None:
    web, [web_ram, web_cpu] = await host(conn, "web-1", "ram-used", "cpu")
    db_1, [db_ram] = await host(conn, "db-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine", time_zone="Europe/Berlin")
        made = await rule(db, mine, named("*-1"))
        every = await bucket(db, mine, "every")
        webs = await bucket(db, mine, "webs", priority=1, filters=[Filter((named("web-*"),))])
        counts = await rebind(db)
        assert counts == {"assets": 2, "assignments": 2, "bindings": 2}
        assert await assignments(conn) == [
            (web, mine, 0, OPEN_SLOT, made),
            (db_1, mine, 0, OPEN_SLOT, made),
        ]
        # Berlin's midnight is an hour before that of UTC.
        start = YEAR - 12
        assert await bindings(conn) == [(web_ram, webs, start, OPEN_SLOT), (db_ram, every, start, OPEN_SLOT)]
        assert web_cpu not in {row[0] for row in await bindings(conn)}
        # Nothing is left to do, also when all is looked at again.
        assert await rebind(db) == {"assets": 0, "assignments": 0, "bindings": 0}
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        assert await rebind(db) == {"assets": 2, "assignments": 0, "bindings": 0}


async def test_a_new_bucket_takes_over_what_is_not_finalised(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        first = await bucket(db, mine, "first")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
        [[row_id]] = await rows(conn, "select id from binding")
        await conn.execute("update client set finalised_slot = %s", [YEAR + 288])
        await conn.commit()
        better = await bucket(db, mine, "better", priority=1)
        assert (await rebind(db))["bindings"] == 2
    assert await bindings(conn) == [(ram, first, YEAR, YEAR + 288), (ram, better, YEAR + 288, OPEN_SLOT)]
    assert await rows(conn, "select id from binding order by from_slot limit 1") == [(row_id,)]


@pytest.mark.storage
async def test_assigning_by_hand_moves_binds_and_acknowledges_at_once(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    other, _ = await host(conn, "web-2")
    async with opened(dsn) as db:
        mine, yours = await client(db, "mine"), await client(db, "yours")
        ours, theirs = await bucket(db, mine, "ours"), await bucket(db, yours, "theirs")
        await rule(db, yours, named("*"), priority=9)
        assert (await assign_assets(db, asset_ids=[asset, other, asset], client_id=mine)).changed == 2
        assert (ram, ours, YEAR, OPEN_SLOT) in await bindings(conn)
        assert (await assign_assets(db, asset_ids=[asset], client_id=mine)).changed == 0
        assert (await assign_assets(db, asset_ids=[asset], client_id=yours)).changed == 1
        assert (ram, theirs, YEAR, OPEN_SLOT) in await bindings(conn)
        assert (await assign_assets(db, asset_ids=[asset, other], client_id=0)).changed == 2
        # The rule matches, but somebody decided.
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        await rebind(db)
        assert await assignments(conn) == []
        assert await bindings(conn) == []
    assert await rows(conn, "select from asset where acknowledged_at is null or rebind") == []


async def test_a_refused_assignment_changes_nothing(dsn: str, conn: Conn) -> None:
    asset, _ = await host(conn, "web-1")
    gone, _ = await host(conn, "web-2")
    await conn.execute("update asset set disregarded_at = now() where id = %s", [gone])
    await conn.commit()
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        with pytest.raises(NotFound, match="asset 999"):
            await assign_assets(db, asset_ids=[asset, 999], client_id=mine)
        with pytest.raises(NotFound, match="client 999"):
            await assign_assets(db, asset_ids=[asset], client_id=999)
        with pytest.raises(Conflict, match=f"asset {gone} "):
            await assign_assets(db, asset_ids=[asset, gone], client_id=mine)
        for wrong in ([], list(range(1, 20_000))):
            with pytest.raises(Invalid, match="asset_ids"):
                await assign_assets(db, asset_ids=wrong, client_id=mine)
    assert await assignments(conn) == []
    assert await rows(conn, "select from asset where assigned_by_hand or acknowledged_at is not null") == []


async def test_disabled_and_disregarded_assets_are_left_alone(dsn: str, conn: Conn) -> None:
    asset, _ = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        await bucket(db, mine, "all")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
        before = await bindings(conn)
        await conn.execute("update asset set enabled = false, rebind = true")
        await conn.execute("update bucket set enabled = false")
        await conn.commit()
        assert await rebind(db) == {"assets": 1, "assignments": 0, "bindings": 0}
        assert await bindings(conn) == before != []


@pytest.mark.storage
async def test_the_measured_days_of_changed_bindings_become_dirty(dsn: str, conn: Conn) -> None:
    asset, [ram, cpu] = await host(conn, "web-1", "ram-used", "cpu")
    day = YEAR + 10 * 288
    await conn.execute(
        "insert into series_agent select s.id, a.agent_id, %s, %s from series s join asset a on a.id = asset_id",
        [day + 280, day + 2 * 288],
    )
    await conn.commit()
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        first = await bucket(db, mine, "first")
        late = await bucket(db, mine, "late", unit_type="cpu", starts_on="2026-01-12")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
        dirty = "select bucket_id, day_slot from dirty order by 1, 2"
        assert await rows(conn, dirty) == [(first, day), (first, day + 288), (late, day + 288)]
        await conn.execute("delete from dirty")
        await conn.commit()
        second = await bucket(db, mine, "second", priority=1, starts_on="2026-01-12")
        await rebind(db)
        assert await rows(conn, dirty) == [(first, day + 288), (second, day + 288)]
    assert {ram, cpu} == {row[0] for row in await bindings(conn)}


async def test_the_database_itself_refuses_overlapping_bindings(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        first, second = await bucket(db, mine, "first"), await bucket(db, mine, "second")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
    add = "insert into binding (series_id, bucket_id, from_slot, to_slot) values (%s, %s, %s, %s)"
    assert await bindings(conn) == [(ram, first, YEAR, OPEN_SLOT)]
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await conn.execute(add, [ram, second, YEAR + 5, YEAR + 6])
    await conn.rollback()
    await conn.execute(add, [ram, second, YEAR - 5, YEAR])
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await conn.execute(
            "insert into assignment (asset_id, client_id, from_slot) values (%s, %s, 5)", [asset, mine]
        )


async def test_a_bucket_created_beside_a_rebind_misses_no_asset(dsn: str, conn: Conn) -> None:
    """A rebind that has read the buckets already holds the creation up until it has cleared its flags."""
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        await rule(db, mine, named("*"))
        async with db.transaction() as other:
            await binding.share_rules(other)
            assert await binding.take_flagged(other, assets_max=10) == [asset]
            creating = asyncio.create_task(bucket(db, mine, "new"))
            await asyncio.sleep(0.3)
            assert not creating.done()
            world = await binding.load_world(other, [asset])
            assert not world.buckets
            await binding.clear_flags(other, [asset])
            await other.execute(
                "insert into assignment (asset_id, client_id, from_slot) values (%s, %s, 0)", [asset, mine]
            )
        async with asyncio.timeout(20):
            key = await creating
        await rebind(db)
    assert await bindings(conn) == [(ram, key, YEAR, OPEN_SLOT)]


async def test_a_series_that_comes_beside_a_rebind_is_bound_by_the_next(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        await bucket(db, mine, "ram")
        cpus = await bucket(db, mine, "cpu", unit_type="cpu")
        await rule(db, mine, named("*"))
        cpu_type = (await inventory_units(conn))["cpu"]
        async with db.transaction() as other:
            await binding.share_rules(other)
            assert await binding.take_flagged(other, assets_max=10) == [asset]
            assert [len(one.series) for one in await binding.load_assets(other, [asset])] == [1]
            create = sql.queries("ingest")["create_series"]
            coming = asyncio.create_task(
                conn.execute(create, {"asset_ids": [asset], "unit_type_ids": [cpu_type]})
            )
            await asyncio.sleep(0.3)
            await binding.clear_flags(other, [asset])
        await coming
        await conn.commit()
        await rebind(db)
    assert {row[1] for row in await bindings(conn)} >= {cpus}
    assert ram in {row[0] for row in await bindings(conn)}


async def inventory_units(conn: Conn) -> dict[str, int]:
    return {name: key for key, name in await rows(conn, "select id, name from unit_type")}


async def test_two_rebinds_share_the_work(dsn: str, conn: Conn) -> None:
    for number in range(20):
        await host(conn, f"web-{number}")
    async with opened(dsn) as db, opened(dsn) as other:
        mine = await client(db, "mine")
        await bucket(db, mine, "all")
        await rule(db, mine, named("web-*"))
        async with asyncio.timeout(60):
            done = await asyncio.gather(rebind(db), rebind(other))
        assert sum(counts["assets"] for counts in done) == 20
        assert sum(counts["bindings"] for counts in done) == 20
    assert len(await bindings(conn)) == 20


async def test_stored_conditions_that_cannot_be_used_fit_nothing(dsn: str, conn: Conn) -> None:
    asset, _ = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        await rule(db, mine, named("web-*"))
        await conn.execute(
            """update assignment_rule set conditions = '[{"field": "name", "operator": "like", "pattern": "x"}]'"""
        )
        await conn.commit()
        assert await rebind(db) == {"assets": 1, "assignments": 0, "bindings": 0}
    assert asset not in {row[0] for row in await assignments(conn)}
