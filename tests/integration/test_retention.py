"""Raw readings are kept for whatever is not billed for good, and what comes for dropped time is listed, not billed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.actions.check_totals import check_totals
from aggregator.actions.retain import retain
from aggregator.actions.roll_up import roll_up
from aggregator.domain.slot import slot_of
from aggregator.store.database import Database
from tests.ingest_batches import CPU, DAY_US, HOUR_US, NOON_US, RAM, Spool, Tick, encoded, rows, stored
from tests.ingest_intake import Intake, intake, outcomes

pytestmark = pytest.mark.storage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# A chunk of seven days ends there.
BORDER = datetime(2026, 3, 5, tzinfo=UTC)
LATER = NOON + timedelta(days=500)
BORDER_US = int(BORDER.timestamp()) * 1_000_000
TICKS = "select ticked_at from tick order by ticked_at"
FLOOR = "select floor from raw_floor where floor > '-infinity'"
TOO_LATE = (
    "select u.name, t.value, t.reason from too_late t join series s on s.id = t.series_id"
    " join unit_type u on u.id = s.unit_type_id order by t.value"
)


@dataclass(frozen=True)
class Site:
    """An agent with an old reading and one of ten days later, both rolled up."""

    into: Intake
    spool: Spool

    @property
    def db(self) -> Database:
        return self.into.db

    async def send(self, *ticks: Tick) -> str:
        return outcomes(await self.into.offer(self.spool.seal(encoded(*ticks))))[0]


@pytest.fixture
async def site(dsn: str) -> AsyncIterator[Site]:
    async with intake(dsn) as into:
        made = Site(into, Spool())
        assert await made.send(Tick([(RAM, 10), (CPU, 60)])) == "APPLIED"
        assert await made.send(Tick([(RAM, 11), (CPU, 61)], at=NOON_US + 10 * DAY_US)) == "APPLIED"
        await roll_up(into.db, now=LATER)
        yield made


async def client(site: Site, *, finalised: datetime | None) -> None:
    """A client of calendar months to whom all series are bound; ``finalised``: up to then."""
    async with site.db.transaction() as conn:
        await conn.execute(
            """
            with c as (
                insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)
                values ('Acme', 'EUR', 2, 'UTC', 'month', 1, '2026-01-01') returning id
            ), b as (
                insert into bucket (client_id, name, source_type_id, unit_type_id)
                select id, 'ram', 1, (select id from unit_type where name = 'ram') from c returning id
            ), t as (
                insert into bucket_terms (bucket_id, starts_on, commit, base_price, overage_price, aggregation)
                select id, '2026-01-01', 0, 1, 1, 'avg' from b
            )
            insert into binding (series_id, bucket_id, from_slot)
            select s.id, b.id, 0 from b, series s join unit_type u on u.id = s.unit_type_id and u.name = 'ram'
            """
        )
        if finalised is not None:
            await conn.execute("update client set finalised_slot = %s", [slot_of(finalised)])


async def test_old_readings_go_by_whole_chunks_and_their_slots_stay(site: Site, dsn: str) -> None:
    before = rows(dsn, "select slot, series, total from slot_60 order by slot")
    done = await retain(site.db, now=LATER, raw_days=495)
    assert (done["waiting"], rows(dsn, FLOOR)) == (0, [(BORDER,)])
    assert rows(dsn, TICKS) == [(NOON + timedelta(days=10),)]
    assert rows(dsn, "select slot, series, total from slot_60 order by slot") == before
    assert await retain(site.db, now=LATER, raw_days=495) == {"days": 0, "batches": 0, "waiting": 0}


async def test_young_readings_stay(site: Site, dsn: str) -> None:
    assert await retain(site.db, now=LATER, raw_days=505) == {"days": 0, "batches": 0, "waiting": 0}
    assert (len(rows(dsn, TICKS)), rows(dsn, FLOOR)) == (2, [])


async def test_readings_of_slots_that_wait_for_the_roll_up_stay(site: Site, dsn: str) -> None:
    await site.send(Tick([(RAM, 12)], at=NOON_US + HOUR_US))
    assert (await retain(site.db, now=LATER, raw_days=495))["waiting"] == 1
    assert (len(rows(dsn, TICKS)), rows(dsn, FLOOR)) == (3, [])
    await roll_up(site.db, now=LATER)
    assert (await retain(site.db, now=LATER, raw_days=495))["waiting"] == 0
    assert len(rows(dsn, TICKS)) == 1


@pytest.mark.parametrize(
    ("finalised", "kept"),
    [
        (None, 2),
        # March is looked back to from May, and the chunk's last days are of March.
        (datetime(2026, 5, 1, tzinfo=UTC), 2),
        (datetime(2026, 6, 1, tzinfo=UTC), 1),
    ],
)
async def test_what_can_still_change_a_bill_is_kept(
    site: Site, dsn: str, finalised: datetime | None, kept: int
) -> None:
    await client(site, finalised=finalised)
    done = await retain(site.db, now=LATER, raw_days=495)
    assert (len(rows(dsn, TICKS)), done["waiting"]) == (kept, int(kept == 2))


async def test_what_comes_for_dropped_time_is_listed_and_changes_no_slot(site: Site, dsn: str) -> None:
    await retain(site.db, now=LATER, raw_days=495)
    slots = rows(dsn, "select slot, series, total from slot_60 order by slot")
    # Known rules are outdated by the floor: the very next batch is judged by it.
    assert await site.send(Tick([(RAM, 20), (CPU, 80)], at=NOON_US + HOUR_US)) == "APPLIED"
    # On the border: the level is of the slot that ends there. Across it: the amount alone is too late.
    assert await site.send(Tick([(RAM, 21)], at=BORDER_US)) == "APPLIED"
    crossing = Tick([(RAM, 22), (CPU, 81)], at=BORDER_US + HOUR_US, since=BORDER_US - HOUR_US)
    assert await site.send(crossing) == "APPLIED"
    assert rows(dsn, TOO_LATE) == [
        ("ram", 20, "below-floor"),
        ("ram", 21, "below-floor"),
        ("cpu", 80, "below-floor"),
        ("cpu", 81, "below-floor"),
    ]
    assert stored(dsn) == [("h1", "cpu", 61), ("h1", "ram", 11), ("h1", "ram", 22)]
    assert rows(dsn, "select count(*) from touched where slot < %s", [slot_of(BORDER)]) == [(0,)]
    await roll_up(site.db, now=LATER)
    known: set[object] = {slot for slot, *_ in slots}
    after = rows(dsn, "select slot, series, total from slot_60 order by slot")
    assert [row for row in after if row[0] in known] == slots
    assert rows(dsn, "select read, stored, quarantined, suppressed from cursor") == [(9, 9, 0, 0)]
    assert await check_totals(site.db) == {"agents": 1, "unbalanced": 0}


async def test_batches_go_with_their_readings_and_their_numbers_stay_known(site: Site, dsn: str) -> None:
    async with site.db.transaction() as conn:
        await conn.execute("update batch set stored_at = %s where seq = 1", [NOON])
    assert (await retain(site.db, now=LATER, raw_days=495))["batches"] == 1
    assert rows(dsn, "select seq from batch") == [(2,)]
    assert outcomes(await site.into.offer(site.spool.batches[0])) == ["DUPLICATE"]


async def test_slots_of_more_than_seven_years_go(site: Site, dsn: str) -> None:
    now = NOON + timedelta(days=8 * 366)
    await retain(site.db, now=now)
    # What raw readings can still change is kept, by whole chunks.
    assert rows(dsn, "select count(*) from slot_60 where slot < %s", [slot_of(BORDER)]) == [(0,)]


async def test_control_totals_that_differ_are_told_until_they_are_put_right(site: Site, dsn: str) -> None:
    balanced, wrong = {"agents": 1, "unbalanced": 0}, {"agents": 1, "unbalanced": 1}
    assert await check_totals(site.db) == balanced
    await site.send(Tick([(RAM, 12)], at=NOON_US + 11 * DAY_US))
    assert await check_totals(site.db) == balanced
    await site.send(Tick([(RAM, 13)], at=NOON_US + 12 * DAY_US))
    async with site.db.transaction() as conn:
        await conn.execute("update cursor set read = read + 1, stored = stored + 1")
    # Adds up in itself, and is not what its batches say; and that stays so.
    assert [await check_totals(site.db) for _ in range(2)] == [wrong, wrong]
    [(problem,)] = rows(dsn, "select problem from control_total")
    assert "since the last check" in str(problem)
    async with site.db.transaction() as conn:
        await conn.execute("update cursor set read = read - 1, stored = stored - 1")
    assert await check_totals(site.db) == balanced
    async with site.db.transaction() as conn:
        await conn.execute("update cursor set quarantined = 1")
    assert await check_totals(site.db) == wrong


async def test_usage_before_the_look_back_is_listed_once_and_what_is_corrected_is_not(
    site: Site, dsn: str
) -> None:
    await client(site, finalised=None)
    async with site.db.transaction() as conn:
        # March to May are billed for good, and March is before the look-back.
        await conn.execute(
            """
            insert into run (job, started_at, state) values ('billing', now(), 'done')
            """
        )
        await conn.execute(
            """
            insert into billing_reading (
                bucket_id, period_start, period_end, from_slot, to_slot, terms_id, aggregation, quantity, commit,
                overage_units, currency, used, buffer, overage, cost, as_of_slot, cutoff, run_id, finalised_at
            )
            select b.id, m, m + interval '1 month', slot_of(m), slot_of(m + interval '1 month'), t.id, 'avg', 0, 0, 0,
                'EUR', 0, 0, 0, 0, slot_of(m), clock_timestamp(), (select max(id) from run), clock_timestamp()
            from bucket b
            join bucket_terms t on t.bucket_id = b.id
            cross join generate_series(timestamptz '2026-03-01', '2026-05-01', '1 month') as m
            """
        )
        await conn.execute("update client set finalised_slot = slot_of('2026-06-01')")
    april = NOON_US + 40 * DAY_US
    assert await site.send(Tick([(RAM, 30), (CPU, 90)]), Tick([(RAM, 31)], at=april)) == "APPLIED"
    for _ in range(2):
        await roll_up(site.db, now=LATER)
        # CPU is bound to nothing, so it was never billed.
        assert rows(dsn, TOO_LATE) == [("ram", 30, "look-back")]
        async with site.db.transaction() as conn:
            await conn.execute("insert into touched select agent_id, 60, slot from slot_60")
