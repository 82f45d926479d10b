"""Tells every aggregator that something changed, with the transaction that changed it (LISTEN/NOTIFY)."""

from collections.abc import AsyncGenerator, Collection

from psycopg import InterfaceError, OperationalError

import sql
from aggregator.errors import Unavailable
from aggregator.store.database import Connection, Database

_Q = sql.queries("news")

CHANNEL = "ullage_change"
QUIET_SECONDS_MAX = 30.0
NOUNS = frozenset({"client", "asset", "bucket", "reading", "projection", "agent", "job"})


async def announce(conn: Connection, *nouns: str, clients: Collection[int] | None = None) -> None:
    """Sent when the transaction commits; the same noun twice in one transaction is sent once.

    ``clients``: whom it concerns; None where that is not known, and then callers bound to one client are not told.
    """
    for noun in nouns:
        if noun not in NOUNS:
            raise ValueError(f"{noun} is not a noun that can change")
        await conn.execute(_Q["announce"], {"channel": CHANNEL, "noun": noun})


async def listen(db: Database) -> AsyncGenerator[str]:
    """Nouns as they change, "" once the connection listens and whenever it was quiet for a while.

    Raises ``Unavailable`` when the connection cannot be had or is lost; what changed meanwhile is not told.
    """
    try:
        async with db.dedicated() as conn:
            await conn.execute(_Q["listen"])
            while True:
                # A connection that died silently shows here, and nowhere else.
                await conn.execute(_Q["still_there"])
                yield ""
                async for message in conn.notifies(timeout=QUIET_SECONDS_MAX):
                    yield message.payload
    except (OperationalError, InterfaceError) as error:
        raise Unavailable("the connection that listens for changes was lost") from error
