"""From whole steps to the quantity that is billed: one division, one rounding.

The slot values of a bucket are summed by SQL (queries/rating.sql), which keeps to integers; here is what their sums
mean in billed units. Knows nothing of money.
"""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.terms import Aggregation

_MINUTES_PER_HOUR = 60
_SECONDS_PER_MINUTE = 60
_PERCENT = 100
MINUTES_PER_UNIT = 5
GAP_HOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a bucket's quantity counts.

    ``kind`` is 'level' or 'amount'; ``divisor`` the steps of one billed unit; ``per`` 'total' or, for rates, 'second';
    ``precision`` the decimals of a quantity; ``gap_hold`` the slots through which a level is carried into a gap.
    """

    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int
    gap_hold: int = GAP_HOLD

    @property
    def width(self) -> int:
        """The slot's width in 5-minute units, as slot numbers count."""
        return self.slot_minutes // MINUTES_PER_UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A bucket's slot values over the slots of a segment that have ended, folded; in steps.

    ``total`` is their sum, ``high`` the highest, ``low`` the lowest of those in which a series is bound, ``last`` the value
    of the last slot that has ended; ``ranked`` is the value at the rank of a percentile and ``maxima`` the sum of each
    asset's own highest. ``assets`` counts the assets with at least one measured slot while bound. Only what the segment's
    aggregation asks for need be there.
    """

    total: int = 0
    high: int = 0
    low: int = 0
    last: int = 0
    ranked: int = 0
    maxima: int = 0
    assets: int = 0


NO_USAGE = Usage()


def quantity(usage: Usage, *, aggregation: Aggregation, unit: Unit, slots: int) -> Decimal:
    """The billed quantity of a segment in which ``slots`` slots have ended (design: rules 1 and 5).

    Rounded once, half away from zero, to the unit's precision. Zero where no slot has ended.
    """
    if aggregation is Aggregation.COUNT:
        return Decimal(usage.assets)
    if slots == 0:
        return Decimal(0)
    divisor = unit.divisor
    if aggregation is Aggregation.AVG:
        divisor *= slots
    steps = {
        Aggregation.SUM: usage.total,
        Aggregation.AVG: usage.total,
        Aggregation.MAX: usage.high,
        Aggregation.MIN: usage.low,
        Aggregation.SUM_OF_MAX: usage.maxima,
        Aggregation.PERCENTILE: usage.ranked,
        Aggregation.LAST: usage.last,
    }[aggregation]
    if aggregation is Aggregation.SUM and unit.kind == "level":
        steps, divisor = steps * unit.slot_minutes, divisor * _MINUTES_PER_HOUR
    if unit.per == "second":
        divisor *= unit.slot_minutes * _SECONDS_PER_MINUTE
    return ratio(steps, divisor, places=unit.precision)


def rank(percentile: Decimal, slots: int) -> int:
    """Which of so many slot values, the smallest being the first, is the percentile's: ⌈NN·n ÷ 100⌉.

    In integers, 99.9 being 999/1000: ``percentile_disc`` of PostgreSQL ranks by floats, which err. 0 of none.
    """
    above, below = percentile.as_integer_ratio()
    return -(-above * slots // (below * _PERCENT))


def quantity_symbol(symbol: str, *, kind: str, aggregation: Aggregation) -> str:
    """What the quantity is counted in: assets for a count, unit-hours for the sum of a level, else the unit itself."""
    if aggregation is Aggregation.COUNT:
        return "assets"
    if aggregation is Aggregation.SUM and kind == "level":
        return f"{symbol}·h"
    return symbol


def ratio(numerator: int, denominator: int, *, places: int) -> Decimal:
    """The exact quotient, rounded once, half away from zero. ``denominator`` is positive."""
    scaled, rest = divmod(abs(numerator) * 10**places, denominator)
    if 2 * rest >= denominator:
        scaled += 1
    return Decimal(f"{'-' if numerator < 0 and scaled else ''}{scaled}E-{places}")
