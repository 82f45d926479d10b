"""Which assets there are, whose they are, and which of them use what nobody pays for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.store.database import fetch_all, fetch_one, fetch_value
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("assets")

SORTS = ("id", "name", "client_name", "created_at", "last_seen", "unbound_money", "days_unbound")
SAME_MACHINE_MAX = 10
# Overlaps of agents are looked for among the slots of so many days.
OVERLAP_DAYS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFilter:
    """What a list of assets is restricted to; each field alone, all together.

    ``label`` is ``KEY`` or ``KEY=VALUE``; ``agent`` the name of the one that reported it first; ``by_hand``: assigned or
    bound by hand now.
    """

    search: str = ""
    client_id: int | None = None
    source_type: str | None = None
    agent: str | None = None
    label: str | None = None
    bucket_id: int | None = None
    unassigned: bool = False
    unbound: bool = False
    unacknowledged: bool = False
    disregarded: bool = False
    disabled: bool = False
    by_hand: bool = False

    def params(self) -> dict[str, Any]:
        """What the page statement is given."""
        key, equals, value = (self.label or "").partition("=")
        return {
            **asdict(self),
            "search": contains(self.search),
            "label": Jsonb({key: value}) if equals else None,
            "label_key": key if key and not equals else None,
        }


@dataclass(frozen=True, slots=True)
class AssetRow:
    """An asset with whose it is now. ``last_slot`` is the end of its last measured slot, None before the first roll-up."""

    id: int
    source_type: str
    external_id: str
    name: str
    description: str
    address: str
    labels: Mapping[str, str]
    scope: str
    client_id: int | None
    client_name: str | None
    acknowledged: bool
    enabled: bool
    disregarded: bool
    created_at: datetime
    series: int
    last_slot: int | None
    agent: str
    assigned_by_hand: bool
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class UnboundColumns:
    """The unbound assets as columns side by side, by id: series of each, the oldest slot bound to nothing, money."""

    asset_ids: Sequence[int]
    series: Sequence[int]
    since_slots: Sequence[int]
    money: Sequence[Decimal | None]
    currencies: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Unbound:
    """What of one asset is unbound: how many series, and where the oldest slot that is bound to nothing starts.

    ``money`` is about what is not billed this period, None without a price.
    """

    series: int
    since_slot: int
    money: Decimal | None = None
    currency: str | None = None


UnboundById = Mapping[int, Unbound]


@dataclass(frozen=True, slots=True)
class AssetCounts:
    """How many assets the lists have that people look at first."""

    assets: int
    unassigned: int
    unbound: int
    unacknowledged: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One unit type of an asset."""

    id: int
    unit_type: str
    symbol: str
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int

    @property
    def unit(self) -> Unit:
        """What its readings count."""
        return Unit(
            kind=self.kind,
            divisor=self.divisor,
            per=self.per,
            precision=self.precision,
            slot_minutes=self.slot_minutes,
        )


@dataclass(frozen=True, slots=True)
class BindingRow:
    """A series' binding over the slots [from_slot, to_slot)."""

    series_id: int
    bucket_id: int
    bucket_name: str
    client_id: int
    from_slot: int
    to_slot: int
    by_hand: bool


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """An asset's assignment over the slots [from_slot, to_slot)."""

    client_id: int
    client_name: str
    from_slot: int
    to_slot: int
    by_hand: bool


@dataclass(frozen=True, slots=True)
class AgentName:
    """An agent that reported an asset."""

    name: str


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """Two agents that reported one series over the slots [from_slot, to_slot)."""

    unit_type: str
    agent: str
    other_agent: str
    from_slot: int
    to_slot: int


@dataclass(frozen=True, slots=True)
class AssetDetail:
    """All that is known of one asset but its readings. ``unbound`` has also those of ``same_machine``."""

    asset: AssetRow
    unbound: UnboundById
    series: Sequence[SeriesRow]
    bindings: Sequence[BindingRow]
    assignments: Sequence[AssignmentRow]
    agents: Sequence[str]
    merged_ids: Sequence[int]
    same_machine: Sequence[AssetRow]
    overlaps: Sequence[OverlapRow]


