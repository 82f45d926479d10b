"""What the agent tells a human: what it would send, and whether it would arrive."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import click
import grpc
import grpc.aio

from agent import app, credentials, identity
from agent.amounts import Answer, Baselines, Measured, Tick
from agent.config import Config
from agent.credentials import Credentials
from agent.disk import Occupied, SystemDisk, sole_owner
from agent.link import CLOCK_OFFSET_SECONDS_MAX, WELCOME_SECONDS_MAX
from agent.memory import MemorySpool
from agent.recover import Unusable
from agent.snapshot import Counter, Level
from agent.spool import SLOW_PERCENT
from agent.survey import Survey, owner, survey
from ullage.channel import open_channel
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
# Between two readings where no spool says from when to count.
FIRST_SPAN_SECONDS = 1.0
# An aggregator that knows the agent waits longer than this for a Hello.
REFUSAL_SECONDS_MAX = 3.0
RECOVERY_DAYS_MAX = 30
HOURS_TOLD_MAX = 72
_SECOND_US = 1_000_000


def collect(config: Config, *, once: bool) -> None:
    """Prints one JSON object per tick; for ever unless ``once``."""
    asyncio.run(_collect(config, once=once))


async def _collect(config: Config, *, once: bool) -> None:
    spool = MemorySpool()
    spool.baselines = _last_baselines(config)
    collection = app.make_collection(config, spool, identity.SystemClock())
    if not spool.baselines:
        await collection.tick(identity.SystemClock().stamp())
        collection.take()
        await asyncio.sleep(FIRST_SPAN_SECONDS)
    async for stamp in collection.moments():
        measured = await collection.tick(stamp)
        collection.take()
        click.echo(json.dumps(as_json(measured), indent=2 if once else None))
        if once:
            return


def _last_baselines(config: Config) -> Baselines:
    """Those of the spool's last batch; none where there is no spool that can be read."""
    disk = SystemDisk(config.spool_directory)
    try:
        agent = owner(disk)
        found = survey(disk, agent) if agent else None
    except (OSError, Unusable):
        return {}
    return found.baselines if found else {}


def as_json(measured: Measured) -> dict[str, object]:
    """Everything of one moment: its ticks as they would be sent, the counters behind the next amounts, the failures."""
    return {
        "ticks": [_tick(tick) for tick in measured.ticks],
        "counters": [
            {
                "source_type": source_type,
                "external_id": external_id,
                "unit_type": unit_type,
                "identity": identity_,
                "value": value,
            }
            for baseline in measured.baselines.values()
            for (source_type, external_id, unit_type, identity_), value in baseline.values.items()
        ],
        "failures": dict(measured.failures),
    }


def _tick(tick: Tick) -> dict[str, object]:
    return {
        "ticked_at": _time(tick.ticked_at_us),
        "since": _time(tick.since_us),
        "reported": tick.reported,
        "failed": tick.failed,
        "readings": [
            {
                "source_type": reading.asset.source_type,
                "external_id": reading.asset.external_id,
                "name": reading.asset.name,
                "address": reading.asset.address,
                "labels": dict(reading.asset.labels),
                "unit_type": reading.unit_type,
                "value": reading.value,
            }
            for reading in tick.readings
        ],
    }


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / _SECOND_US, UTC).isoformat(timespec="milliseconds")


def check(config: Config) -> int:
    """Prints a line per thing that must be right. Returns the exit code."""
    in_use, good = _check_spool(config)
    good = asyncio.run(_check_collectors(config)) and good
    try:
        known = credentials.load(config.files, now=datetime.now(UTC), recoverable=bool(config.enrolment))
    except credentials.Refused as refused:
        for problem in refused.problems:
            _line(False, "certificate", problem)
        return EXIT_FAILED
    expired, text = _certificate(config, known)
    _line(not expired, "certificate", text)
    if expired:
        return EXIT_FAILED
    for warning in known.warnings:
        _line(False, "certificate", warning)
        good = False
    if problem := credentials.probe(config.address, known):
        _line(False, "connection", problem)
        return EXIT_UNREACHABLE
    _line(True, "connection", f"TLS with {config.address} works")
    code = EXIT_OK if good else EXIT_FAILED
    if in_use:
        # A second stream would show the running agent as disconnected when it ends.
        return asyncio.run(_check_refusal(config, known, code))
    return asyncio.run(_check_welcome(config, known, code))


def _certificate(config: Config, known: Credentials) -> tuple[bool, str]:
    """Whether it has expired, and what there is to say of it."""
    now = datetime.now(UTC)
    if now >= known.not_after:
        last = known.not_after + timedelta(days=RECOVERY_DAYS_MAX)
        text = f"agent {known.agent}, expired on {known.not_after:%Y-%m-%d %H:%M} UTC: "
        if now < last:
            return True, (
                f"{text}the running agent recovers it from {config.enrolment} by itself until {last:%Y-%m-%d}; its log says "
                "why it does not"
            )
        return (
            True,
            f"{text}too long ago to be recovered: enrol this host anew with a token made with --for this agent",
        )
    hours = (known.not_after - now).total_seconds() / 3600
    left = f"{hours:.0f} hours" if hours < HOURS_TOLD_MAX else f"{hours / 24:.0f} days"
    by_itself = (
        ""
        if config.enrolment
        else "; without aggregator.enrolment it cannot be recovered once it has expired"
    )
    return False, (
        f"agent {known.agent}, until {known.not_after:%Y-%m-%d %H:%M} UTC ({left}), renewed by the running agent{by_itself}"
    )


