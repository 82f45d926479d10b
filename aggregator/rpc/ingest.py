"""The service agents push to: who is speaking, batches in, acknowledgements out in the same order.

One reader and one writer per stream with a window of batches between them. What a batch contains is the business of
`aggregator/ingest`; when it is committed, of the committer. Errors leave as the kinds of `aggregator/errors.py` or as an
acknowledgement; no other text reaches an agent.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import grpc.aio

import sql
from aggregator.errors import Denied, Invalid
from aggregator.ingest import limits
from aggregator.ingest.agents import Agent, Agents
from aggregator.ingest.clocks import Sent, judge_clock
from aggregator.ingest.commit import Committer, busy
from aggregator.ingest.decode import Refused
from aggregator.ingest.group import OWN_EPOCH
from aggregator.ingest.heartbeat import Heartbeats
from aggregator.ingest.judge import Offered
from aggregator.ingest.rates import Gate, Rates
from aggregator.ingest.read import Reader
from aggregator.rpc.certified import identity
from aggregator.store.database import Database
from ullage.log import fields
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

_Q = sql.queries("ingest")
_log = logging.getLogger(__name__)

# Batches of one agent that are read but not answered yet.
WINDOW_BATCHES = 16
HELLO_SECONDS_MAX = 10.0

Context = grpc.aio.ServicerContext[Any, Any]
Requests = AsyncIterator[ingest_pb2.PushRequest]
# After these the agent goes back: what it had sent ahead of the answer counts for nothing.
_GO_BACK = (ingest_pb2.OUTCOME_GAP, ingest_pb2.OUTCOME_REFUSED, ingest_pb2.OUTCOME_BUSY)

_ALARMING = (ingest_pb2.OUTCOME_REFUSED, ingest_pb2.OUTCOME_CONFLICT)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The acknowledgement of a batch, in time; and the generation of its epoch when the batch was read."""

    epoch: bytes
    generation: int
    ack: asyncio.Future[ingest_pb2.Ack]


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a Hello says of the batches that follow."""

    boot_id: str = ""
    # The epoch before each epoch that names one.
    predecessors: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, hello: ingest_pb2.Hello) -> "Greeting":
        """Epochs are named oldest first; each follows the one before it, the newest the one it is said to follow."""
        predecessors = dict(zip(hello.epochs[1:], hello.epochs, strict=False))
        if hello.epochs and hello.predecessor:
            predecessors[hello.epochs[-1]] = hello.predecessor
        return cls(hello.boot_id, predecessors)


NOT_GREETED = Greeting()


class IngestService(ingest_pb2_grpc.IngestServicer):
    """`ullage.v1.Ingest`."""

    def __init__(self, committer: Committer, db: Database, rates: Rates | None = None) -> None:
        self._committer = committer
        self._db = db
        self._agents = Agents(db)
        self._reader = Reader(db)
        self._gate = Gate(rates or Rates())
        self._heartbeats = Heartbeats(db)

    async def Push(self, request_iterator: Requests, context: Context) -> None:  # type: ignore[override]
        """Hello, Welcome, then batches and their acknowledgements until either side ends the stream."""
        holder = identity(context)
        agent = await self._agents.identify(holder.uuid, holder.generation)
        hello = await _hello(request_iterator)
        async with self._agents.connected(
            agent, version=hello.version, boot_id=hello.boot_id, generation=holder.generation
        ) as presence:
            _log.info("agent connected", extra=fields(agent=agent.name))
            cursors = await self._cursors(agent, hello)
            welcome = ingest_pb2.Welcome(server_time_us=_now_us())
            welcome.cursors.extend(ingest_pb2.Cursor(epoch=e, last_seq=n) for e, n in cursors.items())
            await context.write(ingest_pb2.PushReply(welcome=welcome))
            stream = _Stream(self, agent, cursors, Greeting.of(hello))
            reader = asyncio.create_task(stream.read(request_iterator))
            writer = asyncio.create_task(stream.write(context))
            try:
                ending: set[asyncio.Future[Any]] = {writer, presence.ended}
                await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
                if not writer.done():
                    raise Denied(presence.ended.result())
                await writer
            finally:
                reader.cancel()
                writer.cancel()
                await asyncio.gather(reader, writer, return_exceptions=True)
                _log.info("agent disconnected", extra=fields(agent=agent.name))

    async def Heartbeat(
        self, request: ingest_pb2.HeartbeatRequest, context: Context
    ) -> ingest_pb2.HeartbeatReply:
        """Raises ``Denied`` unless the agent is known and active."""
        holder = identity(context)
        if not await self._heartbeats.take(
            holder.uuid, request, received_us=_now_us(), generation=holder.generation
        ):
            # Says why.
            await self._agents.identify(holder.uuid, holder.generation)
        return ingest_pb2.HeartbeatReply(server_time_us=_now_us())

    async def _cursors(self, agent: Agent, hello: ingest_pb2.Hello) -> dict[bytes, int]:
        """The last number applied for each epoch the agent names, 0 for one never seen."""
        cursors = dict.fromkeys(hello.epochs, 0)
        if not cursors:
            return cursors
        async with self._db.transaction() as conn:
            found = await conn.execute(
                _Q["cursors_of_agent"], {"agent_id": agent.id, "epochs": list(hello.epochs)}
            )
            cursors.update({epoch: last for _, epoch, last in await found.fetchall()})
        return cursors

    async def offer(
        self,
        agent: Agent,
        sealed: ingest_pb2.SealedBatch,
        *,
        is_next: bool,
        greeting: Greeting = NOT_GREETED,
    ) -> asyncio.Future[ingest_pb2.Ack]:
        """Reads a batch and queues it for commit; the future is its acknowledgement."""
        return await self.submit(await self.read(agent, sealed, is_next=is_next, greeting=greeting))

    async def submit(self, batch: Offered) -> asyncio.Future[ingest_pb2.Ack]:
        """Queues a batch for commit."""
        return await self._committer.submit(batch)

    def held_up(self, agent: Agent, sealed: ingest_pb2.SealedBatch) -> ingest_pb2.Ack | None:
        """BUSY for an agent above its rate, else None and the batch is counted."""
        wait_ms = self._gate.enter(agent.id, asyncio.get_running_loop().time())
        if not wait_ms:
            return None
        return busy(sealed.epoch, sealed.seq, "this agent sends faster than one agent may", after_ms=wait_ms)

    async def read(
        self,
        agent: Agent,
        sealed: ingest_pb2.SealedBatch,
        *,
        is_next: bool,
        greeting: Greeting = NOT_GREETED,
    ) -> Offered:
        """The batch with what is in it. Only the next number's payload is read."""
        sent = Sent(
            received_us=_now_us(),
            wall_us=sealed.wall_us,
            boottime_us=sealed.boottime_us,
            boot_id=greeting.boot_id,
        )
        digest = sha256(sealed.payload).digest()
        batch = Offered(
            agent_id=agent.id,
            epoch=sealed.epoch,
            seq=sealed.seq,
            sha256=digest,
            received_us=sent.received_us,
            payload=sealed.payload,
            content=None,
            predecessor=greeting.predecessors.get(sealed.epoch, b""),
            clock=judge_clock(sent),
        )
        if digest != sealed.sha256:
            reason = "the payload does not have the hash it was sealed with: it was damaged on the way here"
            return replace(batch, content=Refused(reason))
        if not is_next:
            return batch
        batch = await self._reader.read(agent, batch, sent)
        self._gate.charge(agent.id, batch.readings, asyncio.get_running_loop().time())
        return batch


