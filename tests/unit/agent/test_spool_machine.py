"""Whatever the disk forgets and whenever the power goes: every sealed batch arrives once, and amounts keep their sum.

The model is an aggregator that applies the rules of the wire and adds up the amounts it stored. A batch carries the
difference of a counter to the baseline, as a tick does, so that the sum shows what was lost or counted twice.
"""

import errno
import hashlib

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.amounts import Baseline, Baselines, Stamp
from agent.seal import Payload, Sealed
from agent.spool import Spool
from tests.unit.agent.forgetful import ForgetfulDisk, PowerCut
from tests.unit.agent.made import BOOT, NOON_US, SECOND_US, FakeClock
from tests.unit.agent.spools import AGENT, grave

BYTES_MAX = 1 << 16
KEY = ("host", "a", "cpu", "x")


class Server:
    """Cursors and contents by epoch, the sum of the amounts stored, and what went wrong."""

    def __init__(self) -> None:
        self.cursors: dict[bytes, int] = {}
        self.stored: dict[tuple[bytes, int], bytes] = {}
        self.newest = b""
        # Of all batches that were ever stored, whatever was restored since; and what each tombstone stands for.
        self.ever: dict[tuple[bytes, int], bytes] = {}
        self.graves: dict[tuple[bytes, int], int] = {}

    def copy(self) -> tuple[dict[bytes, int], dict[tuple[bytes, int], bytes], bytes]:
        """A backup."""
        return dict(self.cursors), dict(self.stored), self.newest

    def take(self, batch: Sealed, spool: Spool) -> str:
        last = self.cursors.get(batch.epoch)
        if last is not None and batch.seq <= last:
            same = self.stored.get((batch.epoch, batch.seq), batch.content.sha256) == batch.content.sha256
            return "duplicate" if same else "conflict"
        if last is None:
            epochs = spool.epochs()
            before = dict(zip(epochs[1:], epochs, strict=False)) | {spool.epoch: spool.predecessor}
            assert batch.seq == 1, "a new epoch begins at 1"
            assert before.get(batch.epoch, b"") == self.newest, "a new epoch names the newest one known"
            self.newest = batch.epoch
        if batch.seq != (last or 0) + 1:
            return "gap"
        self.stored[batch.epoch, batch.seq] = self.ever[batch.epoch, batch.seq] = batch.content.sha256
        if batch.through:
            self.graves[batch.epoch, batch.seq] = batch.through
        self.cursors[batch.epoch] = batch.last
        return "applied"


def counted(baseline: int, value: int, number: int) -> Payload:
    """A batch of which the model reads the amount."""
    body = b"%d %d %d" % (value - baseline, number, number % 7) + b"." * (40 * (number % 5))
    return Payload(body, hashlib.sha256(body).digest(), 1, NOON_US, NOON_US)


