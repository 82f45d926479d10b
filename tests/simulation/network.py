"""The network between agents and aggregators: late, cut, deaf in one direction, and with an eavesdropper who replays.

One connection keeps its order, as TCP does; different ones do not, and what a broken one had under way may still arrive.
Stands in for ``grpc.aio.Channel`` on one side and for the servicer's context on the other; messages travel as bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

import grpc
import grpc.aio

from tests.simulation.chance import Chance
from ullage.v1 import ingest_pb2

RECORDED_STREAMS_MAX = 20
RECORDED_MESSAGES_MAX = 40


class Answering(Protocol):
    """An aggregator's process, as the network sees it."""

    def accept(self, connection: "Connection") -> bool:
        """Begins to serve it. False: nobody listens there."""

    def hang_up(self, connection: "Connection") -> None:
        """The connection is gone."""


class Network:
    """All connections there are. ``perfect`` ends the faults."""

    def __init__(
        self,
        chance: Chance,
        saw: Callable[[int, ingest_pb2.SealedBatch], None],
        said: Callable[[int, bytes, int], None],
    ) -> None:
        """``saw`` is told of every batch that an agent sends, ``said`` of every number called committed."""
        self.chance = chance
        self.saw = saw
        self.said = said
        self.numbers: dict[UUID, int] = {}
        self.servers: list[Answering] = []
        self.perfect = False
        self.open: list[Connection] = []
        # Of each stream the agent and what it sent: food for the eavesdropper.
        self.recorded: deque[tuple[UUID, list[bytes]]] = deque(maxlen=RECORDED_STREAMS_MAX)

    def delay(self) -> float:
        """How long a message takes."""
        if self.perfect or self.chance.happens(0.8):
            return 0.002
        return self.chance.wait(0.3) if self.chance.happens(0.9) else self.chance.wait(8.0)

    def connect(self, agent: UUID) -> "Connection":
        """To one of the aggregators, whoever is there."""
        connection = Connection(self, agent)
        server = self.chance.one(self.servers)
        self.open.append(connection)
        if not server.accept(connection):
            connection.end(grpc.StatusCode.UNAVAILABLE, "connection refused")
        elif not self.perfect and self.chance.happens(0.25):
            asyncio.get_running_loop().call_later(self.chance.wait(20.0), connection.break_somehow)
        return connection

    def replay(self) -> None:
        """Opens a stream of an agent's again, with everything that was once sent on it, twice."""
        if not self.recorded:
            return
        agent, messages = self.chance.one(self.recorded)
        self.chance.tell("replay", f"{agent} {len(messages)} messages")
        again = self.connect(agent)
        for message in messages[:1] + messages[1:] * 2:
            again.send(message)
        asyncio.get_running_loop().call_later(30.0, again.cut)


class Connection:
    """Both directions of one stream. ``up`` is what the aggregator can read, ``down`` what the agent can."""

    def __init__(self, network: Network, agent: UUID) -> None:
        self.agent = agent
        self.server: Answering | None = None
        self.up = Inbox()
        self.down = Inbox()
        self.status: tuple[grpc.StatusCode, str] | None = None
        self._network = network
        self._deaf_up = self._deaf_down = False
        self._last_up = self._last_down = 0.0
        self._record: list[bytes] = []
        network.recorded.append((agent, self._record))

    def send(self, message: bytes) -> None:
        """From the agent."""
        if len(self._record) < RECORDED_MESSAGES_MAX:
            self._record.append(message)
        if not self._deaf_up:
            self._last_up = self._later(self._last_up, lambda: self.up.put(message))

    def watch(self, request: ingest_pb2.PushRequest) -> None:
        """Tells the oracle."""
        if request.HasField("batch"):
            self._network.saw(self._network.numbers[self.agent], request.batch)

    def answer(self, message: bytes) -> None:
        """From the aggregator."""
        reply = ingest_pb2.PushReply.FromString(message)
        if reply.HasField("ack"):
            self._network.chance.counts[ingest_pb2.Outcome.Name(reply.ack.outcome)] += 1
            if reply.ack.outcome in {ingest_pb2.OUTCOME_APPLIED, ingest_pb2.OUTCOME_DUPLICATE}:
                self._network.said(self._network.numbers[self.agent], reply.ack.epoch, reply.ack.seq)
        if not self._deaf_down:
            self._last_down = self._later(self._last_down, lambda: self.down.put(message))

    def _later(self, last: float, deliver: Callable[[], None]) -> float:
        loop = asyncio.get_running_loop()
        when = max(last, loop.time() + self._network.delay())
        loop.call_at(when, deliver)
        return when

    def end(self, code: grpc.StatusCode, text: str) -> None:
        """The aggregator ends the stream; the agent hears of it after everything else, if it hears at all."""

        def arrive() -> None:
            if self.status is None:
                self.status = (code, text)
            self.down.close()

        if not self._deaf_down:
            self._later(self._last_down, arrive)
        self._forget()

    def cut(self) -> None:
        """Both ends lose it, each at its own time; answers under way are lost, what was sent may still arrive."""
        self._deaf_down = True
        loop = asyncio.get_running_loop()
        loop.call_later(self._network.delay(), self.lose)
        loop.call_later(self._network.delay(), self.leave)

    def lose(self) -> None:
        """The agent's end is gone."""
        if self.status is None:
            self.status = (grpc.StatusCode.UNAVAILABLE, "connection reset")
        self.down.close()

    def leave(self) -> None:
        """The aggregator's end is gone."""
        self._deaf_up = True
        self.up.close()
        if self.server is not None:
            self.server.hang_up(self)
        self._forget()

    def break_somehow(self) -> None:
        """As networks do."""
        if self._network.perfect or self not in self._network.open:
            return
        match self._network.chance.below(4):
            case 0:
                self._network.chance.tell("deaf", "the agent hears nothing any more")
                self._deaf_down = True
            case 1:
                self._network.chance.tell("deaf", "the aggregator hears nothing any more")
                self._deaf_up = True
            case _:
                self._network.chance.tell("cut")
                self.cut()

    def _forget(self) -> None:
        if self in self._network.open:
            self._network.open.remove(self)


