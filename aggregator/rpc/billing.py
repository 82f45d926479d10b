"""What was used and what it costs, for people."""

from aggregator.actions import given
from aggregator.errors import Invalid
from aggregator.rpc import convert, convert_insight
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.rpc.timetable import Timetable
from aggregator.store import readings
from aggregator.store.database import Database
from aggregator.store.readings import PeriodState, ProjectionFilter, ReadingFilter
from aggregator.store.snapshot import snapshot
from ullage.v1 import billing_pb2, billing_pb2_grpc

_STATES: dict[int, PeriodState | None] = {
    billing_pb2.PERIOD_STATE_UNSPECIFIED: None,
    **{message: state for state, message in convert.STATES.items()},
}


class BillingService(billing_pb2_grpc.BillingServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database, jobs: Timetable) -> None:
        self._db = db
        self._jobs = jobs

    async def ListReadings(
        self, request: billing_pb2.ListReadingsRequest, context: Context
    ) -> billing_pb2.ListReadingsReply:
        """The newest periods first."""
        if request.state not in _STATES:
            raise Invalid("state", "there is no such state of a period")
        paging = to_paging(request.page, readings.SORTS, descending=True)
        wanted = ReadingFilter(
            client_id=narrowed(request.client_id),
            bucket_id=request.bucket_id or None,
            state=_STATES[request.state],
            month=given.month("month", request.month) if request.month else None,
            search=search_text(request.search),
            source_type=search_text(request.source_type, "source_type") or None,
        )
        async with snapshot(self._db) as seen:
            page = await readings.list_readings(seen, paging, wanted)
        return billing_pb2.ListReadingsReply(
            readings=[convert.reading(row, seen.now) for row in page.rows], page=page_info(page, paging)
        )

    async def ListProjections(
        self, request: billing_pb2.ListProjectionsRequest, context: Context
    ) -> billing_pb2.ListProjectionsReply:
        """Of the periods that are open now."""
        paging = to_paging(request.page, readings.PROJECTION_SORTS)
        wanted = ProjectionFilter(
            client_id=narrowed(request.client_id), search=search_text(request.search), over=request.over
        )
        async with snapshot(self._db) as seen:
            page = await readings.list_projections(seen, paging, wanted)
        return billing_pb2.ListProjectionsReply(
            projections=[convert.projection(row) for row in page.rows], page=page_info(page, paging)
        )

    async def RunBilling(self, request: billing_pb2.RunBillingRequest, context: Context) -> billing_pb2.Run:
        """Waits for the run to end."""
        return convert_insight.run(await self._jobs.run("billing", everything=request.all))

    async def RunProjection(
        self, request: billing_pb2.RunProjectionRequest, context: Context
    ) -> billing_pb2.Run:
        """Waits for the run to end."""
        return convert_insight.run(await self._jobs.run("projection"))
