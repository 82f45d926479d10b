"""Paths of days to come: drawn by weekday, scaled to the level, the same for the same chances."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.forecast import DAYS_PER_WEEK, HISTORY_DAYS_MIN, Path, paths


def ends(days: list[float], found: list[Path]) -> list[float]:
    return sorted(sum(days[place] * factor for place, factor in path) for path in found)


def test_two_weeks_of_history_are_needed() -> None:
    with pytest.raises(ValueError, match="14 days"):
        paths([1.0] * (HISTORY_DAYS_MIN - 1), remaining=3, chance=Random(1).random)


def test_steady_usage_goes_on_as_it_was() -> None:
    found = paths([10.0] * 30, remaining=15, chance=Random(1).random)
    assert ends([10.0] * 30, found) == pytest.approx([150.0] * len(found))


def test_days_are_drawn_from_the_same_weekday() -> None:
    days = [float(i) for i in range(35)]
    for path in paths(days, remaining=10, chance=Random(2).random):
        assert [place % DAYS_PER_WEEK for place, _ in path] == [day % DAYS_PER_WEEK for day in range(10)]


def test_a_weekend_to_come_is_not_a_working_day() -> None:
    days = [100.0, 100.0, 100.0, 100.0, 100.0, 10.0, 10.0] * 6 + [100.0] * 5
    found = ends(days, paths(days, remaining=2, chance=Random(3).random))
    assert found[len(found) // 2] == pytest.approx(20, rel=0.2)


def test_after_a_step_the_new_level_goes_on() -> None:
    days = [100.0] * 30 + [200.0] * 10
    found = ends(days, paths(days, remaining=10, chance=Random(4).random))
    assert found[len(found) // 2] == pytest.approx(2000, rel=0.15)


def test_the_same_chances_give_the_same_paths() -> None:
    days = [float(5 + i % 11) for i in range(40)]
    once, again = (paths(days, remaining=9, chance=Random(5).random) for _ in range(2))
    assert once == again


def test_nothing_to_come_is_drawn_from_nothing() -> None:
    assert ends([1.0] * 20, paths([1.0] * 20, remaining=0, chance=Random(6).random)) == [0] * 200


@given(
    st.lists(st.floats(0, 1e12), min_size=HISTORY_DAYS_MIN, max_size=100),
    st.integers(0, 92),
    st.integers(0, 2**32),
)
def test_whatever_was_used_no_path_is_negative_or_endless(
    days: list[float], remaining: int, seed: int
) -> None:
    for path in paths(days, remaining=remaining, chance=Random(seed).random, count=20):
        assert len(path) == remaining
        assert all(0 <= place < len(days) and 0 <= days[place] * factor < 1e18 for place, factor in path)
