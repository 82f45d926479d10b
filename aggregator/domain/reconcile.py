"""What a contract counts against what is metered: both in billed units, and the difference."""

from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.quantity import ratio


@dataclass(frozen=True, slots=True)
class Reconciled:
    """In billed units. ``metered`` None: nothing is metered.

    ``difference`` is metered − contracted, with nothing metered taken as 0. ``unbound`` is the part of ``metered`` that no
    bucket bills.
    """

    contracted: Decimal
    metered: Decimal | None
    difference: Decimal
    unbound: Decimal


def reconcile(
    contracted: Decimal, *, steps: Decimal | None, unbound: Decimal, divisor: int, precision: int
) -> Reconciled:
    """``steps`` and ``unbound`` are in steps of the unit type, of assets with a divisor of 1."""
    metered = None if steps is None else _units(steps, divisor, precision)
    return Reconciled(
        contracted=contracted,
        metered=metered,
        difference=(metered or Decimal(0)) - contracted,
        unbound=_units(unbound, divisor, precision),
    )


def _units(steps: Decimal, divisor: int, precision: int) -> Decimal:
    above, below = steps.as_integer_ratio()
    return ratio(above, below * divisor, places=precision)
