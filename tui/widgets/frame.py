"""The lines around every screen: the main screens at the top, connection and keys at the bottom."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import ActiveBinding, BindingsMap
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Static

from tui.catalogue import PLACES, WITH_DIGIT
from tui.format import ago, clean, cut
from tui.format import clock as clock_time
from tui.messages import GoTo, Link

CRUMB_CELLS_MAX = 40
BRAND = "ullage"


class NavBar(Static):
    """The main screens with their digits, the one on view marked. One line, drawn as a whole: few bytes over a slow link."""

    def __init__(self, active: str) -> None:
        super().__init__(markup=False)
        self._active = active
        # Where each title ends, for the mouse.
        self._ends: list[tuple[int, str]] = []

    def on_resize(self) -> None:
        """Titles get shorter where there is little room."""
        self.refresh()

    def _titles(self, width: int) -> list[str]:
        """The longest that fit: titles, short titles, or digits alone beside the title of the screen on view."""
        for titles in (
            [f"{place.digit} {place.title}" for place in WITH_DIGIT],
            [f"{place.digit} {place.short}" for place in WITH_DIGIT],
            [f"{place.digit}{place.short}" for place in WITH_DIGIT],
        ):
            if sum(cell_len(title) + 2 for title in titles) <= width:
                return [f" {title} " for title in titles]
            if sum(cell_len(title) + 1 for title in titles) <= width:
                return [f"{title} " for title in titles]
        return [f" {p.digit} {p.short} " if p.name == self._active else f" {p.digit} " for p in WITH_DIGIT]

    def render(self) -> Text:
        """A screen without a digit is named at the end."""
        line = Text(no_wrap=True, overflow="crop", end="")
        self._ends = []
        for place, title in zip(WITH_DIGIT, self._titles(self.size.width), strict=True):
            line.append(title, "reverse bold" if place.name == self._active else "")
            self._ends.append((line.cell_len, place.name))
        other = next((p.title for p in PLACES if p.name == self._active and not p.digit), "")
        end = f" {other} " if other else BRAND
        if line.cell_len + cell_len(end) + 1 <= self.size.width:
            line.append(" " * (self.size.width - line.cell_len - cell_len(end)))
            line.append(end, "reverse bold" if other else "italic")
        return line

    def on_click(self, event: events.Click) -> None:
        """As its digit does."""
        for end, name in self._ends:
            if event.x < end:
                self.post_message(GoTo(name))
                return


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
        self.update(line, layout=not self.is_mounted)


class StatusBar(Static):
    """Connection, who we are, and as of when the figures are. In production that word stands first, on every screen."""

    link: reactive[Link | None] = reactive(None)
    figures_at: reactive[datetime | None] = reactive(None)
    who: reactive[str] = reactive("")

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        profile: str = "",
        production: bool = False,
        read_only: bool = False,
    ) -> None:
        super().__init__(markup=False)
        self._clock = clock
        self._profile = profile
        self._production = production
        self._read_only = read_only

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

    def _where(self) -> Text:
        line = Text()
        if self._production:
            line.append(" PRODUCTION ", "bold reverse")
            line.append(" ")
        if self._profile:
            line.append(f"{clean(self._profile, 24)}  ", "bold")
        if self._read_only:
            line.append("read-only  ", "bold")
        return line

    def render(self) -> Text:
        """One line; who we are goes first when there is no room."""
        link = self.link
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append_text(self._where())
        if link is None or link.state == "connecting":
            line.append("◌ connecting", "bold")
        elif link.state == "live":
            line.append("● live", "bold")
        else:
            line.append("✖ connection lost", "bold")
            line.append(f" {ago(link.since, self._clock())}, reconnecting (attempt {link.attempt})", "bold")
        at = f"as of {clock_time(self.figures_at)} UTC" if self.figures_at is not None else ""
        if self.who and (link is None or link.state != "lost"):
            room = self.size.width - line.cell_len - len(at) - 2
            # Where we are has a name in the profile: whose key it is says more.
            for who in (f"  {clean(self.who)}", f"  {clean(self.who).partition(' at ')[0]}"):
                if cell_len(who) <= room:
                    line.append(who, "dim")
                    break
        gap = self.size.width - line.cell_len - len(at)
        if at:
            line.append(" " * max(gap, 2) + at, "" if link and link.state == "lost" else "dim")
        return line


@lru_cache(maxsize=256)
def _own_keys(base: type) -> frozenset[str]:
    """The keys that this class itself binds."""
    return frozenset(BindingsMap(vars(base).get("BINDINGS", ())).key_to_bindings)


class KeyLine(Static):
    """The keys of the screen on view, as many as there is room for; ``?`` for all of them always stands at the end."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._keys: list[tuple[str, str]] = []

    def on_mount(self) -> None:
        """Follows the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._read()

    def on_unmount(self) -> None:
        """Nobody listens any more."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.is_attached:
            self._read()

    def _read(self) -> None:
        keys: dict[str, str] = {}
        for active in sorted(self.screen.active_bindings.values(), key=self._rank):
            binding = active.binding
            if binding.show and binding.description and binding.key != "question_mark":
                keys.setdefault(binding.description, self.app.get_key_display(binding))
        found = [(key, description) for description, key in keys.items()]
        if found != self._keys:
            self._keys = found
            self.refresh()

    def _rank(self, active: ActiveBinding) -> int:
        """First what the focus is on, then the screen's own keys, then those it shares with others, then the program's."""
        if active.node is not self.screen:
            return -1 if active.node is not self.app else len(type(self.screen).__mro__)
        bases = enumerate(type(self.screen).__mro__)
        return next((at for at, base in bases if active.binding.key in _own_keys(base)), 0)

    def render(self) -> Text:
        """Key and word; what has no room is behind ``?``."""
        line = Text(no_wrap=True, overflow="crop", end="")
        last = Text.assemble(("?", "bold"), " all keys")
        room = self.size.width - last.cell_len - 2
        for key, description in self._keys:
            part = Text.assemble((key, "bold"), f" {description}  ")
            if line.cell_len + part.cell_len > room:
                break
            line.append_text(part)
        line.append(" " * max(self.size.width - line.cell_len - last.cell_len - 1, 0))
        return line.append_text(last)
