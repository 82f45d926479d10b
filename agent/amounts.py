"""Cumulative counters become amounts here: pure arithmetic on snapshots, baselines and two clocks.

The rules (design of the ingest path, "reset identity"):

- an amount is the difference to the last baseline under the same reset identity (boot id and the object's own);
- a new identity whose counter is known to have begun after the last tick counts from 0; any other is a baseline worth 0;
- a smaller value under the same identity is the new baseline, counts 0 and is reported; never guessed as a wrap;
- the span of an amount begins at the same collector's previous successful tick, whatever happened in between.

Nothing here is lost by being late: what one tick does not count, the next one's difference does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.snapshot import VALUE_MAX, Asset, Counter, Level, Snapshot

# Below this, or below a thousandth of the span, a difference of the two clocks is adjustment (NTP slews at most 500 ppm).
CLOCK_STEP_US = 2_000_000
CLOCK_SLEW_DIVISOR = 1_000

# (source type, external id, unit type)
Series = tuple[str, str, str]
# (source type, external id, unit type, identity of the object)
CounterKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment by the host's clocks, microseconds: wall time since 1970, CLOCK_BOOTTIME, and under which boot."""

    wall_us: int
    boottime_us: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one collector: a snapshot, or None and why."""

    collector: str
    source_types: tuple[str, ...]
    snapshot: Snapshot | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A collector's counters at its last successful tick."""

    stamp: Stamp
    values: Mapping[CounterKey, int]


