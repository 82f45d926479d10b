"""``ullage over-under``: who used more than agreed, who less, and what that is worth."""

import re

import click

from tui.cli.listing import show, whole
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, form_option, limit_option, unit_option
from tui.cli.output import Row
from tui.cli.session import run, say
from tui.client import Aggregator
from tui.format import clean, decimal, money
from ullage.v1 import analysis_pb2

BY = ("client", "bucket", "unit-type")
STATUSES = ("over", "under", "mixed", "even")
_NUMBERS = ("cost", "committed", "overage", "buffer", "currency")
_REST = ("delta_units", "buffer_units", "percent_unused", "provisional")
COLUMNS = {
    "client": ("client", "unit_types", "status", *_NUMBERS, *_REST),
    "bucket": ("client", "bucket_id", "bucket", "unit_types", "status", *_NUMBERS, *_REST),
    "unit-type": ("unit_types", "status", *_NUMBERS, *_REST),
}
TREND_COLUMNS = ("month", "cost", "overage", "buffer", "currency", "provisional")
_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


def parse_month(written: str) -> str:
    """A month of the calendar, ``YYYY-MM``, as it was written."""
    if not _MONTH.match(written):
        raise click.BadParameter(f"{written!r} is not a month like 2026-01")
    return written


def over_under_row(row: analysis_pb2.OverUnderRow) -> Row:
    """``status`` is null without a commit, as is what is compared with it."""
    moneys = (row.cost, row.committed, row.overage, row.buffer)
    return {
        "client_id": row.client_id or None,
        "client": row.client_name or None,
        "bucket_id": row.bucket_id or None,
        "bucket": row.bucket_name or None,
        "unit_types": row.unit_types,
        "status": row.status or None,
        "cost": decimal(row.cost.amount),
        "committed": decimal(row.committed.amount),
        "overage": decimal(row.overage.amount),
        "buffer": decimal(row.buffer.amount),
        "currency": next((one.currency for one in moneys if one.currency), None),
        "delta_units": row.delta_units or None,
        "buffer_units": row.buffer_units or None,
        "percent_unused": decimal(row.percent_unused),
        "provisional": row.provisional,
        "long_period": row.long_period,
    }


@click.group("over-under")
def over_under() -> None:
    """Usage against commits by reporting month: list, trend."""


@over_under.command("list")
@click.option("--by", type=click.Choice(BY), default="client", show_default=True, help="One row for each.")
@click.option(
    "--month",
    type=parse_month,
    default=None,
    metavar="YYYY-MM",
    help="Reporting month; without it the last full one.",
)
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Only these.")
@client_option
@unit_option
@limit_option
@form_option
def list_over_under(
    by: str, month: str | None, status: str | None, client: str, unit: str, limit: int | None, form: str
) -> None:
    """Who is over and who is under, with the money of both; a client with both is mixed.

    \b
    Examples:
    ullage over-under list --status under
    ullage over-under list --by bucket --month 2026-10 --client acme --format csv
    """

    async def work(aggregator: Aggregator) -> analysis_pb2.OverUnder:
        request = analysis_pb2.GetOverUnderRequest(
            by=by,
            month=month or "",
            status=status or "",
            client_id=await client_id(aggregator, client),
            unit_type=unit,
        )
        return await aggregator.ask(aggregator.analysis.GetOverUnder, request)

    found = run(work)
    show(
        whole([over_under_row(row) for row in found.rows], limit), COLUMNS[by], form, f"{by}s with usage then"
    )
    if found.rows_total > len(found.rows):
        say(
            f"The aggregator lists {len(found.rows):,} of {found.rows_total:,}, those with most overage and buffer; "
            "--client and --unit narrow it down."
        )
    totals = [
        f"{money(one.amount, one.currency)} {word}"
        for word, all_of in (("overage", found.overage), ("buffer", found.buffer))
        for one in all_of
    ]
    if totals:
        provisional = " (provisional)" if found.provisional else ""
        say(f"{clean(found.month)}{provisional}: {', '.join(totals)}.")


def trend_row(point: analysis_pb2.TrendPoint) -> Row:
    """A reporting month in one currency."""
    moneys = (point.cost, point.overage, point.buffer)
    return {
        "month": point.month,
        "cost": decimal(point.cost.amount),
        "overage": decimal(point.overage.amount),
        "buffer": decimal(point.buffer.amount),
        "currency": next((one.currency for one in moneys if one.currency), None),
        "provisional": point.provisional,
    }


@over_under.command("trend")
@client_option
@click.option("--bucket", default="", metavar="BUCKET", help="Only of this bucket: id or CLIENT/NAME.")
@unit_option
@click.option(
    "--months", type=click.IntRange(1, 36), default=12, show_default=True, help="How many reporting months."
)
@limit_option
@form_option
def trend(client: str, bucket: str, unit: str, months: int, limit: int | None, form: str) -> None:
    """Overage and buffer of the last reporting months, oldest first.

    Example: ullage over-under trend --client acme --format csv
    """

    async def work(aggregator: Aggregator) -> analysis_pb2.Trend:
        request = analysis_pb2.GetTrendRequest(
            client_id=await client_id(aggregator, client),
            bucket_id=await bucket_id(aggregator, bucket),
            unit_type=unit,
            months=months,
        )
        return await aggregator.ask(aggregator.analysis.GetTrend, request)

    points = run(work).points
    show(whole([trend_row(point) for point in points], limit), TREND_COLUMNS, form, "months with readings")
