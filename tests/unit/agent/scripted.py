"""An aggregator that does what the test says: the far edge of the agent, over real TLS and gRPC on loopback.

Left alone it follows the protocol: cursors per epoch, DUPLICATE, CONFLICT, GAP, and go-back-N after a refusal.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

import grpc
import grpc.aio

from tests.unit.agent.certificates import Authority, Pair
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

Context = grpc.aio.ServicerContext[ingest_pb2.PushRequest, ingest_pb2.PushReply]
_GO_BACK = (ingest_pb2.OUTCOME_GAP, ingest_pb2.OUTCOME_REFUSED, ingest_pb2.OUTCOME_BUSY)


class Fault(Enum):
    """What happens to the next batch instead of being applied."""

    HANG_UP = auto()
    COMMIT_AND_HANG_UP = auto()
    COMMIT_SILENTLY = auto()
    BUSY = auto()
    REFUSE = auto()
    # Forgets the batch without a word; the next one then meets a GAP.
    LOSE = auto()
    # Says GAP and expects the very batch that it was sent.
    ASK_AGAIN = auto()


class Scripted(ingest_pb2_grpc.IngestServicer):
    """What it stored, in order, and what it was sent."""

    def __init__(self) -> None:
        self.stored: dict[tuple[bytes, int], bytes] = {}
        self.cursors: dict[bytes, int] = {}
        self.received: list[tuple[bytes, int]] = []
        self.hellos: list[ingest_pb2.Hello] = []
        self.outcomes: list[int] = []
        # One per batch that is not skipped; None: as the protocol says.
        self.faults: deque[Fault | None] = deque()
        # Whether what follows on the stream after a refusal is answered (GAP) or dropped in silence.
        self.answers_what_it_drops = False
        self.deny: tuple[grpc.StatusCode, str] | None = None
        self.rejected: list[ingest_pb2.Rejected] = []
        self.beats: list[ingest_pb2.HeartbeatRequest] = []
        self.server_time_us = 0
        self.release = asyncio.Event()
        self.release.set()

    @property
    def payloads(self) -> list[bytes]:
        return list(self.stored.values())

    async def Push(  # type: ignore[override]
        self, request_iterator: AsyncIterator[ingest_pb2.PushRequest], context: Context
    ) -> None:
        if self.deny:
            await context.abort(*self.deny)
        hello = (await anext(request_iterator)).hello
        self.hellos.append(hello)
        cursors = [ingest_pb2.Cursor(epoch=e, last_seq=self.cursors.get(e, 0)) for e in hello.epochs]
        await context.write(ingest_pb2.PushReply(welcome=ingest_pb2.Welcome(cursors=cursors)))
        awaited: dict[bytes, int] = {}
        async for request in request_iterator:
            await self.release.wait()
            batch = request.batch
            self.received.append((batch.epoch, batch.seq))
            expected = awaited.get(batch.epoch, batch.seq)
            if expected != batch.seq:
                if self.answers_what_it_drops:
                    gap = ingest_pb2.Ack(
                        epoch=batch.epoch, seq=batch.seq, outcome=ingest_pb2.OUTCOME_GAP, expected=expected
                    )
                    await context.write(ingest_pb2.PushReply(ack=gap))
                continue
            awaited.pop(batch.epoch, None)
            fault = self.faults.popleft() if self.faults else None
            if fault in {Fault.COMMIT_AND_HANG_UP, Fault.COMMIT_SILENTLY}:
                self._apply(batch)
            if fault in {Fault.HANG_UP, Fault.COMMIT_AND_HANG_UP}:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
            if fault in {Fault.LOSE, Fault.COMMIT_SILENTLY}:
                continue
            # What is committed is never refused, and what is not next is a GAP: no aggregator says otherwise.
            is_next = batch.seq == self.cursors.get(batch.epoch, 0) + 1
            ack = self._fail(batch, fault) if fault and is_next else self._apply(batch)
            self.outcomes.append(ack.outcome)
            if ack.outcome in _GO_BACK:
                awaited[batch.epoch] = ack.expected or batch.seq
            await context.write(ingest_pb2.PushReply(ack=ack))

    async def Heartbeat(
        self,
        request: ingest_pb2.HeartbeatRequest,
        context: grpc.aio.ServicerContext[ingest_pb2.HeartbeatRequest, ingest_pb2.HeartbeatReply],
    ) -> ingest_pb2.HeartbeatReply:
        self.beats.append(request)
        return ingest_pb2.HeartbeatReply(server_time_us=self.server_time_us)

    def _fail(self, batch: ingest_pb2.SealedBatch, fault: Fault) -> ingest_pb2.Ack:
        ack = ingest_pb2.Ack(epoch=batch.epoch, seq=batch.seq, reason="as the test says", retry_after_ms=1)
        match fault:
            case Fault.BUSY:
                ack.outcome = ingest_pb2.OUTCOME_BUSY
            case Fault.ASK_AGAIN:
                ack.outcome, ack.expected = ingest_pb2.OUTCOME_GAP, batch.seq
            case _:
                ack.outcome = ingest_pb2.OUTCOME_REFUSED
        return ack

    def _apply(self, batch: ingest_pb2.SealedBatch) -> ingest_pb2.Ack:
        last = self.cursors.get(batch.epoch, 0)
        ack = ingest_pb2.Ack(epoch=batch.epoch, seq=batch.seq)
        if batch.seq <= last:
            same = self.stored[batch.epoch, batch.seq] == batch.payload
            ack.outcome = ingest_pb2.OUTCOME_DUPLICATE if same else ingest_pb2.OUTCOME_CONFLICT
        elif batch.seq > last + 1:
            ack.outcome = ingest_pb2.OUTCOME_GAP
            ack.expected = last + 1
        else:
            self.stored[batch.epoch, batch.seq] = batch.payload
            content = ingest_pb2.Batch.FromString(batch.payload)
            self.cursors[batch.epoch] = content.tombstone.through or batch.seq
            ack.outcome = ingest_pb2.OUTCOME_APPLIED
            ack.stored = sum(len(t.series) for t in content.ticks)
            ack.rejected.extend(self.rejected)
        return ack


@asynccontextmanager
async def serving(
    servicer: Scripted, authority: Authority, *, pair: Pair | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Its address while the block lasts; clients need a certificate of ``authority``."""
    server = grpc.aio.server()
    ingest_pb2_grpc.add_IngestServicer_to_server(servicer, server)
    own = pair or authority.server()
    credentials = grpc.ssl_server_credentials(
        [(own.key, own.certificate)], root_certificates=authority.pem, require_client_auth=True
    )
    bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)
