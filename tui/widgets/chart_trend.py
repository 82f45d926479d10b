"""Twelve months of overage and buffer of one currency: overage rises from the line of months, buffer hangs below it.

Both are on one scale, so that columns compare; the exact figures are those of the month under the cursor, in the title.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from tui.format import NONE, clean, decimal, money, month_name
from tui.theme import AMBER, BLUE, FAINT
from tui.widgets.chart_scale import following, hanging, lines_of, rising, round_up, short, short_month
from ullage.v1 import analysis_pb2

MONTHS_SHOWN = 12
MONTH_CELLS_MAX = 8
# As many as are ever asked for.
MONTHS_TOLD_MAX = 36
# Of fewer cells a month is its first letter.
NAME_CELLS_MIN = 4
# Title, months, and a row on either side.
HEIGHT_MIN = 4

Point = analysis_pb2.TrendPoint


def window(points: Sequence[Point], at: str) -> list[Point | str]:
    """The twelve months that end with the newest, or further back with the month ``at``; of a month untold its name."""
    if not points:
        return []
    told = {point.month: point for point in points}
    names = [points[0].month]
    while len(names) < MONTHS_TOLD_MAX and names[-1] < points[-1].month:
        names.append(following(names[-1]))
    if names[-1] != points[-1].month:
        # No months, or too many: as they were told.
        names = list(told)
    newest = len(names)
    if at in names:
        newest = max(names.index(at) + 1, newest if newest - names.index(at) <= MONTHS_SHOWN else 0)
    return [told.get(name, name) for name in names[max(newest - MONTHS_SHOWN, 0) : newest]]


def month_of(shown: Point | str) -> str:
    """Its name, YYYY-MM."""
    return shown if isinstance(shown, str) else shown.month


def _amount(field: str) -> Decimal:
    """Columns show what is above nothing."""
    return max(decimal(field) or Decimal(0), Decimal(0))


def _rows(shown: Sequence[Point | str], rows: int) -> tuple[Decimal, int, int]:
    """What a row is worth, and how many of them there are above and below the months."""
    points = [one for one in shown if not isinstance(one, str)]
    over = max((_amount(one.overage.amount) for one in points), default=Decimal(0))
    under = max((_amount(one.buffer.amount) for one in points), default=Decimal(0))
    worth = round_up((over + under) / rows)
    while True:
        above = int((over / worth).to_integral_value(ROUND_CEILING))
        below = int((under / worth).to_integral_value(ROUND_CEILING))
        if above + below <= rows:
            # What is left over goes above, where there is nothing to be seen but air.
            return worth, rows - below, below
        worth = round_up(worth * Decimal("1.01"))


def draw_trend(points: Sequence[Point], at: str, *, width: int, height: int) -> Text:
    """Points of one currency, oldest first, with the cursor on the month ``at``. ``~`` marks a month that is not final."""
    shown = window(points, at)
    title = trend_title(points, at, width=width)
    if not shown or height < HEIGHT_MIN:
        return title
    worth, above, below = _rows(shown, height - 2)
    any_over = any(_amount(one.overage.amount) for one in shown if not isinstance(one, str))
    labels = {
        0: short(worth * above) if any_over else "",
        above + below: short(worth * below) if below else "",
    }
    beside = max(*(len(label) for label in labels.values()), 1) + 1
    cells = cells_of(len(shown), width - beside)
    if cells < 1:
        return title
    columns = [_column(one, worth, above, below) for one in shown]
    lines = [title]
    for row in range(above + 1 + below):
        if row == above:
            lines.append(_months(shown, at, beside=beside, cells=cells))
            continue
        marks = "".join(_wide(column[row], cells) for column in columns).rstrip()
        label = labels.get(row, "")
        line = Text(f"{label:>{beside - 1}}{'┤' if label else '│'}", FAINT, no_wrap=True, end="")
        lines.append(line.append(marks, AMBER if row < above else BLUE))
    return lines_of(lines)


def trend_title(points: Sequence[Point], at: str, *, width: int) -> Text:
    """What the columns mean, and the figures of the month under the cursor."""
    point = next((one for one in points if one.month == at), None)
    if not points:
        return Text("Trend  No billing readings in these months", FAINT, no_wrap=True, end="")
    mark = "~" if point is not None and point.provisional else ""
    title = Text(f"{month_name(at)}{mark}  ", "bold", no_wrap=True, end="")
    if point is None:
        return title.append(f"{NONE} no billing readings in this month", f"not bold {FAINT}")
    over = money(point.overage.amount, point.overage.currency)
    under = money(point.buffer.amount, point.buffer.currency)
    cost = money(point.cost.amount, point.cost.currency)
    full = [("▲ overage ", AMBER, over), ("▼ buffer ", BLUE, under)]
    brief = [("▲ ", AMBER, over), ("▼ ", BLUE, under)]
    for before, parts in (
        ("Trend  ", [*full, ("cost ", "", cost)]),
        ("Trend  ", full),
        ("", full),
        ("", brief),
    ):
        line = Text(before, "bold", no_wrap=True, overflow="ellipsis", end="").append_text(title)
        for name, style, figure in parts:
            line.append(name, f"not bold {style}").append(f"{figure}  ")
        line.rstrip()
        if line.cell_len <= width:
            break
    return line


def cells_of(months: int, room: int) -> int:
    """How wide a month is; 0: there is no room."""
    return min(room // max(months, 1), MONTH_CELLS_MAX)


def _column(shown: Point | str, worth: Decimal, above: int, below: int) -> list[str]:
    if isinstance(shown, str):
        return [" "] * (above + 1 + below)
    over, under = _amount(shown.overage.amount) / worth, _amount(shown.buffer.amount) / worth
    return [*rising(over, above), " ", *hanging(under, below)]


def _wide(mark: str, cells: int) -> str:
    """A column leaves a cell free to the next, of wide ones two."""
    free = 0 if cells == 1 else 1 if cells <= NAME_CELLS_MIN else 2
    return (mark * (cells - free)).ljust(cells)


def _months(shown: Sequence[Point | str], at: str, *, beside: int, cells: int) -> Text:
    line = Text(f"{'0':>{beside - 1}}┼", FAINT, no_wrap=True, end="")
    for one in shown:
        month = month_of(one)
        name = short_month(month) if cells >= NAME_CELLS_MIN else short_month(month)[:1]
        if isinstance(one, str):
            name = f"({name})" if cells > len("(Jan)") else "·"
        elif one.provisional and cells > 1:
            name = f"{name}~"[:cells]
        line.append(name, "reverse bold" if month == at else "not dim")
        line.append(" " * (cells - len(name)))
    return line


class TrendChart(Static):
    """The trend of one currency; a click chooses a month."""

    DEFAULT_CSS = """
    TrendChart { height: 8; padding: 0 1; }
    .-wide TrendChart { height: 12; }
    """

    class MonthChosen(Message):
        """The person clicked on a month."""

        def __init__(self, month: str) -> None:
            super().__init__()
            self.month = month

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._points: list[Point] = []
        self._at = ""
        self._notice = "… loading"

    def show_points(self, points: Sequence[Point], at: str) -> None:
        """Of one currency, oldest first; the cursor on a month."""
        if (list(points), at, "") != (self._points, self._at, self._notice):
            self._points, self._at, self._notice = list(points), at, ""
            self.refresh()

    def show_notice(self, words: str) -> None:
        """Instead of a chart that is not there."""
        self._points, self._notice = [], words
        self.refresh()

    def render(self) -> Text:
        """As large as there is room."""
        if self._notice:
            return Text(clean(self._notice, 300), FAINT, no_wrap=True, overflow="ellipsis")
        return draw_trend(
            self._points, self._at, width=self.content_size.width, height=self.content_size.height
        )

    def on_click(self, event: events.Click) -> None:
        """The month of that column, of whichever row."""
        shown = window(self._points, self._at)
        drawn = str(self.render()).splitlines()
        axis = next((line for line in drawn if "┼" in line), "")
        offset = event.get_content_offset(self)
        if not shown or not axis or offset is None:
            return
        beside = axis.index("┼") + 1
        place = (offset.x - beside) // cells_of(len(shown), self.content_size.width - beside)
        if 0 <= place < len(shown):
            self.post_message(self.MonthChosen(month_of(shown[place])))
