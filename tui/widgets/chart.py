"""Charts of one series: usage of the last 30 days as columns, revenue by month as bars with their figures beside them.

Over and under is drawn in chart_trend.py, a projection in chart_projection.py. All of them are made of messages by plain
functions; the widgets only know how much room there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from tui.format import MONTHS, NONE, clean, decimal, moment, plural, quantity
from tui.theme import AMBER, BLUE, FAINT
from tui.widgets.chart_scale import bar, following, labelled, lines_of, rising, round_up, short, short_month
from ullage.v1 import insight_pb2, inventory_pb2

TICKS_DAYS = 7
DAY_CELLS_MAX = 4
# Rows of columns from which on half of the scale is labelled too.
HALF_ROWS_MIN = 4
# Title, axis and dates stand around the columns.
_AROUND_ROWS = 3
# A bar of fewer cells says nothing that the figure does not.
BAR_CELLS_MIN = 3
# Months without a bill between two with one, more of them are not drawn.
MONTHS_FILLED_MAX = 36
_NO_READING = "·"


@dataclass(frozen=True, slots=True)
class _Plot:
    """The columns: so many days of so many cells each, below a scale."""

    days: Sequence[tuple[datetime | None, Decimal | None]]
    cells: int
    rows: int
    top: Decimal
    # Whether columns stand apart.
    apart: bool

    def row(self, number: int) -> str:
        """From the top; a day without a reading is a dot on the axis."""
        line = []
        for column in self.columns:
            mark = column[number]
            wide = self.cells - 1 if self.apart and self.cells > 1 else self.cells
            filled = mark.center(wide) if mark == _NO_READING else mark * wide
            line.append(filled.ljust(self.cells))
        return "".join(line).rstrip()

    @property
    def columns(self) -> list[list[str]]:
        """From the top row to the axis."""
        return [
            [" "] * (self.rows - 1) + [_NO_READING]
            if value is None
            else rising(max(value, Decimal(0)) / self.top * self.rows, self.rows)
            for _, value in self.days
        ]

    @property
    def ticks(self) -> list[int]:
        """Days with a date: the newest, and each seventh before it."""
        return list(range((len(self.days) - 1) % TICKS_DAYS, len(self.days), TICKS_DAYS))

    def middle(self, day: int) -> int:
        """Its cell."""
        return day * self.cells + (self.cells - 1) // 2


def draw_usage(usage: inventory_pb2.SeriesUsage | None, *, width: int, height: int) -> Text:
    """A column a day on a scale from 0: the mean of a level, the sum of an amount. A gap is a dot, never 0, never joined."""
    points = [] if usage is None else [(moment(point.at), decimal(point.value)) for point in usage.days]
    known = [value for _, value in points if value is not None]
    if usage is None or not known:
        return Text("No usage in the last 30 days", FAINT, no_wrap=True)
    top = round_up(max(known))
    scale = [short(top), short(top / 2), "0"]
    beside = max(len(label) for label in scale) + 1
    room = max(width - beside, 1)
    cells = min(max(room // len(points), 1), DAY_CELLS_MAX)
    rows = height - _AROUND_ROWS
    lines = [_usage_title(usage, known, gaps=len(points) - len(known), width=width)]
    if rows >= 1:
        plot = _Plot(points[-(room // cells) :], cells, rows, top, apart=usage.kind == "amount")
        lines += _usage_columns(plot, scale, beside=beside, width=width)
    return lines_of(lines)


def _usage_title(
    usage: inventory_pb2.SeriesUsage, known: Sequence[Decimal], *, gaps: int, width: int
) -> Text:
    amount = usage.kind == "amount"
    unit = f"{clean(usage.unit_type, 24)}, {clean(usage.symbol, 12)}"
    title = Text(f"{unit} {'a day' if amount else '(daily mean)'}", "bold", no_wrap=True, end="")
    said = f"highest {quantity(str(max(known)))}"
    without = f", {_NO_READING} {plural(gaps, 'day')} without" if gaps else ""
    # The longest that there is room for.
    for words in (f"{said}{without} a reading" if gaps else said, said + without, said):
        if title.cell_len + len(words) + 2 <= width:
            return title.append(f"{words:>{width - title.cell_len}}", "not bold")
    return title


def _usage_columns(plot: _Plot, scale: Sequence[str], *, beside: int, width: int) -> list[Text]:
    top, half, zero = scale
    lines = []
    for number in range(plot.rows):
        label = top if number == 0 else half if plot.rows >= HALF_ROWS_MIN and number * 2 == plot.rows else ""
        line = Text(f"{label:>{beside - 1}}{'┤' if label else '│'}", FAINT, no_wrap=True, end="")
        lines.append(line.append(plot.row(number), BLUE))
    ticks = {plot.middle(day) for day in plot.ticks}
    across = len(plot.days) * plot.cells
    axis = "".join("┴" if cell in ticks else "─" for cell in range(across))
    lines.append(Text(f"{zero:>{beside - 1}}└{axis}", FAINT, no_wrap=True, end=""))
    dates = [(beside + plot.middle(day), _short_day(plot.days[day][0])) for day in plot.ticks]
    lines.append(Text(labelled(dates, max(width, beside + across)), FAINT, no_wrap=True, end=""))
    return lines


def _short_day(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC).day} {MONTHS[at.astimezone(UTC).month - 1]}"


class UsageChart(Static):
    """Usage of one unit type of an asset."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._usage: inventory_pb2.SeriesUsage | None = None

    def show_usage(self, usage: inventory_pb2.SeriesUsage | None) -> None:
        """None: nothing to show."""
        if usage != self._usage:
            self._usage = usage
            self.refresh()

    def render(self) -> Text:
        """As large as there is room."""
        return draw_usage(self._usage, width=self.size.width, height=self.size.height)


