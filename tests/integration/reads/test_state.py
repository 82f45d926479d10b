"""The state of the system, its agents and jobs, and the stream of what changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.jobs import Jobs
from aggregator.rpc import insight
from aggregator.rpc.admin import AdminService
from aggregator.rpc.billing import BillingService
from aggregator.rpc.caller import Caller, become
from aggregator.rpc.changes import Changes
from aggregator.rpc.insight import InsightService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from aggregator.store.news import announce
from tests.bills import run
from tests.builders import World
from tests.servers import Database as OwnDatabase
from ullage.v1 import admin_pb2, agents_pb2, billing_pb2, insight_pb2

MINUTE = timedelta(minutes=1)
JOBS = ("rollup", "provisioning", "binding", "billing", "projection")
ANSWER_SECONDS_MAX = 20.0


@pytest.fixture
def admin(db: Database, jobs: Jobs) -> AdminService:
    return AdminService(db, jobs)


async def health(admin: AdminService, context: Context) -> insight_pb2.Health:
    return await admin.GetHealth(admin_pb2.GetHealthRequest(), context)


async def all_well(world: World) -> datetime:
    """Every job has just run; the time at which."""
    now = await world.now()
    for job in JOBS:
        await run(world, job, started_at=now, ended_at=now)
    return now


@pytest.mark.storage
async def test_a_system_that_works_is_ok_and_names_its_database(
    admin: AdminService, world: World, context: Context, database: OwnDatabase
) -> None:
    now = await all_well(world)
    agent = await world.agent()
    await world.batch(agent, now - MINUTE)
    await world.batch(agent, now - 9 * MINUTE, stored=0, quarantined=10)
    told = await health(admin, context)
    assert (told.state, list(told.problems)) == ("ok", [])
    assert told.last_reading.ToDatetime(UTC) == now - MINUTE
    assert {told.last_rollup.ToDatetime(UTC), told.last_billing.ToDatetime(UTC)} == {now}
    assert told.database.startswith("PostgreSQL 1")
    assert ("TimescaleDB 2." in told.database) is (database.kind == "timescaledb")
    assert ("plain" in told.database) is (database.kind == "plain")


@pytest.mark.storage
async def test_problems_are_counted_and_told(admin: AdminService, world: World, context: Context) -> None:
    now = await all_well(world)
    names = ("loud", "quiet", "mute", "new", "retired")
    agents = {name: await world.agent(name, created_at=now - 60 * MINUTE) for name in names}
    await world.conn.execute("update agent set state = 'retired' where name = 'retired'")
    await world.conn.execute("update agent set created_at = %s where name = 'new'", [now])
    await world.batch(agents["loud"], now - 11 * MINUTE)
    await world.batch(agents["loud"], now - 5 * MINUTE)
    await world.batch(agents["quiet"], now - 11 * MINUTE)
    await world.batch(agents["quiet"], now - 12 * MINUTE, read=10, stored=8, quarantined=1)
    await world.batch(agents["quiet"], now - timedelta(hours=25), read=10, stored=9)
    await world.quarantined(agents["quiet"], now)
    await run(
        world, "billing", started_at=now + MINUTE, ended_at=now + MINUTE, state="failed", error="no disk"
    )
    told = await health(admin, context)
    assert told.state == "critical"
    assert (told.agents, told.agents_silent, told.quarantined, told.unbalanced_batches) == (4, 2, 1, 1)
    assert [problem.split(":")[0] for problem in told.problems] == [
        "1 batch of the last 24 hours with readings that were neither stored nor quarantined",
        "1 agent whose control totals do not add up",
        "the last run of billing failed",
        "2 of 4 agents silent for more than 10 min (mute, quiet)",
        "1 reading in quarantine",
    ]
    assert told.last_billing.ToDatetime(UTC) == now


@pytest.mark.storage
async def test_a_fresh_system_says_that_nothing_has_run_yet(admin: AdminService, context: Context) -> None:
    told = await health(admin, context)
    assert told.state == "warning"
    assert [problem.split(":")[0] for problem in told.problems] == [f"{job} has never run" for job in JOBS]
    assert not told.HasField("last_reading")
    assert not told.HasField("last_billing")


@pytest.mark.storage
async def test_agents_are_listed_with_what_they_sent(
    admin: AdminService, world: World, context: Context
) -> None:
    now = await world.now()
    alpha, _ = await world.agent("alpha", site="dc1"), await world.agent("beta")
    await world.batch(alpha, now - 2 * MINUTE, read=10, stored=7, quarantined=3)
    await world.batch(alpha, now - 1 * MINUTE)
    await world.conn.execute(
        "insert into agent_status (agent_id, version, boot_id, connected_at) values (%s, '0.1.0', 'boot', %s)",
        [alpha, now],
    )
    reply = await admin.ListAgents(agents_pb2.ListAgentsRequest(), context)
    assert [
        (a.name, a.site, a.state, a.version, a.batches, a.readings, a.connected) for a in reply.agents
    ] == [("alpha", "dc1", "active", "0.1.0", 2, 17, True), ("beta", "here", "active", "", 0, 0, False)]
    assert reply.agents[0].last_batch.ToDatetime(UTC) == now - MINUTE
    assert not reply.agents[1].HasField("last_batch")


async def test_jobs_are_listed_with_their_newest_run_and_can_be_run(
    admin: AdminService, db: Database, jobs: Jobs, context: Context
) -> None:
    done = await admin.RunJob(admin_pb2.RunJobRequest(name="rollup"), context)
    assert (done.job, done.state) == ("rollup", "done")
    service = BillingService(db, jobs)
    billed = await service.RunBilling(billing_pb2.RunBillingRequest(all=True), context)
    projected = await service.RunProjection(billing_pb2.RunProjectionRequest(), context)
    assert [(one.job, one.state) for one in (billed, projected)] == [
        ("billing", "done"),
        ("projection", "done"),
    ]
    reply = await admin.ListJobs(admin_pb2.ListJobsRequest(), context)
    listed = {job.name: job for job in reply.jobs}
    assert list(listed) == list(JOBS)
    assert listed["rollup"].last_run.id == done.id
    assert listed["rollup"].schedule == "every 60 s"
    assert not listed["binding"].HasField("last_run")
    with pytest.raises(NotFound, match="no job 'nonsense'"):
        await admin.RunJob(admin_pb2.RunJobRequest(name="nonsense"), context)


async def test_a_caller_is_told_who_it_is(admin: AdminService, context: Context) -> None:
    become(Caller(key_name="ops", role="operator"))
    who = await admin.WhoAmI(admin_pb2.WhoAmIRequest(), context)
    assert (who.key_name, who.role) == ("ops", "operator")
    assert who.server_version


@pytest.fixture
async def changes(db: Database) -> AsyncIterator[Changes]:
    listening = Changes(db)
    await listening.start()
    yield listening
    await listening.stop()


async def following(stream: AsyncIterator[insight_pb2.Change]) -> insight_pb2.Change:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        return await anext(stream)


async def test_a_watch_begins_at_once_and_tells_what_changed(
    db: Database,
    changes: Changes,
    jobs: Jobs,
    world: World,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(insight, "HEARTBEAT_SECONDS", 0.2)
    service = InsightService(db, changes, jobs)
    stream = service.Watch(insight_pb2.WatchRequest(nouns=["asset", "bucket"]), context)
    async with aclosing(stream):
        began = await following(stream)
        assert began.noun == ""
        assert abs(began.at.ToDatetime(UTC) - await world.now()) < timedelta(minutes=1)
        told = began
        while not told.noun:
            # Whoever listens only now has missed what was announced before: so it is announced again.
            async with db.transaction() as conn:
                await announce(conn, "client", "asset")
            told = await following(stream)
        assert told.noun == "asset"
        assert told.at.ToDatetime(UTC) > began.at.ToDatetime(UTC)


async def test_a_watch_without_changes_says_that_it_is_alive(
    db: Database, jobs: Jobs, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "HEARTBEAT_SECONDS", 0.05)
    stream = InsightService(db, Changes(db), jobs).Watch(insight_pb2.WatchRequest(), context)
    async with aclosing(stream):
        assert [(await following(stream)).noun for _ in range(3)] == ["", "", ""]


async def test_a_watch_ends_when_the_aggregator_stops(
    db: Database, changes: Changes, jobs: Jobs, context: Context
) -> None:
    stream = InsightService(db, changes, jobs).Watch(insight_pb2.WatchRequest(nouns=["job"]), context)
    await following(stream)
    await changes.stop()
    with pytest.raises(StopAsyncIteration):
        await following(stream)


async def test_a_watch_that_is_cancelled_ends(
    db: Database, changes: Changes, jobs: Jobs, context: Context
) -> None:
    stream = InsightService(db, changes, jobs).Watch(insight_pb2.WatchRequest(), context)
    await following(stream)
    waiting = asyncio.create_task(following(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_watch_for_what_cannot_change_is_refused(db: Database, jobs: Jobs, context: Context) -> None:
    stream = InsightService(db, Changes(db), jobs).Watch(insight_pb2.WatchRequest(nouns=["moon"]), context)
    with pytest.raises(Invalid, match="'moon' cannot change"):
        await following(stream)
