"""Readings of time for which raw readings are kept no more: accepted and listed, but in no slot."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.ingest.decode import Columns, Int64s

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """Columns of readings; times in microseconds since 1970."""

    series: npt.NDArray[np.int32]
    values: Int64s
    since: Int64s
    ticked_at: Int64s


def below_floor(columns: Columns, *, tick: Int64s, amount: Bools, floor_us: int) -> Bools | None:
    """Which readings reach below the floor, one entry per reading; None when none does, which is the usual case.

    The slot of an amount's beginning could not be computed again without dropping what it holds; a level belongs to the
    slot that ends with its tick.
    """
    if not len(tick) or columns.since.min() >= floor_us:
        return None
    late: Bools = np.where(amount, columns.since[tick] < floor_us, columns.ticked_at[tick] <= floor_us)
    return late if late.any() else None


def late_readings(columns: Columns, series: npt.NDArray[np.int32], *, tick: Int64s, which: Bools) -> Late:
    """Those of ``which``; ``series`` are the ids, one entry per reading."""
    ticks = tick[which]
    return Late(series[which], columns.values[which], columns.since[ticks], columns.ticked_at[ticks])
