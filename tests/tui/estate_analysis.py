"""What the scripted aggregator knows of over/under, trends, right-sizing and track records."""

import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tests.tui import builders
from tests.tui.scripted import Script
from ullage.v1 import admin_pb2, analysis_pb2, billing_pb2, insight_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time

MONTHS = ("2025-12", *(f"2026-{number:02d}" for number in range(1, 12)))
Row = analysis_pb2.OverUnderRow


def furnish(script: Script) -> None:
    """Adds it to the estate."""
    dice = random.Random(11)
    _foretell(script)
    rows = [_row(dice, bucket) for bucket in script.buckets]
    script.answers |= {
        "GetOverUnder": lambda request: over_under(rows, request),
        "GetTrend": trend,
        "ListRightSize": lambda request: right_sizes(rows, request),
        "GetTrackRecord": track_record(),
        "RunProjection": builders.job("projection", "").last_run,
    }
    if not any(job.name == "projection" for job in script.jobs):
        script.jobs.append(builders.job("projection", "every 3,600 s"))


def eur(amount: Decimal | float | str) -> types_pb2.Money:
    """Euros and cents."""
    return types_pb2.Money(currency="EUR", amount=f"{Decimal(str(amount)):.2f}")


def _foretell(script: Script) -> None:
    """Gives the projections their ranges, and makes two of the overages new."""
    for one in script.projections:
        share = Decimal(one.percent_of_commit)
        one.projected_quantity = f"{share:.4f}"
        one.low_quantity, one.high_quantity = f"{share * 9 / 10:.4f}", f"{share * 12 / 10:.4f}"
        cost = Decimal(one.projected_cost)
        one.low_cost, one.high_cost = f"{cost * 9 / 10:.2f}", f"{cost * 12 / 10:.2f}"
        one.method, one.track_record = "paths", f"{one.bucket_id % 9 + 1}.4"
    for one in script.projections[5:8]:
        for field in ("low_quantity", "high_quantity", "low_cost", "high_cost", "track_record"):
            one.ClearField(field)
        one.method = "run-rate"
    above = [one for one in script.projections if Decimal(one.percent_of_commit) > 100]
    script.dashboard.new_overages.extend(
        insight_pb2.NewOverage(
            client_id=one.client_id,
            client_name=one.client_name,
            bucket_id=one.bucket_id,
            bucket_name=one.bucket_name,
            percent_of_commit=one.percent_of_commit,
        )
        for one in above[:2]
    )


def _row(dice: random.Random, bucket: inventory_pb2.Bucket) -> Row:
    share = Decimal(dice.randrange(40, 130)) / 100
    commit = Decimal(dice.choice((100, 250, 800)))
    quantity = commit * share
    committed = commit * Decimal("2.5")
    overage = max(quantity - commit, Decimal(0)) * 4
    buffer = max(commit - quantity, Decimal(0)) * Decimal("2.5")
    return Row(
        client_id=bucket.client_id,
        client_name=bucket.client_name,
        bucket_id=bucket.id,
        bucket_name=bucket.name,
        unit_types=bucket.unit_type,
        status="over" if overage else "under" if buffer else "even",
        cost=eur(committed + overage),
        committed=eur(committed),
        overage=eur(overage),
        buffer=eur(buffer),
        delta_units=f"{quantity - commit:f} {bucket.symbol}",
        buffer_units=f"{max(commit - quantity, Decimal(0)):f} {bucket.symbol}",
        percent_unused=f"{max(1 - share, Decimal(0)) * 100:.0f}",
        provisional=bucket.id % 4 == 0,
        long_period=bucket.id % 11 == 0,
    )


def over_under(rows: Iterable[Row], request: analysis_pb2.GetOverUnderRequest) -> analysis_pb2.OverUnder:
    """As the aggregator: filtered, summed up by client, bucket or unit type, with the sums of all that was found."""
    wanted = [
        row
        for row in rows
        if request.unit_type in {"", row.unit_types} and request.client_id in {0, row.client_id}
    ]
    keys: dict[str, Callable[[Row], Any]] = {
        "client": lambda row: row.client_id,
        "bucket": lambda row: row.bucket_id,
        "unit-type": lambda row: row.unit_types,
    }
    key = keys[request.by or "client"]
    groups: dict[Any, list[Row]] = {}
    for row in wanted:
        groups.setdefault(key(row), []).append(row)
    found = [_sum(request.by, group) for group in groups.values()]
    found = [row for row in found if request.status in {"", row.status}]
    return analysis_pb2.OverUnder(
        month=request.month,
        rows=sorted(found, key=lambda row: (row.client_name.casefold(), row.unit_types)),
        overage=[eur(sum((Decimal(row.overage.amount) for row in found), Decimal(0)))] if found else [],
        buffer=[eur(sum((Decimal(row.buffer.amount) for row in found), Decimal(0)))] if found else [],
        provisional=any(row.provisional for row in found),
        rows_total=len(found),
    )


