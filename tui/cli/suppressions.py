"""``ullage suppressions``: rules that keep assets out at ingest."""

import click

from tui.cli.listing import show, whole
from tui.cli.options import confirm_option, dry_run_option, form_option, limit_option
from tui.cli.outcome import consequences, write_preview
from tui.cli.output import Row, write
from tui.cli.session import run, say
from tui.cli.values import OPERATORS, Whole, operator_words
from tui.format import moment
from ullage.v1 import inventory_pb2, types_pb2

SUPPRESSION_COLUMNS = (
    "id",
    "field",
    "type",
    "pattern",
    "reason",
    "created_by",
    "created_at",
    "ended_at",
    "assets",
    "more_assets",
    "readings",
    "last_hit",
)
# As people know them from other programs.
_TYPES = {**OPERATORS, "exact": types_pb2.OPERATOR_EQUALS}
ACT_SECONDS_MAX = 120.0


def suppression_row(suppression: inventory_pb2.Suppression) -> Row:
    """A suppression with what it dropped."""
    condition = suppression.condition
    return {
        "id": suppression.id,
        "field": condition.field,
        "type": operator_words(condition.operator),
        "pattern": condition.pattern,
        "reason": suppression.reason,
        "created_by": suppression.created_by,
        "created_at": moment(suppression.created_at),
        "ended_by": suppression.ended_by or None,
        "ended_at": moment(suppression.ended_at),
        "assets": suppression.assets,
        # There were more: then `assets` is *at least*.
        "more_assets": suppression.more_assets,
        "readings": suppression.readings,
        "last_hit": moment(suppression.last_hit),
    }


@click.group()
def suppressions() -> None:
    """Rules that keep assets out at ingest: list, add, end."""


@suppressions.command("list")
@click.option("--ended", is_flag=True, help="Those that have ended too.")
@limit_option
@form_option
def list_suppressions(ended: bool, limit: int | None, form: str) -> None:
    """All suppressions that hold, and how much each has dropped.

    Example: ullage suppressions list --ended
    """
    request = inventory_pb2.ListSuppressionsRequest(ended=ended)
    reply = run(lambda aggregator: aggregator.ask(aggregator.inventory.ListSuppressions, request))
    found = [suppression_row(one) for one in reply.suppressions]
    show(whole(found, limit), SUPPRESSION_COLUMNS, form, "suppressions")


@suppressions.command("add")
@click.argument("field")
@click.argument("kind", metavar="TYPE", type=click.Choice(sorted(_TYPES)))
@click.argument("pattern")
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever finds it later wants to know.")
@dry_run_option
@confirm_option
@form_option
def add_suppression(
    *, field: str, kind: str, pattern: str, reason: str, dry_run: bool, confirmed: int, form: str
) -> None:
    """Drops matching assets at ingest from their next batch on. What is stored already stays.

    FIELD: source_type, external_id, name, address, agent, site or label:KEY. TYPE: exact, glob, regex or cidr.

    Example: ullage suppressions add name glob "tmp-*" --reason "build machines, nobody pays for them" --dry-run
    """
    request = inventory_pb2.CreateSuppressionRequest(
        condition=types_pb2.Condition(field=field, operator=_TYPES[kind], pattern=pattern),
        reason=reason,
        dry_run=dry_run,
        confirmed_assets=confirmed,
    )
    reply = run(
        lambda aggregator: aggregator.ask(
            aggregator.inventory.CreateSuppression, request, seconds=ACT_SECONDS_MAX
        )
    )
    if dry_run:
        write_preview(reply.preview, form)
        return
    write([suppression_row(reply.suppression)], SUPPRESSION_COLUMNS, form)
    consequences(reply.preview)


@suppressions.command("end")
@click.argument("suppression_id", metavar="ID", type=Whole(1))
@form_option
def end_suppression(suppression_id: int, form: str) -> None:
    """Lets matching assets in again from their next batch on. What was dropped is gone.

    Example: ullage suppressions end 3
    """
    request = inventory_pb2.EndSuppressionRequest(id=suppression_id)
    ended = run(lambda aggregator: aggregator.ask(aggregator.inventory.EndSuppression, request))
    write([suppression_row(ended)], SUPPRESSION_COLUMNS, form)
    say(f"{ended.readings} readings of its time were dropped and cannot be brought back.")
