"""The files of a spool folder: what is written when, in which order, and what is given up when there is no room.

Nothing is written behind an unfinished write before that is cut off durably: until then no number may be given again.
Segments whose batches are all settled stay ``KEPT_SECONDS`` for a database that is restored, but go as soon as there is
no room. The segment of the newest record stays always, because the baselines are in it.
"""

import errno
import logging
from collections.abc import Sequence

from agent import cursor, segment
from agent.chain import Chain, Grave, Segment
from agent.cursor import Cursor, EpochState, Totals
from agent.disk import Disk, is_full, is_missing
from agent.recover import GRAVES_SUFFIX, QUARANTINE, SEGMENT_SUFFIX, Recovered
from agent.segment import HEADER_BYTES, Found, Header, Record
from ullage.log import fields

SEGMENT_BYTES_MAX = 1024 * 1024
SEGMENT_BYTES_MIN = 4096
# Of the cap, so that a small one is not held by one segment.
SEGMENTS_PER_CAP = 16
KEPT_SECONDS = 48 * 3600
QUARANTINED_SEGMENTS_MAX = 16
REJECTED = "rejected"
REJECTED_BATCHES_MAX = 100
GRAVES_BYTES_MAX = 1024 * 1024
_SECOND_US = 1_000_000

log = logging.getLogger(__name__)


