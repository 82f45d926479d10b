"""What a bucket agrees on, and which agreement holds for which slots of a period.

Terms are dated rows: each holds from a local midnight until the next one starts. Knows nothing of quantities or money.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from aggregator.domain.period import Cycle, Period
from aggregator.domain.slot import first_slot


class Aggregation(StrEnum):
    """How a bucket's slot values become one quantity (design: "From readings to money", rule 5)."""

    SUM = "sum"
    AVG = "avg"
    MAX = "max"
    LAST = "last"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One dated agreement of a bucket.

    ``commit`` is in billed units a period; 0 means no commit. Prices are of one billed unit and are never rounded.
    Loads from a row: ``aggregation`` may be given as text. Raises ``ValueError`` for one that does not exist.
    """

    id: int
    starts_on: date
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal
    aggregation: Aggregation

    def __post_init__(self) -> None:
        object.__setattr__(self, "aggregation", Aggregation(self.aggregation))


@dataclass(frozen=True, slots=True)
class Segment:
    """Slots [from_slot, to_slot) of a period that are rated under one agreement."""

    terms: Terms
    from_slot: int
    to_slot: int


def segments(terms: Sequence[Terms], *, cycle: Cycle, period: Period, width: int) -> list[Segment]:
    """How a bucket's terms cut a period, oldest part first; empty when the bucket starts only after it.

    ``width`` is that of the unit type's slots in 5-minute units. The whole period is one segment under the terms in
    force at its end; it begins where the bucket's first terms begin, if that is within the period.
    """
    last_day = cycle.last_day(period)
    agreed = sorted((t for t in terms if t.starts_on <= last_day), key=lambda t: t.starts_on)
    if not agreed:
        return []
    from_slot, to_slot = period.slots(width=width)
    begins = first_slot(cycle.first_instant(agreed[0].starts_on), width=width)
    if begins >= to_slot:
        return []
    return [Segment(terms=agreed[-1], from_slot=max(from_slot, begins), to_slot=to_slot)]
