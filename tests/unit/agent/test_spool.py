"""The spool keeps order and numbers, and refuses rather than drops."""

import asyncio

import pytest

from agent.amounts import Baseline, Stamp
from agent.spool import REJECTED_BATCHES_MAX, MemorySpool
from tests.unit.agent.made import BOOT, NOON_US, payload

BASELINES = {"host": Baseline(Stamp(NOON_US, 1, BOOT), {})}


def filled(count: int) -> MemorySpool:
    spool = MemorySpool()
    for number in range(1, count + 1):
        assert spool.append([payload(number)])
    return spool


def numbers(spool: MemorySpool) -> list[int]:
    return [spool.get(position).seq for position in range(spool.first, spool.end)]


def contents(spool: MemorySpool) -> list[bytes]:
    return [spool.get(position).content.payload for position in range(spool.first, spool.end)]


def test_batches_are_numbered_from_1_in_one_epoch() -> None:
    spool = filled(3)
    assert numbers(spool) == [1, 2, 3]
    assert {spool.get(position).epoch for position in range(3)} == {spool.epoch}
    assert len(spool.epoch) == 16


def test_two_spools_have_two_epochs() -> None:
    assert MemorySpool().epoch != MemorySpool().epoch


def test_an_acknowledged_batch_is_gone_and_its_bytes_are_free() -> None:
    spool = filled(2)
    before = spool.bytes
    spool.acknowledge()
    assert numbers(spool) == [2]
    assert 0 < spool.bytes < before
    assert spool.oldest_us == payload(2).first_us


def test_a_spool_of_which_everything_is_acknowledged_is_empty() -> None:
    spool = filled(1)
    spool.acknowledge()
    assert spool.bytes == 0
    assert spool.oldest_us is None


def test_a_full_spool_takes_all_or_nothing_and_keeps_its_baselines() -> None:
    size = filled(1).bytes
    spool = MemorySpool(bytes_max=2 * size)
    assert spool.append([payload(1)], baselines=BASELINES)
    assert not spool.append([payload(2), payload(3)], baselines={})
    assert (numbers(spool), spool.baselines) == ([1], BASELINES)
    assert spool.append([payload(2)])
    assert numbers(spool) == [1, 2]
    spool.acknowledge()
    assert spool.append([payload(3)])
    assert numbers(spool) == [2, 3]


def test_a_refused_batch_is_kept_aside_and_the_others_get_numbers_of_a_new_epoch() -> None:
    spool = filled(3)
    old, before = spool.epoch, contents(spool)
    spool.reject("no such thing")
    assert [(entry.batch.seq, entry.reason) for entry in spool.rejected] == [(1, "no such thing")]
    assert spool.epoch != old
    assert (numbers(spool), contents(spool)) == ([1, 2], before[1:])
    assert spool.epochs() == (spool.epoch,)


def test_batches_kept_aside_are_bounded_and_counted() -> None:
    spool = filled(REJECTED_BATCHES_MAX + 5)
    for _ in range(REJECTED_BATCHES_MAX + 5):
        spool.reject("no")
    assert (len(spool.rejected), spool.rejected_total) == (REJECTED_BATCHES_MAX, REJECTED_BATCHES_MAX + 5)


def test_after_a_conflict_only_that_batch_has_a_new_number_and_later_ones_follow_it() -> None:
    spool = filled(3)
    old = spool.epoch
    before = contents(spool)
    spool.reissue()
    assert spool.append([payload(9)])
    held = [spool.get(position) for position in range(spool.first, spool.end)]
    assert [(batch.epoch == old, batch.seq) for batch in held] == [
        (True, 2),
        (True, 3),
        (False, 1),
        (False, 2),
    ]
    assert held[2].content.payload == before[0]
    assert spool.epochs() == (old, spool.epoch)


def test_a_second_conflict_of_the_old_epoch_opens_no_third_one() -> None:
    spool = filled(3)
    spool.reissue()
    new = spool.epoch
    spool.reissue()
    assert spool.epoch == new
    assert numbers(spool) == [3, 1, 2]


def test_bytes_are_the_same_after_every_way_of_numbering_anew() -> None:
    spool = filled(4)
    before = spool.bytes
    spool.reissue()
    spool.renumber()
    assert spool.bytes == before


def test_a_batch_is_found_by_its_number() -> None:
    spool = filled(3)
    spool.acknowledge()
    assert spool.find(spool.epoch, 2) == 1
    assert spool.find(spool.epoch, 1) is None
    assert spool.find(b"x" * 16, 2) is None


async def test_who_waits_for_an_empty_spool_or_for_room_goes_on_when_it_is_there() -> None:
    spool = filled(2)
    spool.bytes_max = spool.bytes
    room, drained = asyncio.create_task(spool.room(payload(1))), asyncio.create_task(spool.drained())
    await asyncio.sleep(0)
    assert not room.done()
    spool.acknowledge()
    await room
    assert not drained.done()
    spool.reject("no")
    await drained


async def test_an_empty_spool_is_drained_at_once() -> None:
    await asyncio.wait_for(MemorySpool().drained(), 1)


async def test_a_batch_larger_than_the_spool_is_waited_for_by_nobody() -> None:
    await asyncio.wait_for(MemorySpool(bytes_max=10).room(payload(1)), 1)


async def test_what_there_is_room_for_is_taken() -> None:
    spool = filled(3)
    spool.bytes_max = spool.bytes
    # Smaller than what a batch costs beside its payload.
    waiting = asyncio.create_task(spool.room(payload(4)))
    spool.acknowledge()
    await asyncio.wait_for(waiting, 1)
    assert spool.append([payload(4)])


def test_a_spool_goes_on_in_a_given_epoch() -> None:
    spool = MemorySpool(epoch=b"e" * 16, last_seq=7)
    spool.append([payload(1)])
    assert (spool.get(0).epoch, spool.get(0).seq) == (b"e" * 16, 8)


def test_a_position_that_is_not_held_is_a_mistake() -> None:
    with pytest.raises(IndexError):
        filled(1).get(1)
