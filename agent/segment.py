"""The layout of a segment: a header, then records, each a sealed batch with the baselines that belong to it. Pure.

    header  magic 8s · version u16 · 0 u16 · agent 16s · epoch 16s · predecessor 16s · index u64 · first seq u64 · crc u32
    record  length u32 · crc u32 · seq u64 · facts · baselines · payload     length: of what follows seq; crc: from seq on

Records come in groups, written with one write and one sync: a group is there as a whole or not at all, because amounts of
one tick may be spread over several batches while the baselines behind them are one state. Little-endian throughout.

The checksum is CRC-32 by zlib rather than CRC-32C: both find every burst of up to 32 bits, and in pure Python the latter
is a hundred times slower or one more dependency. Records carry a SHA-256 of the payload besides.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from agent.seal import Payload

VERSION = 1
MAGIC = b"ULLAGESP"
EPOCH_BYTES = 16
NO_EPOCH = bytes(EPOCH_BYTES)
# A payload has at most 256 KiB; baselines of a hundred thousand counters stay below the rest.
RECORD_BYTES_MAX = 8 * 1024 * 1024
# How far numbers may jump over damage within one segment.
_SEQ_JUMP_MAX = 1 << 20

_HEADER = struct.Struct("<8sHH16s16s16sQQ")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<IIQ")
_SEQ = struct.Struct("<Q")
# Number it had before (epoch, seq; zeros: none), last number it stands for (0: itself), its place in the group and the
# group's size, first and last tick, readings, SHA-256 of the payload, length of the baselines.
_FACTS = struct.Struct("<16sQQHHqqI32sI")
HEADER_BYTES = _HEADER.size + _CRC.size
FRAME_BYTES = _FRAME.size
RECORD_BYTES_MIN = FRAME_BYTES + _FACTS.size
GROUP_RECORDS_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Header:
    """Whose records follow, and where the segment stands among the others: ``index`` only grows."""

    agent: bytes
    epoch: bytes
    predecessor: bytes
    index: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class Record:
    """One sealed batch as it is kept. ``through``: with a tombstone, the last number it stands for; else ``seq``."""

    seq: int
    content: Payload
    baselines: bytes = b""
    through: int = 0
    origin: tuple[bytes, int] | None = None
    place: int = 0
    group: int = 1

    @property
    def last(self) -> int:
        """The last number that is settled with it."""
        return self.through or self.seq


@dataclass(frozen=True, slots=True)
class Found:
    """A good record at ``offset``, of ``length`` bytes with its frame."""

    offset: int
    length: int
    record: Record


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in a segment. ``good_bytes``: up to the end of the last whole group before anything is wrong.

    ``whole``: nothing is wrong. ``torn``: what is wrong can be the unfinished end of the last write, and then nothing of
    it was ever sent; else it is damage, and ``found`` has what is good before and behind it.
    """

    found: tuple[Found, ...]
    good_bytes: int
    whole: bool
    torn: bool


class Unreadable(Exception):
    """There is no header here that this program understands."""


class Newer(Exception):
    """The segment was written by a later version of this program."""


def encode_header(header: Header) -> bytes:
    """``HEADER_BYTES`` long."""
    data = _HEADER.pack(
        MAGIC, VERSION, 0, header.agent, header.epoch, header.predecessor, header.index, header.first_seq
    )
    return data + _CRC.pack(zlib.crc32(data))


def decode_header(data: bytes) -> Header:
    """Raises ``Unreadable`` or ``Newer``."""
    if len(data) < HEADER_BYTES or _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(
        data[: _HEADER.size]
    ):
        raise Unreadable
    magic, version, _, agent, epoch, predecessor, index, first_seq = _HEADER.unpack_from(data)
    if magic != MAGIC or not version:
        raise Unreadable
    if version > VERSION:
        raise Newer
    return Header(agent, epoch, predecessor, index, first_seq)


