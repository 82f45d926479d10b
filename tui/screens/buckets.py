"""What was agreed and how much of it is used; of one bucket: terms, filters and billing history."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.client import Page
from tui.failures import CallFailed
from tui.format import NONE, clean, day, decimal, moment, money, percent, plural, quantity, stamp, text
from tui.messages import Loaded, LoadFailed, OpenBucket
from tui.screens import cells
from tui.screens.live import Desk, ListScreen
from tui.theme import BAD, FAINT, GOOD
from tui.widgets.facts import Facts
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import billing_pb2, inventory_pb2, types_pb2

Bucket = inventory_pb2.Bucket
Reading = billing_pb2.Reading

COLUMNS: Sequence[Column[Bucket]] = (
    Column("ID", lambda b, now: Text(str(b.id), FAINT), 4, right=True, sort="id", above=70),
    Column("Client", lambda b, now: text(b.client_name), 9, share=1, sort="client_name"),
    Column("Name", lambda b, now: text(b.name), 11, share=1, sort="name"),
    Column("Source", lambda b, now: text(b.source_type), 9, sort="source_type", above=70),
    Column("Unit", lambda b, now: text(b.unit_type), 8, sort="unit_type"),
    Column("Agg", lambda b, now: text(b.terms.aggregation), 5, above=100),
    Column("Usage", lambda b, now: cells.usage(b), 12, right=True, sort="current_usage"),
    Column("Commit", lambda b, now: cells.commit(b.terms, b.symbol), 11, right=True),
    Column("Status", lambda b, now: cells.status(b), 14, sort="percent_of_commit", above=120),
    Column("Rev", lambda b, now: cells.either(b.reviewed, bad=True), 3, above=70),
    Column("On", lambda b, now: cells.either(b.enabled), 3, above=70),
)


def _state(reading: Reading) -> Text:
    match reading.state:
        case billing_pb2.PERIOD_STATE_OPEN:
            return Text("open")
        case billing_pb2.PERIOD_STATE_ENDED:
            return Text("ended, provisional", FAINT)
        case billing_pb2.PERIOD_STATE_FINALISED:
            return Text("finalised", GOOD)
        case _:
            return Text(NONE)


def _part(amount: str, reading: Reading, style: str) -> Text:
    """Money that matters only when there is some."""
    return Text(money(amount, reading.currency), style if decimal(amount) else FAINT)


READING_COLUMNS: Sequence[Column[Reading]] = (
    Column("Period", lambda r, now: Text(f"{day(moment(r.period_start))} –"), 12),
    Column("State", lambda r, now: _state(r), 9, share=1),
    Column("Usage", lambda r, now: Text(quantity(r.quantity, r.symbol)), 14, right=True),
    Column("% commit", lambda r, now: Text(percent(r.percent_of_commit)), 8, right=True, above=100),
    Column("Used", lambda r, now: _part(r.used, r, ""), 13, right=True, above=110),
    Column("Overage", lambda r, now: _part(r.overage, r, BAD), 12, right=True),
    Column("Buffer", lambda r, now: _part(r.buffer, r, ""), 12, right=True),
    Column("Cost", lambda r, now: Text(money(r.cost, r.currency), "bold"), 13, right=True),
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


class BucketScreen(ListScreen):
    """One bucket: what was agreed, what it takes in, and what it cost in each period."""

    NOUNS = frozenset({"bucket", "reading", "projection"})
    MAIN = "buckets"

    def __init__(self, desk: Desk, bucket: Bucket) -> None:
        super().__init__(desk)
        self._bucket = bucket

    def above(self) -> ComposeResult:
        """Terms and filters."""
        yield Facts()

    def make_list(self) -> ListTable[Any]:
        """Its billing readings."""
        listing: Listing[Reading] = Listing(
            noun="billing readings",
            columns=READING_COLUMNS,
            fetch=self._fetch,
            key=lambda reading: reading.period_start.seconds,
            opens=lambda reading: None,
            empty="No billing readings yet: the next billing run makes the first one.",
        )
        heading = f"{clean(self._bucket.client_name, 24)} › {clean(self._bucket.name, 24)} › History"
        return ListTable(listing, heading=heading, clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Reading], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.readings(page, bucket_id=self._bucket.id)
        return reply.readings, reply.page

    def on_mount(self) -> None:
        """What the list knew is shown at once."""
        super().on_mount()
        self._show()

    def ask(self) -> None:
        """For the bucket and its readings."""
        super().ask()
        self._ask_bucket()

    @work(exclusive=True, group="bucket")
    async def _ask_bucket(self) -> None:
        held = self._bucket
        try:
            bucket = await self.desk.aggregator.bucket(held.id, client_id=held.client_id, name=held.name)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(bucket))

    def on_load_failed(self, message: LoadFailed) -> None:
        """The list below says it."""
        message.stop()

    def on_loaded(self, message: Loaded[Bucket | None]) -> None:
        """None: renamed or gone since the list was read; what was known stays."""
        message.stop()
        if message.data is not None:
            self._bucket = message.data
            self._show()

    def _show(self) -> None:
        bucket = self._bucket
        terms = bucket.terms
        states = ["enabled" if bucket.enabled else "disabled"]
        if not bucket.reviewed:
            states.append("not reviewed")
        filters = [clean(cells.filter_words(one)) for one in bucket.filters]
        money_per = f"{clean(bucket.currency, 3)} a {clean(bucket.symbol, 16)}"
        price = f"base {clean(terms.base_price, 20)}, overage {clean(terms.overage_price, 20)} {money_per}"
        self.query_one(Facts).show_facts(
            [
                ("Bucket", text(bucket.name, "bold")),
                ("Takes", text(f"{terms.aggregation} of {bucket.unit_type} of {bucket.source_type}")),
                (
                    "Filters",
                    Text(" or ".join(filters) or f"every {clean(bucket.source_type, 24)} of the client"),
                ),
                ("Bound", Text(f"{plural(bucket.series, 'series')}; {', '.join(states)}")),
                (
                    "Terms",
                    Text(
                        f"since {clean(terms.starts_on, 10)}; {plural(len(bucket.all_terms), 'set')} of terms in all"
                    ),
                ),
                ("Commit", cells.commit(terms, bucket.symbol)),
                ("Prices", Text(price)),
                (
                    "Usage",
                    Text(
                        f"{quantity(bucket.current_usage, bucket.symbol)} until {stamp(moment(bucket.usage_as_of))}"
                    ),
                ),
                (
                    "Projected",
                    Text(
                        f"{quantity(bucket.projected_usage, bucket.symbol)}, {money(bucket.projected_cost, bucket.currency)}"
                    ),
                ),
                ("Status", cells.status(bucket)),
            ]
        )
