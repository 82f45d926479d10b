"""``?``: the keys that work here, read from the bindings themselves, so that the page cannot be wrong."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEY_CELLS = 14


class HelpScreen(ModalScreen[None]):
    """Keys and what they do; any of esc, ? and q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", key_display="esc"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """One key a line."""
        lines = [
            Text.assemble((f"{key:<{KEY_CELLS}} ", "bold"), description, no_wrap=True)
            for key, description in self._keys
        ]
        with VerticalScroll(id="help"):
            yield Static(Text("\n").join(lines))

    def on_mount(self) -> None:
        """The arrows scroll."""
        box = self.query_one("#help")
        box.border_title = "Keys"
        box.border_subtitle = "esc closes"

    def action_scroll(self, step: int) -> None:
        """By a line."""
        self.query_one("#help").scroll_relative(y=step, animate=False)
