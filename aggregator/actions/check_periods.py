"""Looks at what keeps ended periods of a client from being finalised."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from aggregator.domain.close import Checklist, Facts, checklist, pending, period_of_day
from aggregator.domain.due import Account, due
from aggregator.domain.period import Period
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import adjustments, billing, closing
from aggregator.store.closing import Subject, Target
from aggregator.store.database import Connection

NAMED_MAX = 5


async def subject_of(conn: Connection, client_id: int) -> Subject:
    """The client as it is closed. Raises ``NotFound``."""
    found = await closing.subjects(conn, [client_id])
    if not found:
        raise NotFound("client", client_id)
    return found[0]


async def check(
    conn: Connection,
    subject: Subject,
    account: Account,
    periods: Sequence[Period],
    *,
    now: datetime,
    just_rated: bool = False,
) -> list[Checklist]:
    """A checklist for each period, in their order; ``just_rated``: in this transaction, so that no figure can be older."""
    targets = [Target(subject.id, period) for period in periods]
    found = await closing.facts(conn, targets)
    seen = await closing.acknowledged(conn, targets)
    stale: set[datetime] = set()
    if not just_rated:
        dirty = await billing.dirty_days(conn, subject.id)
        stale = {period.start for period, _ in due(account, dirty=dirty, now=now)}
    return [
        checklist(
            period,
            account,
            _with_stale(facts) if period.start in stale else facts,
            acknowledged,
            close_after_days=subject.close_after_days,
            now=now,
        )
        for period, facts, acknowledged in zip(periods, found, seen, strict=True)
    ]


async def waiting(conn: Connection, subject: Subject, account: Account, *, now: datetime) -> list[Period]:
    """The client's ended periods that are to be finalised, oldest first."""
    return pending(account, now=now, adjusted=await adjustments.adjusted(conn, subject.id))


async def ended_period(
    conn: Connection, subject: Subject, account: Account, first_day: date | None, *, now: datetime
) -> Period:
    """The ended, unfinalised period that begins on the day; None: the oldest.

    Raises ``Invalid`` where no period begins, ``Conflict`` for one that is not over, finalised, or without anything to bill.
    """
    calendar = account.cycle
    periods = await waiting(conn, subject, account, now=now)
    if first_day is None:
        if periods:
            return periods[0]
        last = calendar.last_day(calendar.period_containing(now))
        raise Conflict(
            f"no ended period of {subject.name} is to be finalised; the open one lasts until {last}"
        )
    period = period_of_day(calendar, first_day)
    if period is None:
        raise Invalid("first_day", _where(account, first_day, subject))
    if period.start > now:
        raise Conflict(
            f"the period from {first_day} lies in the future; look again after {calendar.last_day(period)}"
        )
    if period.end > now:
        raise Conflict(f"the period from {first_day} is open; look again after {calendar.last_day(period)}")
    if period.to_slot <= account.finalised_slot:
        raise Conflict(
            f"the period from {first_day} of {subject.name} is finalised already; figures never change"
        )
    if period not in periods:
        raise Conflict(
            f"nothing of {subject.name} is billed in the period from {first_day}; there is nothing to finalise"
        )
    return period


def named(texts: Sequence[str]) -> str:
    """The first few, and how many there are more."""
    more = len(texts) - NAMED_MAX
    return "; ".join(texts[:NAMED_MAX]) + (f"; and {more:,} more" if more > 0 else "")


def _with_stale(facts: Facts) -> Facts:
    text = "usage, bindings or terms changed since it was rated: the job billing rates it within the hour, or run it"
    return replace(facts, not_rated=(*facts.not_rated, text))


def _where(account: Account, day: date, subject: Subject) -> str:
    try:
        period = account.cycle.period_containing(account.cycle.first_instant(day))
    except (OverflowError, ValueError):
        return f"no period of {subject.name} begins on {day}"
    first, last = account.cycle.first_day(period), account.cycle.last_day(period)
    return f"no period of {subject.name} begins on {day}; it lies in the one from {first} to {last}, so give {first}"
