"""The price of a quantity under terms: used, buffer, overage and limit (design: "From readings to money", rules 7 and 8).

Products and sums are exact fractions; only the finished amounts are rounded, half away from zero, to the currency's minor
unit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from aggregator.domain.quantity import Unit, Usage, quantity, ratio
from aggregator.domain.terms import Aggregation, Segment, Terms

DIGITS_MAX = 400
PERCENT_PLACES = 2
# Units that are no decimals (a third of a commit) are kept to so many places; money is computed from the exact ones.
UNIT_PLACES = 10

# Raises rather than lose a digit: numbers that long are no quantities or prices.
_EXACT = Context(prec=DIGITS_MAX, traps=[Inexact, InvalidOperation, Overflow])
# decimal's "half up" goes away from zero on both sides.
_ROUND = Context(prec=DIGITS_MAX, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])
_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a quantity costs. ``used + buffer + overage + limit == cost``, each in whole minor units of the currency.

    ``limit`` is what was added to reach the minimum or, below zero, cut at the maximum. ``commit`` is the one that the
    quantity was compared with: of a sum, scaled to the segment.
    """

    commit: Decimal
    overage_units: Decimal
    used: Decimal
    buffer: Decimal
    overage: Decimal
    limit: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A segment as it was rated: under which terms, which share of the period, and what came of it."""

    terms: Terms
    fraction: Fraction
    quantity: Decimal
    charge: Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A reading: its segments in one."""

    quantity: Decimal
    charge: Charge


def rate(segment: Segment, usage: Usage, *, unit: Unit, slots: int, currency_digits: int) -> Part:
    """A segment of which ``slots`` slots have ended and hold ``usage``."""
    used = quantity(usage, aggregation=segment.terms.aggregation, unit=unit, slots=slots)
    cost = charge(segment.terms, quantity=used, currency_digits=currency_digits, fraction=segment.fraction)
    return Part(terms=segment.terms, fraction=segment.fraction, quantity=used, charge=cost)


def charge(
    terms: Terms, *, quantity: Decimal, currency_digits: int, fraction: Fraction = Fraction(1)
) -> Charge:
    """Prices ``quantity``; equal to the commit is not over, and without a commit all of it is overage.

    ``fraction`` is the segment's part of the period: of a `sum` it scales commit and tier bounds, of every other aggregation
    the money; minimum and maximum, which are money a period, it scales either way. The cost is rounded once; each part is
    rounded too and the largest takes the difference. Raises ``ValueError`` for a negative quantity: a correction is the
    difference of two costs, not the cost of a difference.
    """
    if quantity < 0:
        raise ValueError(f"a quantity is not negative, but this one is {quantity}")
    of_units, of_money = (
        (fraction, Fraction(1)) if terms.aggregation is Aggregation.SUM else (Fraction(1), fraction)
    )
    amount, commit, base = Fraction(quantity), Fraction(terms.commit) * of_units, Fraction(terms.base_price)
    over = _packed(max(_NOTHING, amount - commit), terms.package)
    used = min(amount, commit) * base * of_money
    buffer = max(_NOTHING, commit - amount) * base * of_money
    overage = _overage(over, terms, scale=of_units) * of_money
    limit = _limit(used + buffer + overage, terms, fraction=fraction)
    exact = (used, buffer, overage, limit)
    cost = _rounded(sum(exact, _NOTHING), currency_digits)
    parts = [_rounded(part, currency_digits) for part in exact]
    largest = max(range(len(exact)), key=lambda i: abs(exact[i]))
    parts[largest] = _exact_sum([parts[largest], cost, *(part.copy_negate() for part in parts)])
    return Charge(
        commit=_units(commit),
        overage_units=_units(over),
        used=parts[0],
        buffer=parts[1],
        overage=parts[2],
        limit=parts[3],
        cost=cost,
    )


