"""What a bucket used day by day, which projections draw from.

Days are those of UTC. Where a period or a segment begins within one, the day is kept in parts, so that what belongs to a
period can be told exactly. Knows slots and steps, nothing of money.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from aggregator.domain.due import DirtyDay, Standing
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.domain.terms import Aggregation, Segment


@dataclass(frozen=True, slots=True)
class DayFold:
    """What is folded of a day that has a value, from its slots within one segment; fields as in `DayPart`."""

    day_slot: int
    filled: int
    total: int
    high: int | None
    low: int | None
    last: int | None
    values: Sequence[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPart:
    """Slots [from_slot, to_slot) of one day of a bucket, folded; in steps.

    ``filled`` of its slots have a value, all others are worth 0; where the aggregation does not look at single slots it is
    1 for any. There alone ``high`` and ``low`` are None. ``last``, the value of the day's last slot, is known where the
    aggregation asks for it, ``values``, in order of size, of the filled slots, where it ranks them.
    """

    from_slot: int
    to_slot: int
    filled: int = 0
    total: int = 0
    high: int | None = None
    low: int | None = None
    last: int | None = None
    values: Sequence[int] | None = None

    @property
    def day(self) -> int:
        """The number of its day since 1970."""
        return self.from_slot // UNITS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A whole day, as if each of its slots had counted."""

    total: float
    high: float | None
    low: float | None
    last: float | None
    values: Sequence[int] | None


def day_spans(segment: Segment, *, until: int, since: int = 0) -> Iterator[tuple[int, int]]:
    """The slots of a segment in [since, until), cut where days begin, oldest first; slots of a pause are left out."""
    for start, end in segment.spans(until=until):
        begins = max(start, since // UNITS_PER_DAY * UNITS_PER_DAY)
        while begins < end:
            ends = min(end, (begins // UNITS_PER_DAY + 1) * UNITS_PER_DAY)
            yield begins, ends
            begins = ends


def day_parts(segment: Segment, folds: Sequence[DayFold], *, until: int, since: int) -> Iterator[DayPart]:
    """The segment's days from that of slot ``since`` on, those without a value too."""
    by_day = {fold.day_slot: fold for fold in folds}
    aggregation = segment.terms.aggregation
    by_slot = aggregation in (Aggregation.MAX, Aggregation.MIN, Aggregation.PERCENTILE)
    nothing = DayFold(
        0,
        filled=0,
        total=0,
        high=0 if by_slot else None,
        low=0 if by_slot else None,
        last=0 if aggregation is Aggregation.LAST else None,
        values=() if aggregation is Aggregation.PERCENTILE else None,
    )
    for start, end in day_spans(segment, until=until, since=since):
        fold = by_day.get(start // UNITS_PER_DAY * UNITS_PER_DAY, nothing)
        yield DayPart(
            from_slot=start,
            to_slot=end,
            filled=fold.filled,
            total=fold.total,
            high=fold.high,
            low=fold.low,
            last=fold.last,
            values=fold.values,
        )


def history(parts: Sequence[DayPart], *, before: int, width: int) -> list[Day]:
    """The whole days on end up to that of number ``before``, which is not one of them, oldest first.

    ``parts`` are in order of time. It begins with the first day that has a value; a day without any part ends it.
    """
    by_day: dict[int, list[DayPart]] = {}
    for part in parts:
        by_day.setdefault(part.day, []).append(part)
    found: list[Day] = []
    used = 0
    for number in range(before - 1, -1, -1):
        of_day = by_day.get(number)
        if of_day is None:
            break
        found.append(_whole(of_day, width=width))
        if any(part.filled for part in of_day):
            used = len(found)
    return found[used - 1 :: -1] if used else []


def known_values(parts: Sequence[DayPart], segment: Segment, *, until: int, width: int) -> list[int] | None:
    """The values of all slots of a segment that have ended, in order of size; None where they were not kept."""
    wanted = sum(end - start for start, end in segment.spans(until=until))
    values: list[int] = []
    found = 0
    for part in parts:
        if segment.from_slot <= part.from_slot and part.to_slot <= min(until, segment.to_slot):
            if part.values is None:
                return None
            found += part.to_slot - part.from_slot
            values.extend(part.values)
    if found != wanted:
        return None
    return sorted([*values, *[0] * (wanted // width - len(values))])


def _whole(parts: Sequence[DayPart], *, width: int) -> Day:
    units = sum(part.to_slot - part.from_slot for part in parts)
    highs = [part.high for part in parts if part.high is not None]
    lows = [
        part.low if part.filled == (part.to_slot - part.from_slot) // width else 0
        for part in parts
        if part.low is not None
    ]
    values = [part.values for part in parts if part.values is not None]
    alike = len(parts)
    return Day(
        total=sum(part.total for part in parts) * UNITS_PER_DAY / units,
        high=max(highs) if len(highs) == alike else None,
        low=min(lows) if len(lows) == alike else None,
        last=parts[-1].last,
        values=sorted(value for some in values for value in some) if len(values) == alike else None,
    )


def days_from(standing: Standing | None, *, agreed: str, dirty: Collection[DirtyDay] | None) -> int:
    """From which slot on a bucket's days of a period are told again, 0 for all of them, when it is rated again.

    ``standing`` is its reading of the period so far, ``agreed`` the digest of what it is rated on now, ``dirty`` the days
    of any bucket that changed; None: all of them are told again.
    """
    if standing is None or standing.agreed != agreed or dirty is None:
        return 0
    # A mark may stand for a day next to it that lies in two periods.
    changed = [day - UNITS_PER_DAY for bucket, day in dirty if bucket == standing.bucket_id]
    return max(1, min([*changed, standing.as_of_slot]))
