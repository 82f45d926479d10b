"""The spool on disks that are full, broken, foreign or gone: it says so, refuses rather than drops, and goes on."""

import errno
import struct
import zlib

import pytest

from agent.recover import Unusable
from agent.segment import HEADER_BYTES
from agent.shelf import KEPT_SECONDS
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import SECOND_US, FakeClock, payload
from tests.unit.agent.spools import (
    OTHER,
    acknowledge,
    filled,
    flip,
    known,
    numbers,
    offered,
    opened,
    segments,
)


def test_a_full_spool_takes_nothing_and_keeps_its_baselines_until_there_is_room() -> None:
    disk = ForgetfulDisk()
    spool = opened(disk, bytes_max=1 << 16)
    count = 0
    while spool.append([payload(count + 1, readings=50)], baselines=known(count + 1)):
        count += 1
    assert (spool.state, spool.last_seq, spool.baselines) == ("full", count, known(count))
    assert disk.used() < (1 << 16) + 10_000
    assert opened(disk, bytes_max=1 << 16).baselines == known(count)
    acknowledge(spool, count - 1)
    assert spool.append([payload(0)], baselines=known(0))
    assert (spool.state, numbers(spool)) == ("ok", [count, count + 1])


def test_a_nearly_full_spool_says_so() -> None:
    spool = opened(ForgetfulDisk(), bytes_max=1 << 16)
    states = []
    while spool.append([payload(1, readings=50)]):
        states.append((spool.held_bytes * 100 // spool.bytes_max >= 80, spool.state))
    assert {state for nearly, state in states if nearly} == {"slow"}
    assert {state for nearly, state in states if not nearly} == {"ok"}


def test_on_a_full_disk_acknowledgements_still_free_space_and_the_spool_goes_on_without_a_restart() -> None:
    disk = ForgetfulDisk(capacity=30_000)
    spool = opened(disk)
    spool._shelf._segment_bytes = 4096
    count = 0
    while spool.append([payload(count + 1, readings=20)], baselines=known(count + 1)):
        count += 1
    assert (spool.state, numbers(spool)) == ("full", list(range(1, count + 1)))
    assert not spool.append([payload(0, readings=20)], baselines=known(0))
    acknowledge(spool, count)
    assert spool.append([payload(7)], baselines=known(7))
    assert (spool.state, numbers(spool), spool.last_error) == ("ok", [count + 1], "")
    disk.crash()
    assert (opened(disk).last_seq, opened(disk).baselines) == (count + 1, known(7))


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.ENOSPC])
def test_a_disk_that_refuses_is_said_and_asked_again(number: int) -> None:
    disk = ForgetfulDisk()
    spool = filled(2, disk)
    disk.errno = number
    assert not spool.append([payload(3)], baselines=known(3))
    assert (spool.state, bool(spool.last_error), spool.baselines) == ("full", True, known(2))
    assert numbers(spool) == [1, 2]
    disk.errno = None
    assert spool.append([payload(3)], baselines=known(3))
    assert (spool.state, numbers(spool)) == ("ok", [1, 2, 3])
    assert numbers(opened(disk)) == [1, 2, 3]


def test_a_spool_of_another_agent_is_refused_with_advice() -> None:
    disk = ForgetfulDisk()
    filled(1, disk)
    with pytest.raises(Unusable, match=r"belongs to agent 11111111.*give this one another spool.directory"):
        opened(disk, agent=OTHER)


def test_a_spool_of_a_newer_program_is_refused_with_advice() -> None:
    disk = ForgetfulDisk()
    filled(1, disk)

    def newer(data: bytearray) -> None:
        struct.pack_into("<H", data, 8, 2)
        struct.pack_into("<I", data, HEADER_BYTES - 4, zlib.crc32(data[: HEADER_BYTES - 4]))

    disk.spoil(segments(disk)[0], newer)
    with pytest.raises(Unusable, match="newer version of this program: install that one again"):
        opened(disk)


def test_a_folder_that_is_deleted_while_the_agent_runs_is_a_new_epoch_and_a_tombstone() -> None:
    disk = ForgetfulDisk()
    spool = filled(5, disk)
    acknowledge(spool, 2)
    old = spool.epoch
    disk.wipe()
    assert spool.append([payload(6)], baselines=known(6))
    assert (spool.epoch != old, spool.predecessor, spool.baselines) == (True, old, known(6))
    spool.welcome({old: 2, spool.epoch: 0})
    lost, fresh = offered(spool)
    assert (lost.epoch, lost.seq, lost.through) == (old, 3, 5)
    assert (fresh.epoch, fresh.seq) == (spool.epoch, 1)
    assert offered(opened(disk))[-1] == fresh


def test_a_folder_that_is_deleted_at_rest_is_a_new_spool() -> None:
    disk = ForgetfulDisk()
    old = filled(2, disk).epoch
    disk.wipe()
    spool = opened(disk)
    assert (spool.epoch == old, spool.baselines, numbers(spool)) == (False, {}, [])


@pytest.mark.parametrize("both", [False, True])
def test_a_damaged_cursor_is_made_again_from_what_the_aggregator_says(*, both: bool) -> None:
    disk = ForgetfulDisk()
    spool = filled(4, disk)
    acknowledge(spool, 2)
    spool.close()
    for start in (0, 4096) if both else (0,):
        flip(disk, "cursor", start + 100)
    again = opened(disk)
    again.welcome({again.epoch: 3})
    assert numbers(again)[-1] == 4
    assert numbers(again) == ([4] if both else numbers(again))
    assert (again.last_seq, again.baselines, again.totals.tombstones) == (4, known(4), 0)


def test_numbers_that_were_deleted_with_a_lost_cursor_need_no_tombstone_when_the_aggregator_has_them() -> (
    None
):
    disk, clock = ForgetfulDisk(), FakeClock()
    spool = opened(disk, clock=clock, bytes_max=1 << 16)
    for number in range(1, 41):
        spool.append([payload(number, readings=20)])
    acknowledge(spool, 40)
    clock.advance((KEPT_SECONDS + 1) * SECOND_US)
    spool.append([payload(41)])
    acknowledge(spool, 1)
    disk.unlink("cursor")
    again = opened(disk)
    again.welcome({again.epoch: 41})
    assert (numbers(again), again.waiting, again.totals.tombstones) == ([], 0, 0)


def test_a_newest_segment_deleted_at_rest_neither_reuses_its_numbers_nor_counts_again_from_older_counters() -> (
    None
):
    disk = ForgetfulDisk()
    spool = filled(3, disk)
    spool._shelf.close_tail()
    assert spool.append([payload(4)], baselines=known(4))
    acknowledge(spool, 4)
    disk.unlink(segments(disk)[-1])
    again = opened(disk)
    assert (again.epoch != spool.epoch, again.predecessor, again.baselines) == (True, spool.epoch, {})
