"""The agent's own uplink against the aggregator's own service: what one says the other understands, also in trouble."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import psycopg

from agent.amounts import Reading
from agent.amounts import Tick as AgentTick
from agent.link import Greeting
from agent.memory import MemorySpool
from agent.seal import Payload, pack
from agent.snapshot import Asset
from agent.uplink import Uplink
from aggregator.authority import issue_agent
from tests.ingest_batches import MINUTE_US, NOON_US, rows, stored
from tests.ingest_listener import Listening, listening
from ullage.channel import Identity

DRAIN_SECONDS_MAX = 60.0
HOST = Asset("host", "h1", "host one", labels=(("role", "db"),))
KILL = (
    "select pg_terminate_backend(pid) from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid() and application_name = 'ullage'"
)


def sealed_minutes(values: Sequence[int], *, start: int = 0) -> list[Payload]:
    """One batch a minute, with a level and an amount."""
    ticks = [
        AgentTick(
            ticked_at_us=NOON_US + n * MINUTE_US,
            since_us=NOON_US + (n - 1) * MINUTE_US,
            boottime_us=n,
            reported=("host",),
            failed=(),
            readings=(Reading(HOST, "ram", value), Reading(HOST, "cpu", 1)),
        )
        for n, value in enumerate(values, start)
    ]
    return [payload for tick in ticks for payload in pack([tick], boot_id="boot")]


def uplink(up: Listening, spool: MemorySpool) -> Uplink:
    issued = issue_agent(up.authority, up.into.agent.uuid, now=datetime.now(UTC))
    return Uplink(
        f"localhost:{up.port}",
        ca=up.authority.pem,
        identity=Identity(issued.certificate, issued.key),
        spool=spool,
        hello=Greeting("1.0", "boot"),
    )


async def drain(link: Uplink) -> None:
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            await link.drained()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def rams(dsn: str) -> list[int]:
    return [value for _, unit, value in stored(dsn) if unit == "ram"]


async def test_an_agent_delivers_everything_once_while_the_database_keeps_dying(
    dsn: str, tmp_path: Path
) -> None:
    spool = MemorySpool()
    spool.append(sealed_minutes(range(200)))
    async with listening(dsn, tmp_path) as up:
        link = uplink(up, spool)
        draining = asyncio.create_task(drain(link))
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as killer:
            for _ in range(3):
                await asyncio.sleep(0.1)
                await killer.execute(KILL)
        spool.append(sealed_minutes(range(200, 300), start=200))
        await draining
        # Proof that there was trouble.
        assert up.into.committer.recoveries + link.counts.busy + link.counts.reconnects > 0
    assert rams(dsn) == list(range(300))
    assert rows(dsn, "select sum(read), sum(stored), max(seq) from batch") == [(600, 600, 300)]


async def test_an_agent_that_lost_its_acknowledgements_learns_that_they_were_duplicates(
    dsn: str, tmp_path: Path
) -> None:
    payloads = sealed_minutes(range(20))
    async with listening(dsn, tmp_path) as up:
        first = MemorySpool()
        first.append(payloads)
        await drain(uplink(up, first))
        # The same spool as it was before any answer came.
        again = MemorySpool(epoch=first.epoch)
        again.append(payloads)
        link = uplink(up, again)
        await drain(link)
    assert (link.counts.applied, link.counts.duplicate) == (0, 20)
    assert rams(dsn) == list(range(20))


async def test_a_batch_that_is_refused_is_put_aside_and_the_others_arrive(dsn: str, tmp_path: Path) -> None:
    good = sealed_minutes(range(4))
    garbage = b"\xff\xff"
    broken = Payload(garbage, sha256(garbage).digest(), readings=0, first_us=0, last_us=0)
    spool = MemorySpool()
    spool.append([*good[:2], broken, *good[2:]])
    async with listening(dsn, tmp_path) as up:
        await drain(uplink(up, spool))
    assert spool.rejected_total == 1
    assert rams(dsn) == [0, 1, 2, 3]
