"""What readings would have cost under other terms: their quantities, priced once more.

What was used stays as it was. Another aggregation or gap rule makes another quantity of the same usage: then the segments
must be given with the quantities that it makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from aggregator.domain.rate import charge
from aggregator.domain.terms import Aggregation, Terms, Tier

READINGS_MIN = 3
READINGS_DEFAULT = 12
READINGS_MAX = 36

_HUNDRED = Decimal(100)
_EXACT = Context(prec=100, traps=[Inexact])


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedSegment:
    """A segment of a reading: what it was rated under, the slots [from_slot, to_slot), and the quantity in them."""

    terms: Terms
    quantity: Decimal
    fraction: Fraction
    from_slot: int
    to_slot: int
    as_of_slot: int
    pauses: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedReading:
    """A reading as it was billed. ``buffer`` is money, ``unused`` the units of it."""

    bucket_id: int
    period_start: datetime
    period_end: datetime
    currency: str
    quantity: Decimal
    cost: Decimal
    buffer: Decimal
    unused: Decimal
    commit: Decimal
    cutoff: datetime
    segments: tuple[RatedSegment, ...]

    def with_quantities(self, quantities: Sequence[Decimal]) -> "RatedReading":
        """The same with other quantities of its segments."""
        parts = zip(self.segments, quantities, strict=True)
        return replace(self, segments=tuple(replace(one, quantity=quantity) for one, quantity in parts))

    @property
    def currency_digits(self) -> int:
        """Of the currency's minor unit: a cost is written in whole ones."""
        exponent = self.cost.as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of terms would be otherwise; None stays. Per cents change what is there, tiers too.

    An ``overage_price`` without ``tiers`` takes their place. A ``package`` of 0 means none.
    """

    commit: Decimal | None = None
    base_price: Decimal | None = None
    overage_price: Decimal | None = None
    commit_percent: Decimal | None = None
    base_percent: Decimal | None = None
    overage_percent: Decimal | None = None
    package: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    tiers: tuple[Tier, ...] | None = None
    aggregation: tuple[Aggregation, Decimal | None] | None = None
    gap_hold: int | None = None

    @property
    def of_usage(self) -> bool:
        """Whether it makes another quantity of the same usage."""
        return self.aggregation is not None or self.gap_hold is not None


def changed(terms: Terms, change: Change) -> Terms:
    """The terms with the change. Raises ``ValueError`` where that are none."""
    tiers = terms.tiers
    if change.tiers is not None:
        tiers = change.tiers
    elif change.overage_price is not None:
        tiers = ()
    aggregation, percentile = change.aggregation or (terms.aggregation, terms.percentile)
    package = terms.package if change.package is None else change.package
    return replace(
        terms,
        commit=_of(terms.commit, change.commit, change.commit_percent),
        base_price=_of(terms.base_price, change.base_price, change.base_percent),
        overage_price=_of(terms.overage_price, change.overage_price, change.overage_percent),
        tiers=tuple(Tier(tier.above, _of(tier.price, None, change.overage_percent)) for tier in tiers),
        package=package or None,
        minimum=terms.minimum if change.minimum is None else change.minimum,
        maximum=terms.maximum if change.maximum is None else change.maximum,
        aggregation=aggregation,
        percentile=percentile,
        gap_hold=terms.gap_hold if change.gap_hold is None else change.gap_hold,
    )


def cost(reading: RatedReading, change: Change) -> Decimal:
    """What the reading would cost; with nothing changed, and under the terms as they were rated, what it does."""
    return sum(
        (
            charge(
                changed(segment.terms, change),
                quantity=segment.quantity,
                currency_digits=reading.currency_digits,
                fraction=segment.fraction,
            ).cost
            for segment in reading.segments
        ),
        Decimal(0),
    )


def costs(readings: Sequence[RatedReading], change: Change) -> list[Decimal]:
    """Of each reading."""
    return [cost(reading, change) for reading in readings]


def _of(given: Decimal, absolute: Decimal | None, per_cent: Decimal | None) -> Decimal:
    if absolute is not None:
        return absolute
    if per_cent is None:
        return given
    return _EXACT.divide(_EXACT.multiply(given, _EXACT.add(_HUNDRED, per_cent)), _HUNDRED)
