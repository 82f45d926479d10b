"""A metered host: counters that really count, clocks that are set, a disk, and the real agent as a process that dies.

The agent is put together as ``agent.app`` does it, from the same parts; replaced are the clock, the collectors, the disk and
the channel.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from agent.amounts import Baselines, Stamp
from agent.collect import Collection
from agent.link import Greeting
from agent.seal import Payload, Sealed
from agent.segment import HEADER_BYTES, Unreadable, decode_header, scan
from agent.snapshot import Counter, Level, Snapshot, asset
from agent.spool import Spool
from agent.uplink import Uplink
from tests.simulation.chance import Chance
from tests.simulation.disk import Dead, Medium, SimulatedDisk
from tests.simulation.loop import Process
from tests.simulation.oracle import ObjectKey, Oracle
from ullage.channel import Identity

BASE_US = 1_767_614_400_000_000
SECOND_US = 1_000_000
SPOOL_BYTES_MAX = 400_000
MEDIUM_BYTES_MAX = 1_000_000
RESTART_SECONDS = 2.0
STEPS_PER_LOOK_MAX = 1_000


@dataclass(eq=False)
class Thing:
    """One object with a counter: a process, a network card. ``started_us`` None: it does not say since when it counts."""

    source_type: str
    unit_type: str
    identity: str
    started_us: int | None
    value: int = 0


@dataclass
class Habits:
    """How a host is in one seed."""

    interval_seconds: int
    collector_fails: float
    disk_lies: bool = False
    spool_bytes_max: int = SPOOL_BYTES_MAX


class HostClock:
    """Both clocks of one boot (agent.identity.Clock)."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._boot_id = host.boot_id

    def stamp(self) -> Stamp:
        now = asyncio.get_running_loop().time()
        return Stamp(
            wall_us=BASE_US + round(now * SECOND_US) + self._host.wall_offset_us,
            boottime_us=round((now - self._host.booted_at + 10) * SECOND_US),
            boot_id=self._boot_id,
        )

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Source:
    """A collector of the host's things of one source type (agent.snapshot.Collector)."""

    def __init__(self, host: "Host", source_type: str) -> None:
        self.source_types = (source_type,)
        self._host = host

    def collect(self) -> Snapshot:
        return self._host.look(self.source_types[0])


