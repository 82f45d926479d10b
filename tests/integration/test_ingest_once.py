"""Each batch counts once, whatever is sent again and in what order; what cannot be taken is set aside, the rest is kept."""

import time

import pytest

from tests.ingest_batches import (
    CPU,
    DAY_US,
    HOUR_US,
    MINUTE_US,
    NOON_US,
    RAM,
    RAM_USED,
    RATE,
    Series,
    Spool,
    Tick,
    encoded,
    rows,
    sealed,
    stored,
)
from tests.ingest_intake import intake, outcomes

pytestmark = pytest.mark.storage

TOTALS = "select read, stored, quarantined from batch order by agent_id, epoch, seq"


async def test_a_batch_sent_twice_is_stored_once(dsn: str) -> None:
    """Row 19 of the catalogue: again on the same connection."""
    spool = Spool()
    batch = spool.seal(encoded(Tick([(RAM, 10), (CPU, 20)])))
    async with intake(dsn) as into:
        assert outcomes(await into.offer(batch)) == ["APPLIED"]
        assert outcomes(await into.offer(batch)) == ["DUPLICATE"]
        assert outcomes(await into.offer(batch, is_next=False)) == ["DUPLICATE"]
    assert stored(dsn) == [("h1", "cpu", 20), ("h1", "ram", 10)]
    assert rows(dsn, TOTALS) == [(2, 2, 0)]
    assert rows(dsn, "select last_seq from cursor") == [(1,)]


async def test_a_batch_twice_in_one_group_is_stored_once(dsn: str) -> None:
    batch = Spool().seal(encoded(Tick([(RAM, 10)])))
    async with intake(dsn) as into:
        assert outcomes(await into.offer(batch, batch)) == ["APPLIED", "DUPLICATE"]
    assert stored(dsn) == [("h1", "ram", 10)]


async def test_other_content_under_a_stored_number_changes_nothing(dsn: str) -> None:
    """Row 23."""
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(encoded(Tick([(RAM, 10)]))))
        [ack] = await into.offer(sealed(spool.epoch, 1, encoded(Tick([(RAM, 11)]))))
    assert outcomes([ack]) == ["CONFLICT"]
    assert "new epoch" in ack.reason
    assert stored(dsn) == [("h1", "ram", 10)]
    assert rows(dsn, "select seq from batch") == [(1,)]


async def test_a_number_above_the_next_waits_for_the_ones_between(dsn: str) -> None:
    """Row 22: stored in order, however they come."""
    spool = Spool()
    one, two, three = (spool.seal(encoded(Tick([(RAM, n)], at=NOON_US + n * MINUTE_US))) for n in (1, 2, 3))
    async with intake(dsn) as into:
        assert outcomes(await into.offer(two)) == ["GAP 1"]
        assert outcomes(await into.offer(one, three, two, three)) == [
            "APPLIED",
            "GAP 2",
            "APPLIED",
            "APPLIED",
        ]
    assert [value for *_, value in stored(dsn)] == [1, 2, 3]


async def test_a_batch_that_was_not_read_because_its_number_was_not_next_is_asked_for_again(dsn: str) -> None:
    batch = Spool().seal(encoded(Tick([(RAM, 1)])))
    async with intake(dsn) as into:
        [ack] = await into.offer(batch, is_next=False)
        assert outcomes([ack]) == ["BUSY"]
        assert 0 < ack.retry_after_ms < 1000
        assert outcomes(await into.offer(batch)) == ["APPLIED"]
    assert stored(dsn) == [("h1", "ram", 1)]


async def test_epochs_and_agents_are_counted_apart(dsn: str) -> None:
    mine, mine_too = Spool(), Spool()
    async with intake(dsn) as into:
        other = await into.other_agent("web2")
        assert outcomes(await into.offer(mine.seal(encoded(Tick([(RAM, 1)]))))) == ["APPLIED"]
        assert outcomes(await into.offer(mine_too.seal(encoded(Tick([(RAM, 2)]))))) == ["APPLIED"]
        assert outcomes(await into.offer(*mine.batches, agent=other)) == ["APPLIED"]
    # The same external id on two hosts is two assets.
    assert rows(dsn, "select count(*) from asset") == [(2,)]
    assert rows(dsn, "select last_seq from cursor") == [(1,), (1,), (1,)]


async def test_bad_readings_are_counted_and_reported_and_the_rest_is_kept(dsn: str) -> None:
    """Rows 32 and 34: integers leave no room for NaN and infinities; what is left of them is set aside."""
    now = time.time_ns() // 1000
    strange = Series("gigaparsec")
    thing = Series("ram", "toaster", "t1")
    payload = encoded(
        Tick([(RAM, -1), (RAM_USED, 2**53 + 1), (CPU, 5)], at=now - HOUR_US),
        Tick([(RAM, 7), (strange, 1), (thing, 2)], at=now - HOUR_US + MINUTE_US),
        Tick([(RAM, 8)], at=now + HOUR_US),
        Tick([(CPU, 9), (RAM, 9)], at=now, since=now),
        Tick([(RAM, 10)], at=now, since=now + MINUTE_US),
        Tick([(RAM, 11)], at=now - 10 * 366 * DAY_US),
    )
    async with intake(dsn) as into:
        [ack] = await into.offer(Spool().seal(payload))
    assert outcomes([ack]) == ["APPLIED"]
    assert (ack.read, ack.stored, ack.quarantined) == (11, 3, 8)
    assert sum(rejected.count for rejected in ack.rejected) == 8
    assert stored(dsn) == [("h1", "cpu", 5), ("h1", "ram", 7), ("h1", "ram", 9)]
    assert rows(dsn, TOTALS) == [(11, 3, 8)]
    assert sorted(rows(dsn, "select reason, value, unit_type, external_id from quarantine")) == [
        ("amount_without_span", 9, "cpu", "h1"),
        ("bad_span", 10, "ram", "h1"),
        ("future", 8, "ram", "h1"),
        ("negative", -1, "ram", "h1"),
        ("too_large", 2**53 + 1, "ram-used", "h1"),
        ("too_old", 11, "ram", "h1"),
        ("unknown_source_type", 2, "ram", "t1"),
        ("unknown_unit", 1, "gigaparsec", "h1"),
    ]