def _sum(by: str, group: list[Row]) -> Row:
    if by == "bucket":
        return group[0]
    states = {row.status for row in group if row.status != "even"}

    def total(field: str) -> types_pb2.Money:
        return eur(sum((Decimal(getattr(row, field).amount) for row in group), Decimal(0)))

    made = Row(
        unit_types=", ".join(sorted({row.unit_types for row in group})),
        status="mixed" if len(states) > 1 else next(iter(states), "even"),
        cost=total("cost"),
        committed=total("committed"),
        overage=total("overage"),
        buffer=total("buffer"),
        delta_units=_units([row.delta_units for row in group]),
        buffer_units=_units([row.buffer_units for row in group]),
        percent_unused=group[0].percent_unused,
        provisional=any(row.provisional for row in group),
        long_period=any(row.long_period for row in group),
    )
    if by != "unit-type":
        made.client_id, made.client_name = group[0].client_id, group[0].client_name
    return made


def _units(told: list[str]) -> str:
    sums: dict[str, Decimal] = {}
    for one in told:
        number, _, symbol = one.partition(" ")
        sums[symbol] = sums.get(symbol, Decimal(0)) + Decimal(number)
    return ", ".join(f"{number:f} {symbol}" for symbol, number in sums.items())


def trend(request: analysis_pb2.GetTrendRequest) -> analysis_pb2.Trend:
    """A year of euros, of one unit type a quarter of it; with more months asked, the year before was quieter."""
    dice = random.Random(3)
    part = 4 if request.unit_type else 1
    points = [
        analysis_pb2.TrendPoint(
            month=month,
            overage=eur(dice.randrange(200, 1600) / part),
            buffer=eur(dice.randrange(900, 5200) / part),
            cost=eur(dice.randrange(36_000, 48_000) / part),
            provisional=month > "2026-09",
        )
        for month in MONTHS
    ]
    before = [
        analysis_pb2.TrendPoint(
            month=month.replace("2026", "2025").replace("2025-12", "2024-12"),
            overage=eur(100),
            buffer=eur(700),
            cost=eur(30_000),
        )
        for month in MONTHS
        if month != "2025-12"
    ]
    return analysis_pb2.Trend(points=[*before, *points][-(request.months or 12) :])


def right_sizes(
    rows: Iterable[Row], request: analysis_pb2.ListRightSizeRequest
) -> analysis_pb2.ListRightSizeReply:
    """Buckets with buffer, most of it first; the best commit is what was used."""
    under = [row for row in rows if row.status == "under" and request.unit_type in {"", row.unit_types}]
    under.sort(key=lambda row: -Decimal(row.buffer.amount))
    return analysis_pb2.ListRightSizeReply(rows=[_right_size(row) for row in under[: request.limit or 20]])


def _right_size(row: Row) -> analysis_pb2.RightSize:
    unused, symbol = row.buffer_units.split(" ", 1)
    commit = Decimal(row.committed.amount) / Decimal("2.5")
    saved = Decimal(row.buffer.amount)
    return analysis_pb2.RightSize(
        client_id=row.client_id,
        client_name=row.client_name,
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        unit_type=row.unit_types,
        symbol=symbol,
        commit=f"{commit:f}",
        best_commit=f"{commit - Decimal(unused):f}",
        cost=eur(Decimal(row.cost.amount) * 12),
        best_cost=eur((Decimal(row.cost.amount) - saved) * 12),
        difference=eur(-saved * 12),
        readings=12,
        buffer_units=f"{Decimal(unused) * 12:f}",
        buffer=eur(saved * 12),
        percent_unused=row.percent_unused,
    )


def track_record() -> analysis_pb2.TrackRecord:
    """Two periods at three shares each; the earliest was off and out of its range."""
    points = [
        analysis_pb2.TrackPoint(
            period_start=from_time(builders.MONTH_START.replace(month=number)),
            share=share,
            projected=f"{84 + number - share / 25:.4f}",
            became="88.5000" if number == 10 else "84.0000",
            percent_error=f"{4.5 - share / 25:.2f}" if number == 10 else f"{21 - share / 5:.2f}",
            within_range=number == 10 or share > 25,
        )
        for number in (10, 9)
        for share in (25, 50, 75)
    ]
    return analysis_pb2.TrackRecord(points=points, median_error="3.50")


def running(done: int, total: int) -> admin_pb2.ListJobsReply:
    """The timetable while projections are calculated."""
    job = builders.job("projection", "every 3,600 s")
    job.last_run.CopyFrom(
        billing_pb2.Run(
            id=9,
            job="projection",
            started_at=from_time(builders.ago(seconds=4)),
            state="running",
            done=done,
            total=total,
        )
    )
    return admin_pb2.ListJobsReply(jobs=[job])
