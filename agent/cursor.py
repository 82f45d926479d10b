"""The spool's memory of what is acknowledged: two entries in one file, overwritten in turn, so that one is always good.

The file is made with all the bytes it will ever need, so it can be written on a full disk. Losing it costs nothing but
time: the aggregator says what it has (recover.py).
"""

import struct
import zlib
from dataclasses import dataclass

from agent.segment import EPOCH_BYTES

NAME = "cursor"
ENTRY_BYTES = 4096
FILE_BYTES = 2 * ENTRY_BYTES
# Those in which nothing is held are forgotten first.
EPOCHS_MAX = 64

_MAGIC = b"ULLAGECU"
_VERSION = 1
# Magic, version, epochs; turn; tombstones sealed, counters gone backwards, segments quarantined; the agent.
_HEAD = struct.Struct("<8sHHQQQQ16s")
_EPOCH = struct.Struct("<16s16sQQQ")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class EpochState:
    """``acked``: the last number that is settled; ``high``: the highest that ever was, more than it after a restore.

    ``last_seq``: the last number given, as far as this file knows.
    """

    epoch: bytes
    predecessor: bytes
    acked: int
    high: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the spool was made."""

    tombstones: int = 0
    counter_resets: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """Epochs oldest first. ``turn`` grows with every write."""

    agent: bytes
    turn: int
    totals: Totals
    epochs: tuple[EpochState, ...]


def encode(cursor: Cursor) -> bytes:
    """One entry, ``ENTRY_BYTES`` long."""
    epochs = cursor.epochs[-EPOCHS_MAX:]
    totals = cursor.totals
    head = _HEAD.pack(
        _MAGIC,
        _VERSION,
        len(epochs),
        cursor.turn,
        totals.tombstones,
        totals.counter_resets,
        totals.quarantined,
        cursor.agent,
    )
    rows = b"".join(_EPOCH.pack(e.epoch, e.predecessor, e.acked, e.high, e.last_seq) for e in epochs)
    data = (head + rows).ljust(ENTRY_BYTES - _CRC.size, b"\0")
    return data + _CRC.pack(zlib.crc32(data))


def decode(data: bytes) -> Cursor | None:
    """The newer good entry of the file's bytes; None when there is none."""
    entries = [_entry(data[start : start + ENTRY_BYTES]) for start in range(0, FILE_BYTES, ENTRY_BYTES)]
    return max((entry for entry in entries if entry), key=lambda entry: entry.turn, default=None)


def place(turn: int) -> int:
    """Where in the file the entry of a turn belongs: not where the one before it is."""
    return turn % 2 * ENTRY_BYTES


def _entry(data: bytes) -> Cursor | None:
    if len(data) != ENTRY_BYTES or _CRC.unpack_from(data, ENTRY_BYTES - _CRC.size)[0] != zlib.crc32(
        data[: -_CRC.size]
    ):
        return None
    magic, version, count, turn, tombstones, resets, quarantined, agent = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or count > EPOCHS_MAX:
        return None
    rows = [_EPOCH.unpack_from(data, _HEAD.size + number * _EPOCH.size) for number in range(count)]
    return Cursor(
        agent, turn, Totals(tombstones, resets, quarantined), tuple(EpochState(*row) for row in rows)
    )


assert _HEAD.size + EPOCHS_MAX * _EPOCH.size + _CRC.size <= ENTRY_BYTES  # noqa: S101 - of constants
assert EPOCH_BYTES == 16  # noqa: S101 - as in the layouts above
