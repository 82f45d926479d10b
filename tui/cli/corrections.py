"""``ullage billing adjustments|too-late``: what came after a period was final."""

import click

from tui.cli.billing import billing
from tui.cli.listing import Found, every, show
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, form_option, limit_option
from tui.cli.output import Row
from tui.cli.session import run
from tui.client import Aggregator, Page
from tui.format import decimal, moment
from ullage.v1 import closing_pb2

ADJUSTMENT_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "of_start",
    "in_start",
    "delta_quantity",
    "amount",
    "currency",
    "finalised",
    "reason",
)
TOO_LATE_COLUMNS = (
    "agent",
    "asset_id",
    "asset",
    "unit_type",
    "value",
    "since",
    "ticked_at",
    "stored_at",
    "reason",
)


def adjustment_row(adjustment: closing_pb2.Adjustment) -> Row:
    """What corrects the finalised period ``of`` and stands in the period ``in``."""
    return {
        "id": adjustment.id or None,
        "client_id": adjustment.client_id,
        "client": adjustment.client_name,
        "bucket_id": adjustment.bucket_id,
        "bucket": adjustment.bucket_name,
        "of_start": moment(adjustment.of_start),
        "of_end": moment(adjustment.of_end),
        "in_start": moment(adjustment.in_start),
        "delta_quantity": decimal(adjustment.delta_quantity),
        "amount": decimal(adjustment.amount.amount),
        "currency": adjustment.amount.currency,
        "finalised": adjustment.finalised,
        "reason": adjustment.reason,
    }


def too_late_row(reading: closing_pb2.TooLate) -> Row:
    """Usage that is never billed; ``reason`` is look-back or below-floor."""
    return {
        "id": reading.id,
        "agent_id": reading.agent_id,
        "agent": reading.agent_name,
        "asset_id": reading.asset_id or None,
        "asset": reading.asset_name,
        "unit_type": reading.unit_type,
        "value": reading.value,
        "since": moment(reading.since),
        "ticked_at": moment(reading.ticked_at),
        "stored_at": moment(reading.stored_at),
        "reason": reading.reason,
    }


@billing.command("adjustments")
@client_option
@click.option("--bucket", default="", metavar="BUCKET", help="Only of this bucket: id or CLIENT/NAME.")
@limit_option
@form_option
def adjustments(client: str, bucket: str, limit: int | None, form: str) -> None:
    """What late usage changes of finalised periods, as lines of a later one. May be negative.

    Example: ullage billing adjustments --client acme
    """

    async def work(aggregator: Aggregator) -> Found:
        of, only = await client_id(aggregator, client), await bucket_id(aggregator, bucket)

        def request(page: Page) -> closing_pb2.ListAdjustmentsRequest:
            return closing_pb2.ListAdjustmentsRequest(page=page.message(), client_id=of, bucket_id=only)

        return await every(
            lambda page: aggregator.ask(aggregator.closing.ListAdjustments, request(page)),
            lambda reply: reply.adjustments,
            adjustment_row,
            limit,
        )

    show(run(work), ADJUSTMENT_COLUMNS, form, "adjustments")


@billing.command("too-late")
@client_option
@limit_option
@form_option
def too_late(client: str, limit: int | None, form: str) -> None:
    """Usage that came too late to be billed: beyond the look-back, or where raw readings are kept no more.

    Example: ullage billing too-late --format csv
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)

        def request(page: Page) -> closing_pb2.ListTooLateRequest:
            return closing_pb2.ListTooLateRequest(page=page.message(), client_id=of)

        return await every(
            lambda page: aggregator.ask(aggregator.closing.ListTooLate, request(page)),
            lambda reply: reply.readings,
            too_late_row,
            limit,
        )

    show(run(work), TOO_LATE_COLUMNS, form, "readings that came too late")
