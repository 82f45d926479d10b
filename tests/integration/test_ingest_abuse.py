"""What an agent, or somebody with an agent's certificate, can send on purpose: refused, bounded, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import psycopg
import pytest

from aggregator.authority import issue_agent
from aggregator.ingest import limits
from tests.ingest_batches import MINUTE_US, NOON_US, RAM, Series, Spool, Tick, encoded, rows, sealed, stored
from tests.ingest_intake import intake, outcomes
from tests.ingest_listener import DEADLINE_SECONDS, Listening, listening
from ullage.channel import Identity, open_channel
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

MIB = 1024 * 1024


@pytest.fixture
async def aggregator(dsn: str, tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(dsn, tmp_path) as up:
        yield up


def minute(number: int, value: int) -> bytes:
    return encoded(Tick([(RAM, value)], at=NOON_US + number * MINUTE_US))


async def test_a_batch_replayed_with_another_agents_certificate_is_that_agents_own(
    aggregator: Listening, dsn: str
) -> None:
    """Row 21: who sends is who the certificate says; nothing of the first agent is touched."""
    spool = Spool()
    batch = spool.seal(minute(0, 1))
    other = await aggregator.into.other_agent("web2")
    for uuid in (aggregator.into.agent.uuid, other.uuid):
        async with aggregator.dial(uuid) as agent:
            await agent.hello(spool.epoch)
            assert outcomes(await agent.push(batch)) == ["APPLIED"]
    assert rows(dsn, "select agent_id, last_seq from cursor order by 1") == [
        (aggregator.into.agent.id, 1),
        (other.id, 1),
    ]
    assert rows(dsn, "select distinct scope from asset order by 1") == [
        (f"agent:{aggregator.into.agent.id}",),
        (f"agent:{other.id}",),
    ]


@pytest.mark.storage
async def test_a_replay_is_a_duplicate_also_when_its_row_is_long_gone(dsn: str) -> None:
    """Row 20: after 400 days raw readings and batches are dropped, cursors never."""
    spool = Spool()
    async with intake(dsn) as into:
        batches = [spool.seal(minute(n, n)) for n in range(3)]
        await into.offer(*batches)
        with psycopg.connect(dsn) as conn:
            conn.execute("delete from batch")
            conn.execute("delete from tick")
        assert outcomes(await into.offer(*batches)) == ["DUPLICATE"] * 3
        other = sealed(spool.epoch, 2, minute(9, 9))
        assert outcomes(await into.offer(other)) == ["DUPLICATE"]
    assert stored(dsn) == []


async def test_a_batch_above_the_limit_is_refused_and_the_stream_goes_on(
    aggregator: Listening, dsn: str
) -> None:
    """Row 36: between our limit and the message's."""
    spool = Spool()
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        [ack] = await agent.push(sealed(spool.epoch, 1, bytes(limits.PAYLOAD_BYTES_MAX + 1)))
        assert outcomes([ack]) == ["REFUSED"]
        assert str(limits.PAYLOAD_BYTES_MAX) in ack.reason
        assert outcomes(await agent.push(sealed(spool.epoch, 1, minute(0, 1)))) == ["APPLIED"]


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
async def test_a_message_above_the_limit_ends_its_stream_and_no_other(
    aggregator: Listening, dsn: str, compression: grpc.Compression | None
) -> None:
    """Rows 36 and 37: 64 MiB of zeros, as they are and as 64 KiB of gzip; the limit is that of the decompressed message."""
    spool = Spool()
    issued = issue_agent(aggregator.authority, aggregator.into.agent.uuid, now=datetime.now(UTC))
    identity = Identity(issued.certificate, issued.key)
    bomb = ingest_pb2.SealedBatch(epoch=spool.epoch, seq=1, sha256=bytes(32), payload=bytes(64 * MIB))
    async with aggregator.dial(aggregator.into.agent.uuid) as good:
        await good.hello(spool.epoch)
        async with open_channel(
            f"localhost:{aggregator.port}", ca=aggregator.authority.pem, identity=identity
        ) as channel:
            call = ingest_pb2_grpc.IngestStub(channel).Push(timeout=DEADLINE_SECONDS, compression=compression)
            await call.write(ingest_pb2.PushRequest(hello=ingest_pb2.Hello(epochs=[spool.epoch])))
            await call.read()
            # Whether writing or reading fails first depends on how far the message got.
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(ingest_pb2.PushRequest(batch=bomb))
                while await call.read() is not grpc.aio.EOF:
                    pass
            assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert outcomes(await good.push(sealed(spool.epoch, 1, minute(0, 1)))) == ["APPLIED"]
    assert len(stored(dsn)) == 1


async def test_an_agent_that_makes_up_assets_fills_its_own_share_only(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 38: beyond the limit of series nothing is created, and others are not held up."""
    monkeypatch.setattr("aggregator.ingest.limits.SERIES_PER_AGENT_MAX", 50)
    flood = [Series("ram", "container", f"c{n}") for n in range(500)]
    async with intake(dsn) as into:
        other = await into.other_agent("web2")
        spool = Spool()
        for start in range(0, 500, 100):
            payload = encoded(Tick([(one, 1) for one in flood[start : start + 100]]))
            [ack] = await into.offer(spool.seal(payload))
            assert ack.read == ack.stored + ack.quarantined == 100
        assert outcomes(await into.offer(Spool().seal(minute(0, 1)), agent=other)) == ["APPLIED"]
    assert rows(dsn, "select agent_id, count(*) from asset group by 1 order by 1") == [
        (into.agent.id, 50),
        (other.id, 1),
    ]
    assert rows(dsn, "select reason, kept from quarantine_day") == [("too_many_series", 450)]
