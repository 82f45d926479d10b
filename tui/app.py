"""The terminal program: keeps the connection, the main screens and the way between them."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import ClassVar

from textual import on, work
from textual._context import active_message_pump
from textual.actions import ActionParseResult
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.widget import Widget
from textual.worker import WorkerFailed, active_worker

from tui.catalogue import PLACES, WITH_DIGIT
from tui.client import Aggregator, AssetQuery, Changed, Connected, Lost
from tui.desk import Desk
from tui.failures import CallFailed
from tui.guard import Guard
from tui.in_order import InOrder
from tui.messages import (
    GoTo,
    Link,
    LinkChanged,
    News,
    OpenAsset,
    OpenAssets,
    OpenBucket,
    OpenClient,
    OpenPeriod,
    OpenReading,
    Refreshed,
    ShowText,
)
from tui.palette import Jump, JumpPalette
from tui.screens.live import LiveScreen
from tui.settings import Settings
from tui.theme import THEME

# After the first figures, before the other screens are made ready.
READY_SECONDS = 1.0
_GUARD = Guard()


def utc_now() -> datetime:
    """The program's clock."""
    return datetime.now(UTC)


class UllageApp(InOrder[None]):
    """Ends when the person says so or the terminal is gone, never because the aggregator is."""

    TITLE = "Ullage"
    CSS_PATH = "ullage.tcss"
    COMMANDS = {Jump}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(place.digit, f"main('{place.name}')", f"{place.title} screen", show=False)
            for place in WITH_DIGIT
        ),
        Binding("colon", "command_palette", "Jump", key_display=":"),
        Binding("ctrl+p", "command_palette", "Jump", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        aggregator: Aggregator,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__()
        self.desk = Desk(aggregator, clock, Link("connecting", clock()), settings)
        self._changed: set[str] = set()
        self._at_home = False
        # With the program's own theme from the start, styles are read once.
        self.register_theme(THEME)
        self.theme = self._styled = os.environ.get("TEXTUAL_THEME", THEME.name)
        self.stylesheet.set_variables(self.get_css_variables())
        for place in PLACES:
            self.add_mode(place.name, partial(place.make, self.desk))

    def on_load(self) -> None:
        """The news first, because they dial, which goes on while styles are read and the first screen comes about."""
        self._watch()

    async def on_mount(self) -> None:
        """The dashboard first."""
        await self.switch_mode("dashboard")

    def refresh_css(self, animate: bool = True) -> None:
        """Textual reads all styles anew for every screen that is opened; they differ by the theme alone."""
        if self.theme != self._styled:
            self._styled = self.theme
            super().refresh_css(animate)

    def delay_update(self, delay: float = 0.05) -> None:
        """For the palette alone, not at every switch: ``LiveScreen`` knows when its picture is whole."""
        if isinstance(self.screen, CommandPalette):
            super().delay_update(delay)

    def action_command_palette(self) -> None:
        """Not a second one above it."""
        if not isinstance(self.screen, JumpPalette):
            _ = self.push_screen(JumpPalette())

    @on(Refreshed)
    def _figures_came(self) -> None:
        if not self._at_home:
            self._at_home = True
            self.set_timer(READY_SECONDS, self._make_ready)

    @work(group="ready")
    async def _make_ready(self) -> None:
        """Imports the other main screens, one after another beside the event loop, before they are asked for."""
        for place in PLACES:
            module, _, _ = place.made_by.partition(":")
            await asyncio.to_thread(import_module, f"tui.screens.{module}")

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Nothing on a screen that has no parts yet, or none any more: a key may rise to here while screens change."""
        part = default_namespace
        if isinstance(part, Widget) and (part._pruning or not part.is_mounted):
            return False
        return await super().run_action(action, default_namespace, namespaces)

    def _handle_exception(self, error: Exception) -> None:
        # Textual still gives a screen that is taken away what was on its way to it, when its parts are gone already.
        part = active_worker.get().node if isinstance(error, WorkerFailed) else active_message_pump.get(None)
        if not (isinstance(part, DOMNode) and part._pruning):
            super()._handle_exception(error)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Lines of all widgets go by the guard last."""
        return [*super().get_line_filters(), _GUARD]

    # The connection.

    @work(exclusive=True, group="watch")
    async def _watch(self) -> None:
        async for event in self.desk.aggregator.watch():
            match event:
                case Connected():
                    self.post_message(LinkChanged(Link("live", self.desk.clock())))
                    await self._learn_who()
                case Lost(attempt, reason):
                    held = self.desk.link
                    since = held.since if held.state == "lost" else self.desk.clock()
                    self.post_message(LinkChanged(Link("lost", since, attempt, reason)))
                case Changed(noun):
                    self._changed.add(noun)
                    self.post_message(News())

    async def _learn_who(self) -> None:
        try:
            identity = await self.desk.aggregator.who_am_i()
        except CallFailed:
            return
        self.desk.identity = identity
        self.desk.who = f"{identity.key_name} ({identity.role}) at {self.desk.aggregator.address}"
        self._show_link()
        if identity.role == "client" and self.current_mode == "dashboard":
            # It sees its own client alone, and that is no dashboard.
            self.post_message(GoTo("billing"))

    def on_link_changed(self, message: LinkChanged) -> None:
        """Every screen says it; the one on view asks again when the connection is back."""
        back = message.link.state == "live" and self.desk.link.state == "lost"
        self.desk.link = message.link
        self._show_link()
        if back and self.is_running and isinstance(self.screen, LiveScreen):
            self.screen.action_refetch()

    def _show_link(self) -> None:
        if not self.is_running:
            # While the program ends its screens lose one part after another.
            return
        for screen in self.screen_stack:
            if isinstance(screen, LiveScreen) and screen.is_mounted:
                screen.show_link()
                screen.refresh_bindings()

    def on_news(self) -> None:
        """The screen on view decides whether it matters."""
        nouns = frozenset(self._changed)
        self._changed.clear()
        for screen in self.screen_stack:
            if isinstance(screen, LiveScreen) and screen.is_current:
                screen.news(nouns)

    # The way between screens.

    def action_main(self, name: str) -> None:
        """A digit."""
        self.post_message(GoTo(name))

    @on(GoTo)
    async def _go_to(self, message: GoTo) -> None:
        await self.switch_mode(message.screen)
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        screen = self.screen
        if message.assets is not None:
            from tui.screens.assets import AssetsScreen

            if isinstance(screen, AssetsScreen):
                screen.restrict(message.assets)
        elif message.search:
            from tui.screens.listing import ListScreen

            if isinstance(screen, ListScreen):
                screen.search_for(message.search)

    @on(OpenClient)
    async def _open_client(self, message: OpenClient) -> None:
        from tui.screens.client import ClientScreen

        await self.push_screen(ClientScreen(self.desk, message.client_id, message.name, message.bucket_id))

    @on(OpenAsset)
    async def _open_asset(self, message: OpenAsset) -> None:
        from tui.screens.asset import AssetScreen

        await self.push_screen(AssetScreen(self.desk, message.asset_id, message.name))

    @on(OpenBucket)
    async def _open_bucket(self, message: OpenBucket) -> None:
        from tui.screens.bucket import BucketScreen

        await self.push_screen(BucketScreen(self.desk, message.bucket))

    @on(OpenAssets)
    async def _open_assets(self, message: OpenAssets) -> None:
        from tui.screens.assets import AssetsScreen

        query = AssetQuery(client_id=message.client_id)
        await self.push_screen(AssetsScreen(self.desk, query, message.client_name))

    @on(OpenReading)
    async def _open_reading(self, message: OpenReading) -> None:
        from tui.screens.reading import ReadingScreen

        await self.push_screen(ReadingScreen(self.desk, message.reading))

    @on(OpenPeriod)
    async def _open_period(self, message: OpenPeriod) -> None:
        from tui.screens.checklist import ChecklistScreen

        await self.push_screen(ChecklistScreen(self.desk, message.period))

    @on(ShowText)
    async def _show_text(self, message: ShowText) -> None:
        from tui.dialogs.shown import TextDialog

        await self.push_screen(TextDialog(message.title, message.lines, copies=message.copies))

    def copy(self, text: str) -> None:
        """Puts a text on the person's clipboard by way of the terminal, and says so: no terminal tells whether it did."""
        from tui.clipboard import copy_sequence

        sequence, said = copy_sequence(text, os.environ)
        if sequence and self._driver is not None:
            self._driver.write(sequence)
        self.notify(said, timeout=6, markup=False)

    def action_help_quit(self) -> None:
        """Ctrl+C ends the program, as it ends every other in a terminal; with text selected it copies that instead."""
        self.exit()

    async def action_help(self) -> None:
        """The keys that work on the screen on view."""
        from tui.screens.help import HelpScreen, groups

        await self.push_screen(HelpScreen(groups(self.screen)))
