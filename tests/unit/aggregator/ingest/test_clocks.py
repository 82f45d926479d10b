"""Correcting times by the time since boot, whatever the agent's wall clock says (rows 29 and 31 of the catalogue)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest import limits
from aggregator.ingest.clocks import Clock, Sent, correct, judge_clock, offset_us
from aggregator.ingest.decode import Columns
from tests.ingest_batches import DAY_US, HOUR_US, MINUTE_US, NOON_US

SECOND_US = 1_000_000
ANY64 = st.integers(-(2**63), 2**63 - 1)


def columns(ticks: list[tuple[int, int, int]], *, boot_id: str = "boot") -> Columns:
    """Ticks as (ticked at, since, boottime)."""
    ticked, since, boottime = (np.array(c, np.int64) for c in zip(*ticks, strict=True))
    return Columns(
        dictionary=b"",
        boot_id=boot_id,
        series=np.zeros(0, np.uint32),
        values=np.zeros(0, np.int64),
        counts=np.zeros(len(ticks), np.int64),
        ticked_at=ticked.clip(limits.TIME_US_MIN, limits.TIME_US_MAX),
        since=since.clip(limits.TIME_US_MIN, limits.TIME_US_MAX),
        boottime=boottime,
        reported=[()] * len(ticks),
        failed=[()] * len(ticks),
    )


@given(
    error=st.integers(-60 * 365 * DAY_US, 60 * 365 * DAY_US).filter(lambda e: abs(e) > 60 * SECOND_US),
    ages=st.lists(st.integers(0, 30 * DAY_US), min_size=1, max_size=20),
    span=st.integers(1, DAY_US),
)
def test_a_wrong_clock_gives_the_true_times_while_the_boot_is_alive(
    error: int, ages: list[int], span: int
) -> None:
    """``error``: the agent's clock minus ours; ``ages``: how long before sending each tick truly was."""
    boottime = 60 * DAY_US
    ticks = [(NOON_US - age + error, NOON_US - age + error - span, boottime - age) for age in ages]
    sent = Sent(received_us=NOON_US, wall_us=NOON_US + error, boottime_us=boottime, boot_id="boot")
    found, clock = correct(columns(ticks), sent)
    assert found.ticked_at.tolist() == [NOON_US - age for age in ages]
    assert (found.ticked_at - found.since).tolist() == [span] * len(ages)
    assert clock == Clock(error // 1000, corrected=True, flagged=True)


@given(
    error=st.integers(-60 * SECOND_US, 60 * SECOND_US),
    age=st.integers(0, DAY_US),
)
def test_a_clock_within_a_minute_is_believed_and_flagged_above_two_seconds(error: int, age: int) -> None:
    ticks = [(NOON_US - age + error, NOON_US - age + error - MINUTE_US, DAY_US - age)]
    sent = Sent(received_us=NOON_US, wall_us=NOON_US + error, boottime_us=DAY_US, boot_id="boot")
    found, clock = correct(columns(ticks), sent)
    assert found.ticked_at.tolist() == [ticks[0][0]]
    assert (clock.corrected, clock.flagged) == (False, abs(error) > 2 * SECOND_US)


@pytest.mark.parametrize("boot_id", ["before", ""])
def test_ticks_of_another_boot_stay_as_they_are_and_are_flagged(boot_id: str) -> None:
    ticks = [(NOON_US - HOUR_US, NOON_US - HOUR_US - MINUTE_US, DAY_US)]
    sent = Sent(received_us=NOON_US, wall_us=NOON_US - HOUR_US, boottime_us=MINUTE_US, boot_id="boot")
    found, clock = correct(columns(ticks, boot_id=boot_id), sent)
    assert found.ticked_at.tolist() == [NOON_US - HOUR_US]
    assert clock == Clock(-3_600_000, corrected=False, flagged=True)


def test_an_agent_that_says_nothing_of_its_clock_is_believed() -> None:
    assert judge_clock(Sent(received_us=NOON_US)) == Clock()
    assert offset_us(NOON_US, 0) == 0


@given(
    ticks=st.lists(st.tuples(ANY64, ANY64, ANY64), min_size=1, max_size=5),
    wall=ANY64,
    boottime=ANY64,
)
def test_whatever_is_claimed_the_times_stay_within_what_can_be_stored(
    ticks: list[tuple[int, int, int]], wall: int, boottime: int
) -> None:
    sent = Sent(received_us=NOON_US, wall_us=wall, boottime_us=boottime, boot_id="boot")
    found, clock = correct(columns(ticks), sent)
    for column in (found.ticked_at, found.since):
        assert column.min() >= limits.TIME_US_MIN
        assert column.max() <= limits.TIME_US_MAX
    assert abs(clock.offset_ms) < 2**62
