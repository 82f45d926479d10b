"""The short way gives what the long way gives, and leaves to it whatever is not usual."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.admit import Admitted, Resolved, admit
from aggregator.ingest.decode import Columns, decode
from aggregator.ingest.quarantine import Fault
from aggregator.ingest.touch import expand
from aggregator.ingest.usual import TICKS_MAX, take_usual
from tests.ingest_batches import HOUR_US, MINUTE_US, NOON_US, Series, Tick, encoded

AGENT = 7
SERIES = [Series("ram", external_id=f"h{n}") for n in range(6)]


def columns_of(*ticks: Tick) -> Columns:
    columns = decode(encoded(*ticks))
    assert isinstance(columns, Columns)
    return columns


def resolved_as(
    ids: Sequence[int], *, amounts: Sequence[bool] = (), minutes: Sequence[int] = (), fault: int = 0
) -> Resolved:
    """``fault`` is of the last series."""
    faults = np.zeros(len(ids), np.uint8)
    faults[-1] = fault
    widths = minutes or [60] * len(ids)
    return Resolved(
        series=np.array(ids, np.int32),
        amount=np.array(amounts or [False] * len(ids), np.bool_),
        minutes=np.array(widths, np.uint8),
        fault=faults,
        widths=tuple(sorted({*widths})),
        source_types={"host": 1, "volume": 2},
    )


def tick(*values: int, at: int = NOON_US, since: int | None = None) -> Tick:
    return Tick(list(zip(SERIES, values, strict=False)), at=at, since=since)


def short(columns: Columns, resolved: Resolved) -> Admitted | None:
    return take_usual(columns, resolved, agent_id=AGENT, now_us=NOON_US + HOUR_US)


def long(columns: Columns, resolved: Resolved) -> Admitted:
    admitted = admit(columns, resolved, agent_id=AGENT, now_us=NOON_US + HOUR_US)
    assert isinstance(admitted, Admitted)
    return admitted


def touched(admitted: Admitted) -> list[list[int]]:
    agents = np.full(len(admitted.reach.width), AGENT, np.int64)
    return [column.tolist() for column in expand(agents, admitted.reach)]


@given(
    ids=st.permutations([3, 5, 8, 13, 21, 34]),
    amounts=st.lists(st.booleans(), min_size=6, max_size=6),
    minutes=st.lists(st.sampled_from([5, 60]), min_size=6, max_size=6),
    spans=st.lists(st.integers(1, 5 * HOUR_US), min_size=1, max_size=5),
    values=st.lists(st.integers(0, 2**53), min_size=6, max_size=6),
    reported=st.lists(st.sampled_from(["host", "volume", "unknown"]), max_size=3),
    failed=st.lists(st.sampled_from(["host", "volume", "unknown"]), max_size=2),
)
def test_a_usual_batch_is_stored_as_the_long_way_stores_it(
    ids: list[int],
    amounts: list[bool],
    minutes: list[int],
    spans: list[int],
    values: list[int],
    reported: list[str],
    failed: list[str],
) -> None:
    at, ticks = NOON_US - 20 * HOUR_US, []
    for span in spans:
        readings = list(zip(SERIES, values, strict=True))
        ticks.append(Tick(readings, at=at + span, since=at, reported=reported, failed=failed))
        at += span
        values = values[1:] + values[:1]
    columns, resolved = columns_of(*ticks), resolved_as(ids, amounts=amounts, minutes=minutes)
    # The second time from what was found out the first time.
    for _ in range(2):
        found, expected = short(columns, resolved), long(columns, resolved)
        assert found is not None
        assert (found.rows, found.totals) == (expected.rows, expected.totals)
        assert touched(found) == touched(expected)


def test_what_is_not_usual_is_left_to_the_long_way() -> None:
    two = resolved_as([3, 5])
    assert short(columns_of(tick(1, 2)), two) is not None
    assert short(columns_of(tick(1, -2)), two) is None
    assert short(columns_of(tick(1, 2**53 + 1)), two) is None
    assert short(columns_of(tick(1, 2, since=NOON_US)), two) is None
    assert short(columns_of(tick(1, 2, at=NOON_US + 3 * HOUR_US)), two) is None
    assert short(columns_of(tick(1, 2, since=NOON_US - 24 * 500 * HOUR_US)), two) is None
    assert short(columns_of(tick(1, 2), tick(1, at=NOON_US + MINUTE_US)), two) is None
    assert short(columns_of(tick()), two) is None
    many = [tick(1, 2, at=NOON_US + n) for n in range(TICKS_MAX + 1)]
    assert short(columns_of(*many), two) is None


def test_series_that_are_at_fault_or_unknown_are_left_to_the_long_way() -> None:
    columns = columns_of(tick(1, 2))
    assert short(columns, resolved_as([3, 5], fault=Fault.UNKNOWN_UNIT)) is None
    assert short(columns, resolved_as([3, 3])) is None
    assert short(columns, resolved_as([3])) is None


def test_two_ticks_with_as_many_but_other_series_are_left_to_the_long_way() -> None:
    first = Tick([(SERIES[0], 1), (SERIES[1], 2)], at=NOON_US)
    second = Tick([(SERIES[0], 1), (SERIES[2], 2)], at=NOON_US + MINUTE_US)
    assert short(columns_of(first, second), resolved_as([3, 5, 8])) is None
