"""The spool keeps order and numbers over restarts, refusals, conflicts and restored databases."""

import asyncio
import errno

import pytest

from agent.segment import decode_header
from agent.shelf import KEPT_SECONDS, REJECTED_BATCHES_MAX
from tests.unit.agent.forgetful import ForgetfulDisk, PowerCut
from tests.unit.agent.made import SECOND_US, FakeClock, payload
from tests.unit.agent.spools import (
    acknowledge,
    filled,
    grave,
    known,
    numbers,
    offered,
    opened,
    segments,
)


def test_batches_are_numbered_from_1_in_one_epoch() -> None:
    spool = filled(3)
    assert numbers(spool) == [1, 2, 3]
    assert {batch.epoch for batch in offered(spool)} == {spool.epoch}
    assert (len(spool.epoch), spool.predecessor) == (16, b"")


def test_two_spools_have_two_epochs() -> None:
    assert opened(ForgetfulDisk()).epoch != opened(ForgetfulDisk()).epoch


def test_after_a_restart_the_same_batches_have_the_same_numbers_bytes_and_baselines() -> None:
    disk = ForgetfulDisk()
    before = offered(filled(5, disk))
    spool = opened(disk)
    assert offered(spool) == before
    assert (spool.baselines, spool.last_seq) == (known(5), 5)
    assert spool.append([payload(6)])
    assert numbers(spool) == [1, 2, 3, 4, 5, 6]


def test_what_is_acknowledged_is_not_offered_again_after_a_restart() -> None:
    disk = ForgetfulDisk()
    acknowledge(filled(3, disk), 3)
    spool = opened(disk)
    assert (numbers(spool), spool.waiting, spool.held_bytes) == ([], 0, 0)
    assert (spool.last_seq, spool.baselines) == (3, known(3))


def test_an_append_is_synced_before_anything_can_be_sent() -> None:
    disk = ForgetfulDisk()
    before = offered(filled(4, disk))
    disk.crash()
    assert offered(opened(disk)) == before


def test_a_group_that_was_cut_by_a_crash_is_there_as_a_whole_or_not_at_all() -> None:
    found = set()
    for seed in range(80):
        disk = ForgetfulDisk(seed=seed)
        spool = filled(2, disk)
        # The write gets through, the power goes in the sync.
        disk.cut_at = disk.operations + 2
        with pytest.raises(PowerCut):
            spool.append([payload(3), payload(4, readings=60), payload(5)], baselines=known(5))
        disk.crash()
        again = opened(disk)
        found.add((tuple(numbers(again)), again.baselines["host"].values["host", "a", "cpu", "x"]))
    assert found == {((1, 2), 2), ((1, 2, 3, 4, 5), 5)}


def test_settled_segments_are_kept_for_48_hours_and_then_deleted() -> None:
    disk, clock = ForgetfulDisk(), FakeClock()
    spool = opened(disk, clock=clock, bytes_max=1 << 16)
    for number in range(1, 41):
        assert spool.append([payload(number, readings=20)], baselines=known(number))
    count = len(segments(disk))
    assert count > 3
    acknowledge(spool, 40)
    assert len(segments(disk)) == count
    clock.advance((KEPT_SECONDS + 1) * SECOND_US)
    assert spool.append([payload(41)])
    acknowledge(spool, 1)
    assert len(segments(disk)) == 1
    assert opened(disk).last_seq == 41


def test_a_database_that_was_restored_is_filled_again_from_what_is_kept() -> None:
    disk = ForgetfulDisk()
    spool = filled(6, disk)
    acknowledge(spool, 6)
    assert spool.welcome({spool.epoch: 2}) == ""
    assert numbers(spool) == [3, 4, 5, 6]
    again = opened(disk)
    assert again.welcome({again.epoch: 2}) == ""
    assert numbers(again) == [3, 4, 5, 6]


def test_what_is_asked_for_and_not_kept_any_more_becomes_one_tombstone() -> None:
    disk, clock = ForgetfulDisk(), FakeClock()
    spool = opened(disk, clock=clock, bytes_max=1 << 16)
    for number in range(1, 41):
        spool.append([payload(number, readings=20)])
    acknowledge(spool, 40)
    clock.advance((KEPT_SECONDS + 1) * SECOND_US)
    spool.append([payload(41)])
    acknowledge(spool, 1)
    spool.welcome({spool.epoch: 5})
    first, *others = offered(spool)
    kept = decode_header(disk.read(segments(disk)[0])).first_seq
    assert (first.seq, first.through, grave(first).reason) == (6, kept - 1, "dropped")
    assert grave(first).through == kept - 1
    assert [batch.seq for batch in others] == list(range(kept, 42))
    assert (spool.totals.tombstones, opened(disk).totals.tombstones) == (1, 1)
    assert offered(spool)[0] == first


