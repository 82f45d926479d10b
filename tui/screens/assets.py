"""What is metered, all of it or of a kind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.client import AssetQuery, Page
from tui.desk import Desk
from tui.format import clean, moment, text
from tui.messages import OpenAsset
from tui.screens import cells
from tui.screens.listing import ListScreen
from tui.theme import FAINT
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Asset = inventory_pb2.Asset

COLUMNS: Sequence[Column[Asset]] = (
    Column("ID", lambda a, now: Text(str(a.id), FAINT), 6, right=True, sort="id", above=70),
    Column("Client", lambda a, now: cells.client_name(a), 12, share=2, sort="client_name"),
    Column("Name", lambda a, now: text(a.name), 14, share=3, sort="name"),
    Column("Source", lambda a, now: text(a.source_type), 13, above=100),
    Column("Description", lambda a, now: text(a.description, FAINT), 12, share=2, above=100),
    Column("Ack", lambda a, now: cells.acknowledged(a), 3),
    Column("Enabled", lambda a, now: cells.either(a.enabled), 7, above=76),
    Column("Created", lambda a, now: cells.created(moment(a.created_at)), 10, sort="created_at", above=76),
    Column("Last seen", cells.seen, 10, sort="last_seen"),
)


class AssetsScreen(ListScreen):
    """All assets, or those of a kind; a row opens one."""

    NOUNS = frozenset({"asset", "client"})
    MAIN = "assets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "only_unassigned", "Unassigned"),
        Binding("n", "only_new", "New"),
        Binding("t", "same_source", "Type"),
    ]

    def __init__(self, desk: Desk, query: AssetQuery | None = None, client_name: str = "") -> None:
        super().__init__(desk)
        self._query = query or AssetQuery()
        self._client_name = client_name

    def make_list(self) -> ListTable[Any]:
        """What the query lets through."""
        listing: Listing[Asset] = Listing(
            noun="assets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda asset: asset.id,
            opens=lambda asset: OpenAsset(asset.id, asset.name),
            empty="No assets here.\n\nWhat an agent meters appears with its first batch",
            restricted=self._restricted,
        )
        heading = f"{clean(self._client_name, 40)} › Assets" if self._client_name else "Assets"
        return ListTable(listing, heading=heading, clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.assets(page, replace(self._query, search=search))
        return reply.assets, reply.page

    def _restricted(self) -> str:
        """Every restriction as a chip that says how it goes away."""
        query = self._query
        words = [
            "unassigned ×" if query.unassigned else "",
            "new ×" if query.unacknowledged else "",
            f"source: {query.source_type} ×" if query.source_type else "",
        ]
        return "  ".join(word for word in words if word)

    def restrict(self, query: AssetQuery) -> None:
        """Shows these assets instead."""
        self._query = query
        self.table.search = ""
        self.table.restart()

    def action_only_unassigned(self) -> None:
        """Only those of no client; again: all."""
        self._query = replace(self._query, unassigned=not self._query.unassigned)
        self.table.restart()

    def action_only_new(self) -> None:
        """Only those that nobody acknowledged; again: all."""
        self._query = replace(self._query, unacknowledged=not self._query.unacknowledged)
        self.table.restart()

    def action_same_source(self) -> None:
        """Only the source type of the row under the cursor; again: all of them."""
        row = self.table.table.current
        source = "" if self._query.source_type or row is None else row.source_type
        self._query = replace(self._query, source_type=source)
        self.table.restart()

    def action_up(self) -> None:
        """First clears the filter, then the restrictions, then leaves."""
        if self.table.clear_filter():
            return
        bare = AssetQuery(client_id=self._query.client_id)
        if self._query != bare:
            self._query = bare
            self.table.restart()
        else:
            super().action_up()
