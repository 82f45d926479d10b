"""Which assets there are, whose they are, and which of them use what nobody pays for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.domain.quantity import Unit
from aggregator.store.database import fetch_all, fetch_one
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("assets")

SORTS = ("id", "name", "client_name", "created_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFilter:
    """What a list of assets is restricted to; each field alone, all together."""

    search: str = ""
    client_id: int | None = None
    source_type: str | None = None
    unassigned: bool = False
    unbound: bool = False
    unacknowledged: bool = False


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


@dataclass(frozen=True, slots=True)
class UnboundColumns:
    """The unbound assets as columns side by side, by id: how many series of each, and the oldest slot bound to nothing."""

    asset_ids: Sequence[int]
    series: Sequence[int]
    since_slots: Sequence[int]


@dataclass(frozen=True, slots=True)
class Unbound:
    """What of one asset is unbound: how many series, and where the oldest slot that is bound to nothing starts."""

    series: int
    since_slot: int


UnboundById = Mapping[int, Unbound]


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
class AssetDetail:
    """All that is known of one asset but its readings."""

    asset: AssetRow
    unbound: Unbound | None
    series: Sequence[SeriesRow]
    bindings: Sequence[BindingRow]
    assignments: Sequence[AssignmentRow]
    agents: Sequence[str]


async def list_assets(
    seen: Snapshot, paging: Paging, wanted: AssetFilter
) -> tuple[Page[AssetRow], UnboundById]:
    """A page of the assets that are not disregarded, and what of them is unbound."""
    everywhere = await unbound(seen) if wanted.unbound else None
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        slot=seen.slot,
        search=contains(wanted.search),
        client_id=wanted.client_id,
        source_type=wanted.source_type,
        unassigned=wanted.unassigned,
        unacknowledged=wanted.unacknowledged,
        only=None if everywhere is None else list(everywhere),
    )
    ids = list(keys.ids[: paging.size])
    found = page(keys, paging, await _rows(seen, ids))
    return found, await unbound(seen, ids) if everywhere is None else everywhere


async def count_assets(seen: Snapshot, wanted: AssetFilter) -> int:
    """How many assets such a list has: what a card shows is what it opens."""
    if wanted == AssetFilter(unbound=True):
        # An unbound asset is never disregarded, so nothing else could take one off the list.
        return len(await unbound(seen))
    page_of_one, _ = await list_assets(seen, Paging(sort="id", size=1), wanted)
    return page_of_one.total


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
    found = zip(columns.asset_ids, columns.series, columns.since_slots, strict=True)
    return {asset_id: Unbound(series, since) for asset_id, series, since in found}


async def get_asset(seen: Snapshot, asset_id: int) -> AssetDetail | None:
    """One asset, also a disregarded one; None when there is none with this id."""
    row = next(iter(await _rows(seen, [asset_id])), None)
    if row is None:
        return None
    params = {"id": asset_id}
    return AssetDetail(
        asset=row,
        unbound=(await unbound(seen, [asset_id])).get(asset_id),
        series=await series_of(seen, asset_id),
        bindings=await fetch_all(seen.conn, BindingRow, _Q["bindings"], params),
        assignments=await fetch_all(seen.conn, AssignmentRow, _Q["assignments"], params),
        agents=[agent.name for agent in await fetch_all(seen.conn, AgentName, _Q["agents"], params)],
    )


async def exists(seen: Snapshot, asset_id: int) -> bool:
    """Whether there is an asset with this id."""
    return bool(await _rows(seen, [asset_id]))


async def series_of(seen: Snapshot, asset_id: int) -> list[SeriesRow]:
    """The asset's series by unit type."""
    return await fetch_all(seen.conn, SeriesRow, _Q["series"], {"id": asset_id})


async def _rows(seen: Snapshot, ids: list[int]) -> list[AssetRow]:
    return await fetch_all(seen.conn, AssetRow, _Q["rows"], {"ids": ids, "slot": seen.slot})
