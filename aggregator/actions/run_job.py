"""Runs one job now: the same function for the timetable, the network and the command line.

Responsible for one run at a time over all aggregators, for the run's row, and for a failing job to end as a row and
a log line. Not responsible for when (jobs.py) nor for what a job does (its own action).
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aggregator.actions.check_totals import check_totals
from aggregator.actions.close_ready import bill_and_close
from aggregator.actions.progress import Progress, RunProgress, silent
from aggregator.actions.project import project
from aggregator.actions.provision import provision
from aggregator.actions.rebind import rebind
from aggregator.actions.retain import RAW_DAYS, retain
from aggregator.actions.roll_up import roll_up
from aggregator.errors import NotFound, UllageError
from aggregator.store import runs
from aggregator.store.database import Database, acting
from aggregator.store.news import announce
from aggregator.store.runs import RunRecord
from ullage.log import fields

# A roll-up every minute makes 1,440 rows a day.
RUNS_KEPT_MAX = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a job is given: its time, its row, whether to do also what has not changed, and whom to tell how far it is."""

    now: datetime
    run_id: int
    everything: bool
    progress: Progress = field(default=silent, compare=False)


Work = Callable[[Database, Order], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Job:
    """A job by name; ``description`` completes "this job …"."""

    name: str
    description: str
    work: Work


async def _rollup(db: Database, order: Order) -> Mapping[str, int]:
    return await roll_up(db, now=order.now, progress=order.progress)


async def _provisioning(db: Database, order: Order) -> Mapping[str, int]:
    return (await provision(db, now=order.now, progress=order.progress)).counts()


async def _binding(db: Database, order: Order) -> Mapping[str, int]:
    return await rebind(db, progress=order.progress)


async def _billing(db: Database, order: Order) -> Mapping[str, int]:
    return await bill_and_close(
        db, now=order.now, run_id=order.run_id, everything=order.everything, progress=order.progress
    )


async def _projection(db: Database, order: Order) -> Mapping[str, int]:
    return await project(db, now=order.now, run_id=order.run_id, progress=order.progress)


async def _control_totals(db: Database, order: Order) -> Mapping[str, int]:
    return await check_totals(db)


def _retention(raw_days: int) -> Job:
    async def work(db: Database, order: Order) -> Mapping[str, int]:
        return await retain(db, now=order.now, raw_days=raw_days, progress=order.progress)

    return Job("retention", "drops raw readings that are old and can change no bill any more", work)


# In the order in which one makes use of the other.
JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job("rollup", "adds up the readings of slots that have ended or were touched since", _rollup),
        Job("provisioning", "makes the buckets that templates ask for, for people to review", _provisioning),
        Job("binding", "assigns and binds assets that are new or whose rules changed", _binding),
        Job("billing", "rates the periods whose usage, bindings or terms changed", _billing),
        Job("projection", "works out what open periods will look like at their end", _projection),
        Job("control-totals", "checks that every reading that was sent is accounted for", _control_totals),
        _retention(RAW_DAYS),
    )
}


def jobs_keeping(raw_days: int) -> Mapping[str, Job]:
    """All jobs, with raw readings kept for so many days."""
    return {**JOBS, "retention": _retention(raw_days)}


async def run_job(
    db: Database,
    name: str,
    *,
    now: datetime,
    everything: bool = False,
    jobs: Mapping[str, Job] = JOBS,
) -> RunRecord:
    """Runs the job to its end and returns what it did: ``done``, ``failed``, or ``skipped`` while another runs it.

    A failure of the job is a value, not an exception. Raises ``NotFound`` for an unknown name and ``Unavailable`` when
    even the row cannot be written.
    """
    job = jobs.get(name)
    if job is None:
        raise NotFound("job", f"{name!r}; there are {', '.join(jobs)}")
    async with runs.job_lock(db, name) as got:
        if not got:
            return RunRecord(id=0, job=name, started_at=now, ended_at=now, state="skipped")
        async with db.transaction() as conn:
            run = await runs.start(conn, name)
        order = Order(now=now, run_id=run.id, everything=everything, progress=RunProgress(db, run.id))
        counts, error = await _outcome(db, job, order)
        async with db.transaction() as conn:
            run = await runs.finish(
                conn, run.id, state="failed" if error else "done", counts=counts, error=error
            )
            await runs.prune(conn, name, kept=RUNS_KEPT_MAX)
            await announce(conn, "job")
    return run


async def _outcome(db: Database, job: Job, order: Order) -> tuple[Mapping[str, int] | None, str]:
    """Counts and an empty text, or no counts and what to tell people."""
    about = {"job": job.name, "run": order.run_id}
    try:
        with acting(f"job:{job.name}", act=job.name):
            counts = await job.work(db, order)
    except UllageError as error:
        _log.warning("a job could not be done", extra=fields(**about, reason=str(error)))
        return None, str(error)
    except Exception:  # noqa: BLE001 - whatever a job does wrong, its row says that it failed
        incident = secrets.token_hex(4)
        _log.exception("a job failed unexpectedly", extra=fields(**about, incident=incident))
        return None, f"unexpected failure {incident}; the aggregator's log says more"
    # Most runs of most jobs find nothing to do, every minute for years.
    level = logging.INFO if any(counts.values()) else logging.DEBUG
    _log.log(level, "job done", extra=fields(**about, **counts))
    return counts, ""
