"""``ullage projections``: what open periods will cost, and how right earlier projections were."""

import click

from tui.cli.listing import Found, every, show, whole
from tui.cli.names import bucket_id, client_id
from tui.cli.options import (
    client_option,
    descending_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
)
from tui.cli.output import Row
from tui.cli.session import run, say
from tui.client import Aggregator
from tui.format import decimal, moment, percent
from ullage.v1 import analysis_pb2, billing_pb2

PROJECTION_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "current",
    "projected",
    "low",
    "high",
    "symbol",
    "cost",
    "low_cost",
    "high_cost",
    "currency",
    "percent_of_commit",
    "method",
    "median_error",
)
TRACK_COLUMNS = ("period_start", "share", "projected", "became", "percent_error", "within_range")


def projection_row(projection: billing_pb2.Projection) -> Row:
    """What a bucket's open period will look like at its end; low and high are null while the range is unknown."""
    return {
        "client_id": projection.client_id,
        "client": projection.client_name,
        "bucket_id": projection.bucket_id,
        "bucket": projection.bucket_name,
        "unit_type": projection.unit_type,
        "period_start": moment(projection.period_start),
        "period_end": moment(projection.period_end),
        "current": decimal(projection.current_quantity),
        "projected": decimal(projection.projected_quantity),
        "low": decimal(projection.low_quantity),
        "high": decimal(projection.high_quantity),
        "symbol": projection.symbol,
        "cost": decimal(projection.projected_cost),
        "low_cost": decimal(projection.low_cost),
        "high_cost": decimal(projection.high_cost),
        "currency": projection.currency,
        "percent_of_commit": decimal(projection.percent_of_commit),
        "method": projection.method or None,
        "median_error": decimal(projection.track_record),
        "calculated_at": moment(projection.calculated_at),
    }


def track_row(point: analysis_pb2.TrackPoint) -> Row:
    """What was projected when ``share`` per cent of a period had passed, and what became of it."""
    return {
        "period_start": moment(point.period_start),
        "share": point.share,
        "projected": decimal(point.projected),
        "became": decimal(point.became),
        "percent_error": decimal(point.percent_error),
        "within_range": point.within_range,
    }


@click.group()
def projections() -> None:
    """What open periods will cost: list, track-record."""


@projections.command("list")
@client_option
@click.option("--over", is_flag=True, help="Only those that are projected above their commit.")
@search_option
@sort_option
@descending_option
@limit_option
@form_option
def list_projections(
    *,
    client: str,
    over: bool,
    search: str,
    sort: str,
    descending: bool,
    limit: int | None,
    form: str,
) -> None:
    """The newest projection of every bucket's open period: the median, and the 10th and 90th percentile.

    The range is unknown with fewer than 14 days of history; then the method is the run rate. The median error is that
    of earlier projections at the same share of the period, in per cent.

    \b
    Examples:
    ullage projections list --client acme
    ullage projections list --over --sort percent_of_commit --descending
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)
        return await every(
            lambda page: aggregator.projections(page, client_id=of, search=search, over=over),
            lambda reply: reply.projections,
            projection_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), PROJECTION_COLUMNS, form, "projections")


@projections.command("track-record")
@click.argument("bucket")
@limit_option
@form_option
def track_record(bucket: str, limit: int | None, form: str) -> None:
    """How right earlier projections of a bucket were, by period and share of it. BUCKET is an id or CLIENT/NAME.

    Example: ullage projections track-record "acme/web memory"
    """

    async def work(aggregator: Aggregator) -> analysis_pb2.TrackRecord:
        request = analysis_pb2.GetTrackRecordRequest(bucket_id=await bucket_id(aggregator, bucket))
        return await aggregator.ask(aggregator.analysis.GetTrackRecord, request)

    record = run(work)
    show(
        whole([track_row(point) for point in record.points], limit),
        TRACK_COLUMNS,
        form,
        "earlier projections",
    )
    if decimal(record.median_error) is not None:
        say(f"Median error: {percent(record.median_error)}.")
