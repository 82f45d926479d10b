"""A client's billing calendar: which span of time a period is, and which slots lie in it.

Period number k starts at anchor + k × count units, always counted from the anchor and never from the period before, so
that an anchor on the 31st does not wear down to the 28th. It starts at the first instant of that local day: where the
clock jumps over midnight that is the instant of the jump, where midnight comes twice it is the first.

A client may change its cycle, zone or currency at the end of a period; its calendar is the cycles one after the other, in
which periods neither overlap nor leave a hole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aggregator.domain.slot import UNITS_PER_HOUR, first_slot

_UNITS = ("month", "week")
_MONTHS_PER_YEAR = 12
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """One span [start, end) of a cycle, in aware UTC times, and the hour slots [from_slot, to_slot) that start in it.

    ``number`` counts from the cycle's anchor; it is negative before it.
    """

    number: int
    start: datetime
    end: datetime
    from_slot: int
    to_slot: int

    def slots(self, *, width: int) -> tuple[int, int]:
        """The slots of ``width`` units (12 or 1) that start in the period, as [first, beyond the last)."""
        return first_slot(self.start, width=width), first_slot(self.end, width=width)

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Cycle:
    """How a client's time is cut into periods.

    ``unit`` is 'month' or 'week', ``time_zone`` a name of the IANA database. Raises ``ValueError``, saying which part
    is wrong, for anything else and for a count below 1.
    """

    unit: str
    count: int
    anchor: date
    time_zone: str

    def __post_init__(self) -> None:
        if self.unit not in _UNITS:
            raise ValueError(f"a cycle's unit is {' or '.join(_UNITS)}, not {self.unit!r}")
        if self.count < 1:
            raise ValueError(f"a cycle's count is at least 1, not {self.count}")
        _zone(self.time_zone)

    def period(self, number: int) -> Period:
        """Period ``number``, counted from the anchor. Raises ``OverflowError`` outside the years 1 to 9999."""
        return _period(number, self._start(number), self._start(number + 1))

    def period_containing(self, at: datetime) -> Period:
        """The one period with start ≤ ``at`` < end."""
        number = self._roughly(at.astimezone(_zone(self.time_zone)).date())
        while self._start(number) > at:
            number -= 1
        while self._start(number + 1) <= at:
            number += 1
        return self.period(number)

    def periods_between(self, since: datetime, until: datetime) -> Iterator[Period]:
        """All periods that have an instant in [since, until), oldest first; none when the span is empty."""
        if since >= until:
            return
        period = self.period_containing(since)
        while period.start < until:
            yield period
            period = self.period(period.number + 1)

    def first_day(self, period: Period) -> date:
        """The local day that the period's first instant lies in."""
        return period.start.astimezone(_zone(self.time_zone)).date()

    def last_day(self, period: Period) -> date:
        """The local day that the period's last instant lies in."""
        return _last_day(period.end, self.time_zone)

    def reporting_month(self, period: Period) -> date:
        """The calendar month that the period counts for, as its first day."""
        return reporting_month(period.end, time_zone=self.time_zone)

    def first_instant(self, day: date) -> datetime:
        """The first instant of a local day, in UTC; if the zone left the day out, of the first day after it."""
        return _first_instant(day, self.time_zone)

    def _start(self, number: int) -> datetime:
        steps = number * self.count
        day = self.anchor + timedelta(weeks=steps) if self.unit == "week" else _add_months(self.anchor, steps)
        return self.first_instant(day)

    def _roughly(self, day: date) -> int:
        """A number at most one away from that of the period which holds the local ``day``."""
        if self.unit == "week":
            return (day - self.anchor).days // (7 * self.count)
        months = (day.year - self.anchor.year) * _MONTHS_PER_YEAR + day.month - self.anchor.month
        return months // self.count


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 code and the digits of its minor unit."""

    code: str
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What a client's periods are cut and billed by up to the first instant of the local day ``until``; None: for ever.

    ``until`` is the end of a period of the cycle.
    """

    cycle: Cycle
    currency: Currency
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """A client's cycles in order of time; only the last has no end. Periods are numbered through, from the first anchor.

    An era begins at the instant at which the one before it ended, whatever its own zone calls that instant. Raises
    ``ValueError`` for eras that are not in order.
    """

    eras: tuple[Era, ...]

    def __post_init__(self) -> None:
        ends = [era.until for era in self.eras]
        known = [day for day in ends[:-1] if day is not None]
        if not ends or ends[-1] is not None or len(known) != len(ends) - 1 or known != sorted(set(known)):
            raise ValueError(
                "all eras of a calendar but the last have an end, each later than the one before"
            )

    def period(self, number: int) -> Period:
        """Period ``number``. Raises ``OverflowError`` outside the years 1 to 9999."""
        at = next(at for at in reversed(_reaches(self.eras)) if at.first is None or number >= at.first)
        return at.period(number)

    def period_containing(self, at: datetime) -> Period:
        """The one period with start ≤ ``at`` < end."""
        reach = self._reach(at)
        number = reach.offset + reach.era.cycle.period_containing(at).number
        # Between the end of the era before and its own midnight it is in the first period all the same.
        return reach.period(number if reach.first is None else max(number, reach.first))

    def periods_between(self, since: datetime, until: datetime) -> Iterator[Period]:
        """All periods that have an instant in [since, until), oldest first; none when the span is empty."""
        if since >= until:
            return
        period = self.period_containing(since)
        while period.start < until:
            yield period
            period = self.period(period.number + 1)

    def era(self, at: datetime) -> Era:
        """What holds at a time; of a period ask with its start."""
        return self._reach(at).era

    def currency(self, period: Period) -> Currency:
        """What the period is billed in."""
        return self.era(period.start).currency

    def first_day(self, period: Period) -> date:
        """The local day that the period begins on."""
        return self.day(period.start)

    def last_day(self, period: Period) -> date:
        """The local day that the period's last instant lies in."""
        return self.day(period.end - _INSTANT)

    def reporting_month(self, period: Period) -> date:
        """The calendar month that the period counts for, as its first day."""
        return self.last_day(period).replace(day=1)

    def day(self, at: datetime) -> date:
        """The local day of a time: the last one whose first instant is not after it."""
        reach = self._reach(at)
        local = at.astimezone(_zone(reach.era.cycle.time_zone)).date()
        return local if reach.begins_on is None else max(local, reach.begins_on)

    def first_instant(self, day: date) -> datetime:
        """The first instant of a local day, in UTC; if the zone left the day out, of the first day after it."""
        reach = next(r for r in _reaches(self.eras) if r.era.until is None or day < r.era.until)
        if reach.start is None or reach.begins_on is None:
            return reach.era.cycle.first_instant(day)
        return reach.start if day <= reach.begins_on else max(reach.start, reach.era.cycle.first_instant(day))

    def ends_period(self, day: date) -> bool:
        """Whether a period ends at the first instant of the day."""
        at = self.first_instant(day)
        return self.period_containing(at).start == at and self.day(at) == day

    def _reach(self, at: datetime) -> "_Reach":
        return next(r for r in _reaches(self.eras) if r.end is None or at < r.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """Where an era lies. ``first``: its first period's number; ``offset``: from numbers of its cycle to the calendar's."""

    era: Era
    begins_on: date | None
    start: datetime | None
    end: datetime | None
    first: int | None
    offset: int

    def period(self, number: int) -> Period:
        own = self.era.cycle.period(number - self.offset)
        start = self.start if self.start is not None and number == self.first else own.start
        end = own.end if self.end is None else min(own.end, self.end)
        return _period(number, start, end)


@lru_cache(maxsize=4096)
def _reaches(eras: tuple[Era, ...]) -> tuple[_Reach, ...]:
    found: list[_Reach] = []
    begins_on: date | None = None
    start: datetime | None = None
    first: int | None = None
    for era in eras:
        offset = 0
        if begins_on is not None and start is not None and first is not None:
            opening = max(start, era.cycle.first_instant(begins_on))
            offset = first - era.cycle.period_containing(opening).number
        end = None if era.until is None else era.cycle.first_instant(era.until)
        if end is not None and start is not None:
            end = max(end, start + _INSTANT)
        found.append(_Reach(era=era, begins_on=begins_on, start=start, end=end, first=first, offset=offset))
        if end is not None:
            first = offset + era.cycle.period_containing(end - _INSTANT).number + 1
        begins_on, start = era.until, end
    return tuple(found)


def reporting_month(end: datetime, *, time_zone: str) -> date:
    """The calendar month that a period with this end counts for, as its first day: that of its last local day."""
    return _last_day(end, time_zone).replace(day=1)


def _period(number: int, start: datetime, end: datetime) -> Period:
    return Period(
        number=number,
        start=start,
        end=end,
        from_slot=first_slot(start, width=UNITS_PER_HOUR),
        to_slot=first_slot(end, width=UNITS_PER_HOUR),
    )


def _last_day(end: datetime, time_zone: str) -> date:
    return (end - _INSTANT).astimezone(_zone(time_zone)).date()


def _add_months(day: date, months: int) -> date:
    """``day`` moved by whole months, clamped to the end of the month."""
    year, month = divmod(day.year * _MONTHS_PER_YEAR + day.month - 1 + months, _MONTHS_PER_YEAR)
    if not date.min.year <= year < date.max.year:
        raise OverflowError(f"{months} months from {day} is outside the calendar")
    first = date(year, month + 1, 1)
    following = date(year + (month + 1) // _MONTHS_PER_YEAR, (month + 1) % _MONTHS_PER_YEAR + 1, 1)
    return first.replace(day=min(day.day, (following - first).days))


@lru_cache(maxsize=4096)
def _first_instant(day: date, time_zone: str) -> datetime:
    zone = _zone(time_zone)
    midnight = datetime.combine(day, time())
    # Of two midnights this is the first (fold 0); of none, a time at or after the jump.
    at = midnight.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == midnight:
        return at
    # The jump lies between midnight told by the clock after it and by the clock before it; to whole seconds.
    before = midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    seconds_before, seconds_at = 0, round((at - before).total_seconds())
    while seconds_at - seconds_before > 1:
        middle = (seconds_before + seconds_at) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).date() < day:
            seconds_before = middle
        else:
            seconds_at = middle
    return before + timedelta(seconds=seconds_at)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}; it takes a name like Europe/Berlin") from error
