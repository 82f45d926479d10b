"""Batches carry every reading once, in order, within their limits."""

import functools
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from agent.amounts import Reading, Tick
from agent.seal import BATCH_BYTES_MAX, BATCH_READINGS_MAX, BATCH_SPAN_SECONDS_MAX, Payload, pack
from agent.snapshot import LABELS_MAX, TEXT_CHARACTERS_MAX, asset
from tests.unit.agent.made import BOOT, MINUTE_US, NOON_US, SECOND_US
from ullage.v1 import ingest_pb2

Row = tuple[int, int, str, str, int]


def tick(
    at_us: int, readings: list[Reading], *, since_us: int | None = None, failed: tuple[str, ...] = ()
) -> Tick:
    return Tick(
        at_us, at_us if since_us is None else since_us, at_us - NOON_US, ("host",), failed, tuple(readings)
    )


def series(count: int, *, wide: bool = False) -> list[Reading]:
    """Readings of as many assets; ``wide``: with everything a name may be."""
    return list(all_series(wide=wide)[:count])


@functools.cache
def all_series(*, wide: bool) -> tuple[Reading, ...]:
    count = 400 if wide else BATCH_READINGS_MAX + 1
    labels = {f"k{n}": "ü" * TEXT_CHARACTERS_MAX for n in range(LABELS_MAX)} if wide else {}
    return tuple(Reading(asset("host", f"a{n}", labels=labels), "ram", n) for n in range(count))


def rows(payloads: list[Payload]) -> list[Row]:
    """Every reading as the aggregator will read it."""
    found: list[Row] = []
    for payload in payloads:
        batch = ingest_pb2.Batch.FromString(payload.payload)
        dictionary = ingest_pb2.Dictionary.FromString(batch.dictionary)
        for part in batch.ticks:
            for index, value in zip(part.series, part.values, strict=True):
                entry = dictionary.series[index]
                name = dictionary.assets[entry.asset].external_id
                found.append((part.since_us, part.ticked_at_us, name, entry.unit_type, value))
    return found


def expected(ticks: list[Tick]) -> list[Row]:
    return [
        (t.since_us, t.ticked_at_us, r.asset.external_id, r.unit_type, r.value)
        for t in ticks
        for r in t.readings
    ]


def test_nothing_to_send_makes_no_batch() -> None:
    assert pack([], boot_id=BOOT) == []


def test_a_batch_says_its_layout_its_boot_and_what_failed() -> None:
    [payload] = pack([tick(NOON_US, [], failed=("volume",))], boot_id=BOOT)
    batch = ingest_pb2.Batch.FromString(payload.payload)
    assert (batch.version, batch.boot_id) == (1, BOOT)
    assert (list(batch.ticks[0].reported), list(batch.ticks[0].failed)) == (["host"], ["volume"])
    assert payload.sha256 == hashlib.sha256(payload.payload).digest()


def test_a_dictionary_names_each_asset_and_series_once() -> None:
    [payload] = pack([tick(NOON_US + n * SECOND_US, series(3)) for n in range(5)], boot_id=BOOT)
    dictionary = ingest_pb2.Dictionary.FromString(ingest_pb2.Batch.FromString(payload.payload).dictionary)
    assert (len(dictionary.assets), len(dictionary.series), payload.readings) == (3, 3, 15)


def test_a_tick_of_too_many_readings_goes_on_in_the_next_batch_with_the_same_span() -> None:
    ticks = [tick(NOON_US, series(BATCH_READINGS_MAX + 1), since_us=NOON_US - MINUTE_US)]
    payloads = pack(ticks, boot_id=BOOT)
    assert [payload.readings for payload in payloads] == [BATCH_READINGS_MAX, 1]
    assert rows(payloads) == expected(ticks)


def test_a_batch_of_wide_names_stays_within_its_bytes() -> None:
    ticks = [tick(NOON_US, series(200, wide=True))]
    payloads = pack(ticks, boot_id=BOOT)
    assert len(payloads) > 1
    assert max(len(payload.payload) for payload in payloads) <= BATCH_BYTES_MAX
    assert rows(payloads) == expected(ticks)


def test_a_batch_spans_no_more_than_a_minute() -> None:
    ticks = [tick(NOON_US + n * 25 * SECOND_US, series(1)) for n in range(6)]
    payloads = pack(ticks, boot_id=BOOT)
    assert [payload.readings for payload in payloads] == [3, 3]
    assert all(
        payload.last_us - payload.first_us <= BATCH_SPAN_SECONDS_MAX * SECOND_US for payload in payloads
    )


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 400), st.booleans()), max_size=12))
def test_every_reading_arrives_once_in_order_within_the_limits(shapes: list[tuple[int, int, bool]]) -> None:
    ticks, at_us = [], NOON_US
    for seconds, count, wide in shapes:
        at_us += seconds * SECOND_US
        ticks.append(tick(at_us, series(count, wide=wide)))
    payloads = pack(ticks, boot_id=BOOT)
    assert rows(payloads) == expected(ticks)
    for payload in payloads:
        assert payload.readings <= BATCH_READINGS_MAX
        assert len(payload.payload) <= BATCH_BYTES_MAX
        assert payload.last_us - payload.first_us <= BATCH_SPAN_SECONDS_MAX * SECOND_US
    ticked = {part.ticked_at_us for p in payloads for part in ingest_pb2.Batch.FromString(p.payload).ticks}
    assert ticked == {t.ticked_at_us for t in ticks}
