"""The price of a quantity under terms: used, buffer and overage (design: "From readings to money", rule 7).

Products and sums are exact; only the finished amounts are rounded, half away from zero, to the currency's minor unit.
"""

from dataclasses import dataclass
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from aggregator.domain.quantity import ratio
from aggregator.domain.terms import Terms

DIGITS_MAX = 400
PERCENT_PLACES = 2

# Raises rather than lose a digit: numbers that long are no quantities or prices.
_EXACT = Context(prec=DIGITS_MAX, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
# decimal's "half up" goes away from zero on both sides.
_ROUND = Context(prec=DIGITS_MAX, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a quantity costs. ``used + buffer + overage == cost``, each in whole minor units of the currency."""

    overage_units: Decimal
    used: Decimal
    buffer: Decimal
    overage: Decimal
    cost: Decimal


def charge(terms: Terms, *, quantity: Decimal, currency_digits: int) -> Charge:
    """Prices ``quantity``; equal to the commit is not over, and without a commit all of it is overage.

    The cost is rounded once; each part is rounded too and the largest takes the difference. Raises ``ValueError`` for a
    negative quantity: a correction is the difference of two costs, not the cost of a difference.
    """
    if quantity < 0:
        raise ValueError(f"a quantity is not negative, but this one is {quantity}")
    over = max(Decimal(0), _EXACT.subtract(quantity, terms.commit))
    unused = max(Decimal(0), _EXACT.subtract(terms.commit, quantity))
    exact = (
        _EXACT.multiply(min(quantity, terms.commit), terms.base_price),
        _EXACT.multiply(unused, terms.base_price),
        _EXACT.multiply(over, terms.overage_price),
    )
    cost = round_half_away(_sum(exact), places=currency_digits)
    parts = [round_half_away(part, places=currency_digits) for part in exact]
    largest = max(range(len(exact)), key=lambda i: abs(exact[i]))
    parts[largest] = _EXACT.add(parts[largest], _EXACT.subtract(cost, _sum(parts)))
    used, buffer, overage = parts
    return Charge(overage_units=over, used=used, buffer=buffer, overage=overage, cost=cost)


def percent_of_commit(quantity: Decimal, *, commit: Decimal) -> Decimal | None:
    """Per cent, to two decimals; None without a commit."""
    if commit == 0:
        return None
    (above, below), (commit_above, commit_below) = quantity.as_integer_ratio(), commit.as_integer_ratio()
    return ratio(100 * above * commit_below, below * commit_above, places=PERCENT_PLACES)


def round_half_away(amount: Decimal, *, places: int) -> Decimal:
    """``amount`` with exactly ``places`` decimals; halves go away from zero."""
    return amount.quantize(Decimal(1).scaleb(-places), context=_ROUND)


def _sum(amounts: tuple[Decimal, ...] | list[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total
