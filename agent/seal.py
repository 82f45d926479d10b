"""Ticks become batches here: a dictionary and columns, encoded once, hashed, within limits.

What comes out is never encoded again: a retry sends the same bytes. Numbers are given by the spool (spool.py), because
an epoch belongs to a spool for life.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.amounts import Reading, Tick
from agent.snapshot import Asset
from ullage.v1 import ingest_pb2

LAYOUT_VERSION = 1
BATCH_READINGS_MAX = 5_000
BATCH_BYTES_MAX = 256 * 1024
BATCH_SPAN_SECONDS_MAX = 60

_BATCH_SPAN_US_MAX = BATCH_SPAN_SECONDS_MAX * 1_000_000
# On the wire a reading is a fixed32 index and an sfixed64 value.
_READING_BYTES = 12
# Tag and length of an embedded message, at their longest within a batch.
_FRAME_BYTES = 4
# A SeriesEntry but for the name of its unit: the frames of both and the index of the asset.
_SERIES_BYTES = 10
# Three fixed64 fields, the two columns' frames and the tick's own.
_TICK_BYTES = 64


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded Batch, with what must be known of it without decoding."""

    payload: bytes
    sha256: bytes
    readings: int
    # ticked_at of the first and the last tick, microseconds of wall time.
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload with its number: from here on it is the same batch for ever.

    ``through``: for a tombstone the last number it stands for, else 0.
    """

    epoch: bytes
    seq: int
    content: Payload
    through: int = 0

    @property
    def last(self) -> int:
        """The last number that is settled when this batch is."""
        return self.through or self.seq


def encode(dictionary: bytes, ticks: Sequence[ingest_pb2.Tick], *, boot_id: str) -> Payload:
    """The payload of these ticks (at least one) over an encoded Dictionary. Holds to no limit: ``pack`` does."""
    payload = ingest_pb2.Batch(
        version=LAYOUT_VERSION, boot_id=boot_id, dictionary=dictionary, ticks=ticks
    ).SerializeToString()
    return Payload(
        payload=payload,
        sha256=hashlib.sha256(payload).digest(),
        readings=sum(len(tick.series) for tick in ticks),
        first_us=ticks[0].ticked_at_us,
        last_us=ticks[-1].ticked_at_us,
    )


def bury(grave: ingest_pb2.Tombstone, *, boot_id: str) -> Payload:
    """The payload that stands for numbers that cannot be delivered any more."""
    payload = ingest_pb2.Batch(version=LAYOUT_VERSION, boot_id=boot_id, tombstone=grave).SerializeToString()
    return Payload(
        payload=payload,
        sha256=hashlib.sha256(payload).digest(),
        readings=0,
        first_us=grave.from_us,
        last_us=grave.to_us,
    )


def pack(ticks: Iterable[Tick], *, boot_id: str) -> list[Payload]:
    """As few batches as the limits allow, in order; a tick too large for one goes on in the next under the same time.

    Raises ``ValueError`` for a single reading that fits in no batch, which ``snapshot.asset`` makes impossible.
    """
    payloads: list[Payload] = []
    batch = _Batch()
    for tick in ticks:
        if batch.ticks and tick.ticked_at_us - batch.ticks[0].ticked_at_us > _BATCH_SPAN_US_MAX:
            payloads.append(batch.seal(boot_id))
            batch = _Batch()
        start, placed = 0, False
        while not placed or start < len(tick.readings):
            taken = batch.take(tick, start)
            if taken is not None:
                placed = True
                start += taken
            elif batch.ticks:
                payloads.append(batch.seal(boot_id))
                batch = _Batch()
            else:
                raise ValueError(
                    f"{tick.readings[start].asset.key} fits in no batch of {BATCH_BYTES_MAX} bytes"
                )
    if batch.ticks:
        payloads.append(batch.seal(boot_id))
    return payloads


class _Batch:
    """A batch being filled; its size is an upper bound of what the encoding will take."""

    def __init__(self) -> None:
        self.ticks: list[ingest_pb2.Tick] = []
        self._dictionary = ingest_pb2.Dictionary()
        self._assets: dict[tuple[str, str], int] = {}
        self._series: dict[tuple[tuple[str, str], str], int] = {}
        self._readings = 0
        self._bytes = 128

    def take(self, tick: Tick, start: int) -> int | None:
        """Adds the tick's readings from ``start`` on, as many as fit, and returns how many those are.

        None, and nothing added, when not even the tick and its first reading fit.
        """
        names = [*tick.reported, *tick.failed]
        size = self._bytes + _TICK_BYTES + sum(len(name.encode()) + _FRAME_BYTES for name in names)
        if size > BATCH_BYTES_MAX:
            return None
        indexes: list[int] = []
        values: list[int] = []
        for reading in tick.readings[start:]:
            room = self._readings + len(values) < BATCH_READINGS_MAX
            index, grown = (
                self._index(reading, BATCH_BYTES_MAX - size - _READING_BYTES) if room else (None, 0)
            )
            if index is None:
                break
            size += grown + _READING_BYTES
            indexes.append(index)
            values.append(reading.value)
        if tick.readings[start:] and not values:
            return None
        self._bytes = size
        self._readings += len(values)
        self.ticks.append(
            ingest_pb2.Tick(
                ticked_at_us=tick.ticked_at_us,
                since_us=tick.since_us,
                boottime_us=tick.boottime_us,
                reported=tick.reported,
                failed=tick.failed,
                series=indexes,
                values=values,
            )
        )
        return len(values)

    def _index(self, reading: Reading, room: int) -> tuple[int | None, int]:
        """The reading's index in the dictionary and by how much that grew; None when it would grow beyond ``room``."""
        key = reading.asset.key
        known = self._series.get((key, reading.unit_type))
        if known is not None:
            return (known, 0) if room >= 0 else (None, 0)
        entry = _entry(reading.asset) if key not in self._assets else None
        grown = _SERIES_BYTES + len(reading.unit_type.encode())
        if entry is not None:
            grown += entry.ByteSize() + _FRAME_BYTES
        if grown > room:
            return None, 0
        if entry is not None:
            self._assets[key] = len(self._assets)
            self._dictionary.assets.append(entry)
        index = len(self._series)
        self._series[key, reading.unit_type] = index
        self._dictionary.series.add(asset=self._assets[key], unit_type=reading.unit_type)
        return index, grown

    def seal(self, boot_id: str) -> Payload:
        """The batch as it will be sent."""
        return encode(self._dictionary.SerializeToString(), self.ticks, boot_id=boot_id)


def _entry(asset: Asset) -> ingest_pb2.AssetEntry:
    return ingest_pb2.AssetEntry(
        source_type=asset.source_type,
        external_id=asset.external_id,
        name=asset.name,
        address=asset.address,
        labels=dict(asset.labels),
    )
