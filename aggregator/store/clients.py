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
    """A client; by what its periods are cut and billed is in its calendar (calendars.py).

    ``assets`` are those assigned now; ``projected_cost`` is None without a projection of the open period.
    """

    id: int
    name: str
    enabled: bool
    created_at: datetime
    close_after_days: int | None
    contact: str
    disabled_on: date | None
    erased: bool
    finalised_slot: int | None
    buckets: int
    assets: int
    projected_cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFilter:
    """What a list of clients is restricted to; ``search`` is part of a name, any case, ``client_id`` one alone."""

    search: str = ""
    enabled: bool = False
    disabled: bool = False
    client_id: int | None = None


async def list_clients(
    seen: Snapshot, paging: Paging, wanted: ClientFilter = ClientFilter()
) -> Page[ClientRow]:
    """A page of clients."""
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        search=contains(wanted.search),
        enabled=wanted.enabled,
        disabled=wanted.disabled,
        client_id=wanted.client_id,
        slot=seen.slot,
        now=seen.now,
    )
    return page(keys, paging, await rows(seen, list(keys.ids[: paging.size])))


async def rows(seen: Snapshot, ids: list[int]) -> list[ClientRow]:
    """These clients, in no particular order; unknown ids are left out."""
    return await fetch_all(seen.conn, ClientRow, _Q["rows"], {"ids": ids, "slot": seen.slot, "now": seen.now})