@dataclass(eq=False)
class Host:
    """Runs the agent, and is what happens to it."""

    number: int
    uuid: UUID
    habits: Habits
    chance: Chance
    oracle: Oracle
    # Gets an exception of the agent's own; nothing that happens here may cause one.
    failed: "asyncio.Future[None]"
    wall_offset_us: int = 0
    booted_at: float = 0.0
    boots: int = 0
    things: list[Thing] = field(default_factory=list)
    spool: Spool | None = None

    def __post_init__(self) -> None:
        self.medium = Medium(self.chance, bytes_max=MEDIUM_BYTES_MAX, lies=self.habits.disk_lies)
        self._process: Process | None = None
        self._disk: SimulatedDisk | None = None
        self._looks = 0
        self._named = 0
        self.boot()

    @property
    def boot_id(self) -> str:
        """Random in reality."""
        return f"boot-{self.number}-{self.boots}"

    @property
    def running(self) -> bool:
        """Whether the agent's process lives."""
        return self._process is not None

    def process_is_alive(self) -> Callable[[], bool]:
        """Whether the process of now is still alive, for whoever asks later."""
        process = self._process
        return lambda: process is not None and self._process is process

    def boot(self) -> None:
        """All counters begin anew; some say since when they count."""
        self.boots += 1
        # The same names again, as process ids and cards have them.
        self._named = 0
        self.booted_at = asyncio.get_running_loop().time()
        started = 0 if self.chance.happens(0.6) else None
        self.things = [self._thing("host", "cpu", 0), self._thing("host", "cpu", 0)]
        self.things.append(self._thing("interface", "net", started))

    def _thing(self, source_type: str, unit_type: str, started_us: int | None) -> Thing:
        self._named += 1
        return Thing(source_type, unit_type, f"{unit_type}-{self._named}", started_us)

    def replace_thing(self) -> None:
        """A process ends and another begins; a card is taken out and one of the same name put in."""
        old = self.things.pop(self.chance.below(len(self.things)))
        known = old.unit_type == "cpu" or self.chance.happens(0.5)
        started = HostClock(self).stamp().boottime_us if known else None
        self.things.append(self._thing(old.source_type, old.unit_type, started))

    def look(self, source_type: str) -> Snapshot:
        """The present state; the counters went on since the last look."""
        if self.chance.happens(self.habits.collector_fails):
            self.chance.tell("collector failed", f"{self.number} {source_type}")
            raise OSError("this collector fails now and then")
        self._looks += 1
        counters = []
        for thing in self.things:
            thing.value += self.chance.below(STEPS_PER_LOOK_MAX)
            if thing.source_type != source_type:
                continue
            of = asset(source_type, source_type)
            counters.append(Counter(of, thing.unit_type, thing.value, thing.identity, thing.started_us))
            key: ObjectKey = (*of.key, thing.unit_type, thing.identity, self.boot_id)
            self.oracle.started_us[key] = thing.started_us
        levels = (
            (Level(asset("host", "host"), "ram", self.number * 1_000_000 + self._looks),)
            if source_type == "host"
            else ()
        )
        return Snapshot(levels, tuple(counters))

    def start(self) -> None:
        """The agent as the init system starts it."""
        if self._process is None:
            self._process = Process(f"agent-{self.number}")
            self._task = self._process.start(self._run(self._process))

    async def _run(self, process: Process) -> None:
        disk = self._disk = SimulatedDisk(self.medium, self.kill)
        try:
            await self._agent(disk)
        except (asyncio.CancelledError, Dead):
            pass
        except OSError as error:
            self.chance.tell("agent could not start", f"{self.number} {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with the seed
            if not self.failed.done():
                self.failed.set_exception(error)
        if self._process is process:
            self.kill()

    async def _agent(self, disk: SimulatedDisk) -> None:
        clock = HostClock(self)
        spool = Spool(disk, agent=self.uuid.bytes, clock=clock, bytes_max=self.habits.spool_bytes_max)
        self.spool = spool
        self.chance.tell(
            "agent started", f"{self.number} boot {self.boots} epoch {spool.epoch.hex()[:6]} {spool.waiting}"
        )
        self._observe(spool)
        collection = Collection(
            {name: Source(self, name) for name in ("host", "interface")},
            spool=spool,
            clock=clock,
            interval_seconds=self.habits.interval_seconds,
        )
        uplink = Uplink(
            str(self.number),
            ca=b"",
            identity=Identity(b"", b""),
            spool=spool,
            hello=Greeting(version="1", boot_id=self.boot_id),
            clock=clock,
            spread=self.chance.between,
        )
        tasks = [asyncio.create_task(collection.run()), asyncio.create_task(uplink.run())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done:
                await task

    def _observe(self, spool: Spool) -> None:
        """What is sealed becomes an obligation: the oracle looks over the spool's shoulder."""
        append: Callable[..., bool] = spool.append

        def observed(payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
            group = self.oracle.sealing(self.number, payloads, old=spool.baselines, new=baselines or {})
            done = append(payloads, baselines=baselines)
            if done:
                self.oracle.sealed(group)
                self.chance.note(f"{self.number} sealed {spool.last_seq} of {spool.epoch.hex()[:6]}")
            else:
                self.chance.tell("spool refused", str(self.number))
            return done

        acknowledge = spool.acknowledge

        def believed(batch: Sealed) -> None:
            self.oracle.acknowledged(self.number, batch.epoch, batch.seq)
            acknowledge(batch)

        object.__setattr__(spool, "append", observed)
        object.__setattr__(spool, "acknowledge", believed)

    def die_soon(self) -> None:
        """``kill -9`` in the middle of what it writes."""
        if self._disk is not None:
            self._disk.die_after(self.chance.below(12))

    def kill(self) -> None:
        """``kill -9``; the init system starts it again a little later."""
        process, self._process = self._process, None
        if process is None:
            return
        self.chance.tell("agent killed", str(self.number))
        self._disk_dead()
        process.kill()
        asyncio.get_running_loop().call_later(self.chance.wait(RESTART_SECONDS), self.start)

    def _disk_dead(self) -> None:
        if self._disk is not None:
            self._disk.dead = True

    def lose_power(self) -> None:
        """What was not synced is gone, and all counters with it."""
        self.kill()
        self.chance.tell("power lost", str(self.number))
        self.medium.lose_power()
        self.boot()

    def wipe(self) -> None:
        """The spool's folder is gone for good."""
        self.kill()
        self.chance.tell("spool lost", str(self.number))
        self.medium.wipe()
        self.oracle.wiped(self.number)

    def damage(self) -> None:
        """Bytes of one file change while nobody looks."""
        self.kill()
        names = sorted(self.medium.files)
        if not names:
            return
        name = self.chance.one(names)
        self.chance.tell("damage", f"{self.number} {name}")
        newest = max((known for known in names if "/" not in known and known.endswith(".seg")), default="")
        ends = self._note_records()
        end = ends.get(name, 0) if name == newest else len(self.medium.files[name].data)
        self.oracle.damaged(self.number)
        self.medium.damage(name, start=HEADER_BYTES if name in ends else 0, end=end)

    def _note_records(self) -> dict[str, int]:
        """Tells the oracle what is there. Where the newest group of each segment begins.

        That one is spared: what is wrong with it cannot be told from a write that was never finished.
        """
        ends: dict[str, int] = {}
        for name, file in self.medium.files.items():
            data = bytes(file.data)
            with contextlib.suppress(Unreadable):
                epoch = decode_header(data[:HEADER_BYTES]).epoch
                ends[name] = HEADER_BYTES
                for found in scan(data).found:
                    self.oracle.wrote(self.number, epoch, found.record.seq, found.record.content.sha256)
                    if not found.record.place:
                        ends[name] = found.offset
        return ends
