"""Finalising on a real database: what is refused, what becomes final, and that it stays so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from aggregator.actions.acknowledge_items import acknowledge_items, look
from aggregator.actions.close_ready import bill_and_close
from aggregator.actions.finalise import Finalised, finalise
from aggregator.actions.verify import verify
from aggregator.domain.close import Checklist
from aggregator.domain.slot import slot_of
from aggregator.errors import Conflict, Invalid, NotFound, Unavailable
from aggregator.store.database import Database, acting
from tests.billing_reference import rows
from tests.billing_world import APRIL, MARCH, NOW, World, level, one_level, start_run
from tests.integration.test_billing_runs import held, waiting_for_a_lock

pytestmark = pytest.mark.storage

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
HOURS = 24 * 31
CLIENT = 1


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def march(db: Database, *, heard: bool = True, **terms: Any) -> tuple[int, int, int]:
    """A level of 1 through all of March and, ``heard``, an hour into April: ids of bucket, series and agent."""
    return await one_level(db, value=1, hours=HOURS + heard, **terms)


async def bill(db: Database, *, now: datetime = NOW) -> dict[str, int]:
    """One run of the job."""
    with acting("job:billing", act="billing"):
        return dict(await bill_and_close(db, now=now, run_id=await start_run(db)))


async def close(db: Database, day: date | None = None, **more: Any) -> Finalised:
    return await finalise(db, CLIENT, first_day=day, **{"now": NOW, **more})


async def checked(db: Database, day: date | None = None, *, now: datetime = NOW) -> Checklist:
    async with db.transaction() as conn:
        return (await look(conn, CLIENT, day, now=now)).checklist


async def seen(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All that closing writes."""
    async with db.transaction() as conn:
        return {
            "readings": await rows(conn, "select * from billing_reading order by bucket_id, period_start"),
            "evidence": await rows(conn, "select * from evidence order by bucket_id, period_start"),
            "adjustments": await rows(conn, "select * from adjustment order by id"),
            "dirty": await rows(conn, "select * from dirty order by bucket_id, day_slot"),
            "client": await rows(conn, "select id, finalised_slot from client order by id"),
            "acknowledged": await rows(conn, "select * from acknowledgement order by id"),
            "run": await rows(conn, "select id, state from run where job = 'finalising' order by id"),
        }


async def execute(db: Database, text: Any, *values: object) -> None:
    async with db.transaction() as conn:
        await conn.execute(text, values)


async def late(db: Database, bucket: int, series: int, agent: int, at: datetime, value: int) -> None:
    """Another level than was billed in one slot, and its day marked as the roll-up does."""
    async with db.transaction() as conn:
        await conn.execute("delete from slot_60 where agent_id = %s and slot = slot_of(%s)", (agent, at))
        world = World(conn)
        await world.hours(agent, at, [level(series, value)])
        await world.dirty(bucket, at)


async def test_a_ready_period_is_finalised_by_the_run_with_evidence(db: Database) -> None:
    bucket, _, _ = await march(db)
    counts = await bill(db)
    assert (counts["finalised"], counts["adjusted"]) == (1, 0)
    after = await seen(db)
    assert [(r["period_start"], r["finalised_at"] is not None) for r in after["readings"]] == [
        (MARCH, True),
        (APRIL, False),
    ]
    assert [e["bucket_id"] for e in after["evidence"]] == [bucket]
    assert [c["finalised_slot"] for c in after["client"]] == [slot_of(APRIL)]
    found = [one async for one in verify(db, CLIENT)]
    assert [(one.hash.state, one.rating.state) for one in found] == [("ok", "ok")]


async def test_a_run_too_many_changes_nothing(db: Database) -> None:
    await march(db)
    await bill(db)
    before = await seen(db)
    assert (await bill(db))["finalised"] == 0
    assert {**before, "readings": []} == {**await seen(db), "readings": []}


async def test_within_the_grace_it_waits(db: Database) -> None:
    await march(db)
    early = APRIL + timedelta(hours=23)
    assert (await bill(db, now=early))["finalised"] == 0
    with pytest.raises(Conflict, match="late readings are waited for until 2026-04-02 00:00"):
        await close(db, now=early)


