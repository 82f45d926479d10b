"""Divides one amount of money so that the parts add up to it."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


def shares(amount: Decimal, weights: Sequence[int], *, digits: int) -> list[Decimal]:
    """``amount``, in whole minor units of so many digits, by weight: largest remainder, at equal ones the first.

    Weights are not negative; where all are 0 each part weighs the same. None for no weights.
    """
    if not weights:
        return []
    if not any(weights):
        weights = [1] * len(weights)
    whole = int(Fraction(amount) * 10**digits)
    sign, units, total = (-1 if whole < 0 else 1), abs(whole), sum(weights)
    parts = [divmod(units * weight, total) for weight in weights]
    missing = units - sum(part for part, _ in parts)
    first = set(sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))[:missing])
    return [Decimal(f"{sign * (part + (place in first))}E-{digits}") for place, (part, _) in enumerate(parts)]
