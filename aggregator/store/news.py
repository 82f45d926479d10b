"""Tells every aggregator that something changed, with the transaction that changed it (LISTEN/NOTIFY)."""

import sql
from aggregator.store.database import Connection

_Q = sql.queries("news")

CHANNEL = "ullage_change"
NOUNS = frozenset(
    {"client", "asset", "bucket", "reading", "projection", "agent", "job"}
)


async def announce(conn: Connection, *nouns: str) -> None:
    """Sent when the transaction commits; the same noun twice in one transaction is sent once."""
    for noun in nouns:
        if noun not in NOUNS:
            raise ValueError(f"{noun} is not a noun that can change")
        await conn.execute(_Q["announce"], {"channel": CHANNEL, "noun": noun})
