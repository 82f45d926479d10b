"""What quantities count, and the templates by which buckets are provisioned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.cli.output import Row
from tui.cli.unit_types import UNIT_TYPE_COLUMNS, template_row, unit_type_row
from tui.client import Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial, preview_lines
from tui.failures import sentence
from tui.format import NONE, clean, decimal, plural, text
from tui.messages import ShowText
from tui.screens import cells
from tui.screens.listing import ListScreen, local_page
from tui.screens.template_forms import price_words, save_template, template_form, unit_type_form
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2, unit_types_pb2

PROVISION_SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True)
class Line:
    """A unit type with one of its templates, or without any."""

    unit: inventory_pb2.UnitType
    template: unit_types_pb2.Template | None

    @property
    def name(self) -> str:
        """Of the unit type; the list is found and sorted by it."""
        return self.unit.name

    @property
    def description(self) -> str:
        """Of the unit type."""
        return self.unit.description

    @property
    def source_type(self) -> str:
        """That the template is for."""
        return "" if self.template is None else self.template.source_type


def _auto(line: Line) -> Text:
    if line.template is None:
        return Text("off", FAINT)
    return Text("on") if line.template.enabled else Text("disabled", FAINT)


def _price(line: Line, desk: Desk, part: str) -> Text:
    """In the currency in use, or the first, with how many others there are; these are behind enter."""
    prices = [] if line.template is None else list(line.template.prices)
    if not prices:
        return Text(NONE, FAINT)
    one = next((p for p in prices if p.currency == desk.currency), prices[0])
    more = f" +{len(prices) - 1}" if len(prices) > 1 and part == "overage_price" else ""
    return Text(f"{clean(one.currency, 3)} {clean(getattr(one, part), 14)}{more}")


def columns(desk: Desk) -> Sequence[Column[Line]]:
    """Prices follow the currency in use."""
    return (
        Column("Name", lambda e, now: text(e.unit.name), 10, share=1, sort="name"),
        Column("Symbol", lambda e, now: text(e.unit.symbol, FAINT), 6, above=70),
        Column("Description", lambda e, now: text(e.unit.description, FAINT), 14, share=2, above=100),
        Column("Kind", lambda e, now: text(e.unit.kind, FAINT), 6, above=110),
        Column("Auto", lambda e, now: _auto(e), 8),
        Column("Source", lambda e, now: text(e.source_type or NONE), 9, sort="source_type"),
        Column("Base", lambda e, now: _price(e, desk, "base_price"), 12, right=True),
        Column("Overage", lambda e, now: _price(e, desk, "overage_price"), 12, right=True),
        Column("Agg", lambda e, now: text(e.template.aggregation if e.template else NONE), 5),
        Column("Filter", lambda e, now: _filter(e), 12, share=2, above=90),
    )


def _filter(line: Line) -> Text:
    if line.template is None:
        return Text(NONE, FAINT)
    return text(cells.filter_words(line.template.filter) or "every asset", FAINT)


class UnitTypesScreen(ListScreen):
    """A line for each template; unit types without one have a line too."""

    NOUNS = frozenset({"bucket"})
    MAIN = "unit-types"
    NEEDS: ClassVar[dict[str, str]] = {
        "edit": "Inventory/UpdateUnitType",
        "add_template": "Inventory/CreateTemplate",
        "edit_template": "Inventory/UpdateTemplate",
        "switch": "Inventory/UpdateTemplate",
        "delete_template": "Inventory/DeleteTemplate",
        "provision": "Inventory/Provision",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "provision", "Provision now"),
        Binding("E", "edit", "Edit unit"),
        Binding("T", "edit_template", "Edit template"),
        Binding("n", "add_template", "New template"),
        Binding("x", "switch", "Disable/enable template", show=False),
        Binding("X", "delete_template", "Delete template", show=False),
        Binding("v", "problems", "Problems", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._problems: list[unit_types_pb2.ProvisioningProblem] = []

    def make_list(self) -> ListTable[Any]:
        """The aggregator gives them as a whole."""
        listing: Listing[Line] = Listing(
            noun="unit types",
            columns=columns(self.desk),
            fetch=self._fetch,
            key=lambda line: (line.unit.id, line.template.id if line.template else 0),
            opens=lambda line: ShowText(f"Unit type {line.unit.name}", told(line.unit)),
            empty="No unit types.\n\nullage unit-types create NAME makes one",
            restricted=self._restricted,
            export=Export("unit-types", (*UNIT_TYPE_COLUMNS, "template"), _row),
        )
        return ListTable(listing, heading="Unit types", clock=self.desk.clock)

    def _restricted(self) -> str:
        return f"v: {plural(len(self._problems), 'problem')} of provisioning" if self._problems else ""

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Line], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest()
        )
        self._problems = list(reply.problems)
        lines: list[Line] = []
        for unit in reply.unit_types:
            lines.extend([Line(unit, one) for one in unit.templates] or [Line(unit, None)])
        return local_page(lines, page, search, "name", "description", "source_type")

    def _line(self) -> Line | None:
        rows: list[Line] = self.chosen()
        return rows[0] if rows else None

    def _with_template(self) -> tuple[Line, unit_types_pb2.Template] | None:
        line = self._line()
        if line is not None and line.template is None:
            self.say(f"{clean(line.unit.name)} has no template; n makes one.")
        return None if line is None or line.template is None else (line, line.template)

    def action_edit(self) -> None:
        """The unit type itself."""
        line = self._line()
        if line is not None:
            self.fill(unit_type_form(self.desk, line.unit))

    def action_add_template(self) -> None:
        """Another template of the unit type under the cursor."""
        line = self._line()
        if line is not None:
            self.fill(template_form(self.desk, line.unit, None))

    def action_edit_template(self) -> None:
        """The template under the cursor."""
        found = self._with_template()
        if found is not None:
            self.fill(template_form(self.desk, found[0].unit, found[1]))

    def action_switch(self) -> None:
        """Whether provisioning uses it."""
        found = self._with_template()
        if found is None:
            return
        made = unit_types_pb2.Template()
        made.CopyFrom(found[1])
        made.unit_type = found[0].unit.name
        made.enabled = not made.enabled
        word = "Enable" if made.enabled else "Disable"
        self.perform(save_template(self.desk, made, f"{word} the template of {made.unit_type}"))

    def action_delete_template(self) -> None:
        """Buckets made by it stay."""
        found = self._with_template()
        if found is None:
            return
        line, template = found

        async def call(trial: Trial) -> unit_types_pb2.DeleteTemplateReply:
            request = unit_types_pb2.DeleteTemplateRequest(id=template.id)
            return await self.desk.aggregator.ask(self.desk.aggregator.inventory.DeleteTemplate, request)

        self.perform(
            Act(
                title=f"Delete template {template.id} of {line.unit.name}",
                call=call,
                dry=False,
                warns="It is gone for good. Buckets made by it stay.",
                word="delete",
                undoable=False,
                done=lambda reply: f"Template {template.id} is deleted.",
            )
        )

    def action_provision(self) -> None:
        """Makes the buckets that templates ask for, after saying which."""

        async def call(trial: Trial) -> unit_types_pb2.ProvisionReply:
            request = unit_types_pb2.ProvisionRequest(dry_run=trial.dry_run)
            return await self.desk.aggregator.ask(
                self.desk.aggregator.inventory.Provision, request, seconds=PROVISION_SECONDS_MAX
            )

        def shows(reply: unit_types_pb2.ProvisionReply) -> list[str]:
            lines = [sentence(f"{plural(reply.created, 'bucket')} would be made"), *preview_lines(reply)]
            return lines + _problem_lines(reply.problems)

        self.perform(
            Act(
                title="Provision buckets now",
                call=call,
                shows=shows,
                undoable=False,
                done=lambda reply: sentence(f"{plural(reply.created, 'bucket')} made"),
            )
        )

    def action_problems(self) -> None:
        """What the last provisioning did not guess."""
        if not self._problems:
            self.say("The last provisioning had no problems.")
            return
        self.post_message(ShowText("Problems of provisioning", _problem_lines(self._problems)[1:]))


def _row(line: Line) -> Row:
    row = dict(unit_type_row(line.unit))
    row.pop("templates")
    return {**row, "template": None if line.template is None else template_row(line.template)}


def _problem_lines(problems: Sequence[unit_types_pb2.ProvisioningProblem]) -> list[str]:
    if not problems:
        return []
    return [
        "",
        "Not guessed:",
        *(
            f"{one.client_name}: {one.source_type} {one.unit_type}, {plural(one.assets, 'asset')}: "
            f"{one.detail or one.reason}"
            for one in problems
        ),
    ]


def told(unit: inventory_pb2.UnitType) -> list[str]:
    """All of a unit type, with its templates."""
    per = "a rate per second" if unit.per == "second" else "a total"
    lines = [
        f"{unit.name}: {unit.description or 'no description'}",
        f"{unit.kind}, {per}; {unit.divisor:,} steps make one {unit.symbol}; {unit.precision} decimals",
        f"Slots of {unit.slot_minutes} minutes"
        + (f", of a level the {unit.level_value}" if unit.kind == "level" else ""),
        f"Held into a gap: {plural(unit.gap_hold, 'slot')}" if unit.gap_hold else "A gap is worth 0.",
        "It has readings: kind, divisor and slots are fixed." if unit.in_use else "It has no readings yet.",
    ]
    for one in unit.templates:
        lines += [
            "",
            f"Template {one.id} for {one.source_type}{'' if one.enabled else ' (disabled)'}",
            f"  assets: {cells.filter_words(one.filter) or 'every one'}",
            f"  {one.aggregation}, {f'commit {one.commit} {unit.symbol}' if decimal(one.commit) else 'no commit'}",
            f"  prices (currency:base:overage): {price_words(one)}",
        ]
    return lines
