"""Every batch arrives once and in order, whatever the aggregator answers and however often the stream breaks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.identity import SystemClock
from agent.link import Greeting
from agent.memory import MemorySpool
from agent.seal import Sealed
from agent.spool import Spool
from agent.uplink import EXPLAIN_AFTER_ATTEMPTS, RETRY_SECONDS_MAX, Uplink
from tests.unit.agent.certificates import Authority
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import payload
from tests.unit.agent.scripted import Fault, Scripted, serving
from tests.unit.agent.spools import opened
from ullage.v1 import ingest_pb2

AUTHORITY = Authority()
AGENT = AUTHORITY.agent()
HELLO = Greeting(version="1.2.3", boot_id="boot-1")


def uplink_to(
    address: str, spool: MemorySpool | Spool, *, explain: Callable[[], str] | None = None, window: int = 3
) -> Uplink:
    """One that does not wait between attempts."""
    return Uplink(
        address,
        ca=AUTHORITY.pem,
        identity=AGENT.identity,
        spool=spool,
        hello=HELLO,
        window=window,
        explain=explain,
        spread=lambda low, _: low,
    )


@asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator[Uplink]:
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
        if task.done():
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def filled(count: int) -> MemorySpool:
    spool = MemorySpool()
    for number in range(1, count + 1):
        spool.append([payload(number)])
    return spool


def held(spool: MemorySpool) -> list[Sealed]:
    return [spool.get(position) for position in range(spool.first, spool.end)]


async def deliver(aggregator: Scripted, spool: MemorySpool, *, window: int = 3) -> Uplink:
    """Runs an uplink until the spool is drained."""
    async with (
        serving(aggregator, AUTHORITY) as address,
        running(uplink_to(address, spool, window=window)) as uplink,
        asyncio.timeout(20),
    ):
        await uplink.drained()
    return uplink


def graves(aggregator: Scripted) -> list[ingest_pb2.Tombstone]:
    batches = [ingest_pb2.Batch.FromString(stored) for stored in aggregator.payloads]
    return [batch.tombstone for batch in batches if batch.HasField("tombstone")]


def sent(count: int) -> list[bytes]:
    return [payload(number).payload for number in range(1, count + 1)]


async def test_batches_arrive_in_order_with_their_numbers_and_content() -> None:
    aggregator, spool = Scripted(), filled(20)
    epoch = spool.epoch
    uplink = await deliver(aggregator, spool)
    assert list(aggregator.stored) == [(epoch, number) for number in range(1, 21)]
    assert aggregator.payloads == sent(20)
    assert (uplink.counts.applied, uplink.counts.readings_stored, spool.held_bytes) == (20, 20, 0)


async def test_the_hello_says_who_speaks_and_which_epochs_are_held() -> None:
    aggregator, spool = Scripted(), filled(1)
    epoch = spool.epoch
    await deliver(aggregator, spool)
    [hello] = aggregator.hellos
    assert (list(hello.epochs), hello.version, hello.boot_id) == ([epoch], "1.2.3", "boot-1")
    assert abs(hello.wall_us - SystemClock().stamp().wall_us) < 60_000_000


async def test_what_is_appended_later_is_sent_on_the_same_stream() -> None:
    aggregator, spool = Scripted(), filled(1)
    async with (
        serving(aggregator, AUTHORITY) as address,
        running(uplink_to(address, spool)) as uplink,
        asyncio.timeout(20),
    ):
        await uplink.drained()
        assert uplink.connected
        spool.append([payload(2)])
        await uplink.drained()
    assert (aggregator.payloads, len(aggregator.hellos)) == (sent(2), 1)


async def test_no_more_than_a_window_is_on_its_way() -> None:
    aggregator, spool = Scripted(), filled(20)
    aggregator.release.clear()
    async with (
        serving(aggregator, AUTHORITY) as address,
        running(uplink_to(address, spool, window=4)) as uplink,
    ):
        async with asyncio.timeout(20):
            while not uplink.counts.sent:  # noqa: ASYNC110 - nothing tells when gRPC has taken a message
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert uplink.counts.sent == 4
            aggregator.release.set()
            await uplink.drained()
    assert aggregator.payloads == sent(20)


async def test_a_duplicate_is_a_success() -> None:
    aggregator, spool = Scripted(), filled(3)
    aggregator.faults.extend([None, Fault.COMMIT_AND_HANG_UP])
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(3)
    assert uplink.counts.duplicate == 1
    assert ingest_pb2.OUTCOME_DUPLICATE in aggregator.outcomes


async def test_a_stream_that_breaks_before_the_commit_loses_nothing() -> None:
    aggregator, spool = Scripted(), filled(5)
    aggregator.faults.extend([None, Fault.HANG_UP, Fault.HANG_UP])
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(5)
    assert uplink.counts.reconnects == 2


@pytest.mark.parametrize("loud", [False, True])
async def test_busy_waits_and_goes_back_whether_or_not_what_followed_is_answered(*, loud: bool) -> None:
    aggregator, spool = Scripted(), filled(6)
    aggregator.answers_what_it_drops = loud
    aggregator.faults.extend([None, Fault.BUSY, Fault.BUSY])
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(6)
    assert (uplink.counts.busy, uplink.counts.reconnects, len(aggregator.hellos)) == (2, 0, 1)


async def test_a_gap_goes_back_to_the_batch_that_is_waited_for() -> None:
    aggregator, spool = Scripted(), filled(6)
    aggregator.faults.extend([None, Fault.LOSE])
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(6)
    assert (uplink.counts.gap, len(aggregator.hellos)) == (1, 1)
    assert list(aggregator.cursors.values()) == [6]


async def test_a_batch_that_is_waited_for_and_not_taken_ends_the_stream_instead_of_turning_in_circles() -> (
    None
):
    aggregator, spool = Scripted(), filled(2)
    aggregator.faults.extend([Fault.ASK_AGAIN])
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(2)
    assert (uplink.counts.gap, uplink.counts.reconnects) == (1, 1)


async def test_a_conflict_keeps_what_is_stored_and_sends_the_batch_under_a_new_epoch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    aggregator, spool = Scripted(), filled(3)
    old = spool.epoch
    aggregator.stored[old, 1] = b"of a clone"
    aggregator.cursors[old] = 1
    uplink = await deliver(aggregator, spool)
    assert aggregator.stored.pop((old, 1)) == b"of a clone"
    assert sorted(aggregator.payloads) == sorted(sent(3))
    assert (uplink.counts.conflict, spool.epoch == old) == (1, False)
    assert any("is this host a clone" in record.message for record in caplog.records)
    assert spool.epoch in aggregator.hellos[-1].epochs


async def test_an_aggregator_that_is_ahead_of_our_numbers_makes_later_batches_use_a_new_epoch() -> None:
    aggregator, spool = Scripted(), filled(2)
    old = spool.epoch
    for number in range(1, 6):
        aggregator.stored[old, number] = b"of a clone"
    aggregator.cursors[old] = 5
    await deliver(aggregator, spool)
    ours = {key: stored for key, stored in aggregator.stored.items() if stored != b"of a clone"}
    assert list(ours.values()) == sent(2)
    assert old not in {epoch for epoch, _ in ours}


async def test_a_refused_batch_is_put_aside_and_a_tombstone_has_its_number() -> None:
    aggregator, spool = Scripted(), filled(5)
    aggregator.faults.extend([None, Fault.REFUSE])
    uplink = await deliver(aggregator, spool)
    assert [number for _, number in aggregator.stored] == [1, 2, 3, 4, 5]
    assert [*aggregator.payloads[:1], *aggregator.payloads[2:]] == [*sent(1), *sent(5)[2:]]
    [grave] = graves(aggregator)
    assert (grave.through, grave.reason, grave.detail) == (2, "refused", "as the test says")
    assert [entry.batch.content.payload for entry in spool.rejected] == [sent(2)[1]]
    assert (uplink.counts.refused, len(aggregator.hellos)) == (1, 1)


async def test_what_is_asked_for_and_not_held_any_more_is_a_tombstone_and_the_others_keep_their_numbers() -> (
    None
):
    aggregator, spool = Scripted(), filled(5)
    for _ in range(2):
        spool.acknowledge(held(spool)[0])
    await deliver(aggregator, spool)
    assert [number for _, number in aggregator.stored] == [1, 3, 4, 5]
    [grave] = graves(aggregator)
    assert (grave.through, grave.reason) == (2, "dropped")
    assert list(aggregator.cursors.values()) == [5]


async def test_readings_that_were_not_taken_are_logged_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    aggregator, spool = Scripted(), filled(1)
    aggregator.rejected = [
        ingest_pb2.Rejected(source_type="host", external_id="a", unit_type="ram", reason="future", count=3)
    ]
    uplink = await deliver(aggregator, spool)
    [record] = [record for record in caplog.records if record.message == "readings were not taken"]
    assert record.__dict__["ullage_fields"]["reason"] == "future"
    assert uplink.counts.readings_rejected == 3


async def test_an_aggregator_that_comes_later_is_found() -> None:
    aggregator, spool = Scripted(), filled(3)
    async with serving(Scripted(), AUTHORITY) as address:
        port = int(address.rpartition(":")[2])
    async with running(uplink_to(address, spool)) as uplink, asyncio.timeout(20):
        while not uplink.counts.reconnects:  # noqa: ASYNC110 - nothing tells of an attempt that failed
            await asyncio.sleep(0.01)
        async with serving(aggregator, AUTHORITY, port=port):
            await uplink.drained()
    assert aggregator.payloads == sent(3)


async def test_a_denied_agent_keeps_its_batches_and_asks_again_at_the_slowest_pace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    aggregator, spool = Scripted(), filled(1)
    aggregator.deny = (grpc.StatusCode.PERMISSION_DENIED, "this agent is held")
    ceilings: list[float] = []
    async with serving(aggregator, AUTHORITY) as address:
        uplink = uplink_to(address, spool)

        def spread(low: float, high: float) -> float:
            ceilings.append(high)
            return low

        uplink._spread = spread
        async with running(uplink), asyncio.timeout(20):
            while not ceilings:  # noqa: ASYNC110 - nothing tells of an attempt that failed
                await asyncio.sleep(0.01)
            aggregator.deny = None
            await uplink.drained()
    assert ceilings[0] == RETRY_SECONDS_MAX
    assert aggregator.payloads == sent(1)
    assert "this agent is held" in str([record.__dict__.get("ullage_fields") for record in caplog.records])


async def test_the_wait_grows_up_to_its_limit_and_is_never_a_fixed_one() -> None:
    spool, drawn = filled(1), list[tuple[float, float]]()
    async with serving(Scripted(), AUTHORITY) as address:
        pass
    uplink = uplink_to(address, spool)

    def spread(low: float, high: float) -> float:
        drawn.append((low, high))
        return 0.0

    uplink._spread = spread
    async with running(uplink), asyncio.timeout(20):
        while len(drawn) < 8:  # noqa: ASYNC110 - nothing tells of an attempt that failed
            await asyncio.sleep(0.01)
    assert drawn[:8] == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 32), (0, 60), (0, 60)]


async def test_after_some_failed_attempts_the_cause_is_said_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Scripted(), AUTHORITY) as address:
        pass
    asked: list[int] = []

    def explain() -> str:
        asked.append(uplink.counts.reconnects)
        return "the clock is wrong"

    uplink = uplink_to(address, filled(1), explain=explain)
    async with running(uplink), asyncio.timeout(20):
        while not asked:  # noqa: ASYNC110 - nothing tells of an attempt that failed
            await asyncio.sleep(0.01)
    assert asked[0] == EXPLAIN_AFTER_ATTEMPTS
    assert "the clock is wrong" in str([record.__dict__.get("ullage_fields") for record in caplog.records])


async def test_an_aggregator_that_stops_answering_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.uplink.ACK_SECONDS_MAX", 0.2)
    aggregator, spool = Scripted(), filled(1)
    aggregator.faults.append(Fault.COMMIT_SILENTLY)
    uplink = await deliver(aggregator, spool)
    assert aggregator.payloads == sent(1)
    assert (uplink.counts.reconnects, uplink.counts.duplicate) == (1, 1)


FAULTS = st.lists(
    st.sampled_from([None, *(fault for fault in Fault if fault is not Fault.COMMIT_SILENTLY)]), max_size=25
)


def test_every_batch_is_stored_once_or_put_aside_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    # A batch that is lost without a word, and is the last one, shows by silence alone.
    monkeypatch.setattr("agent.uplink.ACK_SECONDS_MAX", 0.2)
    # One loop for all examples: gRPC belongs to a loop.
    with asyncio.Runner() as runner:

        @settings(max_examples=40)
        @given(FAULTS, st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32))
        def hold(faults: list[Fault | None], count: int, window: int, seed: int) -> None:
            runner.run(_hold(faults, count=count, window=window, shuffle=random.Random(seed)))

        hold()


async def _hold(faults: list[Fault | None], *, count: int, window: int, shuffle: random.Random) -> None:
    aggregator, disk = Scripted(), ForgetfulDisk()
    kept = MemorySpool()
    spool: MemorySpool | Spool = opened(disk) if shuffle.random() < 0.5 else kept
    aggregator.faults.extend(faults)
    async with (
        serving(aggregator, AUTHORITY) as address,
        running(uplink_to(address, spool, window=window)) as uplink,
        asyncio.timeout(30),
    ):
        for number in range(1, count + 1):
            spool.append([payload(number)])
            if shuffle.random() < 0.3:
                await asyncio.sleep(0)
        await uplink.drained()
    aside = [entry.batch.content.payload for entry in kept.rejected]
    aside += [disk.read(f"rejected/{name}") for name in disk.list("rejected") if name.endswith(".batch")]
    stored = [
        one for one in aggregator.payloads if not ingest_pb2.Batch.FromString(one).HasField("tombstone")
    ]
    assert sorted(stored + aside) == sorted(sent(count))
    assert stored == [one for one in sent(count) if one not in aside]
    assert list(aggregator.cursors.values()) == [count]
