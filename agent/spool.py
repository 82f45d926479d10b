"""Sealed batches that are not acknowledged yet, kept on disk: what has a number survives the process and the host.

A group of batches is numbered, written and synced before the first attempt to send it, and its bytes never change. The
counters behind them (baselines) travel in the same records, so after a restart the next difference begins where the last
sealed one ended. The files are the business of shelf.py, their layout of segment.py, what is left after a crash of
recover.py; here are the numbers: which batch is next, what is settled, what must be said instead of what is lost.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent import baselines as blob
from agent import graves
from agent.amounts import Baselines
from agent.chain import Chain, Segment
from agent.cursor import EPOCHS_MAX, Totals
from agent.disk import Disk, is_missing
from agent.identity import Clock
from agent.outbox import Number, State
from agent.recover import recover
from agent.seal import Payload, Sealed, bury
from agent.segment import EPOCH_BYTES, GROUP_RECORDS_MAX, NO_EPOCH, Record
from agent.shelf import Shelf
from ullage.log import fields
from ullage.v1 import ingest_pb2

SPOOL_BYTES_MAX = 512 * 1024 * 1024
# From this part of the cap on the agent ticks more slowly.
SLOW_PERCENT = 80
# The cursor is written at the latest after so many acknowledgements; losing it costs duplicates, not readings.
UNSAVED_ACKS_MAX = 64
# What reading raises when it is not the medium's fault: it may work later.
_PASSING = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}

log = logging.getLogger(__name__)


class Spool:
    """An ``Outbox`` on a ``Disk``; what it promises holds on a disk that loses what was not synced."""

    def __init__(self, disk: Disk, *, agent: bytes, clock: Clock, bytes_max: int = SPOOL_BYTES_MAX) -> None:
        """Opens the folder, whatever state it is in. ``agent``: the 16 bytes of the certificate's uuid.

        Raises ``recover.Unusable`` when it is not this agent's, ``OSError`` when it cannot be read at all.
        """
        disk.prepare()
        found = recover(disk, agent)
        self.appended = asyncio.Event()
        self.baselines: Baselines = found.baselines
        # What the disk refused last, in words; empty when it did not.
        self.last_error = ""
        self._disk = disk
        self._clock = clock
        self._freed = asyncio.Event()
        self._shelf = Shelf(disk, found, agent=agent, bytes_max=bytes_max)
        self._chains = self._shelf.chains
        self._totals = found.totals
        self._unsaved = 0
        # Whether the last record that could not be read may be readable later.
        self._passing = False
        if not self._chains:
            self._chains.append(Chain(os.urandom(EPOCH_BYTES), stated=0))
        elif not found.sure:
            self.start_epoch()
        for note in found.notes:
            log.error("the spool was damaged", extra=fields(what=note))
        self._tidy()
        now_us = clock.stamp().wall_us
        for chain in self._chains:
            self._shelf.settle(chain, now_us)
        self._save()

    @property
    def bytes_max(self) -> int:
        """The cap."""
        return self._shelf.bytes_max

    @property
    def held_bytes(self) -> int:
        """On disk for batches that are not settled."""
        return self._shelf.unsettled_bytes

    @property
    def state(self) -> State:
        """``full``: the last append was refused; ``slow``: nearly full."""
        if self.last_error:
            return "full"
        return "slow" if self.held_bytes * 100 >= self.bytes_max * SLOW_PERCENT else "ok"

    @property
    def epoch(self) -> bytes:
        """The epoch under which the next batch will be numbered."""
        return self._chains[-1].epoch

    @property
    def predecessor(self) -> bytes:
        """The epoch that it follows; empty for the first."""
        predecessor = self._chains[-1].predecessor
        return b"" if predecessor == NO_EPOCH else predecessor

    @property
    def last_seq(self) -> int:
        """The last number given in it, 0 for none."""
        return self._chains[-1].last_seq

    @property
    def waiting(self) -> int:
        """Numbers that are given and not settled."""
        return sum(chain.waiting for chain in self._chains)

    @property
    def totals(self) -> Totals:
        """What was counted since the spool was made."""
        return self._totals

    @property
    def oldest_us(self) -> int | None:
        """Wall time of the oldest tick that is not settled; None when all are. Reads a record."""
        for chain in self._chains:
            record = self._read(chain.find(chain.acked + 1)) if chain.waiting else None
            if record is not None:
                return record.content.first_us
        return None

    def epochs(self) -> tuple[bytes, ...]:
        """Oldest first; also those of which everything is settled: the aggregator may have forgotten some of it."""
        return tuple(chain.epoch for chain in self._chains)

    def count_resets(self, resets: int) -> None:
        """Adds counters that went backwards to those that the heartbeat tells of; durable with the next cursor."""
        self._totals = replace(self._totals, counter_resets=self._totals.counter_resets + resets)

    def append(self, payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
        """Numbers and keeps them durably, all or none. False when there is no room or the disk refuses.

        ``baselines`` are the counters at the last tick in the payloads; they become the spool's with the batches.
        """
        if not payloads:
            return True
        if len(payloads) > GROUP_RECORDS_MAX:
            raise ValueError(
                f"{len(payloads)} batches at once; at most {GROUP_RECORDS_MAX} can be kept together"
            )
        following = self.baselines if baselines is None else baselines
        if not self._append(payloads, following):
            return False
        self.baselines = following
        self.appended.set()
        return True

    def welcome(self, cursors: Mapping[bytes, int]) -> str:
        """Takes note of the last number that the aggregator has applied per epoch; see ``Outbox``."""
        for chain in self._chains:
            cursor = cursors.get(chain.epoch)
            if cursor is not None:
                self._hear_cursor(chain, cursor)
        self._save()
        newest = self._chains[-1]
        if (newest.stated or 0) <= newest.last_seq:
            return ""
        log.error(
            "the aggregator has batches under this agent's numbers that are not in its spool: is this host a clone, "
            "or was it set back to an earlier state? New batches are numbered in a new epoch",
            extra=fields(epoch=newest.epoch.hex(), cursor=newest.stated, sealed=newest.last_seq),
        )
        self.start_epoch()
        return "the aggregator is ahead of this agent's numbers"

    def next_batch(self, after: Number | None) -> Sealed | None:
        """The first batch to offer, or the first behind a number; None when there is none now. May write a tombstone."""
        begun = after is None
        for chain in self._chains:
            seq = chain.acked + 1
            if not begun and after is not None:
                if chain.epoch != after[0]:
                    continue
                begun, seq = True, after[1] + 1
            while seq <= chain.last_seq:
                batch, seq = self._offer(chain, seq)
                if batch is not None:
                    return batch
                if not seq:
                    return None
        return None

    def acknowledge(self, batch: Sealed) -> None:
        """It is committed at the aggregator. The cursor is written now or soon."""
        if (chain := self._chain(batch.epoch)) is None:
            return
        chain.stated = max(chain.stated or 0, batch.last)
        chain.settle(batch.last)
        self._unsaved += 1
        freed = self._shelf.settle(chain, self._clock.stamp().wall_us)
        if freed or not self.waiting or self._unsaved >= UNSAVED_ACKS_MAX:
            self._save()
        if freed:
            # There may be room again: the next append finds out.
            self.last_error = ""
        self._freed.set()

    def refuse(self, batch: Sealed, reason: str) -> str:
        """Puts the payload aside and seals a tombstone under its number; see ``Outbox``."""
        chain = self._chain(batch.epoch)
        if chain is None or batch.through:
            return "the aggregator refuses a tombstone" if batch.through else "the epoch is not held any more"
        name = f"{self._clock.stamp().wall_us:016x}-{batch.epoch.hex()}-{batch.seq}"
        self._shelf.put_aside(name, batch.content.payload, reason)
        return self._bury(chain, batch.seq, graves.refused(batch, reason))

    def conflict(self, batch: Sealed) -> str:
        """Seals the payload again in an epoch that nobody else has used; see ``Outbox``."""
        chain = self._chain(batch.epoch)
        if chain is None:
            return "the epoch is not held any more"
        if chain is self._chains[-1]:
            self.start_epoch()
        # Of what a tombstone stands for the aggregator has something: that is better than nothing.
        if not batch.through and batch.seq not in chain.resealed:
            origin = (batch.epoch, batch.seq)
            if not self._append([batch.content], self.baselines, origin=origin):
                return f"the batch cannot be sealed again: {self.last_error}"
            chain.resealed.add(batch.seq)
        self.acknowledge(batch)
        self.appended.set()
        return ""

    def start_epoch(self) -> None:
        """Batches sealed from here on are numbered in a new epoch; those held keep their numbers."""
        newest = self._chains[-1]
        predecessor = newest.epoch if newest.used else newest.predecessor
        if not newest.last_seq:
            self._chains.pop()
        self._chains.append(Chain(os.urandom(EPOCH_BYTES), predecessor, stated=0))
        while len(self._chains) > EPOCHS_MAX and not self._chains[0].waiting and not self._chains[0].segments:
            self._chains.pop(0)
        self._shelf.close_tail()

    async def drained(self) -> None:
        """Returns when nothing is waiting."""
        while self.waiting:
            self._freed.clear()
            await self._freed.wait()

    def close(self) -> None:
        """Writes the cursor; a spool that is not closed only offers more duplicates."""
        self._save()

    def _append(
        self, payloads: Sequence[Payload], baselines: Baselines, *, origin: Number | None = None
    ) -> bool:
        known = blob.encode(baselines)
        try:
            try:
                self._number(payloads, known, origin)
            except OSError as error:
                if not is_missing(error):
                    raise
                self._begin_again()
                self._number(payloads, known, origin)
        except OSError as error:
            self._refused(error)
            return False
        if self.last_error:
            log.info("the spool takes batches again")
            self.last_error = ""
        return True

    def _number(self, payloads: Sequence[Payload], baselines: bytes, origin: Number | None) -> None:
        chain, last = self._chains[-1], len(payloads) - 1
        records = [
            Record(
                seq=chain.last_seq + 1 + place,
                content=content,
                baselines=baselines if place == last else b"",
                origin=origin,
                place=place,
                group=len(payloads),
            )
            for place, content in enumerate(payloads)
        ]
        self._shelf.append(chain, records)
        chain.last_seq = records[-1].seq

    def _begin_again(self) -> None:
        """Somebody has deleted files of the spool: what is gone becomes a hole, and numbers are not given again."""
        self._disk.prepare()
        if self._shelf.forget_missing() or not self._chains[-1].last_seq:
            log.error(
                "files of the spool were deleted: batches in them are lost, new ones are numbered in a new epoch",
                extra=fields(epoch=self.epoch.hex(), lost_at_most=self.waiting),
            )
            self.start_epoch()
        self._save()

    def _hear_cursor(self, chain: Chain, cursor: int) -> None:
        if chain.rebuilt:
            chain.rebuilt = False
            chain.acked = chain.high = min(cursor, chain.last_seq)
        elif cursor < chain.acked:
            log.error(
                "the aggregator has less than it had acknowledged: its database was restored. What is still kept is "
                "sent again",
                extra=fields(epoch=chain.epoch.hex(), cursor=cursor, acknowledged=chain.acked),
            )
            chain.acked = cursor
        chain.stated = cursor
        chain.settle(chain.acked)
        self._shelf.settle(chain, self._clock.stamp().wall_us)
        self.appended.set()
        self._freed.set()

    def _offer(self, chain: Chain, seq: int) -> tuple[Sealed | None, int]:
        """What travels under a number; or None and the next number to look at, 0 when nothing can be offered now."""
        buried = chain.graves.get(seq)
        if buried is not None:
            record = self._read_at(buried.name, buried.offset, buried.length)
            if record is not None and record.seq == seq:
                return Sealed(chain.epoch, seq, record.content, record.last), 0
            if self._passing:
                return None, 0
            del chain.graves[seq]
        where = chain.find(seq)
        if where is not None and seq not in chain.resealed:
            record = self._read(where)
            if record is not None and record.seq == seq:
                return Sealed(chain.epoch, seq, record.content), 0
            if self._passing:
                return None, 0
            where[0].lose(seq)
            log.error(
                "a sealed batch cannot be read any more", extra=fields(epoch=chain.epoch.hex(), seq=seq)
            )
        if chain.stated is None:
            return None, 0
        if seq <= chain.stated:
            return None, min(chain.hole_end(seq), chain.stated) + 1
        grave = graves.lost(chain, seq, lambda other: self._read(chain.find(other)))
        return None, 0 if self._bury(chain, seq, grave) else seq

    def _bury(self, chain: Chain, seq: int, grave: ingest_pb2.Tombstone) -> str:
        content = bury(grave, boot_id=self._clock.stamp().boot_id)
        try:
            self._disk.prepare()
            self._shelf.bury(chain, Record(seq, content, through=grave.through))
        except OSError as error:
            self._refused(error)
            return f"a tombstone cannot be sealed: {self.last_error}"
        log.error(
            "sealed batches cannot be delivered: a tombstone stands for them",
            extra=fields(epoch=chain.epoch.hex(), seq=seq, through=grave.through, reason=grave.reason),
        )
        self._totals = replace(self._totals, tombstones=self._totals.tombstones + 1)
        self._save()
        return ""

    def _read(self, where: tuple[Segment, int, int] | None) -> Record | None:
        return self._read_at(where[0].name, *where[1:]) if where else None

    def _read_at(self, name: str, offset: int, length: int) -> Record | None:
        """None when it is damaged, or when it cannot be read now: then ``_passing`` is set."""
        self._passing = False
        try:
            return self._shelf.read(name, offset, length)
        except OSError as error:
            self._passing = error.errno in _PASSING
            if self._passing:
                self._refused(error)
            return None

    def _chain(self, epoch: bytes) -> Chain | None:
        return next((chain for chain in self._chains if chain.epoch == epoch), None)

    def _tidy(self) -> None:
        try:
            self._shelf.tidy()
        except OSError as error:
            self._refused(error)

    def _save(self) -> None:
        """The cursor first, then what may go."""
        self._unsaved = 0
        moved, self._shelf.quarantined = self._shelf.quarantined, 0
        self._totals = replace(self._totals, quarantined=self._totals.quarantined + moved)
        try:
            self._shelf.save(self._totals)
            self._shelf.retire(self._clock.stamp().wall_us)
        except OSError as error:
            log.error("the spool's cursor cannot be written", extra=fields(reason=error.strerror))

    def _refused(self, error: OSError) -> None:
        if not self.last_error:
            log.error(
                "the spool takes nothing: amounts are kept in the next difference, levels are missing meanwhile",
                extra=fields(reason=error.strerror, held_bytes=self.held_bytes, bytes_max=self.bytes_max),
            )
        self.last_error = error.strerror or str(error)
