"""The short way for the usual batch: every tick carries the same series, and nothing is wrong with any reading.

Responsible for being quick where `admit` would find nothing to object to; whatever else a batch is, the answer is None and
`admit` goes the long way. Both give the same rows, reaches and totals. Waits for nothing.
"""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted, Resolved, source_type_ids
from aggregator.ingest.decode import Columns, Int64s
from aggregator.ingest.quarantine import NO_FAULTS
from aggregator.ingest.rows import Alike, Totals, tick_rows_alike
from aggregator.ingest.touch import MINUTE_US, Reach

# An agent's collectors change rarely, so that it has few lists of series at a time.
LAYOUTS_PER_DICTIONARY_MAX = 4
COLLECTORS_PER_DICTIONARY_MAX = 64
# Beyond this whole columns are quicker than tick by tick.
TICKS_MAX = 64


@dataclass(slots=True, eq=False)
class Layout:
    """A list of series as ticks carry it, looked up once: how it is stored, and which widths have amounts in it."""

    alike: Alike
    # Positions of the values in order of series id; None where they are in order.
    order: Int64s | None
    amount_widths: frozenset[int]
    # The reach of the batch before: mostly that of the next one too.
    runs: tuple[tuple[int, int, int], ...] = ()
    reach: Reach | None = None


@dataclass(slots=True, eq=False)
class _Known:
    """What was found out about a resolved dictionary: by list of series as on the wire, by names of collectors."""

    layouts: dict[bytes, Layout] = field(default_factory=dict)
    collectors: dict[tuple[str, ...], tuple[int, ...]] = field(default_factory=dict)


# Lives as long as the resolver remembers the dictionary.
_known: WeakKeyDictionary[Resolved, _Known] = WeakKeyDictionary()


def take_usual(
    columns: Columns,
    resolved: Resolved,
    *,
    agent_id: int,
    now_us: int,
    floor_us: int = limits.TIME_US_MIN,
) -> Admitted | None:
    """The batch ready to be stored; None when it is not of the usual kind."""
    ticks, size = len(columns.counts), len(columns.series)
    if not ticks or not size or ticks > TICKS_MAX or size % ticks:
        return None
    times = list(zip(columns.ticked_at.tolist(), columns.since.tolist(), strict=True))
    newest, oldest = now_us + limits.AHEAD_US_MAX, now_us - limits.AGE_US_MAX
    for ticked_us, since_us in times:
        if not (oldest <= ticked_us <= newest and 0 < ticked_us - since_us <= limits.SPAN_US_MAX):
            return None
        if since_us < floor_us:
            return None
    series, values = columns.series, columns.values
    if ticks > 1:
        grid = series.reshape(ticks, -1)
        if (columns.counts != grid.shape[1]).any() or (grid[1:] != grid[0]).any():
            return None
        series = grid[0]
    # One comparison for both ends: as unsigned numbers negative ones are the largest.
    if values.view(np.uint64).max() > limits.VALUE_MAX:
        return None
    known = _known.get(resolved)
    if known is None:
        known = _known[resolved] = _Known()
    layout = _layout(series, resolved, known.layouts)
    if layout is None:
        return None
    if layout.order is not None:
        values = values.reshape(ticks, -1)[:, layout.order].ravel()
    rows = tick_rows_alike(
        layout.alike,
        agent_id=agent_id,
        times=times,
        reported=[_ids(names, resolved, known.collectors) for names in columns.reported],
        failed=[_ids(names, resolved, known.collectors) for names in columns.failed],
        values=values,
    )
    return Admitted(
        rows=rows,
        reach=_reach(layout, times, resolved.widths),
        totals=Totals(read=size, stored=size, quarantined=0),
        faulty=NO_FAULTS,
    )


def _ids(
    names: tuple[str, ...], resolved: Resolved, known: dict[tuple[str, ...], tuple[int, ...]]
) -> tuple[int, ...]:
    """As ``admit`` gives them."""
    ids = known.get(names)
    if ids is None:
        if len(known) >= COLLECTORS_PER_DICTIONARY_MAX:
            known.clear()
        ids = known[names] = source_type_ids(names, resolved.source_types)
    return ids


def _layout(
    series: npt.NDArray[np.uint32], resolved: Resolved, layouts: dict[bytes, Layout]
) -> Layout | None:
    """None for a list that ``admit`` must look at: beyond the dictionary, with a fault, or with a series twice."""
    key = series.tobytes()
    known = layouts.get(key)
    if known is not None:
        return known
    if int(series.max()) >= len(resolved.series) or resolved.fault[series].any():
        return None
    ids = resolved.series[series]
    order: Int64s | None = None
    if not (ids[1:] > ids[:-1]).all():
        order = np.argsort(ids, kind="stable").astype(np.int64)
        ids = ids[order]
        if not (ids[1:] > ids[:-1]).all():
            return None
    minutes = resolved.minutes[series][resolved.amount[series]]
    layout = Layout(Alike(ids), order, frozenset(np.unique(minutes).tolist()))
    if len(layouts) >= LAYOUTS_PER_DICTIONARY_MAX:
        layouts.clear()
    layouts[key] = layout
    return layout


def _reach(layout: Layout, times: list[tuple[int, int]], widths: tuple[int, ...]) -> Reach:
    """As ``touch.reach_of_ticks`` gives it, without repetitions."""
    found: dict[tuple[int, int, int], None] = {}
    for width in widths:
        step = width * MINUTE_US
        has_amounts = width in layout.amount_widths
        for ticked_us, since_us in times:
            last = (ticked_us - 1) // step
            found[width, since_us // step if has_amounts else last, last] = None
    runs = tuple(found)
    if layout.reach is None or layout.runs != runs:
        columns = np.array(runs, np.int64).T
        layout.runs, layout.reach = runs, Reach(columns[0], columns[1], columns[2])
    return layout.reach
