"""What changed in the database, told to every screen that watches.

One connection of the aggregator listens, however many watch. Only nouns are told, never rows, so a burst of changes
collapses into one word and nothing can pile up. After the connection was lost every noun counts as changed.
"""

import asyncio
import contextlib
import logging
import random
import weakref
from collections.abc import Collection

from aggregator.errors import Invalid, Unavailable
from aggregator.store import news
from aggregator.store.database import Database
from aggregator.store.news import News
from ullage.log import fields

RETRY_SECONDS_FIRST = 0.5
RETRY_SECONDS_MAX = 15.0

_log = logging.getLogger(__name__)


class Subscription:
    """An endless iterator of nouns; ends when the aggregator stops. A cancelled ``anext`` loses nothing."""

    def __init__(self, nouns: frozenset[str], client_id: int | None) -> None:
        self._nouns = nouns
        self._client_id = client_id
        self._pending: set[str] = set()
        self._news = asyncio.Event()
        self._ended = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> str:
        """The next noun that changed, in no particular order."""
        await self._news.wait()
        if not self._pending:
            raise StopAsyncIteration
        noun = self._pending.pop()
        if not self._pending and not self._ended:
            self._news.clear()
        return noun

    def tell(self, told: News) -> None:
        """Adds what is of interest; a noun that waits already waits once."""
        if self._client_id is None or self._client_id in told.clients:
            self._add({told.noun})

    def tell_all(self) -> None:
        """Everything of interest counts as changed."""
        self._add(self._nouns)

    def _add(self, nouns: Collection[str]) -> None:
        self._pending |= self._nouns.intersection(nouns)
        if self._pending:
            self._news.set()

    def end(self) -> None:
        """Lets the iterator end once it has told what waits."""
        self._ended = True
        self._news.set()


class Changes:
    """Listens from ``start`` to ``stop`` and hands out subscriptions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # Whoever forgets a subscription has left: nothing to unsubscribe.
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Begins to listen; a database that is away is tried again until it is there."""
        self._task = asyncio.create_task(self._listen_for_ever(), name="changes")

    async def stop(self) -> None:
        """Ends listening and all subscriptions."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for subscription in list(self._subscriptions):
            subscription.end()

    def subscribe(self, nouns: Collection[str], *, client_id: int | None = None) -> Subscription:
        """What changes from now on among ``nouns``, all when empty, and of one client alone where that is named.

        Raises ``Invalid`` for a word that is no noun.
        """
        unknown = sorted(set(nouns) - news.NOUNS)
        if unknown:
            raise Invalid("nouns", f"{unknown[0]!r} cannot change; known are {', '.join(sorted(news.NOUNS))}")
        subscription = Subscription(frozenset(nouns) or news.NOUNS, client_id)
        if self._stopped:
            subscription.end()
        self._subscriptions.add(subscription)
        return subscription

    async def _listen_for_ever(self) -> None:
        wait = RETRY_SECONDS_FIRST
        lost = False
        while True:
            try:
                async with contextlib.aclosing(news.listen(self._db)) as heard:
                    async for told in heard:
                        wait = RETRY_SECONDS_FIRST
                        if lost:
                            lost = False
                            _log.info("listening for changes again")
                            self._tell(None)
                        elif told is not None:
                            self._tell(told)
            except Unavailable as error:
                if not lost:
                    _log.warning("not listening for changes, trying again", extra=fields(reason=str(error)))
                lost = True
            except Exception:  # noqa: BLE001 - logged; screens stay live whatever happened
                _log.exception("listening for changes failed, trying again")
                lost = True
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - spreads retries, keeps no secret
            wait = min(2 * wait, RETRY_SECONDS_MAX)

    def _tell(self, told: News | None) -> None:
        """None: everything counts as changed. A method of its own, so that no loop goes on holding a subscription."""
        for subscription in list(self._subscriptions):
            if told is None:
                subscription.tell_all()
            else:
                subscription.tell(told)
