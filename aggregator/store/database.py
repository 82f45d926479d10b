"""The connection pool, and the four ways in which every other store module runs a statement.

Responsible for how sessions are set up (UTC, names), for telling the database who acts (its triggers write the audit log),
and for turning "the server is away" into ``Unavailable``. Knows no table.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, LiteralString, Self, TypeVar

from psycopg import AsyncConnection, DatabaseError, InterfaceError, OperationalError, ProgrammingError
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

import sql
from aggregator.errors import Conflict, Invalid, Unavailable

_Q = sql.queries("audit")

Params = Mapping[str, Any] | Sequence[Any] | None
Connection = AsyncConnection[tuple[Any, ...]]
T = TypeVar("T")

CONNECTIONS_MAX = 12
CHECKOUT_SECONDS_MAX = 10.0
# What our triggers raise (migration 0011): the text is meant for people.
REFUSED_STATE = "UL001"


@dataclass(frozen=True, slots=True)
class _Actor:
    name: str
    key_id: int | None
    request_id: str
    act: str


_actor: ContextVar[_Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting(actor: str, *, act: str, key_id: int | None = None, request_id: str = "") -> Iterator[None]:
    """What transactions that begin in the block change is written down as done by ``actor``.

    ``actor`` is a key's name, job:<name>, or another word for a part of the program; ``act`` says what it does
    (Inventory/AssignAssets, provisioning, undo 17). Blocks may be nested, the innermost counts. Outside of all blocks the
    database writes down its own user, as for whoever came past the aggregator.
    """
    token = _actor.set(_Actor(actor, key_id, request_id, act))
    try:
        yield
    finally:
        _actor.reset(token)


@contextmanager
def acting_also(*, act: str) -> Iterator[None]:
    """The same actor with another word for what it does."""
    held = _actor.get()
    if held is None:
        with acting("", act=act):
            yield
        return
    with acting(held.name, act=act, key_id=held.key_id, request_id=held.request_id):
        yield


class Database:
    """A pool of connections to one database. Open with ``await Database.open(dsn)``, end with ``await close()``."""

    def __init__(self, dsn: str, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self.dsn = session_dsn(dsn)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self.dsn,
            min_size=1,
            max_size=connections_max,
            timeout=CHECKOUT_SECONDS_MAX,
            open=False,
        )

    @classmethod
    async def open(cls, dsn: str, *, connections_max: int = CONNECTIONS_MAX) -> Self:
        """Connects. Raises ``Unavailable`` when no connection could be had in time."""
        database = cls(dsn, connections_max=connections_max)
        try:
            await database._pool.open(wait=True, timeout=CHECKOUT_SECONDS_MAX)
        except PoolTimeout as error:
            await database._pool.close()
            raise Unavailable(
                "the database does not answer; check that it runs and that its address is right"
            ) from error
        return database

    async def close(self) -> None:
        """Ends all connections; statements under way are given up."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, *, changes: bool = True) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises; done by who is ``acting``.

        Without ``changes`` nobody acts, and its first statement is the caller's: only then can its isolation be chosen.

        Raises ``Unavailable`` where the server went away, which leaves open whether a commit under way took effect, and
        ``Conflict`` where a trigger refused a change of finalised time.
        """
        try:
            async with self._pool.connection() as conn:
                if changes and (actor := _actor.get()) is not None:
                    await conn.execute(_Q["act_as"], _settings(actor))
                yield conn
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable("the database is away or busy; try again in a moment") from error
        except DatabaseError as error:
            if error.sqlstate == REFUSED_STATE:
                raise Conflict(error.diag.message_primary or "the database refuses this") from error
            raise

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """A connection of its own in autocommit mode, for LISTEN and for session state; not from the pool."""
        try:
            conn = await AsyncConnection.connect(self.dsn, autocommit=True)
        except OperationalError as error:
            raise Unavailable(
                "the database does not answer; check that it runs and that its address is right"
            ) from error
        async with conn:
            yield conn


def _settings(actor: _Actor) -> dict[str, str]:
    return {
        "actor": actor.name,
        "key_id": "" if actor.key_id is None else str(actor.key_id),
        "request_id": actor.request_id,
        "act": actor.act,
    }


def session_dsn(dsn: str) -> str:
    """The DSN with the session settings that all our statements rely on.

    Raises ``Invalid``, without repeating what may be a password, for a text that is no DSN.
    """
    try:
        return make_conninfo(
            dsn,
            application_name="ullage",
            options="-c timezone=UTC -c synchronous_commit=on -c statement_timeout=0",
        )
    except ProgrammingError:
        raise Invalid("database.dsn", "is no PostgreSQL DSN; write postgresql://user@host/name") from None


async def fetch_all(conn: Connection, shape: type[T], query: LiteralString, params: Params = None) -> list[T]:
    """All rows, each loaded into ``shape`` by column name."""
    async with conn.cursor(row_factory=class_row(shape)) as cursor:
        await cursor.execute(query, params)
        return await cursor.fetchall()


async def fetch_one(
    conn: Connection, shape: type[T], query: LiteralString, params: Params = None
) -> T | None:
    """The only row, or None."""
    async with conn.cursor(row_factory=class_row(shape)) as cursor:
        await cursor.execute(query, params)
        return await cursor.fetchone()


async def fetch_value(conn: Connection, query: LiteralString, params: Params = None) -> Any:
    """First column of the first row, or None."""
    row = await (await conn.execute(query, params)).fetchone()
    return None if row is None else row[0]


async def execute(conn: Connection, query: LiteralString, params: Params = None) -> int:
    """Runs a statement; the number of rows it changed."""
    return (await conn.execute(query, params)).rowcount
