"""How far earlier projections were from what became of their periods."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median

from aggregator.domain.rate import PERCENT_PLACES, percent, round_half_away


@dataclass(frozen=True, slots=True)
class Foretold:
    """A projection made when ``share`` per cent of its period had passed, and what became of it."""

    period_start: datetime
    share: int
    projected: Decimal
    low: Decimal | None
    high: Decimal | None
    became: Decimal

    @property
    def percent_error(self) -> Decimal | None:
        """Of what became of it, positive where too much was foretold; None of nothing."""
        return percent(self.projected - self.became, of=self.became)

    @property
    def within_range(self) -> bool:
        """False where no range was known."""
        return self.low is not None and self.high is not None and self.low <= self.became <= self.high


def median_error(foretold: Iterable[Foretold]) -> Decimal | None:
    """The median of the absolute errors, per cent; None without any."""
    errors = [abs(error) for one in foretold if (error := one.percent_error) is not None]
    return round_half_away(median(errors), places=PERCENT_PLACES) if errors else None
