"""Changes a unit type as far as figures allow: what its steps mean is fixed once there are readings."""

from dataclasses import dataclass, replace

from aggregator.actions import given_unit
from aggregator.domain.preview import Preview, PreviewLine
from aggregator.domain.unit_type import UnitType
from aggregator.errors import Conflict, NotFound
from aggregator.store import unit_types
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.unit_types import UnitTypeRow

# What stored readings and slots were counted in.
_FIXED_IN_USE = ("divisor", "slot_minutes")
# What finalised quantities were rounded to or made of.
_FIXED_WHEN_FINALISED = ("precision", "level_value")
# What figures depend on.
_RATED = (*_FIXED_IN_USE, *_FIXED_WHEN_FINALISED, "gap_hold")
_SHOWN = ("symbol", "description", *_RATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTypeChange:
    """What is to be changed; None: stays as it is."""

    symbol: str | None = None
    description: str | None = None
    precision: int | None = None
    level_value: str | None = None
    gap_hold: int | None = None
    divisor: int | None = None
    slot_minutes: int | None = None


async def update_unit_type(
    db: Database, name: str, change: UnitTypeChange, *, dry_run: bool = False
) -> Preview:
    """What changes, in words; figures that are not finalised are rated again. ``dry_run`` saves nothing.

    Raises ``Invalid`` naming the field, ``NotFound``, and ``Conflict`` for what readings or finalised figures have fixed.
    """
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        held = await unit_types.hold(conn, name)
        if held is None:
            raise NotFound("unit type", name)
        before = _plain(held)
        asked = {field: value for field in _SHOWN if (value := getattr(change, field)) is not None}
        after = given_unit.unit_type(replace(before, **asked))
        changed = [field for field in _SHOWN if getattr(before, field) != getattr(after, field)]
        if not changed:
            return Preview()
        await _refuse(conn, held, changed)
        await unit_types.update(conn, after)
        rated = 0
        if any(field in _RATED for field in changed):
            rated = await unit_types.rate_again(conn, held.id)
        await announce(conn, "bucket")
    lines = [_line(field, before, after) for field in changed]
    notes = [f"Provisional billing readings that are rated again: {rated}."] if rated else []
    return Preview(lines=lines, lines_total=len(lines), notes=notes)


async def _refuse(conn: Connection, held: UnitTypeRow, changed: list[str]) -> None:
    used = [field for field in changed if field in _FIXED_IN_USE]
    if used and await unit_types.in_use(conn, held.id):
        raise Conflict(
            f"{' and '.join(used)} of {held.name} cannot change: it has readings that were counted in it; create another "
            "unit type"
        )
    finalised = [field for field in changed if field in _FIXED_WHEN_FINALISED]
    if finalised and await unit_types.finalised(conn, held.id):
        raise Conflict(
            f"{' and '.join(finalised)} of {held.name} cannot change: finalised billing readings rest on it; create another "
            "unit type"
        )


def _plain(held: UnitTypeRow) -> UnitType:
    return UnitType(
        name=held.name,
        symbol=held.symbol,
        description=held.description,
        kind=held.kind,
        divisor=held.divisor,
        per=held.per,
        precision=held.precision,
        slot_minutes=held.slot_minutes,
        level_value=held.level_value,
        gap_hold=held.gap_hold,
    )


def _line(field: str, before: UnitType, after: UnitType) -> PreviewLine:
    return PreviewLine(
        act="change",
        unit_type=before.name,
        from_name=f"{field} {getattr(before, field)}",
        to_name=f"{field} {getattr(after, field)}",
    )
