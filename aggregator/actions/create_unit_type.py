"""Creates a unit type, and takes in the readings that waited for it."""

from aggregator.actions import given_unit
from aggregator.actions.settle_quarantine import IDS_MAX, release_quarantine
from aggregator.domain.unit_type import UNIT_TYPES_MAX, UnitType
from aggregator.errors import Conflict
from aggregator.ingest.quarantine import Fault
from aggregator.store import unit_types
from aggregator.store.database import Database
from aggregator.store.news import announce


async def create_unit_type(db: Database, asked: UnitType) -> str:
    """Its name. Readings of that unit that are in quarantine are released; what is wrong with some otherwise, they stay.

    Raises ``Invalid`` naming the field, and ``Conflict`` when there is one of that name or there are too many.
    """
    new = given_unit.unit_type(asked)
    async with db.transaction() as conn:
        if await unit_types.total(conn) >= UNIT_TYPES_MAX:
            raise Conflict(f"there are {UNIT_TYPES_MAX} unit types already; use one of them")
        if await unit_types.insert(conn, new) is None:
            raise Conflict(f"there is a unit type {new.name} already; `ullage unit-types list` shows it")
        await announce(conn, "bucket")
    await release_waiting(db, new.name)
    return new.name


async def release_waiting(db: Database, unit_type: str) -> int:
    """Releases the readings that were quarantined because the unit was not known; how many were taken in."""
    released = after = 0
    while True:
        async with db.transaction() as conn:
            ids = await unit_types.waiting(
                conn, unit_type=unit_type, reason=Fault.UNKNOWN_UNIT.reason, after=after, ids_max=IDS_MAX
            )
        if not ids:
            return released
        released += (await release_quarantine(db, ids=ids, agent_id=0, reason="")).settled
        after = ids[-1]
