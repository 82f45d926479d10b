"""A form: fields, what is wrong with them beside them, and nothing lost when the aggregator refuses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from tui.dialogs.act import Act, ActDialog
from tui.dialogs.fields import Field, FieldInput, Hint, Next, PickField, make_field
from tui.dialogs.modal import Dialog
from tui.failures import CallFailed
from tui.format import clean

Values = dict[str, str]


class FormError(Exception):
    """A field cannot be used as it is; the text says what belongs in it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Form:
    """Fields under a title. ``act`` makes of the values what is to be done, and may raise ``FormError``.

    Without ``act`` the form gives the values back. ``says`` stands above the fields.
    """

    title: str
    fields: Sequence[Field]
    act: Callable[[Values], Act] | None = None
    says: str = ""
    go: str = "Go on"


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form ended with: its values, and of a form with an act what was done and its reply."""

    values: Values
    act: Act | None = None
    reply: Any = None


class FormDialog(Dialog[Filled | None]):
    """Ends with ``Filled``; None: cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", key_display="esc"),
        Binding("ctrl+s", "submit", "Go on"),
    ]

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self._complaint = ""

    def compose(self) -> ComposeResult:
        """Fields one below the other."""
        with Vertical(id="form"):
            if self._form.says:
                yield Static(Text(clean(self._form.says, 600)), id="form-says", markup=False)
            with VerticalScroll(id="form-fields", can_focus=False):
                for field in self._form.fields:
                    yield make_field(field)
            yield Static(id="form-hint", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(f"{self._form.go}  ctrl+s", id="go", compact=True)

    def on_mount(self) -> None:
        """In the first field."""
        box = self.query_one("#form")
        box.border_title = Text(clean(self._form.title, 120))
        box.border_subtitle = "enter: next field, esc cancels"
        self._inputs()[0].take_focus()

    def _inputs(self) -> list[FieldInput]:
        return list(self.query(FieldInput))

    def values(self) -> Values:
        """As they stand."""
        return {one.field.name: one.value for one in self._inputs()}

    @on(Hint)
    def _hint(self, message: Hint) -> None:
        message.stop()
        # A field that was gone to because of what is wrong with it says that first.
        words, self._complaint = self._complaint, ""
        self._show(words or message.text, failed=bool(words))

    def _show(self, words: str, *, failed: bool = False) -> None:
        hint = self.query_one("#form-hint", Static)
        hint.set_class(failed, "-failed")
        hint.update(Text(clean(f"✖ {words}" if failed else words, 600)))

    @on(Next)
    def _next(self, message: Next) -> None:
        message.stop()
        inputs = self._inputs()
        here = next((i for i, one in enumerate(inputs) if one.has_focus_within), len(inputs) - 1)
        if here + 1 < len(inputs):
            inputs[here + 1].take_focus()
        else:
            self.action_submit()

    def _complain(self, name: str, words: str) -> None:
        wanted = next((one for one in self._inputs() if one.field.name == name), None)
        self._show(words, failed=True)
        if wanted is not None and not wanted.has_focus_within:
            self._complaint = words
            wanted.take_focus()

    @on(Button.Pressed, "#go")
    def action_submit(self) -> None:
        """Checks what can be checked here, then shows what it would do."""
        self._submit()

    @work(exclusive=True)
    async def _submit(self) -> None:
        for one in self.query(PickField):
            await one.settle()
        values = self.values()
        for field in self._form.fields:
            if field.required and not values[field.name]:
                self._complain(field.name, f"{field.label} is missing.")
                return
        if self._form.act is None:
            _ = self.dismiss(Filled(values))
            return
        try:
            act = self._form.act(values)
        except FormError as error:
            self._complain(error.name, str(error))
            return
        self._show("working …")
        reply = await self.app.push_screen_wait(ActDialog(act, in_form=True))
        if isinstance(reply, CallFailed):
            # The aggregator's errors begin with the field's name; here it is called as its label.
            first, _, rest = str(reply).partition(":")
            name = first.strip().casefold()
            label = next((field.label for field in self._form.fields if field.name == name), "")
            self._complain(name, f"{label}:{rest}" if label else str(reply))
        elif reply is not None:
            _ = self.dismiss(Filled(values, act, reply))
        else:
            self._show("Nothing was done.")

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        _ = self.dismiss(None)
