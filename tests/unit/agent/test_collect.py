"""The heartbeat: when it ticks, what it does with collectors that fail or hang, and with a spool that is full."""

import asyncio
import itertools
import threading
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.amounts import Stamp
from agent.collect import Collection, next_due
from agent.memory import MemorySpool
from agent.snapshot import Snapshot
from tests.unit.agent.made import MINUTE_US, NOON_US, SECOND_US, FakeClock, Source, counter, level
from ullage.v1 import ingest_pb2


def collection(
    sources: Mapping[str, Source], clock: FakeClock, *, spool: MemorySpool | None = None, interval: int = 60
) -> Collection:
    return Collection(
        sources,
        spool=spool or MemorySpool(),
        clock=clock,
        interval_seconds=interval,
        collector_seconds_max=0.2,
    )


def one(says: Snapshot) -> dict[str, Source]:
    return {"host": Source("host", says=lambda: says)}


async def moments(made: Collection, count: int) -> list[Stamp]:
    found = []
    async for stamp in made.moments():
        found.append(stamp)
        if len(found) == count:
            break
    return found


def sent(spool: MemorySpool) -> list[ingest_pb2.Tick]:
    batches = [spool.get(position).content.payload for position in range(spool.first, spool.end)]
    return [tick for batch in batches for tick in ingest_pb2.Batch.FromString(batch).ticks]


async def test_ticks_are_on_whole_multiples_of_the_interval_after_the_first() -> None:
    clock = FakeClock(wall_us=NOON_US + 17 * SECOND_US)
    found = await moments(collection({}, clock), 4)
    assert [stamp.wall_us - NOON_US for stamp in found] == [
        17 * SECOND_US,
        MINUTE_US,
        2 * MINUTE_US,
        3 * MINUTE_US,
    ]


async def test_a_tick_that_comes_a_little_late_is_stamped_with_its_time_on_both_clocks() -> None:
    clock = FakeClock(wall_us=NOON_US + 30 * SECOND_US)
    woken = iter([0] * 5 + [40_000])

    def oversleep() -> None:
        clock.advance(next(woken, 0))

    clock.meanwhile = oversleep
    first, second = await moments(collection({}, clock), 2)
    assert second.wall_us == NOON_US + MINUTE_US
    assert second.boottime_us - first.boottime_us == 30 * SECOND_US


async def test_a_host_that_was_suspended_ticks_when_it_wakes() -> None:
    clock = FakeClock(wall_us=NOON_US + 58 * SECOND_US)
    asleep = iter([3 * 60 * MINUTE_US])

    def suspend() -> None:
        clock.advance(next(asleep, 0))

    clock.meanwhile = suspend
    found = await moments(collection({}, clock), 3)
    assert found[1].wall_us == NOON_US + 181 * MINUTE_US
    assert found[2].wall_us == NOON_US + 182 * MINUTE_US


async def test_a_clock_that_is_set_back_does_not_stop_the_ticks() -> None:
    clock = FakeClock(wall_us=NOON_US + 50 * SECOND_US)
    steps = iter([-60 * MINUTE_US])

    def set_back() -> None:
        clock.wall_us += next(steps, 0)

    clock.meanwhile = set_back
    found = await moments(collection({}, clock), 2)
    assert found[1].wall_us == NOON_US - 59 * MINUTE_US
    assert found[1].boottime_us - found[0].boottime_us <= MINUTE_US


@given(st.integers(0, 2**62), st.integers(1, 3600))
def test_the_next_time_is_a_multiple_and_within_one_interval(wall_us: int, seconds: int) -> None:
    interval_us = seconds * SECOND_US
    due_us = next_due(wall_us, interval_us)
    assert due_us % interval_us == 0
    assert 0 < due_us - wall_us <= interval_us


async def test_the_first_tick_is_sealed_at_once_and_short_intervals_travel_together() -> None:
    clock, spool = FakeClock(), MemorySpool()
    made = collection(one(Snapshot((level(1),), (counter(1),))), clock, spool=spool, interval=1)
    slept = 0

    def stop_after_a_while() -> None:
        nonlocal slept
        slept += 1
        if slept > 12:
            raise asyncio.CancelledError

    clock.meanwhile = stop_after_a_while
    with pytest.raises(asyncio.CancelledError):
        await made.run()
    # The first carries the level alone; then ticks of both, the first of which waits five seconds.
    assert [spool.get(position).content.readings for position in range(spool.end)] == [1, 12, 12]


