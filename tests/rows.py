"""Inserting single rows on a test's connection. What the rows mean is tests/builders.py's business."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import psycopg
from psycopg import sql


@dataclass
class Rows:
    """A database to fill. Everything is committed at once where the connection is in autocommit mode."""

    conn: psycopg.AsyncConnection[Any]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def now(self) -> datetime:
        """The database's clock."""
        row = await self.one("select clock_timestamp()")
        at: datetime = row[0]
        return at

    async def insert(self, table: str, *, returning: str = "id", **values: Any) -> int:
        """A row of these columns; the value of one of them, by default its id."""
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        statement = sql.SQL("insert into {} ({}) values ({}) returning {}").format(
            sql.Identifier(table),
            names,
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
            sql.Identifier(returning),
        )
        row = await (await self.conn.execute(statement, list(values.values()))).fetchone()
        assert row is not None
        key: int = row[0]
        return key

    async def one(self, statement: Any, *values: Any) -> tuple[Any, ...]:
        """The only row."""
        row = await (await self.conn.execute(statement, values)).fetchone()
        assert row is not None
        return tuple(row)

    def name(self, noun: str) -> str:
        """A name that no other row has."""
        return f"{noun} {next(self.numbers)}"