async def test_a_collector_whose_figure_cannot_be_used_leaves_a_gap_and_no_absence(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(Spool().seal(encoded(Tick([(RAM, -1)], reported=["host", "volume"], failed=["vm"]))))
    assert rows(dsn, "select reported, failed, series, value from tick") == [([2], [1, 5], [], [])]


async def test_times_beyond_all_calendars_are_quarantined(dsn: str) -> None:
    """Row 29: 1970, +10 years, and beyond."""
    payload = encoded(
        Tick([(RAM, 1)], at=2**63 - 1, since=-(2**63)),
        Tick([(RAM, 2)], at=-(2**63), since=2**63 - 1),
        Tick([(RAM, 3)]),
    )
    async with intake(dsn) as into:
        [ack] = await into.offer(Spool().seal(payload))
    assert (ack.stored, ack.quarantined) == (1, 2)
    assert rows(dsn, "select ticked_at::date::text from quarantine order by 1") == [
        ("0001-01-01",),
        ("9999-12-31",),
    ]


async def test_what_is_stored_is_what_was_sent_in_the_order_of_series(dsn: str) -> None:
    tick = Tick(
        [(RATE, 5), (CPU, 6), (RAM, 7)], reported=["interface", "host"], since=NOON_US - 2 * MINUTE_US
    )
    async with intake(dsn) as into:
        await into.offer(Spool().seal(encoded(tick)))
    [(at, since, reported, series, matches)] = rows(
        dsn,
        """
        select ticked_at::text, since::text, reported, series, array(
            select (s.id, value[array_position(series, s.id)])::text from series s order by s.id) from tick
        """,
    )
    assert (at, since, reported) == ("2026-03-01 12:00:00+00", "2026-03-01 11:58:00+00", [1, 3])
    assert isinstance(series, list)
    assert series == sorted(series)
    assert len(set(map(str, matches if isinstance(matches, list) else []))) == 3


async def test_a_tick_without_readings_is_kept_for_what_its_collectors_said(dsn: str) -> None:
    async with intake(dsn) as into:
        [ack] = await into.offer(Spool().seal(encoded(Tick(reported=["vm", "nonsense"], failed=["volume"]))))
    assert (ack.read, ack.stored, ack.quarantined) == (0, 0, 0)
    assert rows(dsn, "select reported, failed, series from tick") == [([5], [2], [])]
    assert rows(dsn, "select distinct width, slot_start(slot)::text from touched") == [
        (60, "2026-03-01 11:00:00+00")
    ]


async def test_levels_touch_their_slot_and_amounts_all_slots_of_their_span(dsn: str) -> None:
    at = NOON_US + 30 * MINUTE_US
    payload = encoded(
        Tick([(RAM, 1), (CPU, 1)], at=at, since=at - 3 * HOUR_US),
        Tick([(RATE, 1)], at=at, since=at - 10 * MINUTE_US),
    )
    async with intake(dsn) as into:
        await into.offer(Spool().seal(payload))
    query = "select slot_start(slot)::time::text from touched where width = %s order by slot"
    assert rows(dsn, query, [60]) == [("09:00:00",), ("10:00:00",), ("11:00:00",), ("12:00:00",)]
    assert rows(dsn, query, [5]) == [("12:20:00",), ("12:25:00",)]


async def test_a_refused_batch_leaves_its_number_free_and_its_payload_as_evidence(dsn: str) -> None:
    spool = Spool()
    twice = encoded(Tick([(RAM, 1), (RAM, 2)]))
    good = encoded(Tick([(RAM, 3)]))
    async with intake(dsn) as into:
        first = sealed(spool.epoch, 1, twice)
        acks = await into.offer(first, sealed(spool.epoch, 2, good))
        assert outcomes(acks) == ["REFUSED", "GAP 1"]
        assert "two readings of one series" in acks[0].reason
        assert outcomes(await into.offer(sealed(spool.epoch, 1, good))) == ["APPLIED"]
    assert stored(dsn) == [("h1", "ram", 3)]
    assert rows(dsn, "select seq, payload from rejected_batch") == [(1, twice)]


async def test_a_payload_that_was_damaged_on_the_way_is_refused(dsn: str) -> None:
    """Row 35."""
    batch = Spool().seal(encoded(Tick([(RAM, 1)])))
    batch.payload = batch.payload[:-1] + bytes([batch.payload[-1] ^ 1])
    async with intake(dsn) as into:
        [ack] = await into.offer(batch)
    assert outcomes([ack]) == ["REFUSED"]
    assert stored(dsn) == []


async def test_a_newer_layout_is_kept_by_the_agent_until_the_upgrade(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        [ack] = await into.offer(spool.seal(encoded(Tick([(RAM, 1)]), version=2)))
    assert outcomes([ack]) == ["BUSY"]
    assert "upgrade" in ack.reason
    assert ack.retry_after_ms > 0
    assert rows(dsn, "select count(*) from rejected_batch") == [(0,)]
