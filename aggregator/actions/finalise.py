"""Makes an ended period of a client final: rated once more, with its evidence, in one transaction or not at all."""

from dataclasses import dataclass
from datetime import date, datetime

from aggregator.actions.adjust import adjust
from aggregator.actions.bill import Run, rate_buckets
from aggregator.actions.check_periods import check, ended_period, named, subject_of, waiting
from aggregator.actions.evidence import gather
from aggregator.domain.close import Checklist
from aggregator.domain.due import Account, passed_on
from aggregator.domain.period import Period
from aggregator.domain.slot import slot_of
from aggregator.errors import Conflict
from aggregator.store import billing, closing, evidence, runs
from aggregator.store.closing import Subject, Target
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.periods import PeriodRow, period_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalised:
    """A period that is final now, with what it was closed with; in a dry run one that would be."""

    row: PeriodRow
    account: Account
    checklist: Checklist
    readings: int
    adjustments: int


async def finalise(
    db: Database,
    client_id: int,
    *,
    first_day: date | None = None,
    now: datetime | None = None,
    cutoff: datetime | None = None,
    dry_run: bool = False,
) -> Finalised:
    """The client's period that begins on the day, None: the oldest ended one. ``now`` and ``cutoff`` None: now.

    Raises ``NotFound``, ``Invalid`` where no period begins, and ``Conflict`` with what to do: for a period that is not over
    or final already, while an older one is not, with open items, and for a cutoff that lies before its end.
    """
    async with db.transaction() as conn:
        fresh = await billing.read_cutoff(conn)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        record = await runs.start(conn, "finalising")
        run = Run(id=record.id, now=now or fresh, cutoff=cutoff or fresh)
        await closing.hold(conn, client_id)
        done = await finalise_held(conn, client_id, first_day, run)
        counts = {"readings": done.readings, "adjustments": done.adjustments}
        await runs.finish(conn, record.id, state="done", counts=counts, error="")
    return done


async def finalise_held(conn: Connection, client_id: int, first_day: date | None, run: Run) -> Finalised:
    """The same within a transaction that holds the client."""
    subject = await subject_of(conn, client_id)
    account = await billing.account(conn, subject.billed)
    period = await ended_period(conn, subject, account, first_day, now=run.now)
    await _refuse(conn, subject, account, period, run)
    # Before anything is read that changes of bindings and terms could change: they wait, or were first.
    if not await closing.move_finalised(conn, subject.billed, to_slot=period.to_slot):
        raise Conflict(f"{subject.name} was finalised by somebody else at this moment; look again")
    taken = await billing.take_dirty(conn, client_id, period)
    account = await billing.account(conn, subject.billed)
    if account.cycle.period_containing(period.start) != period:
        raise Conflict(f"the periods of {subject.name} were changed at this moment; look again")
    await adjust(conn, subject.billed, account, run, everything=False)
    _, late = await rate_buckets(conn, account, period, account.agreements, run)
    [found] = await check(conn, subject, account, [period], now=run.now, just_rated=True)
    if not found.may_close:
        raise Conflict(_open(subject, account, period, found))
    target = Target(client_id, period)
    buckets = await closing.buckets_read(conn, target)
    await evidence.save(conn, await gather(conn, subject, period, buckets, cutoff=run.cutoff))
    readings = await closing.finalise_readings(
        conn, target, open_items=[f"{item.kind.value}: {item.text}" for item in found.open_items]
    )
    adjustments = await closing.finalise_adjustments(conn, target)
    # What was stored after the cutoff is corrected by the next run, which must find the marks.
    again = {(bucket, day) for bucket, day in taken if bucket in late}
    await billing.mark_dirty(conn, again | passed_on(taken, period=period, account=account, now=run.now))
    row = await period_row(conn, client_id, slot_of(period.start))
    if row is None:
        raise Conflict(
            f"nothing of {subject.name} is billed in the period any more; run billing, then look again"
        )
    await announce(conn, "reading", "client", clients=[client_id])
    return Finalised(row=row, account=account, checklist=found, readings=readings, adjustments=adjustments)


async def _refuse(conn: Connection, subject: Subject, account: Account, period: Period, run: Run) -> None:
    """Raises ``Conflict`` for what cannot be finalised now whatever its checklist says."""
    first = account.cycle.first_day(period)
    older = [one for one in await waiting(conn, subject, account, now=run.now) if one.start < period.start]
    if older:
        days = ", ".join(str(account.cycle.first_day(one)) for one in older)
        raise Conflict(
            f"the period from {first} of {subject.name} cannot be finalised before older ones; finalise first: {days}"
        )
    if run.cutoff < period.end:
        raise Conflict(
            f"the cutoff {run.cutoff:%Y-%m-%d %H:%M} UTC lies before the end of the period from {first}; take a later one, "
            "and see that the clock of the database is right"
        )


def _open(subject: Subject, account: Account, period: Period, found: Checklist) -> str:
    items = found.open_items
    first, last = account.cycle.first_day(period), account.cycle.last_day(period)
    return (
        f"the period from {first} to {last} of {subject.name} is not ready to be finalised: "
        f"{named([f'{item.kind.value} {item.subject}'.rstrip() + f' ({item.text})' for item in items])}"
    )
