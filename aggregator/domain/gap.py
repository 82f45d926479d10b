"""What is known of the slots in which nothing was measured (design: "From readings to money", rule 6).

The slots are told apart in SQL (queries/rating.sql); here is what their numbers mean and which gap rule holds.
"""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.quantity import Unit, ratio
from aggregator.domain.terms import Terms

PERCENT_PLACES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """(slot, series) pairs bound in slots that have ended, each from its series' first reading on.

    ``measured``: there is a reading. ``absent``: there is none, but whoever reported the series last was asked and answered
    without it: a fact, worth 0. ``gap``: nothing is known. Of the measured ones ``spread`` hold only a share of what a
    counter caught up later: the total is right, the time is not known.
    """

    measured: int = 0
    absent: int = 0
    gap: int = 0
    spread: int = 0

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(
            measured=self.measured + other.measured,
            absent=self.absent + other.absent,
            gap=self.gap + other.gap,
            spread=self.spread + other.spread,
        )


def percent_covered(*, measured: int, absent: int, gap: int) -> Decimal | None:
    """(measured + absent) ÷ all, per cent with two decimals; None where there was nothing to be measured."""
    whole = measured + absent + gap
    return None if whole == 0 else ratio(100 * (measured + absent), whole, places=PERCENT_PLACES)


def hold_of(terms: Terms, unit: Unit) -> int:
    """Slots through which the last measured value is carried into a gap: never of an amount, whose counter catches up."""
    if unit.kind != "level":
        return 0
    return unit.gap_hold if terms.gap_hold is None else terms.gap_hold
