"""Between what the aggregator loads and the messages people get: the one place where both shapes of a noun meet.

Only renames and formats. What is not known is an empty text or an absent message, as the .proto files say.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.domain import insight
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.domain.period import Cycle
from aggregator.domain.quantity import quantity_symbol
from aggregator.domain.rate import percent_of_commit
from aggregator.domain.slot import OPEN_SLOT, UNITS_PER_DAY, slot_start
from aggregator.domain.terms import Aggregation, Terms
from aggregator.errors import Invalid
from aggregator.store.assets import AssetDetail, AssetRow, AssignmentRow, BindingRow, SeriesRow, Unbound
from aggregator.store.buckets import AssignmentRuleRow, BucketDetail, BucketRow, Conditions, UnitTypeRow
from aggregator.store.clients import ClientRow
from aggregator.store.readings import PeriodState, ProjectionRow, ReadingRow
from aggregator.store.usage import LatestReading, MeasuredDay
from ullage.v1 import agreements_pb2, billing_pb2, inventory_pb2, types_pb2
from ullage.wire import from_decimal, from_time

OPERATORS: Mapping[str, types_pb2.Operator.ValueType] = {
    "equals": types_pb2.OPERATOR_EQUALS,
    "glob": types_pb2.OPERATOR_GLOB,
    "regex": types_pb2.OPERATOR_REGEX,
    "cidr": types_pb2.OPERATOR_CIDR,
}
STATES: Mapping[PeriodState, billing_pb2.PeriodState.ValueType] = {
    PeriodState.OPEN: billing_pb2.PERIOD_STATE_OPEN,
    PeriodState.ENDED: billing_pb2.PERIOD_STATE_ENDED,
    PeriodState.FINALISED: billing_pb2.PERIOD_STATE_FINALISED,
}


def client(row: ClientRow, now: datetime) -> inventory_pb2.Client:
    """With the period that contains ``now``."""
    cycle = Cycle(row.cycle_unit, row.cycle_count, row.cycle_anchor, row.time_zone)
    period = cycle.period_containing(now)
    return inventory_pb2.Client(
        id=row.id,
        name=row.name,
        currency=row.currency,
        time_zone=row.time_zone,
        cycle_unit=row.cycle_unit,
        cycle_count=row.cycle_count,
        cycle_anchor=row.cycle_anchor.isoformat(),
        enabled=row.enabled,
        created_at=from_time(row.created_at),
        buckets=row.buckets,
        assets=row.assets,
        projected_cost=from_decimal(row.projected_cost),
        period_start=from_time(period.start),
        period_end=from_time(period.end),
    )


def asset(row: AssetRow, unbound: Unbound | None) -> inventory_pb2.Asset:
    """``unbound`` is None where nothing of it is."""
    return inventory_pb2.Asset(
        id=row.id,
        source_type=row.source_type,
        external_id=row.external_id,
        name=row.name,
        description=row.description,
        address=row.address,
        labels=row.labels,
        scope=row.scope,
        client_id=row.client_id or 0,
        client_name=row.client_name or "",
        acknowledged=row.acknowledged,
        enabled=row.enabled,
        disregarded=row.disregarded,
        created_at=from_time(row.created_at),
        last_seen=from_slot(row.last_slot),
        series=row.series,
        series_unbound=unbound.series if unbound else 0,
        unbound_since=from_slot(unbound.since_slot if unbound else None),
    )


def asset_detail(detail: AssetDetail, latest: Iterable[LatestReading]) -> inventory_pb2.AssetDetail:
    """One asset with its series, and the newest reading of those that have one."""
    newest = {reading.series_id: reading for reading in latest}
    return inventory_pb2.AssetDetail(
        asset=asset(detail.asset, detail.unbound),
        series=[
            _series(row, [b for b in detail.bindings if b.series_id == row.id], newest.get(row.id))
            for row in detail.series
        ],
        assignments=[_assignment(row) for row in detail.assignments],
        agents=detail.agents,
    )


def _series(
    row: SeriesRow, bindings: Sequence[BindingRow], latest: LatestReading | None
) -> inventory_pb2.Series:
    series = inventory_pb2.Series(
        id=row.id,
        unit_type=row.unit_type,
        symbol=row.symbol,
        bindings=[_binding(binding) for binding in bindings],
    )
    if latest is not None:
        value = insight.reading_in_units(latest.value, seconds=latest.seconds, unit=row.unit)
        series.latest = from_decimal(value)
        series.latest_at.FromDatetime(latest.ticked_at)
    return series


def _binding(row: BindingRow) -> inventory_pb2.Binding:
    message = inventory_pb2.Binding(
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        client_id=row.client_id,
        to=None if row.to_slot == OPEN_SLOT else from_slot(row.to_slot),
        by_hand=row.by_hand,
    )
    _set_from(message, row.from_slot)
    return message


def _assignment(row: AssignmentRow) -> inventory_pb2.Assignment:
    message = inventory_pb2.Assignment(
        client_id=row.client_id,
        client_name=row.client_name,
        to=None if row.to_slot == OPEN_SLOT else from_slot(row.to_slot),
        by_hand=row.by_hand,
    )
    _set_from(message, row.from_slot)
    return message


def _set_from(message: inventory_pb2.Binding | inventory_pb2.Assignment, slot: int) -> None:
    """Sets the field whose name Python keeps for itself; absent from the first reading on."""
    if slot:
        getattr(message, "from").FromDatetime(slot_start(slot))


def asset_usage(
    series: Iterable[SeriesRow], measured: Iterable[MeasuredDay], *, days: range, as_of_slot: int | None
) -> inventory_pb2.AssetUsage:
    """One value for each of the ``days`` (counted from 1970), empty where a series was not measured."""
    of = {(day.series_id, day.day): day for day in measured}
    return inventory_pb2.AssetUsage(
        series=[
            inventory_pb2.SeriesUsage(
                unit_type=row.unit_type,
                symbol=row.symbol,
                kind=row.kind,
                days=[_point(row, day, of.get((row.id, day))) for day in days],
            )
            for row in series
        ],
        as_of=from_slot(as_of_slot),
    )


def _point(row: SeriesRow, day: int, measured: MeasuredDay | None) -> types_pb2.Point:
    point = types_pb2.Point(at=from_slot(day * UNITS_PER_DAY))
    if measured is not None:
        value = insight.day_in_units(
            total=measured.total, readings=int(measured.n), slots=measured.slots, unit=row.unit
        )
        point.value = from_decimal(value)
    return point


def unit_type(row: UnitTypeRow) -> inventory_pb2.UnitType:
    """Field by field."""
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
    )


def assignment_rule(row: AssignmentRuleRow) -> inventory_pb2.AssignmentRule:
    """Field by field."""
    return inventory_pb2.AssignmentRule(
        id=row.id, client_id=row.client_id, priority=row.priority, filter=filter_message(row.conditions)
    )


def filter_message(conditions: Conditions) -> types_pb2.Filter:
    """Conditions as they are stored: field, operator, pattern."""
    return types_pb2.Filter(
        conditions=[
            types_pb2.Condition(
                field=condition["field"],
                operator=OPERATORS[condition["operator"]],
                pattern=condition["pattern"],
            )
            for condition in conditions
        ]
    )


def to_filter(field: str, message: types_pb2.Filter) -> Filter:
    """Conditions as the domain knows them. Raises ``Invalid`` for an operator that does not exist."""
    return Filter(
        tuple(to_condition(f"{field}[{place}]", one) for place, one in enumerate(message.conditions, start=1))
    )


def to_condition(field: str, message: types_pb2.Condition) -> Condition:
    """Raises ``Invalid`` for an operator that does not exist."""
    return Condition(message.field, _operator(field, message.operator), message.pattern)


def _operator(condition: str, value: int) -> Operator:
    for name, operator in OPERATORS.items():
        if operator == value:
            return Operator(name)
    raise Invalid(f"{condition}.operator", f"must be one of {', '.join(OPERATORS)}")


def terms_message(terms: Terms) -> agreements_pb2.Terms:
    """Field by field."""
    return agreements_pb2.Terms(
        starts_on=terms.starts_on.isoformat(),
        commit=from_decimal(terms.commit),
        base_price=from_decimal(terms.base_price),
        overage_price=from_decimal(terms.overage_price),
        aggregation=terms.aggregation.value,
    )


def bucket(detail: BucketDetail, now: datetime) -> inventory_pb2.Bucket:
    """With the terms in force on the client's local day."""
    row = detail.bucket
    today = now.astimezone(ZoneInfo(row.time_zone)).date()
    begun = [terms for terms in detail.terms if terms.starts_on <= today]
    in_force = begun[-1] if begun else None
    commit = row.current_commit
    if commit is None and in_force is not None:
        commit = in_force.commit
    return inventory_pb2.Bucket(
        id=row.id,
        client_id=row.client_id,
        client_name=row.client_name,
        name=row.name,
        source_type=row.source_type,
        unit_type=row.unit_type,
        symbol=_symbol_of_bucket(row, in_force),
        priority=row.priority,
        reviewed=row.reviewed,
        enabled=row.enabled,
        created_at=from_time(row.created_at),
        filters=[filter_message(conditions) for conditions in detail.filters],
        terms=terms_message(in_force) if in_force else None,
        all_terms=[terms_message(terms) for terms in detail.terms],
        currency=row.currency,
        current_usage=from_decimal(row.current_usage),
        current_cost=from_decimal(row.current_cost),
        projected_usage=from_decimal(row.projected_quantity),
        projected_cost=from_decimal(row.projected_cost),
        percent_of_commit=from_decimal(row.percent_of_commit),
        status=insight.bucket_status(projected=row.projected_quantity, commit=commit),
        usage_as_of=from_slot(row.as_of_slot),
        series=row.series,
    )


