"""One connection to an aggregator, the services on it, and one typed call for all of them."""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from types import TracebackType
from typing import Protocol, Self, TypeVar

# gRPC's own log lines would be drawn into the screen.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from tui.failures import CallFailed, Kind, explain
from tui.settings import Settings
from ullage.channel import open_channel
from ullage.v1 import (
    admin_pb2_grpc,
    analysis_pb2_grpc,
    billing_pb2_grpc,
    closing_pb2_grpc,
    exchange_pb2_grpc,
    insight_pb2_grpc,
    inventory_pb2_grpc,
)

CALL_SECONDS_MAX = 15.0
# Imports and exports answer when they are done.
RUN_SECONDS_MAX = 900.0
# A run of a job as well: over years of usage, and whether it goes on is told meanwhile.
JOB_SECONDS_MAX = 86_400.0

Request_contra = TypeVar("Request_contra", contravariant=True)
Reply_co = TypeVar("Reply_co", covariant=True)


class Method(Protocol[Request_contra, Reply_co]):
    """A unary method of a generated stub."""

    def __call__(
        self,
        request: Request_contra,
        /,
        *,
        timeout: float | None = None,
        metadata: grpc.aio.Metadata | None = None,
    ) -> Awaitable[Reply_co]: ...


class StreamMethod(Protocol[Request_contra, Reply_co]):
    """A method of a generated stub that answers with a stream."""

    def __call__(
        self,
        request: Request_contra,
        /,
        *,
        timeout: float | None = None,
        metadata: grpc.aio.Metadata | None = None,
    ) -> AsyncIterable[Reply_co]: ...


class _Stubs:
    """One connection and the services on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.inventory = inventory_pb2_grpc.InventoryStub(channel)
        self.billing = billing_pb2_grpc.BillingStub(channel)
        self.insight = insight_pb2_grpc.InsightStub(channel)
        self.admin = admin_pb2_grpc.AdminStub(channel)
        self.exchange = exchange_pb2_grpc.ExchangeStub(channel)
        self.closing = closing_pb2_grpc.ClosingStub(channel)
        self.analysis = analysis_pb2_grpc.AnalysisStub(channel)


class Wire:
    """Dials when first used; ``close`` when done.

    ``await wire.ask(wire.inventory.GetClient, request)`` is any call, with its key, its deadline and its errors in words.
    """

    def __init__(self, settings: Settings) -> None:
        self.address = settings.address
        self.metadata = grpc.aio.Metadata(("authorization", f"Bearer {settings.key}"))
        self._ca = settings.ca
        self._stubs: _Stubs | None = None

    @property
    def _wire(self) -> _Stubs:
        """Dialled in the event loop that calls: a channel belongs to one loop."""
        if self._stubs is None:
            self._stubs = _Stubs(open_channel(self.address, ca=self._ca))
        return self._stubs

    @property
    def inventory(self) -> "inventory_pb2_grpc.InventoryAsyncStub":
        """What is metered, who owns it, and the rules between them."""
        return self._wire.inventory

    @property
    def billing(self) -> "billing_pb2_grpc.BillingAsyncStub":
        """What periods cost."""
        return self._wire.billing

    @property
    def insight(self) -> "insight_pb2_grpc.InsightAsyncStub":
        """Figures over everything, and news."""
        return self._wire.insight

    @property
    def admin(self) -> "admin_pb2_grpc.AdminAsyncStub":
        """Agents, quarantine, jobs, keys, audit and health."""
        return self._wire.admin

    @property
    def exchange(self) -> "exchange_pb2_grpc.ExchangeAsyncStub":
        """Files in and out."""
        return self._wire.exchange

    @property
    def closing(self) -> "closing_pb2_grpc.ClosingAsyncStub":
        """How periods become final, and how figures are defended."""
        return self._wire.closing

    @property
    def analysis(self) -> "analysis_pb2_grpc.AnalysisAsyncStub":
        """What readings say about agreements."""
        return self._wire.analysis

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and whatever call is under way; the next call dials again."""
        stubs, self._stubs = self._stubs, None
        if stubs is not None:
            await stubs.channel.close()

    async def ask(
        self,
        method: Method[Request_contra, Reply_co],
        request: Request_contra,
        *,
        seconds: float = CALL_SECONDS_MAX,
    ) -> Reply_co:
        """The reply to one call. Raises ``CallFailed``."""
        try:
            return await method(request, timeout=seconds, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            raise explain(error.code().name, error.details() or "", self.address) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not we were cancelled but the call, because its channel was given up.
            raise CallFailed(
                Kind.AWAY, f"The connection to {self.address} was lost during the call."
            ) from None

    async def stream(
        self,
        method: StreamMethod[Request_contra, Reply_co],
        request: Request_contra,
        *,
        seconds: float = RUN_SECONDS_MAX,
    ) -> AsyncIterator[Reply_co]:
        """The replies of a call that answers with many, one after another. Raises ``CallFailed``."""
        try:
            async for reply in method(request, timeout=seconds, metadata=self.metadata):
                yield reply
        except grpc.aio.AioRpcError as error:
            raise explain(error.code().name, error.details() or "", self.address) from None
