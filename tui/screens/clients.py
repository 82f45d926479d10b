"""Who the customers are, and of one of them: its buckets with usage and projected cost."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.client import Page
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import clean, days, moment, money, plural, text
from tui.messages import Loaded, LoadFailed, OpenAssets, OpenBucket, OpenClient
from tui.screens import cells
from tui.screens.listing import ListScreen
from tui.theme import FAINT
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Client = inventory_pb2.Client
Bucket = inventory_pb2.Bucket

CLIENT_COLUMNS: Sequence[Column[Client]] = (
    Column("ID", lambda c, now: Text(str(c.id), FAINT), 5, right=True, sort="id"),
    Column("Name", lambda c, now: text(c.name), 16, share=1, sort="name"),
    Column("Buckets", lambda c, now: Text(f"{c.buckets:,}"), 9, right=True, sort="buckets"),
    Column("Assets", lambda c, now: Text(f"{c.assets:,}"), 8, right=True, above=76),
    Column(
        "Projected",
        lambda c, now: Text(money(c.projected_cost, c.currency)),
        15,
        right=True,
        sort="projected_cost",
    ),
    Column("Enabled", lambda c, now: cells.either(c.enabled, bad=True), 9),
    Column(
        "Period",
        lambda c, now: Text(days(moment(c.period_start), moment(c.period_end), c.time_zone)),
        18,
        above=100,
    ),
    Column("Created", lambda c, now: cells.created(moment(c.created_at)), 10, sort="created_at", above=76),
)

BUCKET_COLUMNS: Sequence[Column[Bucket]] = (
    Column("Name", lambda b, now: text(b.name), 14, share=1, sort="name"),
    Column("Current usage", lambda b, now: cells.usage(b), 15, right=True, sort="current_usage"),
    Column("Commit", lambda b, now: cells.commit(b.terms, b.symbol), 12, right=True, above=100),
    Column("Base", lambda b, now: Text(b.terms.base_price or "—"), 8, right=True, above=120),
    Column("Overage", lambda b, now: Text(b.terms.overage_price or "—"), 8, right=True, above=120),
    Column("Projected cost", lambda b, now: cells.projected_cost(b), 15, right=True, sort="projected_cost"),
    Column("Status", lambda b, now: cells.status(b), 15, sort="percent_of_commit"),
    Column("Enabled", lambda b, now: cells.either(b.enabled, bad=True), 9, above=70),
)


class ClientsScreen(ListScreen):
    """All clients; a row opens its buckets."""

    NOUNS = frozenset({"client", "bucket", "asset", "projection"})
    MAIN = "clients"

    def make_list(self) -> ListTable[Any]:
        """Every client, enabled or not."""
        listing: Listing[Client] = Listing(
            noun="clients",
            columns=CLIENT_COLUMNS,
            fetch=self._fetch,
            key=lambda client: client.id,
            opens=lambda client: OpenClient(client.id, client.name),
            empty="No clients yet.\n\nullage clients create NAME makes the first one",
        )
        return ListTable(listing, heading="Clients", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Client], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.clients(page, search=search)
        return reply.clients, reply.page


class ClientScreen(ListScreen):
    """One client and its buckets; a row opens the bucket."""

    NOUNS = frozenset({"client", "bucket", "reading", "projection"})
    MAIN = "clients"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "assets", "Assets")]

    def __init__(self, desk: Desk, client_id: int, name: str, bucket_id: int = 0) -> None:
        super().__init__(desk)
        self._client_id = client_id
        self._client_name = name
        self._bucket_id = bucket_id

    def above(self) -> ComposeResult:
        """The client itself."""
        yield Crumbs("Clients", self._client_name)
        yield Facts()

    def make_list(self) -> ListTable[Any]:
        """Its buckets."""
        listing: Listing[Bucket] = Listing(
            noun="buckets",
            columns=BUCKET_COLUMNS,
            fetch=self._fetch,
            key=lambda bucket: bucket.id,
            opens=OpenBucket,
            empty="No buckets: nothing of this client is billed.\n\nullage buckets create NAME makes one",
        )
        table = ListTable(listing, heading="Buckets", clock=self.desk.clock)
        if self._bucket_id:
            table.want(self._bucket_id)
        return table

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Bucket], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.buckets(page, client_id=self._client_id, search=search)
        return reply.buckets, reply.page

    def ask(self) -> None:
        """For the client and its buckets."""
        super().ask()
        self._ask_client()

    @work(exclusive=True, group="client")
    async def _ask_client(self) -> None:
        try:
            client = await self.desk.aggregator.client(self._client_id)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(client))

    def on_load_failed(self, message: LoadFailed) -> None:
        """The list below says it."""
        message.stop()

    def on_loaded(self, message: Loaded[Client]) -> None:
        """As it is now, its name too."""
        message.stop()
        client = message.data
        period = days(moment(client.period_start), moment(client.period_end), client.time_zone)
        cycle = f"{client.cycle_count} {client.cycle_unit}, from {clean(client.cycle_anchor, 10)}"
        self._client_name = client.name
        self.query_one(Crumbs).show("Clients", client.name)
        self.query_one(Facts).show_facts(
            [
                ("Client", text(client.name, "bold")),
                ("Projected", Text(money(client.projected_cost, client.currency), "bold")),
                ("Period", Text(period)),
                ("Currency", text(f"{client.currency}, days begin in {client.time_zone}")),
                ("Cycle", Text(cycle)),
                (
                    "State",
                    Text(f"{'enabled' if client.enabled else 'disabled'}, {plural(client.assets, 'asset')}"),
                ),
            ]
        )

    def action_assets(self) -> None:
        """The client's assets."""
        self.post_message(OpenAssets(self._client_id, self._client_name))
