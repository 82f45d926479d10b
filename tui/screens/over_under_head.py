"""What stands above the lists of Over/Under: which view of what, and what the month comes to."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.text import Text
from textual.widgets import Static

from tui.format import clean, money, month_name
from tui.screens.over_under_lists import LONG, PROVISIONAL
from tui.screens.over_under_views import ALL, RIGHT_SIZE, STATUSES, TITLES
from tui.theme import ATTENTION, BAD, FAINT
from ullage.v1 import analysis_pb2, types_pb2

# From here on the views that are not on view are named too.
ALL_VIEWS_CELLS_MIN = 76


@dataclass(frozen=True, slots=True)
class Heading:
    """What is on view. ``found`` None: not known yet."""

    view: int = 0
    status: str = ""
    unit: str = ""
    month: str = ""
    found: analysis_pb2.OverUnder | None = field(default=None)


def sums(moneys: Iterable[types_pb2.Money]) -> str:
    """``EUR 12.00, JPY 900``; never added over currencies."""
    return ", ".join(money(one.amount, one.currency) for one in moneys) or "none"


class OverUnderHead(Static):
    """Two lines: views and status with the ones on view marked, and the totals of the month."""

    DEFAULT_CSS = """
    OverUnderHead { height: 2; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._shown = Heading()

    def show(self, heading: Heading) -> None:
        """Replaces what is shown."""
        if heading != self._shown:
            self._shown = heading
            self.refresh()

    def render(self) -> Text:
        """Chips in brackets are on: a sign beside the colour."""
        return Text("\n", no_wrap=True, overflow="ellipsis").join([self._chips(), self._totals()])

    def _chips(self) -> Text:
        shown = self._shown
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        for place, title in enumerate(TITLES):
            if place == shown.view:
                line.append(f"[{title}] ", "bold")
            elif self.content_size.width >= ALL_VIEWS_CELLS_MIN:
                line.append(f"{title} ", FAINT)
        line.append("│", FAINT)
        if shown.view == RIGHT_SIZE:
            line.append(" buffer only", FAINT)
        else:
            for status in STATUSES:
                on = status == shown.status
                name = status or ALL
                line.append(f"[{name}]" if on else f" {name}", "bold" if on else FAINT)
        return line

    def _totals(self) -> Text:
        shown = self._shown
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        mark = PROVISIONAL if shown.found is not None and shown.found.provisional else ""
        line.append(f"{month_name(shown.month)}{mark}  ", "bold")
        if shown.unit:
            line.append(f" unit: {clean(shown.unit, 24)} × ", "bold reverse").append("  ")
        if shown.found is None:
            return line.append("…", FAINT)
        if shown.view == RIGHT_SIZE:
            return line.append("Total buffer this period: ").append(sums(shown.found.buffer), ATTENTION)
        line.append("overage ").append(sums(shown.found.overage), BAD)
        line.append(" · buffer ").append(sums(shown.found.buffer), ATTENTION)
        legend = f"  {LONG} longer than a month"
        fits = line.cell_len + len(legend) <= self.content_size.width
        if fits and any(row.long_period for row in shown.found.rows):
            line.append(legend, FAINT)
        return line
