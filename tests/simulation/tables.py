"""The tables of ingest in memory, and rows of them from PostgreSQL's binary COPY format."""

import struct
from dataclasses import dataclass, field
from typing import Any

Key = tuple[int, bytes]
Number = tuple[int, bytes, int]
_COPY_HEAD_BYTES = 19


@dataclass(frozen=True)
class BatchRow:
    """A row of `batch`."""

    agent_id: int
    epoch: bytes
    seq: int
    sha256: bytes
    through: int
    read: int = 0
    stored: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class CursorRow:
    """A row of `cursor`. ``opened`` is the order in which they were."""

    last_seq: int
    predecessor: bytes
    began: str
    opened: int
    read: int = 0
    stored: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class TickRow:
    """A row of `tick`; times in microseconds since 2000."""

    agent_id: int
    ticked_us: int
    since_us: int
    series: tuple[int, ...]
    values: tuple[int, ...]


@dataclass
class Tables:
    """What is committed."""

    cursors: dict[Key, CursorRow] = field(default_factory=dict)
    batches: dict[Number, BatchRow] = field(default_factory=dict)
    ticks: list[TickRow] = field(default_factory=list)
    # (agent, source type, external id, unit type, value, reason)
    quarantine: list[tuple[int, str, str, str, int, str]] = field(default_factory=list)
    rejected: dict[Number, str] = field(default_factory=dict)
    conflicts: dict[Number, int] = field(default_factory=dict)
    # Numbers the cursors as they are opened; never goes back.
    opened: int = 0

    def copy(self) -> "Tables":
        """As a backup."""
        return Tables(
            dict(self.cursors),
            dict(self.batches),
            list(self.ticks),
            list(self.quarantine),
            dict(self.rejected),
            dict(self.conflicts),
            self.opened,
        )


class Copy:
    """The data of one COPY."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._data = bytearray()

    async def write(self, data: bytes | memoryview) -> None:
        self._data += data

    async def write_row(self, row: tuple[Any, ...]) -> None:
        self.rows.append(row)

    def binary(self) -> list[list[bytes]]:
        """The fields of each row, by PostgreSQL's binary format."""
        rows, at = [], _COPY_HEAD_BYTES
        while (count := struct.unpack_from(">h", self._data, at)[0]) >= 0:
            at += 2
            fields = []
            for _ in range(count):
                (length,) = struct.unpack_from(">i", self._data, at)
                at += 4
                fields.append(bytes(self._data[at : at + max(length, 0)]))
                at += max(length, 0)
            rows.append(fields)
        return rows


def insert_batches(tables: Tables, rows: list[BatchRow]) -> None:
    """Holds to the primary key."""
    for row in rows:
        number = (row.agent_id, row.epoch, row.seq)
        assert number not in tables.batches, "the primary key of batch"
        tables.batches[number] = row


def batch_row(fields: list[bytes]) -> BatchRow:
    """From the fields of a COPY."""
    agent, epoch, seq, sha256, _, _, read, stored, quarantined, _, _, _, _, through = fields
    numbers = [int.from_bytes(field) for field in (through, read, stored, quarantined)]
    return BatchRow(int.from_bytes(agent), epoch, int.from_bytes(seq), sha256, *numbers)


def tick_row(fields: list[bytes]) -> TickRow:
    """From the fields of a COPY."""
    ticked, since, agent, _, _, series, values, _ = fields
    return TickRow(
        int.from_bytes(agent),
        int.from_bytes(ticked, signed=True),
        int.from_bytes(since, signed=True),
        _array(series, 4),
        _array(values, 8),
    )


def _array(data: bytes, width: int) -> tuple[int, ...]:
    if len(data) <= 12:
        return ()
    return tuple(
        int.from_bytes(data[at + 4 : at + 4 + width], signed=True) for at in range(20, len(data), 4 + width)
    )