class SpoolMachine(RuleBasedStateMachine):
    """One agent on a disk that forgets, one aggregator that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = ForgetfulDisk()
        self.clock = FakeClock()
        self.server = Server()
        self.counter = 1000
        self.number = 0
        self.amounts: dict[bytes, int] = {}
        self.backups = [self.server.copy()]
        self.cloned = self.restored = False
        self.baseline = self.counter
        self.spool: Spool | None = None
        self.open()
        # The first tick: a baseline, worth 0.
        self.seal(1, 0)

    def open(self) -> None:
        for _ in range(20):
            try:
                self.spool = Spool(self.disk, agent=AGENT, clock=self.clock, bytes_max=BYTES_MAX)
            except PowerCut:
                self.disk.crash()
            else:
                return
        raise AssertionError("it never opens")

    def known(self) -> int | None:
        assert self.spool is not None
        host = self.spool.baselines.get("host")
        return host.values[KEY] if host else None

    @rule(count=st.integers(1, 4), growth=st.integers(0, 50))
    def seal(self, count: int, growth: int) -> None:
        """A tick, spread over some batches."""
        spool = self.spool
        assert spool is not None
        self.counter += growth
        known = self.known()
        baseline = self.counter if known is None else known
        values = [baseline + (self.counter - baseline) * n // count for n in range(count + 1)]
        payloads = []
        for before, after in zip(values, values[1:], strict=False):  # noqa: RUF007 - both ends are named
            self.number += 1
            payload = counted(before, after, self.number)
            self.amounts[payload.sha256] = after - before
            payloads.append(payload)
        following: Baselines = {"host": Baseline(Stamp(self.clock.wall_us, 1, BOOT), {KEY: self.counter})}
        try:
            spool.append(payloads, baselines=following)
        except PowerCut:
            self.power()

    @rule(hear=st.integers(1, 8))
    def send(self, hear: int) -> None:
        """One stream: Hello, Welcome, some batches, of which the last answer may get lost."""
        spool = self.spool
        assert spool is not None
        try:
            if spool.welcome({epoch: self.server.cursors.get(epoch, 0) for epoch in spool.epochs()}):
                return
            after = None
            for heard in range(hear):
                batch = spool.next_batch(after)
                if batch is None:
                    return
                outcome = self.server.take(batch, spool)
                if outcome == "conflict":
                    assert self.cloned
                    spool.conflict(batch)
                    return
                assert outcome in {"applied", "duplicate"}, outcome
                if batch.through:
                    assert self.restored
                    assert grave(batch).reason == "dropped"
                after = (batch.epoch, batch.last)
                if heard < hear - 1:
                    spool.acknowledge(batch)
        except PowerCut:
            self.power()

    @rule(seed=st.integers(0, 1 << 16))
    def power(self, seed: int = 0) -> None:
        """The host is gone and comes back."""
        self.disk._random.seed(seed)
        self.disk.crash()
        self.open()

    @rule()
    def restart(self) -> None:
        self.open()

    @rule()
    def back_up(self) -> None:
        self.backups.append(self.server.copy())

    @rule(which=st.integers(0, 5))
    def restore(self, which: int) -> None:
        """The aggregator's database is as it was at a backup."""
        cursors, stored, newest = self.backups[-1 - which % len(self.backups)]
        self.server.cursors, self.server.stored, self.server.newest = dict(cursors), dict(stored), newest
        self.restored = True

    @rule()
    def clone(self) -> None:
        """Another host under this agent's certificate delivers the next number first."""
        newest = self.server.newest
        if newest:
            self.server.cursors[newest] += 1
            number = (newest, self.server.cursors[newest])
            self.server.stored[number] = self.server.ever[number] = b"of a clone"
            self.cloned = True

    @rule(operations=st.integers(1, 12))
    def cut_soon(self, operations: int) -> None:
        """The power will go in the middle of one of the next operations."""
        self.disk.cut_at = self.disk.operations + operations

    @rule(number=st.sampled_from([errno.EIO, errno.ENOSPC, errno.EROFS]))
    def refuse(self, number: int) -> None:
        self.disk.errno = number

    @precondition(lambda self: self.disk.errno is not None)
    @rule()
    def mend(self) -> None:
        self.disk.errno = None

    @rule(spare=st.integers(0, 6000))
    def fill(self, spare: int) -> None:
        """Others take the room on the medium."""
        self.disk.capacity = self.disk.used() + spare

    @rule()
    def free(self) -> None:
        self.disk.capacity = None

    @rule(hours=st.integers(1, 60))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours * 3600 * SECOND_US)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """What the server has, what waits, and what the counter has on top of the baseline is what was used."""
        spool, disk = self.spool, self.disk
        if spool is None or self.number == 0:
            return
        known = self.known()
        cut, number, capacity = disk.cut_at, disk.errno, disk.capacity
        disk.cut_at = disk.errno = disk.capacity = None
        stored = self.worth(self.server.stored)
        waiting, after = 0, None
        spool.welcome({epoch: self.server.cursors.get(epoch, 0) for epoch in spool.epochs()})
        while batch := spool.next_batch(after):
            after = (batch.epoch, batch.last)
            same = self.server.stored.get((batch.epoch, batch.seq)) == batch.content.sha256
            waiting += 0 if same or batch.through else self.amounts[batch.content.sha256]
            if not same and batch.through:
                waiting += self.lost(batch.epoch, batch.seq, batch.through)
        unsealed = 0 if known is None else self.counter - known
        started = self.counter if known is None else 1000
        assert stored + waiting + unsealed == self.counter - started
        assert self.restored or not spool.totals.tombstones
        disk.cut_at, disk.errno, disk.capacity = cut, number, capacity

    def worth(self, stored: dict[tuple[bytes, int], bytes]) -> int:
        """Amounts in what is stored, those included that a tombstone says are lost."""
        buried = sum(
            self.lost(*number, self.server.graves[number])
            for number in stored
            if number in self.server.graves
        )
        return buried + sum(self.amounts.get(content, 0) for content in stored.values())

    def lost(self, epoch: bytes, seq: int, through: int) -> int:
        """What was stored under these numbers before the database was restored."""
        gone = [self.server.ever[epoch, number] for number in range(seq, through + 1)]
        return sum(self.amounts.get(content, 0) for content in gone)

    def teardown(self) -> None:
        """In the end, without faults, everything arrives without anybody's help."""
        self.disk.cut_at = self.disk.errno = self.disk.capacity = None
        self.open()
        self.seal(1, 5)
        for _ in range(50):
            self.send(1000)
            self.send(1)
            if self.spool is not None and not self.spool.waiting:
                break
        assert self.spool is not None
        assert self.spool.waiting == 0
        assert self.worth(self.server.stored) == self.counter - 1000
        for epoch, last in self.server.cursors.items():
            there: set[int] = set()
            for number in (number for number in self.server.stored if number[0] == epoch):
                there |= set(range(number[1], self.server.graves.get(number, number[1]) + 1))
            assert there == set(range(1, last + 1))


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
