"""Assets as a list on the screen of what they belong to; acts on many are on the screen of assets itself."""

from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from tui.cli.rows import ASSET_COLUMNS, asset_row
from tui.client import AssetQuery, Page
from tui.desk import Desk
from tui.format import text
from tui.messages import OpenAsset
from tui.screens import cells
from tui.theme import ATTENTION, FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Asset = inventory_pb2.Asset


def _unbound(asset: Asset) -> Text:
    return Text(f"{asset.series_unbound} of {asset.series}", ATTENTION if asset.series_unbound else FAINT)


COLUMNS: Sequence[Column[Asset]] = (
    Column("ID", lambda a, now: Text(str(a.id), FAINT), 6, right=True, sort="id", above=100),
    Column("Name", lambda a, now: text(a.name), 16, share=2, sort="name"),
    Column("Source", lambda a, now: text(a.source_type), 10),
    Column("Description", lambda a, now: text(a.description, FAINT), 12, share=1, above=100),
    Column("Unbound", lambda a, now: _unbound(a), 8, right=True),
    Column("Ack", lambda a, now: cells.acknowledged(a), 3, above=70),
    Column("Enabled", lambda a, now: cells.either(a.enabled), 7, above=76),
    Column("Last seen", cells.seen, 10, sort="last_seen"),
)


def assets_of(desk: Desk, query: AssetQuery, *, empty: str) -> ListTable[Asset]:
    """The assets that ``query`` lets through; a row opens the asset."""

    async def fetch(page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        reply = await desk.aggregator.assets(page, replace(query, search=search))
        return reply.assets, reply.page

    listing: Listing[Asset] = Listing(
        noun="assets",
        columns=COLUMNS,
        fetch=fetch,
        key=lambda asset: asset.id,
        opens=lambda asset: OpenAsset(asset.id, asset.name),
        empty=empty,
        export=Export("assets", ASSET_COLUMNS, asset_row),
    )
    return ListTable(listing, heading="Assets", clock=desk.clock)
