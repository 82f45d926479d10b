"""Where the agent is put together: collectors, spool and uplink, started, watched and stopped.

One agent per spool folder: a lock in it keeps a second one out, which would count the host twice.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent import credentials, identity
from agent.collect import Collection
from agent.collectors import COLLECTORS
from agent.config import Config
from agent.credentials import Credentials
from agent.link import Greeting
from agent.spool import SPOOL_BYTES_MAX, MemorySpool
from agent.uplink import Uplink
from ullage.log import fields

# From the signal to the exit: systemd and people kill what takes longer.
STOP_SECONDS_MAX = 10.0
FINAL_TICK_SECONDS_MAX = 3.0
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

log = logging.getLogger(__name__)


class Occupied(Exception):
    """The spool folder cannot be used; the text says why and what to do. ``by_agent``: because another one runs."""

    def __init__(self, text: str, *, by_agent: bool = False) -> None:
        super().__init__(text)
        self.by_agent = by_agent


@contextlib.contextmanager
def sole_owner(directory: Path) -> Iterator[None]:
    """Holds the folder's lock, making the folder (0700) if need be. Raises ``Occupied``."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Occupied(
            f"spool.directory {directory} cannot be used: {error.strerror}: correct the path or its owner"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Occupied(
            f"another agent works on spool.directory {directory}: stop it, or give this one a folder of its own",
            by_agent=True,
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def make_collection(config: Config, spool: MemorySpool, clock: identity.Clock) -> Collection:
    """The configured collectors, ready to be asked."""
    collectors = {
        name: collector
        for kind in config.collectors
        for name, collector in COLLECTORS[kind].make(config.settings.get(kind)).items()
    }
    return Collection(collectors, spool=spool, clock=clock, interval_seconds=config.interval_seconds)


def explain(address: str, known: Credentials) -> str:
    """Why the aggregator cannot be reached, as far as this side can tell; empty when TLS works. Blocks for seconds."""
    try:
        credentials.load(known.files, now=datetime.now(UTC))
    except credentials.Refused as refused:
        return str(refused)
    return credentials.probe(address, known)


async def run(config: Config, known: Credentials) -> int:
    """Until SIGTERM or SIGINT, then a last tick and the drain. Returns the exit code; a second signal ends at once."""
    clock = identity.SystemClock()
    spool = MemorySpool()
    collection = make_collection(config, spool, clock)
    uplink = Uplink(
        config.address,
        ca=known.ca,
        identity=known.identity,
        spool=spool,
        hello=Greeting(version=identity.version(), boot_id=identity.boot_id()),
        clock=clock,
        explain=lambda: explain(config.address, known),
    )
    stop = _stop_on_signal()
    log.info(
        "agent started",
        extra=fields(
            agent=known.agent,
            version=identity.version(),
            aggregator=config.address,
            interval_seconds=config.interval_seconds,
            collectors=list(config.collectors),
            certificate_ends=known.not_after.isoformat(),
            # This version keeps it in memory (spool.py).
            spool_bytes_max=SPOOL_BYTES_MAX,
        ),
    )
    collecting = asyncio.create_task(collection.run())
    sending = asyncio.create_task(uplink.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({collecting, sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping in done:
            await _finish(collecting, collection, uplink)
            return EXIT_OK
        # Neither ends by itself: let the caller see why.
        for task in done:
            await task
        return EXIT_FAILED
    finally:
        for task in (collecting, sending, stopping):
            task.cancel()
        await asyncio.gather(collecting, sending, stopping, return_exceptions=True)


async def _finish(collecting: asyncio.Task[None], collection: Collection, uplink: Uplink) -> None:
    """The last tick into the spool, and the spool to the aggregator, as far as the time allows."""
    ends = asyncio.get_running_loop().time() + STOP_SECONDS_MAX - 1
    log.info("stopping: a last tick, then delivering what is in the spool")
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(collection.finish(), FINAL_TICK_SECONDS_MAX)
    collection.seal()
    try:
        async with asyncio.timeout_at(ends):
            await uplink.drained()
    except TimeoutError:
        log.error(
            "stopped with batches that were not acknowledged; this spool does not survive a restart",
            extra=fields(lost_batches=uplink.waiting),
        )
    else:
        log.info("everything was delivered", extra=fields(batches=uplink.counts.applied))


def _stop_on_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(EXIT_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop
