"""Between figures and messages: what is no noun of its own, beside convert.py and by the same rules."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from aggregator.domain import insight
from aggregator.domain.health import Judgement, Trouble
from aggregator.rpc.timetable import ScheduledJob
from aggregator.store.health import SystemFigures
from aggregator.store.insight import NewOverage
from aggregator.store.runs import RunRecord
from ullage.v1 import admin_pb2, billing_pb2, insight_pb2, types_pb2
from ullage.wire import from_decimal, from_time


def run(record: RunRecord) -> billing_pb2.Run:
    """What a run did; one that was skipped has no id."""
    return billing_pb2.Run(
        id=record.id,
        job=record.job,
        started_at=from_time(record.started_at),
        ended_at=from_time(record.ended_at),
        state=record.state,
        counts=record.counts,
        total=record.total or 0,
        done=record.done or 0,
        seconds_left=record.seconds_left,
        error=record.error,
    )


def job(scheduled: ScheduledJob, last: RunRecord | None) -> admin_pb2.Job:
    """``last`` is None before the first run."""
    return admin_pb2.Job(
        name=scheduled.name,
        description=scheduled.description,
        schedule=scheduled.schedule,
        next_run=from_time(scheduled.next_run),
        last_run=run(last) if last else None,
    )


def health_message(
    figures: SystemFigures, judgement: Judgement, done: Mapping[str, datetime]
) -> insight_pb2.Health:
    """``done``: when each job last did its work to the end."""
    return insight_pb2.Health(
        state=judgement.state,
        problems=judgement.problems,
        database=figures.database,
        last_reading=from_time(figures.last_reading),
        last_rollup=from_time(done.get("rollup")),
        last_billing=from_time(done.get("billing")),
        last_projection=from_time(done.get("projection")),
        agents=figures.agents,
        agents_silent=figures.agents_silent,
        quarantined=figures.quarantined,
        unbalanced_batches=figures.unbalanced_batches,
        read=figures.totals.read,
        stored=figures.totals.stored,
        ever_quarantined=figures.totals.quarantined,
        suppressed=figures.totals.suppressed,
        unbalanced_agents=figures.totals.unbalanced_agents,
        agents_spool=figures.agents_with(Trouble.SPOOL_FULL, Trouble.SPOOL_SLOW),
        agents_clock=figures.agents_with(Trouble.CLOCK),
        agents_lost=figures.agents_with(Trouble.LOST, Trouble.NEW_SPOOL, Trouble.SET_BACK),
        agents_conflict=figures.agents_with(Trouble.CONFLICT, Trouble.SECOND_LINE),
    )


def money(currency: str, amount: Decimal) -> types_pb2.Money:
    """An amount in one currency."""
    return types_pb2.Money(currency=currency, amount=from_decimal(amount))


def top_client(top: insight.TopClient) -> insight_pb2.TopClient:
    """Field by field."""
    return insight_pb2.TopClient(
        client_id=top.client_id,
        client_name=top.client_name,
        projected=money(top.currency, top.cost),
        share=from_decimal(top.share),
    )


def month_revenue(month: insight.MonthRevenue) -> insight_pb2.MonthRevenue:
    """The month as YYYY-MM."""
    return insight_pb2.MonthRevenue(
        month=f"{month.month:%Y-%m}",
        revenue=money(month.currency, month.revenue),
        provisional=month.provisional,
    )


def month_over_month(change: insight.MonthOverMonth) -> insight_pb2.MonthOverMonth:
    """Field by field."""
    return insight_pb2.MonthOverMonth(
        currency=change.currency, percent=from_decimal(change.percent), provisional=change.provisional
    )


def new_overage(row: NewOverage) -> insight_pb2.NewOverage:
    """Field by field."""
    return insight_pb2.NewOverage(
        client_id=row.client_id,
        client_name=row.client_name,
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        percent_of_commit=from_decimal(row.percent_of_commit),
    )
