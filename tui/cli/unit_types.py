"""``ullage unit-types``: what quantities count, and the provisioning of buckets by their templates."""

from typing import Any

import click

from tui.cli import names
from tui.cli.listing import show, whole
from tui.cli.options import dry_run_option, form_option, limit_option
from tui.cli.outcome import consequences, write_preview
from tui.cli.output import Row, Value, to_table, write, write_facts, write_object
from tui.cli.session import run, say
from tui.cli.values import Whole, filter_words
from tui.client import Aggregator
from tui.failures import sentence
from tui.format import decimal, moment, plural
from ullage.v1 import inventory_pb2, unit_types_pb2

UNIT_TYPE_COLUMNS = ("name", "symbol", "description", "kind", "per", "precision", "slot_minutes")
TEMPLATE_COLUMNS = ("id", "unit_type", "source_type", "filter", "aggregation", "commit", "prices", "enabled")
PROBLEM_COLUMNS = ("client", "source_type", "unit_type", "reason", "assets", "detail")
# Provisioning looks at every client.
PROVISION_SECONDS_MAX = 600.0


def template_row(template: unit_types_pb2.Template) -> Row:
    """By which buckets are made."""
    prices: list[Value] = [
        {
            "currency": price.currency,
            "base": decimal(price.base_price),
            "overage": decimal(price.overage_price),
        }
        for price in template.prices
    ]
    return {
        "id": template.id,
        "unit_type": template.unit_type,
        "source_type": template.source_type,
        "filter": filter_words(template.filter),
        "aggregation": template.aggregation,
        "commit": decimal(template.commit),
        "prices": prices,
        "enabled": template.enabled,
    }


def unit_type_row(unit_type: inventory_pb2.UnitType) -> Row:
    """A unit type."""
    return {
        "id": unit_type.id,
        "name": unit_type.name,
        "symbol": unit_type.symbol,
        "description": unit_type.description,
        "kind": unit_type.kind,
        "divisor": unit_type.divisor,
        "per": unit_type.per,
        "precision": unit_type.precision,
        "slot_minutes": unit_type.slot_minutes,
        "level_value": unit_type.level_value,
        "gap_hold": unit_type.gap_hold,
        "in_use": unit_type.in_use,
        "templates": [template_row(template) for template in unit_type.templates],
    }


def problem_row(problem: unit_types_pb2.ProvisioningProblem) -> Row:
    """What provisioning did not guess."""
    return {
        "client_id": problem.client_id,
        "client": problem.client_name,
        "source_type": problem.source_type,
        "unit_type": problem.unit_type,
        "reason": problem.reason,
        "detail": problem.detail,
        "assets": problem.assets,
        "found_at": moment(problem.found_at),
    }


@click.group("unit-types")
def unit_types() -> None:
    """What quantities count: list, show, create, edit, template, problems, provision."""


async def _all(aggregator: Aggregator) -> inventory_pb2.ListUnitTypesReply:
    return await aggregator.ask(aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())


@unit_types.command("list")
@limit_option
@form_option
def list_unit_types(limit: int | None, form: str) -> None:
    """All unit types.

    Example: ullage unit-types list
    """
    reply = run(_all)
    found = whole([unit_type_row(one) for one in reply.unit_types], limit)
    show(found, UNIT_TYPE_COLUMNS, form, "unit types")
    if reply.problems:
        say(
            f"{plural(len(reply.problems), 'problem')} of provisioning: `ullage unit-types problems` shows them."
        )


@unit_types.command("problems")
@limit_option
@form_option
def list_problems(limit: int | None, form: str) -> None:
    """What the last provisioning did not guess: no price in the client's currency, or two templates.

    Example: ullage unit-types problems
    """
    found = whole([problem_row(one) for one in run(_all).problems], limit)
    show(found, PROBLEM_COLUMNS, form, "problems of provisioning")


@unit_types.command("show")
@click.argument("name")
@form_option
def show_unit_type(name: str, form: str) -> None:
    """One unit type with its templates.

    Example: ullage unit-types show ram
    """
    found = run(lambda aggregator: names.unit_type(aggregator, name))
    row = unit_type_row(found)
    if form != "table":
        write_facts(row, form)
        return
    write_facts({field: value for field, value in row.items() if field != "templates"}, form)
    if found.templates:
        click.echo()
        write([template_row(one) for one in found.templates], TEMPLATE_COLUMNS, form)


