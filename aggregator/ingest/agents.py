"""Which agents may speak, and which are connected. Looks at the database, never at a message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from logging import getLogger
from uuid import UUID

import sql
from aggregator.errors import Denied, Unavailable
from aggregator.ingest.clean import clean_name
from aggregator.ingest.clones import HELD, sighted
from aggregator.store.database import Database, execute, fetch_all, fetch_one, fetch_value
from aggregator.store.news import announce
from ullage.log import fields

_Q = sql.queries("ingest")
_log = getLogger(__name__)

# Revoking an agent ends its open streams within this.
STATE_CHECK_SECONDS = 5.0
FAREWELL_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as it is registered."""

    id: int
    uuid: UUID
    name: str
    site: str
    state: str
    state_reason: str = ""
    # Certificates of an older generation are refused.
    generation_min: int = 0

    def scope(self, kind: str) -> str:
        """Within what an external id is unique. ``kind``: a source type's scope, 'agent' or 'site'."""
        return f"agent:{self.id}" if kind == "agent" else f"site:{self.site}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stopped:
    id: int
    state: str
    state_reason: str
    generation_min: int


@dataclass(eq=False, slots=True)
class Presence:
    """One open stream. ``ended`` is set, with what to tell the agent, when it may not go on."""

    agent: Agent
    generation: int = 0
    ended: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Agents:
    """The agents of one aggregator: who may connect, who is."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._present: set[Presence] = set()
        self._watch: asyncio.Task[None] | None = None

    async def identify(self, uuid: UUID, generation: int = 0) -> Agent:
        """The agent of a certificate. Raises ``Denied`` unless it is known and active, and the certificate not replaced."""
        async with self._db.transaction() as conn:
            agent = await fetch_one(conn, Agent, _Q["agent_by_uuid"], {"uuid": uuid})
        if agent is None:
            raise Denied(
                f"no agent {uuid} is registered here: issue its certificate on this system, "
                "or check which aggregator the agent's configuration names"
            )
        if agent.state != "active":
            raise Denied(not_active(agent.state, agent.state_reason))
        if generation < agent.generation_min:
            raise Denied(outdated(agent.name))
        return agent

    @asynccontextmanager
    async def connected(
        self, agent: Agent, *, version: str, boot_id: str, generation: int = 0
    ) -> AsyncIterator[Presence]:
        """Records the connection for as long as the block lasts, and watches that the agent stays active.

        Raises ``Denied`` where the connection shows that two hosts have this agent's identity.
        """
        async with self._db.transaction() as conn:
            two = await sighted(
                conn,
                agent_id=agent.id,
                name=agent.name,
                boot_id=clean_name(boot_id),
                generation=generation,
            )
        if two:
            raise Denied(not_active("held", HELD))
        async with self._db.transaction() as conn:
            since = await fetch_value(
                conn,
                _Q["agent_connected"],
                {"agent_id": agent.id, "version": clean_name(version), "boot_id": clean_name(boot_id)},
            )
            await announce(conn, "agent")
        presence = Presence(agent, generation)
        self._present.add(presence)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._check_states(), name="agents-state-check")
        try:
            yield presence
        finally:
            self._present.discard(presence)
            if not self._present and self._watch is not None:
                self._watch.cancel()
            # The connection is gone either way; only its record may be late or, with the database, missing.
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS_MAX), self._db.transaction() as conn:
                    await execute(
                        conn, _Q["agent_disconnected"], {"agent_id": agent.id, "connected_at": since}
                    )
                    await announce(conn, "agent")

    async def _check_states(self) -> None:
        while True:
            await asyncio.sleep(STATE_CHECK_SECONDS)
            try:
                await self._end_inactive()
            except Unavailable:
                # Nothing can be stored meanwhile either.
                _log.warning("agent states could not be checked: the database is away")

    async def _end_inactive(self) -> None:
        present = list({presence.agent for presence in self._present})
        keys = {"ids": [agent.id for agent in present], "uuids": [agent.uuid for agent in present]}
        async with self._db.transaction() as conn:
            stopped = await fetch_all(conn, _Stopped, _Q["agents_not_active"], keys)
        found = {agent.id: agent for agent in stopped}
        for presence in self._present:
            now = found.get(presence.agent.id)
            if now is None or presence.ended.done():
                continue
            if now.state != "active":
                words = not_active(now.state, now.state_reason)
            elif presence.generation < now.generation_min:
                words = outdated(presence.agent.name)
            else:
                continue
            _log.info("stream ended", extra=fields(agent=presence.agent.name, state=now.state))
            presence.ended.set_result(words)


def not_active(state: str, reason: str) -> str:
    """What an agent is told that may not report."""
    if state == "revoked":
        return f"this agent is revoked for good ({reason}): enrol this host as a new agent, or stop it"
    why = f" ({reason})" if reason else ""
    return f"this agent is {state}{why}; an administrator can make it active again, until then keep the data"


def outdated(name: str) -> str:
    """What the holder of a certificate is told after which the agent was enrolled anew."""
    return (
        f"{name} was enrolled anew on another host or with another key, so this certificate is not taken any more: enrol "
        "this host with a token of its own"
    )
