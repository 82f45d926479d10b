"""Between what the aggregator loads and the messages people get: the one place where both shapes of a noun meet.

Only renames and formats. What is not known is an empty text or an absent message, as the .proto files say.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.domain.match import Condition, Filter, Operator
from aggregator.domain.period import Calendar
from aggregator.domain.quantity import quantity_symbol
from aggregator.domain.rate import percent_of_commit
from aggregator.domain.slot import slot_start
from aggregator.domain.terms import Aggregation, aggregation_name
from aggregator.errors import Invalid
from aggregator.rpc import convert_billing
from aggregator.store.buckets import AssignmentRuleRow, Conditions
from aggregator.store.clients import ClientRow
from aggregator.store.readings import PeriodState, ProjectionRow, ReadingRow
from ullage.v1 import billing_pb2, inventory_pb2, types_pb2
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


def client(row: ClientRow, calendar: Calendar, now: datetime) -> inventory_pb2.Client:
    """With the period that contains ``now`` and what that is cut and billed by; what holds later is in ``coming``."""
    period = calendar.period_containing(now)
    held = calendar.era(now)
    return inventory_pb2.Client(
        id=row.id,
        name=row.name,
        currency=held.currency.code,
        time_zone=held.cycle.time_zone,
        cycle_unit=held.cycle.unit,
        cycle_count=held.cycle.count,
        cycle_anchor=held.cycle.anchor.isoformat(),
        enabled=row.enabled,
        created_at=from_time(row.created_at),
        buckets=row.buckets,
        assets=row.assets,
        projected_cost=from_decimal(row.projected_cost),
        period_start=from_time(period.start),
        period_end=from_time(period.end),
        close_after_days=row.close_after_days,
        contact=row.contact,
        disabled_on=row.disabled_on.isoformat() if row.disabled_on else "",
        erased=row.erased,
        finalised_to=from_slot(row.finalised_slot),
        coming=[
            inventory_pb2.ClientCycle(
                starts_on=before.until.isoformat() if before.until else "",
                currency=era.currency.code,
                time_zone=era.cycle.time_zone,
                cycle_unit=era.cycle.unit,
                cycle_count=era.cycle.count,
                cycle_anchor=era.cycle.anchor.isoformat(),
            )
            for before, era in pairwise(calendar.eras[calendar.eras.index(held) :])
        ],
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
        aggregation=aggregation_name(row.aggregation, row.percentile),
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
        limit=from_decimal(row.limit_amount),
        coverage=convert_billing.coverage(
            measured=row.measured, absent=row.absent, gap=row.gap, spread=row.spread
        ),
        segments=[convert_billing.segment(part) for part in row.segments],
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
        low_quantity=from_decimal(row.low_quantity),
        high_quantity=from_decimal(row.high_quantity),
        low_cost=from_decimal(row.low_cost),
        high_cost=from_decimal(row.high_cost),
        method=row.method,
        track_record=from_decimal(row.track_record),
    )


def from_slot(slot: int | None) -> Timestamp | None:
    """The time at which a slot starts."""
    return None if slot is None else from_time(slot_start(slot))