async def test_open_items_are_named_and_nothing_changes(db: Database) -> None:
    _, _, agent = await march(db, heard=False)
    assert (await bill(db))["finalised"] == 0
    async with db.transaction() as conn:
        await conn.execute("update bucket set reviewed = false")
        await conn.execute("insert into touched values (%s, 60, slot_of(%s))", (agent, MARCH))
    before = await seen(db)
    for dry_run in (True, False):
        with pytest.raises(Conflict, match=r"not rolled up yet.*agent-silent agent:.*not-reviewed bucket:"):
            await close(db, dry_run=dry_run)
    assert await seen(db) == before


async def test_acknowledged_items_let_it_close_and_who_did_is_audited(db: Database) -> None:
    _, _, agent = await march(db, heard=False)
    await bill(db)
    with acting("ann", act="Closing/AcknowledgeItems"):
        with pytest.raises(Invalid, match="reason"):
            await acknowledge_items(db, CLIENT, first_day=None, items=[], reason=" ", now=NOW)
        with pytest.raises(Invalid, match="not on the list"):
            await acknowledge_items(
                db, CLIENT, first_day=None, items=["agent-silent agent:999"], reason="x", now=NOW
            )
        for withdraw in (False, True, False):
            looked = await acknowledge_items(
                db, CLIENT, first_day=None, items=[], reason="host is gone", withdraw=withdraw, now=NOW
            )
            assert looked.checklist.ready is not withdraw
    [item] = looked.checklist.items
    assert item.acknowledged is not None
    assert (item.subject, item.acknowledged.made_by) == (f"agent:{agent}", "ann")
    async with db.transaction() as conn:
        audited = await rows(
            conn,
            "select e.action, g.actor from audit_entry e join audit_group g on g.id = e.group_id"
            " where e.table_name = 'acknowledgement' order by e.id",
        )
    assert audited == [{"action": a, "actor": "ann"} for a in ("insert", "delete", "insert")]
    assert (await bill(db))["finalised"] == 1


async def test_patience_closes_with_the_open_items_on_the_readings(db: Database) -> None:
    await march(db, heard=False)
    await execute(db, "update client set close_after_days = 5")
    assert (await bill(db, now=APRIL + timedelta(days=4)))["finalised"] == 0
    assert (await bill(db, now=APRIL + timedelta(days=5)))["finalised"] == 1
    [open_items] = (await seen(db))["readings"][0]["open_items"]
    assert open_items.startswith("agent-silent: agent ")


async def test_a_dry_run_says_what_would_be_and_leaves_no_trace(db: Database) -> None:
    await march(db)
    before = await seen(db)
    done = await close(db, dry_run=True)
    assert (done.readings, done.adjustments, done.row.total, done.row.final) == (1, 0, Decimal(1488), True)
    assert await seen(db) == before


async def test_what_cannot_be_finalised_is_refused_with_what_to_do(db: Database) -> None:
    await march(db)
    async with db.transaction() as conn:
        world = World(conn)
        await conn.execute("update series_agent set from_slot = slot_of(%s)", [FEBRUARY])
        unbilled = await world.client()
    before = await seen(db)
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (Conflict, "lies in the future", {"day": date(2026, 5, 1)}),
        (Conflict, "is open; look again after 2026-04-30", {"day": date(2026, 4, 1)}),
        (Conflict, "finalise first: 2026-02-01", {"day": date(2026, 3, 1)}),
        (Conflict, "nothing .* is billed", {"day": date(2025, 3, 1)}),
        (Invalid, "so give 2026-03-01", {"day": date(2026, 3, 15)}),
        (Conflict, "the cutoff .* take a later one", {"cutoff": FEBRUARY - timedelta(days=1)}),
    ]
    for kind, text, given in cases:
        with pytest.raises(kind, match=text):
            await close(db, **given)
    with pytest.raises(NotFound):
        await finalise(db, 999, now=NOW)
    with pytest.raises(Conflict, match="the open one lasts until 2026-04-30"):
        await finalise(db, unbilled, now=NOW)
    assert await seen(db) == before


async def test_finalising_twice_from_two_places_is_done_once(db: Database) -> None:
    await march(db)
    done = await asyncio.gather(*(close(db, date(2026, 3, 1)) for _ in range(3)), return_exceptions=True)
    refused = [one for one in done if isinstance(one, Conflict)]
    assert len(refused) == 2
    assert all("is finalised already" in str(one) for one in refused)
    assert len((await seen(db))["evidence"]) == 1


