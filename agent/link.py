"""One stream to the aggregator: Hello, Welcome, batches up, acknowledgements down.

Batches go out in the order of the spool, at most a window of them unacknowledged. After GAP or BUSY sending goes back to
the batch that the aggregator waits for, and what was still on its way is ignored until that one is answered (go-back-N).
What is refused for good is replaced by a tombstone on the same stream. What changes the epochs (CONFLICT, an aggregator
that is ahead) ends it: the next Hello names the new one. Waiting between streams is the uplink's business (uplink.py).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from agent.identity import Clock
from agent.outbox import Number, Outbox
from agent.seal import Sealed
from ullage.log import fields
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

if TYPE_CHECKING:
    Stream = grpc.aio.StreamStreamCall[ingest_pb2.PushRequest, ingest_pb2.PushReply]

WINDOW_BATCHES = 8
WELCOME_SECONDS_MAX = 20.0
# The newest: the others are taken without having been named.
EPOCHS_PER_HELLO_MAX = 100
# Without an answer to anything for so long the stream counts as dead.
ACK_SECONDS_MAX = 60.0
BUSY_SECONDS_MAX = 300.0
# When the aggregator names no time.
BUSY_SECONDS_DEFAULT = 1.0
# Beyond this the aggregator flags what the agent says of time.
CLOCK_OFFSET_SECONDS_MAX = 2.0
REJECTED_LINES_MAX = 20
REASON_CHARACTERS_MAX = 500
_WATCH_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 30.0
_SECOND_US = 1_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a Hello says beside the epochs and the clocks."""

    version: str
    boot_id: str


@dataclass(slots=True)
class Counts:
    """Since the uplink was made: batches by outcome, readings by fate."""

    sent: int = 0
    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    refused: int = 0
    gap: int = 0
    busy: int = 0
    reconnects: int = 0
    readings_stored: int = 0
    readings_rejected: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a stream is over. ``delivered``: at least one batch was acknowledged on it. ``code``: gRPC's, if it has one."""

    reason: str
    code: grpc.StatusCode | None = None
    welcomed: bool = False
    delivered: bool = False