def _symbol_of_bucket(row: BucketRow, terms: Terms | None) -> str:
    if terms is None:
        return row.symbol
    return quantity_symbol(row.symbol, kind=row.kind, aggregation=terms.aggregation)


def reading(row: ReadingRow, now: datetime) -> billing_pb2.Reading:
    """With what became of the period by ``now``."""
    return billing_pb2.Reading(
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        client_id=row.client_id,
        client_name=row.client_name,
        source_type=row.source_type,
        unit_type=row.unit_type,
        symbol=quantity_symbol(row.symbol, kind=row.kind, aggregation=Aggregation(row.aggregation)),
        aggregation=row.aggregation,
        period_start=from_time(row.period_start),
        period_end=from_time(row.period_end),
        state=STATES[row.state(now)],
        quantity=from_decimal(row.quantity),
        commit=from_decimal(row.commit),
        overage_units=from_decimal(row.overage_units),
        currency=row.currency,
        used=from_decimal(row.used),
        buffer=from_decimal(row.buffer),
        overage=from_decimal(row.overage),
        cost=from_decimal(row.cost),
        cutoff=from_time(row.cutoff),
        as_of=from_slot(row.as_of_slot),
        percent_of_commit=from_decimal(percent_of_commit(row.quantity, commit=row.commit)),
    )


def projection(row: ProjectionRow) -> billing_pb2.Projection:
    """Field by field."""
    return billing_pb2.Projection(
        bucket_id=row.id,
        bucket_name=row.bucket_name,
        client_id=row.client_id,
        client_name=row.client_name,
        unit_type=row.unit_type,
        symbol=quantity_symbol(row.symbol, kind=row.kind, aggregation=Aggregation(row.aggregation)),
        period_start=from_time(row.period_start),
        period_end=from_time(row.period_end),
        current_quantity=from_decimal(row.current_quantity),
        projected_quantity=from_decimal(row.projected_quantity),
        currency=row.currency,
        projected_cost=from_decimal(row.projected_cost),
        percent_of_commit=from_decimal(row.percent_of_commit),
        calculated_at=from_time(row.calculated_at),
    )


def from_slot(slot: int | None) -> Timestamp | None:
    """The time at which a slot starts."""
    return None if slot is None else from_time(slot_start(slot))
