"""The agent's heartbeat: every interval ask every collector, measure, seal, append to the spool.

Ticks are on whole multiples of the interval in wall time; a start and a stop are ticks of their own. The arithmetic is
in amounts.py, the layout in seal.py; here is only what happens when, with an injected clock, so that it can be tested
without waiting.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping

from agent.amounts import Answer, Baselines, Measured, Stamp, Tick, measure
from agent.identity import Clock
from agent.outbox import Inbox
from agent.seal import BATCH_READINGS_MAX, pack
from agent.snapshot import Collector, Snapshot
from ullage.log import fields

# Between ticks while the spool is nearly full or takes nothing: the same amounts, fewer of the levels.
SLOW_INTERVAL_SECONDS = 600
# How long one collector may take; then it has failed at this tick, and is not asked again before it is back.
COLLECTOR_SECONDS_MAX = 10.0
# How long the last tick waits for collectors that were just being asked.
FINISH_SECONDS_MAX = 1.0
# A tick waits at most so long for others to travel with.
SEAL_AFTER_SECONDS = 5
# A tick that is later than this is stamped with the time it was taken at instead of the time it was due.
LATE_US_MAX = 500_000
# Long sleeps are cut, so that a clock that is set, and a suspended host that wakes up, are noticed.
_SLEEP_SECONDS_MAX = 5.0
_SECOND_US = 1_000_000

log = logging.getLogger(__name__)


class Collection:
    """Ticks of one agent. ``held_back`` counts level readings that found no room in the spool: they are a gap."""

    def __init__(
        self,
        collectors: Mapping[str, Collector],
        *,
        spool: Inbox,
        clock: Clock,
        interval_seconds: int,
        collector_seconds_max: float = COLLECTOR_SECONDS_MAX,
    ) -> None:
        self.held_back = 0
        self._collectors = collectors
        self._spool = spool
        self._clock = clock
        self._usual_us = interval_seconds * _SECOND_US
        self._collector_seconds_max = collector_seconds_max
        self._asking: dict[str, asyncio.Future[Snapshot]] = {}
        # Collectors that failed at the last tick, and why.
        self.failures: Mapping[str, str] = {}
        self._full = False
        # Ticks that are not sealed yet, and the counters at the last of them.
        self._open: list[Tick] = []
        self._baselines: Baselines = spool.baselines

    async def run(self) -> None:
        """Until cancelled."""
        async for stamp in self.moments():
            await self.tick(stamp)
            if self._is_time_to_seal(stamp):
                self.seal()

    async def moments(self) -> AsyncIterator[Stamp]:
        """When to tick: now, because the first tick is the baseline and shows that the agent lives, then on the grid."""
        yield self._clock.stamp()
        while True:
            yield await self._next()

    async def finish(self) -> None:
        """A last tick, now, and everything into the spool. Call it when ``run`` is over."""
        if self._asking:
            # Asked by the tick that was cut off.
            await asyncio.wait(self._asking.values(), timeout=FINISH_SECONDS_MAX)
        await self.tick(self._clock.stamp())
        self.seal()

    async def tick(self, stamp: Stamp) -> Measured:
        """Asks all collectors and measures; what was measured waits to be sealed."""
        measured = measure(stamp, await self.ask(), self._baselines)
        self._open += measured.ticks
        self._baselines = measured.baselines
        self._tell(measured)
        return measured

    async def ask(self) -> list[Answer]:
        """What every collector says now. All are asked at once: one that hangs delays the tick, but no other's answer."""
        return await asyncio.gather(*(self._ask(name, one) for name, one in self._collectors.items()))

    def take(self) -> list[Tick]:
        """The ticks that wait to be sealed; they do so no longer."""
        ticks, self._open = self._open, []
        return ticks

    def seal(self) -> bool:
        """Moves the open ticks into the spool. False when it is full.

        Then they are given up and the baselines of the last sealed batch stand again: the amounts are in the next
        difference, spread over its longer span; the levels are a gap.
        """
        ticks = self.take()
        if not ticks:
            return True
        payloads = pack(ticks, boot_id=self._clock.stamp().boot_id)
        if self._spool.append(payloads, baselines=self._baselines):
            if self._full:
                log.info("the spool has room again", extra=fields(held_back_readings=self.held_back))
            self._full = False
            return True
        self._baselines = self._spool.baselines
        self.held_back += sum(len(tick.readings) for tick in ticks)
        if not self._full:
            log.error(
                "the spool took nothing: amounts are kept in the next difference, levels are missing until it does"
            )
        self._full = True
        return False

    def _is_time_to_seal(self, stamp: Stamp) -> bool:
        if not self._spool.baselines:
            return True  # the first sign of life
        waited_us = stamp.wall_us - self._open[0].ticked_at_us
        readings = sum(len(tick.readings) for tick in self._open)
        return (
            waited_us + self._interval_us > SEAL_AFTER_SECONDS * _SECOND_US or readings >= BATCH_READINGS_MAX
        )

    @property
    def _interval_us(self) -> int:
        if self._spool.state == "ok":
            return self._usual_us
        return max(self._usual_us, SLOW_INTERVAL_SECONDS * _SECOND_US)

    async def _next(self) -> Stamp:
        """Waits for the next tick's time. Stamped with that time, or with the real one when it is late."""
        interval_us = self._interval_us
        due_us = next_due(self._clock.stamp().wall_us, interval_us)
        while (now := self._clock.stamp()).wall_us < due_us:
            if due_us - now.wall_us > interval_us or interval_us != self._interval_us:
                # The clock was set back, or the spool has room again, or none any more.
                interval_us = self._interval_us
                due_us = next_due(now.wall_us, interval_us)
            await self._clock.sleep(min((due_us - now.wall_us) / _SECOND_US, _SLEEP_SECONDS_MAX))
        late_us = now.wall_us - due_us
        if late_us > min(LATE_US_MAX, interval_us // 2):
            return now
        return Stamp(due_us, now.boottime_us - late_us, now.boot_id)

    async def _ask(self, name: str, collector: Collector) -> Answer:
        asking = self._asking.get(name)
        if asking is not None and not asking.done():
            return Answer(name, collector.source_types, None, "has not answered since an earlier tick")
        future = self._asking[name] = _in_a_thread(collector.collect, name)
        done, _ = await asyncio.wait([future], timeout=self._collector_seconds_max)
        if not done:
            return Answer(
                name,
                collector.source_types,
                None,
                f"did not answer within {self._collector_seconds_max:g} s",
            )
        del self._asking[name]
        error = future.exception()
        if error is not None:
            return Answer(name, collector.source_types, None, f"{type(error).__name__}: {error}")
        return Answer(name, collector.source_types, future.result())

    def _tell(self, measured: Measured) -> None:
        """Logs failures when they begin, change and end, and every reset."""
        for name, failure in measured.failures.items():
            if self.failures.get(name) != failure:
                log.error("collector failed", extra=fields(collector=name, reason=failure))
        for name in self.failures.keys() - measured.failures.keys():
            log.info("collector answers again", extra=fields(collector=name))
        self.failures = measured.failures
        if measured.resets:
            self._spool.count_resets(len(measured.resets))
        for reset in measured.resets:
            source_type, external_id, unit_type, identity = reset.key
            log.warning(
                "a counter went backwards: this interval counts 0",
                extra=fields(
                    source_type=source_type,
                    external_id=external_id,
                    unit_type=unit_type,
                    identity=identity,
                    before=reset.before,
                    after=reset.after,
                ),
            )


def next_due(wall_us: int, interval_us: int) -> int:
    """The first whole multiple of the interval after a moment, in microseconds since 1970."""
    return (wall_us // interval_us + 1) * interval_us


def _in_a_thread(collect: Callable[[], Snapshot], name: str) -> asyncio.Future[Snapshot]:
    """Runs a collector in a daemon thread: one that hangs must keep neither the loop nor the end of the program."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Snapshot] = loop.create_future()
    # An answer that comes too late for its tick is looked at by nobody else.
    future.add_done_callback(lambda late: late.cancelled() or late.exception())

    def run() -> None:
        try:
            result = collect()
        except Exception as error:  # noqa: BLE001 - a collector may raise anything; it is that collector's failure
            settle(future.set_exception, error)
        else:
            settle(future.set_result, result)

    def settle(settler: Callable[..., None], value: object) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if future.done() else settler(value))
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name=f"collect-{name}", daemon=True).start()
    return future
