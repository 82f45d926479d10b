"""Figures over many clients: by reporting month, never added over currencies.

Responsible for which month a cost belongs to, and for shares, changes and states. The sums over buckets are made by SQL
(queries/insight.sql), which keeps apart what this file must tell apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from heapq import nsmallest

from aggregator.domain.period import reporting_month
from aggregator.domain.quantity import Unit, ratio
from aggregator.domain.rate import percent

MONTHS_SHOWN = 12
TOP_CLIENTS_MAX = 10
# No zone is further from UTC than this, so no month's end is either.
ZONE_OFFSET_MAX = timedelta(days=1)

_MONTHS_PER_YEAR = 12
_SECONDS_PER_UNIT = 300


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """What a client's periods with one end cost, or are projected to while they are open."""

    client_id: int
    client_name: str
    time_zone: str
    currency: str
    period_end: datetime
    cost: Decimal


@dataclass(frozen=True, slots=True)
class BilledCost:
    """What all periods of one reporting month cost; ``provisional`` unless all are finalised."""

    month: date
    currency: str
    cost: Decimal
    provisional: bool


@dataclass(frozen=True, slots=True)
class TopClient:
    """A client's share, in per cent, of what all clients of its currency are expected to pay."""

    client_id: int
    client_name: str
    currency: str
    cost: Decimal
    share: Decimal | None


@dataclass(frozen=True, slots=True)
class MonthRevenue:
    """What the periods of one reporting month cost in one currency."""

    month: date
    currency: str
    revenue: Decimal
    provisional: bool


@dataclass(frozen=True, slots=True)
class MonthOverMonth:
    """The last full month against the one before; ``percent`` is None when the month before has no revenue."""

    currency: str
    percent: Decimal | None
    provisional: bool


def current_month(now: datetime) -> date:
    """First day of the current reporting month: where clients are compared, the calendar of UTC counts."""
    return now.astimezone(UTC).date().replace(day=1)


def months_back(month: date, count: int) -> date:
    """First day of the month ``count`` months before."""
    year, index = divmod(month.year * _MONTHS_PER_YEAR + month.month - 1 - count, _MONTHS_PER_YEAR)
    return date(year, index + 1, 1)


def ends_since(month: date) -> datetime:
    """A time before the end of every period that counts for ``month``, in whatever zone."""
    return datetime(month.year, month.month, 1, tzinfo=UTC) - ZONE_OFFSET_MAX


def this_month(expected: Iterable[ExpectedCost], *, now: datetime) -> list[ExpectedCost]:
    """Those whose period counts for the current reporting month."""
    month = current_month(now)
    expected = list(expected)
    # Clients are many, ends and zones few.
    ends = {(cost.period_end, cost.time_zone) for cost in expected}
    counts = {end for end in ends if reporting_month(end[0], time_zone=end[1]) == month}
    return [cost for cost in expected if (cost.period_end, cost.time_zone) in counts]


def by_currency(expected: Iterable[ExpectedCost]) -> dict[str, Decimal]:
    """Sums, the currencies in the order of their codes."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for cost in expected:
        sums[cost.currency] += cost.cost
    return dict(sorted(sums.items()))


def top_clients(expected: Sequence[ExpectedCost], *, limit: int = TOP_CLIENTS_MAX) -> list[TopClient]:
    """The clients with the largest shares of their currency: within one currency those with the highest cost."""
    whole = by_currency(expected)
    sums: defaultdict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for cost in expected:
        sums[cost.client_id, cost.client_name, cost.currency] += cost.cost

    def place(client_id: int, currency: str, cost: Decimal) -> tuple[Decimal, Decimal, int]:
        # By the exact share, not by the rounded one; a currency without revenue comes last.
        return (-cost / whole[currency] if whole[currency] else Decimal(1), -cost, client_id)

    largest = nsmallest(limit, sums.items(), key=lambda one: place(one[0][0], one[0][2], one[1]))
    return [
        TopClient(client_id, name, currency, cost, percent(cost, of=whole[currency]))
        for (client_id, name, currency), cost in largest
    ]


def revenue(billed: Iterable[BilledCost], *, now: datetime) -> list[MonthRevenue]:
    """The last reporting months, the current one included, oldest first.

    A currency begins with its first month; a later one without any period is 0.
    """
    newest = current_month(now)
    months = [months_back(newest, back) for back in reversed(range(MONTHS_SHOWN))]
    of = {(one.month, one.currency): one for one in billed}
    first = {currency: min(m for m, c in of if c == currency) for _, currency in of}
    return [
        MonthRevenue(month, currency, one.cost, one.provisional)
        if (one := of.get((month, currency)))
        else MonthRevenue(month, currency, Decimal(0), provisional=False)
        for month in months
        for currency in sorted(first)
        if month >= first[currency]
    ]


def month_over_month(months: Iterable[MonthRevenue], *, now: datetime) -> list[MonthOverMonth]:
    """(last full month − the one before) ÷ the one before, for each currency that had revenue in either."""
    newest = current_month(now)
    last, before = months_back(newest, 1), months_back(newest, 2)
    of = {(m.month, m.currency): m for m in months}
    changes = []
    for currency in sorted({currency for month, currency in of if month in (last, before)}):
        latter, former = of.get((last, currency)), of.get((before, currency))
        change = percent(latter.revenue - former.revenue, of=former.revenue) if latter and former else None
        provisional = any(month.provisional for month in (latter, former) if month)
        changes.append(MonthOverMonth(currency, change, provisional))
    return changes


def bucket_status(*, projected: Decimal | None, commit: Decimal | None) -> str:
    """ "over" or "on-track"; empty without a commit or a projection. Equal to the commit is not over."""
    if projected is None or not commit:
        return ""
    return "over" if projected > commit else "on-track"


def reading_in_units(value: int, *, seconds: Decimal, unit: Unit) -> Decimal | None:
    """A single reading in billed units; of a rate its mean over the ``seconds`` it is of, None where there are none."""
    return _in_units(Decimal(value), unit=unit, seconds=seconds, count=1)


def day_in_units(*, total: Decimal, readings: int, slots: int, unit: Unit) -> Decimal | None:
    """A day's value for a chart: the mean of a level, the sum of an amount, of a rate its mean over measured slots."""
    if unit.kind == "level":
        return _in_units(total, unit=unit, seconds=Decimal(0), count=readings)
    seconds = Decimal(slots * unit.width * _SECONDS_PER_UNIT)
    return _in_units(total, unit=unit, seconds=seconds, count=1)


def _in_units(steps: Decimal, *, unit: Unit, seconds: Decimal, count: int) -> Decimal | None:
    divisor = unit.divisor * (seconds if unit.per == "second" else Decimal(count))
    if divisor <= 0:
        return None
    (above, below), (over, under) = steps.as_integer_ratio(), divisor.as_integer_ratio()
    return ratio(above * under, below * over, places=unit.precision)