def combine(parts: Sequence[Part], *, places: int) -> Rating:
    """The reading of a period from its segments, of which there is at least one: money is added.

    Units are added for `sum`; of every other aggregation, whose quantity is compared with the full commit, they are the
    mean by the segments' share of the time, to ``places``. Where the aggregation changed, those under the last one count.
    """
    last = parts[-1].terms
    alike = [
        p for p in parts if (p.terms.aggregation, p.terms.percentile) == (last.aggregation, last.percentile)
    ]
    money = [p.charge for p in parts]
    if len(alike) == 1:
        amount, commit, over = alike[0].quantity, alike[0].charge.commit, alike[0].charge.overage_units
    else:
        amount = _merged(alike, [p.quantity for p in alike], places=places)
        commit = _merged(alike, [p.charge.commit for p in alike], places=UNIT_PLACES)
        over = _merged(alike, [p.charge.overage_units for p in alike], places=UNIT_PLACES)
    return Rating(
        quantity=amount,
        charge=Charge(
            commit=commit,
            overage_units=over,
            used=_exact_sum(m.used for m in money),
            buffer=_exact_sum(m.buffer for m in money),
            overage=_exact_sum(m.overage for m in money),
            limit=_exact_sum(m.limit for m in money),
            cost=_exact_sum(m.cost for m in money),
        ),
    )


def percent_of_commit(quantity: Decimal, *, commit: Decimal) -> Decimal | None:
    """Per cent, to two decimals; None without a commit."""
    return percent(quantity, of=commit)


def percent(part: Decimal, *, of: Decimal) -> Decimal | None:
    """Per cent to two decimals, half away from zero; None of nothing."""
    if of == 0:
        return None
    share = Fraction(part) / Fraction(of) * 100
    return ratio(share.numerator, share.denominator, places=PERCENT_PLACES)


def round_half_away(amount: Decimal, *, places: int) -> Decimal:
    """``amount`` with exactly ``places`` decimals; halves go away from zero."""
    return amount.quantize(Decimal(1).scaleb(-places), context=_ROUND)


def _packed(over: Fraction, package: Decimal | None) -> Fraction:
    """Raised to whole packages."""
    if package is None:
        return over
    size = Fraction(package)
    return -(-over // size) * size


def _overage(over: Fraction, terms: Terms, *, scale: Fraction) -> Fraction:
    """Each unit at the price of the tier it falls into."""
    if not terms.tiers:
        return over * Fraction(terms.overage_price)
    bounds = [Fraction(tier.above) * scale for tier in terms.tiers]
    total = _NOTHING
    for tier, above, beyond in zip(terms.tiers, bounds, [*bounds[1:], over], strict=True):
        total += max(_NOTHING, min(over, beyond) - above) * Fraction(tier.price)
    return total


def _limit(amount: Fraction, terms: Terms, *, fraction: Fraction) -> Fraction:
    if terms.minimum is not None and amount < (minimum := Fraction(terms.minimum) * fraction):
        return minimum - amount
    if terms.maximum is not None and amount > (maximum := Fraction(terms.maximum) * fraction):
        return maximum - amount
    return _NOTHING


def _merged(parts: Sequence[Part], units: Sequence[Decimal], *, places: int) -> Decimal:
    if parts[-1].terms.aggregation is Aggregation.SUM:
        return _exact_sum(units)
    whole = sum((p.fraction for p in parts), _NOTHING)
    mean = sum((p.fraction * Fraction(u) for p, u in zip(parts, units, strict=True)), _NOTHING) / whole
    return _rounded(mean, places)


def _units(exact: Fraction) -> Decimal:
    """All its decimals, where they end; else rounded."""
    rest, places = exact.denominator, 0
    while rest % 10 == 0:
        rest, places = rest // 10, places + 1
    while rest % 2 == 0 or rest % 5 == 0:
        rest, places = rest // (2 if rest % 2 == 0 else 5), places + 1
    return _rounded(exact, places if rest == 1 else UNIT_PLACES)


def _rounded(exact: Fraction, places: int) -> Decimal:
    return ratio(exact.numerator, exact.denominator, places=places)


def _exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total
