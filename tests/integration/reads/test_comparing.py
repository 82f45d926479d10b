"""Clients, buckets and unit types against their commits, revenue and leakage: worked out by hand in two currencies."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.jobs import Jobs
from aggregator.rpc.analysis import AnalysisService
from aggregator.rpc.changes import Changes
from aggregator.rpc.insight import InsightService
from aggregator.rpc.server import Context
from aggregator.store.calendars import calendars
from aggregator.store.database import Database
from tests.bills import reading, run
from tests.builders import World, month
from ullage.v1 import analysis_pb2, insight_pb2
from ullage.v1.agreements_pb2 import Terms


@pytest.fixture
def service(db: Database) -> AnalysisService:
    return AnalysisService(db)


def told(row: analysis_pb2.OverUnderRow) -> tuple[str, ...]:
    return (
        row.client_name or row.bucket_name or row.unit_types,
        row.status,
        row.delta_units,
        row.overage.amount,
        row.buffer.amount,
        row.percent_unused,
    )


class Book:
    """acme is mixed, beta under, even and free are what they are called; yen pays in another currency."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acme = self.ram = 0

    async def write(self) -> "Book":
        world, now = self.world, await self.world.now()
        last, this = month(now, back=1), month(now)
        self.acme = await world.client("acme")
        self.ram = await world.bucket(self.acme, name="ram")
        cpu = await world.bucket(self.acme, name="cpu", unit_type="cpu", commit="10", aggregation="max")
        await reading(world, self.ram, last, this, quantity="80", finalised_at=now)
        await reading(world, cpu, last, this, quantity="15", finalised_at=now)
        for name, commit, quantity, currency in (
            ("beta", "100", "25", "EUR"),
            ("even", "100", "100", "EUR"),
            ("free", "0", "7", "EUR"),
            ("yen", "100", "101", "JPY"),
        ):
            bucket = await world.bucket(await world.client(name, currency=currency), commit=commit)
            await reading(world, bucket, last, this, quantity=quantity)
        return self


async def test_clients_are_over_under_mixed_even_or_without_a_commit(
    service: AnalysisService, world: World, context: Context
) -> None:
    await Book(world).write()
    found = await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(), context)
    assert found.month == f"{month(await world.now(), back=1):%Y-%m}"
    assert [told(row) for row in found.rows] == [
        ("acme", "mixed", "5 core-h, -20 GiB", "10.00", "20.00", "18.18"),
        ("beta", "under", "-75 GiB", "0.00", "75.00", "75.00"),
        ("even", "even", "0 GiB", "0.00", "0.00", "0.00"),
        ("free", "", "", "0", "0", ""),
        ("yen", "over", "1 GiB", "2", "0", "0.00"),
    ]
    assert [(one.currency, one.amount) for one in found.buffer] == [("EUR", "95.00"), ("JPY", "0")]
    assert [(one.currency, one.amount) for one in found.overage] == [("EUR", "10.00"), ("JPY", "2")]
    assert found.provisional
    assert [row.provisional for row in found.rows] == [False, True, True, True, True]
    assert found.rows[0].committed.amount == "110.00"
    assert found.rows[0].buffer_units == "20 GiB"
    only = await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(status="mixed"), context)
    assert [row.client_name for row in only.rows] == ["acme"]


async def test_by_unit_type_and_by_bucket(service: AnalysisService, world: World, context: Context) -> None:
    book = await Book(world).write()
    units = await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(by="unit-type"), context)
    assert [(row.unit_types, row.cost.currency, row.delta_units, row.status) for row in units.rows] == [
        ("cpu", "EUR", "5 core-h", "over"),
        ("ram-used", "EUR", "-95 GiB", "under"),
        ("ram-used", "JPY", "1 GiB", "over"),
    ]
    buckets = await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(by="bucket"), context)
    assert [(row.client_name, row.cost.currency) for row in buckets.rows][:2] == [
        ("beta", "EUR"),
        ("yen", "JPY"),
    ]
    assert buckets.rows_total == 6
    assert [(one.currency, one.amount) for one in buckets.buffer] == [("EUR", "95.00"), ("JPY", "0")]
    of_ram = analysis_pb2.GetOverUnderRequest(by="bucket", client_id=book.acme, unit_type="ram-used")
    [row] = (await service.GetOverUnder(of_ram, context)).rows
    assert (row.bucket_name, row.status, row.percent_unused) == ("ram", "under", "20.00")


