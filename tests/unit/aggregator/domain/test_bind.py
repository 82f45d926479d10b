"""Whose an asset is and where its series are counted: examples of each rule, and what must hold for any world."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.bind import (
    Asset,
    Bucket,
    Change,
    Held,
    Plan,
    Rule,
    Series,
    Span,
    World,
    agreed,
    difference,
    plan,
    plan_by_hand,
)
from aggregator.domain.match import Facts
from aggregator.domain.slot import OPEN_SLOT, slot_start

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


def test_an_asset_without_a_rule_belongs_to_nobody() -> None:
    assert not plan(asset(), world(bucket(1), rules=[rule(1, A, fits=False)]))


def test_the_rule_with_the_higher_priority_wins_then_the_older() -> None:
    rules = [rule(1, A), rule(2, B, priority=5), rule(3, A, priority=5)]
    made = plan(asset(), world(rules=rules))
    assert made.assignment.added == [span(B, 0, rule_id=2)]


def test_assignment_by_hand_beats_rules() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    assert not plan(mine, world(rules=[rule(1, B)]))


def test_what_was_unassigned_by_hand_stays_unassigned() -> None:
    assert not plan(asset(by_hand=True), world(rules=[rule(1, B)]))


def test_an_assignment_starts_where_the_clients_finalised_time_ends() -> None:
    made = plan(asset(), world(finalised={A: 288}, rules=[rule(1, A)]))
    assert made.assignment.added == [span(A, 288, rule_id=1)]


def test_a_move_leaves_finalised_time_with_the_old_client() -> None:
    mine = asset(held(1, A, 0), bindings=[held(4, 1, 0)])
    here = world(bucket(1), bucket(2, B), finalised={A: 288, B: 144})
    made = plan_by_hand(mine, here, client_id=B)
    assert applied(mine.assignments, made.assignment) == [span(A, 0, 288), span(B, 288)]
    assert bindings_after(mine, made) == [span(1, 0, 288), span(2, 288)]


def test_ending_an_assignment_frees_all_unfinalised_time() -> None:
    mine = asset(held(1, A, 0, rule_id=9), bindings=[held(4, 1, 0)])
    made = plan_by_hand(mine, world(bucket(1), finalised={A: 288}), client_id=None)
    assert applied(mine.assignments, made.assignment) == [span(A, 0, 288, rule_id=9)]
    assert bindings_after(mine, made) == [span(1, 0, 288)]


def test_a_series_is_bound_from_where_the_first_terms_start() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    assert bindings_after(mine, plan(mine, world(bucket(1, start=600)))) == [span(1, 600)]


def test_the_higher_priority_takes_over_where_it_starts() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    here = world(bucket(1, start=100), bucket(2, priority=1, start=600))
    assert bindings_after(mine, plan(mine, here)) == [span(1, 100, 600), span(2, 600)]


def test_among_equal_buckets_the_older_wins() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    assert bindings_after(mine, plan(mine, world(bucket(2), bucket(1)))) == [span(1, 0)]


def test_filters_see_only_assets_of_their_own_client() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    assert not plan(mine, world(bucket(1, B))).bindings


def test_ended_and_other_kinds_of_buckets_take_nothing() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    others = [
        replace(bucket(1), spans=()),
        replace(bucket(2), source_type_id=1),
        replace(bucket(3), unit_type_id=9),
        bucket(4, fits=False),
    ]
    assert not plan(mine, world(*others))


def test_a_binding_by_hand_stays_and_filters_fill_the_rest() -> None:
    mine = asset(held(1, A, 0), by_hand=True, bindings=[held(4, 2, 100, 200, by_hand=True)])
    here = world(bucket(1), bucket(2, fits=False))
    assert bindings_after(mine, plan(mine, here)) == [span(1, 0, 100), span(2, 100, 200), span(1, 200)]


def test_a_better_bucket_takes_only_unfinalised_time() -> None:
    mine = asset(held(1, A, 0), by_hand=True, bindings=[held(4, 1, 0)])
    here = world(bucket(1), bucket(2, priority=1), finalised={A: 288})
    made = plan(mine, here)
    assert bindings_after(mine, made) == [span(1, 0, 288), span(2, 288)]
    # The stored row is shortened, not replaced: evidence names it by its id.
    assert made.bindings[7].removed == []


def test_what_belongs_to_somebody_unknown_is_left_as_it_is() -> None:
    mine = asset(held(1, 99, 0), bindings=[held(4, 98, 0)])
    made = plan(mine, world(bucket(1), rules=[rule(1, A)]))
    assert not made


def test_a_binding_pauses_with_its_buckets_terms() -> None:
    mine = asset(held(1, A, 0), by_hand=True, bindings=[held(4, 1, 0)])
    here = world(bucket(1, spans=[(0, 100), (200, OPEN_SLOT)]))
    assert bindings_after(mine, plan(mine, here)) == [span(1, 0, 100), span(1, 200)]


def test_where_the_better_bucket_has_ended_the_next_one_counts() -> None:
    mine = asset(held(1, A, 0), by_hand=True)
    here = world(bucket(1), bucket(2, priority=1, spans=[(100, 200)]))
    assert bindings_after(mine, plan(mine, here)) == [span(1, 0, 100), span(2, 100, 200), span(1, 200)]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_terms_that_follow_one_another_are_one_span_and_an_end_cuts_it() -> None:
    def slots(*terms: tuple[str, str | None]) -> list[tuple[str, str]]:
        read = [(date.fromisoformat(a), None if b is None else date.fromisoformat(b)) for a, b in terms]
        return [
            (slot_start(a).date().isoformat(), "open" if b == OPEN_SLOT else slot_start(b).date().isoformat())
            for a, b in agreed(read, first_instant=midnight, width=12)
        ]

    assert slots(("2026-01-01", None)) == [("2026-01-01", "open")]
    assert slots(("2026-02-01", None), ("2026-01-01", None)) == [("2026-01-01", "open")]
    assert slots(("2026-01-01", "2026-02-01"), ("2026-03-01", None)) == [
        ("2026-01-01", "2026-02-01"),
        ("2026-03-01", "open"),
    ]
    # An end beyond the next start says nothing: the next ones hold from there on.
    assert slots(("2026-01-01", "2026-05-01"), ("2026-02-01", "2026-03-01")) == [("2026-01-01", "2026-03-01")]
    assert slots() == []


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
