"""How many different assets a suppression dropped: each counts once, whoever reports it and however often."""

import asyncio

import pytest

from aggregator.actions.suppress import create_suppression, end_suppression
from aggregator.domain.match import Condition, Operator
from aggregator.ingest import limits
from aggregator.store import suppressions
from aggregator.store.database import Database
from tests.ingest_batches import MINUTE_US, NOON_US, Series, Spool, Tick, encoded, rows
from tests.ingest_intake import Intake, intake, outcomes

BUILDS = Condition("name", Operator.GLOB, "tmp-*")
HITS = "select counted_assets, more_assets, readings from suppression_hit order by agent_id"


def build(number: int, *, unit: str = "ram", source_type: str = "container") -> Series:
    return Series(unit, source_type, f"c{number}", f"tmp-{number}")


def at(minute: int, *series: Series) -> bytes:
    readings = [(one, 1) for one in series]
    return encoded(Tick(readings, at=NOON_US + minute * MINUTE_US, reported=("container", "volume")))


async def suppress(into: Intake) -> int:
    number = (await create_suppression(into.db, condition=BUILDS, reason="builds")).id
    assert number is not None
    return number


async def told(db: Database) -> list[tuple[int, bool, int]]:
    """Of each suppression: assets, whether there were more, readings."""
    async with db.transaction() as conn:
        found = await suppressions.suppressions(conn, ended=True)
    return [(row.assets, row.more_assets, row.readings) for row in sorted(found, key=lambda row: row.id)]


@pytest.mark.storage
async def test_assets_that_come_and_go_are_all_counted_and_each_once(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await suppress(into)
        for minute in range(6):
            # Two at a time: one of the tick before, and a new one; each with two series.
            pair = [build(n, unit=unit) for n in (minute, minute + 1) for unit in ("ram", "cpu")]
            [ack] = await into.offer(spool.seal(at(minute, *pair)))
            assert (ack.suppressed, ack.stored) == (4, 0)
        assert await told(into.db) == [(7, False, 24)]
    assert rows(dsn, "select count(*) from suppressed_asset") == [(7,)]


async def test_what_is_offered_again_counts_no_asset_twice(dsn: str) -> None:
    batch = Spool().seal(at(0, build(1), build(2)))
    async with intake(dsn) as into:
        await suppress(into)
        assert outcomes(await into.offer(batch, batch)) == ["APPLIED", "DUPLICATE"]
        assert outcomes(await into.offer(batch)) == ["DUPLICATE"]
        assert await told(into.db) == [(2, False, 2)]


async def test_an_asset_of_a_dictionary_without_a_reading_was_not_dropped_yet(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await suppress(into)
        # The first tick is stored under number 1, the second one under a number that is not the next.
        await into.offer(spool.seal(at(0, build(1))))
        spool.seal(at(1, build(1)))
        [ack] = await into.offer(spool.seal(at(2, build(1), build(2))))
        assert outcomes([ack]) == ["GAP 2"]
        assert await told(into.db) == [(1, False, 1)]
        assert outcomes(await into.offer(*spool.batches[1:])) == ["APPLIED", "APPLIED"]
        assert await told(into.db) == [(2, False, 4)]


@pytest.mark.storage
async def test_two_aggregators_that_know_nothing_of_each_other_count_an_asset_once(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as left, intake(dsn, agent=left.agent.uuid) as right:
        await suppress(left)
        for minute in range(0, 8, 2):
            series = [build(n) for n in range(minute, minute + 4)]
            await left.offer(spool.seal(at(minute, *series)))
            await right.offer(spool.seal(at(minute + 1, *series)))
        assert await told(left.db) == [(10, False, 32)]


async def test_many_agents_of_one_site_that_report_the_same_asset_count_it_once(dsn: str) -> None:
    async with intake(dsn) as left, intake(dsn, agent=left.agent.uuid) as right:
        await suppress(left)
        others = [await left.other_agent(f"hv{n}") for n in range(4)]
        seen = [build(n, source_type="vm") for n in range(30)]
        # Groups on two aggregators that insert the same keys in different orders.
        offers = [
            into.offer(Spool().seal(at(0, *(seen if n % 2 else seen[::-1]))), agent=agent)
            for n, agent in enumerate(others)
            for into in (left, right)
        ]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*offers)
        applied = [ack for acks in answers for ack in acks if outcomes([ack]) == ["APPLIED"]]
        assert len(applied) >= len(others)
        assert await told(left.db) == [(30, False, 30 * len(applied))]
    assert rows(dsn, "select sum(counted_assets) from suppression_hit") == [(30,)]


async def test_ids_that_are_unique_within_an_agent_are_two_assets_of_two_agents(dsn: str) -> None:
    async with intake(dsn) as into:
        await suppress(into)
        other = await into.other_agent("web2")
        await into.offer(Spool().seal(at(0, build(1))))
        await into.offer(Spool().seal(at(0, build(1))), agent=other)
        assert await told(into.db) == [(2, False, 2)]


async def test_each_suppression_counts_for_itself_also_after_another_has_ended(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        first = await suppress(into)
        await into.offer(spool.seal(at(0, build(1), build(2))))
        await end_suppression(into.db, first)
        await suppress(into)
        await into.offer(spool.seal(at(1, build(2), build(3), build(4))))
        assert await told(into.db) == [(2, False, 2), (3, False, 3)]


async def test_an_agent_that_names_ever_new_assets_is_remembered_up_to_a_limit(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUPPRESSED_ASSETS_PER_AGENT_MAX", 25)
    spool, honest = Spool(), Spool()
    async with intake(dsn) as into:
        await suppress(into)
        other = await into.other_agent("web2")
        await into.offer(honest.seal(at(0, build(1))), agent=other)
        assert await told(into.db) == [(1, False, 1)]
        for minute in range(5):
            series = [build(100 * minute + n) for n in range(10)]
            assert outcomes(await into.offer(spool.seal(at(minute, *series)))) == ["APPLIED"]
        # At least so many; what other agents bring still counts.
        assert await told(into.db) == [(26, True, 51)]
        await into.offer(honest.seal(at(1, build(2))), agent=other)
        assert await told(into.db) == [(27, True, 52)]
    assert rows(dsn, "select count(*) from suppressed_asset") == [(27,)]
    assert rows(dsn, HITS) == [(25, True, 50), (2, False, 2)]


async def test_what_was_dropped_before_assets_were_remembered_is_counted_as_at_least(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        number = await suppress(into)
        async with into.db.transaction() as conn:
            # As the schema before wrote it, or an aggregator that was not replaced yet.
            await conn.execute(
                "insert into suppression_hit (suppression_id, agent_id, assets, readings, last_hit_at)"
                " values (%s, %s, 4, 90, now())",
                [number, into.agent.id],
            )
        await into.offer(spool.seal(at(0, build(1), build(2))))
        assert await told(into.db) == [(2, True, 92)]
