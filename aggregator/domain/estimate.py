"""What the usage of one series is about worth: the figure of lists, dry runs and leakage, which says that it is an estimate.

A bucket is billed as a whole, so what one series adds to it is exact for sums and means and an upper bound for peaks. The
exact figure is what billing computes. Works on monthly totals; knows nothing of where they are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from aggregator.domain.period import Calendar, Cycle
from aggregator.domain.quantity import Unit, Usage, quantity
from aggregator.domain.rate import round_half_away
from aggregator.domain.slot import first_slot, slot_of
from aggregator.domain.terms import Aggregation

# A period that starts this near to a calendar month (time zones) is estimated from the month as a whole.
_NEARLY_A_MONTH = timedelta(days=1)
# What sum and mean of one series are not; its peak in all slots is never below what it adds to the bucket's figure.
_PEAKS = frozenset({"max", "min", "sum_of_max", "percentile"})
# Of a client whose periods wait for longer than this, dry runs say what they mean for the newest.
PERIODS_LOOKED_AT_MAX = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a unit costs, and how usage becomes units.

    ``aggregation`` is one of the words of terms; ``commit`` 0 means that all usage costs the overage price.
    """

    aggregation: str
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal

    @property
    def per_unit(self) -> Decimal:
        """The price of one more unit, as long as nobody knows how full the bucket is."""
        return self.base_price if self.commit else self.overage_price


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTotals:
    """Slot values of one series since the window began: their sum, the highest, the latest; in steps."""

    total: int
    high: int
    last: int


def worth(
    totals: SeriesTotals | None, price: Price, *, unit: Unit, slots: int, currency_digits: int
) -> Decimal:
    """What the totals cost at the price, rounded to the currency; None of them cost nothing.

    ``slots`` is how many slots the window has had.
    """
    units = Decimal(0)
    if totals is not None:
        aggregation = Aggregation.MAX if price.aggregation in _PEAKS else Aggregation(price.aggregation)
        usage = Usage(total=totals.total, high=totals.high, last=totals.last, assets=1)
        units = quantity(usage, aggregation=aggregation, unit=unit, slots=max(1, slots))
    return round_half_away(units * price.per_unit, places=currency_digits)


def window_slot(*, now: datetime, finalised_slot: int, cycle: Cycle | Calendar | None) -> int:
    """Where the time begins that an estimate is about: the client's open period, or the calendar month without a client.

    Never before the end of the client's finalised time.
    """
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if cycle is not None:
        start = _nearly(cycle.period_containing(now).start, now=now)
    return max(slot_of(start), finalised_slot)


def windows(*, now: datetime, finalised_slot: int, calendar: Calendar) -> list[tuple[int, int]]:
    """The client's periods that can still be billed otherwise, from and to, as far as they have passed: the open one first.

    Never before the end of finalised time, and at most ``PERIODS_LOOKED_AT_MAX``.
    """
    period = calendar.period_containing(now)
    found = [(window_slot(now=now, finalised_slot=finalised_slot, cycle=calendar), slot_of(now))]
    while found[-1][0] > finalised_slot and len(found) < PERIODS_LOOKED_AT_MAX:
        period = calendar.period(period.number - 1)
        start = slot_of(_nearly(period.start, now=now))
        found.append((max(start, finalised_slot), found[-1][0]))
    return found


def _nearly(start: datetime, *, now: datetime) -> datetime:
    """The start of the calendar month where a period starts near to it."""
    near = (start + _NEARLY_A_MONTH).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return near if abs(near - start) <= _NEARLY_A_MONTH and near <= now else start


def slots_between(from_slot: int, *, now: datetime, width: int) -> int:
    """How many slots of this width have ended since ``from_slot``."""
    return max(0, (first_slot(now, width=width) - from_slot) // width)
