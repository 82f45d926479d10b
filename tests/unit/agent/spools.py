"""Spools on a forgetful disk, and what is in them."""

from uuid import UUID

from agent.amounts import Baseline, Baselines, Stamp
from agent.seal import Sealed
from agent.spool import Spool
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import BOOT, NOON_US, FakeClock, payload
from ullage.v1 import ingest_pb2

AGENT = UUID("11111111-2222-3333-4444-555555555555").bytes
OTHER = UUID("99999999-2222-3333-4444-555555555555").bytes


def known(value: int) -> Baselines:
    return {"host": Baseline(Stamp(NOON_US, 1, BOOT), {("host", "a", "cpu", "x"): value})}


def opened(
    disk: ForgetfulDisk, *, bytes_max: int = 1 << 20, clock: FakeClock | None = None, agent: bytes = AGENT
) -> Spool:
    return Spool(disk, agent=agent, clock=clock or FakeClock(), bytes_max=bytes_max)


def filled(
    count: int, disk: ForgetfulDisk | None = None, *, bytes_max: int = 1 << 20, readings: int = 1
) -> Spool:
    spool = opened(disk or ForgetfulDisk(), bytes_max=bytes_max)
    for number in range(1, count + 1):
        assert spool.append([payload(number, readings=readings)], baselines=known(number))
    return spool


def offered(spool: Spool) -> list[Sealed]:
    """Everything that would be sent, in order."""
    found: list[Sealed] = []
    while batch := spool.next_batch((found[-1].epoch, found[-1].last) if found else None):
        found.append(batch)
    return found


def numbers(spool: Spool) -> list[int]:
    return [batch.seq for batch in offered(spool)]


def acknowledge(spool: Spool, count: int) -> None:
    for _ in range(count):
        batch = spool.next_batch(None)
        assert batch is not None
        spool.acknowledge(batch)


def grave(batch: Sealed) -> ingest_pb2.Tombstone:
    return ingest_pb2.Batch.FromString(batch.content.payload).tombstone


def segments(disk: ForgetfulDisk) -> list[str]:
    return [name for name in disk.list() if name.endswith(".seg")]


def flip(disk: ForgetfulDisk, name: str, at: int) -> None:
    def change(data: bytearray) -> None:
        data[at] ^= 0x10

    disk.spoil(name, change)
