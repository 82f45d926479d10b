"""Which periods of a client are to be rated now, and for which of its buckets.

A run reconciles: what a run missed, or a killed one left, is due in the next. Knows what was rated, not what it came to.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from aggregator.domain.period import Calendar, Cycle, Period
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import UNITS_PER_DAY, slot_of, slot_start
from aggregator.domain.terms import Segment, Terms, agreed, segments

# A slot counts once it has ended and is surely rolled up: 60 s the roll-up leaves for the last ticks, a minute until it
# comes round, a minute to do it. Counted earlier, it would be worth 0 until the next run.
SETTLE = timedelta(minutes=3)
_INSTANT = timedelta(microseconds=1)

# Finalised periods that are corrected by adjustments: so many before the one that the client's unfinalised time begins in.
LOOK_BACK_PERIODS = 2

# (bucket, first unit of a UTC day): usage, bindings or terms of that day changed since the bucket was rated.
DirtyDay = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A bucket as billing sees it: what it counts, and all its terms."""

    bucket_id: int
    unit: Unit
    terms: tuple[Terms, ...]

    def segments(self, period: Period, *, cycle: Cycle | Calendar) -> list[Segment]:
        """The parts of the period that the bucket is rated for, oldest first; none where it has no terms in it."""
        return segments(self.terms, cycle=cycle, period=period, width=self.unit.width)

    def ended(self, parts: Sequence[Segment], *, now: datetime) -> int:
        """End of the last slot that has ended in these segments, their beginning where none has."""
        width = self.unit.width
        settled = slot_of(now - SETTLE) // width * width
        return max(parts[0].from_slot, min(settled, parts[-1].to_slot))

    def agreed(self, parts: Sequence[Segment]) -> str:
        """Digest of all that the figures of these segments depend on beside usage."""
        return sha256(f"{self.unit}\n{agreed(parts)}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A reading that is there already, by what it was rated on: ``agreed`` None where that was not kept."""

    bucket_id: int
    period_start: datetime
    period_end: datetime
    agreed: str | None
    as_of_slot: int
    finalised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that decides what is due for one client.

    ``first_slot`` is the first slot with usage bound to one of its buckets, None without any; time before
    ``finalised_slot`` is billed for good.
    """

    cycle: Calendar
    agreements: Sequence[Agreement]
    standings: Collection[Standing]
    first_slot: int | None
    finalised_slot: int

    def beginning(self, *, now: datetime) -> Period:
        """The oldest period that is billed: that of the first usage or the oldest reading, at the latest the open one."""
        since = [now, *(s.period_start for s in self.standings if not s.finalised)]
        started = [t.starts_on for a in self.agreements for t in a.terms]
        if self.first_slot is not None and started:
            since.append(max(slot_start(self.first_slot), self.cycle.first_instant(min(started))))
        return self.cycle.period_containing(min(now, max(min(since), slot_start(self.finalised_slot))))


def due(
    account: Account, *, dirty: Collection[DirtyDay], now: datetime, everything: bool = False
) -> Iterator[tuple[Period, frozenset[int]]]:
    """Periods with the ids of the buckets to rate in them, oldest first, up to the open period.

    A bucket is due where it has no reading, where slots have ended or terms have changed since its reading, and on dirty
    days; with ``everything`` always. A finalised reading never is.
    """
    standings = {(s.bucket_id, s.period_start): s for s in account.standings}
    beginning = account.beginning(now=now)
    for period in account.cycle.periods_between(beginning.start, now + _INSTANT):
        touched = {bucket for bucket, day in dirty if touches(day, period)}
        found = frozenset(
            a.bucket_id
            for a in account.agreements
            if _is_due(
                a,
                standings.get((a.bucket_id, period.start)),
                period=period,
                parts=a.segments(period, cycle=account.cycle),
                now=now,
                again=everything or a.bucket_id in touched,
            )
        )
        if found:
            yield period, found


def touches(day: int, period: Period) -> bool:
    """Whether a UTC day, given by its first unit, has a slot in common with the period."""
    return day < period.to_slot and day + UNITS_PER_DAY > period.slots(width=1)[0]


def passed_on(
    taken: Collection[DirtyDay], *, period: Period, account: Account, now: datetime
) -> set[DirtyDay]:
    """Marks to leave for the neighbouring periods by whoever takes these for ``period``.

    A UTC day can lie in two periods of a client. A period is rated as a whole, so that any of its days stands for it: the
    day before or after, which lies in the neighbour alone. Neighbours that are neither billed nor corrected are left out.
    """
    first = account.beginning(now=now).number
    if account.finalised_slot:
        standing = account.cycle.period_containing(slot_start(account.finalised_slot))
        first = min(first, standing.number - LOOK_BACK_PERIODS)
    found = set()
    for number, days in ((period.number - 1, -UNITS_PER_DAY), (period.number + 1, UNITS_PER_DAY)):
        neighbour = account.cycle.period(number)
        if number >= first and neighbour.start <= now:
            found |= {(bucket, day + days) for bucket, day in taken if touches(day, neighbour)}
    return found


def _is_due(
    agreement: Agreement,
    standing: Standing | None,
    *,
    period: Period,
    parts: Sequence[Segment],
    now: datetime,
    again: bool,
) -> bool:
    if standing is None:
        return bool(parts)
    if standing.finalised:
        return False
    if not parts:
        return True
    rated = (standing.period_end, standing.agreed, standing.as_of_slot)
    return again or rated != (period.end, agreement.agreed(parts), agreement.ended(parts, now=now))
