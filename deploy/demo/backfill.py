"""Sends the simulated agents' batches through the agent's own uplink: first what is missing, then every five minutes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio

from agent.link import Greeting
from agent.memory import MemorySpool
from agent.uplink import Uplink
from deploy.demo.folder import Folder
from deploy.demo.plans import World
from deploy.demo.programs import DemoError
from deploy.demo.simulated import STEP, Simulation
from ullage.channel import Identity, open_channel
from ullage.v1.ingest_pb2 import Hello, PushReply, PushRequest
from ullage.v1.ingest_pb2_grpc import IngestStub
from ullage.wire import to_micros

VERSION = "simulated"
SPOOL_BYTES_MAX = 1024 * 1024
CALL_SECONDS_MAX = 30
PROGRESS_SECONDS = 5
# A new step is sent this long after it ended.
LIVE_DELAY_SECONDS = 1


@dataclass(slots=True)
class _Line:
    """One simulated agent, connected."""

    simulation: Simulation
    spool: MemorySpool
    # The last batch put into the spool.
    sent: int
    uplink: asyncio.Task[None]

    async def send_through(self, seq: int) -> None:
        """Puts batches up to ``seq`` into the spool as it empties."""
        while self.sent < seq:
            payload = self.simulation.payload(self.sent + 1)
            await self.spool.room(payload)
            if not self.spool.append([payload]):
                raise DemoError(f"a batch of {len(payload.payload)} bytes does not fit into the spool")
            self.sent += 1
            # The uplinks of all agents share this thread.
            await asyncio.sleep(0)


class Backfill:
    """All simulated agents. ``open`` connects them; leaving its block ends them."""

    def __init__(self, lines: list[_Line]) -> None:
        self._lines = lines

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Folder, world: World, *, address: str) -> AsyncIterator["Backfill"]:
        """One uplink for each agent, each with its own certificate, going on after what the aggregator has."""
        ca = folder.ca.read_bytes()
        lines = []
        async with asyncio.TaskGroup() as group:
            for number, agent in enumerate(world.agents):
                simulation = Simulation(agent, number, folder.state)
                own = folder.agent(agent.name)
                identity = Identity((own / "agent.crt").read_bytes(), (own / "agent.key").read_bytes())
                applied = await _cursor(address, ca, identity, simulation)
                spool = MemorySpool(bytes_max=SPOOL_BYTES_MAX, epoch=simulation.epoch, last_seq=applied)
                hello = Greeting(version=VERSION, boot_id=simulation.boot_id)
                uplink = Uplink(address, ca=ca, identity=identity, spool=spool, hello=hello)
                lines.append(_Line(simulation, spool, applied, group.create_task(uplink.run())))
            try:
                yield cls(lines)
            finally:
                for line in lines:
                    line.uplink.cancel()

    async def catch_up(self, say: Callable[[str], None]) -> None:
        """Sends everything up to now and waits until all of it is committed."""
        goal = {
            line.simulation.agent.name: line.simulation.last_seq(datetime.now(UTC)) for line in self._lines
        }
        missing = sum(goal.values()) - sum(line.sent for line in self._lines)
        say(f"sending {missing} batches of {len(self._lines)} simulated agents")
        progress = asyncio.create_task(self._report(sum(goal.values()), say))
        try:
            async with asyncio.TaskGroup() as group:
                for line in self._lines:
                    group.create_task(line.send_through(goal[line.simulation.agent.name]))
            for line in self._lines:
                await line.spool.drained()
                if line.simulation.agent.silent:
                    line.uplink.cancel()
        finally:
            progress.cancel()

    async def _report(self, goal: int, say: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            waiting = sum(line.spool.end - line.spool.first for line in self._lines)
            done = sum(line.sent for line in self._lines) - waiting
            say(f"  {done} of {goal} ({100 * done // max(goal, 1)} %)")

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """While the block runs, every simulated agent goes on ticking."""
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _tick(self) -> None:
        while True:
            now = datetime.now(UTC)
            for line in self._lines:
                await line.send_through(line.simulation.last_seq(now))
            into_step = to_micros(now) / 1_000_000 % STEP.total_seconds()
            await asyncio.sleep(STEP.total_seconds() - into_step + LIVE_DELAY_SECONDS)


async def _cursor(address: str, ca: bytes, identity: Identity, simulation: Simulation) -> int:
    """The last batch that the aggregator has of the agent."""
    async with open_channel(address, ca=ca, identity=identity) as channel:
        call = IngestStub(channel).Push(timeout=CALL_SECONDS_MAX)
        hello = Hello(epochs=[simulation.epoch], version=VERSION, boot_id=simulation.boot_id)
        await call.write(PushRequest(hello=hello))
        reply = await call.read()
        if not isinstance(reply, PushReply):
            # Ends with the status that says why.
            raise grpc.aio.AioRpcError(
                await call.code(),
                await call.initial_metadata(),
                await call.trailing_metadata(),
                await call.details(),
            )
        await call.done_writing()
        return int(reply.welcome.cursors[0].last_seq)
