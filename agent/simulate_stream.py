"""One simulated agent on the wire: a window of batches, go-back-N as the real link does it, and faults by chance.

Whatever faults are switched on, it ends with every batch acknowledged as applied or as a duplicate. It resumes from
its own last acknowledgement, not from the server's cursor, as an agent does whose acknowledgements were lost.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from agent.simulate_load import Load, SealedPush
from ullage.channel import Identity, open_channel
from ullage.v1 import ingest_pb2

PUSH = "/ullage.v1.Ingest/Push"
VERSION = "simulated"
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0
# Without any answer for so long a stream is given up and dialled again.
SILENCE_SECONDS_MAX = 60.0
# One in so many latencies is kept once there are this many.
LATENCIES_MAX = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Chances from 0 to 1, each drawn per batch."""

    replay: float = 0.0
    reorder: float = 0.0
    drop_acks: float = 0.0
    kill: float = 0.0

    def __bool__(self) -> bool:
        return any((self.replay, self.reorder, self.drop_acks, self.kill))


@dataclass(slots=True)
class Tally:
    """What all agents together sent and heard, in batches unless it says otherwise."""

    sent: int = 0
    applied: int = 0
    duplicate: int = 0
    gap: int = 0
    busy: int = 0
    refused: int = 0
    conflict: int = 0
    reconnects: int = 0
    replayed: int = 0
    reordered: int = 0
    dropped_acks: int = 0
    killed: int = 0
    # Readings of batches that were acknowledged for the first time.
    readings: int = 0
    rejected_readings: int = 0
    latencies: list[float] = field(default_factory=list)
    last_error: str = ""


class Stopped(Exception):
    """The server will never take this batch; the simulation cannot end as it should."""


