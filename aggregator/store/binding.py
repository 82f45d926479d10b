"""What assignments and bindings are worked out from, and how the differences are saved: whole chunks at a time.

Turns rows into what ``domain/bind.py`` asks for and back into arrays; decides nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import sql
from aggregator.domain.bind import Asset, Bucket, Change, Held, Plan, Series, Span, World, first_rule
from aggregator.domain.choice import Choice
from aggregator.domain.match import Facts
from aggregator.store import rules
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("binding")
_T = TypeVar("_T")

ROWS_PER_STATEMENT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Saving:
    """The statements that change one kind of span."""

    remove: LiteralString
    resize: LiteralString
    add: LiteralString


_ASSIGNMENTS = _Saving(_Q["remove_assignments"], _Q["resize_assignments"], _Q["add_assignments"])
_BINDINGS = _Saving(_Q["remove_bindings"], _Q["resize_bindings"], _Q["add_bindings"])


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


@dataclass(frozen=True, slots=True)
class _AssetRow:
    id: int
    source_type_id: int
    source_type: str
    external_id: str
    name: str
    address: str
    labels: Mapping[str, str]
    agent: str
    site: str
    assigned_by_hand: bool
    left_alone: bool


@dataclass(frozen=True, slots=True)
class _ClientRow:
    id: int
    finalised_slot: int


@dataclass(frozen=True, slots=True)
class _OwnerRow:
    id: int
    client_id: int


async def share_rules(conn: Connection) -> None:
    """Keeps rules, filters and buckets from being created until this transaction ends. Call it first."""
    await conn.execute(_Q["share_rules"])


async def hold_rules(conn: Connection) -> None:
    """Waits for all who apply rules, and keeps them waiting until this transaction ends. Call it first."""
    await conn.execute(_Q["hold_rules"])


async def take_flagged(conn: Connection, *, assets_max: int) -> list[int]:
    """Locks assets that are to be worked out again and are nobody else's at the moment."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["take_flagged"], {"assets_max": assets_max})]


async def next_unflagged(conn: Connection, *, after: int, assets_max: int) -> list[int]:
    """The assets with the lowest ids above ``after`` of those that are not to be worked out again. Locks none."""
    asked = {"after": after, "assets_max": assets_max}
    return [row.id for row in await fetch_all(conn, _Id, _Q["next_unflagged"], asked)]


async def count_flagged(conn: Connection) -> int:
    """How many assets are to be worked out again, whoever is at them."""
    return int(await fetch_value(conn, _Q["count_flagged"]))


async def take_assets(conn: Connection, assets: Iterable[int]) -> list[int]:
    """Locks these assets; those that do not exist are left out."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["take_assets"], {"assets": list(assets)})]


async def left_alone(conn: Connection, ids: Sequence[int]) -> list[int]:
    """Those of the assets that are disabled or disregarded, which rules and filters do not touch."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["left_alone"], {"assets": list(ids)})]


async def load_assets(conn: Connection, ids: Sequence[int]) -> list[Asset]:
    """Locked assets with their series, assignments and bindings; disabled and disregarded ones are left out."""
    asked = {"assets": list(ids)}
    rows = await fetch_all(conn, _AssetRow, _Q["assets"], asked)
    assignments: dict[int, list[Held]] = defaultdict(list)
    for key, asset_id, owner_id, from_slot, to_slot, rule_id in await _tuples(conn, _Q["assignments"], asked):
        held = Held(id=key, owner_id=owner_id, from_slot=from_slot, to_slot=to_slot, rule_id=rule_id)
        assignments[asset_id].append(held)
    paused: dict[int, list[Span]] = defaultdict(list)
    for asset_id, from_slot, to_slot in await _tuples(conn, _Q["pauses"], asked):
        paused[asset_id].append(Span(owner_id=0, from_slot=from_slot, to_slot=to_slot))
    series = _series(await _tuples(conn, _Q["series"], asked))
    return [
        Asset(
            id=row.id,
            source_type_id=row.source_type_id,
            facts=_facts(row),
            by_hand=row.assigned_by_hand,
            assignments=assignments.get(row.id, ()),
            series=series.get(row.id, ()),
            paused=paused.get(row.id, ()),
        )
        for row in rows
        if not row.left_alone
    ]


