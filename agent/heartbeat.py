"""Tells the aggregator once a minute how this agent is doing, whether or not batches get through.

A call of its own with a deadline, over the uplink's connection while there is one: a stream that waits does not hold it
up. That it fails is no news: the uplink says why.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
import grpc.aio

from agent.identity import Clock
from agent.spool import Spool
from agent.uplink import Uplink
from ullage.log import fields
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

HEARTBEAT_SECONDS = 60.0
HEARTBEAT_CALL_SECONDS_MAX = 15.0
TEXT_CHARACTERS_MAX = 500
FAILED_MAX = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the uplink and the spool do not know: the collectors that failed at the last tick, with their reasons."""

    failures: Mapping[str, str]


class Heartbeat:
    """Sends until cancelled."""

    def __init__(
        self,
        *,
        spool: Spool,
        uplink: Uplink,
        clock: Clock,
        version: str,
        condition: Callable[[], Condition],
        call_seconds_max: float = HEARTBEAT_CALL_SECONDS_MAX,
    ) -> None:
        self.sent = 0
        self._spool = spool
        self._uplink = uplink
        self._clock = clock
        self._version = version
        self._condition = condition
        self._call_seconds_max = call_seconds_max

    async def run(self) -> None:
        """Once at the start, then every ``HEARTBEAT_SECONDS``."""
        while True:
            await self.beat()
            await self._clock.sleep(HEARTBEAT_SECONDS)

    async def beat(self) -> bool:
        """One call; False when it did not get through."""
        async with self._uplink.borrow() as channel:
            stub = ingest_pb2_grpc.IngestStub(channel)
            try:
                await stub.Heartbeat(self.request(), timeout=self._call_seconds_max)
            except grpc.aio.AioRpcError as error:
                log.debug("heartbeat failed", extra=fields(status=error.code().name))
                return False
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Only the call was: the stream ended whose channel it used.
                return False
        self.sent += 1
        return True

    def request(self) -> ingest_pb2.HeartbeatRequest:
        """How things are now."""
        now, spool, failures = self._clock.stamp(), self._spool, self._condition().failures
        troubles = [spool.last_error, *(f"{name}: {reason}" for name, reason in failures.items())]
        troubles.append(self._uplink.last_problem)
        return ingest_pb2.HeartbeatRequest(
            version=self._version,
            boot_id=now.boot_id,
            wall_us=now.wall_us,
            boottime_us=now.boottime_us,
            spool_bytes=spool.held_bytes,
            spool_bytes_max=spool.bytes_max,
            unacknowledged=spool.waiting,
            oldest_us=spool.oldest_us or 0,
            spool_state=spool.state,
            failed=sorted(failures)[:FAILED_MAX],
            last_error="; ".join(filter(None, troubles))[:TEXT_CHARACTERS_MAX],
            tombstones=spool.totals.tombstones,
            counter_resets=spool.totals.counter_resets,
        )
