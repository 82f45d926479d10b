"""Run rows and the lock that lets one aggregator at a time run a job."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import InterfaceError, OperationalError
from psycopg.types.json import Jsonb

import sql
from aggregator.errors import Unavailable
from aggregator.store.database import Connection, Database, execute, fetch_all, fetch_one, fetch_value
from ullage.log import fields

_Q = sql.queries("runs")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run did: ``state`` is running, done, failed or skipped (another run was under way; it has no id).

    ``done`` of ``total`` steps are behind it, None where the job does not say; ``seconds_left`` is worked out from them.
    """

    id: int
    job: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    total: int | None = None
    done: int | None = None
    seconds_left: int | None = None


@asynccontextmanager
async def job_lock(db: Database, job: str) -> AsyncIterator[bool]:
    """Holds the job's lock for the block, on a connection of its own; False when another holds it.

    Raises ``Unavailable`` when the database cannot be reached at the beginning. When the lock's connection breaks
    later, the block is not told: what a job does is safe to be done by two.
    """
    entered = False
    try:
        async with db.dedicated() as conn, conn.transaction():
            await execute(conn, _Q["stay"])
            got = bool(await fetch_value(conn, _Q["try_lock"], {"job": job}))
            entered = True
            yield got
    except (OperationalError, InterfaceError) as error:
        if not entered:
            raise Unavailable("the database is away or busy; try again in a moment") from error
        _log.warning("the connection that held a job's lock broke", extra=fields(job=job))


async def start(conn: Connection, job: str) -> RunRecord:
    """Writes the row of a run that begins; rows that a killed aggregator left open are closed as failed."""
    await execute(conn, _Q["abandon"], {"job": job})
    return _only(await fetch_one(conn, RunRecord, _Q["start"], {"job": job}))


async def progress(
    conn: Connection, run_id: int, *, counts: Mapping[str, int], done: int, total: int
) -> None:
    """How far a run is that is under way; of one that has ended nothing is changed."""
    values = {"id": run_id, "counts": Jsonb(dict(counts)), "done": done, "total": total}
    await execute(conn, _Q["progress"], values)


async def finish(
    conn: Connection, run_id: int, *, state: str, counts: Mapping[str, int] | None, error: str
) -> RunRecord:
    """Completes the row; ``error`` is shown to people, so it must hold no secret. Without ``counts`` the last told stay."""
    given = None if counts is None else Jsonb(dict(counts))
    values = {"id": run_id, "state": state, "counts": given, "error": error}
    return _only(await fetch_one(conn, RunRecord, _Q["finish"], values))


async def prune(conn: Connection, job: str, *, kept: int) -> int:
    """Deletes all but the newest ``kept`` runs of the job, and those that figures refer to."""
    return await execute(conn, _Q["prune"], {"job": job, "kept": kept})


async def latest(conn: Connection) -> list[RunRecord]:
    """The newest run of each job that ever ran."""
    return await fetch_all(conn, RunRecord, _Q["latest"])


async def find(conn: Connection, run_id: int) -> RunRecord | None:
    """One run; old ones that no figure names are gone."""
    return await fetch_one(conn, RunRecord, _Q["one"], {"id": run_id})


def _only(row: RunRecord | None) -> RunRecord:
    if row is None:
        raise Unavailable("the row of this run is gone; run the job again")
    return row
