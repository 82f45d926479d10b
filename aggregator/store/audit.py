"""The audit log: who changed which record. Written by triggers of the database; here it is only read."""

import sql
from aggregator.store.database import Connection, fetch_value

_Q = sql.queries("audit")


async def group_of(conn: Connection) -> int:
    """The group of all that this transaction has changed so far; 0 when that was nothing audited."""
    group: int = await fetch_value(conn, _Q["group_of"])
    return group
