"""Revenue by reporting month and source type: averages and changes, never over currencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from aggregator.domain.insight import months_back
from aggregator.domain.rate import percent, round_half_away

ALL = ""


@dataclass(frozen=True, slots=True)
class Revenue:
    """Of one month, currency and source type (empty: all): what the periods that count for it cost, with adjustments.

    ``clients`` are those who paid it. ``provisional`` unless all of it is finalised.
    """

    month: date
    currency: str
    source_type: str
    revenue: Decimal
    clients: int
    provisional: bool

    @property
    def average(self) -> Decimal:
        """What a client paid on average, in the currency's minor unit."""
        exponent = self.revenue.as_tuple().exponent
        places = max(0, -exponent) if isinstance(exponent, int) else 0
        return round_half_away(self.revenue / self.clients, places=places) if self.clients else Decimal(0)


@dataclass(frozen=True, slots=True)
class RevenuePoint:
    """A month's revenue and its change against the month before, in per cent; None where that had none.

    ``provisional`` while the month or, for the change, the one before is.
    """

    of: Revenue
    change: Decimal | None
    provisional: bool


def compared(found: Sequence[Revenue], *, first: date) -> list[RevenuePoint]:
    """Those from the month ``first`` on, oldest first, all before each source type, each beside the month before it."""
    before = {(one.month, one.currency, one.source_type): one for one in found}
    points = []
    for one in sorted(found, key=lambda one: (one.month, one.currency, one.source_type)):
        if one.month < first:
            continue
        former = before.get((months_back(one.month, 1), one.currency, one.source_type))
        change = percent(one.revenue - former.revenue, of=former.revenue) if former else None
        points.append(RevenuePoint(one, change, one.provisional or bool(former and former.provisional)))
    return points
