"""How the system is doing, judged from a few figures, in words that say what to do.

Knows no database and no scheduler: what was found is given to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SILENT_AFTER = timedelta(minutes=10)
# A job is late when this many of its intervals have passed since it last did its work.
INTERVALS_MISSED_MAX = 3
UNBALANCED_LOOK_BACK = timedelta(hours=24)
# What was lost or contradicted is told for a week; the list of agents tells it for ever.
TOLD_FOR = timedelta(days=7)
COUNTED_LOOK_BACK = timedelta(days=7)
OFFSET_MS_MAX = 2_000
NAMES_MAX = 3

OK, WARNING, CRITICAL = "ok", "warning", "critical"


class Trouble(StrEnum):
    """What can be the matter with an agent that speaks."""

    SPOOL_FULL = "spool_full"
    SPOOL_SLOW = "spool_slow"
    CLOCK = "clock"
    LOST = "lost"
    NEW_SPOOL = "new_spool"
    SET_BACK = "set_back"
    SECOND_LINE = "second_line"
    CONFLICT = "conflict"
    OVERFLOW = "overflow"
    HELD = "held"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Troubled:
    """The agents with one kind of trouble; ``names`` are the first few of them."""

    trouble: Trouble
    agents: int
    names: Sequence[str]


# After "3 agents (a, b, c)".
_TROUBLES = {
    Trouble.HELD: "held: what they meter waits in their spools until somebody decides; `ullage agents list` says why",
    Trouble.CERTIFICATE: "whose certificate ends soon or has ended and was not renewed: run `ullage-agent check` there",
    Trouble.SPOOL_FULL: "whose spool is full: nothing is sealed, levels are missing until there is room; see why batches "
    "are not acknowledged, or raise the limit",
    Trouble.SPOOL_SLOW: "whose spool is nearly full and that tick every ten minutes: see why batches are not acknowledged",
    Trouble.CLOCK: "whose clock is off by more than 2 s: set it there (NTP); above a minute its times are corrected here",
    Trouble.LOST: "with batches that are lost for good in the last 7 days: `ullage agents list` counts them, the column "
    "lost_reason of the table batch says why and of which time",
    Trouble.NEW_SPOOL: "that began anew without their spool in the last 7 days: what they had not delivered by then is lost",
    Trouble.SET_BACK: "that are ahead of this database in the last 7 days: it was restored from a backup, and what they "
    "do not keep any more is missing",
    Trouble.SECOND_LINE: "held up because another follows the same epoch: two hosts with one certificate, or a host that "
    "was set back twice; its own log says what to do",
    Trouble.CONFLICT: "that sent other content under a stored number in the last 7 days: what was stored first stands; see "
    "whether a host was cloned or set back",
    Trouble.OVERFLOW: "with more quarantined readings a day than are kept, in the last 7 days: the others are only counted; "
    "see `ullage quarantine list`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is to be judged. ``silent_names`` are the first few of the silent agents."""

    agents: int
    agents_silent: int
    silent_names: Sequence[str]
    quarantined: int
    unbalanced_batches: int
    unbalanced_agents: int = 0
    troubled: Sequence[Troubled] = ()
    # (client, period) pairs that ended long ago and are not final, and the first few clients of them.
    periods_overdue: int = 0
    overdue_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """A job of the timetable: ``state`` and the rest are of its newest run, None before the first.

    ``done_at`` is when it last did its work to the end.
    """

    name: str
    interval: timedelta
    done_at: datetime | None
    state: str | None
    started_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """``state`` is ok, warning or critical; every problem is a sentence, the gravest first."""

    state: str
    problems: Sequence[str]


def judge(figures: Figures, jobs: Iterable[JobHistory], *, now: datetime) -> Judgement:
    """Critical where readings are unaccounted for, a warning for whatever else needs somebody."""
    critical = list(_unbalanced(figures))
    warnings = [
        *_jobs(jobs, now),
        *_silent(figures),
        *_troubled(figures),
        *_quarantined(figures),
        *_overdue(figures),
    ]
    state = CRITICAL if critical else WARNING if warnings else OK
    return Judgement(state, [*critical, *warnings])


def duration(span: timedelta) -> str:
    """In the largest unit that fits twice or more: "90 s", "12 min", "3 h", "4 d"."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _unbalanced(figures: Figures) -> Iterable[str]:
    if figures.unbalanced_batches:
        yield (
            f"{_count(figures.unbalanced_batches, 'batch', 'batches')} of the last 24 hours with readings that were neither "
            "stored nor quarantined: report it, and keep the agents' spools and the database as they are"
        )
    if figures.unbalanced_agents:
        yield (
            f"{_count(figures.unbalanced_agents, 'agent', 'agents')} whose control totals do not add up: read must be "
            "stored + quarantined + suppressed; report it, and keep the agents' spools and the database as they are"
        )


def _jobs(jobs: Iterable[JobHistory], now: datetime) -> Iterable[str]:
    for job in jobs:
        if job.state == "failed":
            yield f"the last run of {job.name} failed: {job.error or 'the log of the aggregator says why'}"
            continue
        limit = INTERVALS_MISSED_MAX * job.interval
        since = job.done_at
        if job.state == "running" and job.started_at is not None:
            since = max(job.started_at, since or job.started_at)
        if since is None:
            yield f"{job.name} has never run: see whether an aggregator serves, and its log"
        elif now - since > limit:
            what = "is still running after" if job.state == "running" else "was last done"
            ago = "" if job.state == "running" else " ago"
            yield (
                f"{job.name} {what} {duration(now - since)}{ago}, it is due every {duration(job.interval)}: "
                "see whether an aggregator serves, and its log"
            )


def _silent(figures: Figures) -> Iterable[str]:
    if figures.agents_silent:
        which = _which(figures.silent_names, figures.agents_silent)
        yield (
            f"{figures.agents_silent} of {_count(figures.agents, 'agent', 'agents')} silent for more than "
            f"{duration(SILENT_AFTER)} ({which}): run `ullage-agent check` there"
        )


def _troubled(figures: Figures) -> Iterable[str]:
    found = {one.trouble: one for one in figures.troubled}
    for trouble, words in _TROUBLES.items():
        if trouble in found:
            one = found[trouble]
            yield f"{_count(one.agents, 'agent', 'agents')} ({_which(one.names, one.agents)}) {words}"


def _which(names: Sequence[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _quarantined(figures: Figures) -> Iterable[str]:
    if figures.quarantined:
        yield (
            f"{_count(figures.quarantined, 'reading', 'readings')} in quarantine: not billed until somebody looks at why "
            "(`ullage quarantine list`, then release or discard)"
        )


def _overdue(figures: Figures) -> Iterable[str]:
    if figures.periods_overdue:
        yield (
            f"{_count(figures.periods_overdue, 'period', 'periods')} ended more than three days ago and not final, of "
            f"{', '.join(figures.overdue_names)}{' and others' if len(figures.overdue_names) == NAMES_MAX else ''}: "
            "`ullage billing status` says what is open"
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
