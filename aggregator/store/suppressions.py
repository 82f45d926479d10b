"""Which suppressions there are, and what each of them dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.domain.match import Condition
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("suppressions")


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """A suppression with its counters over all agents; ``ended_at`` is None while it holds.

    ``assets``: how many different ones were dropped so far, with ``more_assets`` at least so many.
    """

    id: int
    field: str
    operator: str
    pattern: str
    reason: str
    created_at: datetime
    ended_at: datetime | None
    created_by: str
    ended_by: str
    assets: int
    more_assets: bool
    readings: int
    last_hit_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """A series with whose it is; ``client_name`` is empty for nobody's."""

    series_id: int
    asset_id: int
    asset_name: str
    client_name: str
    bound: bool


async def suppressions(conn: Connection, *, ended: bool) -> list[SuppressionRow]:
    """Those that hold, oldest first; with ``ended`` those that do not any more behind them."""
    return await fetch_all(conn, SuppressionRow, _Q["suppressions"], {"ended": ended, "id": None})


async def suppression(conn: Connection, suppression_id: int) -> SuppressionRow | None:
    """One of them, also when it has ended."""
    found = await fetch_all(conn, SuppressionRow, _Q["suppressions"], {"ended": True, "id": suppression_id})
    return found[0] if found else None


async def hold(conn: Connection) -> int:
    """Keeps others from adding one until the transaction ends; how many hold now."""
    await execute(conn, _Q["hold"])
    count: int = await fetch_value(conn, _Q["how_many"])
    return count


async def insert(conn: Connection, condition: Condition, *, reason: str) -> int | None:
    """Its id; None when the same one holds already."""
    params = {
        "field": condition.field,
        "operator": condition.operator.value,
        "pattern": condition.pattern,
        "reason": reason,
    }
    number: int | None = await fetch_value(conn, _Q["insert"], params)
    return number


async def end(conn: Connection, suppression_id: int) -> bool:
    """Ends it unless it has ended; False when there is none."""
    return await fetch_value(conn, _Q["end"], {"id": suppression_id}) is not None


async def series_of(conn: Connection, assets: Sequence[int], *, slot: int) -> list[NamedSeries]:
    """All series of these assets; ``bound`` in the slot."""
    return await fetch_all(conn, NamedSeries, _Q["series_of"], {"assets": list(assets), "slot": slot})
