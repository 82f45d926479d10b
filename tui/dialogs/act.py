"""One thing that somebody is about to do: what it would do first, Cancel beforehand, then what it did.

The key that confirms is never the key that asked, and enter alone cancels: a key held too long changes nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from tui.dialogs.modal import Dialog
from tui.failures import CallFailed
from tui.format import clean
from tui.preview import line_words, totals

SENTENCE_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """How an act is called: ``dry_run`` first, then with the number of assets that the dry run asks to confirm."""

    dry_run: bool = False
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be done. ``call`` does it and gives the aggregator's reply.

    ``dry``: the call knows a dry run, whose reply ``shows`` makes lines of. Without one, ``warns`` says what it means.
    ``word`` must be typed for what cannot be taken back. ``asks`` False does it at once: it costs nothing and is easily
    undone. ``done`` makes the sentence about what it did; ``undoable`` adds how it is taken back.
    """

    title: str
    call: Callable[[Trial], Awaitable[Any]]
    dry: bool = True
    warns: str = ""
    word: str = ""
    asks: bool = True
    undoable: bool = True
    done: Callable[[Any], str] | None = None
    shows: Callable[[Any], Sequence[str]] | None = None


def preview_lines(reply: Any) -> list[str]:
    """The preview of a dry run's reply: sentences, then what happens to whom."""
    preview = reply.preview
    lines = [*totals(preview)]
    if preview.lines:
        lines += ["", *(line_words(line) for line in preview.lines)]
    if preview.lines_total > len(preview.lines):
        lines.append(f"… and {preview.lines_total - len(preview.lines):,} more lines.")
    return lines


class ActDialog(Dialog[Any]):
    """Ends with the reply to the call; with None when it was cancelled; for a form, with the error that it got."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "do", "Do it"),
        Binding("n,escape", "cancel", "Cancel", key_display="esc"),
        Binding("left,right,h,l", "swap", "Other button", show=False),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, act: Act, *, in_form: bool = False) -> None:
        super().__init__()
        self._act = act
        self._in_form = in_form
        self._word = act.word
        self._confirmed = 0
        # Whether everything is known that has to be known before doing it.
        self._ready = False
        self._working = False

    def compose(self) -> ComposeResult:
        """Title, what it does, what to type if anything, two buttons."""
        with Vertical(id="dialog"):
            with VerticalScroll(id="dialog-body", can_focus=False):
                yield Static(Text("… working out what it would do"), id="dialog-text", markup=False)
            yield Static(id="dialog-ask", markup=False)
            yield Input(id="dialog-word", compact=True, max_length=200)
            with Horizontal(id="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Do it  y", id="do", compact=True)

    def on_mount(self) -> None:
        """Asks what it would do; without a dry run, or a question, goes on at once."""
        dialog = self.query_one("#dialog")
        dialog.border_title = Text(clean(self._act.title, 120))
        dialog.border_subtitle = "esc cancels"
        self.query_one("#dialog-word").display = False
        self.query_one("#dialog-ask").display = False
        # What would be done is read before it can be said.
        self.query_one("#do").display = False
        self.query_one("#cancel").focus()
        if self._act.dry:
            self._try()
        elif self._act.asks:
            self._offer([self._act.warns or "This takes effect at once."])
        else:
            self._do()

    @work(exclusive=True, group="act")
    async def _try(self) -> None:
        try:
            reply = await self._act.call(Trial(dry_run=True))
        except CallFailed as error:
            self._fail(error)
            return
        lines = list((self._act.shows or preview_lines)(reply))
        if self._act.warns:
            lines.append(self._act.warns)
        preview = getattr(reply, "preview", None)
        self._confirmed = preview.confirm_assets if preview is not None else 0
        if self._confirmed and not self._word:
            lines.append(f"This concerns {self._confirmed:,} assets, more than a tenth of all.")
            self._word = str(self._confirmed)
        if getattr(reply, "changed", 1) == 0:
            self._say([*lines, "Nothing would change."])
            return
        self._offer(lines)

    def _say(self, lines: Sequence[str], *, failed: bool = False) -> None:
        text = Text("\n").join([Text(clean(line, SENTENCE_CHARACTERS_MAX)) for line in lines])
        body = self.query_one("#dialog-text", Static)
        body.set_class(failed, "-failed")
        body.update(text)

    def _offer(self, lines: Sequence[str]) -> None:
        self._say(lines)
        # What was typed before this is on view does not confirm it.
        self.call_after_refresh(self._let_do)

    def _let_do(self) -> None:
        self._ready = True
        if self._word:
            ask = self.query_one("#dialog-ask", Static)
            ask.update(Text(f"Type {clean(self._word)} and press enter to do it; esc cancels."))
            ask.display = self.query_one("#dialog-word").display = True
            self.query_one("#dialog-word").focus()
        else:
            self.query_one("#do").display = True

    def _fail(self, error: CallFailed) -> None:
        if self._in_form:
            _ = self.dismiss(error)
            return
        self._working = self._ready = False
        self._say([f"✖ {error}"], failed=True)
        self.query_one("#do").display = False
        self.query_one("#dialog-word").display = self.query_one("#dialog-ask").display = False
        self.query_one("#cancel", Button).label = "Close"
        self.query_one("#cancel").focus()

    def action_do(self) -> None:
        """Does it, once it is known what it would do and nothing has to be typed."""
        if self._ready and not self._word and not self._working:
            self._do()

    @on(Input.Submitted, "#dialog-word")
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if self._working or not self._ready:
            return
        if event.value.strip() == self._word:
            self._do()
        else:
            self.query_one("#dialog-ask", Static).update(
                Text(f"That is not it. Type {clean(self._word)} to do it; esc cancels.")
            )

    @work(exclusive=True, group="act")
    async def _do(self) -> None:
        self._working = True
        self.query_one("#dialog").border_subtitle = "working …"
        try:
            reply = await self._act.call(Trial(confirmed=self._confirmed))
        except CallFailed as error:
            self.query_one("#dialog").border_subtitle = "esc closes"
            self._fail(error)
            return
        _ = self.dismiss(reply)

    @on(Button.Pressed, "#do")
    def _pressed_do(self) -> None:
        self.action_do()

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Nothing is done; what is under way already cannot be called back."""
        if not self._working:
            _ = self.dismiss(None)

    def action_swap(self) -> None:
        """From one button to the other."""
        self.focus_next(Button)

    def action_scroll(self, step: int) -> None:
        """By a line."""
        self.query_one("#dialog-body").scroll_relative(y=step, animate=False)
