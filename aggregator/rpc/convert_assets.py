"""Between assets as they are loaded and the messages people get, beside convert.py and by the same rules."""

from collections.abc import Iterable, Sequence

from aggregator.domain import insight
from aggregator.domain.slot import OPEN_SLOT, UNITS_PER_DAY, slot_start
from aggregator.rpc.convert import from_slot
from aggregator.store.assets import (
    AssetDetail,
    AssetRow,
    AssignmentRow,
    BindingRow,
    OverlapRow,
    SeriesRow,
    Unbound,
)
from aggregator.store.usage import LatestReading, MeasuredDay
from ullage.v1 import inventory_pb2, types_pb2
from ullage.wire import from_decimal, from_time


def asset(row: AssetRow, unbound: Unbound | None, *, slot: int) -> inventory_pb2.Asset:
    """``unbound`` is None where nothing of it is; ``slot`` is now."""
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
        unbound_money=_money(unbound),
        days_unbound=(slot - unbound.since_slot) // UNITS_PER_DAY if unbound else 0,
        agent=row.agent,
        assigned_by_hand=row.assigned_by_hand,
        merged_into=row.merged_into or 0,
    )


def _money(unbound: Unbound | None) -> types_pb2.Money | None:
    if unbound is None or unbound.money is None or unbound.currency is None:
        return None
    return types_pb2.Money(currency=unbound.currency, amount=from_decimal(unbound.money))


def asset_detail(
    detail: AssetDetail, latest: Iterable[LatestReading], *, slot: int
) -> inventory_pb2.AssetDetail:
    """One asset with its series, and the newest reading of those that have one."""
    newest = {reading.series_id: reading for reading in latest}
    return inventory_pb2.AssetDetail(
        asset=asset(detail.asset, detail.unbound.get(detail.asset.id), slot=slot),
        series=[
            _series(row, [b for b in detail.bindings if b.series_id == row.id], newest.get(row.id))
            for row in detail.series
        ],
        assignments=[_assignment(row) for row in detail.assignments],
        agents=detail.agents,
        merged_ids=detail.merged_ids,
        same_machine=[asset(row, detail.unbound.get(row.id), slot=slot) for row in detail.same_machine],
        overlaps=[_overlap(row) for row in detail.overlaps],
    )


def _overlap(row: OverlapRow) -> inventory_pb2.Overlap:
    message = inventory_pb2.Overlap(
        unit_type=row.unit_type, agent=row.agent, other_agent=row.other_agent, to=from_slot(row.to_slot)
    )
    _set_from(message, row.from_slot)
    return message


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


def _set_from(
    message: inventory_pb2.Binding | inventory_pb2.Assignment | inventory_pb2.Overlap, slot: int
) -> None:
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
