"""Over and under, trends, revenue and leakage, for people."""

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal

from aggregator.actions import given
from aggregator.domain.insight import current_month, months_back
from aggregator.domain.over_under import STATUSES, trend
from aggregator.domain.revenue import compared
from aggregator.errors import Invalid
from aggregator.rpc import convert_analysis
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import analysis
from aggregator.store.analysis import OverUnderRow, Wanted
from aggregator.store.database import Database
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import analysis_pb2, analysis_pb2_grpc

MONTHS_DEFAULT = 12
MONTHS_MAX = 36
BY = ("client", "bucket", "unit-type")


class ComparingMethods(analysis_pb2_grpc.AnalysisServicer):
    """Part of the service Analysis."""

    _db: Database

    async def GetOverUnder(
        self, request: analysis_pb2.GetOverUnderRequest, context: Context
    ) -> analysis_pb2.OverUnder:
        """The totals are over all rows, those too that are not listed."""
        by = request.by or BY[0]
        if by not in BY:
            raise Invalid("by", f"must be one of {', '.join(BY)}")
        if request.status not in ("", *STATUSES):
            raise Invalid("status", f"must be one of {', '.join(STATUSES)}, or empty for all")
        wanted = Wanted(
            client_id=narrowed(request.client_id), unit_type=request.unit_type, status=request.status
        )
        async with snapshot(self._db) as seen:
            month = _month(request.month, now=seen.now)
            await analysis.check(seen, wanted)
            rows = await _rows(seen, by, month, wanted)
        buffer: defaultdict[str, Decimal] = defaultdict(Decimal)
        overage: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            if by == "bucket":
                buffer[row.currency], overage[row.currency] = row.all_buffer, row.all_overage
            else:
                buffer[row.currency] += row.buffer
                overage[row.currency] += row.overage
        return analysis_pb2.OverUnder(
            month=f"{month:%Y-%m}",
            rows=[convert_analysis.over_under_row(row) for row in rows],
            buffer=convert_analysis.moneys(buffer),
            overage=convert_analysis.moneys(overage),
            provisional=any(row.provisional for row in rows),
            rows_total=rows[0].total if by == "bucket" and rows else len(rows),
        )

    async def GetTrend(self, request: analysis_pb2.GetTrendRequest, context: Context) -> analysis_pb2.Trend:
        """The current month is the last."""
        months = _months(request.months)
        wanted = Wanted(
            client_id=narrowed(request.client_id),
            bucket_id=request.bucket_id or None,
            unit_type=request.unit_type,
        )
        async with snapshot(self._db) as seen:
            await analysis.check(seen, wanted)
            newest = current_month(seen.now)
            found = await analysis.trend(seen, months_back(newest, months - 1), wanted)
        points = trend(found, newest=newest, months=months)
        return analysis_pb2.Trend(points=[convert_analysis.trend_point(point) for point in points])

    async def GetRevenue(
        self, request: analysis_pb2.GetRevenueRequest, context: Context
    ) -> analysis_pb2.Revenue:
        """Up to the current month, which is not over."""
        months = _months(request.months)
        async with snapshot(self._db) as seen:
            newest = current_month(seen.now)
            first = months_back(newest, months - 1)
            found = await analysis.revenue(seen, months_back(first, 1), months_back(newest, -1))
        points = compared(found, first=first)
        return analysis_pb2.Revenue(points=[convert_analysis.revenue_point(point) for point in points])

    async def ListLeakage(
        self, request: analysis_pb2.ListLeakageRequest, context: Context
    ) -> analysis_pb2.ListLeakageReply:
        """What is nobody's comes last."""
        wanted = Wanted(client_id=narrowed(request.client_id))
        async with snapshot(self._db) as seen:
            await analysis.check(seen, wanted)
            leaks = await analysis.leakage(seen, wanted.client_id)
        return analysis_pb2.ListLeakageReply(rows=[convert_analysis.leakage(leak) for leak in leaks])


async def _rows(seen: Snapshot, by: str, month: date, wanted: Wanted) -> list[OverUnderRow]:
    if by == "client":
        return await analysis.over_under_clients(seen, month, wanted)
    if by == "bucket":
        return await analysis.over_under_buckets(seen, month, wanted)
    return await analysis.over_under_units(seen, month, wanted)


def _months(given: int) -> int:
    if given > MONTHS_MAX:
        raise Invalid("months", f"at most {MONTHS_MAX}")
    return given or MONTHS_DEFAULT


def _month(text: str, *, now: datetime) -> date:
    """The last full one where none is given."""
    newest = current_month(now)
    if not text:
        return months_back(newest, 1)
    month = given.month("month", text)
    if month > months_back(newest, -1):
        raise Invalid("month", "has not begun; take one up to the current")
    return month
