"""What the open period of a bucket will look like at its end.

What has passed is known exactly; the days to come are drawn from those that were (domain/forecast.py), each path is
aggregated like the bill, and three of them are priced like it: the middle one, and those that one in ten is below and above.
With too little history it is the run rate. Floats are right for paths: nobody is billed by them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from aggregator.domain.daily import Day, DayPart, day_spans, history, known_values
from aggregator.domain.forecast import HISTORY_DAYS_MIN, Path, paths
from aggregator.domain.quantity import Unit, rank, ratio
from aggregator.domain.rate import Part, Rating, charge, combine, percent_of_commit, round_half_away
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.domain.terms import Aggregation, Segment

LOW, HIGH = 0.1, 0.9
# Older days say nothing of those to come.
DAYS_LOOKED_AT = 100
Method = Literal["paths", "run-rate"]

_SECONDS_PER_MINUTE = 60
_MINUTES_PER_HOUR = 60
# A ranked value is looked for so closely before the next value that there is is taken.
_CLOSE = 5e-4
# Which figure of a day a path is drawn by; assets and their own highest values are in no day.
_FIGURES: Mapping[Aggregation, str] = {
    Aggregation.SUM: "total",
    Aggregation.AVG: "total",
    Aggregation.MAX: "high",
    Aggregation.MIN: "low",
    Aggregation.LAST: "last",
    Aggregation.PERCENTILE: "total",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The expected end of a period. ``percent_of_commit`` is None without a commit, the range where it is not known."""

    quantity: Decimal
    cost: Decimal
    percent_of_commit: Decimal | None
    low_quantity: Decimal | None = None
    high_quantity: Decimal | None = None
    low_cost: Decimal | None = None
    high_cost: Decimal | None = None
    method: Method = "run-rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A segment of the period, with its quantity over the slots before ``as_of_slot``."""

    segment: Segment
    quantity: Decimal
    as_of_slot: int


def project(
    parts: Sequence[Measured],
    *,
    unit: Unit,
    currency_digits: int,
    days: Sequence[DayPart] = (),
    chance: Callable[[], float] | None = None,
) -> Projection | None:
    """None where no slot has ended: that is not a projection of 0.

    ``days`` are those of the bucket in order of time, ``chance`` gives numbers in [0, 1): the same ones give the same
    projection; without it, it is the run rate.
    """
    begun = [part for part in parts if _slots(part.segment, until=part.as_of_slot) > 0]
    if not begun:
        return None
    ends = _drawn(parts, unit, days, chance, as_of=max(part.as_of_slot for part in begun)) if chance else None
    if ends is None:
        found = _priced(parts, _run_rate(parts, unit), unit=unit, currency_digits=currency_digits)
        return _projection(found)
    low, middle, high = (_priced(parts, end, unit=unit, currency_digits=currency_digits) for end in ends)
    return _projection(middle, low, high)


def _projection(middle: Rating, *ends: Rating) -> Projection:
    """Of several segments the paths are in order of the quantity, which need not be that of the cost."""
    quantities = [end.quantity for end in (middle, *ends)]
    costs = [end.charge.cost for end in (middle, *ends)]
    return Projection(
        quantity=middle.quantity,
        cost=middle.charge.cost,
        percent_of_commit=percent_of_commit(middle.quantity, commit=middle.charge.commit),
        low_quantity=min(quantities) if ends else None,
        high_quantity=max(quantities) if ends else None,
        low_cost=min(costs) if ends else None,
        high_cost=max(costs) if ends else None,
        method="paths" if ends else "run-rate",
    )


def _priced(
    parts: Sequence[Measured], quantities: Sequence[Decimal], *, unit: Unit, currency_digits: int
) -> Rating:
    """Like the bill, the quantity of each segment given."""
    rated = []
    for part, quantity in zip(parts, quantities, strict=True):
        terms, fraction = part.segment.terms, part.segment.fraction
        cost = charge(terms, quantity=quantity, currency_digits=currency_digits, fraction=fraction)
        rated.append(Part(terms=terms, fraction=fraction, quantity=quantity, charge=cost))
    return combine(rated, places=unit.precision)


