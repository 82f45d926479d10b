"""Brings a database to this program's schema: forward only, one transaction, under an advisory lock.

Not responsible for deciding when: `ullage-aggregator migrate` does, `serve` only checks.
"""

from dataclasses import dataclass

from psycopg import AsyncConnection, OperationalError

import sql
from aggregator.errors import Conflict, Unavailable
from aggregator.store.database import Connection, fetch_all, fetch_value, session_dsn

_Q = sql.queries("migrate")


@dataclass(frozen=True, slots=True)
class Applied:
    """A schema change that the database has."""

    number: int
    name: str
    serves_from: int
    sha256: str


async def migrate(dsn: str) -> list[str]:
    """Applies what is missing and returns the names, none when the schema is current.

    Raises ``Conflict`` when the database is newer than this program or was made from other files, ``Unavailable`` when
    it cannot be reached. Nothing is changed in either case.
    """
    try:
        conn = await AsyncConnection.connect(session_dsn(dsn))
    except OperationalError as error:
        raise Unavailable(
            "the database does not answer; check that it runs and that its address is right"
        ) from error
    async with conn:
        await conn.execute(_Q["lock"])
        await conn.execute(_Q["create_ledger"])
        missing = sql.migrations()[len(_same_history(await _applied(conn))) :]
        for change in missing:
            await conn.execute(change.text)
            await conn.execute(
                _Q["record"],
                {
                    "number": change.number,
                    "name": change.name,
                    "serves_from": change.serves_from,
                    "sha256": change.sha256,
                },
            )
    return [change.name for change in missing]


async def check_schema(conn: Connection) -> None:
    """Raises ``Conflict``, saying what to do, unless this program can serve the database as it is."""
    if await fetch_value(conn, _Q["has_ledger"]) is None:
        raise Conflict("the database has no schema yet; run `ullage-aggregator migrate`")
    applied = await _applied(conn)
    ours = sql.migrations()[-1].number
    newest = max((a.number for a in applied), default=0)
    if newest < ours:
        raise Conflict(
            f"the schema is version {newest}, this program needs {ours}; back up, then run `ullage-aggregator migrate`"
        )
    needed = max(a.serves_from for a in applied)
    if needed > ours:
        raise Conflict(
            f"the schema is version {newest} and serves programs from {needed} on; this one is {ours}: upgrade it"
        )


async def _applied(conn: Connection) -> list[Applied]:
    return await fetch_all(conn, Applied, _Q["applied"])


def _same_history(applied: list[Applied]) -> list[Applied]:
    """``applied`` if it is the beginning of our own list, else raises ``Conflict``."""
    ours = sql.migrations()
    if len(applied) > len(ours):
        raise Conflict(
            f"the database has schema version {applied[-1].number}, newer than this program's {len(ours)}: upgrade it"
        )
    for have, want in zip(applied, ours, strict=False):
        if (have.number, have.sha256) != (want.number, want.sha256):
            raise Conflict(
                f"schema change {have.name} differs from this program's {want.name}: the database is not ours to change"
            )
    return applied
