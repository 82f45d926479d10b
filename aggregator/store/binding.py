"""What assignments and bindings are worked out from, and how the differences are saved: whole chunks at a time.

Turns rows into what ``domain/bind.py`` asks for and back into arrays; decides nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import sql
from aggregator.domain.bind import Asset, Bucket, Change, Held, Plan, Rule, Series, Span, World
from aggregator.domain.match import (
    Condition,
    Facts,
    Filter,
    Matcher,
    Operator,
    PatternError,
    compile_conditions,
    compile_filters,
)
from aggregator.domain.period import Cycle
from aggregator.domain.slot import UNIT, first_slot
from aggregator.store.database import Connection, execute, fetch_all
from ullage.log import fields

_Q = sql.queries("binding")
_log = logging.getLogger(__name__)
_UNIT_MINUTES = int(UNIT.total_seconds()) // 60

Conditions = Sequence[Mapping[str, str]]


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
class _SeriesRow:
    id: int
    asset_id: int
    unit_type_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldRow(Held):
    of_id: int


@dataclass(frozen=True, slots=True)
class _PauseRow:
    asset_id: int
    from_slot: int
    to_slot: int


@dataclass(frozen=True, slots=True)
class _RuleRow:
    id: int
    client_id: int
    priority: int
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class _ClientRow:
    id: int
    finalised_slot: int


@dataclass(frozen=True, slots=True)
class _BucketRow:
    id: int
    client_id: int
    source_type_id: int
    unit_type_id: int
    priority: int
    enabled: bool
    slot_minutes: int
    time_zone: str
    cycle_unit: str
    cycle_count: int
    cycle_anchor: date
    starts_on: date
    filters: Sequence[Conditions]


async def share_rules(conn: Connection) -> None:
    """Keeps rules, filters and buckets from being created until this transaction ends. Call it first."""
    await conn.execute(_Q["share_rules"])


async def hold_rules(conn: Connection) -> None:
    """Waits for all who apply rules, and keeps them waiting until this transaction ends. Call it first."""
    await conn.execute(_Q["hold_rules"])


async def take_flagged(conn: Connection, *, assets_max: int) -> list[int]:
    """Locks assets that are to be worked out again and are nobody else's at the moment."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["take_flagged"], {"assets_max": assets_max})]


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
    assignments = _by_owner(await fetch_all(conn, _HeldRow, _Q["assignments"], asked))
    bindings = _by_owner(await fetch_all(conn, _HeldRow, _Q["bindings"], asked))
    paused: dict[int, list[Span]] = defaultdict(list)
    for pause in await fetch_all(conn, _PauseRow, _Q["pauses"], asked):
        span = Span(owner_id=0, from_slot=pause.from_slot, to_slot=pause.to_slot)
        paused[pause.asset_id].append(span)
    series: dict[int, list[Series]] = defaultdict(list)
    for one in await fetch_all(conn, _SeriesRow, _Q["series"], asked):
        series[one.asset_id].append(
            Series(id=one.id, unit_type_id=one.unit_type_id, bindings=bindings.get(one.id, ()))
        )
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


async def load_world(conn: Connection, ids: Sequence[int], *, also: Sequence[int] = ()) -> World:
    """Rules, clients and buckets that these assets have to do with, and the clients ``also``.

    Holds the clients, so that none of their time is finalised before this transaction ends.
    """
    rules = await fetch_all(conn, _RuleRow, _Q["rules"])
    clients = await fetch_all(conn, _ClientRow, _Q["clients"], {"assets": list(ids), "also": list(also)})
    known = {client.id: client.finalised_slot for client in clients}
    rows = await fetch_all(conn, _BucketRow, _Q["buckets"], {"clients": list(known)})
    buckets: dict[int, list[Bucket]] = defaultdict(list)
    for row in rows:
        buckets[row.client_id].append(_bucket(row))
    return World(
        finalised=known,
        # A rule's client that came between the two statements is for the next time.
        rules=[_rule(row) for row in rules if row.client_id in known],
        buckets=buckets,
        owners={row.id: row.client_id for row in rows},
    )