# By collector. Never changed in place, so that an older state can be taken up again.
Baselines = Mapping[str, Baseline]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series."""

    asset: Asset
    unit_type: str
    value: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Readings of one moment with one span, and which source types answered and failed."""

    ticked_at_us: int
    since_us: int
    boottime_us: int
    reported: tuple[str, ...]
    failed: tuple[str, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """A counter that went backwards under the same identity; that interval counts 0."""

    key: CounterKey
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The ticks of one moment, the baselines for the next one, and what an operator should hear of."""

    ticks: tuple[Tick, ...]
    baselines: Baselines
    failures: Mapping[str, str]
    resets: tuple[Reset, ...]


@dataclass(slots=True)
class _Group:
    reported: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


def measure(stamp: Stamp, answers: Sequence[Answer], baselines: Baselines) -> Measured:
    """One tick per span, oldest span first, and never none: failed collectors are news too."""
    groups: dict[int, _Group] = {}
    following = dict(baselines)
    failed: list[str] = []
    failures: dict[str, str] = {}
    reporters: dict[Series, str] = {}
    resets: list[Reset] = []
    for answer in answers:
        snapshot = answer.snapshot
        fault = "" if snapshot is None else _fault(snapshot) or _clash(answer, snapshot, reporters)
        failure = answer.failure if snapshot is None else fault or snapshot.incomplete
        if failure:
            failures[answer.collector] = failure
            failed += answer.source_types
            if snapshot is not None and not fault:
                groups.setdefault(stamp.wall_us, _Group()).readings += _levels(snapshot)
            continue
        assert snapshot is not None  # noqa: S101 - an answer without snapshot has a failure
        previous = baselines.get(answer.collector)
        group = groups.setdefault(span_start(previous, stamp), _Group())
        group.reported += answer.source_types
        group.readings += _levels(snapshot)
        if previous is not None:
            group.readings += _amounts(snapshot.counters, stamp, previous, resets)
        following[answer.collector] = Baseline(stamp, {_key(c): c.value for c in snapshot.counters})
    return Measured(_ticks(stamp, groups, tuple(failed)), following, failures, tuple(resets))


def span_start(previous: Baseline | None, stamp: Stamp) -> int:
    """Where the span that ends at ``stamp`` began, in microseconds of wall time; ``stamp`` itself after no tick.

    That is the previous tick. If the wall clock was set meanwhile, it is the present reading of the clock less the time
    that passed by CLOCK_BOOTTIME: an hour that never was is not charged for, and a span never has negative length.
    """
    if previous is None:
        return stamp.wall_us
    before = previous.stamp
    by_wall = stamp.wall_us - before.wall_us
    if before.boot_id != stamp.boot_id:
        return before.wall_us if by_wall > 0 else stamp.wall_us - max(stamp.boottime_us, 1)
    passed = max(stamp.boottime_us - before.boottime_us, 1)
    if by_wall > 0 and abs(by_wall - passed) <= max(CLOCK_STEP_US, passed // CLOCK_SLEW_DIVISOR):
        return before.wall_us
    return stamp.wall_us - passed


def _key(counter: Counter) -> CounterKey:
    return (*counter.asset.key, counter.unit_type, counter.identity)


def _levels(snapshot: Snapshot) -> list[Reading]:
    return [Reading(level.asset, level.unit_type, level.value) for level in snapshot.levels]


def _amounts(
    counters: Sequence[Counter], stamp: Stamp, previous: Baseline, resets: list[Reset]
) -> list[Reading]:
    """The sum of the objects' differences per series, 0 included: the series is there and used nothing."""
    sums: dict[tuple[Asset, str], int] = {}
    for counter in counters:
        series = (counter.asset, counter.unit_type)
        sums[series] = sums.get(series, 0) + _amount(counter, stamp, previous, resets)
    return [Reading(asset, unit_type, value) for (asset, unit_type), value in sums.items()]


def _amount(counter: Counter, stamp: Stamp, previous: Baseline, resets: list[Reset]) -> int:
    same_boot = previous.stamp.boot_id == stamp.boot_id
    before = previous.values.get(_key(counter)) if same_boot else None
    if before is None:
        if counter.started_us is None:
            return 0
        began_after = not same_boot or counter.started_us >= previous.stamp.boottime_us
        return counter.value if began_after else 0
    if counter.value < before:
        resets.append(Reset(_key(counter), before, counter.value))
        return 0
    return counter.value - before


def _fault(snapshot: Snapshot) -> str:
    """What makes a snapshot unusable as a whole, or nothing: a collector that contradicts itself has failed."""
    readings: list[Level | Counter] = [*snapshot.levels, *snapshot.counters]
    for reading in readings:
        if not 0 <= reading.value <= VALUE_MAX:
            return f"{reading.asset.key} {reading.unit_type} is {reading.value}, not within 0 and {VALUE_MAX}"
    if len({(level.asset.key, level.unit_type) for level in snapshot.levels}) != len(snapshot.levels):
        return "the same level was reported twice"
    if len({_key(counter) for counter in snapshot.counters}) != len(snapshot.counters):
        return "the same counter was reported twice"
    return ""


def _clash(answer: Answer, snapshot: Snapshot, reporters: dict[Series, str]) -> str:
    """What another collector reported already, or nothing: what is given twice would be charged twice."""
    levels = {(*level.asset.key, level.unit_type) for level in snapshot.levels}
    series = levels | {(*counter.asset.key, counter.unit_type) for counter in snapshot.counters}
    if twice := sorted(series & reporters.keys()):
        source_type, external_id, unit_type = twice[0]
        return (
            f"{unit_type} of {source_type} {external_id} is reported by {reporters[twice[0]]} as well: "
            "leave it out in one"
        )
    reporters.update(dict.fromkeys(series, answer.collector))
    return ""


def _ticks(stamp: Stamp, groups: Mapping[int, _Group], failed: tuple[str, ...]) -> tuple[Tick, ...]:
    ticks: list[Tick] = []
    for since_us, group in sorted(groups.items()) or [(stamp.wall_us, _Group())]:
        ticks.append(
            Tick(
                ticked_at_us=stamp.wall_us,
                since_us=since_us,
                boottime_us=stamp.boottime_us,
                # Where one of its collectors failed, a source type is not known to have nothing else.
                reported=tuple(dict.fromkeys(name for name in group.reported if name not in failed)),
                # Once is enough.
                failed=() if ticks else tuple(dict.fromkeys(failed)),
                readings=tuple(group.readings),
            )
        )
    return tuple(ticks)