class Link:
    """One stream, used once. Changes the spool as the acknowledgements say."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        spool: Outbox,
        hello: Greeting,
        clock: Clock,
        counts: Counts,
        window: int,
        ack_seconds_max: float,
    ) -> None:
        self._call: Stream = ingest_pb2_grpc.IngestStub(channel).Push()
        self._spool = spool
        self._hello = hello
        self._clock = clock
        self._counts = counts
        self._window = window
        self._ack_seconds_max = ack_seconds_max
        # Sent and not acknowledged, oldest first; `_after` is the number behind which to go on, None from the oldest on.
        self._flight: deque[Sealed] = deque()
        self._after: Number | None = None
        # After going back: the only batch whose acknowledgement counts.
        self._awaited: tuple[bytes, int] | None = None
        self._pause_seconds = 0.0
        self._heard_at = 0.0
        self._stalled = False
        self._newest_named = b""
        self._welcomed = False
        self._delivered = False
        # The last number that the aggregator said it has, by epoch.
        self._stated: dict[bytes, int] = {}

    async def run(self, on_welcome: Callable[[], None]) -> Ended:
        """Until the stream ends, which it does not do by itself while all is well."""
        try:
            async with asyncio.timeout(WELCOME_SECONDS_MAX):
                problem = await self._greet()
            if problem:
                return self._ended(problem)
            on_welcome()
            return await self._exchange()
        except TimeoutError:
            return self._ended(f"no Welcome within {WELCOME_SECONDS_MAX:g} s")
        except grpc.aio.AioRpcError as error:
            return self._ended(error.details() or "", error.code())
        except asyncio.InvalidStateError:
            # What gRPC raises for a write to a stream that is over.
            return self._ended(await self._call.details() or "", await self._call.code())
        finally:
            self._call.cancel()

    def _ended(self, reason: str, code: grpc.StatusCode | None = None) -> Ended:
        return Ended(reason[:REASON_CHARACTERS_MAX], code, self._welcomed, self._delivered)

    async def _greet(self) -> str:
        """Hello and Welcome. Returns what is wrong with the answer, or nothing."""
        # The one for new batches is the last: it is always named.
        epochs = self._spool.epochs()[-EPOCHS_PER_HELLO_MAX:]
        self._newest_named = epochs[-1]
        now = self._clock.stamp()
        await self._call.write(
            ingest_pb2.PushRequest(
                hello=ingest_pb2.Hello(
                    epochs=epochs,
                    version=self._hello.version,
                    boot_id=self._hello.boot_id,
                    wall_us=now.wall_us,
                    boottime_us=now.boottime_us,
                    predecessor=self._spool.predecessor,
                )
            )
        )
        reply = await self._call.read()
        if not isinstance(reply, ingest_pb2.PushReply) or not reply.HasField("welcome"):
            return await self._over() if reply is grpc.aio.EOF else "the first answer was no Welcome"
        self._welcomed = True
        self._judge_clock(reply.welcome.server_time_us)
        self._stated = {cursor.epoch: cursor.last_seq for cursor in reply.welcome.cursors}
        return self._spool.welcome(self._stated)

    def _judge_clock(self, server_time_us: int) -> None:
        offset = (server_time_us - self._clock.stamp().wall_us) / _SECOND_US
        if server_time_us and abs(offset) > CLOCK_OFFSET_SECONDS_MAX:
            log.warning(
                "the clocks of this host and the aggregator differ: set this host's clock",
                extra=fields(ahead_seconds=round(-offset, 1)),
            )

    async def _exchange(self) -> Ended:
        self._heard_at = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._watch())]
        try:
            reason = await self._receive()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() or not self._call.cancelled():
                raise
            reason = (
                f"no answer for {self._ack_seconds_max:g} s" if self._stalled else "a new epoch must be named"
            )
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return self._ended(reason)

    async def _send(self) -> None:
        spool = self._spool
        try:
            while True:
                if self._pause_seconds:
                    pause, self._pause_seconds = self._pause_seconds, 0.0
                    await self._clock.sleep(pause)
                elif len(self._flight) < self._window and (batch := spool.next_batch(self._after)):
                    if batch.epoch == spool.epoch != self._newest_named:
                        # A new epoch is let in only when a Hello has said which one it follows.
                        self._call.cancel()
                        return
                    # Both before the write: an answer may come before it returns.
                    self._after = (batch.epoch, batch.last)
                    self._depart(batch)
                    await self._call.write(self._request(batch))
                else:
                    spool.appended.clear()
                    # A spool that cannot be read, or take a tombstone, is asked again.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_ASK_AGAIN_SECONDS):
                            await spool.appended.wait()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the receiver hears of it too, with the reason
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._call.cancel()
            raise

    def _depart(self, batch: Sealed) -> None:
        if not self._flight:
            self._heard_at = asyncio.get_running_loop().time()
        self._flight.append(batch)
        self._counts.sent += 1

    def _request(self, batch: Sealed) -> ingest_pb2.PushRequest:
        now = self._clock.stamp()
        return ingest_pb2.PushRequest(
            batch=ingest_pb2.SealedBatch(
                epoch=batch.epoch,
                seq=batch.seq,
                sha256=batch.content.sha256,
                payload=batch.content.payload,
                wall_us=now.wall_us,
                boottime_us=now.boottime_us,
            )
        )

    async def _watch(self) -> None:
        """A peer that is frozen, or a network that swallows, shows in nothing but silence."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_WATCH_SECONDS, self._ack_seconds_max / 4))
            if self._flight and loop.time() - self._heard_at > self._ack_seconds_max:
                self._stalled = True
                self._call.cancel()
                return

    async def _receive(self) -> str:
        """Until the stream is over; why it is."""
        loop = asyncio.get_running_loop()
        while True:
            reply = await self._call.read()
            if not isinstance(reply, ingest_pb2.PushReply):
                return await self._over()
            if not reply.HasField("ack"):
                return "an answer was no acknowledgement"
            self._heard_at = loop.time()
            problem = self._hear(reply.ack)
            # There is room in the window, or another place to send from.
            self._spool.appended.set()
            if problem:
                return problem

    async def _over(self) -> str:
        return f"the aggregator ended the stream {await self._call.details() or ''}".rstrip()

    def _hear(self, ack: ingest_pb2.Ack) -> str:
        """Acts on one acknowledgement. Returns why the stream must end, or nothing."""
        number = (ack.epoch, ack.seq)
        if self._awaited is not None:
            if number != self._awaited:
                return ""
            self._awaited = None
        if ack.outcome == ingest_pb2.OUTCOME_GAP and number in [(b.epoch, b.seq) for b in self._flight]:
            return self._hear_gap(ack)
        if not self._flight or number != (self._flight[0].epoch, self._flight[0].seq):
            return f"an acknowledgement came out of turn (number {ack.seq})"
        match ack.outcome:
            case ingest_pb2.OUTCOME_APPLIED | ingest_pb2.OUTCOME_DUPLICATE:
                self._delivered = True
                batch = self._flight.popleft()
                self._stated[batch.epoch] = max(self._stated.get(batch.epoch, 0), batch.last)
                self._spool.acknowledge(batch)
                self._count(ack)
                return ""
            case ingest_pb2.OUTCOME_BUSY:
                self._counts.busy += 1
                wait = min(ack.retry_after_ms / 1000 or BUSY_SECONDS_DEFAULT, BUSY_SECONDS_MAX)
                log.warning(
                    "the aggregator is busy", extra=fields(reason=_short(ack.reason), retry_seconds=wait)
                )
                self._go_back(ack.epoch, ack.seq, wait)
                return ""
            case ingest_pb2.OUTCOME_CONFLICT | ingest_pb2.OUTCOME_REFUSED:
                return self._hear_no(ack)
            case unknown:
                return f"an acknowledgement with the unknown outcome {unknown}"

    def _hear_gap(self, ack: ingest_pb2.Ack) -> str:
        self._counts.gap += 1
        if ack.expected == ack.seq or not ack.expected:
            return f"the aggregator waits for number {ack.expected} and does not take it"
        if ack.expected <= self._stated.get(ack.epoch, 0):
            # Then other epochs may be missing there too, and an older one can only be let in before its successor.
            return "the aggregator has less than it said: its database was restored, so the cursors are asked for again"
        # It has nothing from there on; what is not kept any more, the spool puts a tombstone for.
        problem = self._spool.welcome({ack.epoch: ack.expected - 1})
        if not problem:
            self._go_back(ack.epoch, ack.expected, 0.0)
        return problem

    def _go_back(self, epoch: bytes, seq: int, wait_seconds: float) -> None:
        self._after = (epoch, seq - 1)
        self._pause_seconds = wait_seconds
        self._awaited = (epoch, seq)
        self._flight.clear()

    def _hear_no(self, ack: ingest_pb2.Ack) -> str:
        """CONFLICT or REFUSED: nothing of this batch was stored, and under this number nothing of it will be."""
        batch = self._flight[0]
        data = fields(epoch=ack.epoch.hex(), seq=ack.seq, reason=_short(ack.reason))
        if ack.outcome == ingest_pb2.OUTCOME_CONFLICT:
            self._counts.conflict += 1
            log.error("another batch is stored under this agent's number: is this host a clone?", extra=data)
            return self._spool.conflict(batch) or "a batch was numbered anew after a conflict"
        self._counts.refused += 1
        log.error("the aggregator refused a batch for good: a tombstone takes its place", extra=data)
        problem = self._spool.refuse(batch, _short(ack.reason))
        if not problem:
            self._go_back(ack.epoch, ack.seq, 0.0)
        return problem

    def _count(self, ack: ingest_pb2.Ack) -> None:
        if ack.outcome == ingest_pb2.OUTCOME_APPLIED:
            self._counts.applied += 1
        else:
            self._counts.duplicate += 1
        self._counts.readings_stored += ack.stored
        for rejected in ack.rejected:
            self._counts.readings_rejected += rejected.count
        for rejected in ack.rejected[:REJECTED_LINES_MAX]:
            log.warning(
                "readings were not taken",
                extra=fields(
                    source_type=rejected.source_type,
                    external_id=rejected.external_id,
                    unit_type=rejected.unit_type,
                    reason=rejected.reason,
                    count=rejected.count,
                ),
            )


def _short(text: str) -> str:
    return text[:REASON_CHARACTERS_MAX]