class _Stream:
    """The batches of one stream between the reader, which offers them, and the writer, which answers.

    Go-back-N, per epoch: once an answer sends the agent back, what it had already sent ahead is dropped without an answer
    until the expected number comes. Batches offered before that carry an older generation than the epoch's, and their
    answers, whatever they are, are not sent: the agent offers them again and learns that they are duplicates.
    """

    def __init__(
        self, service: IngestService, agent: Agent, cursors: dict[bytes, int], greeting: Greeting
    ) -> None:
        self._service = service
        self._agent = agent
        self._greeting = greeting
        self._next = {epoch: last + 1 for epoch, last in cursors.items()}
        self._awaited: dict[bytes, int] = {}
        self._generation: dict[bytes, int] = {}
        # Ends with None, or with what went wrong while reading.
        self._answers: asyncio.Queue[_Answer | Exception | None] = asyncio.Queue(WINDOW_BATCHES)

    async def read(self, requests: Requests) -> None:
        """Offers every batch until the agent stops sending."""
        try:
            async for request in requests:
                if request.WhichOneof("message") != "batch":
                    raise Invalid("message", "after the Hello only batches may follow")
                await self._take(request.batch)
        except Exception as error:  # noqa: BLE001 - raised again where the stream is answered
            await self._answers.put(error)
        else:
            await self._answers.put(None)

    async def write(self, context: Context) -> None:
        """Answers in the order in which the batches came, until there are no more."""
        while True:
            answer = await self._answers.get()
            if answer is None:
                return
            if isinstance(answer, Exception):
                raise answer
            ack = await answer.ack
            if answer.generation != self._generation.get(answer.epoch, 0):
                continue
            if ack.outcome in _GO_BACK:
                self._go_back(answer.epoch, ack.expected or ack.seq)
            if ack.outcome in _ALARMING:
                about = fields(agent=self._agent.name, epoch=ack.epoch.hex(), seq=ack.seq, reason=ack.reason)
                _log.warning("batch not taken", extra=about)
            ack.server_time_us = _now_us()
            await context.write(ingest_pb2.PushReply(ack=ack))

    async def _take(self, sealed: ingest_pb2.SealedBatch) -> None:
        # Cut, so that a malformed epoch cannot be a large key.
        epoch, seq = sealed.epoch[: limits.EPOCH_BYTES], sealed.seq
        if len(self._next) >= limits.EPOCHS_PER_AGENT_MAX and epoch not in self._next:
            raise Invalid("epoch", f"more than {limits.EPOCHS_PER_AGENT_MAX} epochs on one stream")
        if self._awaited.get(epoch, seq) != seq:
            return
        self._awaited.pop(epoch, None)
        # Before anything is waited for: an answer may send the agent back meanwhile.
        generation = self._generation.get(epoch, 0)
        is_next = self._next.get(epoch, seq) == seq
        if is_next:
            self._next[epoch] = seq + 1
        await self._answers.put(_Answer(epoch, generation, await self._answer(sealed, is_next=is_next)))

    async def _answer(
        self, sealed: ingest_pb2.SealedBatch, *, is_next: bool
    ) -> asyncio.Future[ingest_pb2.Ack]:
        epoch = sealed.epoch[: limits.EPOCH_BYTES]
        known: ingest_pb2.Ack | None = None
        if wrong := malformed(sealed):
            known = ingest_pb2.Ack(epoch=epoch, seq=sealed.seq, reason=wrong)
            known.outcome = ingest_pb2.OUTCOME_REFUSED
        elif is_next:
            known = self._service.held_up(self._agent, sealed)
        if known is not None:
            answer: asyncio.Future[ingest_pb2.Ack] = asyncio.get_running_loop().create_future()
            answer.set_result(known)
            return answer
        batch = await self._service.read(self._agent, sealed, is_next=is_next, greeting=self._greeting)
        if is_next and self._next.get(epoch) == sealed.seq + 1:
            # A tombstone stands for more than its own number.
            self._next[epoch] = batch.through + 1
        return await self._service.submit(batch)

    def _go_back(self, epoch: bytes, expected: int) -> None:
        self._generation[epoch] = self._generation.get(epoch, 0) + 1
        self._awaited[epoch] = self._next[epoch] = expected


