"""Batches of simulated agents by number, so that any of them can be made again byte for byte.

Batch n of an agent holds day n of the simulated year as hourly ticks; after the last of these days each batch holds one
tick of five minutes. The epoch follows from the seed and the agent's name: whatever was sent before and is sent again
is answered DUPLICATE.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from agent.seal import Payload, encode
from deploy.demo.folder import State
from deploy.demo.plans import SimulatedAgent
from deploy.demo.usage import usage_of_day
from ullage.v1.ingest_pb2 import AssetEntry, Dictionary, SeriesEntry, Tick
from ullage.wire import to_micros

HOUR = timedelta(hours=1)
STEP = timedelta(minutes=5)
STEPS_PER_DAY = timedelta(days=1) // STEP


@dataclass(slots=True)
class Simulation:
    """One simulated agent's batches."""

    agent: SimulatedAgent
    number: int
    state: State
    # The day whose five-minute values are at hand.
    _day: int = -1
    _values: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))

    @property
    def epoch(self) -> bytes:
        """16 bytes."""
        return sha256(f"ullage demo {self.state.first_day} {self.agent.name}".encode()).digest()[:16]

    @property
    def boot_id(self) -> str:
        """As a kernel would state it."""
        return str(UUID(bytes=self.epoch))

    def last_seq(self, now: datetime) -> int:
        """The newest batch that is complete by ``now``; of a silent agent the last that it sends."""
        if self.agent.silent:
            return self.state.days
        return self.state.days + (now - self._midnight(self.state.days)) // STEP

    def payload(self, seq: int) -> Payload:
        """The batch of that number, encoded as the agent encodes."""
        if seq <= self.state.days:
            day, steps, step = seq - 1, 24, HOUR
            rows = slice(0, 24)
        else:
            ahead, index = divmod(seq - self.state.days - 1, STEPS_PER_DAY)
            day, steps, step = self.state.days + ahead, STEPS_PER_DAY, STEP
            rows = slice(index, index + 1)
        alive = np.array(
            [t.born <= day < t.dies and s.born <= day for t in self.agent.things for s in t.shapes],
            dtype=bool,
        )
        values = self._usage(day, steps)[rows, alive]
        start = self._midnight(day)
        return encode(
            self._dictionary(day),
            [self._tick(start + step * (rows.start + i), step, row.tolist()) for i, row in enumerate(values)],
            boot_id=self.boot_id,
        )

    def _tick(self, since: datetime, step: timedelta, values: list[int]) -> Tick:
        return Tick(
            ticked_at_us=to_micros(since + step),
            since_us=to_micros(since),
            boottime_us=to_micros(since + step) - to_micros(self._midnight(0)),
            reported=sorted({thing.source_type for thing in self.agent.things}),
            series=range(len(values)),
            values=values,
        )

    def _dictionary(self, day: int) -> bytes:
        things = [thing for thing in self.agent.things if thing.born <= day < thing.dies]
        return Dictionary(
            assets=[
                AssetEntry(
                    source_type=thing.source_type,
                    external_id=thing.external_id,
                    name=thing.name,
                    address=thing.address,
                    labels=dict(thing.labels),
                )
                for thing in things
            ],
            series=[
                SeriesEntry(asset=index, unit_type=shape.unit_type)
                for index, thing in enumerate(things)
                for shape in thing.shapes
                if shape.born <= day
            ],
            # Labels are a map; the same number must always have the same bytes.
        ).SerializeToString(deterministic=True)

    def _usage(self, day: int, steps: int) -> NDArray[np.int64]:
        if steps == STEPS_PER_DAY and self._day == day:
            return self._values
        values = usage_of_day(
            self.agent, agent_number=self.number, day=day, weekday=self._midnight(day).weekday(), steps=steps
        )
        if steps == STEPS_PER_DAY:
            self._day, self._values = day, values
        return values

    def _midnight(self, day: int) -> datetime:
        return datetime.combine(self.state.first, time(), UTC) + timedelta(days=day)
