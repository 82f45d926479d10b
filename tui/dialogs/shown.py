"""A text to be read, and copied with ``y``: what is shown once, and what has no room elsewhere."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.dialogs.modal import Dialog
from tui.format import clean


class TextDialog(Dialog[None]):
    """``copies`` is what ``y`` puts on the clipboard; empty: nothing is offered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", key_display="esc"),
        Binding("y", "copy", "Copy"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("space,pagedown", "scroll(10)", "Page down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Text | str], *, copies: str = "") -> None:
        super().__init__()
        self._title = title
        self._lines = [line if isinstance(line, Text) else Text(clean(line, 4000)) for line in lines]
        self._copies = copies

    def compose(self) -> ComposeResult:
        """The text alone; the arrows scroll it."""
        with VerticalScroll(id="text"):
            yield Static(Text("\n").join(self._lines))

    def on_mount(self) -> None:
        """The keys stand in the frame."""
        box = self.query_one("#text")
        box.border_title = Text(clean(self._title, 120))
        box.border_subtitle = "y copies, esc closes" if self._copies else "esc closes"
        box.focus()

    def action_scroll(self, step: int) -> None:
        """By so many lines."""
        self.query_one("#text").scroll_relative(y=step, animate=False)

    def action_copy(self) -> None:
        """By way of the terminal (OSC 52)."""
        if self._copies:
            from tui.app import UllageApp

            assert isinstance(self.app, UllageApp)  # noqa: S101 - there is one program
            self.app.copy(self._copies)
