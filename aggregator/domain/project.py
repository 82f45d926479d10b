"""What the open period of a bucket will look like at its end, by its run rate so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.quantity import Unit, ratio
from aggregator.domain.rate import Part, charge, combine, percent_of_commit
from aggregator.domain.terms import Aggregation, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The expected end of a period. ``percent_of_commit`` is None without a commit."""

    quantity: Decimal
    cost: Decimal
    percent_of_commit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A segment of the period, with its quantity over the slots before ``as_of_slot``."""

    segment: Segment
    quantity: Decimal
    as_of_slot: int


def project(parts: Sequence[Measured], *, unit: Unit, currency_digits: int) -> Projection | None:
    """The run rate: a sum grows with the slots still to come, every other aggregation stays what it is.

    A segment that has not begun goes on as the one before it. None where no slot has ended: that is not a projection of 0.
    """
    expected: list[Part] = []
    pace: tuple[Decimal, int] | None = None
    for part in parts:
        elapsed = _slots(part.segment, until=part.as_of_slot)
        if elapsed > 0:
            pace = (part.quantity, elapsed)
        if pace is None:
            return None
        quantity, counted = pace
        if part.segment.terms.aggregation is Aggregation.SUM:
            above, below = quantity.as_integer_ratio()
            whole = _slots(part.segment, until=part.segment.to_slot)
            quantity = ratio(above * whole, below * counted, places=unit.precision)
        cost = charge(
            part.segment.terms,
            quantity=quantity,
            currency_digits=currency_digits,
            fraction=part.segment.fraction,
        )
        expected.append(
            Part(terms=part.segment.terms, fraction=part.segment.fraction, quantity=quantity, charge=cost)
        )
    if not expected:
        return None
    found = combine(expected, places=unit.precision)
    return Projection(
        quantity=found.quantity,
        cost=found.charge.cost,
        percent_of_commit=percent_of_commit(found.quantity, commit=found.charge.commit),
    )


def _slots(segment: Segment, *, until: int) -> int:
    return sum(end - start for start, end in segment.spans(until=until))
