"""Where each batch of one epoch is, in memory: segments with the offsets of their records, tombstones, what is settled.

Eight bytes a batch, because an agent that waits for days has many. No file is touched here.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field

from agent.segment import NO_EPOCH, Found

_NOTHING = 0xFFFFFFFF


@dataclass(slots=True)
class Segment:
    """A file of batches with numbers from ``first_seq`` on, those that cannot be read included."""

    name: str
    index: int
    first_seq: int
    size: int = 0
    damaged: bool = False
    # When the last of its numbers was settled, wall time; None before.
    settled_us: int | None = None
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    lengths: "array[int]" = field(default_factory=lambda: array("I"))

    @property
    def last_seq(self) -> int:
        """The highest number that it has; ``first_seq`` - 1 when it is empty."""
        return self.first_seq + len(self.offsets) - 1

    def add(self, found: Found) -> None:
        """The next record; numbers skipped by it are holes."""
        for _ in range(found.record.seq - self.last_seq - 1):
            self.offsets.append(_NOTHING)
            self.lengths.append(0)
        self.offsets.append(found.offset)
        self.lengths.append(found.length)

    def find(self, seq: int) -> tuple[int, int] | None:
        """Offset and length of a record."""
        place = seq - self.first_seq
        if not 0 <= place < len(self.offsets) or self.offsets[place] == _NOTHING:
            return None
        return self.offsets[place], self.lengths[place]

    def lose(self, seq: int) -> None:
        """The record turned out to be unreadable."""
        self.offsets[seq - self.first_seq] = _NOTHING


@dataclass(frozen=True, slots=True)
class Grave:
    """Where a tombstone is, and the last number it stands for."""

    name: str
    offset: int
    length: int
    through: int


@dataclass(slots=True)
class Chain:
    """All numbers of one epoch.

    ``acked``: the last one that is settled; ``high``: the highest that ever was; ``stated``: the last that the aggregator
    is known to have, None before it has said so. ``resealed``: numbers whose content travels under another one.
    ``rebuilt``: ``acked`` is not known, so that what the aggregator says is taken for it.
    """

    epoch: bytes
    predecessor: bytes = NO_EPOCH
    acked: int = 0
    high: int = 0
    last_seq: int = 0
    stated: int | None = None
    rebuilt: bool = False
    segments: list[Segment] = field(default_factory=list)
    graves: dict[int, Grave] = field(default_factory=dict)
    resealed: set[int] = field(default_factory=set)

    def find(self, seq: int) -> tuple[Segment, int, int] | None:
        """Segment, offset and length of a batch that is held."""
        place = bisect_right(self.segments, seq, key=lambda segment: segment.first_seq) - 1
        # Damage can make neighbours overlap by a hole.
        for segment in self.segments[max(place - 1, 0) : place + 1]:
            where = segment.find(seq)
            if where is not None:
                return (segment, *where)
        return None

    def hole_end(self, seq: int) -> int:
        """The last number of the hole that begins at ``seq``: a number that is neither held nor buried."""
        end = seq
        while end < self.last_seq and end + 1 not in self.graves:
            ahead = self.find(end + 1)
            if ahead is not None and end + 1 not in self.resealed:
                break
            following = [s.first_seq for s in self.segments if s.first_seq > end + 1]
            # Whole stretches without a segment are skipped at once.
            empty = all(not s.first_seq <= end + 1 <= s.last_seq for s in self.segments)
            buried = [first for first in self.graves if first > end + 1]
            end = min([*following, *buried, self.last_seq + 1]) - 1 if empty else end + 1
        return end

    def settle(self, through: int) -> None:
        """Everything up to a number is; and what follows it, as far as nothing of it can be offered or need be."""
        self.acked = max(self.acked, through)
        while self.acked < self.last_seq and self.acked < (self.stated or 0):
            ahead = self.acked + 1
            if ahead in self.graves or (self.find(ahead) is not None and ahead not in self.resealed):
                break
            self.acked = min(self.hole_end(ahead), self.stated or 0)
        self.high = max(self.high, self.acked)

    @property
    def waiting(self) -> int:
        """Numbers that are given and not settled."""
        return max(self.last_seq - self.acked, 0)

    @property
    def used(self) -> bool:
        """Whether the aggregator has, or will have, heard of the epoch."""
        return self.high > 0 or self.last_seq > self.acked
