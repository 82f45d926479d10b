"""One client: its open period in figures, its buckets, its assets, its periods."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.cli.periods import PERIOD_COLUMNS, period_row
from tui.cli.rows import BUCKET_COLUMNS, bucket_row
from tui.client import PAGE_ROWS_MAX, AssetQuery, Page
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import NONE, clean, day, days, moment, money, plural, text
from tui.messages import Loaded, LoadFailed, OpenBucket, OpenPeriod
from tui.screens import billing_cells, cells
from tui.screens.asset_list import assets_of
from tui.screens.bucket_acts import BucketActs
from tui.screens.bucket_terms import plain
from tui.screens.cycling import CyclingScreen
from tui.screens.what_if import open_what_if
from tui.theme import BAD
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import analysis_pb2, billing_pb2, closing_pb2, inventory_pb2, types_pb2

Client = inventory_pb2.Client
Bucket = inventory_pb2.Bucket
Period = closing_pb2.Period

BUCKETS_SHOWN: Sequence[Column[Bucket]] = (
    Column("Name", lambda b, now: text(b.name), 12, share=1, sort="name"),
    Column("Current usage", lambda b, now: cells.usage(b, width=13), 13, right=True, sort="current_usage"),
    Column("Commit", lambda b, now: cells.commit(b.terms, b.symbol, width=12), 12, right=True, above=100),
    Column("Base", lambda b, now: Text(plain(b.terms.base_price) or NONE), 7, right=True, above=100),
    Column("Overage", lambda b, now: Text(plain(b.terms.overage_price) or NONE), 7, right=True, above=100),
    Column("Projected cost", lambda b, now: cells.projected_cost(b), 14, right=True, sort="projected_cost"),
    Column("Status", lambda b, now: cells.status(b), 14, sort="percent_of_commit"),
    Column("Reviewed", lambda b, now: cells.either(b.reviewed, bad=True), 8, above=120),
    Column("Enabled", lambda b, now: cells.either(b.enabled, bad=True), 7, above=70),
)
PERIODS_SHOWN: Sequence[Column[Period]] = (
    Column(
        "Period",
        lambda p, now: Text(billing_cells.period_days(p.first_day, p.last_day)),
        18,
        share=1,
        sort="period_start",
    ),
    Column("State", lambda p, now: billing_cells.period_state(p.state, overdue=p.overdue), 11),
    Column("Buckets", lambda p, now: Text(f"{p.buckets:,}"), 8, right=True, sort="buckets"),
    Column("Checklist", lambda p, now: billing_cells.checks(p), 10, above=70),
    Column(
        "Cost",
        lambda p, now: Text(money(p.total.amount, p.total.currency), "bold"),
        16,
        right=True,
        sort="total",
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The client as it is now, what its open period cost so far, and how that compares with what is committed.

    ``compared`` is None where nothing is billed yet, and where a month holds several periods or the period's has not begun.
    """

    client: Client
    so_far: types_pb2.Money
    compared: analysis_pb2.OverUnderRow | None


