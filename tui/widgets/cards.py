"""A figure with its name; one that can be opened takes the focus and says so."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.format import fit


class Card(Static):
    """A name above a figure. ``opens`` makes what enter or a click posts; None: there is nothing to open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
    ]

    def __init__(self, name: str, *, card_id: str, opens: Callable[[], Message] | None) -> None:
        super().__init__(markup=False, id=card_id)
        self._label = name
        self._figure = Text("…", "dim")
        self._brief: Text | None = None
        self._opens = opens
        self.can_focus = opens is not None

    def show_figure(self, figure: Text, brief: Text | None = None) -> None:
        """A cell, cut to the card's width when drawn; ``brief`` stands there where it would have to be cut."""
        self._figure, self._brief = figure, brief
        self.refresh()

    def render(self) -> Text:
        """Two lines."""
        width = max(self.size.width, 1)
        figure = self._figure if self._brief is None or self._figure.cell_len <= width else self._brief
        return Text("\n", no_wrap=True).join([fit(Text(self._label, "dim"), width), fit(figure, width)])

    def action_open(self) -> None:
        """What the figure counts."""
        if self._opens is not None:
            self.post_message(self._opens())

    def on_click(self) -> None:
        """As enter does."""
        self.action_open()


class Digest(Static):
    """Two lines about many things, cut to the width; enter opens where they are told in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("up,k", "leave", "Above", show=False),
    ]

    def __init__(self, *, digest_id: str, opens: Callable[[], Message]) -> None:
        super().__init__(markup=False, id=digest_id)
        self._lines: tuple[Text, ...] = ()
        self._opens = opens
        self.can_focus = True

    def show_lines(self, *lines: Text) -> None:
        """Cells; cut when drawn."""
        self._lines = lines
        self.refresh()

    def render(self) -> Text:
        """As many as there are."""
        width = max(self.size.width, 1)
        return Text("\n", no_wrap=True).join([fit(line, width) for line in self._lines])

    def action_open(self) -> None:
        """Where it is told in full."""
        self.post_message(self._opens())

    def action_leave(self) -> None:
        """To the table above."""
        self.screen.focus_previous(DataTable)

    def on_click(self) -> None:
        """As enter does."""
        self.action_open()


class Cards(Grid):
    """Cards in rows; arrows and hjkl go from one to the next that can be opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "go(1)", "Next card", show=False),
        Binding("left,h", "go(-1)", "Previous card", show=False),
        Binding("down,j", "go_row(1)", "Card below", show=False),
        Binding("up,k", "go_row(-1)", "Card above", show=False),
    ]

    @property
    def _columns(self) -> int:
        return max(self.styles.grid_size_columns, 1)

    def action_go(self, step: int) -> None:
        """To the next card in reading order."""
        self._move(step)

    def action_go_row(self, step: int) -> None:
        """To the card above or below; beyond the last row to the next part of the screen."""
        if not self._move(step * self._columns) and step > 0:
            self.screen.focus_next(DataTable)

    def _move(self, step: int) -> bool:
        """False where there is no card that way."""
        cards = list(self.query(Card))
        here = next((index for index, card in enumerate(cards) if card.has_focus), 0)
        there = here + step
        while 0 <= there < len(cards) and not cards[there].can_focus:
            there += 1 if step > 0 else -1
        if 0 <= there < len(cards):
            cards[there].focus()
            return True
        return False