def encode_record(record: Record) -> bytes:
    """With its frame."""
    content = record.content
    epoch, seq = record.origin or (NO_EPOCH, 0)
    facts = _FACTS.pack(
        epoch,
        seq,
        record.through,
        record.place,
        record.group,
        content.first_us,
        content.last_us,
        content.readings,
        content.sha256,
        len(record.baselines),
    )
    body = b"".join((_SEQ.pack(record.seq), facts, record.baselines, content.payload))
    return struct.pack("<II", len(body) - _SEQ.size, zlib.crc32(body)) + body


def decode_record(data: bytes, offset: int = 0) -> Record | None:
    """The record that begins at ``offset``; None when there is none, or not all of it, or other bytes than were written."""
    if len(data) - offset < RECORD_BYTES_MIN:
        return None
    length, crc, seq = _FRAME.unpack_from(data, offset)
    end = offset + FRAME_BYTES + length
    if not _FACTS.size <= length <= RECORD_BYTES_MAX or end > len(data) or not seq:
        return None
    if zlib.crc32(memoryview(data)[offset + 8 : end]) != crc:
        return None
    epoch, old, through, place, group, first_us, last_us, readings, sha256, known = _FACTS.unpack_from(
        data, offset + FRAME_BYTES
    )
    start = offset + RECORD_BYTES_MIN
    if start + known > end or place >= group or place >= seq or (through and through < seq):
        return None
    content = Payload(data[start + known : end], sha256, readings, first_us, last_us)
    origin = (epoch, old) if old else None
    return Record(seq, content, data[start : start + known], through, origin, place, group)


def scan(data: bytes) -> Scan:
    """Every good record of a segment, whatever happened to it; its header is not looked at."""
    found: list[Found] = []
    good = offset = min(HEADER_BYTES, len(data))
    # The place that the next record has in its group; and where the first group begins that is not whole.
    expected, group_start = 0, 0
    broken: int | None = None
    torn = True
    for at in _records(data):
        record = at.record
        start = record.seq - record.place
        in_turn = at.offset == offset and record.place == expected and (not expected or start == group_start)
        if broken is None and not (in_turn and (not found or record.seq == found[-1].record.last + 1)):
            # What is missing may have begun this record's group, or another one before it.
            before = found[-1].record.last + 1 if found else start - (record.place == 0)
            broken = group_start if expected else before
        if broken is not None and start > broken:
            torn = False
        found.append(at)
        offset, group_start = at.offset + at.length, start
        expected = (record.place + 1) % record.group
        if broken is None and not expected:
            good = offset
    whole = broken is None and not expected and offset == len(data) and len(data) >= HEADER_BYTES
    if torn:
        found = [at for at in found if at.offset < good]
    elif expected:
        # The last group has no end: it was never sent, or its end is damaged and with it the baselines.
        found = [at for at in found if at.record.seq - at.record.place != group_start]
    return Scan(tuple(found), good, whole, whole or torn)


def scan_loose(data: bytes) -> Scan:
    """The same for records in any order (tombstones): those up to the first that is not good."""
    found: list[Found] = []
    offset = min(HEADER_BYTES, len(data))
    while (record := decode_record(data, offset)) is not None:
        length = _FRAME.unpack_from(data, offset)[0] + FRAME_BYTES
        found.append(Found(offset, length, record))
        offset += length
    return Scan(tuple(found), offset, offset == len(data), torn=True)


def _records(data: bytes) -> Iterator[Found]:
    """Good records in order; over damage the next one is looked for byte by byte."""
    offset, last = HEADER_BYTES, 0
    while offset <= len(data) - RECORD_BYTES_MIN:
        length, _, seq = _FRAME.unpack_from(data, offset)
        record = None
        # Cheap first: this is asked for every byte of a damaged stretch.
        if length <= len(data) - offset - FRAME_BYTES and (not last or last < seq <= last + _SEQ_JUMP_MAX):
            record = decode_record(data, offset)
        if record is None:
            offset += 1
            continue
        yield Found(offset, FRAME_BYTES + length, record)
        offset += FRAME_BYTES + length
        last = record.last
