"""Amounts over kills, restarts and reboots: what is in the spool is what the counters grew by, once."""

import asyncio
import errno

import hypothesis.strategies as st
from hypothesis import given, settings

from agent.collect import SLOW_INTERVAL_SECONDS, Collection
from agent.seal import Sealed
from agent.shelf import SEGMENTS_PER_CAP
from agent.snapshot import Snapshot
from agent.spool import Spool
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import MINUTE_US, SECOND_US, FakeClock, Source, counter, level
from tests.unit.agent.spools import AGENT, acknowledge, offered, opened
from ullage.v1 import ingest_pb2

STEPS = st.lists(
    st.sampled_from(
        ["tick", "tick", "seal", "seal", "kill", "power", "reboot", "ack", "refuse", "mend", "wait"]
    ),
    max_size=40,
)


class Host:
    """A host with one counter that began with its boot, and the agent on it."""

    def __init__(self) -> None:
        self.disk, self.clock = ForgetfulDisk(), FakeClock()
        self.value = 500
        self.boots = 1
        self.start()

    def start(self) -> None:
        """A new process."""
        self.spool = Spool(self.disk, agent=AGENT, clock=self.clock)
        sources = {"host": Source("host", says=self.says)}
        self.collection = Collection(sources, spool=self.spool, clock=self.clock, interval_seconds=60)

    def says(self) -> Snapshot:
        return Snapshot(levels=(level(1),), counters=(counter(self.value, identity="x", started_us=0),))

    def reboot(self) -> None:
        """The counter begins again, and counts a little before the agent does."""
        self.boots += 1
        self.clock.boot_id = f"boot-{self.boots}"
        self.clock.boottime_us = MINUTE_US
        self.value = 0

    async def tick(self) -> None:
        """A minute passes."""
        self.clock.advance(MINUTE_US)
        await self.collection.tick(self.clock.stamp())


def by_number(spool: Spool) -> dict[tuple[bytes, int], int]:
    """The counter's amounts in everything that is held."""
    return {(batch.epoch, batch.seq): sum(amounts_in([batch])) for batch in offered(spool)}


def amounts(spool: Spool) -> list[int]:
    """The same, tick by tick."""
    return amounts_in(offered(spool))


def amounts_in(batches: list[Sealed]) -> list[int]:
    """Of the counter."""
    found = []
    for batch in batches:
        content = ingest_pb2.Batch.FromString(batch.content.payload)
        entries = ingest_pb2.Dictionary.FromString(content.dictionary).series
        for tick in content.ticks:
            pairs = zip(tick.series, tick.values, strict=True)
            found += [value for index, value in pairs if entries[index].unit_type == "cpu"]
    return found


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 1 << 16))
def test_amounts_over_kills_and_reboots_are_the_true_ones_and_none_is_doubled(
    steps: list[str], seed: int
) -> None:
    asyncio.run(_hold(steps, seed))


async def _hold(steps: list[str], seed: int) -> None:
    host = Host()
    host.disk._random.seed(seed)
    await host.tick()
    assert host.collection.seal()
    used = lost = 0
    # Under its number a batch counts once, however often it is offered.
    delivered: dict[tuple[bytes, int], int] = {}
    for step in steps:
        growth = 1 + len(step)
        host.value += growth
        used += growth
        match step:
            case "tick":
                await host.tick()
            case "seal":
                await host.tick()
                host.collection.seal()
            case "kill":
                host.start()
            case "power":
                host.disk.errno = None
                host.disk.crash()
                host.start()
            case "reboot":
                host.disk.errno = None
                # What is not in the spool a reboot takes along.
                held = host.spool.baselines["host"]
                same = held.stamp.boot_id == host.clock.boot_id
                lost += host.value - (next(iter(held.values.values())) if same else 0)
                host.disk.crash()
                host.reboot()
                host.start()
            case "ack":
                delivered |= by_number(host.spool)
                acknowledge(host.spool, host.spool.waiting)
            case "refuse":
                host.disk.errno = errno.ENOSPC
            case "mend":
                host.disk.errno = None
            case "wait":
                host.clock.advance(SECOND_US)
    host.disk.errno = None
    await host.tick()
    assert host.collection.seal()
    delivered |= by_number(opened(host.disk))
    assert sum(delivered.values()) == used - lost


async def test_after_a_reboot_a_counter_that_began_with_the_boot_counts_from_0_and_nothing_twice() -> None:
    host = Host()
    await host.tick()
    host.collection.seal()
    host.value += 30
    await host.tick()
    host.collection.seal()
    host.reboot()
    host.value = 7
    host.start()
    await host.tick()
    host.collection.seal()
    assert amounts(host.spool) == [30, 7]


async def test_a_folder_deleted_at_rest_makes_the_next_tick_a_baseline() -> None:
    host = Host()
    await host.tick()
    host.collection.seal()
    host.disk.wipe()
    host.value += 30
    host.start()
    await host.tick()
    host.collection.seal()
    assert amounts(host.spool) == []
    host.value += 5
    await host.tick()
    host.collection.seal()
    assert amounts(host.spool) == [5]


def state(host: Host) -> str:
    """What the spool says now."""
    return host.spool.state


async def moments(host: Host, count: int) -> list[int]:
    """Seconds between ticks."""
    found: list[int] = []
    async for stamp in host.collection.moments():
        found.append(stamp.wall_us // SECOND_US)
        if len(found) > count:
            break
    return [after - before for before, after in zip(found, found[1:], strict=False)]  # noqa: RUF007 - named


async def test_with_a_disk_that_refuses_the_agent_ticks_every_ten_minutes_and_recovers_by_itself() -> None:
    host = Host()
    await host.tick()
    host.disk.errno = errno.ENOSPC
    assert not host.collection.seal()
    gaps = await moments(host, 3)
    assert gaps[1:] == [SLOW_INTERVAL_SECONDS] * 2
    host.disk.errno = None
    host.value += 11
    await host.tick()
    assert host.collection.seal()
    assert (await moments(host, 3))[1:] == [60, 60]
    host.value += 2
    await host.tick()
    host.collection.seal()
    # The first tick that was sealed is the baseline: none before it ever reached the disk.
    assert amounts(host.spool) == [2]


async def test_a_nearly_full_spool_makes_the_agent_tick_every_ten_minutes_until_it_drains() -> None:
    host = Host()
    host.spool = Spool(ForgetfulDisk(), agent=AGENT, clock=host.clock, bytes_max=1 << 16)
    sources = {"host": Source("host", says=host.says)}
    host.collection = Collection(sources, spool=host.spool, clock=host.clock, interval_seconds=60)
    while host.spool.state == "ok":
        await host.tick()
        host.collection.seal()
    assert state(host) == "slow"
    assert (await moments(host, 2))[1:] == [SLOW_INTERVAL_SECONDS]
    acknowledge(host.spool, host.spool.waiting // 2 + SEGMENTS_PER_CAP)
    assert state(host) == "ok"
    assert (await moments(host, 2))[1:] == [60]
