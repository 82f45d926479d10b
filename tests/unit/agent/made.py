"""Clocks, snapshots and payloads to test with."""

import asyncio
from collections.abc import Callable

from agent.amounts import Stamp
from agent.seal import Payload, encode
from agent.snapshot import Asset, Collector, Counter, Level, Snapshot, asset
from ullage.v1 import ingest_pb2

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
# 2026-01-05 12:00 UTC, and an hour after the boot.
NOON_US = 1_767_614_400 * SECOND_US
BOOT = "boot-1"


class FakeClock:
    """Goes when it is slept on, and when it is told to."""

    def __init__(self, *, wall_us: int = NOON_US, boottime_us: int = 60 * MINUTE_US) -> None:
        self.wall_us = wall_us
        self.boottime_us = boottime_us
        self.boot_id = BOOT
        self.slept: list[float] = []
        # Called after each sleep, for what happens to a host meanwhile.
        self.meanwhile: Callable[[], None] = lambda: None

    def stamp(self) -> Stamp:
        return Stamp(self.wall_us, self.boottime_us, self.boot_id)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(round(seconds * SECOND_US))
        self.meanwhile()
        await asyncio.sleep(0)

    def advance(self, microseconds: int) -> None:
        self.wall_us += microseconds
        self.boottime_us += microseconds


class Source:
    """A collector that returns, or raises, what it is told."""

    source_types: tuple[str, ...]

    def __init__(self, *source_types: str, says: Callable[[], Snapshot]) -> None:
        self.source_types = source_types
        self.says = says

    def collect(self) -> Snapshot:
        return self.says()


_: Collector = Source("host", says=Snapshot)


def thing(name: str = "a", source_type: str = "host") -> Asset:
    return asset(source_type, name)


def level(value: int, *, of: Asset | None = None, unit_type: str = "ram") -> Level:
    return Level(of or thing(), unit_type, value)


def counter(
    value: int,
    *,
    of: Asset | None = None,
    unit_type: str = "cpu",
    identity: str = "",
    started_us: int | None = None,
) -> Counter:
    return Counter(of or thing(), unit_type, value, identity, started_us)


def payload(number: int, *, readings: int = 1) -> Payload:
    """A small batch that is different for each number."""
    dictionary = ingest_pb2.Dictionary()
    dictionary.assets.add(source_type="host", external_id="a", name="a")
    dictionary.series.add(asset=0, unit_type="ram")
    at = NOON_US + number * MINUTE_US
    tick = ingest_pb2.Tick(
        ticked_at_us=at, since_us=at, reported=["host"], series=[0] * readings, values=[number] * readings
    )
    return encode(dictionary.SerializeToString(), [tick], boot_id=BOOT)
