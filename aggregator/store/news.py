"""Tells every aggregator that something changed, with the transaction that changed it (LISTEN/NOTIFY).

A payload is a noun, alone or with the ids of the clients concerned: "asset" or "asset 3,17".
"""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field

from psycopg import InterfaceError, OperationalError

import sql
from aggregator.errors import Unavailable
from aggregator.store.database import Connection, Database

_Q = sql.queries("news")

CHANNEL = "ullage_change"
QUIET_SECONDS_MAX = 30.0
# A payload must stay below 8,000 bytes; an id has at most 19 digits.
CLIENTS_PER_PAYLOAD_MAX = 350
NOUNS = frozenset({"client", "asset", "bucket", "reading", "projection", "agent", "job"})


@dataclass(frozen=True, slots=True)
class News:
    """A noun that changed. ``clients`` are those whose changed; none: only who sees all clients is told."""

    noun: str
    clients: frozenset[int] = field(default_factory=frozenset)


async def announce(conn: Connection, *nouns: str, clients: Collection[int] | None = None) -> None:
    """Sent when the transaction commits; the same noun twice in one transaction is sent once.

    ``clients``: whom it concerns; None where that is not known, and then callers bound to one client are not told.
    """
    ids = sorted(set(clients or ()))
    parts = [ids[at : at + CLIENTS_PER_PAYLOAD_MAX] for at in range(0, len(ids), CLIENTS_PER_PAYLOAD_MAX)]
    for noun in nouns:
        if noun not in NOUNS:
            raise ValueError(f"{noun} is not a noun that can change")
        for part in parts or [[]]:
            payload = f"{noun} {','.join(map(str, part))}".rstrip()
            await conn.execute(_Q["announce"], {"channel": CHANNEL, "payload": payload})


async def listen(db: Database) -> AsyncGenerator[News | None]:
    """What changes, None once the connection listens and whenever it was quiet for a while.

    Raises ``Unavailable`` when the connection cannot be had or is lost; what changed meanwhile is not told.
    """
    try:
        async with db.dedicated() as conn:
            await conn.execute(_Q["listen"])
            while True:
                # A connection that died silently shows here, and nowhere else.
                await conn.execute(_Q["still_there"])
                yield None
                async for message in conn.notifies(timeout=QUIET_SECONDS_MAX):
                    if (heard := _read(message.payload)) is not None:
                        yield heard
    except (OperationalError, InterfaceError) as error:
        raise Unavailable("the connection that listens for changes was lost") from error


def _read(payload: str) -> News | None:
    """None for what is not ours: anybody with a connection can send."""
    noun, _, ids = payload.partition(" ")
    texts = ids.split(",") if ids else []
    if noun not in NOUNS or not all(text.isascii() and text.isdigit() for text in texts):
        return None
    return News(noun, frozenset(map(int, texts)))
