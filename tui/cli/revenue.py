"""``ullage revenue`` and ``leakage``: what was billed by month, and what could have been."""

import click

from tui.cli.listing import show, whole
from tui.cli.names import client_id
from tui.cli.options import client_option, form_option, limit_option
from tui.cli.output import Row
from tui.cli.session import run, say
from tui.client import Aggregator
from tui.format import decimal
from ullage.v1 import analysis_pb2

REVENUE_COLUMNS = (
    "month",
    "source_type",
    "revenue",
    "currency",
    "clients",
    "average_per_client",
    "percent_change",
    "provisional",
)
LEAKAGE_COLUMNS = ("age", "client", "assets", "money", "currency", "unpriced")


def revenue_row(point: analysis_pb2.RevenuePoint) -> Row:
    """A reporting month in one currency; ``source_type`` is null for all together."""
    return {
        "month": point.month,
        "source_type": point.source_type or None,
        "revenue": decimal(point.revenue.amount),
        "currency": point.revenue.currency,
        "clients": point.clients,
        "average_per_client": decimal(point.average_per_client.amount),
        "percent_change": decimal(point.percent_change),
        "provisional": point.provisional,
    }


def leakage_row(row: analysis_pb2.Leakage) -> Row:
    """``age`` is the days since the oldest unbound slot, up to; ``client`` is null for unassigned assets."""
    return {
        "age": row.age,
        "client_id": row.client_id or None,
        "client": row.client_name or None,
        "assets": row.assets,
        "money": decimal(row.money.amount),
        "currency": row.money.currency or None,
        "unpriced": row.unpriced,
    }


@click.group("revenue")
def revenue() -> None:
    """What was billed: list."""


@revenue.command("list")
@click.option(
    "--months", type=click.IntRange(1, 36), default=12, show_default=True, help="How many reporting months."
)
@limit_option
@form_option
def list_revenue(months: int, limit: int | None, form: str) -> None:
    """Revenue by reporting month and source type, the average of a client, and the change against the month before.

    Rows without a source type are all of the month. Money is never added over currencies.

    Example: ullage revenue list --months 6 --format csv
    """
    request = analysis_pb2.GetRevenueRequest(months=months)
    points = run(lambda aggregator: aggregator.ask(aggregator.analysis.GetRevenue, request)).points
    show(whole([revenue_row(point) for point in points], limit), REVENUE_COLUMNS, form, "months with revenue")


@click.group("leakage")
def leakage() -> None:
    """Metered and not billed: list."""


@leakage.command("list")
@client_option
@limit_option
@form_option
def list_leakage(client: str, limit: int | None, form: str) -> None:
    """What unbound usage would have cost, by its age and client, at the template's or the most similar bucket's prices.

    Age is in days since the oldest of it. `ullage assets list --unbound` lists the assets.

    Example: ullage leakage list --client acme
    """

    async def work(aggregator: Aggregator) -> analysis_pb2.ListLeakageReply:
        request = analysis_pb2.ListLeakageRequest(client_id=await client_id(aggregator, client))
        return await aggregator.ask(aggregator.analysis.ListLeakage, request)

    found = run(work).rows
    show(whole([leakage_row(row) for row in found], limit), LEAKAGE_COLUMNS, form, "unbound usage")
    unpriced = sum(row.unpriced for row in found)
    if unpriced:
        say(f"{unpriced:,} series have no price yet and are not in these sums.")