async def load_world(
    conn: Connection,
    ids: Sequence[int],
    *,
    also: Sequence[int] = (),
    assets: Sequence[Asset] | None = None,
) -> World:
    """What decides about these assets: all rules, and of their present and coming clients, and of the clients ``also``,
    the buckets of their source types.

    ``assets``: the same ones where they are loaded already. Holds the clients, so that none of their time is finalised
    before this transaction ends.
    """
    loaded = await load_assets(conn, ids) if assets is None else assets
    decide = await rules.load_rules(conn)
    choice = Choice(decide)
    bound = {span.owner_id for asset in loaded for series in asset.series for span in series.bindings}
    owners = {
        row.id: row.client_id
        for row in await fetch_all(conn, _OwnerRow, _Q["owners"], {"buckets": list(bound)})
    }
    concerned = {*also, *owners.values(), *(span.owner_id for asset in loaded for span in asset.assignments)}
    decided = {
        asset.id: first_rule(asset.facts, choice.possible(asset.facts))
        for asset in loaded
        if not asset.by_hand
    }
    concerned.update({rule.client_id for rule in decided.values() if rule})
    clients = await fetch_all(conn, _ClientRow, _Q["clients"], {"clients": list(concerned)})
    found = await rules.load_buckets(
        conn, clients=concerned, source_types={asset.source_type_id for asset in loaded}
    )
    buckets: dict[int, list[Bucket]] = defaultdict(list)
    for bucket in found:
        buckets[bucket.client_id].append(bucket)
    return World(
        finalised={client.id: client.finalised_slot for client in clients},
        rules=decide,
        buckets=buckets,
        owners=owners | {bucket.id: bucket.client_id for bucket in found},
        choice=choice,
        decided=decided,
    )


async def save(conn: Connection, plans: Mapping[int, Plan]) -> tuple[int, int]:
    """Saves plans by asset and marks what they make dirty; returns how many assignments and bindings changed."""
    assignments = [(asset_id, plan.assignment) for asset_id, plan in plans.items()]
    bindings = [(series_id, change) for plan in plans.values() for series_id, change in plan.bindings.items()]
    if not (concerned := [asset_id for asset_id, plan in plans.items() if plan]):
        return 0, 0
    await conn.execute(_Q["unbound_later"])
    changed = await _save(conn, _ASSIGNMENTS, assignments), await _save(conn, _BINDINGS, bindings)
    looked_at = {"assets": concerned, "series": [series_id for series_id, _ in bindings]}
    await conn.execute(_Q["unbound_now"], looked_at)
    if changed[1]:
        # A statement of its own before looking at what was measured: what was being saved until now is seen.
        await conn.execute(_Q["hold_bound"])
        await execute(conn, _Q["mark_dirty"], _changed_spans(bindings))
    return changed


async def clear_flags(conn: Connection, assets: Sequence[int]) -> None:
    """These assets are worked out."""
    await execute(conn, _Q["clear_flags"], {"assets": list(assets)})


async def decide_by_hand(conn: Connection, assets: Sequence[int]) -> None:
    """Notes that somebody decided whose they are; that acknowledges them too."""
    await execute(conn, _Q["decide_by_hand"], {"assets": list(assets)})


async def flag(conn: Connection, assets: Iterable[int]) -> int:
    """These are to be worked out again; call while holding the rules."""
    return await execute(conn, _Q["flag"], {"assets": list(assets)})


async def flag_assets_of_client(conn: Connection, client_id: int) -> int:
    """All that the client's filters can see is to be worked out again; call while holding the rules."""
    return await execute(conn, _Q["flag_assets_of_client"], {"client_id": client_id})


