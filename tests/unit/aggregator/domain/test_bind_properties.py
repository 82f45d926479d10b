"""Whose an asset is and where its series are counted: what must hold for any world."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.bind import (
    Asset,
    Held,
    Plan,
    Span,
    World,
    difference,
    plan,
    plan_by_hand,
)
from aggregator.domain.slot import OPEN_SLOT
from tests.bind_world import (
    FACTS,
    A,
    B,
    applied,
    asset,
    bindings_after,
    bucket,
    held,
    rule,
    span,
    world,
)

CLIENTS = st.sampled_from([A, B])
SLOTS = st.integers(0, 40)


@st.composite
def disjoint(draw: st.DrawFn, owners: st.SearchStrategy[int], *, hands: bool) -> list[Held]:
    """Spans as the database can hold them: apart, each of some owner."""
    edges = sorted(draw(st.sets(SLOTS, max_size=8)))
    rows = []
    for key, (start, end) in enumerate(itertools.pairwise(edges)):
        if draw(st.booleans()):
            last = OPEN_SLOT if key == len(edges) - 2 and draw(st.booleans()) else end
            rows.append(
                held(
                    key,
                    draw(owners),
                    start,
                    last,
                    rule_id=None if hands else draw(st.none() | st.integers(1, 3)),
                    by_hand=hands and draw(st.booleans()),
                )
            )
    return rows


@st.composite
def agreements(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Spans of terms: apart, in order, the last one perhaps open."""
    edges = sorted(draw(st.sets(SLOTS, min_size=1, max_size=5)))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    if len(edges) % 2:
        spans.append((edges[-1], OPEN_SLOT))
    return spans


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Asset, World]:
    buckets = [
        bucket(
            key,
            draw(CLIENTS),
            priority=draw(st.integers(0, 2)),
            spans=draw(agreements()),
            fits=draw(st.booleans()),
        )
        for key in range(1, draw(st.integers(1, 6)))
    ]
    rules = [
        rule(key, draw(CLIENTS), priority=draw(st.integers(0, 2)), fits=draw(st.booleans()))
        for key in (1, 2, 3)
    ]
    finalised = {A: draw(SLOTS), B: draw(SLOTS)}
    names = st.sampled_from([one.id for one in buckets] or [1])
    mine = asset(
        *draw(disjoint(CLIENTS, hands=False)),
        bindings=draw(disjoint(names, hands=True)) if buckets else [],
        by_hand=draw(st.booleans()),
    )
    return mine, world(*buckets, finalised=finalised, rules=rules)


PLANS = st.one_of(st.just("rules"), st.sampled_from([A, B]), st.none())


def planned(mine: Asset, here: World, how: str | int | None) -> Plan:
    if isinstance(how, str):
        return plan(mine, here)
    return plan_by_hand(mine, here, client_id=how)


def after(mine: Asset, made: Plan) -> Asset:
    """The asset as it is stored once the plan is carried out."""
    hands = {(b.from_slot, b.owner_id) for b in mine.series[0].bindings if b.by_hand}
    assignments = applied(mine.assignments, made.assignment)
    bindings = bindings_after(mine, made)
    return replace(
        mine,
        assignments=[
            held(k, s.owner_id, s.from_slot, s.to_slot, rule_id=s.rule_id) for k, s in enumerate(assignments)
        ],
        series=(
            replace(
                mine.series[0],
                bindings=[
                    held(k, s.owner_id, s.from_slot, s.to_slot, by_hand=(s.from_slot, s.owner_id) in hands)
                    for k, s in enumerate(bindings)
                ],
            ),
        ),
    )


def owner_at(spans: Sequence[Span], slot: int) -> int | None:
    return next((s.owner_id for s in spans if s.from_slot <= slot < s.to_slot), None)


@given(worlds(), PLANS)
def test_carrying_out_a_plan_never_overlaps_and_is_done_once(
    given_world: tuple[Asset, World], how: str | int | None
) -> None:
    mine, here = given_world
    done = after(mine, planned(mine, here, how))
    assert not planned(done, here, how)


@given(worlds(), PLANS)
def test_finalised_time_is_never_touched(given_world: tuple[Asset, World], how: str | int | None) -> None:
    mine, here = given_world
    done = after(mine, planned(mine, here, how))
    for slot in range(42):
        before, now = owner_at(mine.assignments, slot), owner_at(done.assignments, slot)
        if before != now:
            assert all(owner is None or slot >= here.finalised[owner] for owner in (before, now))
        before, now = (owner_at(one.series[0].bindings, slot) for one in (mine, done))
        if before != now:
            owners = [here.owners[key] for key in (before, now) if key is not None]
            assert all(slot >= here.finalised[owner] for owner in owners)


@given(worlds(), PLANS)
def test_each_slot_is_counted_where_the_rules_say(
    given_world: tuple[Asset, World], how: str | int | None
) -> None:
    mine, here = given_world
    done = after(mine, planned(mine, here, how))
    hands = [b for b in mine.series[0].bindings if b.by_hand]
    for slot in range(42):
        now = owner_at(done.series[0].bindings, slot)
        if (hand := owner_at(hands, slot)) is not None:
            assert now == hand
            continue
        was = owner_at(mine.series[0].bindings, slot)
        if was is not None and slot < here.finalised[here.owners[was]]:
            continue
        client = owner_at(done.assignments, slot)
        able = [
            one
            for one in here.buckets.get(client or 0, ())
            if one.fits(FACTS)
            and any(start <= slot < end for start, end in one.spans)
            and slot >= here.finalised[one.client_id]
        ]
        best = min(able, key=lambda one: (-one.priority, one.id), default=None)
        assert now == (best.id if best else None)


@given(disjoint(st.integers(1, 3), hands=False), disjoint(st.integers(1, 3), hands=False))
def test_a_difference_applied_gives_what_was_wanted(stored: list[Held], goal: list[Held]) -> None:
    wanted = [span(g.owner_id, g.from_slot, g.to_slot, rule_id=g.rule_id) for g in goal]
    change = difference(stored, wanted)
    assert applied(stored, change) == wanted
    kept = {(w.owner_id, w.from_slot) for w in wanted}
    assert all((row.owner_id, row.from_slot) not in kept for row in change.removed)
