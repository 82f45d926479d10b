"""Unit types, templates and what provisioning did, between what is loaded and the messages people get."""

from collections.abc import Iterable

from aggregator.actions.provision import Provisioned
from aggregator.actions.templates import AskedTemplate
from aggregator.actions.update_unit_type import UnitTypeChange
from aggregator.domain.unit_type import GAP_HOLD_USUAL, UnitType
from aggregator.rpc import convert, convert_preview
from aggregator.store.provision import ProblemRow, TemplateRow
from aggregator.store.unit_types import ListedUnitType
from ullage.v1 import inventory_pb2, unit_types_pb2
from ullage.wire import from_decimal, from_time


def unit_type(row: ListedUnitType, templates: Iterable[TemplateRow]) -> inventory_pb2.UnitType:
    """With those of the templates that are for it."""
    return inventory_pb2.UnitType(
        id=row.id,
        name=row.name,
        symbol=row.symbol,
        description=row.description,
        kind=row.kind,
        divisor=row.divisor,
        per=row.per,
        precision=row.precision,
        slot_minutes=row.slot_minutes,
        level_value=row.level_value,
        gap_hold=row.gap_hold,
        templates=[template(one) for one in templates if one.unit_type_id == row.id],
        in_use=row.in_use,
    )


def template(row: TemplateRow) -> unit_types_pb2.Template:
    """Prices by currency."""
    return unit_types_pb2.Template(
        id=row.id,
        unit_type=row.unit_type,
        source_type=row.source_type,
        filter=convert.filter_message(row.conditions),
        aggregation=row.aggregation if row.percentile is None else f"p{from_decimal(row.percentile)}",
        commit=from_decimal(row.commit),
        prices=[
            unit_types_pb2.TemplatePrice(currency=currency, base_price=base, overage_price=overage)
            for currency, base, overage in row.prices
        ],
        enabled=row.enabled,
    )


def problem(row: ProblemRow) -> unit_types_pb2.ProvisioningProblem:
    """Field by field."""
    return unit_types_pb2.ProvisioningProblem(
        client_id=row.client_id,
        client_name=row.client_name,
        source_type=row.source_type,
        unit_type=row.unit_type,
        reason=row.reason,
        detail=row.detail,
        assets=row.assets,
        found_at=from_time(row.found_at),
    )


def provisioned(done: Provisioned, problems: Iterable[ProblemRow]) -> unit_types_pb2.ProvisionReply:
    """What was made, and all that is not decided."""
    return unit_types_pb2.ProvisionReply(
        created=done.created,
        preview=convert_preview.to_message(done.preview()),
        problems=[problem(row) for row in problems],
    )


def to_unit_type(request: unit_types_pb2.CreateUnitTypeRequest) -> UnitType:
    """As it was given, not checked."""
    return UnitType(
        name=request.name,
        symbol=request.symbol,
        description=request.description,
        kind=request.kind,
        divisor=request.divisor,
        per=request.per or "total",
        precision=request.precision,
        slot_minutes=request.slot_minutes,
        level_value=request.level_value,
        gap_hold=request.gap_hold if request.HasField("gap_hold") else GAP_HOLD_USUAL,
    )


def to_change(request: unit_types_pb2.UpdateUnitTypeRequest) -> UnitTypeChange:
    """What was given of it."""
    return UnitTypeChange(
        symbol=request.symbol if request.HasField("symbol") else None,
        description=request.description if request.HasField("description") else None,
        precision=request.precision if request.HasField("precision") else None,
        level_value=request.level_value if request.HasField("level_value") else None,
        gap_hold=request.gap_hold if request.HasField("gap_hold") else None,
        divisor=request.divisor if request.HasField("divisor") else None,
        slot_minutes=request.slot_minutes if request.HasField("slot_minutes") else None,
    )


def to_template(message: unit_types_pb2.Template) -> AskedTemplate:
    """As it was given. Raises ``Invalid`` for an operator that does not exist."""
    return AskedTemplate(
        source_type=message.source_type,
        unit_type=message.unit_type,
        conditions=convert.to_filter("template.filter", message.filter).conditions,
        aggregation=message.aggregation,
        commit=message.commit,
        prices=[(one.currency, one.base_price, one.overage_price) for one in message.prices],
        enabled=message.enabled,
    )
