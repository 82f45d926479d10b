"""A projection beside the commit: what is used so far, what it will be, between which figures, and what that means in words.

The day on which a sum reaches its commit is read off the straight line between two figures of the aggregator, the usage so
far and the one projected; it is shown as about that day.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.text import Text
from textual.widgets import Static

from tui.format import MONTHS, NONE, decimal, moment, of_commit, quantity
from tui.theme import AMBER, BAD, BLUE, FAINT, GOOD
from tui.widgets.chart_scale import bar, labelled, lines_of, round_up, short
from ullage.v1 import billing_pb2

NAME_CELLS = 10
# A plot of fewer cells shows nothing that the figures do not.
PLOT_CELLS_MIN = 12
CHART_ROWS = 5
_COMMIT = "┃"
_OVER = "▒"

Projection = billing_pb2.Projection


def over(projection: Projection, commit: Decimal | None) -> bool:
    """Whether it ends above its commit; equal is not above."""
    if commit is None:
        return (decimal(projection.percent_of_commit) or Decimal(0)) > 100
    projected = decimal(projection.projected_quantity)
    return commit > 0 and projected is not None and projected > commit


def crossing(projection: Projection, commit: Decimal) -> datetime | None:
    """When the usage of a sum passes its commit at the pace of the projection; None: not between now and the end."""
    used, projected = decimal(projection.current_quantity), decimal(projection.projected_quantity)
    now, end = moment(projection.calculated_at), moment(projection.period_end)
    if used is None or projected is None or now is None or end is None:
        return None
    if not used < commit < projected or now >= end:
        return None
    return now + (end - now) * float((commit - used) / (projected - used))


def verdict(projection: Projection, commit: Decimal | None, aggregation: str, zone: ZoneInfo) -> Text:
    """``▲ over from about 24 Nov, at 112 % of the commit``, or that it is on track; without a commit that there is none."""
    reach = of_commit(projection.percent_of_commit)
    if (commit is not None and commit <= 0) or (commit is None and reach == NONE):
        return Text("no commit: nothing to be over", FAINT, no_wrap=True, end="")
    used = decimal(projection.current_quantity)
    if not projection.projected_quantity:
        return Text("not projected yet", FAINT, no_wrap=True, end="")
    if not over(projection, commit):
        words = Text(f"on track: ends at {reach} of the commit", GOOD, no_wrap=True, end="")
        high = decimal(projection.high_quantity)
        if commit is not None and high is not None and high > commit:
            words.append(f", but one time in ten above {quantity(str(high), projection.symbol)}", "not bold")
        return words
    when = "at the end of the period"
    if commit is not None and used is not None and used > commit:
        when = "already"
    elif commit is not None and aggregation == "sum" and (at := crossing(projection, commit)) is not None:
        day = at.astimezone(zone)
        when = f"from about {day.day} {MONTHS[day.month - 1]}"
    return Text(f"▲ over {when}: ends at {reach} of the commit", BAD, no_wrap=True, end="")


def draw_projection(projection: Projection, commit: Decimal | None, *, width: int) -> Text:
    """Three bars on one scale from 0, with the commit as a line through all of them; beyond it bars look different."""
    commit = commit if commit is not None and commit > 0 else None
    used, projected = decimal(projection.current_quantity), decimal(projection.projected_quantity)
    low, high = decimal(projection.low_quantity), decimal(projection.high_quantity)
    symbol = projection.symbol
    known = low is not None and high is not None
    between = f"{quantity(projection.low_quantity)} – {quantity(projection.high_quantity, symbol)}"
    figures = [
        quantity(projection.current_quantity, symbol),
        quantity(projection.projected_quantity, symbol),
        between if known else "not known",
    ]
    beside = max(map(len, figures))
    cells = width - NAME_CELLS - beside - 2
    top = round_up(max([one for one in (used, projected, high, commit) if one is not None] or [Decimal(1)]))
    at = None if commit is None else min(int(commit / top * cells), max(cells - 1, 0))
    marks = [_bar(used, top, cells, at), _bar(projected, top, cells, at)]
    marks.append(_range(low, projected, high, top=top, cells=cells, at=at))
    lines = []
    for name, mark, figure, style in zip(
        ("so far", "projected", "80 % range"), marks, figures, (BLUE, AMBER, AMBER), strict=True
    ):
        line = Text(f"{name:<{NAME_CELLS}} ", FAINT, no_wrap=True, end="")
        if cells >= PLOT_CELLS_MIN:
            line.append(f"{mark:<{cells}} ", f"not dim {style}")
        lines.append(line.append(f"{figure:>{beside}}", "not dim"))
    if cells >= PLOT_CELLS_MIN:
        lines += _scale(top, commit, symbol, cells=cells, at=at)
    elif commit is not None:
        lines.append(
            Text(f"{'commit':<{NAME_CELLS}} {quantity(str(commit), symbol):>{beside}}", no_wrap=True)
        )
    return lines_of(lines)


def _bar(value: Decimal | None, top: Decimal, cells: int, at: int | None) -> str:
    """With the line of the commit; what is above it is hatched."""
    filled = "" if value is None or cells < 1 else bar(value / top, cells)
    if at is None:
        return filled
    return filled[:at].ljust(at) + _COMMIT + _OVER * len(filled[at + 1 :])


def _range(
    low: Decimal | None,
    middle: Decimal | None,
    high: Decimal | None,
    *,
    top: Decimal,
    cells: int,
    at: int | None,
) -> str:
    """``├──┼──┤``; one cell where all is the same."""
    line = [" "] * max(cells, 0)

    def place(value: Decimal) -> int:
        return min(max(int(value / top * cells), 0), cells - 1)

    if line and low is not None and high is not None:
        first, last = place(low), place(high)
        line[first : last + 1] = "├" + "─" * (last - first - 1) + "┤" if last > first else "┼"
        if middle is not None and first < place(middle) < last:
            line[place(middle)] = "┼"
    if line and at is not None:
        line[at] = _COMMIT
    return "".join(line).rstrip()


def _scale(
    top: Decimal, commit: Decimal | None, symbol: str, *, cells: int, at: int | None
) -> Sequence[Text]:
    """The axis with the line of the commit through it, and below it what that is."""
    ticks = [(0, "0"), (cells // 2, short(top / 2)), (cells - 1, short(top))]
    axis = ["─"] * cells
    for place, _ in ticks:
        axis[place] = "┴"
    if at is not None:
        axis[at] = _COMMIT
        label = f"commit {quantity(str(commit), symbol, short=True)}"
        start = min(max(at - len(label) // 2, 0), max(cells - len(label), 0))
        # Next to the commit there is no room for figures of the scale.
        ticks = [(p, t) for p, t in ticks if p + len(t) < start or p - len(t) > start + len(label)]
        ticks = sorted([*ticks, (start + len(label) // 2, label)])
    before = " " * (NAME_CELLS + 1)
    return [
        Text(before + "".join(axis), FAINT, no_wrap=True, end=""),
        Text(before + labelled(ticks, cells), FAINT, no_wrap=True, end=""),
    ]


class ProjectionChart(Static):
    """One projection with its commit."""

    DEFAULT_CSS = f"""
    ProjectionChart {{ height: {CHART_ROWS}; padding: 0 1; }}
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._shown: tuple[Projection, Decimal | None] | None = None

    def show_projection(self, projection: Projection, commit: Decimal | None) -> None:
        """``commit`` None: not known yet."""
        if (projection, commit) != self._shown:
            self._shown = (projection, commit)
            self.refresh()

    def render(self) -> Text:
        """As wide as there is room."""
        if self._shown is None:
            return Text("… loading", FAINT)
        return draw_projection(*self._shown, width=self.content_size.width)