class Shelf:
    """Writes for the spool; every method that writes may raise ``OSError``, and then nothing has changed but the disk."""

    def __init__(self, disk: Disk, found: Recovered, *, agent: bytes, bytes_max: int) -> None:
        self.chains = found.chains
        self.tail = found.tail
        self.bytes_max = bytes_max
        self.quarantined = 0
        self._disk = disk
        self._agent = agent
        self._segment_bytes = max(min(SEGMENT_BYTES_MAX, bytes_max // SEGMENTS_PER_CAP), SEGMENT_BYTES_MIN)
        self._next_index = found.next_index
        self._turn = found.turn
        self._has_cursor = found.has_cursor
        # What must be undone before anything is appended: (name, size), size None for a file that must go.
        self._undo = list(found.cuts)
        self._damaged = list(found.damaged)
        # No further record goes into the tail.
        self._closed = not found.sure or (found.tail is not None and found.tail.damaged)
        self._graves_bytes: dict[bytes, int] = {}
        for chain in self.chains:
            ends = [grave.offset + grave.length for grave in chain.graves.values()]
            self._graves_bytes[chain.epoch] = max(ends, default=0)

    @property
    def total_bytes(self) -> int:
        """Of all segments."""
        return sum(held.size for chain in self.chains for held in chain.segments)

    @property
    def unsettled_bytes(self) -> int:
        """Of the segments with at least one batch that is not settled."""
        return sum(held.size for chain in self.chains for held in chain.segments if held.settled_us is None)

    def tidy(self) -> None:
        """Cuts what is unfinished and moves what is damaged aside."""
        while self._undo:
            name, size = self._undo[0]
            try:
                if size is None:
                    self._disk.unlink(name)
                    self._disk.sync_folder()
                else:
                    self._disk.truncate(name, size)
                    self._disk.sync(name)
            except OSError as error:
                if not is_missing(error):
                    raise
            self._undo.pop(0)
        while self._damaged:
            self._move_aside(self._damaged[0])
            self._damaged.pop(0)

    def append(self, chain: Chain, records: Sequence[Record]) -> None:
        """One group, durable when this returns. A full disk or cap is tried again without what is only kept."""
        self.tidy()
        encoded = [segment.encode_record(record) for record in records]
        data = b"".join(encoded)
        if not self._has_room(len(data) + HEADER_BYTES):
            raise OSError(errno.EDQUOT, f"the spool has reached spool.bytes_max ({self.bytes_max} bytes)")
        try:
            offset = self._write(chain, records[0].seq, data)
        except OSError as error:
            if not is_full(error) or not self.drop_kept():
                raise
            self.tidy()
            offset = self._write(chain, records[0].seq, data)
        assert self.tail is not None  # noqa: S101 - just written
        for record, one in zip(records, encoded, strict=True):
            self.tail.add(Found(offset, len(one), record))
            offset += len(one)
        self.tail.size = offset
        self.tail.settled_us = None

    def bury(self, chain: Chain, record: Record) -> None:
        """Seals a tombstone; durable when this returns."""
        self.tidy()
        name = f"{chain.epoch.hex()}{GRAVES_SUFFIX}"
        size = self._graves_bytes.get(chain.epoch, 0)
        data = segment.encode_record(record)
        header = b"" if size else self._header(chain, record.seq, 0)
        try:
            if size:
                self._disk.append(name, data)
            else:
                self._disk.create(name, header + data)
            self._disk.sync(name)
            if not size:
                self._disk.sync_folder()
        except OSError:
            self._undo.append((name, size or None))
            raise
        offset = size or len(header)
        chain.graves[record.seq] = Grave(name, offset, len(data), record.last)
        self._graves_bytes[chain.epoch] = offset + len(data)

    def read(self, name: str, offset: int, length: int) -> Record | None:
        """None when other bytes are there than were written. Raises ``OSError`` when they cannot be read."""
        return segment.decode_record(self._disk.read(name, offset, length))

    def put_aside(self, name: str, payload: bytes, reason: str) -> None:
        """Keeps a refused payload for people, the newest ``REJECTED_BATCHES_MAX``. Best effort."""
        try:
            for suffix, data in ((".batch", payload), (".reason", reason.encode())):
                self._disk.create(f"{REJECTED}/{name}{suffix}", data)
            for old in self._disk.list(REJECTED)[: -2 * REJECTED_BATCHES_MAX]:
                self._disk.unlink(f"{REJECTED}/{old}")
        except OSError as error:
            log.warning("a refused batch could not be kept", extra=fields(reason=error.strerror))

    def save(self, totals: Totals) -> None:
        """Writes what is settled, in place."""
        self._turn += 1
        states = tuple(EpochState(c.epoch, c.predecessor, c.acked, c.high, c.last_seq) for c in self.chains)
        data = cursor.encode(Cursor(self._agent, self._turn, totals, states))
        try:
            if self._has_cursor:
                self._disk.overwrite(cursor.NAME, cursor.place(self._turn), data)
                self._disk.sync(cursor.NAME)
                return
        except OSError as error:
            if not is_missing(error):
                raise
        self._has_cursor = False
        self._disk.create(cursor.NAME, data + data)
        self._disk.sync(cursor.NAME)
        self._disk.sync_folder()
        self._has_cursor = True

    def settle(self, chain: Chain, now_us: int) -> bool:
        """Notes which segments are wholly settled. True when one became so."""
        newly = False
        for held in chain.segments:
            settled = held.last_seq <= chain.acked
            if settled and held.settled_us is None:
                held.settled_us = now_us
                newly = True
            elif not settled:
                held.settled_us = None
        return newly

    def retire(self, now_us: int) -> None:
        """Deletes what was settled long enough ago. Only after ``save``."""
        before = now_us - KEPT_SECONDS * _SECOND_US
        for chain, held in self._kept():
            if held.settled_us is not None and held.settled_us < before and not held.damaged:
                self._delete(chain, held)
        damaged = [(chain, held) for chain, held in self._kept() if held.damaged]
        for chain, held in damaged[: max(len(damaged) - QUARANTINED_SEGMENTS_MAX, 0)]:
            self._delete(chain, held)
        for chain in self.chains:
            size = self._graves_bytes.get(chain.epoch, 0)
            settled = all(grave.through <= chain.acked for grave in chain.graves.values())
            if size and settled and (size > GRAVES_BYTES_MAX or not chain.segments):
                self._disk.unlink(f"{chain.epoch.hex()}{GRAVES_SUFFIX}")
                chain.graves.clear()
                self._graves_bytes[chain.epoch] = 0

    def drop_kept(self) -> bool:
        """Deletes everything that is settled. False when there was nothing."""
        kept = self._kept()
        for chain, held in kept:
            self._delete(chain, held)
        return bool(kept)

    def forget_missing(self) -> bool:
        """Drops what is not there any more from memory; its numbers are holes. True when the tail is gone."""
        there = set(self._disk.list()) | {f"{QUARANTINE}/{name}" for name in self._disk.list(QUARANTINE)}
        for chain in self.chains:
            chain.segments[:] = [held for held in chain.segments if held.name in there]
            chain.graves = {seq: grave for seq, grave in chain.graves.items() if grave.name in there}
            if not chain.graves:
                self._graves_bytes[chain.epoch] = 0
        self._has_cursor = self._has_cursor and cursor.NAME in there
        self._undo = [(name, size) for name, size in self._undo if name in there]
        self._damaged = [name for name in self._damaged if name in there]
        gone = self.tail is not None and self.tail.name not in there
        if gone:
            self.tail = None
        return gone

    def close_tail(self) -> None:
        """The next group goes into a new segment."""
        self._closed = True

    def _kept(self) -> list[tuple[Chain, Segment]]:
        """Settled segments, oldest first, but the one with the baselines."""
        kept = [
            (chain, held)
            for chain in self.chains
            for held in chain.segments
            if held.settled_us is not None and held is not self.tail
        ]
        return sorted(kept, key=lambda pair: pair[1].index)

    def _delete(self, chain: Chain, held: Segment) -> None:
        try:
            self._disk.unlink(held.name)
        except OSError as error:
            if not is_missing(error):
                raise
        chain.segments.remove(held)

    def _has_room(self, size: int) -> bool:
        """Gives up what is only kept, oldest first, as far as the cap needs it."""
        total = self.total_bytes
        spare = self.tail.size if self.tail is not None and self.tail.settled_us is not None else 0
        for chain, held in self._kept():
            if total + size <= self.bytes_max:
                break
            self._delete(chain, held)
            total -= held.size
        return total - spare + size <= self.bytes_max

    def _write(self, chain: Chain, first_seq: int, data: bytes) -> int:
        """Returns the offset of the group in the tail."""
        tail = self.tail
        fits = tail is not None and not self._closed and tail.size < self._segment_bytes
        if tail is not None and fits and tail in chain.segments:
            try:
                self._disk.append(tail.name, data)
                self._disk.sync(tail.name)
            except OSError as error:
                self._undo.append((tail.name, tail.size))
                # After an error of the medium what was there is left alone.
                self._closed = self._closed or not is_full(error)
                raise
            return tail.size
        index = self._next_index
        self._next_index += 1
        name = f"{index:016x}{SEGMENT_SUFFIX}"
        header = self._header(chain, first_seq, index)
        try:
            self._disk.create(name, header + data)
            self._disk.sync(name)
            self._disk.sync_folder()
        except OSError:
            self._undo.append((name, None))
            raise
        self.tail = Segment(name, index, first_seq)
        self._closed = False
        chain.segments.append(self.tail)
        return HEADER_BYTES

    def _header(self, chain: Chain, first_seq: int, index: int) -> bytes:
        return segment.encode_header(Header(self._agent, chain.epoch, chain.predecessor, index, first_seq))

    def _move_aside(self, name: str) -> None:
        try:
            self._disk.rename(name, f"{QUARANTINE}/{name}")
        except OSError as error:
            if not is_missing(error):
                raise
        self._disk.sync_folder(QUARANTINE)
        self._disk.sync_folder()
        self.quarantined += 1
        for chain in self.chains:
            for held in chain.segments:
                if held.name == name:
                    held.name = f"{QUARANTINE}/{name}"
