"""The forms of unit types and their templates."""

from tui.cli.templates import parse_price
from tui.cli.values import FILTER_HELP, filter_words, parse_aggregation, parse_amount, parse_filter
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, Values
from tui.format import clean
from tui.screens.given import read, read_whole
from ullage.v1 import inventory_pb2, unit_types_pb2
from ullage.wire import from_decimal

UnitType = inventory_pb2.UnitType
Template = unit_types_pb2.Template
GAP_HOLD_MAX = 10**6
LEVEL_VALUES = ("mean", "high", "last")
PRICES_HINT = "CODE:BASE:OVERAGE, such as EUR:2.50:4; several with a comma between."


def _prices(written: str) -> list[unit_types_pb2.TemplatePrice]:
    """As the commands read them, with commas between."""
    return [
        unit_types_pb2.TemplatePrice(
            currency=currency, base_price=from_decimal(base), overage_price=from_decimal(overage)
        )
        for currency, base, overage in (parse_price(one.strip()) for one in written.split(","))
    ]


def unit_type_form(desk: Desk, unit: UnitType) -> Form:
    """What may change of a unit type; what readings were stored with stays."""

    def act(values: Values) -> Act:
        request = unit_types_pb2.UpdateUnitTypeRequest(
            name=unit.name,
            symbol=values["symbol"],
            description=values["description"],
            precision=read_whole(values, "precision", least=0, most=10),
            level_value=values["level_value"] if unit.kind == "level" else None,
            gap_hold=read_whole(values, "gap_hold", least=0, most=GAP_HOLD_MAX),
        )

        async def call(trial: Trial) -> inventory_pb2.UpdateUnitTypeReply:
            request.dry_run = trial.dry_run
            return await desk.aggregator.ask(desk.aggregator.inventory.UpdateUnitType, request)

        return Act(
            title=f"Edit the unit type {unit.name}",
            call=call,
            undoable=False,
            done=lambda reply: f"Unit type {clean(reply.unit_type.name)} changed.",
        )

    fields = [
        Field(
            "symbol", "Symbol", unit.symbol, required=True, hint="What stands behind figures, such as GiB."
        ),
        Field("description", "Description", unit.description, hint="What it counts."),
        Field("precision", "Decimals", str(unit.precision), required=True, hint="Of quantities, 0 to 10."),
        Field(
            "gap_hold",
            "Held into a gap",
            str(unit.gap_hold),
            required=True,
            hint="Slots over which a level is carried into a gap; 0: a gap is worth 0.",
        ),
    ]
    if unit.kind == "level":
        fields.append(
            Field(
                "level_value",
                "Value of a slot",
                unit.level_value or LEVEL_VALUES[0],
                choices=[(one, one) for one in LEVEL_VALUES],
                hint="Which figure of a slot is a level's value.",
            )
        )
    return Form(
        title=f"Unit type {unit.name}",
        says=f"{unit.kind}, divisor {unit.divisor}, slots of {unit.slot_minutes} min: fixed once it has readings.",
        fields=fields,
        act=act,
        go="Dry run",
    )


def price_words(template: Template) -> str:
    """As the form takes them."""
    return ", ".join(f"{one.currency}:{one.base_price}:{one.overage_price}" for one in template.prices)


def template_form(desk: Desk, unit: UnitType, template: Template | None) -> Form:
    """A new template of the unit type, or one to be changed."""
    before = template or Template(aggregation="avg", commit="0")

    def act(values: Values) -> Act:
        made = Template(
            id=before.id,
            unit_type=unit.name,
            source_type=values["source_type"],
            filter=read(values, "filter", parse_filter),
            aggregation=read(values, "aggregation", parse_aggregation) or "",
            commit=from_decimal(read(values, "commit", parse_amount)),
            prices=read(values, "prices", _prices),
            enabled=before.enabled if before.id else True,
        )
        return save_template(desk, made, f"{'Change' if before.id else 'New'} template of {unit.name}")

    return Form(
        title=f"Template of {unit.name}",
        says="The next provisioning makes buckets by it for clients that have matching assets and no such bucket. "
        "Buckets made already stay as they are.",
        fields=(
            Field("source_type", "Source type", before.source_type, required=True, hint="Such as vm."),
            Field("filter", "Filter", filter_words(before.filter), hint=f"{FILTER_HELP} Empty: every asset."),
            Field(
                "aggregation", "Aggregation", before.aggregation, required=True, hint="Such as avg or p95."
            ),
            Field("commit", "Commit", before.commit, required=True, hint="Contracted for a period; 0: none."),
            Field("prices", "Prices", price_words(before), required=True, hint=PRICES_HINT),
        ),
        act=act,
        go="Dry run",
    )


def save_template(desk: Desk, made: Template, title: str) -> Act:
    """Creating it, or changing it when it has an id."""

    async def call(trial: Trial) -> unit_types_pb2.UpdateTemplateReply:
        inventory = desk.aggregator.inventory
        if made.id:
            return await desk.aggregator.ask(
                inventory.UpdateTemplate,
                unit_types_pb2.UpdateTemplateRequest(template=made, dry_run=trial.dry_run),
            )
        return await desk.aggregator.ask(
            inventory.CreateTemplate,
            unit_types_pb2.CreateTemplateRequest(template=made, dry_run=trial.dry_run),
        )

    return Act(
        title=title,
        call=call,
        undoable=False,
        done=lambda reply: (
            f"Template {reply.template.id} is {'in force' if reply.template.enabled else 'disabled'}."
        ),
    )
