"""What the state of the whole system is judged by, and who the agents are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sql
from aggregator.domain.health import NAMES_MAX, SILENT_AFTER, UNBALANCED_LOOK_BACK
from aggregator.store.database import fetch_all, fetch_one
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("health")


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """Counts of what should be none, and the database's versions."""

    server_version: str
    timescaledb_version: str | None
    last_reading: datetime | None
    agents: int
    agents_silent: int
    silent_names: Sequence[str]
    quarantined: int
    unbalanced_batches: int

    @property
    def database(self) -> str:
        """Product and version, in words."""
        # Debian's builds append the package: "17.5 (Debian 17.5-1)".
        server = f"PostgreSQL {self.server_version.split()[0]}"
        if self.timescaledb_version is None:
            return f"{server}, plain"
        return f"{server}, TimescaleDB {self.timescaledb_version}"


@dataclass(frozen=True, slots=True)
class Success:
    """When a job last did its work to the end."""

    job: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent with what it sent."""

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


async def figures(seen: Snapshot) -> SystemFigures:
    """The figures as they are now."""
    params = {
        "silent_before": seen.now - SILENT_AFTER,
        "unbalanced_since": seen.now - UNBALANCED_LOOK_BACK,
        "names": NAMES_MAX,
    }
    found = await fetch_one(seen.conn, SystemFigures, _Q["figures"], params)
    assert found is not None  # noqa: S101 - a select without from has a row
    return found


async def succeeded(seen: Snapshot) -> dict[str, datetime]:
    """When each job that ever did its work last did."""
    return {done.job: done.ended_at for done in await fetch_all(seen.conn, Success, _Q["succeeded"])}


async def agents(seen: Snapshot) -> list[AgentRow]:
    """All agents by name."""
    return await fetch_all(seen.conn, AgentRow, _Q["agents"])