async def test_a_collector_that_raises_fails_alone() -> None:
    def broken() -> Snapshot:
        raise PermissionError("not for you")

    sources = {
        "host": Source("host", says=broken),
        "mounts": Source("volume", says=lambda: Snapshot((level(1),))),
    }
    measured = await collection(sources, FakeClock()).tick(FakeClock().stamp())
    assert measured.failures == {"host": "PermissionError: not for you"}
    assert (measured.ticks[0].reported, measured.ticks[0].failed) == (("volume",), ("host",))


async def test_a_collector_that_hangs_fails_and_is_not_asked_again_before_it_is_back() -> None:
    calls, release = [], threading.Event()

    def hangs() -> Snapshot:
        calls.append(1)
        release.wait(10)
        return Snapshot((level(5),))

    made = collection({"host": Source("host", says=hangs)}, FakeClock())
    first = await made.tick(FakeClock().stamp())
    second = await made.tick(FakeClock().stamp())
    assert "did not answer" in first.failures["host"]
    assert "has not answered" in second.failures["host"]
    assert len(calls) == 1
    release.set()
    await asyncio.sleep(0.05)
    third = await made.tick(FakeClock().stamp())
    assert third.failures == {}
    assert len(calls) == 2


async def test_a_failure_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    state = {"broken": True}

    def says() -> Snapshot:
        if state["broken"]:
            raise OSError("gone")
        return Snapshot()

    made = collection({"host": Source("host", says=says)}, FakeClock())
    for broken in (True, True, False, False):
        state["broken"] = broken
        await made.tick(FakeClock().stamp())
    assert [record.message for record in caplog.records] == ["collector failed", "collector answers again"]


async def test_with_a_full_spool_amounts_are_in_the_next_difference_and_levels_are_missing() -> None:
    clock = FakeClock()
    state = {"value": 100}
    sources = {"host": Source("host", says=lambda: Snapshot((level(1),), (counter(state["value"]),)))}
    spool = MemorySpool()
    made = collection(sources, clock, spool=spool)
    await made.tick(clock.stamp())
    assert made.seal()
    room, spool.bytes_max = spool.bytes_max, spool.held_bytes
    for _ in range(3):
        clock.advance(MINUTE_US)
        state["value"] += 10
        await made.tick(clock.stamp())
        assert not made.seal()
    assert made.held_back == 6
    spool.bytes_max = room
    clock.advance(MINUTE_US)
    state["value"] += 10
    await made.tick(clock.stamp())
    assert made.seal()
    last = sent(spool)[-1]
    assert (last.since_us, last.ticked_at_us) == (NOON_US, NOON_US + 4 * MINUTE_US)
    assert sorted(last.values) == [1, 40]


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["ok", "full", "fail", "open"])), max_size=30))
def test_amounts_survive_full_spools_and_failing_collectors_in_any_order(
    steps: list[tuple[int, str]],
) -> None:
    asyncio.run(_hold(steps))


async def _hold(steps: list[tuple[int, str]]) -> None:
    clock, spool = FakeClock(), MemorySpool()
    state = {"value": 1_000, "broken": False}

    def says() -> Snapshot:
        if state["broken"]:
            raise OSError("broken")
        return Snapshot((), (counter(state["value"]),))

    made = collection({"host": Source("host", says=says)}, clock, spool=spool)
    room = spool.bytes_max
    for used, what in [(0, "ok"), *steps, (5, "ok")]:
        clock.advance(MINUTE_US)
        state["value"] += used
        state["broken"] = what == "fail"
        await made.tick(clock.stamp())
        spool.bytes_max = spool.held_bytes if what == "full" else room
        if what != "open":
            made.seal()
    successes = [tick for tick in sent(spool) if tick.reported]
    assert sum(sum(tick.values) for tick in successes) == sum(used for used, _ in steps) + 5
    assert successes[0].since_us == successes[0].ticked_at_us
    for before, after in itertools.pairwise(successes):
        assert after.since_us == before.ticked_at_us


async def test_the_end_takes_a_last_tick_and_leaves_nothing_open() -> None:
    clock, spool = FakeClock(), MemorySpool()
    made = collection(one(Snapshot((level(4),))), clock, spool=spool, interval=1)
    await made.tick(clock.stamp())
    clock.advance(250_000)
    await made.finish()
    assert [tick.ticked_at_us - NOON_US for tick in sent(spool)] == [0, 250_000]
    assert made.take() == []
