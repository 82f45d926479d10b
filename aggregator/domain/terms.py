"""What a bucket agrees on, and which agreement holds for which slots of a period.

Terms are dated rows: each holds from a local midnight until it ends or the next one starts. Knows nothing of quantities or
money beyond carrying their numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from aggregator.domain.period import Calendar, Cycle, Period
from aggregator.domain.slot import first_slot

PERCENTILE_PLACES_MAX = 3
_PERCENT_MAX = 100
_DAY = timedelta(days=1)


class Aggregation(StrEnum):
    """How a bucket's slot values become one quantity (design: "From readings to money", rule 5)."""

    SUM = "sum"
    AVG = "avg"
    MAX = "max"
    MIN = "min"
    SUM_OF_MAX = "sum_of_max"
    PERCENTILE = "percentile"
    LAST = "last"
    COUNT = "count"


# What of terms decides over figures, beside their tiers; when they hold is in the segments.
_AGREED = (
    "id", "commit", "base_price", "overage_price", "aggregation", "percentile", "package", "minimum", "maximum", "gap_hold",
)  # fmt: skip
_NAMED = tuple(a.value for a in Aggregation if a is not Aggregation.PERCENTILE)


@dataclass(frozen=True, slots=True)
class Tier:
    """The price of overage units above a bound, counted from the first overage unit; the first tier is above 0."""

    above: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One dated agreement of a bucket, of the local days [starts_on, ends_on).

    ``commit`` is in billed units a period; 0 means no commit. Prices are of one billed unit and are never rounded.
    ``ends_on`` None: until the next terms start, or open. ``percentile`` goes with the aggregation of that name alone,
    ``package`` None: overage units are taken as they are. ``minimum`` and ``maximum`` are money a period. ``tiers`` empty:
    the one overage price. ``gap_hold`` None: as the unit type says; 0 is the rule `zero`.

    Loads from a row: ``aggregation`` may be given as text, ``tiers`` as the database keeps them. Raises ``ValueError`` for
    an aggregation that does not exist, a percentile too few or too many, and tiers out of order.
    """

    id: int
    starts_on: date
    ends_on: date | None = None
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal
    aggregation: Aggregation
    percentile: Decimal | None = None
    package: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    gap_hold: int | None = None
    prorate: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "aggregation", Aggregation(self.aggregation))
        object.__setattr__(self, "tiers", read_tiers(self.tiers))
        if (self.aggregation is Aggregation.PERCENTILE) != (self.percentile is not None):
            raise ValueError("a percentile goes with the aggregation of that name, and with no other")
        bounds = [tier.above for tier in self.tiers]
        if bounds and (bounds[0] != 0 or any(a >= b for a, b in pairwise(bounds))):
            raise ValueError("the first tier is above 0 and every other above the one before")


@dataclass(frozen=True, slots=True)
class Segment:
    """Slots [from_slot, to_slot) of a period that are rated alone under one agreement.

    ``fraction`` is its part of the full period, in days of the client's calendar; 1 where nothing is prorated. Slots of
    a pause within it are in ``pauses`` and do not count.
    """

    terms: Terms
    from_slot: int
    to_slot: int
    fraction: Fraction = Fraction(1)
    pauses: tuple[tuple[int, int], ...] = ()

    def spans(self, *, until: int) -> list[tuple[int, int]]:
        """The slots that count and start before ``until``, as half-open spans, oldest first; no span is empty."""
        begins = [self.from_slot, *(end for _, end in self.pauses)]
        ends = [*(start for start, _ in self.pauses), self.to_slot]
        return [(a, min(b, until)) for a, b in zip(begins, ends, strict=True) if a < min(b, until)]


def segments(terms: Sequence[Terms], *, cycle: Cycle | Calendar, period: Period, width: int) -> list[Segment]:
    """How a bucket's terms cut a period, oldest part first; empty when none of them reach into it.

    ``width`` is that of the unit type's slots in 5-minute units. The last terms that reach into the period decide: with
    ``prorate`` it is cut where the bucket starts, ends or changes terms, and each part counts by its days; without it is
    one part under those terms, whole. A pause between terms is in no part.
    """
    first, beyond = cycle.first_day(period), cycle.last_day(period) + _DAY
    parts = []
    for agreed, ends_on in _spans(terms):
        starts, ends = max(agreed.starts_on, first), min(ends_on or beyond, beyond)
        if starts < ends:
            span = _slots(starts, ends, cycle=cycle, period=period, width=width)
            if span[0] < span[1]:
                parts.append(
                    Segment(agreed, *span, fraction=Fraction((ends - starts).days, (beyond - first).days))
                )
    if not parts or parts[-1].terms.prorate:
        return parts
    pauses = [(a.to_slot, b.from_slot) for a, b in pairwise(parts) if a.to_slot < b.from_slot]
    return [Segment(parts[-1].terms, parts[0].from_slot, parts[-1].to_slot, pauses=tuple(pauses))]


def agreed(parts: Sequence[Segment]) -> str:
    """All that a period's figures depend on beside usage, in one text: other segments or other terms give another."""
    return "\n".join(
        "|".join(
            [
                *(str(getattr(part.terms, name)) for name in _AGREED),
                *(f"{plain(tier.above)}:{plain(tier.price)}" for tier in part.terms.tiers),
                *map(str, (part.from_slot, part.to_slot, part.fraction, part.pauses)),
            ]
        )
        for part in parts
    )


