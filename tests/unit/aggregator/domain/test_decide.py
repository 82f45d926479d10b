"""Decisions about single assets: borders, finalised time, and what is refused."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.bind import Asset, Bucket, Change, Held, Plan, Series, World
from aggregator.domain.decide import (
    ByHand,
    Reason,
    Refused,
    assigned,
    bound,
    paused,
    released,
    unbound,
)
from aggregator.domain.match import Facts
from aggregator.domain.merge import merged
from aggregator.domain.slot import OPEN_SLOT

FACTS = Facts(source_type="host", external_id="h", name="h", address="", agent="a", site="s")
FINALISED = 100
ACME, BETA = 1, 2


def bucket(key: int, client: int, *, start: int = 0, end: int = OPEN_SLOT) -> Bucket:
    return Bucket(
        id=key,
        client_id=client,
        source_type_id=1,
        unit_type_id=1,
        priority=0,
        spans=((start, end),),
        fits=lambda facts: True,
    )


OF_ACME, OTHER, OF_BETA = bucket(10, ACME), bucket(11, ACME), bucket(20, BETA)
WORLD = World(
    {ACME: FINALISED, BETA: FINALISED},
    buckets={ACME: [OF_ACME, OTHER], BETA: [OF_BETA]},
    owners={10: ACME, 11: ACME, 20: BETA},
)


def held(key: int, owner: int, start: int, end: int = OPEN_SLOT, *, by_hand: bool = False) -> Held:
    return Held(id=key, owner_id=owner, from_slot=start, to_slot=end, by_hand=by_hand)


def asset(assignments: Sequence[Held], bindings: Sequence[Held], *, key: int = 1) -> Asset:
    series = Series(id=key, unit_type_id=1, bindings=bindings)
    return Asset(
        id=key, source_type_id=1, facts=FACTS, by_hand=True, assignments=assignments, series=[series]
    )


def after(spans: Sequence[Held], change: Change) -> list[tuple[int, int, int]]:
    """What is stored once the change is applied."""
    gone = {span.id for span in change.removed}
    ends = {span.id: wanted.to_slot for span, wanted in change.resized}
    kept = [(s.owner_id, s.from_slot, ends.get(s.id, s.to_slot)) for s in spans if s.id not in gone]
    return sorted(
        [*kept, *((s.owner_id, s.from_slot, s.to_slot) for s in change.added)], key=lambda span: span[1]
    )


def results(one: Asset, plan: Plan) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    [series] = one.series
    return after(one.assignments, plan.assignment), after(
        series.bindings, plan.bindings.get(series.id, Change())
    )


MINE = asset([held(1, ACME, 0)], [held(1, 10, 0)])


@pytest.mark.parametrize("at", [FINALISED, FINALISED + 12, 10_000])
def test_a_move_divides_at_its_slot(at: int) -> None:
    owners, bindings = results(MINE, assigned(MINE, WORLD, client_id=BETA, from_slot=at))
    assert owners == [(ACME, 0, at), (BETA, at, OPEN_SLOT)]
    assert bindings == [(10, 0, at), (20, at, OPEN_SLOT)]


def test_a_move_one_slot_into_finalised_time_is_refused() -> None:
    for client in (BETA, None):
        with pytest.raises(Refused) as refused:
            assigned(MINE, WORLD, client_id=client, from_slot=FINALISED - 1)
        assert (refused.value.reason, refused.value.slot) == (Reason.FINALISED, FINALISED)


def test_a_move_back_leaves_nothing_of_the_first() -> None:
    moved = asset([held(1, ACME, 0, 200), held(2, BETA, 200)], [held(1, 10, 0, 200), held(2, 20, 200)])
    assert results(moved, assigned(moved, WORLD, client_id=ACME, from_slot=200)) == (
        [(ACME, 0, OPEN_SLOT)],
        [(10, 0, OPEN_SLOT)],
    )


def test_a_binding_by_hand_survives_where_its_client_stays() -> None:
    one = asset([held(1, ACME, 0)], [held(1, 10, 0, 150), held(2, 11, 150, by_hand=True)])
    plan = assigned(one, WORLD, client_id=BETA, from_slot=200)
    assert results(one, plan)[1] == [(10, 0, 150), (11, 150, 200), (20, 200, OPEN_SLOT)]
    assert not assigned(one, WORLD, client_id=ACME)


def test_without_rules_a_released_asset_is_nobodys_from_the_end_of_finalised_time() -> None:
    assert results(MINE, released(MINE, WORLD)) == ([(ACME, 0, FINALISED)], [(10, 0, FINALISED)])


@pytest.mark.parametrize(("at", "ends"), [(0, FINALISED), (FINALISED, FINALISED), (144, 144)])
def test_a_pause_ends_bindings_of_either_kind_but_never_in_finalised_time(at: int, ends: int) -> None:
    for by_hand in (False, True):
        one = asset([held(1, ACME, 0)], [held(1, 10, 0, by_hand=by_hand)])
        assert results(one, paused(one, WORLD, from_slot=at)) == ([(ACME, 0, OPEN_SLOT)], [(10, 0, ends)])


def test_unbinding_touches_the_named_buckets_and_unfinalised_time_only() -> None:
    one = asset([held(1, ACME, 0)], [held(1, 11, 0, by_hand=True)])
    assert not unbound(one, WORLD, bucket_ids=frozenset({10}))
    assert results(one, unbound(one, WORLD, bucket_ids=frozenset({11})))[1] == [
        (11, 0, FINALISED),
        (10, FINALISED, OPEN_SLOT),
    ]


def hand(*buckets: Bucket, client: int = ACME, **times: int) -> ByHand:
    return ByHand(client_id=client, buckets=buckets, **times)


def test_what_is_bound_by_hand_and_nobodys_becomes_the_clients() -> None:
    free = asset([], [])
    owners, bindings = results(free, bound(free, WORLD, hand(OTHER, from_slot=120, to_slot=144)))
    assert owners == [(ACME, 120, OPEN_SLOT)]
    assert bindings == [(11, 120, 144), (10, 144, OPEN_SLOT)]


def test_what_another_client_had_before_stays_its_own() -> None:
    was = asset([held(1, BETA, 0, 150)], [held(1, 20, 0, 150)])
    owners, bindings = results(was, bound(was, WORLD, hand(OTHER)))
    assert owners == [(BETA, 0, 150), (ACME, 150, OPEN_SLOT)]
    assert bindings == [(20, 0, 150), (11, 150, OPEN_SLOT)]


def test_bindings_by_hand_are_not_made_before_the_buckets_terms() -> None:
    late = bucket(11, ACME, start=300)
    assert results(MINE, bound(MINE, WORLD, hand(late)))[1] == [(10, 0, 300), (11, 300, OPEN_SLOT)]
    with pytest.raises(Refused) as refused:
        bound(MINE, WORLD, hand(bucket(11, ACME, end=120), from_slot=120))
    assert refused.value.reason is Reason.NO_TERMS


@pytest.mark.parametrize(
    ("one", "decision", "reason"),
    [
        (MINE, hand(OF_BETA, client=BETA), Reason.OTHER_CLIENT),
        (MINE, hand(OTHER, from_slot=99), Reason.FINALISED),
        (MINE, hand(OTHER, from_slot=50, backdate_to=60), Reason.TOO_OLD),
        (MINE, hand(OTHER, from_slot=60, backdate_to=60), Reason.BOUND),
        (
            asset([held(1, ACME, 0)], [held(1, 10, 150, 160, by_hand=True)]),
            hand(OTHER, from_slot=159),
            Reason.BY_HAND,
        ),
    ],
)
def test_what_is_in_the_way_is_named(one: Asset, decision: ByHand, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        bound(one, WORLD, decision)
    assert refused.value.reason is reason


def test_backdating_binds_where_nothing_was() -> None:
    bare = asset([held(1, ACME, 0)], [held(1, 10, 90)])
    with pytest.raises(Refused):
        bound(bare, WORLD, hand(OTHER, from_slot=60, backdate_to=60))
    plan = bound(bare, WORLD, hand(OTHER, from_slot=60, to_slot=90, backdate_to=60))
    assert results(bare, plan)[1] == [(11, 60, 90), (10, 90, OPEN_SLOT)]


borders = st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True).map(sorted)


@given(borders, st.lists(st.sampled_from([ACME, BETA]), min_size=8, max_size=8), st.integers(FINALISED, 500))
def test_no_move_changes_finalised_time_or_leaves_two_owners(
    edges: list[int], clients: list[int], at: int
) -> None:
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    owners = [held(n, clients[n], start, end) for n, (start, end) in enumerate(pairs)]
    bindings = [held(n, clients[n] * 10, start, end) for n, (start, end) in enumerate(pairs)]
    one = asset(owners, bindings)
    assignments, bound_to = results(one, assigned(one, WORLD, client_id=BETA, from_slot=at))
    for spans, held_before in ((assignments, owners), (bound_to, bindings)):
        assert all(first[2] <= second[1] for first, second in pairwise(spans))
        for slot in range(FINALISED):
            before = [s.owner_id for s in held_before if s.from_slot <= slot < s.to_slot]
            assert before == [owner for owner, start, end in spans if start <= slot < end]
    assert [owner for owner, start, end in assignments if start <= at < end] == [BETA]


def test_a_merged_asset_has_one_owner_and_one_bucket_by_hand() -> None:
    gone = asset([held(1, BETA, 100, 200)], [held(1, 20, 100, 200)], key=1)
    into = asset([held(2, ACME, 150)], [held(2, 11, 150, by_hand=True)], key=2)
    made = merged(gone, into, WORLD)
    assert after(gone.assignments, made.gone.assignment) == []
    assert after(into.assignments, made.into.assignment) == [(BETA, 100, 150), (ACME, 150, OPEN_SLOT)]
    assert after(gone.series[0].bindings, made.into.bindings[1]) == [(20, 100, 150), (11, 150, OPEN_SLOT)]


def test_two_clients_of_finalised_time_cannot_be_merged() -> None:
    gone = asset([held(1, BETA, 99)], [], key=1)
    with pytest.raises(Refused) as refused:
        merged(gone, MINE, WORLD)
    assert (refused.value.reason, refused.value.slot) == (Reason.OTHER_CLIENT, 99)
    merged(asset([held(1, BETA, 100)], [], key=3), MINE, WORLD)
