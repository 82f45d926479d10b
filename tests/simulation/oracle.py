"""Knows what was sealed and what really was consumed, and says at the end whether the ledger is right.

Every group that a spool took is an obligation, with the stretch of each counter that it covers. In the end each number is
data with the hash it was sealed with or under a tombstone, and the stretches of what is stored follow each other without
overlap; a hole must be a tombstone's, or where a counter began or a spool was lost.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.amounts import Baseline, Baselines
from agent.seal import Payload
from tests.simulation.aggregator import series_id
from tests.simulation.chance import Chance
from tests.simulation.tables import BatchRow, Tables
from ullage.v1 import ingest_pb2

# Source type, external id, unit type, identity of the object, boot id.
ObjectKey = tuple[str, str, str, str, str]
Number = tuple[int, bytes, int]

TOTALS = ("read", "stored", "quarantined")


class Wrong(AssertionError):
    """An invariant does not hold."""


@dataclass(eq=False)
class Group:
    """Payloads that were sealed together. ``covers``: from where to where each object's counter is counted in them."""

    agent: int
    hashes: list[bytes]
    covers: dict[ObjectKey, tuple[int, int]]
    # Whether the spool has baselines after it.
    known: bool
    at: float
    sealed: bool = False
    # Its spool was lost or damaged after it was sealed.
    excused: bool = False


