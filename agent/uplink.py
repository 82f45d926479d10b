"""Sealed batches travel from the spool to the aggregator: in order, a few at a time, for ever.

One stream at a time (link.py is one such stream); this is what happens between them: waiting, explaining, dialling
again. It can be used as a library, with any spool and without an agent around it:

    uplink = Uplink(address, ca=ca, identity=identity, spool=spool, hello=Greeting(version, boot_id))
    task = asyncio.create_task(uplink.run())
    …
    await uplink.drained()
    task.cancel()
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable

import grpc.aio

from agent.identity import Clock, SystemClock
from agent.link import ACK_SECONDS_MAX, WINDOW_BATCHES, Counts, Ended, Greeting, Link
from agent.outbox import Outbox
from ullage.channel import Identity, open_channel
from ullage.log import fields

RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 60.0
# After so many attempts in a row that did not even reach a Welcome the cause is looked for, and again after as many more.
EXPLAIN_AFTER_ATTEMPTS = 3
_DOUBLINGS_MAX = 6
# What only a human can change; retrying goes on, at the slowest pace.
_HUMAN = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}

log = logging.getLogger(__name__)


class Uplink:
    """Delivers what is in the spool. ``counts`` says how it goes."""

    def __init__(
        self,
        address: str,
        *,
        ca: bytes,
        identity: Identity,
        spool: Outbox,
        hello: Greeting,
        window: int = WINDOW_BATCHES,
        clock: Clock | None = None,
        explain: Callable[[], str] | None = None,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``explain`` says in words why the aggregator cannot be reached; it may block and runs in a thread.

        ``spread(low, high)`` draws the time to wait.
        """
        self.counts = Counts()
        self.connected = False
        # Why the last stream ended, until the next one is welcomed.
        self.last_problem = ""
        self._channel: grpc.aio.Channel | None = None
        self._address = address
        self._ca = ca
        self._identity = identity
        self._spool = spool
        self._hello = hello
        self._window = window
        self._clock = clock or SystemClock()
        self._explain = explain
        self._spread = spread

    @property
    def waiting(self) -> int:
        """Batches in the spool that are not acknowledged."""
        return self._spool.waiting

    def use(self, *, ca: bytes, identity: Identity) -> None:
        """From the next dialling on. The present stream goes on: certificates are looked at when a connection begins."""
        self._ca, self._identity = ca, identity

    async def drained(self) -> None:
        """Returns when every batch in the spool is acknowledged or put aside."""
        await self._spool.drained()

    async def run(self) -> None:
        """Until cancelled."""
        attempts = 0
        unwelcome = 0
        while True:
            ended = await self._once()
            if ended.delivered:
                attempts = 0
            unwelcome = 0 if ended.welcomed else unwelcome + 1
            ceiling = min(RETRY_SECONDS_MIN * 2**attempts, RETRY_SECONDS_MAX)
            if ended.code in _HUMAN:
                ceiling = RETRY_SECONDS_MAX
            self.last_problem = f"{ended.code.name}: {ended.reason}" if ended.code else ended.reason
            wait = self._spread(0, ceiling)
            attempts = min(attempts + 1, _DOUBLINGS_MAX)
            self.counts.reconnects += 1
            log.warning(
                "connection to the aggregator ended",
                extra=fields(
                    address=self._address,
                    status=ended.code.name if ended.code else "",
                    reason=ended.reason,
                    waiting_batches=self.waiting,
                    retry_seconds=round(wait, 1),
                ),
            )
            if unwelcome and unwelcome % EXPLAIN_AFTER_ATTEMPTS == 0:
                await self._look_for_the_cause(unwelcome)
            await self._clock.sleep(wait)

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[grpc.aio.Channel]:
        """The channel of the present stream, for a call beside it; where there is none, one for the block.

        When the stream ends, so does a call on its channel: it sees itself cancelled.
        """
        if self._channel is not None and self.connected:
            yield self._channel
            return
        channel = open_channel(self._address, ca=self._ca, identity=self._identity)
        try:
            yield channel
        finally:
            await channel.close()

    async def _once(self) -> Ended:
        """One channel with one stream, from dialling to whatever ends it."""
        channel = self._channel = open_channel(self._address, ca=self._ca, identity=self._identity)
        link = Link(
            channel,
            spool=self._spool,
            hello=self._hello,
            clock=self._clock,
            counts=self.counts,
            window=self._window,
            ack_seconds_max=ACK_SECONDS_MAX,
        )
        try:
            return await link.run(self._welcome)
        finally:
            self.connected = False
            self._channel = None
            await channel.close()

    def _welcome(self) -> None:
        self.connected = True
        self.last_problem = ""
        log.info("connected to the aggregator", extra=fields(address=self._address))

    async def _look_for_the_cause(self, attempts: int) -> None:
        if self._explain is None:
            return
        cause = await asyncio.to_thread(self._explain)
        log.error(
            "the aggregator cannot be reached",
            extra=fields(
                address=self._address, attempts=attempts, cause=cause or "TLS works: see the status above"
            ),
        )
