"""Jobs: one run at a time over all aggregators, and a failure that ends as a row."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from aggregator.actions import run_job as subject
from aggregator.actions.run_job import JOBS, Job, Order, run_job
from aggregator.errors import Conflict, NotFound
from aggregator.jobs import Jobs
from aggregator.rpc.timetable import Timetable
from aggregator.store import runs
from aggregator.store.database import Database
from aggregator.store.runs import RunRecord

pytestmark = pytest.mark.storage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "hunter2-is-the-password"
PATIENCE_SECONDS = 20.0


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=4)
    yield database
    await database.close()


@dataclass
class Gate:
    """A job that stays inside until it is let go."""

    inside: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    times: int = 0

    async def __call__(self, db: Database, order: Order) -> Mapping[str, int]:
        self.times += 1
        self.inside.set()
        await self.go.wait()
        return {"things": 3}


def table(**works: subject.Work) -> Mapping[str, Job]:
    return {name: Job(name, "does as the test says", work) for name, work in works.items()}


async def rows(db: Database) -> list[tuple[str, str, str]]:
    async with db.transaction() as conn:
        asked = await conn.execute("select job, state, error from run order by id")
        return [(str(job), str(state), str(error)) for job, state, error in await asked.fetchall()]


async def count_two(db: Database, order: Order) -> Mapping[str, int]:
    return {"things": 2}


async def test_a_run_leaves_its_row_with_its_counts(db: Database) -> None:
    run = await run_job(db, "count", now=NOW, jobs=table(count=count_two))
    assert (run.state, run.counts, run.error) == ("done", {"things": 2}, "")
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at
    async with db.transaction() as conn:
        assert await runs.latest(conn) == [run]


async def test_of_two_runs_at_once_one_is_skipped_without_a_row(db: Database) -> None:
    gate = Gate()
    jobs = table(gate=gate)
    first = asyncio.create_task(run_job(db, "gate", now=NOW, jobs=jobs))
    await asyncio.wait_for(gate.inside.wait(), PATIENCE_SECONDS)
    second = await run_job(db, "gate", now=NOW, jobs=jobs)
    gate.go.set()
    assert (second.state, (await first).state, gate.times) == ("skipped", "done", 1)
    assert await rows(db) == [("gate", "done", "")]


async def test_different_jobs_run_side_by_side(db: Database) -> None:
    gate = Gate()
    jobs = table(gate=gate, count=count_two)
    first = asyncio.create_task(run_job(db, "gate", now=NOW, jobs=jobs))
    await asyncio.wait_for(gate.inside.wait(), PATIENCE_SECONDS)
    assert (await run_job(db, "count", now=NOW, jobs=jobs)).state == "done"
    gate.go.set()
    assert (await first).state == "done"


async def test_the_lock_is_free_again_after_a_run(db: Database) -> None:
    jobs = table(count=count_two)
    assert [(await run_job(db, "count", now=NOW, jobs=jobs)).state for _ in range(2)] == ["done", "done"]


async def test_a_job_that_crashes_is_recorded_without_the_text_of_its_error(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(db: Database, order: Order) -> Mapping[str, int]:
        raise RuntimeError(f"password={SECRET}")

    with caplog.at_level(logging.ERROR):
        run = await run_job(db, "crash", now=NOW, jobs=table(crash=crash))
    assert run.state == "failed"
    assert SECRET not in run.error
    incident = run.error.split()[2].rstrip(";")
    assert [record.ullage_fields["incident"] for record in caplog.records] == [incident]  # type: ignore[attr-defined]
    assert await rows(db) == [("crash", "failed", run.error)]


async def test_a_refusal_of_ours_is_recorded_with_its_text(db: Database) -> None:
    async def refuse(db: Database, order: Order) -> Mapping[str, int]:
        raise Conflict("terms are missing; add some")

    run = await run_job(db, "refuse", now=NOW, jobs=table(refuse=refuse))
    assert (run.state, run.error) == ("failed", "terms are missing; add some")


async def test_a_run_of_a_killed_aggregator_is_closed_by_the_next(db: Database) -> None:
    async with db.transaction() as conn:
        await runs.start(conn, "count")
    await run_job(db, "count", now=NOW, jobs=table(count=count_two))
    assert [(job, state) for job, state, _ in await rows(db)] == [("count", "failed"), ("count", "done")]


async def test_a_job_is_given_its_time_its_row_and_its_scope(db: Database) -> None:
    given: list[Order] = []

    async def note(db: Database, order: Order) -> Mapping[str, int]:
        given.append(order)
        return {}

    run = await run_job(db, "note", now=NOW, everything=True, jobs=table(note=note))
    assert given == [Order(now=NOW, run_id=run.id, everything=True)]


async def test_old_runs_go_and_those_that_figures_name_stay(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "RUNS_KEPT_MAX", 2)
    jobs = table(count=count_two)
    first = await run_job(db, "count", now=NOW, jobs=jobs)
    async with db.transaction() as conn:
        await conn.execute(
            """
            with c as (
                insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)
                values ('Acme', 'EUR', 2, 'UTC', 'month', 1, '2026-01-01') returning id
            ), b as (
                insert into bucket (client_id, name, source_type_id, unit_type_id)
                select id, 'cpu', 1, 1 from c returning id
            )
            insert into projection (bucket_id, period_start, period_end, aggregation, current_quantity,
                                    projected_quantity, currency, projected_cost, calculated_at, run_id)
            select id, now(), now(), 'sum', 0, 0, 'EUR', 0, now(), %s from b
            """,
            [first.id],
        )
    last = [(await run_job(db, "count", now=NOW, jobs=jobs)).id for _ in range(4)]
    async with db.transaction() as conn:
        kept = [row[0] for row in await (await conn.execute("select id from run order by id")).fetchall()]
    assert kept == [first.id, *last[-2:]]


async def test_an_unknown_job_is_not_found_and_the_known_are_named(db: Database) -> None:
    with pytest.raises(
        NotFound, match="rollup, provisioning, binding, billing, projection, control-totals, retention"
    ):
        await run_job(db, "reboot", now=NOW)


async def test_a_start_runs_each_job_once_and_in_order(db: Database) -> None:
    order: list[str] = []
    done = asyncio.Event()

    def noting(name: str) -> subject.Work:
        async def work(db: Database, given: Order) -> Mapping[str, int]:
            order.append(name)
            if name == "third":
                done.set()
            if name == "second":
                raise RuntimeError("must not keep the others from running")
            return {}

        return work

    jobs = table(first=noting("first"), second=noting("second"), third=noting("third"))
    timetable = Jobs(db, seconds=dict.fromkeys(jobs, 3600), clock=lambda: datetime.now(UTC), jobs=jobs)
    timetable.start()
    await asyncio.wait_for(done.wait(), PATIENCE_SECONDS)
    await timetable.stop(grace_seconds=PATIENCE_SECONDS)
    assert order == ["first", "second", "third"]


async def test_a_failing_job_runs_again_at_its_time(db: Database) -> None:
    times = 0
    again = asyncio.Event()

    async def crash(db: Database, given: Order) -> Mapping[str, int]:
        nonlocal times
        times += 1
        if times > 1:
            again.set()
        raise RuntimeError

    jobs = table(crash=crash)
    timetable = Jobs(db, seconds={"crash": 1}, clock=lambda: datetime.now(UTC), jobs=jobs)
    timetable.start()
    await asyncio.wait_for(again.wait(), PATIENCE_SECONDS)
    await timetable.stop()


async def test_stopping_gives_up_a_run_that_takes_too_long(db: Database) -> None:
    gate = Gate()
    jobs = table(gate=gate)
    timetable = Jobs(db, seconds={"gate": 3600}, clock=lambda: datetime.now(UTC), jobs=jobs)
    timetable.start()
    await asyncio.wait_for(gate.inside.wait(), PATIENCE_SECONDS)
    await asyncio.wait_for(timetable.stop(grace_seconds=0.1), PATIENCE_SECONDS)
    # The lock went with the run, so the next one gets it.
    gate.go.set()
    assert (await run_job(db, "gate", now=NOW, jobs=jobs)).state == "done"


async def test_the_timetable_tells_when_each_job_runs_next(db: Database) -> None:
    timetable = Jobs(db, seconds=dict.fromkeys(JOBS, 600), clock=lambda: datetime.now(UTC))
    told: Timetable = timetable
    assert [job.next_run for job in told.timetable()] == [None] * len(JOBS)
    before = datetime.now(UTC)
    timetable.start()
    for job in told.timetable():
        assert job.schedule == "every 600 s"
        assert job.next_run is not None
        assert job.next_run > before
    await timetable.stop()
    assert [job.name for job in told.timetable()] == [
        "rollup",
        "provisioning",
        "binding",
        "billing",
        "projection",
        "control-totals",
        "retention",
    ]


async def test_a_run_under_way_says_how_far_it_is_and_how_long_it_may_take(db: Database) -> None:
    seen: list[RunRecord] = []

    async def work(db: Database, order: Order) -> Mapping[str, int]:
        await order.progress({"things": 1}, done=1, total=4)
        # Not written: people do not look that often.
        await order.progress({"things": 2}, done=2, total=4)
        async with db.transaction() as conn:
            seen.extend(await runs.latest(conn))
        return {"things": 4}

    run = await run_job(db, "slow", now=NOW, jobs=table(slow=work))
    [told] = seen
    assert (told.state, told.counts, told.done, told.total) == ("running", {"things": 1}, 1, 4)
    assert told.seconds_left is not None
    assert (run.counts, run.seconds_left) == ({"things": 4}, None)


async def test_a_run_that_fails_keeps_what_it_had_done_by_then(db: Database) -> None:
    async def work(db: Database, order: Order) -> Mapping[str, int]:
        await order.progress({"things": 1}, done=1, total=4)
        raise Conflict("the rest cannot be done")

    run = await run_job(db, "half", now=NOW, jobs=table(half=work))
    assert (run.state, run.counts, run.done, run.total) == ("failed", {"things": 1}, 1, 4)


async def test_a_late_word_of_a_run_that_has_ended_changes_nothing(db: Database) -> None:
    run = await run_job(db, "count", now=NOW, jobs=table(count=count_two))
    async with db.transaction() as conn:
        await runs.progress(conn, run.id, counts={"things": 1}, done=1, total=2)
        assert await runs.find(conn, run.id) == run


async def test_a_run_goes_on_when_the_one_who_asked_goes_away(db: Database) -> None:
    gate = Gate()
    jobs = Jobs(db, seconds={"gate": 3600}, clock=lambda: NOW, jobs=table(gate=gate))
    asked = asyncio.create_task(jobs.run("gate"))
    await asyncio.wait_for(gate.inside.wait(), PATIENCE_SECONDS)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    gate.go.set()
    for _ in range(200):
        if await rows(db) == [("gate", "done", "")]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the run never ended")
