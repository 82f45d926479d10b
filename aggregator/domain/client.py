"""A client as somebody asks for it, and how its calendar may change: checked and with real types."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from aggregator.domain.period import Calendar, Currency, Cycle, Era
from aggregator.domain.slot import UNITS_PER_HOUR, first_slot, slot_start

CONTACT_CHARACTERS_MAX = 500
CLOSE_AFTER_DAYS_MAX = 365


class DayRefused(ValueError):
    """From this day on it cannot be; the text says which day would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """``currency`` is an ISO 4217 code, ``currency_digits`` the digits of its minor unit; the cycle names the zone.

    ``close_after_days`` None: an ended period waits until nothing about it is open.
    """

    name: str
    currency: str
    currency_digits: int
    cycle: Cycle
    contact: str = ""
    close_after_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Terms of a bucket by their days alone; ``bucket`` is its name."""

    id: int
    bucket_id: int
    bucket: str
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Recut:
    """A calendar that is another one from the day on."""

    calendar: Calendar
    day: date


def changed(
    calendar: Calendar,
    *,
    on: date | None,
    unit: str,
    count: int,
    time_zone: str,
    currency: Currency,
    now: datetime,
    finalised_slot: int,
) -> Recut:
    """The calendar with another cycle, zone or currency from the day ``on``; None: from the end of the open period.

    The new cycle's anchor is that day. On the day of the last change this one takes its place, and what held before it,
    asked for again, goes on as if nothing had been. Raises ``DayRefused`` for a day on which no period ends, one before the
    last change, and one in time before ``finalised_slot``.
    """
    day = on or calendar.last_day(calendar.period_containing(now)) + timedelta(days=1)
    *earlier, last = calendar.eras
    begun = earlier[-1].until if earlier else None
    if begun is not None and day < begun:
        raise DayRefused(f"there is a change on {begun} already; name that day to replace it, or a later one")
    check_open(calendar, day, finalised_slot=finalised_slot, at_end=False)
    if not calendar.ends_period(day):
        period = calendar.period_containing(calendar.first_instant(day))
        first, beyond = calendar.first_day(period), calendar.last_day(period) + timedelta(days=1)
        raise DayRefused(f"no period ends on {day}; periods end on {first} and {beyond}")
    cycle = Cycle(unit=unit, count=count, anchor=day, time_zone=time_zone)
    wanted = Era(cycle=cycle, currency=currency)
    if begun != day:
        return Recut(Calendar((*earlier, replace(last, until=day), wanted)), day)
    if _alike(earlier[-1], wanted):
        return Recut(Calendar((*earlier[:-1], replace(earlier[-1], until=None))), day)
    return Recut(Calendar((*earlier, wanted)), day)


def check_open(calendar: Calendar, day: date, *, finalised_slot: int, at_end: bool = True) -> None:
    """Raises ``DayRefused`` for a day before the end of finalised time; ``at_end`` False: also for the day at its end."""
    begins = first_slot(calendar.first_instant(day), width=UNITS_PER_HOUR)
    if begins < finalised_slot or (begins == finalised_slot and not at_end):
        ends = calendar.day(slot_start(finalised_slot))
        remedy = f"take {ends} or a later day" if at_end else f"take a day after {ends}"
        raise DayRefused(f"{day} is in time that is billed for good; {remedy}")


def going_on(terms: Sequence[Dated], day: date) -> list[Dated]:
    """Of each bucket the terms that began before the day and hold on it still; by name of the bucket."""
    found = []
    for bucket_id in {one.bucket_id for one in terms}:
        own = sorted((t for t in terms if t.bucket_id == bucket_id), key=lambda t: t.starts_on)
        before = [t for t in own if t.starts_on < day]
        starts_anew = any(t.starts_on == day for t in own)
        if before and not starts_anew and (before[-1].ends_on is None or before[-1].ends_on > day):
            found.append(before[-1])
    return sorted(found, key=lambda t: (t.bucket, t.bucket_id))


def paused(terms: Sequence[Dated], day: date) -> list[Dated]:
    """The terms that ended on the day and were their bucket's last: what going on begins with; by name of the bucket."""
    last = {one.bucket_id: one for one in sorted(terms, key=lambda t: t.starts_on)}
    return sorted((one for one in last.values() if one.ends_on == day), key=lambda t: (t.bucket, t.bucket_id))


def _alike(era: Era, other: Era) -> bool:
    return (era.cycle.unit, era.cycle.count, era.cycle.time_zone, era.currency) == (
        other.cycle.unit,
        other.cycle.count,
        other.cycle.time_zone,
        other.currency,
    )
