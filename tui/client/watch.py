"""News from an aggregator for as long as somebody listens."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import grpc.aio

from tui.client.wire import Wire
from tui.failures import CallFailed, Kind, explain
from ullage.v1 import insight_pb2

# The aggregator sends something at least every 15 seconds.
WATCH_SILENCE_SECONDS_MAX = 40.0
RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Connected:
    """The watch stream is open and the aggregator has spoken."""


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection. ``attempt`` counts from 1 since it was lost."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Something about this noun changed."""

    noun: str


Event = Connected | Lost | Changed


async def watch(wire: Wire, nouns: Iterable[str] = ()) -> AsyncIterator[Event]:
    """News until the caller stops listening: reconnects with a growing, jittered pause, for ever."""
    import stamina
    import stamina.instrumentation

    # Its notes about retries would be drawn into the screen.
    stamina.instrumentation.set_on_retry_hooks(())
    request = insight_pb2.WatchRequest(nouns=nouns)
    reason = ""
    while True:
        pauses = stamina.retry_context(
            on=CallFailed,
            attempts=None,
            timeout=None,
            wait_initial=RECONNECT_SECONDS_MIN,
            wait_max=RECONNECT_SECONDS_MAX,
        )
        async for attempt in pauses:
            if reason:
                yield Lost(attempt.num, reason)
                # gRPC's own pause between attempts grows to two minutes; a person waits for seconds.
                await wire.close()
            with attempt:
                try:
                    stream = wire.insight.Watch(request, metadata=wire.metadata)
                    await _next(stream, wire.address)
                except CallFailed as error:
                    reason = str(error)
                    raise
        yield Connected()
        try:
            while True:
                change = await _next(stream, wire.address)
                if change.noun:
                    yield Changed(change.noun)
        except CallFailed as error:
            reason = str(error)
        finally:
            stream.cancel()


async def _next(
    stream: grpc.aio.UnaryStreamCall[insight_pb2.WatchRequest, insight_pb2.Change], address: str
) -> insight_pb2.Change:
    """The stream's next message; silence, an end and an error are all ``CallFailed``."""
    try:
        async with asyncio.timeout(WATCH_SILENCE_SECONDS_MAX):
            change = await stream.read()
    except grpc.aio.AioRpcError as error:
        raise explain(error.code().name, error.details() or "", address) from None
    except TimeoutError:
        stream.cancel()
        raise CallFailed(Kind.AWAY, f"The aggregator at {address} has fallen silent.") from None
    if isinstance(change, insight_pb2.Change):
        return change
    raise CallFailed(Kind.AWAY, f"The aggregator at {address} closed the connection.")
