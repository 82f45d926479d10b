"""From whole steps to the quantity that is billed: one division, one rounding.

The slot values of a bucket are summed by SQL (queries/billing.sql), which keeps to integers; here is what their sums
mean in billed units. Knows nothing of money.
"""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.terms import Aggregation

_MINUTES_PER_HOUR = 60
_SECONDS_PER_MINUTE = 60
MINUTES_PER_UNIT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a bucket's quantity counts.

    ``kind`` is 'level' or 'amount'; ``divisor`` the steps of one billed unit; ``per`` 'total' or, for rates, 'second';
    ``precision`` the decimals of a quantity.
    """

    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int

    @property
    def width(self) -> int:
        """The slot's width in 5-minute units, as slot numbers count."""
        return self.slot_minutes // MINUTES_PER_UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A bucket's slot values over the slots that have ended, folded; in steps.

    ``total`` is their sum, ``high`` the highest, ``last`` the value of the last slot that has ended; ``assets`` counts
    the assets with at least one measured slot while bound. A slot in which nothing was measured is worth 0.
    """

    total: int
    high: int
    last: int
    assets: int


NO_USAGE = Usage(total=0, high=0, last=0, assets=0)


def quantity(usage: Usage, *, aggregation: Aggregation, unit: Unit, slots: int) -> Decimal:
    """The billed quantity of a segment in which ``slots`` slots have ended (design: rules 1 and 5).

    Rounded once, half away from zero, to the unit's precision. Zero where no slot has ended.
    """
    if aggregation is Aggregation.COUNT:
        return Decimal(usage.assets)
    if slots == 0:
        return Decimal(0)
    steps, divisor = usage.total, unit.divisor
    if aggregation is Aggregation.AVG:
        divisor *= slots
    elif aggregation is Aggregation.MAX:
        steps = usage.high
    elif aggregation is Aggregation.LAST:
        steps = usage.last
    elif unit.kind == "level":
        steps, divisor = steps * unit.slot_minutes, divisor * _MINUTES_PER_HOUR
    if unit.per == "second":
        divisor *= unit.slot_minutes * _SECONDS_PER_MINUTE
    return ratio(steps, divisor, places=unit.precision)


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
