"""An intake of one's own for a test: database, committer and service, put together as the aggregator does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from aggregator.ingest.agents import Agent, Agents
from aggregator.ingest.commit import Committer
from aggregator.rpc.ingest import NOT_GREETED, Greeting, IngestService
from aggregator.store import agents
from aggregator.store.agents import AgentFilter, AgentRow
from aggregator.store.database import Database
from aggregator.store.paging import Paging
from aggregator.store.snapshot import Snapshot
from tests.ingest_batches import register_agent
from ullage.v1 import ingest_pb2


@dataclass(frozen=True)
class Intake:
    """What takes batches in, and one agent that is known to it."""

    db: Database
    committer: Committer
    service: IngestService
    agent: Agent

    async def offer(
        self,
        *batches: ingest_pb2.SealedBatch,
        agent: Agent | None = None,
        is_next: bool = True,
        greeting: Greeting = NOT_GREETED,
    ) -> list[ingest_pb2.Ack]:
        """Offers all before the first answer is awaited, so that they can share a group."""
        futures = [
            await self.service.offer(agent or self.agent, batch, is_next=is_next, greeting=greeting)
            for batch in batches
        ]
        return [await future for future in futures]

    async def other_agent(self, name: str, *, site: str = "berlin") -> Agent:
        """One more agent."""
        return await identified(self.db, register_agent(self.db.dsn, name, site=site))


async def identified(db: Database, uuid: UUID) -> Agent:
    """The agent as the service knows it."""
    return await Agents(db).identify(uuid)


async def agent_rows(seen: Snapshot) -> Sequence[AgentRow]:
    """All agents, as people see them."""
    return (await agents.agents(seen, AgentFilter(), Paging(sort="name"))).rows


@asynccontextmanager
async def intake(dsn: str, *, agent: UUID | None = None) -> AsyncIterator[Intake]:
    """Started, and stopped at the end."""
    db = await Database.open(dsn, connections_max=6)
    committer = Committer(db)
    await committer.start()
    try:
        known = await identified(db, agent or register_agent(dsn))
        yield Intake(db, committer, IngestService(committer, db), known)
    finally:
        await committer.stop()
        await db.close()


def outcomes(acks: Sequence[ingest_pb2.Ack]) -> list[str]:
    """In words: ["APPLIED", "GAP 3"]."""
    return [
        ingest_pb2.Outcome.Name(ack.outcome).removeprefix("OUTCOME_")
        + (f" {ack.expected}" if ack.expected else "")
        for ack in acks
    ]
