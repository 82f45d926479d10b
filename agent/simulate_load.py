"""What a simulated agent seals: made-up readings of made-up containers, the same again for the same seed and start.

Responsible for the bytes and for the oracle, the sums that whoever stores them must end with. A batch is a function of the
plan, the agent and its number, so that nothing needs to be kept for a second attempt. How it travels: simulate_stream.py.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from agent.seal import encode
from ullage.v1 import ingest_pb2

SOURCE_TYPE = "container"
# Of each simulated container, in this order.
UNIT_TYPES = ("cpu", "ram", "ram-used", "net-in", "disk-used")
VALUE_BITS = 40
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much every agent seals. ``batch_readings``: at most so many in a batch, but at least one tick's share.

    ``start_us``: ticks come after it, ``interval_us`` apart.
    """

    series: int
    ticks: int
    interval_us: int
    start_us: int
    batch_readings: int
    seed: int

    @property
    def ticks_per_batch(self) -> int:
        """Whole ticks that travel together; 1 also where a tick is larger than a batch."""
        return max(1, self.batch_readings // self.series)

    @property
    def parts_per_tick(self) -> int:
        """Batches that one tick is cut into; 1 unless it is larger than a batch."""
        return -(-self.series // self.batch_readings)

    @property
    def batches(self) -> int:
        """Of one agent."""
        return -(-self.ticks // self.ticks_per_batch) * self.parts_per_tick

    @property
    def readings(self) -> int:
        """Of one agent."""
        return self.ticks * self.series

    @property
    def batch_seconds(self) -> float:
        """From one batch of an agent to its next, on average."""
        return self.ticks_per_batch * self.interval_us / self.parts_per_tick / _SECOND_US


@dataclass(frozen=True, slots=True)
class SealedPush:
    """One message as it goes over the wire, with what must be known of it without decoding."""

    seq: int
    message: bytes
    readings: int
    value_sum: int


@dataclass(frozen=True, kw_only=True)
class Load:
    """The batches of one simulated agent. ``skew_us``: how far its clock is ahead."""

    plan: Plan
    agent: str
    boot_id: str
    skew_us: int = 0

    @cached_property
    def epoch(self) -> bytes:
        """One per agent, seed and start."""
        return sha256(f"{self.plan.seed}:{self.plan.start_us}:{self.agent}".encode()).digest()[:16]

    @cached_property
    def dictionary(self) -> bytes:
        """Complete and the same for every batch."""
        entries = ingest_pb2.Dictionary()
        for number in range(-(-self.plan.series // len(UNIT_TYPES))):
            entries.assets.add(
                source_type=SOURCE_TYPE,
                external_id=f"simulated-{number:05}",
                name=f"container {number} of {self.agent[:8]}",
            )
        for number in range(self.plan.series):
            asset, unit = divmod(number, len(UNIT_TYPES))
            entries.series.add(asset=asset, unit_type=UNIT_TYPES[unit])
        return entries.SerializeToString()

    def push(self, seq: int, *, sent_us: int = 0) -> SealedPush:
        """Batch ``seq``, from 1 to ``plan.batches``: the same payload whenever it is asked for.

        ``sent_us``: when, by a clock that is right; 0: the agent says nothing of its clocks, as ticks of a made-up past
        were not collected by them.
        """
        plan = self.plan
        # A generator of its own for every batch: what came before does not matter.
        draw = random.Random(f"{plan.seed}:{self.agent}:{seq}")  # noqa: S311 - load, not secrets
        first, part = divmod(seq - 1, plan.parts_per_tick)
        first *= plan.ticks_per_batch
        indexes = range(part * plan.batch_readings, min(plan.series, (part + 1) * plan.batch_readings))
        if plan.parts_per_tick == 1:
            indexes = range(plan.series)
        series = list(indexes)
        ticks = []
        value_sum = 0
        for number in range(first + 1, min(first + plan.ticks_per_batch, plan.ticks) + 1):
            values = [draw.getrandbits(VALUE_BITS) for _ in series]
            value_sum += sum(values)
            ticks.append(self._tick(number, series, values))
        content = encode(self.dictionary, ticks, boot_id=self.boot_id)
        message = ingest_pb2.PushRequest(
            batch=ingest_pb2.SealedBatch(
                epoch=self.epoch,
                seq=seq,
                sha256=content.sha256,
                payload=content.payload,
                wall_us=sent_us + self.skew_us if sent_us else 0,
                boottime_us=self.boottime_us(sent_us) if sent_us else 0,
            )
        )
        return SealedPush(seq, message.SerializeToString(), content.readings, value_sum)

    def pushes(self) -> Iterator[SealedPush]:
        """All of them in order."""
        return (self.push(seq) for seq in range(1, self.plan.batches + 1))

    def _tick(self, number: int, series: list[int], values: list[int]) -> ingest_pb2.Tick:
        at_us = self.plan.start_us + number * self.plan.interval_us
        return ingest_pb2.Tick(
            ticked_at_us=at_us + self.skew_us,
            since_us=at_us - self.plan.interval_us + self.skew_us,
            boottime_us=self.boottime_us(at_us),
            reported=[SOURCE_TYPE],
            series=series,
            values=values,
        )

    def boottime_us(self, at_us: int) -> int:
        """Simulated hosts booted a day before the first tick; this clock is never skewed."""
        return at_us - self.plan.start_us + 86_400 * _SECOND_US
