"""Assignments by hand from a file: which client each asset belongs to, and from when."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aggregator.actions.assign_assets import ASSETS_MAX, assign_assets
from aggregator.actions.csv_rows import Columns, Row
from aggregator.actions.imports.importer import Done, Importer, Wrong
from aggregator.domain.slot import UNITS_PER_HOUR, slot_of
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import exchange
from aggregator.store.database import Database
from aggregator.store.exchange import AssetKey

_ID_DIGITS_MAX = 18
_YES = ("yes", "true", "1")


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whose assets are to be, and from when; None: all time that is not finalised."""

    client_id: int
    since: datetime | None
    # Decided by somebody, whatever rules say; else it is enough that they are the client's.
    by_hand: bool


class Assignments(Importer):
    """One line an asset, by its id or by source type and external id. Assigned all together, which is quick."""

    columns = Columns(
        required=("client",),
        optional=("asset_id", "source_type", "external_id", "agent", "site", "from", "name", "by_hand"),
    )
    keys = ("asset_id", "source_type", "external_id", "agent", "site")

    def __init__(self, db: Database, now: datetime) -> None:
        super().__init__(db, now)
        self._wishes: dict[_Wish, dict[int, int]] = defaultdict(dict)
        self._lines: dict[int, int] = {}

    async def take(self, row: Row) -> None:
        """Finds out what the line means; ``finish`` does it."""
        key = AssetKey(
            id=_id(row["asset_id"]),
            source_type=row["source_type"],
            external_id=row["external_id"],
            agent=row["agent"],
            site=row["site"],
        )
        if key.id is None and not (key.source_type and key.external_id):
            raise Invalid("asset_id", "is empty; name the asset by it, or by source_type and external_id")
        since = _time(row["from"])
        async with self.db.transaction() as conn:
            client_id = (await exchange.clients_by_name(conn, [row["client"]])).get(row["client"])
            if client_id is None:
                raise NotFound("client", row["client"])
            [found] = await exchange.assets_by_key(conn, [key])
        if not found:
            raise NotFound("asset", row["asset_id"] or f"{key.source_type} {key.external_id}")
        if len(found) > 1:
            raise Invalid(
                "external_id", f"is that of {len(found)} assets; tell them apart by agent, site or asset_id"
            )
        asset_id = found[0]
        if asset_id in self._lines:
            raise Invalid(
                "asset_id", f"means the same asset as line {self._lines[asset_id]}; keep one of them"
            )
        self._lines[asset_id] = row.line
        self._wishes[_Wish(client_id, since, row["by_hand"].lower() in _YES)][asset_id] = row.line

    async def finish(self) -> AsyncIterator[tuple[int, Done | Wrong]]:
        """Assigns them, as many as go together in one act; where that is refused one by one, to say which."""
        for wish, lines in self._wishes.items():
            left = await self._left_to_do(wish, list(lines))
            for asset_id in lines.keys() - left:
                yield lines[asset_id], Done.UNCHANGED
            ids = sorted(left)
            for start in range(0, len(ids), ASSETS_MAX):
                part = ids[start : start + ASSETS_MAX]
                wrong = await self._assign(wish, part)
                refused = {}
                if wrong is not None:
                    refused = {asset: each for asset in part if (each := await self._assign(wish, [asset]))}
                for asset_id in part:
                    yield lines[asset_id], refused.get(asset_id, Done.CHANGED)

    async def _left_to_do(self, wish: _Wish, assets: list[int]) -> set[int]:
        """Without those that are assigned so already."""
        slot = None if wish.since is None else slot_of(wish.since) // UNITS_PER_HOUR * UNITS_PER_HOUR
        async with self.db.transaction() as conn:
            done = await exchange.assigned_so(
                conn, assets, client_id=wish.client_id, from_slot=slot, by_hand=wish.by_hand
            )
        return set(assets) - done

    async def _assign(self, wish: _Wish, assets: list[int]) -> Wrong | None:
        """What is wrong with it, None when it was done."""
        confirmed = 0
        try:
            async with self.db.transaction():
                for dry_run in (True, False):
                    done = await assign_assets(
                        self.db,
                        asset_ids=assets,
                        client_id=wish.client_id,
                        since=wish.since,
                        dry_run=dry_run,
                        confirmed_assets=confirmed,
                        now=self.now,
                    )
                    # A file that names each asset confirms how many there are.
                    confirmed = done.preview.confirm_assets if done.preview else 0
        except (Invalid, Conflict, NotFound) as error:
            return error
        if done.preview is not None:
            self.note(done.preview)
        return None


def _id(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_MAX):
        raise Invalid("asset_id", "is not the number of an asset")
    return int(text)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("from", "is not a time; write it like 2026-01-31T14:00Z") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
