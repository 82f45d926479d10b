"""An event loop whose time is a number: it jumps to the next timer, so that a seed replays exactly and hours cost nothing.

Only what asyncio's own tasks, futures, locks and timeouts need; whoever asks for a socket, a thread or a signal gets
``NotImplementedError``.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Beyond these a seed is a bug of its own: something spins, or nothing will ever happen again.
STEPS_MAX = 2_000_000


class Stuck(Exception):
    """Nothing is left to do and the main task is not done, or it never ends."""


class Process:
    """What dies together: every task started within it, directly or not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: set[asyncio.Task[Any]] = set()
        self.dead = False

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Runs it as a task of this process."""
        token = PROCESS.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            PROCESS.reset(token)

    def kill(self) -> None:
        """Ends every task at its next step. What they touch on their way out must be dead already."""
        self.dead = True
        # In the order in which they were made, for a replay.
        for task in sorted(self.tasks, key=lambda task: task.get_name()):
            task.cancel()


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


def virtual_loop() -> "VirtualLoop":
    """A new one, at time 0."""
    # The other methods of an event loop are missing on purpose.
    kind: Any = VirtualLoop
    loop: VirtualLoop = kind()
    return loop


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order in which they were asked for, timers by time and then by that order."""

    def __init__(self) -> None:
        self.steps = 0
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = False

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._number), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is skipped when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(
            coro, loop=self, name=f"{next(self._number):09d}", context=context
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        process = PROCESS.get()
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
            if process.dead:
                task.cancel()
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Of tasks that died with their process."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Until it is done. Raises ``Stuck``."""
        asyncio._set_running_loop(self)
        self._running = True
        try:
            task = self.create_task(main)
            while not task.done():
                self._step()
            result: T = task.result()
            return result
        finally:
            self._end()
            self._running = False
            asyncio._set_running_loop(None)

    def _end(self) -> None:
        """Lets every task finish, without time."""
        for task in sorted(self._tasks, key=lambda task: task.get_name()):
            task.cancel()
        for _ in range(STEPS_MAX):
            if not self._ready:
                return
            self._step()

    def _step(self) -> None:
        if not self._ready:
            while self._timers and self._timers[0][2].cancelled():
                heapq.heappop(self._timers)
            if not self._timers:
                raise Stuck("nothing is left to do")
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            self._ready.append(timer)
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Stuck(f"no end after {STEPS_MAX} steps")
        handle = self._ready.popleft()
        if not handle.cancelled():
            handle._run()
