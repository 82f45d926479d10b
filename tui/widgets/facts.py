"""Labelled facts about one thing, in as many columns as there is room for."""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from tui.format import fit

LABEL_CELLS = 10
COLUMN_CELLS_MIN = 28
# From here on three columns.
WIDE_CELLS = 118


class Facts(Static):
    """A label and a value each; values are cells made by ``format.text``."""

    def __init__(self) -> None:
        super().__init__(markup=False, classes="facts")
        self._facts: Sequence[tuple[str, Text]] = ()

    def show_facts(self, facts: Sequence[tuple[str, Text]]) -> None:
        """Replaces what is shown; the height follows."""
        self._facts = facts
        self.refresh(layout=True)

    def on_resize(self) -> None:
        """The number of columns follows the width."""
        self.refresh(layout=True)

    def render(self) -> Text:
        """Down the first column, then down the next."""
        width = max(self.size.width, COLUMN_CELLS_MIN)
        columns = 1 if width < 2 * COLUMN_CELLS_MIN else 2 if width < WIDE_CELLS else 3
        rows = -(-len(self._facts) // columns)
        each = width // columns
        out = Text(no_wrap=True, overflow="crop")
        for row in range(rows):
            if row:
                out.append("\n")
            for label, value in self._facts[row::rows]:
                value_cells = max(each - LABEL_CELLS - 2, 1)
                shown = fit(value, value_cells)
                out.append(f"{label:<{LABEL_CELLS}} ", "dim")
                out.append_text(shown)
                out.append(" " * (value_cells - shown.cell_len + 1))
        return out
