"""What agents say of themselves over real TLS, and what holds one of them up without holding up the others."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest

from aggregator.authority import issue_agent
from aggregator.ingest.rates import Rates
from aggregator.rpc.ingest import IngestService
from aggregator.store import health
from aggregator.store.agents import AgentRow
from aggregator.store.health import SystemFigures
from aggregator.store.snapshot import snapshot
from tests.ingest_batches import (
    MINUTE_US,
    NOON_US,
    RAM,
    Spool,
    Tick,
    encoded,
    rows,
    sealed,
    stored,
    tombstone,
)
from tests.ingest_intake import Intake, agent_rows, outcomes
from tests.ingest_listener import DEADLINE_SECONDS, Listening, listening
from ullage.channel import Identity, open_channel
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

SECOND_US = 1_000_000


@pytest.fixture
async def aggregator(dsn: str, tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(dsn, tmp_path) as up:
        yield up


async def beat(up: Listening, uuid: UUID, said: ingest_pb2.HeartbeatRequest) -> ingest_pb2.HeartbeatReply:
    issued = issue_agent(up.authority, uuid, now=datetime.now(UTC))
    identity = Identity(issued.certificate, issued.key)
    async with open_channel(f"localhost:{up.port}", ca=up.authority.pem, identity=identity) as channel:
        return await ingest_pb2_grpc.IngestStub(channel).Heartbeat(said, timeout=DEADLINE_SECONDS)


async def seen(into: Intake) -> tuple[AgentRow, SystemFigures]:
    async with snapshot(into.db) as look:
        return (await agent_rows(look))[0], await health.figures(look)


def minutes(spool: Spool, count: int) -> list[ingest_pb2.SealedBatch]:
    start = len(spool.batches)
    return [
        spool.seal(encoded(Tick([(RAM, start + n + 1)], at=NOON_US + (start + n) * MINUTE_US)))
        for n in range(count)
    ]


async def test_a_heartbeat_is_kept_cleaned_as_the_agents_last_word(aggregator: Listening) -> None:
    """Row 46: what an agent says of itself cannot act on a terminal or a statement."""
    now = time.time_ns() // 1000
    said = ingest_pb2.HeartbeatRequest(
        version="1.2\x1b[2J",
        boot_id="boot'); drop table agent; --",
        wall_us=now - 90 * SECOND_US,
        spool_bytes=2**64 - 1,
        spool_bytes_max=512,
        unacknowledged=7,
        oldest_us=NOON_US,
        spool_state="full",
        failed=["libvirt\x00", "mounts"],
        last_error="no route\nto host \u202e" + "x" * 10_000,
        tombstones=2,
    )
    reply = await beat(aggregator, aggregator.into.agent.uuid, said)
    assert reply.server_time_us >= now
    agent, figures = await seen(aggregator.into)
    assert (agent.spool_state, agent.unacknowledged, agent.spool_bytes) == ("full", 7, 2**63 - 1)
    assert agent.version == "1.2\N{REPLACEMENT CHARACTER}[2J"
    assert agent.failed == ["libvirt\N{REPLACEMENT CHARACTER}", "mounts"]
    assert agent.last_error.isprintable()
    assert len(agent.last_error) == 500
    assert -95_000 < agent.clock_offset_ms < -89_000
    assert agent.oldest_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert {one.trouble.value for one in figures.troubled} == {"spool_full", "clock"}


async def test_wild_figures_in_a_heartbeat_are_kept_as_far_as_they_go(aggregator: Listening) -> None:
    said = ingest_pb2.HeartbeatRequest(
        wall_us=-(2**63), oldest_us=2**63 - 1, spool_state="burning", failed=["x"] * 1000
    )
    await beat(aggregator, aggregator.into.agent.uuid, said)
    agent, _ = await seen(aggregator.into)
    assert (agent.spool_state, agent.oldest_at, len(agent.failed)) == ("ok", None, 64)
    assert agent.clock_offset_ms < -(10**14)


async def test_heartbeats_that_follow_too_soon_are_dropped(aggregator: Listening) -> None:
    uuid = aggregator.into.agent.uuid
    for version in ("1", "2"):
        await beat(aggregator, uuid, ingest_pb2.HeartbeatRequest(version=version))
    agent, _ = await seen(aggregator.into)
    assert agent.version == "1"


async def test_an_agent_that_is_unknown_or_held_is_told_so(aggregator: Listening) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="no agent"):
        await beat(aggregator, uuid4(), ingest_pb2.HeartbeatRequest())
    async with aggregator.into.db.transaction() as conn:
        await conn.execute("update agent set state = 'held'")
    with pytest.raises(grpc.aio.AioRpcError, match="held"):
        await beat(aggregator, aggregator.into.agent.uuid, ingest_pb2.HeartbeatRequest())


async def test_an_agent_is_heard_of_by_heartbeats_while_its_batches_do_not_get_through(
    aggregator: Listening,
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with aggregator.into.db.transaction() as conn:
        await conn.execute("update agent set created_at = %s", [long_ago])
    assert (await seen(aggregator.into))[1].agents_silent == 1
    await beat(aggregator, aggregator.into.agent.uuid, ingest_pb2.HeartbeatRequest())
    assert (await seen(aggregator.into))[1].agents_silent == 0


async def test_behind_a_tombstone_the_stream_goes_on_without_a_pause(aggregator: Listening, dsn: str) -> None:
    spool = Spool()
    [first] = minutes(spool, 1)
    stone = sealed(spool.epoch, 2, tombstone(9))
    behind = [
        sealed(spool.epoch, n, encoded(Tick([(RAM, n)], at=NOON_US + n * MINUTE_US))) for n in (10, 11, 12)
    ]
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        acks = await agent.push(first, stone, *behind)
    assert outcomes(acks) == ["APPLIED"] * 5
    assert [value for *_, value in stored(dsn)] == [1, 10, 11, 12]
    assert rows(dsn, "select last_seq, batches from cursor") == [(12, 12)]


async def test_an_agent_above_its_rate_is_put_off_and_loses_nothing(aggregator: Listening, dsn: str) -> None:
    """Row 38: one agent that floods waits for its own rate."""
    into = aggregator.into
    slow = IngestService(into.committer, into.db, Rates(batches_per_second=1.0))
    spool = Spool()
    batches = minutes(spool, 12)
    told = [slow.held_up(into.agent, batch) for batch in batches]
    assert [ack is None for ack in told] == [True] * 10 + [False] * 2
    last = told[-1]
    assert last is not None
    assert outcomes([last]) == ["BUSY"]
    assert last.retry_after_ms >= 100
    other = replace(into.agent, id=into.agent.id + 1)
    assert slow.held_up(other, batches[0]) is None


async def test_a_clock_an_hour_ahead_is_corrected_before_anything_is_judged(
    aggregator: Listening, dsn: str
) -> None:
    """Row 29: the ticks are stored when they were, nothing is quarantined, and the batch says so."""
    now = time.time_ns() // 1000
    ahead, boottime = 3600 * SECOND_US, 100 * 3600 * SECOND_US
    ticks = [
        Tick([(RAM, n)], at=now + ahead - n * MINUTE_US, boottime=boottime - n * MINUTE_US) for n in (2, 1)
    ]
    batch = Spool().seal(encoded(*ticks))
    batch.wall_us, batch.boottime_us = now + ahead, boottime
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(batch.epoch, boot_id="boot")
        [ack] = await agent.push(batch)
    assert (ack.stored, ack.quarantined) == (2, 0)
    [(worst, least)] = rows(
        dsn,
        "select max(abs(extract(epoch from stored_at - ticked_at) - 60 * value[1])), min(value[1]) from tick",
    )
    assert float(str(worst)) < 30
    assert least == 1
    assert rows(dsn, "select clock_corrected, clock_flagged, clock_offset_ms > 3500000 from batch") == [
        (True, True, True)
    ]


async def test_a_clock_ahead_under_an_earlier_boot_is_not_believed_and_not_corrected(
    aggregator: Listening, dsn: str
) -> None:
    """Row 31: the time since an earlier boot says nothing; what then lies in the future is quarantined."""
    now = time.time_ns() // 1000
    batch = Spool().seal(encoded(Tick([(RAM, 1)], at=now + 3600 * SECOND_US, boottime=MINUTE_US)))
    batch.wall_us, batch.boottime_us = now + 3600 * SECOND_US, 2 * MINUTE_US
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(batch.epoch, boot_id="another boot")
        [ack] = await agent.push(batch)
    assert (ack.stored, ack.quarantined) == (0, 1)
    assert rows(dsn, "select reason from quarantine") == [("future",)]
    assert rows(dsn, "select clock_corrected, clock_flagged from batch") == [(False, True)]
