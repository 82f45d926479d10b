"""What a cost is made of: a line a part, each bar beginning where the one before ended, figures that add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from tui.format import clean, decimal
from tui.theme import AMBER, BAD, BLUE, FAINT
from ullage.v1 import billing_pb2

LABEL_CELLS = 8
BAR_CELLS_MAX = 60


@dataclass(frozen=True, slots=True)
class Part:
    """One of the parts: its fill tells it from the others without colour."""

    name: str
    amount: Decimal
    fill: str
    style: str
    about: str


def parts_of(reading: billing_pb2.Reading) -> list[Part]:
    """Used, buffer, overage and limit: together the cost."""
    # In the decimals of the cost, whatever an empty or a plain 0 says.
    scale = decimal(reading.cost) or Decimal("0.00")
    known = {
        name: (decimal(getattr(reading, name)) or Decimal(0)) + scale * 0
        for name in ("used", "buffer", "overage", "limit")
    }
    return [
        Part("used", known["used"], "█", BLUE, "of the commit"),
        Part("buffer", known["buffer"], "░", AMBER, "of the commit, not used"),
        Part("overage", known["overage"], "▓", BAD, "above the commit"),
        Part(
            "limit",
            known["limit"],
            "▒",
            "",
            "up to the minimum" if known["limit"] >= 0 else "cut at the maximum",
        ),
    ]


class Waterfall(Static):
    """Five lines: the parts and the cost."""

    DEFAULT_CSS = "Waterfall { height: 5; padding: 0 1; margin-bottom: 1; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._parts: Sequence[Part] = ()
        self._cost = Decimal(0)
        self._currency = ""
        self._is_final = True

    def show_reading(self, reading: billing_pb2.Reading, *, is_final: bool) -> None:
        """Its parts; ``~`` stands before a cost that is not final."""
        self._parts = parts_of(reading)
        self._cost = decimal(reading.cost) or Decimal(0)
        self._currency = clean(reading.currency, 3)
        self._is_final = is_final
        self.refresh()

    def on_resize(self) -> None:
        """Bars are as long as there is room."""
        self.refresh()

    def render(self) -> Text:
        """Bars to scale; a part that takes away goes back."""
        figures = [f"{part.amount:,f}" for part in self._parts]
        total = f"{'' if self._is_final else '~'}{self._currency} {self._cost:,f}"
        room = max(cell_len(one) for one in (*figures, total)) if figures else 0
        about = max((cell_len(part.about) for part in self._parts), default=0) if self.size.width >= 72 else 0
        cells = min(max(self.size.width - LABEL_CELLS - room - about - 4, 4), BAR_CELLS_MAX)
        ends = [Decimal(0)]
        for part in self._parts:
            ends.append(ends[-1] + part.amount)
        top = max([*ends, Decimal(1)])
        lines = []
        for part, figure, start, end in zip(self._parts, figures, ends, ends[1:], strict=False):
            left, right = (int(max(at, Decimal(0)) * cells / top) for at in sorted((start, end)))
            if part.amount and right == left:
                left, right = (left, left + 1) if left < cells else (cells - 1, cells)
            line = Text(
                f"{part.name:<{LABEL_CELLS}} ", FAINT if not part.amount else "", no_wrap=True, end=""
            )
            line.append(f"{' ' * left}{part.fill * (right - left)}".ljust(cells), part.style)
            line.append(f" {figure:>{room}}", FAINT if not part.amount else "")
            lines.append(line.append(f"  {part.about}" if about else "", FAINT))
        sums = Text(f"{'cost':<{LABEL_CELLS}} ", "bold", no_wrap=True, end="")
        sums.append(f"{'=':>{cells}} {total:>{room}}", "bold")
        lines.append(sums if self._is_final else sums.append("  provisional", FAINT))
        return Text("\n").join(lines)
