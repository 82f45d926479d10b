"""An aggregator's process on the simulated ledger and network: the real service, committer and group commit.

Replaced are the edges: the database, who is registered, what a dictionary means (rows of the catalogue), and the clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import grpc
import numpy as np

from aggregator.authority import AGENT_URI
from aggregator.errors import Denied, Invalid, Unavailable
from aggregator.ingest.admit import Resolved
from aggregator.ingest.agents import Agent, Presence
from aggregator.ingest.commit import Committer
from aggregator.ingest.decode import Refused
from aggregator.ingest.dictionary import read_dictionary
from aggregator.rpc.ingest import IngestService
from aggregator.store.database import Database
from tests.simulation.chance import Chance
from tests.simulation.ledger import Ledger, LedgerDatabase
from tests.simulation.loop import Process
from tests.simulation.network import Connection, Context, Requests

# Series of the simulation: the unit type's name and whether it is an amount.
UNITS = {"cpu": True, "net": True, "ram": False}
SOURCE_TYPES = {"host": 1, "interface": 2}
SLOT_MINUTES = 60
_STATUS: dict[type[Exception], grpc.StatusCode] = {
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}


def series_id(agent_id: int, unit_type: str) -> int:
    """Every agent has one series of each unit type."""
    return agent_id * 10 + list(UNITS).index(unit_type) + 1


class Registry:
    """Who is registered (aggregator.ingest.agents.Agents)."""

    def __init__(self, agents: dict[UUID, int]) -> None:
        self._agents = agents

    async def identify(self, uuid: UUID, _generation: int = 0) -> Agent:
        number = self._agents[uuid]
        return Agent(id=number, uuid=uuid, name=f"agent-{number}", site="s", state="active")

    @asynccontextmanager
    async def connected(self, agent: Agent, **_: Any) -> AsyncIterator[Presence]:
        yield Presence(agent)


class Catalogue:
    """What dictionaries mean (aggregator.ingest.resolve.Resolver); now and then the database has to be asked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def resolve(self, agent: Agent, encoded: bytes, **_: Any) -> Resolved | Refused:
        await self._ledger.delay()
        dictionary = read_dictionary(encoded)
        if isinstance(dictionary, Refused):
            return dictionary
        units = [series.unit_type for series in dictionary.series]
        return Resolved(
            series=np.array([series_id(agent.id, unit) for unit in units], np.int32),
            amount=np.array([UNITS[unit] for unit in units], np.bool_),
            minutes=np.full(len(units), SLOT_MINUTES, np.uint8),
            fault=np.zeros(len(units), np.uint8),
            widths=(SLOT_MINUTES,),
            source_types=SOURCE_TYPES,
        )


class Aggregator:
    """Starts, dies and starts again. ``fatal`` is the chance to die at a commit."""

    def __init__(self, name: str, chance: Chance, ledger: Ledger, agents: dict[UUID, int]) -> None:
        self.name = name
        self.fatal = 0.0
        self._chance = chance
        self._ledger = ledger
        self._agents = agents
        self._process: Process | None = None
        self._service: IngestService | None = None
        self._database = LedgerDatabase(ledger, self._committing)
        self._handlers: dict[Connection, asyncio.Task[None]] = {}

    @property
    def up(self) -> bool:
        """Whether its process lives."""
        return self._process is not None

    def start(self) -> None:
        """A new process, with nothing of the old one's memory."""
        self._chance.tell("aggregator started", self.name)
        self._process = Process(self.name)
        self._database = LedgerDatabase(self._ledger, self._committing)
        self._task = self._process.start(self._serve(self._database))

    async def _serve(self, database: LedgerDatabase) -> None:
        known = cast(Database, database)
        committer = Committer(known)
        await committer.start()
        service = IngestService(committer, known)
        object.__setattr__(service, "_agents", Registry(self._agents))
        object.__setattr__(service._reader, "_resolver", Catalogue(self._ledger))
        self._service = service

    def crash(self, why: str) -> None:
        """Like ``kill -9``: connections are reset, transactions rolled back, and nothing else."""
        if self._process is None:
            return
        self._chance.tell("aggregator crashed", f"{self.name} {why}")
        process, self._process, self._service = self._process, None, None
        self._database.kill()
        connections, self._handlers = list(self._handlers), {}
        for connection in connections:
            connection.cut()
        process.kill()

    def _committing(self, moment: str) -> None:
        if self._process is None or not self._chance.happens(self.fatal):
            return
        self.crash(moment)
        asyncio.get_running_loop().call_later(self._chance.wait(5.0), self.start_again)

    def start_again(self) -> None:
        """Unless somebody did."""
        if self._process is None:
            self.start()

    def accept(self, connection: Connection) -> bool:
        """Serves it if there is somebody to."""
        if self._process is None or self._service is None:
            return False
        connection.server = self
        self._handlers[connection] = self._process.start(self._handle(connection, self._service))
        return True

    def hang_up(self, connection: Connection) -> None:
        """gRPC cancels the handler of a stream whose other end is gone."""
        handler = self._handlers.pop(connection, None)
        if handler is not None:
            handler.cancel()

    async def _handle(self, connection: Connection, service: IngestService) -> None:
        context: Any = Context(connection, f"{AGENT_URI}{connection.agent}")
        requests: Any = Requests(connection)
        try:
            await service.Push(requests, context)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - as the interceptor of the real server does
            code = _STATUS.get(type(error), grpc.StatusCode.INTERNAL)
            if code is grpc.StatusCode.INTERNAL:
                self._chance.tell("handler failed", repr(error))
            connection.end(code, str(error))
        else:
            connection.end(grpc.StatusCode.OK, "")
        finally:
            self._handlers.pop(connection, None)
