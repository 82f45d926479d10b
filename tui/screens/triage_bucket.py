"""A new bucket for what nobody bills: with the terms of the unit type's template, or of the bucket that is most like it."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from textual.app import App

from tui.cli.values import filter_words
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormDialog
from tui.failures import CallFailed
from tui.format import clean, day, moment
from tui.screens.asset_pattern import common_pattern
from tui.screens.asset_search import Clients
from tui.screens.bucket_forms import create_bucket
from tui.screens.bucket_terms import terms_fields
from tui.screens.given import FILTER_HINT
from tui.screens.triage import Asset, Suggestion
from ullage.v1 import agreements_pb2, inventory_pb2, types_pb2, unit_types_pb2

Bucket = inventory_pb2.Bucket
Terms = agreements_pb2.Terms
# Usage that is older than so many periods is not billed any more.
PERIODS_BACK_MAX = 36


@dataclass(frozen=True, slots=True)
class Needed:
    """What a bucket is needed for. ``client_id`` 0: it is not known whose. ``units`` are bound to nothing."""

    client_id: int
    source_type: str
    units: Sequence[str]
    unit_types: dict[str, inventory_pb2.UnitType] = field(default_factory=dict)


async def prepare(
    app: App[Any], desk: Desk, rows: Sequence[Asset], suggestion: Suggestion | None
) -> Form | str:
    """The form, after asking what cannot be known; or why there is none, in a sentence, empty when it was cancelled."""
    try:
        needed = await needs(desk, rows, suggestion)
        if not needed.units:
            return "All series of this asset are bound: there is nothing to make a bucket for."
        if not needed.client_id:
            filled = await app.push_screen_wait(FormDialog(whose(desk, rows)))
            if filled is None:
                return ""
            needed = replace(needed, client_id=int(filled.values["client_id"]))
        unit: str | None = needed.units[0]
        if len(needed.units) > 1:
            unit = await app.push_screen_wait(ChooseDialog("Which unit type?", unit_choices(needed)))
        return "" if unit is None else await form(desk, rows, needed, unit)
    except CallFailed as error:
        return str(error)


async def needs(desk: Desk, rows: Sequence[Asset], suggestion: Suggestion | None) -> Needed:
    """As the first of the rows has it; unit types with a template first. Raises ``CallFailed``."""
    detail = await desk.aggregator.asset(rows[0].id)
    request = inventory_pb2.ListUnitTypesRequest()
    reply = await desk.aggregator.ask(desk.aggregator.inventory.ListUnitTypes, request)
    unit_types = {one.name: one for one in reply.unit_types}
    loose = [
        one.unit_type for one in detail.series if not any(moment(held.to) is None for held in one.bindings)
    ]
    source = detail.asset.source_type
    loose.sort(key=lambda unit: (not _templates(unit_types.get(unit), source), unit))
    client = detail.asset.client_id or (suggestion.client_id if suggestion is not None else 0)
    return Needed(client, source, loose, unit_types)


def whose(desk: Desk, rows: Sequence[Asset]) -> Form:
    """For an asset of nobody."""
    clients = Field(
        "client_id",
        "Client",
        hint="Part of a name; the arrows choose.",
        search=Clients(desk),
        required=True,
    )
    says = f"{clean(rows[0].name, 60)} is assigned to nobody. Whose bucket shall it be?"
    return Form("New bucket", (clients,), says=says)


def unit_choices(needed: Needed) -> list[Choice]:
    """A digit each; says for which there is a template."""
    return [
        Choice(
            unit,
            f"{unit}, has a template"
            if _templates(needed.unit_types.get(unit), needed.source_type)
            else f"{unit}",
            str(place) if place < 10 else "",
        )
        for place, unit in enumerate(needed.units, start=1)
    ]


def _templates(unit: inventory_pb2.UnitType | None, source_type: str) -> list[unit_types_pb2.Template]:
    return [] if unit is None else [one for one in unit.templates if one.source_type == source_type]


@dataclass(frozen=True, slots=True)
class Draft:
    """Terms, filter and name (empty: by what it counts) to begin with, and a sentence that says where they are from."""

    terms: Terms
    filtered: types_pb2.Filter
    name: str
    says: str
    # The client has such a bucket already, so that this one shall take no more than it is made for.
    narrow: bool = False


async def _draft(desk: Desk, needed: Needed, unit: str, currency: str) -> Draft:
    """From a template with a price in that currency, else from the most similar bucket, else nearly empty."""
    page = Page(PAGE_ROWS_MAX)
    reply = await desk.aggregator.buckets(page, source_type=needed.source_type, unit_type=unit)
    narrow = any(one.client_id == needed.client_id for one in reply.buckets)
    for one in _templates(needed.unit_types.get(unit), needed.source_type):
        for price in one.prices:
            if price.currency == currency:
                terms = Terms(
                    aggregation=one.aggregation,
                    commit=one.commit,
                    base_price=price.base_price,
                    overage_price=price.overage_price,
                )
                words = f"Terms as in the template of {unit} for {needed.source_type}."
                return Draft(terms, one.filter, "", words, narrow)
    # Of the same client before others, then in its currency, then that which bills most series.
    found = [one for one in reply.buckets if one.HasField("terms")]
    found.sort(
        key=lambda one: (one.client_id != needed.client_id, one.currency != currency, -one.series, one.id)
    )
    if not found:
        says = "No template and no bucket is like it: say the terms."
        return Draft(Terms(aggregation="avg"), types_pb2.Filter(), "", says)
    near = found[0]
    terms = Terms()
    terms.CopyFrom(near.terms)
    for name in ("id", "finalised", "starts_on", "ends_on"):
        terms.ClearField(name)
    says = f"Terms as in the bucket {clean(near.name, 40)} of {clean(near.client_name, 40)}"
    if near.currency != currency:
        # Money is never guessed over currencies.
        for name in ("base_price", "overage_price", "tiers", "minimum", "maximum"):
            terms.ClearField(name)  # type: ignore[arg-type]
        says += f", but its prices are in {clean(near.currency, 3)}"
    # Two buckets of one client have different names.
    name = "" if near.client_id == needed.client_id else near.name
    return Draft(terms, types_pb2.Filter(), name, f"{says}.", narrow)


def begin(client: inventory_pb2.Client, since: Sequence[datetime]) -> str:
    """First day of the client's period in which the first of these times lies; empty when its periods are not known."""
    opened = moment(client.period_start)
    if opened is None:
        return ""
    start = first = date.fromisoformat(day(opened, client.time_zone))
    oldest = min((date.fromisoformat(day(at, client.time_zone)) for at in since), default=start)
    for periods in range(1, PERIODS_BACK_MAX + 1):
        if first <= oldest:
            break
        first = _back(start, periods * max(client.cycle_count, 1), client.cycle_unit)
    return first.isoformat()