def _run_rate(parts: Sequence[Measured], unit: Unit) -> list[Decimal]:
    """A sum grows with the slots still to come, every other aggregation stays what it is.

    A segment that has not begun goes on as the one before it, or the one after it where that alone has.
    """
    quantities: list[Decimal] = []
    elapsed = [_slots(part.segment, until=part.as_of_slot) for part in parts]
    pace = next((part.quantity, slots) for part, slots in zip(parts, elapsed, strict=True) if slots)
    for part, slots in zip(parts, elapsed, strict=True):
        if slots > 0:
            pace = (part.quantity, slots)
        quantity, counted = pace
        if part.segment.terms.aggregation is Aggregation.SUM:
            above, below = quantity.as_integer_ratio()
            whole = _slots(part.segment, until=part.segment.to_slot)
            quantity = ratio(above * whole, below * counted, places=unit.precision)
        quantities.append(quantity)
    return quantities


@dataclass(frozen=True, slots=True)
class _Open:
    """A segment with slots to come: (days from today, part of the day) of each."""

    part: Measured
    rest: Sequence[tuple[int, float]]
    values: Sequence[int]

    @property
    def aggregation(self) -> Aggregation:
        return self.part.segment.terms.aggregation


def _drawn(
    parts: Sequence[Measured],
    unit: Unit,
    days: Sequence[DayPart],
    chance: Callable[[], float],
    *,
    as_of: int,
) -> list[list[Decimal]] | None:
    """The quantities of the segments on three paths, that with the low end first; None where history does not do."""
    today = as_of // UNITS_PER_DAY
    opened: list[_Open | None] = []
    for part in parts:
        one = _opened(part, days, as_of=as_of, today=today, width=unit.width)
        if one is None:
            return None
        opened.append(one if one.rest else None)
    ahead = [one for one in opened if one is not None]
    known = _usable(
        history(days, before=today, width=unit.width), {part.segment.terms.aggregation for part in parts}
    )
    if known is None:
        return None
    last = max((offset for one in ahead for offset, _ in one.rest), default=-1)
    figure = _FIGURES[parts[-1].segment.terms.aggregation]
    drawn = paths([getattr(day, figure) for day in known], remaining=last + 1, chance=chance)
    if not ahead:
        drawn = drawn[:1]
    ends = [
        [
            float(part.quantity) if one is None else _end(one, known, path, unit)
            for part, one in zip(parts, opened, strict=True)
        ]
        for path in drawn
    ]
    ends.sort(key=lambda end: _size(parts, end))
    return [
        [
            part.quantity if one is None else round_half_away(Decimal(quantity), places=unit.precision)
            for part, one, quantity in zip(parts, opened, end, strict=True)
        ]
        for end in (ends[int(LOW * len(ends))], ends[len(ends) // 2], ends[max(0, int(HIGH * len(ends)) - 1)])
    ]


def _opened(part: Measured, days: Sequence[DayPart], *, as_of: int, today: int, width: int) -> _Open | None:
    """None where nothing can be drawn for it."""
    segment = part.segment
    if segment.terms.aggregation not in _FIGURES:
        return None
    rest = [
        (start // UNITS_PER_DAY - today, (end - max(start, as_of)) / UNITS_PER_DAY)
        for start, end in day_spans(segment, until=segment.to_slot, since=as_of)
        if end > as_of
    ]
    values: list[int] | None = []
    if rest and segment.terms.percentile is not None:
        values = known_values(days, segment, until=min(as_of, segment.to_slot), width=width)
    return None if values is None else _Open(part, rest, values)


def _usable(days: Sequence[Day], aggregations: set[Aggregation]) -> Sequence[Day] | None:
    """The newest days of which all is known that these ask for."""
    wanted = {_FIGURES[one] for one in aggregations}
    if Aggregation.PERCENTILE in aggregations:
        wanted.add("values")
    unknown = (
        place for place in range(len(days), 0, -1) if any(getattr(days[place - 1], w) is None for w in wanted)
    )
    found = days[next(unknown, 0) :][-DAYS_LOOKED_AT:]
    return found if len(found) >= HISTORY_DAYS_MIN else None


def _end(one: _Open, days: Sequence[Day], path: Path, unit: Unit) -> float:
    """The quantity of a segment at its end, on one path."""
    scale = _scale(unit)
    already = float(one.part.quantity)
    counted = _slots(one.part.segment, until=one.part.as_of_slot)
    came = [(path[offset], share) for offset, share in one.rest]
    match one.aggregation:
        case Aggregation.SUM:
            hours = unit.slot_minutes / _MINUTES_PER_HOUR if unit.kind == "level" else 1
            return already + scale * hours * sum(days[i].total * f * share for (i, f), share in came)
        case Aggregation.AVG:
            slots, whole = (n // unit.width for n in (counted, _slots(one.part.segment)))
            return (
                already * slots + scale * sum(days[i].total * f * share for (i, f), share in came)
            ) / whole
        case Aggregation.MAX:
            return max(already, scale * max((days[i].high or 0) * f for (i, f), _ in came))
        case Aggregation.MIN:
            lowest = scale * min((days[i].low or 0) * f for (i, f), _ in came)
            return min(already, lowest) if counted else lowest
        case Aggregation.PERCENTILE:
            return scale * _ranked(one, days, path, unit)
        case _:
            (i, f), _ = came[-1]
            return scale * (days[i].last or 0) * f


def _ranked(one: _Open, days: Sequence[Day], path: Path, unit: Unit) -> float:
    """The value at the percentile's rank among those known and those of the days to come, each day as far as it counts."""
    slots = _slots(one.part.segment) // unit.width
    # So many values are at or above the one that is looked for; those that are 0 for want of a value are below all others.
    above = slots - rank(one.part.segment.terms.percentile or Decimal(0), slots) + 1
    lists: list[tuple[Sequence[int], float, float]] = [(one.values, 1.0, 1.0)]
    lists += [(days[path[o][0]].values or (), path[o][1], share) for o, share in one.rest]
    lists = [(values, factor, weight) for values, factor, weight in lists if values and factor > 0]
    low, high = 0.0, max((values[-1] * factor for values, factor, _ in lists), default=0.0)
    if _at_least(lists, high) >= above:
        return high
    close = _CLOSE * high
    while high - low > close:
        middle = (low + high) / 2
        if _at_least(lists, middle) >= above:
            low = middle
        else:
            high = middle
    # The value itself lies at or above `low`, within what was looked at.
    return max(
        (
            values[place - 1] * factor
            for values, factor, _ in lists
            if (place := bisect_right(values, high / factor)) and values[place - 1] * factor >= low
        ),
        default=0.0,
    )


def _at_least(lists: Sequence[tuple[Sequence[int], float, float]], value: float) -> float:
    return sum(
        (len(values) - bisect_left(values, value / factor)) * weight for values, factor, weight in lists
    )


def _size(parts: Sequence[Measured], end: Sequence[float]) -> float:
    if parts[-1].segment.terms.aggregation is Aggregation.SUM:
        return sum(end)
    return sum(part.segment.fraction * quantity for part, quantity in zip(parts, end, strict=True))


def _scale(unit: Unit) -> float:
    """Billed units of one step."""
    seconds = unit.slot_minutes * _SECONDS_PER_MINUTE if unit.per == "second" else 1
    return 1 / (unit.divisor * seconds)


def _slots(segment: Segment, *, until: int | None = None) -> int:
    """In 5-minute units."""
    return sum(end - start for start, end in segment.spans(until=segment.to_slot if until is None else until))
