"""What was agreed with clients, and how much of it is used."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.client import Page
from tui.desk import Desk
from tui.format import text
from tui.messages import OpenBucket
from tui.screens import cells
from tui.screens.listing import ListScreen
from tui.theme import FAINT
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Bucket = inventory_pb2.Bucket

COLUMNS: Sequence[Column[Bucket]] = (
    Column("ID", lambda b, now: Text(str(b.id), FAINT), 4, right=True, sort="id", above=100),
    Column("Client", lambda b, now: text(b.client_name), 9, share=1, sort="client_name"),
    Column("Name", lambda b, now: text(b.name), 11, share=1, sort="name"),
    Column("Source", lambda b, now: text(b.source_type), 9, sort="source_type", above=70),
    Column("Unit", lambda b, now: text(b.unit_type), 8, sort="unit_type"),
    Column("Agg", lambda b, now: text(b.terms.aggregation), 5, above=100),
    Column("Usage", lambda b, now: cells.usage(b), 13, right=True, sort="current_usage"),
    Column("Commit", lambda b, now: cells.commit(b.terms, b.symbol), 13, right=True),
    Column("Status", lambda b, now: cells.status(b), 14, sort="percent_of_commit", above=120),
    Column("Rev", lambda b, now: cells.either(b.reviewed, bad=True), 3, above=70),
    Column("On", lambda b, now: cells.either(b.enabled), 3, above=70),
)


class BucketsScreen(ListScreen):
    """All buckets; a row opens its terms and history."""

    NOUNS = frozenset({"bucket", "client", "reading", "projection"})
    MAIN = "buckets"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("t", "same_source", "Type")]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._source = ""

    def make_list(self) -> ListTable[Any]:
        """All, or those of one source type."""
        listing: Listing[Bucket] = Listing(
            noun="buckets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda bucket: bucket.id,
            opens=OpenBucket,
            empty="No buckets: nothing is billed yet.\n\nullage buckets create NAME makes the first one",
            restricted=lambda: f"source: {self._source} ×" if self._source else "",
        )
        return ListTable(listing, heading="Buckets", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Bucket], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.buckets(page, search=search, source_type=self._source)
        return reply.buckets, reply.page

    def action_same_source(self) -> None:
        """Only the source type of the row under the cursor; again: all of them."""
        row = self.table.table.current
        self._source = "" if self._source or row is None else row.source_type
        self.table.restart()

    def action_up(self) -> None:
        """First clears the filter, then the source type."""
        if self._source and not self.table.clear_filter():
            self._source = ""
            self.table.restart()
        elif not self._source:
            super().action_up()
