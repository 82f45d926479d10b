"""Periods of clients: what keeps them from becoming final, and making them so."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from aggregator.actions import given
from aggregator.actions.acknowledge_items import acknowledge_items, look
from aggregator.actions.check_periods import check
from aggregator.actions.finalise import finalise
from aggregator.domain.close import OVERDUE_AFTER, POLICY, Checklist
from aggregator.domain.slot import slot_of
from aggregator.errors import Invalid, NotFound
from aggregator.rpc import convert, convert_closing, convert_insight
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import billing, closing, periods, runs
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database
from aggregator.store.periods import PeriodFilter, PeriodRow
from aggregator.store.readings import PeriodState
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import billing_pb2, closing_pb2

_STATES: Mapping[int, PeriodState | None] = {
    billing_pb2.PERIOD_STATE_UNSPECIFIED: None,
    **{message: state for state, message in convert.STATES.items()},
}


class PeriodMethods:
    """Part of the service Closing."""

    _db: Database

    async def ListPeriods(
        self, request: closing_pb2.ListPeriodsRequest, context: Context
    ) -> closing_pb2.ListPeriodsReply:
        """The newest periods first."""
        if request.state not in _STATES:
            raise Invalid("state", "there is no such state of a period")
        paging = to_paging(request.page, periods.SORTS, descending=True)
        month = given.month("month", request.month) if request.month else None
        search = search_text(request.search)
        async with snapshot(self._db) as seen:
            wanted = PeriodFilter(
                client_id=narrowed(request.client_id),
                state=_STATES[request.state],
                overdue_before=seen.now - POLICY.grace - OVERDUE_AFTER if request.overdue else None,
                month=month,
                search=search,
            )
            page = await periods.list_periods(seen, paging, wanted)
            known = await calendars(seen.conn, {row.client_id for row in page.rows})
            lists = await _lists(seen, page.rows)
        return closing_pb2.ListPeriodsReply(
            periods=[
                convert_closing.period(row, known[row.client_id], now=seen.now, found=lists.get(row.id))
                for row in page.rows
            ],
            page=page_info(page, paging),
        )

    async def GetChecklist(
        self, request: closing_pb2.GetChecklistRequest, context: Context
    ) -> closing_pb2.Checklist:
        """Of an ended period."""
        async with snapshot(self._db) as seen:
            return await _checklist(seen.conn, request.client_id, _day(request.first_day), seen)

    async def AcknowledgeItems(
        self, request: closing_pb2.AcknowledgeItemsRequest, context: Context
    ) -> closing_pb2.Checklist:
        """The list afterwards."""
        looked = await acknowledge_items(
            self._db,
            request.client_id,
            first_day=_day(request.first_day),
            items=list(request.items),
            reason=request.reason,
            withdraw=request.withdraw,
        )
        first_day = looked.account.cycle.first_day(looked.period)
        async with snapshot(self._db) as seen:
            return await _checklist(seen.conn, request.client_id, first_day, seen)

    async def Finalise(
        self, request: closing_pb2.FinaliseRequest, context: Context
    ) -> closing_pb2.FinaliseReply:
        """For good."""
        done = await finalise(
            self._db, request.client_id, first_day=_day(request.first_day), dry_run=request.dry_run
        )
        message = convert_closing.period(done.row, done.account.cycle, now=done.row.ends)
        return closing_pb2.FinaliseReply(
            period=message,
            readings=done.readings,
            adjustments=done.adjustments,
            total=message.total,
        )

    async def ListAdjustments(
        self, request: closing_pb2.ListAdjustmentsRequest, context: Context
    ) -> closing_pb2.ListAdjustmentsReply:
        """Those in the newest periods first."""
        paging = to_paging(request.page, periods.ADJUSTMENT_SORTS, descending=True)
        async with snapshot(self._db) as seen:
            page = await periods.list_adjustments(
                seen, paging, client_id=narrowed(request.client_id), bucket_id=request.bucket_id or None
            )
        return closing_pb2.ListAdjustmentsReply(
            adjustments=map(convert_closing.adjustment, page.rows), page=page_info(page, paging)
        )

    async def ListTooLate(
        self, request: closing_pb2.ListTooLateRequest, context: Context
    ) -> closing_pb2.ListTooLateReply:
        """The newest first."""
        paging = to_paging(request.page, periods.TOO_LATE_SORTS, descending=True)
        async with snapshot(self._db) as seen:
            page = await periods.list_too_late(seen, paging, client_id=narrowed(request.client_id))
        return closing_pb2.ListTooLateReply(
            readings=map(convert_closing.too_late, page.rows), page=page_info(page, paging)
        )

    async def GetRun(self, request: closing_pb2.GetRunRequest, context: Context) -> billing_pb2.Run:
        """How far it is, or what it did."""
        async with snapshot(self._db) as seen:
            found = await runs.find(seen.conn, request.id)
        if found is None:
            raise NotFound("run", request.id)
        return convert_insight.run(found)


async def _lists(seen: Snapshot, rows: Sequence[PeriodRow]) -> Mapping[int, Checklist]:
    """Checklists of ended periods that are not final, by row."""
    by_client: dict[int, list[PeriodRow]] = defaultdict(list)
    for row in rows:
        if row.state(seen.now) is PeriodState.ENDED:
            by_client[row.client_id].append(row)
    found: dict[int, Checklist] = {}
    for subject in await closing.subjects(seen.conn, by_client):
        account = await billing.account(seen.conn, subject.billed)
        mine = by_client[subject.id]
        cut = [account.cycle.period_containing(row.starts) for row in mine]
        lists = await check(seen.conn, subject, account, cut, now=seen.now)
        found |= {row.id: one for row, one in zip(mine, lists, strict=True)}
    return found


async def _checklist(
    conn: Connection, client_id: int, first_day: date | None, seen: Snapshot
) -> closing_pb2.Checklist:
    looked = await look(conn, client_id, first_day, now=seen.now)
    calendar, period = looked.account.cycle, looked.period
    row = await periods.period_row(conn, client_id, slot_of(period.start))
    if row is not None:
        about = convert_closing.period(row, calendar, now=seen.now, found=looked.checklist)
    else:
        about = convert_closing.unrated(
            client_id, looked.subject.name, period, calendar, found=looked.checklist
        )
    return convert_closing.checklist(about, looked.checklist)


def _day(text: str) -> date | None:
    return given.day("first_day", text) if text else None
