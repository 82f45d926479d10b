"""The slots touched are exactly those that an obvious search finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.touch import MINUTE_US, WIDTHS, Reach, expand, reach_of_ticks

# Around a border of all widths, fine enough that ticks fall on borders and next to them.
BASE_US = 1_772_366_400_000_000
MOMENTS = st.one_of(
    st.integers(-300, 300).map(lambda minutes: BASE_US + minutes * MINUTE_US),
    st.tuples(st.integers(-60, 60), st.sampled_from([-1, 1])).map(
        lambda m: BASE_US + m[0] * 5 * MINUTE_US + m[1]
    ),
)
SPANS = st.tuples(MOMENTS, MOMENTS).map(sorted)


def slots_by_search(since: int, ticked: int, *, width: int, amount: bool) -> set[int]:
    """Starts of the slots (start, start + width] in which the tick has a part, by asking each one around."""
    step = width * MINUTE_US
    low = (since // step) * step - 2 * step
    found = set()
    for start in range(low, ticked + 2 * step, step):
        at_in = start < ticked <= start + step
        # A part of (since, ticked] lies in (start, start + step].
        overlaps = max(since, start) < min(ticked, start + step)
        if at_in or (amount and overlaps):
            found.add(start)
    return found


@given(
    st.lists(st.tuples(SPANS, st.sets(st.sampled_from(WIDTHS))), min_size=1, max_size=6), st.integers(1, 3)
)
def test_touched_slots_are_those_an_obvious_search_finds(
    ticks: list[tuple[list[int], set[int]]], agents: int
) -> None:
    ticked = np.array([span[1] for span, _ in ticks], np.int64)
    since = np.array([span[0] for span, _ in ticks], np.int64)
    # An amount without a span does not get here.
    carries = [{w for w in widths if span[0] < span[1]} for span, widths in ticks]
    amounts = {w: np.array([i for i, c in enumerate(carries) if w in c], np.int64) for w in WIDTHS}
    reach = reach_of_ticks(ticked, since, widths=WIDTHS, amounts=amounts)
    repeated = Reach(*(np.tile(column, agents) for column in (reach.width, reach.first, reach.last)))
    who = np.repeat(np.arange(agents, dtype=np.int64), len(reach.width))
    agent, width, slot = expand(who, repeated)
    got = list(zip(agent.tolist(), width.tolist(), (slot * 5 * MINUTE_US).tolist(), strict=True))
    expected = {
        (who, w, start)
        for who in range(agents)
        for w in WIDTHS
        for (since_us, ticked_us), c in zip((span for span, _ in ticks), carries, strict=True)
        for start in slots_by_search(since_us, ticked_us, width=w, amount=w in c)
    }
    assert set(got) == expected
    assert len(got) == len(expected), "a slot is listed twice"


def test_a_tick_on_a_border_belongs_to_the_slot_that_ends_there() -> None:
    reach = reach_of_ticks(
        np.array([BASE_US]), np.array([BASE_US - MINUTE_US]), widths=(60,), amounts={60: np.array([0])}
    )
    _, _, slot = expand(np.zeros(1, np.int64), reach)
    assert slot.tolist() == [BASE_US // (5 * MINUTE_US) - 12]


def test_nothing_reaches_nowhere() -> None:
    empty = np.zeros(0, np.int64)
    assert [len(column) for column in expand(empty, Reach(empty, empty, empty))] == [0, 0, 0]