@dataclass
class Oracle:
    """Of one run."""

    chance: Chance
    groups: list[Group] = field(default_factory=list)
    # The data seen on the network under each number; a tombstone may take its place, nothing else may.
    numbers: dict[Number, bytes] = field(default_factory=dict)
    contents: dict[bytes, ingest_pb2.Batch] = field(default_factory=dict)
    # Contents that ever had a number, sent or only written.
    given: defaultdict[Number, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    # Since when each object counts, by its host's time since boot.
    started_us: dict[ObjectKey, int | None] = field(default_factory=dict)
    # Where a counter's account may begin above what was known of it.
    beginnings: defaultdict[ObjectKey, set[int]] = field(default_factory=lambda: defaultdict(set))
    _committed: dict[tuple[int, bytes], int] = field(default_factory=dict)
    # Agents whose spool may have forgotten its baselines.
    _forgetful: set[int] = field(default_factory=set)
    _by_hash: dict[bytes, Group] = field(default_factory=dict)

    def sealing(self, agent: int, payloads: Sequence[Payload], *, old: Baselines, new: Baselines) -> Group:
        """A spool is about to take these, the ticks of one moment."""
        group = Group(agent, [payload.sha256 for payload in payloads], {}, bool(new), self.chance.now())
        before = _values(old)
        for collector, known in new.items():
            for key, value in _values({collector: known}).items():
                start = before.get(key)
                if start is None and self._counts_from_its_start(key, old.get(collector)):
                    start = 0
                elif start is None:
                    self._begin(agent, key, value, old)
                    continue
                group.covers[key] = (start, value)
        self.groups.append(group)
        for payload in payloads:
            if payload.sha256 in self._by_hash:
                raise Wrong("a content was sealed twice")
            self._by_hash[payload.sha256] = group
            self.contents[payload.sha256] = ingest_pb2.Batch.FromString(payload.payload)
        self._compare(group)
        return group

    def _counts_from_its_start(self, key: ObjectKey, previous: Baseline | None) -> bool:
        """Known to have begun at 0 after the last tick."""
        started_us = self.started_us[key]
        if previous is None or started_us is None:
            return False
        return previous.stamp.boot_id != key[4] or started_us >= previous.stamp.boottime_us

    def _begin(self, agent: int, key: ObjectKey, value: int, old: Baselines) -> None:
        """A baseline worth 0."""
        self.beginnings[key].add(value)
        had_some = any(g.sealed and g.known for g in self.groups if g.agent == agent)
        if not old and had_some and agent not in self._forgetful:
            raise Wrong(f"agent {agent} forgot its baselines")

    def _compare(self, group: Group) -> None:
        """The amounts are the lengths of the stretches."""
        sums: Counter[str] = Counter()
        for digest in group.hashes:
            for unit_type, value in _readings(self.contents[digest]):
                sums[unit_type] += value
        lengths: Counter[str] = Counter()
        for key, (start, end) in group.covers.items():
            lengths[key[2]] += end - start
        for unit_type in ("cpu", "net"):
            if sums[unit_type] != lengths[unit_type]:
                raise Wrong(f"{unit_type}: {sums[unit_type]} sealed for stretches of {lengths[unit_type]}")

    def sealed(self, group: Group) -> None:
        """The spool took it: from here on it is an obligation."""
        group.sealed = True
        if group.known:
            self._forgetful.discard(group.agent)

    def sealed_by(self, agent: int) -> int:
        """How many groups."""
        return sum(group.sealed for group in self.groups if group.agent == agent)

    def wiped(self, agent: int) -> None:
        """What its spool held is lost, without a word."""
        self._forgetful.add(agent)
        for group in self.groups:
            group.excused = group.excused or group.agent == agent

    def damaged(self, agent: int) -> None:
        """Something of its spool may be lost, and must then be said."""
        self._forgetful.add(agent)

    def wrote(self, agent: int, epoch: bytes, seq: int, digest: bytes) -> None:
        """A record in a spool, about to be damaged."""
        self.given[agent, epoch, seq].add(digest)

    def saw(self, agent: int, sealed: ingest_pb2.SealedBatch) -> None:
        """A batch on the network."""
        number = (agent, sealed.epoch, sealed.seq)
        if sealed.sha256 in self.given[number]:
            return
        batch = ingest_pb2.Batch.FromString(sealed.payload)
        self.given[number].add(sealed.sha256)
        self.contents[sealed.sha256] = batch
        if batch.HasField("tombstone"):
            return
        if self.numbers.setdefault(number, sealed.sha256) != sealed.sha256:
            raise Wrong(f"number {sealed.seq} of {sealed.epoch.hex()[:6]} was sent with two contents")
        if sealed.sha256 not in self._by_hash:
            raise Wrong("what was sent was never sealed")

    def committed(self, agent: int, epoch: bytes, last_seq: int) -> None:
        """The ledger's cursor has moved."""
        self._committed[agent, epoch] = max(self._committed.get((agent, epoch), 0), last_seq)

    def acknowledged(self, agent: int, epoch: bytes, seq: int) -> None:
        """Somebody says, or believes, that a number is committed. A restore may have taken it back, nothing else."""
        if seq > self._committed.get((agent, epoch), 0):
            raise Wrong(f"number {seq} of {epoch.hex()[:6]} is acknowledged and was never committed")

    def judge(self, tables: Tables) -> None:
        """Raises ``Wrong`` with the first thing that is."""
        self._judge_numbers(tables)
        stored = self._judge_contents(tables)
        self._judge_obligations(tables, stored)
        self._judge_stretches(tables, stored)

    def _judge_numbers(self, tables: Tables) -> None:
        rows: defaultdict[tuple[int, bytes], list[BatchRow]] = defaultdict(list)
        for row in tables.batches.values():
            rows[row.agent_id, row.epoch].append(row)
        for key, cursor in tables.cursors.items():
            following, last = 1, cursor.last_seq
            mine = sorted(rows.pop(key, []), key=lambda row: row.seq)
            if any(sum(getattr(r, n) for r in mine) != getattr(cursor, n) for n in TOTALS):
                raise Wrong(f"{key[1].hex()[:6]}: the cursor's totals are not those of its batches")
            for row in mine:
                if row.seq != following:
                    raise Wrong(f"{key[1].hex()[:6]}: number {following} is missing before {row.seq}")
                following = row.through + 1
            if following != last + 1:
                raise Wrong(
                    f"{key[1].hex()[:6]}: the cursor is {last}, the last batch ends at {following - 1}"
                )
        if rows:
            raise Wrong("batches without a cursor")

    def _judge_contents(self, tables: Tables) -> dict[bytes, BatchRow]:
        """What is stored is what was sealed, once; the data by its hash."""
        stored: dict[bytes, BatchRow] = {}
        sums: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, row in tables.batches.items():
            batch = self.contents.get(row.sha256)
            if batch is None:
                raise Wrong(f"number {number[2]} of {number[1].hex()[:6]} was never sealed")
            if batch.HasField("tombstone"):
                if batch.tombstone.through != row.through:
                    raise Wrong("a tombstone stands for other numbers than it says")
                self.chance.counts[f"tombstone stored: {batch.tombstone.reason}"] += 1
                continue
            if row.sha256 in stored:
                places = [f"{r.seq} of {r.epoch.hex()[:6]}" for r in (stored[row.sha256], row)]
                raise Wrong(f"a content of {row.agent_id} is stored twice: {places}")
            stored[row.sha256] = row
            if self._by_hash[row.sha256].agent != row.agent_id:
                raise Wrong("a batch is stored under another agent")
            for unit_type, value in _readings(batch):
                sums[row.agent_id, series_id(row.agent_id, unit_type)].append(value)
        held: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for tick in tables.ticks:
            for series, value in zip(tick.series, tick.values, strict=True):
                held[tick.agent_id, series].append(value)
        for agent, _, _, unit_type, value, _ in tables.quarantine:
            held[agent, series_id(agent, unit_type)].append(value)
        if {key: sorted(values) for key, values in sums.items()} != {
            key: sorted(values) for key, values in held.items()
        }:
            raise Wrong("the readings stored are not those of the batches stored")
        return stored

    def _judge_obligations(self, tables: Tables, stored: Mapping[bytes, BatchRow]) -> None:
        buried = self._buried(tables)
        for group in self.groups:
            for digest in group.hashes:
                if group.sealed and not group.excused and digest not in stored and digest not in buried:
                    raise Wrong(f"sealed by {group.agent} at {group.at:.3f}, and neither stored nor mourned")

    def _buried(self, tables: Tables) -> set[bytes]:
        """Contents whose number is under a tombstone."""
        graves = [row for row in tables.batches.values() if self.contents[row.sha256].HasField("tombstone")]
        mine: defaultdict[tuple[int, bytes], list[BatchRow]] = defaultdict(list)
        for row in graves:
            mine[row.agent_id, row.epoch].append(row)
        return {
            digest
            for (agent, epoch, seq), digests in self.given.items()
            for digest in digests
            if any(row.seq <= seq <= row.through for row in mine[agent, epoch])
        }

    def _judge_stretches(self, tables: Tables, stored: Mapping[bytes, BatchRow]) -> None:
        buried = self._buried(tables)
        covered: defaultdict[ObjectKey, list[tuple[int, int]]] = defaultdict(list)
        mourned: defaultdict[ObjectKey, list[tuple[int, int]]] = defaultdict(list)
        for group in self.groups:
            if any(digest in stored for digest in group.hashes):
                target = covered
            elif group.excused or any(digest in buried for digest in group.hashes):
                target = mourned
            else:
                continue
            for key, stretch in group.covers.items():
                target[key].append(stretch)
        for key, stretches in covered.items():
            stretches.sort()
            reached = 0
            for start, end in stretches:
                if start < reached:
                    raise Wrong(f"{key} is counted twice between {start} and {reached}")
                if start > reached and not self._explained(key, reached, start, mourned[key]):
                    raise Wrong(f"{key} is not counted between {reached} and {start}")
                reached = max(reached, end)

    def _explained(self, key: ObjectKey, low: int, high: int, mourned: list[tuple[int, int]]) -> bool:
        """Whether a hole is made of tombstones, from where it begins or from where the account was opened anew."""
        low = max([low, *(at for at in self.beginnings[key] if low <= at <= high)])
        for start, end in sorted(mourned):
            if start <= low:
                low = max(low, end)
        return low >= high


def _values(baselines: Baselines) -> dict[ObjectKey, int]:
    return {
        (*key, known.stamp.boot_id): value
        for known in baselines.values()
        for key, value in known.values.items()
    }


def _readings(batch: ingest_pb2.Batch) -> list[tuple[str, int]]:
    units = [series.unit_type for series in ingest_pb2.Dictionary.FromString(batch.dictionary).series]
    return [
        (units[index], value)
        for tick in batch.ticks
        for index, value in zip(tick.series, tick.values, strict=True)
    ]
