"""Agents: by name for who may have a certificate, as a list for people, and in which state they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sql
from aggregator.domain.health import SILENT_AFTER
from aggregator.store.database import Connection, execute, fetch_all, fetch_one
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("agents")

SORTS = ("name", "site", "state", "certificate_until", "created_at")


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent that has been given an identity; ``state`` is active, held, retired or revoked."""

    id: int
    uuid: UUID
    name: str
    site: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """What a list of agents is restricted to. ``search``: in name, site or uuid."""

    search: str = ""
    state: str | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent with what it sent and what it said of itself."""

    id: int
    uuid: UUID
    name: str
    site: str
    state: str
    version: str
    last_batch: datetime | None
    batches: int
    readings: int
    connected: bool
    heartbeat_at: datetime | None
    spool_bytes: int
    spool_bytes_max: int
    unacknowledged: int
    oldest_at: datetime | None
    spool_state: str
    clock_offset_ms: int
    failed: list[str]
    last_error: str
    tombstones: int
    conflicts: int
    quarantined: int
    certificate_until: datetime | None
    state_reason: str
    state_since: datetime
    created_at: datetime
    generation: int
    assets: int


async def register(conn: Connection, *, uuid: UUID, name: str, site: str) -> bool:
    """True when the agent is new, False when the name is known already (then nothing is changed)."""
    return await execute(conn, _Q["register"], {"uuid": uuid, "name": name, "site": site}) == 1


async def by_name(conn: Connection, name: str) -> RegisteredAgent | None:
    """The agent of this name, in whatever state."""
    return await fetch_one(conn, RegisteredAgent, _Q["by_name"], {"name": name})


async def agents(seen: Snapshot, wanted: AgentFilter, paging: Paging) -> Page[AgentRow]:
    """A page of agents."""
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        search=contains(wanted.search),
        state=wanted.state,
        silent_before=seen.now - SILENT_AFTER if wanted.silent else None,
    )
    return page(keys, paging, await rows(seen, keys.ids[: paging.size]))


async def rows(seen: Snapshot, ids: Sequence[int]) -> list[AgentRow]:
    """Those of the ids that exist, in no order."""
    return await fetch_all(seen.conn, AgentRow, _Q["rows"], {"ids": list(ids)})


async def held(conn: Connection, ids: Sequence[int]) -> list[RegisteredAgent]:
    """Those of the ids that exist, locked until the transaction ends."""
    return await fetch_all(conn, RegisteredAgent, _Q["held"], {"ids": list(ids)})


async def set_state(conn: Connection, ids: Sequence[int], *, state: str, reason: str) -> int:
    """How many were changed."""
    return await execute(conn, _Q["set_state"], {"ids": list(ids), "state": state, "reason": reason})


async def forget_boots(conn: Connection, ids: Sequence[int]) -> None:
    """From which boots they were seen says nothing any more."""
    await execute(conn, _Q["forget_boots"], {"ids": list(ids)})
