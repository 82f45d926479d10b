"""The timetable: which job runs how often in this aggregator.

Every aggregator has the same one; which of them does the work is decided by a lock for each run (actions/run_job.py).
The scheduler remembers nothing: what a stopped aggregator missed is found by the jobs themselves, which reconcile.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from aggregator.actions.run_job import JOBS, Job, run_job
from aggregator.errors import UllageError
from aggregator.store.database import Database
from aggregator.store.runs import RunRecord
from ullage.log import fields

# After the listeners are up, and before a first look at the screen.
CATCH_UP_AFTER = timedelta(seconds=1)

_log = logging.getLogger(__name__)
# Its lines about each run of each job say less than our own.
logging.getLogger("apscheduler").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A line of the timetable. ``next_run`` is None while the scheduler is stopped."""

    name: str
    description: str
    schedule: str
    interval: timedelta
    next_run: datetime | None


class Jobs:
    """Runs each job of ``seconds`` (name to interval) in turn after the start, and then at its interval."""

    def __init__(
        self,
        db: Database,
        *,
        seconds: Mapping[str, int],
        clock: Callable[[], datetime],
        jobs: Mapping[str, Job] = JOBS,
    ) -> None:
        self._db = db
        self._seconds = seconds
        self._clock = clock
        self._jobs = jobs
        self._running: set[asyncio.Task[Any]] = set()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begins the timetable; needs a running event loop."""
        for name, seconds in self._seconds.items():
            self._scheduler.add_job(self._tick, IntervalTrigger(seconds=seconds), args=[name], id=name)
        first = DateTrigger(self._clock() + CATCH_UP_AFTER)
        self._scheduler.add_job(self._catch_up, first, id="catch-up")
        self._scheduler.start()

    async def stop(self, *, grace_seconds: float = 0) -> None:
        """Starts no more runs, waits for those under way, and gives up what takes longer than the grace.

        A run that was given up is made good by the next one.
        """
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._scheduler.shutdown(wait=False)

    def timetable(self) -> list[Scheduled]:
        """Every job with its schedule in words."""
        return [
            Scheduled(
                job.name,
                job.description,
                schedule=f"every {seconds} s",
                interval=timedelta(seconds=seconds),
                next_run=self._next(job.name),
            )
            for job in self._jobs.values()
            if (seconds := self._seconds.get(job.name))
        ]

    async def run(self, name: str, *, everything: bool = False) -> RunRecord:
        """Runs a job now, as ``run_job`` does. A caller that goes away while it waits does not end the run."""
        work = run_job(self._db, name, now=self._clock(), everything=everything, jobs=self._jobs)
        task = asyncio.create_task(work, name=f"run {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def _next(self, name: str) -> datetime | None:
        entry = self._scheduler.get_job(name)
        # Before the start an entry has no time yet.
        return getattr(entry, "next_run_time", None)

    async def _catch_up(self) -> None:
        """One run of each job, in the order in which one makes use of the other."""
        for name in self._jobs:
            if name in self._seconds:
                await self._tick(name)

    async def _tick(self, name: str) -> None:
        """One scheduled run; nothing that goes wrong in it may end the scheduler."""
        task = asyncio.create_task(self._run_logged(name), name=f"job {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await task

    async def _run_logged(self, name: str) -> None:
        try:
            await self.run(name)
        except UllageError as error:
            _log.warning("a job could not be started", extra=fields(job=name, reason=str(error)))
        except Exception:  # noqa: BLE001 - logged; the next run tries again
            _log.exception("a job could not be started", extra=fields(job=name))
