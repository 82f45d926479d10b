"""What stands above the lists of Over/Under: which view of what, and what the month comes to."""

from dataclasses import dataclass

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
    # Which of several comes first.
    currency: str = ""
    found: analysis_pb2.OverUnder | None = None


def _both(
    over: types_pb2.Money | None, under: types_pb2.Money | None, *, only_buffer: bool, brief: bool
) -> Text:
    """``overage EUR 12.00 · buffer EUR 400.25``; of several currencies ``EUR ▲ 12.00 ▼ 400.25``."""
    part = Text(no_wrap=True, end="")
    if only_buffer:
        return part.append("none" if under is None else money(under.amount, under.currency), ATTENTION)
    if over is None or under is None:
        return part.append("overage none · buffer none")
    if not brief:
        part.append("overage ").append(money(over.amount, over.currency), BAD)
        return part.append(" · buffer ").append(money(under.amount, under.currency), ATTENTION)
    part.append(f"{clean(over.currency, 3)} ").append(f"▲ {money(over.amount, '').strip()}", BAD)
    return part.append(f" ▼ {money(under.amount, '').strip()}", ATTENTION)


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
        codes = [one.currency for one in shown.found.overage] or [""]
        codes.sort(key=lambda code: code != shown.currency)
        over = {one.currency: one for one in shown.found.overage}
        under = {one.currency: one for one in shown.found.buffer}
        line.append("Total buffer this period: " if shown.view == RIGHT_SIZE else "")
        for place, code in enumerate(codes):
            part = _both(
                over.get(code), under.get(code), only_buffer=shown.view == RIGHT_SIZE, brief=len(codes) > 1
            )
            rest = f"+{len(codes) - place} currencies"
            after = len(rest) + 2 if place + 1 < len(codes) else 0
            if place and line.cell_len + part.cell_len + after > self.content_size.width:
                return line.append(rest, FAINT)
            line.append_text(part).append("  ")
        line.rstrip()
        legend = f"  {LONG} longer than a month"
        fits = line.cell_len + len(legend) <= self.content_size.width
        if fits and any(row.long_period for row in shown.found.rows):
            line.append(legend, FAINT)
        return line
