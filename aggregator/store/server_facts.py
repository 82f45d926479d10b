"""What a database server says of itself, for `doctor`."""

from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.errors import Unavailable
from aggregator.store.database import Connection, fetch_one, fetch_value

_Q = sql.queries("server_facts")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``timescaledb`` is the version of the extension in this database, None without it."""

    version: str
    version_number: int
    timescaledb: str | None
    timescaledb_offered: bool
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    encoding: str


async def server_facts(conn: Connection) -> ServerFacts:
    """Settings as our own sessions have them."""
    facts = await fetch_one(conn, ServerFacts, _Q["facts"])
    if facts is None:
        raise Unavailable("the database gave no answer; try again")
    return facts


async def server_clock(conn: Connection) -> datetime:
    """The server's time now, aware."""
    at: datetime = await fetch_value(conn, _Q["clock"])
    return at