def aggregation_text(terms: Terms) -> str:
    """As people write it: the percentile as p95 or p99.9, every other by its name."""
    return aggregation_name(terms.aggregation, terms.percentile)


def aggregation_name(aggregation: str, percentile: Decimal | None) -> str:
    """The same of what is stored."""
    return str(aggregation) if percentile is None else f"p{plain(percentile)}"


def read_aggregation(text: str) -> tuple[Aggregation, Decimal | None]:
    """The other way round. Raises ``ValueError`` with what it takes."""
    if text in _NAMED:
        return Aggregation(text), None
    number = text[1:]
    if text[:1] == "p" and number.isascii() and number.replace(".", "", 1).isdigit():
        try:
            percentile = Decimal(number)
        except InvalidOperation:
            percentile = Decimal(0)
        places = len(number.partition(".")[2])
        if 0 < percentile <= _PERCENT_MAX and places <= PERCENTILE_PLACES_MAX:
            return Aggregation.PERCENTILE, percentile
    raise ValueError(
        f"an aggregation is {', '.join(_NAMED)}, or a percentile above 0 and at most 100 such as p95 or p99.9 "
        f"with at most {PERCENTILE_PLACES_MAX} decimals"
    )


def read_tiers(tiers: Iterable[Tier | Mapping[str, str]] | None) -> tuple[Tier, ...]:
    """As the database keeps them, [{"above": "0", "price": "2"}, …] or null; a tier that is one stays."""
    return tuple(
        tier if isinstance(tier, Tier) else Tier(above=Decimal(tier["above"]), price=Decimal(tier["price"]))
        for tier in tiers or ()
    )


def _spans(terms: Sequence[Terms]) -> list[tuple[Terms, date | None]]:
    """Each with the day on which it stops to hold, None for open; oldest first."""
    agreed = sorted(terms, key=lambda t: t.starts_on)
    found: list[tuple[Terms, date | None]] = []
    for place, one in enumerate(agreed):
        following = agreed[place + 1].starts_on if place + 1 < len(agreed) else None
        ends = [day for day in (one.ends_on, following) if day is not None]
        found.append((one, min(ends) if ends else None))
    return found


def _slots(
    starts: date, ends: date, *, cycle: Cycle | Calendar, period: Period, width: int
) -> tuple[int, int]:
    from_slot, to_slot = period.slots(width=width)
    begins = first_slot(cycle.first_instant(starts), width=width)
    stops = first_slot(cycle.first_instant(ends), width=width)
    return max(from_slot, begins), min(to_slot, stops)


def plain(number: Decimal) -> str:
    """As people write it: without trailing zeros and never as a power of ten."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
