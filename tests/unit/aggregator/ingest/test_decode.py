"""Whatever bytes come, the answer is columns or a reason; and both ways of reading a batch read the same."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted, Resolved, admit
from aggregator.ingest.decode import Columns, Later, Lost, Refused, decode
from aggregator.ingest.dictionary import Dictionary, read_dictionary
from tests.ingest_batches import CPU, MINUTE_US, NOON_US, RAM, RATE, Tick, encoded
from ullage.v1 import ingest_pb2

GOOD = encoded(
    Tick([(RAM, 10), (CPU, 2**53), (RATE, 0)], failed=["vm"]),
    Tick([(CPU, 1)], at=NOON_US + MINUTE_US),
)
# Any way of damaging a payload: (position, byte, what to do there).
DAMAGE = st.lists(
    st.tuples(
        st.integers(0, len(GOOD)),
        st.integers(0, 255),
        st.sampled_from(["set", "insert", "delete", "cut", "repeat"]),
    ),
    min_size=1,
    max_size=8,
)
INT64 = st.integers(-(2**63), 2**63 - 1)


def damaged(payload: bytes, damage: list[tuple[int, int, str]]) -> bytes:
    data = bytearray(payload)
    for position, byte, how in damage:
        position = min(position, len(data))
        if how == "insert":
            data.insert(position, byte)
        elif how == "cut":
            del data[position:]
        elif how == "repeat":
            data += data[position : position + byte]
        elif position < len(data):
            if how == "set":
                data[position] = byte
            else:
                del data[position]
    return bytes(data)


def resolved_as_anything(columns: Columns) -> Resolved | Refused:
    """As the resolver would answer, without a database: every third series of a kind of its own."""
    dictionary = read_dictionary(columns.dictionary)
    if isinstance(dictionary, Refused):
        return dictionary
    numbers = np.arange(len(dictionary.series))
    return Resolved(
        series=(numbers[::-1] + 1).astype(np.int32),
        amount=numbers % 3 == 1,
        minutes=np.where(numbers % 2, 5, 60).astype(np.uint8),
        fault=np.zeros(len(numbers), np.uint8),
        widths=(5, 60),
        source_types={"host": 1, "vm": 5, "interface": 3},
    )


def taken(payload: bytes) -> Admitted | Lost | Refused | Later:
    """The whole way of a payload up to the database."""
    columns = decode(payload)
    if not isinstance(columns, Columns):
        return columns
    resolved = resolved_as_anything(columns)
    if isinstance(resolved, Refused):
        return resolved
    return admit(columns, resolved, agent_id=7, now_us=NOON_US + MINUTE_US)


def test_a_good_batch_is_taken_whole() -> None:
    admitted = taken(GOOD)
    assert isinstance(admitted, Admitted)
    assert (admitted.totals.read, admitted.totals.stored, len(admitted.rows)) == (4, 4, 2)


@given(st.binary(max_size=400))
@example(b"")
def test_any_bytes_are_refused_or_put_off_and_nothing_is_raised(data: bytes) -> None:
    """Row 35."""
    outcome = taken(data)
    if isinstance(outcome, Admitted):
        assert outcome.totals.read == outcome.totals.stored + outcome.totals.quarantined


@given(DAMAGE)
def test_a_damaged_batch_raises_nothing_and_its_totals_balance(damage: list[tuple[int, int, str]]) -> None:
    outcome = taken(damaged(GOOD, damage))
    if isinstance(outcome, Admitted):
        totals = outcome.totals
        assert totals.read == totals.stored + totals.quarantined
        assert totals.quarantined == len(outcome.faulty.readings)
    else:
        assert outcome.reason


@given(
    st.lists(
        st.tuples(INT64, INT64, st.lists(st.tuples(st.integers(0, 5), INT64), max_size=8)),
        max_size=5,
    )
)
def test_batches_of_wild_numbers_raise_nothing_and_their_totals_balance(
    ticks: list[tuple[int, int, list[tuple[int, int]]]],
) -> None:
    batch = ingest_pb2.Batch.FromString(encoded(Tick([(RAM, 1), (CPU, 1), (RATE, 1)])))
    del batch.ticks[:]
    for at, since, readings in ticks:
        batch.ticks.add(
            ticked_at_us=at,
            since_us=since,
            reported=["host"],
            series=[index for index, _ in readings],
            values=[value for _, value in readings],
        )
    outcome = taken(batch.SerializeToString())
    if isinstance(outcome, Admitted):
        assert outcome.totals.read == sum(len(readings) for *_, readings in ticks)
        assert outcome.totals.read == outcome.totals.stored + outcome.totals.quarantined
        assert sum(r.count for r in outcome.faulty.rejected) == outcome.totals.quarantined


def number_by_number(batch: ingest_pb2.Batch) -> bytes:
    """The same batch with its columns unpacked, as any protobuf writer may write them."""
    whole = ingest_pb2.Batch()
    whole.CopyFrom(batch)
    ticks = list(whole.ticks)
    del whole.ticks[:]
    out = whole.SerializeToString()
    for tick in ticks:
        loose = b"".join(b"\x35" + index.to_bytes(4, "little") for index in tick.series)
        loose += b"".join(b"\x39" + (value % 2**64).to_bytes(8, "little") for value in tick.values)
        rest = ingest_pb2.Tick()
        rest.CopyFrom(tick)
        rest.ClearField("series")
        rest.ClearField("values")
        body = rest.SerializeToString() + loose
        length = len(body)
        assert length < 2**14
        size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
        out += b"\x22" + size + body
    return out


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), INT64), max_size=40))
def test_both_ways_of_reading_a_column_read_the_same(readings: list[tuple[int, int]]) -> None:
    batch = ingest_pb2.Batch(version=1)
    batch.ticks.add(
        ticked_at_us=NOON_US,
        reported=["host"],
        series=[index for index, _ in readings],
        values=[value for _, value in readings],
    )
    packed, loose = decode(batch.SerializeToString()), decode(number_by_number(batch))
    assert isinstance(packed, Columns)
    assert isinstance(loose, Columns)
    for columns in (packed, loose):
        pairs = zip(columns.series.tolist(), columns.values.tolist(), strict=True)
        assert list(pairs) == readings
        assert columns.counts.tolist() == [len(readings)]


def test_fields_of_a_later_program_are_passed_over() -> None:
    # Field 15 of Batch, a text.
    later = GOOD + b"\x7a\x03new"
    admitted = taken(later)
    assert isinstance(admitted, Admitted)
    assert admitted.totals.stored == 4


def dictionary_of(**wrong: object) -> bytes:
    dictionary = ingest_pb2.Dictionary()
    dictionary.assets.add(source_type="host", external_id="h1")
    dictionary.series.add(asset=0, unit_type="ram")
    for name, value in wrong.items():
        if name == "assets":
            for _ in range(int(str(value))):
                dictionary.assets.add(source_type="host", external_id=f"x{len(dictionary.assets)}")
        elif name == "again":
            dictionary.assets.add(source_type="host", external_id="h1")
        elif name == "series":
            dictionary.series.add(asset=0, unit_type="ram")
        elif name == "beyond":
            dictionary.series.add(asset=5, unit_type="cpu")
    return dictionary.SerializeToString()


@pytest.mark.parametrize(
    ("dictionary", "reason"),
    [
        (b"\xff", "not an encoded Dictionary"),
        (dictionary_of(again=1), "an asset twice"),
        (dictionary_of(series=1), "a series twice"),
        (dictionary_of(beyond=1), "beyond its assets"),
        (dictionary_of(assets=limits.ASSETS_PER_BATCH_MAX), "assets, at most"),
    ],
)
def test_a_dictionary_that_contradicts_itself_is_refused(dictionary: bytes, reason: str) -> None:
    read = read_dictionary(dictionary)
    assert isinstance(read, Refused)
    assert reason in read.reason


def test_a_sound_dictionary_is_read_in_order() -> None:
    read = read_dictionary(dictionary_of())
    assert isinstance(read, Dictionary)
    assert read.identities == [("host", "h1")]


def short_column() -> bytes:
    batch = ingest_pb2.Batch.FromString(GOOD)
    batch.ticks[0].values.append(5)
    return batch.SerializeToString()


def beyond_the_dictionary() -> bytes:
    batch = ingest_pb2.Batch.FromString(GOOD)
    batch.ticks[0].series[0] = 3
    return batch.SerializeToString()


def many_collectors() -> bytes:
    return encoded(Tick(reported=[f"c{n}" for n in range(limits.COLLECTORS_PER_TICK_MAX + 1)]))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xff", "not an encoded Batch"),
        (GOOD[: len(GOOD) // 2], "not an encoded Batch"),
        (b"\x08\x01", "says nothing"),
        (b"\x12\x04boot", "no layout version"),
        (encoded(Tick(reported=[]), version=1), "says nothing"),
        (encoded(Tick([(RAM, 1)]), version=0), "no layout version"),
        (short_column(), "different length"),
        (beyond_the_dictionary(), "beyond the dictionary"),
        (many_collectors(), "collectors"),
        (encoded(*[Tick([(RAM, 1)])] * (limits.TICKS_PER_BATCH_MAX + 1)), "ticks, at most"),
        (encoded(*[Tick([(RAM, 1)] * 11)] * 2_000), "readings, at most"),
        (bytes(limits.PAYLOAD_BYTES_MAX + 1), "bytes, at most"),
        (encoded(Tick([(CPU, 1), (CPU, 2)])), "two readings of one series"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    outcome = taken(payload)
    assert isinstance(outcome, Refused)
    assert re.search(reason, outcome.reason), outcome.reason


@pytest.mark.parametrize("payload", [encoded(Tick([(RAM, 1)]), version=2), b"\x08\x02\x22\x01\xff"])
def test_a_newer_layout_waits_for_an_upgrade_also_when_it_cannot_be_read(payload: bytes) -> None:
    outcome = taken(payload)
    assert isinstance(outcome, Later)
    assert "upgrade" in outcome.reason
    assert outcome.retry_after_ms > 0


def test_a_batch_that_reaches_into_more_slots_than_anything_honest_is_refused() -> None:
    day = 24 * 60 * MINUTE_US
    spans = [(NOON_US - 399 * day * n, NOON_US - 399 * day * (n + 1)) for n in range(4)]
    outcome = taken(encoded(*(Tick([(RAM, 1), (CPU, 1)], at=at, since=since) for at, since in spans)))
    assert isinstance(outcome, Refused)
    assert "slots" in outcome.reason
    one = taken(encoded(Tick([(RAM, 1), (CPU, 1)], at=NOON_US, since=NOON_US - 399 * day)))
    assert isinstance(one, Admitted)