async def test_a_killed_finaliser_leaves_the_old_state_and_the_next_does_it(db: Database) -> None:
    bucket, series, agent = await march(db)
    await bill(db, now=APRIL + timedelta(hours=3))
    await late(db, bucket, series, agent, MARCH, 5)
    before = await seen(db)
    points = (
        "select from client where id = 1 for share",
        "select from billing_reading for update",
        "lock table evidence in share mode",
        "lock table audit_group in share mode",
    )
    for point in points:
        async with held(db, point):
            killed = asyncio.create_task(close(db))
            pid = await waiting_for_a_lock(db)
            await execute(db, "select pg_terminate_backend(%s)", pid)
            with pytest.raises(Unavailable):
                await killed
        assert await seen(db) == before
    await close(db)
    after = await seen(db)
    assert (after["readings"][0]["quantity"], len(after["evidence"])) == (Decimal(HOURS + 4), 1)


@pytest.mark.parametrize(
    "text",
    [
        "update billing_reading set cost = 0, used = 0, buffer = 0, overage = 0",
        "update billing_reading set finalised_at = null",
        "delete from billing_reading",
        "update evidence set body = body || ' '",
        "delete from evidence",
        "truncate evidence",
        "truncate billing_reading cascade",
    ],
)
async def test_what_is_final_cannot_be_changed_in_the_database_either(db: Database, text: str) -> None:
    await march(db)
    await close(db)
    before = await seen(db)
    with pytest.raises((Conflict, psycopg.Error), match="finalised"):
        await execute(db, text)
    assert await seen(db) == before


async def test_names_beside_evidence_can_be_taken_away(db: Database) -> None:
    await march(db)
    await close(db)
    await execute(db, "update evidence set names = '{}'")


async def test_the_worked_example_of_adjustments(db: Database) -> None:
    bucket, series, agent = await one_level(db, value=1, hours=95, commit="100", base="1", overage="2")
    await execute(db, "update client set close_after_days = 1")
    assert (await bill(db))["finalised"] == 1
    assert [r["quantity"] for r in (await seen(db))["readings"]] == [95, 0]
    await late(db, bucket, series, agent, MARCH + timedelta(days=20), 10)
    assert (await bill(db))["adjusted"] == 1
    [first] = (await seen(db))["adjustments"]
    # 105: five over; what was buffer is used, at the same price.
    assert (first["amount"], first["delta_quantity"], first["finalised_at"]) == (5 * 2, 10, None)
    assert (first["in_start"], first["period_start"]) == (APRIL, MARCH)
    assert (await bill(db))["adjusted"] == 0
    may = datetime(2026, 5, 3, tzinfo=UTC)
    assert (await bill(db, now=may))["finalised"] == 1
    await late(db, bucket, series, agent, MARCH + timedelta(days=21), 10)
    assert (await bill(db, now=may))["adjusted"] == 1
    [first, second] = (await seen(db))["adjustments"]
    assert (first["amount"], first["finalised_at"] is not None) == (10, True)
    assert (second["amount"], second["delta_quantity"], second["finalised_at"]) == (10 * 2, 10, None)
    assert second["in_start"] == datetime(2026, 5, 1, tzinfo=UTC)
    with pytest.raises(Conflict, match="finalised"):
        await execute(db, "update adjustment set amount = 0 where finalised_at is not null")


async def test_a_correction_that_is_taken_back_leaves_no_line(db: Database) -> None:
    bucket, series, agent = await march(db)
    await bill(db)
    for value, lines in ((5, 1), (7, 1), (1, 0)):
        await late(db, bucket, series, agent, MARCH, value)
        assert (await bill(db))["adjusted"] == 1
        assert len((await seen(db))["adjustments"]) == lines
    assert (await seen(db))["dirty"] == []


