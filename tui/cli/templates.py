"""``ullage unit-types template``: by which buckets are provisioned."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import click

from tui.cli.listing import show as show_rows
from tui.cli.listing import whole
from tui.cli.options import dry_run_option, form_option, limit_option, yes_option
from tui.cli.outcome import ask, consequences, write_preview
from tui.cli.output import write
from tui.cli.session import run, say
from tui.cli.unit_types import TEMPLATE_COLUMNS, template_row, unit_types
from tui.cli.values import FILTER_HELP, Whole, parse_aggregation, parse_amount, parse_filter
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from ullage.v1 import inventory_pb2, types_pb2, unit_types_pb2
from ullage.wire import from_decimal


def parse_price(written: str) -> tuple[str, Decimal, Decimal]:
    """``CODE:BASE:OVERAGE``: the prices in one currency."""
    parts = written.split(":")
    if len(parts) != 3 or not parts[0]:
        raise click.BadParameter(f"{written!r} is not CODE:BASE:OVERAGE, for example EUR:2.50:4")
    return parts[0].upper(), parse_amount(parts[1]), parse_amount(parts[2])


def _prices(given: tuple[tuple[str, Decimal, Decimal], ...]) -> list[unit_types_pb2.TemplatePrice]:
    return [
        unit_types_pb2.TemplatePrice(
            currency=currency, base_price=from_decimal(base), overage_price=from_decimal(overage)
        )
        for currency, base, overage in given
    ]


@unit_types.group("template")
def template() -> None:
    """Templates of buckets: list, create, edit, delete."""


@template.command("list")
@click.option("--unit", default="", metavar="TYPE", help="Only of this unit type, e.g. ram.")
@limit_option
@form_option
def list_templates(unit: str, limit: int | None, form: str) -> None:
    """All templates.

    Example: ullage unit-types template list --unit ram
    """
    found = [template_row(one) for one in run(_templates) if unit in {"", one.unit_type}]
    show_rows(whole(found, limit), TEMPLATE_COLUMNS, form, "templates")


async def _templates(aggregator: Aggregator) -> list[unit_types_pb2.Template]:
    reply = await aggregator.ask(aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
    found: list[unit_types_pb2.Template] = []
    for unit_type in reply.unit_types:
        for one in unit_type.templates:
            one.unit_type = one.unit_type or unit_type.name
            found.append(one)
    return found


def _fields(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    options = (
        click.option("--source", metavar="TYPE", required=required, help="Source type, e.g. vm."),
        click.option(
            "--filter",
            "filtered",
            type=parse_filter,
            metavar="FILTER",
            help=FILTER_HELP + " None: every asset.",
        ),
        click.option(
            "--aggregation",
            type=parse_aggregation,
            metavar="HOW",
            required=required,
            help="How a period's slots become one quantity, e.g. avg or p95.",
        ),
        click.option(
            "--commit",
            type=parse_amount,
            metavar="AMOUNT",
            default="0" if required else None,
            help="Quantity contracted for a period; 0: none.",
        ),
        click.option(
            "--price",
            "prices",
            type=parse_price,
            multiple=True,
            required=required,
            metavar="CODE:BASE:OVERAGE",
            help="Prices in one currency, e.g. EUR:2.50:4; given twice: in two.",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@template.command("create")
@click.argument("unit_type")
@_fields(required=True)
@dry_run_option
@form_option
def create_template(
    *,
    unit_type: str,
    source: str,
    filtered: types_pb2.Filter | None,
    aggregation: str,
    commit: Decimal,
    prices: tuple[tuple[str, Decimal, Decimal], ...],
    dry_run: bool,
    form: str,
) -> None:
    """Creates a template for UNIT_TYPE; the next provisioning makes buckets by it.

    Example: ullage unit-types template create ram --source vm --aggregation avg --price EUR:2.50:4 --dry-run
    """
    made = unit_types_pb2.Template(
        unit_type=unit_type,
        source_type=source,
        filter=filtered,
        aggregation=aggregation,
        commit=from_decimal(commit),
        prices=_prices(prices),
        enabled=True,
    )
    request = unit_types_pb2.CreateTemplateRequest(template=made, dry_run=dry_run)
    reply = run(lambda aggregator: aggregator.ask(aggregator.inventory.CreateTemplate, request))
    _changed(reply, form, dry_run=dry_run)


def _changed(reply: unit_types_pb2.UpdateTemplateReply, form: str, *, dry_run: bool) -> None:
    if dry_run:
        write_preview(reply.preview, form)
        return
    write([template_row(reply.template)], TEMPLATE_COLUMNS, form)
    consequences(reply.preview)


@template.command("edit")
@click.argument("template_id", metavar="ID", type=Whole(1))
@_fields(required=False)
@click.option("--no-filter", is_flag=True, help="Every asset of the source type.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether provisioning uses it.")
@dry_run_option
@form_option
def edit_template(
    *,
    template_id: int,
    source: str | None,
    filtered: types_pb2.Filter | None,
    aggregation: str | None,
    commit: Decimal | None,
    prices: tuple[tuple[str, Decimal, Decimal], ...],
    no_filter: bool,
    enabled: bool | None,
    dry_run: bool,
    form: str,
) -> None:
    """Changes what is given and leaves the rest; --price replaces all prices. Buckets made already stay.

    Example: ullage unit-types template edit 4 --price EUR:2.60:4 --price USD:2.90:4.40 --dry-run
    """

    async def work(aggregator: Aggregator) -> unit_types_pb2.UpdateTemplateReply:
        one = next((one for one in await _templates(aggregator) if one.id == template_id), None)
        if one is None:
            raise CallFailed(
                Kind.REFUSED,
                f"There is no template {template_id}; `ullage unit-types template list` shows them.",
            )
        one.source_type = source or one.source_type
        one.aggregation = aggregation or one.aggregation
        if no_filter or filtered is not None:
            one.filter.CopyFrom(filtered or types_pb2.Filter())
        if commit is not None:
            one.commit = from_decimal(commit)
        if prices:
            one.ClearField("prices")
            one.prices.extend(_prices(prices))
        if enabled is not None:
            one.enabled = enabled
        request = unit_types_pb2.UpdateTemplateRequest(template=one, dry_run=dry_run)
        return await aggregator.ask(aggregator.inventory.UpdateTemplate, request)

    _changed(run(work), form, dry_run=dry_run)


@template.command("delete")
@click.argument("template_id", metavar="ID", type=Whole(1))
@yes_option
def delete_template(template_id: int, yes: bool) -> None:
    """Removes a template. Buckets made by it stay.

    Example: ullage unit-types template delete 4
    """
    ask(f"Delete template {template_id}?", yes=yes)
    request = unit_types_pb2.DeleteTemplateRequest(id=template_id)
    run(lambda aggregator: aggregator.ask(aggregator.inventory.DeleteTemplate, request))
    say(f"Template {template_id} is deleted; buckets made by it stay.")
