"""Which readings of a batch are taken: checks on whole columns, and a batch that is ready to be stored.

What is not taken is set aside with its reason (quarantine.py), the rest of the batch is kept. Waits for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from aggregator.ingest import limits
from aggregator.ingest.decode import Columns, Int64s, Refused, Uint32s
from aggregator.ingest.dictionary import read_dictionary
from aggregator.ingest.dropped import Hit, Suppressed
from aggregator.ingest.late import Late, below_floor, late_readings
from aggregator.ingest.quarantine import NO_FAULTS, Fault, Faulty, UInt8s, set_aside
from aggregator.ingest.rows import Totals, tick_rows
from aggregator.ingest.touch import Reach, expand, reach_of_ticks

Int32s = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Collectors = list[tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Resolved:
    """What a dictionary means here: columns parallel to its series. Where ``fault`` is not 0 the others mean nothing.

    ``widths``: minutes of the slots in which the agent has any series, also of other dictionaries; at least one.
    """

    series: Int32s
    amount: Bools
    minutes: UInt8s
    fault: UInt8s
    widths: tuple[int, ...]
    # Ids of all source types there are, by name.
    source_types: Mapping[str, int]
    # None when no suppression fits any.
    suppressed: Suppressed | None = None

    @cached_property
    def faulty(self) -> bool:
        """Whether any series cannot be stored."""
        return bool(self.fault.any())

    @cached_property
    def unsettled(self) -> bool:
        """Whether any series cannot be stored for a reason that may pass by itself."""
        return bool(((self.fault != Fault.NONE) & (self.fault != Fault.SUPPRESSED)).any())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Admitted:
    """A batch that is ready to be stored."""

    # Of `tick`, without `stored_at`.
    rows: list[bytes]
    reach: Reach
    totals: Totals
    faulty: Faulty
    # What was suppressed of it, and where to tell that it is counted.
    hits: tuple[Hit, ...] = ()
    suppressed: Suppressed | None = None
    # In no tick; None when there is none.
    late: Late | None = None

    def committed(self) -> None:
        """It is stored for good: assets that it was the first to count need not be looked up any more."""
        if self.suppressed is not None:
            self.suppressed.counted(self.hits)


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """The readings that are taken, by tick and series: number of the tick, index into the dictionary, id, value."""

    tick: Int64s
    index: Uint32s
    series: Int32s
    values: Int64s


def admit(
    columns: Columns,
    resolved: Resolved,
    *,
    agent_id: int,
    now_us: int,
    floor_us: int = limits.TIME_US_MIN,
) -> Admitted | Refused:
    """Checks every reading. ``now_us``: when the batch was received; ``floor_us``: raw readings are kept from then on."""
    if len(columns.series) and int(columns.series.max()) >= len(resolved.series):
        return Refused(f"series index {int(columns.series.max())} is beyond the dictionary")
    tick = np.repeat(np.arange(len(columns.counts)), columns.counts)
    tick_fault = _faults_of_time(columns, now_us)
    fault = _faults(columns, resolved, tick=tick, tick_fault=tick_fault)
    late, aside = _late(columns, resolved, tick=tick, fault=fault, floor_us=floor_us)
    taken = _take(columns, resolved, tick=tick, aside=aside)
    if isinstance(taken, Refused):
        return taken
    faulty = NO_FAULTS
    hits: tuple[Hit, ...] = ()
    if fault is not None and resolved.suppressed is not None:
        hits = resolved.suppressed.hits(columns.series)
        fault = np.where(fault == Fault.SUPPRESSED, np.uint8(Fault.NONE), fault)
    if fault is not None and fault.any():
        dictionary = read_dictionary(columns.dictionary)
        if isinstance(dictionary, Refused):
            return dictionary
        faulty = set_aside(columns, dictionary, tick=tick, fault=fault)
    reported, failed = _collectors(columns, resolved.source_types, faulty.incomplete)
    counts = np.bincount(taken.tick, minlength=len(columns.counts))
    says = (counts > 0) | _any(reported) | _any(failed)
    says &= columns.ticked_at > floor_us
    kept = np.flatnonzero(says if tick_fault is None else says & (tick_fault == Fault.NONE))
    reach = _reach(columns, resolved, taken, kept=kept)
    if isinstance(reach, Refused):
        return reach
    rows = tick_rows(
        agent_id=agent_id,
        ticked_at=columns.ticked_at[kept],
        since=columns.since[kept],
        reported=[reported[i] for i in kept.tolist()],
        failed=[failed[i] for i in kept.tolist()],
        counts=counts[kept],
        series=taken.series,
        values=taken.values,
    )
    totals = Totals(
        read=len(columns.series),
        # What is too late is kept like what is in ticks, only elsewhere.
        stored=len(taken.series) + (len(late.series) if late else 0),
        quarantined=len(faulty.readings),
        suppressed=sum(hit.readings for hit in hits),
    )
    return Admitted(
        rows=list(rows),
        reach=reach,
        totals=totals,
        faulty=faulty,
        hits=hits,
        suppressed=resolved.suppressed,
        late=late,
    )


def faults(columns: Columns, resolved: Resolved, *, now_us: int) -> UInt8s:
    """What is wrong with each reading, as ``admit`` would find it."""
    tick = np.repeat(np.arange(len(columns.counts)), columns.counts)
    found = _faults(columns, resolved, tick=tick, tick_fault=_faults_of_time(columns, now_us))
    return np.zeros(len(columns.series), np.uint8) if found is None else found


def _faults_of_time(columns: Columns, now_us: int) -> UInt8s | None:
    """A fault per tick; None when there is none."""
    ticked, since = columns.ticked_at, columns.since
    span = ticked - since
    future = ticked > now_us + limits.AHEAD_US_MAX
    old = ticked < now_us - limits.AGE_US_MAX
    bad = (span < 0) | (span > limits.SPAN_US_MAX)
    if not (future | old | bad).any():
        return None
    fault = np.zeros(len(ticked), np.uint8)
    fault[bad], fault[old], fault[future] = Fault.BAD_SPAN, Fault.TOO_OLD, Fault.FUTURE
    return fault


def _faults(
    columns: Columns, resolved: Resolved, *, tick: Int64s, tick_fault: UInt8s | None
) -> UInt8s | None:
    """A fault per reading; None when there is none, which is the usual case and decided by a few reductions."""
    values = columns.values
    if not len(values):
        return None
    spanless = columns.since == columns.ticked_at
    usual = (
        tick_fault is None
        and not resolved.faulty
        and not spanless.any()
        and values.min() >= 0
        and values.max() <= limits.VALUE_MAX
    )
    if usual:
        return None
    fault = np.zeros(len(values), np.uint8)
    fault[spanless[tick] & resolved.amount[columns.series]] = Fault.AMOUNT_WITHOUT_SPAN
    fault[values > limits.VALUE_MAX] = Fault.TOO_LARGE
    fault[values < 0] = Fault.NEGATIVE
    if tick_fault is not None:
        fault = np.maximum(fault, tick_fault[tick])
    fault = np.maximum(fault, resolved.fault[columns.series])
    return fault if fault.any() else None


def _late(
    columns: Columns, resolved: Resolved, *, tick: Int64s, fault: UInt8s | None, floor_us: int
) -> tuple[Late | None, Bools | None]:
    """Readings below the floor with which nothing else is the matter; and all that are in no tick, None when none is."""
    aside = None if fault is None else fault != Fault.NONE
    below = below_floor(columns, tick=tick, amount=resolved.amount[columns.series], floor_us=floor_us)
    if below is not None and aside is not None:
        below &= ~aside
    if below is None or not below.any():
        return None, aside
    late = late_readings(columns, resolved.series[columns.series], tick=tick, which=below)
    return late, below if aside is None else aside | below


def _take(columns: Columns, resolved: Resolved, *, tick: Int64s, aside: Bools | None) -> _Taken | Refused:
    taken = _Taken(tick, columns.series, resolved.series[columns.series], columns.values)
    if aside is not None:
        taken = _select(taken, ~aside)
    # Ascending keys: sorted by series within each tick, and no series twice.
    key = taken.tick << 32 | taken.series
    if (key[1:] > key[:-1]).all():
        return taken
    order = np.argsort(key, kind="stable")
    key = key[order]
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        return Refused(f"tick {int(key[twice[0]]) >> 32} has two readings of one series")
    return _select(taken, order)


def _select(taken: _Taken, which: Bools | Int64s) -> _Taken:
    return _Taken(taken.tick[which], taken.index[which], taken.series[which], taken.values[which])


def _collectors(
    columns: Columns, source_types: Mapping[str, int], incomplete: set[tuple[int, str]]
) -> tuple[Collectors, Collectors]:
    """Ids of the source types reported and failed in each tick. Names we do not know have no id to be kept by."""
    reported = [source_type_ids(names, source_types) for names in columns.reported]
    failed = [source_type_ids(names, source_types) for names in columns.failed]
    for tick, name in incomplete:
        number = source_types[name]
        reported[tick] = tuple(i for i in reported[tick] if i != number)
        failed[tick] = tuple(sorted({*failed[tick], number}))
    return reported, failed


def source_type_ids(names: Sequence[str], source_types: Mapping[str, int]) -> tuple[int, ...]:
    """In order; names that nobody knows have none."""
    return tuple(sorted({source_types[name] for name in names if name in source_types}))


def _any(collectors: Collectors) -> Bools:
    return np.fromiter(map(bool, collectors), np.bool_, len(collectors))


def _reach(columns: Columns, resolved: Resolved, taken: _Taken, *, kept: Int64s) -> Reach | Refused:
    """The slots of the ticks that are ``kept``. Every one touches its own slot in all of the agent's widths, so that the
    roll-up learns what was reported in it, also where nothing was measured."""
    position = np.zeros(len(columns.counts), np.int64)
    position[kept] = np.arange(len(kept))
    amount = resolved.amount[taken.index]
    minutes = resolved.minutes[taken.index]
    reach = reach_of_ticks(
        columns.ticked_at[kept],
        columns.since[kept],
        widths=resolved.widths,
        amounts={w: position[taken.tick[amount & (minutes == w)]] for w in resolved.widths},
    )
    if reach.slots() > limits.SLOTS_PER_BATCH_MAX:
        slots = len(expand(np.zeros_like(reach.width), reach)[0])
        if slots > limits.SLOTS_PER_BATCH_MAX:
            return Refused(
                f"the batch reaches into {slots} slots, at most {limits.SLOTS_PER_BATCH_MAX} are taken"
            )
    return reach
