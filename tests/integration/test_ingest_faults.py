"""What ingest does when the database refuses a batch, dies in mid commit, or is shared with another aggregator."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest

from aggregator.ingest.agents import Agent
from aggregator.ingest.commit import Committer
from aggregator.store.database import Database
from tests.ingest_batches import (
    CPU,
    MINUTE_US,
    NOON_US,
    RAM,
    Series,
    Spool,
    Tick,
    encoded,
    register_agent,
    rows,
    stored,
)
from tests.ingest_intake import Intake, identified, intake, outcomes
from ullage.v1 import ingest_pb2

pytestmark = pytest.mark.storage

WAIT_SECONDS_MAX = 20.0
SLOW_COMMIT = """
create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
create constraint trigger dawdle after insert on batch deferrable initially deferred
    for each row execute function dawdle();
"""


def batch_of(spool: Spool, value: int) -> ingest_pb2.SealedBatch:
    at = NOON_US + len(spool.batches) * MINUTE_US
    return spool.seal(encoded(Tick([(RAM, value), (CPU, 1)], at=at)))


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statement.encode())


async def until_ready(committer: Committer) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if committer.ready:
                return
            await asyncio.sleep(0.05)


async def terminate(dsn: str, waiting_for: str) -> None:
    """Ends the backend that waits for that event, as an operator or a crash would."""
    query = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where wait_event = %s and datname = current_database()"
    )
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if await asyncio.to_thread(rows, dsn, query, [waiting_for]):
                return
            await asyncio.sleep(0.05)


async def test_a_batch_that_the_database_does_not_take_is_refused_alone(dsn: str) -> None:
    execute(dsn, "alter table tick add check (not value @> '{666}')")
    async with intake(dsn) as into:
        other = await into.other_agent("web2")
        mine, theirs = Spool(), Spool()
        offers = [
            into.offer(batch_of(mine, 1), batch_of(mine, 666), batch_of(mine, 3)),
            into.offer(batch_of(theirs, 4), batch_of(theirs, 5), agent=other),
        ]
        acks = [ack for answers in await asyncio.gather(*offers) for ack in answers]
        assert outcomes(acks) == ["APPLIED", "REFUSED", "GAP 2", "APPLIED", "APPLIED"]
        assert into.committer.ready
    assert [v for _, unit, v in stored(dsn) if unit == "ram"] == [1, 4, 5]
    assert rows(dsn, "select seq, payload from rejected_batch") == [(2, mine.batches[1].payload)]
    # What the database said may quote data or names of its own: it stays in the log.
    assert "check" not in acks[1].reason


async def test_a_connection_killed_in_mid_commit_loses_and_doubles_nothing(dsn: str) -> None:
    """Rows 6 and 7: the outcome of the commit is unknown, and the retry finds out."""
    execute(dsn, SLOW_COMMIT)
    spool = Spool()
    batches = [batch_of(spool, n) for n in range(1, 4)]
    async with intake(dsn) as into:
        offered = asyncio.create_task(into.offer(*batches))
        await terminate(dsn, "PgSleep")
        acks = await offered
        assert set(outcomes(acks)) == {"BUSY"}
        assert all(ack.retry_after_ms > 0 for ack in acks)
        execute(dsn, "drop trigger dawdle on batch")
        await until_ready(into.committer)
        assert into.committer.recoveries == 1
        again = await into.offer(*batches)
        assert set(outcomes(again)) <= {"APPLIED", "DUPLICATE"}
    assert [v for _, unit, v in stored(dsn) if unit == "ram"] == [1, 2, 3]
    assert rows(dsn, "select seq, stored from batch order by seq") == [(1, 2), (2, 2), (3, 2)]


async def test_while_the_database_is_away_agents_keep_their_batches(dsn: str) -> None:
    """Row 7."""
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(batch_of(spool, 1))
        with locked_out(dsn):
            [ack] = await into.offer(batch_of(spool, 2))
            assert outcomes([ack]) == ["BUSY"]
            assert not into.committer.ready
            # Told at once from here on.
            async with asyncio.timeout(1.0):
                assert outcomes(await into.offer(*spool.batches, is_next=False)) == ["BUSY", "BUSY"]
        await until_ready(into.committer)
        assert outcomes(await into.offer(*spool.batches)) == ["DUPLICATE", "APPLIED"]
    assert [v for _, unit, v in stored(dsn) if unit == "ram"] == [1, 2]


@contextmanager
def locked_out(dsn: str) -> Iterator[None]:
    """A database that ends all connections and takes no new ones."""
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    other = psycopg.conninfo.make_conninfo(dsn, dbname="postgres")
    execute(other, f'alter database "{name}" allow_connections false')
    try:
        rows(other, "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        yield
    finally:
        execute(other, f'alter database "{name}" allow_connections true')


async def test_stopping_commits_what_is_queued_and_takes_no_more(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        futures = [
            await into.service.offer(into.agent, batch_of(spool, n), is_next=True) for n in range(1, 6)
        ]
        await into.committer.stop()
        assert outcomes([await future for future in futures]) == ["APPLIED"] * 5
        assert not into.committer.ready
        assert outcomes(await into.offer(batch_of(spool, 6), is_next=False)) == ["BUSY"]


@pytest.mark.parametrize("seed", range(4))
async def test_two_aggregators_and_replays_in_any_order_store_every_batch_once(dsn: str, seed: int) -> None:
    """Every agent speaks through both aggregators at once, goes back and skips ahead as it likes. Rows 19 and 22."""
    dice = random.Random(seed)
    agents = 3
    uuids = [register_agent(dsn, f"agent{n}") for n in range(agents)]
    spools = [Spool() for _ in uuids]
    for n, spool in enumerate(spools):
        for k in range(15):
            batch_of(spool, 1 + (k << n))
    async with two_intakes(dsn) as (left, right):
        known = [await identified(left.db, uuid) for uuid in uuids]
        seen: dict[str, int] = {}
        await asyncio.gather(
            *(
                deliver(side, agent, spool, random.Random(dice.random()), seen)
                for agent, spool in zip(known, spools, strict=True)
                for side in (left, right)
            )
        )
    # Proof that the run contained what it is about.
    assert seen["APPLIED"] == agents * 15
    assert seen["DUPLICATE"] > 0
    assert seen["GAP"] > 0
    expected = sorted(1 + (k << n) for n in range(agents) for k in range(15))
    assert sorted(v for _, unit, v in stored(dsn) if unit == "ram") == expected
    assert rows(dsn, "select count(*), sum(read), sum(stored), sum(quarantined) from batch") == [
        (agents * 15, agents * 30, agents * 30, 0)
    ]
    assert rows(dsn, "select sum(cardinality(series)) from tick") == [(agents * 30,)]


@asynccontextmanager
async def two_intakes(dsn: str) -> AsyncIterator[tuple[Intake, Intake]]:
    async with intake(dsn) as left, intake(dsn, agent=left.agent.uuid) as right:
        yield left, right


async def deliver(
    into: Intake, agent: Agent, spool: Spool, dice: random.Random, seen: dict[str, int]
) -> None:
    """Sends windows around what is expected until everything is known to be stored."""
    expected = 1
    while expected <= len(spool.batches):
        start = max(1, expected + dice.randint(-3, 2))
        window = spool.batches[start - 1 : start - 1 + dice.randint(1, 5)]
        for ack in await into.offer(*window, agent=agent):
            outcome = ingest_pb2.Outcome.Name(ack.outcome).removeprefix("OUTCOME_")
            seen[outcome] = seen.get(outcome, 0) + 1
            assert outcome in {"APPLIED", "DUPLICATE", "GAP"}
            expected = ack.expected if outcome == "GAP" else max(expected, ack.seq + 1)


async def test_new_assets_of_a_site_reported_by_many_agents_at_once_are_one(dsn: str) -> None:
    machines = [
        Series(unit, "vm", f"vm{n}", f"machine {n}") for n in range(20) for unit in ("ram", "cpu", "vcpu")
    ]
    async with two_intakes(dsn) as (left, right):
        agents = [await left.other_agent(f"node{n}") for n in range(6)]

        def shuffled(seed: int) -> bytes:
            order = machines[:]
            random.Random(seed).shuffle(order)
            return encoded(Tick([(machine, seed) for machine in order], reported=["vm"]))

        offers = [
            (left if n % 2 else right).offer(Spool().seal(shuffled(n)), agent=agent)
            for n, agent in enumerate(agents)
        ]
        acks = [ack for answers in await asyncio.gather(*offers) for ack in answers]
    assert outcomes(acks) == ["APPLIED"] * 6
    assert rows(dsn, "select count(*) from asset") == [(20,)]
    assert rows(dsn, "select count(*) from series") == [(60,)]


async def test_a_full_queue_holds_agents_up_and_then_sends_them_away(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 9: a slow database is felt by the agents, and memory stays bounded."""
    monkeypatch.setattr("aggregator.ingest.commit.SUBMIT_SECONDS_MAX", 0.2)
    monkeypatch.setattr("aggregator.ingest.queue.QUEUE_BATCHES_MAX", 2)
    spool = Spool()
    async with intake(dsn) as into, await psycopg.AsyncConnection.connect(dsn) as blocker:
        # As a run does that reads its cutoff, but for longer.
        await blocker.execute("select pg_advisory_xact_lock(hashtextextended('ullage.ingest', 0))")
        offers = [asyncio.create_task(into.offer(batch_of(spool, n))) for n in range(1, 3)]
        await asyncio.sleep(0.1)
        offers += [asyncio.create_task(into.offer(batch_of(spool, n))) for n in range(3, 8)]
        done, _ = await asyncio.wait(offers, timeout=3.0, return_when=asyncio.FIRST_COMPLETED)
        assert done
        assert {outcomes(offer.result())[0] for offer in done} == {"BUSY"}
        await blocker.rollback()
        acks = [ack for answers in await asyncio.gather(*offers) for ack in answers]
    assert 0 < outcomes(acks).count("APPLIED") <= 4


async def test_a_committer_that_starts_before_its_database_takes_batches_later(dsn: str) -> None:
    db = await Database.open(dsn)
    committer = Committer(db)
    try:
        with locked_out(dsn):
            await committer.start()
            assert not committer.ready
        await until_ready(committer)
    finally:
        await committer.stop()
        await db.close()
