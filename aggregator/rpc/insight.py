"""Figures over many nouns, and the news that something changed, for people."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from aggregator.domain import insight as figures
from aggregator.rpc import convert_analysis, convert_insight
from aggregator.rpc.admin import read_health
from aggregator.rpc.changes import Changes
from aggregator.rpc.scope import client_of_caller
from aggregator.rpc.server import Context
from aggregator.rpc.timetable import Timetable
from aggregator.store import analysis, assets, buckets, clients, insight
from aggregator.store.buckets import BucketFilter
from aggregator.store.database import Database
from aggregator.store.paging import Paging
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import insight_pb2, insight_pb2_grpc
from ullage.wire import from_time

HEARTBEAT_SECONDS = 10.0


class InsightService(insight_pb2_grpc.InsightServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database, changes: Changes, jobs: Timetable) -> None:
        self._db = db
        self._changes = changes
        self._jobs = jobs

    async def GetDashboard(
        self, request: insight_pb2.GetDashboardRequest, context: Context
    ) -> insight_pb2.Dashboard:
        """All of one moment: what a card counts is what the list it opens has."""
        async with snapshot(self._db) as seen:
            return await read_dashboard(seen, self._jobs)

    async def Watch(
        self, request: insight_pb2.WatchRequest, context: Context
    ) -> AsyncGenerator[insight_pb2.Change, None]:
        """Ends when the caller goes or the aggregator stops."""
        # First, so that nothing that changes from here on is missed.
        subscription = self._changes.subscribe(request.nouns, client_id=client_of_caller())
        async with snapshot(self._db) as seen:
            began = seen.now
        clock = asyncio.get_running_loop()
        started = clock.time()

        def change(noun: str = "") -> insight_pb2.Change:
            at: datetime = began + timedelta(seconds=clock.time() - started)
            return insight_pb2.Change(noun=noun, at=from_time(at))

        yield change()
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    noun = await anext(subscription)
            except TimeoutError:
                yield change()
            except StopAsyncIteration:
                return
            else:
                yield change(noun)


async def read_dashboard(seen: Snapshot, jobs: Timetable) -> insight_pb2.Dashboard:
    """Counts, money and health; ``jobs`` is the timetable of this aggregator."""
    dashboard = await _counts(seen)
    dashboard.MergeFrom(await _money(seen))
    dashboard.health.CopyFrom(await read_health(seen, jobs))
    return dashboard


async def _counts(seen: Snapshot) -> insight_pb2.Dashboard:
    one = Paging(sort="id", size=1)
    counts = await assets.count_assets(seen)
    return insight_pb2.Dashboard(
        clients=(await clients.list_clients(seen, one)).total,
        assets=counts.assets,
        buckets=(await buckets.list_buckets(seen, one, BucketFilter())).total,
        unassigned=counts.unassigned,
        unbound=counts.unbound,
        unacknowledged=counts.unacknowledged,
    )


async def _money(seen: Snapshot) -> insight_pb2.Dashboard:
    month = figures.current_month(seen.now)
    expected = figures.this_month(await insight.expected(seen, since=figures.ends_since(month)), now=seen.now)
    first = figures.months_back(month, figures.MONTHS_SHOWN - 1)
    revenue = figures.revenue(await insight.billed(seen, first=first), now=seen.now)
    last_month = await analysis.revenue(seen, figures.months_back(month, 1), month)
    return insight_pb2.Dashboard(
        projected_revenue=[
            convert_insight.money(currency, cost) for currency, cost in figures.by_currency(expected).items()
        ],
        month_over_month=[
            convert_insight.month_over_month(change)
            for change in figures.month_over_month(revenue, now=seen.now)
        ],
        top_clients=[convert_insight.top_client(top) for top in figures.top_clients(expected)],
        revenue=[convert_insight.month_revenue(m) for m in revenue],
        new_overages=[convert_insight.new_overage(row) for row in await insight.new_overages(seen)],
        status_last_period=convert_analysis.client_status(await analysis.status_last_period(seen)),
        revenue_by_source=convert_analysis.by_source(last_month),
        average_per_client=convert_analysis.averages(last_month),
    )
