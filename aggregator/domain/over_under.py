"""Over and under their commits: what sums over many buckets are called, in per cent and in words.

The sums are made by SQL (billed_period), which never adds over currencies or unit types; which of them is over, under,
mixed or even is said there too. Here is what a person reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from aggregator.domain.insight import months_back
from aggregator.domain.rate import percent
from aggregator.domain.terms import plain

STATUSES = ("over", "under", "mixed", "even")
_COUNTED = {"unit": "{}", "hours": "{}·h", "assets": "assets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Sums of one kind of unit over buckets with a commit; ``symbol`` is what is counted."""

    symbol: str
    delta: Decimal
    unused: Decimal
    commit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCommits:
    """What the periods of one reporting month came to above and below their commits, in one currency."""

    month: date
    currency: str
    overage: Decimal
    buffer: Decimal
    cost: Decimal
    provisional: bool


def counted_symbol(symbol: str, counted: str) -> str:
    """What a quantity is counted in: 'unit', 'hours' (unit-hours of a level) or 'assets'."""
    return _COUNTED[counted].format(symbol)


def in_words(units: Iterable[tuple[Decimal, str]]) -> str:
    """ "3 GiB, 2 vCPU": kinds of unit are never added. Those that are nothing are left out, unless all are."""
    given = list(units)
    told = [(number, symbol) for number, symbol in given if number] or given
    return ", ".join(f"{plain(number)} {symbol}" for number, symbol in told)


def percent_unused(units: Sequence[Units], *, committed: Decimal, buffer: Decimal) -> Decimal | None:
    """How much of the commit is not used: of units where there is one kind of them, else of the money; None without."""
    if len(units) == 1:
        return percent(units[0].unused, of=units[0].commit)
    return percent(buffer, of=committed)


def trend(found: Sequence[MonthCommits], *, newest: date, months: int) -> list[MonthCommits]:
    """Each of so many months to the newest, oldest first; each currency from its first month on, zero where it had none."""
    of = {(one.month, one.currency): one for one in found}
    first = {currency: min(m for m, c in of if c == currency) for _, currency in of}
    nothing = Decimal(0)
    return [
        of.get((month, currency))
        or MonthCommits(
            month=month, currency=currency, overage=nothing, buffer=nothing, cost=nothing, provisional=False
        )
        for month in (months_back(newest, back) for back in reversed(range(months)))
        for currency in sorted(first)
        if month >= first[currency]
    ]