def test_a_refused_batch_is_put_aside_and_a_tombstone_has_its_number() -> None:
    disk = ForgetfulDisk()
    spool = filled(3, disk)
    batch = offered(spool)[0]
    assert spool.refuse(batch, "no such thing") == ""
    first, *others = offered(spool)
    assert (first.epoch, first.seq, first.through) == (batch.epoch, 1, 1)
    assert (grave(first).reason, grave(first).detail) == ("refused", "no such thing")
    assert (grave(first).from_us, grave(first).to_us) == (batch.content.first_us, batch.content.last_us)
    assert [other.seq for other in others] == [2, 3]
    [kept, reason] = disk.list("rejected")
    assert disk.read(f"rejected/{kept}") == batch.content.payload
    assert disk.read(f"rejected/{reason}") == b"no such thing"
    assert offered(opened(disk)) == [first, *others]


def test_a_refused_tombstone_is_not_replaced_by_another() -> None:
    spool = filled(1)
    spool.refuse(offered(spool)[0], "no")
    assert "refuses a tombstone" in spool.refuse(offered(spool)[0], "no")


def test_batches_kept_aside_are_bounded() -> None:
    disk = ForgetfulDisk()
    spool = filled(REJECTED_BATCHES_MAX + 5, disk)
    for _ in range(REJECTED_BATCHES_MAX + 5):
        batch = spool.next_batch(None)
        assert batch is not None
        assert spool.refuse(batch, "no") == ""
        acknowledge(spool, 1)
    assert len(disk.list("rejected")) == 2 * REJECTED_BATCHES_MAX


def test_after_a_conflict_that_batch_alone_is_sealed_again_in_an_epoch_that_names_its_predecessor() -> None:
    disk = ForgetfulDisk()
    spool = filled(3, disk)
    old, before = spool.epoch, offered(spool)
    assert spool.conflict(before[0]) == ""
    assert spool.append([payload(9)])
    after = offered(spool)
    assert [(batch.epoch == old, batch.seq) for batch in after] == [
        (True, 2),
        (True, 3),
        (False, 1),
        (False, 2),
    ]
    assert after[2].content == before[0].content
    assert (spool.epochs(), spool.predecessor) == ((old, spool.epoch), old)
    again = opened(disk)
    again.welcome({old: 1, again.epoch: 0})
    assert (offered(again), again.predecessor) == (after, old)


def test_a_second_conflict_of_the_old_epoch_opens_no_third_one() -> None:
    spool = filled(3)
    first, second, _ = offered(spool)
    spool.conflict(first)
    new = spool.epoch
    spool.conflict(second)
    assert spool.epoch == new
    assert numbers(spool) == [3, 1, 2]


def test_a_conflict_that_the_cursor_does_not_know_of_is_not_sealed_twice() -> None:
    disk = ForgetfulDisk()
    spool = filled(2, disk)
    disk.overwrite = lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "no"))  # type: ignore[method-assign]
    spool.conflict(offered(spool)[0])
    del disk.overwrite
    again = opened(disk)
    old = again.epochs()[0]
    again.welcome({old: 1, again.epoch: 0})
    assert [(batch.epoch == old, batch.seq) for batch in offered(again)] == [(True, 2), (False, 1)]


def test_an_aggregator_that_is_ahead_gets_later_batches_in_a_new_epoch_and_old_ones_under_their_numbers() -> (
    None
):
    spool = filled(2)
    old = spool.epoch
    assert "ahead" in spool.welcome({old: 5})
    assert spool.append([payload(3)])
    assert [(batch.epoch == old, batch.seq) for batch in offered(spool)] == [
        (True, 1),
        (True, 2),
        (False, 1),
    ]
    assert spool.predecessor == old


async def test_who_waits_for_an_empty_spool_goes_on_when_it_is() -> None:
    spool = filled(2)
    drained = asyncio.create_task(spool.drained())
    await asyncio.sleep(0)
    acknowledge(spool, 1)
    await asyncio.sleep(0)
    assert not drained.done()
    acknowledge(spool, 1)
    await asyncio.wait_for(drained, 1)


async def test_an_empty_spool_is_drained_at_once() -> None:
    await asyncio.wait_for(opened(ForgetfulDisk()).drained(), 1)


def test_a_passing_trouble_with_reading_loses_nothing() -> None:
    disk = ForgetfulDisk()
    spool = filled(2, disk)
    read = disk.read

    def refuse(name: str, offset: int = 0, length: int = -1) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    disk.read = refuse  # type: ignore[method-assign]
    assert spool.next_batch(None) is None
    disk.read = read  # type: ignore[method-assign]
    assert numbers(spool) == [1, 2]


def test_a_thousand_waiting_batches_are_bytes_on_disk_and_not_in_memory() -> None:
    spool = filled(1000)
    chain = spool._chains[0]
    assert sum(held.offsets.itemsize + held.lengths.itemsize for held in chain.segments) <= 8 * 20
    assert spool.waiting == 1000
