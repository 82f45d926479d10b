"""One of a few: a letter each, or the arrows and enter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.dialogs.modal import Dialog
from tui.format import clean


@dataclass(frozen=True, slots=True)
class Choice:
    """``value`` is what is given back; ``key`` chooses it at once; ``why_not`` says why it cannot be chosen now."""

    value: str
    label: str
    key: str = ""
    why_not: str = ""


class Choices(OptionList):
    """Where there is no room for a line it knows no pages, and Textual's would fail."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A terminal of a few lines has no page to turn."""
        return not action.startswith("page_") or bool(self.scrollable_content_region)


class ChooseDialog(Dialog[str | None]):
    """Ends with the value chosen; None: none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Cancel", key_display="esc"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], *, at: str = "") -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._at = at

    def compose(self) -> ComposeResult:
        """A line each."""
        options = []
        for choice in self._choices:
            line = Text.assemble((f" {choice.key or ' '}  ", "bold"), clean(choice.label, 100), no_wrap=True)
            if choice.why_not:
                line.append(f"  ({clean(choice.why_not, 60)})", "dim")
            options.append(Option(line, id=choice.value or " "))
        with Vertical(id="choose"):
            yield Choices(*options, markup=False, compact=True)

    def on_mount(self) -> None:
        """The cursor stands on what holds now."""
        box = self.query_one("#choose")
        box.border_title = Text(clean(self._title, 100))
        box.border_subtitle = "enter chooses, esc cancels"
        found = self.query_one(OptionList)
        found.highlighted = next((i for i, c in enumerate(self._choices) if c.value == self._at), 0)
        found.focus()

    def on_key(self, event: events.Key) -> None:
        """The letter of a line."""
        for choice in self._choices:
            if choice.key and event.character == choice.key:
                event.stop()
                self._take(choice)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter."""
        event.stop()
        self._take(self._choices[event.option_index])

    def _take(self, choice: Choice) -> None:
        if choice.why_not:
            self.notify(clean(choice.why_not), markup=False, timeout=4)
        else:
            _ = self.dismiss(choice.value)

    def action_move(self, step: int) -> None:
        """As the arrows do."""
        found = self.query_one(OptionList)
        if step > 0:
            found.action_cursor_down()
        else:
            found.action_cursor_up()