def draw_revenue(months: Sequence[insight_pb2.MonthRevenue], *, width: int, height: int) -> Text:
    """A line a month: name, bar, amount; the newest when there is no room for all. ``~`` marks what is not finalised.

    A month between others of which nothing was billed has a line too, with a dash: it is not the same as 0.
    """
    if not months:
        return Text("No billing history", FAINT)
    told = _without_holes(months)[-max(height, 1) :]
    amounts = [None if one is None else decimal(one.revenue.amount) for _, one in told]
    shown = [NONE if amount is None else f"{amount:,f}" for amount in amounts]
    figures = max(cell_len(one) for one in shown)
    # With little room the year goes first, then the bar.
    names = [_month_name(name) for name, _ in told]
    room = width - max(map(len, names)) - 2 - figures - 1
    top = max([*(amount for amount in amounts if amount is not None), Decimal(1)])
    lines = []
    for name, (_, one), amount, figure in zip(names, told, amounts, shown, strict=True):
        provisional = one is not None and one.provisional
        line = Text(f"{name}{'~ ' if provisional else '  '}", FAINT, no_wrap=True, end="")
        if room >= BAR_CELLS_MIN:
            line.append(
                f"{_revenue_bar(amount, top, room):<{room}}", f"not dim {AMBER if provisional else BLUE}"
            )
        lines.append(line.append(f" {figure:>{figures}}", "not dim"))
    # With room to spare the months stand apart.
    return Text("\n" if height < 2 * len(lines) else "\n\n", no_wrap=True, overflow="crop").join(lines)


def _revenue_bar(amount: Decimal | None, top: Decimal, room: int) -> str:
    """What was given back is an arrow to the other side."""
    return "" if amount is None else "◂" if amount < 0 else bar(amount / top, room)


def _without_holes(
    months: Sequence[insight_pb2.MonthRevenue],
) -> list[tuple[str, insight_pb2.MonthRevenue | None]]:
    """Names in their order, also of months that were not told of."""
    found: list[tuple[str, insight_pb2.MonthRevenue | None]] = []
    for one in months:
        if found:
            missing: list[str] = []
            name = following(found[-1][0])
            while name < one.month and len(missing) < MONTHS_FILLED_MAX and name != following(name):
                missing.append(name)
                name = following(name)
            if name == one.month:
                found += [(between, None) for between in missing]
        found.append((one.month, one))
    return found


def _month_name(month: str) -> str:
    """``Nov 26`` of ``2026-11``."""
    return f"{short_month(month)} {clean(month, 7).partition('-')[0][-2:]}"


class RevenueChart(Static):
    """Revenue of one currency by reporting month."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._months: list[insight_pb2.MonthRevenue] = []

    def show_months(self, months: Sequence[insight_pb2.MonthRevenue]) -> None:
        """Of one currency, oldest first."""
        if list(months) != self._months:
            self._months = list(months)
            self.refresh(layout=True)

    def render(self) -> Text:
        """As large as there is room."""
        return draw_revenue(self._months, width=self.size.width, height=self.size.height)
