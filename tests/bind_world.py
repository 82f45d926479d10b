"""Builders of assets, buckets and rules for tests of binding, and plans carried out as the database would."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from aggregator.domain.bind import Asset, Bucket, Change, Held, Plan, Rule, Series, Span, World
from aggregator.domain.match import Facts
from aggregator.domain.slot import OPEN_SLOT

FACTS = Facts(source_type="vm", external_id="x", name="web-1", address="", agent="a", site="s")
A, B = 1, 2


def yes(_: Facts) -> bool:
    return True


def no(_: Facts) -> bool:
    return False


def bucket(
    key: int,
    client: int = A,
    *,
    priority: int = 0,
    start: int = 0,
    fits: bool = True,
    spans: Sequence[tuple[int, int]] | None = None,
) -> Bucket:
    return Bucket(
        id=key,
        client_id=client,
        source_type_id=5,
        unit_type_id=3,
        priority=priority,
        spans=[(start, OPEN_SLOT)] if spans is None else spans,
        fits=yes if fits else no,
    )


def world(*buckets: Bucket, finalised: dict[int, int] | None = None, rules: Sequence[Rule] = ()) -> World:
    per_client: dict[int, list[Bucket]] = {}
    for one in buckets:
        per_client.setdefault(one.client_id, []).append(one)
    return World(
        finalised={A: 0, B: 0} | (finalised or {}),
        rules=rules,
        buckets=per_client,
        owners={one.id: one.client_id for one in buckets},
    )


def rule(key: int, client: int, *, priority: int = 0, fits: bool = True) -> Rule:
    return Rule(id=key, client_id=client, priority=priority, fits=yes if fits else no)


def asset(
    *assignments: Held, bindings: Sequence[Held] = (), by_hand: bool = False, unit_type: int = 3
) -> Asset:
    series = Series(id=7, unit_type_id=unit_type, bindings=bindings)
    return Asset(
        id=1, source_type_id=5, facts=FACTS, by_hand=by_hand, assignments=assignments, series=(series,)
    )


def held(
    key: int,
    owner: int,
    start: int,
    end: int = OPEN_SLOT,
    *,
    rule_id: int | None = None,
    by_hand: bool = False,
) -> Held:
    return Held(id=key, owner_id=owner, from_slot=start, to_slot=end, rule_id=rule_id, by_hand=by_hand)


def span(owner: int, start: int, end: int = OPEN_SLOT, *, rule_id: int | None = None) -> Span:
    return Span(owner_id=owner, from_slot=start, to_slot=end, rule_id=rule_id)


def applied(stored: Sequence[Held], change: Change) -> list[Span]:
    """The spans after a change, checked step by step as the database would: never an overlap."""
    rows = {row.id: row for row in stored}
    for row in change.removed:
        del rows[row.id]
    steps = sorted(change.resized, key=lambda pair: pair[1].to_slot >= pair[0].to_slot)
    for row, goal in steps:
        rows[row.id] = replace(row, to_slot=goal.to_slot, rule_id=goal.rule_id)
        assert_apart(list(rows.values()))
    spans: list[Span] = list(rows.values())
    for added in change.added:
        spans.append(added)
        assert_apart(spans)
    return sorted(
        (span(s.owner_id, s.from_slot, s.to_slot, rule_id=s.rule_id) for s in spans),
        key=lambda s: s.from_slot,
    )


def assert_apart(spans: Sequence[Span]) -> None:
    ordered = sorted(spans, key=lambda s: s.from_slot)
    assert all(s.from_slot < s.to_slot for s in ordered)
    assert all(a.to_slot <= b.from_slot for a, b in itertools.pairwise(ordered))


def bindings_after(one: Asset, made: Plan) -> list[Span]:
    return applied(one.series[0].bindings, made.bindings.get(7, Change()))
