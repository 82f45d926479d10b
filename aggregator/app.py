"""The one place where the aggregator is put together: database, committer, services, two listeners, jobs, health.

Responsible for the order in which the parts start and stop. Not responsible for what any of them does.
"""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from aggregator.actions.run_job import jobs_keeping
from aggregator.config import Config, split_address
from aggregator.errors import Conflict
from aggregator.ingest.commit import Committer
from aggregator.ingest.rates import Rates
from aggregator.issuing import Issuer
from aggregator.jobs import Jobs
from aggregator.listener_tls import ListenerTls
from aggregator.listening import why_not
from aggregator.notify import READY, STOPPING, notify
from aggregator.rpc import access
from aggregator.rpc.admin import AdminService
from aggregator.rpc.analysis import AnalysisService
from aggregator.rpc.billing import BillingService
from aggregator.rpc.changes import Changes
from aggregator.rpc.closing import ClosingService
from aggregator.rpc.enrolment import EnrolmentService
from aggregator.rpc.exchange import ExchangeService
from aggregator.rpc.ingest import IngestService
from aggregator.rpc.insight import InsightService
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.renewal import RenewalService
from aggregator.rpc.server import CALLS_AT_ONCE_MAX, OPTIONS, Guard, admit_agents, admit_people
from aggregator.store.database import Database
from aggregator.store.migrate import check_schema
from ullage.log import fields
from ullage.v1 import (
    admin_pb2_grpc,
    analysis_pb2_grpc,
    billing_pb2_grpc,
    closing_pb2_grpc,
    enrolment_pb2_grpc,
    exchange_pb2_grpc,
    ingest_pb2_grpc,
    insight_pb2_grpc,
    inventory_pb2_grpc,
)

# Together below the 10 s in which a supervisor expects an end.
AGENTS_GRACE_SECONDS = 2.0
PEOPLE_GRACE_SECONDS = 3.0
JOBS_GRACE_SECONDS = 2.0
PART_STOP_SECONDS_MAX = 1.5
HEALTH_SECONDS = 1.0
FILES_MAX = 65_536
# New objects between two collections of garbage.
GARBAGE_OBJECTS = 20_000
DATABASE_ANSWER_SECONDS_MAX = 3.0

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_IN_SERVICE = (logging.INFO, "in service: readings can be stored")
_OUT_OF_SERVICE = (logging.WARNING, "out of service: readings cannot be stored until the database is back")

_log = logging.getLogger(__name__)
# It tells of each attempt to connect; that the database is away is told once, by whoever needs it.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the services share."""

    db: Database
    rates: Rates
    committer: Committer
    changes: Changes
    jobs: Jobs
    health: health_aio.HealthServicer
    issuer: Issuer | None


