"""Simulated batches: the same again when asked again, and together exactly what the plan says."""

import pytest

from agent.simulate_load import Load, Plan
from ullage.v1 import ingest_pb2

START_US = 1_772_366_400_000_000


def load(
    *, series: int = 7, ticks: int = 11, batch_readings: int = 20, seed: int = 1, agent: str = "a"
) -> Load:
    plan = Plan(
        series=series,
        ticks=ticks,
        interval_us=60_000_000,
        start_us=START_US,
        batch_readings=batch_readings,
        seed=seed,
    )
    return Load(plan=plan, agent=agent, boot_id="boot")


def batch_of(message: bytes) -> ingest_pb2.Batch:
    return ingest_pb2.Batch.FromString(ingest_pb2.PushRequest.FromString(message).batch.payload)


@pytest.mark.parametrize("batch_readings", [1, 3, 7, 20, 100])
def test_all_batches_together_are_every_series_once_in_every_tick(batch_readings: int) -> None:
    one = load(batch_readings=batch_readings)
    found: list[tuple[int, int]] = []
    for push in one.pushes():
        batch = batch_of(push.message)
        assert push.readings <= max(batch_readings, 1)
        assert push.value_sum == sum(value for tick in batch.ticks for value in tick.values)
        found += [(tick.ticked_at_us, index) for tick in batch.ticks for index in tick.series]
    ticks = [START_US + number * 60_000_000 for number in range(1, 12)]
    assert sorted(found) == [(at, index) for at in ticks for index in range(7)]


def test_a_batch_asked_for_again_is_the_same() -> None:
    assert load().push(3) == load().push(3)
    sent = [ingest_pb2.PushRequest.FromString(load().push(3, sent_us=at).message).batch for at in (0, 5)]
    assert sent[0].payload == sent[1].payload


def test_another_seed_or_another_agent_seals_something_else() -> None:
    ours = load().push(1).value_sum
    assert load(seed=2).push(1).value_sum != ours
    assert load(agent="b").push(1).value_sum != ours
    assert load(agent="b").epoch != load().epoch
