"""Charts: usage of the last 30 days by plotext, revenue by month as bars with their figures beside them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static
from textual_plotext import PlotextPlot

from tui.format import MONTHS, clean, decimal, moment
from tui.theme import AMBER, BLUE
from ullage.v1 import insight_pb2, inventory_pb2

_RGB = (0x7A, 0xA7, 0xD9)
_EIGHTHS = " ▏▎▍▌▋▊▉"
TICKS_DAYS = 7


class UsageChart(PlotextPlot):
    """A value a day: the mean of a level as a line, the sum of an amount as bars. Days without a reading stay empty."""

    def show_usage(self, usage: inventory_pb2.SeriesUsage | None) -> None:
        """None: nothing to show."""
        self.plt.clear_data()
        self.plt.clear_figure()
        self.plt.frame(False)
        points = [] if usage is None else [(moment(point.at), decimal(point.value)) for point in usage.days]
        known = [(index, float(value)) for index, (_, value) in enumerate(points) if value is not None]
        if usage is None or not known:
            self.plt.title("no usage in the last 30 days")
            self.plt.xticks([])
            self.plt.yticks([])
            self.refresh()
            return
        amount = usage.kind == "amount"
        self.plt.title(
            f"{clean(usage.unit_type, 24)}, {clean(usage.symbol, 12)} {'a day' if amount else '(daily mean)'}"
        )
        for run in _runs(known):
            days, values = [index for index, _ in run], [value for _, value in run]
            if amount:
                self.plt.bar(days, values, width=0.6, color=_RGB, marker="hd")
            else:
                self.plt.plot(days, values, color=_RGB, marker="braille", fillx=True)
        highest = max(value for _, value in known)
        self.plt.ylim(0, highest * 1.1 or 1.0)
        self.plt.xlim(-0.5, len(points) - 0.5)
        ticks = range((len(points) - 1) % TICKS_DAYS, len(points), TICKS_DAYS)
        self.plt.xticks([float(index) for index in ticks], [_short_day(points[index][0]) for index in ticks])
        self.plt.yfrequency(3)
        self.refresh()


def _short_day(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC).day} {MONTHS[at.astimezone(UTC).month - 1]}"


def _runs(known: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Days that follow one another: a line is not drawn across days without a reading."""
    runs: list[list[tuple[int, float]]] = []
    for index, value in known:
        if runs and runs[-1][-1][0] == index - 1:
            runs[-1].append((index, value))
        else:
            runs.append([(index, value)])
    return runs


class RevenueChart(Static):
    """A line a month: name, bar, amount. ``~`` marks a month that is not finalised."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._months: Sequence[insight_pb2.MonthRevenue] = ()

    def show_months(self, months: Sequence[insight_pb2.MonthRevenue]) -> None:
        """Of one currency, oldest first."""
        self._months = months
        self.refresh(layout=True)

    def render(self) -> Text:
        """The newest months when there is not room for all."""
        if not self._months:
            return Text("No billing history", "dim")
        months = list(self._months)[-max(self.size.height, 1) :]
        amounts = [decimal(month.revenue.amount) or Decimal(0) for month in months]
        shown = [f"{amount:,f}" for amount in amounts]
        figures = max(cell_len(one) for one in shown)
        room = max(self.size.width - 9 - figures, 1)
        top = max([*amounts, Decimal(1)])
        lines = []
        for month, amount, figure in zip(months, amounts, shown, strict=True):
            line = Text(no_wrap=True, end="")
            line.append(f"{_month_name(month.month)}", "dim")
            line.append("~ " if month.provisional else "  ")
            line.append(f"{_bar(amount / top, room):<{room}}", AMBER if month.provisional else BLUE)
            line.append(f" {figure:>{figures}}")
            lines.append(line)
        # With room to spare the months stand apart.
        return Text("\n" if self.size.height < 2 * len(lines) else "\n\n").join(lines)


def _month_name(month: str) -> str:
    """``Nov 26`` of ``2026-11``."""
    year, _, number = clean(month, 7).partition("-")
    name = MONTHS[int(number) - 1] if number.isdigit() and 1 <= int(number) <= 12 else "???"
    return f"{name} {year[-2:]}"


def _bar(share: Decimal, cells: int) -> str:
    """In eighths of a cell; negative months have none."""
    eighths = int(max(share, Decimal(0)) * cells * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")