async def test_time_before_the_look_back_is_left_alone(db: Database) -> None:
    bucket, series, agent = await march(db)
    await bill(db)
    async with db.transaction() as conn:
        await World(conn).hours(agent, APRIL + timedelta(hours=1), [level(series, 1)] * (24 * 91))
        await World(conn).dirty(bucket, APRIL)
    july = datetime(2026, 7, 5, tzinfo=UTC)
    assert (await bill(db, now=july))["finalised"] == 3
    await late(db, bucket, series, agent, MARCH, 5)
    await late(db, bucket, series, agent, MARCH + timedelta(days=70), 5)
    assert (await bill(db, now=july))["adjusted"] == 1
    [only] = (await seen(db))["adjustments"]
    assert only["period_start"] == datetime(2026, 5, 1, tzinfo=UTC)
    assert (await seen(db))["dirty"] == []


async def test_an_adjustment_of_an_ended_bucket_is_finalised_too(db: Database) -> None:
    bucket, series, agent = await march(db, ends_on=date(2026, 4, 1))
    await execute(db, "update binding set to_slot = slot_of(%s)", APRIL)
    await bill(db)
    await late(db, bucket, series, agent, MARCH, 5)
    await bill(db)
    may = datetime(2026, 5, 3, tzinfo=UTC)
    assert (await bill(db, now=may))["finalised"] == 1
    [line] = (await seen(db))["adjustments"]
    assert (line["amount"], line["finalised_at"] is not None) == (8, True)
    assert len((await seen(db))["readings"]) == 1


async def test_usage_bound_without_terms_and_unbound_assets_are_open_items(db: Database) -> None:
    _, _, agent = await march(db)
    async with db.transaction() as conn:
        world = World(conn)
        unit = (await rows(conn, "select unit_type_id from bucket"))[0]["unit_type_id"]
        unpriced = await world.bucket(CLIENT, unit)
        await conn.execute("update asset set external_id = 'first'")
        series = [await world.series(await world.asset(agent), unit) for _ in range(2)]
        await world.bind(series[0], unpriced)
        await world.hours(agent, MARCH - timedelta(hours=1), [level(series[0], 1)])
        await conn.execute(
            "insert into assignment (asset_id, client_id, from_slot)"
            " select asset_id, %s, 0 from series where id = %s",
            (CLIENT, series[1]),
        )
        await conn.execute(
            "update unbound_candidate set measured = int4multirange(whole_slots(slot_of(%s), slot_of(%s), width))"
            " where series_id = %s",
            (MARCH, APRIL, series[1]),
        )
    kinds = [
        (item.kind.value, item.subject.split(":")[0])
        for item in (await checked(db, date(2026, 3, 1))).open_items
    ]
    assert ("terms", "bucket") in kinds
    assert ("unbound", "asset") in kinds


async def test_quarantine_of_this_client_alone_is_an_open_item(db: Database) -> None:
    _, _, agent = await march(db)
    text = (
        "insert into quarantine (agent_id, epoch, seq, source_type, external_id, unit_type, value, since, ticked_at, reason,"
        " stored_at) select %s, '\\x00', 1, 'vm', %s, 'x', 1, %s, %s, 'unknown-unit', now()"
    )
    async with db.transaction() as conn:
        await conn.execute(
            "insert into assignment (asset_id, client_id, from_slot) select asset_id, %s, 0 from series",
            [CLIENT],
        )
        await conn.execute("update asset set rebind = false")
        name = (await rows(conn, "select external_id from asset"))[0]["external_id"]
        await conn.execute(text, (agent, "another", MARCH, MARCH + timedelta(hours=1)))
        await conn.execute(text, (agent, name, APRIL, APRIL + timedelta(hours=1)))
    assert [i.kind.value for i in (await checked(db)).open_items] == ["not-rated"]
    await execute(db, text, agent, name, MARCH, MARCH + timedelta(hours=1))
    assert [i.kind.value for i in (await checked(db)).open_items] == ["not-rated", "quarantine"]
    await execute(db, "update quarantine set settled_at = now(), settlement = 'discarded'")
    assert [i.kind.value for i in (await checked(db)).open_items] == ["not-rated"]


async def test_a_client_disabled_in_mid_period_closes_normally(db: Database) -> None:
    await march(db, ends_on=date(2026, 3, 16), prorate=True)
    await execute(db, "update client set enabled = false, disabled_on = '2026-03-16'")
    await execute(db, "update binding set to_slot = slot_of('2026-03-16 00:00+00')")
    assert (await bill(db))["finalised"] == 1
    assert (await seen(db))["readings"][0]["quantity"] == 24 * 15
