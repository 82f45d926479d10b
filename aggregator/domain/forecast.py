"""How daily usage may go on: the days still to come, drawn from the days that were.

Each path draws for every remaining day a day of history that fell on the same weekday, and scales it from the level around
it to the level that the path is on. The level now is a smoothed mean whose quickness is chosen by how well it would have
foretold the days that are known; how far paths spread is what that level missed by over as many days as are to come. Knows
days as numbers, nothing of quantities or money. Floats are right here: nobody is billed by a forecast.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

DAYS_PER_WEEK = 7
# With fewer days of history nothing is said (design: "Projection").
HISTORY_DAYS_MIN = 14
PATHS = 200
# History further back says little of weekdays now, and of what can be missed by.
WEEKDAY_DAYS = 8 * DAYS_PER_WEEK
ORIGIN_DAYS = 10 * DAYS_PER_WEEK

# How much of the newest day goes into the level: from about seven weeks' memory to hardly any.
_QUICKNESS = (0.04, 0.1, 0.25, 0.5, 0.9)
# Days ahead by which a quickness is judged; longer ones are ruled by what nobody can foresee.
_JUDGED_DAYS = 5
# Of its worst errors a level keeps this part out of its judgement: a step is nobody's fault.
_JUDGED_SHARE = 0.9
# A bias is believed against its own uncertainty times this; few independent spans widen what they showed by that much.
_DOUBT = 4.0
_FEW = 0.85
# A spread is told by the median deviation; of a normal one that is two thirds of the standard deviation.
_DEVIATION = 1.48
_RATIO_MIN = 0.02
_LOG_MAX = 3.0
# How far a path's days may be set right so that together they are on its level.
_EVENED_MIN, _EVENED_MAX = 0.5, 2.0

# (place of the drawn day in the history, what to multiply it by) for each day to come.
Path = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class _Outlook:
    """The level of a day now, and by what ratios the mean of the days to come may differ from it, in order of size."""

    level: float
    ratios: Sequence[float]


def paths(
    days: Sequence[float], *, remaining: int, chance: Callable[[], float], count: int = PATHS
) -> list[Path]:
    """``count`` ways in which ``remaining`` days may follow on ``days``, which are whole, consecutive and not negative.

    ``chance`` gives numbers in [0, 1): the same ones give the same paths. Raises ``ValueError`` for less than
    ``HISTORY_DAYS_MIN`` days.
    """
    if len(days) < HISTORY_DAYS_MIN:
        raise ValueError(f"a forecast needs {HISTORY_DAYS_MIN} days of history, not {len(days)}")
    if remaining == 0:
        return [[] for _ in range(count)]
    levels = _week_levels(days)
    weekdays = _weekday_factors(days, levels)
    # A weekday on which there is never anything says nothing of the level.
    plain = [
        value / factor if (factor := weekdays[i % DAYS_PER_WEEK]) > 0 else levels[i]
        for i, value in enumerate(days)
    ]
    outlook = _outlook(plain, remaining=remaining)
    first = max(0, len(days) - WEEKDAY_DAYS)
    alike = [
        [i for i in range(first, len(days)) if i % DAYS_PER_WEEK == weekday]
        for weekday in range(DAYS_PER_WEEK)
    ]
    ahead = [(len(days) + day) % DAYS_PER_WEEK for day in range(remaining)]
    found: list[Path] = []
    for number in range(count):
        # Evenly over the ratios, so that few paths are enough for the ends of the range.
        level = outlook.level * _between(outlook.ratios, (number + chance()) / count)
        drawn = [alike[weekday][int(chance() * len(alike[weekday]))] for weekday in ahead]
        scaled = [level / levels[i] if levels[i] > 0 else 0.0 for i in drawn]
        wanted = level * sum(weekdays[weekday] for weekday in ahead)
        got = sum(days[i] * factor for i, factor in zip(drawn, scaled, strict=True))
        even = min(_EVENED_MAX, max(_EVENED_MIN, wanted / got)) if got > 0 else 1.0
        found.append([(i, factor * even) for i, factor in zip(drawn, scaled, strict=True)])
    return found


def _week_levels(days: Sequence[float]) -> list[float]:
    """For each day the mean of the week around it; at the ends of the first and last week."""
    last = len(days) - DAYS_PER_WEEK
    starts = (max(0, min(i - DAYS_PER_WEEK // 2, last)) for i in range(len(days)))
    return [fmean(days[start : start + DAYS_PER_WEEK]) for start in starts]


def _weekday_factors(days: Sequence[float], levels: Sequence[float]) -> list[float]:
    """What each weekday is worth against its week, the first day's in front; all 1 where weekdays do not show."""
    by_weekday: list[list[float]] = [[] for _ in range(DAYS_PER_WEEK)]
    for i in range(max(0, len(days) - WEEKDAY_DAYS), len(days)):
        if levels[i] > 0:
            by_weekday[i % DAYS_PER_WEEK].append(days[i] / levels[i])
    if any(len(shares) < 2 for shares in by_weekday):
        return [1.0] * DAYS_PER_WEEK
    means = [fmean(shares) for shares in by_weekday]
    middle = fmean(means)
    between = sum((mean - middle) ** 2 for mean in means) / (DAYS_PER_WEEK - 1)
    if middle <= 0 or between <= 0:
        return [1.0] * DAYS_PER_WEEK
    noise = fmean(
        sum((share - mean) ** 2 for share in shares) / (len(shares) - 1) / len(shares)
        for shares, mean in zip(by_weekday, means, strict=True)
    )
    # Differences are believed as far as they are more than chance gives.
    belief = max(0.0, 1 - noise / between)
    return [1 + belief * (mean / middle - 1) for mean in means]


