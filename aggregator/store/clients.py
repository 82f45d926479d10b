"""Which clients there are, with the figures a list shows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sql
from aggregator.store.database import fetch_all
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("clients")

SORTS = ("id", "name", "created_at", "buckets", "assets", "projected_cost")


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client. ``assets`` are those assigned now; ``projected_cost`` is None without a projection of the open period."""

    id: int
    name: str
    currency: str
    time_zone: str
    cycle_unit: str
    cycle_count: int
    cycle_anchor: date
    enabled: bool
    created_at: datetime
    buckets: int
    assets: int
    projected_cost: Decimal | None


async def list_clients(seen: Snapshot, paging: Paging, *, search: str = "") -> Page[ClientRow]:
    """Clients whose name has ``search`` in it, any case."""
    keys = await find(seen.conn, _Q["page"], paging, search=contains(search), slot=seen.slot, now=seen.now)
    return page(keys, paging, await rows(seen, list(keys.ids[: paging.size])))


async def rows(seen: Snapshot, ids: list[int]) -> list[ClientRow]:
    """These clients, in no particular order; unknown ids are left out."""
    return await fetch_all(seen.conn, ClientRow, _Q["rows"], {"ids": ids, "slot": seen.slot, "now": seen.now})
