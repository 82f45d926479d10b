"""Between comparisons and messages, field by field."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from aggregator.actions.given_change import GivenChange
from aggregator.domain.leakage import Leak
from aggregator.domain.over_under import MonthCommits, in_words, percent_unused
from aggregator.domain.quantity import quantity_symbol
from aggregator.domain.rate import percent
from aggregator.domain.revenue import ALL, Revenue, RevenuePoint
from aggregator.domain.right_size import Best
from aggregator.domain.what_if import RatedReading
from aggregator.rpc.convert_insight import money
from aggregator.store.analysis import OverUnderRow
from aggregator.store.repricing import Names, SizedBucket
from ullage.v1 import agreements_pb2, analysis_pb2, insight_pb2, types_pb2
from ullage.wire import from_decimal, from_time


def moneys(sums: Mapping[str, Decimal]) -> list[types_pb2.Money]:
    """One a currency, in the order of their codes."""
    return [money(currency, amount) for currency, amount in sorted(sums.items())]


def over_under_row(row: OverUnderRow) -> analysis_pb2.OverUnderRow:
    """Without a commit there are no units and no money but the cost."""
    units = row.units
    unused = percent_unused(units, committed=row.committed, buffer=row.buffer)
    return analysis_pb2.OverUnderRow(
        client_id=row.client_id,
        client_name=row.client_name,
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        unit_types=", ".join(dict.fromkeys(row.unit_types)),
        status=row.status,
        cost=money(row.currency, row.cost),
        committed=money(row.currency, row.committed),
        overage=money(row.currency, row.overage),
        buffer=money(row.currency, row.buffer),
        delta_units=in_words((one.delta, one.symbol) for one in units),
        buffer_units=in_words((one.unused, one.symbol) for one in units),
        percent_unused=from_decimal(unused),
        provisional=row.provisional,
        long_period=row.long_period,
    )


def trend_point(point: MonthCommits) -> analysis_pb2.TrendPoint:
    """The month as YYYY-MM."""
    return analysis_pb2.TrendPoint(
        month=f"{point.month:%Y-%m}",
        overage=money(point.currency, point.overage),
        buffer=money(point.currency, point.buffer),
        cost=money(point.currency, point.cost),
        provisional=point.provisional,
    )


def revenue_point(point: RevenuePoint) -> analysis_pb2.RevenuePoint:
    """The month as YYYY-MM."""
    of = point.of
    return analysis_pb2.RevenuePoint(
        month=f"{of.month:%Y-%m}",
        source_type=of.source_type,
        revenue=money(of.currency, of.revenue),
        clients=of.clients,
        average_per_client=money(of.currency, of.average),
        percent_change=from_decimal(point.change),
        provisional=point.provisional,
    )


def leakage(leak: Leak) -> analysis_pb2.Leakage:
    """Without money where no currency is known."""
    return analysis_pb2.Leakage(
        age=leak.age,
        client_id=leak.client_id,
        client_name=leak.client_name,
        assets=leak.assets,
        money=money(leak.currency, leak.money) if leak.currency else None,
        unpriced=leak.unpriced,
    )


def right_size(bucket: SizedBucket, readings: list[RatedReading], best: Best) -> analysis_pb2.RightSize:
    """What the readings of a bucket say about its commit."""
    currency = readings[-1].currency
    symbol = quantity_symbol(
        bucket.symbol, kind=bucket.kind, aggregation=readings[-1].segments[-1].terms.aggregation
    )
    unused = _sum(one.unused for one in readings)
    return analysis_pb2.RightSize(
        client_id=bucket.client_id,
        client_name=bucket.client_name,
        bucket_id=bucket.id,
        bucket_name=bucket.name,
        unit_type=bucket.unit_type,
        symbol=symbol,
        commit=from_decimal(bucket.commit),
        best_commit=from_decimal(best.commit),
        cost=money(currency, best.cost),
        best_cost=money(currency, best.best_cost),
        difference=money(currency, best.best_cost - best.cost),
        readings=len(readings),
        buffer_units=from_decimal(unused),
        buffer=money(currency, _sum(one.buffer for one in readings)),
        percent_unused=from_decimal(percent(unused, of=_sum(one.commit for one in readings))),
    )


def what_if_row(reading: RatedReading, after: Decimal, names: Names) -> analysis_pb2.WhatIfRow:
    """The quantity is the one that ``after`` is the cost of, unless that has several segments."""
    quantity = reading.segments[0].quantity if len(reading.segments) == 1 else reading.quantity
    return analysis_pb2.WhatIfRow(
        bucket_id=reading.bucket_id,
        bucket_name=names.name,
        client_name=names.client_name,
        period_start=from_time(reading.period_start),
        quantity=from_decimal(quantity),
        before=money(reading.currency, reading.cost),
        after=money(reading.currency, after),
    )


def client_status(counts: Mapping[str, int]) -> insight_pb2.ClientStatus:
    """By status; those without a commit have an empty one."""
    return insight_pb2.ClientStatus(
        over=counts.get("over", 0),
        under=counts.get("under", 0),
        mixed=counts.get("mixed", 0),
        even=counts.get("even", 0),
        none=counts.get("", 0),
    )


def by_source(month: Sequence[Revenue]) -> list[insight_pb2.SourceRevenue]:
    """Of one month: most revenue of each currency first."""
    rows = [one for one in month if one.source_type != ALL]
    return [
        insight_pb2.SourceRevenue(
            source_type=one.source_type, revenue=money(one.currency, one.revenue), provisional=one.provisional
        )
        for one in sorted(rows, key=lambda one: (one.currency, -one.revenue, one.source_type))
    ]


def averages(month: Sequence[Revenue]) -> list[types_pb2.Money]:
    """What a client paid on average in one month, in each currency."""
    return moneys({one.currency: one.average for one in month if one.source_type == ALL})


def given_change(request: analysis_pb2.WhatIfRequest) -> GivenChange:
    """What would be otherwise."""
    terms: agreements_pb2.Terms = request.terms
    return GivenChange(
        commit=terms.commit,
        base_price=terms.base_price,
        overage_price=terms.overage_price,
        aggregation=terms.aggregation,
        package=terms.package,
        minimum=terms.minimum,
        maximum=terms.maximum,
        tiers=[(tier.above, tier.price) for tier in terms.tiers],
        gap_rule=terms.gap_rule,
        commit_percent=request.commit_percent,
        base_percent=request.base_percent,
        overage_percent=request.overage_percent,
    )


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, Decimal(0))
