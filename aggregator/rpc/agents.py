"""Agents, for people: how they are, who is let in."""

from aggregator.rpc import convert_insight
from aggregator.rpc.server import Context
from aggregator.store import health
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import agents_pb2


class AgentMethods:
    """Part of the service Admin."""

    _db: Database

    async def ListAgents(
        self, request: agents_pb2.ListAgentsRequest, context: Context
    ) -> agents_pb2.ListAgentsReply:
        """All agents by name."""
        async with snapshot(self._db) as seen:
            return agents_pb2.ListAgentsReply(
                agents=[convert_insight.agent(row) for row in await health.agents(seen)]
            )