def _back(start: date, count: int, unit: str) -> date:
    """So many weeks or months earlier; at the end of a shorter month where it has no such day."""
    if unit == "week":
        return start - timedelta(weeks=count)
    months = start.year * 12 + start.month - 1 - count
    last = monthrange(months // 12, months % 12 + 1)[1]
    return date(months // 12, months % 12 + 1, min(start.day, last))


async def form(desk: Desk, rows: Sequence[Asset], needed: Needed, unit: str) -> Form:
    """Filled in as far as that can be known. Raises ``CallFailed``."""
    client = await desk.aggregator.client(needed.client_id)
    draft = await _draft(desk, needed, unit, client.currency)
    symbol = clean(needed.unit_types[unit].symbol, 16) if unit in needed.unit_types else unit
    pattern = common_pattern([row.name for row in rows]) if draft.narrow else ""
    alike = types_pb2.Condition(field="name", operator=types_pb2.OPERATOR_GLOB, pattern=pattern)
    filtered = filter_words(draft.filtered) or filter_words(
        types_pb2.Filter(conditions=[alike] if pattern else [])
    )
    fields = (
        Field("name", "Name", draft.name or f"{needed.source_type} {unit}", "Of the bucket.", required=True),
        Field("filters", "Filters", filtered, FILTER_HINT),
        *terms_fields(
            draft.terms,
            # The period since which it is unbound.
            starts_on=begin(client, [at for row in rows if (at := moment(row.unbound_since))]),
            symbol=symbol,
            currency=client.currency,
        ),
    )
    given = {
        "client_id": str(client.id),
        "source_type": needed.source_type,
        "unit_type": unit,
        "priority": "",
    }
    return Form(
        f"New bucket of {clean(client.name, 40)} on {clean(unit, 30)} of {clean(needed.source_type, 30)}",
        fields,
        act=lambda values: create_bucket(desk, values | given, then=_then(rows, client)),
        says=draft.says,
        go="Dry run",
    )


def _then(rows: Sequence[Asset], client: inventory_pb2.Client) -> str:
    """What is still to be done; for assets that are not the client's: a bucket takes the client's own alone."""
    then = "The next binding run puts the assets into it."
    others = sum(row.client_id != client.id for row in rows)
    if others:
        those = "the asset" if others == 1 else f"the {others:,} assets"
        then += f" It bills the client's own assets: o assigns {those} to {clean(client.name, 40)}."
    return then
