"""The heartbeat gets through while batches do not, and says how the agent is."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from agent.heartbeat import TEXT_CHARACTERS_MAX, Condition, Heartbeat
from agent.identity import SystemClock
from agent.link import Greeting
from agent.spool import Spool
from agent.uplink import Uplink
from tests.unit.agent.certificates import Authority
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import payload
from tests.unit.agent.scripted import Fault, Scripted, serving
from tests.unit.agent.spools import filled, known, offered

AUTHORITY = Authority()
AGENT = AUTHORITY.agent()


def uplink_to(address: str, spool: Spool) -> Uplink:
    return Uplink(
        address,
        ca=AUTHORITY.pem,
        identity=AGENT.identity,
        spool=spool,
        hello=Greeting("1.2.3", "boot-1"),
        spread=lambda low, _: low,
    )


def heartbeat(spool: Spool, uplink: Uplink, **failures: str) -> Heartbeat:
    return Heartbeat(
        spool=spool,
        uplink=uplink,
        clock=SystemClock(),
        version="1.2.3",
        condition=lambda: Condition(failures),
        call_seconds_max=10,
    )


@asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator[None]:
    task = asyncio.create_task(uplink.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_says_what_waits_and_since_when() -> None:
    aggregator, spool = Scripted(), filled(3)
    async with serving(aggregator, AUTHORITY) as address:
        assert await heartbeat(spool, uplink_to(address, spool)).beat()
    [beat] = aggregator.beats
    assert (beat.version, beat.unacknowledged, beat.oldest_us) == ("1.2.3", 3, payload(1).first_us)
    assert (beat.spool_state, beat.spool_bytes, beat.spool_bytes_max) == ("ok", spool.held_bytes, 1 << 20)
    assert (list(beat.failed), beat.last_error, beat.tombstones) == ([], "", 0)
    assert abs(beat.wall_us - SystemClock().stamp().wall_us) < 60_000_000


async def test_it_gets_through_over_the_same_connection_while_batches_are_not_answered() -> None:
    aggregator, spool = Scripted(), filled(20)
    aggregator.release.clear()
    async with serving(aggregator, AUTHORITY) as address:
        uplink = uplink_to(address, spool)
        async with running(uplink), asyncio.timeout(20):
            while not uplink.counts.sent:  # noqa: ASYNC110 - nothing tells when gRPC has taken a message
                await asyncio.sleep(0.01)
            async with uplink.borrow() as mine, uplink.borrow() as again:
                assert mine is again
            assert await heartbeat(spool, uplink).beat()
            aggregator.release.set()
            await uplink.drained()
    assert aggregator.beats[0].unacknowledged == 20


async def test_it_gets_through_while_every_stream_is_denied_and_says_so() -> None:
    aggregator, spool = Scripted(), filled(1)
    aggregator.deny = (grpc.StatusCode.PERMISSION_DENIED, "this agent is held")
    async with serving(aggregator, AUTHORITY) as address:
        uplink = uplink_to(address, spool)
        async with running(uplink), asyncio.timeout(20):
            while not uplink.last_problem:  # noqa: ASYNC110 - nothing tells of an attempt that failed
                await asyncio.sleep(0.01)
            assert await heartbeat(spool, uplink).beat()
    assert "this agent is held" in aggregator.beats[0].last_error


async def test_a_full_disk_and_failing_collectors_are_told_within_bounds() -> None:
    disk, aggregator = ForgetfulDisk(), Scripted()
    spool = filled(1, disk)
    disk.errno = errno.ENOSPC
    assert not spool.append([payload(2)], baselines=known(2))
    spool.count_resets(2)
    async with serving(aggregator, AUTHORITY) as address:
        assert await heartbeat(spool, uplink_to(address, spool), web="x" * 5000, host="away").beat()
    [beat] = aggregator.beats
    assert (beat.spool_state, list(beat.failed), beat.counter_resets) == ("full", ["host", "web"], 2)
    assert beat.last_error.startswith("No space left on device; web: x")
    assert len(beat.last_error) == TEXT_CHARACTERS_MAX


async def test_without_an_aggregator_it_is_no_error() -> None:
    spool = filled(1)
    async with serving(Scripted(), AUTHORITY) as address:
        pass
    assert not await heartbeat(spool, uplink_to(address, spool)).beat()


async def test_a_durable_spool_delivers_everything_once_over_restarts_and_faults() -> None:
    aggregator, disk = Scripted(), ForgetfulDisk()
    spool = filled(12, disk)
    epoch = spool.epoch
    aggregator.faults.extend([None, Fault.COMMIT_AND_HANG_UP, Fault.BUSY, Fault.LOSE, None, Fault.REFUSE])
    async with serving(aggregator, AUTHORITY) as address, asyncio.timeout(30):
        async with running(uplink_to(address, spool)):
            while len(aggregator.stored) < 6:  # noqa: ASYNC110 - the aggregator tells nobody
                await asyncio.sleep(0.01)
        disk.crash()
        again = Spool(disk, agent=b"\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44UUUUUU", clock=SystemClock())
        async with running(uplink_to(address, again)):
            await again.drained()
    assert [seq for _, seq in aggregator.stored] == list(range(1, 13))
    assert {one for one, _ in aggregator.stored} == {epoch}
    assert [payload(n).payload for n in range(1, 13) if n != refused(aggregator)] == [
        stored for stored in aggregator.payloads if stored in {payload(n).payload for n in range(1, 13)}
    ]
    assert offered(again) == []


def refused(aggregator: Scripted) -> int:
    """The number that has a tombstone."""
    ours = {payload(n).payload for n in range(1, 13)}
    [number] = [seq for (_, seq), stored in aggregator.stored.items() if stored not in ours]
    return number
