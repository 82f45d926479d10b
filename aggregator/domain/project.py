"""What the open period of a bucket will look like at its end, by its run rate so far."""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.quantity import Unit, ratio
from aggregator.domain.rate import charge, percent_of_commit
from aggregator.domain.terms import Aggregation, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The expected end of a period. ``percent_of_commit`` is None without a commit."""

    quantity: Decimal
    cost: Decimal
    percent_of_commit: Decimal | None


def project(
    segment: Segment, *, quantity: Decimal, as_of_slot: int, unit: Unit, currency_digits: int
) -> Projection | None:
    """The run rate: a sum grows with the slots still to come, every other aggregation stays what it is.

    ``quantity`` is that of the slots up to ``as_of_slot``. None where no slot has ended: that is not a projection of 0.
    """
    elapsed, whole = as_of_slot - segment.from_slot, segment.to_slot - segment.from_slot
    if elapsed <= 0:
        return None
    if segment.terms.aggregation is Aggregation.SUM:
        above, below = quantity.as_integer_ratio()
        quantity = ratio(above * whole, below * elapsed, places=unit.precision)
    return Projection(
        quantity=quantity,
        cost=charge(segment.terms, quantity=quantity, currency_digits=currency_digits).cost,
        percent_of_commit=percent_of_commit(quantity, commit=segment.terms.commit),
    )
