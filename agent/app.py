"""Where the agent is put together: collectors, spool and uplink, started, watched and stopped.

The caller holds the spool folder's lock (disk.py): a second agent in it would count the host twice.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from agent import credentials, identity
from agent.collect import Collection
from agent.collectors import COLLECTORS
from agent.config import Config
from agent.credentials import Credentials
from agent.disk import Disk
from agent.heartbeat import Condition, Heartbeat
from agent.link import Greeting
from agent.outbox import Inbox
from agent.renewal import Renewal
from agent.spool import Spool
from agent.uplink import Uplink
from ullage.log import fields

# From the signal to the exit: systemd and people kill what takes longer.
STOP_SECONDS_MAX = 10.0
FINAL_TICK_SECONDS_MAX = 3.0
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

log = logging.getLogger(__name__)


def make_collection(config: Config, spool: Inbox, clock: identity.Clock) -> Collection:
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
        known = credentials.load(known.files, now=datetime.now(UTC))
    except credentials.Refused as refused:
        return str(refused)
    return credentials.probe(address, known)


async def run(config: Config, known: Credentials, disk: Disk) -> int:
    """Until SIGTERM or SIGINT, then a last tick and the drain. Returns the exit code; a second signal ends at once.

    Raises ``recover.Unusable`` and ``OSError`` when the spool on the disk cannot be used.
    """
    clock = identity.SystemClock()
    spool = Spool(disk, agent=UUID(known.agent).bytes, clock=clock, bytes_max=config.spool_bytes_max)
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
    renewal = Renewal(config, known, uplink, clock=clock, boot_id=identity.boot_id())
    heartbeat = Heartbeat(
        spool=spool,
        uplink=uplink,
        clock=clock,
        version=identity.version(),
        condition=lambda: Condition(_with_certificate(collection.failures, renewal.problem)),
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
            spool_bytes_max=spool.bytes_max,
            waiting_batches=spool.waiting,
            epoch=spool.epoch.hex(),
        ),
    )
    collecting = asyncio.create_task(collection.run())
    sending = asyncio.create_task(uplink.run())
    beating = asyncio.create_task(heartbeat.run())
    renewing = asyncio.create_task(renewal.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait(
            {collecting, sending, beating, renewing, stopping}, return_when=asyncio.FIRST_COMPLETED
        )
        if stopping in done:
            await _finish(collecting, collection, uplink)
            return EXIT_OK
        # Neither ends by itself: let the caller see why.
        for task in done:
            await task
        return EXIT_FAILED
    finally:
        tasks = (collecting, sending, beating, renewing, stopping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spool.close()


def _with_certificate(failures: Mapping[str, str], problem: str) -> Mapping[str, str]:
    """What failed, and among it that the certificate cannot be renewed."""
    return {**failures, "certificate": problem} if problem else failures


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
        log.warning(
            "stopped with batches that were not acknowledged: they wait in the spool for the next start",
            extra=fields(waiting_batches=uplink.waiting, reason=uplink.last_problem),
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
