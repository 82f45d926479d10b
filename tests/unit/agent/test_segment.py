"""A segment is read back as it was written, and whatever is done to its bytes, only what was written is found in it."""

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from agent.segment import (
    HEADER_BYTES,
    NO_EPOCH,
    Header,
    Record,
    decode_header,
    encode_header,
    encode_record,
    scan,
    scan_loose,
)
from tests.unit.agent.forgetful import ForgetfulDisk
from tests.unit.agent.made import payload
from tests.unit.agent.spools import (
    acknowledge,
    filled,
    flip,
    grave,
    known,
    numbers,
    offered,
    opened,
    segments,
)

HEADER = Header(b"a" * 16, b"e" * 16, NO_EPOCH, 7, 1)
# Three groups: 1, 2 to 3, 4.
RECORDS = [
    Record(1, payload(1), b"first"),
    Record(2, payload(2), place=0, group=2),
    Record(3, payload(3), b"second", origin=(b"o" * 16, 9), place=1, group=2),
    Record(4, payload(4), b"third"),
]
WHOLE = encode_header(HEADER) + b"".join(map(encode_record, RECORDS))
# Where groups end, and how many records there are up to there.
ENDS = {HEADER_BYTES: 0}
for _count in (1, 3, 4):
    ENDS[HEADER_BYTES + sum(len(encode_record(record)) for record in RECORDS[:_count])] = _count


def test_a_segment_is_read_back_as_it_was_written() -> None:
    found = scan(WHOLE)
    assert decode_header(WHOLE) == HEADER
    assert (found.whole, found.good_bytes) == (True, len(WHOLE))
    assert [at.record for at in found.found] == RECORDS


def test_a_tail_torn_at_any_byte_leaves_the_groups_before_it() -> None:
    for cut in range(HEADER_BYTES, len(WHOLE)):
        end = max(end for end in ENDS if end <= cut)
        found = scan(WHOLE[:cut])
        assert [at.record for at in found.found] == RECORDS[: ENDS[end]]
        assert (found.torn, found.good_bytes, found.whole) == (True, end, cut == end)
        assert scan(WHOLE[:cut].ljust(len(WHOLE) + 99, b"\xff")).good_bytes == end


def test_a_flipped_bit_anywhere_costs_its_record_and_is_a_torn_tail_only_in_the_last_group() -> None:
    starts = [HEADER_BYTES]
    for record in RECORDS:
        starts.append(starts[-1] + len(encode_record(record)))
    for at in range(HEADER_BYTES, len(WHOLE)):
        for bit in (1, 0x80):
            spoiled = bytearray(WHOLE)
            spoiled[at] ^= bit
            found = scan(bytes(spoiled))
            hit = max(number for number, start in enumerate(starts) if start <= at)
            good = [record for number, record in enumerate(RECORDS) if number != hit]
            assert [one.record for one in found.found] == good
            assert (found.whole, found.torn) == (False, hit == 3)


@given(st.binary(max_size=2000))
def test_random_bytes_are_no_records(data: bytes) -> None:
    assert scan(data).found == scan_loose(data).found == ()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=12), st.booleans()), max_size=6))
def test_only_what_was_written_is_found_whatever_is_done_to_the_bytes(
    edits: list[tuple[int, bytes, bool]],
) -> None:
    data = bytearray(WHOLE)
    for at, new, insert in edits:
        data[at : at if insert else at + len(new)] = new
    found = scan(bytes(data))
    assert all(one.record in RECORDS for one in found.found)
    seqs = [one.record.seq for one in found.found]
    assert seqs == sorted(set(seqs))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=300))
def test_a_record_that_lies_about_itself_under_a_good_checksum_is_refused_or_harmless(
    length: int, seq: int, body: bytes
) -> None:
    rest = struct.pack("<Q", seq) + body
    for claimed in (length, len(body)):
        data = WHOLE[:HEADER_BYTES] + struct.pack("<II", claimed, zlib.crc32(rest)) + rest
        for one in scan(data).found:
            assert one.record.place < one.record.group
            assert one.record.last >= one.record.seq >= 1


def small(disk: ForgetfulDisk) -> None:
    """Six batches of which two are acknowledged, in two segments."""
    spool = filled(3, disk)
    spool._shelf.close_tail()
    for number in range(4, 7):
        assert spool.append([payload(number)], baselines=known(number))
    acknowledge(spool, 2)
    spool.close()


def test_a_flipped_bit_in_any_byte_of_a_small_spool_costs_at_most_what_it_hits() -> None:
    disk = ForgetfulDisk()
    small(disk)
    names = [*segments(disk), "cursor"]
    sizes = {name: disk.size(name) for name in names}
    contents = {payload(number).payload for number in range(1, 7)}
    quarantined = 0
    for name, size in sizes.items():
        for at in range(0, size, 1 if name != "cursor" else 13):
            disk = ForgetfulDisk()
            small(disk)
            name = segments(disk)[names.index(name)] if name != "cursor" else name
            flip(disk, name, at)
            spool = opened(disk)
            stated = dict.fromkeys(spool.epochs()[:1], 2)
            spool.welcome({**stated, **dict.fromkeys(spool.epochs()[1:], 0)})
            batches = offered(spool)
            lost = [batch for batch in batches if batch.through]
            kept = [batch for batch in batches if not batch.through]
            assert all(batch.content.payload in contents for batch in kept)
            assert len(lost) <= 1
            whole_segment = at < HEADER_BYTES and name != "cursor"
            if not whole_segment:
                assert len(kept) >= 3
            settled = {1, 2} | {seq for batch in batches for seq in range(batch.seq, batch.last + 1)}
            assert set(range(1, max(settled) + 1)) == settled
            quarantined += bool(disk.list("quarantine"))
            # It works on, and what is new arrives.
            assert spool.append([payload(9)], baselines=known(9))
            assert offered(spool)[-1].content == payload(9)
            assert opened(disk).baselines == known(9)
    assert quarantined > 100


def test_damage_in_the_middle_costs_the_damaged_batch_alone_and_a_tombstone_says_so() -> None:
    disk = ForgetfulDisk()
    filled(5, disk)
    [name] = segments(disk)
    at = scan(disk.read(name)).found[2].offset
    flip(disk, name, at + 90)
    spool = opened(disk)
    assert disk.list("quarantine") == [name]
    assert numbers(spool) == [1, 2], "no tombstone before the aggregator has said what it has"
    spool.welcome({spool.epochs()[0]: 0})
    assert [(batch.seq, batch.through) for batch in offered(spool)] == [
        (1, 0),
        (2, 0),
        (3, 3),
        (4, 0),
        (5, 0),
    ]
    lost = grave(offered(spool)[2])
    assert (lost.reason, lost.from_us, lost.to_us) == (
        "damaged",
        payload(2).last_us,
        payload(4).first_us,
    )
    assert spool.baselines == known(5)


def test_damage_below_what_the_aggregator_has_needs_no_tombstone() -> None:
    disk = ForgetfulDisk()
    filled(5, disk)
    [name] = segments(disk)
    flip(disk, name, scan(disk.read(name)).found[2].offset + 90)
    spool = opened(disk)
    spool.welcome({spool.epochs()[0]: 4})
    assert 3 not in numbers(spool)
    assert spool.totals.tombstones == 0
