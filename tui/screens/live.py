"""What all screens have in common: the frame, the keys, and that they follow the news while they are on view."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer

from tui.client import Aggregator
from tui.messages import GoTo, Link, Refreshed
from tui.widgets.frame import NavBar, StatusBar
from tui.widgets.list_table import ListTable

# News come in bursts; a screen asks once for all that arrive within this time,
NEWS_SECONDS = 0.5
# and not more often than this.
REFETCH_SECONDS_MIN = 2.0
# "3 min ago" is drawn anew this often.
REDRAW_SECONDS = 20.0


@dataclass(slots=True)
class Desk:
    """What the screens work with and what they all show: the aggregator, a clock (aware, UTC), the connection."""

    aggregator: Aggregator
    clock: Callable[[], datetime]
    link: Link
    # Key, role and address, once the aggregator has said it.
    who: str = ""


class LiveScreen(Screen[None]):
    """Asks when it comes on view, when what it shows changed, and on ``r``."""

    # Nouns whose change makes this screen ask again.
    NOUNS: ClassVar[frozenset[str]] = frozenset()
    # The main screen this belongs to, for the bar at the top.
    MAIN: ClassVar[str] = ""
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (120, "-wide"), (160, "-vast")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "refetch", "Refresh", show=False),
        Binding("escape", "up", "Up", key_display="esc"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._waiting: Timer | None = None
        self._asked_at: datetime | None = None

    def frame(self, *, main: str) -> tuple[NavBar, StatusBar, Footer]:
        """The lines that every screen has: main screens, connection, keys."""
        return NavBar(main), StatusBar(self.desk.clock), Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The first question follows from coming on view."""
        self.set_interval(REDRAW_SECONDS, self.redraw)

    def on_screen_resume(self) -> None:
        """What was off view may be old."""
        self.show_link()
        self.action_refetch()

    def ask(self) -> None:
        """Asks the aggregator for what is shown, in a worker."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draws what is shown again at the present time."""

    def action_refetch(self) -> None:
        """Asks now."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        self._asked_at = self.desk.clock()
        self.ask()

    def news(self, nouns: frozenset[str]) -> None:
        """Something changed: asks soon, if it is shown here."""
        if not self.NOUNS & nouns or self._waiting is not None:
            return
        since = (
            (self.desk.clock() - self._asked_at).total_seconds() if self._asked_at else REFETCH_SECONDS_MIN
        )
        self._waiting = self.set_timer(max(NEWS_SECONDS, REFETCH_SECONDS_MIN - since), self.action_refetch)

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

    def show_link(self) -> None:
        """The status bar says how the connection is."""
        status = self.query_one(StatusBar)
        status.link, status.who = self.desk.link, self.desk.who

    def link_changed(self) -> None:
        """A connection that came back brings fresh figures."""
        self.show_link()
        if self.desk.link.state == "live":
            self.action_refetch()


class ListScreen(LiveScreen):
    """A screen around one list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Reverse order", show=False),
        Binding("right_square_bracket", "turn(1)", "Next page", key_display="]", show=False),
        Binding("left_square_bracket", "turn(-1)", "Previous page", key_display="[", show=False),
    ]

    @property
    def table(self) -> ListTable[Any]:
        """The list."""
        return self.query_one(ListTable)

    def compose(self) -> ComposeResult:
        """Frame, what stands above the list, the list."""
        bar, status, footer = self.frame(main=self.MAIN)
        yield bar
        yield from self.above()
        yield self.make_list()
        yield status
        yield footer

    def above(self) -> ComposeResult:
        """Widgets above the list."""
        yield from ()

    def make_list(self) -> ListTable[Any]:
        """The list itself."""
        raise NotImplementedError

    def ask(self) -> None:
        """For the page on view."""
        self.table.refetch()

    def redraw(self) -> None:
        """Relative times grow."""
        self.table.redraw()

    def action_filter(self) -> None:
        """Opens the filter line."""
        self.table.open_filter()

    def action_sort(self) -> None:
        """The next order."""
        self.table.sort_next()

    def action_reverse(self) -> None:
        """The order reversed."""
        self.table.reverse()

    def action_turn(self, step: int) -> None:
        """Another page."""
        self.table.turn(step)

    def action_up(self) -> None:
        """First clears the filter, then leaves."""
        if not self.table.clear_filter():
            super().action_up()
