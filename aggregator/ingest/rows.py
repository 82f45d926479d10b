"""Rows in PostgreSQL's binary COPY format, made from columns. Knows the wire format of the types, no SQL.

Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4 and the types' receive functions. Times are
microseconds since 2000-01-01.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from struct import Struct

import numpy as np
import numpy.typing as npt

from aggregator.ingest.clocks import Clock
from aggregator.ingest.decode import Int64s
from ullage.wire import to_micros

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_INT2, _INT4, _INT8 = 21, 23, 20
_YEAR_2000_US = 946_684_800_000_000
_TICK_FIELDS = 8
_TICK_HEAD = Struct(">h iq iq iq")
# Field length, dimensions, has nulls, type of the elements, length, lower bound.
_ARRAY = Struct(">i iiI ii")
_EMPTY_ARRAY = Struct(">i iiI")
_ARRAY_HEAD_BYTES = _ARRAY.size - 4
_TIME = Struct(">iq")
_SMALL = Struct(">ih")
_SERIES = np.dtype([("length", ">i4"), ("value", ">i4")])
_VALUE = np.dtype([("length", ">i4"), ("value", ">i8")])
_BATCH = Struct(">h iq i16s iq i32s iq iq ii ii ii ii iq i? i? iq")
_BATCH_FIELDS = 14
_TOUCHED = np.dtype(
    [
        ("fields", ">i2"),
        *(("agent_length", ">i4"), ("agent", ">i8")),
        *(("width_length", ">i4"), ("width", ">i2")),
        *(("slot_length", ">i4"), ("slot", ">i4")),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Control totals of a batch, in readings: read = stored + quarantined + suppressed."""

    read: int
    stored: int
    quarantined: int
    suppressed: int = 0


def tick_rows(
    *,
    agent_id: int,
    ticked_at: Int64s,
    since: Int64s,
    reported: Sequence[tuple[int, ...]],
    failed: Sequence[tuple[int, ...]],
    counts: Int64s,
    series: npt.NDArray[np.int32],
    values: Int64s,
) -> Iterator[bytes]:
    """Rows of `tick`, one per entry of ``counts``, without their last column `stored_at` (``stored_field``)."""
    series_bytes = _elements(series, _SERIES)
    value_bytes = _elements(values, _VALUE)
    at = 0
    for i, (n, ticked_us, since_us) in enumerate(
        zip(counts.tolist(), ticked_at.tolist(), since.tolist(), strict=True)
    ):
        head = _TICK_HEAD.pack(
            _TICK_FIELDS, 8, ticked_us - _YEAR_2000_US, 8, since_us - _YEAR_2000_US, 8, agent_id
        )
        end = at + n
        yield b"".join(
            (
                head,
                _small_array(reported[i]),
                _small_array(failed[i]),
                _array_head(_INT4, n, _SERIES.itemsize),
                series_bytes[at * _SERIES.itemsize : end * _SERIES.itemsize],
                _array_head(_INT8, n, _VALUE.itemsize),
                value_bytes[at * _VALUE.itemsize : end * _VALUE.itemsize],
            )
        )
        at = end


class Alike:
    """The part of a tick row that is the same for all ticks with these ``series``: made once, and kept by who asks."""

    __slots__ = ("series", "values_head")

    def __init__(self, series: npt.NDArray[np.int32]) -> None:
        self.series = _array_head(_INT4, len(series), _SERIES.itemsize) + _elements(series, _SERIES)
        self.values_head = _array_head(_INT8, len(series), _VALUE.itemsize)


def tick_rows_alike(
    alike: Alike,
    *,
    agent_id: int,
    times: Sequence[tuple[int, int]],
    reported: Sequence[tuple[int, ...]],
    failed: Sequence[tuple[int, ...]],
    values: Int64s,
) -> list[bytes]:
    """As ``tick_rows`` gives them, for ticks that all carry the same series; ``times``: (ticked_at, since) of each."""
    value_bytes = _elements(values, _VALUE)
    width = len(value_bytes) // len(times)
    middle, values_head = alike.series, alike.values_head
    return [
        b"".join(
            (
                _TICK_HEAD.pack(
                    _TICK_FIELDS, 8, ticked_us - _YEAR_2000_US, 8, since_us - _YEAR_2000_US, 8, agent_id
                ),
                _small_array(reported[i]),
                _small_array(failed[i]),
                middle,
                values_head,
                value_bytes[i * width : (i + 1) * width],
            )
        )
        for i, (ticked_us, since_us) in enumerate(times)
    ]


def stored_field(stored_at: datetime) -> bytes:
    """The last column of every tick row of a group."""
    return _TIME.pack(8, to_micros(stored_at) - _YEAR_2000_US)


def batch_row(
    *,
    agent_id: int,
    epoch: bytes,
    seq: int,
    sha256: bytes,
    received_us: int,
    stored_at: datetime,
    totals: Totals,
    clock: Clock,
) -> bytes:
    """A row of `batch`; `through` is its own number."""
    return _BATCH.pack(
        *(_BATCH_FIELDS, 8, agent_id, 16, epoch, 8, seq, 32, sha256),
        *(8, received_us - _YEAR_2000_US, 8, to_micros(stored_at) - _YEAR_2000_US),
        *(4, totals.read, 4, totals.stored, 4, totals.quarantined, 4, totals.suppressed),
        *(8, clock.offset_ms, 1, clock.corrected, 1, clock.flagged, 8, seq),
    )


def touched_rows(agent: Int64s, width: Int64s, slot: Int64s) -> bytes:
    """Rows of `touched`."""
    rows = np.empty(len(agent), _TOUCHED)
    rows["fields"] = 3
    rows["agent_length"], rows["agent"] = 8, agent
    rows["width_length"], rows["width"] = 2, width
    rows["slot_length"], rows["slot"] = 4, slot
    return rows.tobytes()


def _elements(column: npt.NDArray[np.int32] | Int64s, dtype: np.dtype[np.void]) -> bytes:
    rows = np.empty(len(column), dtype)
    rows["length"] = dtype["value"].itemsize
    rows["value"] = column
    return rows.tobytes()


def _array_head(element: int, length: int, element_bytes: int) -> bytes:
    if not length:
        return _EMPTY_ARRAY.pack(12, 0, 0, element)
    return _ARRAY.pack(_ARRAY_HEAD_BYTES + length * element_bytes, 1, 0, element, length, 1)


@lru_cache(maxsize=4096)
def _small_array(values: tuple[int, ...]) -> bytes:
    elements = b"".join(_SMALL.pack(2, value) for value in values)
    return _array_head(_INT2, len(values), _SMALL.size) + elements