def _check_spool(config: Config) -> tuple[bool, bool]:
    """Whether an agent works on it, and whether all is well."""
    in_use = False
    try:
        with sole_owner(config.spool_directory):
            pass
    except Occupied as error:
        if not error.by_agent:
            _line(False, "spool", str(error))
            return False, False
        in_use = True
    disk = SystemDisk(config.spool_directory)
    used_by = "in use: an agent is running" if in_use else "free"
    try:
        agent = owner(disk)
        found = survey(disk, agent) if agent else None
    except (OSError, Unusable) as error:
        _line(False, "spool", str(error))
        return in_use, False
    if found is None:
        _line(True, "spool", f"{config.spool_directory} is {used_by}, nothing is in it")
        return in_use, True
    return in_use, _describe(found, config, used_by)


def _describe(found: Survey, config: Config, used_by: str) -> bool:
    """Lines about what a spool holds; whether nothing of it needs a human."""
    percent = 100 * found.held_bytes // config.spool_bytes_max
    state = "full" if percent >= 100 else "slow" if percent >= SLOW_PERCENT else "ok"
    age = ""
    if found.oldest_us:
        seconds = identity.SystemClock().stamp().wall_us // _SECOND_US - found.oldest_us // _SECOND_US
        age = f", the oldest of {_time(found.oldest_us)} ({max(seconds, 0)} s ago)"
    _line(
        state == "ok",
        "spool",
        f"{config.spool_directory} is {used_by}, {state}: {found.waiting} batches wait{age}, {found.held_bytes} of "
        f"{config.spool_bytes_max} bytes, epoch {found.epoch.hex()}",
    )
    for note in found.notes:
        _line(False, "spool", note)
    losses = {
        "tombstones sealed for batches that could not be delivered": found.tombstones,
        "damaged segments in quarantine/": found.quarantined,
        "refused batches in rejected/": found.rejected,
    }
    for what, count in losses.items():
        if count:
            _line(True, "spool", f"{count} {what}")
    return state == "ok" and not found.notes


async def _check_collectors(config: Config) -> bool:
    collection = app.make_collection(config, MemorySpool(), identity.SystemClock())
    answers = await collection.ask()
    for answer in answers:
        problem = answer.failure if answer.snapshot is None else answer.snapshot.incomplete
        _line(not problem, f"collector {answer.collector}", problem or _seen(answer))
    return not any(answer.snapshot is None or answer.snapshot.incomplete for answer in answers)


def _seen(answer: Answer) -> str:
    assert answer.snapshot is not None  # noqa: S101 - asked for by the caller
    entries: list[Level | Counter] = [*answer.snapshot.levels, *answer.snapshot.counters]
    found = {entry.asset.key for entry in entries}
    names = ", ".join(sorted(external_id for _, external_id in found))
    return f"{len(found)} found: {names}" if found else "nothing found"


async def _check_refusal(config: Config, known: Credentials, code: int) -> int:
    """Whether the aggregator takes this agent at all: it says no before the Hello, and else waits for it."""
    channel = open_channel(config.address, ca=known.ca, identity=known.identity)
    try:
        async with asyncio.timeout(REFUSAL_SECONDS_MAX):
            await ingest_pb2_grpc.IngestStub(channel).Push().read()
    except TimeoutError:
        _line(True, "aggregator", "it knows this agent, which is connected or about to be")
        return code
    except grpc.aio.AioRpcError as error:
        _line(False, "aggregator", f"{error.code().name}: {error.details()}")
        return EXIT_UNREACHABLE if error.code() is grpc.StatusCode.UNAVAILABLE else EXIT_FAILED
    finally:
        await channel.close()
    return code


async def _check_welcome(config: Config, known: Credentials, code: int) -> int:
    """Says Hello as the agent would, and compares the clocks. ``code`` when all is well."""
    channel = open_channel(config.address, ca=known.ca, identity=known.identity)
    clock = identity.SystemClock()
    try:
        call = ingest_pb2_grpc.IngestStub(channel).Push()
        before = clock.stamp()
        hello = ingest_pb2.Hello(
            version=identity.version(),
            boot_id=before.boot_id,
            wall_us=before.wall_us,
            boottime_us=before.boottime_us,
        )
        async with asyncio.timeout(WELCOME_SECONDS_MAX):
            await call.write(ingest_pb2.PushRequest(hello=hello))
            reply = await call.read()
        after = clock.stamp()
        call.cancel()
    except TimeoutError:
        _line(False, "aggregator", f"no answer within {WELCOME_SECONDS_MAX:g} s")
        return EXIT_UNREACHABLE
    except grpc.aio.AioRpcError as error:
        _line(False, "aggregator", f"{error.code().name}: {error.details()}")
        return EXIT_UNREACHABLE if error.code() is grpc.StatusCode.UNAVAILABLE else EXIT_FAILED
    finally:
        await channel.close()
    if not isinstance(reply, ingest_pb2.PushReply) or not reply.HasField("welcome"):
        _line(False, "aggregator", "it did not answer with a Welcome: is this the port for agents?")
        return EXIT_FAILED
    _line(True, "aggregator", "it knows this agent and takes its readings")
    ahead = ((before.wall_us + after.wall_us) / 2 - reply.welcome.server_time_us) / _SECOND_US
    near = abs(ahead) <= CLOCK_OFFSET_SECONDS_MAX
    _line(
        near,
        "clock",
        f"{ahead:+.1f} s against the aggregator's{'' if near else ': set the clock of this host'}",
    )
    return code if near else EXIT_FAILED


def _line(good: bool, what: str, text: str) -> None:
    click.echo(f"{'ok     ' if good else 'PROBLEM'}  {what}: {text}")
