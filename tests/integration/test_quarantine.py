"""Readings that were not taken: released once whoever asks, kept while they are wrong, only counted above a limit."""

import asyncio
import time

import psycopg
import pytest

from aggregator.actions.settle_quarantine import discard_quarantine, release_quarantine
from aggregator.actions.suppress import create_suppression
from aggregator.domain.match import Condition, Operator
from aggregator.errors import Invalid
from aggregator.store import quarantine
from aggregator.store.database import Database
from aggregator.store.paging import Paging
from tests.ingest_batches import HOUR_US, MINUTE_US, NOON_US, RAM, Series, Spool, Tick, encoded, rows, stored
from tests.ingest_intake import intake

STRANGE = Series("gigaparsec")
UNBALANCED = """
    select count(*) from cursor
    where read <> stored + quarantined + suppressed
"""


def create_unit_type(dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "insert into unit_type (name, symbol, description, kind, divisor, precision, slot_minutes)"
            " values ('gigaparsec', 'Gpc', 'far', 'level', 1, 0, 60)"
        )


def two_ticks(*readings: tuple[Series, int]) -> bytes:
    return encoded(Tick(readings), Tick([(s, v + 1) for s, v in readings], at=NOON_US + MINUTE_US))


@pytest.mark.storage
async def test_readings_of_an_unknown_unit_are_released_once_it_exists(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(Spool().seal(two_ticks((RAM, 10), (STRANGE, 20))))
        agent = into.agent.id
        before = await release_quarantine(into.db, ids=[], agent_id=agent, reason="unknown_unit")
        assert (before.settled, before.kept) == (0, 2)
        create_unit_type(dsn)
        await asyncio.to_thread(rows, dsn, "delete from touched returning 1")
        after = await release_quarantine(into.db, ids=[], agent_id=agent, reason="unknown_unit")
        again = await release_quarantine(into.db, ids=[], agent_id=agent, reason="unknown_unit")
    assert (after.settled, after.kept) == (2, 0)
    assert (again.settled, again.kept) == (0, 0)
    assert stored(dsn) == [
        ("h1", "gigaparsec", 20),
        ("h1", "gigaparsec", 21),
        ("h1", "ram", 10),
        ("h1", "ram", 11),
    ]
    assert rows(dsn, "select seq, read, stored, quarantined from batch where epoch = %s", [bytes(16)]) == [
        (1, 2, 2, 0)
    ]
    assert rows(
        dsn, "select distinct settlement, settled_at is null, left(settled_by, 3) from quarantine"
    ) == [("released", False, "db:")]
    assert rows(dsn, "select count(*) > 0 from touched") == [(True,)]
    # The asset is described as it was.
    assert rows(dsn, "select name from asset") == [("host one",)]
    assert rows(dsn, UNBALANCED) == [(0,)]


@pytest.mark.storage
async def test_two_people_who_release_the_same_store_it_once(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(
            Spool().seal(two_ticks(*((Series("gigaparsec", "vm", f"v{n}"), n) for n in range(50))))
        )
        create_unit_type(dsn)
        agent = into.agent.id
        done = await asyncio.gather(
            *(release_quarantine(into.db, ids=[], agent_id=agent, reason="unknown_unit") for _ in range(4))
        )
    assert sum(one.settled for one in done) == 100
    assert len(stored(dsn)) == 100
    assert rows(dsn, "select sum(stored) from batch where epoch = %s", [bytes(16)]) == [(100,)]


async def test_a_new_unit_type_is_known_from_the_next_batch_on(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        [before] = await into.offer(spool.seal(encoded(Tick([(STRANGE, 1)]))))
        create_unit_type(dsn)
        [after] = await into.offer(spool.seal(encoded(Tick([(STRANGE, 2)], at=NOON_US + MINUTE_US))))
    assert (before.quarantined, after.stored) == (1, 1)


async def test_what_is_still_wrong_stays(dsn: str) -> None:
    now = time.time_ns() // 1000
    payload = encoded(Tick([(RAM, -1)], at=now - HOUR_US), Tick([(RAM, 5)], at=now + HOUR_US))
    async with intake(dsn) as into:
        await into.offer(Spool().seal(payload))
        ids = [int(str(number)) for (number,) in rows(dsn, "select id from quarantine")]
        done = await release_quarantine(into.db, ids=ids, agent_id=0, reason="")
    assert (done.settled, done.kept) == (0, 2)
    assert stored(dsn) == []
    assert rows(dsn, "select count(*) from batch") == [(1,)]


async def test_readings_of_a_suppressed_asset_stay_in_quarantine(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(Spool().seal(encoded(Tick([(STRANGE, 1)]))))
        create_unit_type(dsn)
        everything = Condition("name", Operator.GLOB, "*")
        await create_suppression(into.db, condition=everything, reason="none at all")
        done = await release_quarantine(into.db, ids=[], agent_id=into.agent.id, reason="unknown_unit")
    assert (done.settled, done.kept) == (0, 1)
    assert rows(dsn, "select count(*) from asset") == [(0,)]


async def test_two_readings_of_a_series_at_one_moment_are_released_as_two_ticks(dsn: str) -> None:
    async with intake(dsn) as into:
        for value in (1, 2):
            await into.offer(Spool().seal(encoded(Tick([(STRANGE, value)]), Tick([(STRANGE, value + 10)]))))
        create_unit_type(dsn)
        done = await release_quarantine(into.db, ids=[], agent_id=into.agent.id, reason="unknown_unit")
    assert (done.settled, done.kept) == (4, 0)
    assert [value for *_, value in stored(dsn)] == [1, 2, 11, 12]
    assert rows(dsn, "select count(*) from tick where cardinality(series) > 0") == [(4,)]


async def test_discarded_readings_never_count_and_stay_on_record(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(Spool().seal(two_ticks((STRANGE, 20))))
        create_unit_type(dsn)
        done = await discard_quarantine(into.db, ids=[], agent_id=into.agent.id, reason="unknown_unit")
        released = await release_quarantine(into.db, ids=[], agent_id=into.agent.id, reason="unknown_unit")
    assert (done.settled, released.settled) == (2, 0)
    assert stored(dsn) == []
    assert rows(dsn, "select settlement from quarantine") == [("discarded",), ("discarded",)]


async def test_above_the_limit_of_a_day_readings_are_only_counted(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.ingest.limits.QUARANTINED_PER_DAY_MAX", 3)
    spool = Spool()
    async with intake(dsn) as into:
        other = await into.other_agent("web2")
        for _ in range(2):
            [ack] = await into.offer(spool.seal(two_ticks((STRANGE, 1))))
            assert (ack.read, ack.quarantined) == (2, 2)
        await into.offer(Spool().seal(two_ticks((STRANGE, 1))), agent=other)
    assert rows(dsn, "select agent_id, count(*) from quarantine group by 1 order by 1") == [
        (into.agent.id, 3),
        (other.id, 2),
    ]
    assert rows(dsn, "select kept, counted_only from quarantine_day order by agent_id") == [(3, 1), (2, 0)]
    assert rows(dsn, UNBALANCED) == [(0,)]


async def test_what_to_settle_must_be_said_in_one_way(dsn: str) -> None:
    db = await Database.open(dsn)
    try:
        for given in (
            {"ids": [], "agent_id": 0, "reason": ""},
            {"ids": [1], "agent_id": 1, "reason": "future"},
            {"ids": [0], "agent_id": 0, "reason": ""},
            {"ids": [], "agent_id": 1, "reason": ""},
            {"ids": [], "agent_id": 1, "reason": "a\0b"},
        ):
            with pytest.raises(Invalid):
                await release_quarantine(db, **given)  # type: ignore[arg-type]
    finally:
        await db.close()


async def test_single_readings_are_paged_without_a_hole(dsn: str) -> None:
    async with intake(dsn) as into:
        series = [(Series("gigaparsec", "vm", f"v{n}"), n) for n in range(5)]
        await into.offer(Spool().seal(encoded(Tick(series))))
        await into.offer(Spool().seal(encoded(Tick([(RAM, -1)]))))
        found: list[int] = []
        after = None
        async with into.db.transaction() as conn:
            while True:
                page = await quarantine.waiting(
                    conn, Paging(sort="id", size=2, after=after), agent_id=None, reason="unknown_unit"
                )
                found += [row.value for row in page.rows]
                after = page.next
                assert page.total == 5
                if after is None:
                    break
            everything = await quarantine.waiting(
                conn, Paging(sort="id", descending=True), agent_id=into.agent.id, reason=None
            )
    assert found == [0, 1, 2, 3, 4]
    assert [row.reason for row in everything.rows] == ["negative", *["unknown_unit"] * 5]
