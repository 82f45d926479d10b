"""How fast an agent may speak: token buckets for batches and readings. An agent above its rate keeps its data and waits."""

from collections import OrderedDict
from dataclasses import dataclass

# An honest agent seals a batch a minute; after an outage it may catch up a day in a quarter of an hour.
BATCHES_PER_SECOND_MAX = 100.0
READINGS_PER_SECOND_MAX = 100_000.0
# What may come at once, in seconds of the rate.
BURST_SECONDS = 10.0
RETRY_MS_MIN = 100
RETRY_MS_MAX = 60_000
# Agents whose rates are remembered; one that is forgotten begins with a full burst.
AGENTS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What one agent may send, per second."""

    batches_per_second: float = BATCHES_PER_SECOND_MAX
    readings_per_second: float = READINGS_PER_SECOND_MAX


@dataclass(slots=True)
class _Bucket:
    """What is left, in seconds of the rate. Readings may overdraw it, because they are known only after decoding."""

    at: float
    batches: float
    readings: float


class Gate:
    """The rates of all agents of one aggregator. ``now`` is any clock in seconds that never goes back."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._buckets: OrderedDict[int, _Bucket] = OrderedDict()

    def enter(self, agent_id: int, now: float) -> int:
        """Takes one batch from the agent's allowance: 0, or the milliseconds after which there is room for one."""
        bucket = self._bucket(agent_id, now)
        missing = max(1 / self._rates.batches_per_second - bucket.batches, -bucket.readings)
        if missing > 0:
            return min(max(int(missing * 1000) + 1, RETRY_MS_MIN), RETRY_MS_MAX)
        bucket.batches -= 1 / self._rates.batches_per_second
        return 0

    def charge(self, agent_id: int, readings: int, now: float) -> None:
        """Takes the readings of a batch that was let in."""
        self._bucket(agent_id, now).readings -= readings / self._rates.readings_per_second

    def _bucket(self, agent_id: int, now: float) -> _Bucket:
        bucket = self._buckets.get(agent_id)
        if bucket is None:
            bucket = self._buckets[agent_id] = _Bucket(now, BURST_SECONDS, BURST_SECONDS)
            if len(self._buckets) > AGENTS_MAX:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(agent_id)
        passed = max(0.0, now - bucket.at)
        bucket.at = now
        bucket.batches = min(BURST_SECONDS, bucket.batches + passed)
        bucket.readings = min(BURST_SECONDS, bucket.readings + passed)
        return bucket
