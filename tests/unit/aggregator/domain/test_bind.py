"""Whose an asset is and where its series are counted: examples of each rule."""

from dataclasses import replace
from datetime import UTC, date, datetime

from aggregator.domain.bind import (
    agreed,
    plan,
    plan_by_hand,
)
from aggregator.domain.slot import OPEN_SLOT, slot_start
from tests.bind_world import A, B, applied, asset, bindings_after, bucket, held, rule, span, world


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