async def flag_assets_of_rules(conn: Connection) -> int:
    """All that assignment rules can see is to be worked out again; call while holding the rules."""
    return await execute(conn, _Q["flag_assets_of_rules"])


async def _save(conn: Connection, kind: _Saving, changes: Sequence[tuple[int, Change]]) -> int:
    """Changes with the id of the asset or series they are about, in the order that ``Change`` asks for."""
    removed = [span.id for _, change in changes for span in change.removed]
    for part in _parts(removed):
        await execute(conn, kind.remove, {"ids": list(part)})
    resized = [pair for _, change in changes for pair in change.resized]
    shorter = [pair for pair in resized if pair[1].to_slot < pair[0].to_slot]
    longer = [pair for pair in resized if pair[1].to_slot >= pair[0].to_slot]
    for pairs in (*_parts(shorter), *_parts(longer)):
        params = {
            "ids": [held.id for held, _ in pairs],
            "to_slots": [wanted.to_slot for _, wanted in pairs],
            "rules": [wanted.rule_id for _, wanted in pairs],
        }
        await execute(conn, kind.resize, params)
    added = [(of_id, span) for of_id, change in changes for span in change.added]
    for rows in _parts(added):
        params = {
            "of_ids": [of_id for of_id, _ in rows],
            "owners": [span.owner_id for _, span in rows],
            "from_slots": [span.from_slot for _, span in rows],
            "to_slots": [span.to_slot for _, span in rows],
            "rules": [span.rule_id for _, span in rows],
            "by_hand": [span.by_hand for _, span in rows],
        }
        await execute(conn, kind.add, params)
    return len(removed) + len(resized) + len(added)


def _parts(rows: Sequence[_T]) -> list[Sequence[_T]]:
    """What one statement takes: triggers look at its rows together, and at many together slowly."""
    return [rows[at : at + ROWS_PER_STATEMENT_MAX] for at in range(0, len(rows), ROWS_PER_STATEMENT_MAX)]


def _changed_spans(changes: Iterable[tuple[int, Change]]) -> dict[str, Any]:
    """Per bucket and series the slots that it got or lost."""
    spans: list[tuple[int, int, int, int]] = []
    for series_id, change in changes:
        whole: list[Span] = [*change.removed, *change.added]
        spans += [(span.owner_id, series_id, span.from_slot, span.to_slot) for span in whole]
        for held, wanted in change.resized:
            ends = sorted((held.to_slot, wanted.to_slot))
            spans.append((held.owner_id, series_id, ends[0], ends[1]))
    columns = list(zip(*spans, strict=True))
    names = ("buckets", "series", "from_slots", "to_slots")
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


def _series(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[Series]]:
    """By asset; the bindings of one series stand side by side."""
    found: dict[int, list[Series]] = defaultdict(list)
    last, bindings = None, list[Held]()
    for series_id, asset_id, unit_type_id, key, owner_id, from_slot, to_slot, by_hand in rows:
        if series_id != last:
            last, bindings = series_id, []
            found[asset_id].append(Series(id=series_id, unit_type_id=unit_type_id, bindings=bindings))
        if key is not None:
            bindings.append(
                Held(id=key, owner_id=owner_id, from_slot=from_slot, to_slot=to_slot, by_hand=by_hand)
            )
    return found


async def _tuples(
    conn: Connection, query: LiteralString, asked: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """Rows of plain numbers as they come: there are very many of them."""
    async with conn.cursor(binary=True) as cursor:
        await cursor.execute(query, asked)
        return await cursor.fetchall()


def _facts(row: _AssetRow) -> Facts:
    return Facts(
        source_type=row.source_type,
        external_id=row.external_id,
        name=row.name,
        address=row.address,
        agent=row.agent,
        site=row.site,
        labels=row.labels,
    )
