"""``ullage billing`` and ``projections``: what periods cost, and what open ones will."""

import click

from tui.cli.jobs import ran
from tui.cli.listing import Found, every, show
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, form_option, limit_option
from tui.cli.output import Row
from tui.cli.session import run
from tui.client import RUN_SECONDS_MAX, Aggregator, Page
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
    "currency",
    "state",
)
PROJECTION_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "current",
    "projected",
    "symbol",
    "cost",
    "currency",
    "percent_of_commit",
    "calculated_at",
)
_STATES = {
    billing_pb2.PERIOD_STATE_OPEN: "open",
    billing_pb2.PERIOD_STATE_ENDED: "ended",
    billing_pb2.PERIOD_STATE_FINALISED: "finalised",
}


def reading_row(reading: billing_pb2.Reading) -> Row:
    """A billing reading; used + buffer + overage = cost."""
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
        "state": _STATES.get(reading.state, "unknown"),
        "quantity": decimal(reading.quantity),
        "commit": decimal(reading.commit),
        "overage_units": decimal(reading.overage_units),
        "symbol": reading.symbol,
        "used": decimal(reading.used),
        "buffer": decimal(reading.buffer),
        "overage": decimal(reading.overage),
        "cost": decimal(reading.cost),
        "currency": reading.currency,
        "percent_of_commit": decimal(reading.percent_of_commit),
        "as_of": moment(reading.as_of),
        "cutoff": moment(reading.cutoff),
    }


def projection_row(projection: billing_pb2.Projection) -> Row:
    """What a bucket's open period will look like at its end."""
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
        "symbol": projection.symbol,
        "cost": decimal(projection.projected_cost),
        "currency": projection.currency,
        "percent_of_commit": decimal(projection.percent_of_commit),
        "calculated_at": moment(projection.calculated_at),
    }


@click.group()
def billing() -> None:
    """What periods cost: list readings, run billing."""


@billing.command("list")
@client_option
@click.option("--bucket", default="", metavar="BUCKET", help="Only of this bucket: id or CLIENT/NAME.")
@limit_option
@form_option
def list_readings(client: str, bucket: str, limit: int | None, form: str) -> None:
    """Billing readings of all periods, provisional until their period is finalised.

    Example: ullage billing list --client acme --format csv
    """

    async def work(aggregator: Aggregator) -> Found:
        of, only = await client_id(aggregator, client), await bucket_id(aggregator, bucket)
        return await every(
            lambda page: aggregator.readings(page, client_id=of, bucket_id=only),
            lambda reply: reply.readings,
            reading_row,
            limit,
        )

    show(run(work), READING_COLUMNS, form, "billing readings")


@billing.command("run")
@click.option(
    "--all", "everything", is_flag=True, help="Rate every period again, also where nothing changed."
)
@form_option
def run_billing(everything: bool, form: str) -> None:
    """Rates the periods in which something changed, and waits for it. Safe to repeat.

    Example: ullage billing run
    """
    request = billing_pb2.RunBillingRequest(all=everything)
    ran(
        run(
            lambda aggregator: aggregator.ask(aggregator.billing.RunBilling, request, seconds=RUN_SECONDS_MAX)
        ),
        form,
    )


@click.group()
def projections() -> None:
    """What open periods will cost: list."""


@projections.command("list")
@client_option
@limit_option
@form_option
def list_projections(client: str, limit: int | None, form: str) -> None:
    """The newest projection of every bucket's open period.

    Example: ullage projections list --client acme
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)

        def request(page: Page) -> billing_pb2.ListProjectionsRequest:
            return billing_pb2.ListProjectionsRequest(page=page.message(), client_id=of)

        return await every(
            lambda page: aggregator.ask(aggregator.billing.ListProjections, request(page)),
            lambda reply: reply.projections,
            projection_row,
            limit,
        )

    show(run(work), PROJECTION_COLUMNS, form, "projections")
