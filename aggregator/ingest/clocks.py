"""What an agent's clock is worth: correct first, then judge.

A host whose clock is wrong still knows how long ago something was, as long as it has not been booted since: the time since
boot at the tick and at sending, and our own clock at receipt, give the true time.
"""

from dataclasses import dataclass, replace

import numpy as np

from aggregator.ingest import limits
from aggregator.ingest.decode import Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """When a batch was received by our clock, and what the agent's clocks said when it sent it (0: nothing)."""

    received_us: int
    wall_us: int = 0
    boottime_us: int = 0
    # Under which boot the agent is running now.
    boot_id: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """How the agent's clock stood against ours, in milliseconds, and what followed from it."""

    offset_ms: int = 0
    corrected: bool = False
    flagged: bool = False


SAID_NOTHING = Clock()


def offset_us(received_us: int, wall_us: int) -> int:
    """The agent's clock minus ours; 0 when it said nothing. What travelling took is left in it: it is below what is told."""
    if not wall_us:
        return 0
    return min(max(wall_us, -limits.CLOCK_US_MAX), limits.CLOCK_US_MAX) - received_us


def judge_clock(sent: Sent) -> Clock:
    """Before anything is corrected."""
    offset = offset_us(sent.received_us, sent.wall_us)
    return Clock(offset_ms=offset // 1000, flagged=abs(offset) > limits.OFFSET_FLAGGED_US_MIN)


def correct(columns: Columns, sent: Sent) -> tuple[Columns, Clock]:
    """The ticks at their true times where the offset is above a minute and the boot they belong to is still running.

    ``ticked_at`` becomes received − (boottime at sending − boottime at the tick). Spans keep their length, which the agent
    measured by the time since boot. Ticks of an earlier boot stay as they are, and flagged.
    """
    clock = judge_clock(sent)
    alive = bool(sent.boot_id) and sent.boot_id == columns.boot_id and sent.boottime_us > 0
    offset = offset_us(sent.received_us, sent.wall_us)
    if abs(offset) <= limits.OFFSET_CORRECTED_US_MIN or not alive or not len(columns.ticked_at):
        return columns, clock
    boottime = columns.boottime.clip(-limits.CLOCK_US_MAX, limits.CLOCK_US_MAX)
    true = boottime + (sent.received_us - min(sent.boottime_us, limits.CLOCK_US_MAX))
    since = true - (columns.ticked_at - columns.since)
    # A tick that does not say when since boot it was cannot be corrected.
    told = columns.boottime > 0
    ticked_at = np.where(told, true, columns.ticked_at).clip(limits.TIME_US_MIN, limits.TIME_US_MAX)
    since = np.where(told, since, columns.since).clip(limits.TIME_US_MIN, limits.TIME_US_MAX)
    return replace(columns, ticked_at=ticked_at, since=since), replace(clock, corrected=bool(told.any()))
