"""What is metered, all of it or of a kind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from tui.cli.rows import ASSET_COLUMNS, asset_row
from tui.client import AssetQuery, Page
from tui.desk import Desk
from tui.dialogs.choose import ChooseDialog
from tui.dialogs.form import Form
from tui.format import clean, moment, text
from tui.messages import GoTo, OpenAsset
from tui.screens import asset_filters as filters
from tui.screens import cells
from tui.screens.asset_acts import AssetActs
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Asset = inventory_pb2.Asset

COLUMNS: Sequence[Column[Asset]] = (
    Column("ID", lambda a, now: Text(str(a.id), FAINT), 6, right=True, sort="id", above=70),
    Column("Client", lambda a, now: cells.client_name(a), 12, share=2, sort="client_name"),
    Column("Name", lambda a, now: text(a.name), 14, share=3, sort="name"),
    Column("Source", lambda a, now: text(a.source_type), 13, above=100),
    Column("Description", lambda a, now: text(a.description, FAINT), 12, share=2, above=100),
    Column("Agent", lambda a, now: text(a.agent, FAINT), 12, above=140),
    Column("Ack", lambda a, now: cells.acknowledged(a), 3),
    Column("Enabled", lambda a, now: cells.either(a.enabled), 7, above=76),
    Column("Created", lambda a, now: cells.created(moment(a.created_at)), 10, sort="created_at", above=76),
    Column("Last seen", cells.seen, 10, sort="last_seen"),
)


class AssetsScreen(AssetActs):
    """All assets, or those of a kind; a row opens one."""

    NOUNS = frozenset({"asset", "client"})
    MAIN = "assets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "restrictions", "Filters"),
        Binding("t", "same_source", "Type of this one", show=False),
    ]

    def __init__(self, desk: Desk, query: AssetQuery | None = None, client_name: str = "") -> None:
        super().__init__(desk)
        self._restrictions = filters.Restrictions(query or AssetQuery())
        self._asked: filters.ValueForm | None = None
        self._client_name = client_name

    def make_list(self) -> ListTable[Any]:
        """What the restrictions let through."""
        listing: Listing[Asset] = Listing(
            noun="assets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda asset: asset.id,
            opens=lambda asset: OpenAsset(asset.id, asset.name),
            empty="No assets here.\n\nWhat an agent meters appears with its first batch",
            restricted=self._restrictions.chips,
            markable=True,
            export=Export("assets", ASSET_COLUMNS, asset_row),
        )
        heading = f"{clean(self._client_name, 40)} › Assets" if self._client_name else "Assets"
        return ListTable(listing, heading=heading, clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        query = replace(self._restrictions.query, search=search)
        reply = await self.desk.aggregator.assets(page, query)
        return reply.assets, reply.page

    def restrict(self, query: AssetQuery) -> None:
        """Shows these assets instead."""
        self._restrictions.restrict(query)
        self.table.search = ""
        self.table.restart()

    @work(group="act")
    async def action_restrictions(self) -> None:
        """The menu of all that the list can be restricted by."""
        part = await self.app.push_screen_wait(
            ChooseDialog("Only assets that are …", self._restrictions.choices())
        )
        if part is None:
            return
        if part == filters.DISREGARDED:
            self.post_message(GoTo("disregarded"))
        elif filters.needs_value(part) and not self._restrictions.given(part):
            self._asked = filters.ValueForm(self.desk, part, sources=self._sources)
            self.fill(self._asked.form)
        else:
            if part == filters.CLEAR:
                self._restrictions.clear()
            else:
                self._restrictions.toggle(part)
            self.table.restart()

    def _sources(self) -> list[str]:
        return sorted({asset.source_type for asset in self.table.table.items})

    def filled(self, form: Form, values: dict[str, str]) -> None:
        """The value of a restriction."""
        if self._asked is not None and form is self._asked.form:
            value, name = self._asked.taken(values)
            self._restrictions.set(self._asked.part, value, name)
            self.table.restart()

    def action_same_source(self) -> None:
        """Only the source type of the row under the cursor; again: all of them."""
        row = self.table.table.current
        if self._restrictions.given("source_type") or row is not None:
            self._restrictions.toggle("source_type", "" if row is None else row.source_type)
            self.table.restart()

    def action_up(self) -> None:
        """First unmarks, then clears the filter, then the restrictions from the newest on, then leaves."""
        if self.table.table.clear_marks() or self.table.clear_filter():
            return
        if self._restrictions.drop_newest():
            self.table.restart()
        else:
            super().action_up()
