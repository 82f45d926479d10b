"""One consistent look at the database for everything that one screen shows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.domain.slot import slot_of
from aggregator.store.database import Connection, Database

_Q = sql.queries("snapshot")

READ_SECONDS_MAX = 12


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A read-only transaction in which nothing changes. ``now`` is when it began, by the database's clock."""

    conn: Connection
    now: datetime

    @property
    def slot(self) -> int:
        """The 5-minute unit that contains now: what is bound and assigned now holds for it."""
        return slot_of(self.now)

    @property
    def month_slot(self) -> int:
        """Where the current calendar month (UTC) starts."""
        return slot_of(self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))


@asynccontextmanager
async def snapshot(db: Database) -> AsyncIterator[Snapshot]:
    """A look at what is committed now. A statement that takes longer than the limit ends as ``Unavailable``."""
    async with db.transaction(changes=False) as conn:
        await conn.execute(_Q["begin"])
        settled = await conn.execute(_Q["settle"], {"milliseconds_max": READ_SECONDS_MAX * 1000})
        row = await settled.fetchone()
        assert row is not None  # noqa: S101 - a select without from has a row
        yield Snapshot(conn, row[0])
