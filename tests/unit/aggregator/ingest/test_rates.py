"""How fast one agent may speak."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.rates import BURST_SECONDS, RETRY_MS_MAX, Gate, Rates

RATES = Rates(batches_per_second=2.0, readings_per_second=100.0)


def test_a_burst_is_let_in_and_then_the_rate_holds() -> None:
    gate = Gate(RATES)
    burst = int(BURST_SECONDS * RATES.batches_per_second)
    assert [gate.enter(1, 5.0) for _ in range(burst)] == [0] * burst
    wait_ms = gate.enter(1, 5.0)
    assert wait_ms > 0
    assert gate.enter(1, 5.0 + wait_ms / 1000) == 0


def test_another_agent_is_not_held_up() -> None:
    gate = Gate(RATES)
    while not gate.enter(1, 0.0):
        pass
    assert gate.enter(2, 0.0) == 0


def test_readings_beyond_the_rate_hold_up_the_next_batch() -> None:
    gate = Gate(RATES)
    assert gate.enter(1, 0.0) == 0
    gate.charge(1, 100_000, 0.0)
    assert gate.enter(1, 1.0) == RETRY_MS_MAX
    assert gate.enter(1, 1_000.0) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 500)), max_size=200))
def test_over_any_time_no_more_comes_in_than_burst_and_rate_allow(steps: list[tuple[float, int]]) -> None:
    gate, now, entered = Gate(RATES), 0.0, 0
    for pause, readings in steps:
        now += pause
        if not gate.enter(1, now):
            entered += 1
            gate.charge(1, readings, now)
    assert entered <= (now + BURST_SECONDS) * RATES.batches_per_second + 1e-6
