"""``:`` and ctrl+p: jump to a screen by its name, to a client, an asset or a bucket by a part of theirs.

``client brook`` and ``asset web-`` ask the aggregator; without such a word screens are found at once and everything
else from two characters on.
"""

import asyncio
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.message import Message

from tui.client import Aggregator, AssetQuery, Page
from tui.failures import CallFailed
from tui.format import clean, cut, text
from tui.messages import GoTo, OpenAsset, OpenBucket, OpenClient
from tui.screens.live import LiveScreen
from tui.widgets.frame import MAIN_SCREENS

HITS_MAX = 8
NAME_CELLS_MAX = 40
SEARCH_CHARACTERS_MIN = 2
# Between two keys: the palette asks anew at each.
TYPING_SECONDS = 0.2
_NOUNS = ("client", "asset", "bucket")


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
        for digit, name, title in MAIN_SCREENS:
            yield DiscoveryHit(title, partial(self._go, GoTo(name)), help=f"screen, key {digit}")

    async def search(self, query: str) -> Hits:
        """Screens by name, then what the aggregator knows."""
        matcher = self.matcher(query)
        for digit, name, title in MAIN_SCREENS:
            score = matcher.match(title)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(title),
                    partial(self._go, GoTo(name)),
                    help=f"screen, key {digit}",
                )
        noun, _, rest = query.strip().partition(" ")
        nouns: tuple[str, ...] = _NOUNS
        wanted = query.strip()
        if noun.rstrip("s") in _NOUNS:
            nouns, wanted = (noun.rstrip("s"),), rest.strip()
        if len(wanted) < SEARCH_CHARACTERS_MIN:
            return
        await asyncio.sleep(TYPING_SECONDS)
        try:
            for place, one in enumerate(nouns):
                for hit in await self._find(one, wanted, score=0.5 - place / 10):
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
