"""Which slots a tick reaches, so that the roll-up knows what to work out again. Arithmetic on whole columns only.

A slot is ``(start, start + width]``. Widths are minutes (60 or 5). Inside this module a slot is the count of whole widths
since 1970; ``expand`` gives the 5-minute units that the database keeps.
"""

from dataclasses import dataclass

import numpy as np

from aggregator.ingest.decode import Int64s

WIDTHS = (60, 5)
UNIT_MINUTES = 5
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Runs of slots, both ends included: columns of equal length."""

    width: Int64s
    first: Int64s
    last: Int64s

    def slots(self) -> int:
        """How many slots at most, counted with repetition."""
        return int((self.last - self.first + 1).sum())


def slot_at(at_us: Int64s, *, width: int) -> Int64s:
    """The slot a level belongs to: a moment exactly on a border is in the slot that ends there."""
    return (at_us - 1) // (width * MINUTE_US)


def first_slot_after(since_us: Int64s, *, width: int) -> Int64s:
    """The first slot of an amount of ``(since, …]``: the one in which the span's first moment lies."""
    return since_us // (width * MINUTE_US)


def reach_of_ticks(
    ticked_at: Int64s, since: Int64s, *, widths: tuple[int, ...], amounts: dict[int, Int64s]
) -> Reach:
    """The slot of every tick in each of ``widths``, and all slots of the span where a tick carries amounts.

    ``amounts``: for a width, the indexes of the ticks that carry amounts of it.
    """
    width: list[Int64s] = []
    first: list[Int64s] = []
    last: list[Int64s] = []
    for minutes in widths:
        at = slot_at(ticked_at, width=minutes)
        start = at
        carriers = amounts.get(minutes)
        if carriers is not None and len(carriers):
            start = at.copy()
            start[carriers] = first_slot_after(since[carriers], width=minutes)
        width.append(np.full(len(at), minutes, np.int64))
        first.append(start)
        last.append(at)
    return Reach(np.concatenate(width), np.concatenate(first), np.concatenate(last))


def expand(agent: Int64s, reach: Reach) -> tuple[Int64s, Int64s, Int64s]:
    """Every (agent, width, slot) reached, once each, the slot in 5-minute units at its start.

    Runs are merged before they are written out, so many long overlapping spans cost no more than their union.
    """
    if len(agent) == 0:
        return agent, reach.width, reach.first
    order = np.lexsort((reach.first, reach.width, agent))
    agent, width, first, last = agent[order], reach.width[order], reach.first[order], reach.last[order]
    fresh = np.ones(len(agent), bool)
    fresh[1:] = (agent[1:] != agent[:-1]) | (width[1:] != width[:-1])
    # One number line for all (agent, width): each gets a stretch of its own, so a running maximum cannot cross over.
    base = int(first.min())
    stretch = int(last.max()) - base + 2
    offset = (np.cumsum(fresh) - 1) * stretch - base
    ends = np.maximum.accumulate(last + offset)
    starts_run = np.ones(len(agent), bool)
    starts_run[1:] = (first + offset)[1:] > ends[:-1]
    heads = np.flatnonzero(starts_run)
    tails = np.append(heads[1:], len(agent)) - 1
    lengths = ends[tails] - (first + offset)[heads] + 1
    step = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    widths = np.repeat(width[heads], lengths)
    slots = (np.repeat(first[heads], lengths) + step) * (widths // UNIT_MINUTES)
    return np.repeat(agent[heads], lengths), widths, slots