class ClientScreen(BucketActs, CyclingScreen):
    """Facts above; below its buckets, assets or periods, which ``v`` goes through."""

    NOUNS = frozenset({"client", "bucket", "reading", "projection"})
    MAIN = "clients"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "view", "View")]
    CSS = """
    ClientScreen { #coming { height: auto; max-height: 3; padding: 0 1; margin: -1 0 1 0; } }
    """

    def __init__(self, desk: Desk, client_id: int, name: str, bucket_id: int = 0) -> None:
        super().__init__(desk)
        self._client_id = client_id
        self._client_name = name
        self._bucket_id = bucket_id

    def above(self) -> ComposeResult:
        """The client itself."""
        yield Crumbs("Clients", self._client_name)
        yield Facts()
        coming = Static(id="coming", markup=False)
        coming.display = False
        yield coming

    def make_lists(self) -> Sequence[ListTable[Any]]:
        """Buckets, assets, periods."""
        return (
            self._buckets(),
            assets_of(
                self.desk,
                AssetQuery(client_id=self._client_id),
                empty="No assets of this client.\n\nAssign some on the screen Unbound (4) or Assets (3)",
            ),
            self._periods(),
        )

    def _buckets(self) -> ListTable[Bucket]:
        listing: Listing[Bucket] = Listing(
            noun="buckets",
            columns=BUCKETS_SHOWN,
            fetch=self._fetch,
            key=lambda bucket: bucket.id,
            opens=OpenBucket,
            empty="No buckets: nothing of this client is billed.\n\nn makes one",
            markable=True,
            export=Export("buckets", BUCKET_COLUMNS, bucket_row),
        )
        table = ListTable(listing, heading="Buckets", clock=self.desk.clock)
        if self._bucket_id:
            table.want(self._bucket_id)
        return table

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Bucket], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.buckets(page, client_id=self._client_id, search=search)
        return reply.buckets, reply.page

    def _periods(self) -> ListTable[Period]:
        async def fetch(page: Page, search: str) -> tuple[Sequence[Period], types_pb2.PageInfo]:
            if search:
                # The aggregator finds names of clients, which are all the same here.
                page = replace(page, size=PAGE_ROWS_MAX, after="")
            reply = await self.desk.aggregator.periods(page, client_id=self._client_id)
            if not search:
                return reply.periods, reply.page
            found = [
                one
                for one in reply.periods
                if search in billing_cells.period_days(one.first_day, one.last_day)
            ]
            return found, types_pb2.PageInfo(total=len(found))

        listing: Listing[Period] = Listing(
            noun="periods",
            columns=PERIODS_SHOWN,
            fetch=fetch,
            key=lambda period: period.start.seconds,
            opens=OpenPeriod,
            empty="No periods yet: the next billing run makes the first one.",
            export=Export("periods", PERIOD_COLUMNS, period_row),
        )
        return ListTable(listing, heading="Periods", clock=self.desk.clock)

    def ask(self) -> None:
        """For the client and the list on view."""
        super().ask()
        self._ask_client()

    @work(exclusive=True, group="client")
    async def _ask_client(self) -> None:
        try:
            client = await self.desk.aggregator.client(self._client_id)
            found = Found(client, await self._so_far(client), await self._compared(client))
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(found))

    async def _so_far(self, client: Client) -> types_pb2.Money:
        if self.desk.refusal("Closing/ListPeriods"):
            return types_pb2.Money()
        reply = await self.desk.aggregator.periods(
            Page(size=1), client_id=client.id, state=billing_pb2.PERIOD_STATE_OPEN
        )
        return reply.periods[0].total if reply.periods else types_pb2.Money()

    async def _compared(self, client: Client) -> analysis_pb2.OverUnderRow | None:
        """The open period's commit, overage and buffer: of its reporting month, where that holds no other period."""
        end = moment(client.period_end)
        if end is None or client.cycle_unit != "month" or self.desk.refusal("Analysis/GetOverUnder"):
            return None
        month = day(end - timedelta(microseconds=1), client.time_zone)[:7]
        request = analysis_pb2.GetOverUnderRequest(by="client", client_id=client.id, month=month)
        aggregator = self.desk.aggregator
        try:
            reply = await aggregator.ask(aggregator.analysis.GetOverUnder, request)
        except CallFailed:
            # As of a long period whose last month has not begun; the rest is shown all the same.
            return None
        return next((row for row in reply.rows if row.client_id == client.id), None)

    def on_load_failed(self, message: LoadFailed) -> None:
        """The list below says it."""
        message.stop()

    def on_loaded(self, message: Loaded[Found]) -> None:
        """As it is now, its name too."""
        message.stop()
        client, compared = message.data.client, message.data.compared
        period = days(moment(client.period_start), moment(client.period_end), client.time_zone)
        unit = clean(client.cycle_unit, 10) + ("" if client.cycle_count == 1 else "s")
        self._client_name = client.name
        self.query_one(Crumbs).show("Clients", client.name)

        def part(name: str) -> Text:
            amount = getattr(compared, name) if compared is not None else types_pb2.Money()
            return Text(money(amount.amount, amount.currency))

        overage = part("overage")
        if compared is not None and compared.overage.amount.strip("0."):
            overage.stylize(BAD)
        state = "enabled" if client.enabled else f"disabled since {clean(client.disabled_on, 10) or NONE}"
        closes = (
            f"after {client.close_after_days} days"
            if client.HasField("close_after_days")
            else "when all is settled"
        )
        self.query_one(Facts).show_facts(
            [
                ("Period", Text(period)),
                ("So far", Text(money(message.data.so_far.amount, message.data.so_far.currency))),
                ("Projected", Text(money(client.projected_cost, client.currency), "bold")),
                ("Commit", part("committed")),
                ("Overage", overage),
                ("Buffer", part("buffer")),
                ("State", Text(f"{state}, {plural(client.assets, 'asset')}")),
                ("Currency", text(f"{client.currency}, days of {client.time_zone}")),
                ("Cycle", Text(f"{client.cycle_count} {unit}, from {clean(client.cycle_anchor, 10)}")),
                ("Closes", Text(closes)),
                ("Final to", Text(day(moment(client.finalised_to), client.time_zone))),
                ("Contact", text(client.contact or NONE)),
            ]
        )
        coming = self.query_one("#coming", Static)
        coming.display = bool(client.coming)
        coming.update(Text("\n").join(map(coming_words, client.coming)))

    # Acts: those on buckets are for the rows of the first list.

    def chosen_buckets(self) -> Sequence[Bucket]:
        """The rows chosen while buckets are on view."""
        if self.view:
            self.say("This is done with buckets: v shows them.")
            return []
        return self.chosen()

    def client_of_new(self) -> int:
        """This one."""
        return self._client_id

    async def action_what_if(self) -> None:
        """What other terms of all its buckets would have cost; of one bucket: on its own screen."""
        await open_what_if(self, client_id=self._client_id, name=self._client_name)


def coming_words(cycle: inventory_pb2.ClientCycle) -> Text:
    """``From 2027-01-01: 3 months, Europe/Berlin, EUR``."""
    unit = cycle.cycle_unit if cycle.cycle_count == 1 else f"{cycle.cycle_unit}s"
    line = Text.assemble(("Coming     ", "dim"), no_wrap=True)
    zone, currency = clean(cycle.time_zone, 40), clean(cycle.currency, 3)
    return line.append(
        f"from {clean(cycle.starts_on, 10)}: {cycle.cycle_count} {clean(unit, 10)}, {zone}, {currency}"
    )