class SimulatedAgent:
    """Sends ``source(seq)`` for 1 … ``batches``, again after every disconnection, until all are acknowledged."""

    def __init__(
        self,
        load: Load,
        *,
        address: str,
        ca: bytes,
        identity: Identity,
        predecessor: bytes,
        source: Callable[[int], SealedPush],
        window: int,
        faults: Faults,
        tally: Tally,
    ) -> None:
        self.load = load
        self._address, self._ca, self._identity = address, ca, identity
        self._predecessor = predecessor
        self._source = source
        self._window = window
        self._faults = faults
        # When the second batch of a paced load may go, by the wall clock; None: at once.
        self._paced_from: float | None = None
        self._tally = tally
        self._draw = random.Random(f"{load.plan.seed}:faults:{load.agent}")  # noqa: S311 - chances, not secrets
        self._through = 0
        self._acked = 0
        self._next = 1
        # (number, when sent, readings), oldest first.
        self._flight: deque[tuple[int, float, int]] = deque()
        # After going back: what was sent ahead is ignored until this one is answered.
        self._awaited = 0
        self._pause_seconds = 0.0
        self._room = asyncio.Event()
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def advance(self, through: int) -> None:
        """Sends up to that number and returns when all of it is acknowledged; the stream stays open."""
        self._through = through
        self._done.clear()
        self._room.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        waiting = asyncio.create_task(self._done.wait())
        await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    def pace(self, from_seconds: float) -> None:
        """From now on batches go at the plan's pace, the next one in the interval that begins at ``from_seconds``."""
        self._paced_from = from_seconds

    async def _run(self) -> None:
        wait = RETRY_SECONDS_MIN
        while True:
            before = self._acked
            channel = open_channel(self._address, ca=self._ca, identity=self._identity)
            try:
                await self._stream(channel)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError) as error:
                self._tally.last_error = _said(error)
            finally:
                await channel.close()
            self._tally.reconnects += 1
            wait = RETRY_SECONDS_MIN if self._acked > before else min(2 * wait, RETRY_SECONDS_MAX)
            await asyncio.sleep(self._draw.uniform(0, wait))

    async def _stream(self, channel: grpc.aio.Channel) -> None:
        """One stream until it ends or breaks."""
        # Bytes as they are: what is measured is the server, and a batch was encoded before.
        call: Any = channel.stream_stream(PUSH)()
        hello = ingest_pb2.Hello(
            epochs=[self.load.epoch],
            version=VERSION,
            boot_id=self.load.boot_id,
            wall_us=time.time_ns() // 1000 + self.load.skew_us,
            boottime_us=self.load.boottime_us(time.time_ns() // 1000),
            predecessor=self._predecessor,
        )
        await call.write(ingest_pb2.PushRequest(hello=hello).SerializeToString())
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            if await call.read() is grpc.aio.EOF:
                await call.code()
                raise asyncio.InvalidStateError(await call.details() or "the stream ended")
        self._flight.clear()
        self._awaited, self._pause_seconds, self._next = 0, 0.0, self._acked + 1
        self._room.set()
        sender = asyncio.create_task(self._send(call))
        receiver = asyncio.create_task(self._receive(call))
        try:
            await asyncio.wait([sender, receiver], return_when=asyncio.FIRST_COMPLETED)
            for task in (receiver, sender):
                if task.done():
                    task.result()
        finally:
            sender.cancel()
            receiver.cancel()
            call.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)

    async def _send(self, call: Any) -> None:
        while True:
            if self._pause_seconds:
                pause, self._pause_seconds = self._pause_seconds, 0.0
                await asyncio.sleep(pause)
            elif self._next > self._through or len(self._flight) >= self._window:
                self._room.clear()
                await self._room.wait()
            elif (early := self._early(self._next)) > 0:
                await asyncio.sleep(early)
            else:
                if self._faults and await self._misbehave(call):
                    return
                # It may have gone back meanwhile.
                if self._next <= self._through:
                    push = self._source(self._next)
                    self._next += 1
                    self._flight.append((push.seq, time.perf_counter(), push.readings))
                    self._tally.sent += 1
                    await call.write(push.message)

    def _early(self, seq: int) -> float:
        """Seconds until the batch may be sent, at a place within the interval that is the agent's own."""
        if self._paced_from is None or seq < 2:
            return 0.0
        interval = self.load.plan.batch_seconds
        place = int.from_bytes(self.load.epoch[:4], "big") / 2**32
        return self._paced_from + (seq - 2 + place) * interval - time.time()

    async def _misbehave(self, call: Any) -> bool:
        """True when the connection was killed."""
        faults, draw = self._faults, self._draw
        if draw.random() < faults.kill:
            self._tally.killed += 1
            return True
        if self._acked and draw.random() < faults.replay:
            self._tally.replayed += 1
            self._tally.sent += 1
            await call.write(self._source(draw.randint(max(1, self._acked - 100), self._acked)).message)
        if self._next < self._through and draw.random() < faults.reorder:
            self._tally.reordered += 1
            self._tally.sent += 1
            await call.write(self._source(self._next + 1).message)
        return False

    async def _receive(self, call: Any) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS_MAX if self._flight else None):
                data = await call.read()
            if data is grpc.aio.EOF:
                raise asyncio.InvalidStateError(await call.details() or "the stream ended")
            reply = ingest_pb2.PushReply.FromString(data)
            if reply.ack.outcome in (ingest_pb2.OUTCOME_APPLIED, ingest_pb2.OUTCOME_DUPLICATE):
                if self._faults.drop_acks and self._draw.random() < self._faults.drop_acks:
                    # Not heard: the agent learns nothing of it but by offering the batch again.
                    self._tally.dropped_acks += 1
                    return
                self._count(reply.ack)
                self._heard(reply.ack)
            else:
                self._refused(reply.ack)
            self._room.set()

    def _count(self, ack: ingest_pb2.Ack) -> None:
        if ack.outcome == ingest_pb2.OUTCOME_APPLIED:
            self._tally.applied += 1
        else:
            self._tally.duplicate += 1
        self._tally.rejected_readings += ack.quarantined + ack.suppressed

    def _heard(self, ack: ingest_pb2.Ack) -> None:
        if self._awaited and ack.seq != self._awaited:
            return
        if not self._flight or ack.seq != self._flight[0][0]:
            # The answer to a replay, or to one sent out of turn that was next by then.
            return
        self._awaited = 0
        seq, sent_at, readings = self._flight.popleft()
        if seq > self._acked:
            self._acked = seq
            self._tally.readings += readings
        if len(self._tally.latencies) < LATENCIES_MAX:
            self._tally.latencies.append(time.perf_counter() - sent_at)
        if seq >= self._through:
            self._done.set()

    def _refused(self, ack: ingest_pb2.Ack) -> None:
        match ack.outcome:
            case ingest_pb2.OUTCOME_GAP:
                self._tally.gap += 1
            case ingest_pb2.OUTCOME_BUSY:
                self._tally.busy += 1
                self._pause_seconds = min(ack.retry_after_ms / 1000 or RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
            case ingest_pb2.OUTCOME_CONFLICT:
                self._tally.conflict += 1
                raise Stopped(f"number {ack.seq}: {ack.reason}")
            case _:
                self._tally.refused += 1
                raise Stopped(f"number {ack.seq}: {ack.reason}")
        # The server drops everything until this one comes.
        self._flight.clear()
        self._next = self._awaited = ack.expected or ack.seq


def _said(error: BaseException) -> str:
    text = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
    return f"{type(error).__name__}: {text}"[:300]
