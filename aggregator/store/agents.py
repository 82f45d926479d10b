"""Agents by name: who may have a certificate."""

from dataclasses import dataclass
from uuid import UUID

import sql
from aggregator.store.database import Connection, execute, fetch_one

_Q = sql.queries("agents")


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent that has been given an identity; ``state`` is active, held, retired or revoked."""

    id: int
    uuid: UUID
    name: str
    site: str
    state: str


async def register(conn: Connection, *, uuid: UUID, name: str, site: str) -> bool:
    """True when the agent is new, False when the name is known already (then nothing is changed)."""
    return await execute(conn, _Q["register"], {"uuid": uuid, "name": name, "site": site}) == 1


async def by_name(conn: Connection, name: str) -> RegisteredAgent | None:
    """The agent of this name, in whatever state."""
    return await fetch_one(conn, RegisteredAgent, _Q["by_name"], {"name": name})
