"""`ullage-aggregator bench projection`: how far projections are from what became of the period, against the run rate.

Worlds of daily usage are drawn by a seed, each with parameters of its own; a third of them cannot be foreseen (random walks
and steps). Every world is looked at when a quarter, half and three quarters of its period have passed.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from statistics import median
from typing import Any

from aggregator.domain.forecast import DAYS_PER_WEEK, paths

PERIOD_DAYS = 30
SHARES = (25, 50, 75)
HISTORY_DAYS = (14, 30, 45, 60, 90)
# Kind of world, and how many of six it is.
KINDS: Mapping[str, float] = {"seasonal": 2, "trend": 1, "burst": 0.5, "flat": 0.5, "walk": 1, "step": 1}
LOW, HIGH = 0.1, 0.9

_ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """Median of absolute errors against the true total, in per cent, and how often the truth was in the range."""

    kind: str
    share: int
    worlds: int
    error: float
    run_rate_error: float
    within: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    error: float
    run_rate_error: float
    within: bool


def backtest(*, seed: int, worlds: int) -> list[Row]:
    """By kind of world and share of the period; the rows of ``all`` come last."""
    chance = Random(seed)  # noqa: S311 - worlds to measure with, no secrets
    outcomes: defaultdict[tuple[str, int], list[_Outcome]] = defaultdict(list)
    for _ in range(worlds):
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        history = chance.choice(HISTORY_DAYS)
        days = _world(kind, chance, history + PERIOD_DAYS)
        for share in SHARES:
            outcome = _judged(days, history=history, elapsed=round(PERIOD_DAYS * share / 100), chance=chance)
            outcomes[kind, share].append(outcome)
            outcomes[_ALL, share].append(outcome)
    kinds = [*KINDS, _ALL]
    return [
        Row(
            kind,
            share,
            worlds=len(found),
            error=100 * median(one.error for one in found),
            run_rate_error=100 * median(one.run_rate_error for one in found),
            within=100 * sum(one.within for one in found) / len(found),
        )
        for kind in kinds
        for share in SHARES
        if (found := outcomes[kind, share])
    ]


def measure(*, seed: int, worlds: int) -> dict[str, Any]:
    """The back-test as JSON has it: errors and the share within the range in per cent."""
    rows = backtest(seed=seed, worlds=worlds)
    return {"seed": seed, "worlds": worlds, "rows": [asdict(row) for row in rows]}


def table(report: Mapping[str, Any]) -> str:
    """The same for people, in Markdown; a star where the run rate was nearer."""
    lines = [
        "| worlds | of period | number | projection | run rate | within range |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['kind']} | {row['share']} % | {row['worlds']} | {row['error']:.2f} % "
        f"| {row['run_rate_error']:.2f} %{' *' if row['run_rate_error'] < row['error'] else ''} "
        f"| {row['within']:.1f} % |"
        for row in report["rows"]
    ]
    return "\n".join(lines)


def _judged(days: list[float], *, history: int, elapsed: int, chance: Random) -> _Outcome:
    known, truth = days[: history + elapsed], sum(days[history:])
    so_far = sum(known[history:])
    ends = sorted(
        so_far + sum(known[i] * factor for i, factor in path)
        for path in paths(known, remaining=PERIOD_DAYS - elapsed, chance=chance.random)
    )
    middle = median(ends)
    low, high = ends[int(LOW * len(ends))], ends[int(HIGH * len(ends)) - 1]
    run_rate = so_far * PERIOD_DAYS / elapsed
    return _Outcome(abs(middle - truth) / truth, abs(run_rate - truth) / truth, low <= truth <= high)


def _world(kind: str, chance: Random, days: int) -> list[float]:
    """Usage day by day, never 0."""
    level = 10 ** chance.uniform(0, 4)
    noise, swing = chance.uniform(0.02, 0.3), chance.uniform(0, 0.6)
    start = chance.randrange(DAYS_PER_WEEK)
    if chance.random() < 0.5:
        week = [1 - swing if day >= 5 else 1.0 for day in range(DAYS_PER_WEEK)]
    else:
        week = [1 + swing * math.sin(2 * math.pi * day / DAYS_PER_WEEK) for day in range(DAYS_PER_WEEK)]
    make = _KINDS[kind](level, noise, chance)
    return [make(day, week[(start + day) % DAYS_PER_WEEK]) for day in range(days)]


Day = Callable[[int, float], float]


def _seasonal(level: float, noise: float, chance: Random) -> Day:
    return lambda day, weekday: level * weekday * math.exp(chance.gauss(0, noise))


def _trend(level: float, noise: float, chance: Random) -> Day:
    growth = 1 + chance.uniform(-0.01, 0.02)
    return lambda day, weekday: level * growth**day * weekday * math.exp(chance.gauss(0, noise))


def _burst(level: float, noise: float, chance: Random) -> Day:
    def make(day: int, weekday: float) -> float:
        burst = chance.uniform(3, 10) if chance.random() < 0.08 else 1
        return level * burst * math.exp(chance.gauss(0, noise))

    return make


def _flat(level: float, noise: float, chance: Random) -> Day:
    return lambda day, weekday: level * math.exp(chance.gauss(0, 0.01))


def _walk(level: float, noise: float, chance: Random) -> Day:
    drift = chance.uniform(0.01, 0.08)
    at = level

    def make(day: int, weekday: float) -> float:
        nonlocal at
        at *= math.exp(chance.gauss(0, drift))
        return at * math.exp(chance.gauss(0, noise / 4))

    return make


def _step(level: float, noise: float, chance: Random) -> Day:
    often = chance.uniform(0.005, 0.04)
    at = level

    def make(day: int, weekday: float) -> float:
        nonlocal at
        if chance.random() < often:
            at *= chance.uniform(0.3, 0.8) if chance.random() < 0.5 else chance.uniform(1.2, 2.5)
        return at * math.exp(chance.gauss(0, noise / 2))

    return make


_KINDS: Mapping[str, Callable[[float, float, Random], Day]] = {
    "seasonal": _seasonal,
    "trend": _trend,
    "burst": _burst,
    "flat": _flat,
    "walk": _walk,
    "step": _step,
}
