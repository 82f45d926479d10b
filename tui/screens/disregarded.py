"""What somebody decided to leave out of billing: its history is kept, and it can be brought back."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.cli.rows import ASSET_COLUMNS, asset_row
from tui.client import AssetQuery, Page
from tui.format import moment, text
from tui.messages import OpenAsset
from tui.screens import cells
from tui.screens.asset_acts import AssetActs
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Asset = inventory_pb2.Asset

COLUMNS: Sequence[Column[Asset]] = (
    Column("ID", lambda a, now: Text(str(a.id), FAINT), 6, right=True, sort="id", above=70),
    Column("Asset", lambda a, now: text(a.name), 16, share=3, sort="name"),
    Column("Source", lambda a, now: text(a.source_type), 9, above=70),
    Column("Client", lambda a, now: cells.client_name(a), 13, share=2, sort="client_name"),
    Column("Description", lambda a, now: text(a.description, FAINT), 12, share=2, above=100),
    Column("Created", lambda a, now: cells.created(moment(a.created_at)), 10, sort="created_at", above=100),
    Column("Last seen", cells.seen, 10, sort="last_seen"),
)


class DisregardedScreen(AssetActs):
    """Disregarded assets alone, which are in no other list; a row opens one."""

    NOUNS = frozenset({"asset", "client"})
    MAIN = "disregarded"
    NEEDS: ClassVar[dict[str, str]] = {"disregard": "Inventory/RestoreAssets"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "disregard", "Restore"),
        # Nothing else is decided about what is disregarded; the keys say so.
        Binding("o", "assign", "Assign", show=False),
        Binding("b", "bind", "Bind", show=False),
        Binding("A", "acknowledge", "Ack", show=False),
    ]

    def make_list(self) -> ListTable[Any]:
        """All of them."""
        listing: Listing[Asset] = Listing(
            noun="disregarded assets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda asset: asset.id,
            opens=lambda asset: OpenAsset(asset.id, asset.name),
            empty="No disregarded assets: everything that is metered counts.\n\nd on an asset leaves it out of billing",
            markable=True,
            export=Export("disregarded assets", ASSET_COLUMNS, asset_row),
        )
        return ListTable(listing, heading="Disregarded", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.assets(page, AssetQuery(search=search, disregarded=True))
        return reply.assets, reply.page