async def serve(config: Config, dsn: str) -> None:
    """Serves until SIGTERM or SIGINT, then stops within 10 s.

    Raises ``ConfigError`` for unusable certificates, ``Unavailable`` without a database, ``Conflict`` for a schema that
    is not ours or an address that cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    access.check_table(access.methods())
    tls = ListenerTls(config)
    _raise_file_limit()
    async with contextlib.AsyncExitStack() as stack:
        db = await Database.open(dsn)
        stack.push_async_callback(_bounded, "pool", db.close)
        async with db.transaction() as conn:
            await check_schema(conn)
        parts = _parts(config, db)
        agents, people = _agents_server(parts), _people_server(parts, reflect=config.people.reflection)
        at = {
            "agents": _bind(agents, "agents.listen", config.agents.listen, tls.agents()),
            "people": _bind(people, "people.listen", config.people.listen, tls.people()),
        }
        await _start(parts, agents, people, stack)
        # What lives as long as the program is never looked through again, and what a batch leaves behind seldom: almost
        # nothing of it is in circles.
        gc.freeze()
        gc.set_threshold(GARBAGE_OBJECTS)
        _log.info("ready", extra=fields(**at))
        notify(READY)
        await stop.wait()
        _log.info("stopping")
        notify(STOPPING)
    _log.info("stopped")


async def _start(
    parts: Parts, agents: grpc.aio.Server, people: grpc.aio.Server, stack: contextlib.AsyncExitStack
) -> None:
    """Starts everything; on ``stack`` lies how to stop it, in the opposite order: who brings work ends first."""
    await parts.committer.start()
    stack.push_async_callback(_bounded, "committer", parts.committer.stop)
    parts.jobs.start()
    stack.push_async_callback(parts.jobs.stop, grace_seconds=JOBS_GRACE_SECONDS)

    async def stop_listening() -> None:
        await asyncio.gather(agents.stop(AGENTS_GRACE_SECONDS), people.stop(PEOPLE_GRACE_SECONDS))

    stack.push_async_callback(stop_listening)
    await parts.changes.start()
    # Before the listeners: a Watch ends with its subscription, and so within the grace.
    stack.push_async_callback(parts.changes.stop)
    watcher = asyncio.create_task(_watch_health(parts), name="health")
    await agents.start()
    await people.start()

    async def out_of_service() -> None:
        watcher.cancel()
        await parts.health.enter_graceful_shutdown()

    stack.push_async_callback(out_of_service)


def _parts(config: Config, db: Database) -> Parts:
    seconds = {
        "rollup": config.jobs.rollup_seconds,
        "provisioning": config.jobs.provisioning_seconds,
        "binding": config.jobs.binding_seconds,
        "billing": config.jobs.billing_seconds,
        "projection": config.jobs.projection_seconds,
        "control-totals": config.jobs.control_totals_seconds,
        "retention": config.jobs.retention_seconds,
    }
    jobs = Jobs(
        db, seconds=seconds, clock=lambda: datetime.now(UTC), jobs=jobs_keeping(config.retention.raw_days)
    )
    rates = Rates(
        batches_per_second=config.agents.batches_per_second_max,
        readings_per_second=config.agents.readings_per_second_max,
    )
    return Parts(db, rates, Committer(db), Changes(db), jobs, health_aio.HealthServicer(), _issuer(config))


def _agents_server(parts: Parts) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=[Guard(admit_agents)], options=OPTIONS, maximum_concurrent_rpcs=CALLS_AT_ONCE_MAX
    )
    ingest_pb2_grpc.add_IngestServicer_to_server(
        IngestService(parts.committer, parts.db, parts.rates), server
    )
    enrolment_pb2_grpc.add_RenewalServicer_to_server(RenewalService(parts.db, parts.issuer), server)
    health_pb2_grpc.add_HealthServicer_to_server(parts.health, server)
    return server


def _people_server(parts: Parts, *, reflect: bool) -> grpc.aio.Server:
    db, jobs = parts.db, parts.jobs
    server = grpc.aio.server(
        interceptors=[Guard(admit_people(access.KeyRing(db)))],
        options=OPTIONS,
        maximum_concurrent_rpcs=CALLS_AT_ONCE_MAX,
    )
    inventory_pb2_grpc.add_InventoryServicer_to_server(InventoryService(db), server)
    billing_pb2_grpc.add_BillingServicer_to_server(BillingService(db, jobs), server)
    analysis_pb2_grpc.add_AnalysisServicer_to_server(AnalysisService(db), server)
    closing_pb2_grpc.add_ClosingServicer_to_server(ClosingService(db), server)
    exchange_pb2_grpc.add_ExchangeServicer_to_server(ExchangeService(db), server)
    insight_pb2_grpc.add_InsightServicer_to_server(InsightService(db, parts.changes, jobs), server)
    admin_pb2_grpc.add_AdminServicer_to_server(AdminService(db, jobs, parts.issuer), server)
    enrolment_pb2_grpc.add_EnrolmentServicer_to_server(EnrolmentService(db, parts.issuer), server)
    health_pb2_grpc.add_HealthServicer_to_server(parts.health, server)
    if reflect:
        services = {method.split("/")[1] for method in access.methods()}
        reflection.enable_server_reflection([*sorted(services), reflection.SERVICE_NAME], server)
    return server


def _issuer(config: Config) -> Issuer | None:
    """Issues certificates where there is an authority."""
    section = config.authority
    if section is None:
        return None
    return Issuer(section.directory, config.tls.certificate, timedelta(seconds=section.certificate_seconds))


def _bind(server: grpc.aio.Server, key: str, listen: str, credentials: grpc.ServerCredentials) -> str:
    """The address that is listened on, with the port that was chosen where ``listen`` says 0."""
    host, port = split_address(listen)
    try:
        bound = server.add_secure_port(listen, credentials)
    except RuntimeError:
        bound = 0
    if not bound:
        raise Conflict(f"{key}: {listen} cannot be listened on: {why_not(host, port) or 'try again'}")
    return f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"


def _raise_file_limit() -> None:
    """As many connections as the system allows: the usual soft limit of 1,024 would be a limit on agents."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _watch_health(parts: Parts) -> None:
    """Keeps the service "ingest" of the health protocol true: readings can be stored."""
    was_usable = False
    while True:
        usable = parts.committer.ready and await _answers(parts.db)
        if usable != was_usable:
            was_usable = usable
            _log.log(*(_IN_SERVICE if usable else _OUT_OF_SERVICE))
        await parts.health.set("ingest", _SERVING if usable else _NOT_SERVING)
        await asyncio.sleep(HEALTH_SECONDS)


async def _answers(db: Database) -> bool:
    try:
        async with asyncio.timeout(DATABASE_ANSWER_SECONDS_MAX), db.transaction() as conn:
            await check_schema(conn)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, nothing can be stored
        _log.debug("the database is not usable", extra=fields(reason=type(error).__name__))
        return False
    return True


async def _bounded(part: str, stop: Callable[[], Awaitable[None]]) -> None:
    """Waits for a part to stop, but not for ever."""
    try:
        async with asyncio.timeout(PART_STOP_SECONDS_MAX):
            await stop()
    except TimeoutError:
        _log.warning("a part did not stop in time", extra=fields(part=part))
