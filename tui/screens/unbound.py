"""What is metered and billed to nobody: the screen on which money is found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from tui.client import AssetQuery, Page
from tui.format import NONE, moment, money, text
from tui.messages import OpenAsset
from tui.screens import cells
from tui.screens.listing import ListScreen
from tui.theme import ATTENTION, FAINT
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Asset = inventory_pb2.Asset
# From here on a day more is worth a look.
DAYS_ATTENTION = 14


def days_unbound(asset: Asset, now: datetime) -> Text:
    """Whole days since the oldest usage that can still be billed."""
    since = moment(asset.unbound_since)
    if since is None:
        return Text(NONE, FAINT)
    days = max((now - since).days, 0)
    return Text(str(days), ATTENTION if days >= DAYS_ATTENTION else "")


def not_billed(asset: Asset, now: datetime) -> Text:
    """An estimate for the period; a dash where nothing has a price."""
    return Text(money(asset.unbound_money.amount, asset.unbound_money.currency))


COLUMNS: Sequence[Column[Asset]] = (
    Column("Asset", lambda a, now: text(a.name), 16, share=3, sort="name"),
    Column("Source", lambda a, now: text(a.source_type), 9, share=1, above=70),
    Column("Description", lambda a, now: text(a.description, FAINT), 12, share=2, above=100),
    Column("Client", lambda a, now: cells.client_name(a), 13, share=2, sort="client_name"),
    Column("Last seen", cells.seen, 10, sort="last_seen"),
    Column("Series", lambda a, now: Text(f"{a.series_unbound} of {a.series}"), 6, right=True),
    Column("Days", days_unbound, 5, right=True, sort="days_unbound"),
    Column("Not billed", not_billed, 13, right=True, sort="unbound_money"),
)


class UnboundScreen(ListScreen):
    """Assets with usage that no bucket bills; a row opens the asset."""

    NOUNS = frozenset({"asset", "bucket", "client"})
    MAIN = "unbound"

    def make_list(self) -> ListTable[Any]:
        """As the aggregator counts them."""
        listing: Listing[Asset] = Listing(
            noun="unbound assets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda asset: asset.id,
            opens=lambda asset: OpenAsset(asset.id, asset.name),
            empty="No unbound assets: everything that is metered is billed.",
        )
        return ListTable(listing, heading="Unbound assets", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.assets(page, AssetQuery(search=search, unbound=True))
        return reply.assets, reply.page
