"""What all screens have in common: the frame, the keys, following the news, and doing things after a dry run."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.reactive import Reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from tui.desk import Desk
from tui.format import clean
from tui.messages import GoTo, Refreshed
from tui.preview import consequences
from tui.widgets.frame import KeyLine, NavBar, StatusBar

if TYPE_CHECKING:
    # Imported when they are asked for: the first screen is there sooner.
    from tui.dialogs.act import Act
    from tui.dialogs.form import Filled, Form

# News come in bursts; a screen asks once for all that arrive within this time,
NEWS_SECONDS = 0.5
# and not more often than this.
REFETCH_SECONDS_MIN = 2.0
# "3 min ago" is drawn anew this often.
REDRAW_SECONDS = 20.0
SAID_SECONDS = 6.0
# A screen that is new is painted when its figures are there, or after this time as it is then.
HELD_SECONDS = 0.1
SAID_CHARACTERS_MAX = 500


class LiveScreen(Screen[None]):
    """Asks when it comes on view, when what it shows changed, and on ``r``."""

    # Nouns whose change makes this screen ask again.
    NOUNS: ClassVar[frozenset[str]] = frozenset()
    # The main screen this belongs to, for the bar at the top.
    MAIN: ClassVar[str] = ""
    # Which call an action makes, "Service/Method": without the right to it the key is not offered and says why.
    NEEDS: ClassVar[dict[str, str]] = {"undo": "Admin/UndoAudit", "redo": "Admin/UndoAudit"}
    AUTO_FOCUS = ""
    # Textual's own paints the whole screen whenever the focus moves; what shows the focus does so itself.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (120, "-wide"), (160, "-vast")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "refetch", "Refresh", show=False),
        Binding("z", "undo", "Undo", show=False),
        Binding("Z", "redo", "Redo", show=False),
        Binding("escape", "up", "Up", key_display="esc"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._waiting: Timer | None = None
        self._asked_at: datetime | None = None
        self._missed = False
        self._held = True
        self._on_view = False

    def frame(self) -> tuple[NavBar, StatusBar, KeyLine]:
        """The lines that every screen has: main screens, connection, keys."""
        settings = self.desk.settings
        status = StatusBar(
            self.desk.clock,
            profile=settings.profile if settings is not None else "",
            production=settings is not None and settings.production,
            read_only=self.desk.read_only,
        )
        return NavBar(self.MAIN), status, KeyLine()

    def compose(self) -> ComposeResult:
        """The frame around the screen's own content."""
        bar, status, keys = self.frame()
        yield bar
        yield from self.content()
        yield status
        yield keys

    def content(self) -> ComposeResult:
        """What stands between the lines of the frame."""
        yield from ()

    def on_mount(self) -> None:
        """The first question follows from coming on view."""
        settings = self.desk.settings
        self.set_class(settings is not None and settings.production, "-production")
        self.set_interval(REDRAW_SECONDS, self.redraw)
        # Counted from when there is something to show.
        self.call_after_refresh(self.set_timer, HELD_SECONDS, self._let_go)

    def _let_go(self) -> None:
        """What is there now is the first that is painted."""
        if self._held:
            self._held = False
            self._compositor_refresh()

    def _compositor_refresh(self) -> None:
        # Textual paints after each of the steps in which a screen comes about; over a slow line each takes its time.
        if not self._held:
            super()._compositor_refresh()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """What was off view may be old."""
        if self._on_view:
            # Textual says it twice of a new screen.
            event.prevent_default()
            return
        self._on_view = True
        # Nothing but the size of the window may have become another meanwhile, and that is told for itself.
        event.refresh_styles = False
        self.show_link()
        if self.frozen():
            self._missed = True
        else:
            self.action_refetch()

    def on_screen_suspend(self) -> None:
        """Another is above it, or in its place."""
        self._on_view = False

    def ask(self) -> None:
        """Asks the aggregator for what is shown, in a worker."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draws what is shown again at the present time."""

    def frozen(self) -> bool:
        """Whether nothing may move now."""
        return False

    def thawed(self) -> None:
        """What was missed while nothing might move is asked for."""
        if self._missed and not self.frozen():
            self.action_refetch()

    def action_refetch(self) -> None:
        """Asks now."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        self._missed = False
        self._asked_at = self.desk.clock()
        self.ask()

    def news(self, nouns: frozenset[str]) -> None:
        """Something changed: asks soon, if it is shown here."""
        if not self.NOUNS & nouns or self._waiting is not None:
            return
        if self.frozen():
            self._missed = True
            return
        since = (
            (self.desk.clock() - self._asked_at).total_seconds() if self._asked_at else REFETCH_SECONDS_MIN
        )
        self._waiting = self.set_timer(max(NEWS_SECONDS, REFETCH_SECONDS_MIN - since), self._news_due)

    def _news_due(self) -> None:
        self._waiting = None
        if self.frozen():
            self._missed = True
        else:
            self.action_refetch()

    def action_up(self) -> None:
        """To the screen this was opened from; from a main screen to the dashboard."""
        if len(self.app.screen_stack) > 1:
            # Not awaited: this screen would wait for its own end.
            _ = self.dismiss()
        elif self.MAIN != "dashboard":
            self.post_message(GoTo("dashboard"))

    @on(Refreshed)
    def _refreshed(self) -> None:
        self.query_one(StatusBar).figures_at = self.desk.clock()
        if self._held:
            # First the rows are laid out, then the bar beside them.
            self.call_after_refresh(self.call_after_refresh, self._let_go)

    def show_link(self) -> None:
        """The status bar says how the connection is."""
        status = self.query_one(StatusBar)
        status.link, status.who = self.desk.link, self.desk.who

    # Who may do what.

    def refusal(self, action: str) -> str:
        """Why this may not be done here, in a sentence; empty: it may."""
        for base in type(self).__mro__:
            needs = vars(base).get("NEEDS", {})
            if action in needs:
                return self.desk.refusal(needs[action])
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Acts that this key may not do are not offered."""
        return not self.refusal(action)

    def on_key(self, event: events.Key) -> None:
        """A key that nothing took because it may not be used here says why."""
        for binding in self._bindings.key_to_bindings.get(event.key, []):
            refusal = self.refusal(binding.action)
            if refusal:
                event.stop()
                self.say(refusal)
                return

    # Doing things.

    def say(self, words: str, *, failed: bool = False) -> None:
        """A line that goes away by itself."""
        severity = "error" if failed else "information"
        self.notify(clean(words, SAID_CHARACTERS_MAX), severity=severity, timeout=SAID_SECONDS, markup=False)  # type: ignore[arg-type]

    def perform(self, act: "Act") -> None:
        """Shows what it would do, does it when the person says so, and says what it did."""
        from tui.dialogs.act import ActDialog

        def ended(reply: Any) -> None:
            if reply is not None:
                self.performed(act, reply)

        # At once, not in a worker: the next key is the dialog's.
        _ = self.app.push_screen(ActDialog(act), ended)

    def fill(self, form: "Form") -> None:
        """Shows a form; with an act, says what it did; else ``filled`` takes the values."""
        from tui.dialogs.form import FormDialog

        def ended(filled: "Filled | None") -> None:
            if filled is None:
                return
            if filled.act is not None:
                self.performed(filled.act, filled.reply)
            else:
                self.filled(form, filled.values)

        _ = self.app.push_screen(FormDialog(form), ended)

    def filled(self, form: "Form", values: dict[str, str]) -> None:
        """What to do with a form that has no act of its own."""
        raise NotImplementedError

    def performed(self, act: "Act", reply: Any) -> None:
        """Something was done: says so, and how it is taken back, and asks for what is shown anew."""
        words = act.done(reply) if act.done is not None else f"{act.title}: done."
        preview = getattr(reply, "preview", None)
        if preview is not None:
            words = " ".join([words, *consequences(preview)[:2]])
        if act.undoable and bool(getattr(reply, "audit_group", False)):
            words += " z takes it back."
        self.say(words)
        self.action_refetch()

    @work(group="act")
    async def action_undo(self) -> None:
        """Takes back the last act of this key that can be taken back; again: the one before."""
        await self._set_back(redo=False)

    @work(group="act")
    async def action_redo(self) -> None:
        """Does again what was taken back last."""
        await self._set_back(redo=True)

    async def _set_back(self, *, redo: bool) -> None:
        from tui.dialogs.act import ActDialog
        from tui.screens import undo

        found = await undo.find(self.desk, redo=redo)
        if isinstance(found, str):
            self.say(found)
            return
        reply = await self.app.push_screen_wait(ActDialog(found))
        if reply is not None:
            self.performed(found, reply)