async def list_assets(
    seen: Snapshot, paging: Paging, wanted: AssetFilter, *, counted: bool = True
) -> tuple[Page[AssetRow], UnboundById]:
    """A page of the assets that are not disregarded, and what of them is unbound; uncounted, the total is 0."""
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        slot=seen.slot,
        month_slot=seen.month_slot,
        counted=counted,
        **wanted.params(),
    )
    ids = list(keys.ids[: paging.size])
    return page(keys, paging, await _rows(seen, ids)), await unbound(seen, ids)


async def count_assets(seen: Snapshot) -> AssetCounts:
    """How many assets the lists of all, of the unassigned, the unbound and the new ones have."""
    params = {"slot": seen.slot, "month_slot": seen.month_slot}
    counts = await fetch_one(seen.conn, AssetCounts, _Q["count"], params)
    assert counts is not None  # noqa: S101 - a select without from has a row
    return counts


async def unbound(seen: Snapshot, ids: Sequence[int] | None = None) -> UnboundById:
    """Those of the assets ``ids``, or of all, that have measured slots bound to no enabled bucket.

    Looked at is the time that can still be billed: the client's unfinalised time or, for an unassigned asset, the current
    calendar month. Disabled and disregarded assets are never unbound.
    """
    params = {
        "ids": None if ids is None else list(ids),
        "slot": seen.slot,
        "month_slot": seen.month_slot,
    }
    columns = await fetch_one(seen.conn, UnboundColumns, _Q["unbound"], params)
    assert columns is not None  # noqa: S101 - a select without from has a row
    found = zip(
        columns.asset_ids, columns.series, columns.since_slots, columns.money, columns.currencies, strict=True
    )
    return {
        asset_id: Unbound(series, since_slot, money, currency)
        for asset_id, series, since_slot, money, currency in found
    }


async def find_asset(seen: Snapshot, asset_id: int, *, client_id: int | None = None) -> int | None:
    """The id under which the asset is found: that of the one it was merged into, or its own; None when there is none.

    With ``client_id`` only assets that were ever assigned to that client.
    """
    params = {"id": asset_id, "client_id": client_id}
    found: int | None = await fetch_value(seen.conn, _Q["owners"], params)
    return found


async def get_asset(seen: Snapshot, asset_id: int, *, client_id: int | None = None) -> AssetDetail | None:
    """One asset, also a disregarded one; for a merged one the asset that it was merged into. None when there is none.

    With ``client_id`` what that client may see of it.
    """
    found = await find_asset(seen, asset_id, client_id=client_id)
    if found is None:
        return None
    same = (
        []
        if client_id
        else await fetch_value(seen.conn, _Q["same_machine"], {"id": found, "limit": SAME_MACHINE_MAX})
    )
    rows = {row.id: row for row in await _rows(seen, [found, *same])}
    params = {"id": found, "client_id": client_id}
    overlap = {"id": found, "from_slot": seen.slot - OVERLAP_DAYS * UNITS_PER_DAY}
    return AssetDetail(
        asset=rows[found],
        unbound=await unbound(seen, list(rows)),
        series=await series_of(seen, found),
        bindings=await fetch_all(seen.conn, BindingRow, _Q["bindings"], params),
        assignments=await fetch_all(seen.conn, AssignmentRow, _Q["assignments"], params),
        agents=[agent.name for agent in await fetch_all(seen.conn, AgentName, _Q["agents"], {"id": found})],
        merged_ids=await fetch_value(seen.conn, _Q["merged"], {"id": found}),
        same_machine=[rows[one] for one in same],
        overlaps=await fetch_all(seen.conn, OverlapRow, _Q["overlaps"], overlap),
    )


async def series_of(seen: Snapshot, asset_id: int) -> list[SeriesRow]:
    """The asset's series by unit type."""
    return await fetch_all(seen.conn, SeriesRow, _Q["series"], {"id": asset_id})


async def _rows(seen: Snapshot, ids: list[int]) -> list[AssetRow]:
    return await fetch_all(seen.conn, AssetRow, _Q["rows"], {"ids": ids, "slot": seen.slot})
