"""`ullage-agent simulate`: many agents in one process, to size a machine or to break a server with known contents.

Responsible for the command, the order of its phases and the report. What is sent is simulate_load.py's, how it travels
simulate_stream.py's. Neither spool nor collectors take part: the load is made up, and made again when it must be resent.
"""

import asyncio
import gc
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.simulate_load import Load, Plan, SealedPush
from agent.simulate_stream import Faults, SimulatedAgent, Stopped, Tally
from ullage.channel import Identity

PREPARED_BYTES_MAX = 4 * 1024**3
# Handshakes at the same time; more of them only wait for one another.
DIALLING_MAX = 64
EPOCH_FILE = "simulated-epoch"
_SECOND_US = 1_000_000
_PERCENTILES = (50, 95, 99, 100)

_chance = click.FloatRange(0, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's, checked."""

    address: str
    ca: Path | None
    credentials: Path
    agents: int
    first_agent: int
    plan: Plan
    window: int
    skew_seconds: float
    paced: bool
    faults: Faults


@click.command("simulate")
@click.option("--address", required=True, help="The aggregator's listener for agents, host:port.")
@click.option("--ca", type=click.Path(path_type=Path), help="ca.crt; by default the one in each folder.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder of folders, one per agent, each as `ullage-aggregator ca issue agent --out` makes it.",
)
@click.option("--agents", type=click.IntRange(1, 100_000), default=10, show_default=True)
@click.option("--first-agent", type=click.IntRange(0), default=0, help="Leave out so many folders, by name.")
@click.option("--series", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Per agent.")
@click.option("--interval", type=click.FloatRange(0.001), default=60.0, show_default=True, help="Seconds.")
@click.option(
    "--duration", type=click.FloatRange(0.001), default=600.0, show_default=True, help="Seconds simulated."
)
@click.option("--batch-readings", type=click.IntRange(1, 20_000), help="Default: one tick.")
@click.option("--window", type=click.IntRange(1, 64), default=8, show_default=True, help="Batches in flight.")
@click.option("--flat-out", is_flag=True, help="Ticks lie in the past and go as fast as they are taken.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--start", type=int, help="Unix time of the first tick; default: now, or so that the last is now."
)
@click.option("--replay", type=_chance, default=0.0, help="Chance per batch: send an acknowledged one again.")
@click.option("--reorder", type=_chance, default=0.0, help="Chance per batch: send the one after it first.")
@click.option("--drop-acks", type=_chance, default=0.0, help="Chance per answer: not heard, offer again.")
@click.option("--kill", type=_chance, default=0.0, help="Chance per batch: cut the connection.")
@click.option(
    "--skew",
    type=click.FloatRange(0),
    default=0.0,
    help="Clocks are wrong by up to so many seconds (not --flat-out).",
)
@click.option(
    "--oracle", type=click.Path(path_type=Path), help="Write what each agent sealed, one JSON a line."
)
def command(**given: Any) -> None:
    """Play many agents against an aggregator and print as JSON how it went.

    Not for an aggregator in service: the readings are made up, and they stay. The load depends on --seed and --start
    alone. Ends when every batch is acknowledged; exit code 1 when one never will be.

    \b
    Example, a thousand agents for ten minutes with a batch a minute each:
      ullage-agent simulate --address localhost:7443 --credentials agents --agents 1000 --duration 600
    """
    options = _options(given)
    folders = _folders(options)
    runner = asyncio.Runner()
    code = 0
    try:
        report, oracle = runner.run(simulate(options, folders))
        if given["oracle"] is not None:
            given["oracle"].write_text("".join(json.dumps(line) + "\n" for line in oracle))
        click.echo(json.dumps(report))
    except Stopped as error:
        click.echo(f"the aggregator will never take a batch: {error}", err=True)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # To close a channel gRPC looks through all tasks there are: ten thousand of them would take minutes.
    os._exit(code)


def _options(given: dict[str, Any]) -> Options:
    ticks = max(1, round(given["duration"] / given["interval"]))
    interval_us = round(given["interval"] * _SECOND_US)
    batch_readings = given["batch_readings"] or given["series"]
    if given["start"] is not None:
        start_us = given["start"] * _SECOND_US
    else:
        now_us = time.time_ns() // 1000 // _SECOND_US * _SECOND_US
        # Paced: the first batch is due now, and readings from the future would not be taken.
        behind = ticks if given["flat_out"] else max(1, batch_readings // given["series"])
        start_us = now_us - behind * interval_us
    return Options(
        address=given["address"],
        ca=given["ca"],
        credentials=given["credentials"],
        agents=given["agents"],
        first_agent=given["first_agent"],
        plan=Plan(
            series=given["series"],
            ticks=ticks,
            interval_us=interval_us,
            start_us=start_us,
            batch_readings=batch_readings,
            seed=given["seed"],
        ),
        window=given["window"],
        skew_seconds=given["skew"],
        paced=not given["flat_out"],
        faults=Faults(
            replay=given["replay"], reorder=given["reorder"], drop_acks=given["drop_acks"], kill=given["kill"]
        ),
    )


def _folders(options: Options) -> list[Path]:
    """Credentials of the agents to play, by name."""
    found = sorted(place.parent for place in options.credentials.glob("*/agent.crt"))
    chosen = found[options.first_agent : options.first_agent + options.agents]
    if len(chosen) < options.agents:
        raise click.UsageError(
            f"{options.credentials} holds {len(found)} agents and {options.first_agent + options.agents} are "
            "asked for: make more with `ullage-aggregator ca issue agent NAME --site SITE --out FOLDER/NAME`"
        )
    return chosen


async def simulate(options: Options, folders: Sequence[Path]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report, and per agent what it sealed. Raises ``Stopped`` when a batch is refused for good."""
    tally = Tally()
    agents, sealed = _prepare(options, folders, tally)
    # What was prepared stays: looking through it again and again would be measured with the rest.
    gc.freeze()
    began = time.perf_counter()
    through_first = 1 if options.plan.batches > 1 else 0
    if through_first:
        # Dialling, and creating what is new, is measured on its own.
        dialling = asyncio.Semaphore(DIALLING_MAX)
        await asyncio.gather(*(_first(agent, dialling) for agent in agents))
    connected = time.perf_counter()
    if options.paced:
        for agent in agents:
            agent.pace(time.time())
    cpu = time.process_time()
    before = tally.readings, tally.applied + tally.duplicate
    tally.latencies.clear()
    await asyncio.gather(*(agent.advance(options.plan.batches) for agent in agents))
    seconds = time.perf_counter() - connected
    cpu_seconds = time.process_time() - cpu
    readings = tally.readings - before[0]
    batches = tally.applied + tally.duplicate - before[1]
    oracle = [line.as_dict() for line in sealed]
    return {
        "readings_per_second": readings / seconds,
        "batches_per_second": batches / seconds,
        "seconds": seconds,
        "connect_seconds": connected - began,
        "cpu_seconds": cpu_seconds,
        "measured_readings": readings,
        "measured_batches": batches,
        **_counts(tally),
        "latency_ms": _percentiles(tally.latencies),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "oracle": {
            "agents": len(oracle),
            "batches": sum(line["batches"] for line in oracle),
            "readings": sum(line["readings"] for line in oracle),
            "value_sum": sum(line["value_sum"] for line in oracle),
        },
    }, oracle


async def _first(agent: SimulatedAgent, dialling: asyncio.Semaphore) -> None:
    async with dialling:
        await agent.advance(1)


@dataclass(slots=True)
class Sealed:
    """The oracle's obligation for one agent: all of this, once."""

    load: Load
    batches: int = 0
    readings: int = 0
    value_sum: int = 0

    def add(self, push: SealedPush) -> None:
        """A number counts once, however often it is made."""
        if push.seq == self.batches + 1:
            self.batches = push.seq
            self.readings += push.readings
            self.value_sum += push.value_sum

    def as_dict(self) -> dict[str, Any]:
        return {
            "agent": self.load.agent,
            "epoch": self.load.epoch.hex(),
            "batches": self.batches,
            "readings": self.readings,
            "value_sum": self.value_sum,
        }


def _prepare(
    options: Options, folders: Sequence[Path], tally: Tally
) -> tuple[list[SimulatedAgent], list[Sealed]]:
    agents, sealed = [], []
    prepared_bytes = 0
    for number, folder in enumerate(folders, options.first_agent):
        draw = random.Random(f"{options.plan.seed}:clock:{number}")  # noqa: S311 - load, not secrets
        load = Load(
            plan=options.plan,
            agent=f"{number:06}-{folder.name}",
            boot_id=f"simulated-{options.plan.seed}-{number}",
            skew_us=round(draw.uniform(-1, 1) * options.skew_seconds * _SECOND_US),
        )
        predecessor = _predecessor(folder, load.epoch)
        own = Sealed(load)
        source: Callable[[int], SealedPush]
        if options.paced:
            source = _remembering(load, own)
        else:
            pushes = list(load.pushes())
            prepared_bytes += sum(len(push.message) for push in pushes)
            if prepared_bytes > PREPARED_BYTES_MAX:
                raise click.UsageError(
                    f"the load is larger than {PREPARED_BYTES_MAX // 1024**3} GiB: shorten --duration"
                )
            for push in pushes:
                own.add(push)
            source = _listed(pushes)
        agents.append(
            SimulatedAgent(
                load,
                address=options.address,
                ca=(options.ca or folder / "ca.crt").read_bytes(),
                identity=Identity((folder / "agent.crt").read_bytes(), (folder / "agent.key").read_bytes()),
                predecessor=predecessor,
                source=source,
                window=options.window,
                faults=options.faults,
                tally=tally,
            )
        )
        sealed.append(own)
    return agents, sealed


def _listed(pushes: list[SealedPush]) -> Callable[[int], SealedPush]:
    return lambda seq: pushes[seq - 1]


def _remembering(load: Load, own: Sealed) -> Callable[[int], SealedPush]:
    """Made when it is sent: a paced load is small, and many agents' would not fit into memory."""

    def source(seq: int) -> SealedPush:
        push = load.push(seq, sent_us=time.time_ns() // 1000)
        own.add(push)
        return push

    return source


def _predecessor(folder: Path, epoch: bytes) -> bytes:
    """The epoch of this agent's run before; notes the present one. Empty for its first, and for the same run again."""
    note = folder / EPOCH_FILE
    known = bytes.fromhex(note.read_text("ascii")) if note.exists() else b""
    note.write_text(epoch.hex(), "ascii")
    return b"" if known == epoch else known


def _counts(tally: Tally) -> dict[str, Any]:
    names = (
        *("sent", "applied", "duplicate", "gap", "busy", "refused", "conflict", "reconnects"),
        *("replayed", "reordered", "dropped_acks", "killed", "rejected_readings", "last_error"),
    )
    return {name: getattr(tally, name) for name in names}


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        f"p{percent}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 2)
        for percent in _PERCENTILES
    }