@unit_types.command("create")
@click.argument("name")
@click.option("--symbol", required=True, metavar="TEXT", help="What stands behind figures, e.g. GiB.")
@click.option("--description", required=True, metavar="TEXT", help="What it counts.")
@click.option("--kind", type=click.Choice(["level", "amount"]), required=True, help="There is; or was used.")
@click.option(
    "--divisor",
    type=Whole(1, bits=32),
    default=1,
    show_default=True,
    help="Steps per billed unit, e.g. 1073741824 for GiB.",
)
@click.option(
    "--per",
    type=click.Choice(["total", "second"]),
    default="total",
    show_default=True,
    help="second: a rate.",
)
@click.option(
    "--precision", type=click.IntRange(0, 10), default=4, show_default=True, help="Decimals of quantities."
)
@click.option(
    "--slot", type=click.Choice(["60", "5"]), default="60", show_default=True, help="Minutes of a slot."
)
@click.option(
    "--level-value",
    type=click.Choice(["mean", "high", "last"]),
    default="mean",
    show_default=True,
    help="Which figure of a slot is a level's value.",
)
@click.option(
    "--gap-hold",
    type=Whole(0, bits=32),
    metavar="SLOTS",
    help="Carry a level into a gap so far; 0: zero.",
)
@form_option
def create_unit_type(*, name: str, slot: str, form: str, gap_hold: int | None, **given: Any) -> None:
    """Creates the unit type NAME. Kind, divisor, per and slot are fixed once it has readings.

    Example: ullage unit-types create gpu-memory --symbol GiB --description "GPU memory" --kind level --divisor 1073741824
    """
    request = unit_types_pb2.CreateUnitTypeRequest(
        name=name, slot_minutes=int(slot), gap_hold=gap_hold, **given
    )
    made = run(lambda aggregator: aggregator.ask(aggregator.inventory.CreateUnitType, request))
    write([unit_type_row(made)], UNIT_TYPE_COLUMNS, form)


@unit_types.command("edit")
@click.argument("name")
@click.option("--symbol", metavar="TEXT", help="What stands behind figures.")
@click.option("--description", metavar="TEXT", help="What it counts.")
@click.option("--precision", type=click.IntRange(0, 10), help="Decimals of quantities.")
@click.option(
    "--level-value", type=click.Choice(["mean", "high", "last"]), help="Which figure of a slot counts."
)
@click.option("--gap-hold", type=Whole(0, bits=32), metavar="SLOTS", help="Carry a level into a gap so far.")
@click.option("--divisor", type=Whole(1), help="Steps per billed unit; not once it has readings.")
@click.option("--slot", type=click.Choice(["60", "5"]), help="Minutes of a slot; not once it has readings.")
@dry_run_option
@form_option
def edit_unit_type(*, name: str, slot: str | None, dry_run: bool, form: str, **given: Any) -> None:
    """Changes what is given and leaves the rest.

    Example: ullage unit-types edit ram --level-value high --dry-run
    """
    changes = {field: value for field, value in given.items() if value is not None}
    if slot is not None:
        changes["slot_minutes"] = int(slot)
    if not changes:
        raise click.UsageError("Say what to change, for example --description or --precision.")
    request = unit_types_pb2.UpdateUnitTypeRequest(name=name, dry_run=dry_run, **changes)
    reply = run(lambda aggregator: aggregator.ask(aggregator.inventory.UpdateUnitType, request))
    if dry_run:
        write_preview(reply.preview, form)
        return
    write([unit_type_row(reply.unit_type)], UNIT_TYPE_COLUMNS, form)
    consequences(reply.preview)


@unit_types.command("provision")
@click.option("--client", default="", metavar="CLIENT", help="Only for this client: id or name.")
@dry_run_option
@form_option
def provision(client: str, dry_run: bool, form: str) -> None:
    """Makes the buckets that templates ask for, as every night, and says what it did not guess.

    Example: ullage unit-types provision --dry-run
    """

    async def work(aggregator: Aggregator) -> unit_types_pb2.ProvisionReply:
        request = unit_types_pb2.ProvisionRequest(
            dry_run=dry_run, client_id=await names.client_id(aggregator, client)
        )
        return await aggregator.ask(aggregator.inventory.Provision, request, seconds=PROVISION_SECONDS_MAX)

    reply = run(work)
    problems = [problem_row(one) for one in reply.problems]
    if dry_run:
        write_preview(reply.preview, form, more={"would_create": reply.created, "problems": problems})
    elif form != "table":
        row: Row = {"created": reply.created, "problems": problems}
        write_facts(row, form) if form == "csv" else write_object(row, form)
    would = "would be" if dry_run else "were"
    say(sentence(f"{plural(reply.created, 'bucket')} {would} made"))
    if problems:
        say("Not guessed:")
        for line in to_table(problems, PROBLEM_COLUMNS).splitlines():
            say(line)
