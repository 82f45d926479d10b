"""What every call goes through on its way in and out: who may call, and how errors leave.

Responsible for the limits of connections and for mapping kinds of error to gRPC status, once. The text of an unexpected
error never leaves: an id does, and the log has the rest. Knows no service.
"""

import contextlib
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from aggregator.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from aggregator.rpc import access, caller
from aggregator.rpc.access import KeyRing, Unauthenticated
from aggregator.store.database import acting
from ullage.channel import KEEPALIVE_SECONDS, KEEPALIVE_TIMEOUT_SECONDS, MESSAGE_BYTES_MAX
from ullage.log import fields

CONNECTION_SECONDS_MAX = 30 * 60
CONNECTION_GRACE_SECONDS = 30
STREAMS_PER_CONNECTION_MAX = 100
CALLS_AT_ONCE_MAX = 10_000
DETAIL_CHARACTERS_MAX = 1_000
REQUEST_ID_BYTES = 8

OPTIONS: tuple[tuple[str, int], ...] = (
    # Otherwise a second aggregator on the same port takes half of the connections and nobody is told.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Clients ping every KEEPALIVE_SECONDS; the default of five minutes would end them with "too many pings".
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 1000 // 2),
    # A certificate is looked at when a connection begins, so no connection may last for ever.
    ("grpc.max_connection_age_ms", CONNECTION_SECONDS_MAX * 1000),
    ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_SECONDS * 1000),
)

_STATUS: dict[type[Exception], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}

_log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")
Admit = Callable[[str, Context], Awaitable[None]]


class _Handler(Protocol):
    """What is wanted of a method's handler; gRPC's own class has no usable type."""

    request_streaming: bool
    response_streaming: bool
    request_deserializer: Any
    response_serializer: Any
    unary_unary: Any
    unary_stream: Any
    stream_unary: Any
    stream_stream: Any


def admit_people(ring: KeyRing) -> Admit:
    """Admits whoever has a key whose role may call the method."""

    async def admit(method: str, context: Context) -> None:
        if access.is_open(method):
            return
        who = await ring.caller(context.invocation_metadata() or ())
        access.check_role(method, who.role)
        caller.become(who)

    return admit


async def admit_agents(method: str, context: Context) -> None:
    """Admits everyone: TLS let only holders of a certificate in, and the service looks at whose it is."""


class Guard(grpc.aio.ServerInterceptor):
    """Stands before every method: asks ``admit`` first, and before each message of a stream to the caller."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """The method's handler with the guard around it; None for a method that does not exist."""
        handler: _Handler | None = await continuation(handler_call_details)
        if handler is None:
            return None
        method: str = handler_call_details.method
        if handler.response_streaming:
            return self._streaming(method, handler)
        return self._unary(method, handler)

    def _unary(self, method: str, handler: _Handler) -> Any:
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def answer(request: Any, context: Context) -> Any:
            async def call() -> Any:
                await self._admit(method, context)
                with _acting(method):
                    return await inner(request, context)

            return await _mapped(method, context, call)

        make = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(answer, handler.request_deserializer, handler.response_serializer)

    def _streaming(self, method: str, handler: _Handler) -> Any:
        inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def answer(request: Any, context: Context) -> None:
            async def call() -> None:
                await self._admit(method, context)
                if not inspect.isasyncgenfunction(inner):
                    # Health's Watch writes by itself.
                    await inner(request, context)
                    return
                replies: AsyncIterator[Any]
                with _acting(method):
                    async with contextlib.aclosing(inner(request, context)) as replies:
                        async for reply in replies:
                            await self._admit(method, context)
                            await context.write(reply)

            await _mapped(method, context, call)

        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(answer, handler.request_deserializer, handler.response_serializer)


@contextlib.contextmanager
def _acting(method: str) -> Iterator[None]:
    """What a person's call changes is written down as that person's; an agent's call says itself who acts."""
    who = caller.known()
    if who is None:
        yield
        return
    act = method.removeprefix("/ullage.v1.")
    with acting(who.key_name, act=act, key_id=who.key_id, request_id=secrets.token_hex(REQUEST_ID_BYTES)):
        yield


async def _mapped(method: str, context: Context, call: Callable[[], Awaitable[_T]]) -> _T:
    """The call's result; what it raises leaves as a status with a text that is meant for the caller."""
    try:
        return await call()
    except grpc.aio.AbortError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where errors leave
        status, text = _told(method, error)
    return await context.abort(status, text[:DETAIL_CHARACTERS_MAX])


def _told(method: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """What the caller is told of an error."""
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            _log.debug("call refused", extra=fields(method=method, kind=kind.__name__))
            return status, str(error)
    incident = secrets.token_hex(4)
    _log.error("call failed", exc_info=error, extra=fields(method=method, incident=incident))
    return grpc.StatusCode.INTERNAL, f"unexpected failure {incident}; the aggregator's log says more"
