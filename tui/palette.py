"""``:`` and ctrl+p: jump to a screen, filtered if more words follow, or to a thing by a part of its name.

``client brook`` and ``asset web-`` ask the aggregator; without such a word screens are found at once and everything
else from two characters on.
"""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

from textual import on
from textual.await_complete import AwaitComplete
from textual.command import (
    Command,
    CommandInput,
    CommandList,
    CommandPalette,
    DiscoveryHit,
    Hit,
    Hits,
    Provider,
)
from textual.message import Message
from textual.widgets import Input

from tui.catalogue import PLACES, Place
from tui.client import Aggregator, AssetQuery, Page
from tui.failures import CallFailed
from tui.format import clean, cut, text
from tui.messages import GoTo, OpenAsset, OpenBucket, OpenClient
from tui.screens.live import LiveScreen

HITS_MAX = 8
NAME_CELLS_MAX = 40
SEARCH_CHARACTERS_MIN = 2
# Between two keys: the palette asks anew at each.
TYPING_SECONDS = 0.2
_NOUNS = ("client", "asset", "bucket")


def _help(place: Place) -> str:
    return f"{place.about}, key {place.digit}" if place.digit else place.about


def named(word: str) -> Place | None:
    """The screen that a first word means: its name or a beginning of it, one number or the other."""
    wanted = word.casefold().replace("_", "-")
    if len(wanted) < SEARCH_CHARACTERS_MIN:
        return None
    for place in PLACES:
        names = {place.name, place.title.casefold().replace(" ", "-")}
        if wanted in names or f"{wanted}s" in names:
            return place
    return next((place for place in PLACES if place.name.startswith(wanted)), None)


class Jump(Provider):
    """Hits of the palette."""

    @property
    def _aggregator(self) -> Aggregator:
        assert isinstance(self.screen, LiveScreen)  # noqa: S101 - the palette opens on no other
        return self.screen.desk.aggregator

    def _go(self, message: Message) -> None:
        self.app.post_message(message)

    async def discover(self) -> Hits:
        """Before anything is typed: the main screens."""
        for place in PLACES:
            yield DiscoveryHit(place.title, partial(self._go, GoTo(place.name)), help=_help(place))

    async def search(self, query: str) -> Hits:
        """Screens by name, the same filtered, then what the aggregator knows."""
        matcher = self.matcher(query)
        for place in PLACES:
            # With a hyphen as in the commands, or without.
            score = max(matcher.match(place.title), matcher.match(place.name))
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(place.title),
                    partial(self._go, GoTo(place.name)),
                    help=_help(place),
                )
        noun, _, rest = query.strip().partition(" ")
        rest = rest.strip()
        meant = named(noun)
        if meant is not None and rest:
            yield self._hit(0.9, f"{meant.title}: {rest}", "all that match", GoTo(meant.name, search=rest))
        nouns: tuple[str, ...] = _NOUNS
        wanted = query.strip()
        if noun.casefold().rstrip("s") in _NOUNS:
            nouns, wanted = (noun.casefold().rstrip("s"),), rest
        if len(wanted) < SEARCH_CHARACTERS_MIN:
            return
        await asyncio.sleep(TYPING_SECONDS)
        try:
            for order, one in enumerate(nouns):
                hits = await self._find(one, wanted, score=0.5 - order / 10)
                for hit in hits:
                    # The only one of its kind that was asked for is what is meant; else the list of all comes first.
                    hit.score = 0.95 if len(nouns) == len(hits) == 1 else hit.score
                    yield hit
        except CallFailed:
            # The status bar says what is wrong; screens are found all the same.
            return

    async def _find(self, noun: str, wanted: str, *, score: float) -> list[Hit]:
        page = Page(size=HITS_MAX)
        aggregator = self._aggregator
        match noun:
            case "client":
                clients = (await aggregator.clients(page, search=wanted)).clients
                return [self._hit(score, c.name, f"client {c.id}", OpenClient(c.id, c.name)) for c in clients]
            case "asset":
                assets = (await aggregator.assets(page, AssetQuery(search=wanted))).assets
                return [
                    self._hit(score, a.name, f"asset {a.id}, {a.source_type}", OpenAsset(a.id, a.name))
                    for a in assets
                ]
            case _:
                buckets = (await aggregator.buckets(page, search=wanted)).buckets
                return [
                    self._hit(score, b.name, f"bucket {b.id} of {b.client_name}", OpenBucket(b))
                    for b in buckets
                ]

    def _hit(self, score: float, name: str, what: str, message: Message) -> Hit:
        """Names are never markup: the palette takes only ``Text`` as it is, and its help line never."""
        shown = text(cut(name, NAME_CELLS_MAX))
        shown.append(f"  {clean(what)}", "dim")
        return Hit(score, shown, partial(self._go, message), text=clean(name))


class JumpPalette(CommandPalette):
    """The palette for people who type faster than hits come: ``:audit`` and enter in one go lead to the audit log.

    Enter waits for the hits of what stands in the line.
    """

    def __init__(self) -> None:
        super().__init__(placeholder="A screen, or client, asset, bucket and a name")
        # What the hits on view, and those that are complete, were asked for.
        self._asked: str | None = None
        self._shown_for: str | None = None
        self._complete_for: str | None = None
        # What stood in the line when enter came before its hits.
        self._hurried_for: str | None = None

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        # Textual would take the hit under the cursor, whatever it was asked for.
        if self._shown_for != event.value.strip():
            event.prevent_default()
            event.stop()
            self._hurry(event.value.strip())

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Once, as ``Dialog`` does."""
        return super().dismiss(result) if self.is_active else AwaitComplete()

    def _action_command_list(self, action: str) -> None:
        # As ``Choices``: without room for a line there is no page to turn.
        if not action.startswith("page_") or self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)

    def _hurry(self, wanted: str) -> None:
        """A screen that is named is opened at once; for everything else the hits are waited for."""
        place = named(wanted)
        if place is None:
            self._hurried_for = wanted
            return
        self._cancel_gather_commands()
        self.app.post_message(GoTo(place.name))
        _ = self.dismiss()

    async def _search_for(self, search_value: str) -> AsyncGenerator[Hit | DiscoveryHit, bool]:
        self._asked = search_value
        found = super()._search_for(search_value)
        try:
            hit = await anext(found)
            while True:
                hit = await found.asend((yield hit))
        except StopAsyncIteration:
            self._complete_for = search_value

    def _refresh_command_list(
        self, command_list: CommandList, commands: list[Command], clear_current: bool
    ) -> None:
        super()._refresh_command_list(command_list, commands, clear_current)
        self._shown_for = self._asked
        self._take_hurried()

    def _take_hurried(self) -> None:
        """Takes the first hit for those who pressed enter, once all are there."""
        if self._hurried_for == self._complete_for == self.query_one(CommandInput).value.strip():
            self._hurried_for = None
            if self.query_one(CommandList).highlighted is not None:
                self._action_command_list("select")
