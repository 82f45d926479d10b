"""Periods, checklists, adjustments and what came too late, as messages."""

from datetime import datetime

from aggregator.domain.close import POLICY, Checklist, Item
from aggregator.domain.period import Calendar, Period
from aggregator.rpc import convert
from aggregator.store.periods import AdjustmentRow, PeriodRow, TooLateRow
from ullage.v1 import billing_pb2, closing_pb2, types_pb2
from ullage.wire import from_decimal, from_time


def period(
    row: PeriodRow, calendar: Calendar, *, now: datetime, found: Checklist | None = None
) -> closing_pb2.Period:
    """``found`` None: the period is open or final."""
    closes_at = None if row.final else row.ends + POLICY.grace
    if found is not None:
        closes_at = found.closes_at
    return closing_pb2.Period(
        client_id=row.client_id,
        client_name=row.client_name,
        start=from_time(row.starts),
        end=from_time(row.ends),
        first_day=calendar.day(row.starts).isoformat(),
        last_day=calendar.day(row.ends - row.ends.resolution).isoformat(),
        state=convert.STATES[row.state(now)],
        buckets=row.buckets,
        total=types_pb2.Money(currency=row.currency, amount=from_decimal(row.total)),
        finalised_at=from_time(row.finalised_at) if row.final else None,
        open_items=len(found.open_items) if found else 0,
        closes_at=from_time(closes_at),
        overdue=found is not None and found.overdue,
        cutoff=from_time(row.cutoff),
    )


def unrated(
    client_id: int, client_name: str, about: Period, calendar: Calendar, *, found: Checklist
) -> closing_pb2.Period:
    """An ended period that has no readings yet."""
    return closing_pb2.Period(
        client_id=client_id,
        client_name=client_name,
        start=from_time(about.start),
        end=from_time(about.end),
        first_day=calendar.first_day(about).isoformat(),
        last_day=calendar.last_day(about).isoformat(),
        state=billing_pb2.PERIOD_STATE_ENDED,
        open_items=len(found.open_items),
        closes_at=from_time(found.closes_at),
        overdue=found.overdue,
    )


def item(found: Item) -> closing_pb2.CheckItem:
    """With who let it pass."""
    seen = found.acknowledged
    return closing_pb2.CheckItem(
        kind=found.kind.value,
        subject=found.subject,
        text=found.text,
        open=found.open,
        can_acknowledge=found.can_acknowledge,
        acknowledged_by=seen.made_by if seen else "",
        acknowledged_at=from_time(seen.made_at) if seen else None,
        reason=seen.reason if seen else "",
    )


def checklist(about: closing_pb2.Period, found: Checklist) -> closing_pb2.Checklist:
    """The period beside its items."""
    return closing_pb2.Checklist(period=about, items=map(item, found.items), ready=found.ready)


def adjustment(row: AdjustmentRow) -> closing_pb2.Adjustment:
    """Field by field."""
    return closing_pb2.Adjustment(
        id=row.id,
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        client_id=row.client_id,
        client_name=row.client_name,
        of_start=from_time(row.period_start),
        of_end=from_time(row.period_end),
        in_start=from_time(row.in_start),
        delta_quantity=from_decimal(row.delta_quantity),
        amount=types_pb2.Money(currency=row.currency, amount=from_decimal(row.amount)),
        finalised=row.finalised,
        reason=row.reason,
    )


def too_late(row: TooLateRow) -> closing_pb2.TooLate:
    """Field by field."""
    return closing_pb2.TooLate(
        id=row.id,
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        asset_id=row.asset_id,
        asset_name=row.asset_name,
        unit_type=row.unit_type,
        value=row.value,
        since=from_time(row.since),
        ticked_at=from_time(row.ticked_at),
        stored_at=from_time(row.stored_at),
        reason=row.reason,
    )
