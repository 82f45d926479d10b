"""One run: hosts, aggregators, a ledger and a network, faults for a while, then peace, then the verdict."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from unittest import mock
from uuid import UUID

from agent.snapshot import Snapshot
from tests.simulation.aggregator import Aggregator
from tests.simulation.chance import Chance
from tests.simulation.host import BASE_US, SECOND_US, Habits, Host
from tests.simulation.ledger import Ledger
from tests.simulation.loop import VirtualLoop, virtual_loop
from tests.simulation.network import Channel, Network
from tests.simulation.oracle import Oracle, Wrong
from tests.simulation.tables import Tables

FAULTY_SECONDS = 150.0
# A batch gets through within this once there are no more faults, whatever came before.
PEACE_SECONDS_MAX = 3_600.0
POLL_SECONDS = 5.0
TRACE_LINES_MAX = 2_000
CLOCK_STEP_SECONDS_MAX = 1_000.0

# Each fault and the mean time between two of its kind on one host or in the world.
HOST_FAULTS = {
    "kill": 60.0,
    "die_soon": 45.0,
    "lose_power": 75.0,
    "replace_thing": 30.0,
    "full": 100.0,
    "clock": 100.0,
    "wipe": 250.0,
    "damage": 150.0,
}
WORLD_FAULTS = {
    "crash": 40.0,
    "database_restart": 75.0,
    "slow": 75.0,
    "restore": 125.0,
    "replay": 50.0,
    "cut": 30.0,
}


@dataclass(frozen=True)
class Flaws:
    """What no program can bear: with one of these the verdict must be that something is wrong."""

    disk_lies: bool = False
    database_lies: bool = False


NO_FLAWS = Flaws()


class World:
    """Made within its loop."""

    def __init__(self, seed: int, loop: VirtualLoop, flaws: Flaws = NO_FLAWS) -> None:
        self._flaws = flaws
        self.chance = Chance(seed, loop.time)
        self.oracle = Oracle(self.chance)
        self.ledger = Ledger(self.chance, self.oracle.committed, lies=flaws.database_lies)
        self.network = Network(self.chance, self.oracle.saw, self._said)
        numbers = range(1, 2 + self.chance.below(3))
        self.uuids = {UUID(bytes=self.chance.bytes(16)): number for number in numbers}
        self.aggregators = [Aggregator(name, self.chance, self.ledger, self.uuids) for name in ("one", "two")]
        self.network.servers = list(self.aggregators)
        self.network.numbers = self.uuids
        # Gets what no fault explains.
        self.failed: asyncio.Future[None] = loop.create_future()
        self.hosts = [
            Host(number, uuid, self._habits(), self.chance, self.oracle, self.failed)
            for uuid, number in self.uuids.items()
        ]
        self.peace = False
        self._backups: list[Tables] = []

    def _habits(self) -> Habits:
        return Habits(
            interval_seconds=self.chance.one([10, 20, 60]),
            collector_fails=self.chance.one([0.0, 0.0, 0.1]),
            disk_lies=self._flaws.disk_lies,
        )

    def _said(self, agent: int, epoch: bytes, seq: int) -> None:
        """An aggregator acknowledges; what is wrong with that is not for it to hear."""
        try:
            self.oracle.acknowledged(agent, epoch, seq)
        except Wrong as error:
            if not self.failed.done():
                self.failed.set_exception(error)

    async def live(self) -> None:
        """Raises ``Wrong``."""
        story = asyncio.create_task(self._story())
        await asyncio.wait({story, self.failed}, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            raise Wrong(str(self.failed.exception())) from self.failed.exception()
        await story

    async def _story(self) -> None:
        loop = asyncio.get_running_loop()
        for aggregator in self.aggregators:
            aggregator.fatal = self.chance.one([0.0, 0.02, 0.1])
            aggregator.start()
        for host in self.hosts:
            host.start()
        # Each seed has some kinds of faults only, so that each gets room to matter.
        for name, mean in HOST_FAULTS.items():
            for host in self.hosts:
                if self.chance.happens(0.4):
                    self._again(mean, partial(self._befall, host, name))
        for name, mean in WORLD_FAULTS.items():
            if self.chance.happens(0.5):
                self._again(mean, partial(self._happen, name))
        self._again(20.0, lambda: self._backups.append(self.ledger.tables.copy()))
        await asyncio.sleep(FAULTY_SECONDS)
        self._make_peace()
        await self._drain(loop.time() + PEACE_SECONDS_MAX)
        self.oracle.judge(self.ledger.tables)

    def _again(self, mean: float, act: Callable[[], object]) -> None:
        def occur() -> None:
            if not self.peace:
                act()
                self._again(mean, act)

        asyncio.get_running_loop().call_later(self.chance.wait(mean), occur)

    def _befall(self, host: Host, name: str) -> None:
        match name:
            case "full":
                self.chance.tell("disk full", str(host.number))
                host.medium.full = True
                asyncio.get_running_loop().call_later(
                    self.chance.wait(40.0), lambda: setattr(host.medium, "full", False)
                )
            case "clock":
                step = self.chance.between(-CLOCK_STEP_SECONDS_MAX, CLOCK_STEP_SECONDS_MAX)
                self.chance.tell("clock set", f"{host.number} {step:+.0f} s")
                host.wall_offset_us += round(step * SECOND_US)
            case _:
                getattr(host, name)()

    def _happen(self, name: str) -> None:
        now = asyncio.get_running_loop().time()
        match name:
            case "crash":
                aggregator = self.chance.one(self.aggregators)
                aggregator.crash("just so")
                asyncio.get_running_loop().call_later(self.chance.wait(10.0), aggregator.start_again)
            case "database_restart":
                self.chance.tell("database restarted")
                self.ledger.restart(self.chance.wait(10.0))
            case "slow":
                self.chance.tell("database slow")
                self.ledger.slow_until = now + self.chance.wait(60.0)
            case "restore" if self._backups:
                self.chance.tell("restore")
                self.ledger.restore(self.chance.one(self._backups))
            case "replay":
                self.network.replay()
            case "cut":
                for connection in list(self.network.open):
                    connection.break_somehow()

    def _make_peace(self) -> None:
        self.chance.tell("peace")
        self.peace = self.network.perfect = self.ledger.perfect = True
        self.ledger.slow_until = 0.0
        for aggregator in self.aggregators:
            aggregator.fatal = 0.0
            aggregator.start_again()
        # A connection has an age; with the next one the cursors are compared.
        for connection in list(self.network.open):
            connection.cut()
        for host in self.hosts:
            host.medium.full = False
            host.habits.collector_fails = 0.0
            host.start()

    async def _drain(self, deadline: float) -> None:
        """Until what is sealed is delivered and something fresh as well."""
        loop = asyncio.get_running_loop()
        marks: dict[int, int] = {}
        while True:
            await asyncio.sleep(POLL_SECONDS)
            sealed = {host.number: self.oracle.sealed_by(host.number) for host in self.hosts}
            drained = all(host.spool is not None and not host.spool.waiting for host in self.hosts)
            marks = marks or sealed
            if drained and all(sealed[number] > marks[number] + 1 for number in marks):
                return
            if loop.time() > deadline:
                state = {
                    h.number: (h.running, h.spool and h.spool.waiting, sealed[h.number]) for h in self.hosts
                }
                raise Wrong(f"not everything was delivered an hour after the last fault: {state}")


@contextlib.contextmanager
def edges(world: World, loop: VirtualLoop) -> Iterator[None]:
    """What the programs take from the system: dialling, threads, random epochs, the aggregator's clock, log lines."""
    by_number = {str(number): uuid for uuid, number in world.uuids.items()}

    def dial(address: str, **_: object) -> Channel:
        host = world.hosts[int(address) - 1]
        return Channel(world.network, by_number[address], host.process_is_alive())

    def at_once(collect: Callable[[], Snapshot], name: str) -> asyncio.Future[Snapshot]:
        future: asyncio.Future[Snapshot] = loop.create_future()
        try:
            future.set_result(collect())
        except Exception as error:  # noqa: BLE001 - as the thread does it
            future.set_exception(error)
        return future

    with contextlib.ExitStack() as stack:
        for target, fake in {
            "agent.uplink.open_channel": dial,
            "agent.collect._in_a_thread": at_once,
            "aggregator.store.database.class_row": lambda shape: shape,
            "aggregator.rpc.ingest._now_us": lambda: BASE_US + round(loop.time() * SECOND_US),
        }.items():
            stack.enter_context(mock.patch(target, fake))
        stack.enter_context(mock.patch.object(os, "urandom", world.chance.bytes))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield


def run(seed: int, flaws: Flaws = NO_FLAWS) -> World:
    """Lives one seed. Raises ``Wrong`` with the seed and what happened."""
    loop = virtual_loop()
    worlds: list[World] = []

    async def main() -> None:
        world = World(seed, loop, flaws)
        worlds.append(world)
        with edges(world, loop):
            await world.live()

    try:
        loop.run(main())
    except Exception as error:
        trace = "\n".join(worlds[0].chance.trace[-TRACE_LINES_MAX:]) if worlds else ""
        raise Wrong(
            f"seed {seed}: {error}\nReplay it alone: ULLAGE_SIMULATION_SEED={seed}\n{trace}"
        ) from error
    return worlds[0]
