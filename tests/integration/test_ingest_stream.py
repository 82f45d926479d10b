"""The stream itself, over real TLS with certificates of the project's own authority."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import grpc
import grpc.aio
import psycopg
import pytest

from aggregator.authority import create_authority, issue_server
from aggregator.store.news import CHANNEL
from tests.ingest_batches import (
    MINUTE_US,
    NOON_US,
    RAM,
    Spool,
    Tick,
    encoded,
    register_agent,
    rows,
    sealed,
    stored,
)
from tests.ingest_intake import outcomes
from tests.ingest_listener import DEADLINE_SECONDS, Dialogue, Listening, listening
from ullage.channel import Identity, open_channel
from ullage.v1 import ingest_pb2, ingest_pb2_grpc


@pytest.fixture
async def aggregator(dsn: str, tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(dsn, tmp_path) as up:
        yield up


def batches(spool: Spool, values: Sequence[int]) -> list[ingest_pb2.SealedBatch]:
    start = len(spool.batches)
    return [
        spool.seal(encoded(Tick([(RAM, value)], at=NOON_US + (start + n) * MINUTE_US)))
        for n, value in enumerate(values)
    ]


async def test_batches_are_acknowledged_in_order_and_the_next_welcome_says_where_to_go_on(
    aggregator: Listening, dsn: str
) -> None:
    uuid = aggregator.into.agent.uuid
    spool = Spool()
    async with aggregator.dial(uuid) as agent:
        welcome = await agent.hello(spool.epoch)
        assert [(c.epoch, c.last_seq) for c in welcome.cursors] == [(spool.epoch, 0)]
        acks = await agent.push(*batches(spool, range(1, 41)))
        assert [ack.seq for ack in acks] == list(range(1, 41))
        assert outcomes(acks) == ["APPLIED"] * 40
        assert all(ack.server_time_us >= welcome.server_time_us > NOON_US for ack in acks)
    async with aggregator.dial(uuid) as agent:
        welcome = await agent.hello(spool.epoch, b"x" * 16)
        assert {c.epoch: c.last_seq for c in welcome.cursors} == {spool.epoch: 40, b"x" * 16: 0}
        assert outcomes(await agent.push(spool.batches[39], *batches(spool, [41]))) == [
            "DUPLICATE",
            "APPLIED",
        ]
    assert [value for *_, value in stored(dsn)] == list(range(1, 42))


async def test_the_end_of_sending_is_answered_with_the_end_of_the_stream(aggregator: Listening) -> None:
    spool = Spool()
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        await agent.send(*batches(spool, [1, 2]))
        await agent.call.done_writing()
        assert outcomes(await agent.acks(2)) == ["APPLIED", "APPLIED"]
        assert await agent.refusal() == (grpc.StatusCode.OK, "")


async def test_after_a_gap_everything_is_dropped_until_the_expected_number_comes(
    aggregator: Listening, dsn: str
) -> None:
    spool = Spool()
    one, two, three, four = batches(spool, [1, 2, 3, 4])
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        await agent.send(two, three, four)
        assert outcomes(await agent.acks(1)) == ["GAP 1"]
        acks = await agent.push(one, two, three, four)
        assert [(ack.seq, name) for ack, name in zip(acks, outcomes(acks), strict=True)] == [
            (seq, "APPLIED") for seq in (1, 2, 3, 4)
        ]
    assert [value for *_, value in stored(dsn)] == [1, 2, 3, 4]


async def test_after_a_refusal_the_same_number_is_expected_and_other_epochs_go_on(
    aggregator: Listening, dsn: str
) -> None:
    spool, other = Spool(), Spool()
    broken = spool.seal(b"\xff\xff")
    after = batches(spool, [2])
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        await agent.send(broken, *after, *batches(other, [3]))
        acks = await agent.acks(2)
        assert outcomes(acks) == ["REFUSED", "APPLIED"]
        assert acks[0].reason
        assert outcomes(await agent.push(sealed(spool.epoch, 1, after[0].payload))) == ["APPLIED"]
    assert [value for *_, value in stored(dsn)] == [2, 3]


@pytest.mark.parametrize(
    "envelope",
    [
        {"epoch": b"short", "seq": 1, "sha256": bytes(32)},
        {"epoch": bytes(16), "seq": 0, "sha256": bytes(32)},
        {"epoch": bytes(16), "seq": 2**63, "sha256": bytes(32)},
        {"epoch": bytes(16), "seq": 1, "sha256": b""},
        {},
    ],
)
async def test_a_malformed_envelope_is_refused(
    aggregator: Listening, envelope: dict[str, bytes | int]
) -> None:
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello()
        batch = ingest_pb2.SealedBatch(**envelope)  # type: ignore[arg-type]
        assert outcomes(await agent.push(batch)) == ["REFUSED"]


async def test_an_agent_nobody_registered_is_told_what_to_do(aggregator: Listening) -> None:
    async with aggregator.dial(uuid4()) as agent:
        status, text = await agent.refusal()
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert "issue its certificate" in text


async def test_a_certificate_of_another_authority_does_not_get_in(
    aggregator: Listening, tmp_path: Path, dsn: str
) -> None:
    stranger = create_authority(tmp_path / "stranger", now=datetime.now(UTC))
    async with aggregator.dial(aggregator.into.agent.uuid, authority=stranger) as agent:
        status, _ = await agent.refusal()
    assert status is grpc.StatusCode.UNAVAILABLE
    assert rows(dsn, "select count(*) from agent_status") == [(0,)]


async def test_a_certificate_that_names_no_agent_is_told_so(aggregator: Listening) -> None:
    server = issue_server(aggregator.authority, ["localhost"], now=datetime.now(UTC))
    identity = Identity(server.certificate, server.key)
    target = f"localhost:{aggregator.port}"
    async with open_channel(target, ca=aggregator.authority.pem, identity=identity) as channel:
        call = ingest_pb2_grpc.IngestStub(channel).Push(timeout=DEADLINE_SECONDS)
        status, text = await Dialogue(call).refusal()
    # Not meant for clients, or without an agent's name: either way nothing of it is believed.
    assert status in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE}
    assert "Traceback" not in text


@pytest.mark.parametrize("state", ["held", "retired", "revoked"])
async def test_an_agent_that_is_not_active_may_not_connect(
    aggregator: Listening, dsn: str, state: str
) -> None:
    uuid = register_agent(dsn, "old", state=state)
    async with aggregator.dial(uuid) as agent:
        status, text = await agent.refusal()
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert state in text


async def test_revoking_an_agent_ends_its_open_stream(
    aggregator: Listening, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.ingest.agents.STATE_CHECK_SECONDS", 0.1)
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello()
        rows(dsn, "update agent set state = 'revoked' returning id")
        status, text = await agent.refusal()
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert "revoked" in text


async def test_what_comes_first_must_be_a_hello_and_only_batches_may_follow(aggregator: Listening) -> None:
    uuid = aggregator.into.agent.uuid
    async with aggregator.dial(uuid) as agent:
        await agent.send(*batches(Spool(), [1]))
        assert (await agent.refusal())[0] is grpc.StatusCode.INVALID_ARGUMENT
    async with aggregator.dial(uuid) as agent:
        await agent.hello()
        await agent.call.write(ingest_pb2.PushRequest(hello=ingest_pb2.Hello()))
        assert (await agent.refusal())[0] is grpc.StatusCode.INVALID_ARGUMENT
    async with aggregator.dial(uuid) as agent:
        hello = ingest_pb2.Hello(epochs=[b"short"])
        await agent.call.write(ingest_pb2.PushRequest(hello=hello))
        assert (await agent.refusal())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_list_of_agents_learns_who_is_connected_and_for_how_long(
    aggregator: Listening, dsn: str
) -> None:
    query = "select version, boot_id, disconnected_at is null from agent_status"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as listener:
        await listener.execute(f"listen {CHANNEL}".encode())
        async with aggregator.dial(aggregator.into.agent.uuid) as agent:
            await agent.hello(version="1.2\x1b[2J", boot_id="b" * 300)
            assert rows(dsn, query) == [("1.2�[2J", "b" * 128, True)]
            await agent.push(*batches(Spool(), [1]))
        news = [n.payload async for n in listener.notifies(timeout=DEADLINE_SECONDS, stop_after=3)]
    # Connected, an asset is new, disconnected.
    assert news == ["agent", "asset", "agent"]
    assert rows(dsn, query) == [("1.2�[2J", "b" * 128, False)]


async def test_an_unexpected_failure_tells_the_agent_nothing_but_a_number(
    aggregator: Listening, dsn: str
) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("alter table unit_type rename to secret_of_the_house")
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello()
        [ack] = await agent.push(*batches(Spool(), [1]))
    assert outcomes([ack]) == ["BUSY"]
    assert "unexpected failure" in ack.reason
    assert "unit_type" not in ack.reason


async def test_after_an_outage_the_stream_goes_on_and_nothing_is_missing(
    aggregator: Listening, dsn: str
) -> None:
    spool = Spool()
    async with aggregator.dial(aggregator.into.agent.uuid) as agent:
        await agent.hello(spool.epoch)
        await agent.push(*batches(spool, [1]))
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() and application_name = 'ullage'"
            )
        waiting = batches(spool, [2, 3, 4])
        seen: list[str] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while waiting:
                await agent.send(*waiting)
                for _ in list(waiting):
                    [ack] = await agent.acks(1)
                    seen += outcomes([ack])
                    if seen[-1] == "BUSY":
                        # What followed it is dropped.
                        await asyncio.sleep(ack.retry_after_ms / 1000)
                        break
                    assert waiting.pop(0).seq == ack.seq
    assert "BUSY" in seen
    assert [value for *_, value in stored(dsn)] == [1, 2, 3, 4]