async def test_a_period_counts_whole_for_the_month_of_its_last_day(
    service: AnalysisService, world: World, context: Context
) -> None:
    now = await world.now()
    bucket = await world.bucket(await world.client(cycle_count=3))
    await reading(world, bucket, month(now, back=3), month(now), quantity="80")
    [row] = (await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(), context)).rows
    assert (row.long_period, row.buffer.amount) == (True, "20.00")
    before = f"{month(now, back=2):%Y-%m}"
    assert not (await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(month=before), context)).rows


async def test_sums_follow_their_readings(service: AnalysisService, world: World, context: Context) -> None:
    now = await world.now()
    bucket = await world.bucket(await world.client())
    await reading(world, bucket, month(now, back=1), month(now), quantity="80")
    await world.conn.execute("update billing_reading set quantity = 90, used = 90, buffer = 10")
    [row] = (await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(), context)).rows
    assert (row.delta_units, row.buffer.amount) == ("-10 GiB", "10")
    await world.conn.execute("delete from billing_reading")
    assert not (await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(), context)).rows


async def test_a_trend_goes_on_in_the_currency_that_a_client_has_now(
    service: AnalysisService, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client("acme")
    bucket = await world.bucket(client)
    await reading(world, bucket, month(now, back=3), month(now, back=2), quantity="80", finalised_at=now)
    await world.conn.execute("update client set currency = 'JPY', currency_digits = 0")
    await reading(world, bucket, month(now, back=2), month(now, back=1), quantity="150")
    for request in (
        analysis_pb2.GetTrendRequest(client_id=client),
        analysis_pb2.GetTrendRequest(bucket_id=bucket),
        analysis_pb2.GetTrendRequest(unit_type="ram-used", months=4),
    ):
        points = (await service.GetTrend(request, context)).points
        assert [(p.overage.currency, p.overage.amount, p.buffer.amount, p.provisional) for p in points] == [
            ("EUR", "0.00", "20.00", False),
            ("EUR", "0", "0", False),
            ("JPY", "100", "0", True),
            ("EUR", "0", "0", False),
            ("JPY", "0", "0", False),
            ("EUR", "0", "0", False),
            ("JPY", "0", "0", False),
        ]
        assert points[-1].month == f"{now:%Y-%m}"


async def test_revenue_has_adjustments_where_they_stand(
    service: AnalysisService, db: Database, jobs: Jobs, world: World, context: Context
) -> None:
    now = await world.now()
    book = await Book(world).write()
    await reading(world, book.ram, month(now, back=2), month(now, back=1), quantity="100", finalised_at=now)
    await world.insert(
        "adjustment",
        bucket_id=book.ram,
        period_start=month(now, back=2),
        period_end=month(now, back=1),
        in_start=month(now, back=1),
        in_end=month(now),
        delta_quantity=Decimal(-5),
        currency="EUR",
        amount=Decimal("-5.00"),
        cutoff=now,
        run_id=await run(world, "billing", started_at=now),
    )
    points = (await service.GetRevenue(analysis_pb2.GetRevenueRequest(), context)).points
    assert [
        (p.source_type, p.revenue.currency, p.revenue.amount, p.clients, p.average_per_client.amount, p.percent_change)
        for p in points
    ] == [
        ("", "EUR", "100.00", 1, "100.00", ""),
        ("host", "EUR", "100.00", 1, "100.00", ""),
        # 120 − 5 of acme, 100 of beta and of even, 14 of free.
        ("", "EUR", "329.00", 4, "82.25", "229.00"),
        ("host", "EUR", "329.00", 4, "82.25", "229.00"),
        ("", "JPY", "102", 1, "102", ""),
        ("host", "JPY", "102", 1, "102", ""),
    ]  # fmt: skip
    board = await InsightService(db, Changes(db), jobs).GetDashboard(
        insight_pb2.GetDashboardRequest(), context
    )
    status = board.status_last_period
    assert (status.over, status.under, status.mixed, status.even, status.none) == (1, 1, 1, 1, 1)
    assert [(r.source_type, r.revenue.amount) for r in board.revenue_by_source] == [
        ("host", "329.00"),
        ("host", "102"),
    ]
    assert [one.amount for one in board.average_per_client] == ["82.25", "102"]
    assert [m.percent for m in board.month_over_month] == ["229.00", ""]


async def test_unbound_usage_is_money_not_billed(
    service: AnalysisService, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client("acme")
    for days, money, owner in ((3, "5.00", client), (45, "7.00", client), (45, None, client), (0, None, 0)):
        asset = await world.asset()
        series = await world.series(asset)
        await world.measured(series, now - timedelta(days=days, hours=2), now)
        if owner:
            await world.assignment(asset, owner)
        await world.conn.execute(
            "update unbound_candidate set money = %s, currency = 'EUR', stale = false where series_id = %s",
            [money and Decimal(money), series],
        )
    rows = (await service.ListLeakage(analysis_pb2.ListLeakageRequest(), context)).rows
    assert [(r.client_name, r.age, r.assets, r.money.amount, r.unpriced) for r in rows] == [
        ("acme", "7", 1, "5.00", 0),
        ("acme", "90", 2, "7.00", 1),
        ("", "7", 1, "0", 1),
    ]
    only = (await service.ListLeakage(analysis_pb2.ListLeakageRequest(client_id=client), context)).rows
    assert len(only) == 2


async def test_with_nothing_billed_everything_is_empty(service: AnalysisService, context: Context) -> None:
    for by in ("client", "bucket", "unit-type"):
        found = await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(by=by), context)
        assert (list(found.rows), list(found.buffer), found.rows_total) == ([], [], 0)
    assert not (await service.GetTrend(analysis_pb2.GetTrendRequest(), context)).points
    assert not (await service.GetRevenue(analysis_pb2.GetRevenueRequest(), context)).points
    assert not (await service.ListLeakage(analysis_pb2.ListLeakageRequest(), context)).rows
    assert not (await service.ListRightSize(analysis_pb2.ListRightSizeRequest(), context)).rows
    nothing = await service.WhatIf(analysis_pb2.WhatIfRequest(terms=Terms(commit="5")), context)
    assert (list(nothing.rows), list(nothing.before)) == ([], [])


async def test_what_cannot_be_asked_is_refused(service: AnalysisService, context: Context) -> None:
    for wanted in (
        analysis_pb2.GetOverUnderRequest(by="agent"),
        analysis_pb2.GetOverUnderRequest(month="2026-13"),
        analysis_pb2.GetOverUnderRequest(month="2999-01"),
        analysis_pb2.GetOverUnderRequest(status="above"),
    ):
        with pytest.raises(Invalid):
            await service.GetOverUnder(wanted, context)
    with pytest.raises(NotFound):
        await service.GetOverUnder(analysis_pb2.GetOverUnderRequest(client_id=99), context)
    with pytest.raises(NotFound):
        await service.GetTrend(analysis_pb2.GetTrendRequest(unit_type="no such"), context)
    with pytest.raises(Invalid):
        await service.GetRevenue(analysis_pb2.GetRevenueRequest(months=37), context)


async def test_the_database_says_which_month_a_period_counts_for_as_the_calendar_does(
    db: Database, world: World
) -> None:
    plain = await world.client(time_zone="Pacific/Auckland")
    moved = await world.client(time_zone="America/New_York", cycle_anchor=date(2026, 3, 1))
    await world.insert(
        "client_cycle",
        returning="client_id",
        client_id=moved,
        ended_on=date(2026, 3, 1),
        currency="EUR",
        currency_digits=2,
        time_zone="Pacific/Kiritimati",
        cycle_unit="month",
        cycle_count=1,
        cycle_anchor=date(2024, 1, 1),
    )
    async with db.transaction() as conn:
        found = await calendars(conn, [plain, moved])
    for client in (plain, moved):
        since = datetime(2025, 10, 1, tzinfo=UTC)
        for period in found[client].periods_between(since, since + timedelta(days=300)):
            asked = await world.one("select reporting_month(%s, %s)", client, period.end)
            assert asked[0] == found[client].reporting_month(period)
