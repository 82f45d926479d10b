"""How a job says how far it is, while it is at it."""

import logging
import time
from collections.abc import Mapping
from typing import Protocol

from aggregator.errors import UllageError
from aggregator.store import runs
from aggregator.store.database import Database
from aggregator.store.news import announce
from ullage.log import fields

# People look at a run every few seconds, and a run of thousands of steps must not spend its time on telling.
TELL_SECONDS_MIN = 1.0

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Told after each step of a job, outside of its transactions: what is done, and how many steps of how many."""

    async def __call__(self, counts: Mapping[str, int], *, done: int, total: int) -> None: ...


async def silent(counts: Mapping[str, int], *, done: int, total: int) -> None:
    """For callers that nobody watches."""


class RunProgress:
    """Writes progress into the run's row, on a connection that the job's own transactions do not use.

    What cannot be written is left out: the job itself finds out whether the database is there.
    """

    def __init__(self, db: Database, run_id: int) -> None:
        self._db = db
        self._run_id = run_id
        self._next = 0.0

    async def __call__(self, counts: Mapping[str, int], *, done: int, total: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TELL_SECONDS_MIN
        try:
            async with self._db.transaction() as conn:
                await runs.progress(conn, self._run_id, counts=counts, done=done, total=total)
                await announce(conn, "job")
        except UllageError as error:
            _log.warning("progress of a job not written", extra=fields(run=self._run_id, reason=str(error)))
