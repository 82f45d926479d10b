"""The commit that would have cost least over some readings (design: "Comparing clients").

As a function of the commit, what a reading costs is made of straight pieces: it can be least only where a piece ends, which
is at no commit, at what was used, at what was used less a tier's bound, a package more or less, or where the minimum or
maximum takes hold. All of these are compared in whole numbers, without any rounding; the costs that are shown are those
of domain/rate.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm

from aggregator.domain.terms import Aggregation
from aggregator.domain.what_if import Change, RatedReading, RatedSegment, costs

# So many ends of packages are all tried; of more of them those next to the other candidates.
PACKAGES_TRIED_MAX = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The commit, what the readings cost as they were billed, and what they would have cost with it."""

    commit: Decimal
    cost: Decimal
    best_cost: Decimal


def right_size(readings: Sequence[RatedReading], *, commit: Decimal, places: int) -> Best:
    """The best commit with so many decimals; ``commit``, the one in force, where it is as good, else the smallest.

    ``readings`` are of one bucket and one currency, at least one.
    """
    segments = [segment for reading in readings for segment in reading.segments]
    best = _cheapest(segments, commit=commit, places=places)
    then = costs(readings, Change(commit=best))
    return Best(
        commit=best,
        cost=sum((reading.cost for reading in readings), Decimal(0)),
        best_cost=sum(then, Decimal(0)),
    )


def _cheapest(segments: Sequence[RatedSegment], *, commit: Decimal, places: int) -> Decimal:
    scale = 10 ** max(places, *(_places(number) for s in segments for number in _units(s)), _places(commit))
    whole = lcm(*(segment.fraction.denominator for segment in segments))
    prices = 10 ** max(_places(number) for s in segments for number in _money(s))
    lines = [_Line(segment, scale=scale, prices=prices, whole=whole) for segment in segments]
    step = scale // 10**places
    current = _whole(commit, scale)
    tried = {0, current, *_candidates(lines, step=step)}
    _, _, best = min((sum(line.cost(c) for line in lines), c != current, c) for c in tried)
    return commit if best == current else Decimal(best // step).scaleb(-places)


class _Line:
    """What one segment costs with a commit, all in whole numbers: commits and quantities × scale, money × prices × …

    Says the same as `charge` before it rounds; a test holds them together.
    """

    def __init__(self, segment: RatedSegment, *, scale: int, prices: int, whole: int) -> None:
        terms, fraction = segment.terms, segment.fraction
        of_sum = terms.aggregation is Aggregation.SUM
        # A sum's units count in parts of the period; of all others the money does.
        parts = fraction.denominator if of_sum else 1
        self.of_commit = fraction.numerator if of_sum else 1
        self.of_money = 1 if of_sum else fraction.numerator
        self.weight = whole // fraction.denominator
        self.used = _whole(segment.quantity, scale) * parts
        self.package = _whole(terms.package, scale) * parts if terms.package is not None else 0
        self.base = _whole(terms.base_price, prices)
        tiers = [(tier.above, tier.price) for tier in terms.tiers] or [(Decimal(0), terms.overage_price)]
        self.tiers = [
            (_whole(above, scale) * self.of_commit, _whole(price, prices)) for above, price in tiers
        ]
        self.minimum, self.maximum = (
            None if limit is None else _whole(limit, prices) * scale * fraction.numerator
            for limit in (terms.minimum, terms.maximum)
        )

    def cost(self, commit: int) -> int:
        """Used and buffer are the commit at the base price, however much of it is used."""
        money = self.unlimited(commit, package=self.package)
        if self.minimum is not None and money < self.minimum:
            money = self.minimum
        elif self.maximum is not None and money > self.maximum:
            money = self.maximum
        return money * self.weight

    def unlimited(self, commit: int, *, package: int) -> int:
        """Before the minimum and the maximum."""
        agreed = commit * self.of_commit
        over = max(0, self.used - agreed)
        if package:
            over = -(-over // package) * package
        money = agreed * self.base
        beyond = over
        for above, price in reversed(self.tiers):
            if beyond > above:
                money += (beyond - above) * price
                beyond = above
        return money * self.of_money

    def ends(self) -> list[Fraction]:
        """Commits at which the price of one more unit of commit changes, from 0 on."""
        bounds = [Fraction(self.used - above, self.of_commit) for above, _ in self.tiers]
        return sorted({Fraction(0), *(bound for bound in bounds if bound > 0)})

    def taking_hold(self) -> Iterator[Fraction]:
        """Commits at which the minimum or the maximum begins or ends to hold, packages left aside."""
        ends = self.ends()
        beyond = ends[-1] + 1
        for limit in (self.minimum, self.maximum):
            if limit is None:
                continue
            for start, end in zip(ends, [*ends[1:], beyond], strict=True):
                low, high = self._between(start) - limit, self._between(end) - limit
                last = end == beyond
                if low != high and (low < 0 <= high or high < 0 <= low or (last and low < 0 < high - low)):
                    yield start + (end - start) * low / (low - high)

    def _between(self, commit: Fraction) -> Fraction:
        """The same as `unlimited` without packages, of any commit."""
        agreed = commit * self.of_commit
        beyond, money = max(Fraction(0), self.used - agreed), agreed * self.base
        for above, price in reversed(self.tiers):
            if beyond > above:
                money += (beyond - above) * price
                beyond = Fraction(above)
        return money * self.of_money


def _candidates(lines: Sequence[_Line], *, step: int) -> Iterator[int]:
    """Commits in whole steps on either side of each place at which something changes."""
    ends = {end for line in lines for end in (*line.ends(), *line.taking_hold())}
    packed = [line for line in lines if line.package and line.used]
    if packed:
        ends |= set(_package_ends(packed, near=ends))
    for end in ends:
        yield floor(end / step) * step
        yield ceil(end / step) * step


def _package_ends(lines: Iterable[_Line], *, near: set[Fraction]) -> Iterator[Fraction]:
    """Commits with which one package less is needed."""
    distinct = {(line.used, line.package, line.of_commit) for line in lines}
    all_of_them = sum(used // package for used, package, _ in distinct) <= PACKAGES_TRIED_MAX
    for used, package, of_commit in distinct:
        if all_of_them:
            numbers: Iterable[int] = range(used // package + 1)
        else:
            exact = [(used - end * of_commit) / package for end in near]
            numbers = {number for one in exact for number in (floor(one), ceil(one)) if number >= 0}
        for number in numbers:
            if (left := used - number * package) >= 0:
                yield Fraction(left, of_commit)


def _units(segment: RatedSegment) -> list[Decimal]:
    terms = segment.terms
    return [
        segment.quantity,
        *(tier.above for tier in terms.tiers),
        *([terms.package] if terms.package else []),
    ]


def _money(segment: RatedSegment) -> list[Decimal]:
    terms = segment.terms
    prices = [terms.base_price, terms.overage_price, *(tier.price for tier in terms.tiers)]
    return [*prices, *(limit for limit in (terms.minimum, terms.maximum) if limit is not None)]


def _whole(number: Decimal, times: int) -> int:
    """However long the number is."""
    above, below = number.as_integer_ratio()
    return above * times // below


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
