"""Lists: filters, orders, pages that stay put while rows come and go, and names that try to be something else."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.errors import Invalid
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store import assets, buckets, clients
from aggregator.store.database import Database
from tests.bills import projection, reading
from tests.builders import HOUR, World, month
from ullage.v1 import inventory_pb2
from ullage.v1.types_pb2 import OPERATOR_GLOB, PageInfo, PageRequest

pytestmark = pytest.mark.storage

HOSTILE = [
    "[/x] [bold]",
    "'; drop table asset; --",
    "=cmd|' /C calc'!A0",
    "100% _ \\ \\%",
    'a"b`c$(d)',
    "Ünïcode 漢字 🜂 \u202etxt",
    "%s %(name)s {0} $1",
]
T = datetime(2025, 6, 1, tzinfo=UTC)
NOW = datetime.now(UTC)


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


Fetch = Callable[[PageRequest], Awaitable[tuple[Sequence[Any], PageInfo]]]


async def walk(fetch: Fetch, *, size: int, sort: str = "", descending: bool = False) -> list[Any]:
    """All rows, page after page; every page but the last is full and all agree on the total."""
    found: list[Any] = []
    after = ""
    totals = set()
    while True:
        rows, info = await fetch(PageRequest(size=size, sort=sort, descending=descending, after=after))
        found.extend(rows)
        totals.add(info.total)
        after = info.next
        if not after:
            assert len(totals) == 1
            return found
        assert len(rows) == size


def asset_pages(service: InventoryService, context: Context, **wanted: Any) -> Fetch:
    async def fetch(page: PageRequest) -> tuple[Sequence[Any], PageInfo]:
        reply = await service.ListAssets(inventory_pb2.ListAssetsRequest(page=page, **wanted), context)
        return reply.assets, reply.page

    return fetch


def client_pages(service: InventoryService, context: Context) -> Fetch:
    async def fetch(page: PageRequest) -> tuple[Sequence[Any], PageInfo]:
        reply = await service.ListClients(inventory_pb2.ListClientsRequest(page=page), context)
        return reply.clients, reply.page

    return fetch


def bucket_pages(service: InventoryService, context: Context) -> Fetch:
    async def fetch(page: PageRequest) -> tuple[Sequence[Any], PageInfo]:
        reply = await service.ListBuckets(inventory_pb2.ListBucketsRequest(page=page), context)
        return reply.buckets, reply.page

    return fetch


async def names(service: InventoryService, context: Context, **wanted: Any) -> list[str]:
    """Names of the assets on the first page."""
    reply = await service.ListAssets(inventory_pb2.ListAssetsRequest(**wanted), context)
    assert reply.page.total == len(reply.assets)
    return [asset.name for asset in reply.assets]


async def crowd(world: World) -> list[int]:
    """25 assets, of which many share a name or a client."""
    agent = await world.agent()
    owners = [await world.client("beta"), await world.client("Alpha")]
    found = []
    for number in range(25):
        asset = await world.asset(f"{'Web' if number % 2 else 'web'}-{number % 4}", agent=agent)
        if number % 3:
            await world.assignment(asset, owners[number % 2])
        if number % 5:
            series = await world.series(asset)
            await world.measured(series, NOW - (2 + number % 7) * HOUR, NOW - (number % 2) * HOUR)
            await world.conn.execute(
                "update unbound_candidate set money = %s, currency = 'EUR' where series_id = %s",
                [number % 3 or None, series],
            )
        found.append(asset)
    return found


@pytest.mark.parametrize("sort", assets.SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_assets_hold_each_asset_once_and_in_order(
    service: InventoryService, world: World, context: Context, sort: str, descending: bool
) -> None:
    everyone = await crowd(world)
    rows = await walk(asset_pages(service, context), size=4, sort=sort, descending=descending)
    assert sorted(row.id for row in rows) == everyone
    keys = [
        {
            "id": (row.id,),
            "name": (row.name.lower(), row.id),
            "client_name": (row.client_name.lower(), row.id),
            "created_at": (row.created_at.ToNanoseconds(), row.id),
            "last_seen": (row.last_seen.ToNanoseconds(), row.id),
            "unbound_money": (Decimal(row.unbound_money.amount or "-1"), row.id),
            "days_unbound": (
                -row.unbound_since.ToNanoseconds() if row.HasField("unbound_since") else -(2**63),
                row.id,
            ),
        }[sort]
        for row in rows
    ]
    assert keys == sorted(keys, reverse=descending)


async def test_rows_that_come_while_paging_move_nothing(
    service: InventoryService, world: World, context: Context
) -> None:
    before = [await world.asset(name) for name in ("b", "d", "f", "h")]
    fetch = asset_pages(service, context)
    first, info = await fetch(PageRequest(size=2, sort="name"))
    await world.asset("a")
    await world.asset("e")
    rest, last = await fetch(PageRequest(size=9, sort="name", after=info.next))
    assert [row.name for row in [*first, *rest]] == ["b", "d", "e", "f", "h"]
    assert {row.id for row in [*first, *rest]} > set(before)
    assert (last.next, last.total) == ("", 6)


async def test_a_page_begins_after_a_row_that_is_gone(
    service: InventoryService, world: World, context: Context
) -> None:
    for name in ("a", "b", "c"):
        await world.asset(name)
    fetch = asset_pages(service, context)
    _, info = await fetch(PageRequest(size=2, sort="name"))
    await world.conn.execute("delete from asset where name = 'b'")
    rows, _ = await fetch(PageRequest(size=2, sort="name", after=info.next))
    assert [row.name for row in rows] == ["c"]


async def test_a_token_of_another_order_is_refused(
    service: InventoryService, world: World, context: Context
) -> None:
    await crowd(world)
    fetch = asset_pages(service, context)
    _, info = await fetch(PageRequest(size=2, sort="name"))
    with pytest.raises(Invalid, match=r"page\.after"):
        await fetch(PageRequest(size=2, sort="id", after=info.next))


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("WEB", ["web-1", "my_web"]),
        ("100%", ["100% used"]),
        ("%", ["100% used"]),
        ("_", ["my_web"]),
        ("o'brien", ["host 4"]),
        ("\\", ["back\\slash"]),
        ("EXT-7", ["host 7"]),
        ("ÄRGER", ["ärger"]),
        ("-1\nx", None),
        ("nothing like it", []),
    ],
)
async def test_a_search_is_part_of_name_external_id_or_description_in_any_case(
    service: InventoryService, world: World, context: Context, search: str, expected: list[str] | None
) -> None:
    for name in ("web-1", "my_web", "100% used", "back\\slash", "ärger"):
        await world.asset(name, external_id=f"id {len(name)} {name[0]}")
    await world.asset("host 4", description="belongs to O'Brien")
    await world.asset("host 7", external_id="ext-7")
    if expected is None:
        with pytest.raises(Invalid):
            await names(service, context, search=search)
    else:
        assert await names(service, context, search=search) == expected


async def test_hostile_names_are_only_names(
    service: InventoryService, world: World, context: Context
) -> None:
    for name in HOSTILE:
        await world.asset(name, labels={name: name})
        client = await world.client(name)
        await world.bucket(client, name=name)
    assert await names(service, context) == HOSTILE
    for name in HOSTILE:
        assert await names(service, context, search=name) == [name]
        found = await service.ListClients(inventory_pb2.ListClientsRequest(search=name), context)
        assert [client.name for client in found.clients] == [name]
        held = await service.ListBuckets(inventory_pb2.ListBucketsRequest(search=name), context)
        assert [bucket.name for bucket in held.buckets] == [name]
    by_name = await walk(asset_pages(service, context), size=1, sort="name")
    assert sorted(row.name for row in by_name) == sorted(HOSTILE)


async def test_filters_of_assets_restrict_alone_and_together(
    service: InventoryService, world: World, context: Context
) -> None:
    client, other = await world.client(), await world.client()
    for name, source_type, owner, acknowledged in (
        ("a", "host", client, T),
        ("b", "vm", client, None),
        ("c", "vm", other, None),
        ("d", "vm", None, T),
    ):
        asset = await world.asset(name, source_type=source_type, acknowledged_at=acknowledged)
        if owner:
            await world.assignment(asset, owner)
    await world.asset("disabled", enabled=False, acknowledged_at=T)
    await world.asset("disregarded", disregarded_at=T)
    past = await world.asset("past", acknowledged_at=T)
    await world.assignment(past, client, until=T)

    assert await names(service, context) == ["a", "b", "c", "d", "disabled", "past"]
    assert await names(service, context, client_id=client) == ["a", "b"]
    assert await names(service, context, source_type="vm") == ["b", "c", "d"]
    assert await names(service, context, unassigned=True) == ["d", "past"]
    assert await names(service, context, unacknowledged=True) == ["b", "c"]
    assert await names(service, context, client_id=client, source_type="vm", unacknowledged=True) == ["b"]
    assert await names(service, context, client_id=client, unassigned=True) == []
    assert await names(service, context, source_type="'; --") == []
    assert await names(service, context, client_id=2**60) == []


@pytest.mark.parametrize("sort", clients.SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_clients_hold_each_client_once(
    service: InventoryService, world: World, context: Context, sort: str, descending: bool
) -> None:
    now = await world.now()
    for number in range(7):
        client = await world.client(f"client {number}")
        for _ in range(number % 3):
            bucket = await world.bucket(client)
            await projection(world, bucket, month(now), month(now, back=-1), quantity="1", cost=str(number))
    rows = await walk(client_pages(service, context), size=2, sort=sort, descending=descending)
    assert sorted(row.name for row in rows) == [f"client {number}" for number in range(7)]
    if sort == "buckets":
        counts = [row.buckets for row in rows]
        assert counts == sorted(counts, reverse=descending)
    if sort == "projected_cost":
        costs = [float(row.projected_cost or -1) for row in rows]
        assert costs == sorted(costs, reverse=descending)


async def test_a_client_shows_its_open_period_and_what_it_will_cost(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client("acme", time_zone="UTC")
    idle = await world.client("idle")
    asset = await world.asset()
    await world.assignment(asset, client)
    await world.assignment(await world.asset(), client, until=now - timedelta(days=1))
    for cost in ("10.50", "2.25"):
        bucket = await world.bucket(client)
        await projection(world, bucket, month(now), month(now, back=-1), quantity="5", cost=cost)
        await projection(world, bucket, month(now, back=1), month(now), quantity="5", cost="999")
    reply = await service.ListClients(inventory_pb2.ListClientsRequest(), context)
    shown = {row.id: row for row in reply.clients}
    acme = shown[client]
    assert (acme.buckets, acme.assets, acme.projected_cost) == (2, 1, "12.75")
    assert acme.period_start.ToDatetime(UTC) == month(now)
    assert acme.period_end.ToDatetime(UTC) == month(now, back=-1)
    assert (shown[idle].buckets, shown[idle].assets, shown[idle].projected_cost) == (0, 0, "")


@pytest.mark.parametrize("sort", buckets.SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_buckets_hold_each_bucket_once(
    service: InventoryService, world: World, context: Context, sort: str, descending: bool
) -> None:
    now = await world.now()
    expected = []
    for number in range(9):
        client = await world.client()
        bucket = await world.bucket(client, unit_type=("cpu", "ram")[number % 2])
        expected.append(bucket)
        if number % 3:
            await reading(world, bucket, month(now), month(now, back=-1), quantity=str(number % 4))
            cost = str(number % 5)
            await projection(
                world, bucket, month(now), month(now, back=-1), quantity="1", cost=cost, percent=cost
            )
    rows = await walk(bucket_pages(service, context), size=2, sort=sort, descending=descending)
    assert sorted(row.id for row in rows) == expected
    if sort in ("current_usage", "projected_cost", "percent_of_commit"):
        figures = [float(getattr(row, sort) or -1) for row in rows]
        assert figures == sorted(figures, reverse=descending)
    if sort == "unit_type":
        units = [row.unit_type for row in rows]
        assert units == sorted(units, reverse=descending)


async def test_a_bucket_shows_terms_filters_usage_and_status(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client("acme", currency="JPY")
    condition = {"field": "name", "operator": "glob", "pattern": "web-*"}
    over = await world.bucket(client, name="over", commit="10", conditions=[condition])
    await world.terms(over, starts_on=(now + timedelta(days=40)).date(), commit="999")
    level = await world.bucket(client, name="level", commit="100")
    free = await world.bucket(client, name="free", commit="0")
    new = await world.bucket(client, name="new", starts_on=(now + timedelta(days=40)).date())
    series = await world.series(await world.asset())
    await world.binding(series, over)
    start, end = month(now), month(now, back=-1)
    for bucket, quantity, percent in (
        (over, "10.0001", "100.00"),
        (level, "100", "100.00"),
        (free, "7", None),
    ):
        await reading(world, bucket, start, end, quantity="5", as_of=now - timedelta(hours=1))
        await projection(world, bucket, start, end, quantity=quantity, cost="12", percent=percent)
        await reading(world, bucket, month(now, back=1), start, quantity="77")

    reply = await service.ListBuckets(inventory_pb2.ListBucketsRequest(client_id=client), context)
    shown = {row.id: row for row in reply.buckets}
    row = shown[over]
    assert (row.client_name, row.currency, row.source_type, row.symbol) == ("acme", "JPY", "host", "GiB")
    assert (row.terms.commit, [t.commit for t in row.all_terms]) == ("10", ["10", "999"])
    assert (row.terms.base_price, row.terms.overage_price, row.terms.aggregation) == ("1", "2", "avg")
    assert [(c.field, c.operator, c.pattern) for c in row.filters[0].conditions] == [
        ("name", OPERATOR_GLOB, "web-*")
    ]
    assert (row.current_usage, row.projected_usage, row.percent_of_commit) == ("5", "10.0001", "100.00")
    assert (row.status, row.series) == ("over", 1)
    assert shown[level].status == "on-track"
    assert (shown[free].status, shown[free].percent_of_commit) == ("", "")
    assert not shown[new].HasField("terms")
    assert (shown[new].current_usage, shown[new].projected_cost, shown[new].status) == ("", "", "")


async def test_filters_of_buckets_restrict(service: InventoryService, world: World, context: Context) -> None:
    acme, other = await world.client("acme"), await world.client("other")
    await world.bucket(acme, name="a", unit_type="cpu")
    await world.bucket(acme, name="b", source_type="vm")
    await world.bucket(other, name="c", unit_type="cpu", commit=None)

    async def listed(**wanted: Any) -> list[str]:
        reply = await service.ListBuckets(inventory_pb2.ListBucketsRequest(**wanted), context)
        return [bucket.name for bucket in reply.buckets]

    assert await listed() == ["a", "b", "c"]
    assert await listed(client_id=acme, unit_type="cpu") == ["a"]
    assert await listed(source_type="vm") == ["b"]
    assert await listed(search="ACM") == ["a", "b"]
