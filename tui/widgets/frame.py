"""The lines around every screen: the main screens at the top, the state of the connection at the bottom."""

from collections.abc import Callable
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import reactive
from textual.widgets import Static

from tui.format import ago, clean, cut
from tui.format import clock as clock_time
from tui.messages import GoTo, Link

# Digit, name, title: the order of the keys.
MAIN_SCREENS = (
    ("1", "dashboard", "Dashboard"),
    ("2", "clients", "Clients"),
    ("3", "assets", "Assets"),
    ("4", "unbound", "Unbound"),
    ("5", "buckets", "Buckets"),
)


CRUMB_CELLS_MAX = 40


class _Tab(Static):
    """One main screen; a click goes there."""

    def __init__(self, digit: str, screen_name: str, title: str, *, active: bool) -> None:
        super().__init__(Text.assemble((digit, "dim" if not active else ""), " ", title), classes="tab")
        self._screen_name = screen_name
        self.set_class(active, "-active")

    def on_click(self) -> None:
        """As its digit does."""
        self.post_message(GoTo(self._screen_name))


class NavBar(Horizontal):
    """The main screens with their digits, the one on view marked."""

    def __init__(self, active: str) -> None:
        super().__init__()
        self._active = active

    def compose(self) -> ComposeResult:
        """Tabs to the left, the program's name to the right."""
        for digit, name, title in MAIN_SCREENS:
            yield _Tab(digit, name, title, active=name == self._active)
        yield Static("ullage", id="brand")


class Crumbs(Static):
    """The way from the main screen to what is shown; ``esc`` goes back along it."""

    def __init__(self, *steps: str) -> None:
        super().__init__(markup=False, classes="list-title")
        self.show(*steps)

    def show(self, *steps: str) -> None:
        """Names are cleaned and cut, the last one is bold."""
        line = Text(" › ", no_wrap=True, overflow="ellipsis", end="").join(
            [Text(cut(step, CRUMB_CELLS_MAX), "bold" if step is steps[-1] else "") for step in steps]
        )
        self.update(line)


class StatusBar(Static):
    """Connection, who we are, and as of when the figures are."""

    link: reactive[Link | None] = reactive(None)
    figures_at: reactive[datetime | None] = reactive(None)
    who: reactive[str] = reactive("")

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(markup=False)
        self._clock = clock

    def on_mount(self) -> None:
        """Ages grow."""
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        # While all is well the line says nothing that ages: an idle screen writes nothing to the terminal.
        if self.link is not None and self.link.state != "live":
            self.refresh()

    def watch_link(self) -> None:
        """Colour beside the words, never instead of them."""
        state = self.link.state if self.link else "connecting"
        self.set_class(state == "lost", "-lost")

    def render(self) -> Text:
        """One line; who we are goes first when there is no room."""
        link = self.link
        line = Text(no_wrap=True, overflow="ellipsis")
        if link is None or link.state == "connecting":
            line.append("◌ connecting", "bold")
        elif link.state == "live":
            line.append("● live", "bold")
        else:
            line.append("✖ connection lost", "bold")
            line.append(f" {ago(link.since, self._clock())}, reconnecting (attempt {link.attempt})", "bold")
        at = f"as of {clock_time(self.figures_at)} UTC" if self.figures_at is not None else ""
        who = f"  {clean(self.who)}" if self.who and (link is None or link.state != "lost") else ""
        room = self.size.width - line.cell_len - 2
        if cell_len(who) + len(at) <= room:
            line.append(who, "dim")
        gap = self.size.width - line.cell_len - len(at)
        if at:
            line.append(" " * max(gap, 2) + at, "" if link and link.state == "lost" else "dim")
        return line