async def _hello(requests: Requests) -> ingest_pb2.Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS_MAX):
            first = await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        first = ingest_pb2.PushRequest()
    if first.WhichOneof("message") != "hello":
        raise Invalid("hello", "the first message must be a Hello")
    if len(first.hello.epochs) > limits.EPOCHS_PER_HELLO_MAX:
        raise Invalid("epochs", f"at most {limits.EPOCHS_PER_HELLO_MAX} may be named")
    if any(len(epoch) != limits.EPOCH_BYTES for epoch in first.hello.epochs):
        raise Invalid("epochs", f"an epoch has {limits.EPOCH_BYTES} bytes")
    return first.hello


def malformed(sealed: ingest_pb2.SealedBatch) -> str:
    """What is wrong with the envelope; empty when nothing is."""
    if len(sealed.epoch) != limits.EPOCH_BYTES:
        return f"an epoch has {limits.EPOCH_BYTES} bytes"
    if sealed.epoch == OWN_EPOCH:
        return "this epoch is the aggregator's own: an epoch is 16 random bytes"
    if not 1 <= sealed.seq <= limits.SEQUENCE_MAX:
        return f"numbers go from 1 to {limits.SEQUENCE_MAX}"
    if len(sealed.sha256) != limits.SHA256_BYTES:
        return f"a hash has {limits.SHA256_BYTES} bytes"
    return ""


def _now_us() -> int:
    return time.time_ns() // 1_000
