"""The service Closing as people call it: lists of periods, adjustments and late readings, checklists, runs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from psycopg.types.json import Jsonb

from aggregator.actions.rebind import rebind
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc.closing import ClosingService
from aggregator.store import health
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from tests.billing_reference import rows
from tests.billing_world import MARCH, World, level
from tests.integration.test_closing import bill, execute, late, march
from ullage.v1 import billing_pb2, closing_pb2

pytestmark = pytest.mark.storage

ALL = [{"field": "name", "operator": "glob", "pattern": "*"}]
NOBODY = cast(Any, None)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def test_periods_are_listed_with_their_state_and_closed_by_hand(db: Database) -> None:
    await march(db, heard=False)
    await bill(db)
    service = ClosingService(db)
    listed = await service.ListPeriods(closing_pb2.ListPeriodsRequest(), NOBODY)
    [march_period] = [p for p in listed.periods if p.first_day == "2026-03-01"]
    assert (march_period.last_day, march_period.state, march_period.overdue) == (
        "2026-03-31",
        billing_pb2.PERIOD_STATE_ENDED,
        True,
    )
    assert (march_period.total.amount, march_period.total.currency, march_period.buckets) == (
        "1488.00",
        "USD",
        1,
    )
    assert march_period.open_items == 1
    assert not march_period.HasField("closes_at")
    overdue = await service.ListPeriods(closing_pb2.ListPeriodsRequest(overdue=True, client_id=1), NOBODY)
    assert "2026-03-01" in {p.first_day for p in overdue.periods}
    with pytest.raises(Conflict, match="agent-silent"):
        await service.Finalise(closing_pb2.FinaliseRequest(client_id=1, first_day="2026-03-01"), NOBODY)
    list_ = await service.AcknowledgeItems(
        closing_pb2.AcknowledgeItemsRequest(client_id=1, first_day="2026-03-01", reason="gone"), NOBODY
    )
    assert (list_.ready, [item.reason for item in list_.items]) == (True, ["gone"])
    done = await service.Finalise(closing_pb2.FinaliseRequest(client_id=1, first_day="2026-03-01"), NOBODY)
    assert (done.readings, done.total.amount, done.period.state) == (
        1,
        "1488.00",
        billing_pb2.PERIOD_STATE_FINALISED,
    )
    final = closing_pb2.ListPeriodsRequest(state=billing_pb2.PERIOD_STATE_FINALISED)
    assert [p.first_day for p in (await service.ListPeriods(final, NOBODY)).periods] == ["2026-03-01"]
    [run] = await all_runs(db)
    assert (await service.GetRun(closing_pb2.GetRunRequest(id=run), NOBODY)).counts["readings"] == 1


async def all_runs(db: Database) -> list[int]:
    async with db.transaction() as conn:
        return [row["id"] for row in await rows(conn, "select id from run where job = 'finalising'")]


async def test_adjustments_are_listed_and_stand_in_the_total_of_their_period(db: Database) -> None:
    bucket, series, agent = await march(db)
    await bill(db)
    await late(db, bucket, series, agent, MARCH, 6)
    async with db.transaction() as conn:
        await World(conn).tick(
            agent,
            series,
            6,
            at=MARCH + timedelta(minutes=30),
            stored=datetime.now(UTC) - timedelta(seconds=1),
        )
        await conn.execute("update billing_reading set cutoff = cutoff where finalised_at is null")
    await bill(db)
    service = ClosingService(db)
    [line] = (
        await service.ListAdjustments(closing_pb2.ListAdjustmentsRequest(client_id=1), NOBODY)
    ).adjustments
    assert (line.amount.amount, line.delta_quantity, line.finalised) == ("10.00", "5.0000", False)
    [period] = [
        p
        for p in (await service.ListPeriods(closing_pb2.ListPeriodsRequest(), NOBODY)).periods
        if p.first_day == "2026-04-01"
    ]
    # One slot of 1 in April at 2, and the adjustment.
    assert period.total.amount == "12.00"


async def test_late_readings_are_listed_by_client(db: Database) -> None:
    _, series, agent = await march(db)
    await execute(
        db, "insert into assignment (asset_id, client_id, from_slot) select asset_id, 1, 0 from series"
    )
    await execute(
        db,
        "insert into too_late (agent_id, series_id, value, since, ticked_at, stored_at, reason)"
        " values (%s, %s, 5, %s, %s, now(), 'look-back')",
        agent, series, MARCH, MARCH + timedelta(minutes=1),
    )  # fmt: skip
    service = ClosingService(db)
    for client, count in ((0, 1), (1, 1), (999, 0)):
        listed = await service.ListTooLate(closing_pb2.ListTooLateRequest(client_id=client), NOBODY)
        assert len(listed.readings) == listed.page.total == count


async def test_bad_requests_say_what_to_do(db: Database) -> None:
    await march(db)
    service = ClosingService(db)
    with pytest.raises(Invalid, match="first_day"):
        await service.GetChecklist(closing_pb2.GetChecklistRequest(client_id=1, first_day="soon"), NOBODY)
    with pytest.raises(NotFound):
        await service.GetChecklist(closing_pb2.GetChecklistRequest(client_id=999), NOBODY)
    with pytest.raises(NotFound):
        await service.GetRun(closing_pb2.GetRunRequest(id=999), NOBODY)
    request = closing_pb2.ListPeriodsRequest()
    request.page.sort = "nothing"
    with pytest.raises(Invalid, match="sort"):
        await service.ListPeriods(request, NOBODY)


async def test_overdue_periods_are_counted_for_the_check(db: Database) -> None:
    await march(db, heard=False)
    await bill(db)
    async with snapshot(db) as seen:
        found = await health.figures(seen)
    assert found.periods_overdue >= 1
    assert len(found.overdue_names) == 1


async def test_seen_in_january_and_bound_in_february_is_billed_from_when_it_was_seen(db: Database) -> None:
    seen, bound = datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC)
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, aggregation="sum", base="1", overage="1")
        await world.hours(agent, seen, [level(series, 1)] * (24 * 3))
    assert (await bill(db, now=bound))["readings"] == 1
    async with db.transaction() as conn:
        # As assigning by hand leaves it on 2 February; what it is bound to and since when is worked out.
        await conn.execute("update asset set assigned_by_hand = true, rebind = true")
        await conn.execute(
            "insert into assignment (asset_id, client_id, from_slot) select asset_id, b.client_id, slot_of(%s)"
            " from series, bucket b",
            [seen],
        )
        await conn.execute(
            "insert into bucket_filter (bucket_id, conditions) values (%s, %s)", [bucket, Jsonb(ALL)]
        )
    await rebind(db)
    await bill(db, now=bound)
    async with db.transaction() as conn:
        found = await rows(conn, "select period_start, quantity from billing_reading order by period_start")
    assert [(r["period_start"], r["quantity"]) for r in found] == [
        (datetime(2026, 1, 1, tzinfo=UTC), 48),
        (datetime(2026, 2, 1, tzinfo=UTC), 23),
    ]
