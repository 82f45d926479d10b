"""Billing readings, periods and projections by reporting month, by name and by what is over; each list's own orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.errors import Invalid
from aggregator.jobs import Jobs
from aggregator.rpc.analysis import AnalysisService
from aggregator.rpc.billing import BillingService
from aggregator.rpc.closing import ClosingService
from aggregator.rpc.server import Context
from aggregator.store import periods
from aggregator.store.database import Database
from tests.bills import projection, reading, run
from tests.builders import World, month
from ullage.v1 import analysis_pb2, billing_pb2, closing_pb2
from ullage.v1.types_pb2 import PageRequest

pytestmark = pytest.mark.storage

JUNE = datetime(2025, 6, 1, tzinfo=UTC)
JULY = datetime(2025, 7, 1, tzinfo=UTC)


@pytest.fixture
def billing(db: Database, jobs: Jobs) -> BillingService:
    return BillingService(db, jobs)


@pytest.fixture
def closing(db: Database) -> ClosingService:
    return ClosingService(db)


class Book:
    """Periods that end near the end of June 2025 in three zones: in whose June, says `IN_JUNE`."""

    IN_JUNE = frozenset(
        {("utc", "until July"), ("york", "past midnight UTC"), ("auckland", "until their July")}
    )

    async def write(self, world: World) -> "Book":
        utc = await world.bucket(await world.client("utc"), name="until July")
        later = await world.bucket(await world.client("utc weeks"), name="past midnight UTC")
        york = await world.client("york", time_zone="America/New_York")
        evening = await world.bucket(york, name="past midnight UTC", source_type="vm")
        auckland = await world.client("auckland", time_zone="Pacific/Auckland")
        noon = await world.bucket(auckland, name="until their July")
        await reading(world, utc, JUNE, JULY, quantity="10")
        await reading(world, later, JULY - timedelta(days=7), JULY + timedelta(hours=2), quantity="20")
        await reading(world, evening, JUNE, JULY + timedelta(hours=2), quantity="30")
        await reading(world, noon, JUNE - timedelta(hours=12), JULY - timedelta(hours=12), quantity="40")
        await reading(world, noon, JULY - timedelta(hours=12), JULY + timedelta(days=15), quantity="50")
        return self


async def readings_of(service: BillingService, context: Context, **wanted: Any) -> list[billing_pb2.Reading]:
    """All that fit, one a page."""
    found: list[billing_pb2.Reading] = []
    page = PageRequest(size=1, **wanted.pop("page", {}))
    while True:
        reply = await service.ListReadings(billing_pb2.ListReadingsRequest(page=page, **wanted), context)
        found.extend(reply.readings)
        if not reply.page.next:
            assert reply.page.total == len(found)
            return found
        page.after = reply.page.next


async def periods_of(service: ClosingService, context: Context, **wanted: Any) -> list[closing_pb2.Period]:
    """All that fit, one a page."""
    found: list[closing_pb2.Period] = []
    page = PageRequest(size=1, **wanted.pop("page", {}))
    while True:
        reply = await service.ListPeriods(closing_pb2.ListPeriodsRequest(page=page, **wanted), context)
        found.extend(reply.periods)
        if not reply.page.next:
            assert reply.page.total == len(found)
            return found
        page.after = reply.page.next


async def test_a_month_is_that_of_the_last_day_where_the_client_is(
    billing: BillingService, closing: ClosingService, db: Database, world: World, context: Context
) -> None:
    book = await Book().write(world)
    june = await readings_of(billing, context, month="2025-06")
    assert {(row.client_name, row.bucket_name) for row in june} == book.IN_JUNE
    july = await readings_of(billing, context, month="2025-07")
    assert sorted(row.quantity for row in july) == ["20", "50"]
    assert await readings_of(billing, context, month="2025-08") == []

    in_periods = await periods_of(closing, context, month="2025-06")
    assert {row.client_name for row in in_periods} == {client for client, _ in book.IN_JUNE}
    assert {row.last_day for row in in_periods} == {"2025-06-30"}
    # What compares clients counts the same.
    compared = await AnalysisService(db).GetOverUnder(
        analysis_pb2.GetOverUnderRequest(month="2025-06", by="bucket"), context
    )
    assert {(row.client_name, row.bucket_name) for row in compared.rows} == book.IN_JUNE


async def test_a_period_with_adjustments_alone_is_found_in_its_month(
    closing: ClosingService, world: World, context: Context
) -> None:
    bucket = await world.bucket(await world.client("york", time_zone="America/New_York"))
    await reading(world, bucket, datetime(2025, 5, 1, 4, tzinfo=UTC), JUNE + timedelta(hours=4))
    await world.insert(
        "adjustment",
        returning="bucket_id",
        bucket_id=bucket,
        period_start=datetime(2025, 5, 1, 4, tzinfo=UTC),
        period_end=JUNE + timedelta(hours=4),
        in_start=JUNE + timedelta(hours=4),
        in_end=JULY + timedelta(hours=4),
        delta_quantity=1,
        currency="EUR",
        amount=5,
        reason="late",
        cutoff=JULY,
        run_id=await run(world, "billing", started_at=JULY),
    )
    [june] = await periods_of(closing, context, month="2025-06")
    assert (june.first_day, june.buckets, june.total.amount) == ("2025-06-01", 0, "5")
    assert [p.first_day for p in await periods_of(closing, context, month="2025-05")] == ["2025-05-01"]
    assert await periods_of(closing, context, month="2025-07") == []


async def test_names_of_client_or_bucket_are_searched_literally_in_any_case(
    billing: BillingService, closing: ClosingService, world: World, context: Context
) -> None:
    await Book().write(world)
    special = await world.bucket(await world.client("100% Sure_"), name="x")
    await reading(world, special, JUNE, JULY, quantity="60")
    for text, quantities in (
        ("YORK", {"30"}),
        ("july", {"10", "40", "50"}),
        ("%", {"60"}),
        ("sure_", {"60"}),
        ("nobody", set()),
    ):
        assert {row.quantity for row in await readings_of(billing, context, search=text)} == quantities
    assert [p.client_name for p in await periods_of(closing, context, search="0% S")] == ["100% Sure_"]
    assert len(await periods_of(closing, context, search="UTC")) == 2
    # A bucket's name is none of a period's.
    assert await periods_of(closing, context, search="july") == []


async def test_conditions_hold_together(
    billing: BillingService, closing: ClosingService, world: World, context: Context
) -> None:
    await Book().write(world)
    assert [r.quantity for r in await readings_of(billing, context, source_type="vm")] == ["30"]
    assert await readings_of(billing, context, source_type="nothing") == []
    both = await readings_of(billing, context, search="past midnight", month="2025-07")
    assert [r.quantity for r in both] == ["20"]
    assert await readings_of(billing, context, source_type="host", search="york") == []
    [july] = await periods_of(closing, context, search="auck", month="2025-07")
    assert july.total.amount == "100.00"


@pytest.mark.parametrize("sort", periods.SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_periods_come_in_each_order_once(
    closing: ClosingService, world: World, context: Context, sort: str, descending: bool
) -> None:
    for number, start in ((3, JUNE), (1, JULY), (2, JUNE)):
        client = await world.client(f"c {number}")
        for _ in range(number):
            await reading(world, await world.bucket(client), start, start + timedelta(days=30), quantity="5")
    found = await periods_of(closing, context, page={"sort": sort, "descending": descending})
    assert len({row.client_id for row in found}) == 3
    keys: dict[str, list[Any]] = {
        "period_end": [row.end.seconds for row in found],
        "period_start": [row.start.seconds for row in found],
        "client_name": [row.client_name for row in found],
        "buckets": [row.buckets for row in found],
        "total": [float(row.total.amount) for row in found],
    }
    assert keys[sort] == sorted(keys[sort], reverse=descending)


@pytest.mark.parametrize("descending", [False, True])
async def test_readings_are_ordered_by_where_their_periods_start(
    billing: BillingService, world: World, context: Context, descending: bool
) -> None:
    await Book().write(world)
    found = await readings_of(billing, context, page={"sort": "period_start", "descending": descending})
    starts = [row.period_start.seconds for row in found]
    assert (len(starts), starts) == (5, sorted(starts, reverse=descending))


async def test_projections_over_the_commit_are_those_above_it(
    billing: BillingService, world: World, context: Context
) -> None:
    now = await world.now()
    start, end = month(now), month(now, back=-1)
    for name, commit, projected in (("above", "100", "100.001"), ("equal", "100", "100"), ("free", "0", "9")):
        bucket = await world.bucket(await world.client(f"of {name}"), name=name, commit=commit)
        await reading(world, bucket, start, end, quantity="5")
        percent = None if commit == "0" else "100.00"
        await projection(world, bucket, start, end, quantity=projected, cost="1", percent=percent)

    async def names(**wanted: Any) -> list[str]:
        reply = await billing.ListProjections(billing_pb2.ListProjectionsRequest(**wanted), context)
        assert reply.page.total == len(reply.projections)
        return [row.bucket_name for row in reply.projections]

    assert await names() == ["above", "equal", "free"]
    assert await names(over=True) == ["above"]
    assert await names(search="OF E") == ["equal"]
    assert await names(search="free") == ["free"]
    assert await names(search="e", over=True) == ["above"]
    assert await names(search="equal", over=True) == []


@pytest.mark.parametrize("text", ["june", "2025-6", "2025-13", "2025-06-01", "202506", "1492-10", "٢٠٢٥-٠٦"])
async def test_what_is_no_month_is_refused_by_name(
    billing: BillingService, closing: ClosingService, context: Context, text: str
) -> None:
    with pytest.raises(Invalid, match="month: "):
        await billing.ListReadings(billing_pb2.ListReadingsRequest(month=text), context)
    with pytest.raises(Invalid, match="month: "):
        await closing.ListPeriods(closing_pb2.ListPeriodsRequest(month=text), context)


async def test_what_no_name_contains_is_refused_by_field(
    billing: BillingService, closing: ClosingService, context: Context
) -> None:
    with pytest.raises(Invalid, match="search: "):
        await billing.ListReadings(billing_pb2.ListReadingsRequest(search="a\0"), context)
    with pytest.raises(Invalid, match="source_type: "):
        await billing.ListReadings(billing_pb2.ListReadingsRequest(source_type="a\0"), context)
    with pytest.raises(Invalid, match="search: "):
        await billing.ListProjections(billing_pb2.ListProjectionsRequest(search="a" * 201), context)
    with pytest.raises(Invalid, match="search: "):
        await closing.ListPeriods(closing_pb2.ListPeriodsRequest(search="\x1b["), context)
