"""Billing readings, projections and the dashboard's figures, worked out by hand in two currencies."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.errors import Invalid
from aggregator.jobs import Jobs
from aggregator.rpc.billing import BillingService
from aggregator.rpc.changes import Changes
from aggregator.rpc.insight import InsightService
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store import readings
from aggregator.store.database import Database
from tests.bills import projection, reading
from tests.builders import World, month
from ullage.v1 import billing_pb2, insight_pb2, inventory_pb2
from ullage.v1.types_pb2 import PageRequest

pytestmark = pytest.mark.storage

T = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def billing(db: Database, jobs: Jobs) -> BillingService:
    return BillingService(db, jobs)


@pytest.fixture
def insight(db: Database, jobs: Jobs) -> InsightService:
    return InsightService(db, Changes(db), jobs)


async def listed(service: BillingService, context: Context, **wanted: Any) -> list[billing_pb2.Reading]:
    """All readings, two a page."""
    found: list[billing_pb2.Reading] = []
    page = PageRequest(size=2, **wanted.pop("page", {}))
    while True:
        reply = await service.ListReadings(billing_pb2.ListReadingsRequest(page=page, **wanted), context)
        found.extend(reply.readings)
        assert reply.page.total >= len(found)
        if not reply.page.next:
            assert reply.page.total == len(found)
            return found
        page.after = reply.page.next


async def test_a_reading_adds_up_and_says_what_became_of_its_period(
    billing: BillingService, world: World, context: Context
) -> None:
    now = await world.now()
    bucket = await world.bucket(
        await world.client("acme", currency="USD"), commit="100", base="1", overage="2"
    )
    starts = [month(now, back=back) for back in range(4)]
    await reading(world, bucket, starts[0], month(now, back=-1), quantity="80", as_of=now)
    await reading(world, bucket, starts[1], starts[0], quantity="101")
    await reading(world, bucket, starts[2], starts[1], quantity="100", finalised_at=now)

    found = await listed(billing, context)
    assert [(r.quantity, r.state) for r in found] == [
        ("80", billing_pb2.PERIOD_STATE_OPEN),
        ("101", billing_pb2.PERIOD_STATE_ENDED),
        ("100", billing_pb2.PERIOD_STATE_FINALISED),
    ]
    assert [(r.used, r.buffer, r.overage, r.cost, r.percent_of_commit) for r in found] == [
        ("80.00", "20.00", "0.00", "100.00", "80.00"),
        ("100.00", "0.00", "2.00", "102.00", "101.00"),
        ("100.00", "0.00", "0.00", "100.00", "100.00"),
    ]
    assert found[1].overage_units == "1"
    assert (found[0].currency, found[0].client_name, found[0].unit_type) == ("USD", "acme", "ram-used")
    assert found[1].period_start.ToDatetime(UTC) == starts[1]

    for state, quantities in (
        (billing_pb2.PERIOD_STATE_OPEN, ["80"]),
        (billing_pb2.PERIOD_STATE_ENDED, ["101"]),
        (billing_pb2.PERIOD_STATE_FINALISED, ["100"]),
    ):
        assert [r.quantity for r in await listed(billing, context, state=state)] == quantities


async def test_without_a_commit_there_is_no_per_cent(
    billing: BillingService, world: World, context: Context
) -> None:
    bucket = await world.bucket(await world.client(), commit="0")
    await reading(world, bucket, T, T + timedelta(days=30), quantity="5")
    [row] = await listed(billing, context)
    assert (row.percent_of_commit, row.cost) == ("", "10.00")


@pytest.mark.parametrize("sort", ["", *readings.SORTS])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_readings_hold_each_reading_once(
    billing: BillingService, world: World, context: Context, sort: str, descending: bool
) -> None:
    expected = []
    for number in range(3):
        bucket = await world.bucket(await world.client(f"client {number}"))
        for back in range(3):
            start = T - timedelta(days=30 * back)
            await reading(world, bucket, start, start + timedelta(days=30), quantity=str(5 * (back % 2)))
            expected.append((bucket, start))
    found = await listed(billing, context, page={"sort": sort, "descending": descending})
    assert sorted((r.bucket_id, r.period_start.ToDatetime(UTC)) for r in found) == sorted(expected)
    if sort in ("", "period_end"):
        ends = [r.period_end.ToDatetime(UTC) for r in found]
        assert ends == sorted(ends, reverse=descending if sort else not descending)


async def test_readings_are_restricted_to_a_client_or_a_bucket(
    billing: BillingService, world: World, context: Context
) -> None:
    clients = [await world.client(), await world.client()]
    buckets = [await world.bucket(clients[0]), await world.bucket(clients[0]), await world.bucket(clients[1])]
    for bucket in buckets:
        await reading(world, bucket, T, T + timedelta(days=30))
    assert {r.bucket_id for r in await listed(billing, context, client_id=clients[0])} == set(buckets[:2])
    assert [r.bucket_id for r in await listed(billing, context, bucket_id=buckets[2])] == [buckets[2]]
    assert await listed(billing, context, client_id=clients[1], bucket_id=buckets[0]) == []
    with pytest.raises(Invalid, match="state"):
        await billing.ListReadings(billing_pb2.ListReadingsRequest(state=99), context)  # type: ignore[arg-type]


@pytest.mark.parametrize("sort", ["", *readings.PROJECTION_SORTS])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_projections_are_of_open_periods(
    billing: BillingService, world: World, context: Context, sort: str, descending: bool
) -> None:
    now = await world.now()
    expected = []
    for number in range(5):
        bucket = await world.bucket(await world.client(f"c {9 - number}"), commit=str(10 * (number % 2)))
        percent = f"{number}.50" if number % 2 else None
        await projection(
            world, bucket, month(now), month(now, back=-1), quantity="3", cost="4", percent=percent
        )
        await projection(world, bucket, month(now, back=1), month(now), quantity="99", cost="99")
        expected.append(bucket)
    found: list[billing_pb2.Projection] = []
    page = PageRequest(size=2, sort=sort, descending=descending)
    while True:
        reply = await billing.ListProjections(billing_pb2.ListProjectionsRequest(page=page), context)
        found.extend(reply.projections)
        if not reply.page.next:
            break
        page.after = reply.page.next
    assert sorted(row.bucket_id for row in found) == expected
    assert {(row.projected_quantity, row.projected_cost, row.current_quantity) for row in found} == {
        ("3", "4", "1")
    }
    if sort == "percent_of_commit":
        figures = [float(row.percent_of_commit or -1) for row in found]
        assert figures == sorted(figures, reverse=descending)


async def test_the_dashboard_keeps_currencies_apart(
    insight: InsightService, world: World, context: Context
) -> None:
    now = await world.now()
    start, end = month(now), month(now, back=-1)
    euro, yen = await world.client("Euro AG"), await world.client("Yen KK", currency="JPY")
    small = await world.client("Klein GmbH")
    buckets = {client: await world.bucket(client, commit="0", overage="1") for client in (euro, yen, small)}
    for client, cost in ((euro, "75.50"), (yen, "9000"), (small, "24.50")):
        await projection(world, buckets[client], start, end, quantity="1", cost=cost)
    for client, months in ((euro, {1: "110", 2: "100", 11: "7", 12: "5"}), (yen, {1: "50", 2: "0"})):
        for back, quantity in months.items():
            finalised = now if client == euro else None
            await reading(
                world,
                buckets[client],
                month(now, back=back),
                month(now, back=back - 1),
                quantity=quantity,
                finalised_at=finalised,
            )
    board = await insight.GetDashboard(insight_pb2.GetDashboardRequest(), context)

    assert [(m.currency, m.amount) for m in board.projected_revenue] == [("EUR", "100.00"), ("JPY", "9000")]
    assert [(t.client_name, t.projected.currency, t.share) for t in board.top_clients] == [
        ("Yen KK", "JPY", "100.00"),
        ("Euro AG", "EUR", "75.50"),
        ("Klein GmbH", "EUR", "24.50"),
    ]
    assert [(m.currency, m.percent, m.provisional) for m in board.month_over_month] == [
        ("EUR", "10.00", False),
        ("JPY", "", True),
    ]
    euros = {m.month: (m.revenue.amount, m.provisional) for m in board.revenue if m.revenue.currency == "EUR"}
    assert list(euros) == [f"{month(now, back=back):%Y-%m}" for back in range(11, -1, -1)]
    assert euros[f"{month(now, back=11):%Y-%m}"] == ("7.00", False)
    assert euros[f"{month(now, back=1):%Y-%m}"] == ("110.00", False)
    assert euros[f"{now:%Y-%m}"] == ("0", False)
    yens = [m for m in board.revenue if m.revenue.currency == "JPY"]
    assert [(m.revenue.amount, m.provisional) for m in yens] == [("0", True), ("50", True), ("0", False)]


async def test_an_ended_period_of_this_month_is_expected_to_cost_what_it_did(
    insight: InsightService, world: World, context: Context
) -> None:
    now = await world.now()
    if now - month(now) < timedelta(hours=2):
        pytest.skip("no period has ended in this month yet")
    middle = month(now) + timedelta(hours=1)
    bucket = await world.bucket(await world.client(cycle_unit="week"), commit="0", overage="1")
    await reading(world, bucket, month(now, back=1), middle, quantity="30")
    await projection(world, bucket, month(now, back=1), middle, quantity="1", cost="999")
    await projection(world, bucket, middle, month(now, back=-1), quantity="1", cost="12.50")
    board = await insight.GetDashboard(insight_pb2.GetDashboardRequest(), context)
    assert [(m.currency, m.amount) for m in board.projected_revenue] == [("EUR", "42.50")]


async def test_a_new_overage_was_not_over_last_period_and_has_a_commit_in_both(
    insight: InsightService, world: World, context: Context
) -> None:
    now = await world.now()
    start, end, before = month(now), month(now, back=-1), month(now, back=1)
    client = await world.client("acme")
    cases = {
        "new": ("100", "150", "80"),
        "newer": ("100", "180", "100"),
        "equal": ("100", "100", "80"),
        "old": ("100", "150", "100.5"),
        "free": ("0", "150", "0"),
    }
    for name, (commit, projected, last) in cases.items():
        bucket = await world.bucket(client, name=name, commit=commit)
        await reading(world, bucket, start, end, quantity="5")
        await reading(world, bucket, before, start, quantity=last)
        percent = None if commit == "0" else projected
        await projection(world, bucket, start, end, quantity=projected, cost="1", percent=percent)
    first = await world.bucket(client, name="first period")
    await reading(world, first, start, end)
    await projection(world, first, start, end, quantity="150", cost="1", percent="150")
    board = await insight.GetDashboard(insight_pb2.GetDashboardRequest(), context)
    assert [(o.bucket_name, o.client_name, o.percent_of_commit) for o in board.new_overages] == [
        ("newer", "acme", "180"),
        ("new", "acme", "150"),
    ]


async def test_a_card_counts_what_its_list_has(
    insight: InsightService, db: Database, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client()
    await world.bucket(client)
    for owner, acknowledged in ((client, now), (None, None), (None, now), (client, None)):
        asset = await world.asset(acknowledged_at=acknowledged)
        series = await world.series(asset)
        await world.measured(series, month(now), month(now) + timedelta(hours=1))
        if owner:
            await world.assignment(asset, owner)
            await world.binding(series, await world.bucket(client))
    await world.asset(enabled=False)
    await world.asset(disregarded_at=now)
    board = await insight.GetDashboard(insight_pb2.GetDashboardRequest(), context)
    assert (board.clients, board.assets, board.buckets) == (1, 5, 3)
    assert (board.unassigned, board.unbound, board.unacknowledged) == (2, 2, 3)
    inventory = InventoryService(db)
    for wanted, count in (
        (inventory_pb2.ListAssetsRequest(), board.assets),
        (inventory_pb2.ListAssetsRequest(unassigned=True), board.unassigned),
        (inventory_pb2.ListAssetsRequest(unbound=True), board.unbound),
        (inventory_pb2.ListAssetsRequest(unacknowledged=True), board.unacknowledged),
    ):
        reply = await inventory.ListAssets(wanted, context)
        assert (reply.page.total, len(reply.assets)) == (count, count)


async def test_an_empty_database_is_shown_empty(
    insight: InsightService, billing: BillingService, db: Database, context: Context
) -> None:
    board = await insight.GetDashboard(insight_pb2.GetDashboardRequest(), context)
    assert (board.clients, board.assets, board.unbound) == (0, 0, 0)
    assert [*board.projected_revenue, *board.revenue, *board.top_clients, *board.new_overages] == []
    assert await listed(billing, context) == []
    assert not (await billing.ListProjections(billing_pb2.ListProjectionsRequest(), context)).projections
    inventory = InventoryService(db)
    assert not (await inventory.ListAssets(inventory_pb2.ListAssetsRequest(unbound=True), context)).assets
    assert not (await inventory.ListClients(inventory_pb2.ListClientsRequest(), context)).clients
    assert not (await inventory.ListBuckets(inventory_pb2.ListBucketsRequest(), context)).buckets
    rules = await inventory.ListAssignmentRules(inventory_pb2.ListAssignmentRulesRequest(), context)
    assert not rules.rules
    units = await inventory.ListUnitTypes(inventory_pb2.ListUnitTypesRequest(), context)
    assert {(u.name, u.slot_minutes) for u in units.unit_types} > {("cpu", 60), ("rate-in", 5)}
