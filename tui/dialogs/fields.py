"""The fields of a form: free text, one of a few values, or one thing that the aggregator finds by a part of its name."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.failures import CallFailed
from tui.format import clean, cut

# A value and what is shown for it.
Found = tuple[str, str]
HITS_SHOWN = 5
TYPING_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form. ``name`` is what the aggregator's errors call it; every value is a text.

    ``choices`` makes it one of these (values with labels); ``search`` one of what that finds for a part of a name, with
    ``shown`` the label of the first value. Else it is free text. ``hint`` is said while the field has the focus.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    choices: Sequence[Found] = ()
    search: Callable[[str], Awaitable[Sequence[Found]]] | None = None
    shown: str = ""
    required: bool = False


class Hint(Message):
    """A field took the focus and says what belongs in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class Next(Message):
    """Enter in a field: on to the next one."""


class FieldInput(Vertical):
    """A label and the means to fill it in."""

    def __init__(self, field: Field) -> None:
        super().__init__(classes="field")
        self.field = field

    @property
    def value(self) -> str:
        """As it would be sent."""
        raise NotImplementedError

    def take_focus(self) -> None:
        """Puts the cursor in."""
        raise NotImplementedError

    def on_descendant_focus(self) -> None:
        """The form shows the hint."""
        self.post_message(Hint(self.field.hint))

    def label(self) -> Static:
        """To the left of the value."""
        return Static(Text(cut(self.field.label, 20), no_wrap=True), classes="field-label", markup=False)


class TextField(FieldInput):
    """Free text."""

    def compose(self) -> ComposeResult:
        """One line."""
        yield self.label()
        yield Input(
            self.field.value, compact=True, max_length=1000, classes="field-input", select_on_focus=False
        )

    @property
    def value(self) -> str:
        """Without spaces around it."""
        return self.query_one(Input).value.strip()

    def take_focus(self) -> None:
        """At the end of the text."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(Next())


class _Choice(Static, can_focus=True):
    """``‹ value ›``; left and right, space or a first letter change it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,l", "turn(1)", "Next value", show=False),
        Binding("left,h", "turn(-1)", "Previous value", show=False),
        Binding("enter", "next", "Next field", show=False),
    ]

    def __init__(self, field: Field) -> None:
        super().__init__(classes="field-choice", markup=False)
        self._choices = list(field.choices)
        self._at = next((i for i, (value, _) in enumerate(self._choices) if value == field.value), 0)

    @property
    def value(self) -> str:
        """The one chosen."""
        return self._choices[self._at][0]

    def render(self) -> Text:
        """The arrows say that there are others."""
        return Text(f"‹ {clean(self._choices[self._at][1], 60)} ›", no_wrap=True)

    def action_turn(self, step: int) -> None:
        """To the next or the one before, around the end."""
        self._at = (self._at + step) % len(self._choices)
        self.refresh()

    def action_next(self) -> None:
        """As in every field."""
        self.post_message(Next())

    def on_key(self, event: events.Key) -> None:
        """The next value that begins with that letter."""
        if event.character is None or not event.character.isalnum():
            return
        for offset in range(1, len(self._choices) + 1):
            at = (self._at + offset) % len(self._choices)
            if self._choices[at][1].casefold().startswith(event.character.casefold()):
                self._at = at
                self.refresh()
                event.stop()
                return


class ChoiceField(FieldInput):
    """One of a few."""

    def compose(self) -> ComposeResult:
        """On one line."""
        yield self.label()
        yield _Choice(self.field)

    @property
    def value(self) -> str:
        """One of the field's values."""
        return self.query_one(_Choice).value

    def take_focus(self) -> None:
        """On the value."""
        self.query_one(_Choice).focus()


class PickField(FieldInput):
    """A part of a name, and below it what the aggregator finds; the first is taken unless another is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next hit", show=False),
        Binding("up", "move(-1)", "Previous hit", show=False),
    ]

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._value = field.value
        self._shown = field.shown
        self._hits: list[Found] = []
        self._at = 0
        self._typing: Timer | None = None
        self._asked = ""

    def compose(self) -> ComposeResult:
        """The hits are there only while they are wanted."""
        yield self.label()
        yield Input(self._shown, compact=True, max_length=200, classes="field-input")
        yield Static(classes="field-hits", markup=False)

    def on_mount(self) -> None:
        """No hits yet."""
        self.query(".field-hits").set(display=False)

    @property
    def value(self) -> str:
        """That of the hit chosen; empty while nothing is."""
        return self._value

    def take_focus(self) -> None:
        """Everything is selected: typing replaces it."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value == self._shown:
            return
        self._value = ""
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_SECONDS, self._look)

    def on_descendant_focus(self) -> None:
        """The first hits are there before anything is typed; the hint is the base class's."""
        if not self._value:
            self._look()

    @work(exclusive=True)
    async def _look(self) -> None:
        await self._find()

    async def _find(self) -> None:
        wanted = self.query_one(Input).value.strip()
        assert self.field.search is not None  # noqa: S101 - made for fields with one
        try:
            hits = list(await self.field.search(wanted))[:HITS_SHOWN]
        except CallFailed as error:
            self._show_line(f"✖ {error}")
            return
        self._hits, self._at, self._asked = hits, 0, wanted
        self._draw()

    async def settle(self) -> None:
        """Takes what the text finds, also when it was typed quicker than it was looked for."""
        wanted = self.query_one(Input).value.strip()
        if wanted and not self._value and wanted != self._asked:
            await self._find()
        self.take()

    def _show_line(self, line: str) -> None:
        hits = self.query_one(".field-hits", Static)
        hits.update(Text(clean(line, 200)))
        hits.display = True

    def _draw(self) -> None:
        if not self._hits:
            self._show_line(f"nothing matches “{self._asked}”" if self._asked else "there is none")
            return
        lines = [
            Text.assemble(
                "▸ " if at == self._at else "  ", (clean(label, 70), "bold" if at == self._at else "")
            )
            for at, (_, label) in enumerate(self._hits)
        ]
        hits = self.query_one(".field-hits", Static)
        hits.update(Text("\n").join(lines))
        hits.display = True

    def action_move(self, step: int) -> None:
        """Another hit."""
        if self._hits:
            self._at = (self._at + step) % len(self._hits)
            self._draw()

    def take(self) -> None:
        """Takes the hit under the cursor, if something was typed that found one."""
        if self._value or not self._hits or not (self.query_one(Input).value.strip() or self.field.required):
            return
        if self._asked != self.query_one(Input).value.strip():
            return
        self._value, self._shown = self._hits[self._at]
        self.query_one(Input).value = self._shown
        self.query_one(".field-hits").display = False

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self._go_on()

    @work(exclusive=True)
    async def _go_on(self) -> None:
        await self.settle()
        self.post_message(Next())

    def on_descendant_blur(self) -> None:
        """Leaving takes the hit too; not when the form itself is going, part after part."""
        if self.query(Input) and self.query(".field-hits"):
            self.take()
            self.query_one(".field-hits").display = False


def make_field(field: Field) -> Widget:
    """The widget for a field."""
    return PickField(field) if field.search else ChoiceField(field) if field.choices else TextField(field)