class Inbox:
    """Messages in order for one reader; None at the end."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._closed = False
        self._wake = asyncio.Event()

    def put(self, message: bytes) -> None:
        """What comes after the end is lost."""
        if not self._closed:
            self._messages.append(message)
            self._wake.set()

    def close(self) -> None:
        """After what is in it."""
        self._closed = True
        self._wake.set()

    async def get(self) -> bytes | None:
        """Waits for the next one."""
        while not self._messages:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._messages.popleft()


class Call:
    """The agent's end of a Push (grpc.aio.StreamStreamCall, as much of it as a link uses)."""

    def __init__(self, connection: Connection, alive: Callable[[], bool]) -> None:
        self._connection = connection
        self._alive = alive
        self._cancelled = False

    async def write(self, request: ingest_pb2.PushRequest) -> None:
        if self._cancelled or self._connection.status is not None:
            raise asyncio.InvalidStateError("RPC already finished.")
        if self._alive():
            self._connection.watch(request)
            self._connection.send(request.SerializeToString())

    async def read(self) -> Any:
        message = await self._connection.down.get()
        if message is not None and not self._cancelled:
            return ingest_pb2.PushReply.FromString(message)
        if self._cancelled or self._connection.status is None:
            raise asyncio.CancelledError
        code, text = self._connection.status
        if code is grpc.StatusCode.OK:
            return grpc.aio.EOF
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=text)

    def cancel(self) -> bool:
        if self._cancelled:
            return False
        self._cancelled = True
        self._connection.down.close()
        asyncio.get_running_loop().call_later(self._connection._network.delay(), self._connection.leave)
        return True

    def cancelled(self) -> bool:
        return self._cancelled

    async def code(self) -> grpc.StatusCode:
        return (self._connection.status or (grpc.StatusCode.CANCELLED, ""))[0]

    async def details(self) -> str:
        return (self._connection.status or (grpc.StatusCode.CANCELLED, ""))[1]


class Channel:
    """What ``ullage.channel.open_channel`` gives an agent here. ``alive``: whether its process still is."""

    def __init__(self, network: Network, agent: UUID, alive: Callable[[], bool]) -> None:
        self._network = network
        self._agent = agent
        self._alive = alive

    def stream_stream(self, method: str, **_: Any) -> Callable[[], Call]:
        """Only Push has this shape."""
        assert method.endswith("/Push")
        return lambda: Call(self._network.connect(self._agent), self._alive)

    def unary_unary(self, method: str, **_: Any) -> Callable[..., Any]:
        """Heartbeats get lost: nothing may depend on them."""

        async def lost(*_args: Any, **_options: Any) -> None:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=method
            )

        return lost

    async def close(self) -> None:
        """There is nothing to close."""


class Context:
    """The aggregator's end (grpc.aio.ServicerContext, as much of it as the service uses)."""

    def __init__(self, connection: Connection, uri: str) -> None:
        self._connection = connection
        self._uri = uri

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return {"peer_uri": (self._uri.encode(),)}

    async def write(self, reply: ingest_pb2.PushReply) -> None:
        self._connection.answer(reply.SerializeToString())


class Requests:
    """What the aggregator reads of a stream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> ingest_pb2.PushRequest:
        message = await self._connection.up.get()
        if message is None:
            raise StopAsyncIteration
        return ingest_pb2.PushRequest.FromString(message)
