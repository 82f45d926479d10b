"""``ullage billing``: what periods cost. What makes them final is in periods.py, what defends them in evidence.py."""

import click

from tui.cli.jobs import ran
from tui.cli.listing import Found, every, show
from tui.cli.names import bucket_id, client_id
from tui.cli.options import (
    client_option,
    descending_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
    source_option,
)
from tui.cli.output import Row, Value
from tui.cli.over_under import parse_month
from tui.cli.progress import followed
from tui.cli.session import run
from tui.client import JOB_SECONDS_MAX, Aggregator
from tui.format import decimal, moment
from ullage.v1 import billing_pb2

READING_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "period_start",
    "period_end",
    "quantity",
    "symbol",
    "commit",
    "cost",
    "overage",
    "buffer",
    "limit",
    "currency",
    "coverage",
    "state",
)
STATES = {
    "open": billing_pb2.PERIOD_STATE_OPEN,
    "ended": billing_pb2.PERIOD_STATE_ENDED,
    "finalised": billing_pb2.PERIOD_STATE_FINALISED,
}
_WORDS = {state: word for word, state in STATES.items()}
state_option = click.option(
    "--state", type=click.Choice(tuple(STATES)), default=None, help="Only periods in this state."
)

month_option = click.option(
    "--month",
    type=parse_month,
    default=None,
    metavar="YYYY-MM",
    help="Only periods whose last day is in this month, where the client is.",
)


def state_words(state: billing_pb2.PeriodState.ValueType) -> str:
    """As ``--state`` takes it; of one that this version does not know "unknown"."""
    return _WORDS.get(state, "unknown")


def coverage_row(coverage: billing_pb2.Coverage) -> dict[str, Value]:
    """What is known of slots; ``percent`` is null where there was nothing to be measured."""
    return {
        "percent": decimal(coverage.percent),
        "measured": coverage.measured,
        "absent": coverage.absent,
        "gap": coverage.gap,
        "spread": coverage.spread,
    }


def segment_row(segment: billing_pb2.ReadingSegment) -> Row:
    """A part of a period under terms of its own; used + buffer + overage + limit = cost."""
    return {
        "terms_id": segment.terms_id or None,
        "starts_at": moment(segment.starts_at),
        "ends_at": moment(segment.ends_at),
        "fraction": segment.fraction,
        "quantity": decimal(segment.quantity),
        "commit": decimal(segment.commit),
        "overage_units": decimal(segment.overage_units),
        "used": decimal(segment.used),
        "buffer": decimal(segment.buffer),
        "overage": decimal(segment.overage),
        "limit": decimal(segment.limit),
        "cost": decimal(segment.cost),
        "coverage": coverage_row(segment.coverage),
    }


def reading_row(reading: billing_pb2.Reading) -> Row:
    """A billing reading; used + buffer + overage + limit = cost."""
    segments: list[Value] = [segment_row(segment) for segment in reading.segments]
    return {
        "client_id": reading.client_id,
        "client": reading.client_name,
        "bucket_id": reading.bucket_id,
        "bucket": reading.bucket_name,
        "source_type": reading.source_type,
        "unit_type": reading.unit_type,
        "aggregation": reading.aggregation,
        "period_start": moment(reading.period_start),
        "period_end": moment(reading.period_end),
        "state": state_words(reading.state),
        "quantity": decimal(reading.quantity),
        "commit": decimal(reading.commit),
        "overage_units": decimal(reading.overage_units),
        "symbol": reading.symbol,
        "used": decimal(reading.used),
        "buffer": decimal(reading.buffer),
        "overage": decimal(reading.overage),
        "limit": decimal(reading.limit),
        "cost": decimal(reading.cost),
        "currency": reading.currency,
        "percent_of_commit": decimal(reading.percent_of_commit),
        "coverage": decimal(reading.coverage.percent),
        "slots": {name: value for name, value in coverage_row(reading.coverage).items() if name != "percent"},
        "segments": segments,
        "as_of": moment(reading.as_of),
        "cutoff": moment(reading.cutoff),
    }


@click.group()
def billing() -> None:
    """What periods cost, how they become final, and why a figure is what it is."""


@billing.command("list")
@client_option
@click.option("--bucket", default="", metavar="BUCKET", help="Only of this bucket: id or CLIENT/NAME.")
@source_option
@month_option
@state_option
@search_option
@sort_option
@descending_option
@limit_option
@form_option
def list_readings(
    *,
    client: str,
    bucket: str,
    source: str,
    month: str | None,
    state: str | None,
    search: str,
    sort: str,
    descending: bool,
    limit: int | None,
    form: str,
) -> None:
    """Billing readings of all periods, provisional until their period is finalised.

    Coverage is the share of slots that is known, in per cent; JSON has its counts and the segments of each period.

    \b
    Examples:
    ullage billing list --client acme --format csv
    ullage billing list --month 2026-10 --sort cost --descending
    """

    async def work(aggregator: Aggregator) -> Found:
        of, only = await client_id(aggregator, client), await bucket_id(aggregator, bucket)
        wanted = STATES[state] if state else billing_pb2.PERIOD_STATE_UNSPECIFIED
        return await every(
            lambda page: aggregator.readings(
                page,
                client_id=of,
                bucket_id=only,
                state=wanted,
                month=month or "",
                search=search,
                source_type=source,
            ),
            lambda reply: reply.readings,
            reading_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), READING_COLUMNS, form, "billing readings")


@billing.command("run")
@click.option(
    "--all", "everything", is_flag=True, help="Rate every period again, also where nothing changed."
)
@form_option
def run_billing(everything: bool, form: str) -> None:
    """Rates the periods in which something changed and finalises those that are ready. Safe to repeat.

    Says on stderr how far it is. Ctrl+C ends this command, not the run.

    Example: ullage billing run
    """
    request = billing_pb2.RunBillingRequest(all=everything)

    async def work(aggregator: Aggregator) -> billing_pb2.Run:
        call = aggregator.ask(aggregator.billing.RunBilling, request, seconds=JOB_SECONDS_MAX)
        return await followed(aggregator, "billing", call)

    ran(run(work), form)
