"""Small bars of characters: usage against the commit, overage and buffer over periods, what was and what would be."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from tui.format import clean, decimal, fit, money, quantity
from tui.theme import AMBER, BAD, BLUE, FAINT, GOOD
from ullage.v1 import inventory_pb2

USED, PROJECTED, COMMIT, FREE = "█", "▒", "┃", "·"
_LEVELS = "▁▂▃▄▅▆▇█"
PERIODS_SHOWN_MAX = 24
_ZERO = Decimal(0)


class UsageBar(Static):
    """Usage of the open period: used, projected, and a mark where the commit is; below it the figures in words."""

    DEFAULT_CSS = "UsageBar { height: 2; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(markup=False, classes="usage-bar")
        self._bucket: inventory_pb2.Bucket | None = None
        self._status = Text()

    def show_bucket(self, bucket: inventory_pb2.Bucket, status: Text) -> None:
        """``status``: the cell that says over or on track."""
        self._bucket, self._status = bucket, status
        self.refresh()

    def render(self) -> Text:
        """Two lines."""
        bucket = self._bucket
        if bucket is None:
            return Text()
        width = max(self.size.width, 1)
        used = decimal(bucket.current_usage)
        if used is None:
            return Text("Nothing is worked out for the open period yet: the next billing run does it.", FAINT)
        projected = decimal(bucket.projected_usage)
        commit = decimal(bucket.terms.commit) or _ZERO
        bar = usage_cells(used, projected, commit, cells=width)
        return Text("\n", no_wrap=True).join([bar, fit(self._words(bucket, commit), width)])

    def _words(self, bucket: inventory_pb2.Bucket, commit: Decimal) -> Text:
        words = Text(no_wrap=True)
        if bucket.status:
            words.append_text(self._status).append("   ")
        words.append(f"{USED} used {quantity(bucket.current_usage, bucket.symbol)}")
        if bucket.projected_usage:
            words.append(f"   {PROJECTED} projected {quantity(bucket.projected_usage, bucket.symbol)}")
        words.append(
            f"   {COMMIT} commit {quantity(bucket.terms.commit, bucket.symbol)}" if commit else "   no commit"
        )
        return words


def usage_cells(used: Decimal, projected: Decimal | None, commit: Decimal, *, cells: int) -> Text:
    """One line from 0 to the largest of the three; what lies above the commit is marked."""
    top = max(used, projected or _ZERO, commit)
    line = Text(no_wrap=True)
    if top <= 0:
        return line.append(FREE * cells, FAINT)
    mark = min(int(commit / top * cells), cells - 1) if commit else -1
    for cell in range(cells):
        at = (Decimal(cell) + Decimal("0.5")) / cells * top
        above = bool(commit) and at > commit
        if cell == mark:
            line.append(COMMIT, "bold")
        elif at <= used:
            line.append(USED, BAD if above else BLUE)
        elif projected is not None and at <= projected:
            line.append(PROJECTED, BAD if above else BLUE)
        else:
            line.append(FREE, FAINT)
    return line


@dataclass(frozen=True, slots=True)
class PeriodMoney:
    """What of a period was above the commit and what of the commit was not used."""

    name: str
    overage: Decimal
    buffer: Decimal


class PeriodBars(Static):
    """Overage and buffer of the last periods, oldest first, a character each, with the largest in words."""

    DEFAULT_CSS = "PeriodBars { height: 2; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(markup=False, classes="period-bars")
        self._periods: Sequence[PeriodMoney] = ()
        self._currency = ""

    def show_periods(self, periods: Sequence[PeriodMoney], currency: str) -> None:
        """Oldest first; the newest are kept where there is not room for all."""
        self._periods, self._currency = list(periods)[-PERIODS_SHOWN_MAX:], currency
        self.display = bool(self._periods)
        self.refresh()

    def render(self) -> Text:
        """Two lines to one scale, so that they can be compared."""
        width = max(self.size.width, 1)
        top = max([*(one.overage for one in self._periods), *(one.buffer for one in self._periods), _ZERO])
        lines = []
        for label, style, amounts in (
            ("Overage", BAD, [one.overage for one in self._periods]),
            ("Buffer", GOOD, [one.buffer for one in self._periods]),
        ):
            line = Text(f"{label:<8} ", no_wrap=True)
            line.append("".join(level(amount, top) for amount in amounts), style)
            largest = max(amounts, default=_ZERO)
            if largest:
                name = self._periods[amounts.index(largest)].name
                line.append(f"  at most {money(str(largest), self._currency)} in {name}", FAINT)
            else:
                line.append("  none", FAINT)
            lines.append(fit(line, width))
        return Text("\n", no_wrap=True).join(lines)


def level(amount: Decimal, top: Decimal) -> str:
    """One of eight heights; a dot for nothing."""
    if amount <= 0 or top <= 0:
        return FREE
    return _LEVELS[min(int(amount / top * len(_LEVELS)), len(_LEVELS) - 1)]


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Money of one currency as it was, and as it would be."""

    currency: str
    before: Decimal
    after: Decimal


class BeforeAfterBars(Static):
    """Two bars to one scale for each currency, and the difference in words."""

    DEFAULT_CSS = "BeforeAfterBars { height: auto; max-height: 8; padding: 0 1; margin-top: 1; }"

    def __init__(self) -> None:
        super().__init__(markup=False, classes="before-after")
        self._sums: Sequence[BeforeAfter] = ()

    def show_sums(self, sums: Sequence[BeforeAfter]) -> None:
        """Replaces what is shown; the height follows."""
        self._sums = sums
        self.display = bool(sums)
        self.refresh(layout=True)

    def render(self) -> Text:
        """Two lines a currency."""
        width = max(self.size.width, 1)
        lines: list[Text] = []
        for one in self._sums:
            words = [f"{amount:,f}" for amount in (one.before, one.after)]
            figures = max(map(cell_len, words))
            said = difference(one.before, one.after, one.currency)
            # Currency, name, figure and the spaces between them.
            room = max(width - figures - said.cell_len - 15, 4)
            top = max(one.before, one.after, Decimal(1))
            for name, amount, shown, style in (
                ("before", one.before, words[0], BLUE),
                ("after", one.after, words[1], AMBER),
            ):
                cells = int(max(amount, _ZERO) / top * room)
                line = Text(f"{clean(one.currency, 3):<3} {name:<7}{shown:>{figures}}  ", no_wrap=True)
                line.append(f"{USED * cells:<{room}}", style)
                if name == "after":
                    line.append(" ").append_text(said)
                lines.append(fit(line, width))
        return Text("\n", no_wrap=True).join(lines)


def difference(before: Decimal, after: Decimal, currency: str) -> Text:
    """``▲ EUR 12.00 more``: an arrow and a word."""
    apart = after - before
    if not apart:
        return Text("= the same", FAINT)
    words = money(str(abs(apart)), currency)
    return Text(f"▲ {words} more", GOOD) if apart > 0 else Text(f"▼ {words} less", BAD)