def _outlook(days: Sequence[float], *, remaining: int) -> _Outlook:
    """Of days without their weekdays."""
    sums = [0.0]
    for value in days:
        sums.append(sums[-1] + value)
    # No longer than leaves something to look back on; what longer spans miss by grows like a walk.
    span = min(remaining, max(1, (len(days) - DAYS_PER_WEEK) // 2))
    growth = math.sqrt(remaining / span)
    levels = min(
        (_levels(days, quickness) for quickness in _QUICKNESS), key=lambda found: _error(found, sums)
    )
    logs = []
    for start in range(max(4, len(days) - span - ORIGIN_DAYS), len(days) - span + 1):
        mean, level = (sums[start + span] - sums[start]) / span, levels[start]
        logs.append(math.log(max(mean / level if level > 0 else 1.0, _RATIO_MIN)))
    middle = median(logs)
    deviation = _DEVIATION * median(abs(log - middle) for log in logs)
    independent = max(1.0, len(logs) / span)
    doubt = _DOUBT * deviation**2 / independent
    belief = middle**2 / (middle**2 + doubt) if middle else 0.0
    width = growth * (1 + _FEW / math.sqrt(len(logs) / span + 0.5))
    spread = sorted(belief * middle + width * (log - middle) for log in logs)
    return _Outlook(levels[-1], [math.exp(max(-_LOG_MAX, min(_LOG_MAX, log))) for log in spread])


def _levels(days: Sequence[float], quickness: float) -> list[float]:
    """The level before each day, and at the end the one now: exponentially smoothed."""
    level = fmean(days[:DAYS_PER_WEEK])
    found = [level]
    for value in days:
        level += quickness * (value - level)
        found.append(level)
    return found


def _error(levels: Sequence[float], sums: Sequence[float]) -> float:
    """By what share the levels missed the mean of the days that followed, the worst left out."""
    days = len(levels) - 1
    missed = sorted(
        abs((sums[start + _JUDGED_DAYS] - sums[start]) / _JUDGED_DAYS - levels[start])
        / max(levels[start], 1e-9)
        for start in range(max(_JUDGED_DAYS, days - ORIGIN_DAYS), days - _JUDGED_DAYS + 1)
    )
    return fmean(missed[: max(1, int(len(missed) * _JUDGED_SHARE))])


def _between(values: Sequence[float], share: float) -> float:
    """The value at that share of the way through, between two where it falls there."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)