async def save(conn: Connection, plans: Mapping[int, Plan]) -> tuple[int, int]:
    """Saves plans by asset and marks what they make dirty; returns how many assignments and bindings changed."""
    assignments = [(asset_id, plan.assignment) for asset_id, plan in plans.items()]
    bindings = [(series_id, change) for plan in plans.values() for series_id, change in plan.bindings.items()]
    changed = await _save(conn, _ASSIGNMENTS, assignments), await _save(conn, _BINDINGS, bindings)
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


async def flag_assets_of_client(conn: Connection, client_id: int) -> int:
    """All that the client's filters can see is to be worked out again; call while holding the rules."""
    return await execute(conn, _Q["flag_assets_of_client"], {"client_id": client_id})


async def flag_assets_of_rules(conn: Connection) -> int:
    """All that assignment rules can see is to be worked out again; call while holding the rules."""
    return await execute(conn, _Q["flag_assets_of_rules"])


async def _save(conn: Connection, kind: _Saving, changes: Sequence[tuple[int, Change]]) -> int:
    """Changes with the id of the asset or series they are about, in the order that ``Change`` asks for."""
    removed = [span.id for _, change in changes for span in change.removed]
    if removed:
        await execute(conn, kind.remove, {"ids": removed})
    resized = [pair for _, change in changes for pair in change.resized]
    shorter = [pair for pair in resized if pair[1].to_slot < pair[0].to_slot]
    longer = [pair for pair in resized if pair[1].to_slot >= pair[0].to_slot]
    for pairs in (shorter, longer):
        if pairs:
            params = {
                "ids": [held.id for held, _ in pairs],
                "to_slots": [wanted.to_slot for _, wanted in pairs],
                "rules": [wanted.rule_id for _, wanted in pairs],
            }
            await execute(conn, kind.resize, params)
    added = [(of_id, span) for of_id, change in changes for span in change.added]
    if added:
        params = {
            "of_ids": [of_id for of_id, _ in added],
            "owners": [span.owner_id for _, span in added],
            "from_slots": [span.from_slot for _, span in added],
            "to_slots": [span.to_slot for _, span in added],
            "rules": [span.rule_id for _, span in added],
            "by_hand": [span.by_hand for _, span in added],
        }
        await execute(conn, kind.add, params)
    return len(removed) + len(resized) + len(added)


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


def _by_owner(rows: Iterable[_HeldRow]) -> dict[int, list[Held]]:
    """By the asset or series that the spans are about."""
    found: dict[int, list[Held]] = defaultdict(list)
    for row in rows:
        found[row.of_id].append(
            Held(
                id=row.id,
                owner_id=row.owner_id,
                from_slot=row.from_slot,
                to_slot=row.to_slot,
                rule_id=row.rule_id,
                by_hand=row.by_hand,
            )
        )
    return found


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


def _rule(row: _RuleRow) -> Rule:
    fits = _matcher("rule", row.id, [row.conditions], alternatives=False)
    return Rule(id=row.id, client_id=row.client_id, priority=row.priority, fits=fits)


def _bucket(row: _BucketRow) -> Bucket:
    cycle = Cycle(row.cycle_unit, row.cycle_count, row.cycle_anchor, row.time_zone)
    starts = cycle.first_instant(row.starts_on)
    return Bucket(
        id=row.id,
        client_id=row.client_id,
        source_type_id=row.source_type_id,
        unit_type_id=row.unit_type_id,
        priority=row.priority,
        enabled=row.enabled,
        from_slot=first_slot(starts, width=row.slot_minutes // _UNIT_MINUTES),
        fits=_matcher("bucket", row.id, row.filters, alternatives=True),
    )


def _matcher(noun: str, key: int, filters: Sequence[Conditions], *, alternatives: bool) -> Matcher:
    """Compiled conditions. They were checked when they were saved; should they fail now, they fit nothing, and say so."""
    try:
        read = [Filter(tuple(map(_condition, conditions))) for conditions in filters]
        return compile_filters(read) if alternatives else compile_conditions(read[0].conditions)
    except (PatternError, ValueError, KeyError) as error:
        _log.warning("stored conditions cannot be used", extra=fields(noun=noun, id=key, reason=str(error)))
        return lambda facts: False


def _condition(stored: Mapping[str, str]) -> Condition:
    return Condition(stored["field"], Operator(stored["operator"]), stored["pattern"])
