"""Suppression at ingest: nothing of a matching asset is stored but counters, from the next batch of every aggregator on."""

import pytest

from aggregator.actions.suppress import create_suppression, end_suppression
from aggregator.domain.match import Condition, Operator
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import suppressions
from aggregator.store.database import Database
from tests.ingest_batches import CPU, MINUTE_US, NOON_US, RAM, Series, Spool, Tick, encoded, rows, stored
from tests.ingest_intake import intake, outcomes

TMP = Series("ram", "container", "c1", "tmp-1", "10.9.0.1", {"env": "test"})
TMP_CPU = Series("cpu", "container", "c1", "tmp-1", "10.9.0.1", {"env": "test"})
STRANGE = Series("gigaparsec", "container", "c1", "tmp-1", "10.9.0.1", {"env": "test"})
BOTH = ("host", "container")


def name_like(pattern: str) -> Condition:
    return Condition("name", Operator.GLOB, pattern)


def at(minute: int, *readings: tuple[Series, int]) -> bytes:
    return encoded(Tick(readings, at=NOON_US + minute * MINUTE_US, reported=BOTH))


@pytest.mark.storage
async def test_nothing_of_a_suppressed_asset_is_stored_but_counters(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        number = (await create_suppression(into.db, condition=name_like("tmp-*"), reason="builds")).id
        assert number is not None
        payload = at(0, (RAM, 1), (TMP, 2), (TMP_CPU, 3), (STRANGE, 4), (CPU, 5))
        [first] = await into.offer(spool.seal(payload))
        await into.offer(spool.seal(at(1, (RAM, 6), (TMP, 7))))
        async with into.db.transaction() as conn:
            [row] = await suppressions.suppressions(conn, ended=False)
    assert outcomes([first]) == ["APPLIED"]
    assert (first.read, first.stored, first.quarantined, first.suppressed) == (5, 2, 0, 3)
    assert not first.rejected
    assert stored(dsn) == [("h1", "cpu", 5), ("h1", "ram", 1), ("h1", "ram", 6)]
    assert rows(dsn, "select external_id from asset") == [("h1",)]
    assert rows(dsn, "select count(*) from series") == [(2,)]
    assert rows(dsn, "select count(*) from quarantine") == [(0,)]
    assert (row.id, row.assets, row.readings) == (number, 1, 4)
    assert row.last_hit_at is not None
    assert rows(dsn, "select read, stored, quarantined, suppressed from batch order by seq") == [
        (5, 2, 0, 3),
        (2, 1, 0, 1),
    ]
    assert rows(dsn, "select read, stored, quarantined, suppressed from cursor") == [(7, 3, 0, 4)]


@pytest.mark.storage
async def test_a_rule_holds_from_the_next_batch_of_every_aggregator_and_no_longer_than_it_lasts(
    dsn: str,
) -> None:
    spool = Spool()
    async with intake(dsn) as left, intake(dsn, agent=left.agent.uuid) as right:
        # Both know the dictionary by heart before there is a rule.
        await left.offer(spool.seal(at(0, (TMP, 1))))
        await right.offer(spool.seal(at(1, (TMP, 2))))
        number = (await create_suppression(left.db, condition=name_like("tmp-*"), reason="builds")).id
        assert number is not None
        [by_right] = await right.offer(spool.seal(at(2, (TMP, 3))))
        [by_left] = await left.offer(spool.seal(at(3, (TMP, 4))))
        assert (by_right.suppressed, by_left.suppressed) == (1, 1)
        await end_suppression(right.db, number)
        [by_left] = await left.offer(spool.seal(at(4, (TMP, 5))))
        [by_right] = await right.offer(spool.seal(at(5, (TMP, 6))))
        assert (by_right.stored, by_left.stored) == (1, 1)
    assert [value for *_, value in stored(dsn)] == [1, 2, 5, 6]
    # Let in again as the asset it was.
    assert rows(dsn, "select count(*) from asset") == [(1,)]


async def test_a_tick_of_suppressed_assets_alone_still_says_what_was_reported(dsn: str) -> None:
    async with intake(dsn) as into:
        await create_suppression(into.db, condition=name_like("tmp-*"), reason="builds")
        [ack] = await into.offer(Spool().seal(at(0, (TMP, 1))))
    assert (ack.read, ack.suppressed) == (1, 1)
    assert rows(dsn, "select reported, series from tick") == [([1, 6], [])]
    assert rows(dsn, "select count(*) > 0 from touched") == [(True,)]


@pytest.mark.parametrize(
    "condition",
    [
        Condition("address", Operator.CIDR, "10.9.0.0/16"),
        Condition("label:env", Operator.EQUALS, "test"),
        Condition("external_id", Operator.REGEX, "c[0-9]"),
        Condition("source_type", Operator.EQUALS, "container"),
    ],
)
async def test_every_type_of_condition_keeps_assets_out(dsn: str, condition: Condition) -> None:
    async with intake(dsn) as into:
        await create_suppression(into.db, condition=condition, reason="not billed")
        [ack] = await into.offer(Spool().seal(at(0, (TMP, 1), (RAM, 2))))
    assert (ack.stored, ack.suppressed) == (1, 1)


async def test_a_reading_counts_for_one_suppression_only(dsn: str) -> None:
    async with intake(dsn) as into:
        await create_suppression(into.db, condition=name_like("tmp-*"), reason="one")
        await create_suppression(into.db, condition=name_like("t*"), reason="two")
        await into.offer(Spool().seal(at(0, (TMP, 1))))
    assert rows(dsn, "select readings from suppression_hit") == [(1,)]


async def test_what_cannot_be_a_suppression_is_refused_naming_the_field(dsn: str) -> None:
    db = await Database.open(dsn)
    try:
        with pytest.raises(Invalid, match=r"^condition\.pattern: "):
            await create_suppression(db, condition=Condition("name", Operator.REGEX, "("), reason="x")
        with pytest.raises(Invalid, match=r"^condition\.field: "):
            await create_suppression(db, condition=Condition("colour", Operator.GLOB, "*"), reason="x")
        for reason in ("", " ", "a\x1b[2J", "x" * 501):
            with pytest.raises(Invalid, match=r"^reason: "):
                await create_suppression(db, condition=name_like("a*"), reason=reason)
        number = (await create_suppression(db, condition=name_like("a*"), reason="x")).id
        assert number is not None
        with pytest.raises(Conflict, match="holds already"):
            await create_suppression(db, condition=name_like("a*"), reason="again")
        with pytest.raises(NotFound):
            await end_suppression(db, number + 1)
        await end_suppression(db, number)
        [(first,)] = rows(dsn, "select ended_at from suppression")
        await end_suppression(db, number)
        assert rows(dsn, "select ended_at from suppression") == [(first,)]
        again = await create_suppression(db, condition=name_like("a*"), reason="x")
        assert again.id is not None
        assert again.id > number
    finally:
        await db.close()


async def test_an_agent_that_was_stopped_is_not_taken_from_its_next_batch_on(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(at(0, (RAM, 1))))
        async with into.db.transaction() as conn:
            await conn.execute("update agent set state = 'held'")
        batch = spool.seal(at(1, (RAM, 2)))
        [ack] = await into.offer(batch)
        assert outcomes([ack]) == ["BUSY"]
        assert "held" in ack.reason
        async with into.db.transaction() as conn:
            await conn.execute("update agent set state = 'active'")
        assert outcomes(await into.offer(batch)) == ["APPLIED"]
    assert [value for *_, value in stored(dsn)] == [1, 2]
