"""Templates make one bucket of a kind for each client, once, and name what they do not decide."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from aggregator.actions.provision import provision
from aggregator.actions.rebind import rebind
from aggregator.actions.run_job import run_job
from aggregator.errors import NotFound
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import World
from ullage.v1 import inventory_pb2, unit_types_pb2

DAY = timedelta(days=1)
WEB = [{"field": "name", "operator": "glob", "pattern": "web-*"}]


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


@pytest.fixture
async def now(world: World) -> datetime:
    return await world.now()


async def template(
    world: World,
    *,
    unit_type: str = "ram-used",
    conditions: list[dict[str, str]] | None = None,
    currency: str = "EUR",
    aggregation: str = "avg",
    percentile: int | None = None,
    enabled: bool = True,
) -> int:
    source = await world.one("select id from source_type where name = 'host'")
    unit = await world.one("select id from unit_type where name = %s", unit_type)
    made = await world.insert(
        "template",
        source_type_id=source[0],
        unit_type_id=unit[0],
        conditions=Jsonb(conditions or []),
        aggregation=aggregation,
        percentile=percentile,
        commit=Decimal(4),
        enabled=enabled,
    )
    await world.insert(
        "template_price",
        returning="template_id",
        template_id=made,
        currency=currency,
        base_price=Decimal("1.5"),
        overage_price=Decimal(3),
    )
    return made


async def owned(world: World, client: int, name: str, *, since: datetime | None = None) -> int:
    """A series of an asset of the client."""
    asset = await world.asset(name)
    series = await world.series(asset)
    await world.assignment(asset, client)
    await world.conn.execute("update asset set assigned_by_hand = true where id = %s", [asset])
    if since is not None:
        await world.measured(series, since, since + DAY)
    return series


async def buckets(world: World) -> list[tuple[Any, ...]]:
    rows = await world.conn.execute(
        "select b.client_id, b.name, b.reviewed, b.template_id from bucket b order by b.client_id, b.id"
    )
    return await rows.fetchall()


async def problems(world: World) -> list[tuple[Any, ...]]:
    rows = await world.conn.execute(
        "select client_id, reason, assets from provisioning_problem order by 1, 2"
    )
    return await rows.fetchall()


async def test_a_client_gets_a_bucket_to_review_by_the_template(
    world: World, db: Database, now: datetime
) -> None:
    client = await world.client(time_zone="Europe/Berlin")
    since = datetime(2026, 5, 6, 23, tzinfo=UTC)
    series = await owned(world, client, "web-1", since=since)
    await owned(world, client, "db-1", since=since - 30 * DAY)
    made = await template(world, conditions=WEB, aggregation="percentile", percentile=95)
    done = await provision(db, now=now)
    assert (done.clients, done.created, done.problems) == (1, 1, 0)
    assert await buckets(world) == [(client, "host ram-used", False, made)]
    assert await world.one(
        "select starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile, f.conditions"
        " from bucket_terms t join bucket_filter f using (bucket_id)"
    ) == (date(2026, 5, 7), None, 4, Decimal("1.5"), 3, "percentile", 95, WEB)
    await rebind(db)
    assert await world.one("select array_agg(series_id) from binding") == ([series],)
    assert (await provision(db, now=now)).created == 0


async def test_a_bucket_that_ever_was_is_not_made_again(world: World, db: Database, now: datetime) -> None:
    disabled, ended = await world.client(), await world.client()
    await world.bucket(disabled, enabled=False)
    past = await world.bucket(ended)
    await world.conn.execute("update bucket_terms set ends_on = '2025-01-01' where bucket_id = %s", [past])
    for client in (disabled, ended):
        await owned(world, client, f"web-{client}")
    await template(world)
    assert (await provision(db, now=now)).created == 0


async def test_what_is_nobodys_disabled_disregarded_or_gone_makes_nothing(
    world: World, db: Database, now: datetime
) -> None:
    client = await world.client()
    stopped = await world.client(enabled=False)
    await owned(world, stopped, "web-0")
    assets = [await world.asset(f"web-{n}") for n in range(1, 5)]
    for asset in assets:
        await world.series(asset)
    await world.assignment(assets[0], client, until=now - DAY)
    for asset in assets[1:3]:
        await world.assignment(asset, client)
    await world.conn.execute("update asset set enabled = false where id = %s", [assets[1]])
    await world.conn.execute("update asset set disregarded_at = now() where id = %s", [assets[2]])
    await template(world)
    assert (await provision(db, now=now)).created == 0
    assert await problems(world) == []


async def test_what_is_not_decided_is_listed_until_it_is(
    service: InventoryService, world: World, db: Database, context: Context, now: datetime
) -> None:
    swiss, plain = await world.client(currency="CHF"), await world.client()
    await owned(world, swiss, "db-1")
    await owned(world, plain, "web-1")
    await owned(world, plain, "db-2")
    await template(world)
    second = await template(world, conditions=WEB)
    assert (await provision(db, now=now)).created == 0
    assert await problems(world) == [(swiss, "no-price", 1), (plain, "two-templates", 2)]
    listed = await service.ListUnitTypes(inventory_pb2.ListUnitTypesRequest(), context)
    assert {(one.client_id, one.reason, one.unit_type) for one in listed.problems} == {
        (swiss, "no-price", "ram-used"),
        (plain, "two-templates", "ram-used"),
    }
    await service.DeleteTemplate(unit_types_pb2.DeleteTemplateRequest(id=second), context)
    await world.conn.execute("update client set currency = 'EUR'")
    assert (await provision(db, now=now)).created == 2
    assert await problems(world) == []


async def test_two_at_once_make_one_bucket(world: World, db: Database, now: datetime) -> None:
    clients = [await world.client() for _ in range(5)]
    for client in clients:
        await owned(world, client, f"web-{client}")
    await template(world)
    done = await asyncio.gather(*(provision(db, now=now) for _ in range(4)))
    assert sum(one.created for one in done) == len(clients)
    assert [row[0] for row in await buckets(world)] == clients


async def test_a_dry_run_makes_nothing_and_says_what_it_would(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme", currency="CHF")
    other = await world.client("brook")
    await owned(world, client, "web-1")
    await owned(world, other, "web-2")
    await template(world)
    reply = await service.Provision(unit_types_pb2.ProvisionRequest(dry_run=True), context)
    assert (reply.created, reply.preview.lines_total, reply.preview.assets) == (1, 1, 1)
    assert [(line.act, getattr(line, "from"), line.to) for line in reply.preview.lines] == [
        ("create", "brook", "host ram-used")
    ]
    assert (await buckets(world), await problems(world)) == ([], [])
    reply = await service.Provision(unit_types_pb2.ProvisionRequest(client_id=client), context)
    assert (reply.created, [one.reason for one in reply.problems]) == (0, ["no-price"])
    reply = await service.Provision(unit_types_pb2.ProvisionRequest(), context)
    assert reply.created == 1
    with pytest.raises(NotFound):
        await service.Provision(unit_types_pb2.ProvisionRequest(client_id=99), context)


async def test_terms_begin_in_unfinalised_time_and_end_with_the_currency(
    world: World, db: Database, now: datetime
) -> None:
    finalised = datetime(2026, 3, 31, 18, 15, tzinfo=UTC)
    client = await world.client(time_zone="Asia/Kathmandu")
    # The hour slots of March end after the midnight of the first of April.
    slot = int((finalised + timedelta(minutes=45)).timestamp()) // 300
    await owned(world, client, "web-1", since=finalised - 90 * DAY)
    await world.conn.execute("update client set finalised_slot = %s", [slot])
    ends = (now + 70 * DAY).date().replace(day=1)
    await world.conn.execute(
        "insert into client_cycle select id, %s, currency, currency_digits, time_zone, cycle_unit, cycle_count,"
        " cycle_anchor from client",
        [ends],
    )
    await world.conn.execute("update client set currency = 'USD', cycle_anchor = %s", [ends])
    await template(world)
    assert (await provision(db, now=now)).created == 1
    assert await world.one("select starts_on, ends_on from bucket_terms") == (date(2026, 4, 1), ends)


async def test_the_nightly_job_makes_buckets(world: World, db: Database, now: datetime) -> None:
    client = await world.client()
    await owned(world, client, "web-1")
    await template(world)
    await template(world, unit_type="cpu", enabled=False)
    run = await run_job(db, "provisioning", now=now)
    assert (run.state, run.counts) == ("done", {"clients": 1, "created": 1, "problems": 0})
