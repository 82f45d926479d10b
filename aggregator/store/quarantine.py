"""What waits in quarantine, by agent and reason, and the decision that some of it never counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sql
from aggregator.store.database import Connection, execute, fetch_all
from aggregator.store.paging import Page, Paging, find, page

_Q = sql.queries("quarantine")


@dataclass(frozen=True, slots=True)
class QuarantineGroup:
    """Readings of one agent and reason, with one of them; ``counted_only`` were above the limit of a day."""

    agent_id: int
    agent_name: str
    reason: str
    readings: int
    oldest: datetime | None
    newest: datetime | None
    source_type: str | None
    external_id: str | None
    unit_type: str | None
    value: int | None
    ticked_at: datetime | None
    counted_only: int


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A reading that waits for a decision."""

    id: int
    agent_id: int
    agent_name: str
    reason: str
    source_type: str
    external_id: str
    unit_type: str
    value: int
    since: datetime
    ticked_at: datetime
    stored_at: datetime


async def groups(conn: Connection, *, counted_since: date) -> list[QuarantineGroup]:
    """The most numerous first."""
    return await fetch_all(conn, QuarantineGroup, _Q["groups"], {"counted_since": counted_since})


async def discard(conn: Connection, *, ids: Sequence[int], agent_id: int, reason: str) -> int:
    """How many were discarded: by ids, or all of an agent and reason."""
    wanted = {"ids": list(ids), "agent_id": agent_id, "reason": reason}
    return await execute(conn, _Q["discard"], wanted)


async def waiting(
    conn: Connection, paging: Paging, *, agent_id: int | None, reason: str | None
) -> Page[QuarantinedRow]:
    """Single readings in order of their ids, of an agent and for a reason where they are named."""
    keys = await find(conn, _Q["page"], paging, agent_id=agent_id, reason=reason)
    ids = list(keys.ids[: paging.size])
    return page(keys, paging, await fetch_all(conn, QuarantinedRow, _Q["rows"], {"ids": ids}))
