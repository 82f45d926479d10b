"""A database whose transactions are parts of one that is open already: all that is done on it is kept or dropped together.

So acts that open a transaction of their own can be put together, or be tried and taken back, without a second form of them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.pq import TransactionStatus

from aggregator.store.database import Connection, Database


class Nested(Database):
    """Within the transaction of ``conn``; only one act at a time. Nothing is committed here."""

    def __init__(self, conn: Connection) -> None:
        # No pool: the connection is the caller's.
        self._conn = conn

    @asynccontextmanager
    async def transaction(self, *, changes: bool = True) -> AsyncIterator[Connection]:
        """A savepoint: taken back when the block raises, kept for the outer transaction when it ends."""
        if self._conn.info.transaction_status is TransactionStatus.IDLE:
            # The savepoint would be a transaction of its own, and be kept.
            raise RuntimeError("no transaction has begun; run a statement first")
        async with self._conn.transaction():
            yield self._conn

    async def close(self) -> None:
        """Nothing of it is open."""
